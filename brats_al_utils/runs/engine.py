"""Get runs computed: by processes of this machine, or by the workers of any Dask scheduler, in the same way."""

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
"""Seconds between two looks at what other processes compute, and at how many workers there are."""

CONNECTION_TIMEOUT = 30
"""Seconds in which a Dask scheduler must answer."""

TOPIC = "brats-al"
"""Of the events by which workers say how far they are: see `tell`."""

COMPUTING = threading.Lock()
"""Held while this process computes a run: torch's random numbers and flags are the process's, and a Dask worker may
have several threads."""

Report = Callable[[int, str], None]
"""Told the image passes done since the last call, and what they were for."""


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
    regardless : bool
        Compute it although another process holds its lock.
    """

    name: str
    run: Run
    slices: Path
    store: Path
    device: str
    regardless: bool = False


@dataclass(frozen=True)
class Outcome:
    """What came of a task.

    Attributes
    ----------
    state : str
        ``done``: its result is in the store; ``held``: another process computes it; ``failed``: by its own fault.
    why : str
        Of a task that failed.
    locks : bool
        Whether the store's file system has them.
    """

    state: str
    why: str = ""
    locks: bool = True


checked_slices = lru_cache(maxsize=None)(open_slices)
"""A process checks a slice set's fingerprint once, not for every run; its pixels stay on the disk."""


def work(task: Task) -> Outcome:
    """Compute a task in this worker, unless its result is there or another process is at it.

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
        with lock(store.lock(task.run)) as had, COMPUTING:
            if had == "held" and not task.regardless:
                return Outcome("held")
            if store.load(task.run) is None:
                device = choose_device(task.device)
                store.save(computing.compute(task.run, checked_slices(task.slices), device, partial(tell, task)))
            store.failure(task.run).unlink(missing_ok=True)
            return Outcome("done", locks=had != "absent")
    except OSError as error:
        raise InputError(
            f"{task.name} cannot be kept in {task.store} ({cause(error)}): mend that and start again; finished runs "
            "are kept"
        ) from error
    except Exception as error:
        store.save_failure(task.run, task.name, traceback.format_exc())
        if broken(error):
            os._exit(1)  # the GPU is lost to this process, not to the next; the run counts as lost with its worker
        return Outcome("failed", f"{type(error).__name__}: {error}")


def broken(error: Exception) -> bool:
    """Whether an error leaves the process without its GPU; want of memory does not."""
    if isinstance(error, torch.OutOfMemoryError):
        return False
    words = ("CUDA error", "cuDNN error", "CUBLAS_STATUS")
    return isinstance(error, torch.AcceleratorError) or (
        isinstance(error, RuntimeError) and any(word in str(error) for word in words)
    )


def tell(task: Task, epoch: int) -> None:
    """Say that this worker has done an epoch of a task, to whoever follows its scheduler."""
    text = f"{task.name}: epoch {epoch} of {task.run.settings.epochs}"
    with suppress(ValueError):  # not in a worker
        get_worker().log_event(TOPIC, {"run": task.run.key, "images": task.run.epoch_images, "text": text})


def compute(
    named: Sequence[tuple[str, Run]],
    store: RunStore,
    folders: Mapping[str, Path],
    device: str,
    workers: str,
    report: Report,
) -> dict[str, str]:
    """Get those of some runs computed that the store lacks: each once, the longest first.

    What is finished stays finished if a worker, the scheduler or this process is lost. A run whose worker is lost is
    started again, three times in all. A run that another process computes is waited for, see `patience`.

    Parameters
    ----------
    named : sequence of (str, Run)
        With what each is called.
    folders : mapping of str to Path
        Of the slice sets, by fingerprint.
    device : {"auto", "cpu", "cuda"}
    workers : str
        Empty for as many processes of this machine as it has GPUs or, without, cores (if its free memory allows); a
        number of processes; or the address of a Dask scheduler. The processes are started when they are first needed
        and stay until this process ends, or until it is interrupted.
    report : callable
        Told in this thread how far the runs are.

    Returns
    -------
    dict of str to str
        Why a run has no result, by its key.

    Raises
    ------
    InputError
        If there are no such workers, a scheduler is lost, or the store cannot be written.
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
    """Have a client's workers compute tasks; return, by the key of its run, why a task has no result."""
    failures: dict[str, str] = {}
    heard: SimpleQueue[dict[str, Any]] = SimpleQueue()
    # No long one is left for the end; those of one network and seed follow each other, whose weights are drawn once.
    waiting = deque(sorted(tasks, key=lambda task: (-task.run.images, task.run.network, task.run.weights_seed)))
    at_work: dict[Any, Task] = {}
    elsewhere: dict[Task, float] = {}
    left = {task.run.key: task.run.images for task in tasks}  # what comes again after a loss is not told again
    woken = threading.Event()
    client.subscribe_topic(TOPIC, lambda event: heard.put(event[1]))
    try:
        client.log_event(TOPIC, {"total": sum(left.values())})
        while waiting or at_work or elsewhere:
            # No more than there are workers: of what waits at a worker that is lost, Dask says that it was lost too.
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
        if error.filename or error.errno in MENDS:  # a file's, not a connection's
            raise
        raise lost(client) from error
    finally:
        client.unsubscribe_topic(TOPIC)
        client.cancel(list(at_work))
    return failures


def outcome_of(future: Any, task: Task) -> Outcome:
    """Return what came of a task that is done.

    Raises
    ------
    InputError
        If it says that no task can be done.
    """
    store = RunStore(task.store)
    try:
        outcome: Outcome = future.result()
    except KilledWorker as error:
        said = why(store.failure(task.run))  # by a worker, before it ended
        why_lost = ": ".join([f"its worker was lost {error.allowed_failures + 1} times", *said.splitlines()[-1:]])
        store.save_failure(task.run, task.name, why_lost)
        return Outcome("failed", why_lost)
    except CancelledError as error:
        raise lost(future.client) from error
    except InputError:
        raise
    except Exception as error:  # a run's own is in its outcome
        raise InputError(
            f"a worker cannot take {task.name} ({type(error).__name__}: {error}): install this checkout in its "
            "environment"
        ) from error
    return outcome


def lost(client: Client) -> InputError:
    """Return what is to be said of a scheduler that no longer answers."""
    return InputError(f"the Dask scheduler at {address(client)} is lost: finished runs are kept, start again to resume")


def none_left(client: Client) -> bool:
    """Whether this process's own workers have ended and nothing replaces them."""
    cluster = client.cluster
    return cluster is not None and all(
        nanny.status in (Status.closed, Status.failed) for nanny in cluster.workers.values()
    )


def address(client: Client) -> str:
    """Return the address of a client's scheduler."""
    return str(client.scheduler.address) if client.scheduler else ""


def given_up(elsewhere: dict[Task, float]) -> list[Task]:
    """Take from the tasks that others compute, each with the time since when, those that they no longer do."""
    free = []
    for task, since in list(elsewhere.items()):
        store = RunStore(task.store)
        if store.path(task.run).exists():
            free.append(task)  # looked at by a worker
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
    """Return the seconds after which another process that computes a run counts as lost, with whatever computer."""
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
"""The scheduler and workers that this process has started, by their number and device."""


@contextmanager
def local(workers: int, device: str) -> Iterator[Client]:
    """Connect to this process's own workers, started now or before; if anything goes wrong, or at Ctrl-C, they end."""
    if (workers, device) not in LOCAL:
        close()  # those of another number
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
