"""The learning curve of an annotation, measured on the patients held out for testing, and its extrapolation."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from brats_al_utils.arrays import Array
from brats_al_utils.beyond.annotation.candidates import UNLABELLED
from brats_al_utils.beyond.annotation.session import TEST, Session
from brats_al_utils.findings.comparison import (
    Error,
    Pairs,
    across_patients,
    auc_limits,
    by_part,
    difference_limits,
    freedom,
    patient_pairs,
)
from brats_al_utils.findings.statistics import NEGLIGIBLE

FEWEST_POINTS = 3
"""Smallest number of points of a learning curve through which a line is fitted: with two, it has no scatter."""


@dataclass(frozen=True)
class Forecast:
    """The expected rise of the AUC, from the learning curve so far.

    Attributes
    ----------
    more : int
        Number of further training labels.
    gain, low, high : float
        Gain of the AUC and its 95 % limits, NaN if unknown.
    """

    more: int
    gain: float
    low: float
    high: float


def test_labels(session: Session) -> pd.DataFrame:
    """Return slice_id, patient_id and label of the labelled slices of the test set."""
    rows = session.slices.assign(label=session.label)[(session.label != UNLABELLED) & (session.part == TEST)]
    return rows[["slice_id", "patient_id", "label"]]


def curve_pairs(session: Session, tested: pd.DataFrame) -> Pairs | None:
    """Return the pairs of test patients for each committee so far; an arm is named by its number of labels.

    Of two committees with as many labels, the later one counts. None if there is no committee, or a class is missing.
    """
    points = {str(point.labelled): point for point in sorted(session.state.points, key=lambda point: point.labelled)}
    tested = tested[[all(name in point.probability for point in points.values()) for name in tested["slice_id"]]]
    if not points or tested["label"].nunique() < 2:
        return None
    frames = [
        tested.assign(arm=arm, seed=0, score=tested["slice_id"].map(point.probability), key=point.fingerprint)
        for arm, point in points.items()
    ]
    return patient_pairs(pd.concat(frames, ignore_index=True), "slice")


def learning_curve(pairs: Pairs) -> pd.DataFrame:
    """Return labelled, auc, low and high of each committee: 95 % limits across the patients of the test set."""
    rows = []
    for place, arm in enumerate(pairs.arms):
        auc = float(pairs.aucs[place, 0])
        rows.append((int(arm), auc, *auc_limits(auc, across_patients(pairs, arm))))
    return pd.DataFrame(rows, columns=["labelled", "auc", "low", "high"])


def forecast(pairs: Pairs, more: int) -> Forecast | None:
    """Return the gain in AUC from further labels, along a straight line over the logarithm of their number.

    None with fewer than ``FEWEST_POINTS``. The gain is a weighted sum of the AUCs so far. So its variance across
    patients comes from the same sum of each patient's contributions (see `comparison`), and its variance across
    trainings from the scatter about the line. Learning curves flatten, so the line may promise too much.
    """
    labelled = np.array([int(arm) for arm in pairs.arms])
    if len(labelled) < FEWEST_POINTS:
        return None
    steps = np.log2(labelled)
    centred = steps - steps.mean()
    weights = centred / (centred**2).sum() * np.log2(1 + more / labelled[-1])
    aucs = pairs.aucs[:, 0]
    gain = float(weights @ aucs)
    low, high = difference_limits(gain, error_of(pairs, weights, scatter(centred, aucs)))
    return Forecast(more, gain, low, high)


def scatter(centred: Array, values: Array) -> float:
    """Return the variance of values about their regression line (steps of mean 0), with n - 2 degrees of freedom."""
    slope = centred @ values / (centred**2).sum()
    return float(((values - values.mean() - slope * centred) ** 2).sum() / (len(values) - 2))


def error_of(pairs: Pairs, weights: Array, residual: float) -> Error:
    """Return the standard error of a weighted sum of the arms' AUCs, across patients and trainings.

    Parameters
    ----------
    weights : np.ndarray [arms] of float
    residual : float
        Variance of an AUC from training to training, with arms - 2 degrees of freedom.
    """
    parts = by_part(pairs, weights @ pairs.shares[:, 0])
    if not (parts > NEGLIGIBLE**2).all() or (pairs.freedom < 1).any():
        return Error()
    parts = np.append(parts, residual * (weights**2).sum())
    counts = np.append(pairs.freedom, len(weights) - 2)
    used = parts > 0
    return Error(float(np.sqrt(parts.sum())), freedom(parts[used], counts[used]))
