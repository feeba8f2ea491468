"""The figures and tables of the paper, each drawn by a function of the same name."""

from collections.abc import Iterable
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from brats_al_utils.cohorts.split import PARTS
from brats_al_utils.findings.paper import claims, is_its_task, printed_aucs, published_budgets, published_table1
from brats_al_utils.findings.sentences import TAILS
from brats_al_utils.findings.statistics import UNITS, unlearned
from brats_al_utils.networks.network import architecture
from brats_al_utils.show import style
from brats_al_utils.show.style import Drawing

DECILES: dict[str, dict[str, Any]] = {
    "most uncertain": {"color": "0.3", "marker": "^"},
    "between": {"color": "0.75", "marker": "o"},
    "least uncertain": {"color": "0.55", "marker": "v"},
}
PART_STYLES: dict[str, dict[str, Any]] = {
    "validation": {"color": "0.6", "marker": "s", "ms": 5, "ls": "--"},
    "test": {"color": style.INK, "marker": "o", "ms": 5.5, "ls": "-"},
}
DIFFERENCE = "difference of AUC (pp)\n95 % CI across runs and patients"
TRAINED_ON = "slices trained on: at random, those annotated;\nproposed and placebo have their committee's annotated too"


def table1() -> pd.DataFrame:
    """Return Table 1: kernel, stride, padding and output of each layer, in this network and as printed."""
    return architecture().merge(published_table1(), on="layer", suffixes=("", "_printed"))


def table2(summary: pd.DataFrame, gains: pd.DataFrame, classes: Iterable[str]) -> Drawing:
    """Draw Table 2, the AUCs of the pretrained network and of random initialisation: see `auc_and_gain`."""
    return auc_and_gain(summary, gains, classes, "table2", "table2")


@plt.style.context(style.STYLE)
def figure2(ranking: pd.DataFrame, classes: tuple[str, str]) -> Drawing:
    """Draw Figure 2: the uncertainty of the training slices, unsorted and sorted, by the first run's committee.

    Its table names no patient.

    Parameters
    ----------
    ranking : pd.DataFrame
        Columns slice_id, seed, class_name, uncertainty (nats), rank_share and decile; each run's slices by falling
        uncertainty.
    classes : tuple of str
        Negative, positive.
    """
    columns = ["slice_id", "seed", "class_name", "uncertainty", "rank_share", "decile"]
    first = first_run(ranking)[columns].reset_index(drop=True)
    unsorted = first.sort_values("slice_id", ignore_index=True)
    figure, (left, right) = plt.subplots(1, 2, figsize=(style.PAGE, 3.6), sharey=True)
    right.plot(first["uncertainty"], color=style.INK, lw=1.6)
    for place, (name, colour, marker) in enumerate(zip(classes, style.CLASS_COLOURS, style.CLASS_MARKERS, strict=True)):
        points = unsorted.loc[unsorted["class_name"] == name, "uncertainty"]
        left.plot(points, marker, ms=2.5, mew=0, color=colour, label=name, rasterized=True)
        ranks = np.flatnonzero(first["class_name"] == name)
        band = {"transform": right.get_xaxis_transform(), "color": colour, "alpha": 0.5, "lw": 0.6}
        right.vlines(ranks, 0.02 + 0.1 * place, 0.1 + 0.1 * place, **band, rasterized=True)
    for decile, edge, side in (("most uncertain", -1, "left"), ("least uncertain", 0, "right")):
        ranks = np.flatnonzero(first["decile"] == decile)
        right.axvspan(ranks[0], ranks[-1], color="0.88", lw=0, zorder=0)
        at = {"xycoords": right.get_xaxis_transform(), "textcoords": "offset points", "va": "top"}
        text = decile.replace(" ", "\n") + "\ndecile"
        right.annotate(text, (ranks[edge], 1), (-4 - 8 * edge, 0), ha=side, **at)
    left.set_ylim(bottom=first["uncertainty"].min() - 0.3 * np.ptp(first["uncertainty"]))  # room for the bands
    left.set(xlabel="slice, in the order of the patients", ylabel="uncertainty (nats)", title="(a) unsorted")
    right.set(xlabel="slice, by falling uncertainty", title="(b) sorted")
    style.legend_above(figure, 2, markerscale=3)
    return Drawing("figure2", figure, first)


@plt.style.context(style.STYLE)
def figure3(summary: pd.DataFrame, gains: pd.DataFrame, classes: Iterable[str]) -> Drawing:
    """Draw Figure 3: slice-level AUC after training on each range of the ranking, and differences between ranges.

    The ends that the paper discusses are shaded; it prints only two differences.

    Parameters
    ----------
    summary : pd.DataFrame
        From `statistics.summarise`; arms are the ranges, in order.
    gains : pd.DataFrame
        From `evidence.on_both_sets`: those of ``sentences.TAILS``, and others to show.
    classes : iterable of str
        The paper's numbers are drawn only if these are its classes.
    """
    rows, gains = summary[summary["unit"] == "slice"], gains[gains["unit"] == "slice"]
    tails = TAILS if is_its_task(classes) else ()
    printed = {(better, worse, PARTS[1]): claims()[claim].number / 100 for better, worse, claim in tails}
    keys = gains[["arm", "other", "part"]].itertuples(index=False, name=None)
    gains = gains.assign(paper=[printed.get(key, np.nan) for key in keys])
    size, heights = (style.PAGE, 3.4 + 0.3 * len(gains)), (2.2, 0.3 * len(gains))
    figure, (upper, lower) = plt.subplots(2, 1, figsize=size, height_ratios=heights)
    for place, (part, look) in enumerate(PART_STYLES.items()):
        shown = rows[rows["part"] == part]
        ends = style.distances(shown, "auc_mean", "runs_low", "runs_high")
        at = np.arange(len(shown)) + 0.16 * (place - 0.5)
        upper.errorbar(at, shown["auc_mean"], yerr=ends, lw=1.2, label=part, **look)
    for end in (0, len(shown) - 1):
        upper.axvspan(end - 0.5, end + 0.5, color="0.93", lw=0, zorder=0)
    upper.set_xticks(range(len(shown)), [name.replace("%-", "\u2013").rstrip("%") for name in shown["arm"]])
    upper.set(xlabel="range of the ranking (%; 0: most uncertain)", ylabel="slice-level AUC\n95 % CI across runs")
    style.keep_within(upper, 0, 1.02)
    style.difference_panel(lower, gains, range(len(gains)))
    style.rows_named(lower, [f"{row['arm']} less {row['other']}, {row['part']}" for _, row in gains.iterrows()])
    lower.set_xlabel(DIFFERENCE)
    style.legend_above(figure, 3)
    return Drawing("figure3", figure, summary)


@plt.style.context(style.STYLE)
def figure4(ranking: pd.DataFrame, negative: str) -> Drawing:
    """Draw Figure 4: the uncertainty of the most and the least uncertain decile, and the slices that they hold.

    Its table has one row a decile, with the share of its slices (all runs) for which a fact is true. Facts on tumours
    are shares of the slices with tumour.

    Parameters
    ----------
    ranking : pd.DataFrame
        Columns seed, uncertainty (nats), decile, class_name, tumour_mm2 (all 0 without masks), position (in the tumour,
        0..1; constant for images of two dimensions); atypical (bool) if the truth is known.
    negative : str
        The negative class, whose share is shown.
    """
    facts = {f"{negative} slices": ranking["class_name"] == negative}
    with_tumour = ranking["tumour_mm2"] > (0 if ranking["tumour_mm2"].any() else -1)
    area, position = ranking["tumour_mm2"].where(with_tumour), ranking["position"].where(with_tumour)
    if area.any():
        facts["tumour area below the median"] = (area < area.median()).where(with_tumour)
    if position.nunique() > 1:
        facts["outer half of the tumour"] = ((position - 0.5).abs() > 0.25).where(with_tumour)
    if "atypical" in ranking:
        facts["atypical patients"] = ranking["atypical"]
    shares = pd.DataFrame(facts).astype(float).groupby(ranking["decile"]).mean().loc[list(DECILES)]
    first = first_run(ranking)
    figure, (left, right) = plt.subplots(1, 2, figsize=(style.PAGE, 3.4))
    groups = [first.loc[first["decile"] == decile, "uncertainty"] for decile in DECILES]
    left.hist(groups, bins=30, stacked=True, color=[look["color"] for look in DECILES.values()])
    left.set(xlabel="uncertainty (nats)", ylabel="training slices", title="(a) where the deciles lie (first run)")
    for decile, look in DECILES.items():
        right.plot(100 * shares.loc[decile], range(len(facts)), ls="", ms=7, label=decile, **look)
    style.rows_named(right, [name.replace(" ", "\n", 1) for name in facts])
    right.set(xlabel="share of the slices (%)", title="(b) which slices they hold", xlim=(-4, 104))
    style.legend_above(figure, 3)
    return Drawing("figure4", figure, shares.reset_index())


def figure5(summary: pd.DataFrame, gains: pd.DataFrame, classes: Iterable[str]) -> Drawing:
    """Draw Figure 5, the proposed method and the baseline on the imbalanced set (Table 3): see `auc_and_gain`."""
    return auc_and_gain(summary, gains, classes, "figure5", "table3")


def figure6(summary: pd.DataFrame, gains: pd.DataFrame, classes: Iterable[str]) -> Drawing:
    """Draw Figure 6, the proposed method and the baseline on the balanced set (Table 4): see `auc_and_gain`."""
    return auc_and_gain(summary, gains, classes, "figure6", "table4")


def table5(budgets: pd.DataFrame) -> pd.DataFrame:
    """Return Table 5: the number of slices at each budget, ours (examples) and as printed.

    Parameters
    ----------
    budgets : pd.DataFrame
        arm, dataset, share, examples, can_be_drawn.
    """
    return budgets.merge(published_budgets(), on=["dataset", "share"])


def figure7(summary: pd.DataFrame, gains: pd.DataFrame) -> Drawing:
    """Draw Figure 7, the test AUC at every budget on the imbalanced set: see `budget_curves`."""
    return budget_curves(summary, gains, "imbalanced", "figure7")


def figure8(summary: pd.DataFrame, gains: pd.DataFrame) -> Drawing:
    """Draw Figure 8, the test AUC at every budget on the balanced set: see `budget_curves`."""
    return budget_curves(summary, gains, "balanced", "figure8")


def first_run(ranking: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of a ranking for the first run."""
    rows: pd.DataFrame = ranking[ranking["seed"] == ranking["seed"].iloc[0]]
    return rows


@plt.style.context(style.STYLE)
def auc_and_gain(
    summary: pd.DataFrame, gains: pd.DataFrame, classes: Iterable[str], name: str, printed_in: str
) -> Drawing:
    """Draw the AUCs of two arms on the validation and test sets, slice-level and patient-level, and their differences.

    Parameters
    ----------
    summary : pd.DataFrame
        From `statistics.summarise`.
    gains : pd.DataFrame
        From `evidence.on_both_sets`, for one pair of arms.
    classes : iterable of str
        The paper's numbers are drawn only if these are its classes.
    name : str
        Name of the drawing.
    printed_in : str
        The paper's table with these arms, such as ``table3``.
    """
    places = [(part, unit) for part in PARTS[1:] for unit in UNITS if unit in set(gains["unit"])]
    pair, gains = gains.iloc[0][["arm", "other"]], gains.set_index(["part", "unit"]).loc[places]
    printed = printed_aucs(printed_in).assign(unit="slice").set_index(["arm", "part", "unit"])["auc_mean"]
    own = is_its_task(classes)
    figure, (left, right) = plt.subplots(1, 2, figsize=(style.PAGE, 1.5 + 0.55 * len(places)), sharey=True)
    for arm, offset in zip(pair, (-0.18, 0.18), strict=True):
        rows = summary[summary["arm"] == arm].set_index(["part", "unit"]).loc[places]
        learned, at = rows["learned"].all(), np.arange(len(places)) + offset
        look = style.arm_style(arm, learned) | {"ls": ""}
        ends = style.distances(rows, "auc_mean", "runs_low", "runs_high")
        left.errorbar(rows["auc_mean"], at, xerr=ends, lw=1.2, label=style.arm_label(arm, learned), **look)
        if own:
            left.plot(printed[arm].reindex(places), at, **style.PAPER | {"mec": look["color"]})
    left.set(xlabel="AUC\n95 % CI across runs", xlim=(min(0.5, summary["auc_mean"].min() - 0.02), 1))
    theirs = (printed[pair["arm"]] - printed[pair["other"]]).reindex(places)
    style.difference_panel(right, gains.assign(paper=theirs if own else np.nan), range(len(places)))
    right.set_xlabel(f"{' less '.join(pair)} (pp)\n95 % CI across runs and patients")
    for axes in (left, right):
        style.rows_named(axes, [f"{part},\n{unit}-level" for part, unit in places])
    style.legend_above(figure, 3)
    return Drawing(name, figure, summary)


@plt.style.context(style.STYLE)
def budget_curves(summary: pd.DataFrame, gains: pd.DataFrame, dataset: str, name: str) -> Drawing:
    """Draw slice-level test AUC against the number of training slices, and below it the differences between arms.

    Parameters
    ----------
    summary : pd.DataFrame
        From `statistics.summarise` by dataset, share and examples: the arms proposed, random and placebo at every
        budget, and baseline (all training slices).
    gains : pd.DataFrame
        From `evidence.budget_gains`.
    dataset : {"imbalanced", "balanced"}
    name : str
        Name of the drawing.
    """
    test = summary[(summary["dataset"] == dataset) & (summary["part"] == "test") & (summary["unit"] == "slice")]
    gains = gains[(gains["dataset"] == dataset) & (gains["unit"] == "slice")]
    rows, whole = test[test["arm"] != "baseline"], test[test["arm"] == "baseline"].iloc[0]
    figure, (upper, lower) = plt.subplots(2, 1, figsize=(style.PAGE, 5.4), sharex=True, height_ratios=(1.2, 1))
    draw_curves(upper, rows, "examples")
    line = {name: style.arm_style("baseline")[name] for name in ("color", "ls")}
    upper.axhline(whole["auc_mean"], lw=1.2, label=f"baseline: all {whole['examples']}", **line)
    upper.margins(y=0.12)
    upper.set_ylabel("slice-level test AUC\n(mean across runs)")
    counts = rows.drop_duplicates("share").set_index("share")["examples"]
    apart = 0.16 * counts.min() * (pd.factorize(gains["other"])[0] - 0.5)
    style.difference_panel(lower, gains, counts.loc[gains["share"]].to_numpy() + apart, by="other", upright=True)
    lower.set_xticks(counts, [f"{count}\n{share:.0%}" for share, count in counts.items()])
    lower.set(xlabel=TRAINED_ON, ylabel="difference (pp)\n95 % CI across\nruns and patients")
    style.legend_above(figure, 3)
    return Drawing(name, figure, test)


def draw_curves(axes: Axes, rows: pd.DataFrame, along: str) -> None:
    """Draw the mean AUCs of arms as curves along a column; points of arms that have not learned are hollow."""
    for arm, of_arm in rows.groupby("arm", sort=False):
        shown, label = of_arm.sort_values(along), style.arm_label(str(arm), bool(of_arm["learned"].any()))
        axes.plot(shown[along], shown["auc_mean"], lw=1.2, label=label, **style.arm_style(str(arm)))
        blind = shown[~shown["learned"]]
        axes.plot(blind[along], blind["auc_mean"], **style.arm_style(str(arm), learned=False) | {"ls": ""})


@plt.style.context(style.STYLE)
def training_curves(history: pd.DataFrame, name: str) -> Drawing:
    """Draw the loss and the validation AUC of every run of two arms, and mark the kept epochs.

    Parameters
    ----------
    history : pd.DataFrame
        From `evidence.history`.
    """
    blind = unlearned(history.drop_duplicates(["arm", "seed"]))
    figure, grid = plt.subplots(1, 2, figsize=(style.PAGE, 3.2))
    names = {"train_loss": "training loss (nats)", "validation_auc": "slice-level\nvalidation AUC"}
    for axes, (column, ylabel) in zip(grid, names.items(), strict=True):
        for (arm, seed), run in history.groupby(["arm", "seed"], sort=False):
            look = style.arm_style(str(arm), arm not in blind)
            label = style.arm_label(str(arm), arm not in blind) if seed == history["seed"].iloc[0] else None
            axes.plot(run["epoch"], run[column], lw=1, alpha=0.7, label=label, **look | {"marker": ""})
            axes.plot(run["epoch"][run["kept"]], run[column][run["kept"]], **look | {"ls": ""})
        axes.set(xlabel="epoch", ylabel=ylabel)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    style.legend_above(figure, 2, title="mark: the epoch kept")
    return Drawing(name, figure, history)
