"""The slice sets of a study: each is cut when it is first asked for, or found among the outputs."""

import json
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path

from brats_al_utils.cohorts.cohort import Cohort
from brats_al_utils.cohorts.cutting import prepare
from brats_al_utils.cohorts.slices import FORMAT, SliceSet, open_slices
from brats_al_utils.files import locked
from brats_al_utils.progress import Track
from brats_al_utils.study.places import Places
from brats_al_utils.study.profile import Profile

PREPARING = 3600.0
"""Seconds to wait for another process that prepares the same; then it is done twice."""


def open_set(
    cohort: Cohort, profile: Profile, balanced: bool, places: Places, skip_bad: bool, track: Track
) -> SliceSet:
    """Return the imbalanced or the balanced slice set of a study.

    Parameters
    ----------
    skip_bad : bool
        Cut it without the patients that have a problem; a set that is there already is used as it is.
    track : callable
        Shows how many patients have been cut.
    """
    rule = profile.slice_rule(balanced)
    states = [(path, Path(path).stat()) for path in cohort.paths]
    files = [(path, state.st_size, state.st_mtime_ns) for path, state in states]
    # What a table or a mapping says of the same files, which somebody may correct: class, person, site, part.
    said = cohort.cases.drop(columns=list(cohort.files)).to_csv(index=False)
    settings = list(asdict(rule).items())
    settings.insert(4, ("intensity", "mode"))  # a setting once: sets that were cut before are found
    made_from = json.dumps([FORMAT, files, said, cohort.classes, dict(settings)])
    folder = places.slices / f"{'balanced' if balanced else 'imbalanced'}-{sha256(made_from.encode()).hexdigest()[:12]}"
    places.slices.mkdir(parents=True, exist_ok=True)
    with locked(Path(f"{folder}.lock"), PREPARING, "cutting slices"):
        return open_slices(folder) if folder.exists() else prepare(cohort, rule, folder, skip_bad, track)
