"""The figure and the table of notebook 08 show what was found."""

import numpy as np
import pandas as pd
import pytest

from brats_al_utils.beyond.population.components import Components
from brats_al_utils.beyond.population.design import Worth
from brats_al_utils.beyond.population.design_figure import could_the_paper_tell, design_table, patients_needed
from brats_al_utils.findings.comparison import detectable

VARIES = Components(1e-4, 0.05, 0.05, 0.05, 0.01, 0.01, 0.05)


def found(varies: Components | None) -> Worth:
    """Return made-up draws of two comparisons: a quarter of the first is above 2.98 pp, none of the second."""
    drawn = np.array([[-0.02, 0.0, 0.01, 0.05] * 100, [-0.01, 0.0, 0.01, 0.02] * 100])
    rows = [
        ("proposed", "baseline", True, 0.0104, -0.02, 0.05, 0.25, 0.417, 0.32, 1905.0, 480.0),
        ("placebo", "random", True, -0.001, -0.01, 0.02, 0.0, np.nan, 0.0001, np.nan, np.nan),
    ]
    names = "arm other learned gain drawn_low drawn_high printed excludes_zero p needed needed_many"
    return Worth(pd.DataFrame(rows, columns=names.split()), drawn, (varies, varies))


def test_the_table_has_words_and_signs() -> None:
    table = design_table(found(None))
    assert table.index.tolist() == ["proposed less baseline", "placebo less random"]
    assert len(table.columns) + 1 == 8
    first, second = (table.iloc[row].tolist() for row in (0, 1))
    assert first == ["+1.0", "-2.0 to +5.0", "25.0%", "41.7%", "0.32", "1,905", "480"]
    assert second == ["-0.1", "-1.0 to +2.0", "0.0%", "", "0.0001", "", ""]


def test_the_bars_are_the_draws() -> None:
    drawing = could_the_paper_tell(found(None))
    bars = drawing.table
    assert bars.groupby("arm")["share"].sum().to_dict() == pytest.approx({"proposed": 1.0, "placebo": 1.0})
    beyond = bars[bars["from_pp"] > 2.98 - 1e-9].groupby("arm")["share"].sum()
    assert beyond.to_dict() == pytest.approx({"proposed": 0.25, "placebo": 0.0})
    (axes,) = drawing.figure.axes
    assert [text.get_text() for text in axes.texts] == ["25.0%", "0.0%"]


def test_a_row_that_would_squeeze_the_others_has_an_axis_of_its_own_and_one_not_learned_is_hollow() -> None:
    worth = found(None)
    row = worth.table.iloc[:1].assign(arm="pretrained", other="scratch", gain=0.3, learned=False)
    table = pd.concat([worth.table, row], ignore_index=True)
    drawing = could_the_paper_tell(Worth(table, np.vstack([worth.drawn, np.tile([0.1, 0.5], 200)]), (None, None, None)))
    main, own = drawing.figure.axes
    assert [label.get_text() for label in own.get_yticklabels()] == ["pretrained\nless scratch\n(has not learned)"]
    assert len(main.get_yticks()) == 2
    assert main.get_xlim()[1] < 10 < own.get_xlim()[1]
    assert [patch.get_fill() for patch in own.patches] == [False, False]


def test_patients_needed_are_those_of_the_table_and_where_none_are_enough_it_is_said() -> None:
    drawing = patients_needed(found(VARIES))
    left, right = drawing.figure.axes
    assert [np.asarray(line.get_xdata())[0] for line in left.lines[:4:2]] == [1905, 480]
    assert [(text.get_text(), round(text.get_position()[1])) for text in left.texts] == [("10 runs: never", 1)]
    told = drawing.table.query("runs == 10").iloc[0]
    assert told["patients"] == 33
    assert told["detectable"] == pytest.approx(detectable(VARIES.error(10, 26, 7)))
    assert np.asarray(right.lines[0].get_ydata())[0] == pytest.approx(100 * told["detectable"])
