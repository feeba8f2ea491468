"""Statistics against values worked out by hand and against their definitions."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brats_al_utils import InputError
from brats_al_utils.statistics import auc, by_unit, difference, mean_interval, summarise


def test_auc_by_hand() -> None:
    # Of the six pairs (HGG, LGG): 0.9 beats three, 0.4 beats one, ties one and loses one: 4.5 of 6.
    assert auc(np.array([1, 0, 0, 1, 0]), np.array([0.9, 0.4, 0.8, 0.4, 0.1])) == pytest.approx(4.5 / 6)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=2, max_size=40))
def test_auc_is_the_share_of_ordered_pairs(rows: list[tuple[bool, int]]) -> None:
    label, score = (np.array(column) for column in zip(*rows, strict=True))
    high, low = score[label], score[~label]
    if not high.size or not low.size:
        with pytest.raises(InputError, match="expected both 0 and 1"):
            auc(label.astype(int), score)
        return
    pairs = np.sign(high[:, None] - low[None, :])
    assert auc(label.astype(int), score) == pytest.approx((pairs + 1).mean() / 2)


def test_by_patient_is_the_mean_over_slices() -> None:
    frame = pd.DataFrame({"patient_id": ["a", "a", "b"], "label": [1, 1, 0], "score": [0.2, 0.6, 0.5]})
    patients = by_unit(frame, "patient")
    assert patients["score"].tolist() == pytest.approx([0.4, 0.5])
    assert patients["label"].tolist() == [1, 0]
    assert by_unit(frame, "slice")["score"].tolist() == [0.2, 0.6, 0.5]


def test_interval_by_hand() -> None:
    # Mean 3, standard deviation sqrt(2.5), t(0.975, 4) = 2.7764.
    mean, low, high = mean_interval(np.array([1.0, 2, 3, 4, 5]))
    half = 2.776445 * np.sqrt(2.5 / 5)
    assert (mean, low, high) == pytest.approx((3, 3 - half, 3 + half), abs=1e-5)
    assert np.isnan(mean_interval(np.array([0.7]))[1:]).all()


def test_interval_covers() -> None:
    """Of many samples of ten, 95 % of the intervals hold the true mean."""
    samples = np.random.default_rng(0).normal(0.8, 0.05, (2000, 10))
    covered = [low <= 0.8 <= high for _, low, high in map(mean_interval, samples)]
    assert np.mean(covered) == pytest.approx(0.95, abs=0.015)


def runs() -> pd.DataFrame:
    rows = [
        (arm, seed, cohort, "slice", 0.7 + 0.1 * (arm == "b") + 0.01 * seed)
        for arm in ("b", "a")
        for seed in (0, 1, 2)
        for cohort in ("validation", "test")
    ]
    return pd.DataFrame(rows, columns=["arm", "seed", "cohort", "unit", "auc"])


def test_summary() -> None:
    summary = summarise(runs())
    assert summary["arm"].tolist() == ["b", "b", "a", "a"]
    assert summary["n_runs"].tolist() == [3] * 4
    assert summary["auc_mean"].tolist() == pytest.approx([0.81, 0.81, 0.71, 0.71])


def test_difference_is_paired_by_seed() -> None:
    gain = difference(runs(), "b", "a")
    assert gain["auc_difference"].tolist() == pytest.approx([0.1, 0.1])
    # The seeds' differences are all 0.1: paired, nothing varies.
    assert gain["ci_low"].tolist() == pytest.approx([0.1, 0.1])
