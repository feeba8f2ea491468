"""Read whatever cohort lies in a folder: a table of images, the open cohort, or a BraTS release."""

from pathlib import Path

from brats_al_utils import InputError
from brats_al_utils.cohorts.brats import read_release
from brats_al_utils.cohorts.cohort import Cohort
from brats_al_utils.cohorts.figshare import find_slices, read_figshare
from brats_al_utils.cohorts.layout import GRADES
from brats_al_utils.cohorts.table import TABLE, find_table, misnamed_table, read_table


def read_cohort(
    folder: Path, follow_links: bool = False, classes: tuple[str, ...] = (), without_labels: bool = False
) -> Cohort:
    """Find the patients in a folder and their files; no image is opened.

    Parameters
    ----------
    folder : Path
        It holds a ``cohort.csv`` (see `table`) or the files of the open cohort (see `figshare`), or is a BraTS release,
        or is the folder above one of the last two.
    follow_links : bool
        Read what symbolic links lead to, also outside of the folder.
    classes : tuple of str
        Positive and negative class of a table or of the open cohort; empty for the usual ones.
    without_labels : bool
        Read a table without any label too.

    Raises
    ------
    InputError
        If there is no cohort or it cannot be read at all. What is wrong with single patients is among its problems.
    """
    if find_table(folder).is_file():
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
