"""Have runs computed by processes of this machine, or by the workers of any Dask scheduler."""

import atexit
import os
import socket
import sys
import tempfile
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import torch
from distributed import Client, KilledWorker, Status, get_worker

from brats_al_utils import InputError
from brats_al_utils.cohorts.slices import open_slices
from brats_al_utils.files import MENDS, cause, held, lock, say_without_locks, sweep
from brats_al_utils.networks.training import choose_device
from brats_al_utils.runs import computing
from brats_al_utils.runs.run import Run
from brats_al_utils.runs.scheduler import device_of, scheduler, workers_of
from brats_al_utils.runs.store import RunStore, why

POLL = 0.5
"""Seconds between two checks of what other processes compute, and of the number of workers."""

CONNECTION_TIMEOUT = 30
"""Seconds in which a Dask scheduler must answer."""

TOPIC = "brats-al"
"""Topic of the events by which workers report their progress: see `tell`."""

COMPUTING = threading.Lock()
"""Held while this process computes a run: the threads of a process share torch's random numbers and flags, and a Dask
worker may have several threads."""

Report = Callable[[int, str], None]
"""Called with the image passes done since the last call, and a text on the run."""


@dataclass(frozen=True)
class Task:
    """A run to be computed, with everything that a worker must know.

    Attributes
    ----------
    name : str
        Name of the run in messages.
    run : Run
    slices, store : Path
        Folders of its slice set and of the results; workers on other machines must see them under the same path.
    device : str
        ``auto``, ``cpu`` or ``cuda``, on the machine that computes it.
    regardless : bool
        Whether to compute it although another process holds its lock.
    """

    name: str
    run: Run
    slices: Path
    store: Path
    device: str
    regardless: bool = False


@dataclass(frozen=True)
class Outcome:
    """The outcome of a task.

    Attributes
    ----------
    state : str
        ``done``: its result is in the store; ``held``: another process computes it; ``failed``: its training failed.
    why : str
        The reason of a failure.
    locks : bool
        Whether the store's file system has locks.
    """

    state: str
    why: str = ""
    locks: bool = True


checked_slices = lru_cache(maxsize=None)(open_slices)
"""`open_slices`, once in a process for each slice set: its fingerprint is not checked for every run."""


def work(task: Task) -> Outcome:
    """Compute a task in this worker, unless its result exists or another process is computing it.

    Raises
    ------
    InputError
        If the store cannot be written: then no task can be computed.
    """
    store = RunStore(task.store)
    if not task.slices.is_dir():
        raise InputError(
            f"{task.slices}: not on {socket.gethostname()}, expected as on the machine that asks: let workers share "
            "the study's folder"
        )
    try:
        with lock(store.lock(task.run)) as had, COMPUTING:
            if had == "held" and not task.regardless:
                return Outcome("held")
            if store.load(task.run) is None:
                device = choose_device(task.device)
                store.save(computing.compute_run(task.run, checked_slices(task.slices), device, partial(tell, task)))
            store.failure(task.run).unlink(missing_ok=True)
            return Outcome("done", locks=had != "absent")
    except OSError as error:
        raise InputError(
            f"{task.name} cannot be kept in {task.store} ({cause(error)}): mend that and start again; finished runs "
            "are kept"
        ) from error
    except Exception as error:
        with suppress(OSError):  # a full disk: the outcome says why all the same
            store.save_failure(task.run, task.name, traceback.format_exc())
        if broken(error):
            os._exit(1)  # this process has lost the GPU, a new one has not: the run is started again, as after a crash
        return Outcome("failed", f"{type(error).__name__}: {error}")


def broken(error: Exception) -> bool:
    """Whether an error leaves the process without its GPU; a lack of memory does not."""
    if isinstance(error, torch.OutOfMemoryError):
        return False
    words = ("CUDA error", "cuDNN error", "CUBLAS_STATUS")
    return isinstance(error, torch.AcceleratorError) or (
        isinstance(error, RuntimeError) and any(word in str(error) for word in words)
    )


def tell(task: Task, epoch: int) -> None:
    """Report that this worker has done an epoch of a task, to all who listen to its scheduler."""
    text = f"{task.name}: epoch {epoch} of {task.run.settings.epochs}"
    with suppress(ValueError):  # this is not a worker
        get_worker().log_event(TOPIC, {"run": task.run.key, "images": task.run.epoch_images, "text": text})


def distribute(
    named: Sequence[tuple[str, Run]],
    store: RunStore,
    folders: Mapping[str, Path],
    device: str,
    workers: str,
    report: Report,
) -> dict[str, str]:
    """Have the runs computed that are missing in the store: each once, the longest first.

    Finished runs are kept if a worker, the scheduler or this process is lost. A run whose worker is lost is started
    again, three times in all. A run that another process computes is waited for, see `patience`.

    Parameters
    ----------
    named : sequence of (str, Run)
        Runs with their names in messages.
    folders : mapping of str to Path
        Folders of the slice sets, by fingerprint.
    device : {"auto", "cpu", "cuda"}
    workers : str
        Empty for as many processes of this machine as it has GPUs or, without GPUs, cores (and free memory); a number
        of processes; or the address of a Dask scheduler. The processes are started when they are first needed, and end
        with this process or when it is interrupted.
    report : callable
        Called in this thread with the progress of the runs.

    Returns
    -------
    dict of str to str
        Why a run has no result, by its key.

    Raises
    ------
    InputError
        If there are no workers, the scheduler is lost, or the store cannot be written.
    """
    missing = {run.key: (name, run) for name, run in reversed(named)}
    missing = {key: some for key, some in missing.items() if not store.holds(some[1])}
    if not missing:
        return {}
    told = device_of(workers, device)
    tasks = [Task(name, run, folders[run.data], store.folder, told) for name, run in missing.values()]
    sweep(store.folder)
    with connected(workers) if "://" in workers else local(workers_of(workers, device), device) as client:
        try:
            failures = carry_out(tasks, client, report)
        finally:
            sweep(store.folder)
    for task in tasks:
        if task.run.key not in failures and not store.holds(task.run):
            failures[task.run.key] = "its worker kept it elsewhere: let workers share the store's folder"
    return failures


def carry_out(tasks: Sequence[Task], client: Client, report: Report) -> dict[str, str]:
    """Have a client's workers compute tasks; return the reasons of those without a result, by the key of the run."""
    failures: dict[str, str] = {}
    heard: SimpleQueue[dict[str, Any]] = SimpleQueue()
    # The longest first. Runs of the same network and seed follow each other: their weights are drawn once.
    waiting = deque(sorted(tasks, key=lambda task: (-task.run.images, task.run.network, task.run.weights_seed)))
    at_work: dict[Any, Task] = {}
    elsewhere: dict[Task, float] = {}
    left = {task.run.key: task.run.images for task in tasks}  # a run that is repeated after a loss is not counted twice
    woken = threading.Event()
    client.subscribe_topic(TOPIC, lambda event: heard.put(event[1]))
    try:
        client.log_event(TOPIC, {"total": sum(left.values())})
        while waiting or at_work or elsewhere:
            # One task for each worker: Dask counts tasks that wait at a lost worker as lost, too.
            free = max(1, sum(client.nthreads().values())) - len(at_work)
            if none_left(client):
                raise InputError(
                    "no worker can be started any more: free some memory, or ask for fewer workers; finished runs are "
                    "kept, start again to resume"
                )
            for _ in range(min(free, len(waiting))):
                task = waiting.popleft()
                future = client.submit(work, task, pure=False)
                future.add_done_callback(lambda _: woken.set())
                at_work[future] = task
            woken.wait(POLL)
            woken.clear()
            for future in [future for future in at_work if future.done()]:
                task = at_work.pop(future)
                outcome = outcome_of(future, task)
                if outcome.state == "done":
                    report(left.pop(task.run.key, 0), task.name)
                elif outcome.state == "held":
                    elsewhere[task] = time.monotonic()
                elif outcome.state == "failed":
                    failures[task.run.key] = outcome.why
                if not outcome.locks:
                    say_without_locks()
            waiting.extend(given_up(elsewhere))
            while not heard.empty():
                event = heard.get()
                if images := min(event.get("images", 0), left.get(event.get("run", ""), 0)):
                    left[event["run"]] -= images
                    report(images, event["text"])
            if elsewhere and not at_work:
                folder = next(iter(elsewhere)).store / "locks"
                report(0, f"waiting for {len(elsewhere)} runs of another process; if there is none, delete {folder}")
    except OSError as error:
        if error.filename or error.errno in MENDS:  # an error of a file, not of a connection
            raise
        raise lost(client) from error
    finally:
        client.unsubscribe_topic(TOPIC)
        client.cancel(list(at_work))
    return failures


def outcome_of(future: Any, task: Task) -> Outcome:
    """Return the outcome of a finished task.

    Raises
    ------
    InputError
        If no task can be computed.
    """
    store = RunStore(task.store)
    try:
        outcome: Outcome = future.result()
    except KilledWorker as error:
        said = why(store.failure(task.run))  # written by a worker before it ended
        why_lost = ": ".join([f"its worker was lost {error.allowed_failures + 1} times", *said.splitlines()[-1:]])
        store.save_failure(task.run, task.name, why_lost)
        return Outcome("failed", why_lost)
    except CancelledError as error:
        raise lost(future.client) from error
    except InputError:
        raise
    except Exception as error:  # errors of the training itself are outcomes
        raise InputError(
            f"a worker cannot take {task.name} ({type(error).__name__}: {error}): install this checkout in its "
            "environment"
        ) from error
    return outcome


def lost(client: Client) -> InputError:
    """Return the error on a scheduler that no longer answers."""
    return InputError(f"the Dask scheduler at {address(client)} is lost: finished runs are kept, start again to resume")


def none_left(client: Client) -> bool:
    """Whether this process's own workers have ended and are not replaced."""
    cluster = client.cluster
    return cluster is not None and all(
        nanny.status in (Status.closed, Status.failed) for nanny in cluster.workers.values()
    )


def address(client: Client) -> str:
    """Return the address of a client's scheduler."""
    return str(client.scheduler.address) if client.scheduler else ""


def given_up(elsewhere: dict[Task, float]) -> list[Task]:
    """Take from ``elsewhere`` (task: since when) the tasks that other processes no longer compute, and return them."""
    free = []
    for task, since in list(elsewhere.items()):
        store = RunStore(task.store)
        if store.path(task.run).exists():
            free.append(task)  # a worker finds its result
        elif time.monotonic() - since > patience(task.run):
            print(
                f"{store.lock(task.run)}: still held, and no result: computing {task.name} as well",
                file=sys.stderr,
                flush=True,
            )
            free.append(replace(task, regardless=True))
        elif not held(store.lock(task.run)):
            free.append(task)
        else:
            continue
        del elsewhere[task]
    return free


def patience(run: Run) -> float:
    """Return the seconds after which another process that computes a run counts as lost, however slow its machine."""
    return 600 + run.images / 5


@contextmanager
def connected(url: str) -> Iterator[Client]:
    """Connect to a Dask scheduler.

    Raises
    ------
    InputError
        If there is none.
    """
    try:
        client = Client(url, timeout=CONNECTION_TIMEOUT)
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"no Dask scheduler at {url} ({error}): start one, or mend the address") from error
    with client:
        yield client


LOCAL: dict[tuple[int, str], tuple[ExitStack, Client]] = {}
"""The scheduler and workers that this process has started, by number and device."""


@contextmanager
def local(workers: int, device: str) -> Iterator[Client]:
    """Connect to this process's own workers, started now or before; they end at Ctrl-C and at any error."""
    if (workers, device) not in LOCAL:
        close()  # workers of another number or device
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="brats-al-")))
            cluster = stack.enter_context(scheduler(folder, workers, device))
            client = stack.enter_context(Client(cluster, set_as_default=False))
            LOCAL[workers, device] = stack.pop_all(), client
    try:
        yield LOCAL[workers, device][1]
    except BaseException:
        close()
        raise


@atexit.register
def close() -> None:
    """End this process's own workers."""
    while LOCAL:
        LOCAL.popitem()[1][0].close()
