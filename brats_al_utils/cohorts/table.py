"""Read a table of images of one's own, ``cohort.csv``: a row an image, the paths relative to the table's folder."""

import csv
import io
from difflib import get_close_matches
from pathlib import Path

import pandas as pd

from brats_al_utils import InputError
from brats_al_utils.cohorts.cohort import Cohort, frozen
from brats_al_utils.cohorts.faults import collapsed, differing, file_faults, label_faults, row_faults, twice_faults
from brats_al_utils.cohorts.images import IMAGE_FILES, depth, is_picture, is_volume
from brats_al_utils.cohorts.layout import GRADES, UNGRADED, series, shown, subfolders
from brats_al_utils.files import write_file

TABLE = "cohort.csv"

REQUIRED = ("patient_id", "label", "image")
"""Beside the folders of BraTS 2021 or 2023 the image need not be named."""

COLUMNS = (*REQUIRED, "image2", "image3", "mask", "site", "group", "split", "colours")

MAX_BYTES = 2**25
MAX_ROWS = 100_000
"""A larger table is refused."""

EXAMPLE = """patient_id,label,image,mask,site,group,split
p001,negative,images/p001.png,masks/p001.png,Hospital A,,
p002,positive,images/p002.png,,Hospital B,,
"""


def write_template(folder: Path) -> tuple[Path, int]:
    """Write a table with a row for each image in and below a folder, or with two example rows where there is none.

    Returns
    -------
    path : Path
    images : int
        Rows written for images, each a patient of its own and without a label.

    Raises
    ------
    InputError
        If the folder has a table, or too many images.
    """
    path = folder / TABLE
    if path.exists():
        raise InputError(f"{path}: exists: name another folder, or delete it")
    found = (image.relative_to(folder) for image in folder.rglob("*") if is_picture(image) or is_volume(image))
    images = sorted(str(image) for image in found if str(image).isprintable())
    if len(images) > MAX_ROWS:
        raise InputError(f"{folder}: {len(images)} images, expected at most {MAX_ROWS}: name a folder of fewer")
    rows = [REQUIRED, *((image.partition(".")[0], "", image) for image in images)]
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    write_file(path, text.getvalue().encode() if images else EXAMPLE.encode())
    return path, len(images)


def read_table(folder: Path, follow_links: bool = False, classes: tuple[str, ...] = ()) -> Cohort:
    """Read a table of images; no image is opened, but for the headers of NIfTI files.

    Parameters
    ----------
    folder : Path
        It holds ``cohort.csv``, in UTF-8 with commas and a header. Columns patient_id, label and image; as one likes
        image2 and image3 (further channels; the last one is repeated up to three), mask (of the tumour), site, group
        (one name for all ids of a person, who counts as one patient), split (training, validation or test, in all
        rows or in none) and colours (channels or grey, of pictures in colour). An image with an empty label is not
        annotated yet and skipped. Where there is no column image, each patient_id is a folder of BraTS 2021 or 2023,
        of which T1, T1ce, T2 and the segmentation are taken.
    follow_links : bool
        Read what symbolic links lead to, also outside of the folder.
    classes : tuple of str
        Positive and negative class; images with other labels are skipped. If empty, the two most frequent labels,
        the first by alphabet negative (but HGG positive), and another label is a problem.

    Raises
    ------
    InputError
        If the table cannot be read, lacks a column, or does not have the two classes.
    """
    path = folder / TABLE
    rows, notes = read_persons(path, follow_links)
    pair = chosen_classes(path, rows["label"], classes)
    if not classes:
        what = f"{pair[1]} is the positive class, {pair[0]} the negative"
        notes.append(f"{path}: {what}: choose otherwise with classes=POSITIVE,NEGATIVE")
    used = rows[rows["label"].isin(pair)] if classes else rows[rows["label"] != ""]
    faults = [*row_faults(path, rows), *label_faults(path, rows, pair, bool(classes))]
    faults += [*file_faults(path, used, follow_links), *twice_faults(path, used)]
    unlabelled, others = rows["label"] == "", ~rows["label"].isin({*pair, ""}) & bool(classes)
    for which, what in ((unlabelled, "without a label"), (others, "of other classes")):
        if len(names := rows.loc[which, "patient_id"].unique()):
            first = ", ".join(names[:5]) + ", ..." * (len(names) > 5)
            notes.append(f"{path}: images {what}, skipped: {which.sum()} of {len(names)} patients ({first})")
    problems = collapsed(faults)
    good = rows[~rows["patient_id"].map(shown).isin(problems) & rows["label"].isin(pair)]
    if both := len(differing(good, "label")):
        notes.append(f"{path}: {both} patients have images of both classes: a label is an image's, no patient has one")
    return Cohort(folder, cases_of(folder, good), (), frozen(problems), tuple(notes), pair, IMAGE_FILES)


def read_persons(path: Path, follow_links: bool) -> tuple[pd.DataFrame, list[str]]:
    """Return what `read_rows` does, all ids of a person being one patient.

    Raises
    ------
    InputError
        As `read_rows`, and if the table is a link out of its folder that is not to be followed.
    """
    if not follow_links and not path.resolve().is_relative_to(path.parent.resolve()):
        raise InputError(f"{path}: a symbolic link out of the folder: allow it with --follow-links, or copy it there")
    rows, notes = read_rows(path)
    ids = rows["patient_id"].nunique()
    rows["patient_id"] = rows["group"].where(rows["group"] != "", rows["patient_id"])
    if (persons := rows["patient_id"].nunique()) < ids:
        notes.append(f"{path}: {ids} patient_ids are {persons} persons (column group), each of them one patient here")
    return rows, notes


def cases_of(folder: Path, rows: pd.DataFrame) -> pd.DataFrame:
    """Return rows of a table as `Cohort.cases`; of volumes the headers are read."""
    good = rows.sort_values("patient_id", kind="stable", ignore_index=True)
    files = {name: [str(folder / text) if text else "" for text in good[name]] for name in IMAGE_FILES}
    return pd.DataFrame(
        {
            "patient_id": good["patient_id"],
            "class_name": good["label"],
            "site": good["site"].where(good["site"] != "", "unknown"),
            "release": "unknown",
            "named": good["image"],
            "slices": [depth(Path(image)) for image in files["image"]],
            **files,
            **({"part": good["split"]} if (good["split"] != "").any() else {}),
            **({"colours": good["colours"]} if (good["colours"] != "").any() else {}),
        }
    )


def read_rows(path: Path) -> tuple[pd.DataFrame, list[str]]:
    """Return the cells of a table, stripped, by the number of their line, and a note on columns that are ignored.

    Raises
    ------
    InputError
        As `read_table`.
    """
    if path.stat().st_size > MAX_BYTES:
        raise InputError(f"{path}: {path.stat().st_size} bytes, expected at most {MAX_BYTES}: a row an image, no more")
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            header = [name.strip().casefold() for name in next(reader, [])]
            lines = [(reader.line_num, [cell.strip() for cell in row]) for row in reader if any(map(str.strip, row))]
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 ({error}): save it as CSV in UTF-8") from error
    except (OSError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read as CSV ({error}): save it as CSV with commas") from error
    if len(header) == 1 and (sign := next((sign for sign in ";\t|" if sign in header[0]), "")):
        raise InputError(f"{path}: columns separated by {sign!r}, expected commas: save it as CSV with commas")
    known = [name for name in header if name in COLUMNS]
    unnamed = not {*IMAGE_FILES} & {*known} and any(UNGRADED.fullmatch(place.name) for place in subfolders(path.parent))
    if missing := [name for name in REQUIRED[: 2 if unnamed else 3] if name not in known]:
        raise InputError(
            f"{path}: no column {' and '.join(missing)}, found {shown(', '.join(header))}; expected "
            f"{', '.join(REQUIRED)} and as one likes {', '.join(COLUMNS[len(REQUIRED) :])}: rename the columns"
        )
    if len(set(known)) < len(known):
        raise InputError(f"{path}: a column twice among {', '.join(known)}, expected each once: rename one")
    others = [name for name in header if name not in COLUMNS]
    for name in others:
        if close := get_close_matches(name, COLUMNS, 1, 0.8):
            raise InputError(f"{path}: column {shown(name)}, expected {close[0]}: rename or remove it")
    if not 0 < len(lines) <= MAX_ROWS:
        raise InputError(f"{path}: {len(lines)} rows, expected 1 to {MAX_ROWS}: a row an image")
    if wrong := next(((line, row) for line, row in lines if len(row) > len(header)), None):
        raise InputError(
            f"{path}, line {wrong[0]}: {len(wrong[1])} cells, expected {len(header)}: put cells with a comma in quotes"
        )
    cells = [dict.fromkeys(COLUMNS, "") | dict(zip(header, row, strict=False)) for _, row in lines]
    for row in cells if unnamed else []:
        row |= series(path.parent, row["patient_id"])
    table = pd.DataFrame(cells, index=[line for line, _ in lines])[list(COLUMNS)]
    ignored = f"{path}: columns ignored: {shown(', '.join(others))}"
    return table.astype(object), [ignored] * bool(others)


def chosen_classes(path: Path, labels: pd.Series, classes: tuple[str, ...]) -> tuple[str, str]:
    """Return the negative and the positive class; parameters as of `read_table`.

    Raises
    ------
    InputError
        If there are not two.
    """
    counts = labels[labels != ""].value_counts()
    found = ", ".join(f"{shown(str(name))} ({count})" for name, count in counts.head(10).items()) or "none"
    if classes:
        if len(classes) != 2 or not set(classes) <= set(counts.index) or len(set(classes)) < 2:
            raise InputError(
                f"classes are {', '.join(classes)}, expected two labels of {path} ({found}): positive,negative"
            )
        return classes[1], classes[0]
    if len(counts) < 2:
        raise InputError(f"{path}: labels {found}, expected two classes: label patients of both")
    if len(counts) > 2 and counts.iloc[1] == counts.iloc[2]:
        raise InputError(f"{path}: labels {found}, expected two classes: choose them with classes=POSITIVE,NEGATIVE")
    negative, positive = sorted(map(str, counts.index[:2]))
    return GRADES if {negative, positive} == set(GRADES) else (negative, positive)
