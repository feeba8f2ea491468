"""The committee that is trained on the labels known now, and what a strategy chooses by what it says."""

from dataclasses import replace

import numpy as np
import pandas as pd

from brats_al_utils import InputError
from brats_al_utils.beyond.annotation.candidates import UNLABELLED
from brats_al_utils.beyond.annotation.draws import UNITS, held_out
from brats_al_utils.beyond.annotation.session import TEST, TRAINING, VALIDATION, Session, counts, numbers
from brats_al_utils.beyond.annotation.state import Point
from brats_al_utils.queries.pool import Pool
from brats_al_utils.queries.sampling import NEEDS_SCORE, PAYS_ALL, STRATEGIES, select
from brats_al_utils.queries.selection import Ids, Opinions, Question
from brats_al_utils.queries.selection import query as choose
from brats_al_utils.queries.uncertainty import score
from brats_al_utils.runs.run import Result, Run
from brats_al_utils.study.arms import DATASETS
from brats_al_utils.study.selections import choosers, opinions, run_of
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
    all_answered = not held_out(session, VALIDATION, UNITS[0])
    least = min(counts(label[part == VALIDATION]))
    return min(counts(label[part == TRAINING])) >= FEWEST and least >= (1 if all_answered else FEWEST)


def taught(session: Session) -> tuple[Session, Study, pd.Series]:
    """Have the committee trained on the labels known now; the state keeps what it says of the test set.

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
    members = [
        run_of(
            study,
            DATASETS[0],
            0,
            training,
            profile.start,
            profile.training_settings(profile.epochs, rate),
            pool=pool,
            tested=False,  # as slices of the pool they are evaluated once, and without the shortcut audit
        )
        for rate in profile.committee_rates
    ]
    have_computed(study, [(f"committee member {number}", run) for number, run in enumerate(members, 1)], "members")
    said = np.stack([computed(study, run).arrays["probability/pool"] for run in members])
    fingerprint, rows = study.slices.fingerprint, np.isin(pool, asked[1])
    if fingerprint not in [point.fingerprint for point in session.state.points]:
        names = session.slices["slice_id"].to_numpy(str)[pool[rows]].tolist()
        probability = dict(zip(names, said[:, rows].mean(axis=0).round(6).tolist(), strict=True))
        point = Point(fingerprint, len(training), probability)
        session = session.keep(lambda state: replace(state, points=(*state.points, point)))
    of_pool = score(np.stack([1 - said, said], axis=-1), profile.pairs, profile.aggregate)
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

    def ask(question: Question) -> Opinions | None:
        if question.views is None:
            return Opinions(uncertainty.to_numpy())
        runs = choosers(study, DATASETS[0], 0, question)
        have_computed(study, [("query network", run) for run in runs], "query networks")
        return opinions(study, DATASETS[0], 0, question)

    if unit == UNITS[0]:
        pool = study.pool(DATASETS[0], 0)
        return choose(strategy, pool, labelled, without, budget, seed, ask, settled=True).chosen
    left = np.setdiff1d(uncertainty.index, without)
    names, place = np.unique(study.slices.table["patient_id"].to_numpy(str)[left], return_inverse=True)
    mean = np.bincount(place, uncertainty[left]) / np.bincount(place)
    patients = select(strategy, Pool(np.arange(len(names)), mean), budget, seed)
    return np.asarray(left[np.isin(place, patients)])
