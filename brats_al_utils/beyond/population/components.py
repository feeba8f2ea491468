"""Variance components of a gain in AUC: runs, patients of each class, and their interactions.

An AUC is a mean over pairs of a positive and a negative patient, and a gain the difference of two. With several runs on
one test set, each pair has a value in each run: three crossed factors without replication, whose components of variance
the analysis of variance gives without bias (Cornfield and Tukey 1956, Ann. Math. Statistics 27:907; of readers and
cases, Barrett et al. 2005, J Opt Soc Am A 22:1313). The error of any number of runs and patients follows from them.
"""

from dataclasses import dataclass

import numpy as np

from brats_al_utils.arrays import Array
from brats_al_utils.findings.comparison import Error, detectable, freedom

MOST_PATIENTS = 100_000
"""Largest number of patients that is computed: if more are needed, no number is given."""


@dataclass(frozen=True)
class Components:
    """Variance components of the value of one pair of patients in one run.

    Attributes
    ----------
    run, positive, negative : float
        Of each alone.
    pair, run_positive, run_negative, rest : float
        Of positive and negative patient together, of run and patient, and of all three.
    """

    run: float
    positive: float
    negative: float
    pair: float
    run_positive: float
    run_negative: float
    rest: float

    def parts(self, runs: float, positives: int, negatives: int) -> tuple[float, float, float]:
        """Return the contributions of runs, patients and interactions to the variance of a mean."""
        return (
            self.run / runs,
            self.positive / positives + self.negative / negatives + self.pair / (positives * negatives),
            (self.run_positive / positives + self.run_negative / negatives + self.rest / (positives * negatives))
            / runs,
        )

    def error(self, runs: float, positives: int, negatives: int) -> Error:
        """Return the standard error of a mean over some runs and patients, with its degrees of freedom."""
        of_pairs = (self.pair + self.rest / runs) / (positives * negatives)
        parts = np.array(
            [
                (self.positive + self.run_positive / runs) / positives + of_pairs / 2,
                (self.negative + self.run_negative / runs) / negatives + of_pairs / 2,
                self.run / runs,
            ]
        )
        return Error(float(np.sqrt(parts.sum())), freedom(parts, np.array([positives, negatives, runs]) - 1))

    def needed(self, gain: float, runs: int, ratio: float) -> int | None:
        """Return the number of test patients that detects a gain with a power of 80 %; None if no number does.

        Parameters
        ----------
        gain : float
            As a share, not in pp.
        runs : int
            At least 2.
        ratio : float
            Positive patients for each negative one.
        """

        def told(patients: int) -> bool:
            return detectable(self.error(runs, *of_classes(patients, ratio))) <= gain  # NaN is not

        low, high = 4, MOST_PATIENTS
        if not told(high):
            return None
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if told(middle) else (middle + 1, high)
        return low


def of_classes(patients: int, ratio: float) -> tuple[int, int]:
    """Return how many of some patients are positive and negative, at least two each."""
    negatives = int(np.clip(round(patients / (1 + ratio)), 2, patients - 2))
    return patients - negatives, negatives


def components(values: Array) -> Components:
    """Return the components of variance; an estimate below zero is zero.

    Parameters
    ----------
    values : np.ndarray [runs, positives, negatives] of float
        At least two of each.
    """
    counts = np.array(values.shape)
    grand = values.mean()
    means = {axes: values.mean(axes, keepdims=True) for axes in ((1, 2), (0, 2), (0, 1), (0,), (1,), (2,))}
    run, positive, negative = (means[axes] - grand for axes in ((1, 2), (0, 2), (0, 1)))
    pair = means[0,] - grand - positive - negative
    run_negative = means[1,] - grand - run - negative
    run_positive = means[2,] - grand - run - positive
    rest = values - grand - run - positive - negative - pair - run_negative - run_positive

    def mean_square(effect: Array) -> float:
        own = np.array(effect.shape) > 1
        return float((effect**2).sum() * counts[~own].prod() / (counts[own] - 1).prod())

    of_rest, of_pair = mean_square(rest), mean_square(pair)
    of_run_positive, of_run_negative = mean_square(run_positive), mean_square(run_negative)
    runs, positives, negatives = counts
    found = (
        (mean_square(run) - of_run_positive - of_run_negative + of_rest) / (positives * negatives),
        (mean_square(positive) - of_pair - of_run_positive + of_rest) / (runs * negatives),
        (mean_square(negative) - of_pair - of_run_negative + of_rest) / (runs * positives),
        (of_pair - of_rest) / runs,
        (of_run_positive - of_rest) / negatives,
        (of_run_negative - of_rest) / positives,
        of_rest,
    )
    return Components(*(max(float(value), 0.0) for value in found))
