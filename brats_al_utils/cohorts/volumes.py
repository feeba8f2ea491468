"""Read a NIfTI file."""

import gzip
import logging
import zlib
from collections.abc import Iterator
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
from brats_al_utils.files import mend_for

TO_NIFTI = "convert it to NIfTI, for instance with SimpleITK (SimpleITK.WriteImage(SimpleITK.ReadImage(A), 'B.nii.gz'))"
TO_PNG = "save it as PNG"

KINDS = (
    (b"GIF8", "a GIF", TO_PNG),
    (b"BM", "a BMP", TO_PNG),
    (b"RIFF", "a WebP", TO_PNG),
    (b"ftyp", "a HEIC or AVIF picture", TO_PNG),
    (b"NRRD", "an NRRD file", TO_NIFTI),
    (b"DICM", "a DICOM file", "convert its series with dcm2niix"),
    (b"PK\3\4", "a ZIP archive", "unpack it"),
    (b"<!DOCTYPE", "a web page", "download the file itself"),
    (b"<html", "a web page", "download the file itself"),
    (b"/annex/objects/", "a pointer of git-annex", "fetch the file with git annex get"),
    (b"version https://git-lfs", "a Git LFS pointer", "fetch the file with git lfs pull"),
)
"""First bytes of files that cannot be read (HEIC: from byte 4, DICOM: from byte 128), their kind, and what to do."""


def other_kind(path: Path, expected: str) -> str:
    """Return the message on a file of another kind; empty if its kind is unknown.

    Parameters
    ----------
    expected : str
        The kinds that can be read, in words.
    """
    first = b""
    with suppress(OSError), path.open("rb") as file:
        first = file.read(132)
    for begins, kind, mend in KINDS:
        if first.lstrip()[: len(begins)].lower() == begins.lower() or begins in (first[4:8], first[128:]):
            return f"{kind}, expected {expected}: {mend}"
    return ""


SEQUENCES = ("t1", "t1ce", "t2", "flair")
SEGMENTATION = "seg"
FILES = (*SEQUENCES, SEGMENTATION)

MAX_VOXELS = 2**25
"""Largest number of voxels: more are refused before memory is allocated (BraTS: 240 x 240 x 155, a quarter of it)."""

OFFSETS = range(nib.Nifti1Header.sizeof_hdr, 2**24)
"""Valid offsets (bytes) of the voxels, after the header and its extensions (BraTS: 352)."""

SILENT = logging.Logger("headers", logging.CRITICAL + 1)
"""Swallows nibabel's messages on headers that it repairs."""

UNREADABLE = (OSError, EOFError, ValueError, OverflowError, zlib.error, HeaderDataError)


@dataclass(frozen=True)
class Volume:
    """One NIfTI file.

    Attributes
    ----------
    voxels : np.ndarray [X, Y, Z]
        In the orientation of BraTS: the indices run to the patient's left, to the back and upwards (LPS).
    affine : np.ndarray [4, 4]
        Maps the indices of these voxels to millimetres.
    spacing : tuple of float
        Voxel size in mm along X, Y, Z.
    """

    voxels: np.ndarray[Any, Any]
    affine: np.ndarray[Any, Any]
    spacing: tuple[float, float, float]


def is_compressed(path: Path) -> bool:
    """Whether a file is compressed, by its first bytes: its name may be wrong."""
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


def open_nifti(path: Path) -> BinaryIO:
    """Open a NIfTI file for reading; a compressed one is inflated while it is read."""
    return cast(BinaryIO, gzip.open(path)) if is_compressed(path) else path.open("rb")


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turn any error of reading into an `InputError` that names the file."""
    try:
        yield
    except InputError:
        raise
    except UNREADABLE as error:
        mend = mend_for(error, "copy or download the file again")
        what = f"cannot be read as NIfTI ({error or type(error).__name__}): {mend}"
        raise InputError(f"{path}: {other_kind(path, 'NIfTI') or what}") from error


@dataclass(frozen=True)
class Grid:
    """The grid of a file's voxels, from its header.

    Attributes
    ----------
    shape : tuple of int
        Shape of the stored voxels.
    affine : np.ndarray [4, 4]
        Maps the indices of the stored voxels to millimetres.
    to_lps : np.ndarray [3, 2]
        Turns them to BraTS's orientation, in nibabel's notation.
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
        """Maps indices in BraTS's orientation to millimetres."""
        return np.asarray(self.affine @ inv_ornt_aff(self.to_lps, self.shape))


def read_header(path: Path) -> tuple[nib.Nifti1Header, Grid]:
    """Read a file's header without its extensions, which may claim any size.

    Raises
    ------
    InputError
        If it cannot be read, is not three-dimensional (further dimensions of length 1 are ignored), claims more than
        ``MAX_VOXELS`` voxels, or has no orientation.
    """
    size = nib.Nifti1Header.sizeof_hdr
    with readable(path), np.errstate(all="ignore"):
        with open_nifti(path) as file:
            block = file.read(size)
        if len(block) < size:
            raise EOFError(f"it ends after {len(block)} bytes, within the header")
        header = nib.Nifti1Header(block, check=False)
        header.check_fix(SILENT)
        whole, dtype, offset = header.get_data_shape(), header.get_data_dtype(), header.get_data_offset()
        shape = (*whole, 1)[:3] if set(whole[3:]) <= {1} else whole
        number = dtype.kind in "iuf" and dtype.itemsize <= 8
        too_large = np.prod(shape, dtype=float) > MAX_VOXELS
        if len(shape) != 3 or min(shape) < 1 or too_large or offset not in OFFSETS or not number:
            raise InputError(
                f"{path}: expected a three-dimensional volume of numbers of at most {MAX_VOXELS} voxels, found "
                f"shape {whole} of {dtype} from byte {offset}: {mend_of(shape, dtype)}"
            )
        affine = header.get_best_affine()
        affine[:3] *= millimetres(header)
        if not (np.isfinite(affine).all() and np.isfinite(header.get_zooms()).all()):
            raise ValueError("its affine or its voxel sizes are not finite")
        orientation = io_orientation(affine)
        if np.isnan(orientation).any():
            raise ValueError("its affine leaves out an axis")
        return header, Grid(shape, affine, ornt_transform(orientation, axcodes2ornt("LPS")))


def millimetres(header: nib.Nifti1Header) -> float:
    """Return the length of a header's unit in mm; an unnamed or unknown unit counts as a millimetre."""
    return {1: 1000.0, 3: 0.001}.get(int(header["xyzt_units"]) % 8, 1.0)  # metres, microns


def mend_of(shape: tuple[int, ...], dtype: np.dtype[Any]) -> str:
    """Return what to do with a volume of this shape and type that cannot be used."""
    if dtype.fields:
        return "these are colours, most likely of a picture of the series: take the series itself, or leave it out"
    if dtype.kind == "c":
        return "these are complex numbers: save their magnitude"
    if len(shape) > 3:
        return "these are several volumes: save the one that is meant as a file of its own (fslroi)"
    return "download or convert the file again"


def read_content(path: Path, size: int) -> bytes | bytearray:
    """Read a file that must hold exactly ``size`` bytes when inflated; no more are ever inflated.

    Raises
    ------
    EOFError, ValueError
        If it holds fewer or more.
    """
    if is_compressed(path):
        with suppress(DeflateError), path.open("rb") as file:
            # Compressed data are never longer than this; a longer file is read the slower way below.
            compressed = file.read(size + size // 1000 + 2**16)
            inflated = gzip_decompress(compressed, size)
            # A stream ends with its length: this notices anything that follows it.
            if len(inflated) == size and compressed.endswith(size.to_bytes(4, "little")):
                return inflated
    # Not compressed, of several members, or damaged: then this raises the right error.
    with open_nifti(path) as file:
        content = file.read(size + 1)
    if len(content) < size:
        raise EOFError(f"it ends after {len(content)} bytes, its header promises {size}")
    if len(content) > size:
        raise ValueError(f"it is longer than the {size} bytes that its header promises")
    return content


def read_volume(path: Path) -> Volume:
    """Read one file.

    Raises
    ------
    InputError
        As `read_header`; also if the file is damaged, shorter or longer than its header promises, or holds NaN or
        infinite voxels.
    """
    header, grid = read_header(path)
    with readable(path):
        dtype, offset = header.get_data_dtype(), header.get_data_offset()
        content = read_content(path, offset + int(np.prod(grid.shape)) * dtype.itemsize)
        stored: np.ndarray[Any, Any] = np.ndarray(grid.shape, dtype, content, offset, order="F")
        voxels = apply_read_scaling(stored, *header.get_slope_inter())
    if voxels.dtype.kind == "f" and not np.isfinite(voxels).all():
        bad = int((~np.isfinite(voxels)).sum())
        raise InputError(
            f"{path}: {bad} voxels are NaN or infinite, expected finite intensities: replace them (with 0 outside "
            "the brain) or skip the patient (--skip-bad)"
        )
    sizes = np.abs(header["pixdim"][1:4]) * millimetres(header)  # get_zooms gives two for a file of two dimensions
    x, y, z = (float(size) for size in sizes[np.argsort(grid.to_lps[:, 0])])
    return Volume(apply_orientation(voxels, grid.to_lps), grid.lps_affine, (x, y, z))


def upright(voxels: np.ndarray[Any, Any], z: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return axial slices [n, rows, columns] as a radiologist sees them."""
    return np.ascontiguousarray(voxels.T[z])
