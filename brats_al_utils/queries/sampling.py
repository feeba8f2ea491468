"""Query strategies: each is a value, with its rule and what the rule must know.

A rule is a pure function: it takes a `Pool` with ascending ids, a budget (number of slices) and a seed, and returns ids
of slices. For the same pool and seed, the choice for a smaller budget is part of that for a larger one (not by
`by_features.typiclust`). The paper's strategies are here; controls and the strategies of others are in `beyond`.
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
        Name in the tables.
    rule : callable
        Takes a pool with ascending ids, a budget and a seed; returns ids.
    asks : str
        Which networks must be trained before it chooses: ``COMMITTEE``, for its uncertainty; ``QUERY_NETWORK``, for its
        outputs and ``views``; or none (empty).
    views : tuple of str
        Outputs of the query network that it needs beside the probability: some of `run.VIEWS`.
    adds_to_labelled : bool
        Whether it chooses among the slices that are not labelled yet, and the network trains on both. The paper's
        strategies choose from the whole training set.
    needs_every_label : bool
        Whether it must know every class label before it chooses: a diagnosis or a bound, not usable in practice.
    """

    name: str
    rule: Rule = field(repr=False)
    asks: str = ""
    views: tuple[str, ...] = ()
    adds_to_labelled: bool = False
    needs_every_label: bool = False

    @property
    def said(self) -> str:
        """What it does: the first line of its rule's docstring."""
        rule = getattr(self.rule, "func", self.rule)
        return str(rule.__doc__ or "").partition("\n")[0]

    def choose(self, pool: Pool, budget: int, seed: int) -> Array:
        """Return the ids that it chooses, ascending.

        Raises
        ------
        InputError
            If there are fewer slices than the budget, or the pool does not hold what the rule needs.
        """
        ascending = pool.at(np.argsort(pool.ids))  # so that no strategy depends on the order of ids
        return np.sort(self.rule(ascending, budget, seed))

    def annotated_share(self, share: float, labelled: float) -> float:
        """Return the expected share of the training slices that must be annotated, labelled subset and choice together.

        Random sampling is compared at this share. A strategy that may choose labelled slices again is expected to meet
        them at random; how many it meets in a run depends on the uncertainty.

        Parameters
        ----------
        share : float
            Share of the training slices that it chooses.
        labelled : float
            Share that the committee or the query network is trained on.
        """
        if self.needs_every_label:
            return 1.0
        if self.adds_to_labelled:
            return labelled + share
        return labelled + share - labelled * share if self.asks else share


def window(pool: Pool, budget: int, seed: int, *, low: float, high: float) -> Array:
    """Take the most uncertain slices of a window of the ranking (section 3.2: the whole window)."""
    source = pool.between(low, high)
    check_budget(source, budget)
    return source[:budget]


def middle(pool: Pool, budget: int, seed: int) -> Array:
    """Drop the most and the least uncertain decile, and draw from the rest: the proposed method (section 3.3)."""
    return drawn(pool.between(DISCARDED, 1 - DISCARDED), budget, seed)


def placebo(pool: Pool, budget: int, seed: int) -> Array:
    """Draw as `middle` does, with another seed: section 3.5's random sampler, if its pool is also without the tails.

    It differs from `middle` by chance alone.
    """
    return drawn(pool.between(DISCARDED, 1 - DISCARDED), budget, seed, name="placebo draw")


def random(pool: Pool, budget: int, seed: int) -> Array:
    """Draw at random from the whole pool (section 3.5)."""
    return drawn(pool.ids, budget, seed)


def window_of_classes(pool: Pool, budget: int, seed: int, *, low: float, high: float) -> Array:
    """Take a window of the ranking of each class, so that the classes are as frequent as in the pool.

    A slice's place is its rank share among the slices of its class. Every class label must be known: it is a diagnosis
    of whether a window fails because of its class share, and not usable in practice.

    Raises
    ------
    InputError
        If the pool holds no labels, or as `window`.
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
"""Figure 3's most uncertain range with the class share of the pool."""

SAMPLERS = (RANDOM, MIDDLE, PLACEBO, TOP, *WINDOWS.values(), OF_CLASSES)
"""The strategies of this module that choose some of the slices."""
