"""Training slices side by side: those of one patient, and those that two arms choose or spare.

As `browser`, each is a panel over a frozen state, and only the images that are shown are read.
"""

from dataclasses import dataclass, replace

import pandas as pd

from brats_al_utils.beyond.explorer.controls import Choice, Slider
from brats_al_utils.beyond.explorer.explorer import GROUPS, Filter, Ranking, compared, filtered, grouped
from brats_al_utils.beyond.explorer.tiles import Shown, at, facts_of, outline, person, short, tiles, within
from brats_al_utils.cohorts.naming import people
from brats_al_utils.show.panel import Asked, Panel, View
from brats_al_utils.study.study import Study

PAGE = 12
"""Slices of two arms' choices that are shown at a time."""


@dataclass(frozen=True)
class Visit:
    """Which patient is shown in which run, and which of the slices is told of in full."""

    run: int = 1
    patient: int = 0
    channel: int = 0
    slice_id: int = -1
    outlined: bool = True


class Patients(Shown):
    """All training slices of a patient side by side."""

    def names(self, run: int) -> list[str]:
        """Return the patients of a run, those with the most uncertain slice first."""
        return list(self.of_run(run)["patient_id"].unique())

    def change(self, state: Visit, asked: Asked) -> Visit:
        """Return the state that follows."""
        if asked.at:
            return replace(state, slice_id=int(asked.name))
        if asked.name == "run":
            return replace(state, run=int(at(self.runs, asked.value)), patient=0, slice_id=-1)
        if asked.name == "channel":
            return replace(state, channel=within(asked.value, len(self.channels)))
        if asked.name == "outline":
            return replace(state, outlined=asked.value == 0)
        return replace(state, patient=within(asked.value, len(self.names(state.run))), slice_id=-1)

    def view(self, state: Visit) -> View:
        """Return what is shown."""
        table, names = self.of_run(state.run), self.names(state.run)
        rows = filtered(table, Filter(patient=names[state.patient])).sort_values(["z", "slice_id"])
        heads = [f"z {z}" for z in rows["z"]]
        classes = list(dict.fromkeys(rows["class_name"]))
        if len(classes) > 1:
            heads = [f"{head}, {name}" for head, name in zip(heads, rows["class_name"], strict=True)]
        one, told = person(self.slices), rows[rows["slice_id"] == state.slice_id]
        facts = [
            (one, names[state.patient]),
            ("class, site", f"{' and '.join(classes)}, {rows['site'].iat[0]}"),
            ("slices", f"{len(rows)}, {int(rows['first'].sum())} of them annotated first"),
            *((f"chosen by {arm}", str(int(rows[arm].sum()))) for arm in self.ranking.arms),
        ]
        if not self.slices.pictured:
            facts += [(head, short(row)) for head, (_, row) in zip(heads, rows.iterrows(), strict=True)]
        if len(told):
            facts += [("", ""), *facts_of(told.iloc[0], self.ranking, self.slices, len(table))[2:]]
        controls = (
            self.run_control(state.run),
            Choice("patient list", one, tuple(names), state.patient),
            self.channel_control(state.channel),
            outline(state.outlined),
            Slider("patient", f"{one}s, the most uncertain first", len(names) - 1, state.patient),
        )
        said = "Click a slice to read everything about it." if self.slices.pictured else ""
        return View(controls, tuple(tiles(rows, self.slices, state.channel, state.outlined, heads)), tuple(facts), said)


def patients(study: Study, ranking: Ranking) -> Panel[Visit]:
    """Return a panel of a study's patients, one at a time with all training slices."""
    shown = Patients(study, ranking)
    return Panel(Visit(), shown.change, shown.view)


@dataclass(frozen=True)
class Pair:
    """Which two arms are compared in which run, and which of the slices are shown."""

    run: int = 1
    one: int = 0
    other: int = 1
    group: int = 1
    page: int = 0


class Choices(Shown):
    """The slices that both of two arms train on, one of them, or neither."""

    def rows(self, state: Pair) -> pd.DataFrame:
        """Return the slices of the group, by rank."""
        table = self.of_run(state.run)
        one, other = (self.ranking.arms[place] for place in (state.one, state.other))
        return table[grouped(table, one, other) == GROUPS[state.group]]

    def change(self, state: Pair, asked: Asked) -> Pair:
        """Return the state that follows."""
        if asked.name == "run":
            return replace(state, run=int(at(self.runs, asked.value)), page=0)
        if asked.name in ("one", "other"):
            return replace(state, **{asked.name: within(asked.value, len(self.ranking.arms))}, page=0)
        if asked.name == "group":
            return replace(state, group=within(asked.value, len(GROUPS)), page=0)
        return replace(state, page=within(asked.value, pages(len(self.rows(state)))))

    def view(self, state: Pair) -> View:
        """Return what is shown."""
        one, other = (self.ranking.arms[place] for place in (state.one, state.other))
        table = compared(self.of_run(state.run), one, other)
        rows = self.rows(state)
        shown = rows.iloc[PAGE * state.page : PAGE * (state.page + 1)]
        positive = self.slices.classes[1]
        facts = [
            (
                name,
                f"slices: {row['slices']:.0f} ({row['expected']:.1f} if drawn at random)"
                + (
                    f", {people(self.slices)}: {row['patients']:.0f}, {positive}: {row['positive_share']:.0%}, "
                    f"mean uncertainty: {row['uncertainty']:.3f}"
                    if row["slices"]
                    else ""
                ),
            )
            for name, (_, row) in zip(group_names(one, other), table.iterrows(), strict=True)
        ]
        heads = list(shown["class_name"])
        if not self.slices.pictured:
            facts += [(head, short(row)) for head, (_, row) in zip(heads, shown.iterrows(), strict=True)]
        arms = self.ranking.arms
        controls = (
            self.run_control(state.run),
            Choice("one", "first", arms, state.one),
            Choice("other", "second", arms, state.other),
            Choice("group", "chosen by", GROUPS, state.group),
            Slider("page", f"page, 1 to {pages(len(rows))}", pages(len(rows)) - 1, state.page),
        )
        return View(controls, tuple(tiles(shown, self.slices, 0, True, heads)), tuple(facts))


def group_names(one: str, other: str) -> list[str]:
    """Return `explorer.GROUPS` with the names of the arms."""
    return ["both", f"only {one}", f"only {other}", "neither"]


def pages(count: int) -> int:
    """Return on how many pages so many slices are shown; one, if there are none."""
    return max(-(-count // PAGE), 1)


def compare(study: Study, ranking: Ranking) -> Panel[Pair]:
    """Return a panel that compares what two arms of a study train on."""
    shown = Choices(study, ranking)
    return Panel(Pair(), shown.change, shown.view)
