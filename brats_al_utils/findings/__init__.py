"""Tables, statistical tests and verdicts, from the results of a study."""
