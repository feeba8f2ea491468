"""What a reader is asked: the slices of a query, each with every picture that there is of its patient."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from brats_al_utils import InputError
from brats_al_utils.cohorts.cohort import Cohort
from brats_al_utils.cohorts.images import CHANNELS
from brats_al_utils.cohorts.layout import shown
from brats_al_utils.cohorts.table import TABLE


@dataclass(frozen=True)
class Picture:
    """A plane of an image.

    Attributes
    ----------
    slice_id : str
        The path of its image as the table has it, of a volume followed by ``#`` and the axial slice.
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
    def name(self) -> str:
        """As a reader sees it: without its folder, which may be named after a class."""
        return self.channels[0].name + f", slice {self.z + 1} of {self.planes}" * (self.planes > 1)


@dataclass(frozen=True)
class Proposal:
    """A slice that is to be annotated.

    Attributes
    ----------
    patient_id : str
    pictures : tuple of Picture
        All of the patient's.
    place : int
        Which of them is to be annotated.
    """

    patient_id: str
    pictures: tuple[Picture, ...]
    place: int = 0

    @property
    def slice_id(self) -> str:
        """The id of the slice."""
        return self.pictures[self.place].slice_id

    @property
    def file(self) -> Path:
        """The file whose hash an answer keeps."""
        return self.pictures[self.place].channels[0]


def proposals_of(slice_ids: Sequence[str], cohort: Cohort) -> tuple[Proposal, ...]:
    """Return the proposals of a query, in its order.

    Parameters
    ----------
    slice_ids : sequence of str
    cohort : Cohort
        A table's, with the patients that have no label: its images lie where they may.

    Raises
    ------
    InputError
        If the cohort does not have a slice.
    """
    owner = dict(zip(cohort.cases["named"], cohort.cases["patient_id"], strict=True))
    patients = dict(list(cohort.cases.groupby("patient_id")))
    made = []
    for slice_id in slice_ids:
        name = owner.get(slice_id) or owner.get(slice_id.rpartition("#")[0], "")
        pictures = pictures_of(patients[name]) if name else ()
        place = next((place for place, picture in enumerate(pictures) if picture.slice_id == slice_id), None)
        if place is None:
            raise InputError(f"{cohort.root / TABLE}: no slice {shown(slice_id)}, which was proposed: query anew")
        made.append(Proposal(name, pictures, place))
    return tuple(made)


def pictures_of(rows: pd.DataFrame) -> tuple[Picture, ...]:
    """Return every plane of some rows of `Cohort.cases`, of a table."""
    return tuple(
        Picture(
            f"{row['named']}#{z}" if row["slices"] > 1 else row["named"],
            tuple(Path(row[name]) for name in CHANNELS if row[name]),
            z,
            row["slices"],
        )
        for _, row in rows.iterrows()
        for z in range(row["slices"])
    )
