"""One training and its result: what decides it, where it is kept, who computes it."""
