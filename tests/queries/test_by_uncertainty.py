"""What entropy sampling chooses, by hand or by another implementation."""

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from brats_al_utils.beyond.competitors.by_uncertainty import entropy
from brats_al_utils.queries.pool import Pool, Views

Array = np.ndarray[Any, Any]


def pool_of(probability: Array) -> Pool:
    """Return a pool of ids from 10 on."""
    size = len(probability)
    return Pool(np.arange(10, 10 + size), np.zeros(size), views=Views(probability, np.zeros((size, 1))))


def chosen(pool: Pool, budget: int) -> list[int]:
    return [int(slice_id) for slice_id in entropy(pool, budget, 0)]


def test_entropy_by_hand() -> None:
    assert chosen(pool_of(np.array([0.99, 0.52, 0.3, 0.05, 0.41])), 3) == [11, 14, 12]


def test_equals_are_taken_by_rising_id_whatever_their_last_digits() -> None:
    """0.3 and 0.7 are as uncertain, though 1 - 0.7 is not 0.3 in binary; so are all the slices of a sure network."""
    pool = pool_of(np.array([0.7, 0.3, 0.7, 0.3, 1 - 0.7, 0.5]))
    assert chosen(pool, 4) == [15, 10, 11, 12]
    assert chosen(pool_of(np.array([1.0, 0.0, 1e-15, 0.0])), 3) == [10, 11, 12]


@given(st.lists(st.integers(0, 1000), min_size=2, max_size=60), st.data())
def test_with_two_classes_entropy_is_margin_sampling(thousandths: list[int], data: st.DataObject) -> None:
    """By the margin of scikit-activeml, rounded so that P and 1 - P are equals there too."""
    from skactiveml.pool import uncertainty_scores

    probability = np.array(thousandths) / 1000
    budget = data.draw(st.integers(1, len(thousandths)))
    margin = uncertainty_scores(np.stack([1 - probability, probability], axis=1), method="margin_sampling")
    expected = np.argsort(-np.round(margin, 9), kind="stable")[:budget] + 10
    assert chosen(pool_of(probability), budget) == expected.tolist()


def test_a_prediction_stored_as_float32_ranks_as_in_float64() -> None:
    single = np.random.default_rng(1).random(40, np.float32)
    assert chosen(pool_of(single), 20) == chosen(pool_of(single.astype(np.float64)), 20)
