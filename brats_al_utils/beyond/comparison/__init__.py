"""What an annotation buys."""
