"""The rules by which a number or a claim of the paper is judged, written before there was anything to judge.

A verdict follows from the 95 % confidence interval across runs and patients. By the runs alone, which all see the same
patients, a gain of nothing is found too often: `operating` measures how often, for these very functions.
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
"""What a verdict on a claim is called on another cohort than the paper's."""

VERDICTS = (REPRODUCED, NOT_REPRODUCED, CANNOT_TELL, *HERE.values())

EQUIVALENCE = 3.0
"""Percentage points within which two AUCs, or two gains, are taken for equal; fixed before any run."""

UNLEARNED = "have not learned"
"""In the notes of a row: runs of an arm, so that nothing is judged by it."""

ROUNDING = 0.01
"""pp: how far a printed gain may lie from the difference of two AUCs, all three printed to 0.01."""

FILLED_IN = {
    "margin": EQUIVALENCE,
    "rounding": ROUNDING,
    "difference": "our 95 % interval of the difference (pp, paired, across runs and patients)",
    "cases": "cannot tell otherwise, nor on any departure from the paper's protocol",
}
"""What stands in the rules in braces."""

RULES = {
    name: rule.format(**FILLED_IN)
    for name, rule in yaml.safe_load(Path(__file__).with_name("rules.yaml").read_text(encoding="utf-8")).items()
}
"""The rules, by their names in ``claims.csv``."""

HERE_RULE = (
    "On another cohort than the paper's, no printed number is judged. A claim holds here where its rule says "
    "reproduced, does not hold here where it says not reproduced, and cannot be told here otherwise."
)


@dataclass(frozen=True)
class Estimate:
    """A number of ours and what is known of it; NaN or empty where something is unknown.

    Attributes
    ----------
    mean : float
        An AUC as a share, or a gain in pp.
    low, high : float
        95 % limits across runs and patients; verdicts rest on them.
    p : float
        The p-value of a gain of 0, across runs and patients.
    detectable : float
        The smallest gain (pp) that a test across both would find with a probability of 80 %.
    runs, patients : tuple of float
        95 % limits across runs, and across patients.
    lacking : str
        Why there are no limits across both.
    unlearned : str
        Which arms have not learned, so that nothing is judged by it.
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
        """Whether the whole interval lies between two values; never without an interval."""
        return low <= self.low and self.high <= high

    def beyond(self, low: float, high: float) -> bool:
        """Whether the whole interval lies below the lower or above the higher of two values."""
        return self.high < low or self.low > high


def verdict(agrees: bool, disagrees: bool) -> str:
    """Return the verdict of two tests of which at most one is passed."""
    return REPRODUCED if agrees else NOT_REPRODUCED if disagrees else CANNOT_TELL


def number_verdict(ours: Estimate, printed: float, margin: float = EQUIVALENCE / 100) -> str:
    """Return the verdict on a printed number: rule number; with a margin in percent, rule average."""
    ends = printed - margin, printed + margin
    return verdict(ours.within(*ends), ours.beyond(*ends))


def sign_verdict(ours: Estimate, paper: float = 1.0) -> str:
    """Return the verdict on the side of 0 on which a gain, or a loss, lies: rule sign."""
    above, below = ours.low > 0, ours.high < 0
    return verdict(above, below) if paper > 0 else verdict(below, above)


def gain_verdict(ours: Estimate, paper: float) -> str:
    """Return the verdict on a gain of one arm over another, or a loss, by its side and its size: rule gain."""
    side, size = sign_verdict(ours, paper), number_verdict(ours, paper, EQUIVALENCE)
    nearer_to_none = ours.high < paper / 2 if paper > 0 else ours.low > paper / 2
    disagrees = nearer_to_none or NOT_REPRODUCED in (side, size)
    return verdict(side == size == REPRODUCED and not disagrees, disagrees)


def similar_verdict(ours: Estimate) -> str:
    """Return the verdict on "similar": rule similar."""
    return number_verdict(ours, 0.0, EQUIVALENCE)


def curve_verdict(curves: Sequence[Sequence[Estimate]]) -> str:
    """Return the verdict on "at every sample size", from each data set's gains by budget: rule curve."""
    gains = [gain for curve in curves for gain in curve]
    adjusted = holm(np.array([gain.p for gain in gains]))
    worse = [gain.mean < 0 and p < 1 - CONFIDENCE for gain, p in zip(gains, adjusted, strict=True)]
    return verdict(min(map(len, curves)) > 1 and all(gain.low > 0 for gain in gains), any(worse))


def biggest_verdict(ends: Sequence[Estimate], inner: Sequence[Estimate]) -> str:
    """Return the verdict on "the biggest jumps": falls at the ends against jumps between: rule biggest."""
    sizes = [Estimate(abs(jump.mean), max(jump.low, -jump.high, 0.0), max(jump.high, -jump.low)) for jump in inner]
    return verdict(
        all(end.low > size.high for end in ends for size in sizes),
        any(end.high < size.low for end in ends for size in sizes),
    )


def spread_ratio(one: Array, other: Array) -> Estimate:
    """Return the ratio of two standard deviations of values that belong together in pairs, with 95 % limits.

    Pitman 1939 and Morgan 1939 (Biometrika 31:9 and 31:13), exact for normal values. NaN for fewer than three pairs, or
    where one or the other does not vary, or not on its own.

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
    """Return whether the paper's numbers follow from its others: rule arithmetic, rule count."""
    agree = np.allclose(printed, recomputed, rtol=0, atol=ROUNDING + 1e-9)
    return REPRODUCED if agree else NOT_REPRODUCED
