"""Find the patients' folders of a BraTS release in the folder to which it was unpacked."""

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import chain, islice
from pathlib import Path
from unicodedata import category

from brats_al_utils import InputError
from brats_al_utils.cohorts.mapping import MAPPING_FILE
from brats_al_utils.cohorts.volumes import SEGMENTATION

GRADES = ("LGG", "HGG")
"""The classes of BraTS, negative and positive, and the folders of the releases of 2017 to 2019."""

SYNONYMS = {
    "t1": ("t1", "t1n", "t1w"),
    "t1ce": ("t1ce", "t1c", "t1gd"),
    "t2": ("t2", "t2w"),
    "flair": ("flair", "t2f"),
    SEGMENTATION: (SEGMENTATION, "segm", "tumor_segmentation"),
}
"""Names of volumes after the patient's name, in any capitals: in BraTS since 2017, and in TCGA's and UCSF's sets."""

RELEASE = re.compile(r"brats(?P<year>\d\d)_", re.IGNORECASE)
"""First part of a patient's name in the releases of 2017 to 2020."""

UNGRADED = re.compile(r"brats2021_\d+|brats-[a-z]+-\d+-\d+", re.IGNORECASE)
"""A patient's name in the releases of 2021 and 2023. These have no grades, and are read with a table."""

LEVELS = 4
"""Number of levels below the named folder that are searched for a release, to name its folder in a message."""

MAX_FOLDERS = 1000
"""Largest number of folders searched on each level."""


class NoPatientsError(InputError):
    """No patients of a release were found in a folder."""


LEFT_BEHIND = (".", "__MACOSX", "@eaDir", "Icon\r", "#recycle", "$RECYCLE", "System Volume Information")
"""First part of the names of files and folders that systems, unpackers and file servers hide or leave behind."""


def printable(name: str) -> bool:
    """Whether a name can be printed; every kind of space can (macOS puts special ones into names of screenshots)."""
    return all(letter.isprintable() or category(letter) == "Zs" for letter in name)


def shown(name: str) -> str:
    """Return a name in a form that can be printed."""
    return name if printable(name) else ascii(name)[1:-1]


@contextmanager
def opened(folder: Path) -> Iterator[None]:
    """Turn the error of a folder that cannot be listed into an `InputError`."""
    try:
        yield
    except OSError as error:
        raise InputError(f"{shown(str(folder))}: cannot be opened ({error.strerror}): fix its permissions") from error


def entries(folder: Path) -> list[Path]:
    """Return the files and folders in a folder, without those that systems and unpackers leave there.

    Raises
    ------
    InputError
        If the folder cannot be opened.
    """
    with opened(folder):
        return sorted(path for path in folder.iterdir() if not path.name.startswith(LEFT_BEHIND))


def subfolders(folder: Path) -> list[Path]:
    """Return the folders in a folder; see `entries`."""
    with opened(folder):
        return [path for path in entries(folder) if path.is_dir()]


def find_root(folder: Path) -> Path:
    """Return the folder that holds the cases: the named one, or its only child that does.

    Raises
    ------
    InputError
        If there is none, or there are several; the message names the right folder if one is found near by.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder: name that of a cohort (docs/cohorts.md)")
    children = subfolders(folder)
    name, above = folder.resolve().name.upper(), folder.resolve().parent
    if name in GRADES and any(map(has_segmentation, children)):
        raise InputError(f"{folder}: the patients of one grade, expected both (HGG and LGG): name the folder {above}")
    if is_root(folder):
        return folder
    for depth, level in enumerate(levels_below(folder), start=1):
        roots = list(roots_among(level))
        names = [shown(str(root)) for root in roots]
        if len(roots) > 1:
            raise InputError(f"{folder}: holds several releases ({', '.join(names)}), expected one: name one of them")
        if roots and names != [str(roots[0])]:
            raise InputError(f"{names[0]}: its name cannot be printed: rename the folder")
        if roots and depth > 1:
            raise InputError(f"{folder}: holds a release {depth} levels below, expected at most one: name {names[0]}")
        if roots:
            return roots[0]
    for place in near(folder):
        if what := patients_without(place):
            raise InputError(f"{folder}: no patient found; {what}")
    raise NoPatientsError(
        f"{folder}: no patient found; looked here and {LEVELS} levels below for the folders HGG and LGG (BraTS 2017 to "
        f"2019) or for {MAPPING_FILE} beside the patients' folders (BraTS 2020), here for a table (cohort.csv), and "
        "here and one level below for the open cohort's files (1.mat): name the release's folder, or write a table of "
        "your own (brats-al cohort --template)"
    )


def levels_below(folder: Path) -> Iterator[list[Path]]:
    """Yield the folders on each of ``LEVELS`` levels below a folder, at most ``MAX_FOLDERS`` on each."""
    level = [folder]
    for _ in range(LEVELS):
        level = list(islice(folders_below(level), MAX_FOLDERS))
        yield level


def near(folder: Path) -> list[Path]:
    """Return a folder and those below it that are searched for a release."""
    return [folder, *chain.from_iterable(levels_below(folder))]


def roots_among(folders: list[Path]) -> Iterator[Path]:
    """Yield the folders that hold patients; those that cannot be opened are skipped."""
    for folder in folders:
        with suppress(InputError):
            if is_root(folder):
                yield folder


def patients_without(folder: Path) -> str:
    """Return the message on a folder of patients without grades or segmentations; empty for any other folder."""
    with suppress(InputError):
        for child in subfolders(folder):
            if UNGRADED.fullmatch(child.name):
                return (
                    f"{shown(str(child))} is of BraTS 2021 or later, and these releases give no grades (the "
                    "metadata of UCSF-PDGM names 298 patients of 2021, all of grade 4), expected a class for each "
                    "patient: put a table cohort.csv with the columns patient_id and label beside these folders, "
                    "or name the folder of a release of 2017 to 2020"
                )
            if RELEASE.match(child.name):
                return (
                    f"{shown(str(child))} has no segmentation, as in a release's validation data: name the folder "
                    "of its training data"
                )
    return ""


def folders_below(folders: list[Path]) -> Iterator[Path]:
    """Yield the subfolders of some folders; those that cannot be opened are skipped."""
    for folder in folders:
        with suppress(InputError):
            yield from subfolders(folder)


def is_root(folder: Path) -> bool:
    """Whether a folder holds patients: in folders of grades, beside a mapping, or with a segmentation.

    Raises
    ------
    InputError
        If it or a grade's folder in it cannot be opened.
    """
    cases, _ = case_folders(folder)
    mapped = (folder / MAPPING_FILE).is_file()
    return any(grade or mapped or has_segmentation(place) for place, grade in cases)


def is_case(folder: Path) -> bool:
    """Whether a folder is a patient's: it has a patient's name, or holds a volume."""
    if RELEASE.match(folder.name):
        return not any(child.name.upper() in GRADES for child in folders_below([folder]))
    return any(map(is_nifti, entries(case_home(folder))))


def is_nifti(path: Path) -> bool:
    """Whether a file (or a folder in its place) has the name of a volume."""
    return printable(path.name) and path.name.casefold().endswith((".nii", ".nii.gz"))


def named_volumes(here: list[Path], stem: str) -> tuple[dict[str, Path], list[str]]:
    """Return the volumes named after a stem, by sequence, and a problem for each sequence with two volumes.

    Parameters
    ----------
    here : list of Path
        Files of one folder; of a file that exists with and without gzip, the first is taken.
    """
    by_name = {path.name.casefold().removesuffix(".gz"): path for path in reversed(here)}
    found, problems = {}, []
    for name, words in SYNONYMS.items():
        places = [by_name.get(f"{stem}{sign}{word}.nii".casefold()) for word in words for sign in "_-"]
        there = [place for place in places if place]
        if len(there) > 1:
            both = " and ".join(shown(str(place)) for place in there)
            problems.append(f"{both}: two volumes for {name}, expected one: remove the other")
        if there:
            found[name] = there[0]
    return found, problems


def has_segmentation(folder: Path) -> bool:
    """Whether a patient's folder holds something named as a segmentation."""
    with suppress(InputError):
        return any(SEGMENTATION in path.name.casefold() for path in entries(case_home(folder)))
    return False


def case_home(folder: Path) -> Path:
    """Return the folder that holds a patient's files: some unpackers make one of the same name in the patient's."""
    here, inner = entries(folder), folder / folder.name
    return inner if inner in here and inner.is_dir() and not any(map(is_nifti, here)) else folder


def of_grade(folder: Path) -> list[Path]:
    """Return the folders in a grade's folder, and in a folder of the same name within it (some unpackers make one)."""
    found = subfolders(folder)
    again = [place for place in found if place.name.upper() == folder.name.upper()]
    return [place for place in found if place not in again] + [inner for place in again for inner in subfolders(place)]


def strays(root: Path) -> list[Path]:
    """Return the patients' folders that lie in folders without a grade, beside the grades' folders or within one."""
    places = subfolders(root)
    with suppress(InputError):
        places += [inner for place in places if place.name.upper() in GRADES for inner in of_grade(place)]
    found: list[Path] = []
    for place in places:
        with suppress(InputError):
            if place.name.upper() not in GRADES and not is_case(place):
                found += [child for child in subfolders(place) if RELEASE.match(child.name) and has_segmentation(child)]
    return found


def case_folders(root: Path) -> tuple[list[tuple[Path, str | None]], list[str]]:
    """Return each case's folder with its grade (None if the layout tells none), and a note on each skipped folder.

    Raises
    ------
    InputError
        If the folder of the release or of a grade cannot be opened.
    """
    cases: list[tuple[Path, str | None]] = []
    notes: list[str] = []
    for parent in subfolders(root):
        if parent.name.upper() not in GRADES:
            continue
        for child in of_grade(parent):
            try:
                reason = "" if is_case(child) else "no NIfTI file in it"
            except InputError as error:
                reason = str(error)
            if reason:
                notes.append(f"{shown(str(child))}: skipped, not a patient's folder ({reason})")
            else:
                cases.append((child, parent.name.upper()))
    flat = not cases and (root / MAPPING_FILE).is_file()
    for child in subfolders(root):
        with suppress(InputError):
            if is_case(child) and (flat or RELEASE.match(child.name)):
                cases.append((child, None))
    return cases, notes
