"""Label efficiency: AUC over all annotated slices, and how many random sampling needs for the same AUC.

A strategy that needs a committee has annotated the committee's slices too, so that its annotated share is above its
budget, and strategies are nowhere compared at the same budget: either over the annotated shares that all cover
(`curve_areas`), or by the share that random sampling needs for the same AUC (`label_efficiency`).

Every function takes one data frame of ``runs``, one row a run, of one dataset, part and unit: columns strategy, budget
(share of the training slices that it chooses), seed, annotated (share of them that it annotates), auc.
"""

from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import isotonic_regression

from brats_al_utils.arrays import Array
from brats_al_utils.findings.statistics import mean_interval

REFERENCE = "random"

STEPS = 141
"""Shares at which equality is tested, from end to end of random's curve: every half percent of Figure 7's range."""


def curve_areas(runs: pd.DataFrame) -> pd.DataFrame:
    """Return the mean AUC over the annotated shares: the area under each strategy's and seed's curve, by trapezoids.

    All curves are cut to the shares that every one of them covers, and the area is divided by that range, so that no
    strategy is credited for labels that another never had. As the area under the learning curve of Guyon et al. 2011
    (JMLR W&CP 16:19), but over annotated slices and without their logarithm.

    Returns
    -------
    pd.DataFrame
        strategy, seed, area, low, high (the range); all NaN where no share is covered by all.
    """
    curves = {key: curve.sort_values("annotated") for key, curve in runs.groupby(["strategy", "seed"], sort=False)}
    low = max(curve["annotated"].min() for curve in curves.values())
    high = min(curve["annotated"].max() for curve in curves.values())
    if not low < high:
        low = high = np.nan
    rows = []
    for key, curve in curves.items():
        inner = curve.loc[curve["annotated"].between(low, high, inclusive="neither"), "annotated"]
        share = np.array([low, *inner, high])
        area = np.trapezoid(np.interp(share, curve["annotated"], curve["auc"]), share) / (high - low)
        rows.append((*key, area, low, high))
    return pd.DataFrame(rows, columns=["strategy", "seed", "area", "low", "high"])


def label_efficiency(runs: pd.DataFrame, redrawn: float = 0.0) -> pd.DataFrame:
    """Return the share of slices that random sampling annotates for the AUC of each strategy and budget.

    Of each strategy's AUC over annotated shares, the mean across runs, the closest curve that never falls is taken
    (isotonic regression: more labels do not harm, and a dip of chance has no share of its own). The two curves are read
    at each other's AUC: how many slices random needs for the strategy's AUC, and the strategy for random's at the same
    share. Their ratio is the geometric mean of the two, or the one that lies within the curves. So to exchange the two
    is to turn a saving into the same loss, and a strategy that is random saves 0 % (median over studies; the logarithm
    of its ratio is 0 in the mean). Read one way only, an AUC above random's smallest share would be a saving, and one
    below it none.

    The interval holds the shares at which the paired differences of the runs, the strategy's AUC less random's,
    interpolated linearly, do not speak against equality: a test turned round, as in Fieller 1954 (JRSS B 16:175). It is
    no bootstrap, because three to ten runs are too few to draw from, and needs no AUC to be reached in every run. Where
    random's smallest or largest share is not ruled out, nothing bounds the interval on that side.

    Parameters
    ----------
    redrawn : float
        As of `statistics.mean_interval`, by which the differences are tested.

    Returns
    -------
    pd.DataFrame
        strategy, budget; annotated, auc: means across runs; random_annotated: the share that random needs, with its 95
        % interval random_low (0: nothing bounds it) and random_high (infinite: likewise); saved, saved_low,
        saved_high: 1 - annotated / random_annotated, negative where the strategy costs more; censored: empty,
        or ``at most`` or ``more than`` where the curves have no AUC in common there, so that random_annotated
        and saved are bounds.
    """
    curves = {str(name): mean_curve(of_one) for name, of_one in runs.groupby("strategy")}
    random = {
        seed: curve.sort_values("annotated") for seed, curve in runs[runs["strategy"] == REFERENCE].groupby("seed")
    }
    rows = []
    for (strategy, budget), group in runs[runs["strategy"] != REFERENCE].groupby(["strategy", "budget"], sort=False):
        annotated = group["annotated"].mean()
        needed, censored = random_share(annotated, curves[str(strategy)], curves[REFERENCE])
        low, high = share_interval(group, random, redrawn)
        saved = [1 - annotated / share if share else -np.inf for share in (needed, low, high)]
        rows.append((strategy, budget, annotated, group["auc"].mean(), needed, low, high, *saved, censored))
    columns = ["strategy", "budget", "annotated", "auc", "random_annotated", "random_low", "random_high"]
    return pd.DataFrame(rows, columns=[*columns, "saved", "saved_low", "saved_high", "censored"])


def mean_curve(runs: pd.DataFrame) -> tuple[Array, Array]:
    """Return the annotated shares of one strategy in ascending order, and its mean AUC there, made monotone."""
    means = runs.groupby("budget")[["annotated", "auc"]].mean().sort_values("annotated")
    return means["annotated"].to_numpy(), isotonic_regression(means["auc"].to_numpy()).x


def share_at(auc: float, curve: tuple[Array, Array]) -> float:
    """Return the share at which a monotone curve has an AUC (the middle of a flat stretch); NaN if it never does."""
    share, level = curve
    first, last = np.searchsorted(level, auc), np.searchsorted(level, auc, side="right") - 1
    if first == len(level) or last < 0:
        return float("nan")
    if first <= last:
        return float(share[first] + share[last]) / 2
    return float(np.interp(auc, level[last : first + 1], share[last : first + 1]))


def random_share(annotated: float, curve: tuple[Array, Array], random: tuple[Array, Array]) -> tuple[float, str]:
    """Return the share that random needs for what a curve has at an annotated share, and how it is censored."""
    auc = np.interp(annotated, *curve)
    ratios = [share_at(auc, random) / annotated]
    if random[0][0] <= annotated <= random[0][-1]:
        ratios.append(annotated / share_at(np.interp(annotated, *random), curve))
    known = [ratio for ratio in ratios if np.isfinite(ratio)]
    if known:
        return float(annotated * np.exp(np.mean(np.log(known)))), ""
    return (random[0][0], "at most") if auc < random[1][0] else (random[0][-1], "more than")


def share_interval(group: pd.DataFrame, random: dict[Any, pd.DataFrame], redrawn: float) -> tuple[float, float]:
    """Return the least and the largest share at which the runs of one strategy and budget may equal random's.

    Parameters
    ----------
    group : pd.DataFrame
        Columns seed, auc, one row a run.
    random : dict of pd.DataFrame
        Random's runs of each seed, by rising annotated share.
    """
    paired = [random[seed] for seed in group["seed"]]
    ends = max(curve["annotated"].min() for curve in paired), min(curve["annotated"].max() for curve in paired)
    shares = np.linspace(*ends, STEPS)
    levels = np.array([np.interp(shares, curve["annotated"], curve["auc"]) for curve in paired])
    limits = np.array([mean_interval(run, redrawn)[1:] for run in (group["auc"].to_numpy()[:, None] - levels).T])
    not_above, not_below = (np.flatnonzero(~ruled_out) for ruled_out in (limits[:, 0] > 0, limits[:, 1] < 0))
    low = shares[not_above[0]] if len(not_above) else ends[1]
    high = shares[not_below[-1]] if len(not_below) else ends[0]
    return 0.0 if low == ends[0] else float(low), np.inf if high == ends[1] else float(high)


def rank_stability(values: pd.DataFrame) -> pd.DataFrame:
    """Return each strategy's rank by its mean, and its range when any one seed is left out.

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
