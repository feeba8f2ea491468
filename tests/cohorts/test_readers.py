"""What every reader of a cohort promises, whatever lies in the folder."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import write_case, write_release, write_volume
from matlab_files import write_slice
from small_annotation import pictures
from tcia_files import write_tcga, write_ucsf

from brats_al_utils import InputError
from brats_al_utils.cohorts.inspection import check_cohort
from brats_al_utils.cohorts.preparation import prepare
from brats_al_utils.cohorts.readers import RELEASES, Reader, plugged_in, read_cohort
from brats_al_utils.cohorts.slices import SliceRule, open_slices
from brats_al_utils.cohorts.split import PARTS, check_split

RULE = SliceRule(per_patient=2, image_size=64)
PLUGGED = [read for room in plugged_in(RELEASES) for read in room.READERS]
PATIENTS = 8
SHAPE = (32, 32, 10)


def brats_2018(root: Path) -> tuple[str, str]:
    write_release(root, PATIENTS // 2, PATIENTS // 2)
    return "LGG", "HGG"


def write_patients(root: Path, name: str, classes: tuple[str, str]) -> list[tuple[str, str]]:
    """Write patients of names with a number and return each with a class, which alternate."""
    named = [(name.format(number), classes[number % 2]) for number in range(PATIENTS)]
    for number, (patient, _) in enumerate(named):
        write_case(root / patient, number)
    return named


def brats_2020(root: Path) -> tuple[str, str]:
    named = write_patients(root, "BraTS20_Training_{:03}", ("LGG", "HGG"))
    rows = ["Grade,BraTS_2020_subject_ID", *(f"{grade},{patient}" for patient, grade in named)]
    (root / "name_mapping.csv").write_text("\n".join(rows), encoding="utf-8")
    return "LGG", "HGG"


def table_of_pictures(root: Path) -> tuple[str, str]:
    pictures(root, PATIENTS, labelled=PATIENTS)
    return "sick", "well"


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
    (root / "cohort.csv").write_text("\n".join(rows), encoding="utf-8")
    return "0", "1"


def brats_2021(root: Path) -> tuple[str, str]:
    """Its files with their own names, of three sequences and a segmentation, and a table of classes beside them."""
    named = write_patients(root, "BraTS2021_{:05}", ("unmethylated", "methylated"))
    (root / "cohort.csv").write_text("\n".join(["patient_id,label", *map(",".join, named)]), encoding="utf-8")
    return "methylated", "unmethylated"


def brats_2023(root: Path) -> tuple[str, str]:
    names = {"t1": "t1n", "t1ce": "t1c", "t2": "t2w", "flair": "t2f", "seg": "seg"}
    named = write_patients(root, "BraTS-GLI-{:05}-000", ("LGG", "HGG"))
    for path in root.glob("*/*.nii.gz"):
        patient, _, old = path.name.removesuffix(".nii.gz").partition("_")
        path.rename(path.with_name(f"{patient}-{names[old]}.nii.gz"))
    (root / "cohort.csv").write_text("\n".join(["patient_id,label", *map(",".join, named)]), encoding="utf-8")
    return "LGG", "HGG"


def published_open_set(root: Path) -> tuple[str, str]:
    for number in range(2 * PATIENTS):
        picture = np.pad(np.random.default_rng(number).integers(80, 120, SHAPE[:2]), 8)
        mask = np.zeros(picture.shape)
        mask[20:24, 20:24] = 1
        path = root / f"brainTumorDataPublic_{number // 4}" / f"{number + 1}.mat"
        write_slice(path, 2 if number // 2 % 2 else 1, f"{100 + number // 2}", picture, mask)
    return "meningioma", "glioma"


def tcga(root: Path) -> tuple[str, str]:
    write_tcga(root)
    return "LGG", "HGG"


def ucsf(root: Path) -> tuple[str, str]:
    """In one folder, beside metadata of no version."""
    write_ucsf(root)
    for path in (root / "UCSF-PDGM-v3").iterdir():
        path.rename(root / path.name)
    (root / "UCSF-PDGM-metadata_v2.csv").rename(root / "UCSF-PDGM-metadata.csv")
    return "LGG", "HGG"


READERS = [brats_2018, brats_2020, brats_2021, brats_2023, table_of_pictures, table_of_volumes, published_open_set]
READERS += [tcga, ucsf]


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
    of_class = cohort.cases.drop_duplicates("patient_id")["class_name"].value_counts()
    assert of_class.to_dict() == dict.fromkeys(classes, PATIENTS // 2)
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
def test_other_classes_and_tasks_are_refused(tmp_path: Path, write: Callable[[Path], tuple[str, str]]) -> None:
    classes = write(tmp_path)
    assert read_cohort(tmp_path, classes=classes[::-1]).classes == classes
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=rf"{tmp_path}/empty: no patient found.*cohort\.csv.*--template"):
        read_cohort(tmp_path / "empty", classes=("one", "two"), task="tumour")
    with pytest.raises(InputError, match="classes are one, two, expected"):
        read_cohort(tmp_path, classes=("one", "two"))
    with pytest.raises(InputError, match=r"task is 'nothing', expected|no column ID or nothing, expected among"):
        read_cohort(tmp_path, task="nothing")


@pytest.mark.parametrize("read", PLUGGED, ids=lambda read: read.__name__)
def test_a_reader_leaves_folders_of_another_kind_to_others(tmp_path: Path, read: Reader) -> None:
    assert read(tmp_path, False, ("one", "two"), "nothing") is None
    for write in (brats_2018, brats_2020):
        (tmp_path / write.__name__).mkdir()
        write(tmp_path / write.__name__)
        assert read(tmp_path / write.__name__, False, ("one", "two"), "nothing") is None


def test_every_room_of_readers_is_found() -> None:
    assert [read.__name__ for read in PLUGGED] == ["read_table", "read_figshare", "read_lgg", "read_tcia"]


def test_a_release_without_grades_asks_for_a_table_of_classes(tmp_path: Path) -> None:
    """And takes the three sequences of the paper, and the segmentation, of the patients that it names."""
    brats_2021(tmp_path)
    (case,) = read_cohort(tmp_path).cases.iloc[:1].to_dict("records")
    for column, name in {"image": "t1", "image2": "t1ce", "image3": "t2", "mask": "seg"}.items():
        assert case[column] == str(tmp_path / "BraTS2021_00000" / f"BraTS2021_00000_{name}.nii.gz")
    assert case["slices"] == 24
    slices = prepare(read_cohort(tmp_path), RULE, tmp_path / "set")
    assert slices.table["z"].between(6, 17).all(), "slices with tumour"
    rows = (tmp_path / "cohort.csv").read_text(encoding="utf-8")
    rows = rows.replace("BraTS2021_00003", "../other").replace("_00004", "_00009")
    (tmp_path / "cohort.csv").write_text(rows, encoding="utf-8")
    listed = "\n".join(check_cohort(read_cohort(tmp_path)).messages)
    assert "line 5: image '../other/../other_t1.nii.gz' leaves the folder" in listed
    assert "line 6: image 'BraTS2021_00009/BraTS2021_00009_t1.nii.gz' is missing in" in listed
