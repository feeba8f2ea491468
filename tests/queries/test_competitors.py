"""What all strategies of others have in common; what each chooses is in test_by_uncertainty and test_by_features."""

import numpy as np
import pytest

from brats_al_utils import InputError
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


@pytest.mark.parametrize("strategy", ["coreset", "typiclust"])
def test_it_keeps_away_from_what_is_labelled(strategy: str) -> None:
    """Two groups far apart, the larger one labelled in its middle: the first choice is of the other one."""
    rng = np.random.default_rng(0)
    features = np.concatenate([np.array([9.0, 1]) + rng.random((30, 2)), np.array([1.0, 9]) + rng.random((20, 2))])
    pool = Pool(np.arange(50), np.zeros(50), views=Views(np.full(50, 0.5), features), known=np.array([[9.5, 1.5]]))
    assert COMPETITORS[strategy].rule(pool, 1, 0)[0] >= 30
