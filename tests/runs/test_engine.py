"""The engine: every run once, the longest first, none lost with its worker, and nobody waits for the dead."""

import errno
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import dask
import psutil
import pytest
import torch
from dask.utils import parse_timedelta
from distributed import Client
from distributed.deploy.spec import SpecCluster
from small_study import ARMS, small_study

from brats_al_utils import InputError
from brats_al_utils.files import lock
from brats_al_utils.networks.training import Settings, choose_device
from brats_al_utils.runs import computing, engine, forks, scheduler
from brats_al_utils.runs.computing import compute_run
from brats_al_utils.runs.engine import Outcome, Task, carry_out
from brats_al_utils.runs.records import records
from brats_al_utils.runs.run import Run
from brats_al_utils.runs.store import RunStore
from brats_al_utils.study.stages import plan
from brats_al_utils.study.study import Study


def quiet(images: int, text: str) -> None:
    """Report nothing."""


@pytest.fixture
def study(tiny_cohort: Path, tmp_path: Path) -> Study:
    return small_study(tiny_cohort, tmp_path / "out")


@pytest.fixture
def tasks(study: Study) -> list[Task]:
    return [
        Task(f"{row.arm.name} {row.number}", row.run, study.slices.folder, study.store.folder, "cpu")
        for row in plan(study, ARMS[:2])
    ]


@pytest.fixture
def client() -> Iterator[Client]:
    """Connect to the one worker of all tests here; a test that ends it has the next one start another."""
    with engine.local(1, "cpu") as client:
        yield client


@pytest.fixture(scope="module", autouse=True)
def none_stays() -> Iterator[None]:
    yield
    engine.close()


def note(task: Task, what: str) -> None:
    task.store.mkdir(parents=True, exist_ok=True)
    with (task.store / "noted").open("a", encoding="utf-8") as file:
        file.write(f"{what}\n")


def noted(task: Task) -> list[str]:
    return (task.store / "noted").read_text(encoding="utf-8").splitlines()


# What workers do in place of `engine.work`; they find it here by its name.


def scripted(task: Task) -> Outcome:
    """Compute nothing, and do what the task's name says."""
    note(task, task.name)
    engine.tell(task, 1)
    if task.name == "kills":
        os.kill(os.getpid(), signal.SIGKILL)
    return Outcome("failed", "ValueError: as planned") if task.name == "fails" else Outcome("done")


def lose_the_gpu(task: Task) -> Outcome:
    """Compute a task, but torch says that this process's accelerator is broken."""

    def broken(*_: object) -> None:
        note(task, str(os.getpid()))
        raise torch.AcceleratorError("CUDA error: an illegal memory access was encountered")

    if task.name.startswith("all"):
        computing.compute_run = broken  # type: ignore[assignment]
    return engine.work(task)


@pytest.mark.parametrize("workers", ["two", "-1", "0", "1.5", "localhost:8786"])
def test_what_names_no_workers_is_refused(workers: str) -> None:
    with pytest.raises(InputError, match=f"workers is '{workers}', expected nothing .as many processes"):
        scheduler.workers_of(workers, "cpu")


@pytest.mark.parametrize(("free", "count"), [(2**40, 8), (3 * scheduler.WORKER_MEMORY + 1, 3), (1, 1)])
def test_as_many_workers_as_cores_if_memory_allows(monkeypatch: pytest.MonkeyPatch, free: int, count: int) -> None:
    monkeypatch.setattr(scheduler, "CPU_COUNT", 8)
    monkeypatch.setattr(scheduler, "MEMORY_LIMIT", 2**50)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: type("Memory", (), {"available": free}))
    assert scheduler.workers_of("", "cpu") == count
    assert scheduler.workers_of("5", "cpu") == 5


GPUS = [(1, "", ["0"] * 3), (1, "3", ["3"] * 3), (2, "", ["0", "1", "0"]), (2, "4,7", ["4", "7", "4"])]


@pytest.mark.parametrize(("cards", "visible", "seen"), GPUS)
def test_a_worker_for_each_gpu(monkeypatch: pytest.MonkeyPatch, cards: int, visible: str, seen: list[str]) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: cards)
    for set_to in [visible] if visible else ["", None]:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        if set_to is not None:
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", set_to)
        assert scheduler.workers_of("", "auto") == cards
        told = [scheduler.device_of(*asked) for asked in (("", "auto"), ("2", "cpu"), ("tcp://a:1", "auto"))]
        assert told == ["cuda", "cpu", "auto"]
        spec = scheduler.specification(3, cards, None)  # type: ignore[arg-type]
        assert [each["options"]["env"]["CUDA_VISIBLE_DEVICES"] for each in spec.values()] == seen


def test_a_worker_that_lacks_the_gpu_of_its_machine_says_so(tasks: list[Task], monkeypatch: pytest.MonkeyPatch) -> None:
    """With `auto` it trained on the CPU instead, a hundred times as slow, and nobody was told."""
    carried_out = Mock(return_value={})
    monkeypatch.setattr(scheduler, "gpus", lambda device: int(device != "cpu"))
    monkeypatch.setattr(engine, "local", lambda workers, device: nullcontext())
    monkeypatch.setattr(engine, "carry_out", carried_out)
    task = tasks[0]
    for device in ("auto", "cpu"):
        engine.distribute(
            [(task.name, task.run)], RunStore(task.store), {task.run.data: task.slices}, device, "1", quiet
        )
    asked = [call.args[0][0] for call in carried_out.call_args_list]
    assert [each.device for each in asked] == ["cuda", "cpu"]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    outcome = engine.work(asked[0])
    assert outcome.state == "failed"
    assert "torch finds no GPU: use device=cpu, or install its driver" in outcome.why


def test_a_lost_run_is_tried_three_times(tasks: list[Task], client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "work", scripted)
    told: list[str] = []
    poison, failing, *good = tasks
    asked = [replace(poison, name="kills"), replace(failing, name="fails"), *good]
    failures = carry_out(asked, client, lambda images, text: told.append(text))
    assert failures == {poison.run.key: "its worker was lost 3 times", failing.run.key: "ValueError: as planned"}
    names = noted(poison)
    assert names.count("kills") == scheduler.ATTEMPTS
    assert all(names.count(task.name) == 1 for task in good)
    assert {task.name for task in good} <= set(told)
    lengths = [next(task.run.images for task in asked if task.name == name) for name in dict.fromkeys(names)]
    assert lengths == sorted(lengths, reverse=True)


def test_a_worker_is_replaced_however_long_that_takes(client: Client) -> None:
    """Dask would end a nanny whose worker has been away for 15 s, which a busy machine needs to start another."""
    assert parse_timedelta(dask.config.get("distributed.deploy.lost-worker-timeout")) > 1e6


def pages_and_arena(task: Task) -> tuple[str, int, int]:
    """Compute a task; return the arenas its worker may have, and how often it got fresh pages before and in its end."""
    import resource

    faults = []
    engine.tell = lambda *_: faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
    engine.work(task)
    return os.environ.get("MALLOC_ARENA_MAX", ""), faults[-2], faults[-1]


@pytest.mark.skipif(sys.platform != "linux", reason="workers are forked on Linux alone")
def test_workers_share_what_one_process_has_imported(client: Client) -> None:
    """They are forked from it, so that neither their start nor a replacement imports anything."""
    (parent,) = client.run(os.getppid).values()
    assert psutil.Process(parent).ppid() == os.getpid()
    (imported,) = client.run(lambda: set(forks.IMPORTED) <= sys.modules.keys()).values()
    assert imported
    assert psutil.Process(parent).num_threads() == 1, "only what has no threads is forked without risk"


def test_a_worker_keeps_freed_memory(tasks: list[Task], client: Client) -> None:
    """From epoch to epoch it needs next to no fresh pages; where it gives them back, a step takes thousands."""
    run = replace(tasks[0].run, settings=replace(tasks[0].run.settings, epochs=4))
    arena, before, after = client.submit(pages_and_arena, replace(tasks[0], run=run), pure=False).result()
    assert arena == "1"
    assert after - before < 1000


def test_a_gpu_that_is_lost_takes_its_worker_along_and_no_other_run(
    study: Study, client: Client, monkeypatch: pytest.MonkeyPatch, tasks: list[Task]
) -> None:
    monkeypatch.setattr(engine, "work", lose_the_gpu)
    (why,) = carry_out(tasks[:2], client, quiet).values()  # the first is called "all 0"
    assert why.startswith("its worker was lost 3 times: torch.AcceleratorError: CUDA error: an illegal memory access")
    assert len(set(noted(tasks[0]))) == scheduler.ATTEMPTS, "each time in another process"
    assert study.store.holds(tasks[1].run)


ERRORS = [
    (torch.AcceleratorError("CUDA error: device-side assert triggered"), True),
    (RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"), True),
    (torch.OutOfMemoryError("CUDA out of memory"), False),
    (RuntimeError("shapes do not fit"), False),
    (ValueError("CUDA error"), False),
]


@pytest.mark.parametrize(("error", "lost"), ERRORS)
def test_which_errors_cost_a_process_its_gpu(error: Exception, lost: bool) -> None:
    assert engine.broken(error) == lost


def test_a_long_run_is_waited_for_longer() -> None:
    run = Run("", tuple(range(100)), (), (), (), "", False, Settings(30, 8, 0.01, 0.9, 0.0), 0, 0)
    assert engine.patience(run) == 600 + 30 * 100 / 5


def test_a_run_that_fails_says_why(tasks: list[Task], study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(computing, "compute_run", Mock(side_effect=ValueError("as planned")))
        assert engine.work(tasks[0]) == Outcome("failed", "ValueError: as planned")
        patch.setattr(RunStore, "save_failure", Mock(side_effect=OSError(errno.ENOSPC, "No space left on device")))
        assert engine.work(tasks[0]).why == "ValueError: as planned", "though it can be written nowhere"
    (record,) = records(study.store)
    assert record["run"]["training"]["slices"] == len(tasks[0].run.training)
    assert "Traceback" in record["why"]
    assert engine.work(tasks[0]) == Outcome("done")
    assert not list((study.store.folder / "failed").iterdir()), "it is no longer a failure"


def test_what_another_process_computes_is_waited_for(tasks: list[Task], study: Study, client: Client) -> None:
    task, told, waited, taken = tasks[0], [], threading.Event(), threading.Event()
    kept: list[int] = []

    def other() -> None:
        with lock(study.store.lock(task.run)):
            taken.set()
            waited.wait(60)
            study.store.save(compute_run(task.run, study.slices, choose_device("cpu")))
            kept.append(study.store.path(task.run).stat().st_mtime_ns)

    def report(images: int, text: str) -> None:
        told.append(text)
        waited.set()

    with ThreadPoolExecutor(1) as pool:
        pool.submit(other)
        taken.wait()
        assert carry_out([task], client, report) == {}
    *waiting, done = told
    locks = study.store.folder / "locks"
    assert set(waiting) == {f"waiting for 1 runs of another process; if there is none, delete {locks}"}
    assert done == task.name
    assert kept == [study.store.path(task.run).stat().st_mtime_ns], "it is not computed again"


def test_a_lock_that_a_dead_machine_left_is_not_waited_for_for_ever(
    tasks: list[Task], study: Study, client: Client, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As a file server holds it; the run is computed, with one line that says so."""
    monkeypatch.setattr(engine, "patience", lambda run: 1.0)
    with lock(study.store.lock(tasks[0].run)):
        assert carry_out(tasks[:1], client, quiet) == {}
    assert study.store.holds(tasks[0].run)
    path = study.store.lock(tasks[0].run)
    assert capsys.readouterr().err == f"{path}: still held, and no result: computing {tasks[0].name} as well\n"


def test_a_process_computes_one_run_at_a_time(tasks: list[Task], monkeypatch: pytest.MonkeyPatch) -> None:
    """A Dask worker may have several threads, and torch's random numbers are the process's."""
    at_work, most = [], []

    def watched(run: Run, *arguments: Any) -> Any:
        at_work.append(run.key)
        most.append(len(at_work))
        time.sleep(0.1)
        at_work.remove(run.key)
        raise ValueError("as planned")

    monkeypatch.setattr(computing, "compute_run", watched)
    with ThreadPoolExecutor(4) as pool:
        assert {outcome.state for outcome in pool.map(engine.work, tasks)} == {"failed"}
    assert most == [1] * 4


def test_a_worker_that_does_not_see_the_study_s_folder_says_so(tasks: list[Task]) -> None:
    with pytest.raises(InputError, match="/no/such/set: not on .*let workers share the study's folder"):
        engine.work(replace(tasks[0], slices=Path("/no/such/set")))


def test_a_store_that_cannot_be_written_stops_everything(tasks: list[Task], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    with pytest.raises(InputError, match="file.*: Not a directory.*: mend that and start again"):
        engine.work(replace(tasks[0], store=tmp_path / "file"))


LOST = [
    (OSError(errno.ENOSPC, "No space left on device"), pytest.raises(OSError, match="No space left")),
    (PermissionError(errno.EACCES, "Permission denied", "a.lock"), pytest.raises(OSError, match=r"a\.lock")),
    (OSError("Timed out trying to connect"), pytest.raises(InputError, match="scheduler at .* is lost")),
    (ConnectionResetError(errno.ECONNRESET, "reset by peer"), pytest.raises(InputError, match="is lost")),
]


@pytest.mark.parametrize(("error", "expected"), LOST, ids=lambda each: getattr(each, "strerror", "") or "")
def test_what_a_disk_says_is_not_taken_for_a_lost_scheduler(
    tasks: list[Task], client: Client, monkeypatch: pytest.MonkeyPatch, error: OSError, expected: Any
) -> None:
    monkeypatch.setattr(engine, "none_left", Mock(side_effect=error))
    with expected:
        carry_out(tasks, client, quiet)


def test_a_scheduler_that_does_not_end_in_time_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closes = SpecCluster.close

    def late(cluster: Any, *more: Any) -> None:
        closes(cluster, *more)
        raise TimeoutError

    monkeypatch.setattr(SpecCluster, "close", late)
    with scheduler.scheduler(tmp_path / "credentials") as cluster:
        assert cluster.scheduler_address
    assert not (tmp_path / "credentials" / "key.pem").exists()


def test_a_scheduler_that_dask_s_settings_do_not_let_start_says_so(tmp_path: Path) -> None:
    with (
        dask.config.set({"temporary-directory": "/proc/none"}),
        pytest.raises(InputError, match=r"/proc/none.*correct your settings of Dask"),
    ):
        scheduler.scheduler(tmp_path).__enter__()


def test_only_what_is_missing_is_computed_once(study: Study, tasks: list[Task]) -> None:
    """Two names of one run are one run; what is there is not touched; without anything missing no worker starts."""
    store, (first, second, *_) = study.store, tasks
    store.save(compute_run(first.run, study.slices, choose_device("cpu")))
    before = store.path(first.run).stat().st_mtime_ns
    named = [("a", first.run), ("b", second.run), ("c", second.run)]
    folders, told = {study.slices.fingerprint: study.slices.folder}, []
    failures = engine.distribute(named, store, folders, "cpu", "1", lambda images, text: told.append(images))
    assert failures == {}
    assert sum(told) == second.run.images
    assert store.path(first.run).stat().st_mtime_ns == before
    assert engine.distribute(named, store, folders, "cpu", "tcp://nobody.is.asked:1", quiet) == {}


def test_a_worker_that_cannot_be_replaced_is_not_waited_for(tasks: list[Task]) -> None:
    with pytest.raises(InputError, match="no worker can be started any more"), engine.local(1, "cpu") as client:
        assert client.cluster
        (nanny,) = client.cluster.workers.values()
        client.sync(nanny.close)
        carry_out(tasks, client, quiet)


def test_workers_are_those_of_before_and_end_at_ctrl_c() -> None:
    with engine.local(1, "cpu") as client:
        (first,) = client.run(os.getpid).values()
    with pytest.raises(KeyboardInterrupt), engine.local(1, "cpu") as client:
        assert list(client.run(os.getpid).values()) == [first]
        raise KeyboardInterrupt
    assert not psutil.pid_exists(first)
    with engine.local(1, "cpu") as client:
        assert list(client.run(os.getpid).values()) != [first]
    engine.close()


@pytest.mark.skipif(not forks.FORKS, reason="no forks here")
def test_a_folder_too_long_for_a_socket_s_name_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", "put back afterwards")
    monkeypatch.setattr("brats_al_utils.runs.forks.forkserver.ensure_running", lambda: None)
    for folder, used in ((f"/tmp/{'x' * (forks.LONGEST - 5)}", 1), (f"/tmp/{'x' * (forks.LONGEST - 4)}", 0)):
        monkeypatch.setattr(tempfile, "tempdir", folder)
        forks.start()
        assert tempfile.gettempdir() == (folder if used else "/tmp")


@pytest.mark.skipif(not forks.FORKS, reason="no forks here")
def test_ctrl_c_does_not_end_the_imports_of_the_fork_server() -> None:
    """It is the first to be started, as in `cluster slurm`; multiprocessing's resource tracker takes Ctrl-C back."""
    code = "from multiprocessing import forkserver as server; from brats_al_utils.runs import forks; forks.start()\n"
    code += "print(open(f'/proc/{server._forkserver._forkserver_pid}/status').read())"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True).stdout
    (blocked,) = re.findall(r"^SigBlk:\s*(\w+)$", said, re.MULTILINE)
    assert int(blocked, 16) & 1 << signal.SIGINT - 1
