"""Components of variance: by hand, without bias, and what follows from them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brats_al_utils.beyond.population.components import Components, components, of_classes
from brats_al_utils.findings.comparison import detectable

TRUE = Components(run=0.4, positive=1.0, negative=0.7, pair=0.5, run_positive=0.3, run_negative=0.2, rest=0.6)


def simulated(random: np.random.Generator, true: Components, runs: int, positives: int, negatives: int) -> np.ndarray:
    """Return values with effects of runs, patients and all their combinations."""
    shapes = {
        "run": (runs, 1, 1),
        "positive": (1, positives, 1),
        "negative": (1, 1, negatives),
        "pair": (1, positives, negatives),
        "run_positive": (runs, positives, 1),
        "run_negative": (runs, 1, negatives),
        "rest": (runs, positives, negatives),
    }
    return np.asarray(sum(np.sqrt(getattr(true, name)) * random.normal(size=shape) for name, shape in shapes.items()))


def test_by_hand() -> None:
    """Two runs that differ by 2: variance 2 across runs. Two positive patients that differ by 4: variance 8."""
    values = np.zeros((2, 2, 2))
    values[1] += 2
    assert components(values) == Components(2, 0, 0, 0, 0, 0, 0)
    values[:, 1] += 4
    assert components(values) == Components(2, 8, 0, 0, 0, 0, 0)


def test_estimates_are_without_bias() -> None:
    random = np.random.default_rng(0)
    found = [components(simulated(random, TRUE, 6, 12, 9)) for _ in range(400)]
    for name, true in vars(TRUE).items():
        mean = np.mean([getattr(each, name) for each in found])
        # Estimates below zero are cut, which lifts the mean of the least certain, that across runs, a little.
        assert mean == pytest.approx(true, rel=0.15), name


def test_the_error_is_the_spread_of_simulated_studies() -> None:
    random = np.random.default_rng(1)
    means = [simulated(random, TRUE, 5, 8, 6).mean() for _ in range(4000)]
    assert TRUE.error(5, 8, 6).error == pytest.approx(np.std(means), rel=0.05)
    assert sum(TRUE.parts(5, 8, 6)) == pytest.approx(TRUE.error(5, 8, 6).error ** 2)


@settings(max_examples=15)
@given(st.floats(0.05, 0.5), st.integers(3, 50))
def test_no_fewer_patients_than_needed_are_enough(gain: float, runs: int) -> None:
    small = Components(1e-4, 0.05, 0.05, 0.05, 0.01, 0.01, 0.05)
    patients = small.needed(gain, runs, 3.4)
    assert patients is not None
    assert detectable(small.error(runs, *of_classes(patients, 3.4))) <= gain
    assert patients == 4 or not detectable(small.error(runs, *of_classes(patients - 1, 3.4))) <= gain


def test_classes_keep_their_ratio_and_no_number_makes_up_for_runs_that_differ() -> None:
    assert Components(0.01, 0.1, 0.1, 0, 0, 0, 0).needed(0.03, 10, 3.4) is None
    assert of_classes(66, 51 / 15) == (51, 15)
    assert of_classes(4, 51 / 15) == (2, 2)
