"""One function for each figure or table: drawn from tidy data frames, kept as SVG, PNG and CSV."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from brats_al_utils.cohort import GRADES, PARTS
from brats_al_utils.network import START_NAMES
from brats_al_utils.slices import SliceSet

COLUMN, PAGE = 3.5, 7.2
"""Widths in inches of a journal's column and page."""

PALETTE = dict(zip(("blue", "orange", "green", "red", "purple"), sns.color_palette("colorblind"), strict=False))
GRADE_COLOURS = {"HGG": PALETTE["orange"], "LGG": PALETTE["blue"]}
CHANNEL_NAMES = {"t1": "T1", "t1ce": "T1ce", "t2": "T2", "flair": "FLAIR"}

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
    """Write ``name`` as SVG, PNG and CSV (the numbers that it is drawn from), with its origin below it."""
    figure.supxlabel(caption, fontsize=6, color="0.35")
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / f"{name}.svg", metadata={"Date": None})
    figure.savefig(folder / f"{name}.png")
    save_table(table, name, folder)


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


def table2(
    summary: pd.DataFrame, published: pd.DataFrame, starts: Mapping[str, str], folder: Path, caption: str
) -> None:
    """Draw Table 2: the AUC of each arm on validation and test, by slice and by patient, the paper's beside ours.

    Parameters
    ----------
    summary, published
        See `auc_table`.
    starts : mapping of str to str
        The start of each arm.
    """
    arms = list(starts)
    colours = dict(zip(arms, (PALETTE["blue"], PALETTE["orange"]), strict=True))
    with plt.rc_context(STYLE):
        figure, grid = plt.subplots(1, 2, figsize=(PAGE, 2.8), sharey=True)
        for axes, cohort_name in zip(grid, PARTS[1:], strict=True):
            for place, arm in enumerate(arms):
                rows = summary[(summary["arm"] == arm) & (summary["cohort"] == cohort_name)].set_index("unit")
                printed = published[(published["arm"] == arm) & (published["cohort"] == cohort_name)].iloc[0]
                bars = rows.loc[["slice", "patient"]]
                x = np.array([0.0, 1.0]) + (place - 0.5) * 0.36
                half = (bars["ci_high"] - bars["auc_mean"]).to_numpy()
                label = f"{arm} (start: {START_NAMES[starts[arm]]})"
                axes.bar(x, bars["auc_mean"], width=0.32, color=colours[arm], label=label)
                axes.errorbar(x, bars["auc_mean"], yerr=half, fmt="none", ecolor="0.15", capsize=2, lw=0.9)
                low, high = printed["auc"] - printed["ci_low"], printed["ci_high"] - printed["auc"]
                axes.errorbar(
                    [2 + (place - 0.5) * 0.36],
                    [printed["auc"]],
                    yerr=[[low], [high]],
                    fmt="D",
                    ms=4,
                    color=colours[arm],
                    mec="0.15",
                    capsize=2,
                    lw=0.9,
                )
            axes.axhline(0.5, color="0.5", lw=0.8, ls=":")
            axes.set_xticks([0, 1, 2], ["ours,\nby slice", "ours,\nby patient", "paper,\nby slice"])
            axes.set(title=cohort_name, ylim=(0, 1))
        grid[0].set_ylabel("AUC (95 % t-interval over runs)")
        figure.legend(*grid[0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
        save(figure, summary, "table2", folder, caption)


def training_curves(history: pd.DataFrame, name: str, folder: Path, caption: str) -> None:
    """Draw the loss and the validation AUC of every run, with the epoch that was kept.

    Parameters
    ----------
    history : pd.DataFrame
        Columns arm, seed, epoch (from 1), train_loss, validation_auc, kept (bool).
    """
    arms = list(history["arm"].unique())
    colours = dict(zip(arms, PALETTE.values(), strict=False))
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
