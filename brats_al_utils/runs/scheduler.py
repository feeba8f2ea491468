"""A Dask scheduler in this process, with or without workers of this machine; only holders of its key can connect."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import dask
import psutil
from dask.system import CPU_COUNT
from distributed import Nanny, Scheduler
from distributed.deploy.spec import SpecCluster
from distributed.security import Security
from distributed.system import MEMORY_LIMIT
from distributed.utils import get_ip, get_mp_context

from brats_al_utils import InputError
from brats_al_utils.files import write_file
from brats_al_utils.runs import forks
from brats_al_utils.runs.forks import ARENA, FORKS

ATTEMPTS = 3
"""How often a run is started if its worker is lost."""

WORKER_MEMORY = 5 * 2**29
"""Bytes that a worker needs to train AlexNet in batches of 16 on the CPU, rounded up. Measured: 1,978 MiB for slices of
80 pixels and 2,360 MiB for 224 (resident, x86-64, torch 2.14; 641 MiB of them libraries, partly shared)."""

LOOPBACK = "127.0.0.1"

TIDY = "ignore::UserWarning:multiprocessing.resource_tracker"
"""Silences the warning of Python's resource tracker after a process was killed: it would appear amid later output."""

CONFIG: dict[str, Any] = {
    "distributed.worker.multiprocessing-method": "forkserver" if FORKS else "spawn",
    "distributed.scheduler.allowed-failures": ATTEMPTS - 1,
    # A worker's nanny replaces it, however long that takes; Dask would end the nanny after 15 s.
    "distributed.deploy.lost-worker-timeout": "1000 days",
    **{f"distributed.nanny.pre-spawn-environ.{name}": value for name, value in ARENA.items()},
    # Dask's web pages on workers are open to everybody.
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
}


def gpus(device: str) -> int:
    """Return how many GPUs are used if ``device`` is auto, cpu or cuda."""
    import torch

    return torch.cuda.device_count() if device != "cpu" else 0


def workers_of(workers: str, device: str) -> int:
    """Return the number of processes of this machine that ``workers`` means; see `engine.distribute`.

    Raises
    ------
    InputError
        If it is not a number.
    """
    if not workers:
        free = min(psutil.virtual_memory().available, MEMORY_LIMIT)
        return gpus(device) or max(1, min(CPU_COUNT, free // WORKER_MEMORY))
    if workers.isdecimal() and int(workers) > 0:
        return int(workers)
    raise InputError(
        f"workers is {workers!r}, expected nothing (as many processes as this machine has cores, or GPUs), a number of "
        "processes, or the address of a Dask scheduler, as in tls://host:8786"
    )


def device_of(workers: str, device: str) -> str:
    """Return the device for the workers: those of this machine fail if they do not find the GPUs counted here.

    With ``auto`` they would silently train without a GPU.
    """
    return "cuda" if "://" not in workers and gpus(device) else device


def specification(count: int, cards: int, security: Security) -> dict[int, dict[str, Any]]:
    """Return Dask's specification of some workers, which share the GPUs evenly."""
    visible = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    names = visible if len(visible) == cards else [str(card) for card in range(cards)]
    options = {"nthreads": 1, "memory_limit": 0, "security": security, "protocol": "tls", "host": LOOPBACK}
    options |= {"dashboard_address": f"{LOOPBACK}:0", "dashboard": False, "quiet": True}
    options |= {"silence_logs": logging.CRITICAL, "preload": ["brats_al_utils.runs.interrupts"]}
    return {
        number: {
            "cls": Nanny,
            "options": options | ({"env": {"CUDA_VISIBLE_DEVICES": names[number % cards]}} if cards else {}),
        }
        for number in range(count)
    }


@contextmanager
def scheduler(folder: Path, workers: int = 0, device: str = "cpu", host: str = LOOPBACK) -> Iterator[SpecCluster]:
    """Run a scheduler in this process; it ends with the block, and so do its workers.

    Whoever can talk to a Dask scheduler can run code as its user. So it only accepts holders of a key that is made for
    it, and that only its user can read. This process's children find the key through their environment.

    Parameters
    ----------
    folder : Path
        ``certificate.pem`` and ``key.pem`` are written to it.
    workers : int
        Number of processes of this machine; lost ones are replaced.
    host : str
        Address at which it listens; empty for this machine's address in its network.

    Raises
    ------
    InputError
        If it cannot be started.
    """
    security = Security.temporary()
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    write_file(folder / "certificate.pem", security.tls_ca_file.encode())
    write_file(folder / "key.pem", security.tls_scheduler_key.encode())
    options = {"host": host or get_ip(), "protocol": "tls", "port": 0, "security": security, "dashboard": False}
    options |= {"dashboard_address": f"{LOOPBACK}:0"}
    cards = gpus(device) if workers else 0
    try:
        with credentials(folder), dask.config.set(CONFIG):
            get_mp_context()  # at its first call Dask sets a list of preloaded modules: `forks` replaces it
            forks.start()
            try:
                cluster = SpecCluster(
                    specification(workers, cards, security),
                    {"cls": Scheduler, "options": options},
                    security=security,
                    silence_logs=logging.CRITICAL,
                )
            except RuntimeError as error:
                mend = (
                    f"correct your settings of Dask (as temporary-directory) in {dask.config.PATH} or DASK_* variables"
                )
                raise InputError(f"no Dask scheduler can be started ({error}): {mend}") from error
            try:
                yield cluster
            finally:
                with suppress(TimeoutError):  # on a busy machine; the rest ends with this process
                    cluster.close()
    finally:
        (folder / "key.pem").unlink(missing_ok=True)


@contextmanager
def credentials(folder: Path) -> Iterator[None]:
    """Let this process and its children, such as notebooks' kernels, find a client's credentials, within a block.

    It also silences Python's resource tracker, see ``TIDY``.
    """
    files = {"ca-file": "certificate.pem", "client.cert": "certificate.pem", "client.key": "key.pem"}
    own = {f"distributed.comm.tls.{name}": str(folder / file) for name, file in files.items()}
    # Dask reads the environment only when it is imported.
    variables = {f"DASK_{name.upper().replace('.', '__').replace('-', '_')}": path for name, path in own.items()}
    variables["DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION"] = "True"
    variables["PYTHONWARNINGS"] = ",".join(filter(None, [os.environ.get("PYTHONWARNINGS"), TIDY]))
    with forks.environment(variables), dask.config.set(own):
        yield
