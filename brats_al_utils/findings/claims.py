"""What the rows of the scorecard are called, in what unit each is, and the footnotes that they share."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import pandas as pd

from brats_al_utils.findings.paper import published_results

AUC, GAIN, SAVED = "AUC", "gain", "saved"
"""Units in which ours can stand beside the printed number."""

ARITHMETIC = ".arithmetic"
"""Ends the id of a row that sets the paper against itself."""

TABLES = {"table4": "Table 4, balanced set", "discussion": "Section 4, balanced set"}
ARMS = {"scratch": "random initialisation", "proposed60": "proposed at 60 %"}

CLAIMS = {  # the name in words, and the unit
    "abstract.gain": ("Abstract: proposed over baseline, test AUC", GAIN),
    "table2.val_gain": ("Table 2: pretrained over random, validation AUC", GAIN),
    "table2.test_gain": ("Table 2: pretrained over random, test AUC", GAIN),
    "table3.val_gain": ("Table 3: proposed as good as baseline, validation AUC", GAIN),
    "figure3.low_tail": ("Figure 3: 10-40 % over 0-30 %, validation AUC", GAIN),
    "figure3.low_tail.test": ("Figure 3: 10-40 % over 0-30 %, test AUC", GAIN),
    "figure3.high_tail": ("Figure 3: 60-90 % over 70-100 %, validation AUC", GAIN),
    "figure3.high_tail.test": ("Figure 3: 60-90 % over 70-100 %, test AUC", GAIN),
    "table4.test_gain": ("Table 4: proposed over baseline, test AUC", GAIN),
    "table4.val_gain": ("Table 4: proposed over baseline, validation AUC", GAIN),
    "optimum.balanced": ("Section 4: 30 % as good as 60 %, balanced, test AUC", GAIN),
    "transfer.finetuning": ("Section 2.2.2: fine-tuned over frozen, test AUC", GAIN),
    "curves.better_than_random": ("Figures 7, 8: above random at every budget", "of the budgets"),
    "curves.better_than_baseline": ("Figures 7, 8: above baseline at every budget", "of the budgets"),
    "optimum.imbalanced": ("Figure 7: 30 % is the best budget", "of the budgets"),
    "figure3.biggest": ("Figure 3: the biggest jumps are at the ends", "inner jumps"),
    "random.unstable": ("Section 4: random varies more than proposed", "times"),
    "saving.range": ("Section 2.2.4: annotations saved", SAVED),
    "saving.balanced": ("Section 3.4: annotations saved, balanced set", SAVED),
    "saving.average": ("Section 2.2.4: annotations saved on average", SAVED),
    "table5.imbalanced": ("Table 5: examples a budget, imbalanced set", "of the counts"),
    "table5.balanced": ("Table 5: examples a budget, balanced set", "of the counts"),
    "table1.conv2": ("Table 1: output of Conv2", ""),
    "table1.maxpool2": ("Table 1: output of Maxpool2", ""),
    "channels.choice": ("Section 2.2.1: the three channels are the best", ""),
}

OURS: dict[str, Callable[[float], str]] = {
    AUC: lambda value: f"{100 * value:.1f} %",
    GAIN: lambda value: f"{value:+.1f} pp",
    SAVED: lambda value: f"{value:.1f} %",
    "of the budgets": lambda value: f"{value:.0%} of the budgets",
    "of the counts": lambda value: f"{value:.0%} of the counts",
    "inner jumps": lambda value: f"{value:.0f} of 5 inner jumps",
    "times": lambda value: f"{value:.2f} times",
}
"""How a number of ours is written, by unit."""

PRINTED: dict[str, Callable[[float], str]] = {
    AUC: lambda value: f"{100 * value:.2f} %",
    GAIN: lambda value: f"{value:+.2f} pp",
    SAVED: lambda value: f"{value:g} %",
}
"""How a number of the paper is written, by unit: as printed, a gain with its sign."""


@cache
def known() -> dict[str, tuple[str, str]]:
    """Return the name in words and the unit of every row, by id."""
    numbers = {}
    for id_, part in published_results()[["id", "part"]].to_numpy():
        table, arm = str(id_).split(".")[:2]
        where = TABLES.get(table, f"Table {table.removeprefix('table')}")
        numbers[str(id_)] = f"{where}, {ARMS.get(arm, arm)}, {part} AUC", AUC
    return numbers | CLAIMS


def name_of(id_: str) -> str:
    """Return what a row of the scorecard is called; an id of another version stays as it is."""
    whole = id_.removesuffix(ARITHMETIC)
    name = known().get(whole, (whole, ""))[0]
    return name if whole == id_ else f"{name.removesuffix(' AUC')}: its arithmetic"


def unit_of(id_: str) -> str:
    """Return the unit of a row; nothing where no number of ours stands beside the printed one."""
    return known().get(id_.removesuffix(ARITHMETIC), ("", ""))[1]


def written(value: object, unit: str, forms: dict[str, Callable[[float], str]]) -> str:
    """Return a number as text in its unit, nothing where there is none, and a text as it is."""
    try:
        number = float(str(value))
    except ValueError:
        return str(value)
    return "" if pd.isna(number) else forms.get(unit, "{:g}".format)(number)


def ends_of(id_: str, low: float, high: float) -> str:
    """Return an interval as text, its unit once; nothing where there is none."""
    if pd.isna(low):
        return ""
    first, last = (written(end, unit_of(id_), OURS) for end in (low, high))
    return f"{first.split(' ')[0]} to {last}"


@dataclass(frozen=True)
class Footnotes:
    """What many rows say alike, once: the rules of verdicts, numbered, and what stands in the way of one, lettered.

    Attributes
    ----------
    rules, notes : dict of str to str
        Text by its mark.
    marks : list of (str, list of str)
        Of each row: the mark of its rule, and those of its notes.
    """

    rules: dict[str, str]
    notes: dict[str, str]
    marks: list[tuple[str, list[str]]]


def letter(place: int) -> str:
    """Return the mark of a note: a to z, then aa, ab and so on."""
    first = letter(place // 26 - 1) if place >= 26 else ""
    return first + chr(ord("a") + place % 26)


def footnotes(rules: Sequence[str], reasons: Sequence[str]) -> Footnotes:
    """Return the footnotes of a scorecard's rows, in the order of their first use.

    Parameters
    ----------
    rules, reasons : sequence of str
        The columns ``rule`` and ``why``; a row's reasons are separated by semicolons.
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
