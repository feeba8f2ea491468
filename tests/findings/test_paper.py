"""What the paper prints, and what follows from it by arithmetic."""

import numpy as np
import pytest

from brats_al_utils.findings.paper import (
    claims,
    output_width,
    published_budgets,
    slice_counts,
)
from brats_al_utils.findings.scorecard import first_of_same_runs, table_gain
from brats_al_utils.study.profile import BUDGET


def test_output_width() -> None:
    assert output_width(224, 11, 4, 2) == 55
    assert [output_width(27, 5, stride, 2) for stride in (1, 2)] == [27, 14]
    assert output_width(27, 3, 2, 0) == 13


def test_slices_of_brats_2019() -> None:
    # 335 patients of 20; 203 of them for training. Balanced: 259 of 10 and 76 of 30; 157 of 10 and 46 of 30.
    assert slice_counts("imbalanced") == (6700, 4060)
    assert slice_counts("balanced") == (4870, 2950)


def test_two_aucs_are_printed_twice() -> None:
    numbers = {
        claim.id: (claim.dataset, claim.part, claim.printed, claim.low, claim.high)
        for claim in claims().values()
        if claim.rule == "number"
    }
    same = {(one, two) for one in numbers for two in numbers if two < one and numbers[one] == numbers[two]}
    runs = {id_: first_of_same_runs(claims()[id_]).id for id_ in numbers}
    assert same == {(id_, first) for id_, first in runs.items() if id_ != first}


def test_table_5_as_printed() -> None:
    table = published_budgets().set_index(["dataset", "share"])["printed"]
    assert table["imbalanced", BUDGET] == 1218
    assert table["balanced", 0.8] == 3896


def test_gains_that_only_the_tables_give() -> None:
    gains = {"table3.val_gain": -0.60, "table4.test_gain": 3.52, "table4.val_gain": -1.97, "optimum.balanced": -0.11}
    assert {id_: table_gain(claims()[id_]) for id_ in gains} == pytest.approx(gains)
    assert all(np.isnan(claims()[id_].number) for id_ in gains)
    assert np.isnan(table_gain(claims()["figure3.low_tail"]))
