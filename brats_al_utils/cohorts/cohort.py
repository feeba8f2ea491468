"""A set of patients and their files, and the reading of all of them to say everything that is wrong."""

import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TypeVar

import pandas as pd

from brats_al_utils import InputError
from brats_al_utils.cohorts.checks import each_volume
from brats_al_utils.cohorts.copies import marks_of, same_pixels
from brats_al_utils.cohorts.faults import one_line_a_kind
from brats_al_utils.cohorts.images import ReadFile, image_faults, read_file
from brats_al_utils.cohorts.layout import GRADES
from brats_al_utils.cohorts.split import too_few
from brats_al_utils.cohorts.volumes import FILES
from brats_al_utils.progress import Track, untracked

TRUTH_FILE = "phantom_truth.csv"
"""A folder that holds this file is a synthetic cohort (see `phantom`)."""

MAX_AT_ONCE = 4
"""Cases that are in memory at the same time; of BraTS's size each takes some 100 MB."""

Case = TypeVar("Case")
Made = TypeVar("Made")


@dataclass(frozen=True)
class Cohort:
    """The patients found under a folder, and their images.

    Attributes
    ----------
    root : Path
        The folder that holds BraTS's patients, or the table.
    cases : pd.DataFrame
        One row an image of a usable patient, which in BraTS is all of a patient's volumes, by patient_id: patient_id,
        class_name, site, release, and a column for each of ``files`` with the path, empty where there is none. Where
        the split is given, also part; where a patient's images are the slices of one volume, also z and position.
    absent : tuple of str
        Patients that the release's mapping names and that are missing in the folder.
    problems : dict of str to tuple of str
        By patient (or class, of which there are too few), everything that keeps it out of ``cases``.
    notes : tuple of str
        What was unexpected and could be used or skipped all the same.
    classes : tuple of str
        Negative, positive.
    files : tuple of str
        The columns of ``cases`` that hold paths.
    channels : tuple of str
        What the three channels show, where the columns do not tell.
    read : callable
        Reads a file of ``cases``, where it is no BraTS release; see `images.read_file`.
    """

    root: Path
    cases: pd.DataFrame
    absent: tuple[str, ...]
    problems: dict[str, tuple[str, ...]]
    notes: tuple[str, ...] = ()
    classes: tuple[str, str] = GRADES
    files: tuple[str, ...] = FILES
    channels: tuple[str, ...] = ()
    read: ReadFile = read_file

    @property
    def synthetic(self) -> bool:
        """Whether the patients are phantoms."""
        return (self.root / TRUTH_FILE).exists()

    @property
    def labelled(self) -> bool:
        """Whether anything has a label: a table may have none yet."""
        return any(self.classes)

    @property
    def tabled(self) -> bool:
        """Whether its images are those of `images` (a table's or the open cohort's) rather than a BraTS release."""
        return self.files != FILES

    @property
    def name(self) -> str:
        """What captions call it."""
        if self.synthetic:
            return "synthetic cohort"
        if self.release == "unknown":
            return f"cohort {self.root.resolve().name}" if self.tabled else "cohort"
        return f"BraTS {self.release}" if self.release[0].isdigit() else self.release

    @property
    def rows(self) -> list[pd.Series]:
        """The rows of ``cases``."""
        return [case for _, case in self.cases.iterrows()]

    @property
    def patients(self) -> list[pd.DataFrame]:
        """The rows of each patient."""
        return [rows for _, rows in self.cases.groupby("patient_id", sort=False)]

    @property
    def paths(self) -> list[str]:
        """Every file of every patient."""
        return [path for path in self.cases[list(self.files)].to_numpy().ravel() if path]

    @property
    def release(self) -> str:
        """The release, or the releases joined by a plus sign."""
        return "+".join(sorted(self.cases["release"].unique()))

    @property
    def messages(self) -> list[str]:
        """The problems, each once, and of a kind with many one line; see `faults.one_line_a_kind`."""
        return one_line_a_kind(self.problems)


def frozen(problems: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """Return the problems by patient, in order of their names."""
    return {name: tuple(problems[name]) for name in sorted(problems)}


def refuse_task(task: str, folder: Path) -> None:
    """Refuse a task of a cohort that has one alone."""
    if task:
        raise InputError(f"task is {task!r}, expected none in {folder}: it is a setting for the LGG set and UCSF-PDGM")


def refuse_classes(classes: tuple[str, ...]) -> None:
    """Refuse other classes than BraTS's (positive, negative)."""
    if classes and classes[::-1] != GRADES:
        raise InputError(f"classes are {', '.join(classes)}, expected {', '.join(GRADES[::-1])} in this cohort")


def said(cohort: Cohort) -> list[str]:
    """Return what is said of a cohort that was checked, a line each: who is in it, and everything that is wrong."""
    lines, cases = [], cohort.cases
    if cohort.labelled and not cases.empty:
        who = cases.drop_duplicates(["patient_id", "class_name"]).groupby(["release", "site", "class_name"])
        lines.append(who.size().unstack(fill_value=0).rename_axis(columns="class").to_string())
    of_class = cases["class_name"].value_counts()
    counts = ", ".join(f"{of_class.get(name, 0)} {name}" for name in reversed(cohort.classes) if name)
    masks = int((cases["mask"] != "").sum()) if cohort.tabled else 0
    images = f" with {len(cases)} images ({counts or 'no labels'})" if cohort.tabled else ""
    more = (f", {masks} of them with a mask" if masks else "") + (" (synthetic)" if cohort.synthetic else "")
    lines.append(f"{len(cohort.patients)} usable patients{images} in {cohort.root}{more}")
    if cohort.absent:
        lines.append(f"{len(cohort.absent)} patients of the release's mapping are missing in the folder")
    if not cohort.labelled:
        lines.append(f"no labels yet: brats-al annotate --data {cohort.root} proposes what to annotate")
    return [*lines, *(f"note: {note}" for note in cohort.notes), *(f"problem: {each}" for each in cohort.messages)]


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
        A cohort's patients (`Cohort.patients`), or patients that are not written yet.
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


def check_cohort(cohort: Cohort, min_tumour_mm2: float = 0.0, track: Track = untracked) -> Cohort:
    """Read every volume of a cohort, and list everything for which `prepare` would refuse it.

    Parameters
    ----------
    cohort : Cohort
    min_tumour_mm2 : float
        The tumour area that a slice must have to be cut (`SliceRule`).
    track : callable
        Shows how many patients have been read.

    Returns
    -------
    Cohort
        Without the patients at fault, which are among its problems, as are classes with too few patients left.
    """

    def faults(rows: pd.DataFrame) -> tuple[list[str], list[bytes]]:
        if cohort.tabled:
            return image_faults(rows, cohort.read, min_tumour_mm2)
        found: list[str] = []
        marks: list[bytes] = []
        for name, volume in each_volume(case_files(rows.iloc[0]), FILES, found, min_tumour_mm2):
            marks += marks_of([volume.voxels] if name == FILES[0] else [])
        return found, marks

    problems = dict(cohort.problems)
    seen: dict[bytes, str] = {}
    for rows, reading in each_case(cohort.patients, faults, cores(), track):
        patient_id, (found, marks) = rows["patient_id"].iloc[0], reading.result()
        if found := [*found, *same_pixels(patient_id, marks, seen)]:
            problems[patient_id] = tuple(found)
    good = cohort.cases[~cohort.cases["patient_id"].isin(problems)].reset_index(drop=True)
    few = {name: (problem,) for name, problem in too_few(good, cohort.classes).items()} if cohort.labelled else {}
    return replace(cohort, cases=good, problems=frozen(problems) | few)
