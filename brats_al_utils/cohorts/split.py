"""Split a cohort by patient, each part with the cohort's share of each class."""

import numpy as np
import pandas as pd

from brats_al_utils import InputError
from brats_al_utils.seeds import generator

PARTS = ("training", "validation", "test")

HELD_OUT_SHARE = 66 / 335
"""Share of the patients that validation and test each get (section 2.2.1: 203, 66 and 66 of 335)."""


def too_few(cases: pd.DataFrame, classes: tuple[str, str]) -> dict[str, str]:
    """Return, for each class with too few patients for a split, what is wrong.

    Parameters
    ----------
    cases : pd.DataFrame
        With columns patient_id and class_name, and part where the split is given, empty for patients to be dealt.
    classes : tuple of str
        Negative, positive.
    """
    patients = cases.drop_duplicates("patient_id")
    problems = {}
    for name in reversed(classes):
        own = patients[patients["class_name"] == name]
        given = own["part"] if "part" in own else pd.Series("", own.index)
        missing = [part for part in PARTS if not (given == part).any()]
        if len(own) < len(PARTS):
            problems[name] = (
                f"{len(own)} usable {name} patients, expected at least {len(PARTS)}, one for each of "
                f"{', '.join(PARTS)}: add patients"
            )
        elif (given == "").sum() < len(missing):
            problems[name] = (
                f"no usable {name} patient in {' and '.join(missing)} of the split that the table gives, expected at "
                "least one in each part: change it, or leave the column empty"
            )
    return problems


def split_patients(cases: pd.DataFrame, classes: tuple[str, str], seed: int, balanced: str = "") -> pd.DataFrame:
    """Split patients into training, validation and test, each with the cohort's share of each class.

    Parameters
    ----------
    cases : pd.DataFrame
        With columns patient_id and class_name, one row a patient; with a column part, that is the split. Where some
        are given to test and the others' part is empty, these are dealt to training and validation.
    classes : tuple of str
        Negative, positive.
    seed : int
        Of the random order of the patients.
    balanced : str
        A further column of ``cases`` whose values (sites, for instance) each part is to hold in equal shares within
        each class, as far as their numbers allow.

    Returns
    -------
    pd.DataFrame
        patient_id, class_name, part (one of ``PARTS``), by patient_id. 259 HGG and 76 LGG give 157/46, 51/15 and 51/15
        (section 2.2.1); other numbers the same shares, to the nearest integer, at least one a class and part. Without
        those for test, 208 and 61 give 157/46 and 51/15.

    Raises
    ------
    InputError
        If a class has fewer than three patients, or none in a part of a given split.
    """
    if problems := too_few(cases, classes):
        raise InputError("\n".join(problems.values()))
    table = cases if "part" in cases else cases.assign(part="")
    given, others = table[table["part"] != ""], table[table["part"] == ""]
    frames = [given[["patient_id", "class_name", "part"]]]
    if others.empty:
        return frames[0].sort_values("patient_id", ignore_index=True)
    held_out = [part for part in PARTS[1:] if not (given["part"] == part).any()]
    for name in reversed(classes):
        own = others[others["class_name"] == name]
        patients = sorted(own["patient_id"])
        share = HELD_OUT_SHARE / (1 - HELD_OUT_SHARE * (len(PARTS[1:]) - len(held_out)))
        size = max(1, round(len(patients) * share))
        order = generator(seed, "split", name).permutation(len(patients))
        if balanced:
            # In rounds, of each value one: so any patients in a row have each as often as the others.
            values = own.set_index("patient_id")[balanced][[patients[i] for i in order]]
            order = order[np.argsort(values.groupby(values).cumcount().to_numpy(), kind="stable")]
        parts = [PARTS[0]] * (len(patients) - size * len(held_out)) + [part for part in held_out for _ in range(size)]
        frames.append(pd.DataFrame({"patient_id": [patients[i] for i in order], "class_name": name, "part": parts}))
    split = pd.concat(frames).sort_values("patient_id", ignore_index=True)
    check_split(split)
    return split


def check_split(patients: pd.DataFrame) -> None:
    """Refuse a table (columns patient_id, part) in which a patient is in two parts.

    Raises
    ------
    InputError
        Naming the first such patients.
    """
    parts = patients.groupby("patient_id")["part"].nunique()
    shared = sorted(parts.index[parts > 1])
    if shared:
        raise InputError(
            f"patients in more than one part: {', '.join(shared[:5])} ({len(shared)} in all), expected each in one: "
            "make the split by patient, not by slice"
        )
