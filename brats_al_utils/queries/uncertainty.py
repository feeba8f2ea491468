"""The uncertainty of a committee: entropies of its members, and divergences between them.

Convention: ``probability`` is [members, slices, classes], and its last axis sums to 1.
"""

from itertools import combinations, permutations

import numpy as np
from scipy.special import xlogy

from brats_al_utils.arrays import Array

PAIRS = ("ordered", "forward", "aift")
"""Which divergences are summed. The paper prints the one-sided formula and calls it symmetric (equation 2), so there
are several readings. ``ordered``: every pair both ways; ``forward``: each pair once, from the earlier to the later
member (falling learning rate); ``aift``: each symmetric pair twice, as Zhou et al. 2017, whom the paper follows."""

AGGREGATES = ("sum", "mean")

SMALLEST = 1e-7
"""Probabilities are clipped at this value before the logarithm."""


def entropy(probability: Array) -> Array:
    """Return -sum_c p log p (equation 1), in nats.

    Parameters
    ----------
    probability : np.ndarray [..., classes]

    Returns
    -------
    np.ndarray [...] of float64
    """
    return np.asarray(-xlogy(probability, np.clip(probability, SMALLEST, 1)).sum(-1))


def divergence(p: Array, q: Array) -> Array:
    """Return the Kullback-Leibler divergence sum_c p log(p / q) (equation 2), in nats; it is not symmetric.

    Parameters
    ----------
    p, q : np.ndarray [..., classes]
    """
    logarithm = np.log(np.clip(p, SMALLEST, 1)) - np.log(np.clip(q, SMALLEST, 1))
    return np.asarray((p * logarithm).sum(-1))


def compared_pairs(members: int, pairs: str) -> list[tuple[int, int]]:
    """Return the pairs of members whose divergences are summed, by their places: see ``PAIRS``."""
    places = range(members)
    chosen = list(combinations(places, 2) if pairs == "forward" else permutations(places, 2))
    return chosen * 2 if pairs == "aift" else chosen


def score(probability: Array, pairs: str = "ordered", aggregate: str = "sum") -> Array:
    """Return the uncertainty of each slice: the entropies of the members plus the divergences between them (2.2.3).

    Parameters
    ----------
    probability : np.ndarray [members, slices, classes]
        Of two members or more.
    pairs : {"ordered", "forward", "aift"}
        See ``PAIRS``.
    aggregate : {"sum", "mean"}
        Whether the sums of entropies and of divergences are added, or their means.

    Returns
    -------
    np.ndarray [slices] of float64
    """
    values = np.asarray(probability, np.float64)
    divergences = [divergence(values[m], values[n]) for m, n in compared_pairs(len(values), pairs)]
    combine = np.sum if aggregate == "sum" else np.mean
    return np.asarray(combine(entropy(values), axis=0) + combine(divergences, axis=0))
