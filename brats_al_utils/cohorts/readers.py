"""Read whatever cohort lies in a folder: a table of images, the open cohort, the LGG set, or a BraTS release."""

from pathlib import Path

from brats_al_utils import InputError
from brats_al_utils.cohorts.brats import read_release
from brats_al_utils.cohorts.cohort import Cohort
from brats_al_utils.cohorts.figshare import find_slices, read_figshare
from brats_al_utils.cohorts.layout import GRADES
from brats_al_utils.cohorts.lgg import find_patients, read_lgg
from brats_al_utils.cohorts.table import TABLE, find_table, misnamed_table, read_table


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
        It holds a ``cohort.csv`` (see `table`), the files of the open cohort (see `figshare`) or of the LGG set (see
        `lgg`), or is a BraTS release, or is the folder above one of the last three.
    follow_links : bool
        Read what symbolic links lead to, also outside of the folder.
    classes : tuple of str
        Positive and negative class of a table or of the open cohort; empty for the usual ones.
    task : str
        What is told apart where a cohort knows several answers: of the LGG set one of `lgg.TASKS`; empty: the usual.
    without_labels : bool
        Read a table without any label too.

    Raises
    ------
    InputError
        If there is no cohort or it cannot be read at all. What is wrong with single patients is among its problems.
    """
    tabled = find_table(folder).is_file()
    lgg = not tabled and find_patients(folder)
    if task and not lgg:
        raise InputError(f"task is {task!r}, expected none in {folder}: it is a setting for the LGG set")
    if lgg and classes:
        raise InputError(
            f"classes are {', '.join(classes)}, expected none for the LGG set: choose a task, as task=grade"
        )
    if lgg:
        return read_lgg(folder, follow_links, task)
    if tabled:
        return read_table(folder, follow_links, classes, without_labels)
    if find_slices(folder):
        return read_figshare(folder, follow_links, classes)
    if classes and tuple(reversed(classes)) != GRADES:
        raise InputError(f"classes are {', '.join(classes)}, expected {', '.join(reversed(GRADES))} in a BraTS release")
    try:
        return read_release(folder, follow_links)
    except InputError:
        if found := misnamed_table(folder):
            raise InputError(f"{found}: expected a table called {TABLE} (CSV in UTF-8): rename or save it so") from None
        raise
