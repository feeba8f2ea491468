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
from brats_al_utils.beyond.comparison import quality
from brats_al_utils.findings.statistics import base_rate_loss, by_unit, mean_interval, summarise, unlearned
from brats_al_utils.networks.training import auc


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


def test_intervals_by_hand() -> None:
    # Mean 3, standard deviation sqrt(2.5), t(0.975, 4) = 2.7764.
    mean, low, high = mean_interval(np.array([1.0, 2, 3, 4, 5]))
    half = 2.776445 * np.sqrt(2.5 / 5)
    assert (mean, low, high) == pytest.approx((3, 3 - half, 3 + half), abs=1e-5)
    assert np.isnan(mean_interval(np.array([0.7]))[1:]).all()
    # Nadeau and Bengio: variance 2.5 times (1/5 + a quarter), not 2.5 / 5.
    mean, low, high = mean_interval(np.array([1.0, 2, 3, 4, 5]), redrawn=0.25)
    half = 2.776445 * np.sqrt(2.5 * 0.45)
    assert (mean, low, high) == pytest.approx((3, 3 - half, 3 + half), abs=1e-5)


def test_calibration_error_is_that_of_scikit_learns_curve() -> None:
    random = np.random.default_rng(1)
    score = random.random(40 * quality.BINS) ** 3  # bins of equal width would have other numbers of them
    label = (random.random(len(score)) < score).astype(int)
    share, mean = calibration_curve(label, score, n_bins=quality.BINS, strategy="quantile")
    assert quality.expected_calibration_error(label, score) == pytest.approx(np.abs(share - mean).mean())


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 3)), min_size=2, max_size=30), st.randoms())
def test_calibration_error_does_not_depend_on_the_order(rows: list[tuple[bool, int]], random: Any) -> None:
    def error(of: list[tuple[bool, int]]) -> float:
        label, score = (np.array(column) for column in zip(*of, strict=True))
        return quality.expected_calibration_error(label.astype(int), score / 3)

    assert error(random.sample(rows, len(rows))) == pytest.approx(error(rows))


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 8)), min_size=2, max_size=30))
def test_no_threshold_beats_youdens(rows: list[tuple[bool, int]]) -> None:
    high, score = (np.array(column) for column in zip(*rows, strict=True))
    if high.all() or not high.any():
        return

    def j(threshold: float) -> float:
        called = score >= threshold
        return float(called[high].mean() - called[~high].mean())

    best = max(map(j, [*np.unique(score), np.inf]))
    assert j(quality.youden_threshold(high.astype(int), score)) == pytest.approx(best)


def test_measures_by_hand() -> None:
    validation = pd.DataFrame({"label": [0, 0, 1, 1], "score": [0.2, 0.6, 0.5, 0.7]})
    test = pd.DataFrame({"label": [0, 0, 1, 1, 1], "score": [0.1, 0.8, 0.7, 0.9, 0.3]})
    values = quality.measures(validation, test)
    # Both 0.7 and 0.5 reach J = 0.5 on validation: the higher.
    assert values["threshold"] == 0.7
    assert values["sensitivity"] == pytest.approx(2 / 3)
    assert values["specificity"] == pytest.approx(1 / 2)
    assert values["auc"] == pytest.approx(4 / 6)
    assert values["brier"] == pytest.approx((0.01 + 0.64 + 0.09 + 0.01 + 0.49) / 5)
    # From the lowest P(HGG) on, the two LGG come first and fourth: precision 1 and 2/4.
    assert values["average_precision"] == pytest.approx((1 + 2 / 4) / 2)


def test_optimism_by_hand() -> None:
    validation = {"validation_best": [0.80, 0.84], "validation_last": [0.75, 0.77]}
    frame = pd.DataFrame({"arm": "a", **validation, "test_best": [0.73, 0.75], "test_last": [0.72, 0.72]})
    means = quality.optimism(frame).set_index("quantity")["auc_mean"]
    assert means[["gap", "gain", "optimism"]].tolist() == pytest.approx([0.08, 0.02, 0.04])
    assert means["validation_last"] == pytest.approx(0.76)


def test_identical_runs_are_one_run_and_values_that_do_not_vary_no_certainty() -> None:
    rows = pd.DataFrame({"arm": "a", "seed": [0, 1, 2], "auc": [0.8, 0.8, 0.9], "key": ["k", "k", "l"]})
    rows = rows.assign(part="test", unit="slice")
    of_two = summarise(rows).iloc[0]
    assert of_two[["n_runs", "auc_mean"]].tolist() == pytest.approx([2, 0.85])
    limits = [0.85 - 12.7062 * 0.05, 1.0]  # no AUC exceeds 1
    assert of_two[["runs_low", "runs_high"]].tolist() == pytest.approx(limits, abs=1e-5)
    assert summarise(pd.concat([rows.assign(arm="b"), rows]))["arm"].tolist() == ["b", "a"], "in the order of the rows"
    same = summarise(rows.assign(key="k", auc=0.8)).iloc[0]
    assert same["n_runs"] == 1
    assert np.isnan(same["runs_low"])
    for values in ([0.7, 0.7, 0.7], [0.1 + 0.2, 0.3, 0.3]):
        assert np.isnan(mean_interval(np.array(values))[1:]).all()


def test_the_base_rate_loss_is_that_of_the_best_constant_guess() -> None:
    labels = np.array([1, 1, 1, 0])
    guess = np.linspace(0.01, 0.99, 99)
    assert base_rate_loss(labels) == pytest.approx((-0.75 * np.log(guess) - 0.25 * np.log(1 - guess)).min(), abs=1e-4)
    assert base_rate_loss(np.array([1, 0])) == pytest.approx(np.log(2))
    assert base_rate_loss(np.array([1, 1])) == 0


def test_an_arm_has_not_learned_if_half_of_its_runs_have_not() -> None:
    runs = pd.DataFrame({"arm": ["scratch"] * 2 + ["half"] * 2 + ["most"] * 3 + ["once"] * 2, "key": [*"012345677"]})
    runs["learned"] = ~runs["key"].isin([*"0124"])
    assert unlearned(runs) == {"scratch", "half"}
