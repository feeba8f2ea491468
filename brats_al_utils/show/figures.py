"""One function for each figure or table: drawn from tidy data frames, kept as SVG, PNG and CSV."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from IPython.core.getipython import get_ipython
from IPython.display import Image, display
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from brats_al_utils.cohorts.slices import SliceSet
from brats_al_utils.cohorts.split import GRADES, PARTS
from brats_al_utils.findings.statistics import UNITS, mean_interval
from brats_al_utils.networks.network import START_NAMES

COLUMN, PAGE = 3.5, 7.2
"""Widths in inches of a journal's column and page."""

PALETTE = dict(zip(("blue", "orange", "green", "red", "purple"), sns.color_palette("colorblind"), strict=False))
ARM_COLOURS = (PALETTE["orange"], PALETTE["blue"])
GRADE_COLOURS = {"HGG": PALETTE["orange"], "LGG": PALETTE["blue"]}
CHANNEL_NAMES = {"t1": "T1", "t1ce": "T1ce", "t2": "T2", "flair": "FLAIR"}

TENTH_COLOURS = {"hardest": PALETTE["red"], "between": (0.75, 0.75, 0.75), "easiest": PALETTE["green"]}
COHORT_STYLES: dict[str, Any] = {
    "validation": {"color": PALETTE["blue"], "marker": "o", "ms": 4, "ls": "-"},
    "test": {"color": PALETTE["orange"], "marker": "s", "ms": 4, "ls": "--"},
}
# Orange and blue as in the paper; the placebo is the proposed method's own sampler with another draw.
CURVE_STYLES: dict[str, Any] = {
    "proposed": {"color": PALETTE["orange"], "marker": "o", "ms": 4, "ls": "-"},
    "random": {"color": PALETTE["blue"], "marker": "s", "ms": 4, "ls": "-."},
    "placebo": {"color": "0.5", "marker": "^", "ms": 4, "ls": "--"},
}

STYLE: dict[Any, Any] = {
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "legend.fontsize": 7,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": "0.9",
    "legend.frameon": False,
    "figure.constrained_layout.use": True,
    "savefig.dpi": 200,
    # The same figure gives the same file.
    "svg.hashsalt": "brats-al",
}


def save(figure: Figure, table: pd.DataFrame, name: str, folder: Path, caption: str) -> None:
    """Write ``name`` as SVG, PNG and CSV (its numbers), its origin below it, and show it in a notebook."""
    figure.supxlabel(caption, fontsize=6, color="0.35")
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / f"{name}.svg", metadata={"Date": None})
    figure.savefig(folder / f"{name}.png")
    plt.close(figure)
    save_table(table, name, folder)
    if get_ipython() is not None:
        display(Image(folder / f"{name}.png", width=round(100 * figure.get_figwidth()), alt=f"{name}: {caption}"))


def save_table(table: pd.DataFrame, name: str, folder: Path) -> None:
    """Write a table as CSV."""
    folder.mkdir(parents=True, exist_ok=True)
    table.to_csv(folder / f"{name}.csv", index=False, lineterminator="\n", float_format="%.6g")


def counts(slices: SliceSet) -> pd.DataFrame:
    """Return patients and slices of each part, grade and site: part, grade, site, patients, slices."""
    groups = slices.table.groupby(["part", "grade", "site"])["patient_id"]
    table = groups.agg(patients="nunique", slices="size").reset_index()
    order = {part: place for place, part in enumerate(PARTS)}
    return table.sort_values(["part", "grade", "site"], key=lambda column: column.map(order).fillna(column).astype(str))


def cohort(slices: SliceSet, folder: Path, caption: str) -> None:
    """Draw the split: patients of each part by grade, and by site."""
    table = counts(slices)
    with plt.rc_context(STYLE):
        figure, (by_grade, by_site) = plt.subplots(1, 2, figsize=(PAGE, 2.4), width_ratios=(1, 1.6))
        grades = table.pivot_table(index="part", columns="grade", values="patients", aggfunc="sum").loc[list(PARTS)]
        stacked_bars(by_grade, grades[list(GRADES)], [GRADE_COLOURS[grade] for grade in GRADES])
        sites = table.pivot_table(index="site", columns="part", values="patients", aggfunc="sum", fill_value=0)
        colours = [PALETTE[name] for name in ("blue", "orange", "green")]
        stacked_bars(by_site, sites[list(PARTS)], colours)
        by_grade.set(ylabel="patients")
        by_site.set(ylabel="patients")
        by_site.yaxis.set_major_locator(mpl.ticker.MaxNLocator(integer=True))
        by_site.tick_params(axis="x", rotation=45)
        save(figure, table, "cohort", folder, caption)


def stacked_bars(axes: Axes, table: pd.DataFrame, colours: list[Any]) -> None:
    """Draw a bar for each row of a table, its columns one above the other."""
    bottom = np.zeros(len(table))
    for (name, values), colour in zip(table.items(), colours, strict=True):
        rows = [str(row) for row in table.index]
        bars = axes.bar(rows, values, bottom=bottom, color=colour, label=str(name), width=0.7)
        axes.bar_label(bars, [str(n or "") for n in values], label_type="center", fontsize=6, color="white")
        bottom += values.to_numpy()
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=len(table.columns))


def montage(slices: SliceSet, folder: Path, caption: str, patients: int = 3) -> None:
    """Draw the slice with the largest tumour of some patients of each grade: a row a channel, the tumour outlined."""
    table = slices.table.reset_index()
    largest = table.loc[table.groupby("patient_id")["tumour_mm2"].idxmax()]
    shown = pd.concat([largest[largest["grade"] == grade].head(patients) for grade in GRADES])
    channels = slices.manifest["rule"]["channels"]
    with plt.rc_context(STYLE | {"axes.grid": False}):
        figure, grid = plt.subplots(
            len(channels), len(shown), figsize=(PAGE, PAGE * len(channels) / len(shown)), squeeze=False
        )
        for column, (_, row) in zip(grid.T, shown.iterrows(), strict=True):
            tumour = slices.segmentation[row["slice_id"]] > 0
            for axes, channel, pixels in zip(column, channels, slices.pixels[row["slice_id"]], strict=True):
                axes.imshow(pixels, cmap="gray", vmin=0, vmax=255)
                axes.contour(tumour, levels=[0.5], colors=[GRADE_COLOURS[row["grade"]]], linewidths=0.8)
                axes.set(xticks=[], yticks=[], frame_on=False)
                if axes in grid[:, 0]:
                    axes.set_ylabel(CHANNEL_NAMES[channel])
            column[0].set_title(f"{row['grade']}\n{row['patient_id']}", fontsize=6)
        columns = ["slice_id", "patient_id", "grade", "z", "tumour_mm2", "part"]
        save(figure, shown[columns], "slices", folder, f"{caption}; tumour outlined")


def intensities(slices: SliceSet, folder: Path, caption: str, bins: int = 64) -> None:
    """Draw how often each intensity occurs in the brain, by channel and grade."""
    edges = np.linspace(0, 255, bins + 1)
    centres = (edges[:-1] + edges[1:]) / 2 / 255
    channels = slices.manifest["rule"]["channels"]
    totals = {(channel, grade): np.zeros(bins) for channel in channels for grade in GRADES}
    for slice_id, grade in enumerate(slices.table["grade"]):
        for channel, pixels in zip(channels, slices.pixels[slice_id], strict=True):
            totals[channel, grade] += np.histogram(pixels[pixels > 0], edges)[0]
    frames = [
        pd.DataFrame({"channel": channel, "grade": grade, "intensity": centres, "share": total / total.sum()})
        for (channel, grade), total in totals.items()
    ]
    table = pd.concat(frames, ignore_index=True)
    with plt.rc_context(STYLE):
        figure, grid = plt.subplots(1, len(channels), figsize=(PAGE, 2.2), sharey=True)
        for axes, channel in zip(grid, channels, strict=True):
            for grade in GRADES:
                rows = table[(table["channel"] == channel) & (table["grade"] == grade)]
                axes.plot(rows["intensity"], 100 * rows["share"], color=GRADE_COLOURS[grade], label=grade, lw=1.2)
            axes.set(title=CHANNEL_NAMES[channel], xlabel="intensity after scaling (0 to 1)")
        grid[0].set_ylabel("share of brain pixels (%)")
        grid[-1].legend()
        save(figure, table, "intensities", folder, caption)


def percent(mean: float, low: float, high: float) -> str:
    """Write an AUC and its interval as the paper does, ``79.91% (78.95, 80.87)``; a single run has no interval."""
    interval = "" if np.isnan(low) else f" ({100 * low:.2f}, {100 * high:.2f})"
    return f"{100 * mean:.2f}%{interval}"


def auc_table(summary: pd.DataFrame, published: pd.DataFrame) -> pd.DataFrame:
    """Return a table as the paper prints it, ours beside it: a row a cohort and unit, a column an arm.

    Parameters
    ----------
    summary : pd.DataFrame
        From `statistics.summarise`.
    published : pd.DataFrame
        Columns arm (with the names of ours), cohort, auc, ci_low, ci_high; by slice.
    """
    ours = summary.assign(
        source=summary["unit"].map("ours, by {}".format),
        text=[percent(*row) for row in summary[["auc_mean", "ci_low", "ci_high"]].itertuples(index=False)],
    )
    printed = published.assign(
        source="paper, by slice",
        text=[percent(*row) for row in published[["auc", "ci_low", "ci_high"]].itertuples(index=False)],
    )
    columns = ["cohort", "source", "arm", "text"]
    both = pd.concat([printed[columns], ours[columns]])
    return both.pivot_table(index=["cohort", "source"], columns="arm", values="text", aggfunc="first", sort=False)


def auc_bars(
    summary: pd.DataFrame, published: pd.DataFrame, starts: Mapping[str, str], name: str, folder: Path, caption: str
) -> None:
    """Draw Table 2 and Figures 5 and 6: AUCs on validation and test, by slice and by patient, and the paper's.

    Parameters
    ----------
    summary, published
        See `auc_table`.
    starts : mapping of str to str
        The start of each arm; two arms.
    """
    arms = list(starts)
    colours = dict(zip(arms, ARM_COLOURS, strict=True))
    with plt.rc_context(STYLE):
        figure, grid = plt.subplots(1, 2, figsize=(PAGE, 2.8), sharey=True)
        for axes, part in zip(grid, PARTS[1:], strict=True):
            for place, arm in enumerate(arms):
                offset = (place - 0.5) * 0.36
                bars = summary[(summary["arm"] == arm) & (summary["cohort"] == part)].set_index("unit")
                bars = bars.loc[["slice", "patient"]]
                label = arm if arm == starts[arm] else f"{arm} (start: {START_NAMES[starts[arm]]})"
                axes.bar([offset, 1 + offset], bars["auc_mean"], width=0.32, color=colours[arm], label=label)
                interval(axes, [offset, 1 + offset], bars, fmt="none", ecolor="0.15")
                printed = published[(published["arm"] == arm) & (published["cohort"] == part)]
                printed = printed.rename(columns={"auc": "auc_mean"})
                interval(
                    axes,
                    [2 + offset],
                    printed,
                    fmt="D",
                    ms=4,
                    color=colours[arm],
                    mec="0.15",
                    label=f"{arm}, as printed",
                )
            axes.axhline(0.5, color="0.5", lw=0.8, ls=":")
            axes.set_xticks([0, 1, 2], ["ours,\nby slice", "ours,\nby patient", "paper,\nby slice"])
            axes.set(title=part, ylim=(0, 1))
        grid[0].set_ylabel("AUC (95 % interval over runs)")
        figure.legend(*grid[0].get_legend_handles_labels(), loc="outside upper center", ncols=4)
        save(figure, summary, name, folder, caption)


def interval(axes: Axes, x: Any, summary: pd.DataFrame, **style: Any) -> None:
    """Draw means with their intervals; a mean without interval gets none."""
    low, high = summary["auc_mean"] - summary["ci_low"], summary["ci_high"] - summary["auc_mean"]
    axes.errorbar(x, summary["auc_mean"], yerr=np.nan_to_num([low, high]), capsize=2, lw=0.9, **style)


def keep_to_auc(axes: Axes) -> None:
    """Show no more than an AUC can be: a t-interval over few runs may reach beyond 0 and 1."""
    low, high = axes.get_ylim()
    axes.set_ylim(max(low, 0), min(high, 1.02))


def figure2(ranking: pd.DataFrame, folder: Path, caption: str) -> None:
    """Draw Figure 2: the uncertainty of the training slices, unsorted and sorted, of the first run's committee.

    Parameters
    ----------
    ranking : pd.DataFrame
        From `study.Study.ranking`.
    """
    first = ranking[ranking["seed"] == ranking["seed"].iloc[0]]
    unsorted = first.sort_values("slice_id")
    with plt.rc_context(STYLE):
        figure, (left, right) = plt.subplots(1, 2, figsize=(PAGE, 2.4), sharey=True)
        left.plot(range(len(unsorted)), unsorted["uncertainty"], ".", ms=2, color=PALETTE["blue"], rasterized=True)
        right.plot(range(len(first)), first["uncertainty"], color=PALETTE["blue"], lw=1.2)
        for tenth in ("hardest", "easiest"):
            ranks = np.flatnonzero(first["tenth"] == tenth)
            right.axvspan(ranks[0], ranks[-1], color=TENTH_COLOURS[tenth], alpha=0.3, lw=0, label=f"{tenth} tenth")
        left.set(
            xlabel="training slice, in the order of the patients", ylabel="uncertainty (nats)", title="(a) unsorted"
        )
        right.set(xlabel="training slice, by falling uncertainty", title="(b) sorted")
        right.legend()
        save(figure, first, "figure2", folder, caption)


def figure3(summary: pd.DataFrame, folder: Path, caption: str) -> None:
    """Draw Figure 3: AUC by slice after training on each range of the uncertainty ranking.

    Parameters
    ----------
    summary : pd.DataFrame
        From `statistics.summarise`, arms named by their range, in order.
    """
    rows = summary[summary["unit"] == "slice"]
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(PAGE, 2.8))
        for place, (part, style) in enumerate(COHORT_STYLES.items()):
            shown = rows[rows["cohort"] == part]
            x = np.arange(len(shown)) + (place - 0.5) * 0.12
            interval(axes, x, shown, label=part, **style)
        axes.set_xticks(range(len(shown)), shown["arm"])
        axes.set(xlabel="range of the ranking (0 %: most uncertain)", ylabel="AUC by slice\n(95 % interval over runs)")
        keep_to_auc(axes)
        figure.legend(loc="outside upper center", ncols=2)
        save(figure, summary, "figure3", folder, caption)


def figure4(ranking: pd.DataFrame, folder: Path, caption: str) -> pd.DataFrame:
    """Draw Figure 4, where the hardest and the easiest tenth lie and who they are, and return the latter as a table."""
    first = ranking[ranking["seed"] == ranking["seed"].iloc[0]]
    facts = {
        "LGG slices": ranking["grade"] == "LGG",
        "smaller half of tumours": ranking["tumour_mm2"] < ranking["tumour_mm2"].median(),
        "outer half of the tumour": (ranking["position"] - 0.5).abs() > 0.25,
        **({"atypical patients": ranking["atypical"]} if "atypical" in ranking else {}),
    }
    shares = pd.DataFrame(facts).astype(float).groupby(ranking["tenth"]).mean().loc[list(TENTH_COLOURS)]
    with plt.rc_context(STYLE):
        figure, (left, right) = plt.subplots(1, 2, figsize=(PAGE, 2.6), width_ratios=(1, 1.4))
        groups = [first.loc[first["tenth"] == tenth, "uncertainty"] for tenth in TENTH_COLOURS]
        left.hist(groups, bins=30, stacked=True, color=list(TENTH_COLOURS.values()), label=list(TENTH_COLOURS))
        left.set(xlabel="uncertainty (nats)", ylabel="training slices (first run)")
        for place, (tenth, colour) in enumerate(TENTH_COLOURS.items()):
            right.bar(np.arange(len(facts)) + (place - 1) * 0.26, 100 * shares.loc[tenth], width=0.24, color=colour)
        right.set_xticks(range(len(facts)), [name.replace(" ", "\n", 1) for name in facts])
        right.set(ylabel="share of the group (%)")
        figure.legend(
            *left.get_legend_handles_labels(), loc="outside upper center", ncols=3, title="part of the ranking"
        )
        table = shares.rename_axis("tenth").reset_index()
        save(figure, table, "figure4", folder, caption)
    return table


def budget_curves(
    summary: pd.DataFrame, baseline: pd.DataFrame, name: str, folder: Path, caption: str, cohort_name: str = "test"
) -> None:
    """Draw Figures 7 and 8: test AUC by slice against the number of slices trained on.

    Parameters
    ----------
    summary : pd.DataFrame
        From `statistics.summarise` by examples: arms proposed, random and placebo.
    baseline : pd.DataFrame
        The same of the network trained on every training slice.
    """
    rows = summary[(summary["cohort"] == cohort_name) & (summary["unit"] == "slice")]
    whole = baseline[(baseline["cohort"] == cohort_name) & (baseline["unit"] == "slice")].iloc[0]
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(PAGE, 3.0))
        step = rows["examples"].min()
        for place, (arm, style) in enumerate(CURVE_STYLES.items()):
            shown = rows[rows["arm"] == arm].sort_values("examples")
            interval(axes, shown["examples"] + (place - 1) * 0.08 * step, shown, label=arm, **style)
        axes.axhline(whole["auc_mean"], color="0.2", ls=":", lw=1.2, label=f"baseline: all {whole['examples']} slices")
        if whole["n_runs"] > 1:
            axes.axhspan(whole["ci_low"], whole["ci_high"], color="0.85", lw=0, zorder=0)
        axes.set_xticks(sorted(rows["examples"].unique()))
        keep_to_auc(axes)
        axes.set(xlabel="slices trained on", ylabel=f"{cohort_name} AUC by slice\n(95 % interval over runs)")
        figure.legend(loc="outside upper center", ncols=4)
        save(figure, pd.concat([rows, baseline], ignore_index=True), name, folder, caption)


def training_curves(history: pd.DataFrame, name: str, folder: Path, caption: str) -> None:
    """Draw the loss and the validation AUC of every run, with the epoch that was kept.

    Parameters
    ----------
    history : pd.DataFrame
        Columns arm, seed, epoch (from 1), train_loss, validation_auc, kept (bool).
    """
    arms = list(history["arm"].unique())
    colours = dict(zip(arms, ARM_COLOURS, strict=True))
    with plt.rc_context(STYLE):
        figure, grid = plt.subplots(1, 2, figsize=(PAGE, 2.4))
        for axes, column, title in zip(
            grid, ("train_loss", "validation_auc"), ("training loss", "validation AUC"), strict=True
        ):
            for (arm, _), run in history.groupby(["arm", "seed"], sort=False):
                first = run["seed"].iloc[0] == history["seed"].iloc[0]
                axes.plot(run["epoch"], run[column], color=colours[arm], lw=1, alpha=0.7, label=arm if first else None)
                kept = run[run["kept"]]
                axes.plot(kept["epoch"], kept[column], "o", color=colours[arm], ms=4, mec="0.15", mew=0.6)
            axes.set(xlabel="epoch", title=title)
            axes.xaxis.set_major_locator(mpl.ticker.MaxNLocator(integer=True))
        grid[0].set_ylabel("cross-entropy (nats)")
        grid[1].set_ylabel("AUC by slice")
        figure.legend(
            *grid[0].get_legend_handles_labels(),
            loc="outside upper center",
            ncols=len(arms),
            title="dot: the epoch kept",
        )
        save(figure, history, name, folder, caption)


OVER_STYLES: dict[str, Any] = {
    "seeds": {"color": PALETTE["blue"], "marker": "o", "ms": 3},
    "patients": {"color": PALETTE["green"], "marker": "s", "ms": 3},
    "both": {"color": PALETTE["orange"], "marker": "D", "ms": 3},
}
KIND_STYLES: dict[str, Any] = {
    "atypical": {"color": PALETTE["orange"], "marker": "o", "ms": 4, "ls": "-"},
    "mislabelled": {"color": PALETTE["blue"], "marker": "s", "ms": 4, "ls": "--"},
    "corrupted": {"color": PALETTE["green"], "marker": "^", "ms": 4, "ls": "-."},
}


def forest(table: pd.DataFrame, value: str, xlabel: str, name: str, folder: Path, caption: str) -> None:
    """Draw a value of each arm with its intervals over seeds, over patients and over both, by slice and by patient.

    Parameters
    ----------
    table : pd.DataFrame
        From `comparison.intervals` or `comparison.compare` with a column unit; arms in their order.
    value : str
        The column of the value: ``auc_mean`` or ``auc_difference``.
    """
    arms = list(dict.fromkeys(table["arm"]))
    with plt.rc_context(STYLE | {"axes.grid.axis": "x"}):
        figure, grid = plt.subplots(1, 2, figsize=(PAGE, 1.3 + 0.3 * len(arms)), sharey=True)
        furthest = (0.0, 1.0) if value == "auc_mean" else (-1.0, 1.0)  # a t-interval of few runs reaches beyond
        for axes, unit in zip(grid, UNITS, strict=True):
            rows = table[table["unit"] == unit].set_index("arm").loc[arms]
            for place, (over, style) in enumerate(OVER_STYLES.items()):
                y = np.arange(len(arms)) + 0.24 * (place - 1)
                ends = [rows[value] - rows[f"{over}_low"], rows[f"{over}_high"] - rows[value]]
                label = {"seeds": "over seeds", "patients": "over patients", "both": "over seeds and patients"}[over]
                axes.errorbar(rows[value], y, xerr=np.nan_to_num(ends), ls="", capsize=2, lw=0.9, label=label, **style)
            if value == "auc_difference":
                axes.axvline(0, color="0.2", lw=0.8)
            low, high = axes.get_xlim()
            limits = max(low, furthest[0] - 0.02), min(high, furthest[1] + 0.02)
            axes.set(title=f"by {unit}", xlabel=xlabel, xlim=limits, ylim=(-0.6, len(arms) - 0.4))
        grid[0].set_yticks(range(len(arms)), arms)
        grid[0].invert_yaxis()
        figure.legend(*grid[0].get_legend_handles_labels(), loc="outside upper center", ncols=3, title="95 % interval")
        save(figure, table, name, folder, caption)


def paid_curves(runs: pd.DataFrame, name: str, folder: Path, caption: str) -> None:
    """Draw test AUC by slice over the labels really paid for, the committee's included.

    Parameters
    ----------
    runs : pd.DataFrame
        As `budgets` takes it: strategy, budget, seed, paid, auc.
    """
    rows = []
    for (strategy, budget), group in runs.groupby(["strategy", "budget"], sort=False):
        mean, low, high = mean_interval(group["auc"].to_numpy())
        rows.append((strategy, budget, group["paid"].mean(), mean, low, high))
    table = pd.DataFrame(rows, columns=["strategy", "budget", "paid", "auc_mean", "ci_low", "ci_high"])
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(PAGE, 2.8))
        for strategy, style in CURVE_STYLES.items():
            shown = table[table["strategy"] == strategy].sort_values("paid")
            interval(axes, 100 * shown["paid"], shown, label=strategy, **style)
        keep_to_auc(axes)
        axes.set(
            xlabel="labels paid for (% of the training slices)", ylabel="test AUC by slice\n(95 % interval over runs)"
        )
        figure.legend(loc="outside upper center", ncols=3)
        save(figure, table, name, folder, caption)


def dose_response(caught: pd.DataFrame, gains: pd.DataFrame, name: str, folder: Path, caption: str) -> None:
    """Draw what planted outliers do: how many of them the hardest tenth holds, and what dropping the tails gains.

    Parameters
    ----------
    caught : pd.DataFrame
        kind, dose, mean, low, high (the share of the hardest tenth that was planted) and prevalence (chance).
    gains : pd.DataFrame
        kind, dose, auc_difference, both_low, both_high: test AUC of the proposed sampler less that of random.
    """
    with plt.rc_context(STYLE):
        figure, (left, right) = plt.subplots(1, 2, figsize=(PAGE, 2.8))
        for place, (kind, style) in enumerate(KIND_STYLES.items()):
            for axes, table, value, ends in (
                (left, caught, "mean", ("low", "high")),
                (right, gains, "auc_difference", ("both_low", "both_high")),
            ):
                rows = table[table["kind"] == kind].sort_values("dose")
                error = [rows[value] - rows[ends[0]], rows[ends[1]] - rows[value]]
                x = 100 * rows["dose"] + 0.15 * (place - 1)
                axes.errorbar(
                    x, 100 * rows[value], yerr=100 * np.nan_to_num(error), capsize=2, lw=0.9, label=kind, **style
                )
        chance = caught.groupby("dose")["prevalence"].mean()
        left.plot(100 * chance.index, 100 * chance, color="0.2", ls=":", lw=1.2, label="chance")
        right.axhline(0, color="0.2", lw=0.8)
        low, high = left.get_ylim()
        left.set(
            ylabel="planted, of the hardest tenth (%)\n(95 % interval over runs)", ylim=(max(low, -2), min(high, 102))
        )
        right.set(ylabel="test AUC less random's (points)\n(95 % over seeds and patients)", title="tails dropped")
        for axes in (left, right):
            axes.set(xlabel="outliers planted in the training set (%)")
            axes.set_xticks(sorted(100 * caught["dose"].unique()))
        figure.legend(*left.get_legend_handles_labels(), loc="outside upper center", ncols=4)
        save(figure, caught.merge(gains, on=["kind", "dose"]), name, folder, caption)
