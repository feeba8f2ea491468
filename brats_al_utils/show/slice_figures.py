"""Slices as the networks see them."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np

from brats_al_utils.cohorts.slices import SliceSet
from brats_al_utils.show.cohort_figures import SHOWN_COLUMNS, without_images
from brats_al_utils.show.style import PAGE, STYLE, Drawing

IN_A_ROW = 8
"""Slices at most."""


@plt.style.context([*STYLE, {"axes.grid": False}])
def as_seen(slices: SliceSet, ids: Sequence[int], name: str, titles: Sequence[str] = ()) -> Drawing:
    """Draw slices as a network sees them: the three channels as red, green and blue.

    Parameters
    ----------
    ids : sequence of int
        Ids of the slices.
    name : str
        Name of the figure's files.
    titles : sequence of str
        What stands above each beside its class.
    """
    table = slices.table.rename_axis("slice_id").reset_index().loc[list(ids)]
    if not slices.pictured:
        return Drawing(name, without_images(), table[SHOWN_COLUMNS])
    columns = min(IN_A_ROW, len(ids))
    rows = -(-len(ids) // columns)
    size = PAGE, rows * (PAGE / columns + 0.3) + 0.3
    figure, grid = plt.subplots(rows, columns, figsize=size, squeeze=False)
    for axes in grid.flat:
        axes.set(xticks=[], yticks=[], frame_on=False)
    above = titles or [""] * len(ids)
    for axes, slice_id, title, what in zip(grid.flat, ids, above, table["class_name"], strict=False):
        axes.imshow(np.moveaxis(slices.pixels[slice_id], 0, -1))
        axes.set_title("\n".join(filter(None, [what, title])), fontsize=6)
    return Drawing(name, figure, table[SHOWN_COLUMNS])
