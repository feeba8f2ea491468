"""The split by patient and folds: counts, classes, who is tested when, and what is refused."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brats_al_utils import InputError
from brats_al_utils.cohorts.layout import GRADES
from brats_al_utils.cohorts.split import PARTS, check_split, fold_split, split_patients, strata


def cases(hgg: int, lgg: int) -> pd.DataFrame:
    grades = ["HGG"] * hgg + ["LGG"] * lgg
    return pd.DataFrame({"patient_id": [f"p{number:04}" for number in range(hgg + lgg)], "class_name": grades})


def counts(split: pd.DataFrame) -> dict[str, tuple[int, int]]:
    """Return how many HGG and how many LGG patients each part has."""
    table = split.groupby(["part", "stratum"]).size().unstack()
    return {str(part): tuple(row) for part, row in table[["HGG", "LGG"]].iterrows()}


@given(st.integers(3, 60), st.integers(3, 60), st.integers(0, 1000))
def test_every_part_has_patients_of_either_class(hgg: int, lgg: int, seed: int) -> None:
    table = cases(hgg, lgg)
    split = split_patients(table, GRADES, seed)
    assert split.groupby(["part", "stratum"]).size().shape == (6,)


def test_split_differs_by_seed_and_refuses_too_few() -> None:
    assert not split_patients(cases(20, 20), GRADES, 0).equals(split_patients(cases(20, 20), GRADES, 1))
    with pytest.raises(InputError, match="2 usable LGG patients, expected at least 3"):
        split_patients(cases(9, 2), GRADES, 0)
    with pytest.raises(InputError, match="(?s)1 usable HGG patients.*0 usable LGG patients"):
        split_patients(cases(1, 0), GRADES, 0)


@given(st.integers(0, 1000))
def test_a_given_test_cohort_leaves_the_paper_s_training_and_validation(seed: int) -> None:
    """269 patients are the paper's 203 and 66; none of those given to test is dealt elsewhere."""
    table = pd.concat([cases(208, 61).assign(part=""), cases(5, 5).assign(part="test")])
    table["patient_id"] = [f"p{number:04}" for number in range(len(table))]
    split = split_patients(table.sample(frac=1, random_state=seed), GRADES, seed)
    assert counts(split) == {"training": (157, 46), "validation": (51, 15), "test": (5, 5)}
    assert split["patient_id"].tolist() == table["patient_id"].tolist()
    assert (split["part"] == "test").tolist() == (table["part"] == "test").tolist()
    for parts, lacks in (
        (["test", "", "", "", "test", "test", ""], "training and validation"),
        (["test", "validation", "training", "training", "test", "training", ""], "validation"),
    ):
        with pytest.raises(InputError, match=f"no usable LGG patient in {lacks} of the split"):
            split_patients(cases(4, 3).assign(part=parts), GRADES, 0)


@pytest.mark.parametrize("named", [["training", "test"], ["training"], list(PARTS)])
def test_patients_without_a_part_are_for_those_that_nobody_has(named: list[str]) -> None:
    given = [cases(4, 4).assign(part=part) for part in named]
    table = pd.concat([*given, cases(3, 2).assign(part="")])
    table["patient_id"] = [f"p{number:04}" for number in range(len(table))]
    dealt = split_patients(table, GRADES, 0)["part"][-5:]
    assert set(dealt) == (set(PARTS) - set(named) or {"training"})


def test_a_patient_in_two_parts_is_refused() -> None:
    table = pd.DataFrame({"patient_id": ["a", "a", "b"], "part": [PARTS[0], PARTS[2], PARTS[0]]})
    with pytest.raises(InputError, match="more than one part: a .*by patient"):
        check_split(table)


def images(shares: list[tuple[int, int]]) -> pd.DataFrame:
    """Return persons with so many HGG and so many LGG images."""
    kinds = [["HGG"] * high + ["LGG"] * low for high, low in shares]
    rows = [(f"p{number:03}", name) for number, names in enumerate(kinds) for name in names]
    return pd.DataFrame(rows, columns=["patient_id", "class_name"])


def test_with_both_classes_in_a_person_thirds_of_the_share_are_dealt() -> None:
    found = strata(images([(0, 4), (1, 3), (1, 2), (3, 3), (2, 1), (5, 0)] * 3), GRADES)
    assert [words.split()[2] for words in found] == ["under", "under", "about", "about", "over", "over"] * 3
    few = strata(images([(0, 4)] * 5 + [(1, 1)] * 4 + [(1, 0)]), GRADES)
    assert few.tolist()[5:] == ["others"] * 5 and few.iloc[0].startswith("HGG in under")
    assert strata(images([(0, 2), (3, 0)]), GRADES).tolist() == ["LGG", "HGG"]


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)).filter(any), min_size=40, max_size=60), st.integers(0, 99)
)
def test_the_split_is_by_person_whatever_the_labels(shares: list[tuple[int, int]], seed: int) -> None:
    """And each stratum of ten persons has two in validation and two in the test set."""
    table = images([*shares, *[(1, 0), (0, 1)] * 10, *[(1, 1)] * 10])
    split = split_patients(table, GRADES, seed)
    assert split["patient_id"].tolist() == sorted(set(table["patient_id"]))
    for _, own in split.groupby("stratum"):
        size = round(len(own) * 66 / 335)
        assert own["part"].value_counts().reindex(PARTS[1:]).tolist() == [size, size]
    pd.testing.assert_frame_equal(split, split_patients(table.sample(frac=1, random_state=seed), GRADES, seed))


def test_rows_of_images_are_split_as_rows_of_patients() -> None:
    table = cases(30, 20)
    rows = table.loc[np.repeat(table.index, 3)]
    pd.testing.assert_frame_equal(split_patients(table, GRADES, 0), split_patients(rows, GRADES, 0))


def test_a_part_without_a_class_is_refused() -> None:
    table = images([(1, 1)] * 2 + [(0, 2)] * 8).assign(part="training")
    table.loc[table["patient_id"] > "p006", "part"] = "validation"
    table.loc[table["patient_id"] == "p002", "part"] = "test"
    with pytest.raises(InputError, match="no HGG image in validation and test|2 usable HGG patients"):
        split_patients(table, GRADES, 0)


@given(st.integers(3, 6), st.integers(6, 40), st.integers(6, 12), st.integers(0, 3), st.integers(0, 2))
def test_each_patient_is_tested_once_a_cycle(folds: int, high: int, low: int, cycle: int, seed: int) -> None:
    """And never trained on, nor validated on, in the run that tests it."""
    patients, tested = cases(high, low), []
    for number in range(cycle * folds, (cycle + 1) * folds):
        split = fold_split(patients, GRADES, folds, number, seed)
        assert split["patient_id"].tolist() == patients["patient_id"].tolist(), "each patient is in one part"
        assert set(split["part"]) == {"training", "validation", "test"}
        counts = split.groupby(["part", "stratum"]).size().unstack()
        assert (counts.loc[["validation", "test"]] >= 1).all().all()
        for grade, count in (("HGG", high), ("LGG", low)):
            assert counts.loc[["validation", "test"], grade].isin([count // folds, -(-count // folds)]).all()
        tested += split.loc[split["part"] == "test", "patient_id"].tolist()
    assert sorted(tested) == patients["patient_id"].tolist()


def test_the_shares_of_five_folds_are_the_paper_s() -> None:
    split = fold_split(cases(255, 75), GRADES, 5, 0, 0)
    assert counts(split) == {"training": (153, 45), "validation": (51, 15), "test": (51, 15)}
    with pytest.raises(InputError, match=r"4 LGG patients, expected at least one for each of 5 folds: lower folds"):
        fold_split(cases(10, 4), GRADES, 5, 0, 0)
    with pytest.raises(InputError, match="4 HGG patients, expected at least one for each of 5 folds"):
        fold_split(images([(1, 1)] * 4 + [(0, 1)] * 26), GRADES, 5, 0, 0)
