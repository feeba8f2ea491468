"""The first figure of the report: the paired differences on which its answer rests, beside the paper's."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from brats_al_utils.findings.comparison import MARGIN
from brats_al_utils.show.style import PAGE, PALETTE, STYLE, distances


@plt.style.context([*STYLE, {"axes.grid": False}])
def strip(differences: pd.DataFrame, narrow: bool = False) -> Figure:
    """Draw differences of test AUC with their intervals, a row each, and the band in which two AUCs count as equal.

    Parameters
    ----------
    differences : pd.DataFrame
        From `answer.differences`.
    narrow : bool
        The names above the rows rather than beside them, for a narrow page.
    """
    rows = len(differences)
    size = (0.55 * PAGE, 0.48 * rows + 0.6) if narrow else (PAGE, 0.3 * rows + 0.6)
    figure, axes = plt.subplots(figsize=size)
    axes.axvspan(-100 * MARGIN, 100 * MARGIN, color="0.93", lw=0)
    axes.axvline(0, color="0.2", lw=0.8)
    places = range(rows)
    ends = distances(differences, "mean", "low", "high")
    axes.errorbar(differences["mean"], places, xerr=ends, fmt="o", ms=4, capsize=2.5, lw=1.2, color=PALETTE["blue"])
    axes.plot(differences["paper"], places, ls="", marker="D", ms=4.5, mfc="white", mec="0.15", zorder=3)
    if narrow:
        for place, what in zip(places, differences["what"], strict=True):
            axes.text(0, place - 0.3, what, transform=axes.get_yaxis_transform(), va="center")
        axes.set_yticks([])
    else:
        axes.set_yticks(list(places), differences["what"])
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set(ylim=(rows - 0.5, -0.6), xlabel="difference of test AUC (percentage points)")
    return figure
