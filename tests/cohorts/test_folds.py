"""Folds: who is tested when."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brats_al_utils import InputError
from brats_al_utils.cohorts.layout import GRADES
from brats_al_utils.cohorts.split import fold_split


def cases(high: int, low: int) -> pd.DataFrame:
    grades = ["HGG"] * high + ["LGG"] * low
    return pd.DataFrame({"patient_id": [f"p{number:03}" for number in range(len(grades))], "class_name": grades})


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


def test_validation_is_the_fold_that_is_tested_next() -> None:
    patients = cases(20, 10)
    for number in range(4):
        now, then = (
            fold_split(patients, GRADES, 5, each, 0).set_index("patient_id")["part"] for each in (number, number + 1)
        )
        assert set(now.index[now == "validation"]) == set(then.index[then == "test"])


def test_the_next_cycle_deals_anew_and_another_seed_otherwise() -> None:
    patients = cases(40, 20)

    def tested(number: int, seed: int = 0) -> set[str]:
        split = fold_split(patients, GRADES, 5, number, seed)
        return set(split.loc[split["part"] == "test", "patient_id"])

    assert tested(0) == tested(0)
    assert tested(0) not in [tested(number) for number in range(5, 10)]
    assert tested(0) != tested(0, seed=1)


def test_the_shares_of_five_folds_are_the_paper_s() -> None:
    counts = fold_split(cases(255, 75), GRADES, 5, 0, 0).groupby(["part", "stratum"]).size().unstack()
    assert counts.loc["training"].to_dict() == {"HGG": 153, "LGG": 45}
    assert counts.loc["validation"].to_dict() == counts.loc["test"].to_dict() == {"HGG": 51, "LGG": 15}


def test_a_class_with_fewer_patients_than_folds_is_refused() -> None:
    with pytest.raises(InputError, match=r"4 LGG patients, expected at least one for each of 5 folds: lower folds"):
        fold_split(cases(10, 4), GRADES, 5, 0, 0)


def test_persons_with_both_classes_are_tested_once_a_cycle() -> None:
    """Twenty with a quarter of positive images, ten with half of them: four and two are in each fold."""
    rows = [(f"p{number:02}", name) for number in range(30) for name in ["HGG", *["LGG"] * (3 if number < 20 else 1)]]
    table = pd.DataFrame(rows, columns=["patient_id", "class_name"])
    tested = []
    for number in range(5):
        split = fold_split(table, GRADES, 5, number, 0)
        assert split.loc[split["part"] == "test", "stratum"].value_counts().tolist() == [4, 2]
        tested += split.loc[split["part"] == "test", "patient_id"].tolist()
    assert sorted(tested) == sorted(set(table["patient_id"]))
    with pytest.raises(InputError, match="30 HGG|4 HGG patients, expected at least one for each of 5 folds"):
        fold_split(table[(table["patient_id"] < "p04") | (table["class_name"] == "LGG")], GRADES, 5, 0, 0)
