"""AUC by slice and by patient, and intervals over runs."""

from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import t
from sklearn.metrics import roc_auc_score

from brats_al_utils import InputError

UNITS = ("slice", "patient")
CONFIDENCE = 0.95


def auc(label: np.ndarray[Any, Any], score: np.ndarray[Any, Any]) -> float:
    """Return the area under the ROC curve: the share of (HGG, LGG) pairs in the right order, ties counting half.

    Parameters
    ----------
    label : np.ndarray [n] of int
        LGG 0, HGG 1.
    score : np.ndarray [n] of float
        P(HGG).

    Raises
    ------
    InputError
        If only one grade is there.
    """
    if len(np.unique(label)) != 2:
        raise InputError(f"labels {np.unique(label).tolist()}, expected both 0 and 1: an AUC compares two grades")
    return float(roc_auc_score(label, score))


def by_unit(frame: pd.DataFrame, unit: str) -> pd.DataFrame:
    """Return label and score of each slice, or of each patient: the mean over the patient's slices.

    Parameters
    ----------
    frame : pd.DataFrame
        Columns patient_id, label, score, one row a slice.
    unit : {"slice", "patient"}
    """
    columns = ["label", "score"]
    return frame[columns] if unit == "slice" else frame.groupby("patient_id")[columns].mean()


def mean_interval(values: np.ndarray[Any, Any]) -> tuple[float, float, float]:
    """Return the mean over runs and its 95 % t-interval (n - 1 degrees of freedom; NaN limits for a single run).

    Parameters
    ----------
    values : np.ndarray [n] of float
    """
    mean = float(np.mean(values))
    if len(values) < 2:
        return mean, float("nan"), float("nan")
    half = t.ppf((1 + CONFIDENCE) / 2, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values))
    return mean, float(mean - half), float(mean + half)


def summarise(runs: pd.DataFrame, by: tuple[str, ...] = ()) -> pd.DataFrame:
    """Return mean and interval over the runs of each arm.

    Parameters
    ----------
    runs : pd.DataFrame
        Columns arm, cohort, unit, auc; one row for each run, cohort and unit.
    by : tuple of str
        Further columns whose values are kept apart.

    Returns
    -------
    pd.DataFrame
        arm, cohort, unit, those of ``by``, auc_mean, ci_low, ci_high, n_runs; arms in the order in which they come.
    """
    keys, rows = ["arm", "cohort", "unit", *by], []
    for values, group in runs.groupby(keys, sort=False):
        rows.append((*values, *mean_interval(group["auc"].to_numpy()), len(group)))
    return pd.DataFrame(rows, columns=[*keys, "auc_mean", "ci_low", "ci_high", "n_runs"])


def difference(runs: pd.DataFrame, arm: str, other: str) -> pd.DataFrame:
    """Return by how much one arm's AUC exceeds another's, paired by seed.

    Parameters
    ----------
    runs : pd.DataFrame
        Columns arm, seed, cohort, unit, auc.

    Returns
    -------
    pd.DataFrame
        cohort, unit, auc_difference, ci_low, ci_high (95 % t-interval over the seeds' differences), n_runs.
    """
    paired = runs.pivot_table(index=["cohort", "unit", "seed"], columns="arm", values="auc", sort=False)
    rows = []
    for keys, group in (paired[arm] - paired[other]).groupby(["cohort", "unit"], sort=False):
        rows.append((*keys, *mean_interval(group.to_numpy()), len(group)))
    return pd.DataFrame(rows, columns=["cohort", "unit", "auc_difference", "ci_low", "ci_high", "n_runs"])
