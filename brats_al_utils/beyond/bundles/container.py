"""The file of a bundle: a zip archive of several parts, whose comment is its own SHA-256, read within bounds."""

import re
import zipfile
import zlib
from collections.abc import Mapping
from hashlib import sha256
from io import BytesIO
from pathlib import Path

from brats_al_utils import InputError

MAX_WRITTEN = 2**21 - 1
"""Largest size in bytes of a file that is written: a larger bundle becomes several files."""

MAX_FILE = 2**22
"""Largest size in bytes of a file that is read."""

MAX_FILES = 8
"""Largest number of files of a bundle."""

MAX_CONTENT = 2**25
"""Largest size in bytes of all unpacked parts of a file."""

MAX_TEXT = 2**23
"""Largest size in bytes of an unpacked text (.json or .csv): its values in memory are many times as large."""

MAX_PARTS = 50

NAME = re.compile(r"[a-z_]+(/[a-z0-9_]+)?(\.json|\.csv|\.safetensors)?")
"""Valid names of parts; none is ever used as a file's name."""

TEXT = (".json", ".csv")

DIGEST = 64
"""Number of letters of a SHA-256."""

HOW = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)

EPOCH = (1980, 1, 1, 0, 0, 0)
"""Time stamp of every part, so that the same contents give the same file."""


def further(path: Path, number: int) -> Path:
    """Return the path of a bundle's file by its number, from 0."""
    return path.with_name(f"{path.name}.{number + 1}") if number else path


def packed(parts: Mapping[str, bytes]) -> bytes:
    """Return the content of a file with some parts, sorted by name."""
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in sorted(parts):
            part = zipfile.ZipInfo(name, EPOCH)
            part.create_system, part.compress_type = 3, zipfile.ZIP_DEFLATED
            archive.writestr(part, parts[name], compresslevel=9)
        archive.comment = bytes(DIGEST)
    content = buffer.getvalue()[:-DIGEST]
    return content + sha256(content).hexdigest().encode()


def read_parts(path: Path) -> tuple[dict[str, bytes], str]:
    """Read a file written by `packed`, and return its parts and its SHA-256.

    Nothing is unpacked before the SHA-256 in the comment and the sizes of the parts are checked; and no more is
    unpacked than these sizes.

    Raises
    ------
    InputError
        If it is not a bundle's file, or damaged, or too large.
    """
    if not path.is_file():
        kind = "a folder" if path.is_dir() else "not found"
        raise InputError(f"{path}: {kind}, expected a bundle that `brats-al export` wrote: check its name")
    if path.stat().st_size > MAX_FILE:
        raise InputError(f"{path}: {path.stat().st_size} bytes, expected at most {MAX_FILE}: not a bundle")
    content = path.read_bytes()
    if not content.startswith(b"PK\x03\x04"):
        mend = "download the file itself, not a page about it, its Git LFS pointer, or a bundle of git's"
        raise InputError(f"{path}: not a zip archive, expected a bundle that `brats-al export` wrote: {mend}")
    if sha256(content[:-DIGEST]).hexdigest().encode() != content[-DIGEST:]:
        raise InputError(f"{path}: damaged or changed, its SHA-256 is another: download or export it again")
    try:
        with zipfile.ZipFile(BytesIO(content)) as archive:
            check(path, archive.infolist())
            parts = {part.filename: unpacked(path, archive, part) for part in archive.infolist()}
            return parts, sha256(content).hexdigest()
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError, OSError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: cannot be unpacked ({error}): download or export it again") from error


def check(path: Path, parts: list[zipfile.ZipInfo]) -> None:
    """Check the names, kinds and sizes of the parts, as the archive states them."""
    if len(parts) > MAX_PARTS:
        raise InputError(f"{path}: {len(parts)} parts, expected at most {MAX_PARTS}: not a bundle")
    names = [part.filename for part in parts]
    wrong = next((name for name in names if not NAME.fullmatch(name) or names.count(name) > 1), None)
    if wrong is not None:
        raise InputError(f"{path}: a part is called {wrong!r}, expected each name once, as in slices/0.csv")
    if any(part.flag_bits & 1 or part.compress_type not in HOW for part in parts):
        raise InputError(f"{path}: parts that are encrypted or packed in another way, expected deflate: not a bundle")
    large = [part.filename for part in parts if part.filename.endswith(TEXT) and part.file_size > MAX_TEXT]
    if large or sum(part.file_size for part in parts) > MAX_CONTENT:
        raise InputError(
            f"{path}: unpacked its parts are too large, expected at most {MAX_CONTENT} bytes, and {MAX_TEXT} of each "
            "text: not a bundle"
        )


def unpacked(path: Path, archive: zipfile.ZipFile, part: zipfile.ZipInfo) -> bytes:
    """Return a part; no more is unpacked than its stated size."""
    with archive.open(part) as file:
        content = file.read(part.file_size + 1)
    if len(content) != part.file_size:
        raise InputError(
            f"{path}: {part.filename} is not {part.file_size} bytes long, as its header says: not a bundle"
        )
    return content
