"""One training and its result: its specification, the store, and the engine that computes it."""
