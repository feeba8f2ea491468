"""Cut a cohort into a slice set: the pixels, the table of slices, the split, and a manifest with a fingerprint."""

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.lib.format import write_array_header_1_0
from threadpoolctl import threadpool_limits
from torch.nn.functional import interpolate

from brats_al_utils import InputError
from brats_al_utils.cohorts.checks import each_volume, tumour_areas
from brats_al_utils.cohorts.cohort import Cohort, case_files, each_case
from brats_al_utils.cohorts.intensity import scale_intensity, warn_of_leak
from brats_al_utils.cohorts.slices import FORMAT, LABEL, SliceRule, SliceSet, open_slices
from brats_al_utils.cohorts.split import split_patients, too_few
from brats_al_utils.cohorts.volumes import SEGMENTATION, Volume
from brats_al_utils.files import new_folder
from brats_al_utils.memory import keep_freed_memory
from brats_al_utils.progress import Track, untracked
from brats_al_utils.seeds import generator

Cut = tuple[pd.DataFrame, np.ndarray[Any, Any], np.ndarray[Any, Any]]
"""A patient's table, pixels and segmentation: see `cut_case`."""


def choose_slices(
    tumour_mm2: np.ndarray[Any, Any], count: int, rule: SliceRule, patient_id: str
) -> np.ndarray[Any, Any]:
    """Draw a patient's slices: ascending axial indices, at most ``count``, each with tumour.

    Parameters
    ----------
    tumour_mm2 : np.ndarray [Z] of float
        Tumour area of each axial slice.

    Notes
    -----
    Fewer slices are a subset of more, so a patient's imbalanced and balanced slices overlap as far as they can.
    """
    eligible = np.flatnonzero((tumour_mm2 > 0) & (tumour_mm2 >= rule.min_tumour_mm2))
    return np.sort(generator(rule.slice_seed, "slices", patient_id).permutation(eligible)[:count])


def resize(images: np.ndarray[Any, Any], size: int) -> np.ndarray[Any, Any]:
    """Resize float32 images [n, h, w] bilinearly with antialiasing to uint8 [n, size, size], 0..1 to 0..255."""
    resized = interpolate(torch.from_numpy(images)[None], (size, size), mode="bilinear", antialias=True)[0]
    levels = resized.mul_(255).numpy()  # a weighted mean of 0..1: rounding keeps it within 0..255
    return np.asarray(np.rint(levels, out=levels).astype(np.uint8))


def cut_case(case: pd.Series, rule: SliceRule) -> Cut:
    """Cut one patient.

    Returns
    -------
    table : pd.DataFrame
        The patient's rows of `SliceSet.table`, but for part.
    pixels : np.ndarray [n, 3, H, W] of uint8
    segmentation : np.ndarray [n, H, W] of uint8

    Raises
    ------
    InputError
        Naming everything that is wrong with the case.
    """
    files = case_files(case)
    problems: list[str] = []
    channels = []
    # One volume at a time: its voxels are still in the processor's cache, and memory holds no other.
    for name, volume in each_volume(files, (SEGMENTATION, *rule.channels), problems, rule.min_tumour_mm2):
        if problems:
            continue  # what else is wrong is to be named as well
        try:
            if name == SEGMENTATION:
                table, segmentation = cut_tumour(case, volume, rule)
                z = table["z"].to_numpy()
            else:
                scaled = scale_intensity(volume.voxels, rule.intensity, name, upright(volume.voxels, z))
                channels.append(resize(scaled, rule.image_size))
        except InputError as error:
            problems.append(f"{files[name]}: {error}")
    if problems:
        raise InputError("\n".join(problems))
    return table, np.stack(channels, axis=1), segmentation


def cut_tumour(case: pd.Series, tumour: Volume, rule: SliceRule) -> tuple[pd.DataFrame, np.ndarray[Any, Any]]:
    """Draw a patient's slices and cut the segmentation: `cut_case`'s table and segmentation."""
    area = tumour_areas(tumour)
    z = choose_slices(area, rule.slices_of(case["grade"]), rule, case["patient_id"])
    with_tumour = np.flatnonzero(area)
    extent = max(int(with_tumour[-1] - with_tumour[0]), 1)
    table = pd.DataFrame(
        {
            "patient_id": case["patient_id"],
            "grade": case["grade"],
            "label": LABEL[case["grade"]],
            "site": case["site"],
            "z": z,
            "position": np.round((z - with_tumour[0]) / extent, 4),
            "tumour_mm2": np.round(area[z], 3),
        }
    )
    labels = torch.from_numpy(upright(tumour.voxels, z).astype(np.uint8))[:, None]
    return table, interpolate(labels, (rule.image_size,) * 2, mode="nearest-exact")[:, 0].numpy()


def upright(voxels: np.ndarray[Any, Any], z: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return axial slices [n, rows, columns] as a radiologist sees them."""
    return np.ascontiguousarray(voxels[:, :, z].transpose(2, 1, 0))


class GrowingArray:
    """A .npy file of uint8 that grows by its first axis, so that memory does not grow with the number of patients."""

    def __init__(self, path: Path, shape: tuple[int, ...]) -> None:
        self.shape, self.count = shape, 0
        self.file = path.open("wb")
        self.write_header()

    def write_header(self) -> None:
        """Write the header for the present length; numpy leaves room in it for any other."""
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


@contextmanager
def threads_for_cases() -> Iterator[int]:
    """Yield torch's number of threads, to work on so many cases at a time, and meanwhile give each case one of them."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1, user_api="blas"):
            yield threads
    finally:
        torch.set_num_threads(threads)


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
    warn_of_leak(rule.intensity)
    left_out = {name: list(found) for name, found in cohort.problems.items()}
    too_small = list(too_few(cohort.cases).values())
    if too_small or (left_out and not skip_bad):  # known before any volume is read
        raise InputError("\n".join(dict.fromkeys([*cohort.messages, *too_small])))

    def cut(threads: int) -> Iterator[Cut]:
        for case, cutting in each_case(cohort.rows, lambda case: cut_case(case, rule), threads, track):
            try:
                made = cutting.result()
            except InputError as error:
                left_out[case["patient_id"]] = str(error).splitlines()
            else:
                yield made
        if left_out and not skip_bad:
            raise InputError("\n".join(problem for found in left_out.values() for problem in found))

    with threads_for_cases() as threads:
        return write_slices(folder, cohort, rule, cut(threads), left_out=left_out)


def write_slices(folder: Path, cohort: Cohort, rule: SliceRule, patients: Iterable[Cut], **facts: Any) -> SliceSet:
    """Write a slice set, one patient after the other.

    Parameters
    ----------
    folder : Path
        As for `prepare`.
    patients : iterable of (table, pixels, segmentation)
        As `cut_case` returns them, by patient_id.
    **facts
        What else the manifest holds; read when the last patient is written.
    """
    with new_folder(folder) as partial:
        size = rule.image_size
        pixels = GrowingArray(partial / "pixels.npy", (3, size, size))
        segmentation = GrowingArray(partial / "segmentation.npy", (size, size))
        digest, tables = sha256(), []
        for table, images, labels in patients:
            tables.append(table)
            pixels.append(images)
            digest.update(images.data)
            segmentation.append(labels)
        pixels.close()
        segmentation.close()
        table = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=["patient_id", "grade"])
        # A phantom's site is drawn: parts that differ in it would be chance without a meaning.
        split = split_patients(table.drop_duplicates("patient_id"), rule.split_seed, "site" if cohort.synthetic else "")
        table_csv = table.to_csv(index_label="slice_id", lineterminator="\n")
        digest.update(table_csv.encode())
        (partial / "slices.csv").write_text(table_csv, newline="")
        split.to_csv(partial / "split.csv", index=False, lineterminator="\n")
        counts = table.merge(split[["patient_id", "part"]], on="patient_id").groupby(["part", "grade"])["patient_id"]
        manifest = {
            "format": FORMAT,
            "fingerprint": digest.hexdigest(),
            "release": cohort.release,
            "synthetic": cohort.synthetic,
            "mirrored": True,  # axial slices of whole heads
            "rule": asdict(rule),
            "slices": len(table),
            "counts": [
                {"part": part, "grade": grade, "patients": int(group.nunique()), "slices": len(group)}
                for (part, grade), group in counts
            ],
            "fewer_slices": fewer_slices(table, rule),
            **facts,
            "absent": list(cohort.absent),
        }
        (partial / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")
    return open_slices(folder)


def fewer_slices(table: pd.DataFrame, rule: SliceRule) -> dict[str, int]:
    """Return, for each patient with fewer slices than the rule asks for, how many there are."""
    counts = table.groupby(["patient_id", "grade"]).size().reset_index(name="count")
    wanted = counts["grade"].map(rule.slices_of)
    return dict(counts.loc[counts["count"] < wanted, ["patient_id", "count"]].itertuples(index=False))
