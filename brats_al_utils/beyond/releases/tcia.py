"""Read TCIA's open collections of HGG and LGG as they were unpacked; no volume is opened.

TCGA pre-operative: Bakas et al. 2017, Sci Data 4:170117, doi 10.7937/K9/TCIA.2017.KLXWJJ1Q (GBM) and
10.7937/K9/TCIA.2017.GJQ7R0EF (LGG), CC BY 3.0. UCSF-PDGM: Calabrese et al. 2022, Radiol Artif Intell 4:e220058, doi
10.7937/tcia.bdgf-8v37, CC BY 4.0.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path

import pandas as pd

from brats_al_utils import InputError
from brats_al_utils.beyond.releases.faults import first_of
from brats_al_utils.beyond.releases.paths import in_and_below
from brats_al_utils.beyond.releases.table import chosen_classes, csv_rows
from brats_al_utils.cohorts.brats import link_out, links_problem
from brats_al_utils.cohorts.cohort import Cohort, frozen, refuse_classes, refuse_task
from brats_al_utils.cohorts.layout import GRADES, entries, is_nifti, named_volumes, shown, subfolders
from brats_al_utils.cohorts.volumes import FILES, SEGMENTATION

TCGA, UCSF = "TCGA pre-operative", "UCSF-PDGM"

CITATIONS = {
    TCGA: "cite Bakas et al. 2017, doi 10.7937/K9/TCIA.2017.KLXWJJ1Q (GBM) and 10.7937/K9/TCIA.2017.GJQ7R0EF (LGG); "
    "licence CC BY 3.0",
    UCSF: "cite Calabrese et al. 2022, doi 10.7937/tcia.bdgf-8v37; licence CC BY 4.0; one hospital",
}

TCGA_FOLDERS = {
    "pre-operative_tcga_lgg_nifti_and_segmentations": "LGG",
    "pre-operative_tcga_gbm_nifti_and_segmentations": "HGG",
}
TCGA_PATIENT = re.compile(r"TCGA-([A-Z0-9]{2})-[A-Z0-9]{4}")
DATE = re.compile(r"_(\d{4}\.\d\d\.\d\d)_")
CORRECTED, AUTOMATIC = "_GlistrBoost_ManuallyCorrected", "_GlistrBoost"
"""Endings of TCGA's segmentations: corrected by hand, and automatic."""

UCSF_PATIENT = re.compile(r"UCSF-PDGM-(\d{3,4})(_FU\w+?)?(_nifti)?", re.IGNORECASE)
"""A patient's id: folders have four digits, the metadata three; FU is a follow-up scan."""

METADATA = "UCSF-PDGM-metadata*.csv"
GRADE = "WHO CNS Grade"
GRADE_OF = {"2": "LGG", "3": "LGG", "4": "HGG"}
WILDTYPE = "wildtype"

HOSPITALS = {
    "02": "MD Anderson",
    "06": "Henry Ford Hospital",
    "08": "UCSF",
    "12": "Duke",
    "14": "Emory",
    "19": "Case Western",
    "76": "Thomas Jefferson University",
    "CS": "Thomas Jefferson University",
    "DU": "Henry Ford Hospital",
    "EZ": "University of North Carolina",
    "FG": "Case Western",
    "HT": "Case Western",
}
"""Hospitals by TCGA's public code of the tissue source site; some have several codes (HT is Case Western's St Joes)."""

Row = dict[str, str]
Found = tuple[dict[str, Path], list[str], list[str]]
"""A patient's files by sequence, problems, and notes."""


def hospital(code: str) -> str:
    """Return the hospital of a code, or the code if it is unknown."""
    return HOSPITALS.get(code, code)


def of_hospitals(cases: pd.DataFrame) -> list[str]:
    """Return a note that names the hospital of each site of some cases (columns site and patient_id)."""
    known = cases.groupby("site")["patient_id"].nunique()
    told = ", ".join(f"{code} {hospital(str(code))} ({count})" for code, count in known.items())
    return [f"sites are the hospitals' codes in the ids: {told}"] if told else []


def holds(folder: Path, good: Callable[[str], object]) -> Path | None:
    """Return the folder, or the first in it, that holds a folder with a good name."""
    places = in_and_below(folder)
    return next((place for place, inside in places if any(good(path.name) and path.is_dir() for path in inside)), None)


def find_collection(folder: Path) -> tuple[str, Path] | None:
    """Return the collection in a folder or in one below it, and that folder; None without a collection.

    Raises
    ------
    InputError
        If the folder is one of TCGA's two.
    """
    if folder.resolve().name.casefold() in TCGA_FOLDERS:
        above = folder.resolve().parent
        raise InputError(f"{folder}: the patients of one class, expected both (GBM and LGG): name the folder {above}")
    if place := holds(folder, lambda name: name.casefold() in TCGA_FOLDERS):
        return TCGA, place
    if place := holds(folder, UCSF_PATIENT.fullmatch):
        return UCSF, place
    return None


def read_tcia(folder: Path, follow_links: bool = False, classes: tuple[str, ...] = (), task: str = "") -> Cohort | None:
    """Read either collection; parameters as `read_ucsf`."""
    found = find_collection(folder)
    if not found:
        return None
    release, root = found
    if release == UCSF:
        return read_ucsf(root, follow_links, classes, task)
    refuse_task(task, folder)
    refuse_classes(classes)
    return read_tcga(root, follow_links)


def read_tcga(root: Path, follow_links: bool = False) -> Cohort:
    """Read TCGA's patients: those of the GBM folder are HGG, those of the LGG folder LGG.

    Raises
    ------
    InputError
        If one of the two folders is missing.
    """
    grades = {child: TCGA_FOLDERS.get(child.name.casefold()) for child in subfolders(root)}
    places = {place: grade for place, grade in grades.items() if grade}
    if len(set(places.values())) < len(GRADES):
        (one,) = places
        raise InputError(f"{root}: holds {one.name} alone, expected the GBM and the LGG folder: put both there")
    patients = []
    for place, grade in places.items():
        for home in subfolders(place):
            if name := TCGA_PATIENT.fullmatch(home.name):
                row = {"patient_id": home.name, "class_name": grade, "site": name[1]}
                patients.append((home, row, tcga_volumes(home)))
    return cohort_of(root, TCGA, patients, [], follow_links)


def tcga_volumes(home: Path) -> Found:
    """Return the volumes of a patient's first scan."""
    here = [path for path in entries(home) if is_nifti(path)]
    dates = sorted({date[1] for path in here if (date := DATE.search(path.name))})
    scan = f"{home.name}_{dates[0]}" if dates else home.name
    files, problems = named_volumes(here, scan)
    notes = [f"{home}: scans of {' and '.join(dates)}: the first is used"] if len(dates) > 1 else []
    drawn = {path.name.partition(".nii")[0].casefold(): path for path in here}
    for ending in (CORRECTED, AUTOMATIC):
        if SEGMENTATION not in files and (path := drawn.get((scan + ending).casefold())):
            files[SEGMENTATION] = path
    return files, problems, notes


def read_ucsf(root: Path, follow_links: bool = False, classes: tuple[str, ...] = (), task: str = "") -> Cohort:
    """Read UCSF's patients. Grade 4 is HGG, 2 and 3 are LGG, or another column gives the classes.

    Parameters
    ----------
    classes : tuple of str
        Positive and negative class of that column; if empty, the two most frequent ones.
    task : str
        A column of the metadata; if empty, the grade. In column IDH every mutation is ``mutated``.

    Raises
    ------
    InputError
        If the metadata or the column is missing.
    """
    path, labels = metadata_of(root, task)
    pair = chosen_classes(path, pd.Series(list(labels.values()), dtype=object), classes)
    patients: list[tuple[Path, Row, Found]] = []
    follow_ups, without = [], []
    for home in subfolders(root):
        name = UCSF_PATIENT.fullmatch(home.name)
        if not name or name[2]:
            follow_ups += [home.name] if name else []
            continue
        label, patient_id = labels.get(int(name[1]), ""), f"UCSF-PDGM-{int(name[1]):04}"
        if label in pair:
            row = {"patient_id": patient_id, "class_name": label, "site": "UCSF"}
            files, problems = named_volumes([file for file in entries(home) if is_nifti(file)], patient_id)
            patients.append((home, row, (files, problems, [])))
        else:
            without.append(patient_id)
    skipped = {f"{root}: follow-up scans": follow_ups, f"{path}: patients without {' or '.join(pair)}": without}
    notes = [f"{what}, skipped: {len(names)} ({first_of(names)})" for what, names in skipped.items() if names]
    here = {row["patient_id"] for _, row, _ in patients} | {*without}
    absent = [each for number in sorted(labels) if (each := f"UCSF-PDGM-{number:04}") not in here]
    return cohort_of(root, UCSF, patients, notes, follow_links, pair, absent)


def metadata_of(root: Path, task: str) -> tuple[Path, dict[int, str]]:
    """Return the metadata's path, and the label of each patient by number.

    Raises
    ------
    InputError
        If it or the column is missing, or it cannot be read.
    """
    found = sorted(path for place in (root, root.resolve().parent) for path in place.glob(METADATA))
    if not found:
        raise InputError(f"{root}: no {METADATA} here or one level above, expected the grades: put it there from TCIA")
    path, column = found[-1], task or GRADE
    rows = csv_rows(path)
    columns = {name.casefold(): name for name in (rows[0] if rows else {})}
    if "id" not in columns or column.casefold() not in columns:
        names = ", ".join(columns.values())
        raise InputError(f"{path}: no column ID or {column}, expected among {names}: set task to one of them")
    name = columns[column.casefold()]
    labels = {}
    for row in rows:
        label = row[name]
        if name == GRADE:
            label = GRADE_OF.get(label, "")
        elif name == "IDH" and label not in ("", WILDTYPE):
            label = "mutated"
        if (patient := UCSF_PATIENT.fullmatch(row[columns["id"]])) and not patient[2]:
            labels[int(patient[1])] = label
    return path, labels


def cohort_of(
    root: Path,
    release: str,
    patients: Iterable[tuple[Path, Row, Found]],
    notes: list[str],
    follow_links: bool,
    classes: tuple[str, str] = GRADES,
    absent: Iterable[str] = (),
) -> Cohort:
    """Return the cohort of some patients, each given by its folder, the row of `Cohort.cases`, and its files."""
    rows, automatic = [], []
    problems: defaultdict[str, list[str]] = defaultdict(list)
    first: dict[str, Path] = {}
    for home, row, (files, wrong, said) in patients:
        if (other := first.setdefault(row["patient_id"], home)) != home:
            wrong = [*wrong, f"{other} and {home}: the same patient, expected once: keep one of the two folders"]
        missing = [name for name in FILES if name not in files]
        if missing and not wrong:
            wrong = [f"{home}: no {' and '.join(missing)} found, expected one volume each: copy the folder again"]
        if link := link_out(files.values(), root, follow_links):
            wrong = [*wrong, links_problem(root, shown(home.name), link)]
        problems[row["patient_id"]] += wrong
        if files.get(SEGMENTATION, home).name.partition(".nii")[0].casefold().endswith(AUTOMATIC.casefold()):
            automatic.append(row["patient_id"])
        notes += said
        rows.append(row | {"release": release} | {name: str(path) for name, path in files.items()})
    if automatic:
        names = f"{len(automatic)} ({first_of(automatic)})"
        notes.append(f"{root}: automatic segmentations (GlistrBoost), which nobody has corrected, are used of {names}")
    found = {name: wrong for name, wrong in problems.items() if wrong}
    cases = pd.DataFrame(rows, columns=["patient_id", "class_name", "site", "release", *FILES])
    cases = cases[~cases["patient_id"].isin(found)].sort_values("patient_id", ignore_index=True)
    told = [f"{root}: {release}; {CITATIONS[release]}", *notes, *(of_hospitals(cases) if release == TCGA else ())]
    return Cohort(root, cases, tuple(absent), frozen(found), tuple(told), classes)
