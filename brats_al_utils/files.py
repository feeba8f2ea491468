"""Files and folders that appear whole or not at all, and locks that save work where a file system has them."""

import errno
import os
import re
import shutil
import socket
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Literal

import psutil
from filelock import FileLock, Timeout

from brats_al_utils import InputError

MENDS = {
    errno.ENOSPC: "free some disk space, or delete some files if their number is used up (df -i)",
    errno.EDQUOT: "free some disk space: your share of it, or of the number of files, is used up",
    errno.EACCES: "fix its permissions",
    errno.EPERM: "fix its permissions",
    errno.EROFS: "name a folder on a disk that can be written (--out)",
    errno.ENOENT: "check its name",
}
"""What mends an error of the system's, by its number; of others the system's own words must do."""


def cause(error: OSError) -> str:
    """Return what went wrong with a file, which one it was, and what mends it."""
    if not error.strerror:
        return str(error) or type(error).__name__
    parts = [error.filename, error.strerror, MENDS.get(error.errno or 0)]
    return ": ".join(str(part) for part in parts if part)


def machine() -> str:
    """Return what names this machine, or this container: processes that see each other, and no others.

    Containers may have one host name, and count their processes from 1 each.
    """
    marks = [socket.gethostname()]
    with suppress(OSError):
        marks.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8"))
        marks.append(str(Path("/proc/self/ns/pid").readlink()))
    return re.sub(r"\W", "_", marks[0]) + "_" + sha256("".join(marks).encode()).hexdigest()[:8]


HOST = machine()
"""This machine, as it stands in the names of what is half-written."""

HALF_WRITTEN = re.compile(r"\..+\.(?P<host>\w+)\.(?P<pid>\d+)\.[0-9a-f]{8}\.(partial|ipynb)")

DAY = 24 * 3600.0
"""Seconds after which what another machine has half-written counts as left behind."""

NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)
"""What a file system without locks answers: it has none, its server has none, it does not support them."""

Had = Literal["had", "held", "absent"]
"""What came of asking for a lock: this process has it; another has; the file system has none."""


def beside(path: Path) -> Path:
    """Return an unused hidden name in the same folder, which says who writes there: see `sweep`."""
    return path.with_name(f".{path.name}.{HOST}.{os.getpid()}.{uuid.uuid4().hex[:8]}.partial")


def sweep(folder: Path) -> None:
    """Remove what processes that are gone have left half-written in a folder, or anybody more than a day ago."""
    for path in folder.glob(".*"):
        writer = HALF_WRITTEN.fullmatch(path.name)
        if not writer:
            continue
        with suppress(OSError):  # another process sweeps as well, or may not
            gone = writer["host"] == HOST and not alive(int(writer["pid"]))
            if gone or time.time() - path.stat().st_mtime > DAY:
                shutil.rmtree(path) if path.is_dir() else path.unlink()


def alive(pid: int) -> bool:
    """Whether a process of this machine runs; one that has ended and waits for its parent does not."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


@contextmanager
def named(path: Path) -> Iterator[None]:
    """Name what is written in an error that names no file, as when a disk is full, or what is half-written."""
    try:
        yield
    except OSError as error:
        if not error.filename or HALF_WRITTEN.fullmatch(Path(error.filename).name):
            error.filename = str(path)
        raise


def write_file(path: Path, content: bytes) -> None:
    """Write a file beside and rename it, on the disk before it has its name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = beside(path)
    try:
        with named(path), partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_new(path: Path, content: bytes) -> None:
    """Write a file where there is none: what is there may be somebody's work.

    Raises
    ------
    InputError
        If it exists.
    """
    if path.exists():
        raise InputError(f"{path}: exists: name another file, or delete it")
    write_file(path, content)


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """Yield a folder to write into, renamed to ``folder`` at the end and removed if anything goes wrong.

    If another process has published the same folder meanwhile, theirs stays.

    Raises
    ------
    InputError
        If ``folder`` exists and is not empty.
    """
    if occupied(folder):
        raise InputError(f"{folder}: exists and is not empty: name a new folder, or delete it")
    folder.parent.mkdir(parents=True, exist_ok=True)
    sweep(folder.parent)
    partial = beside(folder)
    partial.mkdir()
    try:
        with named(folder):
            yield partial
        try:
            if folder.exists():
                folder.rmdir()
            partial.rename(folder)
        except OSError:
            if not occupied(folder):
                raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def occupied(folder: Path) -> bool:
    """Whether a path is a file, or a folder that is not empty."""
    return folder.exists() and (not folder.is_dir() or any(folder.iterdir()))


@contextmanager
def lock(path: Path) -> Iterator[Had]:
    """Ask for a lock, once, and hold it until the block ends; its file then goes.

    The system frees a lock when its process ends, however it ends.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Never filelock's way without locks, a file that is there while it is held: it outlives a killed process.
    asked = FileLock(path, timeout=0, fallback_to_soft=False)
    try:
        asked.acquire()
    except Timeout:
        yield "held"
        return
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        path.unlink(missing_ok=True)
        yield "absent"
        return
    try:
        yield "had"
    finally:
        path.unlink(missing_ok=True)  # while it is held: who opened it before sees that it is gone, and asks anew
        asked.release()


def held(path: Path) -> bool:
    """Whether a process holds a lock now."""
    if not path.exists():
        return False
    with lock(path) as had:
        return had == "held"


@contextmanager
def locked(path: Path, wait: float, what: str) -> Iterator[None]:
    """Wait for a lock, at most so many seconds, and hold it until the block ends.

    A lock saves work and guards nothing: where the file system has none, or it cannot be had in time (a machine that
    died may have left it with a file server), the block is entered without it.

    Parameters
    ----------
    what : str
        What is done in the block, as the user is told who waits.
    """
    deadline, told = time.monotonic() + wait, False
    while True:
        with lock(path) as had:
            if had == "absent":
                say_without_locks()
            elif had == "held" and time.monotonic() >= deadline:
                print(f"{path}: still held after {wait:.0f} s: {what} without it", file=sys.stderr, flush=True)
            if had != "held" or time.monotonic() >= deadline:
                yield
                return
        if not told:
            told = True
            print(f"waiting for {path}: another process is {what}; if none is, delete it", file=sys.stderr, flush=True)
        time.sleep(0.2)


@lru_cache(maxsize=1)
def say_without_locks() -> None:
    """Say, once in a process, that the file system has no locks."""
    print(
        "this file system has no locks: two studies in one folder at the same time do the same work twice, with the "
        "same results",
        file=sys.stderr,
        flush=True,
    )
