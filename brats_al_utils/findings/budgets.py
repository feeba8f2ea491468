"""What a label buys: AUC over the labels really paid for, and which strategy is ahead of which.

A strategy that needs a committee pays for the committee's labels too, so that its share paid is above its budget.
Every function takes one data frame of ``runs``, one row a run, of one dataset, cohort and unit: columns strategy,
budget (share of the training slices that it chooses), seed, paid (share that it pays for), auc.
"""

from itertools import permutations
from typing import Any

import numpy as np
import pandas as pd

from brats_al_utils import InputError
from brats_al_utils.findings.statistics import mean_interval

Array = np.ndarray[Any, Any]

REFERENCE = "random"


def curve_areas(runs: pd.DataFrame) -> pd.DataFrame:
    """Return the mean AUC over the shares paid for: the area under each strategy's and seed's curve, by trapezoids.

    All curves are cut to the shares that every one of them covers, and the area is divided by that range, so that no
    strategy is credited for labels that another never had. As the area under the learning curve of Guyon et al. 2011
    (JMLR W&CP 16:19), but over labels paid for and without their logarithm.

    Returns
    -------
    pd.DataFrame
        strategy, seed, area, low, high (the range).

    Raises
    ------
    InputError
        If no share is covered by all.
    """
    curves = {key: curve.sort_values("paid") for key, curve in runs.groupby(["strategy", "seed"], sort=False)}
    low = max(curve["paid"].min() for curve in curves.values())
    high = min(curve["paid"].max() for curve in curves.values())
    if not low < high:
        raise InputError(f"every curve ends by {high:.3f} or starts from {low:.3f}, expected shares that all cover")
    rows = []
    for key, curve in curves.items():
        inner = curve.loc[curve["paid"].between(low, high, inclusive="neither"), "paid"]
        share = np.array([low, *inner, high])
        area = np.trapezoid(np.interp(share, curve["paid"], curve["auc"]), share) / (high - low)
        rows.append((*key, area, low, high))
    return pd.DataFrame(rows, columns=["strategy", "seed", "area", "low", "high"])


def label_efficiency(runs: pd.DataFrame) -> pd.DataFrame:
    """Return the share of labels that random sampling needs for the mean AUC of each strategy and budget.

    Random's mean curve is interpolated linearly, and the first share at which it gets there counts.

    Returns
    -------
    pd.DataFrame
        strategy, budget, paid, auc (means over seeds), random_paid: its smallest share if even that is as good (at
        most so many are needed), NaN if none is (more than it was given); saved: 1 - paid / random_paid, negative
        where the strategy costs more.

    Raises
    ------
    InputError
        If there are no runs of random sampling.
    """
    means = runs.groupby(["strategy", "budget"], sort=False)[["paid", "auc"]].mean().reset_index()
    random = means[means["strategy"] == REFERENCE].sort_values("paid")
    if random.empty:
        raise InputError(f"no runs of {REFERENCE!r}, expected some to compare with: {means['strategy'].unique()}")
    others = means[means["strategy"] != REFERENCE]
    needed = [first_share(auc, random["paid"].to_numpy(), random["auc"].to_numpy()) for auc in others["auc"]]
    return others.assign(random_paid=needed, saved=1 - others["paid"] / needed).reset_index(drop=True)


def first_share(auc: float, share: Array, curve: Array) -> float:
    """Return the first share at which a curve, linear between its points, reaches an AUC; NaN if it never does."""
    reached = np.flatnonzero(curve >= auc)
    if not len(reached):
        return float("nan")
    first = reached[0]
    if first == 0:
        return float(share[0])
    return float(np.interp(auc, curve[first - 1 : first + 1], share[first - 1 : first + 1]))


def win_matrix(runs: pd.DataFrame) -> pd.DataFrame:
    """Return at how many budgets the strategy of the row beats that of the column.

    A win is a mean AUC above the other's by a two-sided paired t-test over seeds at 5 %, as in Ash et al. 2020
    (ICLR, section 5), who read the columns as penalties. Without any difference, 2.5 % of the comparisons are wins.

    Returns
    -------
    pd.DataFrame [strategies, strategies] of int
        0 on the diagonal. A budget that one of the two lacks for any seed counts for neither.
    """
    strategies = list(runs["strategy"].unique())
    wins = np.zeros((len(strategies), len(strategies)), int)
    for _, at_budget in runs.groupby("budget"):
        auc = at_budget.pivot(index="seed", columns="strategy", values="auc").reindex(columns=strategies).to_numpy()
        for winner, loser in permutations(range(len(strategies)), 2):
            difference = auc[:, winner] - auc[:, loser]
            # The 95 % interval of the paired differences leaves 0 out exactly where the test rejects.
            wins[winner, loser] += mean_interval(difference)[1] > 0
    return pd.DataFrame(wins, pd.Index(strategies, name="winner"), pd.Index(strategies, name="loser"))


def rank_stability(values: pd.DataFrame) -> pd.DataFrame:
    """Return each strategy's rank by its mean, and how far it moves when any one seed is left out.

    Parameters
    ----------
    values : pd.DataFrame [seeds, strategies] of float
        Such as areas or AUC.

    Returns
    -------
    pd.DataFrame
        strategy, mean, rank (1: the highest; of equals the mean rank), best_rank and worst_rank of those with one
        seed left out; by rank.
    """
    left_out = pd.DataFrame([values.drop(index=seed).mean().rank(ascending=False) for seed in values.index])
    table = pd.DataFrame(
        {
            "mean": values.mean(),
            "rank": values.mean().rank(ascending=False),
            "best_rank": left_out.min(),
            "worst_rank": left_out.max(),
        }
    )
    return table.sort_values("rank").rename_axis("strategy").reset_index()
