"""The figure of all claims says what the scorecard says: its artists are read, not its pixels."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from made_up import of_a_study
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from test_figures import error_bars
from test_report import contrast

from brats_al_utils.findings.departures import Departures
from brats_al_utils.findings.scorecard import scorecard
from brats_al_utils.findings.verdicts import HERE, NOT_REPRODUCED, REPRODUCED, VERDICTS
from brats_al_utils.show.claims import AGREES, DISAGREES, LOOKS, UNKNOWN, claims

NAN = float("nan")
ROWS = [
    ("table2.pretrained.val", 0.8746, NAN, 0.689, 0.476, 0.844, "cannot tell"),
    ("table2.scratch.test", 0.7193, NAN, 0.7, 0.69, 0.71, "reproduced"),
    ("abstract.gain", 2.92, 2.98, -4.0, -18.0, 9.0, "does not hold here"),
    ("figure3.low_tail", "12.51", "figure only", NAN, NAN, NAN, "cannot tell here"),
    ("abstract.gain.arithmetic", 2.92, "2.98 (3.595 %)", NAN, NAN, NAN, "not reproduced"),
    ("saving.range", "40 to 70", "any two", 48.0, 44.0, 51.0, "holds here"),
]
CARD = pd.DataFrame(ROWS, columns=["id", "printed", "recomputed", "ours", "both_low", "both_high", "verdict"])
CARD["why"] = ["10 of 10 runs of pretrained have not learned", *[""] * 5]


def intervals(axes: Axes) -> list[tuple[tuple[float, ...], str]]:
    """Return x, y and both ends, and the colour of each interval."""
    return [(bar, to_hex(line.get_color())) for _, bar, line in error_bars(axes)]


def signs(axes: Axes) -> list[tuple[str, float, str]]:
    """Return each text beside a row: what it says, its row, and its colour."""
    return [(text.get_text(), float(text.get_position()[1]), str(text.get_color())) for text in axes.texts]


def panels(figure: Figure) -> list[Axes]:
    """Return the panels of AUCs, of gains and of the other claims."""
    return sorted(figure.axes, key=lambda axes: str(axes.get_label()))


def names(axes: Axes) -> list[str]:
    return [label.get_text() for label in axes.get_yticklabels()]


@pytest.mark.parametrize("stacked", [False, True])
def test_each_claim_has_its_row_its_interval_and_the_sign_of_its_verdict(stacked: bool) -> None:
    aucs, gains, rest = panels(claims(CARD, stacked))
    assert names(aucs) == ["Table 2, pretrained, validation", "Table 2, random initialisation, test"]
    assert intervals(aucs) == [((68.9, 0, 47.6, 84.4), UNKNOWN), ((70, 1, 69, 71), AGREES)]
    assert np.asarray(aucs.lines[0].get_xdata()).tolist() == pytest.approx([87.46, 71.93])
    assert signs(aucs) == [("?", 0, UNKNOWN), ("✓", 1, AGREES)]
    assert names(gains) == ["Abstract: proposed over baseline, test", "Figure 3: 10-40 % over 0-30 %, validation"]
    assert intervals(gains) == [((-4, 0, -18, 9), DISAGREES)], "none where there is no number of ours"
    assert np.asarray(gains.lines[0].get_xdata()).tolist() == [2.98, 12.51], "the tables' number before the text's"
    assert signs(gains) == [("✗", 0, DISAGREES), ("?", 1, UNKNOWN)]
    assert names(rest) == ["Abstract: proposed over baseline, test: its arithmetic", "Section 2.2.4: annotations saved"]
    assert signs(rest) == [("✗ not reproduced", 0, DISAGREES), ("✓ holds here", 1, AGREES)]
    assert all(axes.yaxis_inverted() for axes in (aucs, gains, rest))


def test_the_legend_names_marks_and_verdicts_and_who_has_not_learned_is_hollow() -> None:
    (legend,) = claims(CARD.iloc[1:3]).legends
    texts = [text.get_text() for text in legend.get_texts()]
    assert texts == ["the paper", "here, 95 % CI across runs and patients", "reproduced", "does not hold here"]
    figure = claims(CARD)
    aucs, gains, _ = panels(figure)
    bars: list[Any] = [*aucs.containers, *gains.containers]
    assert [bar.lines[0].get_markerfacecolor() for bar in bars] == ["white", AGREES, DISAGREES]
    assert "hollow: have not learned" in [text.get_text() for text in figure.legends[0].get_texts()]


def test_every_verdict_has_a_sign_and_a_legible_colour() -> None:
    assert set(LOOKS) == set(VERDICTS)
    assert {LOOKS[REPRODUCED], LOOKS[HERE[REPRODUCED]]} == {("✓", AGREES)}
    assert {LOOKS[NOT_REPRODUCED], LOOKS[HERE[NOT_REPRODUCED]]} == {("✗", DISAGREES)}
    assert len(dict.fromkeys(LOOKS.values())) == len({sign for sign, _ in LOOKS.values()}) == 3
    assert all(contrast(colour, "#ffffff") >= 4.5 for colour in (AGREES, DISAGREES, UNKNOWN)), "see test_report"


def test_a_whole_scorecard_without_runs_is_drawn() -> None:
    """All rows are there, and axes stay within what an AUC or a gain can be."""
    empty = pd.DataFrame()
    card = scorecard(*of_a_study(empty, empty, empty), Departures())
    aucs, gains, rest = panels(claims(card))
    assert sum(len(names(axes)) for axes in (aucs, gains, rest)) == len(card)
    wild = CARD.assign(both_low=[-1, 0, -500.0, NAN, NAN, 0], both_high=[2, 1, 500.0, NAN, NAN, 1])
    aucs, gains, _ = panels(claims(wild))
    assert aucs.get_xlim() == (-2, 102)
    assert gains.get_xlim() == (-102, 102)
