"""A competitor that uses the predictions of the query network."""

import numpy as np

from brats_al_utils.arrays import Array
from brats_al_utils.queries.pool import Pool, check_budget, ranked


def entropy(pool: Pool, budget: int, seed: int) -> Array:
    """Take the slices of the highest entropy (Settles 2009, Active Learning Literature Survey, section 3.1).

    With two classes this is margin sampling as well (the least difference between the two probabilities, same section):
    both rank by how close P(positive) is to 1/2.
    """
    from skactiveml.pool import uncertainty_scores

    check_budget(pool.ids, budget)
    high = np.asarray(pool.seen.probability, np.float64)
    return ranked(pool.ids, uncertainty_scores(np.stack([1 - high, high], axis=-1), method="entropy"))[:budget]
