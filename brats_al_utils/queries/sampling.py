"""Which slices to label: pure functions from a pool and its uncertainty to slice ids, one registry.

A strategy takes a `Pool` in ascending order of its ids, a budget (how many slices) and a seed, and returns ids of
slices. For one pool and seed its budgets are nested: a smaller one is a subset of a larger one (but see
``NOT_NESTED``). The paper's own strategies and their controls are here, those of others in `competitors`.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd

from brats_al_utils import InputError
from brats_al_utils.beyond.competitors.competitors import COMPETITORS
from brats_al_utils.queries.pool import Array, Pool, check_budget, drawn, ranked
from brats_al_utils.seeds import generator

DISCARDED = 0.1
"""Share of the ranking that the proposed method drops at either end (section 3.3)."""

Strategy = Callable[[Pool, int, int], Array]


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


def top(pool: Pool, budget: int, seed: int) -> Array:
    """Take the most uncertain (section 2.2.4 read by the letter)."""
    return window(pool, budget, seed, low=0.0, high=1.0)


def drop_top(pool: Pool, budget: int, seed: int) -> Array:
    """Drop only the most uncertain decile and draw from the rest."""
    return drawn(pool.between(DISCARDED, 1), budget, seed)


def drop_bottom(pool: Pool, budget: int, seed: int) -> Array:
    """Drop only the least uncertain decile and draw from the rest."""
    return drawn(pool.between(0, 1 - DISCARDED), budget, seed)


def whose(pool: Pool) -> Array:
    """Return whose slice each is.

    Raises
    ------
    InputError
        If the pool does not say.
    """
    if pool.patient is None:
        raise InputError("the pool does not say whose slices they are, expected the patient of each")
    return pool.patient


def shuffled(pool: Pool, patients: Array, seed: int) -> tuple[Array, Array]:
    """Return the ids of some patients' slices in random order, and the place of each one's patient in another."""
    rows = generator(seed, "sample draw").permutation(len(pool.ids))
    place = pd.Index(generator(seed, "patient draw").permutation(np.sort(patients))).get_indexer(whose(pool)[rows])
    return pool.ids[rows][place >= 0], place[place >= 0]


def whole_patients(pool: Pool, patients: Array, budget: int, seed: int) -> Array:
    """Draw whole patients until the budget is full; of the last one, as many slices as there is room for."""
    ids, place = shuffled(pool, patients, seed)
    check_budget(ids, budget)
    return np.asarray(ids[np.argsort(place, kind="stable")][:budget])


def random_patients(pool: Pool, budget: int, seed: int) -> Array:
    """Draw whole patients at random."""
    return whole_patients(pool, np.unique(whose(pool)), budget, seed)


def middle_patients(pool: Pool, budget: int, seed: int) -> Array:
    """Do as `middle` with whole patients: drop a tenth of them at either end of their mean uncertainty, draw others."""
    mean = pd.Series(pool.score).groupby(whose(pool)).mean()
    ranking = ranked(mean.index.to_numpy(str), mean.to_numpy())
    cut = round(DISCARDED * len(ranking))
    return whole_patients(pool, ranking[cut : len(ranking) - cut], budget, seed)


def spread(pool: Pool, budget: int, seed: int) -> Array:
    """Draw as evenly over the patients as can be: a random slice of each, then a second of each, and so on."""
    ids, place = shuffled(pool, np.unique(whose(pool)), seed)
    check_budget(ids, budget)
    turn = pd.Series(place).groupby(place).cumcount()
    return np.asarray(ids[np.lexsort((place, turn))][:budget])


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


WINDOWS = {f"window {10 * tenth}%-{10 * tenth + 30}%": (tenth / 10, (tenth + 3) / 10) for tenth in range(8)}
"""The eight ranges of Figure 3, each of 30 % of the training slices."""

OF_CLASSES = "window 0%-30% of each class"
"""Figure 3's most uncertain range, drawn to the pool's class share."""

STRATEGIES: dict[str, Strategy] = {
    "random": random,
    "middle": middle,
    "placebo": placebo,
    "top": top,
    **{name: partial(window, low=low, high=high) for name, (low, high) in WINDOWS.items()},
    OF_CLASSES: partial(window_of_classes, low=0.0, high=0.3),
    "drop top": drop_top,
    "drop bottom": drop_bottom,
    "random patients": random_patients,
    "middle patients": middle_patients,
    "spread": spread,
    **COMPETITORS,
}

NEEDS_SCORE = ("middle", "placebo", "top", *WINDOWS, OF_CLASSES, "drop top", "drop bottom", "middle patients")
"""Strategies for which a committee is trained."""

NEEDS_VIEWS: dict[str, tuple[str, ...]] = {
    "entropy": (),
    "bald": ("dropout",),
    **dict.fromkeys(("aift", "reverse"), ("augmented",)),
    **dict.fromkeys(("coreset", "badge", "typiclust", "probcover", "medal"), ("features",)),
}
"""Strategies for which a query network is trained, and what they need of it beside the probability."""

PAYS_ALL = ("reverse", OF_CLASSES)
"""Strategies that must know every label before they choose."""

ADDS_TO_LABELLED = tuple(name for name in COMPETITORS if name not in PAYS_ALL)
"""Strategies whose choice is added to what is labelled: one-shot too, they choose among the other slices, know the
features of the labelled ones, and the network trains on both. The paper's own choose from the whole training set."""

NOT_NESTED = ("typiclust",)
"""Strategies whose choice for a smaller budget is not part of that for a larger one: they cluster by budget."""


def annotated_share(strategy: str, share: float, labelled: float) -> float:
    """Return the share of the training slices that a one-shot strategy annotates: what random is to be compared at.

    The labelled subset united with the chosen slices. A strategy that may choose labelled slices again is expected to
    meet its share of them; how many it meets in a run depends on the uncertainty.

    Parameters
    ----------
    strategy : str
        One of ``STRATEGIES``.
    share : float
        That it chooses, of the training slices.
    labelled : float
        That the committee or the query network is trained on.
    """
    if strategy in PAYS_ALL:
        return 1.0
    if strategy in ADDS_TO_LABELLED:
        return labelled + share
    return labelled + share - labelled * share if strategy in NEEDS_SCORE else share


def select(strategy: str, pool: Pool, budget: int, seed: int) -> Array:
    """Return the ids that a strategy chooses, ascending.

    Raises
    ------
    InputError
        If the strategy is unknown, its source is smaller than the budget, or the pool lacks what it needs.
    """
    if strategy not in STRATEGIES:
        raise InputError(f"strategy is {strategy!r}, expected one of {', '.join(STRATEGIES)}")
    return np.sort(STRATEGIES[strategy](pool.by_id(), budget, seed))
