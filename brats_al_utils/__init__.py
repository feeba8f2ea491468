"""Helpers of the notebooks that reproduce Hao et al. 2021 on a BraTS-format cohort."""

__version__ = "0.1.0"
