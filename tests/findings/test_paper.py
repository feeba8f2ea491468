"""What the paper prints, what follows from it by arithmetic, and how the scorecard names and writes it."""

import re

import pandas as pd
import pytest
from made_up import of_a_study

from brats_al_utils.findings import paper
from brats_al_utils.findings.departures import Departures
from brats_al_utils.findings.scorecard import first_of_same_runs, scorecard


def test_two_aucs_are_printed_twice() -> None:
    printed = [claim for claim in paper.claims().values() if claim.rule == "number"]
    numbers = {claim.id: (claim.dataset, claim.part, claim.printed, claim.low, claim.high) for claim in printed}
    same = {(one, two) for one in numbers for two in numbers if two < one and numbers[one] == numbers[two]}
    runs = {id_: first_of_same_runs(paper.claims()[id_]).id for id_ in numbers}
    assert same == {(id_, first) for id_, first in runs.items() if id_ != first}


NAN = float("nan")
EMPTY = pd.DataFrame()


def test_every_row_of_a_scorecard_has_a_name_of_its_own_in_words() -> None:
    card = scorecard(*of_a_study(EMPTY, EMPTY, EMPTY), Departures())
    names = [paper.name_of(id_) for id_ in card["id"]]
    assert len(set(names)) == len(names) == len(card)
    for name in names:
        assert re.match(r"(Table|Tables|Figure|Figures|Section|Abstract)[ :]", name)
        assert not re.search(r"[a-z]\.[a-z]|_", name), "an identifier"
    assert not any(re.search(r"\b[a-z]+\d?\.[a-z]", why) for why in card["why"])


NAMES = [
    ("table2.pretrained.val", "Table 2, pretrained, validation AUC", paper.AUC),
    ("table2.scratch.test", "Table 2, random initialisation, test AUC", paper.AUC),
    ("table4.proposed.test", "Table 4, balanced set, proposed, test AUC", paper.AUC),
    ("discussion.proposed60.test", "Section 4, balanced set, proposed at 60 %, test AUC", paper.AUC),
    ("table2.test_gain.arithmetic", "Table 2: pretrained over random, test: its arithmetic", paper.GAIN),
    ("of.another.version", "of.another.version", ""),
]


@pytest.mark.parametrize(("id_", "name", "unit"), NAMES)
def test_names_and_units(id_: str, name: str, unit: str) -> None:
    assert (paper.name_of(id_), paper.unit_of(id_)) == (name, unit)


def test_numbers_have_units_and_gains_have_signs() -> None:
    """Those that are printed, and the ends of gains: `test_tables`."""
    assert [paper.written(value, paper.AUC, paper.OURS) for value in (0.68904, "0.5", NAN)] == ["68.9 %", "50.0 %", ""]
    assert [paper.written(value, paper.GAIN, paper.OURS) for value in (-4.32, 0.0)] == ["-4.3 pp", "+0.0 pp"]
    assert paper.written("yes", paper.GAIN, paper.PRINTED) == "yes"
    assert paper.written("406 812", "of the counts", paper.PRINTED) == "406 812"
    assert paper.written(0.5625, "of the budgets", paper.OURS) == "56% of the budgets"
    assert paper.ends_of("table2.pretrained.val", 0.4761, 0.8438) == "47.6 to 84.4 %"


def test_footnotes_stand_once_and_their_letters_go_on_after_z() -> None:
    found = paper.footnotes(["A", "B", "A"], ["x; y", "", "y; z; y"])
    assert found.rules == {"1": "A", "2": "B"}
    assert found.notes == {"a": "x", "b": "y", "c": "z"}
    assert found.marks == [("1", ["a", "b"]), ("2", []), ("1", ["b", "c"])]
    letters = [paper.letter(place) for place in (0, 25, 26, 27, 51, 52, 701, 702)]
    assert letters == ["a", "z", "aa", "ab", "az", "ba", "zz", "aaa"]
