"""Synthetic patients, and outliers planted among them."""
