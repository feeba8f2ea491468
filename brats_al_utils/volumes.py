"""Read the NIfTI files of one case, and say everything that is wrong with them."""

import gzip
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.orientations import apply_orientation, axcodes2ornt, io_orientation, ornt_transform
from nibabel.spatialimages import HeaderDataError

from brats_al_utils import InputError

SEQUENCES = ("t1", "t1ce", "t2", "flair")
SEGMENTATION = "seg"
LABELS = range(5)
"""Values a BraTS segmentation may hold: 0 background, 1 necrotic and non-enhancing core, 2 oedema, 4 enhancing
tumour; 3 is no longer used but stands in some re-releases for 4."""

MAX_VOXELS = 512**3
"""A header that claims more is refused before anything is allocated (BraTS has 240 x 240 x 155)."""

UNREADABLE = (OSError, EOFError, ValueError, zlib.error, gzip.BadGzipFile, ImageFileError, HeaderDataError)


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


def read_volume(path: Path) -> Volume:
    """Read one file.

    Raises
    ------
    InputError
        If the file cannot be read to its end, is not three-dimensional, claims more than ``MAX_VOXELS`` or holds
        NaN or infinite voxels.
    """
    try:
        image = nib.Nifti1Image.from_filename(path)
        shape, dtype = image.shape, image.get_data_dtype()
        if len(shape) != 3 or not 0 < np.prod(shape, dtype=float) <= MAX_VOXELS or dtype.kind not in "iuf":
            raise InputError(
                f"{path}: expected a three-dimensional volume of numbers of at most {MAX_VOXELS} voxels, found "
                f"shape {shape} of {dtype}: put the release's own file in its place"
            )
        voxels = np.asanyarray(image.dataobj)
        orientation = io_orientation(image.affine)
    except InputError:
        raise
    except UNREADABLE as error:
        raise InputError(
            f"{path}: cannot be read as NIfTI ({error or type(error).__name__}): copy or download the file again"
        ) from error
    if voxels.dtype.kind == "f" and not np.isfinite(voxels).all():
        count = int((~np.isfinite(voxels)).sum())
        raise InputError(
            f"{path}: {count} voxels are NaN or infinite, expected finite intensities: replace them (with 0 outside "
            "the brain) or leave the patient out"
        )
    to_lps = ornt_transform(orientation, axcodes2ornt("LPS"))
    sizes = np.abs(image.header.get_zooms())
    x, y, z = (float(size) for size in sizes[np.argsort(orientation[:, 0])])
    return Volume(apply_orientation(voxels, to_lps), image.affine, (x, y, z))


def segmentation_problem(path: Path, voxels: np.ndarray[Any, Any]) -> str | None:
    """Return what is wrong with a segmentation's labels, or None."""
    values = np.unique(voxels)
    if set(values.tolist()) - set(LABELS):
        return (
            f"{path}: labels {[value for value in values.tolist() if value not in LABELS]} found, expected "
            "0, 1, 2 and 4: is this the segmentation?"
        )
    if values.max() == 0:
        return f"{path}: the segmentation is empty, expected a tumour: leave the patient out"
    return None


def read_case(paths: Mapping[str, Path], names: Iterable[str]) -> tuple[dict[str, Volume], list[str]]:
    """Read some files of a case and compare them with each other.

    Parameters
    ----------
    paths : mapping of str to Path
        The files of a case by sequence (``SEQUENCES``) and ``SEGMENTATION``.
    names : iterable of str
        Which of them to read.

    Returns
    -------
    volumes : dict of str to Volume
        Those that could be read.
    problems : list of str
        Everything that is wrong, each naming its file, what was expected and the mend; empty for a good case.
    """
    volumes: dict[str, Volume] = {}
    problems: list[str] = []
    for name in names:
        try:
            volumes[name] = read_volume(paths[name])
        except InputError as error:
            problems.append(str(error))
    reference = next(iter(volumes), None)
    for name, volume in volumes.items():
        first = volumes[reference] if reference else volume
        same_grid = "the sequences of a case share one grid: register them again"
        if volume.voxels.shape != first.voxels.shape:
            problems.append(
                f"{paths[name]}: shape {volume.voxels.shape}, expected {first.voxels.shape} as in {reference}; "
                + same_grid
            )
        elif not np.allclose(volume.affine, first.affine, atol=1e-3):
            problems.append(f"{paths[name]}: its affine is not that of {reference}; {same_grid}")
        if name == SEGMENTATION and (problem := segmentation_problem(paths[name], volume.voxels)):
            problems.append(problem)
    return volumes, problems
