"""The annotated slices of one run, query by query: pure functions on the pool of its training slices."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from brats_al_utils.queries.pool import Pool, check_budget
from brats_al_utils.queries.sampling import QUERY_NETWORK, RANDOM, Strategy
from brats_al_utils.seeds import integer

Ids = np.ndarray[Any, Any]
"""Ids of slices, ascending."""

Seeds = Callable[[str], int]
"""Returns the seed of a source of chance in a run."""


@dataclass(frozen=True)
class Selection:
    """The slices that are annotated in one run so far.

    Attributes
    ----------
    labelled : np.ndarray of int
        Slices annotated at random for the networks that choose; none if no network is needed. With iterative querying
        these belong to the chosen ones: the network trains on every annotated slice.
    chosen : np.ndarray of int
        Slices chosen so far.
    left : tuple of int
        Number of slices that each remaining query adds.
    queries : int
        Number of queries made so far.
    iterative : bool
        Whether each query chooses among the slices that are not annotated yet.
    """

    labelled: Ids
    chosen: Ids
    left: tuple[int, ...] = ()
    queries: int = 0
    iterative: bool = False

    @property
    def annotated(self) -> Ids:
        """All annotated slices; the networks that choose next are trained on them."""
        return np.union1d(self.labelled, self.chosen)


def random_start(pool: Pool, count: int, seeds: Seeds) -> Ids:
    """Return the slices that are annotated at random at first (section 2.2.4, step 1)."""
    return RANDOM.choose(pool, count, seeds("labelled subset"))


def begin(strategy: Strategy, pool: Pool, counts: Sequence[int], seeds: Seeds, iterative: bool = False) -> Selection:
    """Return a selection before its first query.

    Parameters
    ----------
    strategy : Strategy
    pool : Pool
        The training slices, without scores.
    counts : sequence of int
        Number of slices annotated at random at first, and number that each query adds: one query, or several if
        ``iterative``.
    seeds : callable
        Returns the seeds of this run.

    Raises
    ------
    BudgetError
        If a query adds no slice, or more than there are.
    """
    none = pool.ids[:0]
    start = random_start(pool, counts[0], seeds) if counts[0] or iterative else none
    labelled, chosen = (none, start) if iterative else (start, none)
    selection = Selection(labelled, chosen, tuple(counts[1:]), iterative=iterative)
    for budget in (*counts[1:], sum(counts[1:])):
        check_budget(source(strategy, pool, selection).ids, budget)
    if strategy.asks != QUERY_NETWORK:
        query(strategy, pool, selection, seeds)  # a wrong budget is refused before the committee is trained
    return selection


def source(strategy: Strategy, pool: Pool, selection: Selection) -> Pool:
    """Return the slices that the next query chooses from.

    The paper's strategies choose from all training slices, labelled ones included; with iterative querying, and for a
    competitor, from those that are not annotated yet.
    """
    return pool.without(selection.annotated) if strategy.adds_to_labelled or selection.iterative else pool


def query(strategy: Strategy, pool: Pool, selection: Selection, seeds: Seeds) -> Selection:
    """Return the selection after its next query.

    Parameters
    ----------
    pool : Pool
        The training slices, with the outputs of the networks that were trained on the annotated ones: a committee's
        score, or a query network's views.
    """
    seed = seeds("sample draw")
    if selection.iterative:
        seed = integer(seed, "round", selection.queries + 1)
    added = strategy.choose(source(strategy, pool, selection), selection.left[0], seed)
    return replace(
        selection,
        chosen=np.union1d(selection.chosen, added),
        left=selection.left[1:],
        queries=selection.queries + 1,
    )
