"""The outcomes of contrasts that were planned before a study."""

from collections.abc import Collection, Sequence

import numpy as np
import pandas as pd

from brats_al_utils.arrays import Array
from brats_al_utils.findings.comparison import MARGIN, Pairs, across_both, compare, difference_limits, holm
from brats_al_utils.findings.sentences import apart
from brats_al_utils.findings.statistics import CONFIDENCE

BETTER, WORSE, AS_GOOD, UNDECIDED, NOT_JUDGED = "better", "worse", "as good", "undecided", "not judged"
NOT_YET = "not decided yet"
"""Outcomes of a planned contrast of two arms: see `OUTCOME_RULE`."""

OUTCOME_RULE = (
    "Better or worse if the 95 % interval of the difference across runs and patients, these patients as training set, "
    f"lies wholly above or below 0; else as good if it lies wholly within {100 * MARGIN:g} pp of 0; else undecided. "
    "Not judged where there is no interval, or most runs of an arm have not learned. Secondary contrasts: the same of "
    "Holm-adjusted intervals, each at the level at which Holm's procedure tests it. "
    "Not decided yet with fewer runs than were planned."
)


def outcome(low: float, high: float) -> str:
    """Return the outcome for the first arm, from the limits of the difference (as shares): `OUTCOME_RULE`."""
    if np.isnan(low):
        return NOT_JUDGED
    if low > 0 or high < 0:
        return BETTER if low > 0 else WORSE
    return AS_GOOD if low > -MARGIN and high < MARGIN else UNDECIDED


def outcomes(
    contrasts: Sequence[tuple[Pairs, str, str]], unlearned: Collection[str] = (), planned: int = 0, family: int = 0
) -> pd.DataFrame:
    """Return the outcomes of a primary contrast and a family of secondary ones: `OUTCOME_RULE`.

    Parameters
    ----------
    contrasts : sequence of (Pairs, arm, other)
        The primary one first; each with the runs that both its arms have.
    unlearned : collection of str
        Arms of which most runs have not learned; their contrasts are not judged, and do not count in the family.
    planned : int
        Planned number of runs: with fewer, a contrast is not decided.
    family : int
        Planned number of secondary contrasts. Those that are missing or not decided count as if their p were 1, so that
        what they show so far decides no other.

    Returns
    -------
    pd.DataFrame
        As `comparison.compare`, without its adjusted p; family (primary, secondary), p_holm (NaN if not decided), level
        (1 - confidence of the deciding interval; 0.05 for the primary one), decided_low, decided_high, outcome.
    """
    table = pd.concat([compare(pairs, [(arm, other)]) for pairs, arm, other in contrasts], ignore_index=True)
    table = table.drop(columns=["p_patients_holm", "p_both_holm"])
    judged = ~(table["arm"].isin(unlearned) | table["other"].isin(unlearned))
    whole = table["n_runs"] >= planned
    p = table["p_both"].where(whole, 1.0).where(judged).to_numpy(float)
    secondary = np.append(p[1:], np.ones(max(family - len(p) + 1, 0)))
    level, p_holm = (np.append(of(p[:1]), of(secondary)[: len(p) - 1]) for of in (holm_levels, holm))
    limits = [
        difference_limits(value, across_both(*each), 1 - of)
        for each, value, of in zip(contrasts, table["auc_difference"], level, strict=True)
    ]
    low, high = np.array(limits).T
    families = ["primary"] + ["secondary"] * (len(contrasts) - 1)
    table = table.assign(family=families, p_holm=np.where(whole, p_holm, np.nan), level=level)
    found = pd.Series([outcome(*ends) for ends in limits])
    return table.assign(decided_low=low, decided_high=high, outcome=found.where(whole, NOT_YET))


def holm_levels(p: Array) -> Array:
    """Return the level at which Holm's procedure at 5 % tests each hypothesis of a family.

    It ends at the first hypothesis that is not rejected.

    A confidence interval at 1 - level excludes 0 exactly if the procedure rejects.

    Parameters
    ----------
    p : np.ndarray [n] of float
        NaN does not count as a test, and has no level.
    """
    alpha, levels = 1 - CONFIDENCE, np.full(len(p), np.nan)
    tested = np.flatnonzero(~np.isnan(p))
    order = tested[np.argsort(p[tested])]
    steps = alpha / np.arange(len(order), 0, -1)
    failed = np.flatnonzero(p[order] >= steps)
    levels[order] = np.minimum(steps, steps[failed[0]]) if len(failed) else steps
    return levels


def different(table: pd.DataFrame) -> str:
    """Say how many arms differ slice-level from the reference: by the interval across both, and by tests."""
    rows = table[table["unit"] == "slice"]
    by_test = ((rows["p_both_holm"] < 1 - CONFIDENCE) & rows.get("learned", True)).sum()
    return (
        f"Different from the reference: {apart(rows)} of {len(rows)} by the interval across runs and patients, "
        f"{by_test} by Holm-adjusted tests"
    )
