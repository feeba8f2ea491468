"""What the paper's design is worth, on simulated predictions whose truth is known."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t

from brats_al_utils.beyond.population import design
from brats_al_utils.beyond.population.design import CONTRASTS, excludes_zero, said, worth
from brats_al_utils.beyond.population.operating import PRINTED, RUNS, TEST_SET
from brats_al_utils.beyond.population.population import Population, gain_components, populations

ARMS = ("proposed", "baseline", "random", "placebo", "pretrained", "scratch")


def simulated(seed: int, patients: int, runs: int, better: float = 0.0, folds: bool = False) -> list[Population]:
    """Return populations of as many patients of either class, two slices each, in which the method is better or not.

    Scores are normal: of each patient in every network, in every run of an arm, in one run, and of a slice.
    """
    random, positive = np.random.default_rng(seed), np.repeat([1, 0], patients)
    of_patient, frames = random.normal(size=2 * patients), []
    for arm in ARMS:
        of_arm = of_patient + 0.3 * random.normal(size=2 * patients)
        for run in range(runs):
            typical = of_arm + 0.2 * random.normal(size=2 * patients)
            distance = 1.2 + better * (arm == "proposed") + 0.05 * random.normal()
            score = np.repeat(typical + distance * positive, 2) + 0.4 * random.normal(size=4 * patients)
            names = np.repeat([f"{run * folds}p{i:04}" for i in range(2 * patients)], 2)
            rows = pd.DataFrame({"patient_id": names, "label": np.repeat(positive, 2), "score": score})
            frames.append(rows.assign(arm=arm, seed=run, **({"fold": run} if folds else {})))
    return populations(pd.concat(frames, ignore_index=True))


def test_the_interval_across_runs_by_hand() -> None:
    """Means 1 and 1; standard errors 0.1 and 1 over two runs, times 12.7."""
    assert excludes_zero(np.array([[1.05, 0.95], [2.0, 0.0], [1.0, 1.0]])).tolist() == [1, 0, 0]
    assert np.isnan(excludes_zero(np.array([[1.0], [2.0]]))).all()


def test_draws_of_a_known_population() -> None:
    """Half of the draws exceed the population's gain; their spread is what the components say of patients."""
    sets = simulated(0, 300, 4, better=0.12)
    found = worth(sets, draws=4000, studies=2)
    assert found is not None
    row = found.table.iloc[0]
    assert (row["arm"], row["other"]) == CONTRASTS[0]
    assert row["gain"] == pytest.approx(sets[0].gain("proposed", "baseline"))
    assert np.mean(found.drawn[0] > row["gain"]) == pytest.approx(0.5, abs=0.04)
    varies = gain_components(sets[0], "proposed", "baseline")
    assert varies is not None
    _, patients, both = varies.parts(4, *TEST_SET)
    assert row["spread"] == pytest.approx(np.sqrt(patients + both), rel=0.06)
    assert row["printed"] == np.mean(100 * found.drawn[0] >= PRINTED)
    # The probability without a gain is that of a normal variable of this spread.
    assert row["p"] == pytest.approx(2 * t.sf(PRINTED / 100 / row["spread"], 1e6), rel=0.1)


def test_two_equal_arms_are_told_apart_by_runs_alone_and_not_by_patients_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Size of the test that the power is of: without a gain it says "better" in 2.5 % of studies at most."""
    monkeypatch.setattr(design, "GAIN", 0.0)
    (population,) = simulated(1, 150, 10)
    assert design.power(population, ("placebo", "random"), 66, 300, np.random.default_rng(0)) < 0.045


def test_studies_of_the_needed_size_tell_the_gain_as_often_as_is_asked() -> None:
    (population,) = simulated(2, 300, 10)
    varies = gain_components(population, "proposed", "random")
    assert varies is not None
    patients = int(design.needed(varies, RUNS))
    share = design.power(population, ("proposed", "random"), patients, 200, np.random.default_rng(0))
    assert share == pytest.approx(0.8, abs=0.09)
    few = design.power(population, ("proposed", "random"), patients // 3, 200, np.random.default_rng(0))
    assert few < share - 0.2


def test_what_is_said_of_populations_that_are_too_small_or_have_one_run() -> None:
    assert worth(simulated(3, 9, 2)) is None
    assert said("made-up cohort", None).startswith("On the made-up cohort: does not apply")
    found = worth(simulated(3, 12, 3, folds=True), draws=300)
    assert found is not None
    assert found.drawn.shape == (len(CONTRASTS), 300)
    assert found.table["runs"].tolist() == [1] * len(CONTRASTS)
    assert found.table[["excludes_zero", "needed", "power"]].isna().all(axis=None)
    words = said("made-up cohort", found)
    assert words.count("\n- ") == 3
    assert "each test set has a single run" in words
    assert "cannot be said here" in words


def test_of_patients_with_slices_of_both_classes_a_test_set_is_as_many_patients_drawn_whole() -> None:
    random, label = np.random.default_rng(5), np.tile([0, 1], 12)
    base = pd.DataFrame({"patient_id": np.repeat(np.arange(12), 2), "label": label})
    runs = [(arm, run) for arm in ARMS for run in range(2)]
    frames = [base.assign(arm=arm, seed=run, score=random.normal(size=24) + label) for arm, run in runs]
    found = worth(populations(pd.concat(frames, ignore_index=True)), draws=200)
    assert found is not None and found.both
    assert (found.table["spread"] > 0).all() and found.table[["needed", "power", "p_20"]].isna().all(axis=None)
    words = said("made-up cohort", found)
    assert f"of {sum(TEST_SET)} patients, each drawn with" in words and f"{TEST_SET[0]} positive" not in words


def test_the_three_sentences_hold_the_table_s_numbers() -> None:
    found = worth(simulated(4, 60, 3), draws=500, studies=10)
    assert found is not None
    row = found.table.iloc[0]
    words = said("made-up cohort", found)
    assert words.count("\n- ") == 3
    assert f"{100 * row['gain']:+.1f} pp in this population" in words
    assert f"{row['printed']:.1%} would have printed 2.98 pp" in words
    same = found.table[(found.table["arm"] == "proposed") & (found.table["other"] == "placebo")].iloc[0]
    control = f"and in {same['excludes_zero']:.0%} that of two draws by one rule, equals"
    assert f"exclude zero in {row['excludes_zero']:.0%}, {control}" in words
    assert f"{row['needed_many']:,.0f} with 100" in words or f"takes {row['needed_many']:,.0f} test" in words
