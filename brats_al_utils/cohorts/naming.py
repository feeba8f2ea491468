"""The cohort's name and the remarks on its images in captions, computed from a slice set.

They are computed when they are shown, and are no part of a slice set's fingerprint.
"""

import pandas as pd

from brats_al_utils.cohorts.slices import SliceSet
from brats_al_utils.cohorts.volumes import SEQUENCES

JPEG = (".jpg", ".jpeg")
"""Endings of the names of images with lossy compression."""

OPEN_COHORT = {"glioma": (65, 1426), "meningioma": (82, 708), "pituitary": (62, 930)}
"""Persons and slices of each class of Cheng's brain tumour set (figshare 1512427), by which it is recognised."""

LGG = "LGG set of Buda"
"""The release of the set whose files were published as TIFF."""

OF_ONE_HOSPITAL = "MR"
"""First letters of the ids of one hospital's patients in the open cohort."""

LOSSY, OPEN_LOSSY, LGG_LOSSY, HOSPITAL_TELLS = REMARKS = (
    "JPEG images (lossy)",
    "8-bit JPEG copy (lossy)",
    "JPEG copy (lossy)",
    "the hospital can tell the class",
)
"""All remarks on a cohort's images."""


CREDIT = "images: Cheng, figshare 1512427, CC BY 4.0"


def is_open(slices: SliceSet) -> bool:
    """Whether a slice set is two classes of the open cohort, whole: the one cohort whose images may be published."""
    groups = slices.table.groupby("class_name")["patient_id"]
    found = {str(name): (rows.nunique(), len(rows)) for name, rows in groups}
    return len(found) == 2 and found.items() <= OPEN_COHORT.items()


def sites(slices: SliceSet) -> "pd.Series[str]":
    """Return the site of each slice; in the open cohort, which names none, the kind of the person's id."""
    table = slices.table
    if not is_open(slices):
        return table["site"]
    of_one = table["patient_id"].str.startswith(OF_ONE_HOSPITAL)
    return of_one.map({True: f"{OF_ONE_HOSPITAL} ids", False: "numeric ids"})


def people(slices: SliceSet) -> str:
    """Return what people are called: patients of BraTS, or persons of a table of images."""
    return "patients" if set(slices.manifest["channels"]) <= set(SEQUENCES) else "persons"


def cohort_name(slices: SliceSet) -> str:
    """Return the cohort's name and size, as captions have it."""
    count = f"{slices.table['patient_id'].nunique()} {people(slices)}"
    return f"open cohort (Cheng, {count})" if is_open(slices) else f"{slices.manifest['name']} ({count})"


def remarks(slices: SliceSet) -> list[str]:
    """Return the remarks that every caption makes: lossy images, and a class that the hospital can tell.

    A published study takes them from its bundle, which does not hold the names of files, and may hold numbers in place
    of the patients' ids.
    """
    if "remarks" in slices.manifest:
        return list(slices.manifest["remarks"])
    found, table = [], slices.table
    if "image" in table and table["image"].str.casefold().str.endswith(JPEG).any():
        copied = OPEN_LOSSY if is_open(slices) else LGG_LOSSY if slices.manifest["release"] == LGG else LOSSY
        found.append(copied)
    of_one = table.loc[table["patient_id"].str.startswith(OF_ONE_HOSPITAL), "class_name"]
    if is_open(slices) and of_one.nunique() == 1:
        found.append(HOSPITAL_TELLS)
    return found
