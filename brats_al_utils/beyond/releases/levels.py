"""Levels of grey that are counted rather than sorted: percentiles, and what a picture's levels become."""

from typing import Any

import numpy as np

from brats_al_utils.cohorts.intensity import MODES_SHOWN, integer_counts, peak

Array = np.ndarray[Any, Any]


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
