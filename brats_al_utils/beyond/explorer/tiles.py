"""Slices of the ranking as a panel shows them: the facts about one in words, and pictures with outlined tumours."""

from collections.abc import Sequence
from functools import lru_cache
from io import BytesIO
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.colors import to_rgb
from PIL import Image, ImageOps
from scipy.ndimage import binary_erosion

from brats_al_utils.beyond.explorer.controls import Choice, Plane
from brats_al_utils.beyond.explorer.explorer import Ranking
from brats_al_utils.cohorts.naming import people
from brats_al_utils.cohorts.slices import SliceSet
from brats_al_utils.show.cohort_figures import CHANNEL_NAMES
from brats_al_utils.show.panel import Picture
from brats_al_utils.show.style import CLASS_COLOURS
from brats_al_utils.study.study import Study

SMALL = 160
"""Pixels of a small picture."""

Fact = tuple[str, str]


class Shown:
    """The parts that the panels share: a study's ranking, its slices, and the lists of runs and channels."""

    def __init__(self, study: Study, ranking: Ranking) -> None:
        self.ranking, self.slices = ranking, study.slice_set(ranking.dataset)
        self.of_run = lru_cache(maxsize=2)(lambda run: ranking.of_run(run + 1))
        self.runs = Choice("run", "run", tuple(str(run) for run in sorted(ranking.table["run"].unique())))
        names = tuple(CHANNEL_NAMES.get(name, name) for name in channels(self.slices))
        self.channels = Choice("channel", "channel", names)


OUTLINE = Choice("outline", "tumour", ("outlined", "not outlined"))


def person(slices: SliceSet) -> str:
    """Return the cohort's word for one of its people: patient or person."""
    return people(slices).removesuffix("s")


def facts_of(row: pd.Series, ranking: Ranking, slices: SliceSet, count: int) -> tuple[Fact, ...]:
    """Return every fact about a slice, in words.

    Parameters
    ----------
    row : pd.Series
        A row of `Ranking.table`.
    count : int
        Number of training slices in its run.
    """
    unit = "pixels" if "tumour areas in pixels" in slices.manifest["chosen_by"] else "mm²"
    area = f"{row['tumour_mm2']:,.0f} {unit}" if row["tumour_mm2"] > 0 else "no mask"
    rates = [name.removeprefix("P by ") for name in ranking.members]
    letters = dict(zip(rates, map(chr, range(ord("A"), ord("A") + len(rates))), strict=True))

    def told(kind: str) -> str:
        found = []
        for name in (*ranking.members, *ranking.terms):
            what, _, own = name.partition(" by " if name in ranking.members else " of ")
            if what == kind:
                found.append(f"{' and '.join(letters[rate] for rate in own.split(', '))} {row[name]:.3f}")
        return ", ".join(found)

    by = {chosen: [arm for arm in ranking.arms if row[arm] == chosen] for chosen in (True, False)}
    return (
        (person(slices), row["patient_id"]),
        ("class, site", f"{row['class_name']}, {row['site']}"),
        ("slice, tumour", f"z {row['z']} (number {row['slice_id']}), {area}"),
        ("rank", f"{row['rank']} of {count}, decile {row['decile']}"),
        ("uncertainty", f"{row['uncertainty']:.3f} nats, the sum of:"),
        ("entropies", told("entropy")),
        ("divergences", told("divergence") or "none"),
        (f"P({slices.classes[1]})", f"{row['probability']:.3f}, the mean of:"),
        ("members", told("P")),
        ("learning rates", ", ".join(f"{letter} {rate}" for rate, letter in letters.items())),
        ("committee", "trained on this slice" if row["first"] else "not trained on this slice"),
        ("chosen by", ", ".join(by[True]) or "none"),
        ("not chosen by", ", ".join(by[False]) or "none"),
    )


def short(row: pd.Series) -> str:
    """Return a slice's rank and probability in one line."""
    return f"rank {row['rank']}, P {row['probability']:.2f}"


def tiles(rows: pd.DataFrame, slices: SliceSet, channel: int, outlined: bool, heads: Sequence[str]) -> list[Picture]:
    """Return a small picture of each slice; none if the images are missing."""
    return [
        Picture(
            str(row["slice_id"]),
            slice_png(slices, row["slice_id"], channel, outlined, SMALL),
            f"{head}: {short(row)}",
            f"slice {row['slice_id']}",
            width=SMALL,
            clickable=True,
        )
        for head, (_, row) in zip(heads, rows.iterrows(), strict=True)
        if slices.pictured
    ]


def channels(slices: SliceSet) -> list[str]:
    """Return the names of a slice set's channels, each once."""
    return list(dict.fromkeys(slices.manifest["channels"]))


def class_colour(slices: SliceSet, slice_id: int) -> tuple[int, int, int]:
    """Return the colour of a slice's class: red, green and blue, 0 to 255."""
    name = slices.table["class_name"].iat[slice_id]
    red, green, blue = (round(255 * part) for part in to_rgb(CLASS_COLOURS[slices.classes.index(name)]))
    return red, green, blue


def plane(slices: SliceSet, slice_id: int, channel: int, outlined: bool) -> Plane:
    """Return one channel of a slice with all its grey levels; parameters as for `slice_png`."""
    pixels = slices.pixels[slice_id, channel]
    tumour = slices.segmentation[slice_id] > 0
    mask = tumour & ~binary_erosion(tumour) if outlined else tumour[:0]
    return Plane(
        (pixels.astype("<u2") * 257).tobytes(),
        mask.astype(np.uint8).tobytes(),
        pixels.shape[1],
        pixels.shape[0],
        0.0,
        255.0,
        255.0,
        class_colour(slices, slice_id),
        f"channel {channel + 1} of slice {slice_id}",
    )


def slice_png(slices: SliceSet, slice_id: int, channel: int, outlined: bool, side: int) -> bytes:
    """Return one channel of a slice as PNG. Only this image and its mask are read from the slice set.

    Parameters
    ----------
    channel : int
        Index of the channel.
    outlined : bool
        Whether to outline the tumour, two pixels wide.
    side : int
        Pixels on the longer side of the picture.
    """

    def enlarged(pixels: Any) -> Image.Image:
        return ImageOps.contain(Image.fromarray(pixels), (side, side), Image.Resampling.BILINEAR)

    picture = enlarged(slices.pixels[slice_id, channel]).convert("RGB")
    if outlined:
        mask = np.asarray(enlarged((slices.segmentation[slice_id] > 0) * np.uint8(255))) > 127
        outline = mask & ~binary_erosion(mask, iterations=2)
        picture.paste(class_colour(slices, slice_id), None, Image.fromarray(outline))
    file = BytesIO()
    picture.save(file, "PNG", compress_level=1)  # quickly rather than small
    return file.getvalue()
