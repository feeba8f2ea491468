"""Read a table of images of one's own, ``cohort.csv``: a row an image, the paths relative to the table's folder."""

import csv
import io
import re
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path
from zipfile import ZipFile

import pandas as pd

from brats_al_utils import InputError
from brats_al_utils.beyond.releases.faults import NOTHING, checked, differing
from brats_al_utils.beyond.releases.image_cuts import kind_of_images
from brats_al_utils.beyond.releases.images import CHANNELS, COLOURS, IMAGE_FILES, PICTURES, VOLUMES, depth
from brats_al_utils.beyond.releases.paths import finder, plain
from brats_al_utils.cohorts.cohort import Cohort, frozen, refuse_task
from brats_al_utils.cohorts.layout import GRADES, UNGRADED, entries, is_nifti, named_volumes, shown, subfolders
from brats_al_utils.cohorts.volumes import SEGMENTATION

TABLE, EXCEL = "cohort.csv", "cohort.xlsx"

REQUIRED = ("patient_id", "label", "image")
"""Required columns; in a table beside the folders of BraTS 2021 or 2023, the image is not required."""

COLUMNS = (*REQUIRED, "image2", "image3", "mask", "site", "group", "split", "colours")

MAX_BYTES = 2**25
MAX_ROWS = 100_000
"""A larger table is refused."""

SERIES = {"image": "t1", "image2": "t1ce", "image3": "t2", "mask": SEGMENTATION}
"""Which volumes of the releases of 2021 and of 2023 are the columns of a table."""

AFTER_TREATMENT = re.compile(r"brats-gli-\d+-[1-9]\d\d", re.IGNORECASE)
"""How BraTS names a glioma patient's scans after treatment, from 2024 on."""

DATE = re.compile(r"\d{1,2}-[A-Z][a-z]{2}(-\d\d)?|[A-Z][a-z]{2}-\d\d|\d{4}-\d\d-\d\d 00:00:00")
"""What a spreadsheet makes of ids such as 1-2 and 2-1, or MAR1."""

AS_TEXT = re.compile('=?["\u201c\u201d\u201e]([^"\u201c\u201d]*)["\u201c\u201d]')
"""A cell in typographic quotes, or as a formula (``="007"``), so that a spreadsheet keeps its zeros."""

COPY = re.compile(
    r" \(\d+\)$| -? ?copy( \(?\d+\)?)?$| \([^()]*conflicted copy[^()]*\)$|-(DESKTOP|LAPTOP)-\w+$"
    r"|[._](jpe?g|png)\.rf\.\w+$",
    re.IGNORECASE,
)
"""What names a copy of a file (``x (1)``, ``x - Copy``, ``x copy 2``), by Dropbox, by OneDrive, or by Roboflow."""

ZEROS = re.compile(r"(?<![\d.,])0+(?=\d)")
"""Before a number: a spreadsheet drops them."""

SEPARATORS = ",;\t|"
"""Possible separators of columns; the one most frequent in the header is taken."""


def find_table(folder: Path) -> Path:
    """Return a folder's table: ``cohort.csv``, in any capitals, or else ``cohort.xlsx``; the first if there is none.

    Raises
    ------
    InputError
        If a file is named in the folder's place.
    """
    if folder.is_file():
        raise InputError(f"{folder}: a file, expected a folder: name {folder.parent}")
    if (folder / TABLE).is_file():
        return folder / TABLE
    named = {path.name.casefold(): path for path in sorted(folder.glob("*"))}
    return next((named[name] for name in (TABLE, EXCEL) if name in named), folder / TABLE)


def misnamed_table(folder: Path) -> Path | None:
    """Return a file of a folder that is most likely a table under another name."""
    for path in sorted(folder.glob("*")):
        if path.suffix.casefold() in (".csv", ".txt", ".tsv", ".xls", ".xlsx", ".ods", ".numbers") and path.is_file():
            if path.name.casefold().startswith("cohort."):
                return path
            with suppress(OSError, ValueError), path.open(encoding="utf-8-sig") as file:
                if REQUIRED[0] in file.readline(1000).casefold():
                    return path
    return None


def read_table(
    folder: Path, follow_links: bool = False, classes: tuple[str, ...] = (), task: str = ""
) -> Cohort | None:
    """Read a table of images; no image is opened, but for the headers of NIfTI files.

    Parameters
    ----------
    folder : Path
        It holds ``cohort.csv`` in UTF-8 with a header, or ``cohort.xlsx``. Columns patient_id, label and image; as one
        likes image2 and image3 (further channels; the last one is repeated up to three), mask (of the tumour), site,
        group (one name for all ids of a person, who counts as one patient), split (training, validation or test; those
        without are dealt to the parts that no row names) and colours (channels or grey, of pictures in colour). An
        image with an empty label is not annotated yet and skipped. Where there is no column image, each patient_id
        is a folder of BraTS 2021 or 2023, of which T1, T1ce, T2 and the segmentation are taken.
    follow_links : bool
        Read what symbolic links lead to, also outside of the folder.
    classes : tuple of str
        Positive and negative class; images with other labels are skipped. If empty, the two most frequent labels,
        the first by alphabet negative (but HGG positive), and another label is a problem.
    task : str
        None: the labels say what is told apart. Without any label the cohort's classes are empty.

    Raises
    ------
    InputError
        If the table cannot be read, lacks a column, or does not have the two classes.
    """
    path = find_table(folder)
    if not path.is_file():
        return None
    refuse_task(task, folder)
    rows, notes = read_persons(path, follow_links)
    unlabelled = rows["label"] == ""
    if unlabelled.all():
        good, problems = checked(path, rows, rows, ("", ""), bool(classes), follow_links)
        return cohort_of(folder, good, problems, notes, ("", ""))
    pair = chosen_classes(path, rows["label"], classes)
    if not classes:
        what = f"{pair[1]} is the positive class, {pair[0]} the negative"
        notes.append(f"{path}: {what}: choose otherwise with classes=POSITIVE,NEGATIVE")
    others = ~rows["label"].isin({*pair, ""}) & bool(classes)
    of_others = "of other classes (" + ", ".join(map(shown, rows.loc[others, "label"].unique()[:5])) + ")"
    for which, what in ((unlabelled, "without a label"), (others, of_others)):
        if len(names := rows.loc[which, "patient_id"].unique()):
            first = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
            notes.append(f"{path}: images {what}, skipped: {which.sum()} of {len(names)} patients ({first})")
    good, problems = checked(path, rows, rows[~unlabelled & ~others], pair, bool(classes), follow_links)
    if both := len(differing(good, "label")):
        notes.append(f"{path}: {both} patients have images of both classes: a label is an image's, no patient has one")
    return cohort_of(folder, good, problems, notes, pair)


def cohort_of(
    folder: Path, rows: pd.DataFrame, problems: dict[str, list[str]], notes: list[str], classes: tuple[str, str]
) -> Cohort:
    """Return the cohort of a table's good rows; of volumes the headers are read."""
    good = rows.sort_values("patient_id", kind="stable", ignore_index=True)
    files = {name: [str(folder / text) if text else "" for text in good[name]] for name in IMAGE_FILES}
    cases = pd.DataFrame(
        {
            "patient_id": good["patient_id"],
            "class_name": good["label"],
            "site": good["site"].where(good["site"] != "", "unknown"),
            "release": "unknown",
            "named": good["image"],
            "slices": [depth(Path(image)) for image in files["image"]],
            **files,
        }
    )
    for column, name in (("part", "split"), ("colours", "colours")):
        if good[name].any():
            cases[column] = good[name]
    channels = tuple(name for name in CHANNELS if good[name].any() or (good["colours"] == COLOURS[0]).any())
    return Cohort(folder, cases, (), frozen(problems), tuple(notes), classes, IMAGE_FILES, channels, kind_of_images())


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
    if path.name == TABLE and path.with_name(EXCEL).exists():
        notes.append(f"{path}: read, and not {EXCEL} beside it: delete the one that is out of date")
    ids = rows["patient_id"].nunique()
    rows["patient_id"] = rows["group"].where(rows["group"] != "", rows["patient_id"])
    if (persons := rows["patient_id"].nunique()) < ids:
        notes.append(f"{path}: {ids} patient_ids are {persons} persons (column group), each of them one patient here")
    return rows, [*notes, *people_notes(path, rows["patient_id"])]


def people_notes(path: Path, people: pd.Series) -> list[str]:
    """Return how many images there are of how many people, and which ids look like one person's.

    These are equal but for a last number after a sign (x_1, x_2; 5807_100007919) or a last letter after a number (7a,
    7b), or for capitals or for zeros before a number (007, 7), and not all of them: else the number is the patient's.
    """
    counts = people.value_counts()
    fewest, most = int(counts.min()), int(counts.max())
    each = f"{fewest} to {most}" if fewest < most else str(most)
    notes = [f"{path}: {len(people)} images of {len(counts)} people ({each} each)"]
    names = pd.Series(sorted(map(str, counts.index)), dtype=object)
    if len(dates := names[names.map(lambda name: bool(DATE.fullmatch(name))).astype(bool)]):
        some = ", ".join(dates[:3])
        notes.append(
            f"{path}: {len(dates)} ids that a spreadsheet makes of others ({some}), of two perhaps one: look whether "
            "they are yours, and enter them as text"
        )
    for stems in (names.map(stem_of), names.str.casefold(), names.str.replace(ZEROS, "", regex=True)):
        alike = names.groupby(stems).agg(list)
        alike = alike[(alike.map(len) > 1) & (alike.map(len) < len(names))]
        if len(alike):
            some = "; ".join(", ".join(map(shown, ids[:3])) for ids in alike[:3])
            count = int(alike.map(len).sum())
            notes.append(
                f"{path}: {count} ids look like those of {len(alike)} people ({some}): if they are, give each person "
                "one name in the column group, or one person may be in training and in test"
            )
    return notes


def stem_of(name: str) -> str:
    """Return an id without its last number after a sign, or its last letter after a number.

    What names a copy goes first: see ``COPY``.
    """
    name = COPY.sub("", name)
    found = re.fullmatch(r"(.*\w)[-_. ]+\d{1,3}|(.*\d)[-_. ]?[A-Za-z]|(.*\d{3})[-_. ]+\d{6,}", name)
    return (found[1] or found[2] or found[3]) if found else name


def read_rows(path: Path) -> tuple[pd.DataFrame, list[str]]:
    """Return the cells of a table by the number of their line, and notes on what is ignored or read otherwise.

    Raises
    ------
    InputError
        As `read_table`.
    """
    if path.stat().st_size > MAX_BYTES:
        raise InputError(f"{path}: {path.stat().st_size} bytes, expected at most {MAX_BYTES}: a row an image, no more")
    (_, header), *lines = (sheet_lines if path.suffix.casefold() == ".xlsx" else csv_lines)(path) or [(0, [])]
    header = [bare(name).casefold() for name in header]
    known = [name for name in header if name in COLUMNS]
    unnamed = not {*IMAGE_FILES} & {*known} and any(UNGRADED.fullmatch(place.name) for place in subfolders(path.parent))
    if missing := [name for name in REQUIRED[: 2 if unnamed else 3] if name not in known]:
        if later := next((line for line, row in lines[:5] if REQUIRED[0] in map(str.casefold, row)), None):
            raise InputError(f"{path}: the header is line {later}, expected line 1: delete what stands above it")
        if len(header) == 1 and REQUIRED[0] in header[0]:
            raise InputError(f"{path}: each row is one cell, expected one a column: take the quotes off whole rows")
        where = " in its first sheet, which is read" if path.suffix.casefold() == ".xlsx" else ""
        raise InputError(
            f"{path}: no column {' and '.join(missing)}{where}, found {shown(', '.join(header))}; expected "
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
    if wrong := next(((line, row) for line, row in lines if any(row[len(header) :])), None):
        raise InputError(
            f"{path}, line {wrong[0]}: {len(wrong[1])} cells, expected {len(header)}: put cells with a comma in quotes"
        )
    cells = [dict.fromkeys(COLUMNS, "") | dict(zip(header, map(bare, row), strict=False)) for _, row in lines]
    for row in cells if unnamed else []:
        row |= series(path.parent, row["patient_id"])
    table = pd.DataFrame(cells, index=[line for line, _ in lines])[list(COLUMNS)]
    notes = [f"{path}: columns ignored: {shown(', '.join(filter(None, others)))}"] if any(others) else []
    if unnamed and (after := [row["patient_id"] for row in cells if AFTER_TREATMENT.fullmatch(row["patient_id"])]):
        what = "label 4 of their masks is the cavity of the resection, and counts as tumour: set it to 0 if it is none"
        notes.append(f"{path}: {len(after)} patients after treatment ({after[0]}, ...): {what}")
    table = table.astype(object)
    return table, [*notes, *plain_cells(path, table), *found_files(path, table)]


def bare(cell: str) -> str:
    """Return a cell without what says that it is text."""
    found = AS_TEXT.fullmatch(cell)
    return found[1] if found else cell


def series(folder: Path, patient_id: str) -> dict[str, str]:
    """Return the files of a patient of BraTS 2021 or 2023, by the column of a table, relative to a folder.

    Parameters
    ----------
    folder : Path
        It holds the patient's folder. Of files that are missing, the names that 2021 gives them.
    """
    home = folder / patient_id
    here = (
        [path for path in entries(home) if is_nifti(path)] if UNGRADED.fullmatch(patient_id) and home.is_dir() else []
    )
    found, _ = named_volumes(here, patient_id)
    names = {name: path.name for name, path in found.items()}
    return {column: f"{patient_id}/{names.get(name, f'{patient_id}_{name}.nii.gz')}" for column, name in SERIES.items()}


def csv_lines(path: Path) -> list[tuple[int, list[str]]]:
    """Return the rows of a CSV file that are not empty, each with its number, cells stripped.

    The separator is what the header has, or a first line ``sep=`` says, as Excel writes it.

    Raises
    ------
    InputError
        If it is not CSV in UTF-8.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
        told = re.match(r'"?sep=(.)"?\r?\n', text, re.IGNORECASE)
        header = text.lstrip().partition("\n")[0]
        sign = told[1] if told else max(SEPARATORS, key=header.count)
        reader = csv.reader(io.StringIO(text[told.end() :] if told else text, newline=""), delimiter=sign, strict=True)
        rows = [(reader.line_num + bool(told), [cell.strip() for cell in row]) for row in reader]
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 ({error}): save it as CSV in UTF-8") from error
    except (OSError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read as CSV ({error}): save it as CSV with commas") from error
    return [(line, row) for line, row in rows if any(row)]


def csv_rows(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV file by the names in its header, cells that a row lacks empty; see `csv_lines`."""
    (_, header), *lines = csv_lines(path) or [(0, [])]
    return [dict.fromkeys(header, "") | dict(zip(header, row, strict=False)) for _, row in lines]


def sheet_lines(path: Path) -> list[tuple[int, list[str]]]:
    """Return the rows of an Excel file's first sheet as `csv_lines` does.

    Raises
    ------
    InputError
        If it cannot be read, or openpyxl is missing.
    """
    try:
        with ZipFile(path) as archive:
            if (size := sum(part.file_size for part in archive.infolist())) > 4 * MAX_BYTES:
                raise InputError(f"{path}: {size} bytes inflated, expected at most {4 * MAX_BYTES}: save it as CSV")
        sheet = pd.read_excel(path, header=None, dtype=str, na_filter=False)
    except ImportError as error:
        raise InputError(
            f"{path}: Excel files are read with openpyxl, which is missing: pip install openpyxl, or save it as "
            f"{TABLE} (CSV in UTF-8)"
        ) from error
    except InputError:
        raise
    except Exception as error:  # a damaged file can make its parsers stumble over anything
        raise InputError(f"{path}: cannot be read as Excel ({error}): save it as {TABLE} (CSV in UTF-8)") from error
    rows = [(line, [str(cell).strip() for cell in row]) for line, row in enumerate(sheet.to_numpy().tolist(), start=1)]
    return [(line, row) for line, row in rows if any(row)]


def plain_cells(path: Path, table: pd.DataFrame) -> list[str]:
    """Change what is said of the images to one way of writing, in place, and return notes.

    Letters and spaces are those of `plain`; cells that mean nothing (``NOTHING``) are emptied; labels that differ in
    capitals alone become the most frequent; 1,0 becomes 1, and 1.0 if 1 is one too.
    """
    notes = []
    for name in set(COLUMNS) - {*IMAGE_FILES}:
        table[name] = table[name].map(plain)
    for name in COLUMNS[1:]:
        empty = table[name].isin(NOTHING) if name != "image" else pd.Series(False, table.index)
        if empty.any():
            words = ", ".join(sorted(set(table.loc[empty, name])))
            notes.append(f"{path}: {int(empty.sum())} cells of {name} ({words}) are read as empty")
            table.loc[empty, name] = ""
    labels = table["label"]
    whole = labels.str.replace(r"^(\d+)[.,]0+$", r"\1", regex=True)
    # With a comma, as a spreadsheet writes them in many languages, it could not be chosen (classes=1,0).
    if (floats := (whole != labels) & (whole.isin(set(labels)) | labels.str.contains(",", regex=False))).any():
        notes.append(f"{path}: {int(floats.sum())} labels are read as whole numbers ({labels[floats].iloc[0]})")
        table["label"] = labels = labels.mask(floats, whole)
    usual = labels.map(labels.value_counts()).groupby(labels.str.casefold()).idxmax()
    spelt = labels.str.casefold().map(labels[usual].set_axis(usual.index))
    if (changed := spelt != labels).any():
        pairs = sorted({(shown(one), shown(other)) for one, other in zip(labels[changed], spelt[changed], strict=True)})
        words = ", ".join(f"{one} as {other}" for one, other in pairs)
        notes.append(f"{path}: {int(changed.sum())} labels are read in the capitals of most others ({words})")
        table["label"] = spelt
    return notes


def found_files(path: Path, table: pd.DataFrame) -> list[str]:
    """Write the paths of a table as the disk spells them, in place, and return a note on those that were changed."""
    find, changed = finder(path.parent, (*PICTURES, *VOLUMES)), []
    for name in IMAGE_FILES:
        found = [find(text) if text else "" for text in table[name]]
        changed += [(one, other) for one, other in zip(table[name], found, strict=True) if one != other]
        table[name] = pd.Series(found, table.index, dtype=object)
    if not changed:
        return []
    one, other = changed[0]
    return [f"{path}: {len(changed)} paths are spelt otherwise than on this disk, and read ({one!a} is {other!a})"]


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
