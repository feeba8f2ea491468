"""The figures beyond the paper: forest plots of intervals, and AUC over annotated slices."""

from collections.abc import Callable

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from brats_al_utils.findings.answer import shares_between
from brats_al_utils.findings.statistics import AUC_RANGE, UNITS, mean_interval
from brats_al_utils.show import style
from brats_al_utils.show.paper_figures import draw_curves
from brats_al_utils.show.style import Drawing
from brats_al_utils.study.profile import BUDGET

ACROSS = {"both": (0.0, 2.4, "-"), "runs": (0.22, 1.0, "-"), "patients": (0.34, 1.0, ":")}
"""By interval: its distance below the row, its line width and its line style. The bold one decides."""


@plt.style.context(style.STYLE)
def auc_forest(table: pd.DataFrame, name: str) -> Drawing:
    """Draw the test AUC of each arm with its intervals: across both in bold, across runs and across patients thin.

    Parameters
    ----------
    table : pd.DataFrame
        From `comparison.intervals` with columns unit and learned; arms in their order.
    """
    names = [style.arm_label(row["arm"], row["learned"]) for _, row in table[table["unit"] == UNITS[0]].iterrows()]
    drawing = forest(table, names, auc_rows, "test AUC", name)
    for across, (_, lw, ls) in ACROSS.items():
        drawing.figure.axes[0].plot([], [], color=style.INK, lw=lw, ls=ls, label=f"across {across}")
    style.legend_above(drawing.figure, 3, title="95 % confidence interval")
    return drawing


def auc_rows(axes: Axes, rows: pd.DataFrame) -> None:
    """Draw each arm's AUC and its three intervals."""
    for place, (_, row) in enumerate(rows.iterrows()):
        look = style.arm_style(row["arm"], row["learned"]) | {"ls": ""}
        axes.plot(row["auc_mean"], place, **look, zorder=3)
        for across, (below, lw, ls) in ACROSS.items():
            ends = row[[f"{across}_low", f"{across}_high"]]
            axes.plot(ends, 2 * [place + below], color=look["color"], lw=lw, ls=ls)


@plt.style.context(style.STYLE)
def gain_forest(table: pd.DataFrame, reference: str, name: str) -> Drawing:
    """Draw the differences of test AUC between arms: see `style.difference_panel`.

    Parameters
    ----------
    table : pd.DataFrame
        From `evidence.contrasts`; arms in their order.
    reference : str
        What all of them are compared with, in words; where it is not one arm, each row names its own.
    """
    several = table["other"].nunique() > 1
    names = [
        style.arm_label(row["arm"] + (f"\nless {row['other']}" if several else ""), row["learned"])
        for _, row in table[table["unit"] == UNITS[0]].iterrows()
    ]
    xlabel = f"test AUC less that of\n{reference} (pp)"
    drawing = forest(
        table, names, lambda axes, rows: style.difference_panel(axes, rows, range(len(rows))), xlabel, name
    )
    drawing.figure.suptitle("95 % confidence interval across runs and patients", fontsize=style.SMALL)
    return drawing


def forest(
    table: pd.DataFrame, names: list[str], draw: Callable[[Axes, pd.DataFrame], None], xlabel: str, name: str
) -> Drawing:
    """Draw rows of arms in two panels, slice-level and patient-level."""
    units = [unit for unit in UNITS if unit in set(table["unit"])]
    row = 0.46 if any("\n" in each for each in names) else 0.36
    size = style.PAGE, 1.6 + row * len(names)
    figure, (grid,) = plt.subplots(1, len(units), figsize=size, sharey=True, squeeze=False)
    for axes, unit in zip(grid, units, strict=True):
        draw(axes, table[table["unit"] == unit])
        axes.set(title=f"{unit}-level", xlabel=xlabel)
        style.rows_named(axes, names)
    return Drawing(name, figure, table)


@plt.style.context(style.STYLE)
def annotated_curves(runs: pd.DataFrame, efficiency: pd.DataFrame, redrawn: float) -> Drawing:
    """Draw slice-level test AUC over all annotated slices, including those for the committee.

    An arrow leads from what the proposed method has annotated at the paper's budget to what random sampling needs.

    Parameters
    ----------
    runs : pd.DataFrame
        From `evidence.annotated_runs`: strategy, budget, seed, annotated (share of the training slices), auc, learned.
    efficiency : pd.DataFrame
        From `budgets.label_efficiency`.
    redrawn : float
        See `statistics.mean_interval`.
    """
    rows = [
        (*place, group["annotated"].mean(), *mean_interval(group["auc"].to_numpy(), redrawn, AUC_RANGE), learned > 0.5)
        for place, group in runs.groupby(["strategy", "budget"], sort=False)
        for learned in [group["learned"].mean()]
    ]
    table = pd.DataFrame(
        rows, columns=["strategy", "budget", "annotated", "auc_mean", "runs_low", "runs_high", "learned"]
    )
    figure, axes = plt.subplots(figsize=(style.PAGE, 3.8))
    draw_curves(axes, table.rename(columns={"strategy": "arm"}).assign(percent=100 * table["annotated"]), "percent")
    at_budget = (efficiency["strategy"] == "proposed") & np.isclose(efficiency["budget"], BUDGET)
    row = efficiency[at_budget].iloc[0]
    arrow = {"arrowstyle": "-|>", "color": style.INK, "lw": 1.8, "shrinkA": 4, "shrinkB": 0}
    tip, tail = ((100 * row[share], row["auc"]) for share in ("random_annotated", "annotated"))
    axes.annotate("", tip, tail, arrowprops=arrow)
    needed = f"{row['censored']} {row['random_annotated']:.0%}".strip()
    ends = shares_between(row["random_low"], row["random_high"]) or "not bounded"
    said = (
        f"proposed: AUC {row['auc']:.3f} for {row['annotated']:.0%} annotated\n"
        f"random sampling needs {needed}\n(95 % CI across runs: {ends})"
    )
    axes.text(0.99, 0.03, said, transform=axes.transAxes, ha="right")
    axes.set(xlabel="annotated slices (% of the training slices)", ylabel="slice-level test AUC\n(mean across runs)")
    style.keep_within(axes, 0, 1.02)
    style.legend_above(figure, 3)
    return Drawing("annotated_slices", figure, table)
