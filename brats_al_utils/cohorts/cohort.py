"""A set of patients and their files, the functions in which kinds of cohort differ, and how problems are listed."""

import os
import re
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeVar

import pandas as pd
import torch

from brats_al_utils import InputError
from brats_al_utils.cohorts.checks import case_faults
from brats_al_utils.cohorts.cuts import Cut, cut_case, slices_asked
from brats_al_utils.cohorts.layout import GRADES
from brats_al_utils.cohorts.slices import SliceRule
from brats_al_utils.cohorts.volumes import FILES
from brats_al_utils.progress import Track


@dataclass(frozen=True)
class Kind:
    """A kind of cohort: the functions that check, count and cut rows of `Cohort.cases`.

    Attributes
    ----------
    faults : callable
        Takes a patient's rows and the minimum tumour area (mm2). Returns the problems of the files, and the hash of
        each image (see `checks.same_pixels`).
    asked : callable
        Takes all rows, the classes and a rule. Returns how many slices the rule asks of each row.
    cut : callable
        Takes a patient's rows, how many slices are asked of each, a rule, and the classes in the order of their labels.
        Returns the patient's table, pixels and segmentation, as `cuts.cut_case` does.
    chosen_by : callable
        Takes all rows. Returns how their slices are chosen, one line for each way.
    """

    faults: Callable[[pd.DataFrame, float], tuple[list[str], list[bytes]]]
    asked: Callable[[pd.DataFrame, tuple[str, str], SliceRule], pd.Series]
    cut: Callable[[pd.DataFrame, pd.Series, SliceRule, Sequence[str]], Cut]
    chosen_by: Callable[[pd.DataFrame], list[str]]


BRATS = Kind(case_faults, slices_asked, cut_case, lambda cases: ["slices with tumour"])
"""A release of BraTS: a row is a patient, with all volumes."""


LISTED = 5
"""Number of problems of one kind that are listed one by one; more become one line with a count and examples."""


def frozen(problems: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """Return the problems by patient, sorted by patient."""
    return {name: tuple(problems[name]) for name in sorted(problems)}


def one_line_a_kind(problems: Mapping[str, Sequence[str]]) -> list[str]:
    """Return all messages, each once; many of one kind become one line with their number and three patients.

    Parameters
    ----------
    problems : mapping of str to sequence of str
        By patient.
    """
    whose: dict[str, str] = {}
    for patient, found in problems.items():
        for message in found:
            whose.setdefault(message, patient)
    kinds: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for message, patient in whose.items():
        kinds[kind_of(message, patient)][message] = patient
    lines: list[str] = []
    for same in kinds.values():
        if len(same) <= LISTED:
            lines += same
            continue
        names = list(dict.fromkeys(same.values()))
        some = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
        lines.append(f"{next(iter(same))} ({len(same)} like this: {some})")
    return lines


def kind_of(message: str, patient: str) -> str:
    """Return a message without what differs between patients: the file, quoted cells, paths and numbers."""
    return re.sub(r"'[^']*'|\S*/\S*|\d[\d.]*", "#", message.replace(patient, "#").partition(": ")[2])


TRUTH_FILE = "phantom_truth.csv"
"""A folder that holds this file is a synthetic cohort (see `phantom`)."""

MAX_AT_ONCE = 4
"""Number of cases in memory at the same time; one of BraTS takes about 100 MB."""

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
        What was unexpected, but could be used or skipped.
    classes : tuple of str
        Negative, positive.
    files : tuple of str
        The columns of ``cases`` that hold paths.
    channels : tuple of str
        What the channels show, where the rule does not choose them; the last of fewer than three is repeated.
    kind : Kind
        How its patients are checked and cut.
    """

    root: Path
    cases: pd.DataFrame
    absent: tuple[str, ...]
    problems: dict[str, tuple[str, ...]]
    notes: tuple[str, ...] = ()
    classes: tuple[str, str] = GRADES
    files: tuple[str, ...] = FILES
    channels: tuple[str, ...] = ()
    kind: Kind = BRATS

    @property
    def synthetic(self) -> bool:
        """Whether the patients are phantoms."""
        return (self.root / TRUTH_FILE).exists()

    @property
    def labelled(self) -> bool:
        """Whether the cohort has labels: a table may have none yet."""
        return any(self.classes)

    @property
    def tabled(self) -> bool:
        """Whether a row of ``cases`` is an image rather than all volumes of a BraTS patient."""
        return self.kind is not BRATS

    @property
    def name(self) -> str:
        """What captions call it."""
        if self.synthetic:
            return "synthetic cohort"
        if self.release == "unknown":
            return f"cohort {self.root.resolve().name}" if self.tabled else "cohort"
        return f"BraTS {self.release}" if self.release[0].isdigit() else self.release

    @property
    def patients(self) -> list[pd.DataFrame]:
        """The rows of each patient."""
        return [rows for _, rows in self.cases.groupby("patient_id", sort=False)]

    @property
    def paths(self) -> list[str]:
        """Every file of every patient."""
        return [path for path in self.cases[list(self.files)].to_numpy().ravel() if path]

    def asked(self, rule: SliceRule) -> pd.Series:
        """Return how many slices a rule asks of each row of ``cases``."""
        return self.kind.asked(self.cases, self.classes, rule)

    @property
    def release(self) -> str:
        """The release, or the releases joined by a plus sign."""
        return "+".join(sorted(self.cases["release"].unique()))

    @property
    def messages(self) -> list[str]:
        """The problems, each once, and of a kind with many one line; see `one_line_a_kind`."""
        return one_line_a_kind(self.problems)


def refuse_task(task: str, folder: Path) -> None:
    """Refuse the setting ``task`` for a cohort with a single task."""
    if task:
        raise InputError(f"task is {task!r}, expected none in {folder}: it is a setting for the LGG set and UCSF-PDGM")


def refuse_classes(classes: tuple[str, ...]) -> None:
    """Refuse other classes than BraTS's (positive, negative)."""
    if classes and classes[::-1] != GRADES:
        raise InputError(f"classes are {', '.join(classes)}, expected {', '.join(GRADES[::-1])} in this cohort")


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def each_case(
    cases: Sequence[Case], work: Callable[[Case], Made], threads: int, track: Track
) -> Iterator[tuple[Case, "Future[Made]"]]:
    """Work on every case, several at a time, and yield each case with its result, in order.

    Parameters
    ----------
    cases : sequence
        A cohort's patients (`Cohort.patients`), or patients that are not written yet.
    work : callable
        Takes a case; what it raises is raised by the future's ``result``.
    threads : int
        How many cases at a time, at most ``MAX_AT_ONCE``; one finished case more may wait to be used.
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


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Set torch's number of threads for a block: the last bits of a sum depend on it."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
