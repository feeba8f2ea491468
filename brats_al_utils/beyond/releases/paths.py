"""Find the files that somebody has named, however their paths are written."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path, PurePosixPath
from unicodedata import category, normalize
from urllib.parse import unquote

from brats_al_utils.cohorts.checks import is_there


def plain(text: str) -> str:
    """Return a text with composed letters and ordinary spaces, as programs and systems write it in several ways."""
    if text.isascii():
        return text.strip()
    return "".join(" " if category(letter) == "Zs" else letter for letter in normalize("NFC", text)).strip()


def finder(folder: Path, endings: Sequence[str]) -> Callable[[str], str]:
    """Return a function that finds which file below a folder a path means, and returns it as the disk spells it.

    A path may have backslashes, begin with the folder itself, be in other capitals or with other letters of the same
    look (`plain`), as in an address (``%20``, ``file://``), in single quotes or as UTF-8 that was taken for Latin-1
    (``KÃ¶ln``), or miss one of ``endings``; and where a ZIP archive of Windows was unpacked, the file's name may hold
    the folders, with backslashes. Where it means no file, or one of several, it is returned as it is.
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
