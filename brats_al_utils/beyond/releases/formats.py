"""Image formats that are not read, and how to convert them."""

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
    """Whether a file is DICOM, by its ending, or by its first bytes if it has none or a number."""
    if path.suffix and not path.suffix[1:].isdigit():
        return path.suffix.casefold() in DICOM
    with suppress(OSError, ValueError), path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"
    return False


def other_formats(folder: Path, files: Sequence[Path]) -> list[str]:
    """Return a line on each other format among the files below a folder, with how to convert them."""
    series = Counter(path.parent for path in files if is_dicom(path))
    by_ending: defaultdict[str, list[Path]] = defaultdict(list)
    for path in files:
        by_ending[next(filter(path.name.casefold().endswith, CONVERTED), "")].append(path)
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
        if ending
    ]
    return lines


def what_else(folder: Path) -> str:
    """Return how a folder without a cohort becomes one, if it has a table under another name, or other formats."""
    if misnamed := misnamed_table(folder):
        return f"if {misnamed} is its table of images, save it as {TABLE} (CSV in UTF-8)"
    files: list[Path] = []
    for place in near(folder):
        with suppress(InputError):  # a folder that cannot be opened
            files += [path for path in entries(place) if path.is_file()]
    return "; ".join(other_formats(folder, files))
