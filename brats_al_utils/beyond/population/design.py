"""Could the paper tell? The gains that test sets of its size would print, drawn from a population of test patients.

A study's own test patients stand for the population: what is drawn from it, with replacement, are test sets of 51
positive and 15 negative patients, and nothing is trained anew.
"""

from collections.abc import Sequence, Set
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import t

from brats_al_utils.arrays import Array
from brats_al_utils.beyond.population.components import Components, of_classes
from brats_al_utils.beyond.population.operating import PRINTED, RUNS, SLICES, TEST_SET
from brats_al_utils.beyond.population.population import (
    Population,
    drawn_gains,
    gain_components,
    one_study,
    with_more_slices,
)
from brats_al_utils.findings.comparison import across_both, p_value
from brats_al_utils.findings.sentences import listed, pp
from brats_al_utils.findings.statistics import CONFIDENCE, NEGLIGIBLE
from brats_al_utils.seeds import generator

DRAWS = 10_000
"""Number of test sets drawn: so many that the share of a rare outcome is exact to a hundredth of a percent."""

BOOTSTRAPS = 200
"""Number of draws of patients for the uncertainty of a slice's variance components."""

SIMULATED = 400
"""Number of simulated studies of the size that the formula requires, to check its power."""

FEWEST = 10
"""Smallest number of patients of each class in a population."""

GAIN = 0.03
"""Gain that a study should detect: the paper's is 2.98 pp."""

CONTRASTS = (
    ("proposed", "baseline"),
    ("proposed", "random"),
    ("proposed", "placebo"),
    ("pretrained", "scratch"),
    ("placebo", "random"),
)
"""The contrasts: arm and other."""

CONTROL = ("proposed", "placebo")
"""Two draws by the same rule, from the middle of the ranking: there is no true gain between them."""

RATIO = TEST_SET[0] / TEST_SET[1]
"""Positive patients of the paper's test set for each negative one."""

MANY_RUNS = 100
"""A large number of runs, beside the paper's ten: then the uncertainty comes from the patients alone."""


def excludes_zero(gains: Array) -> Array:
    """Return 1 if the 95 % t-interval across runs excludes 0, else 0, for gains [draws, runs]; NaN for a single run."""
    runs = gains.shape[1]
    if runs < 2:
        return np.full(len(gains), np.nan)
    error = gains.std(1, ddof=1) / np.sqrt(runs)
    outside = np.abs(gains.mean(1)) > t.ppf((1 + CONFIDENCE) / 2, runs - 1) * error
    return np.where(outside & (error > NEGLIGIBLE), 1.0, 0.0)


def power(
    population: Population, contrast: tuple[str, str], patients: int, studies: int, random: np.random.Generator
) -> float:
    """Return how many of some simulated studies of ``RUNS`` tell ``GAIN``: test across runs and patients, p below 5 %.

    Each draws runs and patients from the population, with replacement; its gain is moved so that the population's is
    the one to be told.
    """
    true, found = population.gain(*contrast), []
    sizes = ((population.wins.shape[1], RUNS), *zip(population.size, of_classes(patients, RATIO), strict=True))
    for _ in range(studies):
        pairs = one_study(population, contrast, *(random.integers(0, of, count) for of, count in sizes))
        value = float(np.subtract(*pairs.aucs).mean()) - true + GAIN
        found.append(value > 0 and p_value(value, across_both(pairs, *contrast)) < 1 - CONFIDENCE)
    return float(np.mean(found))


@dataclass(frozen=True)
class Worth:
    """The evidential worth of the paper's design, as a study's own test patients show it.

    Attributes
    ----------
    table : pd.DataFrame
        A row a comparison: arm, other, learned (whether both have); positives and negatives (patients of the smallest
        test set) and runs; gain (of all patients, mean across runs); spread (SD of the drawn gains), drawn_low,
        drawn_high (95 % of them); printed (share of the drawn gains of ``PRINTED`` or more); excludes_zero (share whose
        interval across runs does); above_zero (`above_zero`); p
        (share of the drawn gains as far from the population's as ``PRINTED``, two-sided), p_above (as far above it
        alone); p_20, p_20_low, p_20_high (p had each patient ``SLICES`` slices, as the paper, with its 95 % interval:
        `population.with_more_slices`); needed and needed_many
        (patients to tell ``GAIN`` with a power of 80 %, with ``RUNS`` and ``MANY_RUNS`` runs); power (share of
        simulated studies with ``needed`` that tell it). Gains are shares, not pp; NaN where nothing can be said.
    drawn : np.ndarray [comparisons, draws] of float
        The drawn gains, means across runs.
    varies : tuple of Components or None
        What each comparison's gain varies with.
    both : bool
        Whether patients have slices of both classes; see `Population.both`.
    """

    table: pd.DataFrame
    drawn: Array
    varies: tuple[Components | None, ...]
    both: bool = False

    @property
    def test_set(self) -> str:
        """The numbers of patients in a drawn test set, in words."""
        if self.both:
            return f"{sum(TEST_SET)} patients, each drawn with the slices of both classes"
        return f"{TEST_SET[0]} positive and {TEST_SET[1]} negative patients"


def worth(
    sets: Sequence[Population],
    unlearned: Set[str] = frozenset(),
    draws: int = DRAWS,
    studies: int = SIMULATED,
    seed: int = 0,
) -> Worth | None:
    """Return the gains that test sets of the paper's size would print, drawn from the populations of a study.

    Parameters
    ----------
    sets : sequence of Population
        Each gives its share of the draws.
    unlearned : set of str
        See `evidence.unlearned_arms`.
    draws, studies : int
        Test sets, and simulated studies for the power.
    seed : int

    Returns
    -------
    Worth or None
        None if a population has fewer than ``FEWEST`` patients of a class.
    """
    if min(min(population.size) for population in sets) < FEWEST:
        return None
    contrasts = [contrast for contrast in CONTRASTS if set(contrast) <= set(sets[0].arms)]
    true = np.array([[population.gain(*contrast) for contrast in contrasts] for population in sets])
    chance = [generator(seed, "test sets", number) for number in range(len(sets))]
    gains = [
        drawn_gains(population, contrasts, TEST_SET, draws // len(sets), random)
        for population, random in zip(sets, chance, strict=True)
    ]
    drawn = [of_set.mean(2) for of_set in gains]
    moved = np.concatenate([some - own[:, None] for some, own in zip(drawn, true, strict=True)], 1)
    every = np.concatenate(drawn, 1)
    excluded = np.concatenate([[excludes_zero(some) for some in of_set] for of_set in gains], 1)
    low, high = np.quantile(every, ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2), axis=1)
    varies = tuple(gain_components(sets[0], *contrast) if len(sets) == 1 else None for contrast in contrasts)
    smallest = np.min([population.size for population in sets], axis=0)
    table = pd.DataFrame(contrasts, columns=["arm", "other"]).assign(
        learned=[unlearned.isdisjoint(contrast) for contrast in contrasts],
        positives=smallest[0],
        negatives=smallest[1],
        runs=sets[0].wins.shape[1],
        gain=true.mean(0),
        spread=moved.std(1),
        drawn_low=low,
        drawn_high=high,
        printed=(100 * every >= PRINTED).mean(1),
        excludes_zero=excluded.mean(1),
        above_zero=[above_zero(some) for some in varies],
        p=as_far(np.abs(moved)),
        p_above=as_far(moved),
        **with_papers_slices(sets, contrasts, np.abs(moved), seed),
        needed=[needed(some, RUNS) for some in varies],
        needed_many=[needed(some, MANY_RUNS) for some in varies],
    )
    told = [
        np.nan if np.isnan(patients) else power(sets[0], contrast, int(patients), studies, generator(seed, *contrast))
        for contrast, patients in zip(contrasts, table["needed"], strict=True)
    ]
    return Worth(table.assign(power=told), every, varies, sets[0].both)


def above_zero(varies: Components | None) -> float:
    """Return how often the interval of ``RUNS`` runs would lie above 0 by the choice of the test patients alone.

    Of a gain of nothing, by its components; 2.5 % if patients made no difference.
    """
    if varies is None:
        return float("nan")
    run, patients, both = varies.parts(RUNS, *TEST_SET)
    return float(t.sf(t.ppf((1 + CONFIDENCE) / 2, RUNS - 1) / np.sqrt(1 + patients / (run + both)), RUNS - 1))


def as_far(moved: Array) -> Array:
    """Return the share of drawn gains [..., draws] that differ by ``PRINTED`` or more from the population's."""
    return np.asarray(((100 * moved >= PRINTED).sum(-1) + 1) / (moved.shape[-1] + 1))


def with_papers_slices(
    sets: Sequence[Population], contrasts: Sequence[tuple[str, str]], moved: Array, seed: int
) -> dict[str, list[float]]:
    """Return p_20 and its interval, of each contrast's drawn gains; NaN where several populations are drawn from."""
    found: dict[str, list[float]] = {"p_20": [], "p_20_low": [], "p_20_high": []}
    for contrast, gains in zip(contrasts, moved, strict=True):
        random = generator(seed, "slices", *contrast)
        ratio = with_more_slices(sets[0], contrast, TEST_SET, SLICES, BOOTSTRAPS, random)
        if len(sets) > 1 or np.isnan(ratio[0]):
            p = np.full(1 + BOOTSTRAPS, np.nan)
        else:
            p = np.array([as_far(of * gains) for of in ratio])
        ends = np.quantile(p[1:], ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2))
        for name, value in zip(found, (p[0], *ends), strict=True):
            found[name].append(float(value))
    return found


def needed(varies: Components | None, runs: int) -> float:
    """Return how many patients, in the paper's shares of the classes, tell ``GAIN``; NaN where none or unknown."""
    found = varies.needed(GAIN, runs, RATIO) if varies else None
    return float("nan") if found is None else float(found)


def said(cohort_name: str, found: Worth | None) -> str:
    """Say the evidential worth of the paper's design for its own comparison, in three sentences."""
    if found is None:
        return (
            f"On the {cohort_name}: does not apply. Test sets of {sum(TEST_SET)} patients cannot be drawn where a test "
            f"set has fewer than {FEWEST} patients of a class."
        )
    row, lines = found.table.iloc[0], []
    lines.append(
        f"The gain of {row['arm']} over {row['other']} is {pp(row['gain'])} pp in this population. Of "
        f"{found.drawn.shape[1]:,} test sets of {found.test_set}, {row['printed']:.1%} would have printed "
        f"{PRINTED:.2f} pp or more, and 95 % between {pp(row['drawn_low'])} and {pp(row['drawn_high'])} pp."
    )
    lines.append(interval_said(found.table))
    papers = (
        ""
        if np.isnan(row["p_20"])
        else f"With the paper's {SLICES} slices a patient, by components of variance, {row['p_20']:.2f} "
        f"({row['p_20_low']:.2f} to {row['p_20_high']:.2f}) to either side. "
    )
    lines.append(
        f"Had the population no gain, the choice of test patients alone would print {PRINTED:.2f} pp or more with a "
        f"probability of {row['p_above']:.2g}, and as much to either side with {row['p']:.2g}. {papers}With this "
        f"population's slices, {enough(row)}."
    )
    return listed(cohort_name, lines)


def interval_said(table: pd.DataFrame) -> str:
    """Say how often an interval across runs, as the paper prints it, excludes zero."""
    excluded = dict(zip(zip(table["arm"], table["other"], strict=True), table["excludes_zero"], strict=True))
    if np.isnan(list(excluded.values())).all():
        return "How often an interval across runs would exclude zero cannot be said: each test set has a single run."
    control = excluded.get(CONTROL, np.nan)
    beside = "" if np.isnan(control) else f", and in {control:.0%} that of two draws by one rule, equals"
    return (
        f"The interval across runs, which the paper prints, would exclude zero in {excluded[CONTRASTS[0]]:.0%}{beside}."
    )


def enough(row: pd.Series) -> str:
    """Say how many patients and runs are needed to detect a gain."""
    what = f"to tell {100 * GAIN:g} pp with a power of 80 %"
    if np.isnan(row["needed_many"]):
        return f"what it takes {what} cannot be said here"
    if np.isnan(row["needed"]):
        return f"{what}, {RUNS} runs are too few, and with {MANY_RUNS} it takes {row['needed_many']:,.0f} test patients"
    return (
        f"{what} it takes {row['needed']:,.0f} test patients with {RUNS} runs ({row['power']:.0%} of simulated studies "
        f"of this size do) and {row['needed_many']:,.0f} with {MANY_RUNS}"
    )
