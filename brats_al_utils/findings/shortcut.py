"""Does the network look at the tumour? Its AUC on slices with the tumour hidden, and with all else hidden."""

import numpy as np
import pandas as pd

from brats_al_utils.findings.comparison import intervals, patient_pairs
from brats_al_utils.findings.statistics import units_of

SHOWN = ("whole slice", "tumour hidden", "tumour alone")
"""What of a slice the network saw."""

CHANCE = 0.5


def shortcut_table(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return the AUC of each arm for each of ``SHOWN``, and whether the network has a shortcut.

    Parameters
    ----------
    predictions : pd.DataFrame
        Columns arm, seed, patient_id, label, score, shown (one of ``SHOWN``); one row for each run, test slice and
        value of shown.

    Returns
    -------
    pd.DataFrame
        arm, shown, unit, auc_mean, low, high (95 % interval across runs and patients; across patients alone where there
        is a single run), n_runs, and verdict, of the tumour hidden alone: ``shortcut`` if the whole interval lies above
        0.5, ``none found`` if it reaches 0.5 or less, and ``cannot tell`` if there is no interval.
    """
    frames = []
    for shown, frame in predictions.groupby("shown", sort=False):
        for unit in units_of(frame):
            found = intervals(patient_pairs(frame, unit)).assign(shown=shown, unit=unit)
            for end in ("low", "high"):
                found[end] = found[f"both_{end}"].where(found["n_runs"] > 1, found[f"patients_{end}"])
            frames.append(found)
    table = pd.concat(frames, ignore_index=True)
    table["verdict"] = [
        verdict(low) if shown == SHOWN[1] else "" for shown, low in zip(table["shown"], table["low"], strict=True)
    ]
    return table[["arm", "shown", "unit", "auc_mean", "low", "high", "n_runs", "verdict"]]


def verdict(low: float) -> str:
    """Return the verdict on an AUC without a tumour from the lower end of its interval."""
    if np.isnan(low):
        return "cannot tell"
    return "shortcut" if low > CHANCE else "none found"


def limits(row: "pd.Series[float]") -> str:
    """Return the interval of a row in words."""
    return "no interval" if np.isnan(row["low"]) else f"{row['low']:.2f} to {row['high']:.2f}"


def look_at_the_tumour(table: pd.DataFrame) -> str:
    """Answer, for each arm of `shortcut_table`, whether the network looks at the tumour: a list in Markdown.

    Slice-level AUCs, as those of the paper's tables.
    """
    answers = {
        "shortcut": "it also uses a shortcut: without the tumour its AUC lies above 0.5",
        "none found": "no shortcut was found: without the tumour its AUC is not shown to lie above 0.5",
        "cannot tell": "cannot tell: there is no interval without the tumour",
    }
    if SHOWN[1] not in set(table["shown"]):
        return "- Not applicable: not every slice has a tumour mask, and what is not known cannot be hidden."
    lines = []
    for arm, rows in table[table["unit"] == "slice"].groupby("arm", sort=False):
        aucs = {row["shown"]: f"{row['auc_mean']:.2f} ({limits(row)})" for _, row in rows.iterrows()}
        (said,) = rows.loc[rows["shown"] == SHOWN[1], "verdict"]
        told = "; ".join(f"{shown} {aucs[shown]}" for shown in SHOWN)
        lines.append(f"- {arm}: {answers[said]}. AUC with 95 % interval: {told}.")
    return "\n".join(lines)
