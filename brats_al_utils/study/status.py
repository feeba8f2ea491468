"""The progress of a study, by counting files: nothing is opened that it needs, and nothing is waited for."""

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from brats_al_utils import InputError
from brats_al_utils.files import held, write_file
from brats_al_utils.runs.records import seconds_taken
from brats_al_utils.runs.store import RunStore, why
from brats_al_utils.study.places import WRITERS, Places

LATEST = 20
"""Number of latest finished runs from which the remaining time is estimated."""


@dataclass(frozen=True)
class Status:
    """The progress of a study.

    Attributes
    ----------
    done, running, failed, waiting : int
        Numbers of distinct runs; waiting includes those whose slices are not known yet.
    images_done, images_left : int
        Image passes of their trainings.
    seconds_left : float or None
        Estimate for as many runs at a time as now, or one if none is running; None before the first is done.
    failures : dict of str to str
        Why runs failed, by the file with the details.
    state : str
        ``preparing`` (the cohort is written, or slices are cut), ``running``, ``finished``, or ``not running``.
    """

    done: int
    running: int
    failed: int
    waiting: int
    images_done: int
    images_left: int
    seconds_left: float | None
    failures: dict[str, str]
    state: str


def remember(places: Places, parameters: Mapping[str, Any], names: list[str], finished: bool = False) -> None:
    """Write the parameters and notebooks that were asked for of the study opened here, with those asked for before."""
    before, mark = started(places), WRITERS[places.figures]
    if before and before.get("study") == mark:
        names = sorted({*names, *before["notebooks"]})
    else:
        for path in places.table.glob("*.csv"):  # of another study in this folder
            path.unlink(missing_ok=True)
    kept = {"study": mark, "parameters": dict(parameters), "notebooks": names, "finished": finished}
    write_file(places.started, json.dumps(kept, indent=1).encode())


def started(places: Places) -> dict[str, Any] | None:
    """Return what `remember` wrote; None if it is missing or unreadable."""
    try:
        return dict(json.loads(places.started.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return None


def read_rows(places: Places) -> list[dict[str, str]]:
    """Return a study's table as written so far, each training once."""
    every = list(every_row(places))
    known = {place_of(row) for row in every if row["key"]}
    # The slices of an arm may be known in one notebook's table, and only planned in another's.
    return list({row["same"]: row for row in every if row["key"] or place_of(row) not in known}.values())


def every_row(places: Places) -> Iterator[dict[str, str]]:
    """Yield the rows of all notebooks, as written by `write_rows`."""
    for path in sorted(places.table.glob("*.csv")):
        with path.open(newline="", encoding="utf-8") as file:
            yield from csv.DictReader(file)


def place_of(row: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what identifies a training, whether its slices are known or not."""
    return row.get("of", row["same"]), str(row.get("stage", "")), row.get("trains", "")


def status(places: Places) -> Status:
    """Return the progress of the study that was last started in some places.

    Raises
    ------
    InputError
        If there is none.
    """
    rows, asked = read_rows(places), started(places)
    at_work = any(map(held, [*places.outputs.glob("*.lock"), *places.slices.glob("*.lock")]))
    if not (rows or asked or at_work):
        raise InputError(f"no study in {places.outputs}: start one with brats-al run, or name its folder (--out)")
    store = RunStore(places.runs)
    stored = {path.stem: path for path in store.folder.glob("*.safetensors")}
    failures = {path.stem: path for path in (store.folder / "failed").glob("*.json")}
    locks = {path.stem: path for path in (store.folder / "locks").glob("*.lock")}
    by_state: dict[str, list[dict[str, str]]] = {"done": [], "running": [], "failed": [], "waiting": []}
    for row in rows:
        key = row["key"]
        if key in stored:
            state = "done"
        elif key in locks and held(locks[key]):
            state = "running"
        else:
            state = "failed" if key in failures else "waiting"
        by_state[state].append(row)
    done, running, failed, waiting = by_state.values()
    images_done = sum(int(row["images"]) for row in done)
    images_left = sum(int(row["images"]) for row in rows) - images_done
    latest = sorted(done, key=lambda row: stored[row["key"]].stat().st_mtime)[-LATEST:]
    rate = sum(seconds_taken(stored[row["key"]]) for row in latest) / max(1, sum(int(row["images"]) for row in latest))
    if at_work or running:
        state = "running" if rows else "preparing"
    else:
        state = "finished" if (asked or {}).get("finished") and not waiting else "not running"
    return Status(
        len(done),
        len(running),
        len(failed),
        len(waiting),
        images_done,
        images_left,
        rate * images_left / max(1, len(running)) if done else None,
        {str(failures[row["key"]]): why(failures[row["key"]]) or "computed since, or damaged" for row in failed},
        state,
    )


def duration(seconds: float) -> str:
    """Return a duration in words."""
    if seconds < 90:
        return f"{max(1, seconds):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{float(f'{seconds / 3600:.3g}'):,g} hours"
