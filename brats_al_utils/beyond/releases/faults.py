"""Everything that can be wrong with a table of images, but for what is in the images."""

import re
from collections import defaultdict
from pathlib import Path

import pandas as pd

from brats_al_utils.beyond.releases.images import (
    CHANNELS,
    COLOURS,
    IMAGE_FILES,
    PICTURES,
    VOLUMES,
    is_picture,
    is_volume,
)
from brats_al_utils.cohorts.checks import alike, is_there
from brats_al_utils.cohorts.layout import printable, shown
from brats_al_utils.cohorts.split import PARTS
from brats_al_utils.cohorts.volumes import TO_NIFTI, TO_PNG

FREESURFER = "convert it with mri_convert of FreeSurfer"
UNPACK = "unpack"
OF_ARRAYS = "save their arrays as NIfTI, or each slice as PNG; of BraTS, download the release as NIfTI"
FETCH = "a download that has not ended: download again"
CONVERTED = {
    **dict.fromkeys((".mha", ".mhd", ".nrrd", ".nhdr", ".hdr", ".img"), TO_NIFTI),
    **dict.fromkeys((".mgz", ".mgh"), FREESURFER),
    **dict.fromkeys((".bmp", ".gif", ".webp", ".jp2", ".heic", ".heif", ".avif", ".jxl", ".pgm", ".ppm"), TO_PNG),
    **dict.fromkeys((".jfif", ".jpe"), "rename them: .jpg"),
    ".nii.gzip": "rename them: .nii.gz",
    **dict.fromkeys((".h5", ".hdf5", ".npy", ".npz"), OF_ARRAYS),
    **dict.fromkeys((".zip", ".7z", ".rar", ".tar", ".tar.gz", ".tgz", ".gz", ".gzip", ".bz2", ".xz"), UNPACK),
    **dict.fromkeys((".part", ".partial", ".crdownload", ".download"), FETCH),
}
"""What makes a file one that is read, by the ending of its name."""

Fault = tuple[str, str, str]
"""Its kind, the patient, and the message."""


NOTHING = {"NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "None", "NULL", "null", "?"}
"""What R, pandas, Excel and SQL write for an empty cell."""

NO_NAME = re.compile(r"#[A-Z]+(/[0A-Z])?[!?]?|\d([.,]\d+)?E\+\d\d+")
"""What a spreadsheet makes of a name: an error, or a long number cut to its first digits, so that people become one."""


def row_faults(path: Path, rows: pd.DataFrame) -> list[Fault]:
    """Return what is wrong with names and given parts."""
    faults: list[Fault] = []
    for line, name in rows["patient_id"].items():
        if NO_NAME.fullmatch(name):
            what = f"patient_id {name!a}, as a spreadsheet shows a number or an error: enter it anew, as text"
            faults.append(("patient_id", name, f"{path}, line {line}: {what}"))
        elif name in NOTHING or not name or not printable(name):
            what = f"patient_id {name!a}, expected a name that can be printed: correct it"
            faults.append(("patient_id", name, f"{path}, line {line}: {what}"))
    given = rows["split"] != ""
    if given.any():
        for line, row in rows[~rows["split"].isin(("", *PARTS))].iterrows():
            what = f"split {row['split']!a}, expected one of {', '.join(PARTS)}, or nothing: correct it"
            faults.append(("split", row["patient_id"], f"{path}, line {line}: {what}"))
    for column, what in (("split", "parts"), ("site", "sites")):
        for name, values in differing(rows, column):
            if column == "split":
                message = f"{path}: patient {shown(name)} in the {what} {values}, expected one: correct its rows"
                faults.append((f"two {what}", name, message))
    return faults


def differing(rows: pd.DataFrame, column: str) -> list[tuple[str, str]]:
    """Return the patients whose rows differ in a column, with the values, joined."""
    several = rows.groupby("patient_id")[column].unique()
    several = several[several.map(len) > 1]
    return [(str(name), " and ".join(shown(value) or "none" for value in values)) for name, values in several.items()]


def label_faults(path: Path, rows: pd.DataFrame, classes: tuple[str, str], chosen: bool) -> list[Fault]:
    """Return what is wrong with labels: images of one patient may have different ones, but not its volumes."""
    faults: list[Fault] = []
    volumes = rows[rows["image"].map(lambda image: is_volume(Path(image))).astype(bool)]
    for name, values in differing(volumes, "label"):
        message = f"{path}: patient {shown(name)} has volumes with the labels {values}, expected one: correct its rows"
        faults.append(("two labels", name, message))
    if not chosen:
        for line, row in rows[~rows["label"].isin({*classes, ""})].iterrows():
            what = (
                f"label {row['label']!a} is neither {classes[0]} nor {classes[1]}: correct it, or choose two classes "
                "with classes=POSITIVE,NEGATIVE"
            )
            faults.append(("label", row["patient_id"], f"{path}, line {line}: {what}"))
    return faults


def file_faults(path: Path, rows: pd.DataFrame, follow_links: bool) -> list[Fault]:
    """Return what is wrong with the paths: no file is opened."""
    faults: list[Fault] = []
    root = path.parent.resolve()
    used = [name for name in CHANNELS if (rows[name] != "").any()]
    three = (rows["colours"] == COLOURS[0]).any()
    for line, row in rows.iterrows():
        if row["colours"] not in ("", *COLOURS):
            what = f"colours {row['colours']!a}, expected {' or '.join(COLOURS)} or nothing: correct it"
            faults.append(("colours", row["patient_id"], f"{path}, line {line}: {what}"))
        elif three and (row["colours"] != COLOURS[0] or len(used) > 1):
            what = (
                f"colours {row['colours']!a} and {' and '.join(used)}, expected {COLOURS[0]} in all rows and one image"
            )
            faults.append(("colours", row["patient_id"], f"{path}, line {line}: {what}: correct it"))
        missing = [name for name in used if not row[name]]
        if missing:
            what = f"no {' and '.join(missing)}, expected as many channels in every row: fill it in"
            faults.append(("channels", row["patient_id"], f"{path}, line {line}: {what}"))
        for name in IMAGE_FILES:
            if row[name] and (found := path_fault(path.parent, root, row[name], follow_links)):
                faults.append((found[0], row["patient_id"], f"{path}, line {line}: {name} {row[name]!a} {found[1]}"))
    return faults


def path_fault(folder: Path, root: Path, text: str, follow_links: bool) -> tuple[str, str] | None:
    """Return the kind of what is wrong with a path and what a message says of it, or None."""
    place = Path(text)
    if not printable(text) or place.is_absolute() or ".." in place.parts:
        return "outside", "leaves the folder, expected a path below it: put the file there"
    if not is_there(folder / place):
        return "missing", f"is missing in {folder}: copy the file, or correct the path"
    if not (is_picture(place) or is_volume(place)):
        endings = ", ".join((*PICTURES, *VOLUMES))
        ending = next(filter(place.name.casefold().endswith, CONVERTED), "")
        mend = CONVERTED.get(ending, "convert it (DICOM with dcm2niix)")
        return "ending", f"is no image, expected one of {endings}: {mend}"
    if not follow_links and not (folder / place).resolve().is_relative_to(root):
        return "link", "is a symbolic link out of the folder: allow it with --follow-links, or put a copy in its place"
    return None


def twice_faults(path: Path, rows: pd.DataFrame) -> list[Fault]:
    """Return images that are there twice, by what is in the files: one person under two names is in two parts.

    Masks may be alike; one that is an image is none.
    """
    uses = [
        (int(str(line)), row["patient_id"], path.parent / row[name], name)
        for name in IMAGE_FILES
        for line, row in rows[rows[name] != ""].iterrows()
        if printable(row[name])
    ]
    faults: list[Fault] = []
    for same in alike([place for _, _, place, _ in uses]):
        masks = [number for number in same if uses[number][3] not in CHANNELS]
        for number in masks if len(masks) < len(same) else []:
            line, patient, place, _ = uses[number]
            what = f"the mask {place} is an image of the table too, expected a mask: correct one of the cells"
            faults.append(("mask", patient, f"{path}, line {line}: {what}"))
        if len(same := [number for number in same if number not in masks]) < 2:
            continue
        patients = list(dict.fromkeys(uses[number][1] for number in same))
        where = " and ".join(f"{uses[number][2]} (line {uses[number][0]})" for number in same[:3])
        under = f"under the patients {' and '.join(map(shown, patients))}" if len(patients) > 1 else "twice"
        message = f"{path}: the same image {under}: {where}, expected once: remove one, or give both the same group"
        faults += [("twice", patient, message) for patient in patients]
    return faults


def collapsed(faults: list[Fault]) -> dict[str, list[str]]:
    """Return the messages by patient, each once."""
    problems: defaultdict[str, list[str]] = defaultdict(list)
    for _, patient, message in faults:
        if message not in problems[shown(patient)]:
            problems[shown(patient)].append(message)
    return dict(problems)
