"""Tables of planned contrasts, and of the worth of annotations, for readers: see `tables`."""

import numpy as np
import pandas as pd

from brats_al_utils.findings.sentences import p_said, pp
from brats_al_utils.show.tables import AUC, SHARE, Columns, ends, in_words


def outcomes(table: pd.DataFrame) -> pd.DataFrame:
    """Return `planned.decided`: one row for each contrast with its outcome, the primary one first."""
    text = table.assign(
        contrast=table["arm"] + " less " + table["other"],
        decides=ends(table, "decided_low", "decided_high", pp),
        runs=table["n_runs"].astype(str) + " of " + table["planned"].astype(str),
    )
    columns: Columns = {
        "contrast": ("contrast", str),
        "outcome": ("outcome", str),
        "auc_difference": ("difference (pp)", pp),
        "decides": ("interval that decides", str),
        "p_holm": ("p (Holm)", p_said),
        "family": ("family", str),
        "runs": ("runs", str),
    }
    if table["at_random"].notna().any():
        between = ends(table, "at_random_low", "at_random_high", SHARE)
        shares = table["at_random"].map(SHARE, na_action="ignore") + " (" + pd.Series(between, table.index) + ")"
        text = text.assign(at_random=shares)
        columns = {**columns, "at_random": ("as many at random", str)}
    return in_words(text, columns)


def areas(table: pd.DataFrame) -> pd.DataFrame:
    """Return `budgets.rank_stability` of areas under the curve for readers."""
    columns: Columns = {
        "strategy": ("strategy", str),
        "mean": ("area (mean AUC)", AUC),
        "rank": ("rank", "{:g}".format),
        "best_rank": ("best rank without a run", "{:g}".format),
        "worst_rank": ("worst rank without a run", "{:g}".format),
    }
    return in_words(table, columns)


def saving(share: float) -> str:
    """Return a share of annotations saved in words: a negative one is a loss."""
    return f"{share:.0%} saved" if share >= 0 else f"{-share:.0%} lost"


def efficiency(table: pd.DataFrame) -> pd.DataFrame:
    """Return `budgets.label_efficiency` for readers; limits of 0 and infinity are unbounded, and left empty.

    If both are unbounded, any share fits the data, and none is shown.
    """
    bounded = table.replace({"random_low": 0.0, "random_high": np.inf}, np.nan)
    told = bounded[["random_low", "random_high"]].notna().any(axis=1)
    needed = table["random_annotated"].map(SHARE)
    table = table.assign(
        needs=(table["censored"] + " " + needed).str.strip().where(told),
        saved=table["saved"].where(told),
        low=bounded["random_low"],
        high=bounded["random_high"],
    )
    columns: Columns = {
        "strategy": ("strategy", str),
        "budget": ("budget", SHARE),
        "annotated": ("annotated slices", SHARE),
        "auc": ("test AUC", AUC),
        "needs": ("random needs", str),
        "low": ("95 % CI, from", SHARE),
        "high": ("up to", SHARE),
        "saved": ("beside random", saving),
    }
    return in_words(table.sort_values(["strategy", "budget"]), columns)
