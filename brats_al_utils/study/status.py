"""How far a study is: files are counted, nothing is opened that it needs and nothing is waited for."""

import json
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from brats_al_utils import InputError
from brats_al_utils.files import held, write_file
from brats_al_utils.runs.run import Run
from brats_al_utils.runs.store import RunStore, seconds, why
from brats_al_utils.study.places import Places

SAME_STUDY = ("profile", "data", "settings")
"""Parameters of `run` that say which study it is; the others only how fast, and where: a folder may be moved."""

LATEST = 20
"""Runs, the last that were done, whose seconds tell how long the others will take."""


@dataclass(frozen=True)
class Status:
    """How far a study is.

    Attributes
    ----------
    done, running, failed, waiting : int
        Distinct runs; waiting are also those that are planned, and named when the networks before them have chosen.
    images_done, images_left : int
        Image passes of their trainings; of those not named yet, as many each as of the others on average.
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
    before = started(places) or {"parameters": {}, "notebooks": []}
    if all(before["parameters"].get(name) == parameters[name] for name in SAME_STUDY):
        names = sorted({*names, *before["notebooks"]})
    else:
        for path in places.asked.glob("*.json"):  # of another study in this folder
            path.unlink(missing_ok=True)
    write_file(places.started, json.dumps({"parameters": dict(parameters), "notebooks": names}, indent=1).encode())


def started(places: Places) -> dict[str, Any] | None:
    """Return what `remember` kept, or None if there is nothing that can be read."""
    try:
        return dict(json.loads(places.started.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return None


def ask(places: Places, title: str, named: Iterable[tuple[str, Run]], planned: int) -> None:
    """Keep which runs a study needs, for `status`; what was kept under the same title is replaced.

    Parameters
    ----------
    title : str
        What asks for them: a notebook, or its arms.
    named : iterable of (str, Run)
        Those that are known by now, with what each is called.
    planned : int
        How many distinct runs there will be, with those whose slices are not chosen yet.
    """
    runs = {run.key: {"name": name, "images": run.images} for name, run in named}
    content = json.dumps({"title": title, "planned": planned, "runs": runs})
    name = f"{re.sub(r'[^a-z0-9]+', '-', title.lower())[:40].strip('-')}-{sha256(title.encode()).hexdigest()[:8]}.json"
    with suppress(OSError):  # no training is lost for want of this
        write_file(places.asked / name, content.encode())


def status(places: Places) -> Status:
    """Return how far the study is that was last started in some places.

    Raises
    ------
    InputError
        If none was.
    """
    asked = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(places.asked.glob("*.json"))]
    if not asked and started(places) is None:
        raise InputError(f"{places.started}: not found, expected what `run` was asked for: start a study first")
    images = {key: int(run["images"]) for part in asked for key, run in part["runs"].items()}
    unnamed = sum(max(0, part["planned"] - len(part["runs"])) for part in asked)
    store = RunStore(places.runs)
    stored = {path.stem: path for path in store.folder.glob("*.safetensors")}
    locks = {path.stem: path for path in (store.folder / "locks").glob("*.lock")}
    failures = {path.stem: path for path in (store.folder / "failed").glob("*.json")}
    by_state: dict[str, list[str]] = {"done": [], "running": [], "failed": [], "waiting": []}
    for key in images:
        state = "done" if key in stored else "failed" if key in failures else "waiting"
        if key not in stored and key in locks and held(locks[key]):
            state = "running"
        by_state[state].append(key)
    done, running, failed, waiting = by_state.values()
    images_done = sum(images[key] for key in done)
    images_left = sum(images.values()) - images_done + round(unnamed * sum(images.values()) / max(1, len(images)))
    latest = sorted((stored[key] for key in done), key=lambda path: path.stat().st_mtime)[-LATEST:]
    rate = sum(map(seconds, latest)) / max(1, sum(images[path.stem] for path in latest))
    return Status(
        len(done),
        len(running),
        len(failed),
        len(waiting) + unnamed,
        images_done,
        images_left,
        rate * images_left / max(1, len(running)) if done else None,
        {str(failures[key]): why(failures[key]) for key in failed},
    )
