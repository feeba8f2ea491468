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
from brats_al_utils.beyond.cost import counted_study, left
from brats_al_utils.files import lock, locked
from brats_al_utils.networks.training import Settings
from brats_al_utils.progress import bar
from brats_al_utils.runs.records import records
from brats_al_utils.runs.run import Result, Run
from brats_al_utils.runs.store import RunStore
from brats_al_utils.study.places import Places
from brats_al_utils.study.profile import PROFILES
from brats_al_utils.study.stages import plan, record, title_of, write_rows
from brats_al_utils.study.status import duration, remember, status

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
        found, said = status(places), brats_al("status", "--out", str(tmp_path))
        with lock(store.lock(runs[4])):
            assert status(places).seconds_left == pytest.approx(4.0 / 40 * 100 / 2), "two at work"
    assert (found.done, found.running, found.failed, found.waiting) == (2, 1, 1, 1 + 2)
    assert (found.images_done, found.images_left) == (2 * 20, 3 * 20 + 2 * 20)
    assert found.seconds_left == pytest.approx(4.0 / 40 * 100)
    assert found.failures == {str(store.failure(runs[2])): "Traceback\nValueError: as planned"}
    assert "2 runs done, 1 running, 1 failed, 3 waiting" in said and "about 10 s left" in said
    assert f"failed: ValueError: as planned (see {store.failure(runs[2])})" in said
    store.failure(runs[2]).write_text("", encoding="utf-8")  # as if it were gone since the folder was listed
    said = brats_al("status", "--out", str(tmp_path))
    assert f"failed: computed since, or damaged (see {store.failure(runs[2])})" in said
    assert [record["key"] for record in records(store) if record["state"] == "failed"] == [runs[0].key]


def test_what_is_asked_again_or_chosen_elsewhere_is_counted_once(tmp_path: Path) -> None:
    places = places_of(tmp_path)
    write_rows(places, "01_transfer", rows_of(waiting=7))
    assert status(places).waiting == 7
    write_rows(places, "01_transfer", rows_of(run_of(0)))
    assert status(places).waiting == 1
    places = places_of(tmp_path)
    write_rows(places, "03", [rows_of(run_of(0))[0] | {"of": "proposed, run 1", "stage": 1, "trains": "arm"}])
    planned = rows_of(waiting=2)
    write_rows(places, "05", [planned[0] | {"of": "proposed, run 1", "stage": 1, "trains": "arm"}, planned[1]])
    assert status(places).waiting == 2


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


def test_a_study_is_prepared_runs_and_is_finished(tmp_path: Path) -> None:
    places = places_of(tmp_path)
    places.claim("smoke", "phantoms", {})
    with lock(places.outputs / "phantom.lock"):
        assert status(places).state == "preparing"
    remember(places, {}, ["01"])
    with lock(places.driver):
        write_rows(places, "01", rows_of(run_of(0)))
        write_rows(places, "01", rows_of(), anew=False)
        assert (status(places).state, status(places).waiting) == ("running", 1)
    remember(places, {}, ["01"], finished=True)
    assert status(places).state == "not running", "a run is waiting"
    keep(RunStore(places.runs), run_of(0), 1.0)
    assert "finished; report: none yet" in brats_al("status", "--out", str(tmp_path))
    (places.report).mkdir()
    (places.report / "index.html").touch()
    assert f"finished; report: {places.report / 'index.html'}" in brats_al("status", "--out", str(tmp_path))


def test_what_is_left_is_counted_once_and_without_what_is_stored(tmp_path: Path) -> None:
    """Twenty runs of Table 2, ten of them also Table 3's; one is stored, and one whose committee is not needed."""
    study = counted_study(PROFILES["paper"])
    tables = {name: plan(study, NOTEBOOKS[name](study.profile)) for name in sorted(NOTEBOOKS)[1:4:2]}
    places, (first, second) = places_of(tmp_path), tables
    assert [left(places, tables)[name].distinct for name in tables] == [20, 10 * (3 + 1)]
    waiting = next(row for row in tables[second] if not row.known)
    write_rows(places, "03", [record(waiting) | {"key": "chosen", "same": "chosen"}])
    places.runs.mkdir()
    for key in ("chosen", tables[first][0].run.key):
        (places.runs / f"{key}.safetensors").touch()
    assert [left(places, tables)[name].distinct for name in tables] == [19, 36]


@pytest.mark.parametrize(
    ("took", "said"), [(0.2, "1 s"), (89, "89 s"), (600, "10 min"), (9000, "2.5 hours"), (5.4e6, "1,500 hours")]
)
def test_a_duration_is_said_in_words(took: float, said: str) -> None:
    assert duration(took) == said


def test_in_a_log_a_bar_is_a_line_a_minute(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    clock = [0.0]
    monkeypatch.setattr("brats_al_utils.progress.time.monotonic", lambda: clock[0])
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    for number in bar(range(181), unit=" runs", mininterval=0):
        clock[0] = number
    printed = capsys.readouterr().err.splitlines()
    assert [line.partition(",")[0] for line in printed] == [f"{n} % of 181 runs" for n in (34, 67, 100)]


def test_a_study_that_was_never_started(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no study in .*: start one with brats-al run"):
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


def test_each_notebook_keeps_its_own_list_of_runs() -> None:
    """Notebooks 03 and 04 have arms of the same names, on two slice sets."""
    study = counted_study(PROFILES["demo"])
    tables = [plan(study, arms(study.profile), runs=1) for name, arms in NOTEBOOKS.items() if name[:2] != "00"]
    assert len({title_of(rows) for rows in tables}) == len(tables)
