"""The contract that every strategy meets, and what each of them chooses."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brats_al_utils import InputError
from brats_al_utils.pool import Pool
from brats_al_utils.sampling import NEEDS_NO_SCORE, STRATEGIES, WINDOWS, select

# The share of the pool that each strategy draws from.
SOURCE = {"random": 1.0, "middle": 0.8, "placebo": 0.8, "top": 1.0} | {
    name: 0.3 for name in STRATEGIES if name.startswith("window")
}


def pool_of(size: int, seed: int = 0) -> Pool:
    rng = np.random.default_rng(seed)
    # Scores repeat: equals must be ordered too.
    return Pool(
        rng.permutation(np.arange(100, 100 + 2 * size, 2)), rng.integers(0, max(size // 3, 1), size).astype(float)
    )


@pytest.mark.parametrize("strategy", STRATEGIES)
@given(size=st.integers(20, 120), seed=st.integers(0, 10**6), data=st.data())
def test_contract(strategy: str, size: int, seed: int, data: st.DataObject) -> None:
    pool = pool_of(size, seed)
    largest = round(SOURCE[strategy] * size)
    budget = data.draw(st.integers(1, largest))
    chosen = select(strategy, pool, budget, seed)
    assert len(chosen) == len(set(chosen.tolist())) == budget
    assert set(chosen.tolist()) <= set(pool.ids.tolist())
    assert chosen.tolist() == sorted(chosen.tolist())
    np.testing.assert_array_equal(chosen, select(strategy, pool, budget, seed))
    order = np.random.default_rng(seed + 1).permutation(size)
    np.testing.assert_array_equal(chosen, select(strategy, Pool(pool.ids[order], pool.score[order]), budget, seed))
    smaller = select(strategy, pool, max(budget // 2, 1), seed)
    assert set(smaller.tolist()) <= set(chosen.tolist())


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_budget_larger_than_its_source_is_refused_with_both_numbers(strategy: str) -> None:
    source = round(SOURCE[strategy] * 100)
    assert len(select(strategy, pool_of(100), source, 0)) == source
    with pytest.raises(InputError, match=f"a budget of {source + 1} slices from {source}, expected 1 to {source}"):
        select(strategy, pool_of(100), source + 1, 0)
    with pytest.raises(InputError, match="a budget of 0"):
        select(strategy, pool_of(100), 0, 0)


@pytest.mark.parametrize("strategy", NEEDS_NO_SCORE)
def test_what_needs_no_score_ignores_it(strategy: str) -> None:
    pool = pool_of(50)
    np.testing.assert_array_equal(select(strategy, pool, 9, 3), select(strategy, Pool(pool.ids, -pool.score), 9, 3))


def test_windows_are_those_of_figure_3() -> None:
    pool = Pool(np.arange(4060), -np.arange(4060.0))
    assert [list(WINDOWS)[place] for place in (0, -1)] == ["window 0%-30%", "window 70%-100%"]
    for number, name in enumerate(WINDOWS):
        chosen = select(name, pool, 1218, 0)
        assert chosen.tolist() == list(range(406 * number, 406 * number + 1218))


def test_the_counts_of_brats_2019() -> None:
    """The committee's 1,218 slices, and the proposed set of 1,218 drawn from the middle 3,248 of 4,060."""
    pool = Pool(np.arange(4060), -np.arange(4060.0))
    assert len(pool.between(0.1, 0.9)) == 3248
    middle = select("middle", pool, 1218, 0)
    assert middle.min() >= 406
    assert middle.max() < 4060 - 406
    assert len(select("random", pool, round(0.3 * 4060), 0)) == 1218
    assert [round(k / 10 * 4060) for k in range(1, 9)] == [406 * k for k in range(1, 9)]
    assert [round(k / 10 * 2950) for k in range(1, 9)] == [295 * k for k in range(1, 9)]


def test_the_placebo_draws_other_slices_from_the_same_source() -> None:
    pool = pool_of(100)
    middle, placebo = (set(select(name, pool, 40, 0).tolist()) for name in ("middle", "placebo"))
    assert middle != placebo
    assert middle | placebo <= set(pool.between(0.1, 0.9).tolist())


def test_another_seed_draws_other_slices() -> None:
    pool = pool_of(100)
    assert select("random", pool, 30, 0).tolist() != select("random", pool, 30, 1).tolist()


def test_refusals() -> None:
    with pytest.raises(InputError, match="strategy is 'best', expected one of random, middle"):
        select("best", pool_of(20), 3, 0)
