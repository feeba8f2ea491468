"""Synthetic patients, for a study without data: `opening.open_study` looks for this room."""

from brats_al_utils.beyond.phantoms.writing import cohort_of

__all__ = ["cohort_of"]
