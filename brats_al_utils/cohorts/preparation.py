"""Cut a cohort into a slice set: the pixels, the table of slices, the split, and a manifest with a fingerprint."""

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.lib.format import write_array_header_1_0
from threadpoolctl import threadpool_limits

from brats_al_utils import InputError
from brats_al_utils.cohorts.checks import marks_of, same_pixels
from brats_al_utils.cohorts.cohort import Cohort, each_case, one_line_a_kind, threads
from brats_al_utils.cohorts.cuts import Cut
from brats_al_utils.cohorts.slices import FORMAT, SliceRule, SliceSet, digests, open_slices
from brats_al_utils.cohorts.split import split_patients, too_few
from brats_al_utils.files import new_folder
from brats_al_utils.memory import give_back_freed_memory, keep_freed_memory
from brats_al_utils.progress import Track, untracked

GIVEN_BACK = 8
"""Freed memory is given back to the system after so many patients: saves 100 MiB of 335 patients, and costs no time."""


class GrowingArray:
    """A .npy file of uint8 that grows along its first axis: memory does not grow with the number of patients."""

    def __init__(self, path: Path, shape: tuple[int, ...]) -> None:
        self.shape, self.count = shape, 0
        self.file = path.open("wb")
        self.write_header()

    def write_header(self) -> None:
        """Write the header for the current length; numpy pads it, so that a longer number fits."""
        self.file.seek(0)
        header = {"descr": "|u1", "fortran_order": False, "shape": (self.count, *self.shape)}
        write_array_header_1_0(self.file, header)

    def append(self, rows: np.ndarray[Any, Any]) -> None:
        """Append rows, contiguous in memory."""
        self.file.write(rows.data)
        self.count += len(rows)

    def close(self) -> None:
        """Write the final length and close the file."""
        self.write_header()
        self.file.flush()
        os.fsync(self.file.fileno())
        self.file.close()


def prepare(
    cohort: Cohort,
    rule: SliceRule,
    folder: Path,
    skip_bad: bool = False,
    track: Track = untracked,
) -> SliceSet:
    """Cut a cohort into a slice set; memory does not grow with the number of patients.

    Parameters
    ----------
    folder : Path
        A new folder, written beside and renamed: an interrupted call leaves nothing under this name.
    skip_bad : bool
        Go on without the patients that have a problem, and record them in the manifest.
    track : callable
        Shows how many patients have been cut.

    Raises
    ------
    InputError
        If patients have a problem (unless ``skip_bad``), naming all of them; if too few patients are left for a split;
        or if ``folder`` exists.
    """
    keep_freed_memory()
    left_out = {name: list(found) for name, found in cohort.problems.items()}
    few = list(too_few(cohort.cases, cohort.classes).values())
    if few or (left_out and not skip_bad):  # known before any volume is read
        raise InputError("\n".join(dict.fromkeys([*cohort.messages, *few])))

    cuts = each_cut(cohort, rule, cohort.classes, left_out, skip_bad, track)
    return write_slices(folder, cohort, rule, cuts, left_out=left_out)


def each_cut(
    cohort: Cohort,
    rule: SliceRule,
    classes: Sequence[str],
    left_out: dict[str, list[str]],
    skip_bad: bool,
    track: Track,
) -> Iterator[Cut]:
    """Cut a cohort's patients; parameters as `prepare`.

    Parameters
    ----------
    classes : sequence of str
        Every class_name of the cohort, in the order of their labels.
    left_out : dict of str to list of str
        Problems by patient; receives those of the files.

    Raises
    ------
    InputError
        At the end, if patients have a problem (unless ``skip_bad``).
    """
    asked = cohort.asked(rule)

    def cut_patient(rows: pd.DataFrame) -> Cut:
        return cohort.kind.cut(rows, asked[rows.index], rule, classes)

    seen: dict[bytes, str] = {}
    at_a_time = torch.get_num_threads()  # one for each case
    with threads(1), threadpool_limits(1, user_api="blas"):
        for rows, cutting in each_case(cohort.patients, cut_patient, at_a_time, track):
            patient_id = rows["patient_id"].iloc[0]
            try:
                made = cutting.result()
            except InputError as error:
                left_out[patient_id] = str(error).splitlines()
                continue
            if twice := same_pixels(patient_id, marks_of(made[1]), seen):
                left_out[patient_id] = twice
            else:
                yield made
    if left_out and not skip_bad:
        raise InputError("\n".join(one_line_a_kind(left_out)))


def write_slices(folder: Path, cohort: Cohort, rule: SliceRule, patients: Iterable[Cut], **facts: Any) -> SliceSet:
    """Write a slice set, one patient after the other.

    Parameters
    ----------
    folder : Path
        As for `prepare`.
    patients : iterable of (table, pixels, segmentation)
        As `cut_case` returns them, by patient_id.
    **facts
        Further entries of the manifest; read after the last patient is written.
    """
    with new_folder(folder) as partial:
        table = write_pixels(partial, rule.image_size, patients)
        # A phantom's site is random: the parts get equal shares of each, or they would differ by chance.
        used = cohort.cases[cohort.cases["patient_id"].isin(table["patient_id"])]
        split = split_patients(used, cohort.classes, rule.split_seed, "site" if cohort.synthetic else "")
        table.to_csv(partial / "slices.csv", index_label="slice_id", lineterminator="\n", encoding="utf-8")
        split.to_csv(partial / "split.csv", index=False, lineterminator="\n", encoding="utf-8")
        counts = table.merge(split[["patient_id", "part"]], on="patient_id").groupby(["part", "class_name"])[
            "patient_id"
        ]
        manifest = described(cohort, rule, partial, len(table)) | {
            "counts": [
                {"part": part, "class_name": name, "patients": int(group.nunique()), "slices": len(group)}
                for (part, name), group in counts
            ],
            "fewer_slices": fewer_slices(table, cohort, rule),
            **facts,
            "absent": list(cohort.absent),
        }
        (partial / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    return open_slices(folder)


def described(cohort: Cohort, rule: SliceRule, folder: Path, count: int) -> dict[str, Any]:
    """Return what every manifest says: the cohort, how its slices were cut, and the hashes of its files."""
    images, fingerprint = digests(folder)
    return {
        "format": FORMAT,
        "images": images,
        "fingerprint": fingerprint,
        "release": cohort.release,
        "synthetic": cohort.synthetic,
        "name": cohort.name,
        "classes": list(cohort.classes),
        "mirrored": not cohort.tabled,  # BraTS has axial slices of whole heads
        "channels": list(cohort.channels or rule.channels),
        "rule": asdict(rule),
        "slices": count,
        "chosen_by": cohort.kind.chosen_by(cohort.cases),
    }


def write_pixels(folder: Path, size: int, patients: Iterable[Cut]) -> pd.DataFrame:
    """Write the pixels and masks of patients, and return the table of their slices."""
    pixels = GrowingArray(folder / "pixels.npy", (3, size, size))
    segmentation = GrowingArray(folder / "segmentation.npy", (size, size))
    tables = []
    for number, (table, images, labels) in enumerate(patients):
        if number % GIVEN_BACK == 0:
            give_back_freed_memory()
        tables.append(table)
        pixels.append(images)
        segmentation.append(labels)
    pixels.close()
    segmentation.close()
    empty = pd.DataFrame(columns=["patient_id", "class_name"])
    return pd.concat(tables, ignore_index=True) if tables else empty


def fewer_slices(table: pd.DataFrame, cohort: Cohort, rule: SliceRule) -> dict[str, int]:
    """Return the number of slices of each patient who has fewer than the rule asks for."""
    counts = table.groupby("patient_id").size()
    asked = cohort.asked(rule).groupby(cohort.cases["patient_id"]).sum()
    fewer = counts[counts < asked.reindex(counts.index)]
    return {str(name): int(count) for name, count in fewer.items()}
