"""What labels buy, by hand and by simulation."""

from math import inf

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brats_al_utils.beyond.comparison import budgets


def curve(strategy: str, seed: int, points: dict[float, tuple[float, float]]) -> pd.DataFrame:
    """One run a budget, which leads to the annotated share and the AUC."""
    rows = [(strategy, budget, seed, annotated, auc) for budget, (annotated, auc) in points.items()]
    return pd.DataFrame(rows, columns=["strategy", "budget", "seed", "annotated", "auc"])


RANDOM = curve("random", 0, {0.2: (0.2, 0.6), 0.4: (0.4, 0.7), 0.6: (0.6, 0.7), 1.0: (1.0, 0.9)})
SEEDS = [(0, -0.01), (1, 0.0), (2, 0.01)]
"""Three seeds and by how much each moves an AUC."""

MIDDLE = curve("middle", 0, {0.2: (0.4, 0.7), 0.4: (0.5, 0.8)})


def test_area_by_hand() -> None:
    areas = budgets.curve_areas(pd.concat([RANDOM, MIDDLE])).set_index("strategy")
    # Both cover 0.4 to 0.5: random is at 0.7 throughout, middle goes from 0.7 to 0.8.
    assert areas["area"].to_dict() == pytest.approx({"random": 0.7, "middle": 0.75})
    assert areas[["low", "high"]].to_numpy() == pytest.approx(np.array([[0.4, 0.5]] * 2))
    alone = budgets.curve_areas(RANDOM)["area"]
    assert alone.tolist() == pytest.approx([(0.2 * 0.65 + 0.2 * 0.7 + 0.4 * 0.8) / 0.8])
    areas = budgets.curve_areas(pd.concat([RANDOM, curve("late", 0, {0.1: (1.0, 0.9), 0.2: (1.1, 0.9)})]))
    assert areas[["area", "low", "high"]].isna().all(axis=None)
    ranked = budgets.rank_stability(areas.pivot(index="seed", columns="strategy", values="area"))
    assert ranked["mean"].isna().all()


def test_curves_are_read_by_hand_and_dips_levelled() -> None:
    points = np.array([0.2, 0.4, 0.6, 1.0]), np.array([0.6, 0.7, 0.7, 0.9])
    found = [budgets.share_at(auc, points) for auc in (0.6, 0.65, 0.7, 0.75, 0.9, 0.59, 0.91)]
    assert found == pytest.approx([0.2, 0.3, 0.5, 0.7, 1.0, np.nan, np.nan], nan_ok=True)
    assert budgets.share_at(0.8, (np.array([0.3]), np.array([0.8]))) == 0.3
    # 0.6, 0.8, 0.7: the last two are taken as 0.75. Means over the two seeds, by rising annotated share.
    seeds = [curve("random", seed, {0.1: (0.1, 0.6), 0.3: (0.3, 0.7 + seed / 50), 0.2: (0.2, 0.8)}) for seed in (-1, 1)]
    share, level = budgets.mean_curve(pd.concat(seeds))
    assert share.tolist() == [0.1, 0.2, 0.3]
    assert level.tolist() == pytest.approx([0.6, 0.75, 0.75])


def test_label_efficiency_by_hand() -> None:
    points = {0.2: (0.4, 0.75), 0.4: (0.8, 0.85)}
    table = budgets.label_efficiency(pd.concat([RANDOM, curve("middle", 0, points)]))
    # At 0.4, random has 0.75 at 0.7; random's 0.7 there is below all that middle has: 0.7 / 0.4, one way alone.
    # At 0.8, random has 0.85 at 0.9; random's 0.8 there is what middle has at 0.6: sqrt(0.9 / 0.8 * 0.8 / 0.6).
    needed = [0.7, 0.8 * np.sqrt(0.9 / 0.6)]
    assert table["random_annotated"].tolist() == pytest.approx(needed)
    assert table["saved"].tolist() == pytest.approx([1 - 0.4 / needed[0], 1 - 0.8 / needed[1]])
    assert table[["annotated", "auc"]].to_numpy().tolist() == [[0.4, 0.75], [0.8, 0.85]]
    assert table["censored"].tolist() == ["", ""]
    # One run says nothing of how far others would lie.
    assert (table[["random_low", "random_high", "saved_low", "saved_high"]] == [0, inf, -inf, 1]).all(axis=None)


def test_where_the_curves_share_no_auc_the_bound_is_marked() -> None:
    runs = [RANDOM, curve("worse", 0, {0.2: (0.4, 0.5)}), curve("better", 0, {0.2: (0.4, 0.95)})]
    table = budgets.label_efficiency(pd.concat(runs)).set_index("strategy")
    assert table["censored"].to_dict() == {"worse": "at most", "better": "more than"}
    assert table["random_annotated"].to_dict() == {"worse": 0.2, "better": 1.0}
    assert table["saved"].to_dict() == pytest.approx({"worse": -1.0, "better": 0.6})


aucs = st.lists(st.floats(0.5, 1), min_size=4, max_size=4)


@given(aucs, aucs)
def test_exchanging_the_two_turns_a_saving_into_the_same_loss(first: list[float], second: list[float]) -> None:
    shares = np.array([0.1, 0.2, 0.5, 0.8])
    curves = [(shares, np.sort(level)) for level in (first, second)]
    for share in shares:
        (one, how), (other, back) = (budgets.random_share(share, *pair) for pair in (curves, curves[::-1]))
        if not how:
            assert np.log(one / share) == pytest.approx(-np.log(other / share), abs=1e-9)
        assert {"": "", "at most": "more than", "more than": "at most"}[how] == back
    same = [budgets.random_share(share, curves[0], curves[0])[0] for share in shares]
    assert same == pytest.approx(shares.tolist())


def test_the_interval_by_hand() -> None:
    """Random's AUC rises by 0.5 a share: where the difference is 0, a share is twice an AUC. Three seeds."""
    random = [curve("random", s, {share: (share, 0.5 + 0.5 * share + e) for share in (0.0, 1.0)}) for s, e in SEEDS]
    middle = [curve("middle", s, {0.3: (0.4, 0.75 + 2 * e)}) for s, e in SEEDS]
    (row,) = budgets.label_efficiency(pd.concat([*random, *middle])).to_dict("records")
    half = 2 * 4.3027 * 0.01 / np.sqrt(3)  # t(2), and the differences vary by e, whose SD is 0.01
    assert row["random_annotated"] == pytest.approx(0.5)
    assert [row["random_low"], row["random_high"]] == pytest.approx([0.5 - half, 0.5 + half], abs=1 / 140)
    assert row["saved_low"] == pytest.approx(1 - 0.4 / row["random_low"])
    wider = budgets.label_efficiency(pd.concat([*random, *middle]), redrawn=1.0)
    assert wider["random_low"][0] == pytest.approx(0.5 - 2 * half, abs=1 / 140)  # sqrt((1/3 + 1) / (1/3)) = 2


@pytest.mark.parametrize(("auc", "limits"), [(0.3, (0.0, 0.2)), (1.5, (0.8, inf))])
def test_an_interval_beyond_the_curve_ends_where_the_curve_does(auc: float, limits: tuple[float, float]) -> None:
    random = [curve("random", s, {share: (share, 0.5 + 0.5 * share + e) for share in (0.2, 0.8)}) for s, e in SEEDS]
    runs = [*random, *(curve("middle", s, {0.3: (0.4, auc + 2 * e)}) for s, e in SEEDS)]
    (row,) = budgets.label_efficiency(pd.concat(runs)).to_dict("records")
    assert (row["random_low"], row["random_high"]) == pytest.approx(limits)


def test_rank_stability_by_hand() -> None:
    # Means 0.5, 0.6 and 0.9; without the last seed 0.55, 0.5 and 0.9: the two lower ones change places.
    values = pd.DataFrame({"a": [0.5, 0.6, 0.4], "b": [0.5, 0.5, 0.8], "c": [0.9, 0.9, 0.9]})
    table = budgets.rank_stability(values)
    assert table["strategy"].tolist() == ["c", "b", "a"]
    assert table["mean"].tolist() == pytest.approx([0.9, 0.6, 0.5])
    assert table[["rank", "best_rank", "worst_rank"]].to_numpy().tolist() == [[1, 1, 1], [2, 2, 3], [3, 2, 3]]
