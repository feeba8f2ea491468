"""Split a cohort by patient into training, validation and test, stratified by class; or deal it into folds."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from brats_al_utils import InputError
from brats_al_utils.seeds import generator

PARTS = ("training", "validation", "test")

HELD_OUT_SHARE = 66 / 335
"""Share of the patients that validation and test each get (section 2.2.1: 203, 66 and 66 of 335)."""

FEWEST = 5
"""Smallest number of patients in a stratum: of fewer, less than one is expected in the validation set."""

DEALS = 100
"""Largest number of attempts to deal a cohort so that each part has both classes."""


def one_class_each(table: pd.DataFrame, column: str = "class_name") -> bool:
    """Whether all images of each patient have the same class; columns patient_id and ``column``, one row an image."""
    return bool((table.groupby("patient_id")[column].nunique() <= 1).all())


def strata(cases: pd.DataFrame, classes: Sequence[str]) -> pd.Series:
    """Return the stratum of each patient, by patient_id: its class, or a range of its share of positive images.

    Parameters
    ----------
    cases : pd.DataFrame
        Columns patient_id and class_name, one row an image.
    classes : tuple of str
        Negative, positive.

    Returns
    -------
    pd.Series of str
        The patient's class. Where a patient has images of both: the third of 0 to 1 in which the share of positive
        images lies; thirds with fewer than ``FEWEST`` patients form one stratum.
    """
    share = (cases["class_name"] == classes[1]).groupby(cases["patient_id"]).mean()
    if one_class_each(cases):
        return share.map(dict(enumerate(classes)))
    thirds = [f"{classes[1]} in {part} of the images" for part in ("under a third", "about half", "over two thirds")]
    third = pd.Series(np.array(thirds, object)[np.digitize(share, [1 / 3, 2 / 3])], share.index)
    return third.where(third.map(third.value_counts()) >= FEWEST, "others")


def with_both_classes(
    deal: Callable[[tuple[int, ...]], dict[str, str]], parts: Sequence[str], cases: pd.DataFrame, classes: Sequence[str]
) -> pd.Series:
    """Return the part of each patient, dealt until each part has images of both classes.

    Parameters
    ----------
    deal : callable
        Returns the part of each patient; takes the last names of its seeds: none at first, then the number of the
        attempt. Where each patient has one class, the first attempt succeeds.
    parts : sequence of str
    cases : pd.DataFrame
        Columns patient_id and class_name, a row an image or a patient.

    Raises
    ------
    InputError
        If no attempt of ``DEALS`` succeeds; it names a part without a class.
    """
    for attempt in range(DEALS):
        dealt = pd.Series(deal((attempt,) * (attempt > 0)), dtype=object)
        there = set(zip(cases["patient_id"].map(dealt), cases["class_name"], strict=True))
        missing = [(part, name) for part in parts for name in classes if (part, name) not in there]
        if not missing:
            return dealt.sort_index()
    part, name = missing[0]
    raise InputError(f"no image of class {name} in {part}, expected some in each part: add patients")


def too_few(cases: pd.DataFrame, classes: tuple[str, str]) -> dict[str, str]:
    """Return a problem for each class with too few patients for a split.

    Parameters
    ----------
    cases : pd.DataFrame
        Columns patient_id and class_name, one row an image or a patient; part where the split is given, empty for
        patients who are to be dealt.
    classes : tuple of str
        Negative, positive.
    """
    problems, named = {}, set(cases.get("part", ()))
    for name in reversed(classes):
        own = cases[cases["class_name"] == name].drop_duplicates("patient_id")
        given = own["part"] if "part" in own else pd.Series("", own.index)
        missing = [part for part in PARTS if not (given == part).any()]
        if len(own) < len(PARTS):
            problems[name] = (
                f"{len(own)} usable {name} patients, expected at least {len(PARTS)}, one for each of "
                f"{', '.join(PARTS)}: add patients"
            )
        elif (given == "").sum() < len(missing) or named & set(missing):
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
        Columns patient_id and class_name, one row an image or a patient. A column part gives the split; patients whose
        part is empty are dealt to the parts that no patient has, or are for training if there is none.
    classes : tuple of str
        Negative, positive.
    seed : int
        Seed of the random order of the patients.
    balanced : str
        A further column of ``cases`` (the site, for instance): each part gets its values in equal shares within each
        class, as far as their numbers allow.

    Returns
    -------
    pd.DataFrame
        patient_id, stratum (see `strata`), part (one of ``PARTS``), by patient_id. 259 HGG and 76 LGG give 157/46,
        51/15 and 51/15 (section 2.2.1); other numbers the same shares, to the nearest integer, at least one a class and
        part. Without those for test, 208 and 61 give 157/46 and 51/15.

    Raises
    ------
    InputError
        If a class has fewer than three patients, or no image in a part.
    """
    if problems := too_few(cases, classes):
        raise InputError("\n".join(problems.values()))
    table = cases.drop_duplicates("patient_id")
    table = table.assign(stratum=table["patient_id"].map(strata(cases, classes)), part=table.get("part", ""))
    given, others = table[table["part"] != ""], table[table["part"] == ""]
    held_out = [part for part in PARTS[1:] if not (given["part"] == part).any()]
    share = HELD_OUT_SHARE / (1 - HELD_OUT_SHARE * (len(PARTS[1:]) - len(held_out)))
    rest = held_out[0] if held_out and (given["part"] == PARTS[0]).any() else PARTS[0]

    def deal(again: tuple[int, ...]) -> dict[str, str]:
        found = dict(zip(given["patient_id"], given["part"], strict=True))
        for name, own in others.groupby("stratum"):
            patients = sorted(own["patient_id"])
            size = max(1, round(len(patients) * share)) if len(patients) > len(held_out) else 0
            size = size if rest == PARTS[0] else len(patients) // len(held_out)
            order = generator(seed, "split", str(name), *again).permutation(len(patients))
            if balanced:
                # In rounds, one of each value: any consecutive patients have all values about equally often.
                values = own.set_index("patient_id")[balanced][[patients[i] for i in order]]
                order = order[np.argsort(values.groupby(values).cumcount().to_numpy(), kind="stable")]
            parts = [rest] * (len(patients) - size * len(held_out)) + [part for part in held_out for _ in range(size)]
            found |= {patients[place]: part for place, part in zip(order, parts, strict=True)}
        return found

    part = with_both_classes(deal, PARTS, cases, classes)
    return (
        table[["patient_id", "stratum"]]
        .assign(part=table["patient_id"].map(part))
        .sort_values("patient_id", ignore_index=True)
    )


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


FEWEST_FOLDS = 3
"""Smallest number of folds: one for testing, one for validation, one for training."""


def redrawn(folds: int) -> float:
    """Return the ratio of test to training patients with folds; 0 where all runs have the same test set."""
    return 1 / (folds - 2) if folds > 1 else 0.0


def fold_split(cases: pd.DataFrame, classes: tuple[str, str], folds: int, number: int, seed: int) -> pd.DataFrame:
    """Return the split of one run: it tests one fold, validates on the next one and trains on the others.

    Run r tests fold r mod K. After each cycle of K runs the folds are dealt anew: every patient is tested once in each
    cycle, and together with other patients in the next.

    Parameters
    ----------
    cases : pd.DataFrame
        Columns patient_id and class_name, a row an image or a patient.
    classes : tuple of str
        Negative, positive.
    folds : int
        K, at least 3.
    number : int
        Of the run, from 0.
    seed : int
        Seed of the deal.

    Returns
    -------
    pd.DataFrame
        patient_id, stratum (see `strata`), part (one of ``PARTS``), by patient_id. Within a stratum, the sizes of the
        folds differ by at most one patient.

    Raises
    ------
    InputError
        If a class has fewer patients than there are folds, or no image in a part.
    """
    cycle, tested = divmod(number, folds)
    for name in reversed(classes):
        if (count := cases.loc[cases["class_name"] == name, "patient_id"].nunique()) < folds:
            raise InputError(
                f"{count} {name} patients, expected at least one for each of {folds} folds: lower folds, or "
                "add patients"
            )
    stratum = strata(cases, classes)

    def deal(again: tuple[int, ...]) -> dict[str, str]:
        found: dict[str, str] = {}
        for name, own in stratum.groupby(stratum):
            order = generator(seed, "folds", cycle, str(name), *again).permutation(len(own))
            found |= {own.index[patient]: f"fold {place % folds}" for place, patient in enumerate(order)}
        return found

    names = [f"fold {fold}" for fold in range(folds)]
    fold = with_both_classes(deal, names, cases, classes)
    # The fold after the tested one is the validation set.
    parts = dict.fromkeys(names, PARTS[0]) | {names[(tested + 1) % folds]: PARTS[1], names[tested]: PARTS[2]}
    split = pd.DataFrame({"stratum": stratum, "part": fold.map(parts)})
    return split.rename_axis("patient_id").reset_index()
