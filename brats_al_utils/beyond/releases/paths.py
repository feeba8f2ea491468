"""Find the files that a table names, however their paths are spelt."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path, PurePosixPath
from unicodedata import category, normalize
from urllib.parse import unquote

from brats_al_utils import InputError
from brats_al_utils.cohorts.checks import is_there
from brats_al_utils.cohorts.layout import entries, folders_below


def in_and_below(folder: Path) -> Iterator[tuple[Path, list[Path]]]:
    """Yield a folder and each folder in it, with their entries; those that cannot be opened are skipped."""
    for place in [folder, *folders_below([folder])]:
        with suppress(InputError):
            yield place, entries(place)


def plain(text: str) -> str:
    """Return a text with composed letters (NFC) and ordinary spaces, which systems and programs write differently."""
    if text.isascii():
        return text.strip()
    return "".join(" " if category(letter) == "Zs" else letter for letter in normalize("NFC", text)).strip()


def finder(folder: Path, endings: Sequence[str]) -> Callable[[str], str]:
    """Return a function that finds the file below a folder that a path means, and returns its path on the disk.

    A path may have backslashes, begin with the folder itself, be in other capitals or in other letters of the same
    look (`plain`), be encoded as in an address (``%20``, ``file://``), be in single quotes, be UTF-8 that was read as
    Latin-1 (``KÃ¶ln``), or end without one of ``endings``. A ZIP archive of Windows may have left the folders in the
    file's name, with backslashes. A path that means no file, or several, is returned unchanged.
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
        if is_there(folder / (whole_name := path.as_posix().replace("/", "\\"))):
            return whole_name
        others = [unquote(text).removeprefix("file://"), text.strip("'")]
        for codec in ("cp1252", "latin-1"):
            with suppress(UnicodeError):
                others.append(text.encode(codec).decode("utf-8"))
        return next((meant for other in others if other != text and is_there(folder / (meant := find(other)))), text)

    return find
