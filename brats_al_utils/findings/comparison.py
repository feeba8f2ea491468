"""Whether an AUC, or a difference between arms, would hold for other patients: confidence intervals and paired tests.

All of it rests on what each patient adds to each run's AUC: the share of slices of the other class that its slices
beat, less the mean (Obuchowski 1997, Biometrics 53:567, for clusters; patient-level, a patient is one score, and that
is DeLong et al. 1988, Biometrics 44:837). What belongs to a mean across runs or to a difference of two arms is the mean
or the difference of these; a patient whom several runs tested has one sum, and so has one with slices of both classes,
which holds what the two have in common. So one formula serves one fixed test set, folds, and folds dealt anew each
cycle, and a fold's patients are compared with that fold's alone (stratified).
It is what drawing patients with replacement within fold and class converges to, without the draws.

What holds across runs and patients holds for other runs that are trained on these patients, and tested on others. How
far another cohort to train on would move all runs at once, one cohort does not show: Nadeau and Bengio's term, which
takes it from the spread of the runs, is too little where runs hardly differ and far too much where they do
(docs/coverage.md).

Limits are those of t with Welch and Satterthwaite's degrees of freedom, on the logit scale for an AUC. Where a
variance cannot be estimated or is estimated as 0, there are no limits and no p (NaN): zero variance is no certainty.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.special import expit, logit
from scipy.stats import nct, t

from brats_al_utils import InputError
from brats_al_utils.arrays import Array
from brats_al_utils.cohorts.split import redrawn
from brats_al_utils.findings.statistics import AUC_RANGE, CONFIDENCE, GAIN_RANGE, NEGLIGIBLE, mean_interval

MARGIN = 0.02
"""An arm that is worse by less than 2 pp of AUC is not inferior; fixed before any comparison."""

FEWEST_RUNS = 3
"""Distinct runs for limits across both. Two that come out alike by chance hide how far runs vary: in simulated studies
such limits of a difference hold the truth in 90 % with two runs, in 92 to 93 % with three, in 95 % with five."""

BOTH = 2
"""The value in `Pairs.classes` of a patient with slices of both classes."""

POWER = 0.8
"""The probability with which a test finds the smallest detectable difference."""

P_COLUMNS = ("p_patients", "p_both")
"""The columns of `compare` with p-values; `adjusted` adjusts each for its family."""


@dataclass(frozen=True)
class Error:
    """A standard error and its degrees of freedom; NaN where it cannot be told."""

    error: float = float("nan")
    freedom: float = float("nan")


@dataclass(frozen=True)
class Pairs:
    """What the pairs of a positive and a negative patient say of every run.

    Attributes
    ----------
    arms : tuple of str
    keys : np.ndarray [arms, runs] of str
        Equal where two runs are one.
    aucs : np.ndarray [arms, runs] of float
    shares : np.ndarray [arms, runs, patients] of float
        What each patient adds to a run's AUC beyond the mean of its class; 0 where the run did not test it. The sum
        of their squares is unbiased for the variance across patients; NaN of a class of one patient.
    classes : np.ndarray [patients] of int
        What a patient's slices are: 0 all negative, 1 all positive, ``BOTH``.
    folds : int
        In how many test sets a cycle the patients are dealt; 1: one test set for all runs.
    """

    arms: tuple[str, ...]
    keys: Array
    aucs: Array
    shares: Array
    classes: Array
    folds: int = 1

    @property
    def redrawn(self) -> float:
        """See `split.redrawn`."""
        return redrawn(self.folds)

    @property
    def parts(self) -> tuple[tuple[Array, int], ...]:
        """Patients who vary alike, with their degrees of freedom, of which every fold costs one.

        They are those of either class and those with both. Where slices of both classes in a patient leave too few of a
        kind for the folds, all patients are one part, with the degrees of freedom of the class that fewer have.
        """
        kinds = [self.classes == kind for kind in (1, 0, BOTH)]
        parts = tuple((kind, int(kind.sum()) - self.folds) for kind in kinds if kind.any())
        if kinds[2].any() and min(degrees for _, degrees in parts) < 1:
            fewest = min((kinds[2] | kind).sum() for kind in kinds[:2])
            return ((np.ones(len(self.classes), bool), int(fewest) - self.folds),)
        return parts

    @property
    def freedom(self) -> Array:
        """Degrees of freedom of each of the ``parts``."""
        return np.array([degrees for _, degrees in self.parts])

    def estimate(self, *arms: str) -> tuple[Array, Array]:
        """Return AUC [runs] and shares [runs, patients] of an arm, or by how much they exceed a second one's.

        Runs with the same keys are one run.
        """
        numbers = [self.arms.index(name) for name in arms]
        _, first = np.unique(self.keys[numbers], axis=1, return_index=True)
        runs = np.sort(first)
        aucs, shares = self.aucs[numbers][:, runs], self.shares[numbers][:, runs]
        return (aucs[0] - aucs[1], shares[0] - shares[1]) if len(arms) > 1 else (aucs[0], shares[0])

    def with_mean(self, name: str, arms: Sequence[str]) -> "Pairs":
        """Return these pairs with one arm more: the mean of some arms, run by run."""
        numbers = [self.arms.index(arm) for arm in arms]
        keys = ["+".join(run) for run in self.keys[numbers].T]
        return Pairs(
            (*self.arms, name),
            np.vstack([self.keys, keys]),
            np.vstack([self.aucs, self.aucs[numbers].mean(0)]),
            np.concatenate([self.shares, self.shares[numbers].mean(0)[None]]),
            self.classes,
            self.folds,
        )

    def repeated(self, *arms: str) -> str:
        """Return the first of some arms whose runs are all one run, or nothing."""
        return next((arm for arm in arms if len(set(self.keys[self.arms.index(arm)])) < 2), "")


def patient_pairs(predictions: pd.DataFrame, unit: str) -> Pairs:
    """Return the pairs of patients of one test set, or of folds.

    Parameters
    ----------
    predictions : pd.DataFrame
        Columns arm, seed, patient_id, label (0, 1), score; one row for each run and slice of one part. Where every
        run has its own test set, also fold (0 .. K - 1). With a column key, runs of one key are one run; else those
        with the same scores.
    unit : {"slice", "patient"}

    Raises
    ------
    InputError
        If the arms do not have the same seeds, or two runs not the same slices: nothing is paired then. If patients are
        to be told apart and one has slices of both classes.
    """
    patient, names = pd.factorize(predictions["patient_id"])
    classes = classes_of(patient, predictions["label"].to_numpy() == 1)
    if unit == "patient" and (classes == BOTH).any():
        raise InputError(f"{names[classes == BOTH][0]} has slices of both classes: compare slices, not patients")
    arms = tuple(predictions["arm"].unique())
    seeds = sorted(predictions["seed"].unique())
    runs = dict(iter(predictions.assign(patient=patient).groupby(["arm", "seed"])))
    if missing := [(arm, seed) for arm in arms for seed in seeds if (arm, seed) not in runs]:
        raise InputError(f"no run of arm and seed {missing[0]}, expected every arm with every seed: train them all")
    folds = int(predictions["fold"].nunique()) if "fold" in predictions else 1
    keys = np.empty((len(arms), len(seeds)), object)
    aucs, shares = np.empty(keys.shape), np.zeros((*keys.shape, len(names)))
    tested: dict[int, Array] = {}  # slices of each patient, by test set
    for column, seed in enumerate(seeds):
        for row, arm in enumerate(arms):
            run = runs[arm, seed]
            whose, score = run["patient"].to_numpy(), run["score"].to_numpy(float)
            positive = run["label"].to_numpy() == 1
            slices = np.bincount(whose, minlength=len(names))
            if not np.array_equal(slices, tested.setdefault(column if folds > 1 else 0, slices)):
                raise InputError(f"{arm, seed} was tested on other slices than {arms[0]!r}, expected one test set")
            keys[row, column] = run["key"].iloc[0] if "key" in run else sha256(score.tobytes()).hexdigest()
            if unit == "patient":
                total, whose = np.bincount(whose, score, len(names)), np.flatnonzero(slices)
                score, positive = total[whose] / slices[whose], classes[whose] == 1
            aucs[row, column], shares[row, column] = run_shares(score, positive, whose, len(names))
    return Pairs(arms, keys.astype(str), aucs, shares, classes, folds)


def classes_of(patient: Array, positive: Array) -> Array:
    """Return `Pairs.classes` of the slices' patients, [n] of int from 0, and whether each slice is positive."""
    has = [np.bincount(patient, of_class) > 0 for of_class in (positive, ~positive)]
    return np.select([has[0] & has[1], has[0]], [BOTH, 1], 0)


def run_shares(score: Array, positive: Array, patient: Array, patients: int) -> tuple[float, Array]:
    """Return one run's AUC, ties counting half, and what each patient adds to it: see `Pairs`.

    Parameters
    ----------
    score : np.ndarray [n] of float
    positive : np.ndarray [n] of bool
    patient : np.ndarray [n] of int
        The patient of each score, numbered from 0.
    patients : int
        How many there are in all.
    """
    beaten = won(score, positive) / np.where(positive, (~positive).sum(), positive.sum())
    auc = float(beaten[positive].mean())
    shares = np.zeros(patients)
    for own in (positive, ~positive):
        tested = len(np.unique(patient[own]))
        unbiased = np.sqrt(tested / (tested - 1)) if tested > 1 else np.nan
        shares += np.bincount(patient[own], unbiased * (beaten[own] - auc) / own.sum(), patients)
    return auc, shares


def won(score: Array, positive: Array) -> Array:
    """Return how many scores of the other class each lies on the right side of, ties counting half.

    Parameters
    ----------
    score : np.ndarray [n] of float
    positive : np.ndarray [n] of bool
    """
    found = np.empty(len(score))
    for own, sign in ((positive, 1), (~positive, -1)):
        others = np.sort(sign * score[~own])
        places = [np.searchsorted(others, sign * score[own], side) for side in ("left", "right")]
        found[own] = (places[0] + places[1]) / 2
    return found


def across_patients(pairs: Pairs, *arms: str) -> Error:
    """Return the standard error across patients, the runs as they are, of an arm or of its difference to another."""
    parts = patient_parts(pairs, pairs.estimate(*arms)[1])
    if not (parts > NEGLIGIBLE**2).all() or (pairs.freedom < 1).any():
        return Error()
    return Error(float(np.sqrt(parts.sum())), freedom(parts, pairs.freedom))


def across_both(pairs: Pairs, *arms: str) -> Error:
    """Return the standard error across runs and patients, of an arm or of its difference to another.

    Of one arm, the variance across runs and that across patients are added, as in Owen's pigeonhole bootstrap (2007,
    Ann. Appl. Statistics 1:386), which counts twice what run and patient have together. That makes up for what no
    run shows: how much another cohort to train on would move all runs at once.

    A difference of arms, which lose that together, would come out too wide: what runs differ in because of their
    patients (other folds) and what run and patient have together is known from the shares and is taken off. Runs that
    spread by less than that have a variance of 0 of their own, but its degrees of freedom all the same: that few runs
    came out alike by chance is not ruled out.
    """
    aucs, shares = pairs.estimate(*arms)
    runs = len(aucs)
    if np.isnan(across_patients(pairs, *arms).error + run_sd(pairs, *arms)):
        return Error()
    parts, known = patient_parts(pairs, shares), known_of_runs(pairs, *arms)
    parts = np.append(parts - known / runs, max(np.var(aucs, ddof=1), known.sum()) / runs)
    return Error(float(np.sqrt(parts.sum())), freedom(parts, np.append(pairs.freedom, runs - 1)))


def run_sd(pairs: Pairs, *arms: str) -> float:
    """Return the standard deviation that runs have of their own, of an arm or of its difference to another.

    0 where they spread by no more than their patients explain; NaN of runs too few, or that do not vary.
    """
    aucs, _ = pairs.estimate(*arms)
    if len(aucs) < FEWEST_RUNS or pairs.repeated(*arms) or np.std(aucs) < NEGLIGIBLE:
        return float("nan")
    return float(np.sqrt(max(np.var(aucs, ddof=1) - known_of_runs(pairs, *arms).sum(), 0.0)))


def known_of_runs(pairs: Pairs, *arms: str) -> Array:
    """Return what each of `Pairs.parts` explains of the variance across runs of a difference; of one arm, nothing."""
    shares = pairs.estimate(*arms)[1]
    parts, runs = patient_parts(pairs, shares), len(shares)
    apart = np.mean([by_part(pairs, share) for share in shares], axis=0)
    known: Array = runs / (runs - 1) * (apart - parts)
    return known if len(arms) > 1 else np.zeros(len(parts))


def patient_parts(pairs: Pairs, shares: Array) -> Array:
    """Return what each of `Pairs.parts` adds to the variance of a mean across runs, from shares [runs, patients].

    A share is counted from the mean of a fold's patients: a degree of freedom a fold is lost. Where cycles deal them
    anew, a patient has other companions in each, and what the cycles have in common of a patient comes out too small:
    by the degrees of freedom over n - 1 of n patients, in the mean over all deals. It matters for few of a class.
    """
    parts = by_part(pairs, shares.mean(0))
    if not 1 < pairs.folds < len(shares):
        return parts
    alone = np.mean([by_part(pairs, share) for share in shares], axis=0) / len(shares)
    common: Array = np.maximum(parts - alone, 0) * (1 + (pairs.folds - 1) / np.maximum(pairs.freedom, 1))
    total: Array = alone + common
    return total


def by_part(pairs: Pairs, shares: Array) -> Array:
    """Return what each of `Pairs.parts` adds to a variance, from shares [patients]."""
    return np.array([(shares[part] ** 2).sum() for part, _ in pairs.parts])


def freedom(parts: Array, counts: Array) -> float:
    """Return Welch and Satterthwaite's degrees of freedom of a variance that is a sum of estimated parts.

    At least those of the part with the fewest.

    Parameters
    ----------
    parts : np.ndarray [n] of float
        A part that is subtracted is negative.
    counts : np.ndarray [n] of int
        Degrees of freedom of each.
    """
    return max(float(parts.sum() ** 2 / (parts**2 / counts).sum()), float(counts.min()))


def difference_limits(value: float, error: Error, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return t-limits of a difference of two AUCs, cut at -1 and 1, beyond which none lies."""
    half = t.ppf((1 + confidence) / 2, error.freedom) * error.error
    low, high = np.clip((value - half, value + half), *GAIN_RANGE)
    return float(low), float(high)


def auc_limits(auc: float, error: Error) -> tuple[float, float]:
    """Return 95 % limits of an AUC, symmetric on the logit scale and so within 0..1; NaN for an AUC of 0 or 1.

    The standard error is carried over by the delta method (Pepe 2003, The Statistical Evaluation of Medical Tests,
    section 5.2).
    """
    if not 0 < auc < 1:
        return float("nan"), float("nan")
    half = t.ppf((1 + CONFIDENCE) / 2, error.freedom) * error.error / (auc * (1 - auc))
    low, high = expit(logit(auc) - half), expit(logit(auc) + half)
    return float(low), float(high)


def p_value(value: float, error: Error) -> float:
    """Return the two-sided p of a value of 0; NaN without an error to hold it against."""
    return float(2 * t.sf(abs(value) / error.error, error.freedom))


def holm(p: Array) -> Array:
    """Return p-values adjusted for the family that they form (Holm 1979, Scand. J. Statistics 6:65).

    Parameters
    ----------
    p : np.ndarray [n] of float
        NaN stays NaN and is not counted: nothing was tested.
    """
    adjusted = np.full(len(p), np.nan)
    tested = np.flatnonzero(~np.isnan(p))
    order = tested[np.argsort(p[tested])]
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(order), 0, -1)), 1)
    return adjusted


def adjusted(table: pd.DataFrame, family: Sequence[str] = ()) -> pd.DataFrame:
    """Return contrasts of `compare` with Holm's adjustment: for each of ``P_COLUMNS`` a column more, ending in _holm.

    Parameters
    ----------
    table : pd.DataFrame
        All contrasts that a reader sees together, from however many calls of `compare`.
    family : sequence of str
        Columns whose values part the table into families, such as unit; none: the whole table is one.
    """
    groups = table.groupby(list(family), sort=False).ngroup() if family else pd.Series(0, table.index)
    columns = {f"{p}_holm": table[p].groupby(groups).transform(lambda of: holm(of.to_numpy(float))) for p in P_COLUMNS}
    return table.assign(**columns)


def detectable(error: Error) -> float:
    """Return the smallest difference of two AUCs that a two-sided test at 5 % finds with a probability of ``POWER``.

    By the noncentral t, whose power is exact at any degrees of freedom; that of rejecting on the wrong side, below
    1e-5, is left aside. NaN where no difference up to 1 is found.
    """
    if np.isnan(error.error):
        return float("nan")
    critical = t.ppf((1 + CONFIDENCE) / 2, error.freedom)

    def missing_power(size: float) -> float:
        return float(nct.sf(critical, error.freedom, size / error.error)) - POWER

    # 1.28 times the critical value at one degree of freedom, 1.43 times at many; the noncentral t fails far beyond.
    most = min(GAIN_RANGE[1], 1.6 * critical * error.error)
    return float(brentq(missing_power, 0.0, most)) if missing_power(most) > 0 else float("nan")


def three_intervals(pairs: Pairs, *arms: str) -> dict[str, float]:
    """Return the limits of `intervals` of an arm, or of its difference to another."""
    aucs, _ = pairs.estimate(*arms)
    limits, ends = (difference_limits, GAIN_RANGE) if len(arms) > 1 else (auc_limits, AUC_RANGE)
    across = {
        "runs": mean_interval(aucs[:1] if pairs.repeated(*arms) else aucs, pairs.redrawn, ends)[1:],
        "patients": limits(float(aucs.mean()), across_patients(pairs, *arms)),
        "both": limits(float(aucs.mean()), across_both(pairs, *arms)),
    }
    return {
        f"{name}_{end}": value
        for name, pair in across.items()
        for end, value in zip(("low", "high"), pair, strict=True)
    }


def intervals(pairs: Pairs) -> pd.DataFrame:
    """Return the AUC of each arm with its 95 % confidence intervals.

    Returns
    -------
    pd.DataFrame
        arm, auc_mean (across runs), runs_low, runs_high (t; Nadeau and Bengio's with folds), patients_low,
        patients_high (the runs as they are), both_low, both_high, n_runs (distinct ones).
    """
    rows = []
    for arm in pairs.arms:
        aucs, _ = pairs.estimate(arm)
        rows.append({"arm": arm, "auc_mean": aucs.mean(), **three_intervals(pairs, arm), "n_runs": len(aucs)})
    return pd.DataFrame(rows)


def compare(pairs: Pairs, contrasts: Sequence[tuple[str, str]]) -> pd.DataFrame:
    """Return by how much one arm's AUC exceeds another's, with confidence intervals and paired tests.

    Parameters
    ----------
    pairs : Pairs
    contrasts : sequence of (arm, other)
        One family for Holm's adjustment; of several calls that a reader sees together, use `adjusted`.

    Returns
    -------
    pd.DataFrame
        arm, other, auc_difference (mean across runs); the intervals as in `intervals`; p_patients (DeLong patient-
        level, Obuchowski slice-level: of these networks on other patients) and p_both (of other runs on other
        patients), each also _holm; noninferior (whether the interval across both lies above ``-MARGIN``: a one-
        sided test at 2.5 %, Piaggio et al. 2012, JAMA 308:2594); detectable (the smallest difference that a
        test across both would find with this many runs and patients); run_sd (`run_sd`: 0 where runs spread by no more
        than their patients explain); n_runs (distinct ones).

    Raises
    ------
    InputError
        If an arm is not among the pairs'.
    """
    if unknown := {arm for contrast in contrasts for arm in contrast} - set(pairs.arms):
        raise InputError(f"no arm {sorted(unknown)[0]!r}, expected some of {', '.join(pairs.arms)}")
    rows = []
    for arm, other in contrasts:
        aucs, _ = pairs.estimate(arm, other)
        both, ends = across_both(pairs, arm, other), three_intervals(pairs, arm, other)
        rows.append(
            {
                "arm": arm,
                "other": other,
                "auc_difference": aucs.mean(),
                **ends,
                "p_patients": p_value(aucs.mean(), across_patients(pairs, arm, other)),
                "p_both": p_value(aucs.mean(), both),
                "noninferior": ends["both_low"] > -MARGIN,
                "detectable": detectable(both),
                "run_sd": run_sd(pairs, arm, other),
                "n_runs": len(aucs),
            }
        )
    return adjusted(pd.DataFrame(rows))


def lacking(pairs: Pairs, *arms: str) -> str:
    """Return why no interval across runs and patients can be told of an arm or of two, or nothing if one can."""
    if arm := pairs.repeated(*arms):
        return f"one distinct run of {arm}"
    if np.isnan(pairs.shares).any() or (pairs.freedom < 1).any():
        return "one patient of a class in a test set"
    if np.isnan(across_patients(pairs, *arms).error):
        return "no estimated variance across patients"
    if (runs := len(pairs.estimate(*arms)[0])) < FEWEST_RUNS:
        return f"{runs} distinct runs, expected at least {FEWEST_RUNS}"
    return "no estimated variance across runs" if np.isnan(across_both(pairs, *arms).error) else ""
