"""Find files that somebody has named, and those that are the same as another."""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from contextlib import suppress
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any

import numpy as np


def is_there(path: Path) -> bool:
    """Whether a file is there; a name that no system takes, too long or with a null byte, is of none."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def alike(places: Sequence[Path]) -> list[list[int]]:
    """Return the numbers of files that are the same as another, by what is in them; those that are missing are none."""

    def size(place: Path) -> int:
        return place.stat().st_size

    def middle(place: Path) -> bytes:
        with place.open("rb") as file:
            file.seek(size(place) // 2)
            return file.read(2**12)

    def content(place: Path) -> bytes:
        with place.open("rb") as file:
            return file_digest(file, "sha256").digest()

    groups = [[number for number, place in enumerate(places) if is_there(place)]]
    for known_by in (size, middle, content):  # each reads more, of fewer files
        finer: defaultdict[tuple[int, Hashable], list[int]] = defaultdict(list)
        for which, numbers in enumerate(groups):
            for number in numbers:
                with suppress(OSError):  # told when it is read
                    finer[which, known_by(places[number])].append(number)
        groups = [numbers for numbers in finer.values() if len(numbers) > 1]
    return groups


def marks_of(images: Iterable[np.ndarray[Any, Any]]) -> list[bytes]:
    """Return what images are known by, in whatever file they are: the hashes of their shapes and pixels.

    One whose pixels are all alike shows nothing, and is known by nothing: the ends of many volumes are empty.
    """
    shown = (pixels for pixels in images if pixels.min() < pixels.max())
    return [sha256(repr(pixels.shape).encode() + pixels.tobytes()).digest() for pixels in shown]


def same_pixels(patient: str, marks: Iterable[bytes], seen: dict[bytes, str]) -> list[str]:
    """Return a problem for each patient, of those who came before, with the same image; ``seen`` takes the marks in."""
    others = {seen.setdefault(mark, patient) for mark in marks} - {patient}
    mend = "remove one of them, or in a table give both the same group"
    return [f"{patient}: an image has the same pixels as one of {other}, expected once: {mend}" for other in others]
