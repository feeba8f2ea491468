"""What a reader is asked: the slices of a query, each with every picture that there is of its patient.

A picture is sent with all the grey levels that its file has, and what they mean.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from brats_al_utils import InputError
from brats_al_utils.arrays import Array
from brats_al_utils.beyond.annotation.answers import current
from brats_al_utils.beyond.annotation.draws import held_out, random_units
from brats_al_utils.beyond.annotation.query import query, read_query
from brats_al_utils.beyond.annotation.session import TEST, VALIDATION, Session
from brats_al_utils.beyond.releases.images import CHANNELS, lifted, percentiles, read_image
from brats_al_utils.beyond.releases.table import TABLE
from brats_al_utils.cohorts.cohort import Cohort
from brats_al_utils.cohorts.layout import shown

WHITE_PERCENTILE = 99.5
"""Percentile of the foreground's intensities that is shown as white at first."""

MAX_LEVEL = 65535
"""The last grey level, as which a picture's highest intensity travels."""


@dataclass(frozen=True)
class Picture:
    """A plane of an image.

    Attributes
    ----------
    slice_id : str
        As answers name it: see `candidates.read_slices`.
    channels : tuple of Path
        The files, one a channel.
    z : int
        The axial slice.
    planes : int
        How many there are in the image.
    """

    slice_id: str
    channels: tuple[Path, ...]
    z: int = 0
    planes: int = 1

    @property
    def file(self) -> Path:
        """The file whose hash an answer keeps."""
        return self.channels[0]

    @property
    def name(self) -> str:
        """As a reader sees it: without its folder, which may be named after a class."""
        return f"{self.file.name}, slice {self.z + 1} of {self.planes}" if self.planes > 1 else self.file.name


@dataclass(frozen=True)
class Proposal:
    """What is annotated with one answer: a slice, or all slices of a patient that were proposed.

    Attributes
    ----------
    patient_id : str
    pictures : tuple of Picture
        All of the patient's.
    places : tuple of int
        Which of them are to be annotated; the first one is shown first.
    """

    patient_id: str
    pictures: tuple[Picture, ...]
    places: tuple[int, ...] = (0,)

    @property
    def proposed(self) -> tuple[Picture, ...]:
        """What is to be annotated."""
        return tuple(self.pictures[place] for place in self.places)

    @property
    def slice_ids(self) -> tuple[str, ...]:
        """Their ids."""
        return tuple(picture.slice_id for picture in self.proposed)

    @property
    def first(self) -> Picture:
        """What is shown first, which names the proposal."""
        return self.proposed[0]


def proposed(
    session: Session, reader: str, budget: int, strategy: str, unit: str, random_share: float
) -> tuple[Session, pd.DataFrame]:
    """Return the last query, or a new one where there is none or this reader has answered all of the last.

    So a reader goes on where the answers end, and a second reader is asked the same as the first. Parameters as of
    `query.query`. Where nothing is left to be asked, the last query stays.
    """
    last = read_query(session) if session.state.queries else None
    if last is not None:
        given = current(session.given, reader)
        parts = (held_out(session, VALIDATION, unit), held_out(session, TEST, unit), random_units(session, unit))
        if not any(parts) or not set(last["slice_id"]) <= given.keys():
            return session, last
    return query(session, budget, strategy, unit, random_share)


def proposals_of(slice_ids: Sequence[str], cohort: Cohort, whole: bool = False) -> tuple[Proposal, ...]:
    """Return the proposals of a query, in its order.

    Parameters
    ----------
    slice_ids : sequence of str
    cohort : Cohort
        A table's, with the patients that have no label: its images lie where they may.
    whole : bool
        Annotate all proposed slices of a patient with one answer.

    Raises
    ------
    InputError
        If the cohort does not have a slice.
    """
    pictures = {str(name): pictures_of(rows) for name, rows in cohort.cases.groupby("patient_id")}
    found = {picture.slice_id: (name, place) for name, own in pictures.items() for place, picture in enumerate(own)}
    asked: dict[str, list[tuple[str, int]]] = {}
    for slice_id in slice_ids:
        if slice_id not in found:
            raise InputError(f"{cohort.root / TABLE}: no slice {shown(slice_id)}, which was proposed: query anew")
        asked.setdefault(found[slice_id][0] if whole else slice_id, []).append(found[slice_id])
    return tuple(
        Proposal(name, pictures[name], tuple(place for _, place in places))
        for places in asked.values()
        for name in [places[0][0]]
    )


def pictures_of(rows: pd.DataFrame) -> tuple[Picture, ...]:
    """Return every plane of some rows of `Cohort.cases`, of a table."""
    return tuple(
        Picture(
            f"{row['known_as']}#{z}" if row["slices"] > 1 else row["known_as"],
            tuple(Path(row[name]) for name in CHANNELS if row[name]),
            z,
            row["slices"],
        )
        for _, row in rows.iterrows()
        for z in range(row["slices"])
    )


@dataclass(frozen=True)
class Scale:
    """What the grey levels of a file mean, the same in all of its planes.

    Attributes
    ----------
    low, high : float
        The intensities of the first and the last grey level.
    white : float
        The intensity that is white at first; black is the lowest.
    aspect : float
        How much wider than high a pixel is.
    """

    low: float
    high: float
    white: float
    aspect: float


def grey_levels(file: Path, z: int) -> tuple[Array, Scale]:
    """Return a plane of an image as a radiologist sees it.

    Returns
    -------
    levels : np.ndarray [H, W] of uint16, little-endian
        From the file's lowest to its highest intensity.
    scale : Scale

    Raises
    ------
    InputError
        If the image cannot be read.
    """
    state = file.stat()
    voxels, scale = voxels_of(file, state.st_mtime_ns, state.st_size)
    shares = (voxels[:, :, z].T.astype(np.float64) - scale.low) / (scale.high - scale.low)
    return np.rint(shares * MAX_LEVEL).astype("<u2"), scale


@lru_cache(maxsize=4)
def voxels_of(file: Path, _changed: int, _size: int) -> tuple[Array, Scale]:
    """Return an image's voxels [X, Y, Z]; a volume is read once for all planes, and again when its file has changed."""
    image = read_image(file, "grey")  # a picture in colour as its luminance
    low, high = float(image.voxels.min()), float(image.voxels.max())
    foreground = image.voxels[lifted(image.voxels).foreground]
    white = float(percentiles(foreground, (WHITE_PERCENTILE,))[0]) if foreground.size else high
    x, y, _ = image.spacing
    return image.voxels, Scale(low, max(high, np.nextafter(low, np.inf)), white, x / y)
