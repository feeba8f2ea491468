"""Which slices to label: pure functions from a pool and its uncertainty to slice ids, one registry.

A strategy takes a `Pool`, a budget (how many slices) and a seed, and returns ids of slices. For one pool and seed its
budgets are nested: a smaller one is a subset of a larger one.
"""

from collections.abc import Callable
from functools import partial

import numpy as np

from brats_al_utils import InputError
from brats_al_utils.pool import Array, Pool, check_budget, drawn

DISCARDED = 0.1
"""Share of the ranking that the proposed method drops at either end (section 3.3)."""

Strategy = Callable[[Pool, int, int], Array]


def window(pool: Pool, budget: int, seed: int, *, low: float, high: float) -> Array:
    """Take the most uncertain of a window of the ranking (section 3.2: the whole window)."""
    source = pool.between(low, high)
    check_budget(source, budget)
    return source[:budget]


def middle(pool: Pool, budget: int, seed: int) -> Array:
    """Drop a tenth of the ranking at either end and draw from the rest: the proposed method (section 3.3)."""
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


WINDOW_SHARE = 0.3
WINDOWS = {f"window {10 * tenth}%-{10 * tenth + 30}%": (tenth / 10, (tenth + 3) / 10) for tenth in range(8)}
"""The eight ranges of Figure 3, each of 30 % of the training slices."""

STRATEGIES: dict[str, Strategy] = {
    "random": random,
    "middle": middle,
    "placebo": placebo,
    "top": top,
    **{name: partial(window, low=low, high=high) for name, (low, high) in WINDOWS.items()},
}

NEEDS_NO_SCORE = ("random",)
"""Strategies for which no committee is trained."""


def select(strategy: str, pool: Pool, budget: int, seed: int) -> Array:
    """Return the ids that a strategy chooses, ascending.

    Raises
    ------
    InputError
        If the strategy is unknown, or its source is smaller than the budget.
    """
    if strategy not in STRATEGIES:
        raise InputError(f"strategy is {strategy!r}, expected one of {', '.join(STRATEGIES)}")
    return np.sort(STRATEGIES[strategy](pool, budget, seed))
