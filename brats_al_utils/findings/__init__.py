"""From results to tables, tests and verdicts."""
