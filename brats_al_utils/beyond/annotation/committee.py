"""The committee trained on the labels known so far, and the choice of a strategy by its uncertainty."""

from dataclasses import replace

import numpy as np
import pandas as pd

from brats_al_utils import InputError
from brats_al_utils.beyond.annotation.draws import UNITS, held_out
from brats_al_utils.beyond.annotation.session import TEST, TRAINING, VALIDATION, Session, counts
from brats_al_utils.beyond.annotation.state import Point
from brats_al_utils.beyond.competitors.competitors import STRATEGIES
from brats_al_utils.queries.pool import Pool, check_budget
from brats_al_utils.queries.sampling import COMMITTEE, MIDDLE, QUERY_NETWORK, RANDOM
from brats_al_utils.queries.selection import Ids
from brats_al_utils.queries.uncertainty import score
from brats_al_utils.runs.run import Result, Run
from brats_al_utils.study.arms import DATASETS
from brats_al_utils.study.stages import chooser, compute_missing, with_answers
from brats_al_utils.study.study import Study

USABLE = tuple(name for name, strategy in STRATEGIES.items() if not strategy.needs_every_label)
"""Strategies that choose from slices without labels."""

OF_PATIENTS = tuple(
    name
    for name in USABLE
    if (name == RANDOM.name or STRATEGIES[name].asks == COMMITTEE) and not name.endswith("patients")
)
"""Strategies that rank slices by one number, so that its mean can rank whole patients."""

FEWEST = 5
"""Labels of either class that the training and the validation set need before a network is trained, and the test set
before an AUC is reported."""

FEWEST_IN_ALL = {VALIDATION: 1, TEST: 3}
"""The same for a part in which every slice has been asked for."""


def labels_of(session: Session) -> dict[str, tuple[int, int]]:
    """Return the number of negative and positive labels for training and validation, and of such patients for test."""
    rows = session.slices.assign(label=session.label, part=session.part)
    tested = rows[rows["part"] == TEST].drop_duplicates(["patient_id", "label"])
    found = {name: counts(rows.loc[rows["part"] == name, "label"]) for name in (TRAINING, VALIDATION)}
    return found | {TEST: counts(tested["label"])}


def lacking(session: Session) -> dict[str, tuple[int, int]]:
    """Return how many labels of the negative and of the positive class are missing in each part, for test patients.

    The training and the validation set need them for a network and the choice of its epoch, the test set for an AUC.
    A part in which every slice has been asked for needs fewer: see ``FEWEST_IN_ALL``.
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


def needed(session: Session) -> str:
    """Return the missing labels in words (see `lacking`); empty if none are missing."""
    negative, positive = session.cohort.classes
    told = []
    for name, (negatives, positives) in lacking(session).items():
        counts = ((positives, positive), (negatives, negative))
        if missing := " and ".join(f"{count} {label}" for count, label in counts if count):
            told.append(f"{missing} more for {name}")
    return f"Needs {'; '.join(told)}." if told else ""


def taught(session: Session) -> tuple[Session, Study, pd.Series]:
    """Train the committee on the labels known so far, and add its predictions of the test set to the state.

    Returns
    -------
    Session
    Study
    pd.Series of float
        The uncertainty of each slice that is not held out: see `uncertainty.score`.
    """
    study, profile, training = session.study(), session.profile, session.training
    asked = [study.ids(DATASETS[0], part, 0) for part in (TRAINING, TEST)]
    pool = np.union1d(*asked)
    # The test slices are part of the pool: so they are evaluated once, and without the shortcut audit.
    members = [
        replace(chooser(study, DATASETS[0], 0, training, MIDDLE, number), pool=tuple(pool.tolist()), test=())
        for number in range(1, 1 + len(profile.committee_rates))
    ]
    compute_missing(study, [(f"committee member {number}", run) for number, run in enumerate(members, 1)], "members")
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
        If it is missing although it was computed.
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
        Uncertainty of each slice that is not held out.
    labelled : np.ndarray of int
        The labelled ones among them.
    without : np.ndarray of int
        The ones among them that must not be chosen.
    """
    rule = STRATEGIES[strategy]
    if unit == UNITS[0]:
        pool = study.pool(DATASETS[0], 0)
        if rule.asks == COMMITTEE:
            pool = replace(pool, score=uncertainty.to_numpy())
        if rule.asks == QUERY_NETWORK:
            network = chooser(study, DATASETS[0], 0, labelled, rule, 1)
            compute_missing(study, [("query network", network)], "query networks")
            pool = with_answers(study, DATASETS[0], 0, [network], rule)
        source = pool.without(without)
        check_budget(source.ids, budget)
        return rule.choose(source, budget, seed)
    left = np.setdiff1d(uncertainty.index, without)
    names, place = np.unique(study.slices.table["patient_id"].to_numpy(str)[left], return_inverse=True)
    mean = np.bincount(place, uncertainty[left]) / np.bincount(place)
    patients = rule.choose(Pool(np.arange(len(names)), mean), budget, seed)
    return np.asarray(left[np.isin(place, patients)])
