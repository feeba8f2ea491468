"""Query strategies of others that ask what the query network predicts: its probability, over dropout or over copies."""

import numpy as np
import pandas as pd

from brats_al_utils.queries.pool import PRECISION, Array, Pool, check_budget, ranked
from brats_al_utils.queries.uncertainty import score
from brats_al_utils.seeds import generator

MISLEADING = 4440 / 68640
"""Share of each class that reverse active learning removes: as many as its authors did (section 2.1.2)."""


def binary(probability: Array) -> Array:
    """Return [..., 2] probabilities of LGG and HGG, float64, from P(HGG)."""
    high = np.asarray(probability, np.float64)
    return np.stack([1 - high, high], axis=-1)


def highest(pool: Pool, utility: Array, budget: int) -> Array:
    """Return the ids of the highest utility."""
    check_budget(pool.ids, budget)
    return ranked(pool.ids, utility)[:budget]


def entropy(pool: Pool, budget: int, seed: int) -> Array:
    """Take the slices of the highest entropy (Settles 2009, Active Learning Literature Survey, section 3.1).

    With two classes this is margin sampling as well (the least difference between the two probabilities, same section):
    both rank by how close P(HGG) is to 1/2.
    """
    from skactiveml.pool import uncertainty_scores

    return highest(pool, uncertainty_scores(binary(pool.seen.probability), method="entropy"), budget)


def bald(pool: Pool, budget: int, seed: int) -> Array:
    """Take the slices whose label tells most about the weights: H(mean p) - mean H(p) over dropout.

    Houlsby et al. 2011 (arXiv 1112.5745, equation 2), with AlexNet's own dropout as the sample of weights (Gal et al.
    2017, ICML).
    """
    from skactiveml.pool import batch_bald

    return highest(pool, batch_bald(binary(pool.seen.dropout), batch_size=1)[0], budget)


def aift(pool: Pool, budget: int, seed: int) -> Array:
    """Take the slices whose flipped and rotated copies are most uncertain and most at odds (Zhou et al. 2017, CVPR).

    Entropies plus pairwise divergences, as `uncertainty.score`, with the copies in place of the committee's members.
    All copies count: their majority selection is for copies that may have lost the lesion, which a flip never does.
    """
    return highest(pool, score(binary(pool.seen.augmented), pairs="aift"), budget)


def reverse(pool: Pool, budget: int, seed: int) -> Array:
    """Remove the slices that mislead and draw from the rest: reverse active learning (Li et al. 2019).

    They start from all labels and remove the patches that look mislabelled to a network, over rotated copies and
    iteratively. Here one-shot: of each class, the share ``MISLEADING`` whose label the network believes least on
    average over flipped and rotated copies. By class, because a network that sees three HGG for one LGG can doubt every
    LGG. It annotates every slice. A budget beyond what is left takes back those that mislead least.
    """
    views = pool.seen
    check_budget(pool.ids, budget)
    copies = views.augmented.astype(np.float64)
    belief = pd.Series(np.where(views.label, copies, 1 - copies).mean(0)).round(PRECISION)
    place = belief.groupby(views.label).rank(method="first", pct=True).to_numpy()
    gone = place <= MISLEADING
    kept = generator(seed, "sample draw").permutation(pool.ids[~gone])
    back = pool.ids[gone][np.argsort(-place[gone], kind="stable")]
    return np.asarray(np.concatenate([kept, back])[:budget])
