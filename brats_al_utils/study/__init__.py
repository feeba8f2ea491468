"""What is compared, with which settings, and where it is kept."""
