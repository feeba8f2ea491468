"""Figures say what their tables say: their artists (x, y, ends of error bars, labels) are read, not their pixels."""

import errno
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import rgb_to_hsv, to_rgb
from matplotlib.container import ErrorbarContainer
from matplotlib.patches import Rectangle
from PIL import Image

from brats_al_utils.beyond.comparison import further_figures
from brats_al_utils.show import paper_figures, style
from brats_al_utils.show.style import ARM_LOOKS, PAGE, Drawing, arm_style, difference_panel, save

NAN = float("nan")


def error_bars(axes: Axes) -> list[tuple[str, tuple[float, ...], Any]]:
    """Return label, x, y and both ends of each error bar, and its mark, as the figure draws them."""
    found: list[tuple[str, tuple[float, ...], Any]] = []
    for container in axes.containers:
        assert isinstance(container, ErrorbarContainer)
        line, _, (bars,) = container.lines
        assert line is not None
        ends = np.reshape(bars.get_segments(), (-1, 2, 2))[:, :, 0 if container.has_xerr else 1]
        for x, y, (low, high) in zip(*xy(line), ends, strict=True):
            rounded = tuple(round(float(value), 6) for value in (x, y, low, high))
            found.append((str(container.get_label()), rounded, line))
    return found


def papers(axes: Axes) -> list[tuple[float, float]]:
    """Return x and y of the open marks, which are the paper's."""
    lines = [line for line in axes.lines if line.get_label() == "the paper"]
    return [(round(x, 6), round(y, 6)) for line in lines for x, y in zip(*xy(line), strict=True) if x == x and y == y]


def xy(line: Any) -> tuple[list[float], list[float]]:
    """Return x and y of a line."""
    return np.asarray(line.get_xdata()).tolist(), np.asarray(line.get_ydata()).tolist()


def legend(drawing: Drawing) -> list[str]:
    """Return the words of a figure's own legend."""
    (found,) = drawing.figure.legends
    return [text.get_text() for text in found.get_texts()]


def ticks(axis: Any) -> list[str]:
    return [label.get_text() for label in axis.get_ticklabels()]


def hollow(axes: Axes) -> list[bool]:
    """Return whether the mark of each error bar is hollow: of an arm that has not learned."""
    return [line.get_markerfacecolor() == "white" for _, _, line in error_bars(axes)]


PLACES = [(part, unit) for part in ("validation", "test") for unit in ("slice", "patient")]


def summary(**arms: list[tuple[float, float, float]]) -> pd.DataFrame:
    """Return a summary: of each arm validation and test, each slice-level and patient-level, as mean, low, high."""
    rows = [(arm, *place, *of) for arm, values in arms.items() for place, of in zip(PLACES, values, strict=True)]
    table = pd.DataFrame(rows, columns=["arm", "part", "unit", "auc_mean", "runs_low", "runs_high"])
    return table.assign(n_runs=3, learned=True)


def gains(arm: str, other: str, *values: float, **more: Any) -> pd.DataFrame:
    """Return differences on validation and test, each slice-level and patient-level, 2 pp to either side."""
    table = pd.DataFrame(PLACES, columns=["part", "unit"]).assign(arm=arm, other=other, auc_difference=values)
    ends = {f"both_{end}": table["auc_difference"] + way for end, way in (("low", -0.02), ("high", 0.02))}
    return table.assign(learned=True, **ends).assign(**more)


PROPOSED = [(0.81, 0.80, 0.83), (0.84, 0.80, 0.90), (0.71, 0.65, 0.75), (0.74, NAN, NAN)]
BASELINE = [(0.61, 0.58, 0.65), (0.64, 0.60, 0.70), (0.52, 0.51, 0.53), (0.54, 0.50, 0.60)]


TWO_ARMS = [
    # The paper's Tables 2, 3 and 4: validation and test of each arm.
    (paper_figures.table2, ("pretrained", "scratch"), [(0.8746, 0.7991), (0.8614, 0.7193)]),
    (paper_figures.figure5, ("proposed", "baseline"), [(0.8686, 0.8289), (0.8746, 0.7991)]),
    (paper_figures.figure6, ("proposed", "baseline"), [(0.8520, 0.8200), (0.8717, 0.7848)]),
]


@pytest.mark.parametrize(("draw", "names", "printed"), TWO_ARMS)
def test_two_arms_are_points_beside_their_paired_difference(draw: Any, names: tuple[str, str], printed: Any) -> None:
    table = summary(**dict(zip(names, (PROPOSED, BASELINE), strict=True)))
    drawing = draw(table, gains(*names, 0.2, 0.2, 0.19, 0.2), ("LGG", "HGG"))
    assert (drawing.name, drawing.table is table) == (draw.__name__, True)
    left, right = drawing.figure.axes
    # A mean without an interval has a bar of length 0.
    expected = [
        (name, (mean, round(place + offset, 6), *((low, high) if low == low else (mean, mean))))
        for name, values, offset in zip(names, (PROPOSED, BASELINE), (-0.18, 0.18), strict=True)
        for place, (mean, low, high) in enumerate(values)
    ]
    assert [(label, bar) for label, bar, _ in error_bars(left)] == expected
    assert [line.get_color() for _, _, line in error_bars(left)[::4]] == [ARM_LOOKS[name][0] for name in names]
    assert left.get_xlim() == (0.5, 1)
    (ours, theirs) = printed
    assert papers(left) == [(of[n], 2 * n + offset) for of, offset in ((ours, -0.18), (theirs, 0.18)) for n in (0, 1)]
    bars = [bar for _, bar, _ in error_bars(right)]
    assert bars == [(20, 0, 18, 22), (20, 1, 18, 22), (19, 2, 17, 21), (20, 3, 18, 22)]
    assert papers(right) == [(round(100 * (ours[n] - theirs[n]), 6), 2 * n) for n in (0, 1)]
    assert ticks(left.yaxis)[::3] == ["validation,\nslice-level", "test,\npatient-level"]
    assert legend(drawing) == [*names, "the paper"]
    other = draw(table, gains(*names, 0.2, 0.2, 0.19, 0.2), ("no tumour", "tumour"))
    assert not papers(other.figure.axes[0]) + papers(other.figure.axes[1]) and legend(other) == [*names], "another task"


def test_the_axis_of_aucs_begins_lower_only_where_a_mean_does() -> None:
    lower = [(mean - 0.2, low - 0.2, high - 0.2) for mean, low, high in BASELINE]
    table, differences = summary(proposed=PROPOSED, baseline=lower), gains("proposed", "baseline", 0, 0, 0, 0)
    left, _ = paper_figures.figure5(table, differences, ("LGG", "HGG")).figure.axes
    assert left.get_xlim() == pytest.approx((0.3, 1))


def test_an_arm_that_has_not_learned_is_hollow_and_so_are_its_differences() -> None:
    table = summary(pretrained=PROPOSED, scratch=BASELINE)
    table["learned"] = table["arm"] == "pretrained"
    unlearned = gains("pretrained", "scratch", 0.2, 0.2, 0.2, 0.2, learned=False)
    drawing = paper_figures.table2(table, unlearned, ("LGG", "HGG"))
    left, right = drawing.figure.axes
    assert legend(drawing) == ["pretrained", "scratch (has not learned)", "the paper"]
    assert hollow(left) == [False] * 4 + [True] * 4 and hollow(right) == [True] * 4
    containers: list[Any] = right.containers
    assert all(container.lines[2][0].get_linestyle()[0][1] is not None for container in containers), "dotted"


def test_an_arm_has_one_colour_in_every_figure_and_looks_of_its_own_in_grey() -> None:
    assert arm_style("random at 51%")["color"] == arm_style("random, iterative")["color"] == ARM_LOOKS["random"][0]
    assert arm_style("whole patients, random")["color"] == arm_style("0%-30%")["color"] == arm_style("entropy")["color"]
    colours, markers, lines = zip(*(look for arm, look in ARM_LOOKS.items() if arm != "pretrained"), strict=True)
    assert len(set(map(to_rgb, colours))) == len(set(markers)) == len(markers)
    assert len({*zip(colours, lines, strict=True)}) == len(lines)
    assert {to_rgb(colour) for colour in style.CLASS_COLOURS}.isdisjoint(map(to_rgb, colours))
    assert len(set(style.CLASS_MARKERS)) == 2
    coloured = [rgb_to_hsv(to_rgb(colour))[1] > 0 for colour in colours]
    assert sum(coloured) == 3, "the placebo and the baseline are greys"


def test_a_difference_shows_the_interval_that_decides_and_no_more_than_an_auc_can_differ() -> None:
    table = gains("proposed", "random", 0.1, -0.1, 0, 0, both_low=[-4, NAN, -0.01, 0], both_high=[4, NAN, 0.01, 0])
    axes = plt.figure().subplots()
    difference_panel(axes, table, range(4))
    bars = [bar for _, bar, _ in error_bars(axes)]
    assert bars == [(10, 0, -400, 400), (-10, 1, -10, -10), (0, 2, -1, 1), (0, 3, 0, 0)]
    assert axes.get_xlim() == (-102, 102)
    assert {line.get_color() for _, _, line in error_bars(axes)} == {ARM_LOOKS["proposed"][0]}


def ranking() -> pd.DataFrame:
    """Return two runs of ten slices; the first run's most uncertain is slice 7, its least uncertain slice 2."""
    first = pd.DataFrame({"slice_id": [7, 0, 1, 3, 4, 5, 6, 8, 9, 2], "seed": 0, "patient_id": "secret"})
    first["uncertainty"] = np.linspace(1, 0.1, 10).round(1)
    first["rank_share"] = (np.arange(10) + 0.5) / 10
    first["decile"] = ["most uncertain", *["between"] * 8, "least uncertain"]
    first["class_name"] = ["LGG", *["HGG"] * 7, "LGG", "HGG"]
    first["tumour_mm2"] = 10 * np.arange(1, 11)
    first["position"] = [0.1, 0.5, 0.5, 0.5, 0.5, 0.9, 0.9, 0.9, 0.9, 0.5]
    first["atypical"] = [True, *[False] * 9]
    second = first.assign(seed=1, uncertainty=9.0, class_name="HGG", atypical=[True, *[False] * 8, True])
    return pd.concat([first, second], ignore_index=True)


def test_figure2_shows_the_first_run_unsorted_and_sorted_with_the_classes_and_names_no_patient() -> None:
    drawing = paper_figures.figure2(ranking(), ("LGG", "HGG"))
    left, right = drawing.figure.axes
    points = {line.get_label(): (*xy(line), line.get_color()) for line in left.lines}
    assert points["LGG"] == ([7, 9], [1.0, 0.2], style.CLASS_COLOURS[0])
    assert points["HGG"][:2] == ([0, 1, 2, 3, 4, 5, 6, 8], [0.9, 0.8, 0.1, 0.7, 0.6, 0.5, 0.4, 0.3])
    assert xy(right.lines[0])[1] == [1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1]
    lines: list[Any] = list(right.collections)
    bands = [[float(segment[0, 0]) for segment in band.get_segments()] for band in lines]
    assert bands == [[0, 8], [1, 2, 3, 4, 5, 6, 7, 9]]
    boxes = [patch for patch in right.patches if isinstance(patch, Rectangle)]
    assert [(box.get_x(), box.get_width()) for box in boxes] == [(0, 0), (9, 0)]
    assert [text.get_text() for text in right.texts] == ["most\nuncertain\ndecile", "least\nuncertain\ndecile"]
    assert list(drawing.table) == ["slice_id", "seed", "class_name", "uncertainty", "rank_share", "decile"]
    assert len(drawing.table) == 10
    assert left.get_ylabel() == "uncertainty (nats)"


def test_figure3_shades_the_ends_and_shows_what_they_lose_beside_what_the_paper_prints() -> None:
    table = summary(**{"0%-30%": PROPOSED, "10%-40%": BASELINE, "70%-100%": BASELINE})
    tails = gains("10%-40%", "0%-30%", 0.08, 0, 0.05, 0), gains("60%-90%", "70%-100%", 0.03, 0, -0.01, 0)
    drawing = paper_figures.figure3(table, pd.concat(tails), ("LGG", "HGG"))
    upper, lower = drawing.figure.axes
    bars = [(label, bar) for label, bar, _ in error_bars(upper)]
    assert bars[:2] == [("validation", (-0.08, 0.81, 0.80, 0.83)), ("validation", (0.92, 0.61, 0.58, 0.65))]
    assert bars[3:5] == [("test", (0.08, 0.71, 0.65, 0.75)), ("test", (1.08, 0.52, 0.51, 0.53))]
    boxes: list[Any] = list(upper.patches)
    assert [(box.get_x(), box.get_width()) for box in boxes] == [(-0.5, 1), (1.5, 1)]
    assert ticks(upper.xaxis) == ["0\u201330", "10\u201340", "70\u2013100"]
    assert [bar for _, bar, _ in error_bars(lower)] == [(8, 0, 6, 10), (5, 1, 3, 7), (3, 2, 1, 5), (-1, 3, -3, 1)]
    assert papers(lower) == [(12.51, 0), (7.72, 2)], "of the validation set alone"
    assert not papers(paper_figures.figure3(table, pd.concat(tails), ("glioma", "meningioma")).figure.axes[1])
    assert ticks(lower.yaxis)[1] == "10%-40% less 0%-30%, test"
    assert legend(drawing) == ["validation", "test", "the paper"]


def test_figure4_shows_where_the_deciles_lie_and_what_they_hold() -> None:
    drawing = paper_figures.figure4(ranking(), "LGG")
    left, right = drawing.figure.axes
    facts = ["LGG slices", "tumour area below the median", "outer half of the tumour", "atypical patients"]
    shares = {"most uncertain": [0.5, 1, 1, 1], "between": [1 / 16, 0.5, 0.5, 0], "least uncertain": [0, 0, 0, 0.5]}
    assert {row["decile"]: [row[fact] for fact in facts] for row in drawing.table.to_dict("records")} == shares
    drawn = {str(line.get_label()): xy(line)[0] for line in right.lines}
    assert drawn == {decile: [100 * share for share in of] for decile, of in shares.items()}
    assert [label.replace("\n", " ") for label in ticks(right.yaxis)] == facts
    # Only the first run is counted on the left; its bars stand one on the other.
    assert [sum(bar.get_height() for bar in group) for group in left.containers] == [1, 8, 1]
    assert legend(drawing) == list(shares)
    assert "atypical patients" not in paper_figures.figure4(ranking().drop(columns="atypical"), "LGG").table


ARMS = {"proposed": 0.8, "random": 0.7, "placebo": 0.6}
"""Of the budget curves, and about where their AUCs lie."""


def curves() -> pd.DataFrame:
    """Return both sets' summaries by budget; the balanced set's AUCs are lower by 0.1. The placebo has not learned."""
    points = [(arm, share, value + share / 10) for arm, value in ARMS.items() for share in (0.2, 0.1)]
    points.append(("baseline", 1.0, 0.75))
    test = pd.DataFrame(points, columns=["arm", "share", "auc_mean"])
    test = test.assign(examples=(1000 * test["share"]).astype(int), dataset="imbalanced", part="test", unit="slice")
    test = pd.concat([test, test.assign(dataset="balanced", auc_mean=test["auc_mean"] - 0.1)])
    test = test.assign(runs_low=test["auc_mean"] - 0.02, runs_high=test["auc_mean"] + 0.03)
    test = test.assign(n_runs=3, learned=test["arm"] != "placebo")
    others = test.assign(unit="patient", auc_mean=0.1), test.assign(part="validation", auc_mean=0.2)
    return pd.concat([test, *others], ignore_index=True)


def budget_gains() -> pd.DataFrame:
    """Return the differences of both sets at every budget, those of the balanced set lower."""
    rows = [
        ("proposed", other, unit, share, value)
        for share in (0.1, 0.2)
        for other, value in (("random", 0.1 * share), ("placebo", 0.2))
        for unit in ("slice", "patient")
    ]
    table = pd.DataFrame(rows, columns=["arm", "other", "unit", "share", "auc_difference"]).assign(dataset="imbalanced")
    table = pd.concat([table, table.assign(dataset="balanced", auc_difference=table["auc_difference"] - 0.1)])
    ends = {"both_low": table["auc_difference"] - 0.02, "both_high": table["auc_difference"] + 0.03}
    return table.assign(**ends, learned=table["other"] != "placebo")


SETS = [(paper_figures.figure7, "imbalanced", 0), (paper_figures.figure8, "balanced", 0.1)]


@pytest.mark.parametrize(("draw", "dataset", "less"), SETS)
def test_figures_7_and_8_show_curves_and_below_them_the_differences(draw: Any, dataset: str, less: float) -> None:
    drawing = draw(curves(), budget_gains())
    upper, lower = drawing.figure.axes
    lines = {str(line.get_label()): line for line in upper.lines}
    for arm, value in ARMS.items():
        line = lines[arm + " (has not learned)" * (arm == "placebo")]
        examples, aucs = xy(line)
        assert examples == [100, 200] and aucs == pytest.approx([value + 0.01 - less, value + 0.02 - less])
        assert line.get_color() == ARM_LOOKS[arm][0]
    assert lines["baseline: all 1000"].get_ydata() == pytest.approx([0.75 - less] * 2)
    open_marks = [xy(line)[0] for line in upper.lines if line.get_markerfacecolor() == "white"]
    assert open_marks == [[], [], [100, 200]], "the placebo's points alone"
    random, placebo, *_ = error_bars(lower)
    assert random[1] == pytest.approx((92, 1 - 100 * less, -1 - 100 * less, 4 - 100 * less))
    assert placebo[1] == pytest.approx((108, 20 - 100 * less, 18 - 100 * less, 23 - 100 * less))
    assert hollow(lower) == [False, True] * 2
    assert [line.get_color() for *_, line in (random, placebo)] == [ARM_LOOKS[arm][0] for arm in ("random", "placebo")]
    assert ticks(lower.xaxis) == ["200\n20%", "100\n10%"]
    assert (drawing.name, len(drawing.table)) == (draw.__name__, 7)
    assert drawing.table["dataset"].unique().tolist() == [dataset]
    assert legend(drawing)[-2:] == [random[0], placebo[0]] == ["proposed less random", "proposed less placebo"]


def test_budgets_far_apart_stand_on_a_logarithmic_axis() -> None:
    summary, gains = curves(), budget_gains()
    few: Any = {"share": {0.2: 0.01}, "examples": {200: 10, 100: 105}}
    drawing = paper_figures.figure7(summary.replace(few), gains.replace({"share": {0.2: 0.01}}))
    lower = drawing.figure.axes[1]
    assert lower.get_xscale() == "log" and ticks(lower.xaxis) == ["10\n1%", "105\n10%"]
    assert [bar[0] for _, bar, _ in error_bars(lower)] == pytest.approx([96.6, 113.4, 9.2, 10.8])
    assert paper_figures.figure7(summary, gains).figure.axes[1].get_xscale() == "linear"


def test_training_curves_mark_the_epoch_that_was_kept() -> None:
    losses, aucs = [0.9, 0.5, 0.1, 0.8, 0.4, 0.2, 0.7, 0.6, 0.6], [0.5, 0.8, 0.7, 0.9, 0.6, 0.5, 0.4, 0.5, 0.6]
    history = pd.DataFrame({"epoch": [1, 2, 3] * 3, "train_loss": losses, "validation_auc": aucs})
    history["arm"], history["seed"] = ["pretrained"] * 6 + ["scratch"] * 3, [0, 0, 0, 1, 1, 1, 0, 0, 0]
    history["kept"], history["learned"] = history.index.isin([1, 3, 8]), history["arm"] == "pretrained"
    drawing = paper_figures.training_curves(history, "table2_training")
    for axes, values in zip(drawing.figure.axes, (losses, aucs), strict=True):
        expected = [
            part
            for start, kept in ((0, 1), (3, 3), (6, 8))
            for part in (([1, 2, 3], values[start : start + 3]), ([kept - start + 1], [values[kept]]))
        ]
        assert [xy(line) for line in axes.lines] == expected
        looks = [ARM_LOOKS[arm][0] for arm in ("pretrained", "pretrained", "scratch")]
        for first in (0, 1):
            assert [line.get_color() for line in axes.lines[first::2]] == looks
        assert axes.lines[-1].get_markerfacecolor() == "white"
    assert legend(drawing) == ["pretrained", "scratch (has not learned)"]


def intervals(value: str) -> pd.DataFrame:
    """Return two arms with three intervals each, of which the second has none across runs and has not learned."""
    rows = [
        ("proposed", "slice", 0.30, 0.25, 0.40, 0.20, 0.45, 0.10, 0.50),
        ("scratch", "slice", 0.20, NAN, NAN, 0.15, 0.30, 0.12, 0.35),
        ("proposed", "patient", 0.10, 0.05, 0.15, 0.01, 0.20, -0.10, 0.30),
        ("scratch", "patient", -0.30, -0.40, -0.25, -0.45, -0.20, -0.50, -0.10),
    ]
    ends = [f"{across}_{end}" for across in ("runs", "patients", "both") for end in ("low", "high")]
    table = pd.DataFrame(rows, columns=["arm", "unit", value, *ends]).assign(other="random")
    return table.assign(learned=table["arm"] == "proposed")


def test_a_forest_of_aucs_shows_the_interval_that_decides_in_bold_and_the_others_thin() -> None:
    table = intervals("auc_mean")
    drawing = further_figures.auc_forest(table, "forest")
    for axes, rows in zip(drawing.figure.axes, (table[:2], table[2:]), strict=True):
        points = [line for line in axes.lines if line.get_marker() not in ("None", None)]
        assert [xy(line) for line in points] == [([mean], [place]) for place, mean in enumerate(rows["auc_mean"])]
        assert [line.get_markerfacecolor() == "white" for line in points] == [False, True]
        bold = [line for line in axes.lines if line.get_linewidth() > 2 and len(xy(line)[0])]
        assert [xy(line)[0] for line in bold] == rows[["both_low", "both_high"]].to_numpy().tolist()
        assert axes.yaxis_inverted(), "the first arm is the uppermost"
    assert ticks(drawing.figure.axes[0].yaxis) == ["proposed", "scratch (has not learned)"]
    assert legend(drawing) == ["across both", "across runs", "across patients"]


def test_a_forest_of_gains_shows_the_interval_that_decides_alone() -> None:
    table = intervals("auc_difference")
    drawing = further_figures.gain_forest(table, "random", "forest")
    for axes, rows in zip(drawing.figure.axes, (table[:2], table[2:]), strict=True):
        expected = 100 * rows[["auc_difference", "both_low", "both_high"]].to_numpy()
        found = [(x, low, high) for _, (x, _, low, high), _ in error_bars(axes)]
        assert found == [pytest.approx(row) for row in expected.tolist()]
        assert axes.get_xlabel() == "test AUC less that of\nrandom (pp)"
    assert ticks(drawing.figure.axes[0].yaxis) == ["proposed", "scratch (has not learned)"]
    several = further_figures.gain_forest(table.assign(other=["random", "baseline"] * 2), "its reference", "forest")
    assert ticks(several.figure.axes[0].yaxis)[0] == "proposed\nless random"


def test_annotated_curves_have_an_arrow_from_what_is_annotated_to_what_random_sampling_needs() -> None:
    rows = [("proposed", 0.3, 0, 0.4, 0.74), ("proposed", 0.3, 1, 0.5, 0.76)]
    for arm, budget, auc in (("random", 0.3, 0.6), ("proposed", 0.1, 0.5)):
        rows += [(arm, budget, seed, 0.3, auc) for seed in (0, 1)]
    runs = pd.DataFrame(rows, columns=["strategy", "budget", "seed", "annotated", "auc"])
    runs["learned"] = runs["budget"] == 0.3
    row = {"strategy": "proposed", "budget": 0.3, "annotated": 0.45, "auc": 0.75, "random_annotated": 0.262}
    worth = pd.DataFrame([row | {"random_low": 0.0, "random_high": 0.56, "censored": "at most"}])
    drawing = further_figures.annotated_curves(runs, worth, 0.0)
    (axes,) = drawing.figure.axes
    lines = {str(line.get_label()): line for line in axes.lines}
    assert xy(lines["proposed"]) == ([30, 45], [0.5, 0.75])
    assert xy(lines["random"]) == ([30], [0.6])
    assert next(xy(line)[0] for line in axes.lines if line.get_markerfacecolor() == "white") == [30]
    arrow, text = axes.texts
    assert (arrow.xy, arrow.xyann) == (pytest.approx((26.2, 0.75)), pytest.approx((45, 0.75)))  # type: ignore[attr-defined]
    said = ("AUC 0.750 for 45% annotated", "needs at most 26%", "up to 56%")
    assert all(words in text.get_text() for words in said)
    half = 12.7062047 * 0.01  # t of one degree of freedom, times the standard error of 0.74 and 0.76
    assert drawing.table["runs_low"].tolist()[0] == pytest.approx(0.75 - half, abs=1e-6)


DRAW = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_figures import budget_gains, curves
from brats_al_utils.show import paper_figures
from brats_al_utils.show.style import save
save(paper_figures.figure7(curves(), budget_gains()), Path(sys.argv[1]), "synthetic cohort")
"""


def test_the_same_files_whatever_the_user_s_matplotlibrc_says(tmp_path: Path) -> None:
    (tmp_path / "matplotlibrc").write_text(
        "text.usetex: True\nfont.size: 30\naxes.grid: False\nsvg.fonttype: none\nfigure.dpi: 30\nsavefig.bbox: tight\n"
        "axes.prop_cycle: cycler('color', ['r'])\nlines.linewidth: 9\n",
        encoding="utf-8",
    )
    # matplotlib reads the file of the folder in which it is started first.
    command = [sys.executable, "-c", DRAW, str(tmp_path / "odd"), str(Path(__file__).parent)]
    subprocess.run(command, cwd=tmp_path, check=True, timeout=120)
    save(paper_figures.figure7(curves(), budget_gains()), tmp_path / "own", "synthetic cohort")
    for file in ("figure7.svg", "figure7.pdf", "figure7.png", "figure7.csv"):
        assert (tmp_path / "odd" / file).read_bytes() == (tmp_path / "own" / file).read_bytes(), file


def test_a_long_caption_is_broken_where_one_of_its_parts_ends() -> None:
    parts = ["open cohort of many persons"] * 3 + ["3 folds"]
    # Three parts and what parts them are 3 * 27 + 2 * 2 = 85 characters; with the fourth they are 94.
    assert style.in_lines("; ".join(parts), PAGE) == "; ".join(parts)
    long = [*parts[:3], "initialisation: random"]
    assert style.in_lines("; ".join(long), PAGE) == "; ".join(long[:3]) + ";\n" + long[3]
    # Six tenths of a page have room for 60 characters: two parts are 27 + 2 + 27 = 56.
    assert style.in_lines("; ".join(parts), 0.6 * PAGE) == "; ".join(parts[:2]) + ";\n" + "; ".join(parts[2:])


@pytest.mark.parametrize("share", [0.6, 1])
def test_the_origin_lies_within_its_figure(share: float, tmp_path: Path) -> None:
    figure = plt.subplots(figsize=(PAGE * share, 2.8))[0]
    caption = (
        "open cohort (Cheng, 147 persons); 8-bit JPEG copy (lossy); the hospital can tell the class; "
        "initialisation: ImageNet convolutional layers; 5 runs; 5 folds"
    )
    save(Drawing("any", figure, pd.DataFrame()), tmp_path, caption)
    figure.draw_without_rendering()
    text = next(text for text in figure.texts if text.get_text() == figure.get_supxlabel()).get_window_extent()
    assert text.x0 >= 0 and text.x1 <= figure.bbox.width


def test_saving_writes_the_picture_the_numbers_and_the_origin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawing = paper_figures.figure8(curves(), budget_gains())
    save(replace(drawing, name="other"), tmp_path, "Synthetic cohort; 3 runs")
    assert drawing.figure.get_supxlabel() == "Synthetic cohort; 3 runs"
    assert {path.name for path in tmp_path.iterdir()} == {"other.svg", "other.pdf", "other.png", "other.csv"}
    with Image.open(tmp_path / "other.png") as picture:
        assert picture.width == pytest.approx(300 * PAGE, abs=1)
    assert ">proposed less random<" in (tmp_path / "other.svg").read_text(encoding="utf-8"), "text is text"
    written = pd.read_csv(tmp_path / "other.csv")
    pd.testing.assert_frame_equal(written, drawing.table.reset_index(drop=True), check_dtype=False, rtol=1e-5)
    assert not plt.fignum_exists(drawing.figure.number)

    def cut_off(_: object, file: Any, **__: object) -> None:
        with file if hasattr(file, "write") else Path(file).open("wb") as opened:
            opened.write(b"<svg")
        raise OSError(errno.ENOSPC, "No space left on device")

    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    monkeypatch.setattr(type(drawing.figure), "savefig", cut_off)
    with pytest.raises(OSError, match="No space left"):
        save(replace(drawing, name="other"), tmp_path, "Synthetic cohort; 3 runs")
    assert before == {path: path.read_bytes() for path in tmp_path.iterdir()}, "no half of a file has the name"


@pytest.mark.parametrize("notebook", [True, False])
def test_a_figure_is_shown_in_a_notebook_alone(notebook: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[Any] = []
    monkeypatch.setattr(style, "get_ipython", lambda: object() if notebook else None)
    monkeypatch.setattr(style, "display", shown.append)
    save(paper_figures.figure8(curves(), budget_gains()), tmp_path, "Synthetic cohort")
    expected = [((tmp_path / "figure8.png").read_bytes(), "figure8: Synthetic cohort")] if notebook else []
    assert [(image.data, image.alt) for image in shown] == expected
