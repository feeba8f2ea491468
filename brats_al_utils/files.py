"""Files and folders that appear whole or not at all."""

import errno
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from brats_al_utils import InputError

MENDS = {
    errno.ENOSPC: "free some disk space",
    errno.EDQUOT: "free some disk space: your share of it is used up",
    errno.EACCES: "fix its permissions",
    errno.EPERM: "fix its permissions",
    errno.EROFS: "name a folder on a disk that can be written",
    errno.ENOENT: "check its name",
}
"""What mends an error of the system's, by its number; of others the system's own words must do."""


def cause(error: OSError) -> str:
    """Return what went wrong with a file, which one it was, and what mends it."""
    if not error.strerror:
        return str(error) or type(error).__name__
    parts = [error.filename, error.strerror, MENDS.get(error.errno or 0)]
    return ": ".join(str(part) for part in parts if part)


def beside(path: Path) -> Path:
    """Return an unused hidden name in the same folder."""
    return path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.partial")


def write_file(path: Path, content: bytes) -> None:
    """Write a file beside and rename it, on the disk before it has its name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = beside(path)
    try:
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """Yield a folder to write into, renamed to ``folder`` at the end and removed if anything goes wrong.

    Raises
    ------
    InputError
        If ``folder`` exists and is not empty.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder}: exists and is not empty: name a new folder, or delete it")
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = beside(folder)
    partial.mkdir()
    try:
        yield partial
        if folder.exists():
            folder.rmdir()
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
