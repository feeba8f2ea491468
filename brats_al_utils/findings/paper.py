"""The numbers and claims of Hao et al. 2021, Table 1 and Table 5, and what follows from them by arithmetic.

Also the words of the scorecard's rows: their names, units and shared footnotes.
"""

import csv
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import pandas as pd

SLICES = {"imbalanced": {"HGG": 20, "LGG": 20}, "balanced": {"HGG": 10, "LGG": 30}}  # per patient (2.2.1, 3.4)
PATIENTS, TRAINING_PATIENTS = {"HGG": 259, "LGG": 76}, {"HGG": 157, "LGG": 46}  # the 203 keep the ratio (2.2.1)


@dataclass(frozen=True)
class Claim:
    """A number or claim of the paper: a row of ``claims.csv``. Fields are text, empty where they do not apply.

    Attributes
    ----------
    id, section, name : str
        The section of the paper, and the name of the claim.
    unit : str
        The unit of our number: see ``OURS``.
    rule : str
        One of `verdicts.RULES`.
    dataset, part, arm, other : str
        The runs that it concerns; a gain is that of ``arm`` over ``other``.
    printed, low, high : str
        As printed; an AUC and its limits as shares, gains in pp.
    recomputed : str
        What the paper's other numbers give, if it is text and not computed.
    headline : str
        The gain in the words of the report's answer; empty if the answer does not mention it.
    """

    id: str
    section: str
    name: str
    unit: str
    rule: str
    dataset: str
    part: str
    arm: str
    other: str
    printed: str
    low: str
    high: str
    recomputed: str
    headline: str

    @property
    def number(self) -> float:
        """The printed number; NaN if there is none."""
        try:
            return float(self.printed)
        except ValueError:
            return float("nan")

    @property
    def shown(self) -> float | str:
        """The printed number or text; NaN if there is none."""
        return self.printed if self.printed and math.isnan(self.number) else self.number


@cache
def claims() -> dict[str, Claim]:
    """Return the paper's numbers and claims by id, in the order of the scorecard."""
    with files("brats_al_utils.findings").joinpath("claims.csv").open(encoding="utf-8") as file:
        return {row["id"]: Claim(**row) for row in csv.DictReader(file)}


def printed_aucs(table: str = "") -> pd.DataFrame:
    """Return the slice-level AUCs that the paper prints, as shares: arm, dataset, part, auc_mean, runs_low, runs_high.

    Parameters
    ----------
    table : str
        Name of a table, such as ``table3``; empty for all.
    """
    rows = [
        (each.arm, each.dataset, each.part, each.number, *(float(end or "nan") for end in (each.low, each.high)))
        for each in claims().values()
        if each.rule == "number" and each.id.startswith(table)
    ]
    return pd.DataFrame(rows, columns=["arm", "dataset", "part", "auc_mean", "runs_low", "runs_high"])


def is_its_task(classes: Iterable[str]) -> bool:
    """Return whether classes are the paper's: only then can AUCs be compared with its own."""
    return set(classes) == set(PATIENTS)


def published_table1() -> pd.DataFrame:
    """Return Table 1 as printed: layer, kernel, stride, padding, output."""
    with files("brats_al_utils.findings").joinpath("published_table1.csv").open(encoding="utf-8") as file:
        return pd.read_csv(file, dtype={"kernel": "Int64", "stride": "Int64", "padding": "Int64"})


def published_budgets() -> pd.DataFrame:
    """Return Table 5 as printed: dataset, share, printed (number of examples)."""
    rows = [
        (dataset, tenth / 10, int(count))
        for dataset in ("imbalanced", "balanced")
        for tenth, count in enumerate(claims()[f"table5.{dataset}"].printed.split(), 1)
    ]
    return pd.DataFrame(rows, columns=["dataset", "share", "printed"])


def output_width(width: int, kernel: int, stride: int, padding: int) -> int:
    """Return the width of the output of a convolution or pooling: floor((n + 2p - k) / s) + 1."""
    return (width + 2 * padding - kernel) // stride + 1


def slice_counts(dataset: str) -> tuple[int, int]:
    """Return the number of slices of BraTS 2019 in a data set, in all and for training (sections 2.2.1 and 3.4)."""
    of_patient = SLICES[dataset]
    return (
        sum(of_patient[grade] * count for grade, count in PATIENTS.items()),
        sum(of_patient[grade] * count for grade, count in TRAINING_PATIENTS.items()),
    )


AUC, GAIN, SAVED = "AUC", "gain", "saved"
"""Units of numbers that are printed in the paper."""

ARITHMETIC = ".arithmetic"
"""End of the id of a row that compares the paper with its own numbers."""

OURS: dict[str, Callable[[float], str]] = {
    AUC: lambda value: f"{100 * value:.1f} %",
    GAIN: lambda value: f"{value:+.1f} pp",
    SAVED: lambda value: f"{value:.1f} %",
    "of the budgets": lambda value: f"{value:.0%} of the budgets",
    "of the counts": lambda value: f"{value:.0%} of the counts",
    "inner jumps": lambda value: f"{value:.0f} of 5 inner jumps",
    "times": lambda value: f"{value:.2f} times",
}
"""Format of our numbers, by unit."""

PRINTED: dict[str, Callable[[float], str]] = {
    AUC: lambda value: f"{100 * value:.2f} %",
    GAIN: lambda value: f"{value:+.2f} pp",
    SAVED: lambda value: f"{value:g} %",
}
"""Format of the paper's numbers, by unit: as printed, gains with their sign."""


def name_of(id_: str) -> str:
    """Return the name of a row of the scorecard; an unknown id (of another version) is returned unchanged."""
    whole = id_.removesuffix(ARITHMETIC)
    name = claims()[whole].name if whole in claims() else whole
    return name if whole == id_ else f"{name.removesuffix(' AUC')}: its arithmetic"


def unit_of(id_: str) -> str:
    """Return the unit of a row; empty if there is no number of ours."""
    whole = id_.removesuffix(ARITHMETIC)
    return claims()[whole].unit if whole in claims() else ""


def written(value: object, unit: str, forms: dict[str, Callable[[float], str]]) -> str:
    """Return a number as text in its unit, or a text unchanged; empty for NaN."""
    try:
        number = float(str(value))
    except ValueError:
        return str(value)
    return "" if pd.isna(number) else forms.get(unit, "{:g}".format)(number)


def ends_of(id_: str, low: float, high: float) -> str:
    """Return an interval as text, with its unit at the end; empty without an interval."""
    if pd.isna(low):
        return ""
    first, last = (written(end, unit_of(id_), OURS) for end in (low, high))
    return f"{first.split(' ')[0]} to {last}"


@dataclass(frozen=True)
class Footnotes:
    """Footnotes of a scorecard: the rules of its verdicts (numbered), and the reasons for having none (lettered).

    Attributes
    ----------
    rules, notes : dict of str to str
        Texts by their marks.
    marks : list of (str, list of str)
        The mark of each row's rule, and those of its notes.
    """

    rules: dict[str, str]
    notes: dict[str, str]
    marks: list[tuple[str, list[str]]]


def letter(place: int) -> str:
    """Return the mark of a note by its place: a to z, then aa, ab and so on."""
    first = letter(place // 26 - 1) if place >= 26 else ""
    return first + chr(ord("a") + place % 26)


def footnotes(rules: Sequence[str], reasons: Sequence[str]) -> Footnotes:
    """Return the footnotes of a scorecard's rows, in the order of their first use.

    Parameters
    ----------
    rules, reasons : sequence of str
        The columns ``rule`` and ``why``; several reasons are separated by semicolons.
    """
    several = [list(dict.fromkeys(filter(None, why.split("; ")))) for why in reasons]
    rule_marks = {rule: str(place) for place, rule in enumerate(dict.fromkeys(rules), 1)}
    every = dict.fromkeys(reason for row in several for reason in row)
    note_marks = {reason: letter(place) for place, reason in enumerate(every)}
    marks = [
        (rule_marks[rule], [note_marks[reason] for reason in row]) for rule, row in zip(rules, several, strict=True)
    ]
    return Footnotes(
        {mark: rule for rule, mark in rule_marks.items()}, {m: text for text, m in note_marks.items()}, marks
    )
