"""What a selection is before its queries, and after each, given what networks say."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brats_al_utils import InputError
from brats_al_utils.beyond.competitors.competitors import STRATEGIES
from brats_al_utils.queries.pool import Pool, Views
from brats_al_utils.queries.sampling import OF_CLASSES, QUERY_NETWORK
from brats_al_utils.queries.selection import Ids, Selection, begin, query
from brats_al_utils.seeds import integer

SIZE = 200
IDS = np.arange(0, 2 * SIZE, 2)
PATIENTS = np.array([f"p{number // 10:02}" for number in range(SIZE)])
POOL = Pool(IDS, np.zeros(SIZE), PATIENTS, label=np.arange(SIZE) % 4 // 3)  # a quarter of the slices is positive
SCORE = np.linspace(1, 0, SIZE)  # the first slices are the most uncertain


def seeds(source: str) -> int:
    return integer(7, source)


def said(strategy: str) -> Pool:
    """Return the pool with what networks say that are the surer of a slice the higher its id."""
    if STRATEGIES[strategy].asks != QUERY_NETWORK:
        return replace(POOL, score=SCORE)
    rng = np.random.default_rng(0)
    probability = 0.5 + 0.5 * (1 - SCORE)
    return replace(POOL, views=Views(probability, rng.normal(size=(SIZE, 8)).astype(np.float32)))


def first(strategy: str, labelled: int = 60, budget: int = 40) -> Selection:
    return begin(STRATEGIES[strategy], POOL, [labelled * bool(STRATEGIES[strategy].asks), budget], seeds)


def chosen(strategy: str, labelled: int = 60, budget: int = 40) -> Ids:
    return query(STRATEGIES[strategy], said(strategy), first(strategy, labelled, budget), seeds).chosen


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_one_shot(strategy: str) -> None:
    """Every strategy gives its budget in one query, and has slices labelled before if it asks networks."""
    begun = first(strategy)
    selected = query(STRATEGIES[strategy], said(strategy), begun, seeds)
    assert (begun.left, begun.queries, selected.left, selected.queries) == ((40,), 0, (), 1)
    assert len(set(selected.chosen)) == 40
    assert set(selected.chosen) <= set(IDS)
    assert len(selected.labelled) == 60 * bool(STRATEGIES[strategy].asks)
    np.testing.assert_array_equal(selected.labelled, begun.annotated)
    apart = not set(selected.chosen) & set(selected.labelled)
    assert apart or not STRATEGIES[strategy].adds_to_labelled
    assert len(selected.annotated) == len(set(selected.labelled) | set(selected.chosen))


def test_one_shot_goes_by_the_answer() -> None:
    """Of the 150 negative and 50 positive slices, the 45 and 15 of which the committee is least sure."""
    label = np.arange(SIZE) % 4 // 3
    expected = [*IDS[label == 0][:45], *IDS[label == 1][:15]]
    assert chosen(OF_CLASSES.name, budget=60).tolist() == sorted(expected)
    np.testing.assert_array_equal(chosen("top"), IDS[:40])
    np.testing.assert_array_equal(chosen("middle", budget=160), IDS[20:180], "all that is left without the tails")


@pytest.mark.parametrize("strategy", ["random", "middle", "entropy", "coreset"])
def test_iterative(strategy: str) -> None:
    """Each query goes by networks trained on all that is annotated so far, and adds other slices."""
    selected = begin(STRATEGIES[strategy], POOL, [20, 20, 30], seeds, iterative=True)
    annotated = [set(selected.annotated)]
    while selected.left:
        selected = query(STRATEGIES[strategy], said(strategy), selected, seeds)
        annotated.append(set(selected.annotated))
    assert list(map(len, annotated)) == [20, 40, 70]
    assert annotated[0] < annotated[1] < annotated[2] == set(selected.chosen)
    assert not len(selected.labelled), "all that is annotated is trained on"
    if strategy == "entropy":  # the least sure of those that were left
        left = [number for number in IDS if number not in annotated[0]]
        assert annotated[1] - annotated[0] == set(left[:20])


@given(labelled=st.integers(1, SIZE), budget=st.integers(-2, SIZE + 5))
def test_a_budget_that_cannot_be_drawn_is_refused_before_any_network_is_trained(labelled: int, budget: int) -> None:
    for strategy in ("random", "middle", "entropy"):
        most = {"middle": SIZE * 8 // 10, "entropy": SIZE - labelled}.get(strategy, SIZE)  # a competitor adds
        if 0 < budget <= most:
            assert len(chosen(strategy, labelled, budget)) == budget
        else:
            with pytest.raises(InputError, match="budget"):
                first(strategy, labelled, budget)


def test_queries_that_cannot_be_drawn_are_refused() -> None:
    for counts in ([0, 1, 1], [1, 0, 1], [1, 1, 0]):
        with pytest.raises(InputError, match="a budget of 0 slices"):
            begin(STRATEGIES["entropy"], POOL, counts, seeds, iterative=True)
    for name in ("random", "middle", "entropy"):
        with pytest.raises(InputError, match="a budget of 201 slices from 199"):
            begin(STRATEGIES[name], POOL, [1, 100, 101], seeds, iterative=True)


def test_ranking_by_hand() -> None:
    pool = Pool(np.array([5, 3, 8, 1]), np.array([0.2, 0.9, 0.2, 0.5]))
    assert pool.ranking.tolist() == [3, 1, 5, 8]
    assert pool.between(0.25, 0.75).tolist() == [1, 5]
    pool = Pool(np.array([5, 3, 8, 1]), np.array([0.1 + 0.2, 0.3, 0.3 + 1e-15, 0.3 + 1e-11]))
    assert pool.ranking.tolist() == [1, 3, 5, 8]


def test_a_view_that_is_not_finite_is_refused() -> None:
    with pytest.raises(InputError, match="a view is not finite"):
        Views(np.full(3, np.nan), np.zeros((3, 2)))
