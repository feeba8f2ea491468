"""The rules by which a number or a claim of the paper is judged, fixed before there were results.

A verdict rests on the 95 % confidence interval across runs and patients. By the runs alone, which all test the same
patients, a gain would be found too often where there is none: `operating` measures how often.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml
from scipy.stats import t

from brats_al_utils.arrays import Array
from brats_al_utils.findings.comparison import holm
from brats_al_utils.findings.statistics import CONFIDENCE, NEGLIGIBLE

REPRODUCED, NOT_REPRODUCED, CANNOT_TELL = "reproduced", "not reproduced", "cannot tell"
HERE = {REPRODUCED: "holds here", NOT_REPRODUCED: "does not hold here", CANNOT_TELL: "cannot tell here"}
"""Names of the verdicts on claims on another cohort than the paper's."""

VERDICTS = (REPRODUCED, NOT_REPRODUCED, CANNOT_TELL, *HERE.values())

EQUIVALENCE = 3.0
"""Percentage points within which two AUCs, or two gains, count as equal; fixed before any run."""

UNLEARNED = "have not learned"
"""Words in the notes of a row, after the runs that have not learned."""

ROUNDING = 0.01
"""Largest deviation (pp) of a printed gain from the difference of two printed AUCs by rounding to 0.01."""

FILLED_IN = {
    "margin": EQUIVALENCE,
    "rounding": ROUNDING,
    "difference": "our 95 % interval of the difference (pp, paired, across runs and patients)",
    "cases": "cannot tell otherwise, nor on any departure from the paper's protocol",
}
"""Values for the names in braces in the rules."""

RULES = {
    name: rule.format(**FILLED_IN)
    for name, rule in yaml.safe_load(Path(__file__).with_name("rules.yaml").read_text(encoding="utf-8")).items()
}
"""The rules in words, by their names in ``claims.csv``."""

HERE_RULE = (
    "On another cohort than the paper's, no printed number is judged. A claim holds here where its rule says "
    "reproduced, does not hold here where it says not reproduced, and cannot be told here otherwise."
)


@dataclass(frozen=True)
class Estimate:
    """A number of ours with its intervals; unknown values are NaN or empty.

    Attributes
    ----------
    mean : float
        An AUC as a share, or a gain in pp.
    low, high : float
        95 % limits across runs and patients, on which verdicts rest.
    p : float
        The p-value of the hypothesis of no gain, across runs and patients.
    detectable : float
        The smallest gain (pp) that a test across both finds with a probability of 80 %.
    runs, patients : tuple of float
        95 % limits across runs, and across patients.
    lacking : str
        The reason why there are no limits across both.
    unlearned : str
        The arms that have not learned, in words: then nothing is judged.
    """

    mean: float = float("nan")
    low: float = float("nan")
    high: float = float("nan")
    p: float = float("nan")
    detectable: float = float("nan")
    runs: tuple[float, float] = (float("nan"), float("nan"))
    patients: tuple[float, float] = (float("nan"), float("nan"))
    lacking: str = ""
    unlearned: str = ""

    def within(self, low: float, high: float) -> bool:
        """Whether the whole interval lies between two values; False without an interval."""
        return low <= self.low and self.high <= high

    def beyond(self, low: float, high: float) -> bool:
        """Whether the whole interval lies below the lower or above the higher of two values."""
        return self.high < low or self.low > high


def verdict(agrees: bool, disagrees: bool) -> str:
    """Return the verdict from two tests, of which at most one is true."""
    return REPRODUCED if agrees else NOT_REPRODUCED if disagrees else CANNOT_TELL


def number_verdict(ours: Estimate, printed: float, margin: float = EQUIVALENCE / 100) -> str:
    """Return the verdict on a printed number: rule number; with a margin in percent, rule average."""
    ends = printed - margin, printed + margin
    return verdict(ours.within(*ends), ours.beyond(*ends))


def sign_verdict(ours: Estimate, paper: float = 1.0) -> str:
    """Return the verdict on the direction of a gain or a loss: rule sign."""
    above, below = ours.low > 0, ours.high < 0
    return verdict(above, below) if paper > 0 else verdict(below, above)


def gain_verdict(ours: Estimate, paper: float) -> str:
    """Return the verdict on the direction and the size of a gain or a loss: rule gain."""
    side, size = sign_verdict(ours, paper), number_verdict(ours, paper, EQUIVALENCE)
    nearer_to_none = ours.high < paper / 2 if paper > 0 else ours.low > paper / 2
    disagrees = nearer_to_none or NOT_REPRODUCED in (side, size)
    return verdict(side == size == REPRODUCED and not disagrees, disagrees)


def similar_verdict(ours: Estimate) -> str:
    """Return the verdict on "similar": rule similar."""
    return number_verdict(ours, 0.0, EQUIVALENCE)


def curve_verdict(curves: Sequence[Sequence[Estimate]]) -> str:
    """Return the verdict on "at every sample size", from the gains of each data set by budget: rule curve."""
    gains = [gain for curve in curves for gain in curve]
    adjusted = holm(np.array([gain.p for gain in gains]))
    worse = [gain.mean < 0 and p < 1 - CONFIDENCE for gain, p in zip(gains, adjusted, strict=True)]
    return verdict(min(map(len, curves)) > 1 and all(gain.low > 0 for gain in gains), any(worse))


def biggest_verdict(ends: Sequence[Estimate], inner: Sequence[Estimate]) -> str:
    """Return the verdict on "the biggest jumps", from the falls at the ends and the jumps between: rule biggest."""
    sizes = [Estimate(abs(jump.mean), max(jump.low, -jump.high, 0.0), max(jump.high, -jump.low)) for jump in inner]
    return verdict(
        all(end.low > size.high for end in ends for size in sizes),
        any(end.high < size.low for end in ends for size in sizes),
    )


def spread_ratio(one: Array, other: Array) -> Estimate:
    """Return the ratio of the standard deviations of paired values, with 95 % limits.

    Pitman 1939 and Morgan 1939 (Biometrika 31:9 and 31:13), exact for normal values. NaN for fewer than three pairs, if
    one does not vary, or if both are perfectly correlated.

    Parameters
    ----------
    one, other : np.ndarray [n] of float
    """
    n = len(one)
    vary = n > 2 and min(np.std(one), np.std(other)) > NEGLIGIBLE
    free = 1 - np.corrcoef(one, other)[0, 1] ** 2 if vary else 0.0
    if free < NEGLIGIBLE:
        return Estimate(lacking="fewer than three distinct runs, or none that vary on their own")
    ratio = np.var(one) / np.var(other)
    factor = 1 + 2 * free * t.ppf((1 + CONFIDENCE) / 2, n - 2) ** 2 / (n - 2)
    half = np.sqrt(factor**2 - 1)
    low, high = float(np.sqrt(ratio * (factor - half))), float(np.sqrt(ratio * (factor + half)))
    return Estimate(float(np.sqrt(ratio)), low, high, runs=(low, high))


def spread_verdict(ours: Estimate) -> str:
    """Return the verdict on a ratio of spreads: rule spread."""
    return verdict(ours.low > 1, ours.high < 1)


def range_verdict(ours: Estimate, low: float, high: float) -> str:
    """Return the verdict on a printed range: rule range."""
    return verdict(low <= ours.mean <= high, ours.mean < low or ours.mean > high)


def arithmetic_verdict(printed: Sequence[float], recomputed: Sequence[float]) -> str:
    """Return the verdict on numbers of the paper that follow from others: rule arithmetic, rule count."""
    agree = np.allclose(printed, recomputed, rtol=0, atol=ROUNDING + 1e-9)
    return REPRODUCED if agree else NOT_REPRODUCED
