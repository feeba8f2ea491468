"""Find files that somebody has named, and those that are the same as another."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from contextlib import suppress
from functools import cache
from hashlib import file_digest, sha256
from pathlib import Path, PurePosixPath
from typing import Any
from unicodedata import category, normalize
from urllib.parse import unquote

import numpy as np


def is_there(path: Path) -> bool:
    """Whether a file is there; a name that no system takes, too long or with a null byte, is of none."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def plain(text: str) -> str:
    """Return a text with composed letters and ordinary spaces, as programs and systems write it in several ways."""
    if text.isascii():
        return text.strip()
    return "".join(" " if category(letter) == "Zs" else letter for letter in normalize("NFC", text)).strip()


def finder(folder: Path, endings: Sequence[str]) -> Callable[[str], str]:
    """Return a function that finds which file below a folder a path means, and returns it as the disk spells it.

    A path may have backslashes, begin with the folder itself, be in other capitals or with other letters of the same
    look (`plain`) or as in an address (``%20``), or miss one of ``endings``. Where it means no file, or one of several,
    it is returned as it is.
    """

    @cache
    def listing(place: Path) -> dict[str, list[str]]:
        names: defaultdict[str, list[str]] = defaultdict(list)
        with suppress(OSError, ValueError):
            for name in sorted(path.name for path in place.iterdir()):
                key = plain(name).casefold()
                ending = next((ending for ending in endings if key.endswith(ending)), "")
                for one in {key, key.removesuffix(ending)}:
                    names[one].append(name)
        return names

    def find(text: str) -> str:
        if is_there(folder / text) and PurePosixPath(text).as_posix() == text and not Path(text).is_absolute():
            return text
        path = PurePosixPath(text if is_there(folder / text) else text.replace("\\", "/"))
        for whole in (folder.absolute(), folder.resolve()) if path.is_absolute() else ():
            path = path.relative_to(whole) if path.is_relative_to(whole) else path
        if path.is_absolute() or ".." in path.parts:
            return text
        place = folder
        for part in path.parts:
            found = listing(place).get(plain(part).casefold(), [])
            place /= found[0] if len(found) == 1 else part
        if is_there(place):
            return place.relative_to(folder).as_posix()
        meant = find(unquote(text)) if unquote(text) != text else text
        return meant if is_there(folder / meant) else text

    return find


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
