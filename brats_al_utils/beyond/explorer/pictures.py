"""Slices as pictures on a page, with the tumour outlined in the colour of its class."""

from io import BytesIO
from typing import Any

import numpy as np
from matplotlib.colors import to_rgb
from PIL import Image, ImageOps
from scipy.ndimage import binary_erosion

from brats_al_utils.beyond.explorer.controls import Plane
from brats_al_utils.cohorts.slices import SliceSet
from brats_al_utils.show.style import CLASS_COLOURS


def channels(slices: SliceSet) -> list[str]:
    """Return the names of a slice set's channels, each once."""
    return list(dict.fromkeys(slices.manifest["channels"]))


def class_colour(slices: SliceSet, slice_id: int) -> tuple[int, int, int]:
    """Return the colour of a slice's class: red, green and blue, 0 to 255."""
    name = slices.table["class_name"].iat[slice_id]
    red, green, blue = (round(255 * part) for part in to_rgb(CLASS_COLOURS[slices.classes.index(name)]))
    return red, green, blue


def plane(slices: SliceSet, slice_id: int, channel: int, outlined: bool) -> Plane:
    """Return one channel of a slice with all its grey levels; parameters as for `slice_png`."""
    pixels = slices.pixels[slice_id, channel]
    tumour = slices.segmentation[slice_id] > 0
    mask = tumour & ~binary_erosion(tumour) if outlined else tumour[:0]
    return Plane(
        (pixels.astype("<u2") * 257).tobytes(),
        mask.astype(np.uint8).tobytes(),
        pixels.shape[1],
        pixels.shape[0],
        0.0,
        255.0,
        255.0,
        class_colour(slices, slice_id),
        f"channel {channel + 1} of slice {slice_id}",
    )


def slice_png(slices: SliceSet, slice_id: int, channel: int, outlined: bool, side: int) -> bytes:
    """Return one channel of a slice as PNG. Only this image and its mask are read from the slice set.

    Parameters
    ----------
    channel : int
        Index of the channel.
    outlined : bool
        Whether to outline the tumour, two pixels wide.
    side : int
        Pixels on the longer side of the picture.
    """

    def enlarged(pixels: Any) -> Image.Image:
        return ImageOps.contain(Image.fromarray(pixels), (side, side), Image.Resampling.BILINEAR)

    picture = enlarged(slices.pixels[slice_id, channel]).convert("RGB")
    if outlined:
        mask = np.asarray(enlarged((slices.segmentation[slice_id] > 0) * np.uint8(255))) > 127
        outline = mask & ~binary_erosion(mask, iterations=2)
        picture.paste(class_colour(slices, slice_id), None, Image.fromarray(outline))
    file = BytesIO()
    picture.save(file, "PNG", compress_level=1)  # quickly rather than small
    return file.getvalue()
