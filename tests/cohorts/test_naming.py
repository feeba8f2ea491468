"""A cohort is called by what is in it: no other cohort is taken for the open one, whose images alone may be shown."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from brats_al_utils.cohorts.naming import OPEN_COHORT, cohort_name, is_open, people, remarks
from brats_al_utils.cohorts.slices import SliceSet


def slices_of(rows: list[dict[str, Any]], channels: tuple[str, ...] = ("image",)) -> SliceSet:
    manifest = {"name": "cohort lung", "release": "unknown", "channels": list(channels)}
    return SliceSet(Path(), manifest, pd.DataFrame(rows), np.empty(0), np.empty(0))


def opened(*classes: str, ending: str = "jpg", glioma: str = "MR") -> list[dict[str, Any]]:
    """Return as many slices and persons of some classes as the open cohort has; half of the gliomas' ids begin so."""
    rows = []
    for name in classes:
        persons, slices = OPEN_COHORT[name]
        for number in range(slices):
            person = number % persons
            start = glioma if name == "glioma" and person % 2 else "1"
            rows.append(
                {"patient_id": f"{start}{name}{person}", "class_name": name, "image": f"images/{number}.{ending}"}
            )
    return rows


@pytest.mark.parametrize(
    ("classes", "persons", "told"), [(("glioma", "meningioma"), 147, True), (("meningioma", "pituitary"), 144, False)]
)
def test_the_open_cohort(classes: tuple[str, ...], persons: int, told: bool) -> None:
    slices = slices_of(opened(*classes))
    assert is_open(slices)
    assert cohort_name(slices) == f"open cohort (Cheng, {persons} persons)"
    hospital = ["the hospital can tell the class"] * told
    assert remarks(slices) == ["8-bit JPEG copy (lossy)", *hospital]
    assert remarks(slices_of(opened(*classes, ending="mat"))) == hospital
    assert remarks(slices_of(opened(*classes, glioma="2"))) == ["8-bit JPEG copy (lossy)"]


@pytest.mark.parametrize(
    "rows",
    [
        opened("glioma", "meningioma")[1:],
        opened("glioma"),
        opened(*OPEN_COHORT),
        [row | {"class_name": row["class_name"].replace("glioma", "GBM")} for row in opened("glioma", "meningioma")],
        [row | {"patient_id": row["patient_id"].replace("1", "")} for row in opened("glioma", "meningioma")],
    ],
    ids=["a slice less", "one class", "three classes", "another class", "other persons"],
)
def test_what_is_nearly_the_open_cohort_is_not(rows: list[dict[str, Any]]) -> None:
    slices = slices_of(rows)
    assert not is_open(slices)
    assert cohort_name(slices).startswith("cohort lung (")
    assert remarks(slices) == ["JPEG images (lossy)"]


def test_people_are_patients_in_brats_and_persons_in_a_table() -> None:
    rows = [{"patient_id": str(number // 2), "class_name": "a", "image": f"{number}.PNG"} for number in range(6)]
    assert people(slices_of(rows)) == "persons"
    assert cohort_name(slices_of(rows)) == "cohort lung (3 persons)"
    assert remarks(slices_of(rows)) == []
    assert remarks(slices_of([row | {"image": row["image"].replace("PNG", "JPEG")} for row in rows[:1]])) != []
    brats = slices_of([{"patient_id": "a", "class_name": "LGG"}], ("t1", "t1ce", "t2"))
    assert people(brats) == "patients"
    assert cohort_name(brats) == "cohort lung (1 patients)"
    assert remarks(brats) == []
