"""Cut a patient: which slices, and their pixels and masks at the size that the network sees."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from torch.nn.functional import interpolate

from brats_al_utils import InputError
from brats_al_utils.arrays import Array
from brats_al_utils.cohorts.checks import case_files, each_volume, tumour_areas
from brats_al_utils.cohorts.intensity import scale_intensity
from brats_al_utils.cohorts.layout import GRADES
from brats_al_utils.cohorts.slices import SliceRule
from brats_al_utils.cohorts.volumes import SEGMENTATION, Volume, upright
from brats_al_utils.seeds import generator

Cut = tuple[pd.DataFrame, Array, Array]
"""A patient's table, pixels and segmentation: see `cut_case`."""


def choose_slices(tumour_mm2: Array, count: int, rule: SliceRule, patient_id: str) -> Array:
    """Draw a patient's slices: ascending axial indices, at most ``count``, each with tumour.

    Parameters
    ----------
    tumour_mm2 : np.ndarray [Z] of float
        Tumour area of each axial slice.

    Notes
    -----
    Fewer slices are a subset of more, so a patient's imbalanced and balanced slices overlap as far as they can.
    """
    eligible = np.flatnonzero((tumour_mm2 > 0) & (tumour_mm2 >= rule.min_tumour_mm2))
    if len(eligible) < 2:
        return eligible[:count]  # nothing to draw from
    return np.sort(generator(rule.slice_seed, "slices", patient_id).permutation(eligible)[:count])


def resize(images: Array, size: int) -> Array:
    """Resize float32 images [n, h, w] in 0..1 bilinearly with antialiasing to uint8 [n, size, size] in 0..255."""
    resized = interpolate(torch.from_numpy(images)[None], (size, size), mode="bilinear", antialias=True)[0]
    levels = resized.mul_(255).numpy()  # a weighted mean of 0..1: rounding keeps it within 0..255
    return np.asarray(np.rint(levels, out=levels).astype(np.uint8))


def slices_asked(cases: pd.DataFrame, classes: tuple[str, str], rule: SliceRule) -> pd.Series:
    """Return how many slices a rule asks of each BraTS patient (sections 2.2.1 and 3.4), one row a patient."""
    labels, parts = cases["class_name"].map(classes.index), cases.get("part", pd.Series("", cases.index))
    return pd.Series(list(map(rule.slices_of, labels, parts)), cases.index)


def cut_case(rows: pd.DataFrame, asked: pd.Series, rule: SliceRule, classes: Sequence[str] = GRADES) -> Cut:
    """Cut one patient of a BraTS release.

    Parameters
    ----------
    rows : pd.DataFrame
        The patient's rows of `Cohort.cases`: one.
    asked : pd.Series of int
        Slices asked of each row.
    classes : sequence of str
        Negative, positive.

    Returns
    -------
    table : pd.DataFrame
        The patient's rows of `SliceSet.table`, but for part.
    pixels : np.ndarray [n, 3, H, W] of uint8
    segmentation : np.ndarray [n, H, W] of uint8

    Raises
    ------
    InputError
        Naming everything that is wrong with the case.
    """
    case, count = rows.iloc[0], int(asked.iloc[0])
    files = case_files(case)
    problems: list[str] = []
    channels = []
    # One volume at a time: its voxels stay in the processor's cache, and memory holds no other.
    for name, volume in each_volume(files, (SEGMENTATION, *rule.channels), problems, rule.min_tumour_mm2):
        if problems:
            continue  # read the rest, so that all problems are reported together
        try:
            if name == SEGMENTATION:
                table, segmentation = cut_tumour(case, volume, count, rule, classes)
                z = table["z"].to_numpy()
            else:
                scaled = scale_intensity(volume.voxels, name, upright(volume.voxels, z))
                channels.append(resize(scaled, rule.image_size))
        except InputError as error:
            problems.append(f"{files[name]}: {error}")
        del volume  # frees its memory before the next one is read
    if problems:
        raise InputError("\n".join(problems))
    return table, np.stack(channels, axis=1), segmentation


def cut_tumour(
    case: pd.Series, tumour: Volume, count: int, rule: SliceRule, classes: Sequence[str]
) -> tuple[pd.DataFrame, Array]:
    """Draw so many of a patient's slices and cut the segmentation: `cut_case`'s table and segmentation."""
    area = tumour_areas(tumour)
    z = choose_slices(area, count, rule, case["patient_id"])
    with_tumour = np.flatnonzero(area)
    extent = max(int(with_tumour[-1] - with_tumour[0]), 1)
    table = pd.DataFrame(
        {
            "patient_id": case["patient_id"],
            "class_name": case["class_name"],
            "label": list(classes).index(case["class_name"]),
            "site": case["site"],
            "z": z,
            "position": np.round((z - with_tumour[0]) / extent, 4),
            "tumour_mm2": np.round(area[z], 3),
        }
    )
    return table, resize_labels(upright(tumour.voxels, z).astype(np.uint8), rule.image_size)


def resize_labels(labels: Array, size: int) -> Array:
    """Resize uint8 labels [n, h, w] to [n, size, size]: each pixel takes the nearest label."""
    return np.asarray(interpolate(torch.from_numpy(labels)[:, None], (size, size), mode="nearest-exact")[:, 0].numpy())
