"""The figures of notebook 09: slices along the ranking, uncertainty against probability, and the arms' choices."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from brats_al_utils.beyond.explorer.explorer import DECILES, Ranking, along, by_decile
from brats_al_utils.beyond.explorer.tiles import channels
from brats_al_utils.show.cohort_figures import CHANNEL_NAMES, draw_slice
from brats_al_utils.show.style import CLASS_COLOURS, CLASS_MARKERS, PAGE, SMALL, STYLE, Drawing, legend_above
from brats_al_utils.study.study import Study

EXAMPLES = 8
"""Number of slices in the figure along the ranking."""

SHOWN = ["slice_id", "rank", "class_name", "uncertainty", "probability"]
"""Columns of the ranking that figures save: none names a patient."""


@plt.style.context(STYLE)
def uncertainty(ranking: Ranking, classes: tuple[str, str]) -> Drawing:
    """Draw uncertainty against the probability of the positive class in the first run, a point for each slice."""
    table = ranking.of_run(1)
    figure, axes = plt.subplots(figsize=(PAGE, 4))
    for name, colour, marker in zip(classes[::-1], CLASS_COLOURS[::-1], CLASS_MARKERS[::-1], strict=True):
        rows = table[table["class_name"] == name]
        look = {"color": colour, "ms": 3, "mew": 0, "rasterized": True}
        axes.plot(rows["probability"], rows["uncertainty"], marker, label=name, **look)
    axes.set(xlabel=f"P({classes[1]}), mean across the committee", ylabel="uncertainty (nats)", xlim=(-0.03, 1.03))
    legend_above(figure, 2, markerscale=3)
    return Drawing("uncertainty", figure, table[SHOWN])


@plt.style.context([*STYLE, {"axes.grid": False}])
def along_the_ranking(ranking: Ranking, study: Study) -> Drawing:
    """Draw slices of the first run from the most to the least uncertain, with the terms of each uncertainty.

    The notebook saves this figure. So it shows images only of phantoms and openly licensed patients, and numbers alone
    otherwise, as for a study from a bundle.
    """
    slices = study.slice_set(ranking.dataset)
    pictured = slices.pictured and study.shareable
    table = ranking.of_run(1)
    rows = along(table, EXAMPLES)
    names = channels(slices) if pictured else []
    ratios = [1.0] * len(names) + [1.4, 1.4]
    figure = plt.figure(figsize=(PAGE, PAGE / EXAMPLES * sum(ratios) + 1.1))
    grid = figure.add_gridspec(len(ratios), len(rows), height_ratios=ratios)
    for column, (_, row) in enumerate(rows.iterrows()):
        for line, name in enumerate(names):
            axes = figure.add_subplot(grid[line, column])
            draw_slice(axes, slices, row["slice_id"], line)
            if column == 0:
                axes.set_ylabel(CHANNEL_NAMES.get(name, name))
    x = np.arange(len(rows))
    labels = [f"rank {rank}\n{name}" for rank, name in zip(rows["rank"], rows["class_name"], strict=True)]
    parts = figure.add_subplot(grid[-2, :])
    bottom = np.zeros(len(rows))
    for kind, label, colour in (("entropy", "entropies", "0.35"), ("divergence", "divergences", "0.7")):
        height = rows[[name for name in ranking.terms if name.startswith(kind)]].sum(axis=1).to_numpy(float)
        parts.bar(x, height, 0.6, bottom, color=colour, label=label)
        bottom += height
    parts.set_ylabel("uncertainty\n(nats)", fontsize=SMALL)
    parts.tick_params(axis="x", bottom=False, labelbottom=False)
    parts.legend(loc="lower right", bbox_to_anchor=(1, 0.98), ncols=2)
    members = figure.add_subplot(grid[-1, :], sharex=parts)
    for name, marker in zip(ranking.members, "os^Dv<>p*hX" * len(ranking.members), strict=False):
        label = f"learning rate {name.removeprefix('P by ')}"
        members.plot(x, rows[name], marker, ms=4, color="0.3", mfc="none", label=label)
    members.axhline(0.5, color="0.7", lw=0.7, zorder=0)
    members.set(ylim=(-0.05, 1.05), xlim=(-0.5, len(rows) - 0.5))
    members.set_ylabel(f"probability of\n{slices.classes[1]}", fontsize=SMALL)
    members.set_xticks(x, labels, fontsize=9)
    members.legend(loc="lower right", bbox_to_anchor=(1, 0.98), ncols=len(ranking.members))
    return Drawing("along_the_ranking", figure, rows[[*SHOWN, *ranking.members, *ranking.terms]])


@plt.style.context([*STYLE, {"axes.grid": False}])
def choices(ranking: Ranking) -> Drawing:
    """Draw the share of each decile of the ranking that each arm trains on, mean across runs."""
    table = by_decile(ranking)
    shares = table.pivot_table(index="arm", columns="decile", values="share", sort=False)
    figure, axes = plt.subplots(figsize=(PAGE, 0.5 + 0.32 * len(shares)))
    middle: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": SMALL}
    image = axes.imshow(100 * shares, cmap="Blues", vmin=0, vmax=100, aspect="auto")
    for (line, column), share in np.ndenumerate(shares.to_numpy()):
        axes.text(column, line, f"{share:.0%}", color="white" if share > 0.6 else "0.2", **middle)
    ends = {1: "\nmost uncertain", DECILES: "\nleast uncertain"}
    axes.set_xticks(range(len(shares.columns)), [f"{decile}{ends.get(decile, '')}" for decile in range(1, DECILES + 1)])
    axes.set_yticks(range(len(shares)), list(shares.index))
    axes.set(xlabel="decile of the ranking")
    figure.colorbar(image, ax=axes, label="chosen (%)")
    return Drawing("choices", figure, table)


def overlap(table: pd.DataFrame) -> pd.DataFrame:
    """Return `explorer.overlap` in percent, a row and a column for each arm."""
    return table.map("{:.0%}".format).rename_axis("of the slices of").rename_axis(columns="chosen by")
