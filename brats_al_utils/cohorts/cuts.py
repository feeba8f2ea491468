"""Cut a patient: which slices, and their pixels and masks at the size that the network sees."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch.nn.functional import interpolate

from brats_al_utils import InputError
from brats_al_utils.cohorts.checks import each_volume, too_small, tumour_areas
from brats_al_utils.cohorts.cohort import Cohort, case_files
from brats_al_utils.cohorts.images import Lifted, ReadFile, each_image
from brats_al_utils.cohorts.intensity import scale_intensity
from brats_al_utils.cohorts.layout import GRADES
from brats_al_utils.cohorts.slices import SliceRule
from brats_al_utils.cohorts.volumes import SEGMENTATION, Volume, upright
from brats_al_utils.seeds import generator

Array = np.ndarray[Any, Any]

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
        return eligible[:count]  # nothing to draw: a picture's only slice
    return np.sort(generator(rule.slice_seed, "slices", patient_id).permutation(eligible)[:count])


def resize(images: Array, size: int) -> Array:
    """Resize float32 images [n, h, w] bilinearly with antialiasing to uint8 [n, size, size], 0..1 to 0..255."""
    resized = interpolate(torch.from_numpy(images)[None], (size, size), mode="bilinear", antialias=True)[0]
    levels = resized.mul_(255).numpy()  # a weighted mean of 0..1: rounding keeps it within 0..255
    return np.asarray(np.rint(levels, out=levels).astype(np.uint8))


def cut_case(case: pd.Series, rule: SliceRule, classes: Sequence[str] = GRADES) -> Cut:
    """Cut one patient of a BraTS release.

    Parameters
    ----------
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
    files = case_files(case)
    problems: list[str] = []
    channels = []
    # One volume at a time: its voxels are still in the processor's cache, and memory holds no other.
    for name, volume in each_volume(files, (SEGMENTATION, *rule.channels), problems, rule.min_tumour_mm2):
        if problems:
            continue  # what else is wrong is to be named as well
        try:
            if name == SEGMENTATION:
                table, segmentation = cut_tumour(case, volume, rule, classes)
                z = table["z"].to_numpy()
            else:
                scaled = scale_intensity(volume.voxels, name, upright(volume.voxels, z))
                channels.append(resize(scaled, rule.image_size))
        except InputError as error:
            problems.append(f"{files[name]}: {error}")
        del volume  # not kept while the next one is read
    if problems:
        raise InputError("\n".join(problems))
    return table, np.stack(channels, axis=1), segmentation


def cut_tumour(case: pd.Series, tumour: Volume, rule: SliceRule, classes: Sequence[str]) -> tuple[pd.DataFrame, Array]:
    """Draw a patient's slices and cut the segmentation: `cut_case`'s table and segmentation."""
    area = tumour_areas(tumour)
    label = list(classes).index(case["class_name"])
    z = choose_slices(area, rule.slices_of(label, case.get("part", "")), rule, case["patient_id"])
    with_tumour = np.flatnonzero(area)
    extent = max(int(with_tumour[-1] - with_tumour[0]), 1)
    table = pd.DataFrame(
        {
            "patient_id": case["patient_id"],
            "class_name": case["class_name"],
            "label": label,
            "site": case["site"],
            "z": z,
            "position": np.round((z - with_tumour[0]) / extent, 4),
            "tumour_mm2": np.round(area[z], 3),
        }
    )
    return table, resize_labels(upright(tumour.voxels, z).astype(np.uint8), rule.image_size)


def asked_of(cohort: Cohort, rule: SliceRule) -> pd.Series:
    """Return how many slices a rule asks of each row of `Cohort.cases`.

    Notes
    -----
    Of BraTS as the paper says. Of a table's volumes ``per_patient``, of its other images the one slice that each is,
    but where these are slices of one volume ``per_patient`` of them, evenly spaced. In a balanced set the class with
    more slices gives as many as the other, from all of its patients: those that have more than a common bound give as
    many as this bound, or one more, and their images are drawn.
    """
    cases = cohort.cases
    if not cohort.tabled:
        labels, parts = cases["class_name"].map(cohort.classes.index), cases.get("part", pd.Series("", cases.index))
        return pd.Series(list(map(rule.slices_of, labels, parts)), cases.index)
    asked = cases["slices"].clip(upper=rule.per_patient)
    if "z" in cases:
        place, count = (cases.groupby("patient_id")["z"].transform(what) for what in ("rank", "size"))
        asked = asked.where(evenly_spaced(place.to_numpy(int) - 1, count.to_numpy(), rule.per_patient), 0)
    if not rule.balanced:
        return asked
    of_class = asked.groupby(cases["class_name"]).sum()
    larger = asked[cases["class_name"] == of_class.idxmax()]
    owner = cases.loc[larger.index, "patient_id"]
    bounds = bounded(larger.groupby(owner).sum(), int(of_class.min()), rule.slice_seed)
    for patient_id, rows in larger.groupby(owner):
        places = np.repeat(rows.index, rows)
        drawn = generator(rule.slice_seed, "images", str(patient_id)).permutation(places)[: bounds[patient_id]]
        asked[rows.index] = [int((drawn == row).sum()) for row in rows.index]
    return asked


def evenly_spaced(place: Array, count: Array, wanted: int) -> Array:
    """Return which slices are the middle ones of ``wanted`` equal parts of their volume; all where there are no more.

    Parameters
    ----------
    place, count : np.ndarray [n] of int
        The place of each slice in its volume, from 0, and how many slices the volume has.
    wanted : int
        Of each volume.

    Returns
    -------
    np.ndarray [n] of bool
    """
    # Part k of n slices in w parts has its middle at (2 k + 1) n / 2 w, in the slice that begins before it.
    part = (2 * place + 1) * wanted // (2 * count)
    chosen: Array = (count <= wanted) | ((2 * part + 1) * count // (2 * wanted) == place)
    return chosen


def bounded(room: pd.Series, total: int, seed: int) -> pd.Series:
    """Return how many slices each patient gives, so that they are so many in all, at least one each.

    Parameters
    ----------
    room : pd.Series of int
        How many each patient has, by patient_id.
    """
    bound = 1
    while room.clip(upper=bound + 1).sum() <= total and bound < room.max():
        bound += 1
    given = room.clip(upper=bound)
    more = sorted(room.index[room > bound])
    order = generator(seed, "balance").permutation(len(more))[: max(total - int(given.sum()), 0)]
    given[[more[place] for place in order]] += 1
    return given


def cut_images(rows: pd.DataFrame, asked: pd.Series, rule: SliceRule, classes: Sequence[str], read: ReadFile) -> Cut:
    """Cut one patient of a table; parameters as `cut_case`, but for all images of a patient.

    Parameters
    ----------
    rows : pd.DataFrame
        The patient's rows of `Cohort.cases`.
    asked : pd.Series of int
        Slices asked of each row, see `asked_of`.
    classes : sequence of str
        Negative, positive.
    read : callable
        `Cohort.read`.
    """
    problems: list[str] = []
    made, largest = [], 0.0
    for place, (count, row) in enumerate(zip(asked[rows.index].tolist(), rows.to_dict("records"), strict=True)):
        cut, area = cut_image(row, place, count, rule, read, problems)
        largest = max(largest, area)
        made += [cut] if cut else []
    name = rows["patient_id"].iloc[0]
    if not problems and largest < rule.min_tumour_mm2:
        problems.append(f"{name}: {too_small(largest, rule.min_tumour_mm2)}")
    elif not problems and not made:
        problems.append(
            f"{name}: no image that was drawn has a tumour of {rule.min_tumour_mm2:g} mm2: lower min_tumour_mm2 or "
            "skip the patient (--skip-bad)"
        )
    if problems:
        raise InputError("\n".join(problems))
    slices, images, masks = zip(*made, strict=True)
    table = pd.DataFrame([each for some in slices for each in some])
    table.insert(2, "label", table["class_name"].map(list(classes).index))
    return table, np.concatenate(images), np.concatenate(masks)


def cut_image(
    row: Mapping[Any, Any], place: int, count: int, rule: SliceRule, read: ReadFile, problems: list[str]
) -> tuple[tuple[list[dict[str, Any]], Array, Array] | None, float]:
    """Cut one image, and return it with the area of its largest tumour, infinite without a mask.

    Parameters
    ----------
    place : int
        Of the image among the patient's.
    count : int
        Slices asked for; if none, or none can be had, nothing is cut.
    problems : list of str
        Takes what is wrong; then nothing is cut.
    """
    area, z, mask, channels = None, None, None, []
    for image in each_image(row, read, problems):
        if isinstance(image, Volume):
            area = tumour_areas(image)
        if problems:
            continue  # what else is wrong is to be named as well
        if z is None:
            z = chosen_of(image, area, count, rule, row["patient_id"])
            depth = image.voxels.shape[2]
        if not len(z):
            continue
        if isinstance(image, Volume):
            mask = resize_labels(squared(upright(image.voxels, z)), rule.image_size)
        else:
            channels.append(squared(image.scaled(z)))
    largest = np.inf if area is None else float(area.max())
    if problems or z is None or not channels:
        return None, largest
    cut = np.split(resize(np.concatenate(channels), rule.image_size), len(channels))
    pixels = np.stack((cut + cut[-1:] * 2)[:3], axis=1)
    mask = np.zeros_like(pixels[:, 0]) if mask is None else mask
    return (described(row, z, place, area, depth), pixels, mask), largest


def chosen_of(image: Volume | Lifted, area: Array | None, count: int, rule: SliceRule, patient_id: str) -> Array:
    """Return which slices of an image are cut: of a volume without a mask those with the largest foreground."""
    if area is not None:
        return choose_slices(area, count, rule, patient_id)
    if isinstance(image, Volume) or image.voxels.shape[2] == 1:
        return np.arange(min(count, 1))
    return most(np.count_nonzero(image.foreground, axis=(0, 1)), count)


def most(foreground: Array, count: int) -> Array:
    """Return the ascending indices of the slices [Z] with the largest foreground, of equals the lowest; no empty."""
    largest = np.argsort(-foreground, kind="stable")[:count]
    return np.sort(largest[foreground[largest] > 0])


def described(row: Mapping[str, Any], z: Array, place: int, area: Array | None, depth: int) -> list[dict[str, Any]]:
    """Return the rows of the table for the slices of an image: `cut_case`'s but for label, and which image it is.

    Parameters
    ----------
    place : int
        Of the image among the patient's: what stands for the axial index of a single slice where that is not known.
    area : np.ndarray [Z] of float, optional
        Of the tumour, where there is a mask.
    depth : int
        Slices of the image.
    """
    extent = np.flatnonzero(area) if area is not None else np.arange(depth)
    lowest, highest = int(extent[0]), int(extent[-1])
    return [
        {
            "patient_id": row["patient_id"],
            "class_name": row["class_name"],
            "site": row["site"],
            "z": one if depth > 1 else row.get("z", place),
            "position": row.get("position", round((one - lowest) / max(highest - lowest, 1), 4)),
            "tumour_mm2": 0.0 if area is None else round(float(area[one]), 3),
            "image": row["named"],
        }
        for one in z.tolist()
    ]


def squared(images: Array) -> Array:
    """Return images [n, h, w] padded with 0 on two sides to as many rows as columns."""
    _, height, width = images.shape
    if height == width:
        return images
    missing = [max(height, width) - size for size in (height, width)]
    return np.pad(images, ((0, 0), *((gap // 2, gap - gap // 2) for gap in missing)))


def resize_labels(labels: Array, size: int) -> Array:
    """Resize uint8 labels [n, h, w] to [n, size, size]: each pixel takes the nearest label."""
    return np.asarray(interpolate(torch.from_numpy(labels)[:, None], (size, size), mode="nearest-exact")[:, 0].numpy())
