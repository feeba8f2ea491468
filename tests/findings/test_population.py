"""Test sets drawn from stored predictions have the AUC that their slices give."""

import numpy as np
import pandas as pd
import pytest
import test_comparison
from hypothesis import given, settings
from hypothesis import strategies as st

from brats_al_utils.beyond.population import population
from brats_al_utils.findings.comparison import across_both, patient_pairs
from brats_al_utils.networks.training import auc


def made_up(seed: int) -> pd.DataFrame:
    """Return two arms' predictions of five positive and four negative patients, with many ties."""
    return test_comparison.predictions(seed, sizes=(2, 1, 3, 1, 2, 3, 1, 2, 2), high=5)


def test_wins_by_hand() -> None:
    """Slices of a: 0.9, 0.4; b: 0.6; c: 0.5; d: 0.6, 0.1. a beats c once and d three times; b and d tie once."""
    rows = [("a", 1, 0.9), ("a", 1, 0.4), ("c", 0, 0.5), ("b", 1, 0.6), ("d", 0, 0.6), ("d", 0, 0.1)]
    one = pd.DataFrame(rows, columns=["patient_id", "label", "score"]).assign(arm="x", seed=0)
    found = population.population(one)
    assert found.wins.tolist() == [[[[1, 3], [1, 1.5]]]]
    assert [of.tolist() for of in found.slices] == [[2, 1], [1, 2]]
    both = population.population(pd.concat([one, one.assign(arm="y", score=1 - one["score"])]))
    drawn = population.drawn_gains(both, [("x", "y")], (1, 1), 400, np.random.default_rng(0))
    # The four test sets of one patient each: 1/2, 3/4, 1, 3/4 of the pairs won, against what is left to the opposite.
    assert set(np.round(drawn[0, :, 0], 6)) == {0.0, 0.5, 1.0}


def test_a_patient_with_slices_of_both_classes_is_drawn_with_both() -> None:
    """Of a the positive slice beats both negative ones, of b it beats a's: drawn twice, a gives 1, b 0, else 3/4.

    The variance of the AUC is 1/4 + 9/32 - (5/8)^2 = 9/64; of slices drawn for themselves it would be 5/64.
    """
    rows = [("a", 1, 0.9), ("a", 0, 0.1), ("b", 1, 0.4), ("b", 0, 0.6)]
    own = pd.DataFrame(rows, columns=["patient_id", "label", "score"]).assign(arm="x", seed=0)
    found = population.population(pd.concat([own, own.assign(arm="y", score=0.5)]))
    assert found.both and found.size == (2, 2) and found.gain("x", "y") == 0.25
    (gains,) = population.drawn_gains(found, [("x", "y")], (1, 1), 20_000, np.random.default_rng(0))[..., 0]
    assert set(gains) == {-0.5, 0.25, 0.5}
    assert gains.var() == pytest.approx(9 / 64, abs=0.003)
    assert population.gain_components(found, "x", "y") is None
    assert np.isnan(population.with_more_slices(found, ("x", "y"), (1, 1), 5, 3, np.random.default_rng(0))).all()


@settings(max_examples=5)
@given(st.integers(0, 1000))
def test_a_drawn_test_set_has_the_auc_of_its_slices(seed: int) -> None:
    predictions = made_up(seed)
    found = population.population(predictions)
    random, again = np.random.default_rng(seed), np.random.default_rng(seed)
    gains = population.drawn_gains(found, [("a", "b")], (3, 2), 4, random)
    drawn = [again.integers(0, of, (4, count)) for of, count in zip((5, 4), (3, 2), strict=True)]
    for draw in range(4):
        names = [f"p{i}" for i in drawn[0][draw]] + [f"p{5 + i}" for i in drawn[1][draw]]
        for run in range(3):
            aucs = []
            for arm in ("a", "b"):
                own = predictions[(predictions["arm"] == arm) & (predictions["seed"] == run)].set_index("patient_id")
                slices = pd.concat([own.loc[[name]] for name in names])
                aucs.append(auc(slices["label"].to_numpy(), slices["score"].to_numpy()))
            assert gains[0, draw, run] == pytest.approx(aucs[0] - aucs[1], abs=1e-6)


@settings(max_examples=20)
@given(st.integers(0, 1000))
def test_a_study_of_all_patients_is_the_study(seed: int) -> None:
    """AUCs, shares and errors are those that `comparison` has from the predictions themselves."""
    predictions = made_up(seed)
    expected = patient_pairs(predictions, "slice")
    whole = population.population(predictions)
    pairs = population.one_study(whole, ("b", "a"), np.arange(3), np.arange(5), np.arange(4))
    np.testing.assert_allclose(pairs.aucs, expected.aucs, atol=1e-6)
    np.testing.assert_allclose(pairs.shares, expected.shares, atol=1e-6)
    one, two = across_both(pairs, "a", "b"), across_both(expected, "a", "b")
    assert one.error == pytest.approx(two.error, abs=1e-6, nan_ok=True)


def test_with_folds_each_run_has_its_own_population() -> None:
    predictions = made_up(0).query("seed < 2")
    other = predictions.assign(fold=predictions["seed"])
    other.loc[other["seed"] == 1, "patient_id"] += "x"
    first, second = population.populations(other)
    assert first.wins.shape == second.wins.shape == (2, 1, 5, 4)
    assert population.populations(predictions)[0].wins.shape == (2, 2, 5, 4)
    np.testing.assert_array_equal(population.populations(predictions)[0].wins[:, 1:], second.wins)
    assert population.gain_components(first, "a", "b") is None


def test_more_slices_spread_a_gain_less_as_far_as_slices_are_their_own() -> None:
    """From two of ten slices a patient, what ten of them spread: half of a slice's gain is its patient's."""
    random = np.random.default_rng(3)
    patient, slice_ = random.normal(size=(2, 600, 1)), random.normal(size=(2, 600, 10))
    scores = 0.8 * patient + 0.8 * slice_ + 1.5 * (np.arange(600) < 300)[:, None]
    base = pd.DataFrame({"seed": 0, "patient_id": np.repeat(np.arange(600), 10)})
    base["label"] = (base["patient_id"] < 300).astype(int)
    frame = pd.concat([base.assign(arm=arm, score=of.ravel()) for arm, of in zip("ab", scores, strict=True)])

    def of_each(count: int) -> population.Population:
        return population.populations(frame[frame.groupby(["arm", "patient_id"]).cumcount() < count])[0]

    few, many, size = of_each(2), of_each(10), (51, 15)
    ratio = population.with_more_slices(few, ("a", "b"), size, 10, 50, random)
    spread = []
    for found, count in ((few, 2), (many, 10)):
        gains = [(of[0] - of[1]).reshape(-1, count).mean(1).var(ddof=1) for of in found.beaten]
        spread.append(np.sqrt(gains[0] / 51 + gains[1] / 15))
    assert ratio[0] == pytest.approx(spread[1] / spread[0], abs=0.05)
    assert ratio[1:].std() < 0.05
    assert population.with_more_slices(few, ("a", "b"), size, 2, 0, random)[0] == pytest.approx(1)
    assert np.isnan(population.with_more_slices(of_each(1), ("a", "b"), size, 20, 3, random)).all()
