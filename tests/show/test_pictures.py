"""Slices as PNG: scaled, and outlined where the tumour ends."""

from io import BytesIO

import numpy as np
from matplotlib.colors import to_rgb
from PIL import Image

from brats_al_utils.beyond.explorer.pictures import picture, png, scaled, within


def test_what_lies_within_a_mask() -> None:
    mask = np.zeros((5, 6), bool)
    mask[0:4, 1:5] = True
    expected = np.zeros((5, 6), bool)
    expected[1:3, 2:4] = True  # the edge of the image is one of the mask too
    assert np.array_equal(within(mask), expected)
    assert not within(within(mask)).any()


def test_the_longer_side_has_the_pixels_that_are_asked_for() -> None:
    assert scaled(np.zeros((40, 20), np.uint8), 100).shape == (100, 50)
    assert scaled(np.zeros((20, 40), np.uint8), 100).shape == (50, 100)


def test_the_two_outermost_pixels_of_a_tumour_have_its_colour() -> None:
    pixels, tumour = np.full((20, 20), 77, np.uint8), np.zeros((20, 20), bool)
    tumour[5:15, 6:16] = True
    shown = picture(pixels, tumour, "C1", 20)
    outline = (shown == np.round(255 * np.array(to_rgb("C1")))).all(axis=-1)
    assert outline.sum() == 10 * 10 - 6 * 6
    assert outline[5, 6] and outline[6, 7] and not outline[7, 8]
    assert (shown[~outline] == 77).all()
    assert (picture(pixels, None, "C1", 20) == 77).all()


def test_a_png_holds_the_pixels() -> None:
    shown = np.random.default_rng(0).integers(0, 255, (7, 9, 3), np.uint8)
    assert np.array_equal(np.asarray(Image.open(BytesIO(png(shown)))), shown)
