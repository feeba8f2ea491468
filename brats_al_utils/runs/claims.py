"""Who computes what: a claim is a file that names its owner, and that the owner touches as long as it lives."""

import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

import psutil
from filelock import FileLock

HEARTBEAT = 5.0
"""Seconds between two touches of a claim."""

STALE = 60.0
"""Seconds without a touch after which the owner counts as lost; a network's file system may show one late."""


@dataclass(frozen=True)
class Owner:
    """A process that computes something.

    Attributes
    ----------
    driver : str
        On whose behalf it does so: a study, each time that it computes what it lacks. It has a run computed by one
        process at a time, so a claim that is made for the same driver is that of a process it has lost.
    host : str
    pid : int
        If it is given to another process, the claim still turns stale.
    """

    driver: str
    host: str
    pid: int

    @classmethod
    def here(cls, driver: str) -> "Owner":
        """Return this process."""
        return cls(driver, socket.gethostname(), os.getpid())

    @property
    def dead(self) -> bool:
        """Whether this machine can tell that the process is gone."""
        if self.host != socket.gethostname():
            return False
        try:
            return bool(psutil.Process(self.pid).status() == psutil.STATUS_ZOMBIE)
        except psutil.NoSuchProcess:
            return True


def owner_of(path: Path) -> Owner | None:
    """Return a claim's owner, or None if there is none or the claim cannot be read."""
    try:
        return Owner(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return None


@contextmanager
def claim(path: Path, driver: str) -> Iterator[bool]:
    """Claim a path for this process, and touch it until the block ends.

    Yields whether it could be had: not if another driver's living process has it. A process that is suspended for
    longer than ``STALE`` may lose its claim; both then compute the same, and the second result replaces an equal one.
    """
    mine = Owner.here(driver)
    if not take(path, mine):
        yield False
        return
    done = threading.Event()
    touching = threading.Thread(target=touch, args=(path, mine, done), daemon=True)
    touching.start()
    try:
        yield True
    finally:
        done.set()
        touching.join()
        if owner_of(path) == mine:
            path.unlink(missing_ok=True)


def turn(path: Path) -> FileLock:
    """Return the lock of who takes or frees a claim: one that looks lost may by now be that of a process that lives."""
    return FileLock(path.parent / ".lock")


def take(path: Path, mine: Owner) -> bool:
    """Write a claim, unless another driver's living process has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with turn(path):
        holder = owner_of(path)
        if holder and (holder.driver == mine.driver or holder.dead):
            path.unlink(missing_ok=True)
        try:
            with path.open("x") as file:
                json.dump(asdict(mine), file)
        except FileExistsError:
            return False
        except OSError:
            path.unlink(missing_ok=True)  # an empty claim would hold until it is stale
            raise
    return True


def touch(path: Path, mine: Owner, done: threading.Event) -> None:
    """Touch a claim until its work is done, or another has taken it over."""
    while not done.wait(HEARTBEAT):
        with suppress(OSError):
            if owner_of(path) == mine:
                os.utime(path)


@dataclass
class Watch:
    """Tells which claims of others are stale: by whether they change, so that no two clocks need to agree."""

    seen: dict[Path, tuple[int, float]] = field(default_factory=dict)

    def free(self, path: Path) -> bool:
        """Return whether a claim is gone, or its owner is; it then removes it."""
        try:
            touched = path.stat().st_mtime_ns
        except FileNotFoundError:
            return True
        last, since = self.seen.get(path, (None, 0.0))
        if touched != last:
            self.seen[path] = (touched, time.monotonic())
        owner = owner_of(path)
        stale = touched == last and time.monotonic() - since > STALE
        if not stale and not (owner and owner.dead):
            return False
        with turn(path):
            if owner_of(path) != owner:
                return False  # another driver was quicker
            path.unlink(missing_ok=True)
        return True
