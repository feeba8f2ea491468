"""Slices of the ranking as a panel shows them: every fact about one in words, and small pictures of many."""

from collections.abc import Sequence
from functools import lru_cache

import pandas as pd

from brats_al_utils.beyond.explorer.controls import Choice
from brats_al_utils.beyond.explorer.explorer import Ranking
from brats_al_utils.beyond.explorer.pictures import channels, slice_png
from brats_al_utils.cohorts.naming import people
from brats_al_utils.cohorts.slices import SliceSet
from brats_al_utils.show.cohort_figures import CHANNEL_NAMES
from brats_al_utils.show.panel import Picture
from brats_al_utils.study.study import Study

SMALL = 160
"""Pixels of a small picture."""

Fact = tuple[str, str]


class Shown:
    """The parts that the panels share: a study's ranking, its slices, and the lists of runs and channels."""

    def __init__(self, study: Study, ranking: Ranking) -> None:
        self.ranking, self.slices = ranking, study.slice_set(ranking.dataset)
        self.of_run = lru_cache(maxsize=2)(lambda run: ranking.of_run(run + 1))
        self.runs = Choice("run", "run", tuple(str(run) for run in sorted(ranking.table["run"].unique())))
        names = tuple(CHANNEL_NAMES.get(name, name) for name in channels(self.slices))
        self.channels = Choice("channel", "channel", names)


OUTLINE = Choice("outline", "tumour", ("outlined", "not outlined"))


def person(slices: SliceSet) -> str:
    """Return the cohort's word for one of its people: patient or person."""
    return people(slices).removesuffix("s")


def facts_of(row: pd.Series, ranking: Ranking, slices: SliceSet, count: int) -> tuple[Fact, ...]:
    """Return every fact about a slice, in words.

    Parameters
    ----------
    row : pd.Series
        A row of `Ranking.table`.
    count : int
        Number of training slices in its run.
    """
    unit = "pixels" if "tumour areas in pixels" in slices.manifest["chosen_by"] else "mm²"
    area = f"{row['tumour_mm2']:,.0f} {unit}" if row["tumour_mm2"] > 0 else "no mask"
    rates = [name.removeprefix("P by ") for name in ranking.members]
    letters = dict(zip(rates, map(chr, range(ord("A"), ord("A") + len(rates))), strict=True))

    def told(kind: str) -> str:
        found = []
        for name in (*ranking.members, *ranking.terms):
            what, _, own = name.partition(" by " if name in ranking.members else " of ")
            if what == kind:
                found.append(f"{' and '.join(letters[rate] for rate in own.split(', '))} {row[name]:.3f}")
        return ", ".join(found)

    by = {chosen: [arm for arm in ranking.arms if row[arm] == chosen] for chosen in (True, False)}
    return (
        (person(slices), row["patient_id"]),
        ("class, site", f"{row['class_name']}, {row['site']}"),
        ("slice, tumour", f"z {row['z']} (number {row['slice_id']}), {area}"),
        ("rank", f"{row['rank']} of {count}, decile {row['decile']}"),
        ("uncertainty", f"{row['uncertainty']:.3f} nats, the sum of:"),
        ("entropies", told("entropy")),
        ("divergences", told("divergence") or "none"),
        (f"P({slices.classes[1]})", f"{row['probability']:.3f}, the mean of:"),
        ("members", told("P")),
        ("learning rates", ", ".join(f"{letter} {rate}" for rate, letter in letters.items())),
        ("committee", "trained on this slice" if row["first"] else "not trained on this slice"),
        ("chosen by", ", ".join(by[True]) or "none"),
        ("not chosen by", ", ".join(by[False]) or "none"),
    )


def short(row: pd.Series) -> str:
    """Return a slice's rank and probability in one line."""
    return f"rank {row['rank']}, P {row['probability']:.2f}"


def tiles(rows: pd.DataFrame, slices: SliceSet, channel: int, outlined: bool, heads: Sequence[str]) -> list[Picture]:
    """Return a small picture of each slice; none if the images are missing."""
    return [
        Picture(
            str(row["slice_id"]),
            slice_png(slices, row["slice_id"], channel, outlined, SMALL),
            f"{head}: {short(row)}",
            f"slice {row['slice_id']}",
            width=SMALL,
            clickable=True,
        )
        for head, (_, row) in zip(heads, rows.iterrows(), strict=True)
        if slices.pictured
    ]
