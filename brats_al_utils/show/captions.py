"""The captions of the report's figures and tables: what each shows, how it is read, and what was found in it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from brats_al_utils.findings.answer import annotation_worth
from brats_al_utils.findings.outcomes import different
from brats_al_utils.findings.sentences import apart, gain, teaches_worst
from brats_al_utils.study.profile import BUDGET

Tables = Mapping[str, pd.DataFrame]


@dataclass(frozen=True)
class Words:
    """The texts on a figure or a table.

    Attributes
    ----------
    title : str
    drawn : str
        What it shows; also the alternative text of a figure.
    read : str
        How it is read.
    """

    title: str
    drawn: str
    read: str = ""


FILE = yaml.safe_load(Path(__file__).with_name("captions.yaml").read_text(encoding="utf-8"))
NOTES = FILE.pop("notes")
WORDS = {
    name: Words(said["title"], said["drawn"], " ".join(NOTES.get(each, each) for each in said.get("read", ())))
    for name, said in FILE.items()
}
"""The texts on each figure and table, by the names of their files."""


def words_of(name: str) -> Words:
    """Return the texts on a figure or a table; of an unknown one, its name."""
    title = name.replace("_", " ")
    return WORDS.get(name, Words(title[:1].upper() + title[1:], f"What this study shows of {title}."))


def of_pair(name: str) -> Callable[[Tables], str]:
    """Return a function that says the slice-level difference of two arms on the test set."""

    def said(tables: Tables) -> str:
        row = tables[name].query("part == 'test' and unit == 'slice'").iloc[0]
        return f"Slice-level on the test set, {row['arm']} less {row['other']}: {gain(row)}."

    return said


def of_budgets(tables: Tables, dataset: str) -> str:
    """Say the gain of the proposed method at the paper's budget, and the number of budgets with a difference."""
    rows = tables["budget_gains"].query("unit == 'slice' and other == 'random' and dataset == @dataset")
    (row,) = [row for _, row in rows.iterrows() if np.isclose(row["share"], BUDGET)]
    return (
        f"At {BUDGET:.0%}, the proposed method less random sampling: {gain(row)}; at {apart(rows)} of {len(rows)} "
        "budgets the interval excludes 0."
    )


def of_family(name: str) -> Callable[[Tables], str]:
    """Return a function that says how many arms differ from their reference."""
    return lambda tables: f"{different(tables[name])}."


FOUND: dict[str, tuple[tuple[str, ...], Callable[[Tables], str]]] = {
    "figure3": (("teaches_worst",), lambda tables: teaches_worst(tables["teaches_worst"].iloc[0])),
    "figure5": (("table3_gains",), of_pair("table3_gains")),
    "figure6": (("table4_gains",), of_pair("table4_gains")),
    "figure7": (("budget_gains",), lambda tables: of_budgets(tables, "imbalanced")),
    "figure8": (("budget_gains",), lambda tables: of_budgets(tables, "balanced")),
    "table2": (("table2_gains",), of_pair("table2_gains")),
    "annotated_slices": (
        ("label_efficiency", "areas"),
        lambda tables: annotation_worth(tables["label_efficiency"], tables["areas"], BUDGET)[0],
    ),
    **{
        name: ((name,), of_family(name))
        for name in ("controls", "competitors", "iterative", "transfer", "selection_for_others")
    },
}
"""The finding of a figure: the tables that it needs, and the function that says it."""

READ = tuple(dict.fromkeys(table for needed, _ in FOUND.values() for table in needed))
"""Every table that a finding needs."""


def found_in(name: str, tables: Tables) -> str:
    """Return the finding of a figure in this study; empty if its tables are missing."""
    needed, said = FOUND.get(name, ((), lambda _: ""))
    return said(tables) if set(needed) <= set(tables) else ""


ARMS_IN_WORDS = {
    "proposed": "the committee's choice of 30 %",
    "random": "30 % at random",
    "random at 51%": "as many annotated at random (51 %)",
    "placebo": "another random draw from where it chooses",
    "baseline": "everything",
    "0%-30%": "the most uncertain 30 %",
    "mean of 7 others": "the mean of the other ranges",
    "proposed, iterative": "the committee's choice in several queries",
}
"""Names of arms for radiologists."""
