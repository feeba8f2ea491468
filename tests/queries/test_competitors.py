"""What all strategies of others have in common; what entropy chooses, and in test_by_features the others."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_by_features import Array, pool_of

from brats_al_utils import InputError
from brats_al_utils.beyond.competitors.by_uncertainty import entropy
from brats_al_utils.beyond.competitors.competitors import COMPETITORS, STRATEGIES
from brats_al_utils.queries.pool import Pool, Views
from brats_al_utils.queries.sampling import OF_CLASSES, QUERY_NETWORK
from brats_al_utils.runs.run import VIEWS


@pytest.mark.filterwarnings("ignore:Number of distinct clusters")
@pytest.mark.parametrize("strategy", COMPETITORS)
def test_alike_slices_fill_the_budget_too(strategy: str) -> None:
    """A network that has collapsed says the same of all."""
    views = Views(np.ones(12), np.zeros((12, 3)))
    for known in (None, np.zeros((5, 3))):
        chosen = COMPETITORS[strategy].rule(Pool(np.arange(12), np.zeros(12), views=views, known=known), 7, 0)
        assert len(set(chosen.tolist())) == 7


@pytest.mark.parametrize("strategy", COMPETITORS)
def test_without_views_it_is_refused(strategy: str) -> None:
    with pytest.raises(InputError, match="the pool has no views, expected what a query network says of it"):
        COMPETITORS[strategy].rule(Pool(np.arange(5), np.zeros(5)), 2, 0)


def test_competitors_are_those_with_a_query_network_and_add_to_what_is_labelled() -> None:
    every = STRATEGIES.values()
    assert set(COMPETITORS) == {strategy.name for strategy in every if strategy.asks == QUERY_NETWORK}
    assert all(set(strategy.views) <= set(VIEWS) for strategy in every)
    assert set(COMPETITORS) == {strategy.name for strategy in every if strategy.adds_to_labelled}
    assert {strategy.name for strategy in every if strategy.needs_every_label} == {OF_CLASSES.name}
    assert all(name == strategy.name for name, strategy in STRATEGIES.items())


def chosen(probability: Array, budget: int) -> list[int]:
    """Return what entropy chooses of ids from 10 on."""
    return [int(slice_id) for slice_id in entropy(pool_of(np.zeros((len(probability), 1)), probability), budget, 0)]


def test_equals_are_taken_by_rising_id_whatever_their_last_digits() -> None:
    """0.3 and 0.7 are as uncertain, though 1 - 0.7 is not 0.3 in binary; so are all the slices of a sure network."""
    assert chosen(np.array([0.7, 0.3, 0.7, 0.3, 1 - 0.7, 0.5]), 4) == [15, 10, 11, 12]
    assert chosen(np.array([1.0, 0.0, 1e-15, 0.0]), 3) == [10, 11, 12]


@given(st.lists(st.integers(0, 1000), min_size=2, max_size=60), st.data())
def test_with_two_classes_entropy_is_margin_sampling(thousandths: list[int], data: st.DataObject) -> None:
    """By the margin of scikit-activeml, rounded so that P and 1 - P are equals there too."""
    from skactiveml.pool import uncertainty_scores

    probability = np.array(thousandths) / 1000
    budget = data.draw(st.integers(1, len(thousandths)))
    margin = uncertainty_scores(np.stack([1 - probability, probability], axis=1), method="margin_sampling")
    expected = np.argsort(-np.round(margin, 9), kind="stable")[:budget] + 10
    assert chosen(probability, budget) == expected.tolist()


def test_a_prediction_stored_as_float32_ranks_as_in_float64() -> None:
    single = np.random.default_rng(1).random(40, np.float32)
    assert chosen(single, 20) == chosen(single.astype(np.float64), 20)
