"""What a reader is asked: the slices of a query, each with all pictures of its patient.

A picture is sent with all grey levels of its file, and their intensities.
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
from brats_al_utils.beyond.annotation.session import QUERY, TEST, VALIDATION, Session
from brats_al_utils.beyond.releases.images import CHANNELS, lifted, percentiles, read_image
from brats_al_utils.beyond.releases.table import TABLE
from brats_al_utils.cohorts.cohort import Cohort
from brats_al_utils.cohorts.layout import shown

WHITE_PERCENTILE = 99.5
"""Percentile of the foreground's intensities that is white at first."""

MAX_LEVEL = 65535
"""Grey level of a picture's highest intensity."""


@dataclass(frozen=True)
class Picture:
    """A plane of an image.

    Attributes
    ----------
    slice_id : str
        Its name in answers: see `candidates.read_slices`.
    channels : tuple of Path
        A file for each channel.
    z : int
        Axial index.
    planes : int
        Number of planes in the image.
    """

    slice_id: str
    channels: tuple[Path, ...]
    z: int = 0
    planes: int = 1

    @property
    def file(self) -> Path:
        """The file whose hash is part of an answer."""
        return self.channels[0]

    @property
    def name(self) -> str:
        """Its name on the screen, without the folder, which may be named after a class."""
        return f"{self.file.name}, slice {self.z + 1} of {self.planes}" if self.planes > 1 else self.file.name


@dataclass(frozen=True)
class Proposal:
    """What one answer annotates: a slice, or all proposed slices of a patient.

    Attributes
    ----------
    patient_id : str
    pictures : tuple of Picture
        All pictures of the patient.
    places : tuple of int
        Indices of the proposed ones; the first of them is shown first.
    """

    patient_id: str
    pictures: tuple[Picture, ...]
    places: tuple[int, ...] = (0,)

    @property
    def proposed(self) -> tuple[Picture, ...]:
        """The pictures that the answer annotates."""
        return tuple(self.pictures[place] for place in self.places)

    @property
    def slice_ids(self) -> tuple[str, ...]:
        """The ids of the proposed pictures."""
        return tuple(picture.slice_id for picture in self.proposed)

    @property
    def first(self) -> Picture:
        """The picture that is shown first; its slice_id identifies the proposal."""
        return self.proposed[0]


def proposed(
    session: Session, reader: str, budget: int, strategy: str, unit: str, random_share: float
) -> tuple[Session, pd.DataFrame]:
    """Return the last query, or a new one if there is none or this reader has answered it all.

    So a reader resumes where the answers end, and a second reader gets the same proposals as the first. If nothing is
    left to propose, the last query stays. Parameters as for `query.query`.
    """
    written = session.state.queries and (session.folder / QUERY).exists()  # the state is written first
    last = read_query(session) if written else None
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
        From `candidates.read_candidates`.
    whole : bool
        Annotate all proposed slices of a patient with one answer.

    Raises
    ------
    InputError
        If a slice is not in the cohort.
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
    """Return every plane of the images in some rows of `Cohort.cases`."""
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
    """The intensities of a file's grey levels, the same in all of its planes.

    Attributes
    ----------
    low, high : float
        Intensities of the first and the last grey level.
    white : float
        Intensity that is white at first; black is the lowest.
    aspect : float
        Width of a pixel, in heights.
    """

    low: float
    high: float
    white: float
    aspect: float


def grey_levels(file: Path, z: int) -> tuple[Array, Scale]:
    """Return a plane of an image in a radiologist's orientation.

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
