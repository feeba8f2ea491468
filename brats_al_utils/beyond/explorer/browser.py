"""A browser of the ranking: one training slice at a time, with all that is known of it, and where it lies among all.

A panel (`panel`) over a frozen state: one function says what follows when something is asked, another what a state
shows. Only the images that are shown are read.
"""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from brats_al_utils.beyond.explorer.controls import Choice, Plot, Slider
from brats_al_utils.beyond.explorer.explorer import DECILES, Filter, Ranking, filtered
from brats_al_utils.beyond.explorer.pictures import plane
from brats_al_utils.beyond.explorer.tiles import Shown, at, facts_of, outline, person, within
from brats_al_utils.show.panel import Asked, Panel, View
from brats_al_utils.study.study import Study

GREYED = 2
"""Group in the plot of the slices that a filter does not keep."""


@dataclass(frozen=True)
class Browsing:
    """Which slice is shown: the one at a place among those of a run that a filter keeps."""

    run: int = 1
    wanted: Filter = field(default_factory=Filter)
    place: int = 0
    channel: int = 0
    outlined: bool = True


class Browser(Shown):
    """The browser of the ranking: what it can be asked, and what it shows."""

    def __init__(self, study: Study, ranking: Ranking) -> None:
        """Take what is browsed."""
        super().__init__(study, ranking)
        table = ranking.table
        self.lists: dict[str, list[str]] = {
            "class_name": ["", *self.slices.classes],
            "site": ["", *sorted(table["site"].unique())],
            "decile": ["", *map(str, range(1, DECILES + 1))],
            "patient": ["", *sorted(table["patient_id"].unique())],
            "chosen": ["", *ranking.arms],
            "spared": ["", *ranking.arms],
        }

    def kept(self, state: Browsing) -> pd.DataFrame:
        """Return the slices that are looked through, by rank."""
        return filtered(self.of_run(state.run), state.wanted)

    def plot(self, state: Browsing, kept: pd.DataFrame) -> Plot:
        """Return the uncertainty against the probability, those that are looked through in colour."""
        table, (negative, positive) = self.of_run(state.run), self.slices.classes
        groups = np.full(len(table), GREYED, np.uint8)
        groups[kept.index] = kept["class_name"] == positive
        return Plot(
            "plot",
            table[["probability", "uncertainty"]].to_numpy("<f4").tobytes(),
            groups.tobytes(),
            f"P({positive}), mean across the committee",
            "uncertainty (nats)",
            (negative, positive),
            int(kept.index[state.place]) if len(kept) else -1,
        )

    def change(self, state: Browsing, asked: Asked) -> Browsing:
        """Return the state that follows."""
        if asked.name in self.lists:
            value: Any = at(self.lists[asked.name], asked.value)
            value = int(value or 0) if asked.name == "decile" else value
            return replace(state, wanted=replace(state.wanted, **{asked.name: value}), place=0)
        if asked.name == "run":
            return replace(state, run=int(at(self.runs, asked.value)), place=0)
        if asked.name == "channel":
            return replace(state, channel=within(asked.value, len(self.channels)))
        if asked.name == "outline":
            return replace(state, outlined=asked.value == 0)
        kept = self.kept(state).index
        place = int(kept.searchsorted(asked.value)) if asked.name == "plot" else asked.value
        return replace(state, place=within(place, len(kept)))

    def controls(self, state: Browsing, count: int) -> tuple[Choice | Slider, ...]:
        """Return the filters and the slider."""
        labels = {
            "class_name": "class",
            "patient": person(self.slices),
            "chosen": "chosen by",
            "spared": "not chosen by",
        }
        values = {name: str(getattr(state.wanted, name) or "") for name in self.lists}
        return (
            self.run_control(state.run),
            *(
                Choice(name, labels.get(name, name), ("all", *some[1:]), some.index(values[name]))
                for name, some in self.lists.items()
            ),
            *([self.channel_control(state.channel)] if self.slices.pictured else []),
            outline(state.outlined),
            Slider("place", f"by falling uncertainty, 1 to {count}", max(count - 1, 0), state.place),
        )

    def view(self, state: Browsing) -> View:
        """Return what is shown."""
        kept = self.kept(state)
        controls, plot = self.controls(state, len(kept)), self.plot(state, kept)
        if kept.empty:
            return View(controls, said="No slice is left: loosen a filter.", plot=plot)
        row, total = kept.iloc[state.place], len(self.of_run(state.run))
        image = plane(self.slices, row["slice_id"], state.channel, state.outlined) if self.slices.pictured else None
        said = f"{len(kept)} of {total} training slices; a click on a point shows its slice"
        return View(controls, (), facts_of(row, self.ranking, self.slices, total), said, image, plot)


def browse(study: Study, ranking: Ranking) -> Panel[Browsing]:
    """Return the browser of a study's ranking: a slider, filters, a slice with all that is known of it, and a plot."""
    browser = Browser(study, ranking)
    return Panel(Browsing(), browser.change, browser.view)
