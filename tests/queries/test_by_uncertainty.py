"""What the strategies that ask the query network's predictions choose, by hand or by another implementation."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brats_al_utils.beyond.competitors.competitors import STRATEGIES
from brats_al_utils.queries.pool import Pool, Views

Array = np.ndarray[Any, Any]


def pool_of(**given: Array) -> Pool:
    """Return a pool of ids from 10 on whose views say nothing but what is given."""
    name, values = next(iter(given.items()))
    size = values.shape[name in ("dropout", "augmented")]
    half = np.full(size, 0.5)
    nothing = {"probability": half, "dropout": half[None], "augmented": half[None], "label": np.zeros(size, int)}
    views = Views(**{"features": np.zeros((size, 1))} | nothing | given)
    return Pool(np.arange(10, 10 + size), np.zeros(size), views=views)


def chosen(strategy: str, pool: Pool, budget: int, seed: int = 0) -> list[int]:
    return [int(slice_id) for slice_id in STRATEGIES[strategy].rule(pool, budget, seed)]


def test_entropy_by_hand() -> None:
    assert chosen("entropy", pool_of(probability=np.array([0.99, 0.52, 0.3, 0.05, 0.41])), 3) == [11, 14, 12]


def test_equals_are_taken_by_rising_id_whatever_their_last_digits() -> None:
    """0.3 and 0.7 are as uncertain, though 1 - 0.7 is not 0.3 in binary; so are all the slices of a sure network."""
    pool = pool_of(probability=np.array([0.7, 0.3, 0.7, 0.3, 1 - 0.7, 0.5]))
    assert chosen("entropy", pool, 4) == [15, 10, 11, 12]
    assert chosen("entropy", pool_of(probability=np.array([1.0, 0.0, 1e-15, 0.0])), 3) == [10, 11, 12]


@given(st.lists(st.integers(0, 1000), min_size=2, max_size=60), st.data())
def test_with_two_classes_entropy_is_margin_sampling(thousandths: list[int], data: st.DataObject) -> None:
    """By the margin of scikit-activeml, rounded so that P and 1 - P are equals there too."""
    from skactiveml.pool import uncertainty_scores

    probability = np.array(thousandths) / 1000
    budget = data.draw(st.integers(1, len(thousandths)))
    margin = uncertainty_scores(np.stack([1 - probability, probability], axis=1), method="margin_sampling")
    expected = np.argsort(-np.round(margin, 9), kind="stable")[:budget] + 10
    assert chosen("entropy", pool_of(probability=probability), budget) == expected.tolist()


def test_bald_asks_where_passes_disagree() -> None:
    """All passes unsure: entropy ln 2, information 0. Half of them sure of either class: information near ln 2."""
    dropout = np.array([[0.5, 0.99, 0.9], [0.5, 0.01, 0.8], [0.5, 0.99, 0.9], [0.5, 0.01, 0.8]])
    assert chosen("bald", pool_of(dropout=dropout), 3) == [11, 12, 10]


def test_bald_is_entropy_of_the_mean_less_mean_of_the_entropies() -> None:
    dropout = np.random.default_rng(0).uniform(0.01, 0.99, (20, 50))

    def entropy(p: Array) -> Array:
        return np.asarray(-p * np.log(p) - (1 - p) * np.log(1 - p))

    information = entropy(dropout.mean(0)) - entropy(dropout).mean(0)
    pool = pool_of(dropout=dropout)
    assert chosen("bald", pool, 20) == (10 + np.argsort(-information)[:20]).tolist()


def test_aift_asks_where_copies_are_uncertain_or_at_odds() -> None:
    """H + H + 2 (KL + KL), in nats: 2 ln 2 = 1.39 where both are 0.5; 0.65 + 4 * 0.8 ln 9 = 7.68 for 0.9 and 0.1."""
    augmented = np.array([[0.5, 0.9, 0.99], [0.5, 0.1, 0.98]])
    assert chosen("aift", pool_of(augmented=augmented), 3) == [11, 10, 12]


def test_reverse_removes_of_each_class_what_the_network_believes_least() -> None:
    """4,440 of 68,640 are 6.5 %: 2 of 31 HGG and 1 of 16 LGG, though the network takes every slice for HGG."""
    belief = np.concatenate([np.linspace(0.99, 0.69, 31), np.linspace(0.98, 0.68, 16)])
    copies = belief + np.array([[-0.01], [0.0], [0.01]])
    copies[0, 0], copies[1, 0] = 0.0, 0.2  # one copy of the first slice still looks right: mean 0.4
    pool = pool_of(augmented=copies, label=np.repeat([1, 0], [31, 16]))
    for seed in range(5):
        order = chosen("reverse", pool, 47, seed)
        assert order[44:] == [40, 41, 10]
    assert len({tuple(chosen("reverse", pool, 3, seed)) for seed in range(20)}) > 1


@pytest.mark.parametrize("strategy", ["entropy", "bald", "aift", "reverse"])
def test_a_prediction_stored_as_float32_ranks_as_in_float64(strategy: str) -> None:
    rng = np.random.default_rng(1)
    single = {name: rng.random((8, 40), np.float32) for name in ("dropout", "augmented")}
    single["probability"] = rng.random(40, np.float32)
    double = {name: values.astype(np.float64) for name, values in single.items()}
    assert chosen(strategy, pool_of(**single), 20) == chosen(strategy, pool_of(**double), 20)
