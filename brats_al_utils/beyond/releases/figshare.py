"""Read Cheng's open cohort of brain tumours as published: a MATLAB file for each slice, in one or several folders.

Cheng 2017, figshare, doi 10.6084/m9.figshare.1512427 (CC BY 4.0), described in Cheng et al. 2015, PLoS ONE
10(10):e0140381.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from brats_al_utils import InputError
from brats_al_utils.beyond.releases.faults import Fault, collapsed, differing
from brats_al_utils.beyond.releases.image_cuts import kind_of_images
from brats_al_utils.beyond.releases.images import CHANNELS, IMAGE_FILES, MASK
from brats_al_utils.beyond.releases.matlab import IMAGE, TUMOUR, read_facts, read_matlab
from brats_al_utils.beyond.releases.paths import in_and_below
from brats_al_utils.cohorts.brats import link_out, links_problem
from brats_al_utils.cohorts.checks import alike
from brats_al_utils.cohorts.cohort import Cohort, frozen, refuse_task
from brats_al_utils.cohorts.layout import shown
from brats_al_utils.cohorts.volumes import Volume

RELEASE = "open cohort of Cheng"

SLICE = re.compile(r"\d{1,9}\.mat", re.IGNORECASE)
"""Slices are numbered; the file cvind.mat beside them holds the folds of the authors' cross-validation."""

TUMOURS = {1: "meningioma", 2: "glioma", 3: "pituitary"}
"""Classes by label."""

USUAL = ("glioma", "meningioma")
"""Default positive and negative class."""

SCANNED_AGAIN = re.compile(r"(MR\d+)[A-Z]")
"""Ids that differ only in a last letter after an MR number are one person's, most likely scanned again."""

WHOLE = 3064
"""Number of slices of the whole set, which is published as four files."""

MAX_SLICES = 100_000
"""Largest number of files."""


def find_slices(folder: Path) -> list[Path]:
    """Return the numbered MATLAB files in a folder and in the folders below it, by number."""
    files = [path for _, inside in in_and_below(folder) for path in inside]
    found = [path for path in files if SLICE.fullmatch(path.name) and path.is_file()]
    return sorted(found, key=lambda path: (int(path.stem), path))


def person_of(patient_id: str) -> str:
    """Return the person of an id: the id itself, or the MR number before its last letter."""
    again = SCANNED_AGAIN.fullmatch(patient_id)
    return again[1] if again else patient_id


def read_figshare(
    folder: Path, follow_links: bool = False, classes: tuple[str, ...] = (), task: str = ""
) -> Cohort | None:
    """Read each slice's patient and tumour; no image is read.

    Parameters
    ----------
    folder : Path
        Folder of the numbered files, or of the folders into which they were unpacked.
    follow_links : bool
        Follow symbolic links out of the folder.
    classes : tuple of str
        Positive and negative class, two of ``TUMOURS``; if empty, ``USUAL``. Slices of the third are skipped.
    task : str
        Refused unless empty: the classes say what is told apart.

    Raises
    ------
    InputError
        If there are too many files, a task is named, or the classes are not two tumours of the set.
    """
    paths = find_slices(folder)
    if not paths:
        return None
    refuse_task(task, folder)
    positive, negative = chosen = classes or USUAL
    if positive == negative or not set(chosen) <= set(TUMOURS.values()):
        raise InputError(
            f"classes are {', '.join(chosen)}, expected two of {', '.join(TUMOURS.values())}: positive,negative"
        )
    pair = negative, positive
    if len(paths) > MAX_SLICES:
        raise InputError(f"{folder}: {len(paths)} numbered MATLAB files, expected at most {MAX_SLICES}: name a part")
    faults: list[Fault] = []
    rows: list[dict[str, str]] = []
    for path in paths:
        name = shown(str(path.relative_to(folder)))
        if link := link_out([path], folder, follow_links):
            faults.append((name, links_problem(folder, name, link)))
            continue
        try:
            rows.append(described(path) | {"named": name})
        except InputError as error:
            faults.append((name, str(error)))
    slices = pd.DataFrame(rows, columns=["id", "label", "file", "named"], dtype=object)
    slices.insert(0, "patient_id", slices["id"].map(person_of))
    faults += [
        (name, f"patient {name} has the labels {values}, expected one: download the files again")
        for name, values in differing(slices, "label")
    ]
    problems = collapsed([*faults, *twice_faults(slices)])
    used = slices[slices["label"].isin(pair) & ~slices["patient_id"].isin(problems)]
    cases = used.sort_values("patient_id", kind="stable", ignore_index=True).rename(columns={"label": "class_name"})
    cases = cases.assign(site="unknown", release=RELEASE, slices=1, image2="", image3="")
    cases = cases.assign(image=cases["file"], mask=cases["file"])
    cases = cases[["patient_id", "class_name", "site", "release", "named", "slices", *IMAGE_FILES]]
    notes, kind = notes_of(folder, slices, pair), kind_of_images(read_slice)
    return Cohort(folder, cases, (), frozen(problems), notes, pair, IMAGE_FILES, CHANNELS[:1], kind)


def described(path: Path) -> dict[str, str]:
    """Return a slice's id, tumour and file.

    Raises
    ------
    InputError
        If it cannot be read, or its label or id is invalid.
    """
    label, patient_id = read_facts(path)
    if label not in TUMOURS:
        names = ", ".join(f"{number} ({name})" for number, name in TUMOURS.items())
        raise InputError(f"{path}: label {label:g}, expected one of {names}: download the file again")
    if not (patient_id.isascii() and patient_id.isalnum()):
        raise InputError(f"{path}: PID {patient_id!a}, expected letters and digits: download the file again")
    return {"id": patient_id, "label": TUMOURS[int(label)], "file": str(path)}


def read_slice(path: Path, column: str, colours: str) -> list[Volume]:
    """Return a slice's image or its mask, as `images.read_file` does."""
    if column != MASK:
        return [read_matlab(path, IMAGE)]
    tumour = read_matlab(path, TUMOUR)
    return [replace(tumour, voxels=(tumour.voxels > 0).astype(np.uint8))]


def twice_faults(slices: pd.DataFrame) -> Iterator[Fault]:
    """Yield the problem of slices that occur twice, with the same number or in identical files."""
    files = [Path(path) for path in slices["file"]]
    numbers = pd.Series([int(path.stem) for path in files], dtype=int)
    numbered = [list(same) for same in numbers.groupby(numbers).groups.values() if len(same) > 1]
    for same in [*numbered, *alike(files)]:
        where = " and ".join(slices["file"].iloc[same[:3]])
        for name in slices["patient_id"].iloc[same].unique():
            yield name, f"{where}: the same slice, expected once: keep one of the files"


def notes_of(folder: Path, slices: pd.DataFrame, pair: tuple[str, str]) -> tuple[str, ...]:
    """Return notes: missing files, how many persons there are, the classes, and what is skipped."""
    ids, persons = slices["id"].nunique(), slices["patient_id"].nunique()
    others = slices.loc[~slices["label"].isin(pair), "patient_id"].nunique()
    notes = []
    if len(slices) < WHOLE:
        notes.append(f"{folder}: {len(slices)} of the set's {WHOLE} slices: unpack its other files beside them, if any")
    if persons < ids:
        again = "MR numbers with another last letter"
        notes.append(f"{folder}: {ids} ids are {persons} persons ({again}), each of them one patient")
    what = f"{folder}: {pair[1]} is the positive class, {pair[0]} the negative; {others} patients of other classes"
    return (*notes, f"{what}, skipped: choose with classes=POSITIVE,NEGATIVE")
