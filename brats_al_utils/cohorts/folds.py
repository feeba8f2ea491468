"""Deal a cohort's patients into folds, so that each of them is tested once a cycle."""

import pandas as pd

from brats_al_utils import InputError
from brats_al_utils.cohorts.split import PARTS, strata, with_both_classes
from brats_al_utils.seeds import generator

FEWEST_FOLDS = 3
"""One to test, one to validate on, one to train on."""


def redrawn(folds: int) -> float:
    """Return test patients over training patients where each run tests another fold; 0 where all test the same."""
    return 1 / (folds - 2) if folds > 1 else 0.0


def fold_split(cases: pd.DataFrame, classes: tuple[str, str], folds: int, number: int, seed: int) -> pd.DataFrame:
    """Return the split of one run: it tests one fold, validates on the next one and trains on the others.

    Run r tests fold r mod K. After each cycle of K runs the folds are dealt anew, so that every patient is tested once
    a cycle, and with other companions in the next.

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
        Of the deal.

    Returns
    -------
    pd.DataFrame
        patient_id, stratum (see `strata`), part (one of ``PARTS``), by patient_id. In each stratum the folds differ by
        one patient at most.

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
    # The fold after the one that is tested validates.
    parts = dict.fromkeys(names, PARTS[0]) | {names[(tested + 1) % folds]: PARTS[1], names[tested]: PARTS[2]}
    split = pd.DataFrame({"stratum": stratum, "part": fold.map(parts)})
    return split.rename_axis("patient_id").reset_index()
