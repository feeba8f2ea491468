"""A cohort is called by what is in it: no other cohort is taken for the open one, whose images alone may be shown."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from brats_al_utils.beyond.bundles.published import public_names, without_reasons
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
            rows.append({"patient_id": f"{start}{name}{person}", "class_name": name, "image": f"{number}.{ending}"})
    return rows


@pytest.mark.parametrize(("classes", "persons"), [(("glioma", "meningioma"), 147), (("meningioma", "pituitary"), 144)])
def test_the_open_cohort(classes: tuple[str, ...], persons: int) -> None:
    slices = slices_of(opened(*classes))
    assert is_open(slices)
    assert cohort_name(slices) == f"open cohort (Cheng, {persons} persons)"
    hospital = ["the hospital can tell the class"] * ("glioma" in classes)
    assert remarks(slices) == ["8-bit JPEG copy (lossy)", *hospital]
    assert remarks(slices_of(opened(*classes, ending="mat"))) == hospital
    assert remarks(slices_of(opened(*classes, glioma="2"))) == ["8-bit JPEG copy (lossy)"]


BOTH = opened("glioma", "meningioma")
NEARLY = {
    "a slice less": BOTH[1:],
    "one class": opened("glioma"),
    "three classes": opened(*OPEN_COHORT),
    "another class": [row | {"class_name": row["class_name"].replace("glioma", "GBM")} for row in BOTH],
    "other persons": [row | {"patient_id": row["patient_id"].replace("1", "")} for row in BOTH],
}


@pytest.mark.parametrize("rows", NEARLY.values(), ids=NEARLY)
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


PUBLIC = ["Brats18_CBICA_AAP_1", "BraTS19_TCIA10_449_1", "Brats17_2013_10_1", "BraTS20_Training_001"]
PUBLIC += ["BraTS19_TMC_06643_1", "BraTS2021_00000", "BraTS-GLI-00000-000"]
PUBLIC += ["TCGA_CS_4941_19960909", "Brats18_SYN1_0007_1"]


@pytest.mark.parametrize("own", ["Meier_Hans", "Brats18_SITE0_4711308_1", "1", "Brats18_CBICA_AAP_1_Meier", "MR0471_1"])
def test_only_names_that_a_release_gave_are_public(own: str) -> None:
    assert public_names(PUBLIC)
    assert not public_names([*PUBLIC, own])


def test_every_name_of_the_real_mapping_is_public(real_cases: Path) -> None:
    with (real_cases / "name_mapping_brats2019.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    names = [value for row in rows for column, value in row.items() if "BraTS" in column and value not in ("", "NA")]
    assert len(names) > 800 and public_names(names)


def test_reasons_that_name_files_do_not_leave_the_machine() -> None:
    manifest = {"name": "clinic", "left_out": {"a": ["/home/me/scans/a_t1.nii.gz: cannot be read"], "b": []}}
    assert without_reasons(manifest) == {"name": "clinic", "left_out": {"a": [], "b": []}}
