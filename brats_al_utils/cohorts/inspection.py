"""Read all files of a cohort, and list its patients and problems: the command ``cohort``."""

from dataclasses import replace

import pandas as pd

from brats_al_utils.cohorts.checks import same_pixels
from brats_al_utils.cohorts.cohort import Cohort, cores, each_case, frozen
from brats_al_utils.cohorts.split import too_few
from brats_al_utils.progress import Track, untracked


def said(cohort: Cohort) -> list[str]:
    """Return the report on a checked cohort, as lines: its patients, notes and problems."""
    lines, cases = [], cohort.cases
    labelled = cases[cases["class_name"] != ""]
    if cohort.labelled and not labelled.empty:
        who = labelled.drop_duplicates(["patient_id", "class_name"]).groupby(["release", "site", "class_name"])
        lines.append(who.size().unstack(fill_value=0).rename_axis(columns="class").to_string())
    of_class = cases["class_name"].value_counts()
    names = [*reversed(cohort.classes)] if cohort.labelled else [*labelled["class_name"].unique()]
    told = [f"{of_class.get(name, 0)} {name}" for name in names]
    without = len(cases) - len(labelled)
    counts = ", ".join([*told, *([f"{without} without a label"] if told and without else [])])
    masks = int((cases["mask"] != "").sum()) if cohort.tabled else 0
    images = f" with {len(cases)} images ({counts or 'no labels'})" if cohort.tabled else ""
    more = (f", {masks} of them with a mask" if masks else "") + (" (synthetic)" if cohort.synthetic else "")
    lines.append(f"{len(cohort.patients)} usable patients{images} in {cohort.root}{more}")
    if cohort.absent:
        lines.append(f"{len(cohort.absent)} patients of the release's mapping are missing in the folder")
    if not cohort.labelled:
        so_far = "labels of one class so far" if len(labelled) else "no labels yet"
        lines.append(f"{so_far}: brats-al annotate --data {cohort.root} proposes what to annotate")
    return [*lines, *(f"note: {note}" for note in cohort.notes), *(f"problem: {each}" for each in cohort.messages)]


def check_cohort(cohort: Cohort, min_tumour_mm2: float = 0.0, track: Track = untracked) -> Cohort:
    """Read every volume of a cohort, and list all problems for which `prepare` would refuse it.

    Parameters
    ----------
    cohort : Cohort
    min_tumour_mm2 : float
        The tumour area that a slice must have to be cut (`SliceRule`).
    track : callable
        Shows how many patients have been read.

    Returns
    -------
    Cohort
        The cohort without the patients that have a problem. Its problems name them, and classes with too few patients.
    """

    def faults(rows: pd.DataFrame) -> tuple[list[str], list[bytes]]:
        return cohort.kind.faults(rows, min_tumour_mm2)

    problems = dict(cohort.problems)
    seen: dict[bytes, str] = {}
    for rows, reading in each_case(cohort.patients, faults, cores(), track):
        patient_id, (found, marks) = rows["patient_id"].iloc[0], reading.result()
        if found := [*found, *same_pixels(patient_id, marks, seen)]:
            problems[patient_id] = tuple(found)
    good = cohort.cases[~cohort.cases["patient_id"].isin(problems)].reset_index(drop=True)
    labelled = good[good["class_name"] != ""]
    few = {name: (problem,) for name, problem in too_few(labelled, cohort.classes).items()} if cohort.labelled else {}
    return replace(cohort, cases=good, problems=frozen(problems) | few)
