"""Open an unpacked bundle: a study without images."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd

from brats_al_utils import InputError
from brats_al_utils.cohorts.cohort import Cohort
from brats_al_utils.cohorts.slices import TEXT_COLUMNS, SliceSet
from brats_al_utils.files import read_json
from brats_al_utils.queries.selection import Selection
from brats_al_utils.study.arms import DATASETS
from brats_al_utils.study.places import Places
from brats_al_utils.study.profile import Profile, profile_of
from brats_al_utils.study.study import Study

FACTS = "bundle.json"
"""File of an unpacked bundle: the study's settings, and the manifest of each slice set."""

CHOSEN = "selections.json"
"""File of a study with the selections of networks whose outputs are not stored."""


def is_unpacked(folder: Path) -> bool:
    """Whether a folder is an unpacked bundle.

    Raises
    ------
    InputError
        If it is a bundle that is not unpacked.
    """
    if folder.suffix == ".bundle":
        raise InputError(f"{folder}: unpack it first (brats-al figures {folder}), and name the folder that it says")
    return (folder / FACTS).is_file()


def open_unpacked(folder: Path, out: str | Path = "", profile: str = "") -> Study:
    """Open an unpacked bundle.

    Parameters
    ----------
    folder : Path
    out : str or Path
        Folder for its figures and tables; empty for ``figures`` in it.
    profile : str
        The expected profile; empty for any.

    Raises
    ------
    InputError
        If it has another profile.
    """
    facts = read_json(folder / FACTS, f"delete {folder} and unpack the bundle again")
    if profile not in ("", facts["profile"]):
        raise InputError(f"{folder}: of profile {facts['profile']!r}, expected {profile!r}: name its profile")
    places = Places(Path(out).expanduser().resolve() if out else folder / "figures", folder)
    places.make()
    places.claim(facts["digest"])
    settings = profile_of(facts["profile"], facts["settings"])
    opened = {}
    for number, each in enumerate(facts["sets"]):
        with (folder / "slices" / f"{number}.csv").open("rb") as file:
            opened[each["name"]] = without_pixels(each["manifest"], file, settings.image_size)
    cohort = Cohort(folder, pd.DataFrame(columns=["patient_id"]), (), {}, (), opened[DATASETS[0]].classes, files=())
    return Study(settings, places, cohort, "cpu", "1", opened=opened, selections=chosen_before(places, settings))


def without_pixels(manifest: dict[str, Any], table: IO[bytes], image_size: int) -> SliceSet:
    """Return a slice set without images, with exactly the table that was written."""
    exact = {"position": float, "tumour_mm2": float}  # Python's float restores every bit
    rows = pd.read_csv(table, dtype=TEXT_COLUMNS, keep_default_na=False, converters=exact, index_col="slice_id")
    pixels = np.empty((0, 3, image_size, image_size), np.uint8)
    return SliceSet(Path(), manifest, rows, pixels, pixels[:, 0])


def chosen_before(places: Places, profile: Profile) -> dict[tuple[object, ...], Selection]:
    """Return the stored selections of a study with the same settings, as for `Study.selections`; empty without any.

    The number of runs may differ.
    """
    path = places.outputs / CHOSEN
    kept = read_json(path, "delete it") if path.exists() else {"settings": {}, "chosen": []}
    same = same_settings(kept["settings"], json.loads(json.dumps(asdict(profile))))
    return {key: selected for record in kept["chosen"] * same for key, selected in [selection_of(record)]}


def same_settings(some: Mapping[str, Any], others: Mapping[str, Any]) -> bool:
    """Whether two profiles are the same, apart from the number of runs."""
    return {**some, "n_runs": 0} == {**others, "n_runs": 0}


def selection_of(record: Mapping[str, Any]) -> tuple[tuple[object, ...], Selection]:
    """Return the key of a selection in `Study.selections`, and the selection, which needs no further query."""
    labelled, chosen = (np.array(record[name], np.int64) for name in ("labelled", "chosen"))
    return (*record["arm"], record["number"]), Selection(labelled, chosen)
