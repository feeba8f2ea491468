"""Slices as PNG: enlarged, and outlined where the tumour ends."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from brats_al_utils.beyond.explorer.tiles import class_colour, plane, slice_png
from brats_al_utils.cohorts.slices import SliceSet


def made() -> SliceSet:
    """One slice of 20 pixels, with a tumour of 10 x 10 that reaches an edge of the image."""
    pixels, tumour = np.full((1, 3, 20, 20), 77, np.uint8), np.zeros((1, 20, 20), np.uint8)
    tumour[0, 5:15, 10:] = 4
    table = pd.DataFrame({"class_name": ["HGG"]})
    return SliceSet(Path(), {"classes": ["LGG", "HGG"], "channels": ["t1", "t1", "t1"]}, table, pixels, tumour)


def test_the_two_outermost_pixels_of_a_tumour_have_its_colour() -> None:
    slices = made()
    shown = np.asarray(Image.open(BytesIO(slice_png(slices, 0, 0, True, 20))))
    outline = (shown == class_colour(slices, 0)).all(axis=-1)
    assert outline.sum() == 10 * 10 - 6 * 6
    assert outline[5, 10] and outline[6, 11] and not outline[7, 12] and outline[9, 19]
    assert (shown[~outline] == 77).all()
    assert (np.asarray(Image.open(BytesIO(slice_png(slices, 0, 0, False, 20)))) == 77).all()
    assert Image.open(BytesIO(slice_png(slices, 0, 0, True, 100))).size == (100, 100)
    assert sum(plane(slices, 0, 0, True).mask) == 10 * 10 - 8 * 8, "one pixel wide, to be enlarged by the browser"
