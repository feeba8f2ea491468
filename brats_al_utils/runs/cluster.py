"""A Slurm job array of workers for a Dask scheduler."""

import re
import shlex
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from brats_al_utils import InputError
from brats_al_utils.files import write_file
from brats_al_utils.runs.forks import ARENA

REPLACEMENTS = 10
"""Jobs of the array for each that runs at a time: Slurm starts the next when one is lost or its time is up."""

MAX_ARRAY = 1000
"""The longest array that Slurm takes unless it is told otherwise."""

TIME = re.compile(r"\d+(:\d\d?){0,2}|\d+-\d\d?(:\d\d?){0,2}")
"""How Slurm writes a limit of time."""

DEATH_TIMEOUT = 60
"""Seconds after which a worker that has lost its scheduler ends."""

CHECK = 30.0
"""Seconds between two looks at whether the array still has jobs."""


@dataclass(frozen=True)
class Slurm:
    """What is asked of Slurm.

    Attributes
    ----------
    jobs : int
        Jobs that run at a time.
    gpus, cpus : int
        GPUs and cores of each job; one GPU at most, as a job's workers all train on the first.
    workers : int
        Processes of each job; they share its GPU and its cores.
    time : str
        Limit of each job, as Slurm writes it.
    options : tuple of str
        Further options of sbatch, as in ``--partition=gpu``.
    """

    jobs: int
    gpus: int
    cpus: int
    workers: int
    time: str
    options: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what sbatch would, or would take for something else.

        Raises
        ------
        InputError
            If a number is too small, or the time is not as Slurm writes it.
        """
        for name, least in (("jobs", 1), ("gpus", 0), ("cpus", 1), ("workers", 1)):
            if getattr(self, name) < least:
                raise InputError(f"--{name} {getattr(self, name)}, expected {least} or more")
        if not TIME.fullmatch(self.time):
            raise InputError(
                f"--time {self.time!r}, expected minutes, hours:minutes:seconds or days-hours, as in 04:00:00 or 1-12"
            )


def script(slurm: Slurm, address: str, folder: Path) -> str:
    """Return the sbatch script of a job array of workers.

    Parameters
    ----------
    address : str
        Address of the scheduler.
    folder : Path
        Seen by all machines: holds the credentials, and receives the logs.
    """
    options = [
        "--job-name=brats-al",
        f"--array=1-{min(slurm.jobs * REPLACEMENTS, MAX_ARRAY)}%{slurm.jobs}",
        f"--cpus-per-task={slurm.cpus}",
        *([f"--gres=gpu:{slurm.gpus}"] if slurm.gpus else []),
        f"--time={slurm.time}",
        f"--output={folder}/%A_%a.log",
        *slurm.options,
    ]
    worker = [
        *(sys.executable, "-m", "distributed.cli.dask_worker", address),
        *("--nworkers", str(slurm.workers), "--nthreads", "1", "--memory-limit", "0"),
        *("--dashboard-address", "127.0.0.1:0"),  # it would answer whoever asks
        *("--death-timeout", str(DEATH_TIMEOUT)),
        *("--tls-ca-file", str(folder / "certificate.pem"), "--tls-cert", str(folder / "certificate.pem")),
        *("--tls-key", str(folder / "key.pem")),
    ]
    lines = [
        "#!/bin/bash",
        *(f"#SBATCH {shlex.quote(option)}" for option in options),
        *(f"export {name}={value}" for name, value in ARENA.items()),
        f'exec {shlex.join(worker)} --local-directory "${{TMPDIR:-/tmp}}"',
    ]
    return "\n".join(lines) + "\n"


@contextmanager
def job_array(text: str, folder: Path, none_left: Callable[[], object]) -> Iterator[str]:
    """Submit a job array and cancel what is left of it at the end; if none is left before, ``none_left`` is called.

    Yields its number.

    Raises
    ------
    InputError
        If Slurm refuses it.
    """
    write_file(folder / "workers.sbatch", text.encode())
    submitted = call("sbatch", "--parsable", str(folder / "workers.sbatch"))
    if submitted.returncode:
        raise InputError(f"sbatch says: {submitted.stderr.strip()}")
    number = submitted.stdout.strip().split(";")[0]
    done = threading.Event()

    def watch() -> None:
        while not done.wait(CHECK):
            if not any_left(number):
                print(f"no job of the array {number} is left, see its logs in {folder}", file=sys.stderr)
                none_left()
                return

    watching = threading.Thread(target=watch, daemon=True)
    watching.start()
    try:
        yield number
    finally:
        done.set()
        call("scancel", number)


def call(*command: str) -> "subprocess.CompletedProcess[str]":
    """Return what came of a command of Slurm."""
    try:
        return subprocess.run(command, capture_output=True, encoding="utf-8")  # noqa: S603 - Slurm's own
    except FileNotFoundError as error:
        raise InputError(f"{command[0]} is not on this machine: start this where jobs are submitted") from error


def any_left(number: str) -> bool:
    """Whether a job array has jobs that wait or run; if Slurm cannot say it now, they may."""
    asked = call("squeue", "--noheader", "--jobs", number)
    return bool(asked.stdout.strip()) or (asked.returncode != 0 and "Invalid job id" not in asked.stderr)
