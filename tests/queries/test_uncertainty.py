"""The uncertainty score against values worked out by hand, and what must not change it."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from brats_al_utils.queries.uncertainty import AGGREGATES, PAIRS, SMALLEST, divergence, entropy, score

LN2 = np.log(2)


def committee(high: Any) -> np.ndarray[Any, Any]:
    """Return [members, slices, 2] from P(HGG) [members, slices]."""
    return np.stack([1 - np.asarray(high, float), np.asarray(high, float)], axis=-1)


probabilities = arrays(float, st.tuples(st.integers(2, 4), st.integers(1, 12)), elements=st.floats(0, 1)).map(committee)


def test_entropy_and_divergence_by_hand() -> None:
    assert entropy(np.array([0.5, 0.5])) == pytest.approx(LN2)
    assert entropy(np.array([1.0, 0.0])) == pytest.approx(0)
    assert entropy(np.array([0.25, 0.75])) == pytest.approx(0.25 * np.log(4) + 0.75 * np.log(4 / 3))
    p, q = np.array([0.5, 0.5]), np.array([0.25, 0.75])
    assert divergence(p, q) == pytest.approx(0.5 * np.log(2) + 0.5 * np.log(2 / 3))
    assert divergence(q, p) == pytest.approx(0.25 * np.log(0.5) + 0.75 * np.log(1.5))
    assert divergence(p, p) == 0


def test_scores_by_hand() -> None:
    """Entropies 0 and ln 2; certain from uniform ln 2; uniform from certain (ln 0.5 - ln 1 + ln 0.5 - ln 1e-7) / 2."""
    probability = committee([[1.0], [0.5]])
    certain, uniform = LN2, 0.5 * (np.log(0.5) + np.log(0.5) - np.log(SMALLEST))
    assert score(probability, "ordered") == pytest.approx(LN2 + certain + uniform)
    assert score(probability, "forward") == pytest.approx(LN2 + certain)
    assert score(probability, "aift") == pytest.approx(LN2 + 2 * (certain + uniform))
    assert score(probability, "ordered", "mean") == pytest.approx((LN2 + certain + uniform) / 2)
    high = np.array([[0.9], [0.6], [0.2]])
    values = committee(high)[:, 0]
    pairs = [(m, n) for m in range(3) for n in range(3) if m != n]
    expected = sum(entropy(values)) + sum(divergence(values[m], values[n]) for m, n in pairs)
    assert score(committee(high)) == pytest.approx(expected)


@given(probabilities, st.randoms())
def test_the_order_of_members_does_not_matter_for_ordered(probability: np.ndarray[Any, Any], random: Any) -> None:
    order = list(range(len(probability)))
    random.shuffle(order)
    np.testing.assert_allclose(score(probability[order]), score(probability), atol=1e-9)


@given(probabilities, st.randoms(), st.sampled_from(PAIRS), st.sampled_from(AGGREGATES))
def test_slices_are_scored_singly(probability: np.ndarray[Any, Any], random: Any, pairs: str, aggregate: str) -> None:
    order = list(range(probability.shape[1]))
    random.shuffle(order)
    scores = score(probability, pairs, aggregate)
    np.testing.assert_array_equal(score(probability[:, order], pairs, aggregate), scores[order])
    assert np.isfinite(scores).all()
    if pairs != "forward":
        assert (scores >= -1e-6).all()


def test_swapping_the_classes_changes_nothing() -> None:
    probability = committee(np.random.default_rng(0).random((3, 20)))
    np.testing.assert_allclose(score(probability[..., ::-1]), score(probability))
