"""How far a study is, from files alone: in time at the size of the paper's, by hand at a small one."""

import json
import os
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import brats_al

from brats_al_utils import InputError
from brats_al_utils.files import lock, locked
from brats_al_utils.networks.training import Settings
from brats_al_utils.runs.run import Result, Run
from brats_al_utils.runs.store import RunStore
from brats_al_utils.study.arms import NOTEBOOKS
from brats_al_utils.study.places import Places
from brats_al_utils.study.profile import PROFILES
from brats_al_utils.study.status import ask, remember, status
from brats_al_utils.study.trainer import title_of

SETTINGS = Settings(epochs=2, batch_size=16, learning_rate=0.001, momentum=0.8, weight_decay=0.0001)


def run_of(number: int, slices: int = 10) -> Run:
    return Run("f" * 64, tuple(range(slices)), (), (), (), "scratch", False, SETTINGS, number, 0)


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
    ask(places, "01_transfer", [(f"run {number}", run) for number, run in enumerate(runs[:3])], planned=3)
    ask(places, "02_ranges", [(f"run {number}", run) for number, run in enumerate(runs) if number > 1], planned=5)
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
    ask(places, "01_transfer", [], planned=7)
    assert status(places).waiting == 7
    ask(places, "01_transfer", [("a", run_of(0))], planned=1)
    assert status(places).waiting == 1


def test_another_study_in_the_folder_is_not_counted(tmp_path: Path) -> None:
    places = places_of(tmp_path)
    parameters = {"profile": "smoke", "data": "", "out": "", "settings": {}}
    remember(places, parameters, ["01"])
    ask(places, "01", [("a", run_of(0))], planned=1)
    remember(places, parameters | {"device": "cuda", "out": "moved"}, ["02"])
    assert status(places).waiting == 1, "the same study"
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
        ask(places, f"{start}", [(f"run {number}", runs[number]) for number in range(start, start + 170)], planned=170)
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
    titles = [title_of(arms(PROFILES["demo"], True)) for name, arms in NOTEBOOKS.items() if name[:2] != "00"]
    assert len(set(titles)) == len(titles)
