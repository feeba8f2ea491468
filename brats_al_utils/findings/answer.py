"""Whether active learning saves annotations, answered from a study's tables: the question of the paper."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from brats_al_utils.findings.claims import OURS, PRINTED, ends_of, unit_of, written
from brats_al_utils.findings.paper import BUDGET
from brats_al_utils.findings.sentences import annotation_worth, gain
from brats_al_utils.findings.shortcut import CHANCE
from brats_al_utils.findings.verdicts import EQUIVALENCE, REPRODUCED, Estimate, sign_verdict, similar_verdict

QUESTION = "Does active learning save annotations here?"

YES, NO, CANNOT_TELL, NOT_COMPUTED = "Yes.", "No.", "Cannot tell.", "Not computed yet."

RULE = (
    "Yes if the 95 % confidence interval across runs and patients of the proposed method's slice-level test AUC less "
    "that of random sampling of as many annotated slices lies wholly above 0. No if it lies wholly below 0, or wholly "
    f"within {EQUIVALENCE:g} pp of 0. Cannot tell otherwise, nor where the interval of the proposed method's own AUC "
    "does not lie wholly above 0.5, or most runs of either have not learned: networks that do not tell the classes "
    "apart cannot show what annotations are worth."
)

HEADLINES = {
    "abstract.gain": "of the proposed method less that of the baseline, which is trained on all slices",
    "table2.test_gain": "of the pretrained network less that of one from random initialisation",
}
"""Rows of the scorecard: what the abstract claims, and what pretraining gains."""

SAVING = "saving.range"
"""How much of the annotation is saved."""

FOUND_IN = {"tests": "07", "intervals": "07", "label_efficiency": "07", "scorecard": "06"}
"""The tables that the answer is read from, and the notebook that writes each."""


@dataclass(frozen=True)
class Answer:
    """What a study says of `QUESTION`.

    Attributes
    ----------
    said : str
        Yes, no, cannot tell, or not computed yet.
    lines : list of str
        By how much, and how sure: sentences.
    """

    said: str
    lines: list[str] = field(default_factory=list)


def answer(tables: Mapping[str, pd.DataFrame]) -> Answer:
    """Answer the question as far as a study's tables go.

    Parameters
    ----------
    tables : mapping of str to pd.DataFrame
        What there is of ``FOUND_IN`` and of ``areas``, by the names of their CSV files (docs/tables.md).

    Raises
    ------
    KeyError
        If a table has other columns or rows.
    """
    lines, said = [], NOT_COMPUTED
    if {"tests", "intervals"} <= set(tables):
        tests = tables["tests"]
        rows = tests[(tests["unit"] == "slice") & (tests["arm"] == "proposed")]
        rows = rows[rows["other"].str.startswith("random at")]
        for _, row in rows.iterrows():
            said = judged(row)
            lines += against_random(row)
        if blind := tells_nothing(tables["intervals"]):
            said = CANNOT_TELL
            lines.insert(0, blind)
    if {"label_efficiency", "areas"} <= set(tables):
        lines.append(annotation_worth(tables["label_efficiency"], tables["areas"], BUDGET)[0])
    if "scorecard" in tables:
        lines += claimed(tables["scorecard"])
    absent = sorted({notebook for name, notebook in FOUND_IN.items() if name not in tables})
    if absent:
        lines.append(f"Still to be computed by notebook{'s' * (len(absent) > 1)} {' and '.join(absent)}.")
    return Answer(said, lines)


def judged(row: "pd.Series[float]") -> str:
    """Return the answer that the contrast with random sampling of as many annotated slices gives: `RULE`."""
    if not row.get("learned", True):
        return CANNOT_TELL
    mean, low, high = (100 * float(row[name]) for name in ("auc_difference", "both_low", "both_high"))
    ours = Estimate(mean, low, high)
    if sign_verdict(ours) == REPRODUCED:
        return YES
    worse, equal = sign_verdict(ours, -1.0) == REPRODUCED, similar_verdict(ours) == REPRODUCED
    return NO if worse or equal else CANNOT_TELL


def tells_nothing(intervals: pd.DataFrame) -> str:
    """Say that the proposed method's networks do not tell the classes apart; nothing if they do."""
    rows: list[dict[Any, Any]] = intervals[intervals["unit"] == "slice"].to_dict("records")
    (row,) = [row for row in rows if row["arm"] == "proposed"]
    if row["both_low"] > CHANCE:
        return ""
    ends = f"{row['both_low']:.3f} to {row['both_high']:.3f}" if pd.notna(row["both_low"]) else "not known"
    return (
        "The networks are not shown to tell the classes apart: slice-level test AUC of the proposed method "
        f"{row['auc_mean']:.3f} (95 % confidence interval across both: {ends})."
    )


def against_random(row: "pd.Series[float]") -> list[str]:
    """Say what the proposed method gains over random sampling of as many annotated slices, and what could be told."""
    share = str(row["other"]).removeprefix("random at ")
    said = [
        f"Against random sampling of as many annotated slices ({share} of the training slices), slice-level test AUC "
        f"of the proposed method: {gain(row, 'both')}."
    ]
    if pd.notna(row["detectable"]):
        least = min(100 * float(row["detectable"]), 100)
        said.append(f"With a probability of 80 % this study would find a difference of {least:.1f} pp or more.")
    return said


def claimed(card: pd.DataFrame) -> list[str]:
    """Say what became of the paper's gains and of the annotations that it saves."""
    rows: dict[str, dict[str, Any]] = card.set_index("id").to_dict("index")  # type: ignore[assignment]
    lines: list[str] = []
    for name, whose in HEADLINES.items():
        row = rows[name]
        if pd.notna(row["ours"]):
            ends = ends_of(name, row["both_low"], row["both_high"])
            interval = f" (95 % confidence interval across both: {ends})" if ends else ""
            lines.append(
                f"Slice-level test AUC {whose}: {written(row['ours'], unit_of(name), OURS)}{interval}; the paper's "
                f"tables give {written(row['recomputed'], unit_of(name), PRINTED)}: {row['verdict']}."
            )
    saved = rows[SAVING]
    if pd.notna(saved["ours"]):
        lines.append(
            f"Training slices that nobody had to annotate: {written(saved['ours'], unit_of(SAVING), OURS)} "
            f"(the paper: {saved['printed']} %; any two samples of 30 % leave 40 to 70 %)."
        )
    return lines


def origin(captions: Iterable[str]) -> dict[str, str]:
    """Return on whom a study is: the facts of its captions (`study.Study.caption`), each of the first that states it.

    Parameters
    ----------
    captions : iterable of str
        The one that says most of what is shown comes first.
    """
    facts: dict[str, str] = {}
    for caption in filter(None, captions):
        parts = caption.split("; ")
        starts = [place for place, part in enumerate(parts) if part.startswith("initialisation: ")]
        # What is said of the cohort itself stands before the initialisation; without one, only its name is certain.
        facts.setdefault("cohort", "; ".join(parts[: starts[0] if starts else 1]))
        for part in parts:
            if start := re.fullmatch(r"initialisation: (.+)", part):
                facts.setdefault("initialisation", start[1])
            if count := re.fullmatch(r"(\d+) (run|fold)s?", part):
                facts.setdefault(f"{count[2]}s", count[1])
    return facts
