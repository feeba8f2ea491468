"""The figures and tables of the paper, one function each, named after it."""

from collections.abc import Iterable
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from brats_al_utils.cohorts.split import PARTS
from brats_al_utils.findings.paper import printed_aucs, published_budgets, published_table1
from brats_al_utils.findings.statistics import UNITS
from brats_al_utils.networks.network import START_NAMES, architecture
from brats_al_utils.show.style import (
    ARM_COLOURS,
    CURVE_STYLES,
    PAGE,
    PALETTE,
    STYLE,
    Drawing,
    interval,
    keep_to_auc,
)
from brats_al_utils.study.arms import Arm

DECILE_COLOURS = {
    "most uncertain": PALETTE["red"],
    "between": (0.75, 0.75, 0.75),
    "least uncertain": PALETTE["green"],
}
PART_STYLES: dict[str, Any] = {
    "validation": {"color": PALETTE["blue"], "marker": "o", "ms": 4, "ls": "-"},
    "test": {"color": PALETTE["orange"], "marker": "s", "ms": 4, "ls": "--"},
}
ACROSS_RUNS = "95 % CI across runs"


def table1() -> pd.DataFrame:
    """Return Table 1: each layer's kernel, stride, padding and output, as it is and as printed."""
    return architecture().merge(published_table1(), on="layer", suffixes=("", "_printed"))


@plt.style.context(STYLE)
def table2(summary: pd.DataFrame, compared: Iterable[Arm]) -> Drawing:
    """Draw Table 2: AUC of the pretrained network and of the one with random initialisation, beside the printed ones.

    Parameters
    ----------
    summary : pd.DataFrame
        From `statistics.summarise`.
    compared : iterable of Arm
        Its two arms.
    """
    return auc_bars(summary, compared, "table2", "table2")


@plt.style.context(STYLE)
def figure2(ranking: pd.DataFrame) -> Drawing:
    """Draw Figure 2: the uncertainty of the training slices, unsorted and sorted, of the first run's committee.

    Its numbers name no patient.

    Parameters
    ----------
    ranking : pd.DataFrame
        Columns slice_id, seed, uncertainty (nats), rank_share and decile; each run's slices by falling uncertainty.
    """
    first = first_run(ranking)[["slice_id", "seed", "uncertainty", "rank_share", "decile"]]
    unsorted = first.sort_values("slice_id")
    figure, (left, right) = plt.subplots(1, 2, figsize=(PAGE, 2.4), sharey=True)
    left.plot(range(len(unsorted)), unsorted["uncertainty"], ".", ms=2, color=PALETTE["blue"], rasterized=True)
    right.plot(range(len(first)), first["uncertainty"], color=PALETTE["blue"], lw=1.2)
    for decile in ("most uncertain", "least uncertain"):
        ranks = np.flatnonzero(first["decile"] == decile)
        right.axvspan(ranks[0], ranks[-1], color=DECILE_COLOURS[decile], alpha=0.3, lw=0, label=f"{decile} decile")
    left.set(xlabel="training slice, in the order of the patients", ylabel="uncertainty (nats)", title="(a) unsorted")
    right.set(xlabel="training slice, by falling uncertainty", title="(b) sorted")
    right.legend()
    return Drawing("figure2", figure, first)


@plt.style.context(STYLE)
def figure3(summary: pd.DataFrame) -> Drawing:
    """Draw Figure 3: slice-level AUC after training on each range of the uncertainty ranking.

    Parameters
    ----------
    summary : pd.DataFrame
        From `statistics.summarise`, arms named by their range, in order.
    """
    rows = summary[summary["unit"] == "slice"]
    figure, axes = plt.subplots(figsize=(PAGE, 2.8))
    for place, (part, style) in enumerate(PART_STYLES.items()):
        shown = rows[rows["part"] == part]
        interval(axes, np.arange(len(shown)) + (place - 0.5) * 0.12, shown, label=part, **style)
    axes.set_xticks(range(len(shown)), shown["arm"])
    axes.set(xlabel="range of the ranking (0 %: most uncertain)", ylabel=f"slice-level AUC\n({ACROSS_RUNS})")
    keep_to_auc(axes)
    figure.legend(loc="outside upper center", ncols=2)
    return Drawing("figure3", figure, summary)


@plt.style.context(STYLE)
def figure4(ranking: pd.DataFrame, negative: str) -> Drawing:
    """Draw Figure 4: where the most and the least uncertain decile lie, and which slices they hold.

    Its numbers are the latter: decile, and the share of each decile's slices, over all runs, of which a fact is true;
    of a tumour, where only some slices have one, the share of these.

    Parameters
    ----------
    ranking : pd.DataFrame
        Columns seed, uncertainty (nats), decile, class_name, tumour_mm2 (0 in all where no mask is known), position (in
        the tumour, 0..1; the same in all where images have two dimensions); atypical (bool) where the truth is known.
    negative : str
        The negative class, of which it shows the share.
    """
    facts = {f"{negative} slices": ranking["class_name"] == negative}
    with_tumour = ranking["tumour_mm2"] > (0 if ranking["tumour_mm2"].any() else -1)
    area, position = ranking["tumour_mm2"].where(with_tumour), ranking["position"].where(with_tumour)
    if area.any():
        facts["smaller half of tumours"] = (area < area.median()).where(with_tumour)
    if position.nunique() > 1:
        facts["outer half of the tumour"] = ((position - 0.5).abs() > 0.25).where(with_tumour)
    if "atypical" in ranking:
        facts["atypical patients"] = ranking["atypical"]
    shares = pd.DataFrame(facts).astype(float).groupby(ranking["decile"]).mean().loc[list(DECILE_COLOURS)]
    first = first_run(ranking)
    figure, (left, right) = plt.subplots(1, 2, figsize=(PAGE, 2.6), width_ratios=(1, 1.4))
    groups = [first.loc[first["decile"] == decile, "uncertainty"] for decile in DECILE_COLOURS]
    left.hist(groups, bins=30, stacked=True, color=list(DECILE_COLOURS.values()), label=list(DECILE_COLOURS))
    left.set(xlabel="uncertainty (nats)", ylabel="training slices (first run)")
    for place, (decile, colour) in enumerate(DECILE_COLOURS.items()):
        right.bar(np.arange(len(facts)) + (place - 1) * 0.26, 100 * shares.loc[decile], width=0.24, color=colour)
    right.set_xticks(range(len(facts)), [name.replace(" ", "\n", 1) for name in facts])
    right.set(ylabel="share of the group's slices (%)")
    figure.legend(*left.get_legend_handles_labels(), loc="outside upper center", ncols=3, title="part of the ranking")
    return Drawing("figure4", figure, shares.reset_index())


@plt.style.context(STYLE)
def figure5(summary: pd.DataFrame, compared: Iterable[Arm]) -> Drawing:
    """Draw Figure 5: AUC of the proposed method and the baseline on the imbalanced set, beside those of Table 3."""
    return auc_bars(summary, compared, "figure5", "table3")


@plt.style.context(STYLE)
def figure6(summary: pd.DataFrame, compared: Iterable[Arm]) -> Drawing:
    """Draw Figure 6: AUC of the proposed method and the baseline on the balanced set, beside those of Table 4."""
    return auc_bars(summary, compared, "figure6", "table4")


def table5(budgets: pd.DataFrame) -> pd.DataFrame:
    """Return Table 5: how many slices each budget is, ours (examples) and as printed.

    Parameters
    ----------
    budgets : pd.DataFrame
        arm, dataset, share, examples, can_be_drawn.
    """
    return budgets.merge(published_budgets(), on=["dataset", "share"])


@plt.style.context(STYLE)
def figure7(summary: pd.DataFrame, arms: pd.DataFrame) -> Drawing:
    """Draw Figure 7: test AUC at every budget on the imbalanced set."""
    return budget_curves(summary, arms, "imbalanced", "figure7")


@plt.style.context(STYLE)
def figure8(summary: pd.DataFrame, arms: pd.DataFrame) -> Drawing:
    """Draw Figure 8: test AUC at every budget on the balanced set."""
    return budget_curves(summary, arms, "balanced", "figure8")


def first_run(ranking: pd.DataFrame) -> pd.DataFrame:
    """Return a ranking's rows of the first run."""
    rows: pd.DataFrame = ranking[ranking["seed"] == ranking["seed"].iloc[0]]
    return rows


def auc_bars(summary: pd.DataFrame, compared: Iterable[Arm], name: str, printed_in: str) -> Drawing:
    """Draw two arms' AUCs on validation and test, slice-level and patient-level, and the paper's.

    Parameters
    ----------
    summary : pd.DataFrame
        From `statistics.summarise`.
    compared : iterable of Arm
        Two.
    name : str
        Of the drawing.
    printed_in : str
        The paper's table with the same arms, such as ``table3``.
    """
    printed = printed_aucs(printed_in)
    units = [unit for unit in UNITS if unit in set(summary["unit"])]
    figure, grid = plt.subplots(1, 2, figsize=(PAGE, 2.8), sharey=True)
    for axes, part in zip(grid, PARTS[1:], strict=True):
        for arm, colour, offset in zip(compared, ARM_COLOURS, (-0.18, 0.18), strict=True):
            ours, theirs = (rows[(rows["arm"] == arm.name) & (rows["part"] == part)] for rows in (summary, printed))
            ours = ours.set_index("unit").loc[units]
            label = f"{arm.name} ({START_NAMES[arm.start]})"
            places = [place + offset for place in range(len(units))]
            axes.bar(places, ours["auc_mean"], width=0.32, color=colour, label=label)
            interval(axes, places, ours, fmt="none", ecolor="0.15")
            label = f"{arm.name}, as printed"
            interval(axes, [len(units) + offset], theirs, fmt="D", ms=4, color=colour, mec="0.15", label=label)
        axes.axhline(0.5, color="0.5", lw=0.8, ls=":")
        names = [*(f"ours,\n{unit}-level" for unit in units), "paper,\nslice-level"]
        axes.set_xticks(range(len(names)), names)
        axes.set(title=part, ylim=(0, 1))
    grid[0].set_ylabel(f"AUC ({ACROSS_RUNS})")
    figure.legend(*grid[0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return Drawing(name, figure, summary)


def budget_curves(summary: pd.DataFrame, arms: pd.DataFrame, dataset: str, name: str) -> Drawing:
    """Draw slice-level test AUC against the number of slices trained on.

    Parameters
    ----------
    summary : pd.DataFrame
        From `statistics.summarise` by dataset, share and examples: arms proposed, random and placebo at every budget,
        and baseline, the network trained on every training slice.
    arms : pd.DataFrame
        From `evidence.arm_table`, of the data set: their intervals across runs and patients.
    dataset : {"imbalanced", "balanced"}
    name : str
        Of the drawing.
    """
    test = summary[(summary["dataset"] == dataset) & (summary["part"] == "test") & (summary["unit"] == "slice")]
    wider = arms[["arm", "share", "low", "high"]].rename(columns={"low": "both_low", "high": "both_high"})
    test = test.merge(wider, on=["arm", "share"])
    rows, whole = test[test["arm"] != "baseline"], test[test["arm"] == "baseline"].iloc[0]
    figure, axes = plt.subplots(figsize=(PAGE, 3.0))
    step = rows["examples"].min()
    for place, (arm, style) in enumerate(CURVE_STYLES.items()):
        shown = rows[rows["arm"] == arm].sort_values("examples")
        x = shown["examples"] + (place - 1) * 0.08 * step
        interval(axes, x, shown, label=arm, **style)
        axes.vlines(x, shown["both_low"], shown["both_high"], style["color"], lw=4, alpha=0.3)
    axes.axhline(whole["auc_mean"], color="0.2", ls=":", lw=1.2, label=f"baseline: all {whole['examples']} slices")
    for kind, grey in (("both", "0.93"), ("runs", "0.85")):
        if not np.isnan(whole[f"{kind}_low"]):
            axes.axhspan(whole[f"{kind}_low"], whole[f"{kind}_high"], color=grey, lw=0, zorder=0)
    axes.set_xticks(sorted(rows["examples"].unique()))
    keep_to_auc(axes)
    axes.set(xlabel="slices trained on", ylabel=f"slice-level test AUC\n({ACROSS_RUNS};\nlight: and patients)")
    figure.legend(loc="outside upper center", ncols=4)
    return Drawing(name, figure, test)
