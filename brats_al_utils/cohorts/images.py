"""Read images (PNG, JPEG, TIFF, NIfTI), and say everything that is wrong with them.

An image of two dimensions is a volume of one slice, so what follows knows only volumes.
"""

import io
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError
from PIL.ImageFile import ImageFile
from PIL.TiffImagePlugin import PHOTOMETRIC_INTERPRETATION

from brats_al_utils import InputError
from brats_al_utils.cohorts.checks import grid_problems, too_small, tumour_areas
from brats_al_utils.cohorts.copies import mark_of
from brats_al_utils.cohorts.intensity import percentiles
from brats_al_utils.cohorts.volumes import MAX_VOXELS, Grid, Volume, read_header, read_volume

CHANNELS = ("image", "image2", "image3")
MASK = "mask"
IMAGE_FILES = (*CHANNELS, MASK)
"""Columns of a table that hold paths."""

JPEG = (".jpg", ".jpeg")
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

OTHER_FILES = (
    (b"GIF8", "a GIF", "save it as PNG"),
    (b"BM", "a BMP", "save it as PNG"),
    (b"RIFF", "a WebP", "save it as PNG"),
    (b"DICM", "a DICOM file", "convert its series with dcm2niix"),
    (b"<!DOCTYPE", "a web page", "download the file itself"),
    (b"<html", "a web page", "download the file itself"),
    (b"version https://git-lfs", "a Git LFS pointer", "fetch the file with git lfs pull"),
)
"""How files begin that are often found under a picture's name, what they are, and the mend."""

JPEG_MASK = 127
"""What exceeds it is the mask where it is a JPEG, whose edges are blurred; in other formats all that is not zero is."""

FOREGROUND_SHARE = 0.1
FOREGROUND_PERCENTILES = (2.0, 98.0)
"""Foreground exceeds the 2nd percentile by a tenth of the way to the 98th (Smith 2002, Hum Brain Mapp 17:143)."""

EMPTY = "an empty mask, expected a tumour: leave the cell empty, or skip the patient (--skip-bad)"

AS_THEY_ARE = np.array([[0, 1], [1, 1], [2, 1]])

Array = np.ndarray[Any, Any]

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
        with path.open("rb") as file, Image.open(file, formats=("PNG", "JPEG", "TIFF")) as image:
            width, height = image.size
            if width * height > MAX_VOXELS:
                raise InputError(f"{path}: {width} x {height} pixels, expected at most {MAX_VOXELS}: make it smaller")
            if getattr(image, "n_frames", 1) > 1:
                raise InputError(f"{path}: {image.n_frames} frames, expected one image: write each as a file")  # type: ignore[attr-defined]
            yield image
    except InputError:
        raise
    except Exception as error:  # a damaged file can make its parser stumble over anything
        raise InputError(f"{path}: {what_it_is(path, error)}") from error


def what_it_is(path: Path, error: Exception) -> str:
    """Return what a message says of a file that cannot be read as a picture."""
    first = b""
    with suppress(OSError), path.open("rb") as file:
        first = file.read(132)
    for begins, kind, mend in OTHER_FILES:
        if first.lstrip()[: len(begins)].lower() == begins.lower() or first[128:] == begins:
            return f"{kind}, expected PNG, JPEG or TIFF: {mend}"
    if not first:
        return "an empty file, expected PNG, JPEG or TIFF: copy or export it again"
    why = "unknown kind of file" if isinstance(error, UnidentifiedImageError) else str(error) or type(error).__name__
    return f"cannot be read as PNG, JPEG or TIFF ({why}): copy or export it again"


class WholeJpeg(io.BytesIO):
    """A JPEG file without its end marker, whose reader therefore fails where the image needs more than there is.

    libjpeg fills up what is missing and skips what is too much, with a warning that Pillow drops.
    """

    def __init__(self, content: bytes) -> None:
        end = content.rfind(b"\xff\xd9")
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


def load_jpeg(path: Path, image: ImageFile) -> ImageFile:
    """Return a JPEG with its pixels.

    Raises
    ------
    OSError
        If its data end before the image does, or go on after it; not looked at where it has several scans.
    """
    content = path.read_bytes() if path.stat().st_size <= MAX_JPEG else b""
    if content.count(b"\xff\xda") != 1 or b"\xff\xd9" not in content:
        return image
    file = WholeJpeg(content)
    whole = Image.open(file, formats=("JPEG",))
    whole.load()
    if not file.read_to_its_end:
        raise OSError("its data go on after the image's end, as in a damaged file")
    return whole


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
        if image.mode in IN_COLOURS:
            pixels = colours_of(path, image)
            if colours != COLOURS[0]:
                pixels = grey_of(path, pixels, colours)
        elif image.mode in GREY:
            pixels = black_is_zero(path, image, np.asarray(with_pixels(path, image)))
        else:
            raise InputError(f"{path}: pixels of kind {image.mode}, expected grey levels: save it as a grey PNG")
    pixels = pixels.astype(np.uint8 if pixels.dtype == bool else pixels.dtype.newbyteorder("="))
    if pixels.dtype.kind == "f" and not np.isfinite(pixels).all():
        raise InputError(f"{path}: NaN or infinite pixels, expected finite intensities: replace them with 0")
    planes = pixels.T if pixels.ndim == 3 else pixels.T[None]
    return [Volume(plane[:, :, None], np.eye(4), (1.0, 1.0, 1.0)) for plane in planes]


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


def with_pixels(path: Path, image: ImageFile) -> ImageFile:
    """Return a picture with its pixels, turned as it is to be seen."""
    found = load_jpeg(path, image) if image.format == "JPEG" else image
    ImageOps.exif_transpose(found, in_place=True)
    return found


def colours_of(path: Path, image: ImageFile) -> Array:
    """Return red, green and blue [rows, columns, 3] of a picture, of 8 or of 16 bits.

    Raises
    ------
    InputError
        If it is partly transparent.
    """
    deep = any(";16" in str(tile.args) for tile in image.tile)
    if deep and "LA;16B" in str(image.tile):
        raise InputError(f"{path}: grey of 16 bits with alpha, expected grey levels: save it without alpha")
    other_bytes = swapped(path) if deep else None
    found = with_pixels(path, image)
    pixels = np.asarray(found if found.mode == "RGB" else found.convert("RGBA"))
    if other_bytes is not None:
        pixels = pixels * np.uint16(256) + other_bytes
    opaque = np.iinfo(pixels.dtype).max
    alpha, pixels = pixels[:, :, 3:], pixels[:, :, :3]
    if alpha.min(initial=opaque) < opaque:
        raise InputError(f"{path}: partly transparent (alpha), expected grey levels: save it without alpha")
    return pixels


def swapped(path: Path) -> Array:
    """Return the lower bytes of a picture of 16 bits a colour: Pillow reads the higher, but for another byte order."""
    with picture(path) as image:
        image.tile = [tile._replace(args=swapped_order(tile.args)) for tile in image.tile]
        return np.asarray(with_pixels(path, image))


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
    """Whether red, green and blue [rows, columns, 3] are nearly equal everywhere; of 16 bits a colour, equal."""
    red, green, blue = np.moveaxis(pixels, 2, 0)
    if (red == green).all() and (red == blue).all():
        return True
    spread = np.maximum(np.maximum(red, green), blue) - np.minimum(np.minimum(red, green), blue)
    return bool(pixels.dtype == np.uint8 and spread.max() <= NEARLY_GREY)


def grey_of(path: Path, pixels: Array, colours: str) -> Array:
    """Return the grey levels [rows, columns] of red, green and blue [rows, columns, 3] that are equal or nearly so.

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
    return np.asarray(np.rint(pixels @ LUMINANCE), pixels.dtype)


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


def grid_of(path: Path) -> Grid:
    """Return where the pixels or voxels of an image stand, without reading them."""
    if not is_picture(path):
        return read_header(path)[1]
    with picture(path) as image:
        # The size of a TIFF is that of the turned picture.
        turned = image.format != "TIFF" and image.getexif().get(ExifTags.Base.Orientation, 1) >= 5
        return Grid((*(image.size[::-1] if turned else image.size), 1), np.eye(4), AS_THEY_ARE)


def depth(path: Path) -> int:
    """Return how many slices an image has; 1 of a file whose header cannot be read, which `each_image` tells."""
    if is_picture(path):
        return 1
    with suppress(InputError):
        shape = grid_of(path).lps_shape
        return 1 if 1 in shape else shape[2]
    return 1


def read_mask(path: Path) -> Volume:
    """Read a mask, of whatever colour: 1 where the tumour is, 0 elsewhere."""
    found = read_images(path, COLOURS[0])
    threshold = JPEG_MASK if path.name.casefold().endswith(JPEG) else 0
    inside = np.any([volume.voxels > threshold for volume in found], axis=0)
    return replace(found[0], voxels=inside.astype(np.uint8))


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


def image_problem(voxels: Array) -> str | None:
    """Return what is wrong with the intensities of an image that is `lifted`, or None."""
    brightest = voxels.max()
    if ((voxels > 0) & (voxels < brightest)).any():
        return None
    return "no contrast, expected an image: export it again, or skip the patient (--skip-bad)"


def mask_problem(voxels: Array) -> str | None:
    """Return what is wrong with a mask, or None."""
    if not voxels.any():
        return EMPTY
    share = voxels.mean()
    if share > 0.5 and voxels[[0, 0, -1, -1], [0, -1, 0, -1]].all():
        return f"a mask of {share:.0%} of the image, its corners too, expected a tumour: invert it, or draw it anew"
    return None


def image_files(row: pd.Series) -> dict[str, Path]:
    """Return the paths of a row of a table, by column."""
    return {name: Path(row[name]) for name in IMAGE_FILES if row[name]}


def each_image(row: pd.Series, read: ReadFile, problems: list[str]) -> Iterator[tuple[str, Volume]]:
    """Read the mask and the channels, `lifted`, of a row one after the other: all checks of its files are made here.

    Parameters
    ----------
    row : pd.Series
        Of `Cohort.cases`. Where its colours are channels, one file gives all of them.
    read : callable
        `Cohort.read`.
    problems : list of str
        Takes everything that is wrong; what is wrong with the sizes stands in it before the first image comes.

    Yields
    ------
    name : str
        ``MASK``, or of ``CHANNELS``.
    volume : Volume
    """
    paths = image_files(row)
    grids: dict[str, Grid] = {}
    for name, path in paths.items() if len({*paths.values()}) > 1 else ():
        with suppress(InputError):  # told below
            grids[name] = grid_of(path)
    problems += grid_problems(paths, grids)
    for name in (MASK, *CHANNELS):
        if name not in paths:
            continue
        path = paths[name]
        try:
            volumes = read(path, name, row.get("colours", ""))
            if name != MASK:
                volumes = [replace(volume, voxels=lifted(volume.voxels)) for volume in volumes]
        except InputError as error:
            problems.append(str(error))
            continue
        if name == MASK:
            found = mask_problem(volumes[0].voxels)
        else:
            found = next(filter(None, (image_problem(volume.voxels) for volume in volumes)), None)
        problems += [f"{path}: {found}"] if found else []
        yield from zip([name] if len(volumes) == 1 else CHANNELS, volumes, strict=True)


def image_faults(rows: pd.DataFrame, read: ReadFile, min_tumour_mm2: float) -> tuple[list[str], list[bytes]]:
    """Return everything that is wrong with the images of a patient, and what each is known by (see `same_pixels`).

    Parameters
    ----------
    rows : pd.DataFrame
        The patient's rows of `Cohort.cases`.
    read : callable
        `Cohort.read`.
    min_tumour_mm2 : float
        Some slice must have no mask or a tumour of this area.
    """
    problems: list[str] = []
    marks: list[bytes] = []
    largest = 0.0
    for _, row in rows.iterrows():
        largest = max(largest, 0.0 if row[MASK] else np.inf)
        for name, volume in each_image(row, read, problems):
            if name == MASK:
                largest = max(largest, float(tumour_areas(volume).max()))
            elif volume.voxels.any():
                marks.append(mark_of(volume.voxels))
    if not problems and largest < min_tumour_mm2:
        problems.append(f"{rows['patient_id'].iloc[0]}: {too_small(largest, min_tumour_mm2)}")
    return problems, marks
