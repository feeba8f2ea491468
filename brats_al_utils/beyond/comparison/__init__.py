"""What annotations are worth: comparisons that the paper does not make."""
