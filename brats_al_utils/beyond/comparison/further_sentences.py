"""Findings of the notebooks beyond the paper, in words."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from brats_al_utils.findings.comparison import MARGIN
from brats_al_utils.findings.outcomes import different
from brats_al_utils.findings.sentences import gain, limits, listed, p_said, pp
from brats_al_utils.findings.shortcut import SHOWN
from brats_al_utils.findings.statistics import UNITS


def widths(table: pd.DataFrame) -> list[str]:
    """Say how much wider an interval across runs and patients is than one across runs.

    Parameters
    ----------
    table : pd.DataFrame
        From `comparison.intervals` with a column unit; units without an interval across both are skipped.
    """
    lines = []
    for unit in UNITS:
        rows = table[table["unit"] == unit]
        runs, both = ((rows[f"{across}_high"] - rows[f"{across}_low"]).mean() for across in ("runs", "both"))
        if both > 0 and runs > 0:
            lines.append(
                f"{unit}-level: the confidence interval across both runs and patients is {both / runs:.1f} times as "
                f"wide as that across runs ({100 * both:.0f} against {100 * runs:.0f} pp, mean of the arms)."
            )
    return lines or [
        "No interval across both runs and patients: fewer than three runs, or too few patients or no variance to "
        "estimate it from."
    ]


def contrast(row: pd.Series) -> str:
    """Return a row of `comparison.compare` in words: difference, noninferiority, p and detectable difference."""
    what = f"{row['arm']} less {row['other']}, {row['unit']}-level: {gain(row)}"
    if not row.get("learned", True):
        return f"{what}."
    if np.isnan(row["p_both_holm"]):
        told = "no test across runs and patients"
    else:
        told = f"Holm-adjusted p {p_said(row['p_both_holm'])}"
        if not np.isnan(row["detectable"]):  # with a few patients, not even 100 pp
            told += f"; this design detects {min(100 * row['detectable'], 100):.1f} pp or more"
    inferior = "not inferior" if row["noninferior"] else "non-inferiority not shown"
    return f"{what}; {inferior} at a margin of {100 * MARGIN:.0f} pp; {told}."


def contrasts(tests: pd.DataFrame) -> list[str]:
    """Return a family of paired tests in words, one line for each contrast and unit."""
    return [contrast(row) for _, row in tests.iterrows()]


def gains(table: pd.DataFrame) -> list[str]:
    """Return the slice-level rows of `evidence.contrasts` in words, and how many arms differ from their reference."""
    rows = table[table["unit"] == "slice"]
    several = rows["other"].nunique() > 1
    names = rows["arm"] + ", against " + rows["other"] if several else rows["arm"]
    said = [f"{name}: {gain(row)}." for name, (_, row) in zip(names, rows.iterrows(), strict=True)]
    return [*said, f"{different(table)}."]


def epoch_choice(optimism: pd.DataFrame, quality: pd.DataFrame) -> list[str]:
    """Say the optimism of choosing the epoch on the validation set, and the calibration error.

    Parameters
    ----------
    optimism : pd.DataFrame
        From `quality.optimism`.
    quality : pd.DataFrame
        From `further_evidence.quality`.
    """
    promised = optimism[optimism["quantity"] == "optimism"].set_index("arm")["auc_mean"]
    error = quality[quality["unit"] == "slice"].groupby("arm", sort=False)["calibration_error"].mean()
    return [
        "Choosing the epoch on the validation set promises beyond what the test set keeps: "
        + ", ".join(f"{pp(value)} pp ({arm})" for arm, value in promised.items())
        + ".",
        "Slice-level calibration error: " + ", ".join(f"{value:.2f} ({arm})" for arm, value in error.items()) + ".",
    ]


def families(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """Say for each family of contrasts how many arms differ from their reference."""
    return [f"{name}. {different(table)}." for name, table in tables.items()]


def worth(
    cohort_name: str,
    intervals: pd.DataFrame,
    tests: pd.DataFrame,
    annotations: Sequence[str],
    contrasted: Mapping[str, pd.DataFrame],
) -> str:
    """Answer the questions at the top of notebook 07.

    Parameters
    ----------
    intervals : pd.DataFrame
        From `comparison.intervals` with a column unit.
    tests : pd.DataFrame
        From `comparison.compare`: the proposed method against its references.
    annotations : sequence of str
        From `annotation_worth`.
    contrasted : mapping of str to pd.DataFrame
        `evidence.contrasts` of each family of arms, by its name in words.
    """
    lines = [
        f"Would it hold for other patients? {widths(intervals)[0]}",
        *(f"Could this design tell? {line}" for line in contrasts(tests[tests["unit"] == "slice"])),
        f"What does annotation cost? {annotations[0]}",
        *families(contrasted),
    ]
    return listed(cohort_name, lines)


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
        found = rows[["shown", "auc_mean", "low", "high"]].itertuples(index=False)
        aucs = {shown: f"{auc:.2f} ({limits(low, high, '{:.2f}'.format)})" for shown, auc, low, high in found}
        (said,) = rows.loc[rows["shown"] == SHOWN[1], "verdict"]
        told = "; ".join(f"{shown} {aucs[shown]}" for shown in SHOWN)
        lines.append(f"- {arm}: {answers[said]}. AUC with 95 % interval: {told}.")
    return "\n".join(lines)
