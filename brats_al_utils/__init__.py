"""Helpers of the notebooks that reproduce Hao et al. 2021 on a BraTS-format cohort."""

__version__ = "0.1.0"


class InputError(ValueError):
    """What the user gave cannot be used; the message names it, says what was expected and what mends it."""
