"""A browser of the ranking: one training slice at a time, with every fact about it, and its place among all slices.

It is a panel (`panel`) over a frozen state: `Browser.change` returns the next state, `Browser.view` what a state
shows. Only the images on the screen are read.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from brats_al_utils.beyond.explorer.controls import Choice, Control, Plot, Slider, at, moved
from brats_al_utils.beyond.explorer.explorer import DECILES, Ranking, filtered
from brats_al_utils.beyond.explorer.tiles import OUTLINE, Shown, facts_of, person, plane
from brats_al_utils.show.panel import Asked, Panel, View
from brats_al_utils.study.study import Study

GREYED = 2
"""Group in the plot of the slices that the filters drop."""


@dataclass(frozen=True)
class Browsing:
    """Which slice is shown: its ``place`` among a run's slices that pass the filters; a filter of 0 passes all."""

    run: int = 0
    class_name: int = 0
    site: int = 0
    decile: int = 0
    patient_id: int = 0
    chosen: int = 0
    spared: int = 0
    place: int = 0
    channel: int = 0
    outline: int = 0


class Browser(Shown):
    """The browser of the ranking: its controls, and what it shows."""

    def __init__(self, study: Study, ranking: Ranking) -> None:
        super().__init__(study, ranking)
        table = ranking.table
        self.filters = [
            Choice(name, label, ("all", *options))
            for name, label, options in (
                ("class_name", "class", self.slices.classes),
                ("site", "site", sorted(table["site"].unique())),
                ("decile", "decile", [str(number) for number in range(1, DECILES + 1)]),
                ("patient_id", person(self.slices), sorted(table["patient_id"].unique())),
                ("chosen", "chosen by", ranking.arms),
                ("spared", "not chosen by", ranking.arms),
            )
        ]

    def kept(self, state: Browsing) -> pd.DataFrame:
        """Return the slices that pass the filters, by rank."""
        wanted = {each.name: each.options[place] for each in self.filters if (place := getattr(state, each.name))}
        return filtered(self.of_run(state.run), wanted)

    def plot(self, state: Browsing, kept: pd.DataFrame) -> Plot:
        """Return the plot of uncertainty against probability; slices that pass the filters are in colour."""
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
        """Return the next state after an event."""
        kept = self.kept(state)
        if asked.name == "plot":
            asked = Asked("place", int(kept.index.searchsorted(asked.value)))
        restart = {} if asked.name in ("channel", "outline") else {"place": 0}
        return moved(state, asked, self.controls(state, len(kept)), **restart)

    def controls(self, state: Browsing, count: int) -> tuple[Control, ...]:
        """Return the lists, and the slider for the slices that pass the filters, whose number is ``count``."""
        slider = Slider("place", f"by falling uncertainty, 1 to {count}", max(count - 1, 0))
        pictured = (self.channels,) if self.slices.pictured else ()
        return at(state, self.runs, *self.filters, *pictured, OUTLINE, slider)

    def view(self, state: Browsing) -> View:
        """Return what a state shows."""
        kept = self.kept(state)
        controls, plot = self.controls(state, len(kept)), self.plot(state, kept)
        if kept.empty:
            return View(controls, said="No slice is left: loosen a filter.", plot=plot)
        row, total = kept.iloc[state.place], len(self.of_run(state.run))
        image = plane(self.slices, row["slice_id"], state.channel, not state.outline) if self.slices.pictured else None
        said = f"{len(kept)} of {total} training slices; a click on a point shows its slice"
        return View(controls, (), facts_of(row, self.ranking, self.slices, total), said, image, plot)


def browse(study: Study, ranking: Ranking) -> Panel[Browsing]:
    """Return the browser of a study's ranking: a slider, filters, a slice with every fact about it, and a plot."""
    browser = Browser(study, ranking)
    return Panel(Browsing(), browser.change, browser.view)
