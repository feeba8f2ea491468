"""What a network is asked of slices with a part hidden."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from brats_al_utils.cohorts.slices import SliceSet
from brats_al_utils.networks import audit
from brats_al_utils.networks.audit import audit_predictions, hide, tumour_alone, without_tumour
from brats_al_utils.networks.training import Images


class Brightness(nn.Module):
    """A network whose logit for HGG is the mean pixel."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        mean = images.mean((1, 2, 3))
        return torch.stack([torch.zeros_like(mean), mean], dim=1)


@pytest.mark.parametrize("batch", [2, 128])
def test_each_slice_is_asked_about_with_the_tumour_and_with_all_else_hidden(
    batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "EVALUATION_BATCH", batch)
    rng = np.random.default_rng(0)
    pixels = rng.integers(1, 255, (6, 3, 64, 64)).astype(np.uint8)
    segmentation = np.zeros((6, 64, 64), np.uint8)
    for number in range(6):
        segmentation[number, 10 : 12 + 5 * number, 10:20] = 1 + number % 4
    images = Images.load(pixels, np.zeros(6), ((0.0,) * 3, (1.0,) * 3), torch.device("cpu"))
    ids = np.array([5, 1, 3])
    table = pd.DataFrame({"part": ["test"] * 6})
    slices = SliceSet(Path(), {"mirrored": True}, table, pixels, segmentation)
    found = audit_predictions(Brightness(), images, hide(slices, ids))
    expected = {
        "tumour_hidden": without_tumour(pixels[ids], segmentation[ids] > 0, True),
        "tumour_alone": tumour_alone(pixels[ids], segmentation[ids] > 0),
    }
    assert set(found) == set(expected)
    for name, hidden in expected.items():
        means = hidden.mean((1, 2, 3), dtype=np.float64) / 255
        np.testing.assert_allclose(found[name], 1 / (1 + np.exp(-means)), rtol=1e-5)
        assert found[name].dtype == np.float64
    assert audit_predictions(Brightness(), images, hide(slices, ids[:0]))["tumour_alone"].shape == (0,)
