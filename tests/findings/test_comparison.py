"""Tests and intervals across patients against brute force, scipy, and simulations whose truth is known."""

from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import permutation_test

from brats_al_utils import InputError
from brats_al_utils.findings import comparison
from brats_al_utils.findings.comparison import Error, Pairs, across_both, across_patients, compare, patient_pairs
from brats_al_utils.findings.statistics import UNITS, by_unit, mean_interval, units_of
from brats_al_utils.networks.training import auc


def predictions(seed: int, sizes: tuple[int, ...] = (3, 1, 2, 4, 2), high: int = 3, decimals: int = 1) -> pd.DataFrame:
    """Scores of two arms with three seeds each; rounded, so that there are ties. The first patients are HGG."""
    random, patient = np.random.default_rng(seed), np.repeat(np.arange(len(sizes)), sizes)
    rows = pd.DataFrame({"patient_id": [f"p{number}" for number in patient], "label": (patient < high).astype(int)})
    frames = []
    for arm, number in ((arm, number) for arm in ("b", "a") for number in range(3)):
        score = np.round(random.random(len(rows)) * 0.7 + rows["label"] * 0.3, decimals)
        frames.append(rows.assign(arm=arm, seed=number, score=score))
    return pd.concat(frames)


def in_folds(folds: int, cycles: int, seed: int = 0, patients: tuple[int, int] = (30, 20)) -> pd.DataFrame:
    """Two arms, whose runs test one fold of the patients each; a cycle deals them anew."""
    random = np.random.default_rng(seed)
    frames = []
    label = np.repeat([1, 0], patients)
    typical = random.normal(size=len(label))
    for number in range(folds * cycles):
        if number % folds == 0:
            dealt = np.concatenate([random.permutation(count) % folds for count in patients])
        (tested,) = np.nonzero(dealt == number % folds)
        chosen = np.repeat(tested, 2)
        for arm in ("a", "b"):
            score = typical[chosen] + label[chosen] + random.normal(size=len(chosen))
            facts = {"arm": arm, "seed": number, "fold": number % folds, "patient_id": chosen, "label": label[chosen]}
            frames.append(pd.DataFrame({**facts, "score": score}))
    return pd.concat(frames, ignore_index=True)


def test_a_patient_of_two_cycles_is_one_patient() -> None:
    """With the same deal and scores again, the second cycle tells nothing: by its keys it is the first."""
    frame = in_folds(5, 1)
    again = pd.concat([frame, frame.assign(seed=frame["seed"] + 5)])
    once, twice = (patient_pairs(rows, "slice") for rows in (frame, again))
    assert across_patients(twice, "a").error == pytest.approx(across_patients(once, "a").error)
    assert comparison.intervals(twice)["n_runs"].tolist() == [5, 5]
    # As runs of their own with the same scores, they add no patient: the error is not less by root two. It is a little
    # more, since a patient's companions in a fold are supposed to be others in the second cycle.
    named = patient_pairs(again.assign(key=again["arm"] + again["seed"].astype(str)), "slice")
    assert comparison.intervals(named)["n_runs"].tolist() == [10, 10]
    own = comparison.by_part(once, once.estimate("a")[1].mean(0))
    assert across_patients(named, "a").error == pytest.approx(np.sqrt((own * (1 + 0.5 * 4 / once.freedom)).sum()))


def test_runs_that_cannot_be_paired_are_refused() -> None:
    frame = predictions(0)
    with pytest.raises(InputError, match="no run of arm and seed"):
        patient_pairs(frame[(frame["arm"] == "a") | (frame["seed"] == 0)], "slice")
    with pytest.raises(InputError, match="other slices"):
        patient_pairs(frame.iloc[1:], "slice")
    with pytest.raises(InputError, match="no arm 'c', expected some of b, a"):
        compare(patient_pairs(frame, "slice"), [("a", "c")])
    folds = in_folds(3, 1)
    with pytest.raises(InputError, match="other slices"):
        patient_pairs(folds.drop(index=folds.index[-1]), "slice")


def test_limits_and_degrees_of_freedom_by_hand() -> None:
    # t(0.975, 4) = 2.7764; logit(0.8) = 1.3863, error 0.05 / 0.16 = 0.3125.
    assert comparison.difference_limits(0.1, Error(0.05, 4)) == pytest.approx((0.1 - 0.13882, 0.1 + 0.13882), abs=1e-5)
    low, high = (1 / (1 + np.exp(-(1.3863 + sign * 2.7764 * 0.3125))) for sign in (-1, 1))
    assert comparison.auc_limits(0.8, Error(0.05, 4)) == pytest.approx((low, high), abs=1e-4)
    assert np.isnan(comparison.auc_limits(1.0, Error(0.1, 4))).all()
    # No gain exceeds 1.
    assert comparison.difference_limits(0.5, Error(0.1, 1)) == pytest.approx((0.5 - 1.27062, 1.0), abs=1e-5)
    assert np.isnan(comparison.difference_limits(0.1, Error())).all()
    assert comparison.freedom(np.array([3.0, 1.0]), np.array([9, 4])) == pytest.approx(16 / (9 / 9 + 1 / 4))
    assert comparison.freedom(np.array([2.0, 0.0]), np.array([9, 4])) == pytest.approx(9)
    # 3.2, but never below the fewest.
    assert comparison.freedom(np.array([3.0, -1.0]), np.array([9, 4])) == pytest.approx(4)


def adjusted_by_closure(p: list[float]) -> list[float]:
    """Holm's procedure is the closure of Bonferroni's: the largest Bonferroni p of all subsets that hold a test."""
    numbers = range(len(p))
    subsets = [subset for size in range(1, len(p) + 1) for subset in combinations(numbers, size)]
    bonferroni = {subset: min(len(subset) * min(p[number] for number in subset), 1) for subset in subsets}
    return [max(value for subset, value in bonferroni.items() if number in subset) for number in numbers]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_holm_is_the_closure_of_bonferroni_and_counts_only_what_was_tested(p: list[float]) -> None:
    expected = [*adjusted_by_closure(p), np.nan]
    assert comparison.holm(np.array([*p, np.nan])) == pytest.approx(expected, nan_ok=True)


def test_a_family_is_what_the_caller_shows_together() -> None:
    table = pd.DataFrame({"unit": ["slice", "patient", "slice"], "p_patients": [0.01, 0.02, 0.03], "p_both": 0.5})
    assert comparison.adjusted(table)["p_patients_holm"].tolist() == pytest.approx([0.03, 0.04, 0.04])
    assert comparison.adjusted(table, ["unit"])["p_patients_holm"].tolist() == pytest.approx([0.02, 0.02, 0.03])
    assert comparison.adjusted(table)["p_both_holm"].tolist() == [1, 1, 1]


def test_the_detectable_difference_by_known_values() -> None:
    # Cohen 1988, table 2.4.1, and any power calculator: 10 pairs find d = 0.9964 of their standard deviation.
    assert comparison.detectable(Error(1 / 10 / np.sqrt(10), 9)) == pytest.approx(0.09964, abs=2e-4)
    assert comparison.detectable(Error(0.03, 1e5)) == pytest.approx(0.03 * (1.959964 + 0.841621), rel=1e-4)
    # One degree of freedom: found if |z + d| > 12.7062 |w|; about d > 12.7062 |w|, with P(|w| < 1.28155) = 0.8.
    assert comparison.detectable(Error(0.01, 1)) == pytest.approx(0.01 * 12.7062 * 1.28155, rel=0.01)
    assert np.isnan(comparison.detectable(Error(0.3, 1)))  # 4.9: no two AUCs differ so much
    assert np.isnan(comparison.detectable(Error()))


@pytest.mark.parametrize("unit", UNITS)
def test_table_of_comparisons(unit: str) -> None:
    frame = predictions(11, (4,) * 30, high=20, decimals=3)
    table = compare(patient_pairs(frame, unit), [("b", "a"), ("a", "b"), ("a", "a")])
    scored = {key: by_unit(run, unit) for key, run in frame.groupby(["arm", "seed"])}
    aucs = {key: auc(run["label"].to_numpy(), run["score"].to_numpy()) for key, run in scored.items()}
    b, a = ([aucs[arm, seed] for seed in range(3)] for arm in "ba")
    forward, backward, same = (table.iloc[number] for number in range(3))
    assert forward.auc_difference == pytest.approx(np.mean(b) - np.mean(a))
    assert backward.auc_difference == pytest.approx(-forward.auc_difference)
    assert (backward.both_low, backward.p_patients) == pytest.approx((-forward.both_high, forward.p_patients))
    holm = comparison.holm(table["p_patients"].to_numpy())
    assert table["p_patients_holm"].tolist() == pytest.approx(holm, nan_ok=True)
    assert same.auc_difference == 0
    assert same[["runs_low", "patients_low", "both_low", "p_patients", "p_both", "detectable"]].isna().all()
    assert not table.filter(like="seeds").columns.tolist()
    assert table["noninferior"].tolist() == (table["both_low"] > -comparison.MARGIN).tolist()
    for row in (forward, backward):
        assert row.both_low <= row.patients_low < row.auc_difference < row.patients_high <= row.both_high


def test_p_is_close_to_that_of_exchanging_the_arms_within_patients() -> None:
    """A permutation test needs no formula for the variance: each patient's two scores are exchanged or not."""
    random = np.random.default_rng(4)
    label = np.repeat([1, 0], [60, 40])
    common = random.normal(size=100) + label
    one, other = common + 0.6 * random.normal(size=100) + 0.25 * label, common + 0.6 * random.normal(size=100)
    base = pd.DataFrame({"seed": 0, "patient_id": range(100), "label": label})
    frame = pd.concat([base.assign(arm="one", score=one), base.assign(arm="other", score=other)])

    def gain(x: Any, y: Any) -> float:
        return float((x[:60, None] > x[60:]).mean() - (y[:60, None] > y[60:]).mean())

    permuted = permutation_test((one, other), gain, permutation_type="samples", n_resamples=2000, rng=0)
    (p,) = compare(patient_pairs(frame, "patient"), [("one", "other")])["p_patients"]
    assert 0.01 < p < 0.3
    assert p == pytest.approx(permuted.pvalue, abs=0.03)


def test_across_both_by_hand() -> None:
    """Three runs, whose patients do the same in all: the runs' variance is theirs alone, and is added."""
    share = np.array([0.02, -0.02, 0.03, -0.03])
    positive = np.array([True, True, False, False])
    keys = np.array([["k0", "k1", "k2"]])
    pairs = Pairs(("a",), keys, np.array([[0.6, 0.7, 0.8]]), np.stack([[share] * 3]), positive)
    error = across_both(pairs, "a")
    assert error.error == pytest.approx(np.sqrt(2 * 0.02**2 + 2 * 0.03**2 + 0.01 / 3))
    parts = np.array([2 * 0.02**2, 2 * 0.03**2, 0.01 / 3])
    assert error.freedom == pytest.approx(max(parts.sum() ** 2 / ((parts**2) / [1, 1, 2]).sum(), 1))
    two = Pairs(("a",), keys[:, :2], pairs.aucs[:, :2], pairs.shares[:, :2], positive)
    assert np.isnan(across_both(two, "a").error)
    assert comparison.lacking(two, "a") == "2 distinct runs, expected at least 3"


def test_across_both_a_difference_counts_nothing_twice() -> None:
    positive = np.array([True, True, False, False])
    keys = np.array([["k0", "k1", "k2", "k3"], ["l0", "l1", "l2", "l3"]])
    share = np.array([0.02, -0.02, 0.03, -0.03])
    none = np.zeros((4, 4))
    aucs = np.array([[0.6, 0.8, 0.6, 0.8], [0.5] * 4])  # their variance is 0.04 / 3
    # The same patients do the same in all runs: all that the runs differ in is their own.
    alike = Pairs(("a", "b"), keys, aucs, np.stack([[share] * 4, none]), positive)
    own = 2 * 0.02**2 + 2 * 0.03**2
    assert across_both(alike, "a", "b").error == pytest.approx(np.sqrt(own + 0.04 / 3 / 4))
    # Other patients in each second run, as in two folds: what these explain of the runs' variance is known.
    other = np.stack([[share * [1, 0, 1, 0] * np.sqrt(2), share * [0, 1, 0, 1] * np.sqrt(2)] * 2, none])
    folds = Pairs(("a", "b"), keys, aucs, other, positive)
    known = 4 / 3 * (own - own / 2)
    assert across_patients(folds, "a", "b").error == pytest.approx(np.sqrt(own / 2))
    assert across_both(folds, "a", "b").error == pytest.approx(np.sqrt(own / 2 + (0.04 / 3 - known) / 4))
    # Runs that differ by less than their patients explain add nothing.
    level = Pairs(("a", "b"), keys, np.array([[0.7, 0.7001, 0.7, 0.7], [0.5] * 4]), other, positive)
    both = across_both(level, "a", "b")
    assert both.error == across_patients(level, "a", "b").error
    assert comparison.run_sd(level, "a", "b") == 0
    # They have the degrees of freedom of four runs all the same: each patients' part is less by its share of them.
    of_patients = np.array([2 * 0.02**2, 2 * 0.03**2]) / 2 * (1 - 1 / 3)
    parts = np.append(of_patients, known / 4)
    assert both.freedom == pytest.approx(parts.sum() ** 2 / (parts**2 / [1, 1, 3]).sum())


def test_one_cycle_of_folds_that_came_out_alike_has_the_runs_degrees_of_freedom() -> None:
    pairs = patient_pairs(in_folds(5, 1), "slice")
    assert (pairs.folds, pairs.freedom.tolist()) == (5, [25, 15])
    level = replace(pairs, aucs=0.7 + 0.01 * (pairs.aucs - pairs.aucs.mean()))
    assert across_both(level, "a", "b").freedom == pytest.approx(4)
    row = compare(level, [("a", "b")]).iloc[0]
    assert row["run_sd"] == 0
    gains = level.aucs[0] - level.aucs[1]
    assert row[["runs_low", "runs_high"]].tolist() == pytest.approx(mean_interval(gains, redrawn=1 / 3)[1:])
    assert row["both_high"] - row["both_low"] > 1.3 * (row["patients_high"] - row["patients_low"])


def test_few_runs_or_patients_give_no_interval_rather_than_a_wrong_one() -> None:
    frame = predictions(2)
    single = patient_pairs(frame[frame["seed"] == 0], "slice")
    one_run = compare(single, [("a", "b")]).iloc[0]
    assert one_run[["runs_low", "both_low", "p_both", "detectable"]].isna().all()
    assert np.isfinite(one_run["patients_low"])
    assert not one_run["noninferior"]
    assert comparison.lacking(single, "a", "b") == "one distinct run of a"
    one_patient = patient_pairs(frame[frame["patient_id"] != "p3"], "slice")
    assert comparison.intervals(one_patient)[["patients_low", "both_low"]].isna().to_numpy().all()
    assert comparison.intervals(one_patient)["auc_mean"].notna().all()
    assert comparison.lacking(one_patient, "a") == "one patient of a class in a test set"
    assert comparison.lacking(patient_pairs(frame, "slice"), "a", "b") == ""


def assert_nothing_told(pairs: Pairs, reason: str) -> None:
    row, of_arm = compare(pairs, [("a", "b")]).iloc[0], comparison.intervals(pairs).iloc[0]
    assert row[["both_low", "both_high", "p_both", "detectable"]].isna().all()
    assert of_arm[["both_low", "both_high"]].isna().all()
    assert comparison.lacking(pairs, "a", "b").startswith(reason)


def test_identical_runs_are_one_run() -> None:
    frame = predictions(3, (2,) * 12, high=7)
    first = frame[frame["seed"] == 0]
    copies = pd.concat(first.assign(seed=seed) for seed in range(3))
    assert_nothing_told(patient_pairs(copies, "slice"), "one distinct run")
    assert_nothing_told(patient_pairs(frame.assign(key="the same " + frame["arm"]), "slice"), "one distinct run")
    assert comparison.intervals(patient_pairs(copies, "slice"))["n_runs"].tolist() == [1, 1]
    # One arm that is always the same run: how far another of its runs would move is not known.
    held = pd.concat([copies[copies["arm"] == "b"], frame[frame["arm"] == "a"]])
    difference = compare(patient_pairs(held, "slice"), [("a", "b")]).iloc[0]
    assert difference[["runs_low", "both_low", "p_both"]].isna().all()
    assert comparison.lacking(patient_pairs(held, "slice"), "a", "b") == "one distinct run of b"


def test_predictions_without_spread_are_no_certainty() -> None:
    frame = predictions(3, (2,) * 12, high=7)
    constant = frame.assign(score=0.5 + 0.01 * frame["seed"])
    assert_nothing_told(patient_pairs(constant, "slice"), "no estimated variance across patients")
    assert comparison.intervals(patient_pairs(constant, "slice"))["auc_mean"].tolist() == [0.5, 0.5]
    perfect = frame.assign(score=frame["label"] + 0.01 * frame["seed"])
    assert_nothing_told(patient_pairs(perfect, "slice"), "no estimated variance across patients")
    # Both LGG patients are beaten by the same HGG slices in either arm: their part of the variance comes out as 0.
    random, label = np.random.default_rng(0), np.repeat([1, 0], [10, 2])
    base = pd.DataFrame({"patient_id": range(12), "label": label})
    scores = {(arm, seed): np.where(label == 1, random.normal(size=12), 0.0) for arm in "ab" for seed in range(3)}
    frame = pd.concat(base.assign(arm=arm, seed=seed, score=score) for (arm, seed), score in scores.items())
    assert_nothing_told(patient_pairs(frame, "slice"), "no estimated variance across patients")


def both_in_a_person(persons: int, seed: int = 0) -> pd.DataFrame:
    """Three runs of two arms on persons of whom each has slices of either class, some more, some fewer."""
    random = np.random.default_rng(seed)
    person = np.repeat(np.arange(persons), random.integers(4, 9, persons))
    label = np.concatenate([np.arange(count) % 2 for count in np.bincount(person)])
    typical = random.normal(size=persons)[person]
    rows = [
        pd.DataFrame({"arm": arm, "seed": seed, "patient_id": person, "label": label, "score": score})
        for arm, lift in (("a", 1.0), ("b", 1.5))
        for seed in range(3)
        for score in [typical + lift * label + random.normal(size=len(label))]
    ]
    return pd.concat(rows, ignore_index=True)


def test_a_few_persons_of_one_class_have_no_degrees_of_freedom_of_their_own() -> None:
    frame = both_in_a_person(12)
    some = frame[(frame["patient_id"] > 0) | (frame["label"] == 1)]  # person 0 has positive slices alone
    assert patient_pairs(some, "slice").freedom.tolist() == [10]
    half = frame[(frame["patient_id"] > 5) | (frame["label"] == 0)]
    assert patient_pairs(half, "slice").freedom.tolist() == [5, 5]  # six with negative slices alone, six with both
    with pytest.raises(InputError, match="0 has slices of both classes"):
        patient_pairs(frame, "patient")
    assert units_of(frame) == ("slice",)
    assert units_of(frame[frame["label"] == (frame["patient_id"] % 2)]) == UNITS
