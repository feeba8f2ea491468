"""How far a study is: which of its runs are done, computed at the moment, failed or missing."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from brats_al_utils import InputError
from brats_al_utils.files import write_file
from brats_al_utils.runs.claims import STALE, owner_of
from brats_al_utils.runs.run import Run, RunStore
from brats_al_utils.study.opening import open_study
from brats_al_utils.study.places import Places
from brats_al_utils.study.plan import runs_of_notebooks

SAME_STUDY = ("profile", "data", "out", "settings")
"""Parameters of `run` that say which study it is; the others only where and how fast."""


@dataclass(frozen=True)
class Status:
    """How far a study is.

    Attributes
    ----------
    done, running, failed, waiting : int
        Distinct runs.
    images_done, images_left : int
        Image passes of their trainings.
    seconds_left : float or None
        With as many runs at a time as now, or one if none is running; None before the first is done.
    failures : dict of str to str
        Why runs failed, by the file that says more.
    """

    done: int
    running: int
    failed: int
    waiting: int
    images_done: int
    images_left: int
    seconds_left: float | None
    failures: dict[str, str]


def remember(places: Places, parameters: Mapping[str, Any], names: list[str]) -> None:
    """Keep what was asked for: the parameters, and the notebooks, with those asked for before of the same study."""
    before = asked(places) or {"parameters": {}, "notebooks": []}
    if all(before["parameters"].get(name) == parameters[name] for name in SAME_STUDY):
        names = sorted({*names, *before["notebooks"]})
    write_file(places.asked, json.dumps({"parameters": dict(parameters), "notebooks": names}, indent=1).encode())


def asked(places: Places) -> dict[str, Any] | None:
    """Return what `remember` kept, or None if there is nothing that can be read."""
    try:
        return dict(json.loads(places.asked.read_text()))
    except (OSError, ValueError):
        return None


def status(places: Places) -> Status:
    """Return how far the study is that was last started in some places.

    Raises
    ------
    InputError
        If none was.
    """
    last = asked(places)
    if last is None:
        raise InputError(f"{places.asked}: not there, expected what `run` was asked for: start a study first")
    study = open_study(**last["parameters"] | {"workers": "", "device": "cpu"})  # not those of the machine that trains
    runs = runs_of_notebooks(study, last["notebooks"])
    return count(study.store, list({run.key: run for run in runs}.values()))


def running(store: RunStore, run: Run) -> bool:
    """Whether a living process has claimed a run; shown only, so the clocks of two machines may differ a little."""
    path = store.claim(run)
    owner = owner_of(path)
    try:
        return owner is not None and not owner.dead and abs(time.time() - path.stat().st_mtime) < STALE
    except FileNotFoundError:  # it has just ended
        return False


def count(store: RunStore, runs: list[Run]) -> Status:
    """Return how far some distinct runs are."""
    known = {record["key"]: record for record in reversed(store.records())}  # a result outweighs an earlier failure
    by_state: dict[str, list[Run]] = {"done": [], "running": [], "failed": [], "waiting": []}
    for run in runs:
        state = known.get(run.key, {}).get("state")
        if state != "done":  # one that is damaged will be computed again
            state = "running" if running(store, run) else "failed" if state == "failed" else "waiting"
        by_state[state].append(run)
    done, at_work, failed, waiting = by_state.values()
    images_done, images_left = (sum(run.images for run in some) for some in (done, at_work + failed + waiting))
    seconds = sum(known[run.key]["seconds"] for run in done)
    return Status(
        len(done),
        len(at_work),
        len(failed),
        len(waiting),
        images_done,
        images_left,
        seconds / images_done * images_left / max(1, len(at_work)) if done else None,
        {str(store.failure(run)): known[run.key]["why"] for run in failed},
    )
