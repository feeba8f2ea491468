"""Scale a volume's brain to 0..1, so that intensities mean the same in every patient."""

from typing import Any

import numpy as np
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter1d

from brats_al_utils import InputError
from brats_al_utils.arrays import Array

MODES_SHOWN = {"t1": 2.0, "t1ce": 3.5, "t2": 5.0, "flair": 5.0, "image": 3.5}
"""Intensity that becomes 1, in multiples of the brain's mode, by sequence; ``image``: unknown sequence of a table."""

BINS_PER_MEDIAN = 200
MEDIANS_COUNTED = 4
"""`mode` smooths a histogram with bins of 1/200 of the brain's median, from 0 to 4 medians."""

BANDWIDTH = 10
"""Standard deviation of the smoothing kernel in bins: 5 % of the median. A wider one merges white with grey matter and
with tumour."""

RINGING = 0.01
"""Up to this share of the brain below the background counts as an artefact (ringing of an interpolation). In a volume
that was shifted as a whole, about half of the brain lies below it."""

SET_ASIDE = 1e-5
"""Share of a shifted volume's voxels that lie below its black point."""

COUNTED_RANGE = 2**16
"""Integers of a smaller range are counted rather than sorted."""


def scale_intensity(voxels: Array, sequence: str, part: Array | None = None) -> Array:
    """Map a volume's brain to 0..1 and its background to 0.

    Parameters
    ----------
    voxels : np.ndarray of any shape
        Brain voxels are those that are not zero; in a derived volume with negative intensities the background is the
        most frequent value instead.
    sequence : str
        One of ``MODES_SHOWN``, which says how many modes of the brain's smoothed histogram become 1. Modes are counted
        from the background, or from the brain's darkest voxels where many are darker than the background: then a
        shifted volume gives about the same image, and a single voxel below zero changes nothing (see ``RINGING`` and
        ``SET_ASIDE``). Percentiles or the standard deviation would leak the class: an enhancing tumour changes them
        for the whole volume, so that the healthy brain alone tells HGG from LGG.
    part : np.ndarray of any shape, optional
        The voxels to scale; all of them by default.

    Returns
    -------
    np.ndarray of float32, shape of ``part``

    Raises
    ------
    InputError
        If the brain is empty or of a single intensity.
    """
    part = voxels if part is None else part
    background: Any = 0
    ordered = voxels.ravel(order="K")  # memory order: by far the fastest
    inside = nonzero(ordered)
    if inside.min(initial=0) < 0:
        values, counts = np.unique(voxels, return_counts=True)
        background = values[counts.argmax()]
        inside = ordered[ordered != background]
    darkest, brightest = (inside.min(), inside.max()) if inside.size else (0, 0)
    if np.float32(darkest) == np.float32(brightest):
        raise InputError("a volume without contrast, expected a brain: skip the patient (--skip-bad)")
    low = black_point(inside, background) if darkest < background else background
    high = low + MODES_SHOWN[sequence] * mode(inside[inside > low] if darkest <= low else inside, low)
    if np.float32(low) == np.float32(high):
        low, high = darkest, brightest
    low, high = np.float32(low), np.float32(high)
    scaled = np.clip((part - low) / (high - low), 0, 1)
    scaled[part == background] = 0
    return np.asarray(scaled, np.float32)


def black_point(inside: Array, background: float) -> float:
    """Return the intensity that becomes 0, of a brain [N] with voxels below the background."""
    if np.count_nonzero(inside < background) <= RINGING * inside.size:
        return background
    place = int(SET_ASIDE * inside.size)
    return float(np.partition(inside, place)[place])


def mode(values: Array, origin: float = 0) -> float:
    """Return the distance of the mode of a brain's smoothed histogram from an origin; in T1, T1ce: white matter's peak.

    Bins and kernel are relative to the median, so a volume that is twice as bright has twice the mode. The order of
    the values does not matter. Of equal maxima the lowest counts; the mode is the middle of its bin.

    Parameters
    ----------
    values : np.ndarray [N]
        All above the origin.
    """
    counted = integer_counts(values)
    if counted is None:
        # numpy's sort is ten times as fast as its median.
        distance, weight = np.sort(values) - np.float64(origin), None
        median = float(distance[[(values.size - 1) // 2, values.size // 2]].mean())
    else:
        lowest, weight = counted
        distance = lowest - np.float64(origin) + np.arange(len(weight))
        median = float(distance[np.searchsorted(np.cumsum(weight), values.size / 2)])
    return peak(distance, weight, median)


def peak(distance: Array, weight: Array | None, median: float) -> float:
    """Return the maximum of the smoothed histogram of distances [N], weighted by how often each occurs (None: once)."""
    width = median / BINS_PER_MEDIAN
    bins = BINS_PER_MEDIAN * MEDIANS_COUNTED
    near = distance < bins * width
    places = (distance[near] / width).astype(np.int64)
    histogram = np.bincount(places, None if weight is None else weight[near], bins).astype(np.float64)
    return (int(gaussian_filter1d(histogram, BANDWIDTH, mode="constant").argmax()) + 0.5) * width


def integer_counts(values: Array) -> tuple[int, Array] | None:
    """Return the lowest value, and how often it and each higher integer occurs; None if their range is too large.

    Parameters
    ----------
    values : np.ndarray [N]
        None is also returned if they are not integers of at most 4 bytes.
    """
    if values.dtype == np.uint8:
        return 0, level_counts(values)
    lowest = values.min()
    counted = values.dtype.kind in "iu" and values.dtype.itemsize <= 4
    if not counted or int(values.max()) - int(lowest) >= COUNTED_RANGE:
        return None
    # torch counts twice as fast as numpy, which first copies to 8 bytes each.
    above = torch.from_numpy(np.subtract(values, lowest, dtype=np.int32))
    return int(lowest), torch.bincount(above).numpy()


def level_counts(values: Array) -> Array:
    """Return how often each of the 256 levels occurs in values [N] of uint8."""
    # Pillow counts bytes in place, fastest in four bands. numpy copies to 8 bytes each, and torch wakes its threads.
    whole = values.size - values.size % 4
    bands = Image.frombuffer("CMYK", (whole // 4, 1), values, "raw", "CMYK", 0, 1).histogram()
    return np.asarray(np.reshape(bands, (4, 256)).sum(0) + np.bincount(values[whole:], minlength=256))


def nonzero(values: Array) -> Array:
    """Return the values [N] that are not zero: first whole words of zeros are dropped, much faster than by a mask."""
    whole = values.size - values.size % np.uint64().itemsize
    words = values[:whole].view(np.uint64)
    some = np.concatenate([words[words != 0].view(values.dtype), values[whole:]])
    return np.asarray(some[some != 0])
