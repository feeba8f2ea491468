"""Read whatever cohort lies in a folder: a table, one of the kinds that are plugged in, or a BraTS release."""

import pkgutil
from collections.abc import Callable
from functools import cache
from importlib import import_module
from pathlib import Path

import brats_al_utils
from brats_al_utils import InputError
from brats_al_utils.cohorts.brats import read_release
from brats_al_utils.cohorts.cohort import Cohort, refuse_classes, refuse_task
from brats_al_utils.cohorts.table import TABLE, find_table, misnamed_table, read_table

PLUGGED_IN = ".releases"
"""How the name ends of a room whose ``READERS`` are asked."""

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
        It holds a ``cohort.csv`` (see `table`), is of a kind that is plugged in (see `plugged_in`) or a BraTS release,
        or is the folder above one of these but for the table.
    follow_links : bool
        Read what symbolic links lead to, also outside of the folder.
    classes : tuple of str
        Positive and negative class, where a cohort has several; empty for the usual ones.
    task : str
        What is told apart, where a cohort knows several answers; empty for the usual one.
    without_labels : bool
        Read a table without any label too.

    Raises
    ------
    InputError
        If there is no cohort or it cannot be read at all. What is wrong with single patients is among its problems.
    """
    if find_table(folder).is_file():
        refuse_task(task, folder)
        return read_table(folder, follow_links, classes, without_labels)
    for read in plugged_in():
        if found := read(folder, follow_links, classes, task):
            return found
    try:
        cohort = read_release(folder, follow_links)
    except InputError:
        if misnamed := misnamed_table(folder):
            raise InputError(
                f"{folder}: no cohort found; if {misnamed} is its table of images, save it as {TABLE} (CSV in UTF-8)"
            ) from None
        raise
    refuse_task(task, folder)
    refuse_classes(classes)
    return cohort


@cache
def plugged_in() -> tuple[Reader, ...]:
    """Return the readers of further kinds: those of every room called ``releases``, wherever in the package it lies.

    The room is looked for, not named: nothing here knows what kinds there are, and without the room the rest works.
    """
    rooms = pkgutil.walk_packages(brats_al_utils.__path__, f"{brats_al_utils.__name__}.")
    return tuple(read for room in rooms if room.name.endswith(PLUGGED_IN) for read in import_module(room.name).READERS)
