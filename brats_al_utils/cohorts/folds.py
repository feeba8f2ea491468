"""Deal a cohort's patients into folds, so that each of them is tested once a cycle."""

import pandas as pd

from brats_al_utils import InputError
from brats_al_utils.cohorts.split import PARTS
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
        With columns patient_id and class_name, one row a patient.
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
        patient_id, class_name, part (one of ``PARTS``), by patient_id. In each class the folds differ by one patient at
        most.

    Raises
    ------
    InputError
        If a class has fewer patients than there are folds.
    """
    cycle, tested = divmod(number, folds)
    frames = []
    for name in reversed(classes):
        patients = sorted(cases.loc[cases["class_name"] == name, "patient_id"])
        if len(patients) < folds:
            raise InputError(
                f"{len(patients)} {name} patients, expected at least one for each of {folds} folds: lower folds, or "
                "add patients"
            )
        order = generator(seed, "folds", cycle, name).permutation(len(patients))
        # How many folds lie between the one that is tested and the patient's: 0 is tested, 1 validates.
        ahead = [(place - tested) % folds for place in range(len(patients))]
        parts = [PARTS[2] if steps == 0 else PARTS[1] if steps == 1 else PARTS[0] for steps in ahead]
        frames.append(pd.DataFrame({"patient_id": [patients[i] for i in order], "class_name": name, "part": parts}))
    return pd.concat(frames).sort_values("patient_id", ignore_index=True)
