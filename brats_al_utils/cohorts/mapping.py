"""Read the mapping of a BraTS release (name_mapping.csv): grades, and the patients' names in other releases."""

import csv
import re
from pathlib import Path

import pandas as pd

from brats_al_utils import InputError
from brats_al_utils.files import mend_for

MAPPING_FILE = "name_mapping.csv"

MAX_MAPPING = 2**20
"""Largest size of a mapping in bytes (that of 2019, with 335 patients: 40 000)."""

MAX_COLUMNS = 50
"""Largest number of columns of a mapping (that of 2020: six)."""

NO_NAME = {"", "NA"}
"""Entries for a patient who is not in another release."""

# 2017 to 2019 name release, site, patient and time point; 2020 (BraTS20_Training_001) only the release.
CASE_ID = re.compile(r"brats(?P<year>\d\d)_(?P<site>[^_]+)_(?P<patient>.+)_\d+", re.IGNORECASE)

MEND = "copy the release's file again"


def read_mapping(path: Path) -> pd.DataFrame | None:
    """Read a release's mapping, if there is one.

    Returns
    -------
    pd.DataFrame or None
        Columns Grade (in capitals) and, for each release, one whose name ends with _subject_ID; cells are stripped.

    Raises
    ------
    InputError
        If it cannot be read, or is not a mapping.
    """
    if not path.exists():
        return None
    if not path.is_file() or path.stat().st_size > MAX_MAPPING:
        raise InputError(f"{path}: not a file of at most {MAX_MAPPING} bytes: {MEND}")
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header, *rows = [row for row in csv.reader(file, strict=True) if row] or [[]]
    except (OSError, ValueError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read as CSV ({error}): {mend_for(error, MEND)}") from error
    columns = ["Grade" if name.strip().casefold() == "grade" else name.strip() for name in header]
    if len(set(columns)) < len(columns) or len(columns) > MAX_COLUMNS or any(len(row) > len(columns) for row in rows):
        raise InputError(
            f"{path}: {len(columns)} columns, {len(set(columns))} of them different, expected at most {MAX_COLUMNS}, "
            f"all different, and no longer row: {MEND}"
        )
    names = [name for name in columns if name.endswith("_subject_ID")]
    if "Grade" not in columns or not names:
        raise InputError(f"{path}: columns {columns}, expected Grade and BraTS_<year>_subject_ID: {MEND}")
    cells = [[cell.strip() for cell in row] + [""] * (len(columns) - len(row)) for row in rows]
    mapping = pd.DataFrame(cells, columns=columns, dtype=str)
    mapping["Grade"] = mapping["Grade"].str.upper()
    for column in names:
        for name in mapping[column]:
            if not name.isprintable() or name.startswith(".") or "/" in name or "\\" in name:
                raise InputError(f"{path}: {name!a} in {column}, expected a patient's name: {MEND}")
    return mapping


def names_of(rows: pd.DataFrame) -> set[str]:
    """Return all names of patients in some rows of a mapping."""
    return set(rows.filter(regex="_subject_ID$").to_numpy().ravel()) - NO_NAME


def rows_of(mapping: pd.DataFrame | None, patient_id: str) -> pd.DataFrame:
    """Return a patient's rows of the mapping, in any capitals: releases spell BraTS differently."""
    if mapping is None:
        return pd.DataFrame(columns=["Grade"])
    names = mapping.filter(regex="_subject_ID$").apply(lambda column: column.str.casefold())
    rows: pd.DataFrame = mapping[(names == patient_id.casefold()).any(axis=1)]
    return rows


def identities(patient_id: str, rows: pd.DataFrame) -> set[str]:
    """Return the identifiers of a patient: two cases that share one are the same patient.

    Names of 2017 to 2019 identify a patient by site and number, whatever the release and the time point. Later releases
    divide the TCIA of 2017 into TCIA01, TCIA02 and so on, with the same numbers. With these taken as one, all 335
    patients of the mapping of 2019 have the same site and number in every release, and no two share them.

    Parameters
    ----------
    patient_id : str
    rows : pd.DataFrame
        The patient's rows of the mapping.
    """
    found = set()
    for name in {patient_id} | names_of(rows):
        parts = CASE_ID.fullmatch(name)
        key = f"{re.sub('(?i)^TCIA[0-9]+$', 'TCIA', parts['site'])}_{parts['patient']}" if parts else name
        found.add(key.casefold())
    return found
