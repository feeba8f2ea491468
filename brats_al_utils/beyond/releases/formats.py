"""Formats of images that are not read, and what converts them."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from brats_al_utils import InputError
from brats_al_utils.beyond.releases.faults import CONVERTED
from brats_al_utils.beyond.releases.table import TABLE, misnamed_table
from brats_al_utils.cohorts.layout import entries, near

DICOM = (".dcm", ".dicom", ".ima")


def is_dicom(path: Path) -> bool:
    """Whether a file is DICOM, by its name or, where that has no ending that we know, by its first bytes."""
    if path.suffix.casefold() in DICOM:
        return True
    if path.suffix and not path.suffix[1:].isdigit():
        return False
    with suppress(OSError, ValueError), path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"
    return False


def other_formats(folder: Path, files: Sequence[Path]) -> list[str]:
    """Return lines that say which files below a folder are images of other formats, and what converts them."""
    series = Counter(path.parent for path in files if is_dicom(path))
    by_ending: defaultdict[str, list[Path]] = defaultdict(list)
    for path in files:
        if ending := next(filter(path.name.casefold().endswith, CONVERTED), ""):
            by_ending[ending].append(path)
    lines = []
    if series:
        first, count = next(iter(series.items()))
        others = f" and {len(series) - 1} other folders" if len(series) > 1 else ""
        lines.append(
            f"{series.total()} DICOM files ({count} in {first}{others}) are not read: convert each series, "
            f"dcm2niix -z y -o {folder} {first}"
        )
    lines += [
        f"{len(paths)} {ending} files ({paths[0]}) are not read: {CONVERTED[ending]}"
        for ending, paths in by_ending.items()
    ]
    return lines


def files_in(folder: Path) -> list[Path]:
    """Return the files in a folder, none of one that cannot be opened."""
    with suppress(InputError):
        return [path for path in entries(folder) if path.is_file()]
    return []


def what_else(folder: Path) -> str:
    """Return what lies in a folder without a cohort and what makes it one: a table under another name, or formats."""
    if misnamed := misnamed_table(folder):
        return f"if {misnamed} is its table of images, save it as {TABLE} (CSV in UTF-8)"
    return "; ".join(other_formats(folder, [path for place in near(folder) for path in files_in(place)]))
