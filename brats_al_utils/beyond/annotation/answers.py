"""The readers' answers: a file with a JSON object on each line, which is on the disk before `append` returns.

Which answer counts (`standing`, `current`):

* Answers are ordered by ``time``, and those of the same time as in the file: importing an old export again changes
  nothing.
* ``UNDO`` takes back the reader's latest answer on that slice that still stands.
* A reader's current answer on a slice is the latest that stands. A slice's is the latest of its readers' current
  answers. A ``SKIP`` counts only if there is no other: a reader who has not looked erases nothing.
* It counts only as long as the image is the one that was answered: see `counting`.
"""

import errno
import json
import os
import time
import warnings
from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import file_digest
from pathlib import Path
from re import fullmatch

import numpy as np
from sklearn.metrics import cohen_kappa_score

from brats_al_utils import InputError
from brats_al_utils.cohorts.layout import printable, shown
from brats_al_utils.files import locked

UNSURE, SKIP, UNDO = "unsure", "skip", "undo"
"""Answers other than a class: the reader is unsure, skips the slice, or takes back the last answer on it."""

LONGEST = {"slice_id": 500, "label": 100, "reader": 100, "time": 40, "image_sha256": 64, "note": 500}
"""Largest number of characters of a value."""

COLUMNS = tuple(LONGEST)
"""The fields of an answer; the last, ``note``, may be missing."""

MAX_LINE = 2**13
"""Largest size of a line in bytes; the longest values need less."""

MAX_BYTES = 2**26
"""Largest size of a file in bytes: more than 200,000 answers."""

WAIT = 10.0
"""Seconds to wait for another process that adds an answer. Then the answer is added without the lock, in one write."""


@dataclass(frozen=True)
class Answer:
    """One answer of one reader.

    Attributes
    ----------
    slice_id : str
        The slice's name in ``query.csv``.
    label : str
        The name of a class, or one of ``UNSURE``, ``SKIP`` and ``UNDO``.
    reader : str
        Who answered.
    time : str
        Time of the answer in ISO 8601 with the offset from UTC: see `now`.
    image_sha256 : str
        Hash of the image file that was shown: see `digest`.
    note : str
        The reader's remark; may be empty.

    Raises
    ------
    InputError
        If a value is invalid.
    """

    slice_id: str
    label: str
    reader: str
    time: str
    image_sha256: str
    note: str = ""

    def __post_init__(self) -> None:
        """Refuse invalid values."""
        for name, longest in LONGEST.items():
            value = getattr(self, name)
            least = name != "note"
            valid = isinstance(value, str) and least <= len(value) <= longest and printable(value)
            if not valid or value != value.strip():
                what = f"expected {least:d} to {longest} characters that can be printed, with no space at the ends"
                raise InputError(f"{name} is {str(value)[:60]!a}, {what}: correct it")
        if not fullmatch("[0-9a-f]{64}", self.image_sha256):
            raise InputError(f"image_sha256 is {self.image_sha256!a}, expected 64 hexadecimal digits in lower case")
        with suppress(ValueError):
            if datetime.fromisoformat(self.time).utcoffset() is not None:
                return
        raise InputError(f"time is {self.time!a}, expected ISO 8601 with a time zone: 2026-01-31T12:00:00+00:00")


def now() -> str:
    """Return the current time in the format of an answer."""
    return datetime.now(UTC).isoformat()


def digest(image: Path) -> str:
    """Return the SHA-256 of an image's file, which is read again only if its size or modification time has changed."""
    state = image.stat()
    return digest_of(image, state.st_mtime_ns, state.st_size)


def digest_now(image: Path) -> str:
    """Return `digest`; empty if the file is gone."""
    try:
        return digest(image)
    except (FileNotFoundError, NotADirectoryError):
        return ""


@lru_cache(maxsize=100_000)
def digest_of(image: Path, _changed: int, _size: int) -> str:
    """Return the SHA-256 of a file; its time and size only tell versions of it apart."""
    with image.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def append(file: Path, *answers: Answer) -> None:
    """Add answers in one write; they are on the disk when this returns.

    Several processes may add to one file. An incomplete last line, as a power cut leaves it, is moved to another file
    with a warning.

    Raises
    ------
    InputError
        If it is not a regular file.
    OSError
        If it cannot be written; the earlier answers are kept.
    """
    given = [{name: value for name, value in asdict(answer).items() if value} for answer in answers]
    lines = "".join(json.dumps(values, ensure_ascii=False) + "\n" for values in given).encode()
    file.parent.mkdir(parents=True, exist_ok=True)
    with locked(file.with_name(f"{file.name}.lock"), WAIT, "adding an answer"):
        new = not check_file(file)
        set_aside(file)
        # One write in append mode: even without the lock, lines do not mix.
        with file.open("ab", buffering=0) as opened:
            written = opened.write(lines)
            os.fsync(opened.fileno())
        if written != len(lines):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(file))
        if new:
            sync_folder(file.parent)


def check_file(file: Path) -> bool:
    """Return whether the file exists.

    Raises
    ------
    InputError
        If it is not a regular file, or too large.
    """
    if not file.exists():
        return False
    if not file.is_file():
        raise InputError(f"{file}: no regular file, expected answers, a line each: name another file")
    if file.stat().st_size > MAX_BYTES:
        raise InputError(f"{file}: {file.stat().st_size} bytes, expected at most {MAX_BYTES} of answers: name another")
    return True


def set_aside(file: Path) -> None:
    """Move an incomplete last line to another file; the caller holds the lock."""
    content = file.read_bytes() if file.exists() else b""
    end = content.rfind(b"\n") + 1
    if end == len(content):
        return
    aside = file.with_name(f"{file.name}.{time.time_ns()}.cut-off")
    aside.write_bytes(content[end:])
    with file.open("r+b") as opened:
        opened.truncate(end)
        os.fsync(opened.fileno())
    warnings.warn(f"{file}: the last line was cut off, as by a power cut; set aside as {aside}", stacklevel=3)


def sync_folder(folder: Path) -> None:
    """Sync a folder to the disk, so that the name of a new file is not lost."""
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def read(file: Path) -> list[Answer]:
    """Return all answers in the order in which they were added; none without a file.

    An incomplete last line is ignored, with a warning: its answer was never confirmed.

    Raises
    ------
    InputError
        Naming the line that is not an answer.
    """
    if not check_file(file):
        return []
    *lines, rest = file.read_bytes().split(b"\n")
    if rest:
        warnings.warn(f"{file}: the last line is cut off, as by a power cut; ignored", stacklevel=2)
    return [parsed(line, f"{file}, line {number}") for number, line in enumerate(lines, 1)]


def parsed(line: bytes, place: str) -> Answer:
    """Return the answer in a line.

    Raises
    ------
    InputError
        If the line is not an answer, naming its place.
    """
    mend = "remove the line, or take the file from a copy"
    if line.startswith((b"<<<<<<<", b"=======", b">>>>>>>")):
        raise InputError(f"{place}: a mark of git's merge conflict: remove the lines of marks, and keep both sides")
    if len(line) > MAX_LINE:
        raise InputError(f"{place}: {len(line)} bytes, expected an answer of at most {MAX_LINE}: {mend}")
    try:
        values = json.loads(line.decode("utf-8-sig"))  # editors may put a byte order mark before the first line
        if not isinstance(values, dict) or {*values, "note"} != {*COLUMNS}:
            raise ValueError("other values than " + ", ".join(COLUMNS))
        return Answer(**values)
    except (ValueError, RecursionError) as error:  # an InputError is a ValueError
        raise InputError(f"{place}: no answer ({shown(str(error))}): {mend}") from error


def standing(answers: Iterable[Answer]) -> list[Answer]:
    """Return the answers that were not taken back, by time; those of the same time in the order of the file."""
    kept: dict[int, Answer] = {}
    own: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    for place, answer in enumerate(sorted(answers, key=moment)):
        earlier = own[answer.reader, answer.slice_id]
        if answer.label != UNDO:
            kept[place] = answer
            earlier.append(place)
        elif earlier:
            del kept[earlier.pop()]
    return list(kept.values())


def moment(answer: Answer) -> datetime:
    """Return when an answer was given."""
    return datetime.fromisoformat(answer.time)


def current(answers: Iterable[Answer], reader: str | None = None) -> dict[str, Answer]:
    """Return the current answer on each slice, as defined at the top of this module.

    Parameters
    ----------
    answers : iterable of Answer
        In the order of the file.
    reader : str, optional
        Only this reader's answers; by default those of all readers.
    """
    every = [answer for answer in standing(answers) if reader in (None, answer.reader)]
    latest = {(answer.slice_id, answer.reader): place for place, answer in enumerate(every)}
    # Skips come first, so that any other answer replaces them; then the latest comes last.
    order = sorted(latest.values(), key=lambda place: (every[place].label != SKIP, place))
    return {every[place].slice_id: every[place] for place in order}


def counting(answers: Iterable[Answer], hashes: Mapping[str, str]) -> list[Answer]:
    """Return the standing answers on the images as they are now.

    Parameters
    ----------
    hashes : mapping of str to str
        The ``image_sha256`` that an answer on each slice must have; answers on other slices do not count.
    """
    return [answer for answer in standing(answers) if hashes.get(answer.slice_id) == answer.image_sha256]


def agreement(answers: Iterable[Answer], first: str, second: str) -> tuple[int, float, float]:
    """Return how far two readers agree on the slices that both have answered; skipped slices are not answered.

    Returns
    -------
    slices : int
        Number of slices that both have answered.
    share : float
        Share of these with the same answer (``UNSURE`` is an answer); NaN without any.
    kappa : float
        Cohen's kappa (Cohen 1960, Educ Psychol Meas 20:37): agreement beyond chance. NaN without any slices, or if
        both readers always gave the same single answer, which chance explains too.
    """
    every = list(answers)
    own, other = (
        {name: answer.label for name, answer in current(every, reader).items() if answer.label != SKIP}
        for reader in (first, second)
    )
    both = sorted(own.keys() & other.keys())
    if not both:
        return 0, np.nan, np.nan
    left, right = (np.array([given[name] for name in both]) for given in (own, other))
    kappa = float(cohen_kappa_score(left, right)) if len({*left, *right}) > 1 else np.nan
    return len(both), float((left == right).mean()), kappa
