"""Find files that somebody has named, and those that are the same as another."""

from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from hashlib import file_digest
from pathlib import Path


def is_there(path: Path) -> bool:
    """Whether a file is there; a name that no system takes, too long or with a null byte, is of none."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


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
