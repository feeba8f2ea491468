"""Open a study: its profile and its cohort. Without data, the room `phantoms` writes a synthetic cohort."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from brats_al_utils import InputError
from brats_al_utils.cohorts.readers import plugged_in, read_cohort
from brats_al_utils.networks.network import initial_state
from brats_al_utils.networks.training import choose_device
from brats_al_utils.progress import Track, patients
from brats_al_utils.runs.scheduler import workers_of
from brats_al_utils.study.places import Places, find_data
from brats_al_utils.study.profile import profile_of
from brats_al_utils.study.study import Study, as_found
from brats_al_utils.study.unpacked import chosen_before, is_unpacked, open_unpacked


def open_study(
    profile: str = "demo",
    data: str | Path = "",
    out: str | Path = "",
    settings: Mapping[str, object] | str | None = None,
    device: str = "auto",
    workers: str | int = "",
    skip_bad: bool = False,
    follow_links: bool = False,
    track: Track = patients,
) -> Study:
    """Open a study; its slice sets are cut when they are first used.

    Parameters
    ----------
    profile : {"smoke", "demo", "design", "open", "lgg", "paper"}
    data : str or Path
        Folder of a BraTS release, of a table of images, or of an unpacked bundle (which has its own settings); empty
        for the profile's synthetic cohort.
    out : str or Path
        Folder for everything that the study writes; empty for the checkout's ``outputs/<profile>``.
    settings : mapping of str to object, or text of one
        Settings that differ from the profile's.
    device : {"auto", "cpu", "cuda"}
    workers : str or int
        Who computes its runs: see `engine.distribute`.
    skip_bad : bool
        Whether slice sets are cut without the patients that have a problem; an existing set is used unchanged.
    follow_links : bool
        Whether to follow symbolic links out of the folder of the data.
    track : callable
        Shows how many patients have been written or cut.

    Raises
    ------
    InputError
        If a parameter cannot be used.
    """
    if data and is_unpacked(Path(data)):
        return open_unpacked(Path(data), out, profile)
    chosen = profile_of(profile, settings)
    if "://" not in str(workers):
        workers_of(str(workers), device)
        choose_device(device)  # checked now; on a cluster, the workers' machines decide
    named = find_data(chosen, data)
    read = partial(read_cohort, follow_links=follow_links, classes=chosen.classes, task=chosen.task)
    cohort = read(named) if named else None
    initial_state(chosen.start, chosen.network)  # missing weights are reported, or downloaded, before any training
    places = Places.of(profile, out)
    if places.figures == named:
        raise InputError(
            f"{named}: the data's own folder, whose cohort.csv a table would overwrite: name another (out)"
        )
    places.make()
    folder = named or plugged_in("phantoms")[0].cohort_of(chosen, places, track)
    cohort = cohort or read(folder)
    places.claim(profile, str(named or folder.name), chosen.changes, *as_found(cohort))
    kept = chosen_before(places, chosen)
    return Study(chosen, places, cohort, device, str(workers), skip_bad, track, selections=kept)
