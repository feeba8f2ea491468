"""How far a study is: which of its runs are done, computed at the moment, failed or missing."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from brats_al_utils import InputError, notebooks
from brats_al_utils.claims import STALE, owner_of
from brats_al_utils.files import write_file
from brats_al_utils.places import Places
from brats_al_utils.plan import PlannedStudy
from brats_al_utils.profile import profile_of
from brats_al_utils.runs import Run, RunStore
from brats_al_utils.study import is_synthetic, open_study

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
    parameters = last["parameters"] | {"workers": ""}
    paths = notebooks.find(last["notebooks"])
    profile = profile_of(parameters["profile"], parameters["settings"])
    synthetic = is_synthetic(profile, parameters["data"])
    study = open_study(**parameters, datasets=notebooks.datasets(paths, profile, synthetic))
    runs = PlannedStudy.of(study).runs_of(paths)
    return count(study.store, list({run.key: run for run in runs}.values()))


def running(store: RunStore, run: Run) -> bool:
    """Whether a living process has claimed a run; shown only, so the clocks of two machines may differ a little."""
    path = store.claim(run)
    owner = owner_of(path)
    return owner is not None and not owner.dead and abs(time.time() - path.stat().st_mtime) < STALE


def count(store: RunStore, runs: list[Run]) -> Status:
    """Return how far some distinct runs are."""
    done = [run for run in runs if store.path(run).exists()]
    left = [run for run in runs if not store.path(run).exists()]
    at_work = [run for run in left if running(store, run)]
    failed = [run for run in left if run not in at_work and store.failure(run).exists()]
    images_done, images_left = (sum(run.images for run in some) for some in (done, left))
    known = {record["key"]: record for record in store.records()}
    seconds = sum(known[run.key].get("seconds", 0.0) for run in done if run.key in known)
    return Status(
        len(done),
        len(at_work),
        len(failed),
        len(left) - len(at_work) - len(failed),
        images_done,
        images_left,
        seconds / images_done * images_left / max(1, len(at_work)) if done else None,
        {str(store.failure(run)): json.loads(store.failure(run).read_text())["why"] for run in failed},
    )
