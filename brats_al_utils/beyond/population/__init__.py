"""What a study of the paper's size can tell: populations, variance components, operating characteristics."""
