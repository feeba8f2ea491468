"""Which slices to label: each strategy is a value, with its rule and with what the rule must know.

A rule is a pure function: it takes a `Pool` in ascending order of its ids, a budget (how many slices) and a seed, and
returns ids of slices. For one pool and seed its budgets are nested: a smaller one is a subset of a larger one (but see
`Strategy.nested`). The paper's own strategies are here; controls and the strategies of others are in `beyond`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import pandas as pd

from brats_al_utils import InputError
from brats_al_utils.arrays import Array
from brats_al_utils.queries.pool import Pool, check_budget, drawn, ranked

DISCARDED = 0.1
"""Share of the ranking that the proposed method drops at either end (section 3.3)."""

Rule = Callable[[Pool, int, int], Array]

COMMITTEE, QUERY_NETWORK = "committee", "query network"


@dataclass(frozen=True)
class Strategy:
    """A way of choosing slices.

    Attributes
    ----------
    name : str
        As in the tables.
    rule : callable
        From a pool in ascending order of its ids, a budget and a seed to ids.
    asks : str
        Who must be trained before it chooses: ``COMMITTEE``, whose uncertainty it goes by; ``QUERY_NETWORK``, of which
        it sees ``views``; or nobody.
    views : tuple of str
        What it sees of a query network beside the probability: some of `run.VIEWS`.
    adds_to_labelled : bool
        It chooses among the slices that are not labelled yet, and the network trains on both. The paper's own choose
        from the whole training set.
    needs_every_label : bool
        It must know every class label before it chooses: a diagnosis or a bound, and not usable in practice.
    nested : bool
        Whether its choice for a smaller budget is part of that for a larger one.
    """

    name: str
    rule: Rule = field(repr=False)
    asks: str = ""
    views: tuple[str, ...] = ()
    adds_to_labelled: bool = False
    needs_every_label: bool = False
    nested: bool = True

    @property
    def said(self) -> str:
        """What it does, in a line: the first of its rule's docstring."""
        rule = getattr(self.rule, "func", self.rule)
        return str(rule.__doc__ or "").partition("\n")[0]

    def choose(self, pool: Pool, budget: int, seed: int) -> Array:
        """Return the ids that it chooses, ascending.

        Raises
        ------
        InputError
            If its source is smaller than the budget, or the pool has not what it needs.
        """
        return np.sort(self.rule(pool.by_id(), budget, seed))

    def annotated_share(self, share: float, labelled: float) -> float:
        """Return the share of the training slices that it has annotated: what random sampling is to be compared at.

        The labelled subset united with the chosen slices. A strategy that may choose labelled slices again is expected
        to meet its share of them; how many it meets in a run depends on the uncertainty.

        Parameters
        ----------
        share : float
            That it chooses, of the training slices.
        labelled : float
            That the committee or the query network is trained on.
        """
        if self.needs_every_label:
            return 1.0
        if self.adds_to_labelled:
            return labelled + share
        return labelled + share - labelled * share if self.asks else share


def window(pool: Pool, budget: int, seed: int, *, low: float, high: float) -> Array:
    """Take the most uncertain of a window of the ranking (section 3.2: the whole window)."""
    source = pool.between(low, high)
    check_budget(source, budget)
    return source[:budget]


def middle(pool: Pool, budget: int, seed: int) -> Array:
    """Drop the most and the least uncertain decile and draw from the rest: the proposed method (section 3.3)."""
    return drawn(pool.between(DISCARDED, 1 - DISCARDED), budget, seed)


def placebo(pool: Pool, budget: int, seed: int) -> Array:
    """Draw as `middle` does, but other slices: section 3.5's random sampler, if its pool lacks the tails as well.

    Whatever separates it from `middle` is chance.
    """
    return drawn(pool.between(DISCARDED, 1 - DISCARDED), budget, seed, name="placebo draw")


def random(pool: Pool, budget: int, seed: int) -> Array:
    """Draw at random from the whole pool (section 3.5)."""
    return drawn(pool.ids, budget, seed)


def window_of_classes(pool: Pool, budget: int, seed: int, *, low: float, high: float) -> Array:
    """Take a window of each class's own ranking, so that the classes are as frequent as in the pool.

    A slice's place is its rank share among the slices of its class. It needs every class label before it chooses: a
    diagnosis of whether a window fails for its class share, and no usable strategy.

    Raises
    ------
    InputError
        If the pool does not know the labels, or as `window`.
    """
    if pool.label is None:
        raise InputError("the pool does not know the class labels, expected one for each slice")
    place = np.empty(len(pool.ids))
    for name in np.unique(pool.label):
        own = np.flatnonzero(pool.label == name)
        ranking = ranked(pool.ids[own], pool.score[own])
        place[own] = (pd.Index(ranking).get_indexer(pd.Index(pool.ids[own])) + 0.5) / len(own)
    return window(replace(pool, score=-place), budget, seed, low=low, high=high)


ALL = Strategy("all", lambda pool, budget, seed: pool.ids)
"""Every training slice."""

RANDOM = Strategy("random", random)

MIDDLE = Strategy("middle", middle, COMMITTEE)
"""The proposed method."""

PLACEBO = Strategy("placebo", placebo, COMMITTEE)

TOP = Strategy("top", partial(window, low=0.0, high=1.0), COMMITTEE)
"""The most uncertain slices (section 2.2.4 read by the letter)."""

WINDOWS = {
    name: Strategy(name, partial(window, low=tenth / 10, high=(tenth + 3) / 10), COMMITTEE)
    for tenth in range(8)
    for name in [f"window {10 * tenth}%-{10 * tenth + 30}%"]
}
"""The eight ranges of Figure 3, each of 30 % of the training slices, by name."""

OF_CLASSES = Strategy(
    "window 0%-30% of each class", partial(window_of_classes, low=0.0, high=0.3), COMMITTEE, needs_every_label=True
)
"""Figure 3's most uncertain range, drawn to the pool's class share."""
