"""The split by patient: its counts, its classes, and what it refuses."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brats_al_utils import InputError
from brats_al_utils.cohorts.layout import GRADES
from brats_al_utils.cohorts.split import PARTS, check_split, split_patients


def cases(hgg: int, lgg: int) -> pd.DataFrame:
    grades = ["HGG"] * hgg + ["LGG"] * lgg
    return pd.DataFrame({"patient_id": [f"p{number:04}" for number in range(hgg + lgg)], "class_name": grades})


def test_split_of_brats_2019() -> None:
    counts = split_patients(cases(259, 76), GRADES, 0).groupby(["part", "class_name"]).size().to_dict()
    assert counts == {
        ("training", "HGG"): 157,
        ("training", "LGG"): 46,
        ("validation", "HGG"): 51,
        ("validation", "LGG"): 15,
        ("test", "HGG"): 51,
        ("test", "LGG"): 15,
    }


@given(st.integers(3, 60), st.integers(3, 60), st.integers(0, 1000))
def test_split_properties(hgg: int, lgg: int, seed: int) -> None:
    table = cases(hgg, lgg)
    split = split_patients(table, GRADES, seed)
    assert split["patient_id"].tolist() == table["patient_id"].tolist()
    assert split.groupby(["part", "class_name"]).size().shape == (6,)
    shuffled = table.sample(frac=1, random_state=seed)
    pd.testing.assert_frame_equal(split, split_patients(shuffled, GRADES, seed))


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
    assert split.groupby(["part", "class_name"]).size().to_dict() == {
        ("training", "HGG"): 157,
        ("training", "LGG"): 46,
        ("validation", "HGG"): 51,
        ("validation", "LGG"): 15,
        ("test", "HGG"): 5,
        ("test", "LGG"): 5,
    }
    assert split["patient_id"].tolist() == table["patient_id"].tolist()
    assert (split["part"] == "test").tolist() == (table["part"] == "test").tolist()


def test_a_given_test_cohort_leaves_two_patients_of_a_class_at_least() -> None:
    table = cases(4, 3)
    table["part"] = ["test", "", "", "", "test", "test", ""]
    with pytest.raises(InputError, match="no usable LGG patient in training and validation"):
        split_patients(table, GRADES, 0)


def test_a_patient_in_two_parts_is_refused() -> None:
    table = pd.DataFrame({"patient_id": ["a", "a", "b"], "part": [PARTS[0], PARTS[2], PARTS[0]]})
    with pytest.raises(InputError, match="more than one part: a .*by patient"):
        check_split(table)
