"""Tests and intervals over patients against brute force, scipy, and simulations whose truth is known."""

import time
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu, nct, norm, permutation_test, t, ttest_rel

from brats_al_utils import InputError
from brats_al_utils.findings.comparison import (
    MARGIN,
    Pairs,
    auc_limits,
    compare,
    detectable,
    difference_limits,
    freedom,
    holm,
    intervals,
    patient_pairs,
    resampled,
    variances,
)
from brats_al_utils.findings.statistics import UNITS, by_unit
from brats_al_utils.networks.training import auc

HGG, LGG, SLICES = 52, 15, 20
"""Size of the paper's test set, as far as it is stated."""


def predictions(seed: int, sizes: tuple[int, ...] = (3, 1, 2, 4, 2), high: int = 3, decimals: int = 1) -> pd.DataFrame:
    """Scores of two arms with three seeds each; rounded, so that there are ties. The first patients are HGG."""
    random = np.random.default_rng(seed)
    patient = np.repeat(np.arange(len(sizes)), sizes)
    rows = pd.DataFrame({"patient_id": [f"p{number}" for number in patient], "label": (patient < high).astype(int)})
    return pd.concat(
        rows.assign(
            arm=arm, seed=number, score=np.round(random.random(len(rows)) * 0.7 + rows["label"] * 0.3, decimals)
        )
        for arm in ("b", "a")
        for number in range(3)
    )


def placements(frame: pd.DataFrame) -> tuple[dict[int, dict[str, float]], float]:
    """Sum over each patient's slices of the share of the other grade's slices that they beat: slice by slice."""
    sums: dict[int, dict[str, float]] = {0: {}, 1: {}}
    rows = list(zip(frame["patient_id"].tolist(), frame["label"].tolist(), frame["score"].tolist(), strict=True))
    counts = {grade: sum(label == grade for _, label, _ in rows) for grade in (0, 1)}
    for patient, label, score in rows:
        for _, other_label, other_score in rows:
            if label != other_label:
                margin = (score - other_score) * (1 if label else -1)
                win = 1.0 if margin > 0 else 0.5 if margin == 0 else 0.0
                sums[label][patient] = sums[label].get(patient, 0.0) + win / counts[1 - label]
    return sums, sum(sums[1].values()) / counts[1]


def obuchowski(one: pd.DataFrame, other: pd.DataFrame) -> float:
    """Variance of the difference of two AUCs, by the paper's formulas: variances less twice the covariance."""
    total = 0.0
    for grade in (1, 0):
        slices = one[one["label"] == grade].groupby("patient_id").size()
        centred = []
        for frame in (one, other):
            sums, value = placements(frame)
            centred.append(np.array([sums[grade][str(name)] - count * value for name, count in slices.items()]))
        count, slice_count = len(slices), slices.sum()
        factor = count / ((count - 1) * slice_count) / slice_count
        for sign, left, right in ((1, 0, 0), (1, 1, 1), (-2, 0, 1)):
            total += sign * factor * (centred[left] * centred[right]).sum()
    return total


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("unit", UNITS)
def test_variance_is_that_of_the_papers_formulas(unit: str, seed: int) -> None:
    """By patient each cluster is one score, and the same formulas are DeLong's."""
    frame = predictions(seed)
    runs = {arm: by_unit(run, unit).reset_index() for arm, run in frame[frame["seed"] == 0].groupby("arm")}
    pairs = patient_pairs(frame[frame["seed"] == 0], unit)
    assert pairs.arms == ("b", "a")
    aucs, parts = pairs.estimate(pairs.wins[0] - pairs.wins[1])
    assert aucs[0] == pytest.approx(placements(runs["b"])[1] - placements(runs["a"])[1])
    assert parts.sum() == pytest.approx(obuchowski(runs["b"], runs["a"]))


def test_delong_variance_by_hand() -> None:
    # HGG 3, 2; LGG 1, 2.5: shares of LGG beaten 1, 0.5; of HGG that beat it 1, 0.5. Both variances are 1/8, over 2.
    wins = np.array([[1.0, 1.0], [1.0, 0.0]])
    ones = np.ones(2, int)
    assert variances(wins, ones, ones) == pytest.approx([1 / 16, 1 / 16])


@pytest.mark.parametrize("unit", UNITS)
def test_auc_is_that_of_scipy_and_scikit_learn(unit: str) -> None:
    pairs = patient_pairs(predictions(7), unit)
    for key, run in predictions(7).groupby(["arm", "seed"]):
        scored = by_unit(run, unit)
        high, low = (scored.loc[scored["label"] == grade, "score"] for grade in (1, 0))
        arm, seed = str(key[0]), int(str(key[1]))
        value = pairs.estimate(pairs.wins[pairs.arms.index(arm)])[0][seed]
        assert value == pytest.approx(mannwhitneyu(high, low).statistic / (len(high) * len(low)))
        assert value == pytest.approx(auc(scored["label"].to_numpy(), scored["score"].to_numpy()))


@pytest.mark.parametrize("unit", UNITS)
def test_a_draw_is_the_auc_of_the_drawn_patients(unit: str) -> None:
    """Against the definition: patients written out as often as they were drawn, with all their slices."""
    frame = predictions(5)
    pairs = patient_pairs(frame, unit)
    aucs, weights = resampled(pairs, 0)
    assert weights.sum(1) == pytest.approx(np.ones(len(weights)))
    # The same draws again, patient by patient: two of the three HGG and one of the two LGG.
    random = np.random.default_rng(0)
    for _ in range(20):
        drawn = [*random.choice(3, 2), 3 + random.choice(2)]
        written_out = []
        for arm in pairs.arms:
            for seed in range(3):
                run = frame[(frame["arm"] == arm) & (frame["seed"] == seed)]
                copies = [run[run["patient_id"] == f"p{n}"].assign(patient_id=f"c{k}") for k, n in enumerate(drawn)]
                scored = by_unit(pd.concat(copies), unit)
                written_out.append(auc(scored["label"].to_numpy(), scored["score"].to_numpy()))
        distance = np.abs(aucs.reshape(len(aucs), -1) - written_out).max(1)
        assert distance.min() < 1e-12, f"no draw gave what patients {drawn} give in all six runs at once"


@pytest.mark.parametrize("unit", UNITS)
def test_the_bootstraps_spread_is_obuchowskis(unit: str) -> None:
    """Two ways to the same standard error, one by drawing and one by formula."""
    frame = predictions(3, (2,) * 60, high=40, decimals=3)
    pairs = patient_pairs(frame, unit)
    aucs, _ = resampled(pairs, 1)
    _, parts = pairs.estimate(pairs.wins[0] - pairs.wins[1])
    gain = (aucs[:, 0] - aucs[:, 1]).mean(1)
    assert gain.std() == pytest.approx(np.sqrt(parts.sum()), rel=0.08)


def test_runs_that_cannot_be_paired_are_refused() -> None:
    frame = predictions(0)
    with pytest.raises(InputError, match="no run of arm and seed"):
        patient_pairs(frame[(frame["arm"] == "a") | (frame["seed"] == 0)], "slice")
    with pytest.raises(InputError, match="other slices"):
        patient_pairs(frame.iloc[1:], "slice")
    with pytest.raises(InputError, match="no arm 'c', expected some of b, a"):
        compare(patient_pairs(frame, "slice"), [("a", "c")])


def test_limits_by_hand() -> None:
    # t(0.975, 4) = 2.7764; logit(0.8) = 1.3863, error 0.05 / 0.16 = 0.3125.
    assert difference_limits(0.1, 0.05, 4) == pytest.approx((0.1 - 0.13882, 0.1 + 0.13882), abs=1e-5)
    low, high = (1 / (1 + np.exp(-(1.3863 + sign * 2.7764 * 0.3125))) for sign in (-1, 1))
    assert auc_limits(0.8, 0.05, 4) == pytest.approx((low, high), abs=1e-4)
    assert np.isnan(auc_limits(1.0, 0.0, 4)).all()


def test_degrees_of_freedom_by_hand() -> None:
    assert freedom(np.array([3.0, 1.0]), np.array([10, 5])) == pytest.approx(16 / (9 / 9 + 1 / 4))
    assert freedom(np.array([2.0, 0.0]), np.array([10, 5])) == pytest.approx(9)
    assert freedom(np.zeros(2), np.array([10, 5])) == 4


def adjusted_by_closure(p: list[float]) -> list[float]:
    """Holm's procedure is the closure of Bonferroni's: the largest Bonferroni p of all subsets that hold a test."""
    numbers = range(len(p))
    subsets = [subset for size in range(1, len(p) + 1) for subset in combinations(numbers, size)]
    bonferroni = {subset: min(len(subset) * min(p[number] for number in subset), 1) for subset in subsets}
    return [max(value for subset, value in bonferroni.items() if number in subset) for number in numbers]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_holm_is_the_closure_of_bonferroni(p: list[float]) -> None:
    assert holm(np.array(p)) == pytest.approx(adjusted_by_closure(p))


@pytest.mark.parametrize("degrees", [5, 20, 200])
def test_the_detectable_difference_is_found_four_times_in_five(degrees: int) -> None:
    """The exact power of a t-test is the noncentral t's."""
    smallest = detectable(0.03, degrees)
    assert nct.sf(t.ppf(0.975, degrees), degrees, smallest / 0.03) == pytest.approx(0.8, abs=0.015)
    assert detectable(0.03, 1e9) == pytest.approx(0.03 * (1.959964 + 0.841621), rel=1e-5)


@pytest.mark.parametrize("unit", UNITS)
def test_table_of_comparisons(unit: str) -> None:
    frame = predictions(11, (4,) * 30, high=20, decimals=3)
    pairs = patient_pairs(frame, unit)
    table = compare(pairs, [("b", "a"), ("a", "b"), ("a", "a")])
    scored = {key: by_unit(run, unit) for key, run in frame.groupby(["arm", "seed"])}
    aucs = {key: auc(run["label"].to_numpy(), run["score"].to_numpy()) for key, run in scored.items()}
    b, a = ([aucs[arm, seed] for seed in range(3)] for arm in "ba")
    forward, backward, same = (table.iloc[number] for number in range(3))
    assert forward.auc_difference == pytest.approx(np.mean(b) - np.mean(a))
    assert forward.p_seeds == pytest.approx(ttest_rel(b, a).pvalue)
    assert backward.auc_difference == pytest.approx(-forward.auc_difference)
    assert (backward.both_low, backward.p_patients) == pytest.approx((-forward.both_high, forward.p_patients))
    assert table["p_patients_holm"].tolist() == pytest.approx(holm(table["p_patients"].to_numpy()).tolist())
    assert (same.auc_difference, same.p_seeds, same.p_patients, same.both_low, same.both_high) == (0, 1, 1, 0, 0)
    assert same.noninferior
    assert table["noninferior"].tolist() == (table["both_low"] > -MARGIN).tolist()
    for row in (forward, backward):
        assert row.both_low < row.patients_low < row.auc_difference < row.patients_high < row.both_high


def test_p_is_close_to_that_of_exchanging_the_arms_within_patients() -> None:
    """A permutation test needs no formula for the variance: each patient's two scores are exchanged or not."""
    random = np.random.default_rng(4)
    label = np.repeat([1, 0], [60, 40])
    common = random.normal(size=100) + label
    one, other = common + 0.6 * random.normal(size=100) + 0.25 * label, common + 0.6 * random.normal(size=100)
    frame = pd.concat(
        pd.DataFrame({"arm": arm, "seed": 0, "patient_id": range(100), "label": label, "score": score})
        for arm, score in (("one", one), ("other", other))
    )

    def gain(x: Any, y: Any) -> float:
        return float((x[:60, None] > x[60:]).mean() - (y[:60, None] > y[60:]).mean())

    permuted = permutation_test((one, other), gain, permutation_type="samples", n_resamples=2000, rng=0)
    (p,) = compare(patient_pairs(frame, "patient"), [("one", "other")])["p_patients"]
    assert 0.01 < p < 0.3
    assert p == pytest.approx(permuted.pvalue, abs=0.03)


def test_over_both_is_over_seeds_where_patients_are_all_alike() -> None:
    """And no patient's drawing adds anything: then t over seeds is exact, and the bootstrap close to it."""
    of_seed = np.array([[0.5] * 8, [0.6, 0.7, 0.65, 0.8, 0.72, 0.58, 0.77, 0.69]])
    wins = np.broadcast_to(of_seed[:, :, None, None], (2, 8, 6, 4))
    row = compare(Pairs(("a", "b"), wins, np.ones(6, int), np.ones(4, int)), [("b", "a")]).iloc[0]
    assert row["patients_high"] - row["patients_low"] == pytest.approx(0)
    assert row["both_high"] - row["both_low"] == pytest.approx(row["seeds_high"] - row["seeds_low"], rel=0.05)


def test_few_runs_or_patients_give_no_interval_rather_than_a_wrong_one() -> None:
    frame = predictions(2)
    one_seed = compare(patient_pairs(frame[frame["seed"] == 0], "slice"), [("a", "b")]).iloc[0]
    assert one_seed[["seeds_low", "both_low", "p_seeds"]].isna().all()
    assert np.isfinite(one_seed["patients_low"])
    assert not one_seed["noninferior"]
    one_patient = intervals(patient_pairs(frame[frame["patient_id"] != "p3"], "slice"))
    assert one_patient[["patients_low", "both_low"]].isna().to_numpy().all()
    assert one_patient["auc_mean"].notna().all()


def test_a_whole_table_takes_less_than_ten_seconds() -> None:
    """Ten arms of ten seeds on the paper's test set, by slice, all pairs of arms."""
    random = np.random.default_rng(0)
    patient = np.repeat(np.arange(HGG + LGG), SLICES)
    rows = pd.DataFrame({"patient_id": patient, "label": (patient < HGG).astype(int)})
    frame = pd.concat(
        rows.assign(arm=f"arm {arm}", seed=seed, score=random.normal(size=len(rows)) + rows["label"])
        for arm in range(10)
        for seed in range(10)
    )
    started = time.perf_counter()
    pairs = patient_pairs(frame, "slice")
    assert len(intervals(pairs)) == 10
    assert len(compare(pairs, list(combinations(pairs.arms, 2)))) == 45
    assert time.perf_counter() - started < 10


def clustered(random: np.random.Generator, gains: tuple[float, float]) -> pd.DataFrame:
    """Scores of two arms that share most of what is particular to a patient, and some of what is to a slice."""
    label = np.repeat([1, 0], [HGG, LGG])
    patient = np.sqrt(0.8) * random.normal(size=(1, len(label), 1)) + np.sqrt(0.2) * random.normal(
        size=(2, len(label), 1)
    )
    own = random.normal(size=(1, len(label), SLICES)) + random.normal(size=(2, len(label), SLICES))
    scores = patient + 0.5 * own + (label * np.array(gains)[:, None])[:, :, None]
    rows = {"seed": 0, "patient_id": np.repeat(range(len(label)), SLICES), "label": np.repeat(label, SLICES)}
    return pd.concat(
        pd.DataFrame({"arm": arm, "score": scores[number].ravel(), **rows}) for number, arm in enumerate("ab")
    )


def covers(low: float, high: float, truth: float) -> bool:
    return bool(low <= truth <= high)


@pytest.mark.slow
def test_coverage_on_clustered_data() -> None:
    """Over 500 samples of the paper's size, 95 % intervals hold the truth; those of independent slices do not."""
    random, gains = np.random.default_rng(20), (1.2, 1.8)
    # Between two slices of different patients: variances 1 and 2 * 0.25 each, twice.
    truth = norm.cdf(np.array(gains) / np.sqrt(2 * 1.5))
    held: dict[str, list[bool]] = {}
    for number in range(500):
        frame = clustered(random, gains)
        pairs = patient_pairs(frame, "slice")
        first, gain = intervals(pairs, number).iloc[0], compare(pairs, [("b", "a")], number).iloc[0]
        error, degrees = parts_of(pairs, pairs.wins[0])
        gain_error, gain_degrees = parts_of(pairs, pairs.wins[1] - pairs.wins[0])
        slices = patient_pairs(frame.assign(patient_id=np.tile(np.arange(len(frame) // 2), 2)), "slice")
        naive, _ = parts_of(slices, slices.wins[0])
        naive_gain, _ = parts_of(slices, slices.wins[1] - slices.wins[0])
        difference = gain.auc_difference
        ends = {
            "AUC, bootstrap": (first.patients_low, first.patients_high, truth[0]),
            "AUC, Obuchowski": (*auc_limits(first.auc_mean, error, degrees), truth[0]),
            "AUC, independent slices": (*auc_limits(first.auc_mean, naive, np.inf), truth[0]),
            "difference, bootstrap": (gain.patients_low, gain.patients_high, truth[1] - truth[0]),
            "difference, Obuchowski": (*difference_limits(difference, gain_error, gain_degrees), truth[1] - truth[0]),
            "difference, independent slices": (*difference_limits(difference, naive_gain, np.inf), truth[1] - truth[0]),
        }
        for name, end in ends.items():
            held.setdefault(name, []).append(covers(*end))
    coverage = {name: float(np.mean(values)) for name, values in held.items()}
    print(coverage)
    for name, value in coverage.items():
        if "independent" in name:
            assert value < 0.75, coverage
        else:
            assert 0.93 <= value <= 0.97, coverage


def parts_of(pairs: Pairs, wins: Any) -> tuple[float, float]:
    """Standard error and degrees of freedom of an arm or a difference."""
    _, parts = pairs.estimate(wins)
    return float(np.sqrt(parts.sum())), freedom(parts, pairs.counts)


@pytest.mark.slow
def test_coverage_where_seeds_and_patients_vary() -> None:
    """Of the AUC that another seed would have on other patients, only the crossed interval is one."""
    random, seeds, spread = np.random.default_rng(21), 10, 0.4
    # Between two patients: variances 1 (patient) and 0.25 (patient and seed) each, twice; and the seed's gain.
    truth = norm.cdf(1.4 / np.sqrt(2 * 1.25 + spread**2))
    held: dict[str, list[bool]] = {"seeds": [], "patients": [], "both": []}
    gained: dict[str, list[bool]] = {"seeds": [], "patients": [], "both": []}
    for number in range(400):
        gain = 1.4 + spread * random.normal(size=(2, seeds, 1))
        high, low = (
            random.normal(size=(1, 1, count)) + 0.5 * random.normal(size=(2, seeds, count)) for count in (HGG, LGG)
        )
        wins = (np.sign((high + gain)[..., None] - low[:, :, None]) + 1) / 2
        pairs = Pairs(("a", "b"), wins, np.ones(HGG, int), np.ones(LGG, int))
        for table, into, true in (
            (intervals(pairs, number), held, truth),
            (compare(pairs, [("a", "b")], number), gained, 0),
        ):
            row = table.iloc[0]
            for over, values in into.items():
                values.append(covers(row[f"{over}_low"], row[f"{over}_high"], true))
    coverage, gains = ({over: float(np.mean(values)) for over, values in each.items()} for each in (held, gained))
    print(coverage, gains)
    assert coverage["seeds"] < 0.8
    assert gains["patients"] < 0.85
    assert 0.93 <= coverage["both"] <= 0.98
    assert 0.93 <= gains["both"] <= 0.99
