"""Read images (PNG, JPEG, TIFF, NIfTI), and check them.

An image of two dimensions is read as a volume of one slice, so later steps only handle volumes.
"""

import io
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache, reduce
from pathlib import Path, PurePath
from typing import Any, BinaryIO

import numpy as np
import pandas as pd
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.ImageFile import ImageFile
from PIL.TiffImagePlugin import PHOTOMETRIC_INTERPRETATION

from brats_al_utils import InputError
from brats_al_utils.arrays import Array
from brats_al_utils.cohorts.checks import grid_problems, marks_of, too_small, tumour_areas
from brats_al_utils.cohorts.intensity import MODES_SHOWN, integer_counts, level_counts, peak, scale_intensity
from brats_al_utils.cohorts.naming import JPEG
from brats_al_utils.cohorts.volumes import MAX_VOXELS, Grid, Volume, other_kind, read_header, read_volume, upright
from brats_al_utils.files import mend_for

CHANNELS = ("image", "image2", "image3")
MASK = "mask"
IMAGE_FILES = (*CHANNELS, MASK)
"""Columns of a table with paths."""

PICTURES = (".png", *JPEG, ".tif", ".tiff")
VOLUMES = (".nii", ".nii.gz")
IMAGES = (*PICTURES, *VOLUMES)
"""Endings of the names of images that are read."""

GREY = {"1", "L", "I", "F", "I;16", "I;16B", "I;16L", "I;16N"}
IN_COLOURS = {"RGB", "RGBA", "LA", "P", "PA"}
"""Pillow's modes with one number for each pixel, and other modes of pictures that may still be grey."""

COLOURS = ("channels", "grey")
"""Values of a table's column colours: each colour of a picture is a channel, or the picture is made grey."""

NEARLY_GREY = 8
"""Largest difference (of 256 levels) between the colours of a grey picture, as some encoders leave it."""

LUMINANCE = np.array([0.299, 0.587, 0.114])
"""Weights of red, green and blue in grey (ITU-R BT.601), as in JPEG."""

SPARE_BYTES = 4
"""A JPEG is damaged if its image ends more bytes before the end marker; zeros may be padding, and do not count."""

MAX_JPEG = 2**26
"""Longer JPEG files (in bytes) are not checked for being whole."""

JPEG_MASK = 127
"""Pixels above it are the mask in a JPEG, whose edges are blurred; in other formats all pixels above zero are."""

ORIENTATION = 0x112
"""EXIF's tag for the orientation of a picture."""

UPRIGHT, TURNED = np.eye(4), np.diag((-1.0, -1.0, 1.0, 1.0))
"""The affine of a picture, and of one that its EXIF orientation turns, so that its pixels lie elsewhere."""

FOREGROUND_SHARE = 0.1
FOREGROUND_PERCENTILES = (2.0, 98.0)
"""Foreground exceeds the 2nd percentile by a tenth of the way to the 98th (Smith 2002, Hum Brain Mapp 17:143)."""

INEXACT = 0.05
"""Values of a mask at most so far from a whole number are labels that scaling or rounding has changed."""

EMPTY = "an empty mask, expected labels above 0: correct it, leave the cell empty, or skip the patient (--skip-bad)"

NO_CONTRAST = "no contrast, expected an image: export it again, or skip the patient (--skip-bad)"

AIR, SOFT = -900, 150
"""Hounsfield units: in a CT, air is below the first, and water and tissue are between minus and plus the second."""

HOUNSFIELD = (
    "a CT in Hounsfield units, in which tissues would look alike: save a window, as 0 to 80 for a brain (FSL: fslmaths "
    "IN -thr 0 -min 80 OUT)"
)

ReadFile = Callable[[Path, str, str], list[Volume]]
"""A function that reads a cohort's files: see `read_file`."""


def is_picture(path: Path) -> bool:
    """Whether a file has the name of a PNG, JPEG or TIFF."""
    return path.name.casefold().endswith(PICTURES)


def is_volume(path: Path) -> bool:
    """Whether a file has the name of a NIfTI file."""
    return path.name.casefold().endswith(VOLUMES)


def is_image(path: PurePath) -> bool:
    """Whether a file has the name of a picture or a NIfTI file."""
    return path.name.casefold().endswith(IMAGES)


@contextmanager
def picture(path: Path) -> Iterator[ImageFile]:
    """Open a picture, whose pixels are not read yet.

    Raises
    ------
    InputError
        If it cannot be read, also within the block; if it has several frames; or if it is too large.
    """
    try:
        # Pillow maps a file that it has opened itself to memory, and then a turned TIFF's pixels are in wrong order.
        with path.open("rb") as file, Image.open(whole(file), formats=("PNG", "JPEG", "TIFF")) as image:
            width, height = image.size
            if width * height > MAX_VOXELS:
                raise InputError(f"{path}: {width} x {height} pixels, expected at most {MAX_VOXELS}: make it smaller")
            # Phones store a preview (MPO) after the picture, which is the first frame.
            if getattr(image, "n_frames", 1) > 1 and image.format != "MPO" and not smaller_copies(image):
                raise InputError(f"{path}: {image.n_frames} frames, expected one image: write each as a file")  # type: ignore[attr-defined]
            yield image
    except InputError:
        raise
    except Exception as error:  # parsers raise all kinds of errors on damaged files
        raise InputError(f"{path}: {what_it_is(path, error)}") from error


REDUCED = 254
"""Tag of a TIFF's frame (NewSubfileType); its first bit is set in a copy at a lower resolution."""


def smaller_copies(image: ImageFile) -> bool:
    """Whether all frames of a TIFF but the first are the picture at a lower resolution, as slide scanners add them."""
    kinds = []
    for frame in range(1, image.n_frames):  # type: ignore[attr-defined]
        image.seek(frame)
        kinds.append(getattr(image, "tag_v2", {}).get(REDUCED, 0) & 1)  # an animated PNG has frames, and no tags
    image.seek(0)
    return all(kinds)


def what_it_is(path: Path, error: Exception) -> str:
    """Return the message on a file that cannot be read as a picture."""
    expected = "PNG, JPEG or TIFF"
    if found := other_kind(path, expected):
        return found
    with suppress(OSError):
        if not path.stat().st_size:
            return f"an empty file, expected {expected}: copy or export it again"
    why = "unknown kind of file" if isinstance(error, UnidentifiedImageError) else str(error) or type(error).__name__
    return f"cannot be read as {expected} ({why}): {mend_for(error, 'copy or export it again')}"


class WholeJpeg(io.BytesIO):
    """A JPEG file without its end marker, so that reading fails if data of the image are missing.

    With the marker, libjpeg fills missing data and skips superfluous ones, with a warning that Pillow drops.
    """

    def __init__(self, content: bytes, end: int) -> None:
        super().__init__(content[:end] + bytes(16))  # a decoder looks some bytes ahead
        self.needed = len(content[:end].rstrip(b"\0\xff")) - SPARE_BYTES

    def read(self, size: int | None = -1) -> bytes:
        """Read as from any file, but stop once shortly before the end."""
        room = self.needed - self.tell()
        return super().read(min(size, room) if size and size > 0 and room > 0 else size)

    @property
    def read_to_its_end(self) -> bool:
        """Whether the image needed its last bytes."""
        return self.tell() > self.needed


def whole(file: io.BufferedReader) -> BinaryIO:
    """Return a file, or for a JPEG with one scan a `WholeJpeg` with its content."""
    if file.peek(2)[:2] != b"\xff\xd8" or os.fstat(file.fileno()).st_size > MAX_JPEG:
        return file
    content = file.read()
    end = content.rfind(b"\xff\xd9")
    if end > 0 and content.count(b"\xff\xda") == 1:
        return WholeJpeg(content, end)
    file.seek(0)
    return file


def read_channels(path: Path, colours: str = "") -> list[Volume]:
    """Read a picture as a volume of one slice [columns, rows, 1], or three (colours); pixels count as 1 mm.

    The orientation that a camera or scanner has recorded (EXIF) is applied, as viewers do.

    Parameters
    ----------
    colours : {"", "channels", "grey"}
        How to read a picture in colour, see ``COLOURS``. If empty, it must be grey, or nearly so.

    Raises
    ------
    InputError
        As `picture`, and if it is in colour and ``colours`` is empty, is partly transparent, or holds NaN or infinite
        pixels.
    """
    with picture(path) as image:
        affine = TURNED if is_turned(image) else UPRIGHT
        if image.mode in IN_COLOURS:
            pixels = colours_of(path, image)
            if colours != COLOURS[0]:
                pixels = grey_of(path, pixels, colours)
        elif image.mode in GREY:
            pixels = black_is_zero(path, image, np.asarray(with_pixels(image)))
        else:
            raise InputError(f"{path}: pixels of kind {image.mode}, expected grey levels: save it as a grey PNG")
    pixels = pixels.astype(np.uint8 if pixels.dtype == bool else pixels.dtype.newbyteorder("="), copy=False)
    if pixels.dtype.kind == "f" and not np.isfinite(pixels).all():
        raise InputError(f"{path}: NaN or infinite pixels, expected finite intensities: replace them with 0")
    planes = pixels if pixels.ndim == 3 else pixels[None]
    return [Volume(plane.T[:, :, None], affine, (1.0, 1.0, 1.0)) for plane in planes]


def black_is_zero(path: Path, image: ImageFile, pixels: Array) -> Array:
    """Return grey levels with black as zero, also for a TIFF whose zero is white: Pillow inverts only 8 bits.

    Raises
    ------
    InputError
        If white is zero and the levels have no largest value.
    """
    if pixels.dtype.itemsize == 1 or getattr(image, "tag_v2", {}).get(PHOTOMETRIC_INTERPRETATION) != 0:
        return pixels
    if pixels.dtype.kind != "u":
        raise InputError(f"{path}: its zero is white, expected black: save it with black as zero")
    return np.asarray(np.iinfo(pixels.dtype).max - pixels)


def with_pixels(image: ImageFile) -> ImageFile:
    """Load a picture's pixels, and turn it by its EXIF orientation.

    Raises
    ------
    OSError
        If the data of a JPEG end before the image does, or continue after it; see `WholeJpeg`.
    """
    source = image.fp
    image.load()
    if isinstance(source, WholeJpeg) and not source.read_to_its_end:
        raise OSError("its data continue after the image's end, as in a damaged file")
    if image.format != "TIFF":  # Pillow itself turns a TIFF
        ImageOps.exif_transpose(image, in_place=True)
    return image


def colours_of(path: Path, image: ImageFile) -> Array:
    """Return red, green and blue [3, rows, columns] of a picture, in 8 or 16 bits.

    Raises
    ------
    InputError
        If it is partly transparent.
    """
    deep = any(";16" in str(tile.args) for tile in image.tile)
    if deep and "LA;16B" in str(image.tile):
        raise InputError(f"{path}: grey of 16 bits with alpha, expected grey levels: save it without alpha")
    other_bytes = swapped(path) if deep else None
    pixels = bands_of(image)
    if other_bytes is not None:
        pixels = pixels * np.uint16(256) + other_bytes
    opaque = np.iinfo(pixels.dtype).max
    if pixels[3:].min(initial=opaque) < opaque:
        raise InputError(f"{path}: partly transparent (alpha), expected grey levels: save it without alpha")
    return pixels[:3]


def bands_of(image: ImageFile) -> Array:
    """Return a picture's colours of 8 bits [3, rows, columns], or [4, ...] with alpha; Pillow splits them fastest."""
    found = with_pixels(image)
    coloured = found if found.mode == "RGB" else found.convert("RGBA")
    planes = [coloured.tobytes("raw", band) for band in coloured.getbands()]
    return np.frombuffer(b"".join(planes), np.uint8).reshape(-1, image.height, image.width)


def swapped(path: Path) -> Array:
    """Return the lower bytes of a picture of 16 bits a colour, by reading it in the other byte order.

    Pillow reads only the higher bytes.
    """
    with picture(path) as image:
        image.tile = [tile._replace(args=swapped_order(tile.args)) for tile in image.tile]
        return bands_of(image)


def swapped_order(kind: Any) -> Any:
    """Return a decoder's arguments with the other byte order; the mode is the first of several, or alone."""
    if not isinstance(kind, str):
        return swapped_order(kind[0]), *kind[1:]
    little = kind.endswith("L") or (kind.endswith("N") and sys.byteorder == "little")
    return kind[:-1] + ("B" if little else "L")


def in_colour(path: Path) -> bool:
    """Whether a picture is in colour (see `nearly_grey`); False if it is unreadable, which `each_image` reports."""
    with suppress(InputError), picture(path) as image:
        return image.mode in IN_COLOURS and not nearly_grey(colours_of(path, image))
    return False


def nearly_grey(pixels: Array) -> bool:
    """Whether red, green and blue [3, rows, columns] differ by ``NEARLY_GREY`` at most; of 16 bits, not at all."""
    red, green, blue = pixels
    if (red == green).all() and (red == blue).all():
        return True
    spread = np.maximum(np.maximum(red, green), blue) - np.minimum(np.minimum(red, green), blue)
    return bool(pixels.dtype == np.uint8 and spread.max() <= NEARLY_GREY)


def grey_of(path: Path, pixels: Array, colours: str) -> Array:
    """Return the grey levels [rows, columns] of red, green and blue [3, rows, columns].

    Raises
    ------
    InputError
        If they are not nearly equal, and ``colours`` is not "grey".
    """
    if colours != COLOURS[1] and not nearly_grey(pixels):
        raise InputError(
            f"{path}: in colour, expected grey levels: say in the table's column colours whether the three colours are "
            f"{COLOURS[0]} (three sequences) or to be made {COLOURS[1]}, or save it as grey"
        )
    return np.asarray(np.rint(np.ascontiguousarray(np.moveaxis(pixels, 0, 2)) @ LUMINANCE), pixels.dtype)


def read_image(path: Path, colours: str = "") -> Volume:
    """Read an image of one channel, or the first of several; see `read_images`."""
    return read_images(path, colours)[0]


def read_images(path: Path, colours: str = "") -> list[Volume]:
    """Read the channels of an image of two or three dimensions; a single plane of any direction becomes axial.

    Parameters
    ----------
    colours : {"", "channels", "grey"}
        As for `read_channels`.
    """
    if is_picture(path):
        return read_channels(path, colours)
    volume = read_volume(path)
    if 1 not in volume.voxels.shape[:2] or volume.voxels.shape[2] == 1:
        return [volume]
    across = volume.voxels.shape.index(1)
    (x, y), voxels = (volume.spacing[1 - across], volume.spacing[2]), volume.voxels
    return [Volume(np.moveaxis(voxels, across, 2)[:, ::-1], volume.affine, (x, y, volume.spacing[across]))]


def depth(path: Path) -> int:
    """Return an image's number of slices; 1 if its header is unreadable, which `each_image` reports."""
    if is_picture(path):
        return 1
    with suppress(InputError):
        shape = read_header(path)[1].lps_shape
        return 1 if 1 in shape else shape[2]
    return 1


def read_mask(path: Path) -> Volume:
    """Read a mask, of any colour: 1 in the tumour, 0 elsewhere.

    Raises
    ------
    InputError
        If it cannot be read, or resampling has left values between labels.
    """
    found = read_images(path, COLOURS[0])
    if (between := between_labels(found[0].voxels)) is not None:
        raise InputError(
            f"{path}: values between labels ({between:.3g}), expected whole numbers: resample it again with nearest "
            "neighbours, or threshold probabilities at one half"
        )
    threshold = JPEG_MASK if path.name.casefold().endswith(JPEG) else 0
    inside = reduce(np.bitwise_or, (volume.voxels > threshold for volume in found))
    return Volume(inside.view(np.uint8), found[0].affine, found[0].spacing)


def read_file(path: Path, column: str, colours: str) -> list[Volume]:
    """Return the channels of an image, or a mask, by the column (of ``IMAGE_FILES``) of its path.

    Raises
    ------
    InputError
        As `read_mask` and `read_images`.
    """
    return [read_mask(path)] if column == MASK else read_images(path, colours)


@dataclass(frozen=True)
class Lifted:
    """An image whose background is 0 and whose foreground is positive.

    A JPEG, or a scan with the skull, has noise in the background, which would move the mode of the nonzero voxels. The
    256 levels of uint8 are handled instead of the pixels, which are a thousand times as many.

    Attributes
    ----------
    voxels : np.ndarray [X, Y, Z]
        The voxels as read if they are uint8, otherwise lifted, as float32.
    levels : np.ndarray [256] of float32 or None
        The lifted value of each level of uint8.
    weight : np.ndarray [256] of int or None
        The number of voxels with each level of uint8.
    spacing : tuple of float
        As of `Volume`.
    """

    voxels: Array
    levels: Array | None = None
    weight: Array | None = None
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)

    @property
    def foreground(self) -> Array:
        """Mask of the foreground [X, Y, Z]."""
        return np.asarray((self.voxels if self.levels is None else self.levels[self.voxels]) > 0)

    def scaled(self, z: Array) -> Array:
        """Return axial slices [n, rows, columns] as float32, scaled by `intensity.scale_intensity`."""
        part = upright(self.voxels, z)
        if self.levels is None or self.weight is None:
            return scale_intensity(self.voxels, "image", part)
        # torch looks levels up faster than numpy, which converts them to indices of 8 bytes.
        curve = torch.from_numpy(tone_curve(self.levels, self.weight))
        return torch.index_select(curve, 0, torch.from_numpy(part).ravel().int()).numpy().reshape(part.shape)


def tone_curve(levels: Array, weight: Array) -> Array:
    """Return the value of each level after `scale_intensity`, to the bit, from the levels' counts.

    Parameters
    ----------
    levels : np.ndarray [N] of float32
        Ascending and not negative; 0 is the background, and at least two others occur.
    weight : np.ndarray [N] of int
        The number of pixels with each level.

    Returns
    -------
    np.ndarray [N] of float32
    """
    inside = (levels > 0) & (weight > 0)
    distance, weight = levels[inside].astype(np.float64), weight[inside]
    at_most = np.cumsum(weight)
    middle = np.searchsorted(at_most, [(at_most[-1] - 1) // 2, at_most[-1] // 2], side="right")
    high = np.float32(MODES_SHOWN["image"] * peak(distance, weight, float(distance[middle].mean())))
    return np.asarray(np.clip(levels / high, 0, 1))


def percentiles(values: Array, shares: tuple[float, ...], counted: tuple[int, Array] | None = None) -> Array:
    """Return ``np.percentile(values, shares)`` to the bit; integers of a small range are counted, which is faster.

    Parameters
    ----------
    values : np.ndarray [N]
    shares : tuple of float
        In percent.
    counted : tuple of int and np.ndarray, optional
        The values counted, as `intensity.integer_counts`, where they are already.

    Returns
    -------
    np.ndarray of float64, one for each share
    """
    counted = counted or integer_counts(values)
    if counted is None:
        # numpy subtracts integers in their own type, which overflows over a wide range.
        return np.asarray(np.percentile(values.astype(np.float64) if values.dtype.kind in "iu" else values, shares))
    lowest, weight = counted
    at_most = np.cumsum(weight)
    position = (at_most[-1] - 1) * (np.asarray(shares) / 100)
    before = np.floor(position)
    left, right = (lowest + np.searchsorted(at_most, place, side="right") for place in (before, before + 1))
    share = position - before
    # As in numpy, from the nearer of the two.
    return np.asarray(np.where(share < 0.5, left + (right - left) * share, right - (right - left) * (1 - share)))


def without_contrast(image: Lifted) -> bool:
    """Whether no voxel lies between the background and the brightest."""
    found = image.voxels if image.levels is None or image.weight is None else image.levels[image.weight > 0]
    return not bool(((found > 0) & (found < found.max())).any())


def between_labels(voxels: Array) -> float | None:
    """Return a value of a mask between labels, as in interpolated masks and probabilities, or None.

    A mask of only two values is valid whatever they are.
    """
    if voxels.dtype.kind != "f":
        return None
    inside = voxels[voxels > 0]
    strange = inside[np.abs(inside - np.rint(inside)) > INEXACT]
    return float(strange[0]) if strange.size and inside.min() < inside.max() else None


def is_turned(image: ImageFile) -> bool:
    """Whether the EXIF orientation turns a picture whose pixels are not read yet."""
    if image.format == "PNG" and "exif" not in image.info:  # getexif would read the whole picture
        return False
    return bool(image.getexif().get(ORIENTATION, 1) != 1)


def turned_problem(paths: Mapping[str, Path], read: Mapping[str, list[Volume]]) -> list[str]:
    """Return a problem if the EXIF orientation turns only a picture or only its mask: some programs ignore it.

    Parameters
    ----------
    paths : mapping of str to Path
    read : mapping of str to list of Volume
        Pictures, by the column of their path.
    """
    image, mask = (read[name][0].affine if name in read else None for name in (CHANNELS[0], MASK))
    if image is None or mask is None or np.array_equal(image, mask):
        return []
    return [
        f"{paths[CHANNELS[0]]}: its EXIF orientation and that of its mask {paths[MASK]} differ, so that the mask may "
        "lie elsewhere: save both upright (ImageMagick: mogrify -auto-orient), and check that the mask is on the tumour"
    ]


def mask_problem(voxels: Array) -> str | None:
    """Return the problem of a mask, or None."""
    share = np.count_nonzero(voxels) / voxels.size
    if not share:
        return EMPTY
    if share > 0.5 and voxels[[0, 0, -1, -1], [0, -1, 0, -1]].all():
        return f"a mask of {share:.0%} of the image, its corners too, expected a tumour: invert it, or draw it anew"
    return None


def in_hounsfield(voxels: Array) -> bool:
    """Whether an image is a CT in Hounsfield units: with its air or padding, tissues would have no contrast."""
    if voxels.dtype.kind == "u" or voxels.min() > AIR:
        return False
    air, soft = (np.count_nonzero(inside) / voxels.size for inside in (voxels < AIR, np.abs(voxels) < SOFT))
    return bool(air > 0.01 and soft > 0.05)


def lifted(voxels: Array, spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)) -> Lifted:
    """Return an image [X, Y, Z] as `Lifted`."""
    ordered = voxels.ravel(order="K")
    weight = level_counts(ordered) if voxels.dtype == np.uint8 else None
    low, high = percentiles(ordered, FOREGROUND_PERCENTILES, None if weight is None else (0, weight))
    levels = voxels if weight is None else np.arange(256, dtype=np.uint8)
    inside = levels > low + FOREGROUND_SHARE * (high - low)
    raised = np.where(inside, levels.astype(np.float32) - np.float32(low), np.float32(0))
    return Lifted(raised, spacing=spacing) if weight is None else Lifted(voxels, raised, weight, spacing)


@cache
def flat(shape: tuple[int, ...]) -> Grid:
    """Return the grid of a picture."""
    return Grid(shape, np.eye(4), np.array([[0, 1], [1, 1], [2, 1]]))


def each_image(row: Mapping[Any, Any], read: ReadFile, problems: list[str]) -> Iterator[Volume | Lifted]:
    """Read the mask and the channels of a row one after the other, and check them: all checks are made here.

    Parameters
    ----------
    row : mapping of str to object
        A row of `Cohort.cases`. If its colours are channels, one file gives all channels.
    read : callable
        Reads a file; see `read_file`.
    problems : list of str
        Receives the problems; those of the sizes before the first image is yielded.

    Yields
    ------
    Volume or Lifted
        The mask, or a channel.
    """
    paths = {name: Path(row[name]) for name in IMAGE_FILES if row[name]}
    small: dict[str, list[Volume]] = {}
    grids: dict[str, Grid] = {}
    for name, path in paths.items():
        with suppress(InputError):  # reported below
            if is_volume(path):
                grids[name] = read_header(path)[1]
            else:  # a picture is small, and is kept until it is used below
                small[name] = read(path, name, row.get("colours", ""))
                grids[name] = flat(small[name][0].voxels.shape)
    problems += (elsewhere := grid_problems(paths, grids))
    problems += turned_problem(paths, small)
    for name, path in sorted(paths.items(), key=lambda each: each[0] != MASK):  # the mask first
        try:
            volumes = small.pop(name, None) or read(path, name, row.get("colours", ""))
        except InputError as error:
            problems.append(str(error))
            continue
        if name == MASK:
            cropped = any(text.startswith(str(path)) for text in elsewhere)
            found = None if cropped else mask_problem(volumes[0].voxels)
            if found and path.name.casefold().endswith(JPEG):
                found += f" (of a JPEG what exceeds {JPEG_MASK} counts: save a mask of other values as PNG)"
            problems += [f"{path}: {found}"] if found else []
            yield from volumes
            continue
        problems += [f"{path}: {HOUNSFIELD}" for volume in volumes if in_hounsfield(volume.voxels)]
        channels = [lifted(volume.voxels, volume.spacing) for volume in volumes]
        problems += [f"{path}: {NO_CONTRAST}"] if any(map(without_contrast, channels)) else []
        yield from channels


def image_faults(read: ReadFile, rows: pd.DataFrame, min_tumour_mm2: float) -> tuple[list[str], list[bytes]]:
    """Return the problems of a patient's images, and the hash of each image: see `cohort.Kind`.

    Parameters
    ----------
    read : callable
        Reads a file; see `read_file`.
    rows : pd.DataFrame
        The patient's rows of `Cohort.cases`.
    min_tumour_mm2 : float
        At least one slice must have a tumour of this area, or no mask.
    """
    problems: list[str] = []
    marks: list[bytes] = []
    largest = 0.0
    for row in rows.to_dict("records"):
        largest = max(largest, 0.0 if row[MASK] else np.inf)
        for image in each_image(row, read, problems):
            if isinstance(image, Volume):
                largest = max(largest, float(tumour_areas(image).max()))
            else:
                marks += marks_of([image.voxels])
    if not problems and largest < min_tumour_mm2:
        problems.append(f"{rows['patient_id'].iloc[0]}: {too_small(largest, min_tumour_mm2)}")
    return problems, marks
