"""A small synthetic cohort to try annotation on: slices of phantoms as PNG, and a table with labels missing."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image
from threadpoolctl import threadpool_limits

from brats_al_utils.beyond.annotation.session import Session, open_session
from brats_al_utils.beyond.phantoms.phantom import VERSION, draw_patient, indices_of_test, render
from brats_al_utils.beyond.releases.table import TABLE
from brats_al_utils.cohorts.cohort import TRUTH_FILE, cores, each_case
from brats_al_utils.cohorts.layout import GRADES
from brats_al_utils.files import locked, new_folder
from brats_al_utils.progress import patients
from brats_al_utils.study.places import ROOT
from brats_al_utils.study.study import PREPARING

COHORT = f"synthetic-cohort-{VERSION}"
"""Name of the cohort's folder."""

LABELLED = {"validation": 5, "test": 5, "training": 5}
"""Number of labelled patients of either class in each part."""

UNLABELLED = 5
"""Number of unlabelled patients of either class, for training."""

OFFSETS = (-8, 0, 8)
"""Distances of each patient's slices (mm) from the one with the largest tumour."""

SEQUENCES = {"image": "t1ce", "image2": "t1", "image3": "t2"}
"""Sequences by column of the table."""


def open_annotation(data: str, out: str, settings: Mapping[str, object], *more: Any) -> Session:
    """Open the annotation of some data, or of the synthetic cohort if ``data`` is empty.

    Parameters
    ----------
    data, out : str
        As for `session.open_session`, or empty.
    settings, *more
        As for `session.open_session`.
    """
    kept = Path(out).expanduser().resolve() if out else None
    folder = Path(data).expanduser().resolve() if data else example((kept or ROOT / "outputs" / "annotation") / COHORT)
    return open_session(folder, kept, settings, *more)


def example(folder: Path) -> Path:
    """Return the folder of the cohort, and write it if it is missing; the true labels are in a file of their own."""
    with locked(Path(f"{folder}.lock"), PREPARING, "writing the synthetic cohort"):
        if not folder.exists():
            write_example(folder)
    return folder


def write_example(folder: Path) -> None:
    """Write 40 patients, half of either class: see ``LABELLED``."""
    parts = [part for part, count in LABELLED.items() for _ in range(count)] + [""] * UNLABELLED
    drawn = [draw_patient(0, index) for index in indices_of_test(2 * len(parts))]
    left = {grade: list(parts) for grade in GRADES}
    rows: list[dict[str, Any]] = []
    truth: list[dict[str, Any]] = []
    with new_folder(folder) as partial, threadpool_limits(1):
        (partial / "images").mkdir()
        cases = each_case(drawn, lambda patient: render(patient, 2), cores(), patients)
        for number, (patient, rendering) in enumerate(cases, 1):
            volumes, tumour = rendering.result()
            part, name = left[patient.grade].pop(0), f"P{number:02}"
            truth.append({"patient_id": name, "grade": patient.grade, "atypical": patient.atypical})
            for z in planes(tumour):
                row = {"patient_id": name, "label": patient.grade if part else "", "split": part or "training"}
                for column, sequence in SEQUENCES.items():
                    row[column] = f"images/{name}_{z:03}_{sequence}.png"
                    Image.fromarray(volumes[sequence][:, :, z].T.astype(np.uint16)).save(partial / row[column])
                rows.append(row)
        pd.DataFrame(rows).to_csv(partial / TABLE, index=False)
        pd.DataFrame(truth).to_csv(partial / TRUTH_FILE, index=False)


def planes(tumour: np.ndarray[Any, Any]) -> list[int]:
    """Return the axial slices of a tumour [X, Y, Z] to write, all of them within it."""
    area = np.count_nonzero(tumour, axis=(0, 1))
    within = np.flatnonzero(area)
    return sorted({int(np.clip(area.argmax() + offset, within[0], within[-1])) for offset in OFFSETS})
