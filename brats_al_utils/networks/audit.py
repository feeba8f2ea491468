"""Ask a trained network about slices in which the tumour, or all but the tumour, is hidden."""

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import nn

from brats_al_utils.cohorts.hiding import tumour_alone, without_tumour
from brats_al_utils.networks.training import EVALUATION_BATCH, Images, predict

Array = np.ndarray[Any, Any]


def audit_predictions(
    network: nn.Module, images: Images, segmentation: Array, ids: Array, mirrored: bool
) -> dict[str, Array]:
    """Return P(HGG) of some slices with the tumour hidden, and with all else hidden.

    Parameters
    ----------
    images : Images
        Of the slice set.
    segmentation : np.ndarray [N, H, W] of uint8
        Of the slice set; what is above 0 is tumour.
    ids : np.ndarray [n] of int
    mirrored : bool
        See `hiding.without_tumour`.

    Returns
    -------
    dict
        ``tumour_hidden`` and ``tumour_alone``, each np.ndarray [n] of float64.
    """
    shown: dict[str, list[Array]] = {"tumour_hidden": [], "tumour_alone": []}
    for start in range(0, len(ids), EVALUATION_BATCH):  # memory does not grow with the number of slices
        block = ids[start : start + EVALUATION_BATCH]
        pixels = images.pixels[torch.from_numpy(block).to(images.pixels.device)].cpu().numpy()
        mask = segmentation[block] > 0
        for name, hidden in (
            ("tumour_hidden", without_tumour(pixels, mask, mirrored)),
            ("tumour_alone", tumour_alone(pixels, mask)),
        ):
            changed = replace(images, pixels=torch.from_numpy(hidden).to(images.pixels.device))
            shown[name].append(predict(network, changed, np.arange(len(block))))
    return {name: np.concatenate([np.empty(0), *parts]) for name, parts in shown.items()}
