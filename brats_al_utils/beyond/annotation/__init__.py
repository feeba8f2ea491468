"""Unlabelled images: what to annotate next, the answers of readers, and what was learned from them."""
