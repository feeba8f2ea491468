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


def state_of(cohort: Cohort) -> tuple[list[tuple[str, int, int]], str]:
    """Return each file's path, size and time, and what a table or a mapping says of them: both may be corrected."""
    states = [(path, Path(path).stat()) for path in cohort.paths]
    said = cohort.cases.drop(columns=list(cohort.files)).to_csv(index=False)
    return [(path, state.st_size, state.st_mtime_ns) for path, state in states], said


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
    settings = list(asdict(rule).items())
    settings.insert(4, ("intensity", "mode"))  # a setting once: sets that were cut before are found
    made_from = json.dumps([FORMAT, *state_of(cohort), cohort.classes, dict(settings)])

    def named(text: str) -> Path:
        kind = "balanced" if balanced else "imbalanced"
        return places.slices / f"{kind}-{sha256(text.encode()).hexdigest()[:12]}"

    folder = named(made_from)
    changed = max(Path(path).stat().st_ctime_ns for path in cohort.paths)
    if (cut := folder / "manifest.json").exists() and changed > cut.stat().st_mtime_ns:
        folder = named(f"{made_from} {changed}")  # a file was replaced by one of its size and time
    places.slices.mkdir(parents=True, exist_ok=True)
    with locked(Path(f"{folder}.lock"), PREPARING, "cutting slices"):
        return open_slices(folder) if folder.exists() else prepare(cohort, rule, folder, skip_bad, track)
