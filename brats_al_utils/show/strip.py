"""The first figure of the report: the paired differences on which the answer rests, and the paper's."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from brats_al_utils.findings.comparison import MARGIN
from brats_al_utils.show.style import PAGE, SMALL, STYLE, arm_label, difference_panel, rows_named


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
