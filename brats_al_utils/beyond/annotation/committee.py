"""The committee trained on the labels known so far, and the choice of a strategy by its uncertainty."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from brats_al_utils import InputError
from brats_al_utils.beyond.annotation.candidates import UNLABELLED
from brats_al_utils.beyond.annotation.draws import UNITS, held_out
from brats_al_utils.beyond.annotation.session import TEST, TRAINING, VALIDATION, Session, counts, numbers
from brats_al_utils.beyond.annotation.state import Point
from brats_al_utils.beyond.competitors.competitors import STRATEGIES
from brats_al_utils.queries.pool import Pool, check_budget
from brats_al_utils.queries.sampling import COMMITTEE, MIDDLE, QUERY_NETWORK, RANDOM
from brats_al_utils.queries.selection import Ids
from brats_al_utils.queries.uncertainty import score
from brats_al_utils.runs.run import Result, Run
from brats_al_utils.study.arms import DATASETS
from brats_al_utils.study.stages import chooser, have_computed, with_answers
from brats_al_utils.study.study import Study

USABLE = tuple(name for name, strategy in STRATEGIES.items() if not strategy.needs_every_label)
"""Strategies that need no labels of the slices that they choose from."""

OF_PATIENTS = tuple(
    name
    for name in USABLE
    if (name == RANDOM.name or STRATEGIES[name].asks == COMMITTEE) and not name.endswith("patients")
)
"""Strategies that rank slices by one number, and can rank whole patients by its mean."""

FEWEST = 5
"""Labels of either class that the training and the validation set need before a network is trained, and the test set
before an AUC is told."""

FEWEST_IN_ALL = {VALIDATION: 1, TEST: 3}
"""The same of a part of which nothing is left to ask for."""


def labels_of(session: Session) -> dict[str, tuple[int, int]]:
    """Return the number of negative and positive labels for training and validation, and of such patients for test."""
    rows = session.slices.assign(label=session.label, part=session.part)
    tested = rows[rows["part"] == TEST].drop_duplicates(["patient_id", "label"])
    found = {name: counts(rows.loc[rows["part"] == name, "label"]) for name in (TRAINING, VALIDATION)}
    return found | {TEST: counts(tested["label"])}


def lacking(session: Session) -> dict[str, tuple[int, int]]:
    """Return how many labels of the negative and of the positive class are missing in each part.

    The training and the validation set lack what a network and the choice of its epoch need, the test set patients
    without whom no AUC is told. Of a part that is answered to its end, fewer must do: see ``FEWEST_IN_ALL``.
    """
    found = {}
    for name, (negative, positive) in labels_of(session).items():
        ended = name in FEWEST_IN_ALL and not held_out(session, name, UNITS[0])
        least = FEWEST_IN_ALL[name] if ended else FEWEST
        found[name] = (max(least - negative, 0), max(least - positive, 0))
    return found


def trainable(session: Session) -> bool:
    """Whether there are enough labels to train a network and to choose its epoch."""
    found = lacking(session)
    return not any(found[TRAINING] + found[VALIDATION])


def needed(found: Mapping[str, tuple[int, int]], classes: tuple[str, str]) -> str:
    """Return the missing labels in words; empty if none are missing.

    Parameters
    ----------
    found : mapping of str to tuple of int
        Of `lacking`.
    classes : tuple of str
        Negative, positive.
    """
    parts = {
        name: " and ".join(f"{count} {label}" for count, label in zip(own[::-1], classes[::-1], strict=True) if count)
        for name, own in found.items()
    }
    told = "; ".join(f"{what} more for {name}" for name, what in parts.items() if what)
    return f"Needs {told}." if told else ""


def taught(session: Session) -> tuple[Session, Study, pd.Series]:
    """Train the committee on the labels known so far; its predictions of the test set are added to the state.

    Returns
    -------
    Session
    Study
    pd.Series of float
        The uncertainty of each slice that is not held out: see `uncertainty.score`.
    """
    study, profile = session.study(), session.profile
    training = numbers((session.label != UNLABELLED) & (session.part == TRAINING))
    asked = [study.ids(DATASETS[0], part, 0) for part in (TRAINING, TEST)]
    pool = np.union1d(*asked)
    # As slices of the pool those of the test set are evaluated once, and without the shortcut audit.
    members = [
        replace(chooser(study, DATASETS[0], 0, training, MIDDLE, number), pool=tuple(pool.tolist()), test=())
        for number in range(1, 1 + len(profile.committee_rates))
    ]
    have_computed(study, [(f"committee member {number}", run) for number, run in enumerate(members, 1)], "members")
    high = np.stack([computed(study, run).arrays["probability/pool"] for run in members])
    fingerprint, rows = study.slices.fingerprint, np.isin(pool, asked[1])
    if fingerprint not in [point.fingerprint for point in session.state.points]:
        names = session.slices["slice_id"].to_numpy(str)[pool[rows]].tolist()
        probability = dict(zip(names, high[:, rows].mean(axis=0).round(6).tolist(), strict=True))
        point = Point(fingerprint, len(training), probability)
        session = session.keep(lambda state: replace(state, points=(*state.points, point)))
    of_pool = score(np.stack([1 - high, high], axis=-1), profile.pairs, profile.aggregate)
    return session, study, pd.Series(of_pool[~rows], pool[~rows])


def computed(study: Study, run: Run) -> Result:
    """Return a run's result.

    Raises
    ------
    InputError
        If it has gone since it was computed.
    """
    result = study.store.load(run)
    if result is None:
        raise InputError(f"{study.store.path(run)}: damaged or gone since it was computed: start again")
    return result


def chosen_by(
    study: Study, strategy: str, unit: str, uncertainty: pd.Series, labelled: Ids, without: Ids, budget: int, seed: int
) -> Ids:
    """Return the slices that a strategy chooses.

    Parameters
    ----------
    uncertainty : pd.Series of float
        Of each slice that is not held out.
    labelled : np.ndarray of int
        Those of them with a label.
    without : np.ndarray of int
        Those of them that are not to be chosen.
    """
    rule = STRATEGIES[strategy]
    if unit == UNITS[0]:
        pool = study.pool(DATASETS[0], 0)
        if rule.asks == COMMITTEE:
            pool = replace(pool, score=uncertainty.to_numpy())
        if rule.asks == QUERY_NETWORK:
            network = chooser(study, DATASETS[0], 0, labelled, rule, 1)
            have_computed(study, [("query network", network)], "query networks")
            pool = with_answers(study, DATASETS[0], 0, [network], rule)
        source = pool.without(without)
        check_budget(source.ids, budget)
        return rule.choose(source, budget, seed)
    left = np.setdiff1d(uncertainty.index, without)
    names, place = np.unique(study.slices.table["patient_id"].to_numpy(str)[left], return_inverse=True)
    mean = np.bincount(place, uncertainty[left]) / np.bincount(place)
    patients = rule.choose(Pool(np.arange(len(names)), mean), budget, seed)
    return np.asarray(left[np.isin(place, patients)])
