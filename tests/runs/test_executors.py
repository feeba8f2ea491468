"""Executors: the same results wherever runs are computed, and no run is lost or computed twice."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from small_study import ARMS, RUNS, small_study

from brats_al_utils import InputError
from brats_al_utils.networks.training import choose_device
from brats_al_utils.runs import executors
from brats_al_utils.runs.claims import claim
from brats_al_utils.runs.executors import ATTEMPTS, Outcome, Report, Task, carry_out, executor_of
from brats_al_utils.runs.run import Run, RunStore, compute
from brats_al_utils.study.study import Study


def quiet(images: int, text: str) -> None:
    """Report nothing."""


@pytest.fixture
def study(tiny_cohort: Path, tmp_path: Path) -> Study:
    return small_study(tiny_cohort, tmp_path / "out")


@pytest.fixture
def task(study: Study) -> Task:
    return tasks_of(study)[0]


def workers() -> list[psutil.Process]:
    """Return this process's workers; multiprocessing's own helper, which ends with this process, is none."""
    children = psutil.Process().children(recursive=True)
    return [child for child in children if "resource_tracker" not in " ".join(child.cmdline())]


def tasks_of(study: Study) -> list[Task]:
    wanted = study.wanted(ARMS[:2])
    return [
        Task(f"{arm.name} {number}", run, study.slices.folder, study.store.folder, "cpu", "me")
        for (arm, number), run in wanted.items()
    ]


def scripted(outcomes: dict[str, list[Outcome]]) -> Callable[[Sequence[Task], Report], Iterator[tuple[Task, Outcome]]]:
    """Return an executor that computes nothing and says what it is told to."""

    def execute(tasks: Sequence[Task], report: Report) -> Iterator[tuple[Task, Outcome]]:
        for task in tasks:
            yield task, outcomes[task.name].pop(0)

    return execute


@pytest.mark.parametrize("workers", ["two", "-1", "0", "1.5", "localhost:8786"])
def test_what_names_no_executor_is_refused(workers: str) -> None:
    with pytest.raises(InputError, match=f"workers is '{workers}', expected nothing .this process., a number"):
        executor_of(workers)


def test_a_lost_run_is_tried_three_times_in_all(study: Study) -> None:
    tasks = tasks_of(study)
    lost, done = Outcome("lost", "its worker ended with exit code -9"), Outcome("done")
    outcomes = {
        tasks[0].name: [lost, lost, done],
        tasks[1].name: [lost] * ATTEMPTS,
        tasks[2].name: [done],
        tasks[3].name: [Outcome("failed", "ValueError: as planned")],
    }
    failures = carry_out(tasks, scripted(outcomes), quiet)
    assert not any(outcomes.values()), "each was started as often as it should be"
    assert failures == {
        tasks[1].run.key: "its worker ended with exit code -9, 3 times",
        tasks[3].run.key: "ValueError: as planned",
    }


def test_a_run_that_fails_is_reported_and_the_others_go_on(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    tasks = tasks_of(study)
    honest = compute  # the name is replaced where it is used

    def fail_one(run, *arguments):  # type: ignore[no-untyped-def]
        if run == tasks[1].run:
            raise ValueError("as planned")
        return honest(run, *arguments)

    monkeypatch.setattr(executors, "compute", fail_one)
    with pytest.raises(InputError, match=r"1 of 4 runs are missing(.|\n)*ValueError: as planned"):
        study.train(ARMS[:2])
    stored = {path.stem for path in study.store.folder.glob("*.safetensors")}
    assert stored == {task.run.key for task in tasks} - {tasks[1].run.key}
    record = next(record for record in study.store.records() if record["state"] == "failed")
    assert record["key"] == tasks[1].run.key
    assert record["run"]["training"] == list(tasks[1].run.training)
    assert "Traceback" in record["why"]
    assert "ValueError: as planned" in record["why"]
    monkeypatch.setattr(executors, "compute", honest)
    assert len(study.train(ARMS[:2])) == 4
    assert not list((study.store.folder / "failed").iterdir()), "it is no longer a failure"


def test_what_another_driver_computes_is_waited_for_and_not_computed(study: Study, task: Task) -> None:
    """The other driver is a thread here: it claims the run, keeps its result, and lets go."""
    store = RunStore(task.store)
    claimed = threading.Event()
    theirs = replace(task, driver="another")

    def other() -> None:
        with claim(store.claim(task.run), "another"):
            claimed.set()
            time.sleep(2)
            store.save(compute(theirs.run, study.slices, choose_device("cpu")))

    thread = threading.Thread(target=other)
    thread.start()
    claimed.wait()
    assert executors.work(task) == Outcome("claimed")
    failures = carry_out([task], executors.here, quiet)
    thread.join()
    assert not failures
    modified = store.path(task.run).stat().st_mtime_ns
    assert executors.work(task) == Outcome("done")
    assert store.path(task.run).stat().st_mtime_ns == modified


def test_all_that_is_freed_is_taken_on_together(study: Study) -> None:
    """After a crash of another driver, its runs are not waited for one by one."""
    tasks = tasks_of(study)
    passes: list[list[str]] = []

    def execute(tasks: Sequence[Task], report: Report) -> Iterator[tuple[Task, Outcome]]:
        passes.append(sorted(task.name for task in tasks))
        for task in tasks:
            yield task, Outcome("claimed" if len(passes) == 1 else "done")

    assert carry_out(tasks, execute, quiet) == {}  # nobody holds the claims any more
    assert passes == [sorted(task.name for task in tasks)] * 2


def test_only_what_is_freed_is_given_to_the_workers_again(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executors, "POLL", 0.01)
    tasks = tasks_of(study)
    held = RunStore(tasks[0].store).claim(tasks[0].run)
    passes: list[list[str]] = []
    waits: list[str] = []

    def execute(tasks: Sequence[Task], report: Report) -> Iterator[tuple[Task, Outcome]]:
        passes.append([task.name for task in tasks])
        for task in tasks:
            yield task, Outcome("claimed" if len(passes) == 1 else "done")

    def wait(images: int, text: str) -> None:
        waits.append(text)
        if len(waits) == 3:
            finished.set()
            thread.join()

    claimed, finished = threading.Event(), threading.Event()

    def other() -> None:
        with claim(held, "another"):
            claimed.set()
            finished.wait()

    thread = threading.Thread(target=other)
    thread.start()
    claimed.wait()
    assert carry_out(tasks, execute, wait) == {}
    assert waits == ["waiting for 1 runs that another process computes"] * 3
    assert [len(names) for names in passes] == [len(tasks), len(tasks) - 1, 1]
    assert passes[-1] == [tasks[0].name]


def test_a_process_computes_one_run_at_a_time(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Dask worker may have several threads, and torch's random numbers are the process's."""
    at_work, most = [], []
    honest = compute

    def watched(run: Run, *arguments: Any) -> Any:
        at_work.append(run.key)
        most.append(len(at_work))
        try:
            return honest(run, *arguments)
        finally:
            at_work.remove(run.key)

    monkeypatch.setattr(executors, "compute", watched)
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(executors.work, tasks_of(study))) == [Outcome("done")] * 4
    assert most == [1] * 4


def test_a_worker_that_does_not_see_the_study_s_folder_says_so(task: Task) -> None:
    with pytest.raises(InputError, match="/no/such/set: not on .*let workers share the study's folder"):
        executors.work(replace(task, slices=Path("/no/such/set")))


def test_a_store_that_cannot_be_written_stops_everything(task: Task, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match="file.*: Not a directory: .* cannot be kept; make room or make it writable"):
        executors.work(replace(task, store=tmp_path / "file"))


@pytest.mark.slow
def test_processes_give_what_this_process_gives(
    study: Study, tiny_cohort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Equal to the bit where the number of threads is: see `test_faults` for the same through real processes."""
    alone = study.train(ARMS)
    other = small_study(tiny_cohort, tmp_path / "other", "2")
    together = other.train(ARMS)
    assert alone.keys() == together.keys()
    for place, result in alone.items():
        assert together[place].run == result.run
        for name, values in result.arrays.items():
            assert together[place].arrays[name] == pytest.approx(values, abs=0.02), (place, name)
    assert not workers()
    assert len(list(other.store.folder.glob("*.safetensors"))) == RUNS


@pytest.mark.slow
def test_a_killed_worker_is_replaced_and_its_run_tried_again(study: Study) -> None:
    tasks = tasks_of(study)
    seen: list[int] = []

    def kill_first(images: int, text: str) -> None:
        if not seen:
            worker = workers()[0]
            seen.append(worker.pid)
            os.kill(worker.pid, signal.SIGKILL)

    assert carry_out(tasks, executor_of("1"), kill_first) == {}
    assert seen
    assert all(study.store.load(task.run) for task in tasks)
    assert {path.name for path in (study.store.folder / "claims").iterdir()} <= {".lock"}
    assert not workers()
