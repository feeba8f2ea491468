"""Read a user's table of images, ``cohort.csv``: a row for each image, with paths relative to the table's folder."""

import csv
import io
import re
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path
from zipfile import ZipFile

import pandas as pd

from brats_al_utils import InputError
from brats_al_utils.beyond.releases.faults import NOTHING, checked, differing, first_of
from brats_al_utils.beyond.releases.image_cuts import kind_of_images
from brats_al_utils.beyond.releases.images import CHANNELS, COLOURS, IMAGE_FILES, PICTURES, VOLUMES, depth
from brats_al_utils.beyond.releases.paths import finder, plain
from brats_al_utils.cohorts.cohort import Cohort, frozen, refuse_task
from brats_al_utils.cohorts.layout import GRADES, UNGRADED, entries, is_nifti, named_volumes, shown, subfolders
from brats_al_utils.cohorts.volumes import SEGMENTATION
from brats_al_utils.files import mend_for

TABLE, EXCEL = "cohort.csv", "cohort.xlsx"

REQUIRED = ("patient_id", "label", "image")
"""Required columns; in a table beside the folders of BraTS 2021 or 2023, the image is not required."""

COLUMNS = (*REQUIRED, "image2", "image3", "mask", "site", "group", "split", "colours")

MAX_BYTES = 2**25
MAX_ROWS = 100_000
"""Largest size of a table."""

SERIES = {"image": "t1", "image2": "t1ce", "image3": "t2", "mask": SEGMENTATION}
"""Volumes of BraTS 2021 and 2023 that fill the columns of a table."""

AFTER_TREATMENT = re.compile(r"brats-gli-\d+-[1-9]\d\d", re.IGNORECASE)
"""Name of a glioma patient's scans after treatment, in BraTS from 2024 on."""

DATE = re.compile(r"\d{1,2}-[A-Z][a-z]{2}(-\d\d)?|[A-Z][a-z]{2}-\d\d|\d{4}-\d\d-\d\d 00:00:00")
"""Dates into which spreadsheets turn ids such as 1-2 and 2-1, or MAR1."""

AS_TEXT = re.compile('=?["\u201c\u201d\u201e]([^"\u201c\u201d]*)["\u201c\u201d]')
"""A cell in typographic quotes, or written as a formula (``="007"``) so that a spreadsheet keeps its zeros."""

COPY = re.compile(
    r" \(\d+\)$| -? ?copy( \(?\d+\)?)?$| \([^()]*conflicted copy[^()]*\)$|-(DESKTOP|LAPTOP)-\w+$"
    r"|[._](jpe?g|png)\.rf\.\w+$",
    re.IGNORECASE,
)
"""Ending of a copy's name (``x (1)``, ``x - Copy``, ``x copy 2``), also by Dropbox, OneDrive and Roboflow."""

ZEROS = re.compile(r"(?<![\d.,])0+(?=\d)")
"""Zeros before a number, which spreadsheets drop."""

SEPARATORS = ",;\t|"
"""Possible separators of columns. The most frequent one in the header is used."""


def find_table(folder: Path) -> Path:
    """Return a folder's table: ``cohort.csv``, in any capitals, or else ``cohort.xlsx``; if missing, ``cohort.csv``.

    Raises
    ------
    InputError
        If ``folder`` is a file.
    """
    if folder.is_file():
        raise InputError(f"{folder}: a file, expected a folder: name {folder.parent}")
    if (folder / TABLE).is_file():
        return folder / TABLE
    named = {path.name.casefold(): path for path in sorted(folder.glob("*"))}
    return next((named[name] for name in (TABLE, EXCEL) if name in named), folder / TABLE)


def misnamed_table(folder: Path) -> Path | None:
    """Return a file that is most likely the folder's table under another name."""
    for path in sorted(folder.glob("*")):
        if path.suffix.casefold() in (".csv", ".txt", ".tsv", ".xls", ".xlsx", ".ods", ".numbers") and path.is_file():
            if path.name.casefold().startswith("cohort."):
                return path
            with suppress(OSError, ValueError), path.open(encoding="utf-8-sig") as file:
                if REQUIRED[0] in file.readline(1000).casefold():
                    return path
    return None


def read_table(
    folder: Path,
    follow_links: bool = False,
    classes: tuple[str, ...] = (),
    task: str = "",
    without_labels: bool = False,
) -> Cohort | None:
    """Read a table of images. No image is opened, but the headers of NIfTI files are read.

    Parameters
    ----------
    folder : Path
        It holds ``cohort.csv`` in UTF-8 with a header, or ``cohort.xlsx``. Required columns: patient_id, label and
        image. Optional ones: image2 and image3 (further channels; the last one is repeated up to three), mask (of the
        tumour), site, group (one name for all ids of a person, who counts as one patient), split (training, validation
        or test; patients without one are dealt to the parts that no row names) and colours (channels or grey, for
        pictures in colour). Images with an empty label are not annotated yet, and skipped. Without a column image,
        each patient_id is a folder of BraTS 2021 or 2023, whose T1, T1ce, T2 and segmentation are used.
    follow_links : bool
        Follow symbolic links out of the folder.
    classes : tuple of str
        Positive and negative class; images with other labels are skipped. If empty, the two most frequent labels are
        the classes, the first by alphabet negative (but HGG positive), and another label is a problem.
    task : str
        Refused unless empty: the labels say what is told apart.
    without_labels : bool
        Images without a label are part of the cohort, with an empty class_name, and one class of two may be missing.

    Returns
    -------
    Cohort or None
        None without a table. If no image has a label, or one class is missing, the cohort's classes are empty.

    Raises
    ------
    InputError
        If the table cannot be read, a column is missing, or there are not two classes.
    """
    path = find_table(folder)
    if not path.is_file():
        return None
    refuse_task(task, folder)
    rows, notes = read_persons(path, follow_links)
    unlabelled = rows["label"] == ""
    if unlabelled.all() or (without_labels and unlabelled.any() and rows.loc[~unlabelled, "label"].nunique() == 1):
        return cohort_of(path, rows, rows, notes, ("", ""), True, follow_links)
    pair = chosen_classes(path, rows["label"], classes)
    if not classes:
        what = f"{pair[1]} is the positive class, {pair[0]} the negative"
        notes.append(f"{path}: {what}: choose otherwise with classes=POSITIVE,NEGATIVE")
    others = ~rows["label"].isin({*pair, ""}) & bool(classes)
    of_others = f"of other classes ({first_of(rows.loc[others, 'label'].unique())})"
    skipped = "skipped in a study" if without_labels else "skipped"
    for which, what in ((unlabelled, "without a label"), (others, of_others)):
        if len(names := rows.loc[which, "patient_id"].unique()):
            notes.append(
                f"{path}: images {what}, {skipped}: {which.sum()} of {len(names)} patients ({first_of(names)})"
            )
    used = rows[~others & (~unlabelled | without_labels)]
    return cohort_of(path, rows, used, notes, pair, bool(classes), follow_links)


def cohort_of(
    path: Path,
    rows: pd.DataFrame,
    used: pd.DataFrame,
    notes: list[str],
    classes: tuple[str, str],
    chosen: bool,
    follow_links: bool,
) -> Cohort:
    """Return the cohort of a table, without the patients who have a problem; parameters as `faults.checked`."""
    good, problems = checked(path, rows, used, classes, chosen, follow_links)
    if both := len(differing(good[good["label"] != ""], "label")):
        notes.append(f"{path}: {both} patients have images of both classes: a label is an image's, no patient has one")
    good = good.sort_values("patient_id", kind="stable", ignore_index=True)
    folder = path.parent
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
    """Return the rows and notes of `read_rows`, with one patient_id for all ids of a person.

    Raises
    ------
    InputError
        As `read_rows`, and if the table is a link out of its folder, unless ``follow_links``.
    """
    if not follow_links and not path.resolve().is_relative_to(path.parent.resolve()):
        raise InputError(f"{path}: a symbolic link out of the folder: allow it with --follow-links, or copy it there")
    rows, notes = read_rows(path)
    if path.name == TABLE and path.with_name(EXCEL).exists():
        notes.append(f"{path}: used, and not {EXCEL} beside it: delete the one that is out of date")
    ids = rows["patient_id"].nunique()
    groups = rows[rows["group"] != ""].groupby("patient_id")["group"].unique()
    if len(several := groups[groups.map(len) > 1]):
        name, (first, second, *_) = next(iter(several.items()))
        raise InputError(f"{path}: {name!a} in the groups {first!a} and {second!a}, expected one: correct its rows")
    group = {name: names[0] for name, names in groups.items()}
    rows["patient_id"] = [group.get(name, name) for name in rows["patient_id"]]
    if (persons := rows["patient_id"].nunique()) < ids:
        notes.append(f"{path}: {ids} patient_ids are {persons} persons (column group), who count as one patient each")
    return rows, [*notes, *people_notes(path, rows["patient_id"])]


def people_notes(path: Path, people: pd.Series) -> list[str]:
    """Return notes: how many images there are of how many people, and which ids may be the same person's.

    Such ids differ only in a last number after a sign (x_1, x_2; 5807_100007919), in a last letter after a number (7a,
    7b), in capitals, or in zeros before a number (007, 7). Where this is so of all ids, they are different people.
    """
    counts = people.value_counts()
    fewest, most = int(counts.min()), int(counts.max())
    each = f"{fewest} to {most}" if fewest < most else str(most)
    notes = [f"{path}: {len(people)} images of {len(counts)} people ({each} each)"]
    names = pd.Series(sorted(map(str, counts.index)), dtype=object)
    if len(dates := names[names.map(lambda name: bool(DATE.fullmatch(name))).astype(bool)]):
        some = ", ".join(dates[:3])
        notes.append(
            f"{path}: {len(dates)} ids that a spreadsheet makes of others ({some}), perhaps the same of two: check "
            "them, and enter them as text"
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
    """Return an id without a copy's ending (``COPY``), a last number after a sign, or a last letter after a number."""
    name = COPY.sub("", name)
    found = re.fullmatch(r"(.*\w)[-_. ]+\d{1,3}|(.*\d)[-_. ]?[A-Za-z]|(.*\d{3})[-_. ]+\d{6,}", name)
    return (found[1] or found[2] or found[3]) if found else name


def read_rows(path: Path) -> tuple[pd.DataFrame, list[str]]:
    """Return the cells of a table, indexed by line number, and notes on what is ignored or read otherwise.

    Raises
    ------
    InputError
        As `read_table`.
    """
    if path.stat().st_size > MAX_BYTES:
        raise InputError(f"{path}: {path.stat().st_size} bytes, expected at most {MAX_BYTES}: one row for each image")
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
            f"{', '.join(REQUIRED)} and optionally {', '.join(COLUMNS[len(REQUIRED) :])}: rename the columns"
        )
    if len(set(known)) < len(known):
        raise InputError(f"{path}: a column twice among {', '.join(known)}, expected each once: rename one")
    others = [name for name in header if name not in COLUMNS]
    for name in others:
        if close := get_close_matches(name, COLUMNS, 1, 0.8):
            raise InputError(f"{path}: column {shown(name)}, expected {close[0]}: rename or remove it")
    if not 0 < len(lines) <= MAX_ROWS:
        raise InputError(f"{path}: {len(lines)} rows, expected 1 to {MAX_ROWS}: one row for each image")
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
        what = "label 4 of their masks is the resection cavity, and counts as tumour: set it to 0 to leave it out"
        notes.append(f"{path}: {len(after)} patients after treatment ({after[0]}, ...): {what}")
    table = table.astype(object)
    return table, [*notes, *plain_cells(path, table), *found_files(path, table)]


def bare(cell: str) -> str:
    """Return a cell without the quotes or formula that mark it as text (``AS_TEXT``)."""
    found = AS_TEXT.fullmatch(cell)
    return found[1] if found else cell


def series(folder: Path, patient_id: str) -> dict[str, str]:
    """Return the files of a patient of BraTS 2021 or 2023 by column, relative to the folder above the patient's.

    Missing files get the names that the release of 2021 gives them.
    """
    home = folder / patient_id
    there = UNGRADED.fullmatch(patient_id) and home.is_dir()
    found, _ = named_volumes([path for path in entries(home) if is_nifti(path)] if there else [], patient_id)
    names = {name: path.name for name, path in found.items()}
    return {column: f"{patient_id}/{names.get(name, f'{patient_id}_{name}.nii.gz')}" for column, name in SERIES.items()}


def csv_lines(path: Path) -> list[tuple[int, list[str]]]:
    """Return the rows of a CSV file that are not empty, each with its line number and stripped cells.

    The separator is taken from a first line ``sep=``, as Excel writes it, or from the header.

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
        csv.field_size_limit(max(csv.field_size_limit(), len(text)))  # else a report of 131,072 letters is an error
        reader = csv.reader(io.StringIO(text[told.end() :] if told else text, newline=""), delimiter=sign, strict=True)
        rows = [(reader.line_num + bool(told), [cell.strip() for cell in row]) for row in reader]
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 ({error}): save it as CSV in UTF-8") from error
    except (OSError, csv.Error) as error:
        mend = mend_for(error, "save it as CSV with commas")
        raise InputError(f"{path}: cannot be read as CSV ({error}): {mend}") from error
    return [(line, row) for line, row in rows if any(row)]


def csv_rows(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV file by column; missing cells are empty. See `csv_lines`."""
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
            f"{path}: needs openpyxl, which is missing: pip install openpyxl, or save it as {TABLE} (CSV in UTF-8)"
        ) from error
    except InputError:
        raise
    except Exception as error:  # a damaged file can make its parsers stumble over anything
        mend = mend_for(error, f"save it as {TABLE} (CSV in UTF-8)")
        raise InputError(f"{path}: cannot be read as Excel ({error}): {mend}") from error
    rows = [(line, [str(cell).strip() for cell in row]) for line, row in enumerate(sheet.to_numpy().tolist(), start=1)]
    return [(line, row) for line, row in rows if any(row)]


def plain_cells(path: Path, table: pd.DataFrame) -> list[str]:
    """Unify the spelling of the cells that hold no path, in place, and return notes.

    Letters and spaces become those of `plain`. Cells that mean nothing (``NOTHING``) are emptied. Labels that differ
    only in capitals become the most frequent of them. 1,0 becomes 1, as does 1.0 if 1 is a label too.
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
    # A label with a decimal comma, as spreadsheets write it in many languages, could not be chosen (classes=1,0).
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
    """Spell the paths of a table as the disk does, in place, and return a note on those that were changed."""
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
    """Return the negative and the positive class; parameters as for `read_table`.

    Raises
    ------
    InputError
        Unless there are exactly two.
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
