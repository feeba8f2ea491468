"""The figures that the report itself draws: all claims of the paper, and the differences on which its answer rests."""

from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from brats_al_utils.findings.comparison import MARGIN
from brats_al_utils.findings.paper import ARITHMETIC, AUC, GAIN, name_of, unit_of
from brats_al_utils.findings.verdicts import HERE, NOT_REPRODUCED, REPRODUCED, UNLEARNED, VERDICTS
from brats_al_utils.show.style import PAGE, PAPER, SMALL, STYLE, arm_label, difference_panel, distances, rows_named

AGREES, DISAGREES, UNKNOWN = "#0a58a6", "#b03a00", "#57606a"
"""Colours that are distinct for colour-blind readers, and legible as text on white."""

LOOKS = {
    **dict.fromkeys(VERDICTS, ("?", UNKNOWN)),
    **dict.fromkeys((REPRODUCED, HERE[REPRODUCED]), ("✓", AGREES)),
    **dict.fromkeys((NOT_REPRODUCED, HERE[NOT_REPRODUCED]), ("✗", DISAGREES)),
}
"""Sign and colour of each verdict."""

SCALES = {AUC: (100, "AUC (%)", (0.0, 100.0)), GAIN: (1, "gain in AUC (pp)", (-100.0, 100.0))}
"""By unit: factor of the numbers, label of the axis, and its limits."""

ROW, FRAME = 0.175, 0.62
"""Height in inches of a row, and of the frame above and below the rows of a panel."""


@plt.style.context([*STYLE, {"text.parse_math": True, "axes.labelsize": 8, "xtick.labelsize": 7}])  # marks use math
def claims(card: pd.DataFrame, stacked: bool = False) -> Figure:
    """Draw the scorecard: AUCs and gains with the printed number and our interval, all other rows as a list.

    Parameters
    ----------
    card : pd.DataFrame
        id, printed, recomputed, ours, both_low, both_high, verdict, why: see `scorecard.scorecard`.
    stacked : bool
        Whether the panels are stacked, for a narrow page.
    """
    units = card["id"].map(unit_of).where(~card["id"].str.endswith(ARITHMETIC), "")
    parts = [card[units == unit] for unit in SCALES]
    rest = card[~units.isin(list(SCALES))]
    count = [max(len(rows), 1) for rows in (*parts, rest)]
    layout, heights = ("A;B;C", count) if stacked else ("AC;BC", count[:2])
    rows_high = sum(count) if stacked else max(count[0] + count[1], count[2])
    size = PAGE * (0.6 if stacked else 1.25), ROW * rows_high + FRAME * (len(heights) + 1)
    figure, grid = plt.subplot_mosaic(layout, figsize=size, height_ratios=heights)
    panels = [grid[name] for name in "ABC"]
    for axes, rows, unit in zip(panels, parts, SCALES, strict=False):
        numbers(axes, rows, unit)
    verdicts(panels[-1], rest)
    if not stacked:  # as close to one another as on the left
        panels[-1].set_ylim(max(count[0] + count[1] + FRAME / ROW, count[2]), -0.6)
    figure.legend(handles=legend(card), loc="outside upper center", ncols=1 + (not stacked) * 5, fontsize=7)
    return figure


def numbers(axes: Axes, rows: pd.DataFrame, unit: str) -> None:
    """Draw the rows of one unit: the printed number, ours with its interval across both, the sign of the verdict."""
    scale, label, furthest = SCALES[unit]
    printed, recomputed = (pd.to_numeric(rows[name], errors="coerce") for name in ("printed", "recomputed"))
    axes.plot(scale * recomputed.fillna(printed), range(len(rows)), **PAPER | {"ms": 4})
    ends = scale * distances(rows, "ours", "both_low", "both_high")
    for place, ((_, row), reach) in enumerate(zip(rows.iterrows(), ends.T, strict=True)):
        if pd.notna(row["ours"]):
            colour = LOOKS[row["verdict"]][1]
            axes.errorbar(
                scale * row["ours"],
                place,
                xerr=reach[:, None],
                fmt="o",
                ms=3.5,
                capsize=2,
                lw=1.1,
                color=colour,
                mfc="white" if blind(row) else colour,
            )
        axes.text(1.03, place, LOOKS[row["verdict"]][0], **sign(axes, row["verdict"]))
    low, high = axes.get_xlim()
    if unit == GAIN:
        axes.axvline(0, color="0.2", lw=0.8)
    axes.set(xlabel=label, xlim=(max(low, furthest[0] - 2), min(high, furthest[1] + 2)))
    rows_named(axes, [name_of(id_).removesuffix(" AUC") for id_ in rows["id"]])
    axes.tick_params(axis="y", labelsize=7)


def blind(row: "pd.Series[Any]") -> bool:
    """Return whether a claim is not judged because an arm has not learned."""
    return UNLEARNED in row["why"]


def verdicts(axes: Axes, rows: pd.DataFrame) -> None:
    """List the claims without a number, each with its verdict."""
    for place, verdict in enumerate(rows["verdict"]):
        axes.text(0.0, place, f"{LOOKS[verdict][0]} {verdict}", **sign(axes, verdict))
    axes.set(xlim=(0, 1), xticks=[])
    axes.spines[["bottom", "left"]].set_visible(False)
    rows_named(axes, [name_of(id_) for id_ in rows["id"]])
    axes.tick_params(axis="y", labelsize=7)


def sign(axes: Axes, verdict: str) -> dict[str, Any]:
    """Return place and look of the sign of a verdict beside a row."""
    place = {"transform": axes.get_yaxis_transform(), "va": "center_baseline", "clip_on": False}
    return {**place, "color": LOOKS[verdict][1], "fontsize": 7, "fontweight": "bold"}


def legend(card: pd.DataFrame) -> list[Line2D]:
    """Return what the marks mean, of the verdicts those that were given."""
    handles = [
        Line2D([], [], **PAPER | {"ms": 4}),
        Line2D([], [], marker="o", ms=3.5, lw=1.1, color="0.15", label="here, 95 % CI across runs and patients"),
    ]
    if card.apply(blind, axis=1).any():
        handles.append(
            Line2D([], [], marker="o", ms=3.5, lw=1.1, color="0.15", mfc="white", label=f"hollow: {UNLEARNED}")
        )
    given = [verdict for verdict in LOOKS if (card["verdict"] == verdict).any()]
    looks = [(verdict, *LOOKS[verdict]) for verdict in given]
    return handles + [Line2D([], [], ls="", marker=f"${s}$", ms=5, color=c, label=verdict) for verdict, s, c in looks]


@plt.style.context(STYLE)
def strip(differences: pd.DataFrame, narrow: bool = False) -> Figure:
    """Draw differences of test AUC with their intervals, one a row, and the band in which two AUCs count as equal.

    Parameters
    ----------
    differences : pd.DataFrame
        From `answer.differences`.
    narrow : bool
        Whether names stand above the rows rather than beside them, for a narrow page.
    """
    rows = len(differences)
    size = (0.55 * PAGE, 0.55 * rows + 0.8) if narrow else (PAGE, 0.36 * rows + 0.8)
    figure, axes = plt.subplots(figsize=size)
    axes.axvspan(-100 * MARGIN, 100 * MARGIN, color="0.93", lw=0)
    difference_panel(axes, differences, range(rows))
    names = [arm_label(f"{row['arm']} less {row['other']}", row["learned"]) for _, row in differences.iterrows()]
    rows_named(axes, [""] * rows if narrow else names)
    if narrow:
        for place, what in enumerate(names):
            axes.text(0, place - 0.32, what, transform=axes.get_yaxis_transform(), va="center", fontsize=SMALL)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("difference of test AUC (pp)")
    return figure
