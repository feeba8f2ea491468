"""The slice sets of a study: each is cut when it is first asked for, or found among the outputs."""

import json
from dataclasses import asdict
from functools import partial
from hashlib import sha256
from pathlib import Path

from brats_al_utils import InputError
from brats_al_utils.cohorts.cohort import Cohort
from brats_al_utils.cohorts.cutting import prepare
from brats_al_utils.cohorts.slices import FORMAT, SliceSet, open_slices
from brats_al_utils.files import locked
from brats_al_utils.phantoms.outliers import VERSION, plant
from brats_al_utils.progress import Track
from brats_al_utils.study.arms import DATASETS, planted_outliers
from brats_al_utils.study.places import Places
from brats_al_utils.study.profile import Profile

PREPARING = 3600.0
"""Seconds to wait for another process that prepares the same; then it is done twice."""


def open_set(
    dataset: str,
    cohort: Cohort,
    profile: Profile,
    places: Places,
    skip_bad: bool,
    track: Track,
    source: SliceSet | None,
) -> SliceSet:
    """Return a slice set of a study.

    Parameters
    ----------
    dataset : str
        One of `arms.DATASETS`, or the name of a set with planted outliers: see `arms.planted_name`.
    skip_bad : bool
        Cut it without the patients that have a problem; a set that is there already is used as it is.
    track : callable
        Shows how many patients have been cut.
    source : SliceSet, optional
        The imbalanced set, in which outliers are planted.
    """
    if planted := planted_outliers(dataset):
        if source is None:
            raise InputError(f"{dataset}: planted in no slice set, expected the imbalanced one")
        kind, dose = planted
        made_from: list[object] = [VERSION, source.fingerprint, kind, dose, profile.phantom_seed]
        make = partial(plant, cohort, source, kind, dose, profile.phantom_seed)
    else:
        kind, rule = dataset, profile.slice_rule(balanced=dataset == DATASETS[1])
        states = [(path, Path(path).stat()) for path in cohort.paths]
        files = [(path, state.st_size, state.st_mtime_ns) for path, state in states]
        # What a table or a mapping says of the same files, which somebody may correct: class, person, site, part.
        said = cohort.cases.drop(columns=list(cohort.files)).to_csv(index=False)
        made_from = [FORMAT, files, said, cohort.classes, asdict(rule)]
        make = partial(prepare, cohort, rule, skip_bad=skip_bad)
    folder = places.slices / f"{kind}-{sha256(json.dumps(made_from).encode()).hexdigest()[:12]}"
    places.slices.mkdir(parents=True, exist_ok=True)
    with locked(Path(f"{folder}.lock"), PREPARING, "cutting slices"):
        return open_slices(folder) if folder.exists() else make(folder=folder, track=track)
