"""Cut a cohort into a slice set: the pixels, the table of slices, the split, and a manifest with a fingerprint."""

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cached_property
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
from brats_al_utils.cohorts.split import GRADES, PARTS, check_split, split_patients, too_few
from brats_al_utils.cohorts.volumes import SEGMENTATION, SEQUENCES, Volume
from brats_al_utils.files import new_folder
from brats_al_utils.memory import keep_freed_memory
from brats_al_utils.progress import Track, untracked
from brats_al_utils.seeds import generator

FORMAT = 1
"""Raised when the same cohort and rule no longer give the same slice set."""

LABEL = {"LGG": 0, "HGG": 1}
"""Section 2.2.1."""

INTENSITIES = ("percentile", "zscore")
PERCENTILES = (0.5, 99.5)
ZSCORE_LIMIT = 3.0

COUNTED_RANGE = 2**16
"""Integers that differ by less are counted rather than sorted to find a percentile."""

BALANCED_SHARE = {"HGG": 0.5, "LGG": 1.5}
"""Slices a patient of the balanced set, as a multiple of the imbalanced set's (section 3.4: 10 and 30 for 20)."""

Cut = tuple[pd.DataFrame, np.ndarray[Any, Any], np.ndarray[Any, Any]]
"""A patient's table, pixels and segmentation: see `cut_case`."""


@dataclass(frozen=True)
class SliceRule:
    """What decides which slices are cut, and how.

    Attributes
    ----------
    per_patient : int
        Slices with tumour drawn from each patient, without replacement (section 2.2.1).
    balanced : bool
        Half as many for HGG and one and a half times as many for LGG (section 3.4).
    min_tumour_mm2 : float
        A slice counts as one with tumour when its tumour is larger than 0 and at least this area.
    channels : tuple of str
        Three of ``SEQUENCES``, in this order.
    intensity : {"percentile", "zscore"}
        Percentiles 0.5 to 99.5 of the brain mapped to 0..1; or mean plus and minus three standard deviations.
    image_size : int
        Pixels along each side.
    slice_seed, split_seed : int
        Of the slices drawn from each patient, and of the split of the patients.
    """

    per_patient: int = 20
    balanced: bool = False
    min_tumour_mm2: float = 0.0
    channels: tuple[str, ...] = ("t1", "t1ce", "t2")
    intensity: str = "percentile"
    image_size: int = 224
    slice_seed: int = 0
    split_seed: int = 0

    def __post_init__(self) -> None:
        """Refuse values that no slice set can be cut with."""
        expected = {
            "per_patient": (self.per_patient >= 2, "at least 2"),
            "channels": (
                len(self.channels) == 3 and len(set(self.channels)) == 3 and set(self.channels) <= set(SEQUENCES),
                f"three of {', '.join(SEQUENCES)}",
            ),
            "intensity": (self.intensity in INTENSITIES, " or ".join(INTENSITIES)),
            "image_size": (64 <= self.image_size <= 512, "64 to 512 pixels, AlexNet's pooling needs 64"),
            "min_tumour_mm2": (self.min_tumour_mm2 >= 0, "0 or more square millimetres"),
        }
        for name, (good, what) in expected.items():
            if not good:
                raise InputError(f"{name} is {getattr(self, name)!r}, expected {what}")

    def slices_of(self, grade: str) -> int:
        """Return how many slices a patient of this grade gives."""
        return int(self.per_patient * BALANCED_SHARE[grade]) if self.balanced else self.per_patient


@dataclass(frozen=True)
class SliceSet:
    """A folder that `prepare` wrote.

    Attributes
    ----------
    folder : Path
    manifest : dict
        format, release, synthetic, rule, slices (their number), counts by part and grade, fewer_slices (patients who
        had fewer than the rule asks for), left_out (patients with a problem), absent, fingerprint.
    table : pd.DataFrame
        One row a slice; the row number is the slice's id. Columns patient_id, grade, label (LGG 0, HGG 1), site,
        z (axial index), position (0 at the lowest slice with tumour, 1 at the highest), tumour_mm2, part.
    pixels : np.memmap [N, 3, H, W] of uint8
        In radiological convention: the patient's front is up and the patient's right is on the left.
    segmentation : np.memmap [N, H, W] of uint8
        The BraTS labels of the same pixels.
    """

    folder: Path
    manifest: dict[str, Any]
    table: pd.DataFrame
    pixels: np.ndarray[Any, Any]
    segmentation: np.ndarray[Any, Any]

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the pixels and of the table of slices."""
        return str(self.manifest["fingerprint"])

    @property
    def synthetic(self) -> bool:
        """Whether the patients are phantoms."""
        return bool(self.manifest["synthetic"])

    def ids(self, part: str) -> np.ndarray[Any, Any]:
        """Return the ids of a part's slices, in ascending order."""
        return self.parts[part]

    @cached_property
    def parts(self) -> dict[str, np.ndarray[Any, Any]]:
        """The ids of each part's slices."""
        return {part: np.flatnonzero((self.table["part"] == part).to_numpy()) for part in PARTS}


def scale_intensity(
    voxels: np.ndarray[Any, Any], intensity: str, part: np.ndarray[Any, Any] | None = None
) -> np.ndarray[Any, Any]:
    """Map a volume's brain to 0..1 and its background to 0.

    Parameters
    ----------
    voxels : np.ndarray of any shape
        Brain voxels are those that are not zero; in a derived volume with negative intensities the background is the
        most frequent value instead.
    intensity : {"percentile", "zscore"}
        See `SliceRule`.
    part : np.ndarray of any shape, optional
        Those of the volume's voxels that are wanted; all of them by default.

    Returns
    -------
    np.ndarray of float32, shape of ``part``

    Raises
    ------
    InputError
        If the brain is empty or of a single intensity.
    """
    part = voxels if part is None else part
    background: Any = 0
    # The order in memory is by far the fastest, but a sum of squares depends on the order in its last bit.
    ordered = voxels.ravel(order="K" if intensity == "percentile" else "C")
    inside = nonzero(ordered)
    if inside.min(initial=0) < 0:
        values, counts = np.unique(voxels, return_counts=True)
        background = values[counts.argmax()]
        inside = ordered[ordered != background]
    if inside.size == 0 or inside.min() == inside.max():
        raise InputError("a volume without contrast, expected a brain: leave the patient out")
    if intensity == "percentile":
        low, high = percentiles(inside, PERCENTILES)
    else:
        mean, deviation = inside.mean(dtype=np.float64), inside.std(dtype=np.float64)
        low, high = mean - ZSCORE_LIMIT * deviation, mean + ZSCORE_LIMIT * deviation
    if low == high:
        low, high = inside.min(), inside.max()
    scaled = np.clip((part - np.float32(low)) / np.float32(high - low), 0, 1)
    scaled[part == background] = 0
    return np.asarray(scaled, np.float32)


def nonzero(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return the values [N] that are not zero, several times as fast as a mask where most are: zeros go by the word."""
    whole = values.size - values.size % np.uint64().itemsize
    words = values[:whole].view(np.uint64)
    some = np.concatenate([words[words != 0].view(values.dtype), values[whole:]])
    return np.asarray(some[some != 0])


def percentiles(values: np.ndarray[Any, Any], shares: tuple[float, ...]) -> np.ndarray[Any, Any]:
    """Return what ``np.percentile(values, shares)`` does, to the bit, for integers of a small range by counting them.

    Parameters
    ----------
    values : np.ndarray [N]
    shares : tuple of float
        In percent.

    Returns
    -------
    np.ndarray of float64, one for each share
    """
    lowest = values.min()
    counted = values.dtype.kind in "iu" and values.dtype.itemsize <= 4
    if not counted or int(values.max()) - int(lowest) >= COUNTED_RANGE:
        return np.asarray(np.percentile(values, shares))
    # torch counts twice as fast as numpy, which would copy them to 8 bytes each.
    above = torch.from_numpy(np.subtract(values, lowest, dtype=np.int32))
    at_most = np.cumsum(torch.bincount(above).numpy())
    position = (values.size - 1) * (np.asarray(shares) / 100)
    before = np.floor(position)
    left, right = (int(lowest) + np.searchsorted(at_most, place, side="right") for place in (before, before + 1))
    share = position - before
    # As numpy does, from the nearer of the two.
    return np.asarray(np.where(share < 0.5, left + (right - left) * share, right - (right - left) * (1 - share)))


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
                scaled = scale_intensity(volume.voxels, rule.intensity, upright(volume.voxels, z))
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
        split = split_patients(table.drop_duplicates("patient_id"), rule.split_seed)
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


def open_slices(folder: Path) -> SliceSet:
    """Open a slice set and compare it with its fingerprint; the pixels stay on disk until they are used.

    Raises
    ------
    InputError
        If the folder is not a slice set, or is damaged.
    """
    mend = f"delete {folder} and prepare it again"
    try:
        manifest = json.loads((folder / "manifest.json").read_text())
        table_csv = (folder / "slices.csv").read_text()
        table = pd.read_csv(folder / "slices.csv", index_col="slice_id")
        split = pd.read_csv(folder / "split.csv")
        # Copy on write: the files are never changed, and torch shares the memory without a warning.
        pixels = np.load(folder / "pixels.npy", mmap_mode="c", allow_pickle=False)
        segmentation = np.load(folder / "segmentation.npy", mmap_mode="c", allow_pickle=False)
        expected = manifest["slices"]
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{folder}: not a slice set ({error}): {mend}") from error
    if not len(table) == len(pixels) == len(segmentation) == expected:
        raise InputError(f"{folder}: {len(pixels)} images and {len(table)} rows, expected {expected}: {mend}")
    digest = sha256()
    with (folder / "pixels.npy").open("rb") as file:  # through the memory map, all pixels would count as this process's
        file.seek(pixels.offset)
        while block := file.read(2**20):
            digest.update(block)
    digest.update(table_csv.encode())
    if digest.hexdigest() != manifest["fingerprint"]:
        raise InputError(f"{folder}: its pixels or table are not those of its fingerprint: {mend}")
    check_split(split)
    if set(split["grade"]) != set(GRADES) or set(split["patient_id"]) != set(table["patient_id"]):
        raise InputError(f"{folder}: split.csv is not the split of slices.csv: {mend}")
    table["part"] = table["patient_id"].map(split.set_index("patient_id")["part"])
    return SliceSet(folder, manifest, table, pixels, segmentation)
