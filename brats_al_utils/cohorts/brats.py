"""Find the cases of a BraTS release, and split them by patient."""

import csv
import os
import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np
import pandas as pd

from brats_al_utils import InputError
from brats_al_utils.cohorts.volumes import SEGMENTATION, SEQUENCES, each_volume
from brats_al_utils.progress import Track, untracked
from brats_al_utils.seeds import generator

GRADES = ("HGG", "LGG")
PARTS = ("training", "validation", "test")
FILES = (*SEQUENCES, SEGMENTATION)
MAPPING_FILE = "name_mapping.csv"
TRUTH_FILE = "phantom_truth.csv"
"""A folder that holds this file is a synthetic cohort (see `phantom`)."""

HELD_OUT_SHARE = 66 / 335
"""Share of the patients that validation and test each get (section 2.2.1: 203, 66 and 66 of 335)."""

MAX_AT_ONCE = 4
"""Cases that are in memory at the same time; of BraTS's size each takes some 100 MB."""

MAX_MAPPING = 2**20
"""Bytes of a mapping of names; a longer one is refused (the 335 patients of 2019 take 40 000)."""

MAX_COLUMNS = 50
"""Columns of such a mapping (that of 2020 has six)."""

Case = TypeVar("Case")
Made = TypeVar("Made")

# 2017 to 2019 name release, site, patient and time point; 2020 (BraTS20_Training_001) only the release.
CASE_ID = re.compile(r"brats(?P<year>\d\d)_(?P<site>[^_]+)_(?P<patient>.+)_\d+", re.IGNORECASE)
RELEASE = re.compile(r"brats(?P<year>\d\d)_", re.IGNORECASE)

LOOKED_FOR = (
    "looked here and one level below for the folders HGG and LGG (BraTS 2017 to 2019) or for "
    f"{MAPPING_FILE} beside the patients' folders (BraTS 2020)"
)


@dataclass(frozen=True)
class Cohort:
    """The cases found under a folder.

    Attributes
    ----------
    root : Path
        The folder that holds the grades' or the patients' folders.
    cases : pd.DataFrame
        One row a usable patient, by patient_id: patient_id, grade, site, release, and a column for each of ``FILES``
        with the path.
    absent : tuple of str
        Patients that the release's mapping names and the folder lacks.
    problems : dict of str to tuple of str
        By patient (or file), everything that keeps it out of ``cases``.
    """

    root: Path
    cases: pd.DataFrame
    absent: tuple[str, ...]
    problems: dict[str, tuple[str, ...]]

    @property
    def synthetic(self) -> bool:
        """Whether the patients are phantoms."""
        return (self.root / TRUTH_FILE).exists()

    @property
    def rows(self) -> list[pd.Series]:
        """The rows of ``cases``."""
        return [case for _, case in self.cases.iterrows()]

    @property
    def release(self) -> str:
        """The release, or the releases joined by a plus sign."""
        return "+".join(sorted(self.cases["release"].unique()))


def read_cohort(folder: Path) -> Cohort:
    """Find the cases of a release; no volume is opened.

    Parameters
    ----------
    folder : Path
        The release's folder or the one above it.

    Raises
    ------
    InputError
        If no patient is found, if several releases lie side by side, if a folder's name cannot be printed, or if the
        mapping cannot be read or holds what no mapping does.
    """
    root = find_root(folder)
    mapping = read_mapping(root)
    rows: list[dict[str, str]] = []
    problems: dict[str, list[str]] = {}
    keys: dict[str, Path] = {}
    for case_folder, folder_grade in case_folders(root):
        row, found = describe_case(case_folder, folder_grade, mapping, root)
        key = row.pop("key")
        if key in keys:
            found.append(f"{case_folder}: the same patient as {keys[key]}: keep one of the two")
        keys.setdefault(key, case_folder)
        if found:
            problems.setdefault(row["patient_id"], []).extend(found)
        else:
            rows.append(row)
    if not keys:
        raise InputError(f"{folder}: no patient found; {LOOKED_FOR}: name the release's folder")
    cases = pd.DataFrame(rows, columns=["patient_id", "grade", "site", "release", *FILES])
    # Of a patient found twice neither copy is trusted: which of the two is right cannot be told.
    cases = cases[~cases["patient_id"].isin(problems)].sort_values("patient_id", ignore_index=True)
    return Cohort(root, cases, absent_patients(mapping, cases, problems), frozen(problems))


def frozen(problems: dict[str, list[str]]) -> dict[str, tuple[str, ...]]:
    """Return the problems by patient, in order of their names."""
    return {name: tuple(problems[name]) for name in sorted(problems)}


def find_root(folder: Path) -> Path:
    """Return the folder that holds the cases: the one named or its only child that does."""
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder: name the folder of a BraTS release")
    if is_root(folder):
        return folder
    roots = [child for child in sorted(folder.iterdir()) if child.is_dir() and is_root(child)]
    if len(roots) > 1:
        names = ", ".join(child.name for child in roots)
        raise InputError(f"{folder}: holds several releases ({names}): name one of them")
    if not roots:
        raise InputError(f"{folder}: no patient found; {LOOKED_FOR}: name the release's folder")
    return roots[0]


def is_root(folder: Path) -> bool:
    """Whether a folder has the grades' folders, or patients' folders in the flat layout."""
    if any((folder / grade).is_dir() for grade in GRADES) or (folder / MAPPING_FILE).is_file():
        return True
    return any(RELEASE.match(child.name) and any(child.glob("*_seg.nii*")) for child in folder.iterdir())


def case_folders(root: Path) -> Iterator[tuple[Path, str | None]]:
    """Yield each case's folder, with its grade where the layout tells it."""
    parents: dict[Path, str | None] = {root / grade: grade for grade in GRADES if (root / grade).is_dir()}
    for parent, grade in (parents or {root: None}).items():
        for child in sorted(parent.iterdir()):
            if child.is_dir() and not child.name.startswith("."):
                if not child.name.isprintable():
                    raise InputError(f"{str(child)!a}: its name cannot be printed: rename the folder")
                yield child, grade


def link_out(path: Path, root: Path) -> str | None:
    """Return what is wrong with a path that a symbolic link leads out of the release, or None.

    The release's folder may be a link itself, and so may what is in it, if it leads to another place in it: what lies
    elsewhere is another release's, or no release's at all.
    """
    here = root.resolve()
    if path.resolve().is_relative_to(here):
        return None
    parts = path.relative_to(root).parts
    steps = [root.joinpath(*parts[:count]) for count in range(1, len(parts) + 1)]
    link = next(step for step in steps if not step.resolve().is_relative_to(here))
    return (
        f"{link}: a link that leads out of the release, to {link.resolve()}: put a copy in its place, or name the "
        "release's folder that it leads to"
    )


def read_mapping(root: Path) -> pd.DataFrame | None:
    """Read the release's mapping of names, if there is one: columns Grade and BraTS_<year>_subject_ID."""
    path = root / MAPPING_FILE
    if not path.exists():
        return None
    if problem := link_out(path, root):
        raise InputError(problem)
    if not path.is_file() or path.stat().st_size > MAX_MAPPING:
        raise InputError(f"{path}: not a file of at most {MAX_MAPPING} bytes: copy the release's file again")
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, restval="", strict=True)
            columns = list(reader.fieldnames or [])
            if len(set(columns)) < len(columns) or len(columns) > MAX_COLUMNS:
                raise ValueError(f"{len(columns)} columns, {len(set(columns))} of them different")
            rows = list(reader)
        if any(None in row for row in rows):
            raise ValueError("a row is longer than the first")
    except (OSError, ValueError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read as CSV ({error}): copy the release's file again") from error
    mapping = pd.DataFrame(rows, columns=columns, dtype=str)
    if "Grade" not in mapping or not any(column.endswith("_subject_ID") for column in mapping.columns):
        raise InputError(
            f"{path}: columns {columns}, expected Grade and BraTS_<year>_subject_ID: copy the release's file again"
        )
    for column in mapping.filter(regex="_subject_ID$"):
        for name in mapping[column]:
            if not name.isprintable() or name.startswith(".") or "/" in name or "\\" in name:
                raise InputError(
                    f"{path}: {name!a} in {column}, expected a patient's name: copy the release's file again"
                )
    return mapping


def mapping_row(mapping: pd.DataFrame | None, patient_id: str) -> pd.Series | None:
    """Return a patient's row of the mapping, or None.

    Raises
    ------
    InputError
        If it has several, of different grades.
    """
    if mapping is None:
        return None
    names = mapping[[column for column in mapping.columns if column.endswith("_subject_ID")]]
    hits = mapping[(names == patient_id).any(axis=1)]
    if hits["Grade"].nunique() > 1:
        raise InputError(
            f"{patient_id}: {' and '.join(sorted(set(hits['Grade'])))} in {MAPPING_FILE}: delete the wrong row"
        )
    return None if hits.empty else hits.iloc[0]


def describe_case(
    folder: Path, folder_grade: str | None, mapping: pd.DataFrame | None, root: Path
) -> tuple[dict[str, str], list[str]]:
    """Return a case's row (with the patient's ``key``, the same in every release) and its problems."""
    patient_id, problems = folder.name, []
    row = mapping_row(mapping, patient_id)
    # The 2020 release numbers its patients; their 2019 name, where they have one, tells site and identity.
    earlier = "" if row is None else row.get("BraTS_2019_subject_ID", "")
    parts = CASE_ID.fullmatch(earlier) or CASE_ID.fullmatch(patient_id)
    release = RELEASE.match(patient_id)
    case = {
        "key": f"{parts['site']}_{parts['patient']}" if parts else patient_id,
        "patient_id": patient_id,
        "grade": folder_grade or ("" if row is None else str(row["Grade"])),
        "site": parts["site"] if parts else "unknown",
        "release": f"20{release['year']}" if release else "unknown",
    }
    if case["grade"] not in GRADES:
        problems.append(
            f"{folder}: no grade for this patient: add a row with Grade HGG or LGG to {MAPPING_FILE} in {folder.parent}"
        )
    elif row is not None and row["Grade"] != case["grade"]:
        problems.append(
            f"{folder}: {case['grade']} by its folder but {row['Grade']} in {MAPPING_FILE}: correct the wrong one"
        )
    if problem := link_out(folder, root):
        return case, [*problems, problem]
    for name in FILES:
        found = [path for end in (".nii.gz", ".nii") if (path := folder / f"{patient_id}_{name}{end}").is_file()]
        case[name] = str(found[0]) if found else ""
        if not found:
            others = ", ".join(ascii(path.name)[1:-1] for path in sorted(folder.iterdir())) or "nothing"
            problems.append(
                f"{folder}: {patient_id}_{name}.nii.gz (or .nii) is missing; the folder holds {others}: copy or "
                "rename the file"
            )
        elif problem := link_out(found[0], root):
            problems.append(problem)
    return case, problems


def absent_patients(
    mapping: pd.DataFrame | None, cases: pd.DataFrame, problems: dict[str, list[str]]
) -> tuple[str, ...]:
    """Return the patients that the mapping names for the releases found and the folder lacks."""
    if mapping is None:
        return ()
    columns = [f"BraTS_{release}_subject_ID" for release in cases["release"].unique()]
    named = {name for column in columns if column in mapping for name in mapping[column]} - {"NA", ""}
    return tuple(sorted(named - set(cases["patient_id"]) - set(problems)))


def case_files(case: pd.Series) -> dict[str, Path]:
    """Return the paths of a row of the table of cases, by sequence."""
    return {name: Path(case[name]) for name in FILES}


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def each_case(
    cases: Sequence[Case], work: Callable[[Case], Made], threads: int, track: Track
) -> Iterator[tuple[Case, "Future[Made]"]]:
    """Do some work on every case, several at a time, and yield each with what comes of it, in the order given.

    Parameters
    ----------
    cases : sequence
        Rows of a cohort's table (`Cohort.rows`), or patients that are not written yet.
    work : callable
        Takes a case; what it raises is raised by the future's ``result``.
    threads : int
        How many cases at a time; no more than ``MAX_AT_ONCE`` are worked on, and one more waits to be used.
    track : callable
        Shows how many cases are done.
    """
    threads = min(threads, MAX_AT_ONCE)
    with ThreadPoolExecutor(threads) as pool:
        started = (pool.submit(work, case) for case in cases)
        running = deque(islice(started, threads))
        for case in track(cases):
            running.extend(islice(started, 1))
            yield case, running.popleft()


def check_cohort(cohort: Cohort, track: Track = untracked) -> Cohort:
    """Read every volume of a cohort and move the patients with a fault from its cases to its problems."""

    def faults(case: pd.Series) -> list[str]:
        found: list[str] = []
        for _ in each_volume(case_files(case), FILES, found):
            pass
        return found

    problems = {name: list(found) for name, found in cohort.problems.items()}
    for case, reading in each_case(cohort.rows, faults, cores(), track):
        if found := reading.result():
            problems[case["patient_id"]] = found
    good = cohort.cases[~cohort.cases["patient_id"].isin(problems)].reset_index(drop=True)
    return replace(cohort, cases=good, problems=frozen(problems))


def split_patients(cases: pd.DataFrame, seed: int, balanced: str = "") -> pd.DataFrame:
    """Split patients into training, validation and test, each with the cohort's share of grades.

    Parameters
    ----------
    cases : pd.DataFrame
        With columns patient_id and grade, one row a patient.
    seed : int
        Of the random order of the patients.
    balanced : str
        A further column of ``cases`` whose values (sites, for instance) each part is to hold in equal shares within
        each grade, as far as their numbers allow.

    Returns
    -------
    pd.DataFrame
        patient_id, grade, part (one of ``PARTS``), by patient_id. 259 HGG and 76 LGG give 157/46, 51/15 and 51/15
        (section 2.2.1); other numbers the same shares, to the nearest integer, at least one a grade and part.

    Raises
    ------
    InputError
        If a grade has fewer than three patients.
    """
    frames = []
    for grade in GRADES:
        patients = sorted(cases.loc[cases["grade"] == grade, "patient_id"])
        if len(patients) < len(PARTS):
            raise InputError(
                f"{len(patients)} {grade} patients, expected at least {len(PARTS)}, one for each of "
                f"{', '.join(PARTS)}: add patients"
            )
        held_out = max(1, round(len(patients) * HELD_OUT_SHARE))
        order = generator(seed, "split", grade).permutation(len(patients))
        if balanced:
            # In rounds, of each value one: so any patients in a row have each as often as the others.
            values = cases.set_index("patient_id")[balanced][[patients[i] for i in order]]
            order = order[np.argsort(values.groupby(values).cumcount().to_numpy(), kind="stable")]
        parts = [PARTS[0]] * (len(patients) - 2 * held_out) + [PARTS[1]] * held_out + [PARTS[2]] * held_out
        frames.append(pd.DataFrame({"patient_id": [patients[i] for i in order], "grade": grade, "part": parts}))
    split = pd.concat(frames).sort_values("patient_id", ignore_index=True)
    check_split(split)
    return split


def check_split(patients: pd.DataFrame) -> None:
    """Refuse a table (columns patient_id, part) in which a patient is in two parts.

    Raises
    ------
    InputError
        Naming the first such patients.
    """
    parts = patients.groupby("patient_id")["part"].nunique()
    shared = sorted(parts.index[parts > 1])
    if shared:
        raise InputError(
            f"patients in more than one part: {', '.join(shared[:5])} ({len(shared)} in all), expected each in one: "
            "make the split by patient, not by slice"
        )
