"""Figures of the cohort and of its slices: those of notebook 00, and slices in the others."""

from collections.abc import Sequence
from textwrap import fill
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from brats_al_utils.cohorts.naming import people
from brats_al_utils.cohorts.slices import BINS, SliceSet, brain_intensities
from brats_al_utils.cohorts.split import PARTS
from brats_al_utils.findings.shortcut import SHOWN
from brats_al_utils.networks.audit import hide
from brats_al_utils.show.style import CLASS_COLOURS, PAGE, SMALL, STYLE, Drawing

CHANNEL_NAMES = {"t1": "T1", "t1ce": "T1ce", "t2": "T2", "flair": "FLAIR"}

OF_EACH_CLASS = 3
"""Number of slices of each class in the montage."""

WIDTH = 26
"""Letters in a line of a legend: a longer name of a class would leave the page."""

SHOWN_COLUMNS = ["slice_id", "class_name", "z", "tumour_mm2", "part"]
"""Columns of the table of the slices that are shown."""

AUDITED = "t1ce"
"""Channel in which hidden tumours are shown, if the study has it: contrast uptake tells most about the class."""


def counts(slices: SliceSet) -> pd.DataFrame:
    """Return patients and slices of each part, class and site: part, class_name, site, patients, slices.

    Patients are not counted if some have slices of both classes.
    """
    groups = slices.table.groupby(["part", "class_name", "site"])["patient_id"]
    table = groups.agg(patients="nunique", slices="size").reset_index()
    if not slices.one_class_each:
        table = table.drop(columns="patients")
    place = table["part"].map(PARTS.index)
    return table.iloc[place.argsort(kind="stable")].reset_index(drop=True)


@plt.style.context(STYLE)
def cohort(slices: SliceSet) -> Drawing:
    """Draw the split: patients (or slices, if patients have both classes) by part and class, and by site and part."""
    table = counts(slices)
    counted = "patients" if slices.one_class_each else "slices"
    panels = 1 + (table["site"].nunique() > 1)
    widths = (1, 1.4)[:panels]
    figure, grid = plt.subplots(1, panels, figsize=(PAGE, 3.4), width_ratios=widths, squeeze=False)
    by_class, *by_site = grid[0]
    classes = table.pivot_table(index="part", columns="class_name", values=counted, aggfunc="sum").loc[list(PARTS)]
    stacked_bars(by_class, classes[list(slices.classes[::-1])], list(CLASS_COLOURS[::-1]))
    sites = table.pivot_table(index="site", columns="part", values=counted, aggfunc="sum", fill_value=0)
    for axes in by_site:
        stacked_bars(axes, sites[list(PARTS)], ["0.25", "0.45", "0.6"])
        axes.set(xlabel="site")
        axes.tick_params(axis="x", rotation=45)
    for axes in (by_class, *by_site):
        axes.set(ylabel=people(slices) if slices.one_class_each else "slices")
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    return Drawing("cohort", figure, table)


def stacked_bars(axes: Axes, table: pd.DataFrame, colours: list[Any]) -> None:
    """Draw a bar for each row of a table, its columns one above the other."""
    bottom = np.zeros(len(table))
    for (name, values), colour in zip(table.items(), colours, strict=True):
        rows = [str(row) for row in table.index]
        bars = axes.bar(rows, values, bottom=bottom, color=colour, label=fill(str(name), WIDTH), width=0.7)
        room = table.sum(axis=1).max() / 14  # of a label's height
        axes.bar_label(
            bars, [str(n) if n > room else "" for n in values], label_type="center", fontsize=SMALL, color="white"
        )
        bottom += values.to_numpy()
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=len(table.columns))


def examples(slices: SliceSet) -> pd.DataFrame:
    """Return the rows of the slices with the largest tumour of some patients of each class, with their slice_id."""
    table = slices.table.reset_index()
    largest = table.loc[table.groupby("patient_id")["tumour_mm2"].idxmax()]
    return pd.concat([largest[largest["class_name"] == name].head(OF_EACH_CLASS) for name in reversed(slices.classes)])


def without_images() -> Figure:
    """Return the figure in place of patients' images for a study from a bundle."""
    figure = plt.figure(figsize=(PAGE, 1))
    figure.text(0.5, 0.6, "Images of patients are not part of a published study.", ha="center")
    return figure


def draw_slice(axes: Axes, slices: SliceSet, slice_id: int, channel: int) -> None:
    """Draw one channel of a slice, with its tumour outlined in the colour of its class."""
    axes.imshow(slices.pixels[slice_id, channel], cmap="gray", vmin=0, vmax=255)
    tumour = slices.segmentation[slice_id] > 0
    if tumour.any():
        colour = CLASS_COLOURS[slices.classes.index(slices.table["class_name"].iat[slice_id])]
        axes.contour(tumour, levels=[0.5], colors=[colour], linewidths=0.8)
    axes.set(xticks=[], yticks=[], frame_on=False)


def named_grid(shown: pd.DataFrame, names: list[str]) -> tuple[Figure, Any]:
    """Return a figure and its panels: a row for each name, a column for each slice."""
    size = PAGE, PAGE * len(names) / len(shown) + 0.7  # above the titles, below the caption
    figure, grid = plt.subplots(len(names), len(shown), figsize=size, squeeze=False)
    for axes, (_, row) in zip(grid[0], shown.iterrows(), strict=True):
        axes.set_title(f"{row['class_name']},\nslice {row['slice_id']}", fontsize=SMALL)
    for axes, name in zip(grid[:, 0], names, strict=True):
        axes.set_ylabel(name, fontsize=SMALL)
    return figure, grid


@plt.style.context([*STYLE, {"axes.grid": False}])
def montage(slices: SliceSet) -> Drawing:
    """Draw the slice with the largest tumour of some patients of each class, one row a channel."""
    shown = examples(slices)
    if not slices.pictured:
        return Drawing("slices", without_images(), shown[SHOWN_COLUMNS])
    figure, grid = named_grid(shown, [CHANNEL_NAMES.get(name, name) for name in slices.manifest["channels"]])
    ids = shown["slice_id"].to_numpy()
    for (channel, column), axes in np.ndenumerate(grid):
        draw_slice(axes, slices, int(ids[column]), channel)
    return Drawing("slices", figure, shown[SHOWN_COLUMNS])


@plt.style.context([*STYLE, {"axes.grid": False}])
def hidden_tumours(slices: SliceSet) -> Drawing:
    """Draw the shortcut audit's images of the same slices in one channel, one row for each of `shortcut.SHOWN`."""
    shown, channels = examples(slices), slices.manifest["channels"]
    if not slices.pictured:
        return Drawing("hidden_tumours", without_images(), shown[SHOWN_COLUMNS])
    place = channels.index(AUDITED) if AUDITED in channels else 0
    ids = shown["slice_id"].to_numpy()
    hidden = hide(slices, ids)
    images = (slices.pixels[ids], hidden.tumour_hidden, hidden.tumour_alone)
    channel = CHANNEL_NAMES.get(channels[place], channels[place])
    figure, grid = named_grid(shown, [f"{what}\n({channel})" for what in SHOWN])
    for (row, column), axes in np.ndenumerate(grid):
        axes.imshow(images[row][column, place], cmap="gray", vmin=0, vmax=255)
        axes.set(xticks=[], yticks=[], frame_on=False)
    return Drawing("hidden_tumours", figure, shown[SHOWN_COLUMNS])


@plt.style.context(STYLE)
def intensities(slices: SliceSet) -> Drawing:
    """Draw the histogram of intensities in the foreground (the brain, in BraTS), by channel and class."""
    edges = np.linspace(0, 255, BINS + 1)
    centres = (edges[:-1] + edges[1:]) / 2 / 255
    channels = slices.manifest["channels"]
    classes = slices.classes[::-1]
    counts = brain_intensities(slices) if slices.pictured else slices.manifest["intensities"]
    totals = {(channel, name): np.array(counts[channel][name]) for channel in channels for name in classes}
    frames = [
        pd.DataFrame({"channel": channel, "class_name": name, "intensity": centres, "share": total / total.sum()})
        for (channel, name), total in totals.items()
    ]
    table = pd.concat(frames, ignore_index=True)
    figure, grid = plt.subplots(1, len(channels), figsize=(PAGE, 3), sharey=True, squeeze=False)
    for axes, channel in zip(grid[0], channels, strict=True):
        for name, colour in zip(classes, CLASS_COLOURS[::-1], strict=True):
            rows = table[(table["channel"] == channel) & (table["class_name"] == name)]
            axes.plot(rows["intensity"], 100 * rows["share"], color=colour, label=fill(name, WIDTH), lw=1.2)
        axes.set(title=CHANNEL_NAMES.get(channel, channel))
    grid[0, 0].set_ylabel("share of the foreground (%)")
    grid[0, len(channels) // 2].set_xlabel("intensity after scaling (0 to 1)")
    grid[0, -1].legend()
    return Drawing("intensities", figure, table)


IN_A_ROW = 8
"""Largest number of slices in a row."""


@plt.style.context([*STYLE, {"axes.grid": False}])
def as_seen(slices: SliceSet, ids: Sequence[int], name: str, titles: Sequence[str] = ()) -> Drawing:
    """Draw slices as the network sees them, the three channels as red, green and blue.

    Parameters
    ----------
    ids : sequence of int
        Ids of the slices.
    name : str
        Name of the figure's files.
    titles : sequence of str
        Titles of the slices, below their class.
    """
    table = slices.table.rename_axis("slice_id").reset_index().loc[list(ids)]
    if not slices.pictured:
        return Drawing(name, without_images(), table[SHOWN_COLUMNS])
    columns = min(IN_A_ROW, len(ids))
    rows = -(-len(ids) // columns)
    size = PAGE, rows * (PAGE / columns + 0.3) + 0.3
    figure, grid = plt.subplots(rows, columns, figsize=size, squeeze=False)
    for axes in grid.flat:
        axes.set(xticks=[], yticks=[], frame_on=False)
    above = titles or [""] * len(ids)
    for axes, slice_id, title, what in zip(grid.flat, ids, above, table["class_name"], strict=False):
        axes.imshow(np.moveaxis(slices.pixels[slice_id], 0, -1))
        axes.set_title("\n".join(filter(None, [what, title])), fontsize=6)
    return Drawing(name, figure, table[SHOWN_COLUMNS])
