"""One table and one plot of all that was measured, beside the limits: `python benchmarks/summary.py`.

Reads what the other benchmarks left in ``results``. A ratio is the median of those of each repetition: its two methods
ran one after the other, so that what else the machine did fell on both.
"""

from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

RESULTS = Path(__file__).parent / "results"
COLUMNS = ["what", "ours", "peer", "unit", "value", "limit", "reached"]


def row(what: str, ours: float, peer: float, unit: str, value: float, limit: str = "") -> dict[str, Any]:
    """Return a row of the table; a limit is a comparison and a number, as in ``>= 4``."""
    return dict(zip(COLUMNS, (what, ours, peer, unit, value, limit, reached(value, limit)), strict=True))


def reached(value: float, limit: str) -> str:
    """Say whether a value is within its limit: yes, no, or nothing if there is none."""
    margins = margin(value, limit)
    return "" if np.isnan(margins) else "yes" if margins >= 1 else "no"


def margin(value: float, limit: str) -> float:
    """Return how far a value is on the good side of its limit, as a ratio: 1 at the limit, NaN without one."""
    comparison, _, bound = limit.partition(" ")
    return {"": np.nan, ">=": value / float(bound or 1), "<=": float(bound or 1) / value}[comparison]


def paired(table: pd.DataFrame, value: str, above: str, below: str) -> float:
    """Return the median over the repetitions of one method's value over another's."""
    values = table.pivot(index="repetition", columns="method", values=value)
    return float((values[above] / values[below]).median())


def preparation(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of ``preparation.csv``."""
    methods = table[table["benchmark"] == "methods"]
    cases = methods["cases"].iloc[0]
    seconds = methods.groupby("method")["seconds"].median() / cases
    rows = []
    for peer, limit in (("usual loop", ">= 4"), ("usual loop in threads", ""), ("MONAI", ">= 2")):
        ratio = paired(methods, "seconds", peer, "ours")
        rows.append(
            row(f"preparation: times faster than {peer}", seconds["ours"], seconds[peer], "s/case", ratio, limit)
        )
    ratio = paired(methods, "seconds", "ours", "decompression")
    floor = seconds["decompression"]
    rows.append(row("preparation: time over decompression", seconds["ours"], floor, "s/case", ratio, "<= 1.5"))
    memory = table[table["benchmark"] == "memory"].iloc[0]
    for kind, limit in (("resident", "<= 1024"), ("private", "")):
        what = f"preparation: peak {kind} memory at {memory['cases']} patients"
        rows.append(row(what, memory[kind], np.nan, "MiB", memory[kind], limit))
    scale = table[table["benchmark"] == "scale"]
    each = scale.assign(each=scale["seconds"] / scale["cases"]).pivot(
        index="repetition", columns="cases", values="each"
    )
    few, many = each.columns.min(), each.columns.max()
    what = f"preparation: time a patient at {many} over that at {few}"
    ratio = (each[many] / each[few]).median()
    rows.append(row(what, each[many].median(), each[few].median(), "s/case", ratio, "<= 1.1"))
    return rows


def images(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of ``images.csv``."""
    timed = table[table["benchmark"] == "images"]
    each = timed.groupby("method")["seconds"].median() / timed["cases"].iloc[0]
    what = f"images: times faster than the plain loop, {timed['cases'].iloc[0]} images"
    ratio = paired(timed, "seconds", "plain loop", "ours")
    few, many = table[table["benchmark"] == "memory"].sort_values("cases").to_dict("records")
    memory = f"images: peak private memory at {many['cases']} images over that at {few['cases']}"
    growth = many["private"] / few["private"]
    return [
        row(what, each["ours"], each["plain loop"], "s/image", ratio),
        row(memory, many["private"], few["private"], "MiB", growth, "<= 1.1"),
    ]


def training(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of ``training.csv``."""
    training = table[table["benchmark"] == "training"]
    medians = training.groupby("method")[["images_per_second", "share"]].median()
    speed = medians["images_per_second"]
    ratios = {peer: paired(training, "images_per_second", "ours", peer) for peer in speed.index.drop("ours")}
    better = min(ratios, key=lambda peer: ratios[peer])
    rows = []
    for peer, ratio in ratios.items():
        limit = ">= 1.5" if peer == better else ""
        rows.append(row(f"training: times faster than {peer}", speed["ours"], speed[peer], "images/s", ratio, limit))
    share = medians["share"]["ours"]
    rows.append(row("training: share of the matrix-multiply rate", share, np.nan, "", share, ">= 0.75"))
    return rows


def startup(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of ``startup.csv``."""
    seconds = table.groupby("case")["seconds"].median()
    limits = {"import brats_al_utils": "<= 0.3", "brats-al --help": "<= 0.5", "brats-al run --help": "<= 0.5"}
    return [
        row(f"start: {case}", seconds[case], seconds["python"], "s", seconds[case], limit)
        for case, limit in limits.items()
    ]


def overhead(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the row of ``overhead.csv``; the limit is for the demo."""
    whole = table[table["part"] == "all"].iloc[0]
    limit = "<= 0.05" if whole["profile"] == "demo" else ""
    what = f"study: overhead's share of the {whole['profile']}"
    return [row(what, whole["overhead"], whole["seconds"], "s", whole["share"], limit)]


SECTIONS = {
    "preparation": preparation,
    "images": images,
    "training": training,
    "startup": startup,
    "overhead": overhead,
}


def measured() -> dict[str, pd.DataFrame]:
    """Return what was measured, by benchmark; those that were not run are left out."""
    paths = {name: RESULTS / f"{name}.csv" for name in SECTIONS}
    return {name: pd.read_csv(path) for name, path in paths.items() if path.exists()}


def summarise(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Return the whole table.

    Parameters
    ----------
    tables : dict of str to pd.DataFrame
        By benchmark (``SECTIONS``), what it measured.

    Returns
    -------
    pd.DataFrame
        what; ours and peer, in unit; value (a ratio, or what the limit is for), limit, reached (yes, no, or nothing
        where there is no limit).
    """
    rows = [line for name, table in tables.items() for line in SECTIONS[name](table)]
    return pd.DataFrame(rows, columns=COLUMNS)


def plot(summary: pd.DataFrame) -> Figure:
    """Draw how far each value is on the good side of its limit, on a logarithmic axis with the limit at 1."""
    limited = summary[summary["limit"] != ""].iloc[::-1].reset_index(drop=True)
    margins = [margin(value, limit) for value, limit in limited[["value", "limit"]].itertuples(index=False)]
    figure = Figure((9, 0.42 * len(limited) + 1.1), layout="constrained")
    axes = figure.subplots()
    colours = ["#0072b2" if answer == "yes" else "#d55e00" for answer in limited["reached"]]
    axes.hlines(limited.index, 1, margins, colors=colours, linewidth=2)
    axes.scatter(margins, limited.index, color=colours, zorder=3)
    axes.axvline(1, color="black", linewidth=1)
    for place, (value, limit, good) in enumerate(zip(limited["value"], limited["limit"], margins, strict=True)):
        bound = limit.replace(">=", "at least").replace("<=", "at most")
        text = f"{value:.3g} ({bound})" if value < 1000 else f"{value:.0f} ({bound})"
        # Right of the line on either side of the limit: left of it stand the names.
        spot = (max(good, 1), place)
        axes.annotate(text, spot, xytext=(8, 0), textcoords="offset points", va="center", fontsize=9)
    axes.set_xscale("log")
    low, high = min(*margins, 1), max(*margins, 1)
    axes.set_xlim(low / 1.25, high * 3)
    ticks = [tick for tick in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20) if axes.get_xlim()[0] < tick < axes.get_xlim()[1]]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.set_yticks(limited.index, limited["what"])
    axes.set_xlabel("times on the good side of the limit")
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    return figure


def main() -> None:
    """Read the measurements, write the table and the plot, and print the table."""
    summary = summarise(measured())
    summary.to_csv(RESULTS / "summary.csv", index=False, float_format="%.4g", lineterminator="\n")
    figure = plot(summary)
    with mpl.rc_context({"svg.hashsalt": "brats-al"}):  # the same file from the same numbers
        figure.savefig(RESULTS / "summary.svg", metadata={"Date": None})
    figure.savefig(RESULTS / "summary.png", dpi=150)
    print(summary.to_string(index=False, na_rep="", float_format=lambda value: f"{value:.3g}"))


if __name__ == "__main__":
    main()
