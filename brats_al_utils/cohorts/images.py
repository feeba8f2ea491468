"""Read images (PNG, JPEG, TIFF, NIfTI, the open cohort's MATLAB files), and say everything that is wrong with them.

An image of two dimensions is a volume of one slice, so what follows knows only volumes.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from brats_al_utils import InputError
from brats_al_utils.cohorts.checks import grid_problems, too_small, tumour_areas
from brats_al_utils.cohorts.intensity import percentiles
from brats_al_utils.cohorts.matlab import IMAGE, SUFFIX, TUMOUR, is_matlab, matlab_shape, read_matlab
from brats_al_utils.cohorts.volumes import MAX_VOXELS, Grid, Volume, read_header, read_volume

CHANNELS = ("image", "image2", "image3")
MASK = "mask"
IMAGE_FILES = (*CHANNELS, MASK)
"""Columns of a table that hold paths."""

JPEG = (".jpg", ".jpeg")
PICTURES = (".png", *JPEG, ".tif", ".tiff")
VOLUMES = (".nii", ".nii.gz")
WITHOUT_SIZE = (*PICTURES, SUFFIX)
"""Files that do not say how large a pixel is."""

GREY = {"1", "L", "I", "F", "I;16", "I;16B", "I;16L", "I;16N"}
IN_COLOURS = {"RGB", "RGBA", "LA", "P", "PA"}
"""Pillow's modes of one number a pixel, and those that may be grey levels all the same."""

JPEG_MASK = 127
"""What exceeds it is the mask where it is a JPEG, whose edges are blurred; in other formats all that is not zero is."""

FOREGROUND_SHARE = 0.1
FOREGROUND_PERCENTILES = (2.0, 98.0)
"""Foreground exceeds the 2nd percentile by a tenth of the way to the 98th (Smith 2002, Hum Brain Mapp 17:143)."""

EMPTY = "an empty mask, expected a tumour: leave the cell empty, or skip the patient (--skip-bad)"

AS_THEY_ARE = np.array([[0, 1], [1, 1], [2, 1]])

Array = np.ndarray[Any, Any]


def is_picture(path: Path) -> bool:
    """Whether a file has the name of a PNG, JPEG or TIFF."""
    return path.name.casefold().endswith(PICTURES)


def is_volume(path: Path) -> bool:
    """Whether a file has the name of a NIfTI file."""
    return path.name.casefold().endswith(VOLUMES)


@contextmanager
def picture(path: Path) -> Iterator[Image.Image]:
    """Open a picture, whose pixels are not read yet.

    Raises
    ------
    InputError
        If it cannot be read, also later and within the block; if it has several frames; or if it is too large.
    """
    try:
        with Image.open(path, formats=("PNG", "JPEG", "TIFF")) as image:
            width, height = image.size
            if width * height > MAX_VOXELS:
                raise InputError(f"{path}: {width} x {height} pixels, expected at most {MAX_VOXELS}: make it smaller")
            if getattr(image, "n_frames", 1) > 1:
                raise InputError(f"{path}: {image.n_frames} frames, expected one image: write each as a file")  # type: ignore[attr-defined]
            yield image
    except InputError:
        raise
    except Exception as error:  # a damaged file can make its parser stumble over anything
        raise InputError(
            f"{path}: cannot be read as PNG, JPEG or TIFF ({error or type(error).__name__}): copy or export it again"
        ) from error


def read_picture(path: Path) -> Volume:
    """Read a picture as a volume of one slice [columns, rows, 1] of pixels that count as 1 mm.

    Raises
    ------
    InputError
        As `picture`, and if it is in colour or partly transparent, or holds NaN or infinite pixels.
    """
    with picture(path) as image:
        if image.mode in GREY:
            pixels = np.asarray(image)
        elif image.mode in IN_COLOURS:
            red, green, blue, alpha = np.moveaxis(np.asarray(image.convert("RGBA")), 2, 0)
            if alpha.min() < 255:
                raise InputError(f"{path}: partly transparent (alpha), expected grey levels: save it without alpha")
            if (red != green).any() or (red != blue).any():
                raise InputError(
                    f"{path}: in colour, expected grey levels: save it as grey, or each channel as a file of its own "
                    f"({', '.join(CHANNELS)})"
                )
            pixels = red
        else:
            raise InputError(f"{path}: pixels of kind {image.mode}, expected grey levels: save it as a grey PNG")
        pixels = pixels.astype(np.uint8 if pixels.dtype == bool else pixels.dtype.newbyteorder("="))
    if pixels.dtype.kind == "f" and not np.isfinite(pixels).all():
        raise InputError(f"{path}: NaN or infinite pixels, expected finite intensities: replace them with 0")
    return Volume(pixels.T[:, :, None], np.eye(4), (1.0, 1.0, 1.0))


def read_image(path: Path) -> Volume:
    """Read an image of two or three dimensions; what has one plane of any direction has it in its first two axes."""
    if is_picture(path):
        return read_picture(path)
    if is_matlab(path):
        return read_matlab(path, IMAGE)
    volume = read_volume(path)
    if 1 not in volume.voxels.shape[:2] or volume.voxels.shape[2] == 1:
        return volume
    across = volume.voxels.shape.index(1)
    (x, y), voxels = (volume.spacing[1 - across], volume.spacing[2]), volume.voxels
    return Volume(np.moveaxis(voxels, across, 2)[:, ::-1], volume.affine, (x, y, volume.spacing[across]))


def grid_of(path: Path) -> Grid:
    """Return where the pixels or voxels of an image stand, without reading them."""
    if is_matlab(path):
        return Grid(matlab_shape(path), np.eye(4), AS_THEY_ARE)
    if not is_picture(path):
        return read_header(path)[1]
    with picture(path) as image:
        return Grid((*image.size, 1), np.eye(4), AS_THEY_ARE)


def depth(path: Path) -> int:
    """Return how many slices an image has; 1 of a file whose header cannot be read, which `each_image` tells."""
    if is_picture(path):
        return 1
    with suppress(InputError):
        shape = grid_of(path).lps_shape
        return 1 if 1 in shape else shape[2]
    return 1


def read_mask(path: Path) -> Volume:
    """Read a mask: 1 where the tumour is, 0 elsewhere."""
    found = read_matlab(path, TUMOUR) if is_matlab(path) else read_image(path)
    threshold = JPEG_MASK if path.name.casefold().endswith(JPEG) else 0
    return Volume((found.voxels > threshold).astype(np.uint8), found.affine, found.spacing)


def lifted(voxels: Array) -> Array:
    """Return an image as float32 whose background is 0 and whose foreground is positive.

    A JPEG or a scan with its skull has noise where nothing is, which would move the mode of all that is not zero.
    """
    low, high = percentiles(voxels.ravel(order="K"), FOREGROUND_PERCENTILES)

    def lift(levels: Array) -> Array:
        inside = levels > low + FOREGROUND_SHARE * (high - low)
        return np.where(inside, levels.astype(np.float32) - np.float32(low), np.float32(0))

    if voxels.dtype == np.uint8:  # each level once: a picture has a thousand times as many pixels
        return np.asarray(lift(np.arange(256, dtype=np.uint8))[voxels])
    return lift(voxels)


def image_problem(image: Volume) -> str | None:
    """Return what is wrong with the intensities of an image that is `lifted`, or None."""
    foreground = image.voxels[image.voxels > 0]
    if foreground.size and foreground.min() < foreground.max():
        return None
    return "no contrast, expected an image: export it again, or skip the patient (--skip-bad)"


def image_files(row: pd.Series) -> dict[str, Path]:
    """Return the paths of a row of a table, by column."""
    return {name: Path(row[name]) for name in IMAGE_FILES if row[name]}


def each_image(paths: Mapping[str, Path], problems: list[str]) -> Iterator[tuple[str, Volume]]:
    """Read the mask and the channels, `lifted`, of a row one after the other: all checks of its files are made here.

    Parameters
    ----------
    paths : mapping of str to Path
        By column, see `image_files`.
    problems : list of str
        Takes everything that is wrong; what is wrong with the sizes stands in it before the first image comes.
    """
    grids: dict[str, Grid] = {}
    for name, path in paths.items():
        with suppress(InputError):  # told below
            grids[name] = grid_of(path)
    problems += grid_problems(paths, grids)
    for name in (MASK, *CHANNELS):
        if name not in paths:
            continue
        path = paths[name]
        try:
            volume = read_mask(path) if name == MASK else read_image(path)
            if name != MASK:
                volume = replace(volume, voxels=lifted(volume.voxels))
        except InputError as error:
            problems.append(str(error))
            continue
        empty = None if volume.voxels.any() else EMPTY
        problem = empty if name == MASK else image_problem(volume)
        if problem:
            problems.append(f"{path}: {problem}")
        yield name, volume


def image_faults(rows: pd.DataFrame, min_tumour_mm2: float) -> list[str]:
    """Return everything that is wrong with the images of a patient.

    Parameters
    ----------
    rows : pd.DataFrame
        The patient's rows of `Cohort.cases`.
    min_tumour_mm2 : float
        Some slice must have no mask or a tumour of this area.
    """
    problems: list[str] = []
    largest = 0.0
    for _, row in rows.iterrows():
        paths = image_files(row)
        largest = max(largest, 0.0 if MASK in paths else np.inf)
        for name, volume in each_image(paths, problems):
            if name == MASK:
                largest = max(largest, float(tumour_areas(volume).max()))
    if not problems and largest < min_tumour_mm2:
        problems.append(f"{rows['patient_id'].iloc[0]}: {too_small(largest, min_tumour_mm2)}")
    return problems
