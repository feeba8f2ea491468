"""The synthetic cohort of a profile."""

from pathlib import Path

from brats_al_utils.beyond.phantoms.phantom import VERSION
from brats_al_utils.beyond.phantoms.writing import write_cohort
from brats_al_utils.files import locked
from brats_al_utils.progress import Track
from brats_al_utils.study.places import Places
from brats_al_utils.study.profile import Profile
from brats_al_utils.study.study import PREPARING


def cohort_of(profile: Profile, places: Places, track: Track) -> Path:
    """Return the folder of a profile's synthetic cohort, written now if this version has not written it yet."""
    patients = f"{profile.patients}+{profile.test_patients}" if profile.test_patients else f"{profile.patients}"
    folder = places.outputs / f"phantom{VERSION}-{patients}-{profile.spacing}mm-seed{profile.phantom_seed}"
    with locked(Path(f"{folder}.lock"), PREPARING, "writing the synthetic cohort"):
        if not folder.exists():
            write_cohort(
                folder,
                profile.patients,
                profile.phantom_seed,
                profile.spacing,
                track=track,
                test_patients=profile.test_patients,
            )
    return folder
