"""What the paper prints, and what follows from it by arithmetic."""

import pytest

from brats_al_utils.findings.paper import (
    BUDGET,
    SAME_RUNS,
    output_width,
    published_budgets,
    published_claims,
    published_results,
    slice_counts,
)


def test_output_width() -> None:
    assert output_width(224, 11, 4, 2) == 55
    assert [output_width(27, 5, stride, 2) for stride in (1, 2)] == [27, 14]
    assert output_width(27, 3, 2, 0) == 13


def test_slices_of_brats_2019() -> None:
    # 335 patients of 20; 203 of them for training. Balanced: 259 of 10 and 76 of 30; 157 of 10 and 46 of 30.
    assert slice_counts("imbalanced") == (6700, 4060)
    assert slice_counts("balanced") == (4870, 2950)


def test_ids_are_unique_and_two_aucs_are_printed_twice() -> None:
    results = published_results().set_index("id")
    ids = [*results.index, *published_claims()["id"]]
    assert len(set(ids)) == len(ids)
    numbers = ["dataset", "part", "auc", "ci_low", "ci_high"]
    same = {
        (one, other)
        for one in results.index
        for other in results.index
        if other < one and results.loc[one, numbers].tolist() == results.loc[other, numbers].tolist()
    }
    assert same == set(SAME_RUNS.items())


def test_table_5_as_printed() -> None:
    table = published_budgets().set_index(["dataset", "share"])["printed"]
    assert table["imbalanced", BUDGET] == 1218
    assert table["balanced", 0.8] == 3896


def test_gains_that_only_the_tables_give() -> None:
    auc = published_results().set_index("id")["auc"]
    claims = published_claims().set_index("id")["recomputed_from_the_tables"]
    for id_, one, other in (
        ("table3.val_gain", "table3.proposed.val", "table3.baseline.val"),
        ("table4.test_gain", "table4.proposed.test", "table4.baseline.test"),
        ("optimum.balanced", "table4.proposed.test", "discussion.proposed60.test"),
    ):
        assert 100 * (auc[one] - auc[other]) == pytest.approx(float(claims[id_]))
