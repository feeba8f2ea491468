"""Find files that somebody has named, and those that are the same as another."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from hashlib import file_digest
from pathlib import Path, PurePosixPath
from unicodedata import category, normalize


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
    look (`plain`), or miss one of ``endings``. Where it means no file, or one of several, it is returned as it is.
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
        return place.relative_to(folder).as_posix() if is_there(place) else text

    return find


def alike(places: Sequence[Path]) -> list[list[int]]:
    """Return the numbers of files that are the same as another, by what is in them; those that are missing are none."""
    by_size: defaultdict[int, list[int]] = defaultdict(list)
    for number, place in enumerate(places):
        if is_there(place):
            by_size[place.stat().st_size].append(number)
    by_content: defaultdict[bytes, list[int]] = defaultdict(list)
    for numbers in by_size.values():
        for number in numbers if len(numbers) > 1 else []:  # no other file has as many bytes
            with suppress(OSError), places[number].open("rb") as file:  # told when it is read
                by_content[file_digest(file, "sha256").digest()].append(number)
    return [numbers for numbers in by_content.values() if len(numbers) > 1]
