"""What the arms of a study select, given the results that its store holds."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from brats_al_utils.networks.training import Settings
from brats_al_utils.queries.pool import BudgetError, Views
from brats_al_utils.queries.sampling import ADDS_TO_LABELLED
from brats_al_utils.queries.selection import Ids, Opinions, Question, Selection, iterative, one_shot, random_start
from brats_al_utils.queries.uncertainty import score
from brats_al_utils.runs.run import Run
from brats_al_utils.study.arms import ALL, Arm
from brats_al_utils.study.study import Study

Selections = dict[tuple[Arm, int], Selection]
"""Selections by arm and run number."""


def budget(study: Study, arm: Arm, number: int = 0) -> int:
    """Return how many slices an arm chooses in the run of this number (Table 5)."""
    slices = study.slice_set(arm.dataset)
    whole = study.profile.budget_base == "paper" and arm.dataset == "balanced"
    return round(arm.share * (len(slices.table) if whole else len(study.ids(arm.dataset, "training", number))))


def selection(study: Study, arm: Arm, number: int) -> Selection:
    """Return what an arm selects in the run of this number, with stand-ins where networks are not trained yet.

    Raises
    ------
    BudgetError
        If its budget is larger than its source.
    """
    what = (arm.dataset, arm.strategy, arm.share, arm.iterative, number)
    if what not in study.selections:
        selected = select(study, arm, number)
        if not selected.settled:
            return selected
        study.selections[what] = selected
    return study.selections[what]


def select(study: Study, arm: Arm, number: int) -> Selection:
    """Make the selection of an arm with what the store holds now."""
    pool = study.pool(arm.dataset, number)
    if arm.strategy == ALL:
        return Selection(pool.ids[:0], pool.ids, (), True)
    seeds, ask = partial(study.seed, number), partial(opinions, study, arm.dataset, number)
    if arm.iterative:
        share = study.profile.iteration_share
        totals = [round(share * len(pool.ids) * done) for done in range(round(arm.share / share) + 1)]
        return iterative(arm.strategy, pool, np.diff(totals).tolist(), seeds, ask)
    first = study.profile.labelled_slices(len(pool.ids))
    return one_shot(arm.strategy, pool, first, budget(study, arm, number), seeds, ask)


def labelled(study: Study, dataset: str, number: int) -> Ids:
    """Return the random slices that the committee of this number is trained on (section 2.2.4, step 1)."""
    pool = study.pool(dataset, number)
    return random_start(pool, study.profile.labelled_slices(len(pool.ids)), partial(study.seed, number))


def training_ids(arm: Arm, selected: Selection) -> Ids:
    """Return the ids of the slices that an arm is trained on."""
    both = arm.with_labelled or arm.strategy in ADDS_TO_LABELLED
    return selected.annotated if both else selected.chosen


def can_be_drawn(study: Study, arm: Arm) -> bool:
    """Whether an arm's budget is there to be drawn."""
    return bool(selections_of(study, [arm], runs=1))


def selections_of(study: Study, arms: Sequence[Arm], runs: int = 0) -> Selections:
    """Return what arms select in each run, or in some; arms whose budget cannot be drawn are skipped."""
    selected: Selections = {}
    for number in range(runs or study.profile.n_runs):
        for arm in arms:
            with suppress(BudgetError):
                selected[arm, number] = selection(study, arm, number)
    return selected


def opinions(study: Study, dataset: str, number: int, question: Question) -> Opinions | None:
    """Return what the networks that a question names say, or None if they are not trained yet."""
    results = [study.store.load(run) for run in choosers(study, dataset, number, question)]
    trained = [result.arrays for result in results if result]
    if len(trained) < len(results):
        return None
    if question.views is None:
        high = np.stack([arrays["probability/pool"] for arrays in trained])
        return Opinions(score(np.stack([1 - high, high], axis=-1), study.profile.pairs, study.profile.aggregate))
    (arrays,), ids = trained, study.ids(dataset, "training", number)
    views = Views(
        arrays["probability/pool"],
        arrays.get("views/dropout", np.empty((0, len(ids)))),
        arrays.get("views/augmented", np.empty((0, len(ids)))),
        arrays.get("views/features", np.empty((len(ids), 0))).astype(np.float32),
        study.slice_set(dataset).table["label"].to_numpy()[ids],
    )
    return Opinions(views=views)


def choosers(study: Study, dataset: str, number: int, question: Question) -> list[Run]:
    """Return the runs of the networks that a question asks: a committee's members, or one query network."""
    labelled, profile = np.array(question.labelled, np.int64), study.profile
    rates = profile.committee_rates if question.views is None else (profile.learning_rate,)
    return [
        run_of(
            study,
            dataset,
            number,
            labelled,
            profile.start,
            profile.training_settings(profile.epochs, rate),
            pool=study.ids(dataset, "training", number),
            views=question.views or (),
            tested=not study.profile.test_patients,  # what they say of test slices is shown nowhere
        )
        for rate in rates
    ]


def run_of(
    study: Study,
    dataset: str,
    number: int,
    training: Ids,
    start: str,
    settings: Settings,
    pool: Ids | None = None,
    freeze: bool = False,
    tested: bool = True,
    length: str = "",
    **more: Any,
) -> Run:
    """Return the run of this number on some training slices; runs of one number share their seeds.

    Parameters
    ----------
    pool : np.ndarray of int, optional
        Slices of which the run is asked beside those of validation and test.
    tested : bool
        Whether it is asked of the test slices.
    length : str
        One of `profile.LENGTHS` in place of the profile's.
    **more
        Further fields of `run.Run`: network, views.
    """
    if (length or study.profile.length) == "updates":
        baseline = settings.updates(len(study.ids(dataset, "training", number)))
        if settings.updates(len(training)) != baseline:
            settings = replace(settings, epoch_updates=baseline)
    return Run(
        data=study.slice_set(dataset).fingerprint,
        training=tuple(training.tolist()),
        validation=tuple(study.ids(dataset, "validation", number).tolist()),
        test=tuple(study.ids(dataset, "test", number).tolist()) if tested else (),
        pool=() if pool is None else tuple(pool.tolist()),
        start=start,
        freeze=(freeze or study.profile.freeze) and start != "scratch",
        settings=settings,
        weights_seed=study.seed(number, "weights"),
        order_seed=study.seed(number, "batch order"),
        **{"network": study.profile.network} | more,
    )
