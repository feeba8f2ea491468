"""The figures beyond the paper: training curves, forests of intervals, what annotation buys."""

from dataclasses import replace
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator

from brats_al_utils.findings.statistics import AUC_RANGE, UNITS, mean_interval
from brats_al_utils.show.style import (
    ARM_COLOURS,
    CURVE_STYLES,
    PAGE,
    PALETTE,
    STYLE,
    Drawing,
    distances,
    interval,
    keep_to_auc,
)

ACROSS_STYLES: dict[str, Any] = {
    "runs": {"label": "across runs", "color": PALETTE["blue"], "marker": "o", "ms": 3},
    "patients": {"label": "across patients", "color": PALETTE["green"], "marker": "s", "ms": 3},
    "both": {"label": "across both", "color": PALETTE["orange"], "marker": "D", "ms": 3},
}
KIND_STYLES: dict[str, Any] = {
    "atypical": {"color": PALETTE["orange"], "marker": "o", "ms": 4, "ls": "-"},
    "mislabelled": {"color": PALETTE["blue"], "marker": "s", "ms": 4, "ls": "--"},
    "corrupted": {"color": PALETTE["green"], "marker": "^", "ms": 4, "ls": "-."},
}


@plt.style.context(STYLE)
def training_curves(history: pd.DataFrame, name: str) -> Drawing:
    """Draw the loss and the validation AUC of every run of two arms, with the epoch that was kept.

    Parameters
    ----------
    history : pd.DataFrame
        Columns arm, seed, epoch (from 1), train_loss, validation_auc, kept (bool).
    """
    arms = list(history["arm"].unique())
    colours = dict(zip(arms, ARM_COLOURS, strict=True))
    figure, grid = plt.subplots(1, 2, figsize=(PAGE, 2.4))
    for axes, column, title in zip(
        grid, ("train_loss", "validation_auc"), ("training loss", "validation AUC"), strict=True
    ):
        for (arm, seed), run in history.groupby(["arm", "seed"], sort=False):
            label = arm if seed == history["seed"].iloc[0] else None
            axes.plot(run["epoch"], run[column], color=colours[arm], lw=1, alpha=0.7, label=label)
            kept = run[run["kept"]]
            axes.plot(kept["epoch"], kept[column], "o", color=colours[arm], ms=4, mec="0.15", mew=0.6)
        axes.set(xlabel="epoch", title=title)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    grid[0].set_ylabel("cross-entropy (nats)")
    grid[1].set_ylabel("slice-level AUC")
    legend = grid[0].get_legend_handles_labels()
    figure.legend(*legend, loc="outside upper center", ncols=len(arms), title="dot: the epoch kept")
    return Drawing(name, figure, history)


@plt.style.context(STYLE)
def auc_forest(table: pd.DataFrame, name: str) -> Drawing:
    """Draw the test AUC of each arm with its intervals across runs, across patients and across both.

    Parameters
    ----------
    table : pd.DataFrame
        From `comparison.intervals` with a column unit; arms in their order.
    """
    return forest(table, "auc_mean", 1, "test AUC", (-0.02, 1.02), name)


@plt.style.context(STYLE)
def gain_forest(table: pd.DataFrame, reference: str, name: str) -> Drawing:
    """Draw by how many percentage points each arm's test AUC exceeds another's, with the intervals of `auc_forest`.

    Parameters
    ----------
    table : pd.DataFrame
        From `comparison.compare` with a column unit; arms in their order.
    reference : str
        What all of them are compared with, in words; where it is not one arm, each row names its own.
    """
    several = table["other"].nunique() > 1
    rows = table.assign(arm=table["arm"] + ", against " + table["other"]) if several else table
    drawing = forest(rows, "auc_difference", 100, f"test AUC less that of\n{reference} (pp)", (-102, 102), name)
    return replace(drawing, table=table)


def forest(
    table: pd.DataFrame, value: str, scale: float, xlabel: str, furthest: tuple[float, float], name: str
) -> Drawing:
    """Draw a value of each arm, slice-level and patient-level, with its three intervals.

    Parameters
    ----------
    scale : float
        By which the values are multiplied.
    furthest : (float, float)
        The axis ends there at the latest: a t-interval of few runs reaches beyond what an AUC can be.
    """
    arms = list(dict.fromkeys(table["arm"]))
    units = [unit for unit in UNITS if unit in set(table["unit"])]
    figure, (grid,) = plt.subplots(1, len(units), figsize=(PAGE, 1.3 + 0.3 * len(arms)), sharey=True, squeeze=False)
    for axes, unit in zip(grid, units, strict=True):
        rows = table[table["unit"] == unit].set_index("arm").loc[arms]
        for place, (across, style) in enumerate(ACROSS_STYLES.items()):
            y = np.arange(len(arms)) + 0.24 * (place - 1)
            ends = scale * distances(rows, value, f"{across}_low", f"{across}_high")
            axes.errorbar(scale * rows[value], y, xerr=ends, ls="", capsize=2, lw=0.9, **style)
        if value == "auc_difference":
            axes.axvline(0, color="0.2", lw=0.8)
        low, high = axes.get_xlim()
        limits = max(low, furthest[0]), min(high, furthest[1])
        axes.set(title=f"{unit}-level", xlabel=xlabel, xlim=limits, ylim=(-0.6, len(arms) - 0.4))
        axes.grid(visible=False, axis="y")
        axes.grid(visible=True, axis="x")
    grid[0].set_yticks(range(len(arms)), arms)
    grid[0].invert_yaxis()
    title = "95 % confidence interval"
    figure.legend(*grid[0].get_legend_handles_labels(), loc="outside upper center", ncols=3, title=title)
    return Drawing(name, figure, table)


@plt.style.context(STYLE)
def annotated_curves(runs: pd.DataFrame, redrawn: float) -> Drawing:
    """Draw slice-level test AUC over the annotated slices, those that the committee learned from included.

    Parameters
    ----------
    runs : pd.DataFrame
        As `budgets` takes it: strategy, budget, seed, annotated (share of the training slices), auc.
    redrawn : float
        See `statistics.mean_interval`.
    """
    rows = [
        (strategy, budget, group["annotated"].mean(), *mean_interval(group["auc"].to_numpy(), redrawn, AUC_RANGE))
        for (strategy, budget), group in runs.groupby(["strategy", "budget"], sort=False)
    ]
    table = pd.DataFrame(rows, columns=["strategy", "budget", "annotated", "auc_mean", "runs_low", "runs_high"])
    figure, axes = plt.subplots(figsize=(PAGE, 2.8))
    for strategy, style in CURVE_STYLES.items():
        shown = table[table["strategy"] == strategy].sort_values("annotated")
        interval(axes, 100 * shown["annotated"], shown, label=strategy, **style)
    keep_to_auc(axes)
    axes.set(xlabel="annotated slices (% of the training slices)", ylabel="slice-level test AUC\n(95 % CI across runs)")
    figure.legend(loc="outside upper center", ncols=3)
    return Drawing("annotated_slices", figure, table)
