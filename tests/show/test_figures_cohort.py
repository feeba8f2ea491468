"""The figures of notebook 00, from a slice set of a few made-up slices."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgba

from brats_al_utils.cohorts.slices import SliceSet
from brats_al_utils.show import cohort_figures
from brats_al_utils.show.style import CLASS_COLOURS


def slice_set() -> SliceSet:
    """Return six patients, one of each class a part, at two sites, with two slices each; HGG is bright, LGG dark."""
    rows = [
        (f"{part}-{grade}", grade, site, z, 10.0 * z, part)
        for part, site in (("training", "A"), ("validation", "A"), ("test", "B"))
        for grade in ("HGG", "LGG")
        for z in (1, 2)
    ]
    columns = ["patient_id", "class_name", "site", "z", "tumour_mm2", "part"]
    table = pd.DataFrame(rows, columns=columns).rename_axis("slice_id")
    pixels = np.zeros((len(table), 2, 8, 8), np.uint8)
    segmentation = np.zeros((len(table), 8, 8), np.uint8)
    segmentation[:, 2:5, 2:5] = 1
    for slice_id, grade in enumerate(table["class_name"]):
        pixels[slice_id, :, 1:7, 1:7] = 200 if grade == "HGG" else 50
        pixels[slice_id, 1, 0, 0] = slice_id + 1  # tells the slices apart
    return SliceSet(Path(), {"classes": ["LGG", "HGG"], "channels": ["t1", "flair"]}, table, pixels, segmentation)


def test_the_split_is_drawn_by_class_and_by_site() -> None:
    by_grade, by_site = cohort_figures.cohort(slice_set()).figure.axes
    heights = {
        axes: {str(group.get_label()): [(bar.get_y(), bar.get_height()) for bar in group] for group in axes.containers}
        for axes in (by_grade, by_site)
    }
    assert heights[by_grade] == {"HGG": [(0, 1)] * 3, "LGG": [(1, 1)] * 3}
    assert [label.get_text() for label in by_grade.get_xticklabels()] == ["training", "validation", "test"]
    assert heights[by_site] == {"training": [(0, 2), (0, 0)], "validation": [(2, 2), (0, 0)], "test": [(4, 0), (0, 2)]}
    assert [label.get_text() for label in by_site.get_xticklabels()] == ["A", "B"]
    one = slice_set()
    one = replace(one, table=one.table.assign(site="unknown"))
    assert len(cohort_figures.cohort(one).figure.axes) == 1, "one site has no panel"
    colours = [group[0].get_facecolor() for group in by_grade.containers]
    assert colours == [to_rgba(colour) for colour in (CLASS_COLOURS[1], CLASS_COLOURS[0])]


def test_the_montage_shows_the_largest_tumour_of_each_patient() -> None:
    slices = slice_set()
    drawing = cohort_figures.montage(slices)
    assert drawing.table["slice_id"].tolist() == [9, 1, 5, 11, 3, 7]  # patients by name, HGG first
    grid = np.array(drawing.figure.axes).reshape(2, 6)
    for column, slice_id in zip(grid.T, drawing.table["slice_id"], strict=True):
        for axes, pixels in zip(column, slices.pixels[slice_id], strict=True):
            (image,) = axes.images
            assert np.array_equal(image.get_array(), pixels)
            assert image.get_clim() == (0, 255)
            assert len(axes.collections) == 1  # the outline
    assert [axes.get_ylabel() for axes in grid[:, 0]] == ["T1", "FLAIR"]
    titles = [f"{'HGG' if n < 3 else 'LGG'},\nslice {slice_id}" for n, slice_id in enumerate(drawing.table["slice_id"])]
    assert [axes.get_title() for axes in grid[0]] == titles


def test_intensities_are_shares_of_the_brain_by_class() -> None:
    drawing = cohort_figures.intensities(slice_set())
    left, right = drawing.figure.axes
    lines = {line.get_label(): line for line in left.lines}
    for grade, level in (("HGG", 200), ("LGG", 50)):
        x, y = (np.asarray(values) for values in lines[grade].get_data())
        assert x[y.argmax()] == pytest.approx(level / 255, abs=1 / 128)
        assert y.max() == pytest.approx(100)
        assert lines[grade].get_color() == CLASS_COLOURS[grade == "HGG"]
    assert [axes.get_title() for axes in (left, right)] == ["T1", "FLAIR"]
    assert drawing.table.groupby(["channel", "class_name"])["share"].sum().tolist() == pytest.approx([1] * 4)


def test_slices_are_shown_as_a_network_sees_them() -> None:
    """Nine slices in two rows, their channels as colours, each under its class and what is said of it."""
    slices = slice_set()
    seen = replace(slices, pixels=np.concatenate([slices.pixels, slices.pixels[:, :1]], axis=1))
    ids = [*range(8, -1, -1)]
    drawing = cohort_figures.as_seen(seen, ids, "nine", [f"at {place}" for place in range(9)])
    shown = [axes for axes in drawing.figure.axes if axes.images]
    assert [np.asarray(axes.images[0].get_array())[0, 0, 1] - 1 for axes in shown] == ids
    assert shown[0].get_title() == f"{slices.table['class_name'].iloc[8]}\nat 0"
    assert (len(drawing.figure.axes), drawing.table["slice_id"].tolist()) == (16, ids)
    hidden = cohort_figures.as_seen(replace(slices, pixels=slices.pixels[:0]), ids, "nine")
    assert not [axes for axes in hidden.figure.axes if axes.images], "a bundle holds no images"


def test_a_long_name_of_a_class_stays_on_the_page() -> None:
    slices, long = slice_set(), "Infiltrating ductal carcinoma not otherwise specified grade three (WHO)"
    table = slices.table.replace({"class_name": {"HGG": long, "LGG": f"no {long}"}})
    manifest = slices.manifest | {"classes": [f"no {long}", long]}
    figure = cohort_figures.cohort(replace(slices, table=table, manifest=manifest)).figure
    figure.draw_without_rendering()
    legend = figure.axes[0].get_legend()
    assert legend is not None
    assert legend.get_window_extent().width < figure.bbox.width
