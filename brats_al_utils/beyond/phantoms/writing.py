"""Write synthetic patients as a BraTS release has its own: their folders, files and mapping, and the truth of each."""

import gzip
from dataclasses import fields
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from brats_al_utils import InputError
from brats_al_utils.beyond.phantoms import phantom
from brats_al_utils.cohorts.cohort import TRUTH_FILE, cores, each_case
from brats_al_utils.cohorts.mapping import MAPPING_FILE
from brats_al_utils.cohorts.split import PARTS
from brats_al_utils.cohorts.volumes import SEQUENCES
from brats_al_utils.files import locked, new_folder
from brats_al_utils.progress import Track, untracked
from brats_al_utils.study.places import Places
from brats_al_utils.study.profile import Profile
from brats_al_utils.study.study import PREPARING

LAYOUTS = ("2018", "2019", "2020")
"""Releases whose folders and names can be followed."""

MIN_PATIENTS = 10
"""The fewest with three LGG among them; the study needs three of each grade."""


def subject_ids(patient: phantom.Patient) -> dict[str, str]:
    """Return a patient's names by release."""
    return {
        "2018": f"Brats18_{patient.site}_{patient.index + 1:04d}_1",
        "2019": f"BraTS19_{patient.site}_{patient.index + 1:04d}_1",
        "2020": f"BraTS20_Training_{patient.index + 1:03d}",
    }


def write_volume(path: Path, data: NDArray[Any], spacing: int) -> None:
    """Write a compressed NIfTI file whose bytes depend on the data alone: its header carries no time, no name."""
    shift = (spacing - 1) / 2
    affine = np.array([[-spacing, 0, 0, -shift], [0, -spacing, 0, 239 - shift], [0, 0, 1, 0], [0, 0, 0, 1]])
    image = nib.Nifti1Image(data, affine)
    image.header.set_xyzt_units("mm")
    path.write_bytes(gzip.compress(image.to_bytes(), compresslevel=1, mtime=0))


def truth(patient: phantom.Patient) -> dict[str, Any]:
    """Return a patient's drawn numbers by name, one each: a tuple's are named after their axis, side or sequence."""
    parts = {2: ("right", "left"), 3: ("x", "y", "z"), 4: SEQUENCES}
    row: dict[str, Any] = {}
    for field in fields(patient):
        value = getattr(patient, field.name)
        if isinstance(value, tuple):
            row |= {f"{field.name}_{part}": v for part, v in zip(parts[len(value)], value, strict=True)}
        else:
            row[field.name] = value
    return row


def write_patient(
    folder: Path, patient: phantom.Patient, rendered: phantom.Rendered, spacing: int, layout: str
) -> dict[str, Any]:
    """Write one patient's folder, where the layout has it, and return its row of the truth table."""
    volumes, labels = rendered
    name = subject_ids(patient)[layout]
    place = (folder if layout == "2020" else folder / patient.grade) / name
    place.mkdir(parents=True)
    for sequence, volume in volumes.items():
        write_volume(place / f"{name}_{sequence}.nii.gz", volume, spacing)
    seg = labels.astype(np.int16) if patient.site == "SYN1" else labels
    write_volume(place / f"{name}_seg.nii.gz", seg, spacing)
    millilitres = {label: float(np.sum(labels == label) * spacing**2 / 1000) for label in (1, 2, 4)}
    return {
        "patient_id": name,
        **truth(patient),
        "spacing": spacing,
        "core_ml": millilitres[1],
        "oedema_ml": millilitres[2],
        "enhancing_ml": millilitres[4],
        "tumour_slices": int(np.any(labels > 0, axis=(0, 1)).sum()),
    }


def write_cohort(
    folder: Path,
    patients: int,
    seed: int,
    spacing: int = 1,
    layout: str = "2019",
    track: Track = untracked,
    test_patients: int = 0,
) -> None:
    """Write a cohort of synthetic patients in the folders and files of a BraTS release.

    Beside the patients stand ``name_mapping.csv``, as in the release, and ``phantom_truth.csv``, which holds all
    that was drawn and marks the cohort as synthetic. The folder appears under its name when it is complete.

    Parameters
    ----------
    folder : Path
        Where to write; new, or empty.
    patients : int
        How many, at least 10. Patient k is the same whatever their number; of 335, 259 are HGG and 76 LGG.
    seed : int
        Non-negative.
    spacing : int
        In-plane size of a voxel in mm: 1 (240 x 240 x 155, as in BraTS) or 2 (120 x 120 x 155).
    layout : str
        Release whose layout to follow: "2018" or "2019" (folders HGG and LGG) or "2020" (flat).
    track : callable
        Shows how many patients have been written.
    test_patients : int
        An even number of further patients, see `phantom.indices_of_test`. Where there are some, the truth table has a
        column ``part``, which says ``test`` of them and nothing of the others, and the cohort is split so.
    """
    if not MIN_PATIENTS <= patients <= phantom.FIRST_OF_TEST:
        what = f"expected {MIN_PATIENTS} (the study needs three of each grade) to {phantom.FIRST_OF_TEST}"
        raise InputError(f"patients is {patients}, {what}")
    if layout not in LAYOUTS:
        raise InputError(f"layout is {layout!r}; expected one of {', '.join(LAYOUTS)}: choose one of them")
    # A patient has a core to itself: the threads of its small matrix products would only get in each other's way.
    with new_folder(folder) as unfinished, threadpool_limits(1):
        rows, names = [], []
        indices = (*range(patients), *phantom.indices_of_test(test_patients))
        drawn = [phantom.draw_patient(seed, index) for index in indices]
        for patient, rendering in each_case(drawn, lambda patient: phantom.render(patient, spacing), cores(), track):
            rows.append(write_patient(unfinished, patient, rendering.result(), spacing, layout))
            ids = {release: name for release, name in subject_ids(patient).items() if release in (layout, "2019")}
            names.append({"Grade": patient.grade} | ids)
        releases = ["2017", "2018", "TCGA_TCIA", "2019"] + (["2020"] if layout == "2020" else [])
        columns = {r: f"{r}_subject_ID" if r == "TCGA_TCIA" else f"BraTS_{r}_subject_ID" for r in releases}
        mapping = pd.DataFrame(names).reindex(columns=["Grade", *releases]).rename(columns=columns)
        mapping.to_csv(unfinished / MAPPING_FILE, index=False, na_rep="NA")
        table = pd.DataFrame(rows)
        if test_patients:
            table["part"] = np.where(table["index"] < phantom.FIRST_OF_TEST, "", PARTS[2])
        table.to_csv(unfinished / TRUTH_FILE, index=False)


def cohort_of(profile: Profile, places: Places, track: Track) -> Path:
    """Return the folder of a profile's synthetic cohort, written now if this version has not written it yet."""
    patients = f"{profile.patients}+{profile.test_patients}" if profile.test_patients else f"{profile.patients}"
    folder = places.outputs / f"phantom{phantom.VERSION}-{patients}-{profile.spacing}mm-seed{profile.phantom_seed}"
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
