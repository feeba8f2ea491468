"""Slice-level and patient-level scores, and means with intervals across runs.

`comparison` has the intervals across patients.
"""

from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import entropy, t

UNITS = ("slice", "patient")
CONFIDENCE = 0.95

AUC_RANGE, GAIN_RANGE = (0.0, 1.0), (-1.0, 1.0)
"""The possible values of an AUC and of a difference of two: limits are cut there."""

NEGLIGIBLE = 1e-9
"""A standard deviation below this is rounding: the values do not vary."""

LEARNED = 0.98
"""A network whose training loss is above this multiple of `base_rate_loss` has not learned."""


def units_of(frame: pd.DataFrame) -> tuple[str, ...]:
    """Return the ``UNITS`` that have classes: patients only if none has slices of both.

    Parameters
    ----------
    frame : pd.DataFrame
        Columns patient_id, label.
    """
    both = (frame.groupby("patient_id")["label"].nunique() > 1).any()
    return UNITS[:1] if both else UNITS


def base_rate_loss(labels: np.ndarray[Any, Any]) -> float:
    """Return the cross-entropy (nats) of the best constant guess, the class share of the labels."""
    return float(entropy(np.bincount(labels, minlength=2)))


def unlearned(runs: pd.DataFrame) -> set[str]:
    """Return the arms of which half or more of the runs have not learned: their AUC is not judged.

    In other arms, runs that have not learned are part of what such a training gives, and stay in the mean.

    Parameters
    ----------
    runs : pd.DataFrame
        Columns arm, learned, and key where known; one or more equal rows for each run.
    """
    found = {str(arm): distinct(rows)["learned"].mean() for arm, rows in runs.groupby("arm", sort=False)}
    return {arm for arm, share in found.items() if share <= 0.5}


def by_unit(frame: pd.DataFrame, unit: str) -> pd.DataFrame:
    """Return label and score of each slice, or of each patient: the mean over its slices; both by patient_id.

    Parameters
    ----------
    frame : pd.DataFrame
        Columns patient_id, label, score, one row a slice.
    unit : {"slice", "patient"}
    """
    scored = frame.set_index("patient_id")[["label", "score"]]
    return scored if unit == "slice" else scored.groupby(level=0).mean()


def mean_interval(
    values: np.ndarray[Any, Any], redrawn: float = 0.0, ends: tuple[float, float] = (-np.inf, np.inf)
) -> tuple[float, float, float]:
    """Return the mean across runs and its 95 % t-interval, with n - 1 degrees of freedom.

    The limits are NaN for a single run, and for values that do not vary: then the spread of other runs is unknown.

    Parameters
    ----------
    values : np.ndarray [n] of float
    redrawn : float
        Ratio of test to training slices if each run redraws the split: runs share training slices, and the variance of
        their mean is estimated as (1/n + redrawn) times their variance (Nadeau and Bengio 2003, Machine Learning
        52:239, the corrected resampled t-test). 0 if the test set is fixed.
    ends : tuple of float
        Smallest and largest possible mean; the limits are cut there.
    """
    mean = float(np.mean(values))
    if len(values) < 2 or np.std(values) < NEGLIGIBLE:
        return mean, float("nan"), float("nan")
    error = np.std(values, ddof=1) * np.sqrt(1 / len(values) + redrawn)
    half = t.ppf((1 + CONFIDENCE) / 2, len(values) - 1) * error
    low, high = np.clip((mean - half, mean + half), *ends)
    return mean, float(low), float(high)


def summarise(runs: pd.DataFrame, by: tuple[str, ...] = (), redrawn: float = 0.0) -> pd.DataFrame:
    """Return mean and interval across the runs of each arm; runs of one key are one run.

    Parameters
    ----------
    runs : pd.DataFrame
        Columns arm, part, unit, auc, and key and learned where known; one row for each run, part and unit.
    by : tuple of str
        Further columns to group by.
    redrawn : float
        See `mean_interval`.

    Returns
    -------
    pd.DataFrame
        arm, part, unit, those of ``by``, auc_mean, runs_low, runs_high, n_runs, learned (see `unlearned`; True if it is
        unknown); arms in the order of their first rows.
    """
    keys, rows = ["arm", "part", "unit", *by], []
    for values, group in runs.groupby(keys, sort=False):
        auc_of_run = distinct(group)["auc"].to_numpy()
        learned = "learned" not in group or not unlearned(group)
        rows.append((*values, *mean_interval(auc_of_run, redrawn, AUC_RANGE), len(auc_of_run), learned))
    return pd.DataFrame(rows, columns=[*keys, "auc_mean", "runs_low", "runs_high", "n_runs", "learned"])


def distinct(runs: pd.DataFrame) -> pd.DataFrame:
    """Return the runs without repeated keys, where keys are known."""
    return runs.drop_duplicates("key") if "key" in runs else runs
