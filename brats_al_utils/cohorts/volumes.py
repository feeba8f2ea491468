"""Read the NIfTI files of one case, and say everything that is wrong with them."""

import gzip
import logging
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import nibabel as nib
import numpy as np
from deflate import DeflateError, gzip_decompress
from nibabel.orientations import apply_orientation, axcodes2ornt, inv_ornt_aff, io_orientation, ornt_transform
from nibabel.spatialimages import HeaderDataError
from nibabel.volumeutils import apply_read_scaling

from brats_al_utils import InputError

SEQUENCES = ("t1", "t1ce", "t2", "flair")
SEGMENTATION = "seg"
FILES = (*SEQUENCES, SEGMENTATION)
LABELS = range(5)
"""Values a BraTS segmentation may hold: 0 background, 1 necrotic and non-enhancing core, 2 oedema, 4 enhancing
tumour; 3 is no longer used but stands in some re-releases for 4."""

MAX_VOXELS = 2**25
"""A header that claims more is refused before anything is allocated (BraTS has 240 x 240 x 155, a quarter of it)."""

OFFSETS = range(nib.Nifti1Header.sizeof_hdr, 2**24)
"""Where the voxels may begin, after the header and its extensions (BraTS has 352)."""

SHOWN = 5
"""Strange labels that a message lists: a file that is no segmentation may hold millions."""

SAME_GRID_MM = 0.25
"""Two grids are the same if no corner of one lies further from the other's (a quarter of BraTS's voxel)."""

SILENT = logging.Logger("headers", logging.CRITICAL + 1)
"""Takes what nibabel says of headers that it mends, which would stand between our lines."""

UNREADABLE = (OSError, EOFError, ValueError, OverflowError, zlib.error, HeaderDataError)


@dataclass(frozen=True)
class Volume:
    """One NIfTI file.

    Attributes
    ----------
    voxels : np.ndarray [X, Y, Z]
        In the orientation of BraTS: the indices run to the patient's left, to the back and upwards (LPS).
    affine : np.ndarray [4, 4]
        From the indices of these voxels to millimetres.
    spacing : tuple of float
        Voxel size in mm along X, Y, Z.
    """

    voxels: np.ndarray[Any, Any]
    affine: np.ndarray[Any, Any]
    spacing: tuple[float, float, float]


def open_nifti(path: Path) -> BinaryIO:
    """Open a NIfTI file for reading, inflating it on the way if its name says that it is compressed."""
    return cast(BinaryIO, gzip.open(path)) if path.suffix == ".gz" else path.open("rb")


@contextmanager
def named(path: Path) -> Iterator[None]:
    """Turn whatever a file cannot be read for into an `InputError` that names it."""
    try:
        yield
    except InputError:
        raise
    except UNREADABLE as error:
        raise InputError(
            f"{path}: cannot be read as NIfTI ({error or type(error).__name__}): copy or download the file again"
        ) from error


@dataclass(frozen=True)
class Grid:
    """Where a file's voxels stand, as its header says.

    Attributes
    ----------
    shape : tuple of int
        Of the voxels as they are stored.
    affine : np.ndarray [4, 4]
        From the indices of the voxels as they are stored to millimetres.
    to_lps : np.ndarray [3, 2]
        How to turn them to BraTS's orientation, as nibabel writes it.
    """

    shape: tuple[int, ...]
    affine: np.ndarray[Any, Any]
    to_lps: np.ndarray[Any, Any]

    @property
    def lps_shape(self) -> tuple[int, ...]:
        """Number of voxels along each axis in BraTS's orientation."""
        return tuple(size for _, size in sorted(zip(self.to_lps[:, 0], self.shape, strict=True)))

    @property
    def lps_affine(self) -> np.ndarray[Any, Any]:
        """From indices in BraTS's orientation to millimetres."""
        return np.asarray(self.affine @ inv_ornt_aff(self.to_lps, self.shape))


def read_header(path: Path) -> tuple[nib.Nifti1Header, Grid]:
    """Read a file's header, without its extensions: these may claim to be of any size.

    Raises
    ------
    InputError
        If it cannot be read, is not three-dimensional (further dimensions of one are as good as none), claims more than
        ``MAX_VOXELS``, or has no orientation.
    """
    size = nib.Nifti1Header.sizeof_hdr
    with named(path), np.errstate(all="ignore"):
        with open_nifti(path) as file:
            block = file.read(size)
        if len(block) < size:
            raise EOFError(f"it ends after {len(block)} bytes, within the header")
        header = nib.Nifti1Header(block, check=False)
        header.check_fix(SILENT)
        whole, dtype, offset = header.get_data_shape(), header.get_data_dtype(), header.get_data_offset()
        shape = whole[:3] if set(whole[3:]) <= {1} else whole
        number = dtype.kind in "iuf" and dtype.itemsize <= 8
        too_large = np.prod(shape, dtype=float) > MAX_VOXELS
        if len(shape) != 3 or min(shape) < 1 or too_large or offset not in OFFSETS or not number:
            raise InputError(
                f"{path}: expected a three-dimensional volume of numbers of at most {MAX_VOXELS} voxels, found "
                f"shape {whole} of {dtype} from byte {offset}: put the release's own file in its place"
            )
        affine = header.get_best_affine()
        if not (np.isfinite(affine).all() and np.isfinite(header.get_zooms()).all()):
            raise ValueError("its affine or its voxel sizes are not finite")
        orientation = io_orientation(affine)
        if np.isnan(orientation).any():
            raise ValueError("its affine leaves out an axis")
        return header, Grid(shape, affine, ornt_transform(orientation, axcodes2ornt("LPS")))


def read_content(path: Path, size: int) -> bytes | bytearray:
    """Read a file that is to hold so many bytes when inflated; of one that holds more, no more are inflated.

    Raises
    ------
    EOFError, ValueError
        If it holds fewer or more.
    """
    if path.suffix == ".gz":
        with suppress(DeflateError), path.open("rb") as file:
            # No compression makes more of it than this; what is longer is left to the slower way.
            compressed = file.read(size + size // 1000 + 2**16)
            inflated = gzip_decompress(compressed, size)
            # A stream ends with its length; what follows a whole one would go unnoticed.
            if len(inflated) == size and compressed.endswith(size.to_bytes(4, "little")):
                return inflated
    # Not compressed, of several members, or at fault, and then this tells the fault.
    with open_nifti(path) as file:
        content = file.read(size + 1)
    if len(content) < size:
        raise EOFError(f"it ends after {len(content)} bytes, its header promises {size}")
    if len(content) > size:
        raise ValueError(f"it goes on after the {size} bytes that its header promises")
    return content


def read_volume(path: Path) -> Volume:
    """Read one file.

    Raises
    ------
    InputError
        As `read_header`, and if the file cannot be read to its end, holds less or more than its header promises, or
        holds NaN or infinite voxels.
    """
    header, grid = read_header(path)
    with named(path):
        dtype, offset = header.get_data_dtype(), header.get_data_offset()
        content = read_content(path, offset + int(np.prod(grid.shape)) * dtype.itemsize)
        stored: np.ndarray[Any, Any] = np.ndarray(grid.shape, dtype, content, offset, order="F")
        voxels = apply_read_scaling(stored, *header.get_slope_inter())
    if voxels.dtype.kind == "f" and not np.isfinite(voxels).all():
        bad = int((~np.isfinite(voxels)).sum())
        raise InputError(
            f"{path}: {bad} voxels are NaN or infinite, expected finite intensities: replace them (with 0 outside "
            "the brain) or leave the patient out"
        )
    sizes = np.abs(header.get_zooms()[:3])
    x, y, z = (float(size) for size in sizes[np.argsort(grid.to_lps[:, 0])])
    return Volume(apply_orientation(voxels, grid.to_lps), grid.lps_affine, (x, y, z))


def tumour_areas(tumour: Volume) -> np.ndarray[Any, Any]:
    """Return the tumour area in mm2 of each axial slice [Z] of a segmentation."""
    # Plane by plane: in the order of memory numpy counts many times faster than along axes.
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
    # Every integer from the lowest to the highest label may occur: only then need the values not be listed.
    if voxels.dtype.kind == "f" or voxels.min() < LABELS[0] or voxels.max() > LABELS[-1]:
        strange = np.setdiff1d(voxels, LABELS)
        if strange.size:
            return f"labels {strange[:SHOWN].tolist()} found, expected 0, 1, 2 and 4: is this the segmentation?"
    largest = float(tumour_areas(tumour).max())
    if largest == 0:
        return "the segmentation is empty, expected a tumour: leave the patient out"
    if largest < min_tumour_mm2:
        return (
            f"the largest tumour in a slice has {largest:g} mm2, expected {min_tumour_mm2:g} or more: lower "
            "min_tumour_mm2 or leave the patient out"
        )
    return None


def sequence_problem(sequence: Volume) -> str | None:
    """Return what is wrong with the intensities of a sequence, or None."""

    def two_beside_the_background(voxels: np.ndarray[Any, Any]) -> bool:
        return bool(((voxels > voxels.min()) & (voxels < voxels.max())).any())

    voxels = sequence.voxels
    # A slice through the middle nearly always tells, in a hundredth of the time.
    if two_beside_the_background(voxels[:, :, voxels.shape[2] // 2]) or two_beside_the_background(voxels):
        return None
    return (
        f"no contrast (all voxels are {' or '.join(f'{value:g}' for value in np.unique(voxels))}), expected a brain: "
        "copy the file again or leave the patient out"
    )


def corner_distance(one: Grid, other: Grid) -> float:
    """Return how many mm the corners of two grids of one shape lie apart at most."""
    corners = np.array([(*corner, 1) for corner in np.ndindex(2, 2, 2)]) * (*np.subtract(one.lps_shape, 1), 1)
    return float(np.linalg.norm(corners @ (one.lps_affine - other.lps_affine).T, axis=1).max())


def grid_problems(paths: Mapping[str, Path], grids: Mapping[str, Grid]) -> list[str]:
    """Return a problem for each file of a case whose grid is not that of most of the others, or if that is not square.

    Parameters
    ----------
    paths : mapping of str to Path
    grids : mapping of str to Grid
        Of the files that could be read. Of two grids that as many files have, the one of the first file is taken.
    """

    def alike(one: Grid, other: Grid) -> bool:
        return one.lps_shape == other.lps_shape and corner_distance(one, other) <= SAME_GRID_MM

    groups = [[name for name, grid in grids.items() if alike(grid, first)] for first in grids.values()]
    most = max(groups, key=len, default=[])
    others = " and ".join(most)
    problems = []
    if most and len(set(grids[most[0]].lps_shape[:2])) > 1:
        slices = f"axial slices of {grids[most[0]].lps_shape[:2]} voxels, expected as many rows as columns"
        problems.append(f"{paths[most[0]]}: {slices}: pad all volumes of this patient, or leave the patient out")
    for name in grids:
        grid, expected = grids[name], grids[most[0]]
        if name in most:
            continue
        if grid.lps_shape != expected.lps_shape:
            differs = f"shape {grid.lps_shape}, expected {expected.lps_shape} as in {others}"
        else:
            differs = f"its voxels lie up to {corner_distance(grid, expected):.3g} mm away from those of {others}"
        problems.append(f"{paths[name]}: {differs}; the volumes of a patient share one grid: register them again")
    return problems


def each_volume(
    paths: Mapping[str, Path], names: Sequence[str], problems: list[str], min_tumour_mm2: float = 0.0
) -> Iterator[tuple[str, Volume]]:
    """Read some files of a case one after the other: all checks of a patient's files are made here.

    Parameters
    ----------
    paths : mapping of str to Path
        The files of a case by sequence (``SEQUENCES``) and ``SEGMENTATION``.
    names : sequence of str
        Which of them to read.
    problems : list of str
        Takes everything that is wrong, each naming its file, what was expected and the mend; it stays empty for a good
        case. What is wrong with the grids stands in it before the first volume comes.
    min_tumour_mm2 : float
        Some slice must have a tumour of this area.

    Yields
    ------
    name : str
    volume : Volume
        Each that could be read, after its problems.
    """
    grids: dict[str, Grid] = {}
    for name in FILES:  # the same of all of them whichever are read
        with suppress(InputError):  # told below
            _, grids[name] = read_header(paths[name])
    problems += grid_problems(paths, grids)
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
        del volume  # not kept while the next one is read
