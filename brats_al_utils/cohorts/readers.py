"""Read the cohort in a folder: a BraTS release, or a kind that a room of `beyond` reads."""

import pkgutil
from collections.abc import Callable
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import brats_al_utils
from brats_al_utils import InputError
from brats_al_utils.cohorts.brats import read_release
from brats_al_utils.cohorts.cohort import Cohort, refuse_classes, refuse_task
from brats_al_utils.cohorts.layout import NoPatientsError

RELEASES = "releases"
"""The rooms with readers of further kinds. Each has ``READERS`` (see ``Reader``) and a function ``HINT``, which takes a
folder in which nobody finds a cohort and returns what lies there instead and the mend, or nothing."""

Reader = Callable[[Path, bool, tuple[str, ...], str], Cohort | None]
"""A reader: takes the parameters of `read_cohort`, and returns None for a folder of another kind."""


def read_cohort(folder: Path, follow_links: bool = False, classes: tuple[str, ...] = (), task: str = "") -> Cohort:
    """Find the patients in a folder and their files; almost no image is opened.

    Parameters
    ----------
    folder : Path
        Folder of a BraTS release or of a kind that is plugged in (see ``RELEASES``), or the folder above it.
    follow_links : bool
        Follow symbolic links out of the folder.
    classes : tuple of str
        Positive and negative class, where a cohort has several; empty for the usual ones.
    task : str
        What is to be told apart, where a cohort has several kinds of labels; empty for the usual one.

    Raises
    ------
    InputError
        If there is no cohort, it cannot be read, or has no labels. Problems of single patients do not raise: see
        `Cohort.problems`.
    """
    for room in plugged_in(RELEASES):
        for read in room.READERS:
            cohort: Cohort | None = read(folder, follow_links, classes, task)
            if cohort and not cohort.labelled:
                raise InputError(f"{folder}: labels none, expected two classes: label patients of both")
            if cohort:
                return cohort
    try:
        cohort = read_release(folder, follow_links)
    except NoPatientsError:
        for hint in filter(None, (room.HINT(folder) for room in plugged_in(RELEASES))):
            raise InputError(f"{folder}: no cohort found; {hint}") from None
        raise
    refuse_task(task, folder)
    refuse_classes(classes)
    return cohort


@cache
def plugged_in(name: str) -> tuple[Any, ...]:
    """Return the rooms called so, wherever in the package they lie.

    They are looked for, not imported by their place: nothing here knows what kinds of cohort there are beyond BraTS, or
    how synthetic patients are made, and without these rooms the rest works.
    """
    rooms = pkgutil.walk_packages(brats_al_utils.__path__, f"{brats_al_utils.__name__}.")
    return tuple(import_module(room.name) for room in rooms if room.name.endswith(f".{name}"))
