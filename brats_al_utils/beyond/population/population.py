"""The runs of one test set as a population: the AUC of any test set drawn from its patients, without training.

Which of a pair of patients a network ranks higher is counted once; the slice-level AUC of any of the patients, some of
them twice, is a sum over their pairs, and exact.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from brats_al_utils.arrays import Array
from brats_al_utils.beyond.population.components import Components, components
from brats_al_utils.findings.comparison import Pairs
from brats_al_utils.findings.statistics import NEGLIGIBLE

BLOCK = 500
"""Test sets looked at together: their pairs are some MB."""


@dataclass(frozen=True)
class Population:
    """The pairs of patients of one test set, as all runs order them.

    Attributes
    ----------
    arms : tuple of str
    wins : np.ndarray [arms, runs, positives, negatives] of float32
        Pairs of slices of two patients in which the positive patient's has the higher score, ties counting half.
    slices : tuple of np.ndarray
        How many each positive and each negative patient has.
    beaten : tuple of np.ndarray [arms, slices] of float
        Of each positive and each negative slice, patient by patient: the share of the other class's slices that the
        positive one of the two beats, the mean across runs. Empty where it is not known.
    both : bool
        Whether a patient has slices of both classes. Then the positive and the negative patients are all patients, some
        with no slices of the class, and whoever is drawn is drawn with the slices of both.
    """

    arms: tuple[str, ...]
    wins: Array
    slices: tuple[Array, Array]
    beaten: tuple[Array, ...] = ()
    both: bool = False

    @property
    def size(self) -> tuple[int, int]:
        """Numbers of patients with positive and with negative slices."""
        positives, negatives = (int((of > 0).sum()) for of in self.slices)
        return positives, negatives

    def of(self, arm: str) -> Array:
        """Return an arm's wins, [runs, positives, negatives]."""
        return np.asarray(self.wins[self.arms.index(arm)])

    def gain(self, arm: str, other: str) -> float:
        """Return the difference of slice-level AUC between two arms on all patients, mean across runs."""
        won = (self.of(arm) - self.of(other)).sum((1, 2), dtype=float).mean()
        return float(won / (self.slices[0].sum() * self.slices[1].sum()))


def populations(predictions: pd.DataFrame) -> list[Population]:
    """Return the population of each test set: one, or with folds that of each run.

    Parameters
    ----------
    predictions : pd.DataFrame
        Columns arm, seed, patient_id, label, score, and fold where every run has its own test set: one row for each run
        and slice, as `evidence.scores` gives them.
    """
    sets = predictions.groupby("seed") if "fold" in predictions else [(0, predictions)]
    return [population(some) for _, some in sets]


def population(predictions: pd.DataFrame) -> Population:
    """Return the population of one test set; parameters as of `populations`."""
    arms, seeds = tuple(predictions["arm"].unique()), sorted(predictions["seed"].unique())
    ordered = predictions.sort_values(["patient_id"], kind="stable")
    runs = {
        place: (run["patient_id"], run["label"] == 1, run["score"]) for place, run in ordered.groupby(["arm", "seed"])
    }
    patient, positive, _ = runs[arms[0], seeds[0]]
    names, starts, counts = zip(
        *(np.unique(patient[own], return_index=True, return_counts=True) for own in (positive, ~positive)), strict=True
    )
    both = len(np.intersect1d(*names)) > 0
    everyone = [np.union1d(*names)] * 2 if both else names
    where = [np.searchsorted(of, own) for of, own in zip(everyone, names, strict=True)]
    slices = np.zeros(len(everyone[0]), int), np.zeros(len(everyone[1]), int)
    for of_class, own, count in zip(slices, where, counts, strict=True):
        of_class[own] = count
    wins = np.zeros((len(arms), len(seeds), *map(len, slices)), np.float32)
    beaten = tuple(np.zeros((len(arms), of.sum())) for of in slices)
    for place in np.ndindex(wins.shape[:2]):
        _, positive, score = runs[arms[place[0]], seeds[place[1]]]
        scores = score[positive].to_numpy(), score[~positive].to_numpy()
        wins[(*place, *np.ix_(*where))] = pair_wins(*scores, *starts)
        for of_class, own, others, sign in zip(beaten, scores, scores[::-1], (1, -1), strict=True):
            ranked = np.sort(sign * others)
            places = sum(np.searchsorted(ranked, sign * own, end) for end in ("left", "right"))
            of_class[place[0]] += places / (2 * len(others) * len(seeds))
    return Population(arms, wins, slices, beaten, both)


def with_more_slices(
    population: Population,
    contrast: tuple[str, str],
    patients: tuple[int, int],
    slices: int,
    draws: int,
    random: np.random.Generator,
) -> Array:
    """Return the factor by which the spread of a gain over test sets shrinks with more slices per patient.

    By components of variance: what a slice adds to a gain is its patient's and its own, and the mean over more slices
    has less of its own.

    Returns
    -------
    np.ndarray [1 + draws] of float
        The ratio of the two standard deviations, and the same of patients drawn with replacement, for how far it can be
        known. NaN where patients have a single slice, not the same number, or slices of both classes.
    """
    of_each = [int(of[0]) for of in population.slices]
    same = all((of == of[0]).all() for of in population.slices)
    if not population.beaten or population.both or not same or min(of_each) < 2:
        return np.full(1 + draws, np.nan)
    now, then = np.zeros((2, 1 + draws))
    one, other = (population.arms.index(arm) for arm in contrast)
    for beaten, count, here in zip(population.beaten, patients, of_each, strict=True):
        gain = (beaten[one] - beaten[other]).reshape(-1, here)
        drawn = np.vstack([np.arange(len(gain)), random.integers(0, len(gain), (draws, len(gain)))])
        of_patients, own = gain.mean(1)[drawn].var(1, ddof=1), gain.var(1, ddof=1)[drawn].mean(1)
        now += of_patients / count
        then += (np.maximum(of_patients - own / here, 0) + own / slices) / count
    return np.sqrt(then / now)


def pair_wins(high: Array, low: Array, high_starts: Array, low_starts: Array) -> Array:
    """Return, for each two patients, how many pairs of slices are in the right order, ties counting half.

    Parameters
    ----------
    high, low : np.ndarray [n] of float
        Scores of the positive and the negative patients' slices, patient by patient.
    high_starts, low_starts : np.ndarray [patients] of int
        Where each patient's begin.
    """
    return np.stack(
        [
            np.add.reduceat(((of_patient[:, None] > low) + 0.5 * (of_patient[:, None] == low)).sum(0), low_starts)
            for of_patient in np.split(high, high_starts[1:])
        ]
    )


def drawn_gains(
    population: Population,
    contrasts: Sequence[tuple[str, str]],
    counts: tuple[int, int],
    draws: int,
    random: np.random.Generator,
) -> Array:
    """Return the gains of arms over others on test sets drawn with replacement, [contrasts, draws, runs].

    Parameters
    ----------
    counts : (int, int)
        Positive and negative patients of a test set; where patients have slices of both classes, so many in all.
    """
    numbers = [[population.arms.index(arm) for arm in contrast] for contrast in contrasts]
    patients = population.wins.shape[2:]
    if population.both:
        drawn = [random.integers(0, patients[0], (draws, sum(counts)))] * 2
    else:
        drawn = [random.integers(0, of, (draws, count)) for of, count in zip(patients, counts, strict=True)]
    total = np.prod([of[which].sum(1) for of, which in zip(population.slices, drawn, strict=True)], axis=0)
    total = np.maximum(total, 1)  # without slices of a class there is no gain
    flat = population.wins.reshape(*population.wins.shape[:2], -1)
    gains = np.empty((len(contrasts), draws, flat.shape[1]))
    for block in (slice(start, start + BLOCK) for start in range(0, draws, BLOCK)):
        places = drawn[0][block, :, None] * patients[1] + drawn[1][block, None, :]
        for run in range(flat.shape[1]):
            won = {arm: flat[arm, run].take(places).sum((1, 2)) / total[block] for arm in np.unique(numbers)}
            for row, (arm, other) in enumerate(numbers):
                gains[row, block, run] = won[arm] - won[other]
    return gains


def gain_components(population: Population, arm: str, other: str) -> Components | None:
    """Return the variance components of a gain; None if a test set has a single run, or equal runs.

    Nor where patients have slices of both classes: what these have together is no component here.

    Where patients have other numbers of slices, the gain is a ratio of two sums, and each pair's value is its linear
    part: the gain, plus how far the pair moves it.
    """
    if population.both:
        return None
    one, two = population.of(arm).astype(float), population.of(other).astype(float)
    pairs = np.multiply.outer(*population.slices)
    gain = (one - two).sum((1, 2), keepdims=True) / pairs.sum()
    values = gain + (one - two - gain * pairs) / pairs.mean()
    return components(values) if len(values) > 1 and np.ptp(gain) > NEGLIGIBLE else None


def one_study(
    population: Population, contrast: tuple[str, str], runs: Array, positives: Array, negatives: Array
) -> Pairs:
    """Return what `comparison` takes of a study with some of the runs and patients, by number; any may be twice."""
    wins, drawn, slices = [population.of(name) for name in contrast], (positives, negatives), population.slices
    counts = [
        np.bincount(which, minlength=n).astype(np.float32) for which, n in zip(drawn, population.size, strict=True)
    ]
    total = [float(of.sum()) for of in (slices[0][positives], slices[1][negatives])]
    # For every run first, then for the drawn ones: copying the pairs would take longer than summing them.
    beaten = [
        np.stack([some @ counts[1] for some in wins])[:, runs],
        np.stack([counts[0] @ some for some in wins])[:, runs],
    ]
    aucs = (beaten[0] @ counts[0]).astype(float) / (total[0] * total[1])
    shares = [
        np.sqrt(len(which) / (len(which) - 1))
        * (beaten[own][..., which] / total[1 - own] - aucs[..., None] * slices[own][which])
        / total[own]
        for own, which in enumerate(drawn)
    ]
    keys = np.arange(aucs.size).reshape(aucs.shape).astype(str)
    positive = np.repeat([True, False], [len(positives), len(negatives)])
    return Pairs(contrast, keys, aucs, np.concatenate(shares, axis=-1), positive)
