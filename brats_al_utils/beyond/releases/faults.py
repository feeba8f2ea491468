"""Check a table of images: names, labels, parts and paths. The images themselves are checked in `images`."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from os.path import isdir
from pathlib import Path

import pandas as pd

from brats_al_utils.beyond.releases.images import CHANNELS, COLOURS, IMAGE_FILES, IMAGES, is_image, is_volume
from brats_al_utils.cohorts.checks import alike, is_there
from brats_al_utils.cohorts.layout import printable, shown
from brats_al_utils.cohorts.split import PARTS
from brats_al_utils.cohorts.volumes import TO_NIFTI, TO_PNG

MENDS = {
    TO_NIFTI: (".mha", ".mhd", ".nrrd", ".nhdr", ".hdr", ".img"),
    "convert it with mri_convert of FreeSurfer": (".mgz", ".mgh"),
    TO_PNG: (".bmp", ".gif", ".webp", ".jp2", ".heic", ".heif", ".avif", ".jxl", ".pgm", ".ppm"),
    "rename them: .jpg": (".jfif", ".jpe"),
    "rename them: .nii.gz": (".nii.gzip",),
    "save the arrays as NIfTI, or each slice as PNG": (".h5", ".hdf5", ".npy", ".npz"),
    "unpack": (".zip", ".7z", ".rar", ".tar", ".tar.gz", ".tgz", ".gz", ".gzip", ".bz2", ".xz"),
    "pointers of DVC: dvc pull": (".dvc",),
    "not downloaded yet: open the folder in Finder and choose Download Now": (".icloud",),
    "an unfinished download: download again": (".part", ".partial", ".crdownload", ".download"),
}
CONVERTED = {ending: mend for mend, endings in MENDS.items() for ending in endings}
"""How to make a file readable, by the ending of its name."""

Fault = tuple[str, str]
"""A patient, and a message."""

NOTHING = {"NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "None", "NULL", "null", "?"}
"""What R, pandas, Excel and SQL write for an empty cell."""

NO_NAME = re.compile(r"#[A-Z]+(/[0A-Z])?[!?]?|\d([.,]\d+)?E\+\d\d+")
"""Names that a spreadsheet has replaced by an error, or by a long number's first digits: several people become one."""


def first_of(names: Iterable[str]) -> str:
    """Return the first five names, and dots if there are more."""
    every = list(names)
    return ", ".join(map(shown, every[:5])) + (", ..." if len(every) > 5 else "")


def checked(
    path: Path, rows: pd.DataFrame, used: pd.DataFrame, classes: tuple[str, str], chosen: bool, follow_links: bool
) -> tuple[pd.DataFrame, dict[str, list[str]]]:
    """Return the used rows of the patients without a problem, and the problems of the others by patient.

    Parameters
    ----------
    path : Path
        The table.
    rows, used : pd.DataFrame
        All rows, and those whose images are used.
    classes : tuple of str
        Negative, positive.
    chosen : bool
        Whether the user has chosen the classes. If not, other labels are a problem.
    follow_links : bool
        Follow symbolic links out of the folder.
    """
    faults = [*row_faults(path, rows), *label_faults(path, rows[rows["label"] != ""], classes, chosen)]
    problems = collapsed([*faults, *file_faults(path, used, follow_links), *twice_faults(path, used)])
    return used[~used["patient_id"].map(shown).isin(problems)], problems


def row_faults(path: Path, rows: pd.DataFrame) -> Iterator[Fault]:
    """Yield the problems of names and of the column split."""
    for line, name in rows["patient_id"].items():
        what = f"{path}, line {line}: patient_id {name!a}"
        if NO_NAME.fullmatch(name):
            yield name, f"{what}, as a spreadsheet shows a number or an error: enter it again, as text"
        elif name in NOTHING or not name or not printable(name):
            yield name, f"{what}, expected a name that can be printed: correct it"
    for line, row in rows[~rows["split"].isin(("", *PARTS))].iterrows():
        what = f"split {row['split']!a}, expected one of {', '.join(PARTS)}, or nothing: correct it"
        yield row["patient_id"], f"{path}, line {line}: {what}"
    for name, values in differing(rows, "split"):
        yield name, f"{path}: patient {shown(name)} in the parts {values}, expected one: correct its rows"


def differing(rows: pd.DataFrame, column: str) -> list[tuple[str, str]]:
    """Return each patient whose rows differ in a column, with the values in words."""
    several = rows.groupby("patient_id")[column].unique()
    several = several[several.map(len) > 1]
    return [(str(name), " and ".join(shown(value) or "none" for value in values)) for name, values in several.items()]


def label_faults(path: Path, rows: pd.DataFrame, classes: tuple[str, str], chosen: bool) -> Iterator[Fault]:
    """Yield the problems of labels: a patient's pictures may have different labels, a patient's volumes may not."""
    volumes = rows[rows["image"].map(lambda image: is_volume(Path(image))).astype(bool)]
    for name, values in differing(volumes, "label"):
        what = f"has volumes with the labels {values}, expected one: correct its rows"
        yield name, f"{path}: patient {shown(name)} {what}"
    for line, row in rows[~rows["label"].isin(classes) & (not chosen)].iterrows():
        what = f"label {row['label']!a} is neither {classes[0]} nor {classes[1]}"
        mend = "correct it, or choose two classes with classes=POSITIVE,NEGATIVE"
        yield row["patient_id"], f"{path}, line {line}: {what}: {mend}"


def file_faults(path: Path, rows: pd.DataFrame, follow_links: bool) -> Iterator[Fault]:
    """Yield the problems of paths and colours; no file is opened."""
    root = path.parent.resolve()
    used = [name for name in CHANNELS if (rows[name] != "").any()]
    three = (rows["colours"] == COLOURS[0]).any()
    for line, row in rows.iterrows():
        patient, colours = row["patient_id"], f"{path}, line {line}: colours {row['colours']!a}"
        if row["colours"] not in ("", *COLOURS):
            yield patient, f"{colours}, expected {' or '.join(COLOURS)} or nothing: correct it"
        elif three and (row["colours"] != COLOURS[0] or len(used) > 1):
            what = f"expected {COLOURS[0]} in all rows and one image"
            yield patient, f"{colours} and {' and '.join(used)}, {what}: correct it"
        if missing := [name for name in used if not row[name]]:
            what = f"no {' and '.join(missing)}, expected as many channels in every row: fill it in"
            yield patient, f"{path}, line {line}: {what}"
        for name in IMAGE_FILES:
            if row[name] and (what := path_fault(path.parent, root, row[name], follow_links)):
                yield patient, f"{path}, line {line}: {name} {row[name]!a} {what}"


def path_fault(folder: Path, root: Path, text: str, follow_links: bool) -> str:
    """Return the problem of a path, or an empty text."""
    place = Path(text)
    if "://" in text:
        return "is an address, expected a path: download the image, and name its file"
    if not printable(text) or place.is_absolute() or ".." in place.parts:
        return "leaves the folder, expected a path below it: put the file there"
    if not is_there(folder / place):
        if isdir(folder / place):  # noqa: PTH112 - Path raises where a name is too long
            return "is a folder, expected an image's file: a row an image, or one volume (DICOM series with dcm2niix)"
        return f"is missing in {folder}: copy the file, or correct the path"
    if not is_image(place):
        ending = next(filter(place.name.casefold().endswith, CONVERTED), "")
        mend = CONVERTED.get(ending, "convert it (DICOM with dcm2niix)")
        return f"is no image, expected one of {', '.join(IMAGES)}: {mend}"
    if not follow_links and not (folder / place).resolve().is_relative_to(root):
        return "is a symbolic link out of the folder: allow it with --follow-links, or put a copy in its place"
    return ""


def twice_faults(path: Path, rows: pd.DataFrame) -> Iterator[Fault]:
    """Yield identical image files: they may be one person under two names, in two parts of the split.

    Masks may be identical to each other, but not to an image.
    """
    uses = [
        (line, row["patient_id"], path.parent / row[name], name)
        for name in IMAGE_FILES
        for line, row in rows[rows[name] != ""].iterrows()
        if printable(row[name])
    ]
    for same in alike([place for _, _, place, _ in uses]):
        images = [uses[number] for number in same if uses[number][3] in CHANNELS]
        for line, patient, place, name in (uses[number] for number in same if images):
            if name not in CHANNELS:
                what = f"the mask {place} is an image of the table too, expected a mask: correct one of the cells"
                yield patient, f"{path}, line {line}: {what}"
        patients = list(dict.fromkeys(patient for _, patient, _, _ in images))
        under, mend = "more than once", "keep one of these rows"
        if len(patients) > 1:
            under = f"under the patients {' and '.join(map(shown, patients))}"
            mend = "keep one of these rows, and if they are one person, give both the same group"
        where = " and ".join(f"{place} (line {line})" for line, _, place, _ in images[:3])
        for patient in patients if len(images) > 1 else []:
            yield patient, f"{path}: the same image {under}: {where}, expected once: {mend}"


def collapsed(faults: Iterable[Fault]) -> dict[str, list[str]]:
    """Return the messages of each patient, without repetitions."""
    problems: defaultdict[str, list[str]] = defaultdict(list)
    for patient, message in faults:
        if message not in problems[shown(patient)]:
            problems[shown(patient)].append(message)
    return dict(problems)
