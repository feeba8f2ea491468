"""The figure and the table of notebook 08: what test sets of the paper's size would have printed."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from brats_al_utils.beyond.population.components import of_classes
from brats_al_utils.beyond.population.design import GAIN, MANY_RUNS, RATIO, Worth
from brats_al_utils.beyond.population.operating import PRINTED, RUNS, TEST_SET
from brats_al_utils.findings.comparison import detectable
from brats_al_utils.findings.sentences import pp
from brats_al_utils.findings.statistics import CONFIDENCE
from brats_al_utils.show.style import PAGE, PALETTE, STYLE, Drawing
from brats_al_utils.show.tables import Columns, ends, in_words

SIZES = np.unique(np.geomspace(sum(TEST_SET) / 2, 20_000, 40).round().astype(int))
"""Patients of a test set."""

RUN_STYLES: dict[int, dict[str, Any]] = {
    RUNS: {"color": PALETTE["orange"], "ls": "-"},
    MANY_RUNS: {"color": PALETTE["blue"], "ls": "--"},
}
BINS = 60


@plt.style.context(STYLE)
def could_the_paper_tell(found: Worth) -> Drawing:
    """Draw what drawn test sets would have printed, and which gain a study of another size could tell.

    Left a row a comparison: the drawn gains, the gain in the population (a line) and the paper's (dashed). Right, where
    runs share a test set, the smallest gain of the first comparison that is told with a power of 80 %.
    """
    table, varies = found.table, found.varies[0]
    figure, grid = plt.subplots(1, 2 if varies else 1, figsize=(PAGE, 1.1 + 0.45 * len(table)), squeeze=False)
    numbers = [ridges(grid[0, 0], found)]
    if varies:
        sizes = [
            {"runs": runs, "patients": size, "detectable": detectable(varies.error(runs, *of_classes(size, RATIO)))}
            for runs in RUN_STYLES
            for size in SIZES
        ]
        numbers.append(pd.DataFrame(sizes))
        first = table.iloc[0]
        reach(grid[0, 1], numbers[1], f"{first['arm']} less {first['other']}")
    return Drawing("could_the_paper_tell", figure, pd.concat(numbers, ignore_index=True))


def ridges(axes: Axes, found: Worth) -> pd.DataFrame:
    """Draw the drawn gains of each comparison on a line of its own, and return the heights of the bars."""
    table, gains = found.table, 100 * found.drawn
    # From the paper's gain on, so that no bar lies on both sides of it.
    width = max(np.ptp(gains) / BINS, 0.1)
    bins = PRINTED + width * np.arange(
        np.floor((gains.min() - PRINTED) / width), np.floor((gains.max() - PRINTED) / width) + 2
    )
    rows = []
    for place, row in table.iterrows():
        counts = np.histogram(gains[int(str(place))], bins)[0]
        level, heights = len(table) - 1 - int(str(place)), 0.8 * counts / counts.max()
        axes.stairs(level + heights, bins, baseline=level, fill=True, color="0.85")
        axes.stairs(level + heights * (bins[:-1] >= PRINTED), bins, baseline=level, fill=True, color=PALETTE["orange"])
        axes.plot(2 * [100 * row["gain"]], [level, level + 0.8], color=PALETTE["blue"], lw=1.5)
        axes.annotate(
            f"{row['printed']:.1%}",
            (1, level + 0.45),
            xycoords=("axes fraction", "data"),
            ha="right",
            fontsize=7,
            color=PALETTE["orange"],
        )
        shares = counts / gains.shape[1]
        rows.append(pd.DataFrame({"arm": row["arm"], "other": row["other"], "from_pp": bins[:-1], "share": shares}))
    axes.axvline(0, color="0.5", lw=0.8)
    axes.axvline(PRINTED, color=PALETTE["orange"], lw=0.8, ls="--")
    names = [f"{row['arm']}\nless {row['other']}" for _, row in table.iterrows()]
    axes.set_yticks(np.arange(len(table))[::-1] + 0.3, names)
    axes.tick_params(axis="y", length=0)
    axes.grid(False)
    axes.set(
        xlabel="gain (pp)",
        title=f"{gains.shape[1]:,} test sets of {TEST_SET[0]} and {TEST_SET[1]} patients\n"
        f"blue: population; orange: {PRINTED:.2f} pp or more",
        ylim=(-0.1, len(table)),
    )
    return pd.concat(rows)


def reach(axes: Axes, sizes: pd.DataFrame, what: str) -> None:
    """Draw the smallest gain that is told with a power of 80 % over the number of test patients.

    Parameters
    ----------
    sizes : pd.DataFrame
        runs, patients, detectable.
    """
    for runs, line in sizes.groupby("runs"):
        axes.plot(line["patients"], 100 * line["detectable"], label=f"{runs} runs", **RUN_STYLES[int(str(runs))])
    axes.axhline(100 * GAIN, color="0.5", lw=0.8, ls=":")
    axes.axvline(sum(TEST_SET), color="0.5", lw=0.8, ls=":")
    axes.annotate(
        "the paper's\ntest set",
        (1.1 * sum(TEST_SET), 0.02),
        xycoords=("data", "axes fraction"),
        fontsize=6,
        color="0.35",
    )
    axes.set(
        xscale="log", yscale="log", xlabel="test patients", ylabel="gain told with a power of 80 % (pp)", title=what
    )
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_yticks([1, 2, 3, 5, 10, 20])
    axes.minorticks_off()
    axes.legend()


def design_table(found: Worth) -> pd.DataFrame:
    """Return the comparisons as people read them."""
    table = found.table.assign(
        comparison=found.table["arm"] + " less " + found.table["other"],
        drawn=ends(found.table, "drawn_low", "drawn_high", pp),
    )
    share, count = "{:.1%}".format, "{:,.0f}".format
    columns: Columns = {
        "comparison": ("comparison", str),
        "gain": ("gain, population (pp)", pp),
        "drawn": (f"{CONFIDENCE:.0%} of drawn gains (pp)", str),
        "printed": (f"{PRINTED:.2f} pp or more", share),
        "excludes_zero": ("interval across runs excludes 0", share),
        "p": (f"p of {PRINTED:.2f} pp without a gain", "{:.2g}".format),
        "needed": (f"patients to tell {100 * GAIN:g} pp, {RUNS} runs", count),
        "needed_many": (f"the same, {MANY_RUNS} runs", count),
    }
    return in_words(table, columns)
