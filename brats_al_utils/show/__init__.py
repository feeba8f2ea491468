"""What people look at: figures, notebooks and the report."""
