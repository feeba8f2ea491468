"""Ask a trained network about slices in which the tumour, or all but the tumour, is hidden."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import nn

from brats_al_utils.cohorts.hiding import tumour_alone, without_tumour
from brats_al_utils.cohorts.slices import SliceSet
from brats_al_utils.networks.training import EVALUATION_BATCH, Images, predict

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Hidden:
    """What the audit shows of some slices.

    Attributes
    ----------
    tumour_hidden, tumour_alone : np.ndarray [n, 3, H, W] of uint8
        See `hiding`.
    """

    tumour_hidden: Array
    tumour_alone: Array


def hide(slices: SliceSet, ids: Array) -> Hidden:
    """Return what the audit shows of some slices, made block by block."""
    shape = (len(ids), *slices.pixels.shape[1:])
    hidden = Hidden(np.empty(shape, np.uint8), np.empty(shape, np.uint8))
    for start in range(0, len(ids), EVALUATION_BATCH):
        block = ids[start : start + EVALUATION_BATCH]
        pixels, mask = np.asarray(slices.pixels[block]), slices.segmentation[block] > 0
        hidden.tumour_hidden[start : start + len(block)] = without_tumour(pixels, mask, slices.mirrored)
        hidden.tumour_alone[start : start + len(block)] = tumour_alone(pixels, mask)
    return hidden


def audit_predictions(network: nn.Module, images: Images, hidden: Hidden) -> dict[str, Array]:
    """Return P(HGG) of some slices with the tumour hidden, and with all else hidden.

    Parameters
    ----------
    images : Images
        Images of the slice set: only their normalisation and their device are used.

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
