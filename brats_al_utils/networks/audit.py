"""The shortcut audit: predictions of slices in which the tumour, or everything but the tumour, is hidden.

Both use the tumour's mask grown by ``GROWN`` pixels, so that every pixel is visible in one of the two images. The
filled region may still show how large the tumour was: an AUC without the tumour comes from little more than that, or
from a shortcut.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn
from torch.nn.functional import avg_pool2d, conv2d, interpolate

from brats_al_utils.arrays import Array
from brats_al_utils.cohorts.slices import SliceSet
from brats_al_utils.networks.training import EVALUATION_BATCH, Images, predict

GROWN = 3
"""Pixels by which a mask is grown in every direction."""


def without_tumour(pixels: Array, mask: Array, mirrored: bool) -> Array:
    """Return slices in which healthy tissue replaces the tumour.

    Parameters
    ----------
    pixels : np.ndarray [n, C, H, W] of uint8
        0 in all channels outside the brain.
    mask : np.ndarray [n, H, W] of bool
        Where the tumour is.
    mirrored : bool
        Whether the tissue is taken from the other side of the brain, mirrored at the middle of the columns that the
        brain of a slice covers. Where the mirrored place is tumour, or at or beyond the brain's edge, the region is
        filled smoothly from its rim; without mirroring, everywhere.

    Returns
    -------
    np.ndarray [n, C, H, W] of uint8
        Unchanged outside the grown mask and outside the brain.
    """
    grown = grow(mask)
    brain: Array = np.any(pixels, axis=1)
    filled = grown & (brain | mask)
    healthy = brain & ~grown
    hidden = pixels.copy()
    if mirrored:
        n, rows, columns = np.nonzero(filled)
        opposite = first_and_last(brain)[n] - columns
        inside = (opposite >= 0) & (opposite < pixels.shape[-1])
        n, rows, columns, opposite = n[inside], rows[inside], columns[inside], opposite[inside]
        # A voxel at the brain's edge is partly background: inside the brain it would be a dark line.
        good = (healthy & ~grow(~brain, 1))[n, rows, opposite]
        n, rows, columns, opposite = n[good], rows[good], columns[good], opposite[good]
        hidden[n, :, rows, columns] = pixels[n, :, rows, opposite]
        filled[n, rows, columns] = False
        healthy[n, rows, columns] = True
    left = filled.any(axis=(1, 2))
    if left.any():
        values = torch.from_numpy(hidden[left]).float()
        known = torch.from_numpy(healthy[left])[:, None]
        continued = continue_rim(values * known, known.float()).round().to(torch.uint8).numpy()
        hidden[left] = np.where(filled[left, None], continued, hidden[left])
    return hidden


def tumour_alone(pixels: Array, mask: Array) -> Array:
    """Return slices [n, C, H, W] of uint8 that are 0 outside the grown mask; parameters as `without_tumour`."""
    return np.where(grow(mask)[:, None], pixels, np.uint8(0))


def grow(mask: Array, by: int = GROWN) -> Array:
    """Return a mask [n, H, W] of bool grown by some pixels in every direction."""
    y, x = np.ogrid[-by : by + 1, -by : by + 1]
    disc = torch.from_numpy((x**2 + y**2 <= by**2).astype(np.float32))[None, None]
    reached = conv2d(torch.from_numpy(mask.astype(np.float32))[:, None], disc, padding=by)[:, 0]
    return np.asarray(reached.numpy() > 0.5)


def first_and_last(brain: Array) -> Array:
    """Return the sum of the first and the last column of each slice's brain: twice the column of its midline."""
    columns: Array = np.any(brain, axis=1)
    return np.asarray(columns.argmax(axis=1) + columns.shape[1] - 1 - columns[:, ::-1].argmax(axis=1))


def continue_rim(values: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Fill unknown pixels from the known ones around them, from coarse to fine (push-pull, Gortler et al. 1996).

    Parameters
    ----------
    values : torch.Tensor [n, C, H, W] of float
        Values multiplied by the weight.
    weight : torch.Tensor [n, 1, H, W] of float
        1 where known, 0 elsewhere; at coarser levels, the known share of a pixel.
    """
    size = values.shape[-2:]
    if max(size) == 1:
        return values / weight.clamp_min(1e-12)
    coarse = continue_rim(avg_pool2d(values, 2, ceil_mode=True), avg_pool2d(weight, 2, ceil_mode=True))
    return values + (1 - weight) * interpolate(coarse, size, mode="bilinear", align_corners=False)


@dataclass(frozen=True)
class Hidden:
    """The two images that the audit shows of each slice.

    Attributes
    ----------
    tumour_hidden, tumour_alone : np.ndarray [n, 3, H, W] of uint8
        See `without_tumour` and `tumour_alone`.
    """

    tumour_hidden: Array
    tumour_alone: Array


def hide(slices: SliceSet, ids: Array) -> Hidden:
    """Return the audit's images of some slices, computed block by block."""
    shape = (len(ids), *slices.pixels.shape[1:])
    hidden = Hidden(np.empty(shape, np.uint8), np.empty(shape, np.uint8))
    for start in range(0, len(ids), EVALUATION_BATCH):
        block = ids[start : start + EVALUATION_BATCH]
        pixels, mask = np.asarray(slices.pixels[block]), slices.segmentation[block] > 0
        hidden.tumour_hidden[start : start + len(block)] = without_tumour(pixels, mask, slices.manifest["mirrored"])
        hidden.tumour_alone[start : start + len(block)] = tumour_alone(pixels, mask)
    return hidden


def audit_predictions(network: nn.Module, images: Images, hidden: Hidden) -> dict[str, Array]:
    """Return P(positive) of some slices with the tumour hidden, and with everything else hidden.

    Parameters
    ----------
    images : Images
        Images of the slice set, of which the normalisation and the device are used.

    Returns
    -------
    dict
        ``tumour_hidden`` and ``tumour_alone``, each np.ndarray [n] of float64.
    """
    return {
        name: predict(
            network,
            replace(images, pixels=torch.from_numpy(pixels).to(images.pixels.device)),
            np.arange(len(pixels)),
        )
        for name, pixels in vars(hidden).items()
    }
