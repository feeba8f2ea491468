"""The ranking of a study, slice by slice, live in JupyterLab."""
