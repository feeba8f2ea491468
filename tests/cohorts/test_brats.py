"""Layouts of the releases as they are unpacked, and what lies in them beside the patients."""

import gzip
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import brats_al, write_case, write_release

from brats_al_utils import InputError
from brats_al_utils.cohorts.inspection import check_cohort
from brats_al_utils.cohorts.preparation import prepare
from brats_al_utils.cohorts.readers import read_cohort
from brats_al_utils.cohorts.slices import SliceRule

MAPPING = "Grade,BraTS_2017_subject_ID,BraTS_2018_subject_ID,TCGA_TCIA_subject_ID,BraTS_2019_subject_ID"


def write_mapping(root: Path, *rows: str, columns: str = "Grade,BraTS_2020_subject_ID") -> None:
    (root / "name_mapping.csv").write_text("\n".join([columns, *rows]), encoding="utf-8")


FOLDERS = [
    ("Brats17_TCIA_425_1", "2017", "TCIA"),
    ("Brats18_2013_2_1", "2018", "2013"),
    ("BraTS19_CBICA_AAB_1", "2019", "CBICA"),
    ("somebody_007", "unknown", "unknown"),
]


@pytest.mark.parametrize(("name", "year", "site"), FOLDERS)
@pytest.mark.parametrize(("suffix", "level"), [(".nii", ""), (".nii.gz", "MICCAI_BraTS_Data_Training")])
def test_folder_layouts(tmp_path: Path, name: str, year: str, site: str, suffix: str, level: str) -> None:
    write_case(tmp_path / level / "LGG" / name, 0, suffix)
    cohort = read_cohort(tmp_path)
    row = cohort.cases.iloc[0]
    assert (row["patient_id"], row["class_name"], row["site"], row["release"]) == (name, "LGG", site, year)
    assert Path(row["t1ce"]).name == f"{name}_t1ce{suffix}"
    assert not cohort.problems
    assert not cohort.synthetic


def test_flat_layout_of_2020(tmp_path: Path) -> None:
    """Beside an empty folder of a grade."""
    (tmp_path / "HGG").mkdir()
    for number in (1, 2):
        write_case(tmp_path / f"BraTS20_Training_00{number}", number, ".nii")
    rows = ["HGG,Brats17_CBICA_AAB_1,Brats18_CBICA_AAB_1,NA,BraTS19_CBICA_AAB_1,BraTS20_Training_001"]
    rows += [f"LGG,NA,NA,NA,NA,BraTS20_Training_00{number}" for number in (2, 3)]
    write_mapping(tmp_path, *rows, columns=f"{MAPPING},BraTS_2020_subject_ID")
    cohort = read_cohort(tmp_path)
    assert cohort.cases["class_name"].tolist() == ["HGG", "LGG"]
    assert cohort.cases["site"].tolist() == ["CBICA", "unknown"]
    assert cohort.absent == ("BraTS20_Training_003",)
    assert cohort.release == "2020"


def test_real_cases(real_cases: Path) -> None:
    cohort = check_cohort(read_cohort(real_cases))
    assert not cohort.problems
    assert cohort.cases["class_name"].value_counts().to_dict() == {"HGG": 7, "LGG": 3}
    assert set(cohort.cases["site"]) == {"2013", "CBICA", "TCIA02", "TCIA03", "TCIA10", "TCIA13"}


def test_several_releases_side_by_side(tmp_path: Path) -> None:
    for release in ("2018", "2019"):
        write_case(tmp_path / release / "HGG" / "Brats18_SITE0_0_1", 0)
    with pytest.raises(InputError, match="several releases \\(.*/2018, .*/2019\\), expected one: name one"):
        read_cohort(tmp_path)


def test_the_segmentation_of_patient_355(tmp_path: Path) -> None:
    """In the release of 2020 it has this name, whatever else lies beside it."""
    case = tmp_path / "BraTS20_Training_355"
    write_case(case, 0, ".nii")
    (case / "BraTS20_Training_355_seg.nii").rename(case / "W39_1998.09.19_Segm.nii")
    shutil.copy(case / "BraTS20_Training_355_t1.nii", case / "another.nii")
    write_mapping(tmp_path, "LGG,BraTS20_Training_355")
    cohort = check_cohort(read_cohort(tmp_path))
    assert cohort.cases["seg"].tolist() == [str(case / "W39_1998.09.19_Segm.nii")]
    (note,) = cohort.notes
    assert note.startswith(f"{case}/W39_1998.09.19_Segm.nii: taken for BraTS20_Training_355_seg.nii")
    assert f"note: {note}" in brats_al("cohort", str(tmp_path), expect=1)


CASE = "HGG/Brats18_SITE0_0_1"


def test_the_only_spare_volume_is_the_segmentation(tiny_cohort: Path) -> None:
    case = tiny_cohort / CASE
    (case / f"{case.name}_seg.nii.gz").rename(case / "mask.nii.gz")
    (case / "._mask.nii.gz").write_bytes(b"")  # macOS's own
    cohort = check_cohort(read_cohort(tiny_cohort))
    assert not cohort.problems
    assert cohort.notes[0].startswith(f"{case}/mask.nii.gz: taken for {case.name}_seg.nii") and len(cohort.notes) == 1
    shutil.copy(case / "mask.nii.gz", case / "mask2.nii.gz")
    assert "_seg.nii.gz (or .nii) is missing; the folder holds" in read_cohort(tiny_cohort).messages[0]
    (case / "mask2.nii.gz").unlink()
    (case / "mask.nii.gz").rename(case / f"{case.name}_seg.nii.gz")
    # Which sequence it is cannot be told from its voxels.
    (case / f"{case.name}_t2.nii.gz").rename(case / "spare.nii.gz")
    cohort = read_cohort(tiny_cohort)
    assert f"{case.name}_t2.nii.gz (or .nii) is missing; the folder holds " in cohort.messages[0]
    (case / f"{case.name}_seg.nii.gz").unlink()
    assert "_t2.nii.gz and Brats18_SITE0_0_1_seg.nii.gz (or .nii) are missing" in read_cohort(tiny_cohort).messages[0]


def each_volume_a_folder(root: Path) -> None:
    """As Kaggle's copy of 2021 is unpacked, the file in the folder has a name of its own; one folder has no suffix."""
    for number, path in enumerate(sorted((root / CASE).iterdir())):
        moved = path.rename(path.with_suffix(".moved"))
        inside = path.with_suffix("") if number else path.with_suffix("").with_suffix("")
        inside.mkdir()
        moved.rename(inside / (f"00000057_brain_{path.name.split('_')[-1]}" if number else path.name))


def patient_in_patient(root: Path) -> None:
    case = root / CASE
    moved = case.rename(root / "moved")
    case.mkdir()
    moved.rename(case / case.name)


def copy_in_patient(root: Path) -> None:
    """The copy is another's: its files would be seen to be damaged."""
    inner = root / CASE / Path(CASE).name
    inner.mkdir()
    for path in (root / CASE).glob("*.nii.gz"):
        (inner / path.name).write_bytes(b"")


def macosx(root: Path) -> None:
    ghost = root / "__MACOSX" / CASE
    ghost.mkdir(parents=True)
    for path in (root / CASE).iterdir():
        (ghost / f"._{path.name}").write_bytes(b"x")
        (root / CASE / f"._{path.name}").write_bytes(b"x")
    shutil.copytree(root / "__MACOSX", root / "HGG" / "__MACOSX")
    shutil.copytree(root / "__MACOSX", root.parent / "__MACOSX")


def grades_in_small_letters(root: Path) -> None:
    for grade in ("HGG", "LGG"):
        (root / grade).rename(root / grade.lower())


def other_capitals(root: Path) -> None:
    for path in (root / CASE).iterdir():
        path.rename(path.with_name(path.name.replace("Brats18", "BraTS18").replace("t1ce", "T1CE")))


UNPACKED = [each_volume_a_folder, patient_in_patient, copy_in_patient, macosx, grades_in_small_letters, other_capitals]


@pytest.mark.parametrize("unpack", UNPACKED, ids=lambda unpack: unpack.__name__)
@pytest.mark.parametrize("above", [False, True], ids=["the release", "the folder above"])
def test_as_unpacked(tiny_cohort: Path, tmp_path: Path, unpack: Callable[[Path], None], above: bool) -> None:
    """It has the same patients, and the same slices are cut."""
    rule = SliceRule(per_patient=2, image_size=64)
    expected = prepare(read_cohort(tiny_cohort), rule, tmp_path / "before" / "set").fingerprint
    unpack(tiny_cohort)
    cohort = check_cohort(read_cohort(tmp_path if above else tiny_cohort))
    assert not cohort.problems
    assert not cohort.notes
    assert prepare(cohort, rule, tmp_path / "after" / "set").fingerprint == expected


def test_a_file_without_suffix_and_one_of_two_in_a_volume_s_folder_are_none(tiny_cohort: Path) -> None:
    path = tiny_cohort / CASE / "Brats18_SITE0_0_1_t1.nii.gz"
    path.rename(path.with_name("Brats18_SITE0_0_1_t1"))
    assert f"{path.name} (or .nii) is missing" in read_cohort(tiny_cohort).messages[0]
    path.with_name("Brats18_SITE0_0_1_t1").rename(path)
    each_volume_a_folder(tiny_cohort)
    (path.with_suffix("") / "another.nii").write_bytes(b"")
    assert f"{path.name} (or .nii) is missing" in read_cohort(tiny_cohort).messages[0]


def test_an_empty_grade_s_folder_beside_the_release(tiny_cohort: Path) -> None:
    (tiny_cohort.parent / "HGG").mkdir()
    (tiny_cohort.parent / "other" / "LGG").mkdir(parents=True)
    cohort = read_cohort(tiny_cohort.parent)
    assert cohort.root == tiny_cohort
    assert len(cohort.cases) == 7


def test_no_patient_is_lost_in_silence(tiny_cohort: Path) -> None:
    """In a grade's folder within one of the same name they are read; in one that tells no grade they are a problem."""
    before = read_cohort(tiny_cohort).cases[["patient_id", "class_name"]]
    (tiny_cohort / "HGG").rename(tiny_cohort / "inner")
    (tiny_cohort / "HGG").mkdir()
    (tiny_cohort / "inner").rename(tiny_cohort / "HGG/HGG")
    cohort = read_cohort(tiny_cohort)
    assert not cohort.problems and not cohort.notes
    assert cohort.cases[["patient_id", "class_name"]].equals(before)
    for place in ("HGG_more", "LGG/more"):
        write_case(tiny_cohort / place / "Brats18_X_99_1", 99)
        cohort = read_cohort(tiny_cohort)
        assert cohort.cases[["patient_id", "class_name"]].equals(before)
        (problem,) = cohort.messages
        assert "Brats18_X_99_1: a patient's folder in" in problem and "move it into LGG or HGG" in problem
        shutil.rmtree(tiny_cohort / place)


def test_a_mapping_one_level_above_the_patients(tmp_path: Path) -> None:
    for number in range(8):
        write_case(tmp_path / "data" / f"BraTS20_Training_{number:03}", number)
    write_mapping(tmp_path, *(f"{'HGG' if n % 2 else 'LGG'},BraTS20_Training_{n:03}" for n in range(8)))
    assert len(read_cohort(tmp_path).cases) == 8
    (line,) = read_cohort(tmp_path / "data").messages
    assert "no grade for this patient" in line and "(8 like this:" in line and f"or name {tmp_path}, where" in line


def test_a_patient_beside_the_grades_folders_is_a_problem(tiny_cohort: Path) -> None:
    write_case(tiny_cohort / "Brats18_SITE0_9_1", 9)
    assert "Brats18_SITE0_9_1: no grade for this patient" in read_cohort(tiny_cohort).messages[0]


@pytest.fixture
def as_nobody() -> Iterator[Path]:
    """Return a folder that everybody may enter, and let go of what root may do: nothing is closed to it."""
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        root.chmod(0o755)
        write_release(root, 3, 3)
        closed = [root / "lost+found", root / "HGG/lost+found", root / "LGG/Brats18_SITE1_5_1"]
        for folder in closed:
            folder.mkdir(exist_ok=True)
            folder.chmod(0)
        owner = os.geteuid()
        os.seteuid(owner or 65534)
        try:
            yield root
        finally:
            os.seteuid(owner)
            for folder in (root / "LGG", *closed):
                folder.chmod(0o755)


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="no owners of files here")
def test_folders_that_cannot_be_opened(as_nobody: Path) -> None:
    """A disk's lost+found is skipped; a patient's is a problem; a grade's is the end."""
    cohort, said = check_cohort(read_cohort(as_nobody)), "cannot be opened (Permission denied): fix its permissions"
    (note,) = cohort.notes
    assert note.startswith(f"{as_nobody}/HGG/lost+found: skipped, not a patient's folder") and said in note
    assert cohort.problems["Brats18_SITE1_5_1"] == (f"{as_nobody}/LGG/Brats18_SITE1_5_1: {said}",)
    assert len(cohort.cases) == 5
    nobody = os.geteuid()
    os.seteuid(os.getuid())
    (as_nobody / "LGG").chmod(0)
    os.seteuid(nobody)
    with pytest.raises(InputError, match="LGG: " + re.escape(said)):
        read_cohort(as_nobody)


def test_a_grade_s_folder_alone(tiny_cohort: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    message = f"the patients of one grade, expected both \\(HGG and LGG\\): name the folder {tiny_cohort}$"
    with pytest.raises(InputError, match=message):
        read_cohort(tiny_cohort / "HGG")
    monkeypatch.chdir(tiny_cohort / "LGG")
    with pytest.raises(InputError, match=message):
        read_cohort(Path())


def test_a_release_that_lies_too_deep(tiny_cohort: Path, tmp_path: Path) -> None:
    deep = tmp_path / "a" / "b" / "c" / "release"
    deep.parent.mkdir(parents=True)
    tiny_cohort.rename(deep)
    for folder, levels in ((tmp_path, 4), (tmp_path / "a", 3), (tmp_path / "a" / "b", 2)):
        with pytest.raises(InputError, match=f"release {levels} levels below, expected at most one: name {deep}$"):
            read_cohort(folder)
    assert read_cohort(deep.parent).root == deep


def test_the_validation_data_of_a_release(tmp_path: Path) -> None:
    """They have no segmentations: beside the training data they are passed over."""
    case = tmp_path / "validation" / "BraTS20_Validation_001"
    write_case(case, 0)
    (case / f"{case.name}_seg.nii.gz").unlink()
    for folder in (tmp_path, tmp_path / "validation"):
        with pytest.raises(InputError, match=f"{case} has no segmentation, as in a release's validation data"):
            read_cohort(folder)
    write_case(tmp_path / "training" / "HGG" / "Brats18_A_1_1", 0)
    assert read_cohort(tmp_path).root == tmp_path / "training"


@pytest.mark.parametrize("name", ["BraTS2021_00000", "BraTS-GLI-00000-000"])
@pytest.mark.parametrize("level", ["", "TrainingData"])
def test_releases_without_grades(tmp_path: Path, name: str, level: str) -> None:
    write_case(tmp_path / level / name, 0)
    with pytest.raises(InputError) as refused:
        read_cohort(tmp_path)
    said = ("is of BraTS 2021 or later", "give no grades", "table cohort.csv", "2017 to 2020")
    assert all(words in str(refused.value) for words in (str(tmp_path / level / name), *said))


def linked_subset(release: Path, links: Path, depth: int) -> None:
    """Make a selection of a release by `ln -s`: of its grades, patients or files."""
    for path in sorted(release.glob("/".join(["*"] * depth))):
        link = links / path.relative_to(release)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(path)


@pytest.mark.parametrize("depth", [1, 2, 3], ids=["grades", "patients", "files"])
def test_a_subset_of_links(tiny_cohort: Path, tmp_path: Path, depth: int) -> None:
    """One line for the whole folder without the option; with it the same slices."""
    rule = SliceRule(per_patient=2, image_size=64)
    expected = prepare(read_cohort(tiny_cohort), rule, tmp_path / "set").fingerprint
    subset = tmp_path / "subset"
    linked_subset(tiny_cohort, subset, depth)
    cohort = read_cohort(subset)
    assert len(cohort.problems) == 7
    first = {1: "HGG", 2: CASE, 3: f"{CASE}/Brats18_SITE0_0_1_t1.nii.gz"}[depth]
    assert cohort.messages == [
        f"{subset}: symbolic links that lead out of the release are not followed (7 patients; {subset / first} leads "
        f"to {tiny_cohort / first}): allow them with --follow-links (in Python follow_links=True), or put copies "
        "in their place"
    ]
    assert prepare(read_cohort(subset, follow_links=True), rule, tmp_path / "linked").fingerprint == expected


def test_the_option_that_follows_links(tiny_cohort: Path, tmp_path: Path) -> None:
    """To links of links as well; `test_readme` runs a study with it."""
    linked_subset(tiny_cohort, tmp_path / "subset", 3)
    shutil.move(tiny_cohort / "HGG", tmp_path / "HGG elsewhere")
    (tiny_cohort / "HGG").symlink_to(tmp_path / "HGG elsewhere")
    told = brats_al("cohort", str(tmp_path / "subset"), expect=1)
    assert (told.count("--follow-links"), told.count("problem: ")) == (1, 3)
    assert "7 usable patients" in brats_al("cohort", str(tmp_path / "subset"), "--follow-links")


def test_a_link_to_what_git_annex_has_not_fetched(tiny_cohort: Path) -> None:
    path = tiny_cohort / CASE / "Brats18_SITE0_0_1_t1.nii.gz"
    path.unlink()
    path.symlink_to("../../../.git/annex/objects/aa/bb/SHA256E-s1--0.nii.gz")
    (problem,) = read_cohort(tiny_cohort, follow_links=True).messages
    assert "Brats18_SITE0_0_1_t1.nii.gz (or .nii) is missing" in problem
    assert "Brats18_SITE0_0_1_t1.nii.gz (a link to a file that is missing)" in problem


TWICE = {
    "time points": ("HGG/Brats18_CBICA_AAB_1", "HGG/Brats18_CBICA_AAB_2", ""),
    "releases": ("HGG/Brats18_CBICA_AAB_1", "LGG/BraTS19_CBICA_AAB_1", ""),
    "TCIA divided": ("HGG/Brats17_TCIA_425_1", "HGG/Brats18_TCIA01_425_1", ""),
    "twice": ("HGG/Brats18_CBICA_AAB_1", "hgg/Brats18_CBICA_AAB_1", ""),
    "mapping": ("HGG/Brats17_X_1_1", "HGG/BraTS19_Y_9_1", "HGG,Brats17_X_1_1,NA,NA,BraTS19_Y_9_1\n"),
    "mapping and time point": (
        "HGG/BraTS20_Training_001",
        "HGG/Brats18_X_1_3",
        "HGG,Brats17_X_1_1,NA,BraTS20_Training_001,NA\n",
    ),
    "TCGA": (
        "HGG/Brats17_X_1_1",
        "HGG/Brats18_Y_1_1",
        "HGG,Brats17_X_1_1,NA,TCGA-1,NA\nHGG,NA,Brats18_Y_1_1,TCGA-1,NA\n",
    ),
}


@pytest.mark.parametrize(("one", "other", "mapping"), TWICE.values(), ids=TWICE)
def test_a_patient_found_twice_is_not_used(tiny_cohort: Path, one: str, other: str, mapping: str) -> None:
    """Nor is it counted as two, and the others are used; with a mapping or without."""
    for number, place in enumerate((one, other)):
        write_case(tiny_cohort / place, 7 + number)
    if mapping:
        write_mapping(tiny_cohort, mapping, columns=MAPPING)
    cohort = check_cohort(read_cohort(tiny_cohort))
    assert len(cohort.cases) == 7
    assert set(cohort.problems) == {Path(one).name, Path(other).name}
    for problems in cohort.problems.values():
        assert any("the same patient, expected once: keep one of the two folders" in problem for problem in problems)


def test_one_patient_s_files_under_two_names_are_found(tiny_cohort: Path) -> None:
    one, other = (next(tiny_cohort.glob(f"HGG/*_{number}_1/*_t1.nii.gz")) for number in "13")
    other.write_bytes(one.read_bytes())
    found = read_cohort(tiny_cohort)
    assert len(found.problems) == 2 and len(found.cases) == 5
    assert len(found.messages) == 1 and "the same t1 of" in found.messages[0]
    other.write_bytes(gzip.compress(gzip.decompress(one.read_bytes()), mtime=1))  # the same voxels in other bytes
    assert not read_cohort(tiny_cohort).problems
    (listed,) = check_cohort(read_cohort(tiny_cohort)).messages
    assert "Brats18_SITE1_3_1: an image has the same pixels as one of Brats18_SITE1_1_1" in listed
