"""Where runs are computed: in this process, in processes beside it, or by the workers of a Dask scheduler."""

import multiprocessing
import os
import signal
import socket
import threading
import time
import traceback
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache, partial
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import torch

from brats_al_utils import InputError
from brats_al_utils.cohorts.slices import open_slices
from brats_al_utils.networks.training import choose_device
from brats_al_utils.runs.claims import Watch, claim
from brats_al_utils.runs.run import Run, RunStore, compute

ATTEMPTS = 3
"""How often a run is started whose worker is lost."""

POLL = 1.0
"""Seconds between two looks at what other drivers compute."""

COMPUTING = threading.Lock()
"""Held while this process computes a run: torch's random numbers and flags are the process's, and a Dask worker may
have several threads."""

CONNECTION_TIMEOUT = 30
"""Seconds in which a Dask scheduler must answer."""


@dataclass(frozen=True)
class Task:
    """A run to be computed, with all that a worker must know.

    Attributes
    ----------
    name : str
        How the run is called while it is computed.
    run : Run
    slices, store : Path
        Folders of its slice set and of the results: a worker on another machine finds them under the same name.
    device : str
        ``auto``, ``cpu`` or ``cuda``, of the machine that computes it.
    driver : str
        Whose task it is: see `claims.Owner`.
    """

    name: str
    run: Run
    slices: Path
    store: Path
    device: str
    driver: str


@dataclass(frozen=True)
class Outcome:
    """What came of a task.

    Attributes
    ----------
    state : str
        ``done``: its result is in the store; ``claimed``: another driver's process computes it; ``failed``: by its own
        fault; ``lost``: with its worker.
    why : str
        Of a task that failed or was lost.
    """

    state: str
    why: str = ""


Report = Callable[[int, str], None]
"""Told the image passes done since the last call, and what they were for."""

Executor = Callable[[Sequence[Task], Report], Iterator[tuple[Task, Outcome]]]
"""Computes tasks and yields them as they end; stopped early, it leaves no process behind."""

opened = lru_cache(maxsize=4)(open_slices)
"""A process checks a slice set's fingerprint once, not for every run."""


def work(task: Task, after_epoch: Callable[[int], None] = lambda epoch: None) -> Outcome:
    """Compute a task, unless its result is there or another driver's process is at it.

    Raises
    ------
    InputError
        If the store cannot be written: no other task would fare better.
    """
    store = RunStore(task.store)
    if not task.slices.is_dir():
        raise InputError(
            f"{task.slices}: not on {socket.gethostname()}, expected as on the machine that asks: let workers share "
            "the study's folder"
        )
    try:
        with claim(store.claim(task.run), task.driver) as mine:
            if not mine:
                return Outcome("claimed")
            with COMPUTING:
                if store.load(task.run) is None:
                    store.save(compute(task.run, opened(task.slices), choose_device(task.device), after_epoch))
            store.failure(task.run).unlink(missing_ok=True)
            return Outcome("done")
    except OSError as error:
        raise InputError(
            f"{error.filename or task.store}: {error.strerror or error}: {task.name} cannot be kept; make room or "
            "make it writable, and start again: finished runs are kept"
        ) from error
    except Exception as error:
        store.save_failure(task.run, task.name, traceback.format_exc())
        return Outcome("failed", f"{type(error).__name__}: {error}")


def carry_out(tasks: Sequence[Task], executor: Executor, report: Report) -> dict[str, str]:
    """Compute tasks, and see to those that were lost or that other drivers compute.

    Returns
    -------
    dict of str to str
        By the key of its run, why a task has no result.
    """
    failures: dict[str, str] = {}
    lost: Counter[str] = Counter()
    watch = Watch()
    tasks = sorted(tasks, key=lambda task: -task.run.images)  # no long one is left for the end
    claimed: list[Task] = []
    while tasks or claimed:
        again: list[Task] = []
        for task, outcome in executor(tasks, report) if tasks else ():
            lost[task.run.key] += outcome.state == "lost"
            if outcome.state == "claimed":
                claimed.append(task)
            elif outcome.state == "lost" and lost[task.run.key] < ATTEMPTS:
                again.append(task)
            elif outcome.state == "lost":
                failures[task.run.key] = f"{outcome.why}, {ATTEMPTS} times"
                RunStore(task.store).save_failure(task.run, task.name, failures[task.run.key])
            elif outcome.state == "failed":
                failures[task.run.key] = outcome.why
        free = {task.run.key for task in claimed if watch.free(RunStore(task.store).claim(task.run))}
        tasks = [*again, *(task for task in claimed if task.run.key in free)]
        claimed = [task for task in claimed if task.run.key not in free]
        if not tasks and claimed:
            report(0, f"waiting for {len(claimed)} runs that another process computes")
            time.sleep(POLL)
    return failures


def here(tasks: Sequence[Task], report: Report) -> Iterator[tuple[Task, Outcome]]:
    """Compute tasks in this process, one after another."""
    for task in tasks:
        yield task, work(task, partial(tell, task, report))


def tell(task: Task, report: Report, epoch: int) -> None:
    """Report an epoch of a task."""
    report(len(task.run.training), f"{task.name}: epoch {epoch} of {task.run.settings.epochs}")


class Worker:
    """A process beside this one that computes one task at a time; it ends with this process."""

    def __init__(self, number: int, threads: int) -> None:
        context = multiprocessing.get_context("spawn")  # a fork would take CUDA and threads along
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=serve, args=(theirs, number, threads), daemon=True)
        self.process.start()
        theirs.close()  # the connection then ends with the worker
        self.task: Task | None = None

    def give(self, task: Task) -> None:
        """Start a task; if the worker is gone, its connection says so to the one who waits."""
        self.task = task
        with suppress(OSError):
            self.connection.send(task)

    def stop(self) -> None:
        """End the process, whatever it does."""
        self.process.kill()
        self.process.join()
        self.connection.close()


def in_processes(workers: int, tasks: Sequence[Task], report: Report) -> Iterator[tuple[Task, Outcome]]:
    """Compute tasks in processes of this machine, which share its threads and its GPUs evenly."""
    waiting = deque(tasks)
    count = min(workers, len(tasks))
    threads = max(1, torch.get_num_threads() // workers)
    pool = {number: Worker(number, threads) for number in range(count)}
    try:
        while waiting or any(worker.task for worker in pool.values()):
            for worker in pool.values():
                if waiting and worker.task is None:
                    worker.give(waiting.popleft())
            busy = {worker.connection: number for number, worker in pool.items() if worker.task}
            for connection in wait(list(busy)):
                worker = pool[busy[connection]]  # type: ignore[index]
                task = worker.task
                assert task is not None  # noqa: S101 - only the busy ones are waited for
                try:
                    message = worker.connection.recv()
                except (EOFError, OSError):
                    worker.stop()
                    pool[busy[connection]] = Worker(busy[connection], threads)  # type: ignore[index]
                    yield task, Outcome("lost", f"its worker ended with exit code {worker.process.exitcode}")
                    continue
                if isinstance(message, int):
                    tell(task, report, message)
                    continue
                worker.task = None
                if isinstance(message, InputError):
                    raise message
                yield task, message
    finally:
        for worker in pool.values():
            worker.stop()


def serve(connection: Connection, number: int, threads: int) -> None:
    """Compute what arrives, as a `Worker`'s process; sends the number of each epoch done, and the outcome."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    threading.Thread(target=end_with_parent, daemon=True).start()
    torch.set_num_threads(threads)
    if torch.cuda.is_available():
        torch.cuda.set_device(number % torch.cuda.device_count())
    while True:
        try:
            task = connection.recv()
        except EOFError:
            return
        try:
            connection.send(work(task, connection.send))
        except InputError as error:
            connection.send(error)


def end_with_parent() -> None:
    """End this process as soon as its parent has ended: a killed parent cannot say goodbye."""
    parent = multiprocessing.parent_process()
    if parent:
        parent.join()
        os._exit(1)


def connected(address: str) -> Any:
    """Return a client of a Dask scheduler.

    Raises
    ------
    InputError
        If there is none.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise InputError(
            "a Dask scheduler needs the package distributed: in the checkout, pip install --editable '.[cluster]'"
        ) from error
    try:
        return Client(address, timeout=CONNECTION_TIMEOUT)
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"no Dask scheduler at {address} ({error}): start one, or mend the address") from error


def on_cluster(address: str, tasks: Sequence[Task], report: Report) -> Iterator[tuple[Task, Outcome]]:
    """Compute tasks on the workers of a Dask scheduler, which gives those of a lost worker to another.

    The scheduler decides how often (``distributed.scheduler.allowed-failures``). The workers write into the study's
    store themselves: what is finished stays finished if the scheduler or this process is lost.

    Raises
    ------
    InputError
        If the scheduler cannot be reached, or is lost.
    """
    with connected(address) as client:
        from distributed import KilledWorker, as_completed

        futures: dict[Any, Task] = {client.submit(work, task, pure=False, retries=0): task for task in tasks}
        report(0, f"{len(tasks)} runs given to {len(client.scheduler_info()['workers'])} workers of {address}")
        for future in as_completed(futures):
            task = futures[future]
            try:
                outcome = future.result()
            except KilledWorker:
                outcome = Outcome("failed", "every worker that it was given to was lost")
                RunStore(task.store).save_failure(task.run, task.name, outcome.why)
            except CancelledError as error:
                raise InputError(
                    f"the Dask scheduler at {address} is lost: finished runs are kept, start again to go on"
                ) from error
            except InputError:
                raise
            except Exception as error:  # a run's own is in its outcome
                raise InputError(
                    f"{address}: a worker cannot take {task.name} ({type(error).__name__}: {error}): install this "
                    "checkout in its environment"
                ) from error
            if outcome.state == "done":
                report(task.run.images, task.name)
            yield task, outcome


def executor_of(workers: str) -> Executor:
    """Return the executor that ``workers`` names.

    Parameters
    ----------
    workers : str
        Empty for this process, a number of processes beside it, or the address of a Dask scheduler.

    Raises
    ------
    InputError
        If it is none of these.
    """
    if not workers:
        return here
    if workers.isdecimal() and int(workers) > 0:
        return partial(in_processes, int(workers))
    if "://" in workers:
        return partial(on_cluster, workers)
    raise InputError(
        f"workers is {workers!r}, expected nothing (this process), a number of processes, or the address of a Dask "
        "scheduler, as in tcp://host:8786"
    )
