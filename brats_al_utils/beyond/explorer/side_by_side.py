"""Training slices side by side: those of one patient, and those that two arms choose or do not choose.

As in `browser`, each is a panel over a frozen state, and only the images on the screen are read.
"""

from dataclasses import dataclass, replace

import pandas as pd

from brats_al_utils.beyond.explorer.controls import LIST, Choice, Control, Slider, at, moved
from brats_al_utils.beyond.explorer.explorer import GROUPS, Ranking, compared, grouped
from brats_al_utils.beyond.explorer.tiles import OUTLINE, Shown, facts_of, person, short, tiles
from brats_al_utils.cohorts.naming import people
from brats_al_utils.show.panel import Asked, Panel, View
from brats_al_utils.study.study import Study

PAGE = 12
"""Number of slices on a page of two arms' choices."""


@dataclass(frozen=True)
class Visit:
    """Which patient is shown in which run, and which slice has all its facts listed."""

    run: int = 0
    patient: int = 0
    channel: int = 0
    slice_id: int = -1
    outline: int = 0


class Patients(Shown):
    """All training slices of a patient side by side."""

    def names(self, run: int) -> list[str]:
        """Return the patients of a run, the one with the most uncertain slice first."""
        return list(self.of_run(run)["patient_id"].unique())

    def change(self, state: Visit, asked: Asked) -> Visit:
        """Return the next state after an event."""
        if asked.at:
            return replace(state, slice_id=int(asked.name))
        restart = {} if asked.name in ("channel", "outline") else {"patient": 0, "slice_id": -1}
        return moved(state, asked, self.controls(state), **restart)

    def controls(self, state: Visit) -> tuple[Control, ...]:
        """Return the list and the slider of patients, and the choices of what is shown."""
        one, names = person(self.slices), self.names(state.run)
        slider = Slider("patient", f"{one}s, the most uncertain first", len(names) - 1)
        return at(state, self.runs, Choice("patient" + LIST, one, tuple(names)), self.channels, OUTLINE, slider)

    def view(self, state: Visit) -> View:
        """Return what a state shows."""
        table, name = self.of_run(state.run), self.names(state.run)[state.patient]
        rows = table[table["patient_id"] == name].sort_values(["z", "slice_id"])
        heads = [f"z {z}" for z in rows["z"]]
        classes = list(dict.fromkeys(rows["class_name"]))
        if len(classes) > 1:
            heads = [f"{head}, {own}" for head, own in zip(heads, rows["class_name"], strict=True)]
        told = rows[rows["slice_id"] == state.slice_id]
        facts = [
            (person(self.slices), name),
            ("class, site", f"{' and '.join(classes)}, {rows['site'].iat[0]}"),
            ("slices", f"{len(rows)}, {int(rows['first'].sum())} of them annotated first"),
            *((f"chosen by {arm}", str(int(rows[arm].sum()))) for arm in self.ranking.arms),
        ]
        if not self.slices.pictured:
            facts += [(head, short(row)) for head, (_, row) in zip(heads, rows.iterrows(), strict=True)]
        if len(told):
            facts += [("", ""), *facts_of(told.iloc[0], self.ranking, self.slices, len(table))[2:]]
        said = "Click a slice to read everything about it." if self.slices.pictured else ""
        pictures = tiles(rows, self.slices, state.channel, not state.outline, heads)
        return View(self.controls(state), tuple(pictures), tuple(facts), said)


def patients(study: Study, ranking: Ranking) -> Panel[Visit]:
    """Return a panel of a study's patients, one at a time, each with all training slices."""
    shown = Patients(study, ranking)
    return Panel(Visit(), shown.change, shown.view)


@dataclass(frozen=True)
class Pair:
    """Which two arms are compared in which run, and which slices are shown."""

    run: int = 0
    one: int = 0
    other: int = 1
    group: int = 1
    page: int = 0


class Choices(Shown):
    """The slices that two arms train on: both, only one of them, or neither."""

    def rows(self, state: Pair) -> pd.DataFrame:
        """Return the slices of the group, by rank."""
        table = self.of_run(state.run)
        one, other = (self.ranking.arms[place] for place in (state.one, state.other))
        return table[grouped(table, one, other) == GROUPS[state.group]]

    def change(self, state: Pair, asked: Asked) -> Pair:
        """Return the next state after an event."""
        return moved(state, asked, self.controls(state), page=0)

    def controls(self, state: Pair) -> tuple[Control, ...]:
        """Return the lists of arms and groups, and the slider of pages."""
        arms, pages = self.ranking.arms, max(-(-len(self.rows(state)) // PAGE), 1)
        first, second = Choice("one", "first", arms), Choice("other", "second", arms)
        slider = Slider("page", f"page, 1 to {pages}", pages - 1)
        return at(state, self.runs, first, second, Choice("group", "chosen by", GROUPS), slider)

    def view(self, state: Pair) -> View:
        """Return what a state shows."""
        one, other = (self.ranking.arms[place] for place in (state.one, state.other))
        shown = self.rows(state).iloc[PAGE * state.page : PAGE * (state.page + 1)]
        table = compared(self.of_run(state.run), one, other)
        facts = []
        for name, (_, row) in zip(("both", f"only {one}", f"only {other}", "neither"), table.iterrows(), strict=True):
            told = f"slices: {row['slices']:.0f} ({row['expected']:.1f} if drawn at random)"
            if row["slices"]:
                told += f", {people(self.slices)}: {row['patients']:.0f}"
                told += f", {self.slices.classes[1]}: {row['positive_share']:.0%}"
                told += f", mean uncertainty: {row['uncertainty']:.3f}"
            facts.append((name, told))
        heads = list(shown["class_name"])
        if not self.slices.pictured:
            facts += [(head, short(row)) for head, (_, row) in zip(heads, shown.iterrows(), strict=True)]
        return View(self.controls(state), tuple(tiles(shown, self.slices, 0, True, heads)), tuple(facts))


def compare(study: Study, ranking: Ranking) -> Panel[Pair]:
    """Return a panel that compares what two arms of a study train on."""
    shown = Choices(study, ranking)
    return Panel(Pair(), shown.change, shown.view)
