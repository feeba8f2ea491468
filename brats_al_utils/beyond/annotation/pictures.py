"""A picture as it is sent to a reader: with all the grey levels that its file has, and what they mean."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from brats_al_utils.beyond.releases.images import lifted, read_image
from brats_al_utils.beyond.releases.levels import percentiles

WHITE_PERCENTILE = 99.5
"""Of the foreground: the intensity that is white at first."""

MAX_LEVEL = 65535
"""The last grey level, as which a picture's highest intensity travels."""


@dataclass(frozen=True)
class Scale:
    """What the grey levels of a file mean, the same in all of its planes.

    Attributes
    ----------
    low, high : float
        The intensities of the first and the last grey level.
    white : float
        The intensity that is white at first; black is the lowest.
    aspect : float
        How much wider than high a pixel is.
    """

    low: float
    high: float
    white: float
    aspect: float


def grey_levels(file: Path, z: int) -> tuple[np.ndarray[Any, Any], Scale]:
    """Return a plane of an image as a radiologist sees it.

    Returns
    -------
    levels : np.ndarray [H, W] of uint16, little-endian
        From the file's lowest to its highest intensity.
    scale : Scale

    Raises
    ------
    InputError
        If the image cannot be read.
    """
    state = file.stat()
    voxels, scale = opened(file, state.st_mtime_ns, state.st_size)
    shares = (voxels[:, :, z].T.astype(np.float64) - scale.low) / (scale.high - scale.low)
    return np.rint(shares * MAX_LEVEL).astype("<u2"), scale


@lru_cache(maxsize=4)
def opened(file: Path, _changed: int, _size: int) -> tuple[np.ndarray[Any, Any], Scale]:
    """Return an image's voxels [X, Y, Z]; a volume is read once for all planes, and again when its file has changed."""
    image = read_image(file, "grey")  # a picture in colour as its luminance
    low, high = float(image.voxels.min()), float(image.voxels.max())
    foreground = image.voxels[lifted(image.voxels).foreground]
    white = float(percentiles(foreground, (WHITE_PERCENTILE,))[0]) if foreground.size else high
    x, y, _ = image.spacing
    return image.voxels, Scale(low, max(high, np.nextafter(low, np.inf)), white, x / y)
