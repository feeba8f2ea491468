"""The figures and the table of notebook 08: gains that test sets of the paper's size would print."""

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
from brats_al_utils.show.style import INK, PAGE, STYLE, Drawing, arm_label, legend_above, rows_named
from brats_al_utils.show.tables import Columns, ends, in_words

SIZES = np.unique(np.geomspace(sum(TEST_SET) / 2, 20_000, 40).round().astype(int))
"""Numbers of test patients along the axis."""

RUN_STYLES: dict[int, dict[str, Any]] = {
    RUNS: {"color": INK, "ls": "-", "marker": "o"},
    MANY_RUNS: {"color": "0.55", "ls": "--", "marker": "s"},
}
BINS = 60


@plt.style.context(STYLE)
def could_the_paper_tell(found: Worth) -> Drawing:
    """Draw the gains that drawn test sets would print, and the gain in the population, one row for each comparison.

    Rows whose gains reach more than twice as far as those of most have an axis of their own; those of an arm that has
    not learned are hollow.
    """
    furthest = np.abs(found.drawn).max(1)
    wide = furthest > 2 * np.median(furthest)
    groups = [np.flatnonzero(rows) for rows in (~wide, wide) if rows.any()]
    size, heights = (PAGE, 1.7 + 0.62 * len(wide) + 0.7 * len(groups)), [len(rows) for rows in groups]
    figure, grid = plt.subplots(len(groups), 1, figsize=size, height_ratios=heights, squeeze=False)
    numbers = [
        ridges(axes, found.table.iloc[rows], 100 * found.drawn[rows])
        for axes, rows in zip(grid[:, 0], groups, strict=True)
    ]
    grid[-1, 0].set_xlabel(f"gain of {found.drawn.shape[1]:,} test sets of {found.test_set} (pp)")
    grid[0, 0].stairs([], [0], fill=True, color="0.45", label=f"{PRINTED:.2f} pp or more: share at the right")
    legend_above(figure, 3)
    return Drawing("could_the_paper_tell", figure, pd.concat(numbers, ignore_index=True))


def ridges(axes: Axes, table: pd.DataFrame, gains: np.ndarray[Any, Any]) -> pd.DataFrame:
    """Draw the drawn gains (pp) of each comparison on a line of its own, and return the heights of the bars."""
    # From the paper's gain on, so that no bar lies on both sides of it.
    width = max(np.ptp(gains) / BINS, 0.1)
    bins = PRINTED + width * np.arange(
        np.floor((gains.min() - PRINTED) / width), np.floor((gains.max() - PRINTED) / width) + 2
    )
    rows = []
    for place, ((_, row), drawn) in enumerate(zip(table.iterrows(), gains, strict=True)):
        counts = np.histogram(drawn, bins)[0]
        for shown, colour in ((counts, "0.8"), (counts * (bins[:-1] >= PRINTED), "0.45")):
            heights = place + 0.4 - 0.8 * shown / counts.max()
            axes.stairs(heights, bins, baseline=place + 0.4, fill=row["learned"], color=colour)
        axes.plot(2 * [100 * row["gain"]], [place - 0.4, place + 0.4], color=INK, lw=2, label="all test patients")
        axes.text(1, place, f"{row['printed']:.1%}", transform=axes.get_yaxis_transform(), ha="right")
        rows.append(
            pd.DataFrame({"arm": row["arm"], "other": row["other"], "from_pp": bins[:-1], "share": counts / len(drawn)})
        )
    axes.axvline(0, color=INK, lw=0.8)
    axes.axvline(PRINTED, color=INK, lw=1, ls="--", label="the paper")
    rows_named(axes, names(table))
    axes.margins(x=0.1)
    return pd.concat(rows)


def names(table: pd.DataFrame) -> list[str]:
    """Name comparisons, and say where an arm has not learned."""
    pairs = table[["arm", "other", "learned"]].itertuples(index=False)
    return [arm_label(f"{arm}\nless {other}", learned).replace(" (", "\n(") for arm, other, learned in pairs]


@plt.style.context(STYLE)
def patients_needed(found: Worth) -> Drawing:
    """Draw the number of test patients that detects ``GAIN`` (of the first comparison, any gain) with a power of 80 %.

    Parameters
    ----------
    found : Worth
        Of one population: the runs share a test set.
    """
    table, varies = found.table, found.varies[0]
    sizes = pd.DataFrame(
        {"runs": runs, "patients": size, "detectable": detectable(varies.error(runs, *of_classes(size, RATIO)))}
        for runs in RUN_STYLES
        for size in SIZES
        if varies
    )
    figure, (left, right) = plt.subplots(1, 2, figsize=(PAGE, 2 + 0.5 * len(table)))
    for (runs, style), column in zip(RUN_STYLES.items(), ("needed", "needed_many"), strict=True):
        left.plot(table[column], range(len(table)), ms=6, label=f"{runs} runs", **style | {"ls": ""})
        left.plot(
            table[column].where(~table["learned"]), range(len(table)), ms=3, **style | {"ls": "", "color": "white"}
        )
        line = sizes[sizes["runs"] == runs]
        right.plot(line["patients"], 100 * line["detectable"], **style | {"marker": ""})
    for place in np.flatnonzero(table["needed"].isna()):
        left.text(1, place - 0.18, f"{RUNS} runs: never", transform=left.get_yaxis_transform(), ha="right")
    rows_named(left, names(table))
    left.set(title=f"to tell {100 * GAIN:g} pp", xlim=(sum(TEST_SET) / 2, 20_000))
    right.axhline(100 * GAIN, color="0.5", lw=0.8, ls=":")
    first = table.iloc[0]
    right.set(yscale="log", ylabel="gain that is told (pp)", title=f"{first['arm']} less {first['other']}")
    right.set_yticks([1, 2, 3, 5, 10, 20])
    for axes in (left, right):
        axes.axvline(sum(TEST_SET), color=INK, lw=1, ls="--", label="the paper's test set")
        axes.set(xscale="log", xlabel="test patients")
        axes.minorticks_off()
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    right.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    legend_above(figure, 3)
    return Drawing("patients_needed", figure, sizes)


def design_table(found: Worth) -> pd.DataFrame:
    """Return the table of comparisons for readers."""
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
