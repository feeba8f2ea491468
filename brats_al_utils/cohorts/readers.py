"""Read whatever cohort lies in a folder: one of the kinds that are plugged in, or a BraTS release."""

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
"""Takes what `read_cohort` does, and returns None where the folder is of another kind."""


def read_cohort(
    folder: Path,
    follow_links: bool = False,
    classes: tuple[str, ...] = (),
    task: str = "",
    without_labels: bool = False,
) -> Cohort:
    """Find the patients in a folder and their files; hardly an image is opened.

    Parameters
    ----------
    folder : Path
        It is of a kind that is plugged in (see ``RELEASES``) or a BraTS release, or the folder above one of these.
    follow_links : bool
        Read what symbolic links lead to, also outside of the folder.
    classes : tuple of str
        Positive and negative class, where a cohort has several; empty for the usual ones.
    task : str
        What is told apart, where a cohort knows several answers; empty for the usual one.
    without_labels : bool
        Read a cohort without any label too.

    Raises
    ------
    InputError
        If there is no cohort or it cannot be read at all. What is wrong with single patients is among its problems.
    """
    for room in plugged_in(RELEASES):
        for read in room.READERS:
            cohort: Cohort | None = read(folder, follow_links, classes, task)
            if cohort and not (cohort.labelled or without_labels):
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
