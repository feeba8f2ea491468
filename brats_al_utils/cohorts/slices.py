"""A cohort cut into slices: the rule by which they are cut, and the folder that holds them."""

import json
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.lib.format import read_array_header_1_0, read_magic

from brats_al_utils import InputError
from brats_al_utils.cohorts.split import PARTS, check_split, one_class_each
from brats_al_utils.files import mend_for

FORMAT = 4
"""Version of slice sets, increased when the same cohort and rule no longer give the same slice set."""

TEXT_COLUMNS = {"patient_id": str, "class_name": str, "site": str}
"""Columns that are read as text even if they look like numbers."""

BINS = 64
"""Number of histogram bins of the intensities."""

BALANCED_SHARE = (1.5, 0.5)
"""Slices of a patient (LGG, HGG) in the balanced set, as a multiple of those in the imbalanced set (section 3.4: 30 and
10 for 20)."""


@dataclass(frozen=True)
class SliceRule:
    """The rule by which slices are chosen and cut.

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
    image_size : int
        Pixels along each side; AlexNet's pooling needs 64.
    test_slices : int
        Slices of each patient of a synthetic test cohort, in both sets.
    slice_seed, split_seed : int
        Seeds of the draw of each patient's slices, and of the split of the patients.
    """

    per_patient: int = 20
    balanced: bool = False
    min_tumour_mm2: float = 0.0
    channels: tuple[str, ...] = ("t1", "t1ce", "t2")
    image_size: int = 224
    test_slices: int = 2
    slice_seed: int = 0
    split_seed: int = 0

    def slices_of(self, label: int, part: str = "") -> int:
        """Return how many slices a BraTS patient of this label (LGG 0, HGG 1) contributes."""
        if part:  # only a synthetic test cohort has a given part
            return self.test_slices
        return int(self.per_patient * BALANCED_SHARE[label]) if self.balanced else self.per_patient


@dataclass(frozen=True)
class SliceSet:
    """A folder that `preparation.prepare` wrote.

    Attributes
    ----------
    folder : Path
    manifest : dict
        format, name (as captions have it), classes (negative, positive), channels, release, synthetic, mirrored, rule,
        slices (their number), chosen_by (how those of a volume were chosen), counts by part and class, fewer_slices
        (patients with fewer than the rule asks for), left_out (patients with a problem), absent, images, fingerprint.
    table : pd.DataFrame
        One row a slice; the row number is the slice's id. Columns patient_id, class_name, label (0 negative, 1
        positive), site, z (axial index), position (0 at the lowest slice with tumour, 1 at the highest), tumour_mm2,
        part.
    pixels : np.memmap [N, 3, H, W] of uint8
        In radiological convention: anterior is up and the patient's right is on the left.
    segmentation : np.memmap [N, H, W] of uint8
        The BraTS labels of the same pixels; in a table of images 1 inside the mask, and 0 without a mask.
    """

    folder: Path
    manifest: dict[str, Any]
    table: pd.DataFrame
    pixels: np.ndarray[Any, Any]
    segmentation: np.ndarray[Any, Any]

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the pixels, the table of slices, the masks and the split (of format 3: of the first two)."""
        return str(self.manifest["fingerprint"])

    @cached_property
    def one_class_each(self) -> bool:
        """Whether every patient has a single class: otherwise labels belong to images, and no AUC is patient-level."""
        return one_class_each(self.table)

    @cached_property
    def masked(self) -> bool:
        """Whether every slice has a tumour mask: otherwise the audit has nothing to hide."""
        return bool((self.table["tumour_mm2"] > 0).all())

    @property
    def images(self) -> str:
        """SHA-256 of the pixels and of the table of slices."""
        return str(self.manifest.get("images", self.fingerprint))

    @property
    def pictured(self) -> bool:
        """Whether the images are available: those of a published study are not."""
        return len(self.pixels) > 0

    @property
    def classes(self) -> tuple[str, str]:
        """The names of the classes: negative, positive."""
        negative, positive = self.manifest["classes"]
        return negative, positive

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


def brain_intensities(slices: SliceSet) -> dict[str, dict[str, list[int]]]:
    """Return the intensity histogram of the brain (pixels in each of ``BINS`` bins), by channel and class."""
    edges, counts = np.linspace(0, 255, BINS + 1), {}
    for place, channel in enumerate(slices.manifest["channels"]):
        totals = {name: np.zeros(BINS, np.int64) for name in slices.classes[::-1]}
        for slice_id, name in enumerate(slices.table["class_name"]):
            pixels = slices.pixels[slice_id, place]
            totals[name] += np.histogram(pixels[pixels > 0], edges)[0]
        counts[channel] = {name: total.tolist() for name, total in totals.items()}
    return counts


def digests(folder: Path) -> tuple[str, str]:
    """Return the SHA-256 of a slice set's pixels and table, and that of its masks and split as well."""
    digest, found = sha256(), []
    for pixels, table in (("pixels.npy", "slices.csv"), ("segmentation.npy", "split.csv")):
        with (folder / pixels).open("rb") as file:  # a memory map would count as memory of this process
            read_magic(file)
            read_array_header_1_0(file)
            while block := file.read(2**20):
                digest.update(block)
        digest.update((folder / table).read_bytes())
        found.append(digest.hexdigest())
    return found[0], found[1]


def open_slices(folder: Path) -> SliceSet:
    """Open a slice set and check its fingerprint; the pixels stay on the disk until they are used.

    Raises
    ------
    InputError
        If the folder is not a slice set, or is damaged.
    """
    mend = f"delete {folder} and prepare it again"
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        table = pd.read_csv(folder / "slices.csv", index_col="slice_id", dtype=TEXT_COLUMNS, keep_default_na=False)
        split = pd.read_csv(folder / "split.csv", dtype=TEXT_COLUMNS, keep_default_na=False)
        # Copy on write: the files never change, and torch shares the memory without a warning.
        pixels = np.load(folder / "pixels.npy", mmap_mode="c", allow_pickle=False)
        segmentation = np.load(folder / "segmentation.npy", mmap_mode="c", allow_pickle=False)
        expected, classes, _, _ = (manifest[name] for name in ("slices", "classes", "images", "fingerprint"))
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{folder}: not a slice set ({error}): {mend_for(error, mend)}") from error
    if not len(table) == len(pixels) == len(segmentation) == expected:
        raise InputError(f"{folder}: {len(pixels)} images and {len(table)} rows, expected {expected}: {mend}")
    if digests(folder) != (manifest["images"], manifest["fingerprint"]):
        raise InputError(f"{folder}: its pixels, masks or tables are not those of its fingerprint: {mend}")
    check_split(split)
    if not set(classes) <= set(table["class_name"]) or set(split["patient_id"]) != set(table["patient_id"]):
        raise InputError(f"{folder}: split.csv is not the split of slices.csv: {mend}")
    table["part"] = table["patient_id"].map(split.set_index("patient_id")["part"])
    return SliceSet(folder, manifest, table, pixels, segmentation)
