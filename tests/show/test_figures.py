"""Figures say what their tables say: their artists (x, y, ends of error bars, labels) are read, not their pixels."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.container import BarContainer, ErrorbarContainer
from matplotlib.patches import Rectangle

from brats_al_utils.networks.network import START_NAMES
from brats_al_utils.show import further_figures, paper_figures, style
from brats_al_utils.show.style import ARM_COLOURS, CURVE_STYLES, PAGE, Drawing, save
from brats_al_utils.study.arms import Arm

NAN = float("nan")


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    plt.close("all")


def error_bars(axes: Axes) -> dict[str, tuple[list[float], list[float], list[float], list[float]]]:
    """Return x, y and both ends of each error bar, by label, as the figure draws them."""
    found = {}
    for container in axes.containers:
        if isinstance(container, ErrorbarContainer):
            line, _, (bars,) = container.lines
            along = 0 if container.has_xerr else 1
            ends = np.reshape(bars.get_segments(), (-1, 2, 2))[:, :, along]
            x, y = (line.get_xdata(), line.get_ydata()) if line else (None, None)
            found[str(container.get_label())] = tuple(
                [] if values is None else np.asarray(values, float).round(6).tolist()
                for values in (x, y, ends[:, 0], ends[:, 1])
            )
    return found


def bars(axes: Axes) -> list[tuple[str, list[float], list[float], Any]]:
    """Return label, centres, heights and colour of each group of bars."""
    groups = [container for container in axes.containers if isinstance(container, BarContainer)]
    return [
        (
            str(group.get_label()),
            [round(bar.get_x() + bar.get_width() / 2, 6) for bar in group],
            [float(bar.get_height()) for bar in group],
            group[0].get_facecolor(),
        )
        for group in groups
    ]


def xy(line: Any) -> tuple[list[float], list[float]]:
    """Return x and y of a line."""
    return np.asarray(line.get_xdata()).tolist(), np.asarray(line.get_ydata()).tolist()


def legend(drawing: Drawing) -> list[str]:
    """Return the words of a figure's own legend."""
    (found,) = drawing.figure.legends
    return [text.get_text() for text in found.get_texts()]


def ticks(axis: Any) -> list[str]:
    return [label.get_text() for label in axis.get_ticklabels()]


def summary(**arms: list[tuple[float, float, float]]) -> pd.DataFrame:
    """Return a summary: of each arm validation and test, each slice-level and patient-level, as mean, low, high."""
    places = [(part, unit) for part in ("validation", "test") for unit in ("slice", "patient")]
    rows = [
        (arm, part, unit, *numbers, 3)
        for arm, values in arms.items()
        for (part, unit), numbers in zip(places, values, strict=True)
    ]
    return pd.DataFrame(rows, columns=["arm", "part", "unit", "auc_mean", "runs_low", "runs_high", "n_runs"])


PROPOSED = [(0.81, 0.80, 0.83), (0.84, 0.80, 0.90), (0.71, 0.65, 0.75), (0.74, NAN, NAN)]
BASELINE = [(0.61, 0.58, 0.65), (0.64, 0.60, 0.70), (0.52, 0.51, 0.53), (0.54, 0.50, 0.60)]


@pytest.mark.parametrize(
    ("draw", "names", "starts", "printed"),
    [
        # The paper's Tables 2, 3 and 4: on validation and on test, mean, low and high of each arm.
        (
            paper_figures.table2,
            ("pretrained", "scratch"),
            ("imagenet", "scratch"),
            [
                [(0.8746, 0.8711, 0.8781), (0.8614, 0.8560, 0.8668)],
                [(0.7991, 0.7895, 0.8087), (0.7193, 0.7076, 0.7310)],
            ],
        ),
        (
            paper_figures.figure5,
            ("proposed", "baseline"),
            ("imagenet-trunk", "imagenet-trunk"),
            [
                [(0.8686, 0.8648, 0.8724), (0.8746, 0.8711, 0.8781)],
                [(0.8289, 0.8187, 0.8391), (0.7991, 0.7895, 0.8087)],
            ],
        ),
        (
            paper_figures.figure6,
            ("proposed", "baseline"),
            ("imagenet", "imagenet"),
            [
                [(0.8520, 0.8488, 0.8552), (0.8717, 0.8687, 0.8747)],
                [(0.8200, 0.8118, 0.8282), (0.7848, 0.7760, 0.7936)],
            ],
        ),
    ],
)
def test_bars_show_ours_and_the_printed_aucs(draw: Any, names: Any, starts: Any, printed: Any) -> None:
    compared = [Arm(name, start, 1) for name, start in zip(names, starts, strict=True)]
    table = summary(**dict(zip(names, (PROPOSED, BASELINE), strict=True)))
    drawing = draw(table, compared)
    assert drawing.name == draw.__name__
    assert drawing.table is table
    for axes, part, ours, theirs in zip(drawing.figure.axes, ("validation", "test"), (0, 2), printed, strict=True):
        assert axes.get_title() == part
        labels = [f"{name} ({START_NAMES[start]})" for name, start in zip(names, starts, strict=True)]
        first, second = PROPOSED[ours : ours + 2], BASELINE[ours : ours + 2]
        assert bars(axes) == [
            (labels[0], [-0.18, 0.82], [mean for mean, _, _ in first], to_rgba(ARM_COLOURS[0])),
            (labels[1], [0.18, 1.18], [mean for mean, _, _ in second], to_rgba(ARM_COLOURS[1])),
        ]
        points = error_bars(axes)
        for name, offset, (mean, low, high) in zip(names, (-0.18, 0.18), theirs, strict=True):
            assert points[f"{name}, as printed"] == ([2 + offset], [mean], [low], [high])
        errors = [container for container in axes.containers if isinstance(container, ErrorbarContainer)]
        drawn = [np.array(each.lines[2][0].get_segments())[:, :, 1].round(6).tolist() for each in errors[::2]]
        # A mean without an interval has a bar of length 0.
        expected = [[[low, high] if low == low else [mean, mean] for mean, low, high in arm] for arm in (first, second)]
        assert drawn == expected
        assert ticks(axes.xaxis) == ["ours,\nslice-level", "ours,\npatient-level", "paper,\nslice-level"]
    assert drawing.figure.axes[0].get_ylabel() == "AUC (95 % CI across runs)"
    assert set(legend(drawing)) == {*labels, *(f"{name}, as printed" for name in names)}


def ranking() -> pd.DataFrame:
    """Return two runs of ten slices; the first run's most uncertain is slice 7, its least uncertain slice 2."""
    ids = [7, 0, 1, 3, 4, 5, 6, 8, 9, 2]
    first = pd.DataFrame(
        {
            "slice_id": ids,
            "seed": 0,
            "uncertainty": np.linspace(1, 0.1, 10).round(1),
            "rank_share": (np.arange(10) + 0.5) / 10,
            "decile": ["most uncertain", *["between"] * 8, "least uncertain"],
            "patient_id": "secret",
            "class_name": ["LGG", *["HGG"] * 7, "LGG", "HGG"],
            "tumour_mm2": [10, 20, 30, 40, 50, 60, 70, 80, 90, 100],
            "position": [0.1, 0.5, 0.5, 0.5, 0.5, 0.9, 0.9, 0.9, 0.9, 0.5],
            "atypical": [True, *[False] * 9],
        }
    )
    second = first.assign(seed=1, uncertainty=9.0, class_name="HGG", atypical=[True, *[False] * 8, True])
    return pd.concat([first, second], ignore_index=True)


def test_figure2_shows_the_first_run_unsorted_and_sorted_and_names_no_patient() -> None:
    drawing = paper_figures.figure2(ranking())
    left, right = drawing.figure.axes
    assert xy(left.lines[0])[1] == [0.9, 0.8, 0.1, 0.7, 0.6, 0.5, 0.4, 1.0, 0.3, 0.2]
    assert xy(right.lines[0])[1] == [1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1]
    boxes = [patch for patch in right.patches if isinstance(patch, Rectangle)]
    spans = {box.get_label(): (box.get_x(), box.get_width()) for box in boxes}
    assert spans == {"most uncertain decile": (0, 0), "least uncertain decile": (9, 0)}
    assert list(drawing.table) == ["slice_id", "seed", "uncertainty", "rank_share", "decile"]
    assert len(drawing.table) == 10
    assert left.get_ylabel() == "uncertainty (nats)"


def test_figure3_shows_both_evaluation_sets_slice_level() -> None:
    table = summary(**{"0%-30%": PROPOSED, "10%-40%": BASELINE})
    drawing = paper_figures.figure3(table)
    (axes,) = drawing.figure.axes
    assert error_bars(axes) == {
        "validation": ([-0.06, 0.94], [0.81, 0.61], [0.80, 0.58], [0.83, 0.65]),
        "test": ([0.06, 1.06], [0.71, 0.52], [0.65, 0.51], [0.75, 0.53]),
    }
    assert ticks(axes.xaxis) == ["0%-30%", "10%-40%"]
    assert axes.get_ylabel() == "slice-level AUC\n(95 % CI across runs)"
    assert legend(drawing) == ["validation", "test"]


def test_figure4_shows_where_the_deciles_lie_and_what_they_hold() -> None:
    drawing = paper_figures.figure4(ranking(), "LGG")
    left, right = drawing.figure.axes
    expected = pd.DataFrame(
        {
            "decile": ["most uncertain", "between", "least uncertain"],
            "LGG slices": [0.5, 1 / 16, 0],
            "smaller half of tumours": [1, 0.5, 0],
            "outer half of the tumour": [1, 0.5, 0],
            "atypical patients": [1, 0, 0.5],
        }
    )
    pd.testing.assert_frame_equal(drawing.table, expected, check_dtype=False)
    assert [heights for _, _, heights, _ in bars(right)] == [[50, 100, 100, 100], [6.25, 50, 50, 0], [0, 0, 0, 50]]
    assert [centres[0] for _, centres, _, _ in bars(right)] == [-0.26, 0, 0.26]
    assert ticks(right.xaxis) == [
        "LGG\nslices",
        "smaller\nhalf of tumours",
        "outer\nhalf of the tumour",
        "atypical\npatients",
    ]
    # Only the first run is counted on the left; its bars stand one on the other.
    assert [sum(heights) for _, _, heights, _ in bars(left)] == [1, 8, 1]
    assert legend(drawing) == ["most uncertain", "between", "least uncertain"]
    assert "atypical patients" not in paper_figures.figure4(ranking().drop(columns="atypical"), "LGG").table


def curves() -> pd.DataFrame:
    """Return both sets' summaries by budget; the balanced set's AUCs are lower by 0.1."""
    rows = []
    for dataset, less in (("imbalanced", 0.0), ("balanced", 0.1)):
        for arm, value in (("proposed", 0.8), ("random", 0.7), ("placebo", 0.6)):
            for share, examples in ((0.2, 200), (0.1, 100)):
                mean = round(value + share / 10 - less, 3)
                rows += [
                    (arm, "test", "slice", dataset, share, examples, mean, mean - 0.02, mean + 0.03, 3),
                    (arm, "test", "patient", dataset, share, examples, 0.1, 0.1, 0.1, 3),
                    (arm, "validation", "slice", dataset, share, examples, 0.2, 0.2, 0.2, 3),
                ]
        mean = round(0.75 - less, 3)
        rows.append(("baseline", "test", "slice", dataset, 1.0, 1000, mean, mean - 0.05, mean + 0.05, 3))
    columns = ["arm", "part", "unit", "dataset", "share", "examples", "auc_mean", "runs_low", "runs_high", "n_runs"]
    return pd.DataFrame(rows, columns=columns)


def across_both(table: pd.DataFrame, dataset: str = "imbalanced") -> pd.DataFrame:
    """Return what `evidence.arm_table` has of a set's curves: an interval that is wider than that across runs."""
    test = table[(table["dataset"] == dataset) & (table["part"] == "test") & (table["unit"] == "slice")]
    return test[["arm", "share"]].assign(low=test["runs_low"] - 0.01, high=test["runs_high"] + 0.02)


@pytest.mark.parametrize(("draw", "less"), [(paper_figures.figure7, 0), (paper_figures.figure8, 0.1)])
def test_figures_7_and_8_show_the_curves_of_their_set(draw: Any, less: float) -> None:
    dataset = "imbalanced" if draw is paper_figures.figure7 else "balanced"
    drawing = draw(curves(), across_both(curves(), dataset))
    (axes,) = drawing.figure.axes
    points = error_bars(axes)
    for place, (arm, value) in enumerate((("proposed", 0.8), ("random", 0.7), ("placebo", 0.6))):
        x, y, low, high = points[arm]
        assert x == [100 + 8 * (place - 1), 200 + 8 * (place - 1)]
        assert y == pytest.approx([value + 0.01 - less, value + 0.02 - less])
        assert low == pytest.approx([value - 0.01 - less, value - less])
        assert high == pytest.approx([value + 0.04 - less, value + 0.05 - less])
    colours = {each.get_label(): each.lines[0].get_color() for each in axes.containers}
    assert colours == {arm: style["color"] for arm, style in CURVE_STYLES.items()}
    (baseline,) = [line for line in axes.lines if str(line.get_label()).startswith("baseline")]
    assert baseline.get_label() == "baseline: all 1000 slices"
    assert baseline.get_ydata() == pytest.approx([0.75 - less] * 2)
    # Across runs and patients: a light bar behind each point, and a lighter band.
    for bars_of, (arm, _) in zip(axes.collections[1::2], points.items(), strict=True):
        ends = [segment[:, 1].tolist() for segment in bars_of.get_segments()]
        wider = [[start - 0.01, end + 0.02] for start, end in zip(points[arm][2], points[arm][3], strict=True)]
        assert ends == [pytest.approx(each) for each in wider]
    bands = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
    for band, (bottom, height) in zip(bands, ((0.69, 0.13), (0.70, 0.1)), strict=True):
        assert (band.get_y(), band.get_height()) == pytest.approx((bottom - less, height))
    assert drawing.name == draw.__name__
    assert drawing.table["dataset"].unique().tolist() == [dataset]
    assert len(drawing.table) == 7
    assert axes.get_ylabel() == "slice-level test AUC\n(95 % CI across runs;\nlight: and patients)"


def test_without_an_interval_there_is_no_band_and_no_bar() -> None:
    table = curves().assign(runs_low=NAN, runs_high=NAN)
    (axes,) = paper_figures.figure7(table, across_both(table)).figure.axes
    assert not axes.patches
    _, y, low, high = error_bars(axes)["proposed"]
    assert y == low == high


def test_an_axis_ends_where_an_auc_does() -> None:
    table = curves().assign(runs_low=-0.4, runs_high=1.7)
    (axes,) = paper_figures.figure7(table, across_both(table)).figure.axes
    assert axes.get_ylim() == (0, 1.02)


def test_table5_has_ours_beside_the_printed_counts() -> None:
    ours = pd.DataFrame(
        [("proposed", "imbalanced", 0.1, 14, True), ("proposed", "balanced", 0.8, 99, False)],
        columns=["arm", "dataset", "share", "examples", "can_be_drawn"],
    )
    assert paper_figures.table5(ours)["printed"].tolist() == [406, 3896]


def test_table1_shows_the_layers_as_they_are_and_as_printed() -> None:
    table = paper_figures.table1().set_index("layer")
    assert list(table.loc["Conv2", ["stride", "stride_printed", "output", "output_printed"]]) == [
        1,
        2,
        "192x27x27",
        "192x27x27",
    ]


def test_training_curves_mark_the_epoch_that_was_kept() -> None:
    history = pd.DataFrame(
        {
            "arm": ["pretrained"] * 6 + ["scratch"] * 3,
            "seed": [0, 0, 0, 1, 1, 1, 0, 0, 0],
            "epoch": [1, 2, 3] * 3,
            "train_loss": [0.9, 0.5, 0.1, 0.8, 0.4, 0.2, 0.7, 0.6, 0.6],
            "validation_auc": [0.5, 0.8, 0.7, 0.9, 0.6, 0.5, 0.4, 0.5, 0.6],
            "kept": [False, True, False, True, False, False, False, False, True],
        }
    )
    drawing = further_figures.training_curves(history, "table2_training")
    for axes, column in zip(drawing.figure.axes, ("train_loss", "validation_auc"), strict=True):
        lines = [(*xy(line), line.get_color()) for line in axes.lines]
        orange, blue = ARM_COLOURS
        values = history[column].tolist()
        assert lines == [
            ([1, 2, 3], values[:3], orange),
            ([2], [values[1]], orange),
            ([1, 2, 3], values[3:6], orange),
            ([1], [values[3]], orange),
            ([1, 2, 3], values[6:], blue),
            ([3], [values[8]], blue),
        ]
    assert legend(drawing) == ["pretrained", "scratch"]
    assert [axes.get_ylabel() for axes in drawing.figure.axes] == ["cross-entropy (nats)", "slice-level AUC"]


def intervals(value: str) -> pd.DataFrame:
    """Return two arms with three intervals each, of which the second has none across runs."""
    rows = [
        ("one", "slice", 0.30, 0.25, 0.40, 0.20, 0.45, 0.10, 0.50),
        ("two", "slice", 0.20, NAN, NAN, 0.15, 0.30, 0.12, 0.35),
        ("one", "patient", 0.10, 0.05, 0.15, 0.01, 0.20, -0.10, 0.30),
        ("two", "patient", -0.30, -0.40, -0.25, -0.45, -0.20, -0.50, -0.10),
    ]
    ends = [f"{across}_{end}" for across in ("runs", "patients", "both") for end in ("low", "high")]
    return pd.DataFrame(rows, columns=["arm", "unit", value, *ends]).assign(other="random")


@pytest.mark.parametrize(
    ("value", "scale", "xlabel"),
    [("auc_mean", 1, "test AUC"), ("auc_difference", 100, "test AUC less that of\nrandom (pp)")],
)
def test_a_forest_shows_each_arm_with_its_three_intervals(value: str, scale: float, xlabel: str) -> None:
    table = intervals(value)
    drawing = (
        further_figures.auc_forest(table, "forest")
        if value == "auc_mean"
        else further_figures.gain_forest(table, "random", "forest")
    )
    slices, patients = drawing.figure.axes
    for axes, rows in ((slices, table[:2]), (patients, table[2:])):
        points = error_bars(axes)
        for place, (across, label) in enumerate(
            (("runs", "across runs"), ("patients", "across patients"), ("both", "across both"))
        ):
            x, y, low, high = points[label]
            assert x == pytest.approx(scale * rows[value])
            assert y == pytest.approx([0.24 * (place - 1), 1 + 0.24 * (place - 1)])
            assert low == pytest.approx(scale * rows[f"{across}_low"].fillna(rows[value]))
            assert high == pytest.approx(scale * rows[f"{across}_high"].fillna(rows[value]))
        assert axes.get_xlabel() == xlabel
        assert axes.yaxis_inverted()  # the first arm is the uppermost
    assert ticks(slices.yaxis) == ["one", "two"]
    assert [axes.get_title() for axes in (slices, patients)] == ["slice-level", "patient-level"]
    assert legend(drawing) == ["across runs", "across patients", "across both"]
    zero = [line for line in slices.lines if xy(line)[0] == [0, 0]]
    assert len(zero) == (value == "auc_difference")


def test_annotated_curves_show_means_over_the_runs_at_their_annotated_shares() -> None:
    runs = pd.DataFrame(
        [
            ("proposed", 0.2, 0, 0.4, 0.74),
            ("proposed", 0.2, 1, 0.5, 0.76),
            ("random", 0.2, 0, 0.2, 0.60),
            ("random", 0.2, 1, 0.2, 0.60),
            ("proposed", 0.1, 0, 0.3, 0.50),
            ("proposed", 0.1, 1, 0.3, 0.50),
        ],
        columns=["strategy", "budget", "seed", "annotated", "auc"],
    )
    drawing = further_figures.annotated_curves(runs, 0.0)
    (axes,) = drawing.figure.axes
    points = error_bars(axes)
    half = 12.7062047 * 0.01  # t of one degree of freedom, times the standard error of 0.74 and 0.76
    assert points["proposed"][:2] == ([30, 45], [0.5, 0.75])
    assert points["proposed"][2] == pytest.approx([0.5, 0.75 - half], abs=1e-6)
    assert points["proposed"][3] == pytest.approx([0.5, 0.75 + half], abs=1e-6)
    assert points["random"][:2] == ([20], [0.6])
    assert drawing.name == "annotated_slices"
    assert axes.get_xlabel() == "annotated slices (% of the training slices)"


DRAW = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_figures import across_both, curves
from brats_al_utils.show import paper_figures
from brats_al_utils.show.style import save
save(paper_figures.figure7(curves(), across_both(curves())), Path(sys.argv[1]), "synthetic cohort")
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
    save(paper_figures.figure7(curves(), across_both(curves())), tmp_path / "own", "synthetic cohort")
    for file in ("figure7.svg", "figure7.png", "figure7.csv"):
        assert (tmp_path / "odd" / file).read_bytes() == (tmp_path / "own" / file).read_bytes(), file


def test_a_long_caption_is_broken_where_one_of_its_parts_ends() -> None:
    parts = ["open cohort of many persons"] * 4 + ["initialisation: ImageNet, random"]
    # Four parts and what parts them are 4 * 27 + 3 * 2 = 114 characters; with the fifth they are 148.
    assert style.in_lines("; ".join(parts), PAGE) == "; ".join(parts)
    assert style.in_lines("; ".join([*parts, "3 folds"]), PAGE) == "; ".join(parts) + ";\n3 folds"
    assert style.in_lines("; ".join([*parts[:4], "x" * 40]), PAGE) == "; ".join(parts[:4]) + ";\n" + "x" * 40
    # Six tenths of a page have room for 90 characters: three parts are 27 + 2 + 27 + 2 + 27 = 85.
    assert style.in_lines("; ".join(parts), 0.6 * PAGE) == "; ".join(parts[:3]) + ";\n" + "; ".join(parts[3:])


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


def test_saving_writes_the_picture_the_numbers_and_the_origin(tmp_path: Path) -> None:
    drawing = paper_figures.figure8(curves(), across_both(curves(), "balanced"))
    save(replace(drawing, name="other"), tmp_path, "Synthetic cohort; 3 runs")
    assert drawing.figure.get_supxlabel() == "Synthetic cohort; 3 runs"
    assert {path.name for path in tmp_path.iterdir()} == {"other.svg", "other.png", "other.csv"}
    written = pd.read_csv(tmp_path / "other.csv")
    pd.testing.assert_frame_equal(written, drawing.table, check_dtype=False, rtol=1e-5)
    assert not plt.fignum_exists(drawing.figure.number)


@pytest.mark.parametrize("notebook", [True, False])
def test_a_saved_figure_is_shown_in_a_notebook_alone(
    notebook: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[Any] = []
    monkeypatch.setattr(style, "get_ipython", lambda: object() if notebook else None)
    monkeypatch.setattr(style, "display", shown.append)
    save(paper_figures.figure8(curves(), across_both(curves(), "balanced")), tmp_path, "Synthetic cohort")
    expected = [((tmp_path / "figure8.png").read_bytes(), "figure8: Synthetic cohort")] if notebook else []
    assert [(image.data, image.alt) for image in shown] == expected
