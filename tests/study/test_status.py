"""How far a study is, from files alone: in time at the size of the paper's, by hand at a small one."""

import json
import os
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import brats_al

from brats_al_utils import InputError
from brats_al_utils.beyond.arms import NOTEBOOKS
from brats_al_utils.files import lock, locked
from brats_al_utils.networks.training import Settings
from brats_al_utils.runs.run import Result, Run
from brats_al_utils.runs.store import RunStore
from brats_al_utils.study.cost import counted_study
from brats_al_utils.study.places import Places
from brats_al_utils.study.profile import PROFILES
from brats_al_utils.study.stages import plan, title_of
from brats_al_utils.study.status import remember, status, write_rows

SETTINGS = Settings(epochs=2, batch_size=16, learning_rate=0.001, momentum=0.8, weight_decay=0.0001)


def run_of(number: int, slices: int = 10) -> Run:
    return Run("f" * 64, tuple(range(slices)), (), (), (), "scratch", False, SETTINGS, number, 0)


def rows_of(*runs: Run, waiting: int = 0) -> list[dict[str, object]]:
    """Return the rows of some runs, and of as many whose slices are not chosen yet."""
    named = [{"images": run.images, "key": run.key, "same": run.key} for run in runs]
    return [*named, *({"images": 20, "key": "", "same": f"unknown {number}"} for number in range(waiting))]


def places_of(folder: Path) -> Places:
    places = Places.of("smoke", folder)
    places.make()
    return places


def keep(store: RunStore, run: Run, seconds: float) -> None:
    store.save(Result(run, {"train_loss": np.zeros(2)}, 1, seconds, {}))


def test_a_small_study_by_hand(tmp_path: Path) -> None:
    """Five runs of 20 images known, one shared by both notebooks; two more planned. Two done in 4 s, one at work."""
    places, runs = places_of(tmp_path), [run_of(number) for number in range(5)]
    store = RunStore(places.runs)
    write_rows(places, "01_transfer", rows_of(*runs[:3]))
    write_rows(places, "02_ranges", rows_of(*runs[2:], waiting=2))
    keep(store, runs[0], 3.0)
    keep(store, runs[1], 1.0)
    store.save_failure(runs[2], "planned", "Traceback\nValueError: as planned")
    store.save_failure(runs[0], "planned", "failed once, done since")
    store.lock(runs[4]).parent.mkdir()
    store.lock(runs[4]).write_text("left by a dead machine", encoding="utf-8")
    with lock(store.lock(runs[3])):
        found = status(places)
    assert (found.done, found.running, found.failed, found.waiting) == (2, 1, 1, 1 + 2)
    assert (found.images_done, found.images_left) == (2 * 20, 3 * 20 + 2 * 20)
    assert found.seconds_left == pytest.approx(4.0 / 40 * 100)
    assert found.failures == {str(store.failure(runs[2])): "Traceback\nValueError: as planned"}


def test_what_is_asked_again_replaces_what_was(tmp_path: Path) -> None:
    places = places_of(tmp_path)
    write_rows(places, "01_transfer", rows_of(waiting=7))
    assert status(places).waiting == 7
    write_rows(places, "01_transfer", rows_of(run_of(0)))
    assert status(places).waiting == 1


def test_another_study_in_the_folder_is_not_counted(tmp_path: Path) -> None:
    places = places_of(tmp_path)
    parameters = {"profile": "smoke", "data": "", "out": "", "settings": {}}
    places.claim("smoke", "phantoms", {})
    remember(places, parameters, ["01"])
    write_rows(places, "01", rows_of(run_of(0)))
    remember(places, parameters | {"device": "cuda", "out": "moved"}, ["02"])
    assert status(places).waiting == 1, "the same study"
    places.claim("smoke", "phantoms", {"epochs": 3})
    remember(places, parameters | {"settings": {"epochs": 3}}, ["01"])
    assert status(places).waiting == 0


def test_a_study_that_was_never_started(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"study.json: not found, expected what `run` was asked for"):
        status(places_of(tmp_path))


def test_in_time_at_the_size_of_the_paper_s(tmp_path: Path) -> None:
    """1,190 runs of 4,060 slices, half of them done, one at work, while slices are prepared: under two seconds."""
    places, store = places_of(tmp_path), RunStore(places_of(tmp_path).runs)
    runs = [run_of(number, 4060) for number in range(1190)]
    for start in range(0, len(runs), 170):
        write_rows(places, f"{start}", rows_of(*runs[start : start + 170]))
    keep(store, runs[0], 100.0)
    content = store.path(runs[0]).read_bytes()
    for run in runs[1:595]:
        store.path(run).write_bytes(content)
    for run in runs[595:]:
        store.lock(run).parent.mkdir(exist_ok=True)
        store.lock(run).touch()
    with locked(places.outputs / ".preparing.lock", 0, "preparing"), lock(store.lock(runs[700])):
        began, cpu = time.perf_counter(), sum(os.times()[2:4])
        printed = brats_al("status", "--out", str(tmp_path), "--json")
        took = min(time.perf_counter() - began, sum(os.times()[2:4]) - cpu)  # others may be at work on this machine
    assert took < 2
    found = json.loads(printed)
    assert (found["done"], found["running"], found["waiting"]) == (595, 1, 594)
    assert found["images_left"] == 595 * 2 * 4060
    assert len(brats_al("runs", "--out", str(tmp_path), "--json").splitlines()) == 595


def test_each_notebook_keeps_its_own_list_of_runs() -> None:
    """Notebooks 03 and 04 have arms of the same names, on two slice sets."""
    study = counted_study(PROFILES["demo"])
    tables = [plan(study, arms(study.profile), runs=1) for name, arms in NOTEBOOKS.items() if name[:2] != "00"]
    assert len({title_of(rows) for rows in tables}) == len(tables)
