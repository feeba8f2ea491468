"""Read the table of names that a BraTS release brings (name_mapping.csv): grades, and who is who in other releases."""

import csv
import re
from pathlib import Path

import pandas as pd

from brats_al_utils import InputError

MAPPING_FILE = "name_mapping.csv"

MAX_MAPPING = 2**20
"""Bytes of a mapping of names; a longer one is refused (the 335 patients of 2019 take 40 000)."""

MAX_COLUMNS = 50
"""Columns of such a mapping (that of 2020 has six)."""

NO_NAME = {"", "NA"}
"""What stands for a patient whom another release does not have."""

# 2017 to 2019 name release, site, patient and time point; 2020 (BraTS20_Training_001) only the release.
CASE_ID = re.compile(r"brats(?P<year>\d\d)_(?P<site>[^_]+)_(?P<patient>.+)_\d+", re.IGNORECASE)

MEND = "copy the release's file again"


def read_mapping(path: Path) -> pd.DataFrame | None:
    """Read a release's mapping of names, if there is one.

    Returns
    -------
    pd.DataFrame or None
        Columns Grade (in capitals) and, for each release, one whose name ends with _subject_ID; no cell begins or ends
        with a space.

    Raises
    ------
    InputError
        If it cannot be read or holds what no mapping does.
    """
    if not path.exists():
        return None
    if not path.is_file() or path.stat().st_size > MAX_MAPPING:
        raise InputError(f"{path}: not a file of at most {MAX_MAPPING} bytes: {MEND}")
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header, *rows = [row for row in csv.reader(file, strict=True) if row] or [[]]
    except (OSError, ValueError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read as CSV ({error}): {MEND}") from error
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
    """Return every name of a patient in some rows of a mapping."""
    return set(rows.filter(regex="_subject_ID$").to_numpy().ravel()) - NO_NAME


def rows_of(mapping: pd.DataFrame | None, patient_id: str) -> pd.DataFrame:
    """Return a patient's rows of the mapping; releases spell BraTS in several ways."""
    if mapping is None:
        return pd.DataFrame(columns=["Grade"])
    names = mapping.filter(regex="_subject_ID$").apply(lambda column: column.str.casefold())
    rows: pd.DataFrame = mapping[(names == patient_id.casefold()).any(axis=1)]
    return rows


def identities(patient_id: str, rows: pd.DataFrame) -> set[str]:
    """Return what tells that two cases are the same patient: they share one of these.

    A name of 2017 to 2019 tells by its site and patient, whatever the release and the time point. What 2017 calls TCIA
    later releases divide into TCIA01, TCIA02 and so on, with the same numbers: in the mapping of 2019 all 335 patients
    have the same site and number in every release once these are one, and no two patients share them.

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
