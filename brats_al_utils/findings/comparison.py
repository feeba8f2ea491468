"""Confidence intervals and paired tests of AUCs and their differences, across runs and across patients.

The unit is a patient's contribution to a run's AUC: the share of slices of the other class that its slices beat, less
the mean (Obuchowski 1997, Biometrics 53:567, for clusters; patient-level, where a patient has one score, this is DeLong
et al. 1988, Biometrics 44:837). The contribution to a mean across runs, or to a difference of two arms, is the mean or
the difference of these. A patient tested in several runs has one sum, and so has a patient with slices of both classes,
which accounts for their covariance. Thus one formula serves a fixed test set, folds, and folds dealt anew in each
cycle; a fold's patients are compared within the fold (stratified). It is the limit of a bootstrap of patients within
fold and class.

An interval across runs and patients holds for other runs trained on these patients, and tested on other patients. How
much another training cohort would move all runs at once cannot be estimated from one cohort: Nadeau and Bengio's term,
which takes it from the spread of the runs, is too small where runs hardly differ and far too large where they do
(docs/coverage.md).

Limits are from t with Welch and Satterthwaite's degrees of freedom, on the logit scale for an AUC. If a variance cannot
be estimated, or is estimated as 0, there are no limits and no p (NaN): a variance of 0 is no certainty.
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
"""Margin of noninferiority: an arm that is worse by less than 2 pp of AUC is not inferior; fixed in advance."""

FEWEST_RUNS = 3
"""Smallest number of distinct runs for limits across both. With few runs their spread can be small by chance: in
simulated studies the limits of a difference cover the truth in 90 % with two runs, 92 to 93 % with three, and 95 % with
five."""

BOTH = 2
"""Value in `Pairs.classes` for a patient with slices of both classes."""

POWER = 0.8
"""Power at the smallest detectable difference."""

P_COLUMNS = ("p_patients", "p_both")
"""Columns of `compare` with p-values; `adjusted` adjusts each of them within its family."""


@dataclass(frozen=True)
class Error:
    """A standard error and its degrees of freedom; NaN if it cannot be estimated."""

    error: float = float("nan")
    freedom: float = float("nan")


@dataclass(frozen=True)
class Pairs:
    """The AUC of every run, and each patient's contribution to it.

    Attributes
    ----------
    arms : tuple of str
    keys : np.ndarray [arms, runs] of str
        Equal where two runs are one.
    aucs : np.ndarray [arms, runs] of float
    shares : np.ndarray [arms, runs, patients] of float
        Contribution of each patient to a run's AUC, beyond the mean of its class; 0 if the run did not test the
        patient. The sum of squares is an unbiased estimate of the variance across patients; NaN if a class has one
        patient.
    classes : np.ndarray [patients] of int
        Classes of a patient's slices: 0 negative, 1 positive, ``BOTH``.
    folds : int
        Number of test sets in a cycle; 1: one test set for all runs.
    """

    arms: tuple[str, ...]
    keys: Array
    aucs: Array
    shares: Array
    classes: Array
    folds: int = 1

    @property
    def parts(self) -> tuple[tuple[Array, int], ...]:
        """Groups of patients with a common variance (masks), with their degrees of freedom: one less for each fold.

        The groups are the patients of each class, and those with both. If one of the three is too small for the folds,
        all patients form one group, with the degrees of freedom of the rarer class.
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
        """Return AUC [runs] and shares [runs, patients] of an arm, or their differences between two arms.

        Runs with the same keys count once.
        """
        numbers = [self.arms.index(name) for name in arms]
        _, first = np.unique(self.keys[numbers], axis=1, return_index=True)
        runs = np.sort(first)
        aucs, shares = self.aucs[numbers][:, runs], self.shares[numbers][:, runs]
        return (aucs[0] - aucs[1], shares[0] - shares[1]) if len(arms) > 1 else (aucs[0], shares[0])

    def with_mean(self, name: str, arms: Sequence[str]) -> "Pairs":
        """Return the pairs with a further arm: the mean of some arms, run by run."""
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
        """Return the first of some arms all of whose runs are the same run; empty if there is none."""
        return next((arm for arm in arms if len(set(self.keys[self.arms.index(arm)])) < 2), "")


def patient_pairs(predictions: pd.DataFrame, unit: str) -> Pairs:
    """Return the pairs of patients of one test set, or of folds.

    Parameters
    ----------
    predictions : pd.DataFrame
        Columns arm, seed, patient_id, label (0, 1), score; one row for each run and slice of one part. If every run has
        its own test set, also fold (0 .. K - 1). Runs with the same key (or without a column key, with the same scores)
        count once.
    unit : {"slice", "patient"}

    Raises
    ------
    InputError
        If arms differ in their seeds, or runs in their slices: then they are not paired. For the unit patient, if one
        has slices of both classes.
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
    """Return `Pairs.classes`, from each slice's patient [n] of int (from 0) and whether the slice is positive [n]."""
    has = [np.bincount(patient, of_class) > 0 for of_class in (positive, ~positive)]
    return np.select([has[0] & has[1], has[0]], [BOTH, 1], 0)


def run_shares(score: Array, positive: Array, patient: Array, patients: int) -> tuple[float, Array]:
    """Return one run's AUC, ties counting half, and each patient's contribution to it: see `Pairs`.

    Parameters
    ----------
    score : np.ndarray [n] of float
    positive : np.ndarray [n] of bool
    patient : np.ndarray [n] of int
        The patient of each score, numbered from 0.
    patients : int
        Total number of patients.
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
    """Return for each score how many scores of the other class it beats, ties counting half.

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
    """Return the standard error across patients, for these runs, of an arm or of its difference to another."""
    parts = patient_parts(pairs, pairs.estimate(*arms)[1])
    if not (parts > NEGLIGIBLE**2).all() or (pairs.freedom < 1).any():
        return Error()
    return Error(float(np.sqrt(parts.sum())), freedom(parts, pairs.freedom))


def across_both(pairs: Pairs, *arms: str) -> Error:
    """Return the standard error across runs and patients, of an arm or of its difference to another.

    For one arm, the variances across runs and across patients are added, as in Owen's pigeonhole bootstrap (2007, Ann.
    Appl. Statistics 1:386), which counts the interaction of run and patient twice. This makes up for the effect of
    another training cohort, which no run shows.

    For a difference of arms, in which that effect cancels, this would be too wide. The part of the spread of runs that
    is due to their patients (other folds, and the interaction of run and patient) is known from the shares, and is
    subtracted. Runs that spread by less have a variance of 0 of their own, but keep its degrees of freedom: a few runs
    may be similar by chance.
    """
    aucs, shares = pairs.estimate(*arms)
    runs = len(aucs)
    if np.isnan(across_patients(pairs, *arms).error + run_sd(pairs, *arms)):
        return Error()
    parts, known = patient_parts(pairs, shares), known_of_runs(pairs, *arms)
    parts = np.append(parts - known / runs, max(np.var(aucs, ddof=1), known.sum()) / runs)
    return Error(float(np.sqrt(parts.sum())), freedom(parts, np.append(pairs.freedom, runs - 1)))


def run_sd(pairs: Pairs, *arms: str) -> float:
    """Return the standard deviation of runs that patients do not explain, of an arm or of its difference to another.

    0 if patients explain all of the spread; NaN for too few runs, and for runs that do not vary.
    """
    aucs, _ = pairs.estimate(*arms)
    if len(aucs) < FEWEST_RUNS or pairs.repeated(*arms) or np.std(aucs) < NEGLIGIBLE:
        return float("nan")
    return float(np.sqrt(max(np.var(aucs, ddof=1) - known_of_runs(pairs, *arms).sum(), 0.0)))


def known_of_runs(pairs: Pairs, *arms: str) -> Array:
    """Return the variance across runs of a difference that each of `Pairs.parts` explains; 0 for a single arm."""
    shares = pairs.estimate(*arms)[1]
    parts, runs = patient_parts(pairs, shares), len(shares)
    apart = np.mean([by_part(pairs, share) for share in shares], axis=0)
    known: Array = runs / (runs - 1) * (apart - parts)
    return known if len(arms) > 1 else np.zeros(len(parts))


def patient_parts(pairs: Pairs, shares: Array) -> Array:
    """Return the contribution of each of `Pairs.parts` to the variance of a mean across runs.

    Parameters
    ----------
    shares : np.ndarray [runs, patients] of float

    Notes
    -----
    Shares are relative to the mean of a fold's patients, which costs a degree of freedom for each fold. If cycles deal
    the folds anew, this mean differs between cycles, and what a patient has in common in all cycles is estimated too
    small: by the ratio of the degrees of freedom to n - 1 for n patients, on average over all deals. The correction
    matters for a class with few patients.
    """
    parts = by_part(pairs, shares.mean(0))
    if not 1 < pairs.folds < len(shares):
        return parts
    alone = np.mean([by_part(pairs, share) for share in shares], axis=0) / len(shares)
    common: Array = np.maximum(parts - alone, 0) * (1 + (pairs.folds - 1) / np.maximum(pairs.freedom, 1))
    total: Array = alone + common
    return total


def by_part(pairs: Pairs, shares: Array) -> Array:
    """Return the contribution of each of `Pairs.parts` to a variance, from shares [patients]."""
    return np.array([(shares[part] ** 2).sum() for part, _ in pairs.parts])


def freedom(parts: Array, counts: Array) -> float:
    """Return Welch and Satterthwaite's degrees of freedom of a variance that is a sum of estimated parts.

    They are at least those of the part with the fewest.

    Parameters
    ----------
    parts : np.ndarray [n] of float
        Variances; a subtracted part is negative.
    counts : np.ndarray [n] of int
        Degrees of freedom of each part.
    """
    return max(float(parts.sum() ** 2 / (parts**2 / counts).sum()), float(counts.min()))


def difference_limits(value: float, error: Error, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return the t-limits of a difference of two AUCs, cut at -1 and 1."""
    half = t.ppf((1 + confidence) / 2, error.freedom) * error.error
    low, high = np.clip((value - half, value + half), *GAIN_RANGE)
    return float(low), float(high)


def auc_limits(auc: float, error: Error) -> tuple[float, float]:
    """Return 95 % limits of an AUC, symmetric on the logit scale and so within 0..1; NaN for an AUC of 0 or 1.

    The standard error is transformed by the delta method (Pepe 2003, The Statistical Evaluation of Medical Tests,
    section 5.2).
    """
    if not 0 < auc < 1:
        return float("nan"), float("nan")
    half = t.ppf((1 + CONFIDENCE) / 2, error.freedom) * error.error / (auc * (1 - auc))
    low, high = expit(logit(auc) - half), expit(logit(auc) + half)
    return float(low), float(high)


def p_value(value: float, error: Error) -> float:
    """Return the two-sided p of the hypothesis that a value is 0; NaN without a standard error."""
    return float(2 * t.sf(abs(value) / error.error, error.freedom))


def holm(p: Array) -> Array:
    """Return p-values adjusted for their family (Holm 1979, Scand. J. Statistics 6:65).

    Parameters
    ----------
    p : np.ndarray [n] of float
        NaN stays NaN and does not count as a test.
    """
    adjusted = np.full(len(p), np.nan)
    tested = np.flatnonzero(~np.isnan(p))
    order = tested[np.argsort(p[tested])]
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(order), 0, -1)), 1)
    return adjusted


def adjusted(table: pd.DataFrame, family: Sequence[str] = ()) -> pd.DataFrame:
    """Return contrasts of `compare` with Holm's adjustment: a further column (_holm) for each of ``P_COLUMNS``.

    Parameters
    ----------
    table : pd.DataFrame
        All contrasts that a reader sees together, from one or more calls of `compare`.
    family : sequence of str
        Columns that divide the table into families, such as unit; none: the whole table is one family.
    """
    groups = table.groupby(list(family), sort=False).ngroup() if family else pd.Series(0, table.index)
    columns = {f"{p}_holm": table[p].groupby(groups).transform(lambda of: holm(of.to_numpy(float))) for p in P_COLUMNS}
    return table.assign(**columns)


def detectable(error: Error) -> float:
    """Return the smallest difference of two AUCs that a two-sided test at 5 % finds with a probability of ``POWER``.

    The noncentral t gives the exact power at any degrees of freedom; the probability of rejection on the wrong side
    (below 1e-5) is ignored. NaN if no difference up to 1 is found.
    """
    if np.isnan(error.error):
        return float("nan")
    critical = t.ppf((1 + CONFIDENCE) / 2, error.freedom)

    def missing_power(size: float) -> float:
        return float(nct.sf(critical, error.freedom, size / error.error)) - POWER

    # The solution is 1.28 (one degree of freedom) to 1.43 (many) times the critical value; far above, nct fails.
    most = min(GAIN_RANGE[1], 1.6 * critical * error.error)
    return float(brentq(missing_power, 0.0, most)) if missing_power(most) > 0 else float("nan")


def three_intervals(pairs: Pairs, *arms: str) -> dict[str, float]:
    """Return the limits across runs, patients and both, of an arm or of its difference to another."""
    aucs, _ = pairs.estimate(*arms)
    limits, ends = (difference_limits, GAIN_RANGE) if len(arms) > 1 else (auc_limits, AUC_RANGE)
    across = {
        "runs": mean_interval(aucs[:1] if pairs.repeated(*arms) else aucs, redrawn(pairs.folds), ends)[1:],
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
        arm, auc_mean (across runs), runs_low, runs_high (t; with folds Nadeau and Bengio's), patients_low,
        patients_high (for these runs), both_low, both_high, n_runs (distinct ones).
    """
    rows = []
    for arm in pairs.arms:
        aucs, _ = pairs.estimate(arm)
        rows.append({"arm": arm, "auc_mean": aucs.mean(), **three_intervals(pairs, arm), "n_runs": len(aucs)})
    return pd.DataFrame(rows)


def compare(pairs: Pairs, contrasts: Sequence[tuple[str, str]]) -> pd.DataFrame:
    """Return differences of AUC between arms, with confidence intervals and paired tests.

    Parameters
    ----------
    pairs : Pairs
    contrasts : sequence of (arm, other)
        One family for Holm's adjustment; for the contrasts of several calls use `adjusted`.

    Returns
    -------
    pd.DataFrame
        arm, other, auc_difference (mean across runs); limits as in `intervals`; p_patients (these networks on other
        patients: DeLong patient-level, Obuchowski slice-level) and p_both (other runs on other patients), each also
        with _holm; noninferior (whether the interval across both lies above ``-MARGIN``: a one-sided test at 2.5 %,
        Piaggio et al. 2012, JAMA 308:2594); detectable (the smallest difference that a test across both finds with as
        many runs and patients); run_sd (see `run_sd`); n_runs (distinct ones).

    Raises
    ------
    InputError
        If an arm is unknown.
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
    """Return why there is no interval across runs and patients of an arm or of two; empty if there is one."""
    if arm := pairs.repeated(*arms):
        return f"one distinct run of {arm}"
    if np.isnan(pairs.shares).any() or (pairs.freedom < 1).any():
        return "one patient of a class in a test set"
    if np.isnan(across_patients(pairs, *arms).error):
        return "no estimated variance across patients"
    if (runs := len(pairs.estimate(*arms)[0])) < FEWEST_RUNS:
        return f"{runs} distinct runs, expected at least {FEWEST_RUNS}"
    return "no estimated variance across runs" if np.isnan(across_both(pairs, *arms).error) else ""
