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
"""Jobs in the array for each that runs at a time: Slurm starts the next when one is lost or its time is up."""

MAX_ARRAY = 1000
"""Slurm's default limit on the length of an array."""

TIME = re.compile(r"\d+(:\d\d?){0,2}|\d+-\d\d?(:\d\d?){0,2}")
"""Slurm's format of a time limit."""

OPTION = re.compile(r"(-\w\S*|--[\w-]+(=((?! --?\w).)+)?)")
"""One option of sbatch."""

DEATH_TIMEOUT = 60
"""Seconds after which a worker without a scheduler ends."""

JOB = re.compile(r"^(\d+)(?:;(\S+))?$", re.MULTILINE)
"""What ``sbatch --parsable`` prints, between whatever a site adds: the number of the job, and its cluster if named."""

CHECK = 30.0
"""Seconds between two checks whether the array still has jobs."""


@dataclass(frozen=True)
class Slurm:
    """The resources requested from Slurm.

    Attributes
    ----------
    jobs : int
        Number of jobs that run at a time.
    gpus, cpus : int
        GPUs and cores of each job; at most one GPU, as all workers of a job train on the first.
    workers : int
        Processes of each job, which share its GPU and its cores.
    time : str
        Time limit of each job, in Slurm's format.
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
        """Refuse what sbatch would refuse or misunderstand, before anything is written or started.

        Raises
        ------
        InputError
            If an option is none, or several, or the time is not in Slurm's format.
        """
        for option in self.options:
            if not OPTION.fullmatch(option):
                raise InputError(f"--sbatch {option!r}, expected one option of sbatch, as in --sbatch=--partition=gpu")
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
        Folder for credentials and logs, which all machines must see.
    """
    options = [
        "--job-name=brats-al",
        f"--array=1-{min(slurm.jobs * REPLACEMENTS, MAX_ARRAY)}%{slurm.jobs}",
        f"--cpus-per-task={slurm.cpus}",
        *([f"--gres=gpu:{slurm.gpus}"] if slurm.gpus else []),
        f"--time={slurm.time}",
        f"--output={str(folder).replace('%', '%%')}/%A_%a.log",
        *slurm.options,
    ]
    worker = [
        *(sys.executable, "-m", "distributed.cli.dask_worker", address),
        *("--nworkers", str(slurm.workers), "--nthreads", "1", "--memory-limit", "0"),
        *("--dashboard-address", "127.0.0.1:0"),  # the dashboard answers everybody
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
    """Submit a job array, and cancel the rest of it at the end; if no job is left before, ``none_left`` is called.

    Yields the number of the array.

    Raises
    ------
    InputError
        If Slurm refuses it, or does not say its number.
    """
    write_file(folder / "workers.sbatch", text.encode())
    submitted = call("sbatch", "--parsable", str(folder / "workers.sbatch"))
    if submitted.returncode:
        raise InputError(f"sbatch says: {submitted.stderr.strip()}")
    jobs = JOB.findall(submitted.stdout)
    if not jobs:
        raise InputError(f"sbatch says {submitted.stdout.strip()!r}, expected a job's number: end the job with scancel")
    number, cluster = jobs[-1]
    where = [f"--clusters={cluster}"] if cluster else []
    done = threading.Event()

    def watch() -> None:
        while not done.wait(CHECK):
            if not any_left(number, *where):
                print(f"no job of the array {number} is left, see its logs in {folder}", file=sys.stderr)
                none_left()
                return

    watching = threading.Thread(target=watch, daemon=True)
    watching.start()
    try:
        yield number
    finally:
        done.set()
        cancelled = call("scancel", *where, number)
        if cancelled.returncode and any_left(number, *where):
            print(f"cancel the array {number} yourself: scancel says: {cancelled.stderr.strip()}", file=sys.stderr)


def call(*command: str) -> "subprocess.CompletedProcess[str]":
    """Run a command of Slurm, and return the finished process."""
    try:
        return subprocess.run(command, capture_output=True, encoding="utf-8")  # noqa: S603 - Slurm's own
    except FileNotFoundError as error:
        raise InputError(f"{command[0]} is not on this machine: start this where jobs are submitted") from error


def any_left(number: str, *where: str) -> bool:
    """Whether a job array has waiting or running jobs; True if Slurm does not answer."""
    asked = call("squeue", "--noheader", *where, "--jobs", number)
    return number in asked.stdout or (asked.returncode != 0 and "Invalid job id" not in asked.stderr)
