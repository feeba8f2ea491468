"""Check a patient's volumes, and find images that occur twice."""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from brats_al_utils import InputError
from brats_al_utils.cohorts.volumes import FILES, SEGMENTATION, Grid, Volume, read_header, read_volume

LABELS = range(5)
"""Valid labels of a BraTS segmentation: 0 background, 1 necrotic and non-enhancing core, 2 oedema, 4 enhancing tumour;
some re-releases write 3 for 4."""

STRANGE_LISTED = 5
"""Number of invalid labels that a message lists: an image in place of a segmentation has millions."""

SAME_GRID_MM = 0.25
"""Two grids are the same if their corners lie at most this far apart (mm): a quarter of a BraTS voxel."""


def tumour_areas(tumour: Volume) -> np.ndarray[Any, Any]:
    """Return the tumour area in mm2 of each axial slice [Z] of a segmentation."""
    # Plane by plane, in memory order: numpy counts many times faster than along axes.
    counts = np.array([np.count_nonzero(plane) for plane in tumour.voxels.T])
    return counts * float(np.prod(tumour.spacing[:2]))


def segmentation_problem(tumour: Volume, min_tumour_mm2: float = 0.0) -> str | None:
    """Return what is wrong with a segmentation, or None.

    Parameters
    ----------
    tumour : Volume
    min_tumour_mm2 : float
        Some slice must have a tumour of this area.
    """
    voxels = tumour.voxels
    # Most files hold integers in the range of the labels: then the values need not be listed.
    if voxels.dtype.kind == "f" or voxels.min() < LABELS[0] or voxels.max() > LABELS[-1]:
        strange = np.setdiff1d(voxels, LABELS)
        if strange.size:
            found = f"labels {strange[:STRANGE_LISTED].tolist()} found, expected 0, 1, 2 and 4"
            if (strange % 1).any():
                return f"{found}: resample it again with nearest neighbours, or round it if it is but inexact"
            return f"{found}: is this the segmentation?"
    largest = float(tumour_areas(tumour).max())
    if largest == 0:
        return "the segmentation is empty, expected a tumour: skip the patient (--skip-bad)"
    return too_small(largest, min_tumour_mm2) if largest < min_tumour_mm2 else None


def too_small(largest: float, min_tumour_mm2: float) -> str:
    """Return the problem of a patient whose largest tumour in a slice is smaller than the minimum."""
    return (
        f"the largest tumour in a slice has {largest:g} mm2, expected {min_tumour_mm2:g} or more: lower "
        "min_tumour_mm2 or skip the patient (--skip-bad)"
    )


def sequence_problem(sequence: Volume) -> str | None:
    """Return what is wrong with the intensities of a sequence, or None."""

    def two_beside_the_background(voxels: np.ndarray[Any, Any]) -> bool:
        return bool(((voxels > voxels.min()) & (voxels < voxels.max())).any())

    voxels = sequence.voxels
    # The middle slice nearly always decides, in a hundredth of the time.
    if two_beside_the_background(voxels[:, :, voxels.shape[2] // 2]) or two_beside_the_background(voxels):
        return None
    return (
        f"no contrast (all voxels are {' or '.join(f'{value:g}' for value in np.unique(voxels))}), expected a brain: "
        "copy the file again or skip the patient (--skip-bad)"
    )


def corner_distance(one: Grid, other: Grid) -> float:
    """Return the largest distance (mm) between corresponding corners of two grids of the same shape."""
    corners = np.array([(*corner, 1) for corner in np.ndindex(2, 2, 2)]) * (*np.subtract(one.lps_shape, 1), 1)
    return float(np.linalg.norm(corners @ (one.lps_affine - other.lps_affine).T, axis=1).max())


def grid_problems(paths: Mapping[str, Path], grids: Mapping[str, Grid]) -> list[str]:
    """Return a problem for each file of a patient whose grid differs from the most common one.

    Parameters
    ----------
    paths : mapping of str to Path
    grids : mapping of str to Grid
        Grids of the readable files. Of two equally common grids, the one that comes first counts as the common one.
    """

    def alike(one: Grid, other: Grid) -> bool:
        return one is other or (one.lps_shape == other.lps_shape and corner_distance(one, other) <= SAME_GRID_MM)

    groups = [[name for name, grid in grids.items() if alike(grid, first)] for first in grids.values()]
    most = max(groups, key=len, default=[])
    others = " and ".join(most)
    problems = []
    for name in grids:
        grid, expected = grids[name], grids[most[0]]
        if name in most:
            continue
        if grid.lps_shape != expected.lps_shape:
            differs = f"shape {grid.lps_shape}, expected {expected.lps_shape} as in {others}"
        else:
            differs = f"its voxels lie up to {corner_distance(grid, expected):.3g} mm away from those of {others}"
        mend = "export it on the grid of the images" if name in (SEGMENTATION, "mask") else "register them again"
        problems.append(f"{paths[name]}: {differs}; the images of a patient share one grid: {mend}")
    return problems


def square_problems(paths: Mapping[str, Path], grids: Mapping[str, Grid]) -> list[str]:
    """Return a problem if the most common axial shape is not square; parameters as `grid_problems`."""
    shapes = [grid.lps_shape[:2] for grid in grids.values()]
    most = max(shapes, key=shapes.count, default=(0, 0))
    if most[0] == most[1]:
        return []
    path = paths[list(grids)[shapes.index(most)]]
    return [
        f"{path}: axial slices of {most} voxels, expected as many rows as columns: pad all volumes of this patient, or "
        "skip the patient (--skip-bad)"
    ]


def each_volume(
    paths: Mapping[str, Path], names: Sequence[str], problems: list[str], min_tumour_mm2: float = 0.0
) -> Iterator[tuple[str, Volume]]:
    """Read some files of a case one by one, and check them: every check of a patient's files is made here.

    Parameters
    ----------
    paths : mapping of str to Path
        The files of a case by sequence (``SEQUENCES``) and ``SEGMENTATION``.
    names : sequence of str
        Which of them to read.
    problems : list of str
        Receives one message for each problem: the file, what was expected, what to do. It stays empty for a good case.
        Problems of the grids are added before the first volume is yielded.
    min_tumour_mm2 : float
        Some slice must have a tumour of this area.

    Yields
    ------
    name : str
    volume : Volume
        Each readable file, after its problems were added.
    """
    grids: dict[str, Grid] = {}
    for name in FILES:  # all of them, whatever ``names`` says
        with suppress(InputError):  # reported below
            _, grids[name] = read_header(paths[name])
    problems += square_problems(paths, grids) + grid_problems(paths, grids)
    for name in names:
        try:
            volume = read_volume(paths[name])
        except InputError as error:
            problems.append(str(error))
            continue
        problem = segmentation_problem(volume, min_tumour_mm2) if name == SEGMENTATION else sequence_problem(volume)
        if problem:
            problems.append(f"{paths[name]}: {problem}")
        yield name, volume
        del volume  # frees its memory before the next one is read


def case_files(case: pd.Series) -> dict[str, Path]:
    """Return the paths of a row of the table of cases, by sequence."""
    return {name: Path(case[name]) for name in FILES}


def case_faults(rows: pd.DataFrame, min_tumour_mm2: float) -> tuple[list[str], list[bytes]]:
    """Return the problems of a patient's volumes, and the hashes of its T1: `Kind.faults` of BraTS."""
    found: list[str] = []
    marks: list[bytes] = []
    for name, volume in each_volume(case_files(rows.iloc[0]), FILES, found, min_tumour_mm2):
        if name == FILES[0]:
            marks += marks_of([volume.voxels])
    return found, marks


def is_there(path: Path) -> bool:
    """Whether a file exists. Invalid names (too long, null byte) count as missing."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def alike(places: Sequence[Path]) -> list[list[int]]:
    """Return groups of files with identical content, as their places in the sequence; missing files are ignored."""

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
    for known_by in (size, middle, content):  # each step reads more of fewer files
        finer: defaultdict[tuple[int, Hashable], list[int]] = defaultdict(list)
        for which, numbers in enumerate(groups):
            for number in numbers:
                with suppress(OSError):  # reported when it is read
                    finer[which, known_by(places[number])].append(number)
        groups = [numbers for numbers in finer.values() if len(numbers) > 1]
    return groups


def marks_of(images: Iterable[np.ndarray[Any, Any]]) -> list[bytes]:
    """Return the hashes of images (shape and pixels), whatever file they come from.

    Images of one value are left out: the first and last slices of many volumes are empty.
    """
    shown = (pixels for pixels in images if pixels.min() < pixels.max())
    return [sha256(repr(pixels.shape).encode() + pixels.tobytes()).digest() for pixels in shown]


def same_pixels(patient: str, marks: Iterable[bytes], seen: dict[bytes, str]) -> list[str]:
    """Return a problem for each earlier patient with the same image, and add the hashes ``marks`` to ``seen``."""
    others = sorted({seen.setdefault(mark, patient) for mark in marks} - {patient})
    mend = "remove one of them, or in a table give both the same group"
    return [f"{patient}: an image has the same pixels as one of {other}, expected once: {mend}" for other in others]
