"""Read images (PNG, JPEG, TIFF, NIfTI), and say everything that is wrong with them.

An image of two dimensions is a volume of one slice, so what follows knows only volumes.
"""

import io
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cache, reduce
from pathlib import Path
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

CHANNELS = ("image", "image2", "image3")
MASK = "mask"
IMAGE_FILES = (*CHANNELS, MASK)
"""Columns of a table that hold paths."""

PICTURES = (".png", *JPEG, ".tif", ".tiff")
VOLUMES = (".nii", ".nii.gz")
GREY = {"1", "L", "I", "F", "I;16", "I;16B", "I;16L", "I;16N"}
IN_COLOURS = {"RGB", "RGBA", "LA", "P", "PA"}
"""Pillow's modes of one number a pixel, and those that may be grey levels all the same."""

COLOURS = ("channels", "grey")
"""What a table may say of pictures in colour (column colours): each colour is a channel, or they are made grey."""

NEARLY_GREY = 8
"""Grey levels of 256 by which the colours of a grey picture may differ, as some encoders and copies leave it."""

LUMINANCE = np.array([0.299, 0.587, 0.114])
"""Weights of red, green and blue in grey (ITU-R BT.601), as JPEG has them."""

SPARE_BYTES = 4
"""A JPEG whose image ends so many bytes before its end marker is damaged; zeros do not count, they may be padding."""

MAX_JPEG = 2**26
"""Bytes: whether a longer JPEG is whole is not looked at."""

JPEG_MASK = 127
"""What exceeds it is the mask where it is a JPEG, whose edges are blurred; in other formats all that is not zero is."""

ORIENTATION = 0x112
"""EXIF's number of the mark that turns a picture."""

UPRIGHT, TURNED = np.eye(4), np.diag((-1.0, -1.0, 1.0, 1.0))
"""The affine of a picture, and of one that a mark has turned: its pixels lie elsewhere than in the file."""

FOREGROUND_SHARE = 0.1
FOREGROUND_PERCENTILES = (2.0, 98.0)
"""Foreground exceeds the 2nd percentile by a tenth of the way to the 98th (Smith 2002, Hum Brain Mapp 17:143)."""

INEXACT = 0.05
"""Values of a mask that lie no further from a whole number are labels, which scaling or rounding has changed."""

EMPTY = "an empty mask, expected a tumour: leave the cell empty, or skip the patient (--skip-bad)"

NO_CONTRAST = "no contrast, expected an image: export it again, or skip the patient (--skip-bad)"

AIR, SOFT = -900, 150
"""Hounsfield units: of a CT, air lies below the one, and water and tissue between minus and plus the other."""

HOUNSFIELD = (
    "a CT in Hounsfield units, in which tissues would look alike: save the window that is meant, as 0 to 80 of a brain "
    "(FSL: fslmaths IN -thr 0 -min 80 OUT)"
)

ReadFile = Callable[[Path, str, str], list[Volume]]
"""How a cohort's files are read: see `read_file`."""


def is_picture(path: Path) -> bool:
    """Whether a file has the name of a PNG, JPEG or TIFF."""
    return path.name.casefold().endswith(PICTURES)


def is_volume(path: Path) -> bool:
    """Whether a file has the name of a NIfTI file."""
    return path.name.casefold().endswith(VOLUMES)


@contextmanager
def picture(path: Path) -> Iterator[ImageFile]:
    """Open a picture, whose pixels are not read yet.

    Raises
    ------
    InputError
        If it cannot be read, also later and within the block; if it has several frames; or if it is too large.
    """
    try:
        # Of a file that it has opened itself Pillow maps pixels to memory, and a turned TIFF's in the wrong order.
        with path.open("rb") as file, Image.open(whole(file), formats=("PNG", "JPEG", "TIFF")) as image:
            width, height = image.size
            if width * height > MAX_VOXELS:
                raise InputError(f"{path}: {width} x {height} pixels, expected at most {MAX_VOXELS}: make it smaller")
            # Phones keep a preview behind their picture (MPO), which comes first.
            if getattr(image, "n_frames", 1) > 1 and image.format != "MPO":
                raise InputError(f"{path}: {image.n_frames} frames, expected one image: write each as a file")  # type: ignore[attr-defined]
            yield image
    except InputError:
        raise
    except Exception as error:  # a damaged file can make its parser stumble over anything
        raise InputError(f"{path}: {what_it_is(path, error)}") from error


def what_it_is(path: Path, error: Exception) -> str:
    """Return what a message says of a file that cannot be read as a picture."""
    expected = "PNG, JPEG or TIFF"
    if found := other_kind(path, expected):
        return found
    with suppress(OSError):
        if not path.stat().st_size:
            return f"an empty file, expected {expected}: copy or export it again"
    why = "unknown kind of file" if isinstance(error, UnidentifiedImageError) else str(error) or type(error).__name__
    return f"cannot be read as {expected} ({why}): copy or export it again"


class WholeJpeg(io.BytesIO):
    """A JPEG file without its end marker, whose reader therefore fails where the image needs more than there is.

    libjpeg fills up what is missing and skips what is too much, with a warning that Pillow drops.
    """

    def __init__(self, content: bytes, end: int) -> None:
        super().__init__(content[:end] + bytes(16))  # a decoder looks some bytes ahead
        self.needed = len(content[:end].rstrip(b"\0\xff")) - SPARE_BYTES

    def read(self, size: int | None = -1) -> bytes:
        """Read as any file, but for a stop shortly before the end."""
        room = self.needed - self.tell()
        return super().read(min(size, room) if size and size > 0 and room > 0 else size)

    @property
    def read_to_its_end(self) -> bool:
        """Whether the image needed its last bytes."""
        return self.tell() > self.needed


def whole(file: io.BufferedReader) -> BinaryIO:
    """Return a file, or if it is a JPEG of one scan, its content as one that tells whether the image needed all."""
    if file.peek(2)[:2] != b"\xff\xd8" or os.fstat(file.fileno()).st_size > MAX_JPEG:
        return file
    content = file.read()
    end = content.rfind(b"\xff\xd9")
    if end > 0 and content.count(b"\xff\xda") == 1:
        return WholeJpeg(content, end)
    file.seek(0)
    return file


def read_channels(path: Path, colours: str = "") -> list[Volume]:
    """Read a picture as volumes of one slice [columns, rows, 1], of pixels that count as 1 mm: one, or three colours.

    A camera's or scanner's mark that turns the picture (EXIF) is obeyed, as every viewer does.

    Parameters
    ----------
    colours : {"", "channels", "grey"}
        What is made of red, green and blue, see ``COLOURS``. If empty, a picture is grey, or nearly so.

    Raises
    ------
    InputError
        As `picture`, and if it is in colour and nothing says what to make of it, is partly transparent, or holds NaN
        or infinite pixels.
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
    """Return grey levels as viewers show them, of a TIFF that calls white zero too: Pillow turns 8 bits round, no more.

    Raises
    ------
    InputError
        If it does so with levels that have no largest one.
    """
    if pixels.dtype.itemsize == 1 or getattr(image, "tag_v2", {}).get(PHOTOMETRIC_INTERPRETATION) != 0:
        return pixels
    if pixels.dtype.kind != "u":
        raise InputError(f"{path}: its zero is white, expected black: save it with black as zero")
    return np.asarray(np.iinfo(pixels.dtype).max - pixels)


def with_pixels(image: ImageFile) -> ImageFile:
    """Return a picture with its pixels, turned as it is to be seen.

    Raises
    ------
    OSError
        If the data of a JPEG end before the image does, or go on after it; see `whole`.
    """
    source = image.fp
    image.load()
    if isinstance(source, WholeJpeg) and not source.read_to_its_end:
        raise OSError("its data go on after the image's end, as in a damaged file")
    if image.format != "TIFF":  # Pillow turns these by itself
        ImageOps.exif_transpose(image, in_place=True)
    return image


def colours_of(path: Path, image: ImageFile) -> Array:
    """Return red, green and blue [3, rows, columns] of a picture, of 8 or of 16 bits.

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
    """Return the bytes of a picture in colour [3 or, with alpha, 4, rows, columns]: Pillow parts them fastest."""
    found = with_pixels(image)
    coloured = found if found.mode == "RGB" else found.convert("RGBA")
    planes = [coloured.tobytes("raw", band) for band in coloured.getbands()]
    return np.frombuffer(b"".join(planes), np.uint8).reshape(-1, image.height, image.width)


def swapped(path: Path) -> Array:
    """Return the lower bytes of a picture of 16 bits a colour: Pillow reads the higher, but for another byte order."""
    with picture(path) as image:
        image.tile = [tile._replace(args=swapped_order(tile.args)) for tile in image.tile]
        return bands_of(image)


def swapped_order(kind: Any) -> Any:
    """Return how Pillow is told of 16 bits, alone or first of several words, with the other byte order."""
    if not isinstance(kind, str):
        return swapped_order(kind[0]), *kind[1:]
    little = kind.endswith("L") or (kind.endswith("N") and sys.byteorder == "little")
    return kind[:-1] + ("B" if little else "L")


def in_colour(path: Path) -> bool:
    """Whether a picture is in colour, and more than nearly grey; not if it cannot be read, which `each_image` tells."""
    with suppress(InputError), picture(path) as image:
        return image.mode in IN_COLOURS and not nearly_grey(colours_of(path, image))
    return False


def nearly_grey(pixels: Array) -> bool:
    """Whether red, green and blue [3, rows, columns] are nearly equal everywhere; of 16 bits a colour, equal."""
    red, green, blue = pixels
    if (red == green).all() and (red == blue).all():
        return True
    spread = np.maximum(np.maximum(red, green), blue) - np.minimum(np.minimum(red, green), blue)
    return bool(pixels.dtype == np.uint8 and spread.max() <= NEARLY_GREY)


def grey_of(path: Path, pixels: Array, colours: str) -> Array:
    """Return the grey levels [rows, columns] of red, green and blue [3, rows, columns] that are equal or nearly so.

    Raises
    ------
    InputError
        If they differ and are not to be made grey.
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
    """Read the channels of an image of two or three dimensions; one plane of any direction is in the first two axes.

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
    """Return how many slices an image has; 1 of a file whose header cannot be read, which `each_image` tells."""
    if is_picture(path):
        return 1
    with suppress(InputError):
        shape = read_header(path)[1].lps_shape
        return 1 if 1 in shape else shape[2]
    return 1


def read_mask(path: Path) -> Volume:
    """Read a mask, of whatever colour: 1 where the tumour is, 0 elsewhere.

    Raises
    ------
    InputError
        If it cannot be read, or was resampled so that its edge is none any more.
    """
    found = read_images(path, COLOURS[0])
    if (between := between_labels(found[0].voxels)) is not None:
        raise InputError(
            f"{path}: values between labels ({between:.3g}), expected whole numbers: resample it again with nearest "
            "neighbours, or of probabilities save where they exceed one half"
        )
    threshold = JPEG_MASK if path.name.casefold().endswith(JPEG) else 0
    inside = reduce(np.bitwise_or, (volume.voxels > threshold for volume in found))
    return Volume(inside.view(np.uint8), found[0].affine, found[0].spacing)


def read_file(path: Path, column: str, colours: str) -> list[Volume]:
    """Return the channels of an image, or a mask, which is 1 where the tumour is.

    Parameters
    ----------
    path : Path
    column : str
        Of ``IMAGE_FILES``, where the path stands.
    colours : {"", "channels", "grey"}
        As for `read_channels`.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    return [read_mask(path)] if column == MASK else read_images(path, colours)


@dataclass(frozen=True)
class Lifted:
    """An image whose background is 0 and whose foreground is positive.

    A JPEG or a scan with its skull has noise where nothing is, which would move the mode of all that is not zero.

    Attributes
    ----------
    voxels : np.ndarray [X, Y, Z]
        Of uint8 as they are read, of any other type lifted, as float32.
    levels : np.ndarray [256] of float32 or None
        Of uint8: what each level is lifted to. A picture has a thousand times as many pixels.
    weight : np.ndarray [256] of int or None
        Of uint8: how many voxels have each level.
    spacing : tuple of float
        As of `Volume`.
    """

    voxels: Array
    levels: Array | None = None
    weight: Array | None = None
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)

    @property
    def foreground(self) -> Array:
        """Where it is positive [X, Y, Z]."""
        return np.asarray((self.voxels if self.levels is None else self.levels[self.voxels]) > 0)

    def scaled(self, z: Array) -> Array:
        """Return axial slices [n, rows, columns] of float32, as `intensity.scale_intensity` scales them."""
        part = upright(self.voxels, z)
        if self.levels is None or self.weight is None:
            return scale_intensity(self.voxels, "image", part)
        # torch looks levels up faster than numpy, which would make indices of 8 bytes of them.
        curve = torch.from_numpy(tone_curve(self.levels, self.weight))
        return torch.index_select(curve, 0, torch.from_numpy(part).ravel().int()).numpy().reshape(part.shape)


def tone_curve(levels: Array, weight: Array) -> Array:
    """Return what `scale_intensity` makes of each level of an image, to the bit, from how many pixels have it.

    Parameters
    ----------
    levels : np.ndarray [N] of float32
        Ascending, none negative; 0 is the background, and at least two others occur.
    weight : np.ndarray [N] of int
        How many pixels have each level.

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


def percentiles(values: Array, shares: tuple[float, ...]) -> Array:
    """Return what ``np.percentile(values, shares)`` does, to the bit, for integers of a small range by counting them.

    Parameters
    ----------
    values : np.ndarray [N]
    shares : tuple of float
        In percent.

    Returns
    -------
    np.ndarray of float64, one for each share
    """
    counted = integer_counts(values)
    if counted is None:
        # Between integers numpy takes the difference in their own type, which a wide range overflows.
        return np.asarray(np.percentile(values.astype(np.float64) if values.dtype.kind in "iu" else values, shares))
    return counted_percentiles(*counted, shares)


def counted_percentiles(lowest: int, weight: Array, shares: tuple[float, ...]) -> Array:
    """Return the percentiles of integers, of which the lowest and each one above it occur so often."""
    at_most = np.cumsum(weight)
    position = (at_most[-1] - 1) * (np.asarray(shares) / 100)
    before = np.floor(position)
    left, right = (lowest + np.searchsorted(at_most, place, side="right") for place in (before, before + 1))
    share = position - before
    # As numpy does, from the nearer of the two.
    return np.asarray(np.where(share < 0.5, left + (right - left) * share, right - (right - left) * (1 - share)))


def without_contrast(image: Lifted) -> bool:
    """Whether no voxel lies between the background and the brightest."""
    found = image.voxels if image.levels is None or image.weight is None else image.levels[image.weight > 0]
    return not bool(((found > 0) & (found < found.max())).any())


def between_labels(voxels: Array) -> float | None:
    """Return a value of a mask that no label has, as interpolation and probabilities do, or None; two values may be."""
    if voxels.dtype.kind != "f":
        return None
    inside = voxels[voxels > 0]
    strange = inside[np.abs(inside - np.rint(inside)) > INEXACT]
    return float(strange[0]) if strange.size and inside.min() < inside.max() else None


def is_turned(image: ImageFile) -> bool:
    """Whether a picture, not read yet, has a mark that turns it (EXIF)."""
    if image.format == "PNG" and "exif" not in image.info:  # it would be read to its end
        return False
    return bool(image.getexif().get(ORIENTATION, 1) != 1)


def turned_problem(paths: Mapping[str, Path], read: Mapping[str, list[Volume]]) -> list[str]:
    """Return a problem if a mark turns a picture or its mask, and not both: programs differ in whether they obey.

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
        f"{paths[CHANNELS[0]]}: a mark (EXIF) turns it or its mask {paths[MASK]}, not both, so that the mask may lie "
        "elsewhere: save both upright without marks (mogrify -auto-orient of ImageMagick), and see that the mask lies "
        "on the tumour"
    ]


def mask_problem(voxels: Array) -> str | None:
    """Return what is wrong with a mask, or None."""
    share = np.count_nonzero(voxels) / voxels.size
    if not share:
        return EMPTY
    if share > 0.5 and voxels[[0, 0, -1, -1], [0, -1, 0, -1]].all():
        return f"a mask of {share:.0%} of the image, its corners too, expected a tumour: invert it, or draw it anew"
    return None


def in_hounsfield(voxels: Array) -> bool:
    """Whether an image is a CT as scanners give it: its air, or what pads it, would leave tissues without contrast."""
    if voxels.dtype.kind == "u" or voxels.min() > AIR:
        return False
    air, soft = (np.count_nonzero(inside) / voxels.size for inside in (voxels < AIR, np.abs(voxels) < SOFT))
    return bool(air > 0.01 and soft > 0.05)


def lifted(voxels: Array) -> Lifted:
    """Lift an image [X, Y, Z]."""
    ordered = voxels.ravel(order="K")
    weight = level_counts(ordered) if voxels.dtype == np.uint8 else None
    shares = FOREGROUND_PERCENTILES
    low, high = percentiles(ordered, shares) if weight is None else counted_percentiles(0, weight, shares)
    levels = voxels if weight is None else np.arange(256, dtype=np.uint8)
    inside = levels > low + FOREGROUND_SHARE * (high - low)
    raised = np.where(inside, levels.astype(np.float32) - np.float32(low), np.float32(0))
    return Lifted(raised) if weight is None else Lifted(voxels, raised, weight)


@cache
def flat(shape: tuple[int, ...]) -> Grid:
    """Return where the pixels of a picture stand."""
    return Grid(shape, np.eye(4), np.array([[0, 1], [1, 1], [2, 1]]))


def each_image(row: Mapping[Any, Any], read: ReadFile, problems: list[str]) -> Iterator[Volume | Lifted]:
    """Read the mask and the channels of a row one after the other: all checks of its files are made here.

    Parameters
    ----------
    row : mapping of str to object
        Of `Cohort.cases`. Where its colours are channels, one file gives all of them.
    read : callable
        Reads a file; see `read_file`.
    problems : list of str
        Takes everything that is wrong; what is wrong with the sizes stands in it before the first image comes.

    Yields
    ------
    Volume or Lifted
        The mask, or a channel.
    """
    paths = {name: Path(row[name]) for name in IMAGE_FILES if row[name]}
    small: dict[str, list[Volume]] = {}
    grids: dict[str, Grid] = {}
    for name, path in paths.items():
        with suppress(InputError):  # told below
            if is_volume(path):
                grids[name] = read_header(path)[1]
            else:  # of few pixels: read once for their number and for themselves
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
                found += f" (of a JPEG what exceeds {JPEG_MASK}: save a mask of other values as PNG)"
            problems += [f"{path}: {found}"] if found else []
            yield from volumes
            continue
        problems += [f"{path}: {HOUNSFIELD}" for volume in volumes if in_hounsfield(volume.voxels)]
        channels = [replace(lifted(volume.voxels), spacing=volume.spacing) for volume in volumes]
        problems += [f"{path}: {NO_CONTRAST}"] if any(map(without_contrast, channels)) else []
        yield from channels


def image_faults(read: ReadFile, rows: pd.DataFrame, min_tumour_mm2: float) -> tuple[list[str], list[bytes]]:
    """Return everything that is wrong with the images of a patient, and what each is known by (see `same_pixels`).

    Parameters
    ----------
    read : callable
        Reads a file; see `read_file`.
    rows : pd.DataFrame
        The patient's rows of `Cohort.cases`.
    min_tumour_mm2 : float
        Some slice must have no mask or a tumour of this area.
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
