"""Statistics against values worked out by hand and against their definitions."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve
from sklearn.metrics import roc_auc_score

from brats_al_utils import InputError
from brats_al_utils.beyond.comparison.quality import (
    BINS,
    expected_calibration_error,
    measures,
    optimism,
    youden_threshold,
)
from brats_al_utils.findings.statistics import base_rate_loss, by_unit, mean_interval, summarise, unlearned
from brats_al_utils.networks.training import auc


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
    assert auc(label.astype(int), score) == (pairs + 1).sum() / 2 / pairs.size, "exact: equals are equal"
    assert auc(label.astype(int), score) == pytest.approx(roc_auc_score(label, score))


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


def test_interval_over_redrawn_splits_by_hand() -> None:
    # Nadeau and Bengio: variance 2.5 times (1/5 + a quarter), not 2.5 / 5.
    mean, low, high = mean_interval(np.array([1.0, 2, 3, 4, 5]), redrawn=0.25)
    half = 2.776445 * np.sqrt(2.5 * 0.45)
    assert (mean, low, high) == pytest.approx((3, 3 - half, 3 + half), abs=1e-5)


def test_interval_over_redrawn_splits_covers() -> None:
    """Of splits that share slices; the plain interval, which takes them for independent, is too narrow."""
    random = np.random.default_rng(0)
    held = []
    for _ in range(1000):
        # 100 slices, split ten times into 80 and 20: the error of a model that learns the training mean.
        slices = random.normal(size=100)
        orders = [random.permutation(slices) for _ in range(10)]
        errors = np.array([((order[80:] - order[:80].mean()) ** 2).mean() for order in orders])
        truth = 1 + 1 / 80
        held.append([low <= truth <= high for _, low, high in (mean_interval(errors), mean_interval(errors, 20 / 80))])
    plain, corrected = np.mean(held, axis=0)
    assert plain < 0.8
    assert corrected == pytest.approx(0.93, abs=0.04)


@pytest.mark.parametrize("cycles", [1, 2])
def test_interval_over_folds_covers_under_its_own_assumption(cycles: int) -> None:
    """Nadeau and Bengio's: any two runs correlate by test / (test + training), a quarter for five folds."""
    random, runs = np.random.default_rng(cycles), 5 * cycles
    common = np.sqrt(0.25) * random.normal(size=(4000, 1))
    samples = 0.8 + 0.05 * (common + np.sqrt(0.75) * random.normal(size=(4000, runs)))
    held = [
        [low <= 0.8 <= high for _, low, high in (mean_interval(of, redrawn) for redrawn in (0.0, 1 / 3))]
        for of in samples
    ]
    plain, corrected = np.mean(held, axis=0)
    assert plain < 0.88
    assert 0.94 <= corrected <= 0.96


def test_calibration_error_by_hand() -> None:
    # Fifteen bins of two: in the first, P(HGG) is 0.1 and half are HGG; in all others P(HGG) and label agree.
    score = np.concatenate([[0.1, 0.1], np.repeat(np.linspace(0.9, 0.99, 14), 2)])
    label = np.concatenate([[0, 1], np.ones(28, int)])
    rest = 2 * (1 - np.linspace(0.9, 0.99, 14)).sum()
    assert expected_calibration_error(label, score) == pytest.approx((2 * (0.5 - 0.1) + rest) / 30)


def test_calibration_error_is_that_of_scikit_learns_curve() -> None:
    random = np.random.default_rng(1)
    score = random.random(40 * BINS)
    label = (random.random(len(score)) < score**2).astype(int)
    share, mean = calibration_curve(label, score, n_bins=BINS, strategy="quantile")
    assert expected_calibration_error(label, score) == pytest.approx(np.abs(share - mean).mean())
    # Of P = score where the share is score squared: the integral of s - s^2, and what chance adds.
    assert expected_calibration_error(label, score) == pytest.approx(1 / 6, abs=0.03)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 3)), min_size=2, max_size=30), st.randoms())
def test_calibration_error_does_not_depend_on_the_order(rows: list[tuple[bool, int]], random: Any) -> None:
    def error(of: list[tuple[bool, int]]) -> float:
        label, score = (np.array(column) for column in zip(*of, strict=True))
        return expected_calibration_error(label.astype(int), score / 3)

    assert error(random.sample(rows, len(rows))) == pytest.approx(error(rows))


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 8)), min_size=2, max_size=30))
def test_no_threshold_beats_youdens(rows: list[tuple[bool, int]]) -> None:
    high, score = (np.array(column) for column in zip(*rows, strict=True))
    if high.all() or not high.any():
        return

    def j(threshold: float) -> float:
        called = score >= threshold
        return float(called[high].mean() - called[~high].mean())

    assert j(youden_threshold(high.astype(int), score)) == pytest.approx(max(map(j, [*np.unique(score), np.inf])))


def test_measures_by_hand() -> None:
    validation = pd.DataFrame({"label": [0, 0, 1, 1], "score": [0.2, 0.6, 0.5, 0.7]})
    test = pd.DataFrame({"label": [0, 0, 1, 1, 1], "score": [0.1, 0.8, 0.7, 0.9, 0.3]})
    values = measures(validation, test)
    # Both 0.7 and 0.5 reach J = 0.5 on validation: the higher.
    assert values["threshold"] == 0.7
    assert values["sensitivity"] == pytest.approx(2 / 3)
    assert values["specificity"] == pytest.approx(1 / 2)
    assert values["auc"] == pytest.approx(4 / 6)
    assert values["brier"] == pytest.approx((0.01 + 0.64 + 0.09 + 0.01 + 0.49) / 5)
    # From the lowest P(HGG) on, the two LGG come first and fourth: precision 1 and 2/4.
    assert values["average_precision"] == pytest.approx((1 + 2 / 4) / 2)


def test_optimism_by_hand() -> None:
    frame = pd.DataFrame(
        {
            "arm": "a",
            "validation_best": [0.80, 0.84],
            "validation_last": [0.75, 0.77],
            "test_best": [0.73, 0.75],
            "test_last": [0.72, 0.72],
        }
    )
    means = optimism(frame).set_index("quantity")["auc_mean"]
    assert means[["gap", "gain", "optimism"]].tolist() == pytest.approx([0.08, 0.02, 0.04])
    assert means["validation_last"] == pytest.approx(0.76)


def test_optimism_is_what_choosing_adds() -> None:
    """Epochs that are all as good: choosing gains nothing on test, and whatever the patients, optimism is the rest."""
    random = np.random.default_rng(2)
    validation = 0.9 + 0.02 * random.normal(size=(500, 30))
    test = 0.7 + 0.02 * random.normal(size=(500, 30))
    best = validation.argmax(1)
    frame = pd.DataFrame(
        {
            "arm": "a",
            "validation_best": validation.max(1),
            "validation_last": validation[:, -1],
            "test_best": test[np.arange(500), best],
            "test_last": test[:, -1],
        }
    )
    means = optimism(frame).set_index("quantity")["auc_mean"]
    # The expected largest of thirty normal values is 2.043 standard deviations above their mean.
    assert means["optimism"] == pytest.approx(2.043 * 0.02, abs=0.004)
    assert means["gap"] == pytest.approx(0.2 + 2.043 * 0.02, abs=0.004)


def runs() -> pd.DataFrame:
    rows = [
        (arm, seed, part, "slice", 0.7 + 0.1 * (arm == "b") + 0.01 * seed)
        for arm in ("b", "a")
        for seed in (0, 1, 2)
        for part in ("validation", "test")
    ]
    return pd.DataFrame(rows, columns=["arm", "seed", "part", "unit", "auc"])


def test_summary() -> None:
    summary = summarise(runs())
    assert summary["arm"].tolist() == ["b", "b", "a", "a"]
    assert summary["n_runs"].tolist() == [3] * 4
    assert summary["auc_mean"].tolist() == pytest.approx([0.81, 0.81, 0.71, 0.71])


def test_identical_runs_are_one_run() -> None:
    rows = pd.DataFrame(
        {"arm": "a", "seed": [0, 1, 2], "part": "test", "unit": "slice", "auc": [0.8, 0.8, 0.9], "key": ["k", "k", "l"]}
    )
    of_two = summarise(rows).iloc[0]
    assert of_two[["n_runs", "auc_mean"]].tolist() == pytest.approx([2, 0.85])
    assert (of_two["runs_low"], of_two["runs_high"]) == pytest.approx(
        (0.85 - 12.7062 * 0.05, 1.0), abs=1e-5
    )  # no AUC exceeds 1
    same = summarise(rows.assign(key="k", auc=0.8)).iloc[0]
    assert same["n_runs"] == 1
    assert np.isnan(same["runs_low"])


def test_values_that_do_not_vary_are_no_certainty() -> None:
    for values in ([0.7, 0.7, 0.7], [0.1 + 0.2, 0.3, 0.3]):
        assert np.isnan(mean_interval(np.array(values))[1:]).all()


def test_the_base_rate_loss_is_that_of_the_best_constant_guess() -> None:
    labels = np.array([1, 1, 1, 0])
    guesses = np.linspace(0.01, 0.99, 99)
    assert base_rate_loss(labels) == pytest.approx(
        (-0.75 * np.log(guesses) - 0.25 * np.log(1 - guesses)).min(), abs=1e-4
    )
    assert base_rate_loss(np.array([1, 0])) == pytest.approx(np.log(2))
    assert base_rate_loss(np.array([1, 1])) == 0


def test_an_arm_has_not_learned_if_half_of_its_runs_have_not() -> None:
    runs = pd.DataFrame(
        [
            *(("scratch", f"s{run}", False) for run in range(2)),
            *(("half", f"h{run}", run > 0) for run in range(2)),
            *(("most", f"m{run}", run > 0) for run in range(3)),
            ("once", "o", True),
            ("once", "o", True),
        ],
        columns=["arm", "key", "learned"],
    )
    assert unlearned(runs) == {"scratch", "half"}
