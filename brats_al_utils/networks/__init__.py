"""AlexNet and the others: their weights, training and predictions."""
