"""The figure and the table of notebook 08 show what was found."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from brats_al_utils.beyond.population.components import Components
from brats_al_utils.beyond.population.design import Worth
from brats_al_utils.beyond.population.design_figure import could_the_paper_tell, design_table
from brats_al_utils.findings.comparison import detectable

VARIES = Components(1e-4, 0.05, 0.05, 0.05, 0.01, 0.01, 0.05)


def found(varies: Components | None) -> Worth:
    """Return made-up draws of two comparisons: a quarter of the first is above 2.98 pp, none of the second."""
    drawn = np.array([[-0.02, 0.0, 0.01, 0.05] * 100, [-0.01, 0.0, 0.01, 0.02] * 100])
    rows = {
        "arm": ["proposed", "placebo"],
        "other": ["baseline", "random"],
        "gain": [0.0104, -0.001],
        "drawn_low": [-0.02, -0.01],
        "drawn_high": [0.05, 0.02],
        "printed": [0.25, 0.0],
        "excludes_zero": [0.417, np.nan],
        "p": [0.32, 0.0001],
        "needed": [1905.0, np.nan],
        "needed_many": [480.0, np.nan],
    }
    return Worth(pd.DataFrame(rows), drawn, (varies, varies))


def test_the_table_has_words_and_signs() -> None:
    table = design_table(found(None))
    assert table.index.tolist() == ["proposed less baseline", "placebo less random"]
    assert len(table.columns) + 1 == 8
    first, second = (table.iloc[row].tolist() for row in (0, 1))
    assert first == ["+1.0", "-2.0 to +5.0", "25.0%", "41.7%", "0.32", "1,905", "480"]
    assert second == ["-0.1", "-1.0 to +2.0", "0.0%", "", "0.0001", "", ""]


def test_the_bars_are_the_draws_and_the_lines_are_what_is_told() -> None:
    drawing = could_the_paper_tell(found(VARIES))
    bars = drawing.table.dropna(subset="from_pp")
    assert bars.groupby("arm")["share"].sum().to_dict() == pytest.approx({"proposed": 1.0, "placebo": 1.0})
    beyond = bars[bars["from_pp"] > 2.98 - 1e-9].groupby("arm")["share"].sum()
    assert beyond.to_dict() == pytest.approx({"proposed": 0.25, "placebo": 0.0})
    told = drawing.table.dropna(subset="patients").query("runs == 10").iloc[0]
    assert told["patients"] == 33
    assert told["detectable"] == pytest.approx(detectable(VARIES.error(10, 26, 7)))
    written = [text.get_text() for axes in drawing.figure.axes for text in axes.texts]
    assert {"25.0%", "0.0%"} <= set(written)
    plt.close(drawing.figure)


def test_without_runs_that_share_a_test_set_there_is_one_panel() -> None:
    drawing = could_the_paper_tell(found(None))
    assert len(drawing.figure.axes) == 1
    assert "patients" not in drawing.table
    plt.close(drawing.figure)
