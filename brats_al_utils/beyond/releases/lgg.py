"""Read the LGG set as published: a folder for each patient, the three sequences of a slice as one file's colours.

Buda et al. 2019, Comput Biol Med 109:218, doi 10.1016/j.compbiomed.2019.05.002; from TCGA-LGG, TCIA, doi
10.7937/K9/TCIA.2016.L4LTD3TK. On Kaggle as LGG Segmentation Dataset (CC BY-NC-SA 4.0).
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import takewhile
from pathlib import Path

import numpy as np
import pandas as pd

from brats_al_utils import InputError
from brats_al_utils.beyond.releases.faults import Fault, collapsed
from brats_al_utils.beyond.releases.image_cuts import kind_of_images
from brats_al_utils.beyond.releases.images import (
    COLOURS,
    IMAGE_FILES,
    MASK,
    PICTURES,
    lifted,
    read_images,
    read_mask,
    without_contrast,
)
from brats_al_utils.beyond.releases.paths import in_and_below
from brats_al_utils.beyond.releases.table import csv_rows
from brats_al_utils.beyond.releases.tcia import of_hospitals
from brats_al_utils.cohorts.brats import link_out, links_problem
from brats_al_utils.cohorts.cohort import Cohort, cores, frozen
from brats_al_utils.cohorts.layout import entries, shown
from brats_al_utils.cohorts.naming import LGG as RELEASE

CITATION = (
    "Buda et al. 2019, doi 10.1016/j.compbiomed.2019.05.002, and TCGA-LGG, TCIA, doi 10.7937/K9/TCIA.2016.L4LTD3TK; "
    "licence CC BY-NC-SA 4.0 (Kaggle)"
)

SEQUENCES = ("pre-contrast", "FLAIR", "post-contrast")
"""Sequences in the red, green and blue of a file."""

PATIENT = re.compile(r"(TCGA_([A-Z0-9]{2})_[A-Z0-9]{4})_\d{8}")
"""A patient's folder: the id, which holds the hospital's code, and the date of the scan."""

SLICE = re.compile(r"_(\d{1,4})(_mask)?")
"""End of a file's name, after the folder's name."""

TASKS = {"tumour": ("no tumour", "tumour"), "grade": ("grade II", "grade III")}
"""Negative and positive class of each task."""

GRADES_FILE = "data.csv"
GRADES = {"1": "grade II", "2": "grade III"}
"""Classes by the values of its column neoplasm_histologic_grade."""

REPLACED = 2.0
"""Two channels are the same sequence if their grey levels differ by less on average: in a JPEG they are not equal."""


def find_patients(folder: Path) -> list[Path]:
    """Return the patients' folders in a folder, or in the only folder below it that has some.

    Raises
    ------
    InputError
        If several folders have some.
    """
    found = {}
    for place, inside in in_and_below(folder):
        if patients := [path for path in inside if PATIENT.fullmatch(path.name) and path.is_dir()]:
            found[place] = patients
        if folder in found:
            break
    if len(found) > 1:
        names = ", ".join(shown(str(place)) for place in found)
        raise InputError(f"{folder}: holds the LGG set several times ({names}), expected once: name one of them")
    return next(iter(found.values()), [])


def read_lgg(folder: Path, follow_links: bool = False, classes: tuple[str, ...] = (), task: str = "") -> Cohort | None:
    """Read the list of slices, their masks, and one image of each patient.

    Parameters
    ----------
    folder : Path
        Folder of the patients' folders, or the one above it.
    follow_links : bool
        Follow symbolic links out of the folder.
    classes : tuple of str
        Refused unless empty: they follow from the task.
    task : {"", "tumour", "grade"}
        tumour (also if empty): slices with tumour are positive, slices without are negative. grade: the slices with
        tumour of patients of grade III (positive) and II.

    Raises
    ------
    InputError
        If classes are named, the task is unknown, or the grades cannot be read.
    """
    places = find_patients(folder)
    if not places:
        return None
    if classes:
        raise InputError(f"classes are {', '.join(classes)}, expected none: choose a task, as task=grade")
    task = task or "tumour"
    if task not in TASKS:
        raise InputError(f"task is {task!r}, expected one of {', '.join(TASKS)} for the {RELEASE}")
    root = places[0].parent
    faults: list[Fault] = []
    rows = [row for place in places for row in slices_of(place, root, follow_links, faults)]
    columns = ["patient_id", "site", "named", "z", *IMAGE_FILES]
    slices = pd.DataFrame(rows).reindex(columns=columns, fill_value="")
    with ThreadPoolExecutor(cores()) as pool:
        slices["tumour"] = pd.Series(list(pool.map(tumour_pixels, slices[MASK])), dtype=object)
    unread = slices[slices["tumour"].map(lambda area: isinstance(area, str)).astype(bool)]
    problems = collapsed([*faults, *zip(unread["patient_id"], unread["tumour"], strict=True)])
    slices = slices[~slices["patient_id"].isin(problems)].sort_values(["patient_id", "z"], ignore_index=True)
    with_tumour = (slices["tumour"] > 0).sum()
    counts = f"{root}: {with_tumour} slices with tumour, {len(slices) - with_tumour} without"
    whole = slices[~slices.index.isin(empty_ends(slices))].reset_index(drop=True)
    if skipped := len(slices) - len(whole):
        counts += f"; {skipped} of them at the ends of a volume show nothing, and are skipped"
    cases, notes = (with_grades if task == "grade" else with_tumours)(whole, root)
    notes = [f"{root}: {RELEASE}; cite {CITATION}", counts, *notes, *of_sequences(cases), *of_hospitals(cases)]
    cases = cases.drop(columns="tumour").assign(release=RELEASE, slices=1, colours=COLOURS[0])
    kind = kind_of_images()
    return Cohort(root, cases, (), frozen(problems), tuple(notes), TASKS[task], IMAGE_FILES, SEQUENCES, kind)


def slices_of(place: Path, root: Path, follow_links: bool, faults: list[Fault]) -> Iterator[dict[str, object]]:
    """Yield the slices of a patient's folder.

    Parameters
    ----------
    place : Path
        The patient's folder.
    root : Path
        Folder out of which links must not lead, unless ``follow_links``.
    faults : list
        Receives the problems.
    """
    patient_id, code = PATIENT.fullmatch(place.name).groups()  # type: ignore[union-attr]
    found: defaultdict[tuple[int, bool], list[Path]] = defaultdict(list)
    for path in entries(place):
        name = SLICE.fullmatch(path.stem.removeprefix(place.name))
        if name and path.suffix.casefold() in PICTURES:
            found[int(name[1]), bool(name[2])].append(path)
    for z in sorted({z for z, _ in found}):
        files = [*found[z, False], *found[z, True]]
        if len(found[z, False]) != 1 or len(found[z, True]) != 1:
            names = ", ".join(path.name for path in files)
            what = f"{place}: slice {z} has the files {names}, expected an image and its mask: copy the folder again"
            faults.append((patient_id, what))
            continue
        if link := link_out(files, root, follow_links):
            faults.append((patient_id, links_problem(root, shown(str(files[0])), link)))
            continue
        image, mask = map(str, files)
        named = str(files[0].relative_to(root))
        yield {"patient_id": patient_id, "site": code, "named": named, "z": z, "image": image, MASK: mask}


def tumour_pixels(mask: str) -> int | str:
    """Return the size of the tumour in a mask, or why it cannot be read."""
    try:
        return int(np.count_nonzero(read_mask(Path(mask)).voxels))
    except InputError as error:
        return str(error)


def empty_ends(slices: pd.DataFrame) -> list[int]:
    """Return the rows of the slices at either end of a volume that have no tumour and a sequence that shows nothing."""
    found: list[int] = []
    for _, rows in slices.groupby("patient_id"):
        for ends in (rows, rows[::-1]):
            each = zip(ends.index, ends["tumour"], ends["image"], strict=True)
            found += [row for row, _, _ in takewhile(lambda it: not it[1] and is_empty(Path(it[2])), each)]
    return found


def is_empty(path: Path) -> bool:
    """Whether a sequence of a slice shows nothing; False if the file is unreadable, which is reported later."""
    with suppress(InputError):
        return any(without_contrast(lifted(channel.voxels)) for channel in read_images(path, COLOURS[0]))
    return False


def with_tumours(slices: pd.DataFrame, root: Path) -> tuple[pd.DataFrame, list[str]]:
    """Return all slices with their class in the task tumour, and notes; parameters as `with_grades`."""
    there = slices["tumour"] > 0
    classes = pd.Series(np.array(TASKS["tumour"], object)[there.astype(int)], slices.index)
    note = f"{root}: a slice without tumour has nothing that the shortcut audit could hide: the audit is left out"
    # Slices without tumour get no mask: in other tables an empty mask is a problem.
    cases = slices.assign(class_name=classes, mask=slices[MASK].where(there, ""), position=positions(slices))
    return cases, [note]


def with_grades(slices: pd.DataFrame, root: Path) -> tuple[pd.DataFrame, list[str]]:
    """Return the slices with tumour of the patients whose grade is known, and a note on the others.

    Parameters
    ----------
    slices : pd.DataFrame
        Columns patient_id, z, tumour (pixels) and mask, by patient_id and z.
    root : Path
        Folder of ``GRADES_FILE``.
    """
    grade = slices["patient_id"].map(read_grades(root / GRADES_FILE))
    cases = slices.assign(class_name=grade, position=positions(slices))[(slices["tumour"] > 0) & grade.notna()]
    unknown = slices.loc[grade.isna(), "patient_id"].unique()
    without = f"{root / GRADES_FILE}: patients without a grade, skipped: {len(unknown)} ({', '.join(unknown[:5])})"
    return cases.reset_index(drop=True), [without] if len(unknown) else []


def positions(slices: pd.DataFrame) -> pd.Series:
    """Return each slice's position: 0 at the patient's lowest slice with tumour, 1 at the highest; 0 without any."""
    extent = slices["z"].where(slices["tumour"] > 0).groupby(slices["patient_id"]).agg(["min", "max"])
    low, high = (slices["patient_id"].map(extent[end]) for end in ("min", "max"))
    return ((slices["z"] - low) / (high - low).clip(lower=1)).round(4).fillna(0.0)


def read_grades(path: Path) -> dict[str, str]:
    """Return the known grades by patient.

    Raises
    ------
    InputError
        If the table cannot be read.
    """
    mend = "copy the set's data.csv beside the patients' folders, or set task=tumour"
    try:
        rows = csv_rows(path)
        return {row["Patient"]: GRADES[value] for row in rows if (value := row["neoplasm_histologic_grade"]) in GRADES}
    except KeyError as error:
        raise InputError(f"{path}: the grades cannot be read (no column {error}): {mend}") from error
    except InputError as error:
        raise InputError(f"{error}; or {mend}") from error


def of_sequences(cases: pd.DataFrame) -> list[str]:
    """Return a note on the patients for whom the set has FLAIR in place of a missing sequence."""
    middle = cases.groupby("patient_id")["image"].agg(lambda images: images.iloc[len(images) // 2])
    counts = dict.fromkeys((SEQUENCES[0], SEQUENCES[2]), 0)
    for path in middle:
        with suppress(InputError):  # reported when the image is read
            for name, again in zip(counts, flair_again(Path(path)), strict=True):
                counts[name] += again
    told = ", ".join(f"{name} of {count} patients" for name, count in counts.items() if count)
    return [f"a missing sequence is replaced by FLAIR in the set: {told}"] if told else []


def flair_again(path: Path) -> list[bool]:
    """Return whether the pre-contrast and the post-contrast channel of a file repeat its FLAIR."""
    pre, flair, post = (channel.voxels.astype(float) for channel in read_images(path, COLOURS[0]))
    return [bool(np.abs(other - flair).mean() < REPLACED) for other in (pre, post)]
