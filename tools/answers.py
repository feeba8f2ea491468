# ruff: noqa: E501
"""Write what README says we found, from the tables in figures/published: `python tools/answers.py` (`make published`)."""

import re
from pathlib import Path

import pandas as pd

from brats_al_utils.findings import sites
from brats_al_utils.findings.sentences import side

ROOT = Path(__file__).resolve().parents[1]
FIGURES = ROOT / "figures" / "published"
BLOCK = re.compile(r"(?<=<!-- answers -->\n).*?(?=<!-- end -->)", re.DOTALL)


def row(study: str, table: str, **where: object) -> pd.Series:
    """Return the one row of a study's table in which some columns have these values."""
    rows = pd.read_csv(FIGURES / study / f"{table}.csv")
    for column, value in where.items():
        rows = rows[rows[column] == value]
    if len(rows) != 1:
        raise ValueError(f"{study}/{table}.csv: {len(rows)} rows of {where}, expected one")
    return rows.iloc[0]


def gain(found: pd.Series) -> str:
    """Return a difference of AUCs in points with its interval, plainly."""
    value, low, high = (found[name] for name in ("auc_difference", "both_low", "both_high"))
    size, way = side(value).split()
    if low > 0 or high < 0:
        nearer, further = sorted((abs(low), abs(high)))
        return f"{size} points {way} ({100 * nearer:.1f} to {100 * further:.1f})"
    return f"{size} points {way}, and anything from {side(low)} to {side(high)} fits the data"


def verdict(found: pd.Series, better: str, worse: str, open_: str) -> str:
    """Return the words for a difference whose interval lies above 0, below it, or on both sides."""
    return better if found["both_low"] > 0 else worse if found["both_high"] < 0 else open_


def against(study: str, arm: str, other: str) -> pd.Series:
    """Return a contrast of a study's main arms, slice-level on the test set."""
    return row(study, "tests", arm=arm, other=other, unit="slice")


def answers() -> str:
    """Return the answers so far, verdict first."""
    chosen, annotated = against("open", "proposed", "random"), against("open", "proposed", "random at 51%")
    everything = against("open", "proposed", "baseline")
    within = row("open", "within_site", arm="baseline")
    second = row("pituitary", "budget_gains", other="random", unit="slice", dataset="imbalanced", share=0.3)
    hidden = row("open", "table2_arms", arm="pretrained")
    scratch, design = (
        row("open", "table2_arms", arm="scratch"),
        row("design", "design", arm="proposed", other="baseline"),
    )
    release = {by: sites.audit(rows) for by, rows in sites.brats_2019().groupby("by")}
    hospital = release["hospital"]
    alone = sum(hospital[f"with_partner_{name}"] for name in ("positives", "negatives"))
    lines = [
        "Glioma or meningioma, 147 persons of the open cohort (Cheng 2015, CC BY 4.0), 5 repetitions, networks that start from ImageNet's convolutional layers. "
        "Differences are of the area under the ROC curve (AUC) on slices of persons who were not trained on, in points of 100; in brackets, what fits the data at 95 %.",
        "",
        f"* **The committee's choice is {verdict(chosen, 'better than', 'worse than', 'not shown to beat')} drawing slices at random.** With 30 % of the slices: {gain(chosen)}.",
        f"* **It needs more labels than it says.** The committee learns from labelled slices too: in all, half of the slices (51 %) are annotated. Against as many drawn at random: {gain(annotated)}.",
        f"* **The paper's headline, that 30 % teach more than everything, {verdict(everything, 'holds', 'does not hold', 'is not shown to hold')} here:** {gain(everything)}.",
        f"* **But here the hospital can tell the class.** The network trained on everything has an AUC of {within['auc_mean']:.2f}, and with the tumour hidden {hidden['hidden_mean']:.2f}; "
        f"among persons of one kind of id, so most likely of one hospital, {within['within']:.2f} ({within['low']:.2f} to {within['high']:.2f}). The same holds of the paper's data: in BraTS 2019 the hospital alone, without an image, "
        f"has an AUC of {hospital['auc']:.2f}, and {alone:.0f} of {hospital['positives'] + hospital['negatives']:.0f} patients share a hospital with one of the other class.",
        f"* **Does pretraining help? Not judged.** From random weights the network learned nothing (AUC {scratch['auc_mean']:.2f}; its loss stayed at that of guessing), so there is nothing to compare with.",
        f"* **A second task, meningioma or pituitary tumour, is nearly solved without any choice:** 30 % chosen by the committee less 30 % at random: {gain(second)}.",
        f"* **A study of the paper's size cannot tell.** On a *synthetic* population where choosing costs {abs(100 * design['gain']):.1f} points, test sets of the paper's 66 patients print between "
        f"{side(design['drawn_low'])} and {side(design['drawn_high'])}.",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Put the answers into README."""
    path = ROOT / "README.md"
    path.write_text(BLOCK.sub(lambda _: answers(), path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
