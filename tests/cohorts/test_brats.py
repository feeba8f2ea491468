"""Layouts of the releases, everything that can be wrong with a folder, and the split by patient."""

import gzip
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import AFFINE, SHAPE, brats_al, write_case, write_volume
from hypothesis import given
from hypothesis import strategies as st

from brats_al_utils import InputError
from brats_al_utils.cohorts.brats import PARTS, check_cohort, check_split, read_cohort, split_patients

COLUMNS_2019 = "Grade,BraTS_2017_subject_ID,BraTS_2018_subject_ID,TCGA_TCIA_subject_ID,BraTS_2019_subject_ID"


@pytest.mark.parametrize(
    ("name", "year", "site"),
    [
        ("Brats17_TCIA_425_1", "2017", "TCIA"),
        ("Brats18_2013_2_1", "2018", "2013"),
        ("BraTS19_CBICA_AAB_1", "2019", "CBICA"),
        ("somebody_007", "unknown", "unknown"),
    ],
)
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("level", ["", "MICCAI_BraTS_Data_Training"])
def test_folder_layouts(tmp_path: Path, name: str, year: str, site: str, suffix: str, level: str) -> None:
    write_case(tmp_path / level / "LGG" / name, 0, suffix)
    cohort = read_cohort(tmp_path)
    row = cohort.cases.iloc[0]
    assert (row["patient_id"], row["grade"], row["site"], row["release"]) == (name, "LGG", site, year)
    assert Path(row["t1ce"]).name == f"{name}_t1ce{suffix}"
    assert not cohort.problems
    assert not cohort.synthetic


def test_flat_layout_of_2020(tmp_path: Path) -> None:
    for number in (1, 2):
        write_case(tmp_path / f"BraTS20_Training_00{number}", number, ".nii")
    (tmp_path / "name_mapping.csv").write_text(
        f"{COLUMNS_2019},BraTS_2020_subject_ID\n"
        "HGG,Brats17_CBICA_AAB_1,Brats18_CBICA_AAB_1,NA,BraTS19_CBICA_AAB_1,BraTS20_Training_001\n"
        "LGG,NA,NA,NA,NA,BraTS20_Training_002\n"
        "LGG,NA,NA,NA,NA,BraTS20_Training_003\n"
    )
    cohort = read_cohort(tmp_path)
    assert cohort.cases[["patient_id", "grade", "site"]].values.tolist() == [
        ["BraTS20_Training_001", "HGG", "CBICA"],
        ["BraTS20_Training_002", "LGG", "unknown"],
    ]
    assert cohort.absent == ("BraTS20_Training_003",)
    assert cohort.release == "2020"


def test_real_cases(real_cases: Path) -> None:
    cohort = check_cohort(read_cohort(real_cases))
    assert not cohort.problems
    assert cohort.cases["grade"].value_counts().to_dict() == {"HGG": 7, "LGG": 3}
    assert set(cohort.cases["site"]) == {"2013", "CBICA", "TCIA02", "TCIA03", "TCIA10", "TCIA13"}


def first_case(root: Path) -> Path:
    return root / "HGG" / "Brats18_SITE0_0_1"


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-200])


def remove_sequence(root: Path) -> None:
    (first_case(root) / "Brats18_SITE0_0_1_t2.nii.gz").unlink()


def other_shape(root: Path) -> None:
    write_volume(first_case(root) / "Brats18_SITE0_0_1_t2.nii.gz", np.ones((32, 32, 23), np.int16))


def other_affine(root: Path) -> None:
    moved = AFFINE.copy()
    moved[0, 3] = 7
    write_volume(first_case(root) / "Brats18_SITE0_0_1_t2.nii.gz", np.ones(SHAPE, np.int16), moved)


def truncated(root: Path) -> None:
    truncate(first_case(root) / "Brats18_SITE0_0_1_t1.nii.gz")


def not_nifti(root: Path) -> None:
    (first_case(root) / "Brats18_SITE0_0_1_t1.nii.gz").write_bytes(gzip.compress(b"hello" * 1000))


def not_a_number(root: Path) -> None:
    voxels = np.ones(SHAPE, np.float32)
    voxels[3, 4, 5], voxels[0, 0, 0] = np.nan, np.inf
    write_volume(first_case(root) / "Brats18_SITE0_0_1_t1.nii.gz", voxels)


def empty_segmentation(root: Path) -> None:
    write_volume(first_case(root) / "Brats18_SITE0_0_1_seg.nii.gz", np.zeros(SHAPE, np.uint8))


def strange_labels(root: Path) -> None:
    voxels = np.zeros(SHAPE, np.int16)
    voxels[10:12] = 7
    write_volume(first_case(root) / "Brats18_SITE0_0_1_seg.nii.gz", voxels)


def huge_header(root: Path) -> None:
    path = first_case(root) / "Brats18_SITE0_0_1_t1.nii.gz"
    content = bytearray(gzip.decompress(path.read_bytes()))
    content[40:48] = np.array([3, 30000, 30000, 30000], "<i2").tobytes()
    path.write_bytes(gzip.compress(bytes(content)))


def same_patient_twice(root: Path) -> None:
    write_case(root / "LGG" / "Brats18_SITE0_0_2", 9)


def two_grades(root: Path) -> None:
    (root / "name_mapping.csv").write_text(f"{COLUMNS_2019}\nLGG,NA,Brats18_SITE0_0_1,NA,NA\n")


BAD: dict[Callable[[Path], None], list[str]] = {
    remove_sequence: ["Brats18_SITE0_0_1_t2.nii.gz (or .nii) is missing", "the folder holds", "copy or rename"],
    other_shape: ["Brats18_SITE0_0_1_t2.nii.gz: shape (32, 32, 23), expected (32, 32, 24)", "register"],
    other_affine: ["Brats18_SITE0_0_1_t2.nii.gz: its affine is not that of t1", "register"],
    truncated: ["Brats18_SITE0_0_1_t1.nii.gz: cannot be read as NIfTI", "copy or download"],
    not_nifti: ["Brats18_SITE0_0_1_t1.nii.gz: cannot be read as NIfTI", "copy or download"],
    not_a_number: ["Brats18_SITE0_0_1_t1.nii.gz: 2 voxels are NaN or infinite", "leave the patient out"],
    empty_segmentation: ["Brats18_SITE0_0_1_seg.nii.gz: the segmentation is empty", "leave the patient out"],
    strange_labels: ["Brats18_SITE0_0_1_seg.nii.gz: labels [7] found, expected 0, 1, 2 and 4"],
    huge_header: ["Brats18_SITE0_0_1_t1.nii.gz: expected a three-dimensional volume", "30000"],
    same_patient_twice: ["Brats18_SITE0_0_2: the same patient as", "Brats18_SITE0_0_1: keep one of the two"],
    two_grades: ["Brats18_SITE0_0_1: HGG by its folder but LGG in name_mapping.csv"],
}


@pytest.mark.parametrize("damage", BAD, ids=lambda damage: damage.__name__)
def test_bad_input_is_named_with_its_mend(tiny_cohort: Path, damage: Callable[[Path], None]) -> None:
    damage(tiny_cohort)
    problems = "\n".join(
        problem for found in check_cohort(read_cohort(tiny_cohort)).problems.values() for problem in found
    )
    assert all(words in problems for words in BAD[damage]), problems


def test_every_problem_in_one_go(tiny_cohort: Path) -> None:
    remove_sequence(tiny_cohort)
    truncate(tiny_cohort / "LGG" / "Brats18_SITE0_4_1" / "Brats18_SITE0_4_1_flair.nii.gz")
    printed = brats_al("cohort", str(tiny_cohort), expect=1)
    assert printed.count("problem: ") == 2
    assert "5 usable patients" in printed


def test_of_a_patient_found_twice_neither_is_used(tiny_cohort: Path) -> None:
    shutil.copytree(first_case(tiny_cohort), tiny_cohort / "LGG" / "Brats18_SITE0_0_1")
    assert "Brats18_SITE0_0_1" not in set(read_cohort(tiny_cohort).cases["patient_id"])


def test_a_patient_without_grade(tmp_path: Path) -> None:
    write_case(tmp_path / "BraTS20_Training_001", 0)
    cohort = read_cohort(tmp_path)
    assert "no grade for this patient: add a row with Grade HGG or LGG" in cohort.problems["BraTS20_Training_001"][0]


def test_no_patient_found_says_what_was_looked_for(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "missing"):
        with pytest.raises(InputError, match="HGG and LGG|no such folder"):
            read_cohort(folder)
    (tmp_path / "HGG").mkdir()
    with pytest.raises(
        InputError, match="no patient found; looked here and one level below for the folders HGG and LGG"
    ):
        read_cohort(tmp_path)


def test_several_releases_side_by_side(tmp_path: Path) -> None:
    for release in ("2018", "2019"):
        (tmp_path / release / "HGG").mkdir(parents=True)
    with pytest.raises(InputError, match="several releases \\(2018, 2019\\): name one"):
        read_cohort(tmp_path)


def test_a_mapping_that_is_none(tiny_cohort: Path) -> None:
    (tiny_cohort / "name_mapping.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="expected Grade and BraTS_<year>_subject_ID"):
        read_cohort(tiny_cohort)


def cases(hgg: int, lgg: int) -> pd.DataFrame:
    grades = ["HGG"] * hgg + ["LGG"] * lgg
    return pd.DataFrame({"patient_id": [f"p{number:04}" for number in range(hgg + lgg)], "grade": grades})


def test_split_of_brats_2019() -> None:
    counts = split_patients(cases(259, 76), 0).groupby(["part", "grade"]).size().to_dict()
    assert counts == {
        ("training", "HGG"): 157,
        ("training", "LGG"): 46,
        ("validation", "HGG"): 51,
        ("validation", "LGG"): 15,
        ("test", "HGG"): 51,
        ("test", "LGG"): 15,
    }


@given(st.integers(3, 60), st.integers(3, 60), st.integers(0, 1000))
def test_split_properties(hgg: int, lgg: int, seed: int) -> None:
    table = cases(hgg, lgg)
    split = split_patients(table, seed)
    assert split["patient_id"].tolist() == table["patient_id"].tolist()
    assert split.groupby(["part", "grade"]).size().shape == (6,)
    shuffled = table.sample(frac=1, random_state=seed)
    pd.testing.assert_frame_equal(split, split_patients(shuffled, seed))


def test_split_differs_by_seed_and_refuses_too_few() -> None:
    assert not split_patients(cases(20, 20), 0).equals(split_patients(cases(20, 20), 1))
    with pytest.raises(InputError, match="2 LGG patients, expected at least 3"):
        split_patients(cases(9, 2), 0)


def test_a_patient_in_two_parts_is_refused() -> None:
    table = pd.DataFrame({"patient_id": ["a", "a", "b"], "part": [PARTS[0], PARTS[2], PARTS[0]]})
    with pytest.raises(InputError, match="more than one part: a .*by patient"):
        check_split(table)
