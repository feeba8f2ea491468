"""What is hidden of a slice, what is put in its place, and what a network is then asked."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from brats_al_utils.cohorts.slices import SliceSet
from brats_al_utils.networks import audit
from brats_al_utils.networks.training import Images


class Brightness(nn.Module):
    """A network whose logit for HGG is the mean pixel."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        mean = images.mean((1, 2, 3))
        return torch.stack([torch.zeros_like(mean), mean], dim=1)


@pytest.mark.parametrize("batch", [2, 128])
def test_each_slice_is_asked_about_with_tumour_and_all_else_hidden(batch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "EVALUATION_BATCH", batch)
    pixels = np.random.default_rng(0).integers(1, 255, (6, 3, 64, 64)).astype(np.uint8)
    segmentation = np.zeros((6, 64, 64), np.uint8)
    for number in range(6):
        segmentation[number, 10 : 12 + 5 * number, 10:20] = 1 + number % 4
    images = Images.load(pixels, np.zeros(6), ((0.0,) * 3, (1.0,) * 3), torch.device("cpu"))
    ids = np.array([5, 1, 3])
    table = pd.DataFrame({"part": ["test"] * 6})
    slices = SliceSet(Path(), {"mirrored": True}, table, pixels, segmentation)
    found = audit.audit_predictions(Brightness(), images, audit.hide(slices, ids))
    mask = segmentation[ids] > 0
    hidden, alone = audit.without_tumour(pixels[ids], mask, True), audit.tumour_alone(pixels[ids], mask)
    for name, shown in {"tumour_hidden": hidden, "tumour_alone": alone}.items():
        means = shown.mean((1, 2, 3), dtype=np.float64) / 255
        np.testing.assert_allclose(found[name], 1 / (1 + np.exp(-means)), rtol=1e-5)
        assert found[name].dtype == np.float64
    assert audit.audit_predictions(Brightness(), images, audit.hide(slices, ids[:0]))["tumour_alone"].shape == (0,)


SIZE = 32
BRAIN = slice(4, 28)
TUMOUR = 255


def head(mirrored_value: int = 60) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return a square brain, 40 left and another value right of its midline, with a tumour on the left."""
    pixels = np.zeros((1, 3, SIZE, SIZE), np.uint8)
    pixels[..., BRAIN, 4:16], pixels[..., BRAIN, 16:28] = 40, mirrored_value
    mask = np.zeros((1, SIZE, SIZE), bool)
    mask[:, 14:18, 8:11] = True
    pixels[np.repeat(mask[:, None], 3, axis=1)] = TUMOUR
    return pixels, mask


def test_a_mask_is_grown_by_three_pixels() -> None:
    mask = np.zeros((2, 9, 9), bool)
    mask[0, 4, 4] = True
    grown = audit.grow(mask)
    y, x = np.nonzero(grown[0])
    assert audit.GROWN == 3
    assert len(y) == 29  # the places with integer coordinates within 3 of the origin
    assert ((y - 4) ** 2 + (x - 4) ** 2 <= 9).all()
    assert not grown[1].any()


def test_the_mirrored_side_stands_in_the_tumour_s_place_or_the_rim_is_continued() -> None:
    pixels, mask = head()
    assert (audit.without_tumour(pixels, mask, mirrored=True)[0][:, audit.grow(mask)[0]] == 60).all()
    pixels, mask = head()
    filled = audit.without_tumour(pixels, mask, mirrored=False)[0][:, audit.grow(mask)[0]]
    # The left half is 40 all around the tumour; on the other side of the midline it is 60.
    assert filled.min() >= 40
    assert filled.max() < 50


def test_a_tumour_on_both_sides_and_one_at_the_edge_fall_back_to_the_rim() -> None:
    pixels, mask = head()
    mask |= mask[:, :, ::-1]  # the brain lies in the middle of the image
    pixels[np.repeat(mask[:, None], 3, axis=1)] = TUMOUR
    hidden = audit.without_tumour(pixels, mask, mirrored=True)
    assert hidden.max() <= 60
    # A brain of which nothing is left on the other side.
    pixels, mask = head()
    pixels[..., 18:27] = 0  # its last column stays, so the midline does
    hidden = audit.without_tumour(pixels, mask, mirrored=True)
    assert 0 < hidden[0][:, audit.grow(mask)[0]].min() <= hidden.max() <= 60


def test_the_dark_edge_of_the_other_side_is_not_mirrored_into_the_brain() -> None:
    pixels, mask = head()
    pixels[..., 4:7] = 0
    pixels[..., 7], pixels[..., 27] = 5, 5  # half of a voxel at the edge is background
    pixels[..., 4:8, :] = pixels[..., 24:28, :] = 0
    pixels[..., 8, 7:28] = pixels[..., 23, 7:28] = 5
    pixels[..., 14:18, 23:28] = 0  # a notch on the other side, whose edge is opposite the grown mask's
    pixels[..., 14:18, 22] = 5
    assert audit.without_tumour(pixels, mask, mirrored=True)[0, 0, 14:18, 9:16].min() > 20


@pytest.mark.parametrize("mirrored", [True, False])
def test_what_the_tumour_does_to_the_pixels_around_it_is_hidden_too(mirrored: bool) -> None:
    pixels, mask = head()
    mask |= mask[:, :, ::-1]
    pixels[np.repeat(audit.grow(mask)[:, None], 3, axis=1)] = TUMOUR
    assert audit.without_tumour(pixels, mask, mirrored).max() <= 60


def test_tumour_pixels_without_signal_are_filled_as_well() -> None:
    pixels, mask = head()
    pixels[np.repeat(mask[:, None], 3, axis=1)] = 0  # a hole would show where the tumour was
    assert (audit.without_tumour(pixels, mask, mirrored=True)[0][:, mask[0]] == 60).all()


@pytest.mark.parametrize("mirrored", [True, False])
def test_a_notch_of_the_brain_beside_the_tumour_stays_empty(mirrored: bool) -> None:
    pixels, mask = head()
    pixels[..., 14:18, 4:7] = 0  # columns 5 and 6 are in the grown mask, and the other side has brain there
    hidden = audit.without_tumour(pixels, mask, mirrored)
    assert audit.grow(mask)[0, 15, 5]
    assert not hidden[..., 14:18, 4:7].any()


def test_a_rim_of_one_value_is_continued_exactly_and_a_ramp_nearly() -> None:
    weight = torch.ones(1, 1, 40, 40)
    weight[..., 10:30, 12:28] = 0
    flat = audit.continue_rim(torch.full((1, 1, 40, 40), 7.0) * weight, weight)
    np.testing.assert_allclose(flat, 7, rtol=1e-5)
    ramp = torch.arange(40.0).expand(1, 1, 40, 40)
    assert (audit.continue_rim(ramp * weight, weight) - ramp).abs().max() < 6  # the mean of the rim would be 8 off


@st.composite
def slices(draw: st.DrawFn) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    n, size = draw(st.integers(1, 3)), draw(st.integers(16, 40))
    pixels = np.zeros((n, 3, size, size), np.uint8)
    low, high = 3, size - draw(st.integers(1, 5))
    pixels[:, :, low:high, low:high] = rng.integers(1, 200, (n, 3, high - low, high - low))
    mask = np.zeros((n, size, size), bool)
    for one in mask:
        y, x = rng.integers(low, high, 2)
        one[y : y + draw(st.integers(0, 8)), x : x + draw(st.integers(0, 8))] = True
    mask[..., high:] = False
    mask[..., high:, :] = False
    pixels[np.repeat(mask[:, None], 3, axis=1)] = TUMOUR
    return pixels, mask


@given(slices(), st.booleans())
def test_only_the_tumour_is_hidden(case: tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]], mirrored: bool) -> None:
    pixels, mask = case
    before, grown = pixels.copy(), np.repeat(audit.grow(mask)[:, None], 3, axis=1)
    hidden, alone = audit.without_tumour(pixels, mask, mirrored), audit.tumour_alone(pixels, mask)
    np.testing.assert_array_equal(pixels, before)
    np.testing.assert_array_equal(hidden[~grown], pixels[~grown])
    np.testing.assert_array_equal(alone[grown], pixels[grown])
    assert not alone[~grown].any()
    assert hidden.max(initial=0) < 200
    np.testing.assert_array_equal(audit.without_tumour(hidden, mask & False, mirrored), hidden)
    # A slice's image does not depend on what lies beside it.
    np.testing.assert_array_equal(audit.without_tumour(pixels[-1:], mask[-1:], mirrored), hidden[-1:])


def test_a_slice_that_is_all_tumour_becomes_background() -> None:
    pixels, mask = np.full((1, 3, 16, 16), 9, np.uint8), np.ones((1, 16, 16), bool)
    assert not audit.without_tumour(pixels, mask, mirrored=True).any()


@pytest.mark.parametrize("size", [33, 64, 96])
def test_the_place_of_a_pixel_and_its_mirror_image_is_the_same_distance_from_the_edges(size: int) -> None:
    """A brain that is not in the middle of the image: columns 2 to size - 12."""
    pixels = np.zeros((1, 1, size, size), np.uint8)
    pixels[..., 2 : size - 11] = np.arange(1, size - 12)
    mask = np.zeros((1, size, size), bool)
    mask[:, size // 2, 6] = True
    hidden = audit.without_tumour(pixels, mask, mirrored=True)
    assert hidden[0, 0, size // 2, 6] == pixels[0, 0, size // 2, size - 12 - 4]
