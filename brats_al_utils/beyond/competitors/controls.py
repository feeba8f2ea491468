"""Controls of the proposed method: only one tail dropped, whole patients, and at most one slice a patient."""

import numpy as np
import pandas as pd

from brats_al_utils import InputError
from brats_al_utils.arrays import Array
from brats_al_utils.queries.pool import Pool, check_budget, drawn, ranked
from brats_al_utils.queries.sampling import COMMITTEE, DISCARDED, Strategy
from brats_al_utils.seeds import generator


def drop_top(pool: Pool, budget: int, seed: int) -> Array:
    """Drop only the most uncertain decile and draw from the rest."""
    return drawn(pool.between(DISCARDED, 1), budget, seed)


def drop_bottom(pool: Pool, budget: int, seed: int) -> Array:
    """Drop only the least uncertain decile and draw from the rest."""
    return drawn(pool.between(0, 1 - DISCARDED), budget, seed)


def whose(pool: Pool) -> Array:
    """Return the patient of each slice.

    Raises
    ------
    InputError
        If the pool does not hold them.
    """
    if pool.patient is None:
        raise InputError("the pool does not say whose slices they are, expected the patient of each")
    return pool.patient


def shuffled(pool: Pool, patients: Array, seed: int) -> tuple[Array, Array]:
    """Return the slices of some patients in random order, and the place of each slice's patient in another order."""
    rows = generator(seed, "sample draw").permutation(len(pool.ids))
    place = pd.Index(generator(seed, "patient draw").permutation(np.sort(patients))).get_indexer(whose(pool)[rows])
    return pool.ids[rows][place >= 0], place[place >= 0]


def whole_patients(pool: Pool, patients: Array, budget: int, seed: int) -> Array:
    """Draw whole patients until the budget is full; of the last one, the slices that are still needed."""
    ids, place = shuffled(pool, patients, seed)
    check_budget(ids, budget)
    return np.asarray(ids[np.argsort(place, kind="stable")][:budget])


def random_patients(pool: Pool, budget: int, seed: int) -> Array:
    """Draw whole patients at random."""
    return whole_patients(pool, np.unique(whose(pool)), budget, seed)


def middle_patients(pool: Pool, budget: int, seed: int) -> Array:
    """Draw whole patients as `middle` draws slices: without a tenth at either end of their mean uncertainty."""
    mean = pd.Series(pool.score).groupby(whose(pool)).mean()
    ranking = ranked(mean.index.to_numpy(str), mean.to_numpy())
    cut = round(DISCARDED * len(ranking))
    return whole_patients(pool, ranking[cut : len(ranking) - cut], budget, seed)


def spread(pool: Pool, budget: int, seed: int) -> Array:
    """Draw evenly over the patients: a random slice of each, then a second of each, and so on."""
    ids, place = shuffled(pool, np.unique(whose(pool)), seed)
    check_budget(ids, budget)
    turn = pd.Series(place).groupby(place).cumcount()
    return np.asarray(ids[np.lexsort((place, turn))][:budget])


DROP_TOP = Strategy("drop top", drop_top, COMMITTEE)
DROP_BOTTOM = Strategy("drop bottom", drop_bottom, COMMITTEE)
RANDOM_PATIENTS = Strategy("random patients", random_patients)
MIDDLE_PATIENTS = Strategy("middle patients", middle_patients, COMMITTEE)
SPREAD = Strategy("spread", spread)
