"""What labels buy, by hand and against scipy."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ttest_rel

from brats_al_utils import InputError
from brats_al_utils.findings.budgets import curve_areas, label_efficiency, rank_stability, win_matrix


def curve(strategy: str, seed: int, points: dict[float, tuple[float, float]]) -> pd.DataFrame:
    """One run a budget, which leads to the share paid and the AUC."""
    rows = [(strategy, budget, seed, paid, auc) for budget, (paid, auc) in points.items()]
    return pd.DataFrame(rows, columns=["strategy", "budget", "seed", "paid", "auc"])


RANDOM = curve("random", 0, {0.2: (0.2, 0.6), 0.4: (0.4, 0.7), 0.6: (0.6, 0.7), 1.0: (1.0, 0.9)})
MIDDLE = curve("middle", 0, {0.2: (0.4, 0.7), 0.4: (0.5, 0.8)})


def test_area_by_hand() -> None:
    areas = curve_areas(pd.concat([RANDOM, MIDDLE])).set_index("strategy")
    # Both cover 0.4 to 0.5: random is at 0.7 throughout, middle goes from 0.7 to 0.8.
    assert areas["area"].to_dict() == pytest.approx({"random": 0.7, "middle": 0.75})
    assert areas[["low", "high"]].to_numpy() == pytest.approx(np.array([[0.4, 0.5]] * 2))
    alone = curve_areas(RANDOM)["area"]
    assert alone.tolist() == pytest.approx([(0.2 * 0.65 + 0.2 * 0.7 + 0.4 * 0.8) / 0.8])


@given(st.floats(0, 1), st.lists(st.floats(0.01, 1), min_size=2, max_size=6, unique=True), st.randoms())
def test_area_of_a_constant_is_the_constant(auc: float, shares: list[float], random: Any) -> None:
    frame = curve("random", 0, {share: (share, auc) for share in random.sample(shares, len(shares))})
    assert curve_areas(frame)["area"].tolist() == pytest.approx([auc])


def test_curves_without_a_common_share_are_refused() -> None:
    with pytest.raises(InputError, match="expected shares that all cover"):
        curve_areas(pd.concat([RANDOM, curve("late", 0, {0.1: (1.0, 0.9), 0.2: (1.1, 0.9)})]))


def test_label_efficiency_by_hand() -> None:
    points = {0.1: (0.5, 0.65), 0.2: (0.5, 0.7), 0.3: (0.5, 0.75), 0.4: (0.5, 0.55), 0.5: (0.5, 0.95)}
    table = label_efficiency(pd.concat([RANDOM, curve("middle", 0, points)]))
    # Random passes 0.65 halfway from 0.2 to 0.4; reaches 0.7 at 0.4, before its plateau; 0.75 a quarter from 0.6 to 1.
    assert table["random_paid"].tolist() == pytest.approx([0.3, 0.4, 0.7, 0.2, np.nan], nan_ok=True)
    assert table["saved"].tolist()[:4] == pytest.approx([1 - 0.5 / 0.3, 1 - 0.5 / 0.4, 1 - 0.5 / 0.7, 1 - 0.5 / 0.2])
    assert np.isnan(table["saved"].iloc[4])


def test_label_efficiency_takes_means_over_seeds() -> None:
    seeds = [curve("middle", seed, {0.2: (0.4 + 0.02 * seed, 0.6 + 0.1 * seed)}) for seed in (0, 1)]
    (row,) = label_efficiency(pd.concat([RANDOM, *seeds])).to_dict("records")
    assert (row["paid"], row["auc"], row["random_paid"]) == pytest.approx((0.41, 0.65, 0.3))
    with pytest.raises(InputError, match="no runs of 'random'"):
        label_efficiency(MIDDLE)


def test_wins_are_those_of_scipys_paired_test() -> None:
    random = np.random.default_rng(3)
    names, budgets, seeds = ["random", "middle", "top", "typical"], [0.1, 0.2, 0.3], range(5)
    frames = [
        curve(name, seed, {budget: (budget, 0.7 + 0.02 * number + 0.02 * random.normal()) for budget in budgets})
        for number, name in enumerate(names)
        for seed in seeds
    ]
    runs = pd.concat(frames)
    wins = win_matrix(runs)
    assert wins.index.tolist() == wins.columns.tolist() == names
    at = runs.set_index(["budget", "strategy", "seed"])["auc"].sort_index()
    for winner in names:
        for loser in names:
            expected = 0
            for budget in budgets:
                if winner != loser:
                    test = ttest_rel(at.loc[budget, winner], at.loc[budget, loser])
                    expected += test.pvalue < 0.05 and test.statistic > 0
            assert wins.loc[winner, loser] == expected
    assert wins.to_numpy()[3, 0] > 0
    assert 0 < wins.to_numpy().sum() < 6 * 3
    assert not np.diag(wins).any()


def test_a_strategy_without_a_budget_neither_wins_nor_loses_there() -> None:
    frames = [curve("random", seed, {0.1: (0.1, 0.6), 0.2: (0.2, 0.6)}) for seed in range(3)]
    frames += [curve("middle", seed, {0.1: (0.4, 0.7 + 0.01 * seed)}) for seed in range(3)]
    wins = win_matrix(pd.concat(frames))
    assert wins.loc["middle", "random"] == 1
    assert wins.to_numpy().sum() == 1


def test_rank_stability_by_hand() -> None:
    # Means 0.5, 0.6 and 0.9; without the last seed 0.55, 0.5 and 0.9: the two lower ones change places.
    values = pd.DataFrame({"a": [0.5, 0.6, 0.4], "b": [0.5, 0.5, 0.8], "c": [0.9, 0.9, 0.9]})
    table = rank_stability(values)
    assert table["strategy"].tolist() == ["c", "b", "a"]
    assert table["mean"].tolist() == pytest.approx([0.9, 0.6, 0.5])
    assert table[["rank", "best_rank", "worst_rank"]].to_numpy().tolist() == [[1, 1, 1], [2, 2, 3], [3, 2, 3]]
