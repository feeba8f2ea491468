"""The rules of the verdicts, case by case."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brats_al_utils.findings import outcomes, verdicts
from brats_al_utils.findings.comparison import Pairs, compare, holm
from brats_al_utils.findings.verdicts import CANNOT_TELL, NOT_REPRODUCED, REPRODUCED, Estimate, spread_ratio

NUMBERS = [
    (Estimate(0.82, 0.801, 0.859), REPRODUCED),  # wholly within 0.80 to 0.86
    (Estimate(0.84, 0.835, 0.845), REPRODUCED),  # without holding 0.83
    (Estimate(0.82, 0.799, 0.84), CANNOT_TELL),
    (Estimate(0.83, 0.70, 0.92), CANNOT_TELL),  # it hits, and could be anything
    (Estimate(0.79, 0.78, 0.799), NOT_REPRODUCED),
    (Estimate(0.87, 0.861, 0.88), NOT_REPRODUCED),
    (Estimate(0.83), CANNOT_TELL),  # a single run, or no variance
    (Estimate(), CANNOT_TELL),
]


@pytest.mark.parametrize(("ours", "verdict"), NUMBERS)
def test_number(ours: Estimate, verdict: str) -> None:
    assert verdicts.number_verdict(ours, 0.83) == verdict


GAINS = [
    (Estimate(4, 2.1, 6.9), REPRODUCED),  # above 0, and within 2 to 8
    (Estimate(4, 1.9, 6), CANNOT_TELL),  # perhaps too small
    (Estimate(5, 3, 8.1), CANNOT_TELL),  # perhaps too large
    (Estimate(0.5, -1, 1.9), NOT_REPRODUCED),  # its side is open, but it is too small
    (Estimate(9, 8.1, 10), NOT_REPRODUCED),  # its side is the paper's, but it is too large
    (Estimate(-1, -2, -0.1), NOT_REPRODUCED),
    (Estimate(3, -1, 7), CANNOT_TELL),
    (Estimate(5), CANNOT_TELL),
    (Estimate(), CANNOT_TELL),
]


@pytest.mark.parametrize(("ours", "verdict"), GAINS)
def test_gain_and_loss(ours: Estimate, verdict: str) -> None:
    assert verdicts.gain_verdict(ours, 5) == verdict
    assert verdicts.gain_verdict(Estimate(-ours.mean, -ours.high, -ours.low), -5) == verdict


def test_a_gain_needs_its_side_and_its_size() -> None:
    assert verdicts.gain_verdict(Estimate(1, 0.6, 1.4), 2.98) == NOT_REPRODUCED  # less than half of it
    assert verdicts.gain_verdict(Estimate(1, 0.5, 1.5), 2.98) == REPRODUCED
    assert verdicts.gain_verdict(Estimate(-1, -1.4, -0.6), -2.98) == NOT_REPRODUCED


def test_the_side_alone_what_is_similar_and_ranges() -> None:
    assert verdicts.sign_verdict(Estimate(20, 1, 39)) == REPRODUCED
    assert verdicts.sign_verdict(Estimate(-20, -39, -1), -2.0) == REPRODUCED
    assert verdicts.sign_verdict(Estimate(-20, -39, -1)) == NOT_REPRODUCED
    assert verdicts.sign_verdict(Estimate(1, -1, 3)) == verdicts.sign_verdict(Estimate(1)) == CANNOT_TELL
    assert verdicts.similar_verdict(Estimate(-0.6, -2.9, 1.7)) == REPRODUCED
    assert verdicts.similar_verdict(Estimate(-0.6, -3.1, 1.9)) == verdicts.similar_verdict(Estimate(0)) == CANNOT_TELL
    assert verdicts.similar_verdict(Estimate(-5, -6.9, -3.1)) == NOT_REPRODUCED
    assert verdicts.range_verdict(Estimate(49), 40, 70) == verdicts.range_verdict(Estimate(40), 40, 70) == REPRODUCED
    assert verdicts.range_verdict(Estimate(39), 40, 70) == NOT_REPRODUCED
    assert verdicts.range_verdict(Estimate(71), 40, 70) == NOT_REPRODUCED
    assert verdicts.range_verdict(Estimate(), 40, 70) == CANNOT_TELL


UP, UNSURE, LEVEL = Estimate(2, 1, 3, 0.001), Estimate(1, -1, 3, 0.3), Estimate(-1, -3, 1, 0.3)
DOWN, SCARCELY_DOWN = Estimate(-2, -3, -1, 0.001), Estimate(-2, -3.9, -0.1, 0.02)


CURVES = [
    ([[UP, UP], [UP, UP]], REPRODUCED),
    ([[UP, UNSURE], [UP, UP]], CANNOT_TELL),  # higher everywhere, but not shown
    ([[LEVEL, LEVEL], [LEVEL, LEVEL]], CANNOT_TELL),
    ([[UP, UP, UP], [UP, DOWN]], NOT_REPRODUCED),  # a counterexample
    ([[LEVEL, LEVEL, LEVEL], [LEVEL, SCARCELY_DOWN]], CANNOT_TELL),  # one p of 0.02 in five is chance
    ([[SCARCELY_DOWN], []], NOT_REPRODUCED),
    ([[UP, UP], [UP]], CANNOT_TELL),  # one budget is no curve
    ([[UP, UP], [UP, Estimate(2)]], CANNOT_TELL),  # a single run
    ([[], []], CANNOT_TELL),
]


@pytest.mark.parametrize(("curves", "verdict"), CURVES)
def test_curves(curves: list[list[Estimate]], verdict: str) -> None:
    assert verdicts.curve_verdict(curves) == verdict


def test_the_biggest_jumps() -> None:
    ends, small, large = [Estimate(12, 9, 15), Estimate(8, 5, 11)], Estimate(-2, -4, 0), Estimate(-20, -24, -16)
    assert verdicts.biggest_verdict(ends, [small] * 5) == REPRODUCED
    assert verdicts.biggest_verdict(ends, [small, Estimate(-3, -6, 0)]) == CANNOT_TELL  # 6 in size reaches into 5 to 11
    assert verdicts.biggest_verdict(ends, [small, large]) == NOT_REPRODUCED  # a fall of 16 at least
    assert verdicts.biggest_verdict(ends, [small, Estimate()]) == CANNOT_TELL
    assert verdicts.biggest_verdict([Estimate(), ends[0]], [small]) == CANNOT_TELL


def test_spread_ratio_by_hand() -> None:
    # Uncorrelated, variances 4 and 1: K = 1 + 2 t^2 / (n - 2) with t(0.975, 2) = 4.3027 and n = 4: K = 19.513.
    found = spread_ratio(np.array([2, 2, -2, -2]), np.array([1, -1, 1, -1]))
    half = np.sqrt(19.5129**2 - 1)
    assert found.mean == pytest.approx(2)
    assert (found.low, found.high) == pytest.approx(2 * np.sqrt([19.5129 - half, 19.5129 + half]), rel=1e-3)
    assert verdicts.spread_verdict(found) == CANNOT_TELL
    assert verdicts.spread_verdict(Estimate(2, 1.1, 4)) == REPRODUCED
    assert verdicts.spread_verdict(Estimate(0.5, 0.3, 0.9)) == NOT_REPRODUCED
    for values in ([1.0, 1.0, 1.0], [1.0, 2.0]):
        found = spread_ratio(np.array(values), np.array([0.5, 0.7, 0.8])[: len(values)])
        assert verdicts.spread_verdict(found) == CANNOT_TELL
    # Perfectly correlated values would give a ratio without any interval: certainty from nothing.
    found = spread_ratio(np.array([0.45, 0.65, 0.85]), np.array([0.5, 0.6, 0.7]))
    assert np.isnan(found.mean)
    assert found.lacking == "fewer than three distinct runs, or none that vary on their own"


def test_arithmetic_allows_for_rounding() -> None:
    assert verdicts.arithmetic_verdict([2.97], [2.98]) == verdicts.arithmetic_verdict([1, 2], [1, 2]) == REPRODUCED
    assert verdicts.arithmetic_verdict([2.96], [2.98]) == verdicts.arithmetic_verdict([1, 2], [1, 3]) == NOT_REPRODUCED


OUTCOMES = [
    (0.001, 0.09, outcomes.BETTER),
    (0.001, 0.012, outcomes.BETTER),  # and by less than 2 pp: the side is said first
    (0.0, 0.012, outcomes.AS_GOOD),
    (-0.09, -0.001, outcomes.WORSE),
    (-0.012, 0.0, outcomes.AS_GOOD),
    (-0.0199, 0.0199, outcomes.AS_GOOD),
    (-0.02, 0.0199, outcomes.UNDECIDED),
    (-0.0199, 0.02, outcomes.UNDECIDED),
    (-0.05, 0.05, outcomes.UNDECIDED),
    (np.nan, np.nan, outcomes.NOT_JUDGED),
]


@pytest.mark.parametrize(("low", "high", "expected"), OUTCOMES)
def test_the_four_outcomes_at_their_boundaries(low: float, high: float, expected: str) -> None:
    assert outcomes.outcome(low, high) == expected


def arms_with_gains(*gains: float, spread: float = 0.004) -> Pairs:
    """Arms of ten runs on one test set whose AUC is higher than that of the first by so much, almost exactly."""
    random = np.random.default_rng(5)
    classes = np.repeat([1, 0], 20)
    aucs = 0.8 + np.array([0, *gains])[:, None] + spread * random.normal(size=(len(gains) + 1, 10))
    shares = spread / 40 * random.normal(size=(len(gains) + 1, 10, 40))
    keys = np.arange(aucs.size).reshape(aucs.shape).astype(str)
    return Pairs(("none", *(f"+{gain:g}" for gain in gains)), keys, aucs, shares, classes)


def test_outcomes_of_a_primary_and_secondary_contrasts() -> None:
    pairs = arms_with_gains(0.05, 0.03, -0.05, 0.0)
    contrasts = [(pairs, arm, "none") for arm in ("+0.05", "+0.03", "+-0.05", "+0")]
    table = outcomes.outcomes(contrasts, unlearned=["+0.03"])
    assert table["outcome"].tolist() == [outcomes.BETTER, outcomes.NOT_JUDGED, outcomes.WORSE, outcomes.AS_GOOD]
    assert table["family"].tolist() == ["primary"] + ["secondary"] * 3
    # Two of the family are judged: the smaller p at 2.5 %, the other at 5 %.
    assert table["level"].tolist() == pytest.approx([0.05, np.nan, 0.025, 0.05], nan_ok=True)
    p = table["p_both"].tolist()
    assert table["p_holm"].tolist() == pytest.approx([p[0], np.nan, 2 * p[2], max(2 * p[2], p[3])], nan_ok=True)
    first = table.iloc[0]
    assert (first.decided_low, first.decided_high) == pytest.approx((first.both_low, first.both_high))
    assert table["decided_high"][2] - table["decided_low"][2] > table["both_high"][2] - table["both_low"][2]
    expected = [outcomes.BETTER, outcomes.BETTER, outcomes.WORSE, outcomes.AS_GOOD]
    assert outcomes.outcomes(contrasts, planned=10)["outcome"].tolist() == expected
    assert set(outcomes.outcomes(contrasts, planned=11)["outcome"]) == {outcomes.NOT_YET}, "ten runs of eleven"


def test_what_is_not_decided_yet_decides_no_other_contrast() -> None:
    """Five of ten runs of one: however small its p, the other is tested as if it were 1."""
    pairs = arms_with_gains(0.05, 0.03, 0.0)
    few = Pairs(pairs.arms, pairs.keys[:, :5], pairs.aucs[:, :5], pairs.shares[:, :5], pairs.classes)
    table = outcomes.outcomes([(pairs, "+0.05", "none"), (pairs, "+0", "none"), (few, "+0.03", "none")], planned=10)
    assert table["p_both"][2] < 0.01 < 0.05 < table["p_both"][1]
    assert table["outcome"].tolist() == [outcomes.BETTER, outcomes.AS_GOOD, outcomes.NOT_YET]
    assert table["level"].tolist() == pytest.approx([0.05, 0.025, 0.025])
    expected = [table["p_both"][0], min(1, 2 * table["p_both"][1]), np.nan]
    assert table["p_holm"].tolist() == pytest.approx(expected, nan_ok=True)


@given(st.lists(st.integers(1, 200), min_size=1, max_size=6))
def test_an_interval_at_holms_level_excludes_what_holms_procedure_rejects(p: list[int]) -> None:
    values = np.array(p) / 1009
    assert ((values < outcomes.holm_levels(values)) == (holm(values) < 0.05)).all()


def test_the_mean_of_some_arms_is_an_arm() -> None:
    pairs = arms_with_gains(0.05, 0.03).with_mean("both", ["+0.05", "+0.03"])
    assert pairs.estimate("both")[0] == pytest.approx((pairs.aucs[1] + pairs.aucs[2]) / 2)
    assert compare(pairs, [("both", "none")])["auc_difference"].item() == pytest.approx(0.04, abs=0.005)
