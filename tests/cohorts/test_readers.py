"""What every reader of a cohort promises, whatever lies in the folder."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import write_case, write_volume
from matlab_files import write_slice
from PIL import Image

from brats_al_utils import InputError
from brats_al_utils.cohorts.cohort import check_cohort
from brats_al_utils.cohorts.cutting import prepare
from brats_al_utils.cohorts.readers import read_cohort
from brats_al_utils.cohorts.slices import SliceRule, open_slices
from brats_al_utils.cohorts.split import PARTS, check_split

RULE = SliceRule(per_patient=2, image_size=64)
PATIENTS = 8
SHAPE = (32, 32, 10)


def brats_2018(root: Path) -> tuple[str, str]:
    for number in range(PATIENTS):
        write_case(root / ("HGG" if number % 2 else "LGG") / f"Brats18_SITE0_{number}_1", number)
    return "LGG", "HGG"


def brats_2020(root: Path) -> tuple[str, str]:
    rows = ["Grade,BraTS_2020_subject_ID"]
    for number in range(PATIENTS):
        write_case(root / f"BraTS20_Training_{number:03}", number)
        rows.append(f"{'HGG' if number % 2 else 'LGG'},BraTS20_Training_{number:03}")
    (root / "name_mapping.csv").write_text("\n".join(rows))
    return "LGG", "HGG"


def table_of_pictures(root: Path) -> tuple[str, str]:
    rows = ["patient_id,label,image"]
    for number in range(2 * PATIENTS):
        picture = np.random.default_rng(number).integers(80, 120, SHAPE[:2], np.uint8)
        Image.fromarray(np.pad(picture, 8)).save(root / f"{number}.png")
        rows.append(f"{number // 2:03},{'sick' if number // 2 % 2 else 'healthy'},{number}.png")
    (root / "cohort.csv").write_text("\n".join(rows))
    return "healthy", "sick"


def table_of_volumes(root: Path) -> tuple[str, str]:
    rows = ["patient_id,label,image,image2,image3,mask"]
    for number in range(PATIENTS):
        rng, mask = np.random.default_rng(number), np.zeros(SHAPE, np.uint8)
        for name in "abc":
            volume = np.pad(rng.integers(80, 120, (26, 26, 10)), ((3, 3), (3, 3), (0, 0)))
            write_volume(root / f"{number}{name}.nii.gz", volume.astype(np.int16))
        mask[8:12, 8:12, 3:6] = 1
        write_volume(root / f"{number}m.nii.gz", mask)
        files = ",".join(f"{number}{name}.nii.gz" for name in "abcm")
        rows.append(f"{number},{number % 2},{files}")
    (root / "cohort.csv").write_text("\n".join(rows))
    return "0", "1"


def published_open_set(root: Path) -> tuple[str, str]:
    for number in range(2 * PATIENTS):
        picture = np.pad(np.random.default_rng(number).integers(80, 120, SHAPE[:2]), 8)
        mask = np.zeros(picture.shape)
        mask[20:24, 20:24] = 1
        path = root / f"brainTumorDataPublic_{number // 4}" / f"{number + 1}.mat"
        write_slice(path, 2 if number // 2 % 2 else 1, f"{100 + number // 2}", picture, mask)
    return "meningioma", "glioma"


READERS = [brats_2018, brats_2020, table_of_pictures, table_of_volumes, published_open_set]


@pytest.mark.parametrize("write", READERS, ids=lambda write: write.__name__)
def test_every_cohort_is_one_table(tmp_path: Path, write: Callable[[Path], tuple[str, str]]) -> None:
    root = tmp_path / "cohort"
    root.mkdir()
    classes = write(root)
    cohort = read_cohort(root)
    assert not cohort.problems and not check_cohort(cohort).problems
    assert cohort.classes == classes
    assert {"patient_id", "class_name", "site", "release", *cohort.files} <= set(cohort.cases)
    assert cohort.cases["patient_id"].is_monotonic_increasing
    assert len(cohort.patients) == PATIENTS
    assert all(Path(path).is_file() for path in cohort.paths)
    assert cohort.cases.groupby("patient_id")["class_name"].first().value_counts().to_dict() == dict.fromkeys(
        classes, PATIENTS // 2
    )
    slices = prepare(cohort, RULE, tmp_path / "set")
    again = open_slices(tmp_path / "set")
    for found in (slices, again):
        assert found.classes == classes
        assert found.table["label"].tolist() == [classes.index(name) for name in found.table["class_name"]]
        assert set(found.table["patient_id"]) == set(cohort.cases["patient_id"])
        assert len(found.table) == len(found.pixels) == len(found.segmentation) == 2 * PATIENTS
        assert set(found.table["part"]) == set(PARTS)
        check_split(found.table)
        counts = {(row["part"], row["class_name"]) for row in found.manifest["counts"]}
        assert counts == {(part, name) for part in PARTS for name in classes}
    # Reading is the same again, and cutting too.
    assert read_cohort(root).cases.equals(cohort.cases)
    assert prepare(read_cohort(root), RULE, tmp_path / "again").fingerprint == slices.fingerprint
    balanced = prepare(cohort, SliceRule(per_patient=2, image_size=64, balanced=True), tmp_path / "balanced")
    assert set(balanced.table["patient_id"]) == set(slices.table["patient_id"])


@pytest.mark.parametrize("write", READERS, ids=lambda write: write.__name__)
def test_other_classes_than_a_cohort_has_are_refused(tmp_path: Path, write: Callable[[Path], tuple[str, str]]) -> None:
    classes = write(tmp_path)
    assert read_cohort(tmp_path, classes=classes[::-1]).classes == classes
    with pytest.raises(InputError, match="classes are one, two, expected"):
        read_cohort(tmp_path, classes=("one", "two"))


def test_a_folder_with_nothing_in_it_says_what_it_may_hold(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cohort\.csv.*--template"):
        read_cohort(tmp_path)
