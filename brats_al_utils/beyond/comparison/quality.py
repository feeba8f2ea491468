"""Quality of a run's probabilities, and the optimism of choosing the epoch on the validation set."""

from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import average_precision_score, brier_score_loss, roc_curve

from brats_al_utils.findings.statistics import AUC_RANGE, GAIN_RANGE, mean_interval
from brats_al_utils.networks.training import auc

BINS = 15
"""Number of bins of the calibration error, as in Guo et al. 2017."""


def expected_calibration_error(label: np.ndarray[Any, Any], score: np.ndarray[Any, Any]) -> float:
    """Return the mean distance between P(positive) and the share of the positive, over ``BINS`` bins of equal mass.

    Equal mass, as Nguyen and O'Connor 2015 (EMNLP, p. 1587), has less bias than equal width (Roelofs et al. 2022,
    AISTATS, p. 4036). With few scores a bin, as patient-level, chance alone lifts it: compare arms, not with 0.

    Parameters
    ----------
    label : np.ndarray [n] of int
        Negative 0 (LGG), positive 1 (HGG).
    score : np.ndarray [n] of float
        P(positive); equal scores are in one bin.
    """
    edges = np.quantile(score, np.arange(1, BINS) / BINS)
    excess = np.bincount(np.searchsorted(edges, score, side="right"), score - label)
    return float(np.abs(excess).sum() / len(score))


def youden_threshold(label: np.ndarray[Any, Any], score: np.ndarray[Any, Any]) -> float:
    """Return the score from which on a slice or patient is called HGG, so that sensitivity + specificity is largest.

    Youden 1950 (Cancer 3:32); of equals the highest, infinite if no threshold does better than calling all LGG.
    """
    false_positive, true_positive, thresholds = roc_curve(label, score)
    return float(thresholds[np.argmax(true_positive - false_positive)])


def measures(validation: pd.DataFrame, test: pd.DataFrame) -> dict[str, float]:
    """Return quality measures of one run on the test set, slice-level or patient-level.

    Parameters
    ----------
    validation, test : pd.DataFrame
        Columns label, score, as `by_unit` gives them.

    Returns
    -------
    dict
        auc; average_precision of LGG, the minority (Saito and Rehmsmeier 2015, PLoS ONE 10:e0118432); brier
        (Brier 1950); calibration_error; sensitivity (share of HGG called HGG) and specificity (share of LGG called
        LGG) at the ``threshold`` chosen on validation.
    """
    label, score = (test[column].to_numpy() for column in ("label", "score"))
    threshold = youden_threshold(validation["label"].to_numpy(), validation["score"].to_numpy())
    called = score >= threshold
    return {
        "auc": auc(label, score),
        "average_precision": float(average_precision_score(1 - label, -score)),
        "brier": float(brier_score_loss(label, score)),
        "calibration_error": expected_calibration_error(label, score),
        "sensitivity": float(called[label == 1].mean()),
        "specificity": float(1 - called[label == 0].mean()),
        "threshold": threshold,
    }


def optimism(runs: pd.DataFrame, redrawn: float = 0.0) -> pd.DataFrame:
    """Return the optimism of the validation AUC that comes from choosing the epoch by it.

    The chosen epoch's validation AUC exceeds its test AUC for two reasons: it was chosen for being high, and the
    patients are others. The last epoch was not chosen, so that what choosing gains on validation beyond what it gains
    on test is the first alone (Cawley and Talbot 2010, JMLR 11:2079, on selecting and reporting with one set).

    Parameters
    ----------
    runs : pd.DataFrame
        Columns arm, validation_best, validation_last, test_best, test_last: AUC at the best validation epoch and at
        the last one; one row a run.
    redrawn : float
        See `mean_interval`.

    Returns
    -------
    pd.DataFrame
        arm, quantity, auc_mean, runs_low, runs_high (across runs); the quantities: the four, gap (validation_best -
        test_best), gain (test_best - test_last) and optimism (validation_best - validation_last - gain).
    """
    gain = runs["test_best"] - runs["test_last"]
    quantities = runs.assign(
        gap=runs["validation_best"] - runs["test_best"],
        gain=gain,
        optimism=runs["validation_best"] - runs["validation_last"] - gain,
    )
    ends = {
        **dict.fromkeys(("validation_best", "validation_last", "test_best", "test_last"), AUC_RANGE),
        **dict.fromkeys(("gap", "gain"), GAIN_RANGE),
        "optimism": (2 * GAIN_RANGE[0], 2 * GAIN_RANGE[1]),
    }
    rows = [
        (arm, name, *mean_interval(group[name].to_numpy(), redrawn, ends[name]))
        for arm, group in quantities.groupby("arm", sort=False)
        for name in ends
    ]
    return pd.DataFrame(rows, columns=["arm", "quantity", "auc_mean", "runs_low", "runs_high"])
