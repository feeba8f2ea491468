"""Controls of the proposed method: one tail dropped alone, whole patients, and at most one slice a patient."""

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


DROP_TOP = Strategy("drop top", drop_top, COMMITTEE)
DROP_BOTTOM = Strategy("drop bottom", drop_bottom, COMMITTEE)
RANDOM_PATIENTS = Strategy("random patients", random_patients)
MIDDLE_PATIENTS = Strategy("middle patients", middle_patients, COMMITTEE)
SPREAD = Strategy("spread", spread)
