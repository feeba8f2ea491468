"""Slices as PNG: scaled up to be looked at, the tumour outlined."""

from io import BytesIO
from typing import Any

import numpy as np
from matplotlib.colors import to_rgb
from PIL import Image

from brats_al_utils.arrays import Array
from brats_al_utils.beyond.explorer.controls import Plane
from brats_al_utils.cohorts.slices import SliceSet
from brats_al_utils.show.style import CLASS_COLOURS


def scaled(pixels: Array, side: int) -> Array:
    """Return an image of uint8 [H, W] with so many pixels on its longer side."""
    height, width = pixels.shape
    size = (round(side * width / max(pixels.shape)), round(side * height / max(pixels.shape)))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR))


def within(mask: Array) -> Array:
    """Return the pixels of a mask, bool [H, W], of which every neighbour above, below and beside is in it too."""
    padded = np.pad(mask, 1)
    return np.asarray(mask & padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:])


def picture(pixels: Array, tumour: Array | None, colour: Any, side: int) -> Array:
    """Return a slice in colours, uint8 [height, width, 3].

    Parameters
    ----------
    pixels : np.ndarray [H, W] of uint8
    tumour : np.ndarray [H, W] of bool, optional
        What is outlined, by the two outermost pixels.
    colour
        Of the outline, as matplotlib takes it.
    side : int
        Pixels on the longer side of the picture.
    """
    shown = np.repeat(scaled(pixels, side)[..., None], 3, axis=-1)
    if tumour is not None:
        mask = scaled(tumour * np.uint8(255), side) > 127
        shown[mask & ~within(within(mask))] = np.round(255 * np.array(to_rgb(colour)))
    return shown


def png(picture: Array) -> bytes:
    """Return a picture as a PNG file, packed quickly rather than well."""
    file = BytesIO()
    Image.fromarray(picture).save(file, "PNG", compress_level=1)
    return file.getvalue()


def channels(slices: SliceSet) -> list[str]:
    """Return the names of a slice set's channels, each once."""
    return list(dict.fromkeys(slices.manifest["channels"]))


def plane(slices: SliceSet, slice_id: int, channel: int, outlined: bool) -> Plane:
    """Return one channel of a slice with all its grey levels; parameters as of `slice_png`."""
    pixels = slices.pixels[slice_id, channel]
    tumour = slices.segmentation[slice_id] > 0
    mask = tumour & ~within(tumour) if outlined else tumour[:0]
    name = slices.table["class_name"].iat[slice_id]
    red, green, blue = (round(255 * part) for part in to_rgb(CLASS_COLOURS[slices.classes.index(name)]))
    return Plane(
        (pixels.astype("<u2") * 257).tobytes(),
        mask.astype(np.uint8).tobytes(),
        pixels.shape[1],
        pixels.shape[0],
        0.0,
        255.0,
        255.0,
        (red, green, blue),
        f"channel {channel + 1} of slice {slice_id}",
    )


def slice_png(slices: SliceSet, slice_id: int, channel: int, outlined: bool, side: int) -> bytes:
    """Return one channel of a slice as PNG; of the slice set, only this image and its mask are read.

    Parameters
    ----------
    channel : int
        Its place among the channels.
    outlined : bool
        Whether the tumour is outlined, in the colour of its class.
    """
    tumour = slices.segmentation[slice_id] > 0 if outlined else None
    colour = CLASS_COLOURS[slices.classes.index(slices.table["class_name"].iat[slice_id])]
    return png(picture(slices.pixels[slice_id, channel], tumour, colour, side))
