"""Which slices a run trains on, given what the networks that choose have said.

A selection is made with what is known now, and names its questions: the networks that it needs. Where one of them has
not answered yet, as many other slices stand in for those that it will choose, so that a study can be planned before
any network is trained; once all have answered, the same call gives the selection itself.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from brats_al_utils.queries.pool import Pool, Views, check_budget, drawn
from brats_al_utils.queries.sampling import ADDS_TO_LABELLED, NEEDS_SCORE, NEEDS_VIEWS, STRATEGIES, select
from brats_al_utils.seeds import integer

Ids = np.ndarray[Any, Any]
"""Ids of slices, ascending."""

Seeds = Callable[[str], int]
"""Gives the seed of a source of chance in a run."""


@dataclass(frozen=True)
class Question:
    """What a selection needs to know: what networks trained on some slices say of every training slice.

    Attributes
    ----------
    labelled : tuple of int
        The slices that they are trained on.
    views : tuple of str or None
        What more a query network is asked for beside its probability (`sampling.NEEDS_VIEWS`); None asks a committee.
    settled : bool
        Whether the labelled slices are those that will be annotated, and no stand-ins.
    """

    labelled: tuple[int, ...]
    views: tuple[str, ...] | None
    settled: bool


@dataclass(frozen=True)
class Opinions:
    """What networks say of each training slice.

    Attributes
    ----------
    uncertainty : np.ndarray [n] of float, optional
        Of a committee: see `uncertainty.score`.
    views : Views, optional
        Of a query network.
    """

    uncertainty: Ids | None = None
    views: Views | None = None


Ask = Callable[[Question], Opinions | None]
"""Answers a question, or gives None where the networks are not trained yet."""


@dataclass(frozen=True)
class Selection:
    """What a strategy selected in one run.

    Attributes
    ----------
    labelled : np.ndarray of int
        Slices annotated at random before any was chosen; none where no network is asked.
    chosen : np.ndarray of int
        Slices that the strategy chose.
    questions : tuple of Question
        Asked on the way.
    settled : bool
        Whether every question was answered; otherwise other slices stand in for some that were chosen.
    """

    labelled: Ids
    chosen: Ids
    questions: tuple[Question, ...]
    settled: bool

    @property
    def annotated(self) -> Ids:
        """All slices that needed an annotation."""
        return np.union1d(self.labelled, self.chosen)


def random_start(pool: Pool, count: int, seeds: Seeds) -> Ids:
    """Return the slices that are annotated at random before any is chosen (section 2.2.4, step 1)."""
    return select("random", pool, count, seeds("labelled subset"))


def one_shot(strategy: str, pool: Pool, first: int, budget: int, seeds: Seeds, ask: Ask) -> Selection:
    """Select a budget in one query.

    The paper's own strategies choose from all training slices, those that are labelled already among them; a competitor
    (`sampling.ADDS_TO_LABELLED`) chooses from the others.

    Parameters
    ----------
    strategy : str
        One of `sampling.STRATEGIES`.
    pool : Pool
        The training slices; its scores and views are not used.
    first : int
        Slices annotated at random, on which the networks that choose are trained.
    budget : int
        Slices to choose.
    seeds : callable
        Of this run.
    ask : callable

    Raises
    ------
    InputError
        If the budget cannot be drawn.
    """
    asks = strategy in NEEDS_SCORE or strategy in NEEDS_VIEWS
    labelled = random_start(pool, first, seeds) if asks else pool.ids[:0]
    without = labelled if strategy in ADDS_TO_LABELLED else pool.ids[:0]
    return query(strategy, pool, labelled, without, budget, seeds("sample draw"), ask, settled=True)


def iterative(strategy: str, pool: Pool, counts: Sequence[int], seeds: Seeds, ask: Ask) -> Selection:
    """Select in several queries, each answered by networks trained on all that is annotated so far.

    Parameters
    ----------
    counts : sequence of int
        Slices annotated at random at first, and those that each query adds.

    Raises
    ------
    InputError
        If more is asked for than there is.
    """
    annotated, settled = random_start(pool, counts[0], seeds), True
    questions: list[Question] = []
    for number, count in enumerate(counts[1:], 1):
        seed = integer(seeds("sample draw"), "round", number)
        step = query(strategy, pool, annotated, annotated, count, seed, ask, settled)
        annotated = np.union1d(annotated, step.chosen)
        questions += step.questions
        settled = step.settled
    return Selection(annotated[:0], annotated, tuple(questions), settled)


def query(
    strategy: str, pool: Pool, labelled: Ids, without: Ids, budget: int, seed: int, ask: Ask, settled: bool
) -> Selection:
    """Select a budget of the slices that are left, given what networks trained on the labelled ones say."""
    left = np.flatnonzero(~np.isin(pool.ids, without))
    check_budget(left, budget)  # before a strategy is given nothing to choose from
    patient, label = (None if of_each is None else of_each[left] for of_each in (pool.patient, pool.label))
    source = Pool(pool.ids[left], np.zeros(len(left)), patient, label=label)
    if strategy not in NEEDS_SCORE and strategy not in NEEDS_VIEWS:
        return Selection(labelled, select(strategy, source, budget, seed), (), settled)
    question = Question(tuple(labelled.tolist()), NEEDS_VIEWS.get(strategy), settled)
    opinions = ask(question)
    if opinions is None:
        return Selection(labelled, stand_in(strategy, source, budget, seed, len(without) > 0), (question,), False)
    if opinions.uncertainty is not None:
        source = replace(source, score=opinions.uncertainty[left])
    if opinions.views is not None:
        known = opinions.views.features[np.isin(pool.ids, without)]
        source = replace(source, views=opinions.views.at(left), known=known)
    return Selection(labelled, select(strategy, source, budget, seed), (question,), settled)


def stand_in(strategy: str, pool: Pool, budget: int, seed: int, iterating: bool) -> Ids:
    """Return as many slices as a strategy will choose, and others than another strategy's stand-ins.

    A strategy that goes by the uncertainty is asked without any, so that strategies which choose from the same part of
    the ranking stay as alike as they will be.
    """
    if strategy in NEEDS_SCORE and not iterating:
        return select(strategy, pool, budget, seed)
    name = getattr(STRATEGIES[strategy], "__name__", strategy)
    return np.sort(drawn(pool.ids, budget, seed, name))
