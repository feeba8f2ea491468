"""A study's predictions without its images in one file: writing, reading, verifying."""
