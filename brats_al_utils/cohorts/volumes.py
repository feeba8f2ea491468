"""Read the NIfTI files of one case, and say everything that is wrong with them."""

import gzip
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import nibabel as nib
import numpy as np
from deflate import DeflateError, gzip_decompress
from nibabel.orientations import apply_orientation, axcodes2ornt, io_orientation, ornt_transform
from nibabel.spatialimages import HeaderDataError
from nibabel.volumeutils import apply_read_scaling

from brats_al_utils import InputError

SEQUENCES = ("t1", "t1ce", "t2", "flair")
SEGMENTATION = "seg"
LABELS = range(5)
"""Values a BraTS segmentation may hold: 0 background, 1 necrotic and non-enhancing core, 2 oedema, 4 enhancing
tumour; 3 is no longer used but stands in some re-releases for 4."""

MAX_VOXELS = 2**25
"""A header that claims more is refused before anything is allocated (BraTS has 240 x 240 x 155, a quarter of it)."""

OFFSETS = range(nib.Nifti1Header.sizeof_hdr, 2**24)
"""Where the voxels may begin, after the header and its extensions (BraTS has 352)."""

SHOWN = 5
"""Strange labels that a message lists: a file that is no segmentation may hold millions."""

UNREADABLE = (OSError, EOFError, ValueError, OverflowError, zlib.error, HeaderDataError)


@dataclass(frozen=True)
class Volume:
    """One NIfTI file.

    Attributes
    ----------
    voxels : np.ndarray [X, Y, Z]
        In the orientation of BraTS: the indices run to the patient's left, to the back and upwards (LPS).
    affine : np.ndarray [4, 4]
        From voxels as stored in the file to millimetres.
    spacing : tuple of float
        Voxel size in mm along X, Y, Z.
    """

    voxels: np.ndarray[Any, Any]
    affine: np.ndarray[Any, Any]
    spacing: tuple[float, float, float]


def open_nifti(path: Path) -> BinaryIO:
    """Open a NIfTI file for reading, inflating it on the way if its name says that it is compressed."""
    return cast(BinaryIO, gzip.open(path)) if path.suffix == ".gz" else path.open("rb")


def read_header(path: Path) -> nib.Nifti1Header:
    """Read a file's header, without its extensions: these may claim to be of any size."""
    size = nib.Nifti1Header.sizeof_hdr
    with open_nifti(path) as file:
        block = file.read(size)
    if len(block) < size:
        raise EOFError(f"it ends after {len(block)} bytes, within the header")
    return nib.Nifti1Header(block)


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
        If the file cannot be read to its end, holds less or more than its header promises, is not three-dimensional,
        claims more than ``MAX_VOXELS``, has no orientation, or holds NaN or infinite voxels.
    """
    try:
        header = read_header(path)
        shape, dtype, offset = header.get_data_shape(), header.get_data_dtype(), header.get_data_offset()
        count = np.prod(shape, dtype=float)
        number = dtype.kind in "iuf" and dtype.itemsize <= 8
        if len(shape) != 3 or min(shape) < 1 or count > MAX_VOXELS or offset not in OFFSETS or not number:
            raise InputError(
                f"{path}: expected a three-dimensional volume of numbers of at most {MAX_VOXELS} voxels, found "
                f"shape {shape} of {dtype} from byte {offset}: put the release's own file in its place"
            )
        affine, sizes = header.get_best_affine(), np.abs(header.get_zooms())
        if not (np.isfinite(affine).all() and np.isfinite(sizes).all()):
            raise ValueError("its affine or its voxel sizes are not finite")
        orientation = io_orientation(affine)
        if np.isnan(orientation).any():
            raise ValueError("its affine leaves out an axis")
        to_lps = ornt_transform(orientation, axcodes2ornt("LPS"))
        content = read_content(path, offset + int(count) * dtype.itemsize)
        stored: np.ndarray[Any, Any] = np.ndarray(shape, dtype, content, offset, order="F")
        voxels = apply_read_scaling(stored, *header.get_slope_inter())
    except InputError:
        raise
    except UNREADABLE as error:
        raise InputError(
            f"{path}: cannot be read as NIfTI ({error or type(error).__name__}): copy or download the file again"
        ) from error
    if voxels.dtype.kind == "f" and not np.isfinite(voxels).all():
        bad = int((~np.isfinite(voxels)).sum())
        raise InputError(
            f"{path}: {bad} voxels are NaN or infinite, expected finite intensities: replace them (with 0 outside "
            "the brain) or leave the patient out"
        )
    x, y, z = (float(size) for size in sizes[np.argsort(orientation[:, 0])])
    return Volume(apply_orientation(voxels, to_lps), affine, (x, y, z))


def segmentation_problem(path: Path, voxels: np.ndarray[Any, Any]) -> str | None:
    """Return what is wrong with a segmentation's labels, or None."""
    # Every integer from the lowest to the highest label may occur: only then need the values not be listed.
    if voxels.dtype.kind == "f" or voxels.min() < LABELS[0] or voxels.max() > LABELS[-1]:
        strange = np.setdiff1d(voxels, LABELS)
        if strange.size:
            return f"{path}: labels {strange[:SHOWN].tolist()} found, expected 0, 1, 2 and 4: is this the segmentation?"
    if voxels.max() == 0:
        return f"{path}: the segmentation is empty, expected a tumour: leave the patient out"
    return None


def each_volume(paths: Mapping[str, Path], names: Iterable[str], problems: list[str]) -> Iterator[tuple[str, Volume]]:
    """Read some files of a case one after the other, and compare them with each other.

    Parameters
    ----------
    paths : mapping of str to Path
        The files of a case by sequence (``SEQUENCES``) and ``SEGMENTATION``.
    names : iterable of str
        Which of them to read.
    problems : list of str
        Takes everything that is wrong, each naming its file, what was expected and the mend; it stays empty for a good
        case.

    Yields
    ------
    name : str
    volume : Volume
        Each that could be read, after its problems.
    """
    first: tuple[str, tuple[int, ...], np.ndarray[Any, Any]] | None = None
    for name in names:
        try:
            volume = read_volume(paths[name])
        except InputError as error:
            problems.append(str(error))
            continue
        reference, shape, affine = first = first or (name, volume.voxels.shape, volume.affine)
        same_grid = "the sequences of a case share one grid: register them again"
        if volume.voxels.shape != shape:
            problems.append(
                f"{paths[name]}: shape {volume.voxels.shape}, expected {shape} as in {reference}; {same_grid}"
            )
        elif not np.allclose(volume.affine, affine, atol=1e-3):
            problems.append(f"{paths[name]}: its affine is not that of {reference}; {same_grid}")
        if name == SEGMENTATION and (problem := segmentation_problem(paths[name], volume.voxels)):
            problems.append(problem)
        yield name, volume
        del volume  # not kept while the next one is read
