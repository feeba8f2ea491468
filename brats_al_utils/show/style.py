"""How figures look, and how a figure and its numbers are kept: SVG, PNG and CSV."""

import re
import textwrap
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from IPython.core.getipython import get_ipython
from IPython.display import Image, display
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from brats_al_utils import InputError
from brats_al_utils.show.panel import Panel, Picture, View
from brats_al_utils.study.places import stamp

PAGE = 7.2
"""Width in inches of a journal's page."""

CAPTION_WIDTH = 150
"""Characters of a caption that a page's width has room for."""

PROVENANCE = "provenance"
"""In an SVG, the id of the line that says its origin."""

PALETTE = dict(zip(("blue", "orange", "green", "red", "purple"), sns.color_palette("colorblind"), strict=False))
ARM_COLOURS = (PALETTE["orange"], PALETTE["blue"])
CLASS_COLOURS = (PALETTE["blue"], PALETTE["orange"])
"""Of the negative and the positive class."""

# Orange and blue as in the paper; the placebo is the proposed method's own sampler with another draw.
CURVE_STYLES: dict[str, Any] = {
    "proposed": {"color": PALETTE["orange"], "marker": "o", "ms": 4, "ls": "-"},
    "random": {"color": PALETTE["blue"], "marker": "s", "ms": 4, "ls": "-."},
    "placebo": {"color": "0.5", "marker": "^", "ms": 4, "ls": "--"},
}

# From matplotlib's own defaults: whatever the user's matplotlibrc says, the same figure gives the same file.
STYLE: list[Any] = [
    "default",
    {
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
        "text.parse_math": False,  # a dollar sign in a class label is one
        "svg.hashsalt": "brats-al",
        "svg.fonttype": "none",  # text that a reader can search and select
    },
]
"""For `matplotlib.pyplot.style.context`, around whatever draws or writes a figure."""


@dataclass(frozen=True)
class Drawing:
    """A figure, not yet written: its name, which is that of its files, and the numbers that it shows."""

    name: str
    figure: Figure
    table: pd.DataFrame


@plt.style.context(STYLE)
def save(drawing: Drawing, folder: Path | None, caption: str, shareable: bool = True) -> None:
    """Write a drawing as SVG, PNG and CSV (its numbers), its origin below it, and show it in a notebook.

    Parameters
    ----------
    folder : Path, optional
        Without one nothing is written.
    shareable : bool
        Whether the notebook's file may hold it; if not, a browser is shown it and the file never is.
    """
    name, figure = drawing.name, drawing.figure
    figure.supxlabel(in_lines(caption, figure.get_figwidth()), fontsize=6, color="0.35", gid=PROVENANCE)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        figure.savefig(folder / f"{name}.svg", metadata={"Date": None, "Description": caption})
    buffer = BytesIO()
    figure.savefig(buffer)
    plt.close(figure)
    if folder is not None:
        (folder / f"{name}.png").write_bytes(buffer.getvalue())
        save_table(drawing.table, name, folder)
    if get_ipython() is not None:
        width, alt = round(100 * figure.get_figwidth()), f"{name}: {caption}"
        if folder is None or shareable:
            display(Image(buffer.getvalue(), width=width, alt=alt))
        else:
            display(unsaved(folder / f"{name}.png", width, alt))


def unsaved(png: Path, width: int, alt: str) -> Panel[None]:
    """Return what shows a picture in a browser, of which nothing enters the notebook's file."""
    said = f"{png.name} shows patients: it is in {png.parent}, and never saved with the notebook"

    def view(_: None) -> View:
        return View((), (Picture(png.stem, png.read_bytes(), "", alt, width=width),), said=said)

    return Panel(None, lambda shown, _: shown, view)


def in_lines(caption: str, width: float) -> str:
    """Return a caption in lines that a figure of so many inches has room for, broken where one of its parts ends."""
    parts = re.sub(r"(?<!;) ", "\N{NO-BREAK SPACE}", caption)
    lines = textwrap.fill(parts, round(CAPTION_WIDTH * width / PAGE), break_long_words=False, break_on_hyphens=False)
    return lines.replace("\N{NO-BREAK SPACE}", " ")


def save_table(table: pd.DataFrame, name: str, folder: Path) -> None:
    """Write a table as CSV.

    Raises
    ------
    InputError
        If its rows name patients: what is written here may be published.
    """
    if "patient_id" in table:
        raise InputError(f"{name}: rows of single patients, expected none in a published table: drop patient_id")
    folder.mkdir(parents=True, exist_ok=True)
    table.to_csv(folder / f"{name}.csv", index=False, lineterminator="\n", float_format="%.6g")
    stamp(folder / f"{name}.csv")


def distances(table: pd.DataFrame, value: str, low: str, high: str) -> np.ndarray[Any, Any]:
    """Return how far the ends of each interval lie from its value, [2, rows]; 0 where there is no interval."""
    return np.nan_to_num([table[value] - table[low], table[high] - table[value]])


def interval(axes: Axes, x: Any, summary: pd.DataFrame, **style: Any) -> None:
    """Draw mean AUCs with their intervals across runs; a mean without interval gets none."""
    ends = distances(summary, "auc_mean", "runs_low", "runs_high")
    axes.errorbar(x, summary["auc_mean"], yerr=ends, capsize=2, lw=0.9, **style)


def keep_to_auc(axes: Axes) -> None:
    """Show no more than an AUC can be: a t-interval over few runs may reach beyond 0 and 1."""
    low, high = axes.get_ylim()
    axes.set_ylim(max(low, 0), min(high, 1.02))
