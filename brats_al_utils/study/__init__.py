"""A study: its settings, its arms, its table of runs, and its folders."""
