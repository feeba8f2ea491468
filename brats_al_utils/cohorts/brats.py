"""Find the cases of a BraTS release in its folder; no volume is opened."""

import csv
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from brats_al_utils import InputError
from brats_al_utils.cohorts.checks import alike
from brats_al_utils.cohorts.cohort import TRUTH_FILE, Cohort, frozen
from brats_al_utils.cohorts.layout import (
    GRADES,
    RELEASE,
    case_folders,
    case_home,
    entries,
    find_root,
    is_nifti,
    named_volumes,
    opened,
    shown,
    strays,
)
from brats_al_utils.cohorts.mapping import CASE_ID, MAPPING_FILE, NO_NAME, identities, names_of, read_mapping, rows_of
from brats_al_utils.cohorts.split import PARTS
from brats_al_utils.cohorts.volumes import FILES, SEGMENTATION
from brats_al_utils.files import mend_for

MAX_TRUTH = 2**24
"""Largest size in bytes of the table of synthetic patients."""

SEGMENTATION_ALIASES = {"BraTS20_Training_355": "W39_1998.09.19_Segm.nii"}
"""Segmentations that have another name in the release itself."""


def read_release(folder: Path, follow_links: bool = False) -> Cohort:
    """Find the cases of a release; no volume is opened.

    Parameters
    ----------
    folder : Path
        The release's folder or the one above it.
    follow_links : bool
        Follow symbolic links out of the release's folder: for a selection of patients made of links, or a release kept
        by git-annex. Otherwise such patients have a problem.

    Raises
    ------
    InputError
        If no patient is found, if several releases lie side by side, if a grade's folder cannot be opened, or if the
        mapping cannot be read.

    Notes
    -----
    A patient who is found twice (at two time points, or under the names of two releases) is not used: which of the two
    belongs to the cohort is unknown, and as two patients they could lie on both sides of the split.
    """
    root = find_root(folder)
    named = next((place for place in (root, folder) if (place / MAPPING_FILE).exists()), root)
    table_of_names = named / MAPPING_FILE
    if table_of_names.exists() and (link := link_out([table_of_names], named, follow_links)):
        raise InputError(links_problem(named, MAPPING_FILE, link))
    mapping = read_mapping(table_of_names)
    cases, notes = case_folders(root)
    problems = found_twice([place for place, _ in cases], mapping)
    rows: list[dict[str, str]] = []
    links: dict[str, Path] = {}
    for place in strays(root):
        where = f"{shown(str(place))}: a patient's folder in {shown(place.parent.name)}, which tells no grade"
        problems.setdefault(shown(place.name), [f"{where}: move it into {' or '.join(GRADES)}"])
    for place, folder_grade in cases:
        patient_id = shown(place.name)
        found = problems[patient_id]
        if patient_id != place.name:
            found.append(f"{place.parent / patient_id}: its name cannot be printed: rename the folder")
            continue
        link = link_out([place], root, follow_links)
        if not link:
            row, wrong, said = describe_case(place, patient_id, folder_grade, rows_of(mapping, patient_id), root)
            rows.append(row)
            found += wrong
            notes += said
            link = link_out([Path(row[name]) for name in FILES if row[name]], root, follow_links)
        if link:
            links[patient_id] = link
    if links:
        count = f"{len(links)} {'patients' if len(links) > 1 else 'patient'}"
        in_one_line = links_problem(root, count, next(iter(links.values())))
        for patient_id in links:
            problems[patient_id].append(in_one_line)
    whole = [row for row in rows if row[FILES[0]]]
    for same in alike([Path(row[FILES[0]]) for row in whole]):
        names = [whole[number]["patient_id"] for number in same]
        for name in names:
            problems[name].append(f"{root}: the same {FILES[0]} of {' and '.join(names)}, expected once: remove copies")
    problems = {name: found for name, found in problems.items() if found}
    table = pd.DataFrame(rows, columns=["patient_id", "class_name", "site", "release", *FILES])
    table = table[~table["patient_id"].isin(problems)].sort_values("patient_id", ignore_index=True)
    if parts := given_parts(root, follow_links):
        table["part"] = table["patient_id"].map(parts).fillna("")
    return Cohort(root, table, absent_patients(mapping, table, set(problems)), frozen(problems), tuple(notes))


def given_parts(root: Path, follow_links: bool) -> dict[str, str]:
    """Return the part of each patient of a synthetic test cohort, by its truth table (`writing.write_cohort`).

    Raises
    ------
    InputError
        If the table cannot be read.
    """
    path = root / TRUTH_FILE
    if not path.is_file() or not (follow_links or path.resolve().is_relative_to(root.resolve())):
        return {}
    mend = "delete the synthetic cohort and write it again"
    if path.stat().st_size > MAX_TRUTH:
        raise InputError(f"{path}: larger than {MAX_TRUTH} bytes: {mend}")
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file, strict=True))
    except (OSError, ValueError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read as CSV ({error}): {mend_for(error, mend)}") from error
    parts = {row["patient_id"]: row["part"] for row in rows if row.get("patient_id") and row.get("part")}
    if wrong := set(parts.values()) - {PARTS[2]}:
        raise InputError(f"{path}: part {min(wrong)!a}, expected {PARTS[2]} or nothing: {mend}")
    return parts


def found_twice(places: list[Path], mapping: pd.DataFrame | None) -> dict[str, list[str]]:
    """Return, for every patient, a problem for each further folder of the same patient."""
    problems: dict[str, list[str]] = {shown(place.name): [] for place in places}
    owners: dict[str, Path] = {}
    for place in places:
        patient_id = shown(place.name)
        keys = identities(patient_id, rows_of(mapping, patient_id))
        for other in sorted({owners.setdefault(key, place) for key in keys} - {place}):
            both = f"{shown(str(other))} and {shown(str(place))}"
            twice = f"{both}: the same patient, expected once: keep one of the two folders"
            problems[patient_id].append(twice)
            problems[shown(other.name)].append(twice)
    return problems


def link_out(paths: Iterable[Path], root: Path, follow_links: bool) -> Path | None:
    """Return the first symbolic link on the way to some paths that leads out of a release; None if links are followed.

    The release's folder may be a link itself, and links within it are followed. Files elsewhere may belong to another
    release, or to none.
    """
    here = root.resolve()
    for path in () if follow_links else paths:
        if not path.resolve().is_relative_to(here):
            parts = path.relative_to(root).parts
            steps = [root.joinpath(*parts[:count]) for count in range(1, len(parts) + 1)]
            return next(step for step in steps if not step.resolve().is_relative_to(here))
    return None


def links_problem(root: Path, what: str, link: Path) -> str:
    """Return the message on links that lead out of a release, one line for all of them."""
    return (
        f"{root}: symbolic links that lead out of the release are not followed ({what}; {link} leads to "
        f"{shown(str(link.resolve()))}): allow them with --follow-links (in Python follow_links=True), or put copies "
        "in their place"
    )


def describe_case(
    folder: Path, patient_id: str, folder_grade: str | None, known: pd.DataFrame, root: Path
) -> tuple[dict[str, str], list[str], list[str]]:
    """Return a case's row of the table, its problems, and notes on what was unexpected but could be used.

    Parameters
    ----------
    folder : Path
    patient_id : str
    folder_grade : str or None
        The grade by the folder above, if any.
    known : pd.DataFrame
        The patient's rows of the mapping.
    root : Path
        The release's folder.
    """
    # The release of 2020 numbers its patients; the name of 2019, if there is one, tells the site.
    names = [*known.get("BraTS_2019_subject_ID", ()), patient_id]
    parts = next(filter(None, map(CASE_ID.fullmatch, names)), None)
    release = RELEASE.match(patient_id)
    named = sorted(set(known["Grade"]) - NO_NAME)
    grades = {*named, folder_grade} - {None}
    case = {
        "patient_id": patient_id,
        "class_name": next(iter(grades)) if len(grades) == 1 else "",
        "site": parts["site"] if parts else "unknown",
        "release": f"20{release['year']}" if release else "unknown",
        **dict.fromkeys(FILES, ""),
    }
    problems = []
    if len(grades) > 1:
        of_folder = f"{folder_grade} by its folder but " if folder_grade else ""
        problems.append(
            f"{folder}: {of_folder}{' and '.join(named)} in {MAPPING_FILE}, expected one grade: correct the wrong one"
        )
    elif case["class_name"] not in GRADES:
        above = f", or name {root.parent}, where one is" if (root.resolve().parent / MAPPING_FILE).is_file() else ""
        problems.append(
            f"{folder}: no grade for this patient: add a row with Grade HGG or LGG to {MAPPING_FILE} in {root}{above}"
        )
    try:
        with opened(folder):
            files, missing, notes = case_volumes(case_home(folder), patient_id)
    except InputError as error:
        return case, [*problems, str(error)], []
    return case | files, [*problems, *missing], notes


def case_volumes(folder: Path, patient_id: str) -> tuple[dict[str, str], list[str], list[str]]:
    """Return the paths of a case's volumes, the problems (missing or double volumes), and notes.

    Notes
    -----
    A volume's name may have other capitals or be one of `layout.SYNONYMS`. It may be a folder that holds the volume, as
    some unpackers make: BraTS19_CBICA_AAB_1_t1.nii/00000057_brain_t1.nii. In place of a missing segmentation, a known
    alias of the release is taken, or the only other volume of the case.
    """
    here = entries(folder)
    by_name = {path.name.casefold(): path for path in reversed(here)}
    files: dict[str, str] = {}
    for name in FILES:
        stem = f"{patient_id}_{name}".casefold()
        named = [by_name[stem + end] for end in (".nii.gz", ".nii", "") if stem + end in by_name]
        volume = next(filter(None, map(volume_at, named)), None)
        if volume:
            files[name] = str(volume)
    others, twice = named_volumes([path for path in here if is_nifti(path) and path.is_file()], patient_id)
    files = {name: str(path) for name, path in others.items()} | files
    notes: list[str] = []
    if SEGMENTATION not in files:
        spare = [volume for path in here if is_nifti(path) and (volume := volume_at(path))]
        spare = [volume for volume in spare if str(volume) not in files.values()]
        alias = by_name.get(SEGMENTATION_ALIASES.get(patient_id, "").casefold())
        taken = alias or (spare[0] if len(spare) == 1 and len(files) == len(FILES) - 1 else None)
        if taken and (volume := volume_at(taken)):
            files[SEGMENTATION] = str(volume)
            why = "as the release calls it" if alias else "the only other volume of this patient"
            notes.append(f"{volume}: taken for {patient_id}_{SEGMENTATION}.nii ({why})")
    missing = [name for name in FILES if name not in files]
    if not missing:
        return files, twice, notes
    expected = " and ".join(f"{patient_id}_{name}.nii.gz" for name in missing)
    holds = ", ".join(shown(path.name) + dangling(path) for path in here) or "nothing"
    verb = "is" if len(missing) == 1 else "are"
    return (
        files,
        [*twice, f"{folder}: {expected} (or .nii) {verb} missing; the folder holds {holds}: copy or rename the file"],
        notes,
    )


def volume_at(path: Path) -> Path | None:
    """Return a volume's file: the path itself, or the only volume in a folder of this name."""
    if path.is_file():
        return path if is_nifti(path) else None
    if path.is_dir():
        inside = [inner for inner in entries(path) if is_nifti(inner) and inner.is_file()]
        return inside[0] if len(inside) == 1 else None
    return None


def dangling(path: Path) -> str:
    """Return the remark on a broken link (git-annex keeps them for files that were not fetched); else nothing."""
    return " (a link to a file that is missing)" if path.is_symlink() and not path.exists() else ""


def absent_patients(mapping: pd.DataFrame | None, cases: pd.DataFrame, others: set[str]) -> tuple[str, ...]:
    """Return the patients that the mapping names for these releases and that are missing in the folder."""
    if mapping is None:
        return ()
    columns = [f"BraTS_{release}_subject_ID" for release in cases["release"].unique()]
    found = {name.casefold() for name in {*cases["patient_id"], *others}}
    return tuple(sorted(name for name in names_of(mapping.filter(columns)) if name.casefold() not in found))
