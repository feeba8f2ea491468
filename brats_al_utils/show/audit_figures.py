"""What the shortcut audit shows the network: slices as they are, with the tumour hidden, and with all else hidden."""

from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

from brats_al_utils.cohorts.hiding import tumour_alone, without_tumour
from brats_al_utils.cohorts.slices import SliceSet
from brats_al_utils.cohorts.split import GRADES
from brats_al_utils.findings.shortcut import SHOWN
from brats_al_utils.show.cohort_figures import CHANNEL_NAMES
from brats_al_utils.show.style import PAGE, STYLE, save


def hidden_tumours(
    slices: SliceSet, folder: Path, caption: str, mirrored: bool, channel: int = 1, patients: int = 3
) -> None:
    """Draw the largest tumour's slice of some patients of each class in one channel, a row for each of ``SHOWN``."""
    table = slices.table.reset_index()
    largest = table.loc[table.groupby("patient_id")["tumour_mm2"].idxmax()]
    shown = pd.concat([largest[largest["grade"] == grade].head(patients) for grade in GRADES])
    ids = shown["slice_id"].to_numpy()
    pixels, mask = slices.pixels[ids], slices.segmentation[ids] > 0
    rows = (pixels, without_tumour(pixels, mask, mirrored), tumour_alone(pixels, mask))
    name = CHANNEL_NAMES[slices.manifest["rule"]["channels"][channel]]
    with plt.rc_context(STYLE | {"axes.grid": False}):
        figure, grid = plt.subplots(len(rows), len(ids), figsize=(PAGE, PAGE * len(rows) / len(ids)), squeeze=False)
        for row, images, what in zip(grid, rows, SHOWN, strict=True):
            for axes, image in zip(row, images, strict=True):
                axes.imshow(image[channel], cmap="gray", vmin=0, vmax=255)
                axes.set(xticks=[], yticks=[], frame_on=False)
            row[0].set_ylabel(what)
        for axes, patient in zip(grid[0], shown.itertuples(), strict=True):
            axes.set_title(f"{patient.grade}\n{patient.patient_id}", fontsize=6)
        columns = ["slice_id", "patient_id", "grade", "z", "tumour_mm2", "part"]
        save(figure, shown[columns], "hidden_tumours", folder, f"{caption}; {name}, what the shortcut audit shows")
