"""What a cohort is called where it is shown, and what every figure has to say of its images; all found in its slices.

It is computed when it is shown, and is no part of what a slice set is known by.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from brats_al_utils.cohorts.images import JPEG
from brats_al_utils.cohorts.slices import SliceSet
from brats_al_utils.cohorts.volumes import SEQUENCES

OPEN_COHORT = {"glioma": (65, 1426), "meningioma": (82, 708), "pituitary": (62, 930)}
"""Persons and slices of each class of Cheng's brain tumour set (figshare 1512427), by which it is recognised."""

OF_ONE_HOSPITAL = "MR"
"""How the ids of one hospital's patients begin in the open cohort."""

LOSSY, OPEN_LOSSY, HOSPITAL_TELLS = REMARKS = (
    "JPEG images (lossy)",
    "8-bit JPEG copy (lossy)",
    "the hospital can tell the class",
)
"""What there is to remark of a cohort's images."""

PUBLIC = re.compile(
    r"(Brats17|Brats18|BraTS19)_(CBICA_[A-Z]{3}|TCIA\d*_\d+|TMC_\d+|2013_\d+|SYN\d_\d+)_1"
    r"|BraTS20_Training_\d{3,}|BraTS2021_\d{5}|BraTS-[A-Z]+-\d{5}-\d{3}|UCSF-PDGM-\d{4}|TCGA[-_][A-Z0-9]{2}[-_]\d{4}(_\d{8})?"
)
"""Names that a public release gave its patients, and those of phantoms; any other may be a person's own."""

MOST_NUMBERS = {"n_runs": 1000, "folds": 1000, "image_size": 1024, "per_patient": 1000, "patients": 134_000}
MOST_NUMBERS |= {"test_patients": 134_000, "epochs": 10_000, "scratch_epochs": 10_000, "batch_size": 100_000}
"""The most that a setting may be which decides how much memory or time a study takes."""

MOST = 2**63
"""The most that any other number may be."""

CREDIT = "images: Cheng, figshare 1512427, CC BY 4.0"


def public_names(names: Iterable[str]) -> bool:
    """Whether every name is one that a public release gave: a folder laid out as BraTS may hold people's own."""
    return all(PUBLIC.fullmatch(name) for name in names)


def without_reasons(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return a slice set's manifest that says who was left out and not why: the reasons name files on this machine."""
    return dict(manifest) | {"left_out": {name: [] for name in manifest["left_out"]}}


def too_large(facts: Any, name: str = "") -> str:
    """Return which number in what a file says is larger than it can be, with its bound; nothing if none is.

    Parameters
    ----------
    facts
        As JSON has it: numbers, texts, and lists and dictionaries of them.
    name : str
        Of the setting that it is.
    """
    match facts:
        case dict():
            found = (too_large(value, str(key)) for key, value in facts.items())
        case list() | tuple():
            found = (too_large(value, name) for value in facts)
        case bool() | str() | None:
            return ""
        case _:
            most = MOST_NUMBERS.get(name, MOST)
            return "" if -most <= facts <= most else f"{name} is {facts}, expected at most {most}"
    return next(filter(None, found), "")


def is_open(slices: SliceSet) -> bool:
    """Whether a slice set is two classes of the open cohort, whole: the one cohort whose images may be published."""
    groups = slices.table.groupby("class_name")["patient_id"]
    found = {str(name): (rows.nunique(), len(rows)) for name, rows in groups}
    return len(found) == 2 and found.items() <= OPEN_COHORT.items()


def people(slices: SliceSet) -> str:
    """Return what is counted as one patient: a person, where a table names the images (its column group)."""
    return "patients" if set(slices.manifest["channels"]) <= set(SEQUENCES) else "persons"


def cohort_name(slices: SliceSet) -> str:
    """Return the cohort and how many people are in it, as every figure names it."""
    count = f"{slices.table['patient_id'].nunique()} {people(slices)}"
    return f"open cohort (Cheng, {count})" if is_open(slices) else f"{slices.manifest['name']} ({count})"


def remarks(slices: SliceSet) -> list[str]:
    """Return what a reader of any figure must know: images that have lost something, a class told by the hospital.

    Of a published study it is what its bundle says, which has neither the files' names nor, if numbered, the patients'.
    """
    if "remarks" in slices.manifest:
        return list(slices.manifest["remarks"])
    found, table = [], slices.table
    if "image" in table and table["image"].str.casefold().str.endswith(JPEG).any():
        found.append(OPEN_LOSSY if is_open(slices) else LOSSY)
    of_one = table.loc[table["patient_id"].str.startswith(OF_ONE_HOSPITAL), "class_name"]
    if is_open(slices) and of_one.nunique() == 1:
        found.append(HOSPITAL_TELLS)
    return found
