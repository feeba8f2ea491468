"""Which slices to annotate: uncertainty, strategies, and what an arm selects."""
