"""Several parts in one file: a zip archive whose comment is its own SHA-256; written whole, read within bounds."""

import re
import zipfile
import zlib
from collections.abc import Mapping
from hashlib import sha256
from io import BytesIO
from pathlib import Path

from brats_al_utils import InputError
from brats_al_utils.files import write_file

MAX_FILE = 2**25
"""Bytes of a file that is read: 16 times what a published study may have."""

MAX_CONTENT = 2**27
"""Bytes of all its parts, unpacked."""

MAX_TEXT = 2**23
"""Bytes of each part that is text, whose name ends in .json or .csv: what is made of text is many times as large."""

MAX_PARTS = 200

NAME = re.compile(r"[a-z_]+(/[a-z0-9_]+)?(\.json|\.csv)?")
"""How parts may be called; none is ever written under its name."""

DIGEST = 64
"""Letters of a SHA-256."""

HOW = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)

EPOCH = (1980, 1, 1, 0, 0, 0)
"""The time of every part, so that the same content gives the same file."""


def write_parts(path: Path, parts: Mapping[str, bytes]) -> None:
    """Write a file of some parts, in order of their names; it appears whole or not at all."""
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in sorted(parts):
            part = zipfile.ZipInfo(name, EPOCH)
            part.create_system, part.compress_type = 3, zipfile.ZIP_DEFLATED
            archive.writestr(part, parts[name], compresslevel=9)
        archive.comment = bytes(DIGEST)
    content = buffer.getvalue()[:-DIGEST]
    write_file(path, content + sha256(content).hexdigest().encode())


def read_parts(path: Path) -> dict[str, bytes]:
    """Read a file that `write_parts` wrote.

    Nothing is unpacked before the file's SHA-256 is found right and what its parts claim is found within bounds; and
    no more is unpacked than they claim.

    Raises
    ------
    InputError
        If it is no such file, is damaged, or is too large.
    """
    if not path.is_file():
        raise InputError(f"{path}: not found, expected a bundle that `brats-al export` wrote: check its name")
    if path.stat().st_size > MAX_FILE:
        raise InputError(f"{path}: {path.stat().st_size} bytes, expected at most {MAX_FILE}: not a bundle")
    content = path.read_bytes()
    if not content.startswith(b"PK\x03\x04"):
        raise InputError(f"{path}: not a zip archive, expected a bundle that `brats-al export` wrote")
    if sha256(content[:-DIGEST]).hexdigest().encode() != content[-DIGEST:]:
        raise InputError(f"{path}: damaged or changed, its SHA-256 is another: download or export it again")
    try:
        with zipfile.ZipFile(BytesIO(content)) as archive:
            check(path, archive.infolist())
            return {part.filename: unpacked(path, archive, part) for part in archive.infolist()}
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError, OSError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: cannot be unpacked ({error}): download or export it again") from error


def check(path: Path, parts: list[zipfile.ZipInfo]) -> None:
    """Refuse parts that no bundle has, by what they claim of themselves."""
    names = [part.filename for part in parts]
    wrong = next((name for name in names if not NAME.fullmatch(name) or names.count(name) > 1), None)
    if len(parts) > MAX_PARTS:
        raise InputError(f"{path}: {len(parts)} parts, expected at most {MAX_PARTS}: not a bundle")
    if wrong is not None:
        raise InputError(f"{path}: a part is called {wrong!r}, expected each name once, as in slices/0.csv")
    if any(part.flag_bits & 1 or part.compress_type not in HOW for part in parts):
        raise InputError(f"{path}: parts that are encrypted or packed in another way, expected deflate: not a bundle")
    large = [part.filename for part in parts if "." in part.filename and part.file_size > MAX_TEXT]
    if large or sum(part.file_size for part in parts) > MAX_CONTENT:
        raise InputError(
            f"{path}: unpacked its parts are too large, expected at most {MAX_CONTENT} bytes, and {MAX_TEXT} of each "
            "text: not a bundle"
        )


def unpacked(path: Path, archive: zipfile.ZipFile, part: zipfile.ZipInfo) -> bytes:
    """Return a part, of which no more is unpacked than it claims to have."""
    with archive.open(part) as file:
        content = file.read(part.file_size + 1)
    if len(content) != part.file_size:
        raise InputError(f"{path}: {part.filename} has not the {part.file_size} bytes that it claims: not a bundle")
    return content
