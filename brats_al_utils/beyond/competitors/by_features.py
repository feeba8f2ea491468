"""Query strategies of others that ask what the query network sees: distances between its features (penultimate layer).

A choice by distances must not hang on the order in which a machine adds up 4,096 products: in a cluster of two slices
either is as typical, and the last digit would choose. So features are rounded to whole multiples of one power of two,
coarse enough that every sum of products is exact, whatever the order, the number of threads or the processor; equals
are taken by rising id. K-means is the one exception, though in one thread: its centres are rounded, so that a slice
that is as near to two of them as 1e-16 could fall differently.
"""

import numpy as np
from threadpoolctl import threadpool_limits

from brats_al_utils.arrays import Array
from brats_al_utils.queries.pool import Pool, check_budget
from brats_al_utils.seeds import generator, integer

BITS = 18
"""Bits of the largest feature after rounding, more than the 11 bits in which features are stored. Squared distances in
up to 8,192 dimensions are then multiples of a unit, below 2**53 units: exact in float64."""

MOST_CLUSTERS, FULL_BATCHES, SMALL_CLUSTER, NEIGHBOURS = 500, 50, 5, 20
"""Constants of TypiClust, from its authors' code: the largest number of clusters; the largest number for which k-means
takes all slices in each step; the size up to which clusters come last; the largest number of neighbours from which
typicality is computed."""


def on_grid(values: Array) -> Array:
    """Return values rounded to multiples of one power of two, the largest to ``BITS``.

    Parameters
    ----------
    values : np.ndarray of float

    Returns
    -------
    np.ndarray of float64
    """
    step = np.ldexp(1.0, int(np.frexp(np.abs(values).max(initial=0))[1]) - BITS)
    return np.asarray(np.rint(values / step) * step, np.float64)


def coordinates(pool: Pool, unit: bool = False) -> Array:
    """Return the features of the pool's slices and, after them, of those labelled already, on one grid.

    Parameters
    ----------
    unit : bool
        Scaled to length 1, as TypiClust expects them; zero stays zero.

    Returns
    -------
    np.ndarray [n + m, D] of float64
    """
    parts = [pool.seen.features] + ([] if pool.known is None else [pool.known])
    features = on_grid(np.concatenate(parts).astype(np.float64))
    if not unit:
        return features
    length = np.sqrt((features**2).sum(1, keepdims=True))
    return on_grid(features / np.where(length > 0, length, 1))


def squared_distances(features: Array) -> Array:
    """Return the squared Euclidean distances between features on a grid, exactly.

    Parameters
    ----------
    features : np.ndarray [n, D] of float64
        From `on_grid`.

    Returns
    -------
    np.ndarray [n, n] of float64
    """
    product = features @ features.T
    square = product.diagonal().copy()
    product *= -2
    product += square
    product += square[:, None]
    return np.asarray(product)


def coreset(pool: Pool, budget: int, seed: int) -> Array:
    """Take the slice farthest from all that are labelled or chosen, again and again: greedy k-center.

    Sener and Savarese 2018 (ICLR, algorithm 1). The first is random if none is labelled yet.
    """
    check_budget(pool.ids, budget)
    size = len(pool.ids)
    squared = squared_distances(coordinates(pool))[:size]
    nearest = squared[:, size:].min(1, initial=np.inf)
    chosen: list[int] = []
    while len(chosen) < budget:
        row = int(np.argmax(nearest)) if np.isfinite(nearest[0]) else int(generator(seed, "query").integers(size))
        chosen.append(row)
        nearest = np.minimum(nearest, squared[:, row])
        nearest[chosen] = -1
    return np.asarray(pool.ids[chosen])


def clusters(features: Array, count: int, seed: int) -> Array:
    """Return the cluster of each slice by k-means, in one thread; by all slices a step up to ``FULL_BATCHES`` clusters.

    Parameters
    ----------
    features : np.ndarray [n, D] of float64
    count : int
        Fewer clusters are made where fewer features differ.

    Returns
    -------
    np.ndarray [n] of int
    """
    from sklearn.cluster import KMeans, MiniBatchKMeans

    count, state = min(count, len(np.unique(features, axis=0))), integer(seed, "query")
    kind = KMeans(count, random_state=state) if count <= FULL_BATCHES else None
    with threadpool_limits(1):  # the order in which threads add up a centre would decide its last digits
        kind = kind or MiniBatchKMeans(count, batch_size=5000, random_state=state)
        return np.asarray(kind.fit_predict(features))


def most_typical(squared: Array, rows: Array) -> int:
    """Return the place in ``rows`` of the slice with the least mean squared distance to its nearest neighbours there.

    The nearest min(``NEIGHBOURS``, half of the rows).
    """
    count = min(NEIGHBOURS, len(rows) // 2)
    nearest = np.partition(squared[np.ix_(rows, rows)], count, axis=1)[:, : count + 1]  # with itself, at 0
    return int(np.argmin(nearest.sum(1)))


def typiclust(pool: Pool, budget: int, seed: int) -> Array:
    """Cluster into as many as labelled and budget together, and take the most typical slice of each in turn.

    Hacohen et al. 2022 (ICML, algorithm 1), as their code (avihu111/TypiClust, deep-al/pycls/al/typiclust.py): at most
    500 clusters; those of more than five slices in turn, from the fewest labelled slices and of these from the largest,
    again and again; typical is who is near to its nearest slices, not labelled nor chosen yet, of its cluster, by the
    mean of squared distances (their index returns squares, the paper's equation 1 has distances).

    Not as theirs: a cluster that is used up is passed over, and when all are the small ones follow by the same rule;
    their code stops with an error in either case. They cluster self-supervised features, these are the query network's.
    Not nested: another budget makes other clusters.
    """
    check_budget(pool.ids, budget)
    size, features = len(pool.ids), coordinates(pool, unit=True)
    squared = squared_distances(features)
    cluster = clusters(features, min(len(features) - size + budget, MOST_CLUSTERS), seed)
    sizes, labelled = np.bincount(cluster), np.bincount(cluster[size:], minlength=cluster.max() + 1)
    left = {int(name): np.flatnonzero(cluster[:size] == name) for name in np.unique(cluster[:size])}
    order = sorted(left, key=lambda name: (labelled[name], -sizes[name], left[name][0]))
    chosen: list[int] = []
    for small in (False, True):
        turn = [name for name in order if (sizes[name] <= SMALL_CLUSTER) == small]
        while turn and len(chosen) < budget:
            for name in turn[: budget - len(chosen)]:
                place = most_typical(squared, left[name])
                chosen.append(int(left[name][place]))
                left[name] = np.delete(left[name], place)
            turn = [name for name in turn if len(left[name])]
    return np.asarray(pool.ids[chosen])


def badge(pool: Pool, budget: int, seed: int) -> Array:
    """Spread over the gradients that the network's own guesses would give the last layer: k-means++.

    Ash et al. 2020 (ICLR, algorithm 1). With two classes the gradient is (guess - p) times the features, once with
    either sign, so one of them is enough. The first is the largest, as in their code. Each other is drawn with the
    squared distance to the nearest chosen one as its weight, by the least of exponential times over weights: the same
    law as by a cumulated sum, which rounding of any slice would shift for all that follow it.

    Written out: scikit-activeml's `Badge` returns slices twice where a network is sure of many, because it takes the
    rounding error of their distances for a distance, and counts the origin as chosen.
    """
    check_budget(pool.ids, budget)
    size, probability = len(pool.ids), pool.seen.probability.astype(np.float64)
    gradient = on_grid(((probability >= 0.5) - probability)[:, None] * coordinates(pool)[:size])
    squared, rng = squared_distances(gradient), generator(seed, "query")
    chosen = [int(np.argmax((gradient**2).sum(1)))]
    nearest = np.full(size, np.inf)
    while len(chosen) < budget:
        nearest = np.minimum(nearest, squared[:, chosen[-1]])
        weight = nearest if nearest.any() else ~np.isin(np.arange(size), chosen)
        waiting = np.full(size, np.inf)
        np.divide(rng.exponential(size=size), weight, out=waiting, where=weight > 0)
        chosen.append(int(np.argmin(waiting)))
    return np.asarray(pool.ids[chosen])
