"""Files and folders that appear whole or not at all, and locks that save work if the file system has them."""

import errno
import fcntl
import json
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
from typing import Any, Literal

import psutil
from filelock import FileLock, Timeout

from brats_al_utils import InputError

MENDS = {
    errno.ENOSPC: "free some disk space, or delete some files if their number is used up (df -i)",
    errno.EFBIG: "raise the limit on the size of a file (ulimit -f), or name a folder on another disk",
    errno.EDQUOT: "free some disk space: your share of it, or of the number of files, is used up",
    **dict.fromkeys((errno.EACCES, errno.EPERM), "fix its permissions or its folder's, or write elsewhere (--out)"),
    errno.EROFS: "name a folder on a disk that can be written (--out)",
    errno.ENOENT: "check its name",
    **dict.fromkeys((errno.EEXIST, errno.ENOTDIR, errno.EISDIR), "a file is in a folder's place, or the reverse"),
}
"""What to do about an error of the operating system, by its number."""


def cause(error: Exception) -> str:
    """Return an error's message; of an error of the operating system the file, the error, and what to do."""
    if not isinstance(error, OSError) or not error.strerror:
        return str(error) or type(error).__name__
    parts = [error.filename, error.strerror, MENDS.get(error.errno or 0)]
    return ": ".join(str(part) for part in parts if part)


def mend_for(error: Exception, otherwise: str) -> str:
    """Return what to do about a file that cannot be read: what the system's error asks for, or else ``otherwise``."""
    return MENDS.get(getattr(error, "errno", None) or 0, otherwise)


def machine() -> str:
    """Return a name for this machine or container, within which processes see each other.

    Containers may share a host name, and each counts its processes from 1.
    """
    marks = [socket.gethostname()]
    with suppress(OSError):
        marks.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8"))
        marks.append(str(Path("/proc/self/ns/pid").readlink()))
    return re.sub(r"\W", "_", marks[0]) + "_" + sha256("".join(marks).encode()).hexdigest()[:8]


HOST = machine()
"""This machine's name in the names of unfinished files."""

HALF_WRITTEN = re.compile(r"\..+\.(?P<host>\w+)\.(?P<pid>\d+)\.[0-9a-f]{8}\.(partial|ipynb)")

DAY = 24 * 3600.0
"""Seconds after which another machine's unfinished file counts as abandoned."""

NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)
"""Errors of a file system without locks."""

Had = Literal["had", "held", "absent"]
"""Result of a request for a lock: this process has it; another process holds it; the file system has no locks."""


def beside(path: Path) -> Path:
    """Return an unused hidden name in the same folder, which holds machine and process of its writer: see `sweep`."""
    return path.with_name(f".{path.name}.{HOST}.{os.getpid()}.{uuid.uuid4().hex[:8]}.partial")


def sweep(folder: Path) -> None:
    """Remove unfinished files of processes that have ended, and other machines' that are more than a day old."""
    for path in folder.glob(".*"):
        writer = HALF_WRITTEN.fullmatch(path.name)
        if not writer:
            continue
        with suppress(OSError):  # another process was faster, or permissions are missing
            here = writer["host"] == HOST
            if not alive(int(writer["pid"])) if here else time.time() - path.stat().st_mtime > DAY:
                shutil.rmtree(path) if path.is_dir() else path.unlink()


def alive(pid: int) -> bool:
    """Whether a process of this machine runs; a zombie does not."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


@contextmanager
def named(path: Path) -> Iterator[None]:
    """Name the file that is written in errors that name none (full disk) or an unfinished one."""
    try:
        yield
    except OSError as error:
        if not error.filename or HALF_WRITTEN.fullmatch(Path(error.filename).name):
            error.filename = str(path)
        raise


def read_json(path: Path, mend: str) -> Any:
    """Read a file that the package has written.

    Raises
    ------
    InputError
        If it is damaged; ``mend`` says what to do then.
    """
    try:
        return json.loads(path.read_bytes())
    except ValueError as error:
        raise InputError(f"{path}: damaged ({error}): {mend}") from error


def write_file(path: Path, content: bytes) -> None:
    """Write a file under another name, sync it to the disk, and rename it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = beside(path)
    with named(path):
        try:
            with partial.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)


def write_new(path: Path, content: bytes) -> None:
    """Write a new file; an existing one is never overwritten.

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
    """Yield a folder to write into, which is renamed to ``folder`` at the end, and removed at any error.

    If another process has written the same folder meanwhile, that one stays.

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
    with named(folder):
        partial.mkdir()
        try:
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
    """Whether a path is an existing file, or a folder that is not empty."""
    return folder.exists() and (not folder.is_dir() or any(folder.iterdir()))


@contextmanager
def lock(path: Path) -> Iterator[Had]:
    """Request a lock once, and hold it until the block ends; then its file is removed.

    The system releases a lock when its process ends, however it ends.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Without filelock's fallback to a marker file, which would outlive a killed process.
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
        path.unlink(missing_ok=True)  # before the release: others who have opened it see that it is gone, and retry
        asked.release()


def held(path: Path) -> bool:
    """Whether a process holds a lock now. Who may only read its file may ask too."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError as error:
        if error.errno not in (errno.ENOENT, *NO_LOCKS):
            raise
    return False


@contextmanager
def locked(path: Path, wait: float, what: str) -> Iterator[None]:
    """Wait for a lock, at most ``wait`` seconds, and hold it until the block ends.

    A lock saves work and protects nothing: if the file system has no locks, or the lock is not released in time (a file
    server may keep that of a machine that died), the block is entered without it.

    Parameters
    ----------
    what : str
        What is done in the block, for the message to a user who waits.
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
    """Print, once in a process, that the file system has no locks."""
    print(
        "this file system has no locks: two studies in one folder at the same time do the same work twice, with the "
        "same results",
        file=sys.stderr,
        flush=True,
    )
