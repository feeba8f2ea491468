"""What one kind of cohort does in its own way: how its patients are checked, drawn from, and cut."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd

from brats_al_utils.cohorts.checks import case_faults
from brats_al_utils.cohorts.cuts import Cut, cut_case, slices_asked
from brats_al_utils.cohorts.slices import SliceRule


@dataclass(frozen=True)
class Kind:
    """A kind of cohort, by what is done with rows of `Cohort.cases`.

    Attributes
    ----------
    faults : callable
        Takes a patient's rows and the tumour area that a slice must have. Returns everything that is wrong with the
        files, and what each image is known by (see `copies.same_pixels`).
    asked : callable
        Takes all rows, the classes and a rule. Returns how many slices the rule asks of each row.
    cut : callable
        Takes a patient's rows, how many slices are asked of each, a rule, and the classes in the order of their labels.
        Returns the patient's table, pixels and segmentation, as `cuts.cut_case` does.
    chosen_by : callable
        Takes all rows. Returns how their slices are chosen, a line each way.
    """

    faults: Callable[[pd.DataFrame, float], tuple[list[str], list[bytes]]]
    asked: Callable[[pd.DataFrame, tuple[str, str], SliceRule], pd.Series]
    cut: Callable[[pd.DataFrame, pd.Series, SliceRule, Sequence[str]], Cut]
    chosen_by: Callable[[pd.DataFrame], list[str]]


BRATS = Kind(case_faults, slices_asked, cut_case, lambda cases: ["slices with tumour"])
"""A release of BraTS: a row is a patient, with all volumes."""
