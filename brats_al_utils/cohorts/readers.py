"""Read whatever cohort lies in a folder: a table, the open cohort, the LGG set, TCIA's collections, or BraTS."""

from pathlib import Path

from brats_al_utils import InputError
from brats_al_utils.cohorts.brats import read_release
from brats_al_utils.cohorts.cohort import Cohort
from brats_al_utils.cohorts.figshare import find_slices, read_figshare
from brats_al_utils.cohorts.layout import GRADES
from brats_al_utils.cohorts.lgg import find_patients, read_lgg
from brats_al_utils.cohorts.table import TABLE, find_table, misnamed_table, read_table
from brats_al_utils.cohorts.tcia import UCSF, find_collection, read_tcga, read_ucsf


def read_cohort(
    folder: Path,
    follow_links: bool = False,
    classes: tuple[str, ...] = (),
    task: str = "",
    without_labels: bool = False,
) -> Cohort:
    """Find the patients in a folder and their files; no image is opened.

    Parameters
    ----------
    folder : Path
        It holds a ``cohort.csv`` (see `table`), the files of the open cohort (see `figshare`), of the LGG set (see
        `lgg`) or of TCIA's collections (see `tcia`), or is a BraTS release, or is the folder above one of these but for
        the table.
    follow_links : bool
        Read what symbolic links lead to, also outside of the folder.
    classes : tuple of str
        Positive and negative class of a table, of the open cohort or of UCSF-PDGM; empty for the usual ones.
    task : str
        What is told apart where a cohort knows several answers: of the LGG set one of `lgg.TASKS`, of UCSF-PDGM
        a column of its metadata; empty: the usual.
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
    if find_slices(folder):
        refuse_task(task, folder)
        return read_figshare(folder, follow_links, classes)
    found = find_collection(folder)
    if found and found[0] == UCSF:
        return read_ucsf(found[1], follow_links, classes, task)
    if find_patients(folder):
        refuse_classes(classes, "none: choose a task, as task=grade")
        return read_lgg(folder, follow_links, task)
    try:
        cohort = read_tcga(found[1], follow_links) if found else read_release(folder, follow_links)
    except InputError:
        if not found and (misnamed := misnamed_table(folder)):
            raise InputError(
                f"{folder}: no cohort found; if {misnamed} is its table of images, save it as {TABLE} (CSV in UTF-8)"
            ) from None
        raise
    if tuple(reversed(classes)) != GRADES:
        refuse_classes(classes, f"{', '.join(reversed(GRADES))} in this cohort")
    refuse_task(task, folder)
    return cohort


def refuse_classes(classes: tuple[str, ...], expected: str) -> None:
    """Refuse classes of a cohort that has others."""
    if classes:
        raise InputError(f"classes are {', '.join(classes)}, expected {expected}")


def refuse_task(task: str, folder: Path) -> None:
    """Refuse a task of a cohort that has one alone."""
    if task:
        raise InputError(f"task is {task!r}, expected none in {folder}: it is a setting for the LGG set and UCSF-PDGM")
