"""The committee that is trained on the labels known now, and what a strategy chooses by what it says."""

from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd

from brats_al_utils import InputError
from brats_al_utils.annotation.candidates import UNLABELLED
from brats_al_utils.annotation.draws import UNITS, held_out
from brats_al_utils.annotation.session import TRAINING, VALIDATION, Session, counts, numbers
from brats_al_utils.annotation.state import Point
from brats_al_utils.queries.pool import Pool
from brats_al_utils.queries.sampling import NEEDS_SCORE, PAYS_ALL, STRATEGIES, select
from brats_al_utils.queries.selection import Ids, Opinions, Question
from brats_al_utils.queries.selection import query as choose
from brats_al_utils.study.arms import DATASETS
from brats_al_utils.study.selections import choosers, opinions
from brats_al_utils.study.study import Study
from brats_al_utils.study.trainer import have_computed

USABLE = tuple(name for name in STRATEGIES if name not in PAYS_ALL)
"""Strategies that can choose before they know every label."""

OF_PATIENTS = tuple(name for name in USABLE if name in ("random", *NEEDS_SCORE) and not name.endswith("patients"))
"""Strategies that go by one number, of which whole patients have a mean."""

FEWEST = 5
"""Labels of either class that the training and the validation set need before a network is trained."""


def trainable(session: Session) -> bool:
    """Whether there are labels enough to train a network, and to choose its epoch.

    Where the whole validation set is answered, one of either class must do.
    """
    label, part = session.label, session.part
    all_answered = not held_out(session, VALIDATION, UNITS[1])
    least = min(counts(label[part == VALIDATION]))
    return min(counts(label[part == TRAINING])) >= FEWEST and least >= (1 if all_answered else FEWEST)


def taught(session: Session) -> tuple[Session, Study, Opinions]:
    """Have the committee trained on the labels known now, and return what it says; the state keeps its test."""
    study, label = session.study(), session.label
    training = numbers((label != UNLABELLED) & (session.part == TRAINING))
    question = Question(tuple(training.tolist()), None, True)
    opinion = answered(study, question)
    fingerprint = study.slices.fingerprint
    if fingerprint not in [point.fingerprint for point in session.state.points]:
        results = [study.store.load(run) for run in choosers(study, DATASETS[0], 0, question)]
        said = np.mean([result.arrays["probability/test"] for result in results if result], axis=0)
        names = session.slices["slice_id"].to_numpy()[study.ids(DATASETS[0], "test", 0)]
        probability = {str(name): round(float(value), 6) for name, value in zip(names, said, strict=True)}
        point = Point(fingerprint, len(training), probability)
        session = session.keep(replace(session.state, points=(*session.state.points, point)))
    return session, study, opinion


def answered(study: Study, question: Question) -> Opinions:
    """Return what the networks say that a question asks, trained now if they are not yet."""
    runs = choosers(study, DATASETS[0], 0, question)
    have_computed(study, [(f"network {number}", run) for number, run in enumerate(runs, 1)], "networks that choose")
    opinion = opinions(study, DATASETS[0], 0, question)
    if opinion is None:
        raise InputError(f"{study.places.runs}: a result has gone since it was computed: start again")
    return opinion


def chosen_by(
    study: Study, strategy: str, unit: str, score: pd.Series, labelled: Ids, without: Ids, budget: int, seed: int
) -> Ids:
    """Return the slices that a strategy chooses.

    Parameters
    ----------
    score : pd.Series of float
        The uncertainty of each slice that is not held out.
    labelled : np.ndarray of int
        Slices with a label.
    without : np.ndarray of int
        Slices that are not held out and not to be chosen.
    """
    pool = study.pool(DATASETS[0], 0)
    known = np.intersect1d(labelled, pool.ids)
    if unit == UNITS[0]:
        return choose(strategy, pool, known, without, budget, seed, partial(answered, study), settled=True).chosen
    left = np.setdiff1d(pool.ids, without)
    names, place = np.unique(study.slices.table["patient_id"].to_numpy(str)[left], return_inverse=True)
    mean = np.bincount(place, score[left]) / np.bincount(place)
    patients = select(strategy, Pool(np.arange(len(names)), mean), budget, seed)
    return np.asarray(left[np.isin(place, patients)])
