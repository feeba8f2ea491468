"""The figures of notebook 00: who is in the cohort, and what the network sees."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from brats_al_utils.cohorts.slices import SliceSet
from brats_al_utils.cohorts.split import GRADES, PARTS
from brats_al_utils.findings.shortcut import SHOWN
from brats_al_utils.networks.audit import hide
from brats_al_utils.show.style import GRADE_COLOURS, PAGE, PALETTE, STYLE, Drawing

CHANNEL_NAMES = {"t1": "T1", "t1ce": "T1ce", "t2": "T2", "flair": "FLAIR"}

BINS = 64
"""Of an intensity's histogram."""

PATIENTS = 3
"""Of each grade in the montage."""

SHOWN_COLUMNS = ["slice_id", "grade", "z", "tumour_mm2", "part"]
"""Of the slices that are shown."""

AUDITED = "t1ce"
"""The channel in which hidden tumours are shown, where the study has it: contrast uptake tells most of the grade."""


def counts(slices: SliceSet) -> pd.DataFrame:
    """Return patients and slices of each part, grade and site: part, grade, site, patients, slices."""
    groups = slices.table.groupby(["part", "grade", "site"])["patient_id"]
    table = groups.agg(patients="nunique", slices="size").reset_index()
    place = table["part"].map(PARTS.index)
    return table.iloc[place.argsort(kind="stable")].reset_index(drop=True)


@plt.style.context(STYLE)
def cohort(slices: SliceSet) -> Drawing:
    """Draw the split: patients of each part by grade, and of each site by part."""
    table = counts(slices)
    figure, (by_grade, by_site) = plt.subplots(1, 2, figsize=(PAGE, 2.4), width_ratios=(1, 1.6))
    grades = table.pivot_table(index="part", columns="grade", values="patients", aggfunc="sum").loc[list(PARTS)]
    stacked_bars(by_grade, grades[list(GRADES)], [GRADE_COLOURS[grade] for grade in GRADES])
    sites = table.pivot_table(index="site", columns="part", values="patients", aggfunc="sum", fill_value=0)
    stacked_bars(by_site, sites[list(PARTS)], [PALETTE[name] for name in ("blue", "orange", "green")])
    for axes in (by_grade, by_site):
        axes.set(ylabel="patients")
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    by_site.tick_params(axis="x", rotation=45)
    return Drawing("cohort", figure, table)


def stacked_bars(axes: Axes, table: pd.DataFrame, colours: list[Any]) -> None:
    """Draw a bar for each row of a table, its columns one above the other."""
    bottom = np.zeros(len(table))
    for (name, values), colour in zip(table.items(), colours, strict=True):
        rows = [str(row) for row in table.index]
        bars = axes.bar(rows, values, bottom=bottom, color=colour, label=str(name), width=0.7)
        axes.bar_label(bars, [str(n or "") for n in values], label_type="center", fontsize=6, color="white")
        bottom += values.to_numpy()
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=len(table.columns))


def examples(slices: SliceSet) -> pd.DataFrame:
    """Return the rows of the slices with the largest tumour of some patients of each grade, with their slice_id."""
    table = slices.table.reset_index()
    largest = table.loc[table.groupby("patient_id")["tumour_mm2"].idxmax()]
    return pd.concat([largest[largest["grade"] == grade].head(PATIENTS) for grade in GRADES])


@plt.style.context([*STYLE, {"axes.grid": False}])
def montage(slices: SliceSet) -> Drawing:
    """Draw the slice with the largest tumour of some patients of each grade: a row a channel, the tumour outlined."""
    shown = examples(slices)
    channels = slices.manifest["rule"]["channels"]
    size = (PAGE, PAGE * len(channels) / len(shown))
    figure, grid = plt.subplots(len(channels), len(shown), figsize=size, squeeze=False)
    for column, (_, row) in zip(grid.T, shown.iterrows(), strict=True):
        tumour = slices.segmentation[row["slice_id"]] > 0
        for axes, pixels in zip(column, slices.pixels[row["slice_id"]], strict=True):
            axes.imshow(pixels, cmap="gray", vmin=0, vmax=255)
            axes.contour(tumour, levels=[0.5], colors=[GRADE_COLOURS[row["grade"]]], linewidths=0.8)
            axes.set(xticks=[], yticks=[], frame_on=False)
        column[0].set_title(f"{row['grade']}, slice {row['slice_id']}", fontsize=6)
    for axes, channel in zip(grid[:, 0], channels, strict=True):
        axes.set_ylabel(CHANNEL_NAMES[channel])
    return Drawing("slices", figure, shown[SHOWN_COLUMNS])


@plt.style.context([*STYLE, {"axes.grid": False}])
def hidden_tumours(slices: SliceSet) -> Drawing:
    """Draw what the shortcut audit shows of the same slices in one channel, a row for each of `shortcut.SHOWN`."""
    shown, channels = examples(slices), slices.manifest["rule"]["channels"]
    place = channels.index(AUDITED) if AUDITED in channels else 0
    ids = shown["slice_id"].to_numpy()
    hidden = hide(slices, ids)
    rows = (slices.pixels[ids], hidden.tumour_hidden, hidden.tumour_alone)
    figure, grid = plt.subplots(len(rows), len(ids), figsize=(PAGE, PAGE * len(rows) / len(ids)), squeeze=False)
    for row, images, what in zip(grid, rows, SHOWN, strict=True):
        for axes, image in zip(row, images, strict=True):
            axes.imshow(image[place], cmap="gray", vmin=0, vmax=255)
            axes.set(xticks=[], yticks=[], frame_on=False)
        row[0].set_ylabel(f"{what}\n({CHANNEL_NAMES[channels[place]]})", fontsize=6)
    for axes, patient in zip(grid[0], shown.itertuples(), strict=True):
        axes.set_title(f"{patient.grade}, slice {patient.slice_id}", fontsize=6)
    return Drawing("hidden_tumours", figure, shown[SHOWN_COLUMNS])


@plt.style.context(STYLE)
def intensities(slices: SliceSet) -> Drawing:
    """Draw how often each intensity occurs in the brain, by channel and grade."""
    edges = np.linspace(0, 255, BINS + 1)
    centres = (edges[:-1] + edges[1:]) / 2 / 255
    channels = slices.manifest["rule"]["channels"]
    totals = {(channel, grade): np.zeros(BINS) for channel in channels for grade in GRADES}
    for slice_id, grade in enumerate(slices.table["grade"]):
        for channel, pixels in zip(channels, slices.pixels[slice_id], strict=True):
            totals[channel, grade] += np.histogram(pixels[pixels > 0], edges)[0]
    frames = [
        pd.DataFrame({"channel": channel, "grade": grade, "intensity": centres, "share": total / total.sum()})
        for (channel, grade), total in totals.items()
    ]
    table = pd.concat(frames, ignore_index=True)
    figure, grid = plt.subplots(1, len(channels), figsize=(PAGE, 2.2), sharey=True, squeeze=False)
    for axes, channel in zip(grid[0], channels, strict=True):
        for grade in GRADES:
            rows = table[(table["channel"] == channel) & (table["grade"] == grade)]
            axes.plot(rows["intensity"], 100 * rows["share"], color=GRADE_COLOURS[grade], label=grade, lw=1.2)
        axes.set(title=CHANNEL_NAMES[channel], xlabel="intensity after scaling (0 to 1)")
    grid[0, 0].set_ylabel("share of brain pixels (%)")
    grid[0, -1].legend()
    return Drawing("intensities", figure, table)
