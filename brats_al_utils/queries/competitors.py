"""Query strategies of others: pure functions from a pool and what a query network says of it to slice ids.

Each takes a `Pool` in ascending order of its ids, a budget and a seed; `sampling.STRATEGIES` holds them beside the
paper's own. Those of scikit-activeml are asked as they are, with their default settings except where said.

Not here: gradient-guided sampling (Dai et al. 2020, section 2.1.2). It moves labelled images along the gradient of a
segmentation loss, on the manifold of a variational autoencoder trained on all images, and takes the images nearest to
where they arrive. That asks for a second network, with choices of its own that no published number of this
classification checks, and for gradients in image space: not a few lines, and its result would be about those choices.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from scipy.spatial.distance import cdist
from threadpoolctl import threadpool_limits

from brats_al_utils import InputError
from brats_al_utils.queries.pool import Array, Pool, Views, check_budget
from brats_al_utils.queries.uncertainty import score
from brats_al_utils.seeds import generator, integer

COMPONENTS = 64
"""Dimensions in which distances between features are taken."""

UNCERTAIN = 0.5
"""Share of the pool that MedAL calls uncertain. Its authors' code keeps 30 images to take 5; six times the paper's
budget would be more than there is."""

RADII = np.geomspace(0.01, 2, 24)
"""Radii that ProbCover tries, between features of length 1: finer than scikit-activeml's 0.2, 0.4, ..., 2, so that one
is found however close together a network's features lie."""

MISLEADING = 4440 / 68640
"""Share of each grade that reverse active learning removes: as many as its authors did (section 2.1.2)."""


def seen(pool: Pool) -> Views:
    """Return what the query network says of a pool.

    Raises
    ------
    InputError
        If there are no views.
    """
    if pool.views is None:
        raise InputError("the pool has no views, expected what a query network says of it: train that first")
    return pool.views


def binary(probability: Array) -> Array:
    """Return [..., 2] probabilities of LGG and HGG, float64, from P(HGG)."""
    high = np.asarray(probability, np.float64)
    return np.stack([1 - high, high], axis=-1)


def projected(pool: Pool, seed: int, known: bool = True) -> Array:
    """Return features in at most ``COMPONENTS`` dimensions, which keep lengths and distances as well as so many can.

    By a truncated singular value decomposition without centring. Thousands of distances in the 4,096 dimensions of
    AlexNet take minutes.

    Parameters
    ----------
    known : bool
        Add the features of the slices labelled already, after those of the pool.

    Returns
    -------
    np.ndarray [n + m, at most 64] of float64
    """
    from sklearn.decomposition import TruncatedSVD

    parts = [seen(pool).features] + ([pool.known] if known and pool.known is not None else [])
    features = np.concatenate(parts).astype(np.float64)
    if min(features.shape) <= COMPONENTS:
        return features
    with threadpool_limits(1):  # the number of threads would decide the last digits
        projection = TruncatedSVD(COMPONENTS, random_state=integer(seed, "projection"))
        return np.asarray(projection.fit_transform(features))


def ranked(pool: Pool, utility: Array, budget: int) -> Array:
    """Return the ids of the highest utility; equals by rising id."""
    check_budget(pool.ids, budget)
    return np.asarray(pool.ids[np.lexsort((pool.ids, -utility))][:budget])


def asked(strategy: Any, pool: Pool, features: Array, budget: int, seed: int) -> Array:
    """Return the ids that a strategy of scikit-activeml queries, given the features of the pool and the known slices.

    Where slices are so alike that it returns one twice, the rest of the budget is drawn at random.
    """
    check_budget(pool.ids, budget)
    labels = np.where(np.arange(len(features)) < len(pool.ids), np.nan, 0.0)  # not nan: labelled, whatever its label
    with threadpool_limits(1):  # thousands of small steps: more threads wait for each other
        rows = np.unique(strategy.query(features, labels, batch_size=budget))
    rest = np.setdiff1d(np.arange(len(pool.ids)), rows)
    filled = generator(seed, "sample draw").permutation(rest)[: budget - len(rows)]
    return np.asarray(pool.ids[np.concatenate([rows, filled])])


def unit(features: Array) -> Array:
    """Return features of length 1, as TypiClust and ProbCover expect them; zero stays zero."""
    length = np.linalg.norm(features, axis=1, keepdims=True)
    return np.asarray(features / np.where(length > 0, length, 1))


def entropy(pool: Pool, budget: int, seed: int) -> Array:
    """Take the slices of the highest entropy (Settles 2009)."""
    from skactiveml.pool import uncertainty_scores

    return ranked(pool, uncertainty_scores(binary(seen(pool).probability), method="entropy"), budget)


def margin(pool: Pool, budget: int, seed: int) -> Array:
    """Take the slices whose two classes are closest (Settles 2009): with two classes, the ranking of `entropy`.

    Kept beside it so that a reader who looks for it finds that they are one.
    """
    from skactiveml.pool import uncertainty_scores

    return ranked(pool, uncertainty_scores(binary(seen(pool).probability), method="margin_sampling"), budget)


def bald(pool: Pool, budget: int, seed: int) -> Array:
    """Take the slices whose label tells most about the weights: H(mean p) - mean H(p) over dropout (Houlsby 2011).

    With AlexNet's own dropout as the sample of weights (Gal et al. 2017).
    """
    from skactiveml.pool import batch_bald

    return ranked(pool, batch_bald(binary(seen(pool).dropout), batch_size=1)[0], budget)


def coreset(pool: Pool, budget: int, seed: int) -> Array:
    """Take the slice farthest from all that are labelled or chosen, again and again: k-center (Sener & Savarese 2018).

    The first is random if none is labelled yet.
    """
    from skactiveml.pool import CoreSet

    return asked(CoreSet(random_state=integer(seed, "query")), pool, projected(pool, seed), budget, seed)


def typiclust(pool: Pool, budget: int, seed: int) -> Array:
    """Cluster into as many as labelled and budget together, take the most typical of each empty one (Hacohen 2022).

    Not nested: another budget makes other clusters. The authors make no more than 500 clusters and cluster
    self-supervised features; these are the query network's.
    """
    from skactiveml.pool import TypiClust

    return asked(TypiClust(random_state=integer(seed, "query")), pool, unit(projected(pool, seed)), budget, seed)


def probcover(pool: Pool, budget: int, seed: int) -> Array:
    """Take the slice whose ball covers most that is not covered yet, again and again (Yehuda et al. 2022).

    The radius is the widest at which 95 % of the balls hold slices of one of two clusters only. When all is covered,
    the rest is random.
    """
    from skactiveml.pool import ProbCover

    strategy = ProbCover(n_classes=2, deltas=RADII, random_state=integer(seed, "query"))
    return asked(strategy, pool, unit(projected(pool, seed)), budget, seed)


def badge(pool: Pool, budget: int, seed: int) -> Array:
    """Spread over the gradients that the network's own guesses would give the last layer: k-means++ (Ash et al. 2020).

    With two classes the gradient is (guess - p) times the features, once with either sign, so one of them is enough.
    Written out: scikit-activeml's `Badge` returns slices twice where a network is sure of many, because it takes the
    rounding error of their distances for a distance, and counts the origin as chosen.
    """
    check_budget(pool.ids, budget)
    probability = np.asarray(seen(pool).probability, np.float64)
    gradient = ((probability >= 0.5) - probability)[:, None] * projected(pool, seed, known=False)
    rng = generator(seed, "query")
    chosen = [int(np.argmax((gradient**2).sum(1)))]
    distance = np.full(len(gradient), np.inf)
    while len(chosen) < budget:
        distance = np.minimum(distance, ((gradient - gradient[chosen[-1]]) ** 2).sum(1))
        weight = distance if distance.any() else ~np.isin(np.arange(len(gradient)), chosen)
        chosen.append(int(rng.choice(len(gradient), p=weight / weight.sum())))
    return np.asarray(pool.ids[chosen])


def aift(pool: Pool, budget: int, seed: int) -> Array:
    """Take the slices whose flipped and rotated copies are most uncertain and most at odds (Zhou et al. 2017).

    Entropies plus pairwise divergences, as `uncertainty.score`, with the copies in place of the committee's members.
    All copies count: their majority selection is for copies that may have lost the lesion, which a flip never does.
    """
    return ranked(pool, score(binary(seen(pool).augmented), pairs="aift"), budget)


def medal(pool: Pool, budget: int, seed: int) -> Array:
    """Take, of the uncertain, the slice farthest on average from all labelled or chosen, again and again.

    MedAL (Smailagic et al. 2018), with the Euclidean distance. The uncertain: the half of the highest entropy, or as
    many as the budget. The first is the most uncertain if none is labelled yet.
    """
    check_budget(pool.ids, budget)
    uncertain = entropy(pool, max(budget, round(UNCERTAIN * len(pool.ids))), seed)
    features = projected(pool, seed)
    candidates = features[np.searchsorted(pool.ids, uncertain)]
    distance = cdist(candidates, features[len(pool.ids) :]).sum(1)
    chosen: list[int] = []
    while len(chosen) < budget:
        chosen.append(int(np.argmax(distance)))
        distance += np.linalg.norm(candidates - candidates[chosen[-1]], axis=1)
        distance[chosen[-1]] = -np.inf
    return np.asarray(uncertain[chosen])


def reverse(pool: Pool, budget: int, seed: int) -> Array:
    """Remove the slices that mislead and draw from the rest: reverse active learning (Li et al. 2019).

    They start from all labels and remove the patches that look mislabelled to a network, over rotated copies and in
    rounds. Here at once: of each grade, the share ``MISLEADING`` whose label the network believes least on average over
    flipped and rotated copies. By grade, because a network that sees three HGG for one LGG can doubt every LGG. It pays
    for every label. A budget beyond what is left takes back those that mislead least.
    """
    views = seen(pool)
    check_budget(pool.ids, budget)
    belief = pd.Series(np.where(views.label, views.augmented, 1 - views.augmented).mean(0))
    place = belief.groupby(views.label).rank(method="first", pct=True).to_numpy()
    gone = place <= MISLEADING
    kept = generator(seed, "sample draw").permutation(pool.ids[~gone])
    back = pool.ids[gone][np.argsort(-place[gone], kind="stable")]
    return np.asarray(np.concatenate([kept, back])[:budget])


COMPETITORS: dict[str, Callable[[Pool, int, int], Array]] = {
    strategy.__name__: strategy
    for strategy in (entropy, margin, bald, coreset, badge, typiclust, probcover, aift, medal, reverse)
}

VIEWS = {
    "entropy": (),
    "margin": (),
    "bald": ("dropout",),
    "aift": ("augmented",),
    "reverse": ("augmented",),
    **dict.fromkeys(("coreset", "badge", "typiclust", "probcover", "medal"), ("features",)),
}
"""What each needs of the query network beside the probability."""
