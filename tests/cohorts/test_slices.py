"""Which slices are cut, what they hold, and what an interrupted or damaged slice set does."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from conftest import write_case, write_volume
from hypothesis import given
from hypothesis import strategies as st

from brats_al_utils import InputError
from brats_al_utils.cohorts.cohort import BRATS
from brats_al_utils.cohorts.cuts import choose_slices, cut_case
from brats_al_utils.cohorts.preparation import prepare
from brats_al_utils.cohorts.readers import read_cohort
from brats_al_utils.cohorts.slices import SliceRule, SliceSet, open_slices

RULE = SliceRule(per_patient=6, image_size=64)


@pytest.fixture
def slice_set(tiny_cohort: Path, tmp_path: Path) -> SliceSet:
    return prepare(read_cohort(tiny_cohort), RULE, tmp_path / "set")


def test_a_slice_set(slice_set: SliceSet) -> None:
    assert slice_set.pixels.shape == (42, 3, 64, 64)
    assert slice_set.table.groupby("patient_id")["z"].nunique().eq(6).all()
    assert slice_set.table["z"].between(6, 17).all()
    assert (slice_set.table["tumour_mm2"] == 64.0).all()
    assert slice_set.manifest["release"] == "2018"
    counts = slice_set.manifest["counts"]
    assert [sum(row[name] for row in counts) for name in ("slices", "patients")] == [slice_set.manifest["slices"], 7]
    assert not slice_set.synthetic


def test_pixels_are_those_of_the_volume(slice_set: SliceSet, tiny_cohort: Path) -> None:
    row = slice_set.table.iloc[0]
    path = tiny_cohort / "HGG" / row["patient_id"] / f"{row['patient_id']}_t1.nii.gz"
    volume = np.asarray(nib.Nifti1Image.from_filename(path).dataobj)
    # Of this volume's healthy brain, noise of 20 about 200, the mode is near 200; twice that is white.
    expected = np.clip(volume[:, :, row["z"]].T / 400, 0, 1)
    # Twice the size: away from edges, the mean of each two by two block is close to the voxel.
    found = slice_set.pixels[0, 0].reshape(32, 2, 32, 2).mean((1, 3)) / 255
    assert abs(found - expected).mean() < 0.03
    assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.98


def test_the_balanced_rule(tiny_cohort: Path, tmp_path: Path) -> None:
    balanced = prepare(read_cohort(tiny_cohort), replace(RULE, balanced=True), tmp_path / "balanced")
    for grade, count in (("HGG", 3), ("LGG", 9)):
        rows = balanced.table[balanced.table["class_name"] == grade]
        assert rows["patient_id"].value_counts().eq(count).all()
    assert SliceRule(balanced=True).slices_of(1) == 10
    assert SliceRule(balanced=True).slices_of(0) == 30


def test_another_seed_chooses_other_slices(slice_set: SliceSet, tiny_cohort: Path, tmp_path: Path) -> None:
    other = prepare(read_cohort(tiny_cohort), replace(RULE, slice_seed=1), tmp_path / "other")
    assert other.fingerprint != slice_set.fingerprint


def test_another_mask_of_the_same_size_is_another_slice_set(slice_set: SliceSet, tiny_cohort: Path) -> None:
    path = next(tiny_cohort.rglob("*_seg.nii.gz"))
    write_volume(path, np.asarray(nib.Nifti1Image.from_filename(path).dataobj)[::-1])
    other = prepare(read_cohort(tiny_cohort), RULE, slice_set.folder.parent / "other")
    assert other.images == slice_set.images
    assert other.fingerprint != slice_set.fingerprint


@given(st.lists(st.sampled_from([0.0, 1.0, 5.0, 40.0]), min_size=1, max_size=40), st.integers(1, 30))
def test_chosen_slices_have_tumour_and_nest(areas: list[float], count: int) -> None:
    area = np.array(areas)
    rule = SliceRule(min_tumour_mm2=5.0)
    chosen = choose_slices(area, count, rule, "p")
    assert (area[chosen] >= 5).all()
    assert len(set(chosen)) == len(chosen) == min(count, int((area >= 5).sum()))
    assert set(chosen) <= set(choose_slices(area, count + 1, rule, "p"))


def test_other_channels(tiny_cohort: Path, tmp_path: Path, slice_set: SliceSet) -> None:
    flair = prepare(read_cohort(tiny_cohort), replace(RULE, channels=("flair", "t1ce", "t1")), tmp_path / "flair")
    np.testing.assert_array_equal(flair.pixels[:, 2], slice_set.pixels[:, 0])


def test_skip_bad_records_the_patient(tiny_cohort: Path, tmp_path: Path) -> None:
    for number in (7, 8):  # enough patients for a split without the bad one
        write_case(tiny_cohort / "LGG" / f"Brats18_SITE1_{number}_1", number)
    path = tiny_cohort / "LGG" / "Brats18_SITE0_4_1" / "Brats18_SITE0_4_1_t1ce.nii.gz"
    path.write_bytes(path.read_bytes()[:-100])
    (tiny_cohort / "HGG" / "Brats18_SITE0_0_1" / "Brats18_SITE0_0_1_t2.nii.gz").unlink()
    cohort = read_cohort(tiny_cohort)
    with pytest.raises(InputError, match="t2.nii.gz .* is missing"):
        prepare(cohort, RULE, tmp_path / "set")
    slices = prepare(cohort, RULE, tmp_path / "set", skip_bad=True)
    assert list(slices.manifest["left_out"]) == ["Brats18_SITE0_0_1", "Brats18_SITE0_4_1"]
    assert slices.table["patient_id"].nunique() == 7


def test_an_interrupt_leaves_no_half_set(tiny_cohort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def interrupted(rows: pd.DataFrame, *arguments: Any) -> Any:
        calls.append(rows)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return cut_case(rows, *arguments)

    before = set(tmp_path.iterdir())
    with pytest.raises(KeyboardInterrupt):
        prepare(replace(read_cohort(tiny_cohort), kind=replace(BRATS, cut=interrupted)), RULE, tmp_path / "set")
    assert set(tmp_path.iterdir()) == before


def test_an_existing_folder_is_left_alone(slice_set: SliceSet, tiny_cohort: Path) -> None:
    with pytest.raises(InputError, match="exists and is not empty"):
        prepare(read_cohort(tiny_cohort), RULE, slice_set.folder)
    assert open_slices(slice_set.folder).fingerprint == slice_set.fingerprint


def flip_a_pixel(folder: Path) -> None:
    content = bytearray((folder / "pixels.npy").read_bytes())
    content[-1000] ^= 1
    (folder / "pixels.npy").write_bytes(content)


def flip_a_mask(folder: Path) -> None:
    np.save(folder / "segmentation.npy", np.load(folder / "segmentation.npy")[:, :, ::-1])


def leak_a_patient(folder: Path) -> None:
    split = pd.read_csv(folder / "split.csv")
    extra = split.iloc[[0]].assign(part=next(part for part in ("training", "test") if part != split["part"][0]))
    pd.concat([split, extra]).to_csv(folder / "split.csv", index=False)


def exchange_two_patients(folder: Path) -> None:
    split = pd.read_csv(folder / "split.csv")
    split["part"] = split["part"].to_numpy()[::-1]
    split.to_csv(folder / "split.csv", index=False, lineterminator="\n")


def replaced(name: str, old: bytes, new: bytes) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes().replace(old, new, 1))


def shortened(name: str, count: int) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:-count])


DAMAGES = [
    *(flip_a_pixel, flip_a_mask, leak_a_patient, exchange_two_patients),
    replaced("slices.csv", b"HGG,1", b"LGG,0"),
    replaced("manifest.json", b'"HGG"', b'"other"'),
    *(shortened(name, count) for name, count in (("slices.csv", 40), ("pixels.npy", 1000), ("manifest.json", 9))),
]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_slice_set_is_refused(slice_set: SliceSet, damage: Any) -> None:
    before = {path.name: path.read_bytes() for path in slice_set.folder.iterdir()}
    damage(slice_set.folder)
    assert {path.name: path.read_bytes() for path in slice_set.folder.iterdir()} != before
    with pytest.raises(InputError, match="prepare it again|more than one part"):
        open_slices(slice_set.folder)
