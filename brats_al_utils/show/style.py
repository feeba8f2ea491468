"""The look of figures, and how a figure and its numbers are saved: SVG, PDF, PNG and CSV."""

import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from IPython.core.getipython import get_ipython
from IPython.display import Image, display
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from brats_al_utils import InputError
from brats_al_utils.files import write_file
from brats_al_utils.show.panel import Panel, Picture, View
from brats_al_utils.study.places import stamp

PAGE = 7.2
"""Width of a journal's page in inches (183 mm). Text is legible at half of it, the width of a column."""

CAPTION_WIDTH = 100
"""Number of characters of a caption in the width of a page."""

PROVENANCE = "provenance"
"""Id of the caption in an SVG."""

PALETTE = dict(zip(("blue", "orange", "green", "red", "purple"), sns.color_palette("colorblind"), strict=False))
INK = "0.15"
CLASS_COLOURS = (PALETTE["green"], PALETTE["purple"])
"""Colours of the negative and the positive class."""

CLASS_MARKERS = ("o", "^")

ARM_LOOKS: dict[str, tuple[Any, str, str]] = {
    "proposed": (PALETTE["orange"], "o", "-"),
    "random": (PALETTE["blue"], "s", "-."),
    "placebo": ("0.5", "^", "--"),
    "baseline": (INK, "v", ":"),
    "pretrained": (INK, "v", ":"),
    "scratch": (PALETTE["red"], "<", "--"),
}
"""Colour, marker and line of an arm, in every figure. The pretrained network of Table 2 is the baseline."""

PAPER: dict[str, Any] = {"label": "the paper", "ls": "", "marker": "D", "ms": 6, "mfc": "white", "mec": INK}
"""Look of the paper's numbers."""

LOOK = matplotlib.rc_params_from_file(Path(__file__).with_name("figures.mplstyle"), use_default_template=False)
STYLE: list[Any] = ["default", LOOK]
"""Argument of `matplotlib.pyplot.style.context` for every function that draws or saves a figure."""

SMALL = LOOK["legend.fontsize"]
"""Size of the smallest text in points."""


@dataclass(frozen=True)
class Drawing:
    """A figure that is not saved yet, the name of its files, and the numbers that it shows."""

    name: str
    figure: Figure
    table: pd.DataFrame


@plt.style.context(STYLE)
def save(drawing: Drawing, folder: Path | None, caption: str, shareable: bool = True) -> None:
    """Save a drawing with its caption as SVG, PDF, PNG (300 dpi) and CSV (its numbers), and show it in a notebook.

    Parameters
    ----------
    folder : Path, optional
        None: nothing is saved.
    shareable : bool
        Whether the notebook's file may hold the figure; if not, it is shown in the browser only.
    """
    name, figure = drawing.name, drawing.figure
    figure.supxlabel(in_lines(caption, figure.get_figwidth()), fontsize=SMALL, color="0.35", gid=PROVENANCE)
    svg, pdf, png = files = BytesIO(), BytesIO(), BytesIO()
    if folder is not None:
        figure.savefig(svg, format="svg", metadata={"Date": None, "Description": caption})
        figure.set_layout_engine("none")  # the layout is done, also for the other files
        figure.savefig(pdf, format="pdf", metadata={"CreationDate": None, "Subject": caption})
    figure.savefig(png)
    plt.close(figure)
    if folder is not None:
        for ending, file in zip(("svg", "pdf", "png"), files, strict=True):
            write_file(folder / f"{name}.{ending}", file.getvalue())
        save_table(drawing.table, name, folder)
    if get_ipython() is not None:
        width, alt = round(100 * figure.get_figwidth()), f"{name}: {caption}"
        if folder is None or shareable:
            display(Image(png.getvalue(), width=width, alt=alt))
        else:
            display(unsaved(folder / f"{name}.png", width, alt))


def unsaved(png: Path, width: int, alt: str) -> Panel[None]:
    """Return a widget that shows a picture in the browser, and that is not saved in the notebook's file."""
    said = f"{png.name} shows patients: it is in {png.parent}, and never saved with the notebook"

    def view(_: None) -> View:
        return View((), (Picture(png.stem, png.read_bytes(), "", alt, width=width),), said=said)

    return Panel(None, lambda shown, _: shown, view)


def in_lines(caption: str, width: float) -> str:
    """Return a caption in lines for a figure of some width (inches), broken only between its parts."""
    parts = re.sub(r"(?<!;) ", "\N{NO-BREAK SPACE}", caption)
    lines = textwrap.fill(parts, round(CAPTION_WIDTH * width / PAGE), break_long_words=False, break_on_hyphens=False)
    return lines.replace("\N{NO-BREAK SPACE}", " ")


def save_table(table: pd.DataFrame, name: str, folder: Path) -> None:
    """Save a table as CSV.

    Raises
    ------
    InputError
        If its rows name patients: these tables may be published.
    """
    if "patient_id" in table:
        raise InputError(f"{name}: rows of single patients, expected none in a published table: drop patient_id")
    # Six digits: the last bits of a sum differ between machines. pandas has no format for columns of text and numbers.
    table = table.map(lambda value: f"{value:.6g}" if isinstance(value, float) and np.isfinite(value) else value)
    write_file(folder / f"{name}.csv", table.to_csv(index=False, lineterminator="\n").encode())
    stamp(folder / f"{name}.csv")


def distances(table: pd.DataFrame, value: str, low: str, high: str) -> np.ndarray[Any, Any]:
    """Return the distances of the limits of each interval from its value, [2, rows]; 0 without an interval."""
    return np.nan_to_num([table[value] - table[low], table[high] - table[value]])


def arm_style(name: str, learned: bool = True) -> dict[str, Any]:
    """Return the look of an arm, by the first word of its name: see ``ARM_LOOKS``; hollow if it has not learned."""
    known = (looks for arm, looks in ARM_LOOKS.items() if re.match(rf"{arm}\b", name))
    colour, marker, line = next(known, ("0.35", "o", "-"))
    return {"color": colour, "marker": marker, "ls": line, "ms": 5.5, "mfc": colour if learned else "white"}


def arm_label(name: str, learned: bool = True) -> str:
    """Return an arm's name, with a remark if it has not learned."""
    return name if learned else f"{name} (has not learned)"


def difference_panel(axes: Axes, table: pd.DataFrame, places: Any, by: str = "arm", upright: bool = False) -> None:
    """Draw paired differences of AUC in percentage points, with their intervals across runs and patients.

    If one of the arms has not learned, the mark is hollow and the interval dotted: the difference is not judged.

    Parameters
    ----------
    table : pd.DataFrame
        From `evidence.contrasts`: arm, other, auc_difference, both_low, both_high, learned; optionally paper, the
        printed difference as a share.
    places : sequence of float
        Places of the rows along the other axis.
    by : {"arm", "other"}
        The arm whose colour a difference has.
    upright : bool
        Whether differences are vertical.
    """
    (axes.axhline if upright else axes.axvline)(0, color=INK, lw=0.8, zorder=1)
    ends = 100 * distances(table, "auc_difference", "both_low", "both_high")
    for place, reach, (_, row) in zip(places, ends.T, table.iterrows(), strict=True):
        learned, side = bool(row["learned"]), -1 if upright else 1
        look = arm_style(row[by], learned) | {"ls": "", "lw": 2.4 if learned else 1.2}
        label = f"{row['arm']} less {row['other']}" if by == "other" else None
        x, y = (100 * row["auc_difference"], place)[::side]
        down, across = (None, reach[:, None])[::side]
        bars = axes.errorbar(x, y, down, across, label=label, **look).lines[2]
        bars[0].set_linestyle("-" if learned else ":")
        if pd.notna(row.get("paper")):
            axes.plot(*(100 * row["paper"], place)[::side], **PAPER)
    keep_within(axes, -102, 102, "y" if upright else "x")


def legend_above(figure: Figure, columns: int, **look: Any) -> None:
    """Put one legend above a figure, with each label of its panels once, the paper's last."""
    found = {label: mark for axes in figure.axes for mark, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    labels = sorted(found, key=lambda label: label == PAPER["label"])
    figure.legend([found[label] for label in labels], labels, loc="outside upper center", ncols=columns, **look)


def rows_named(axes: Axes, names: Sequence[str]) -> None:
    """Name the rows of a panel, the first at the top, and draw vertical grid lines."""
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(max(len(names), 1) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")
    axes.grid(visible=True, axis="x")


def keep_within(axes: Axes, lowest: float, highest: float, axis: str = "y") -> None:
    """Limit an axis to possible values: the t-interval of few runs may be wider."""
    low, high = getattr(axes, f"get_{axis}lim")()
    getattr(axes, f"set_{axis}lim")(max(low, lowest), min(high, highest))
