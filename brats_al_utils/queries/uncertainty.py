"""The uncertainty of a committee: entropies of its members, and divergences between them.

Convention: ``probability`` is [members, slices, classes], and its last axis sums to 1.
"""

from itertools import combinations, permutations

import numpy as np
from scipy.special import xlogy

from brats_al_utils import InputError
from brats_al_utils.arrays import Array

PAIRS = ("ordered", "forward", "aift")
"""Which divergences are summed. The paper prints the one-sided formula and calls it symmetric (equation 2), so there
are several readings. ``ordered``: every pair both ways; ``forward``: each pair once, from the earlier to the later
member (falling learning rate); ``aift``: each symmetric pair twice, as Zhou et al. 2017, whom the paper follows."""

AGGREGATES = ("sum", "mean")

SMALLEST = 1e-7
"""Probabilities are clipped at this value before the logarithm."""


def check_probability(probability: Array) -> Array:
    """Return a committee's probabilities as float64.

    Raises
    ------
    InputError
        If the shape is not [members, slices, classes], or the values are not probabilities that sum to 1.
    """
    values = np.asarray(probability, np.float64)
    if values.ndim != 3 or 0 in values.shape:
        raise InputError(f"probabilities of shape {values.shape}, expected [members, slices, classes]")
    if not ((values >= 0) & (values <= 1)).all() or not np.allclose(values.sum(-1), 1, atol=1e-6):
        raise InputError(
            "probabilities must lie in 0..1 and sum to 1 over the classes: pass softmax outputs, not logits"
        )
    return values


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
    """Return the pairs of members whose divergences are summed, by their places: see ``PAIRS``.

    Raises
    ------
    InputError
        If the option is unknown.
    """
    if pairs not in PAIRS:
        raise InputError(f"pairs={pairs!r}, expected one of {', '.join(PAIRS)}")
    places = range(members)
    chosen = list(combinations(places, 2) if pairs == "forward" else permutations(places, 2))
    return chosen * 2 if pairs == "aift" else chosen


def score(probability: Array, pairs: str = "ordered", aggregate: str = "sum") -> Array:
    """Return the uncertainty of each slice: the entropies of the members plus the divergences between them (2.2.3).

    Parameters
    ----------
    probability : np.ndarray [members, slices, classes]
    pairs : {"ordered", "forward", "aift"}
        See ``PAIRS``.
    aggregate : {"sum", "mean"}
        Whether the sums of entropies and of divergences are added, or their means.

    Returns
    -------
    np.ndarray [slices] of float64

    Raises
    ------
    InputError
        If the probabilities are invalid, or an option is unknown.
    """
    values = check_probability(probability)
    if aggregate not in AGGREGATES:
        raise InputError(f"aggregate={aggregate!r}, expected one of {', '.join(AGGREGATES)}")
    chosen = compared_pairs(len(values), pairs)
    entropies = entropy(values)
    divergences = np.zeros((max(len(chosen), 1), values.shape[1]))
    for place, (m, n) in enumerate(chosen):
        divergences[place] = divergence(values[m], values[n])
    combine = np.sum if aggregate == "sum" else np.mean
    return np.asarray(combine(entropies, axis=0) + combine(divergences, axis=0))
