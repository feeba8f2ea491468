"""The contract that every strategy meets, and what each of the paper's own and their controls chooses."""

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brats_al_utils import InputError
from brats_al_utils.arrays import Array
from brats_al_utils.beyond.competitors.competitors import STRATEGIES
from brats_al_utils.queries.pool import Pool, Views
from brats_al_utils.queries.sampling import COMMITTEE, OF_CLASSES, QUERY_NETWORK, WINDOWS

PER_PATIENT = 5

WITH_VIEWS = [name for name, strategy in STRATEGIES.items() if strategy.asks == QUERY_NETWORK]


def select(name: str, pool: Pool, budget: int, seed: int) -> Array:
    return STRATEGIES[name].choose(pool, budget, seed)


def source(strategy: str, size: int) -> int:
    """Return how many slices of a pool a strategy draws from."""
    share = {"middle": 0.8, "placebo": 0.8, "drop top": 0.9, "drop bottom": 0.9}
    if strategy == "middle patients":
        patients = size // PER_PATIENT
        return PER_PATIENT * (patients - 2 * round(0.1 * patients))
    return round(size * (0.3 if strategy in (*WINDOWS, OF_CLASSES.name) else share.get(strategy, 1.0)))


def pool_of(size: int, seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    views = Views(rng.random(size), rng.random((size, 6)))
    # Scores repeat: equals must be ordered too.
    return Pool(
        rng.permutation(np.arange(100, 100 + 2 * size, 2)),
        rng.integers(0, max(size // 3, 1), size).astype(float),
        rng.permutation([f"patient {place // PER_PATIENT}" for place in range(size)]),
        views,
        rng.random((seed % 3, 6)),
        rng.permutation(np.arange(size) % 3 == 0).astype(int),
    )


def contract(strategy: str, pool: Any, budget: int, seed: int) -> None:
    chosen = select(strategy, pool, budget, seed)
    assert len(chosen) == len(set(chosen.tolist())) == budget
    assert set(chosen.tolist()) <= set(pool.ids.tolist())
    assert chosen.tolist() == sorted(chosen.tolist())
    np.testing.assert_array_equal(chosen, select(strategy, pool, budget, seed))
    order = np.random.default_rng(seed + 1).permutation(len(pool.ids))
    permuted = Pool(
        *(pool.ids[order], pool.score[order], pool.patient[order]),
        *(pool.views.at(order), pool.known, pool.label[order]),
    )
    np.testing.assert_array_equal(chosen, select(strategy, permuted, budget, seed))
    if strategy != "typiclust":  # it clusters by budget
        assert set(select(strategy, pool, max(budget // 2, 1), seed).tolist()) <= set(chosen.tolist())


@pytest.mark.parametrize("strategy", [name for name in STRATEGIES if name not in WITH_VIEWS])
@given(patients=st.integers(4, 24), seed=st.integers(0, 10**6), data=st.data())
def test_contract(strategy: str, patients: int, seed: int, data: st.DataObject) -> None:
    budget = data.draw(st.integers(1, source(strategy, PER_PATIENT * patients)))
    contract(strategy, pool_of(PER_PATIENT * patients, seed), budget, seed)


@pytest.mark.parametrize("strategy", WITH_VIEWS)
@settings(max_examples=8, deadline=None)  # the first imports scikit-activeml, and each clusters
@given(patients=st.integers(4, 24), seed=st.integers(0, 10**6), data=st.data())
def test_contract_of_the_competitors(strategy: str, patients: int, seed: int, data: st.DataObject) -> None:
    budget = data.draw(st.integers(1, PER_PATIENT * patients))
    contract(strategy, pool_of(PER_PATIENT * patients, seed), budget, seed)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_budget_larger_than_its_source_is_refused_with_both_numbers(strategy: str) -> None:
    largest = source(strategy, 100)
    assert len(select(strategy, pool_of(100), largest, 0)) == largest
    with pytest.raises(InputError, match=f"a budget of {largest + 1} slices from {largest}, expected 1 to {largest}"):
        select(strategy, pool_of(100), largest + 1, 0)
    with pytest.raises(InputError, match="a budget of 0"):
        select(strategy, pool_of(100), 0, 0)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_strategy_uses_what_it_is_said_to_need_and_no_more(strategy: str) -> None:
    pool = pool_of(50)
    chosen = select(strategy, pool, 9, 3).tolist()
    other = replace(pool, score=np.roll(pool.score, 7))
    assert (select(strategy, other, 9, 3).tolist() != chosen) == (STRATEGIES[strategy].asks == COMMITTEE)
    other = replace(pool, label=np.roll(pool.label, 5))
    assert (select(strategy, other, 9, 3).tolist() != chosen) == STRATEGIES[strategy].needs_every_label
    if strategy not in (*WITH_VIEWS, OF_CLASSES.name):
        assert select(strategy, Pool(pool.ids, pool.score, pool.patient), 9, 3).tolist() == chosen


def test_the_most_uncertain_range_at_the_class_share_of_the_pool() -> None:
    """Twenty slices by falling uncertainty, the positive ones last: the range has none, each class's own range has."""
    label = np.repeat([0, 1], (15, 5))
    pool = Pool(np.arange(20), -np.arange(20.0), label=label)
    assert select("window 0%-30%", pool, 6, 0).tolist() == [0, 1, 2, 3, 4, 5]
    # Places (rank + 0.5) / n: negative 1/30, 3/30, 5/30, 7/30, (9/30); positive 0.1 and (0.3 and beyond the sixth).
    # In order: 0 (0.033), 1 (0.1) and 15 (0.1), 2 (0.167), 3 (0.233), then 4 and 16 (both 0.3): the lower id.
    assert select(OF_CLASSES.name, pool, 6, 0).tolist() == [0, 1, 2, 3, 4, 15]
    with pytest.raises(InputError, match="does not know the class labels"):
        select(OF_CLASSES.name, replace(pool, label=None), 6, 0)


@given(positive=st.integers(1, 99), seed=st.integers(0, 10**6))
def test_a_range_of_each_class_has_the_class_share_of_the_pool(positive: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    label = (np.arange(100) < positive).astype(int)
    chosen = select(OF_CLASSES.name, Pool(np.arange(100), rng.random(100), label=label), 30, 0)
    assert abs(label[chosen].sum() - 0.3 * positive) <= 1


def counts(pool: Any, chosen: np.ndarray) -> list[int]:
    """Return how many slices of each patient were chosen, ascending, zeros left out."""
    return sorted(Counter(pool.patient[np.isin(pool.ids, chosen)].tolist()).values())


def test_dropping_one_end_keeps_the_other() -> None:
    pool = Pool(np.arange(100), -np.arange(100.0))
    assert select("drop top", pool, 90, 0).tolist() == list(range(10, 100))
    assert select("drop bottom", pool, 90, 0).tolist() == list(range(90))


def test_what_random_is_compared_at() -> None:
    """Of 30 % labelled and 30 % chosen: both where they are kept apart, 51 % expected where they may meet."""
    expected = {"random": 0.3, "spread": 0.3, "middle": 0.51, "drop top": 0.51, "coreset": 0.6, OF_CLASSES.name: 1.0}
    found = {name: STRATEGIES[name].annotated_share(0.3, 0.3) for name in expected}
    assert found == pytest.approx(expected)
    assert all(0.3 <= strategy.annotated_share(0.3, 0.3) <= 1 for strategy in STRATEGIES.values())


@pytest.mark.parametrize("strategy", ["random patients", "middle patients"])
def test_whole_patients_are_drawn_and_the_last_one_is_cut(strategy: str) -> None:
    pool = pool_of(100)
    assert counts(pool, select(strategy, pool, 20, 0)) == [5, 5, 5, 5]
    assert counts(pool, select(strategy, pool, 22, 0)) == [2, 5, 5, 5, 5]


def test_the_middle_patients_are_those_of_middle_mean_uncertainty() -> None:
    """Ten patients of mean 0 to 9: the first and the last can never be drawn, whatever one slice of theirs says."""
    mean = np.repeat(np.arange(10.0), 4)
    pool = Pool(np.arange(40), mean + np.tile([-5.0, -1.0, 1.0, 5.0], 10), np.repeat(list("abcdefghij"), 4))
    assert select("middle patients", pool, 32, 0).tolist() == list(range(4, 36))
    # Of sixteen patients it is two at either end, whose slices can never be drawn.
    pool = Pool(np.arange(32), np.repeat(np.arange(16.0), 2), np.repeat(list("abcdefghijklmnop"), 2))
    assert select("middle patients", pool, 24, 0).tolist() == list(range(4, 28))
    with pytest.raises(InputError):
        select("middle patients", pool, 25, 0)


def test_spread_goes_round_the_patients() -> None:
    pool = pool_of(100)
    assert counts(pool, select("spread", pool, 20, 0)) == [1] * 20
    assert counts(pool, select("spread", pool, 30, 0)) == [1] * 10 + [2] * 10
    uneven = Pool(np.arange(10), np.zeros(10), np.array(list("abbbcccccc")))
    assert counts(uneven, select("spread", uneven, 8, 0)) == [1, 3, 4]
    first = [select("spread", uneven, 3, seed) for seed in range(60)]
    assert all(uneven.patient is not None and uneven.patient[ids].tolist() == ["a", "b", "c"] for ids in first)
    assert set(np.concatenate(first).tolist()) == set(range(10))


@pytest.mark.parametrize("strategy", ["random patients", "middle patients", "spread"])
def test_patients_must_be_known(strategy: str) -> None:
    with pytest.raises(InputError, match="the pool does not say whose slices they are"):
        select(strategy, Pool(np.arange(9), np.zeros(9)), 3, 0)
