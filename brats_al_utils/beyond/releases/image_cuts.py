"""Cut the images of a table's patient: which images are drawn, and their slices at the size that the network sees."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from brats_al_utils import InputError
from brats_al_utils.arrays import Array
from brats_al_utils.beyond.releases.images import VOLUMES, Lifted, ReadFile, each_image, image_faults, read_file
from brats_al_utils.cohorts.checks import too_small, tumour_areas
from brats_al_utils.cohorts.cohort import Kind
from brats_al_utils.cohorts.cuts import Cut, choose_slices, resize, resize_labels
from brats_al_utils.cohorts.slices import SliceRule
from brats_al_utils.cohorts.volumes import Volume, upright
from brats_al_utils.seeds import generator

MAX_ASPECT = 10.0
"""How many times as long as wide a pixel may be: a header that says more is wrong, and would take memory."""

EVENLY = "slices evenly spaced in each volume"


def kind_of_images(read: ReadFile = read_file) -> Kind:
    """Return the kind of a cohort whose rows are images; ``read`` reads a file (see `images.read_file`)."""
    return Kind(partial(image_faults, read), slices_asked, partial(cut_images, read), chosen_by)


def chosen_by(cases: pd.DataFrame) -> list[str]:
    """Return how the slices of a cohort are chosen, a line for each way, and whether tumour areas are in pixels."""
    volumes, masked = cases["slices"] > 1, cases["mask"] != ""
    pictured = ~cases["image"].str.casefold().str.endswith(VOLUMES)
    facts = {
        "slices with tumour": volumes & masked,
        "slices with the largest foreground, as there is no mask": volumes & ~masked,
        EVENLY if "z" in cases else "images as they are": ~volumes,
        "tumour areas in pixels": masked & pictured,
    }
    return [what for what, which in facts.items() if which.any()]


def slices_asked(cases: pd.DataFrame, classes: tuple[str, str], rule: SliceRule) -> pd.Series:
    """Return how many slices a rule asks of each row of `Cohort.cases`.

    Notes
    -----
    A volume gives ``per_patient`` slices, and an image of two dimensions is one slice. If a patient's images are the
    slices of one volume, ``per_patient`` of them are used, evenly spaced. In a balanced set the larger class gives as
    many slices as the other, from all of its patients: patients with more slices than a common bound give as many as
    the bound, or one more, and these are drawn.
    """
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
    """Return which slices are the middle ones of ``wanted`` equal parts of their volume; all if it has no more slices.

    Parameters
    ----------
    place, count : np.ndarray [n] of int
        Index of each slice in its volume, and the volume's number of slices.
    wanted : int
        Number of slices wanted of each volume.

    Returns
    -------
    np.ndarray [n] of bool
    """
    # Part k of n slices in w parts has its middle at (2 k + 1) n / 2 w, in the slice that begins before it.
    part = (2 * place + 1) * wanted // (2 * count)
    chosen: Array = (count <= wanted) | ((2 * part + 1) * count // (2 * wanted) == place)
    return chosen


def bounded(room: pd.Series, total: int, seed: int) -> pd.Series:
    """Return how many slices each patient gives: ``total`` together, and at least one each.

    Parameters
    ----------
    room : pd.Series of int
        Number of slices that each patient has, by patient_id.
    """
    bound = 1
    while room.clip(upper=bound + 1).sum() <= total and bound < room.max():
        bound += 1
    given = room.clip(upper=bound)
    more = sorted(room.index[room > bound])
    order = generator(seed, "balance").permutation(len(more))[: max(total - int(given.sum()), 0)]
    given[[more[place] for place in order]] += 1
    return given


def cut_images(read: ReadFile, rows: pd.DataFrame, asked: pd.Series, rule: SliceRule, classes: Sequence[str]) -> Cut:
    """Cut all images of a patient; ``read`` reads a file, other parameters as for `cuts.cut_case`."""
    problems: list[str] = []
    made, largest = [], 0.0
    for place, (count, row) in enumerate(zip(asked.tolist(), rows.to_dict("records"), strict=True)):
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
        Index of the image among the patient's.
    count : int
        Number of slices asked for; nothing is cut if it is 0, or no slice is eligible.
    problems : list of str
        Receives the problems; then nothing is cut.
    """
    area, z, mask, channels = None, None, None, []
    for image in each_image(row, read, problems):
        if isinstance(image, Volume):
            area = tumour_areas(image)
        if problems:
            continue  # read the rest, so that all problems are reported together
        if z is None:
            z = chosen_of(image, area, count, rule, row["patient_id"])
            depth = image.voxels.shape[2]
        if not len(z):
            continue
        if isinstance(image, Volume):
            mask = resize_labels(squared(upright(image.voxels, z), image.spacing), rule.image_size)
        else:
            channels.append(squared(image.scaled(z), image.spacing))
    largest = np.inf if area is None else float(area.max())
    if problems or z is None or not channels:
        return None, largest
    together = np.concatenate(channels) if len(channels) > 1 else channels[0]  # spares a copy of a large picture
    cut = np.split(resize(together, rule.image_size), len(channels))
    pixels = np.stack((cut + cut[-1:] * 2)[:3], axis=1)
    mask = np.zeros_like(pixels[:, 0]) if mask is None else mask
    return (described(row, z, place, area, depth), pixels, mask), largest


def chosen_of(image: Volume | Lifted, area: Array | None, count: int, rule: SliceRule, patient_id: str) -> Array:
    """Return the indices of the slices to cut; in a volume without a mask, those with the largest foreground."""
    if area is not None:
        return choose_slices(area, count, rule, patient_id)
    if isinstance(image, Volume) or image.voxels.shape[2] == 1:
        return np.arange(min(count, 1))
    foreground = np.count_nonzero(image.foreground, axis=(0, 1))
    largest = np.argsort(-foreground, kind="stable")[:count]  # of equals the lowest
    return np.sort(largest[foreground[largest] > 0])


def described(row: Mapping[str, Any], z: Array, place: int, area: Array | None, depth: int) -> list[dict[str, Any]]:
    """Return the rows of the table for an image's slices: `cut_case`'s columns without label, and the image's path.

    Parameters
    ----------
    place : int
        Index of the image among the patient's, used as axial index of a single slice if that is unknown.
    area : np.ndarray [Z] of float, optional
        Area of the tumour, if there is a mask.
    depth : int
        Number of slices in the image.
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


def squared(images: Array, spacing: tuple[float, float, float]) -> Array:
    """Return images [n, h, w] padded with 0 on two sides to squares, in mm."""
    _, height, width = images.shape
    aspect = float(np.clip(spacing[0] / spacing[1], 1 / MAX_ASPECT, MAX_ASPECT)) if all(spacing[:2]) else 1.0
    missing = [max(round(width * aspect) - height, 0), max(round(height / aspect) - width, 0)]
    if not any(missing):
        return images
    return np.pad(images, ((0, 0), *((gap // 2, gap - gap // 2) for gap in missing)))
