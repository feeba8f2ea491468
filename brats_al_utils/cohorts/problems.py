"""What is wrong with patients, by patient, and how it is listed."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence

LISTED = 5
"""Faults of one kind that are listed one by one; more are one line, with their number and the first."""


def frozen(problems: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """Return the problems by patient, in order of their names."""
    return {name: tuple(problems[name]) for name in sorted(problems)}


def one_line_a_kind(problems: Mapping[str, Sequence[str]]) -> list[str]:
    """Return all messages, each once; of a kind with many, the first, with their number and the first three patients.

    Parameters
    ----------
    problems : mapping of str to sequence of str
        By patient.
    """
    whose: dict[str, str] = {}
    for patient, found in problems.items():
        for message in found:
            whose.setdefault(message, patient)
    kinds: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for message, patient in whose.items():
        kinds[kind_of(message, patient)][message] = patient
    lines: list[str] = []
    for same in kinds.values():
        if len(same) <= LISTED:
            lines += same
            continue
        names = list(dict.fromkeys(same.values()))
        some = ", ".join(names[:3]) + ", ..." * (len(names) > 3)
        lines.append(f"{next(iter(same))} ({len(same)} like this: {some})")
    return lines


def kind_of(message: str, patient: str) -> str:
    """Return a message without what differs between patients: the file, quoted cells, paths and numbers."""
    return re.sub(r"'[^']*'|\S*/\S*|\d[\d.]*", "#", message.replace(patient, "#").partition(": ")[2])
