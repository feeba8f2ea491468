"""What the rows of the scorecard are called, in what unit each is, and the footnotes that they share."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd

from brats_al_utils.findings.paper import claims

AUC, GAIN, SAVED = "AUC", "gain", "saved"
"""Units in which ours can stand beside the printed number."""

ARITHMETIC = ".arithmetic"
"""Ends the id of a row that sets the paper against itself."""

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


def name_of(id_: str) -> str:
    """Return what a row of the scorecard is called; an id of another version stays as it is."""
    whole = id_.removesuffix(ARITHMETIC)
    name = claims()[whole].name if whole in claims() else whole
    return name if whole == id_ else f"{name.removesuffix(' AUC')}: its arithmetic"


def unit_of(id_: str) -> str:
    """Return the unit of a row; nothing where no number of ours stands beside the printed one."""
    whole = id_.removesuffix(ARITHMETIC)
    return claims()[whole].unit if whole in claims() else ""


def written(value: object, unit: str, forms: dict[str, Callable[[float], str]]) -> str:
    """Return a number as text in its unit, and a text as it is; empty without a number."""
    try:
        number = float(str(value))
    except ValueError:
        return str(value)
    return "" if pd.isna(number) else forms.get(unit, "{:g}".format)(number)


def ends_of(id_: str, low: float, high: float) -> str:
    """Return an interval as text, its unit once; empty without an interval."""
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
        The mark of each row's rule, and those of its notes.
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
