"""The LGG set as it was published: how it is read for both tasks, and what is wrong with a folder."""

from pathlib import Path

import numpy as np
import pytest
from conftest import brats_al, folder_named
from lgg_files import write_grades, write_made_up, write_published
from PIL import Image

from brats_al_utils import InputError
from brats_al_utils.beyond.releases.image_cuts import evenly_spaced
from brats_al_utils.beyond.releases.lgg import flair_again
from brats_al_utils.cohorts.inspection import check_cohort
from brats_al_utils.cohorts.naming import LGG_LOSSY, remarks
from brats_al_utils.cohorts.preparation import prepare
from brats_al_utils.cohorts.readers import read_cohort
from brats_al_utils.cohorts.slices import SliceRule
from brats_al_utils.findings.evidence import audited, evaluate
from brats_al_utils.study.arms import Arm
from brats_al_utils.study.opening import open_study
from brats_al_utils.study.stages import results_of, train

RULE = SliceRule(per_patient=4, image_size=64)
GRADES = ["II", "III"] * 4


def test_evenly_spaced_slices() -> None:
    """Three of ten are those at 1.67, 5 and 8.33 of ten; of four or fewer, four are all."""
    assert np.flatnonzero(evenly_spaced(np.arange(10), np.full(10, 10), 3)).tolist() == [1, 5, 8]
    assert np.flatnonzero(evenly_spaced(np.arange(7), np.full(7, 7), 4)).tolist() == [0, 2, 4, 6]
    assert evenly_spaced(np.array([0, 1, 0, 1, 2]), np.array([2, 2, 3, 3, 3]), 4).all()
    for count in range(5, 90):
        assert evenly_spaced(np.arange(count), np.full(count, count), 4).sum() == 4


def test_task_tumour_labels_each_slice(tmp_path: Path) -> None:
    root = write_made_up(tmp_path, GRADES)
    for folder in (root, tmp_path):
        cohort = check_cohort(read_cohort(folder))
        assert not cohort.problems and cohort.classes == ("no tumour", "tumour")
    told = "\n".join(cohort.notes)
    assert all(words in told for words in ("24 slices with tumour, 24 without", "10.1016/j.compbiomed", "CC BY-NC-SA"))
    assert "CS Thomas Jefferson University (4), DU Henry Ford Hospital (4)" in told
    slices = prepare(cohort, RULE, tmp_path / "set")
    assert slices.manifest["channels"] == ["pre-contrast", "FLAIR", "post-contrast"]
    own = slices.table[slices.table["patient_id"] == "TCGA_CS_4000"]
    assert own["z"].tolist() == [1, 3, 4, 6]
    assert own["class_name"].tolist() == ["no tumour", "tumour", "tumour", "no tumour"]
    assert own["position"].tolist() == [-0.5, 0.5, 1.0, 2.0]
    assert (own["tumour_mm2"] > 0).tolist() == [False, True, True, False] and not slices.masked
    seen = slices.pixels[own.index[1]].astype(int)
    inside = slices.segmentation[own.index[1]] > 0
    assert seen[1][inside].mean() > seen[0][inside].mean() + 30, "FLAIR is the second channel"


def test_task_grade_labels_each_patient(tmp_path: Path) -> None:
    root = write_made_up(tmp_path, [*GRADES, ""])
    cohort = check_cohort(read_cohort(root, task="grade"))
    assert cohort.classes == ("grade II", "grade III")
    assert "without a grade, skipped: 1 (TCGA_CS_4008)" in "\n".join(cohort.notes)
    slices = prepare(cohort, RULE, tmp_path / "set")
    assert slices.table.groupby("class_name")["patient_id"].nunique().to_dict() == {"grade II": 4, "grade III": 4}
    assert slices.one_class_each and slices.masked
    assert set(slices.table["z"]) == {2, 3, 4}
    write_grades(root, {f"TCGA_CS_{4000 + n}": grade for n, grade in enumerate(GRADES)}, ",")
    assert read_cohort(root, task="grade").cases["patient_id"].nunique() == 4


def test_a_sequence_that_is_flair_again_is_told(tmp_path: Path) -> None:
    root = write_made_up(tmp_path, GRADES)
    for path in root.glob("TCGA_CS_4000_*/*[0-9].tif"):
        pixels = np.array(Image.open(path))
        if not path.stem.endswith("mask"):
            Image.fromarray(pixels[:, :, [0, 1, 1]]).save(path)
    assert flair_again(root / "TCGA_CS_4000_19990101/TCGA_CS_4000_19990101_3.tif") == [False, True]
    assert "replaced by FLAIR in the set: post-contrast of 1 patients" in "\n".join(read_cohort(root).notes)


def test_empty_slices_at_the_ends_are_skipped(tmp_path: Path) -> None:
    root = write_made_up(tmp_path, GRADES)
    black = Image.fromarray(np.zeros((40, 40, 3), np.uint8))
    for z in (1, 6):
        black.save(root / "TCGA_DU_4001_19990101" / f"TCGA_DU_4001_19990101_{z}.tif")
    cohort = check_cohort(read_cohort(root))
    assert not cohort.problems and "24 without; 2 of them at the ends" in cohort.notes[1]
    assert cohort.cases.query("patient_id == 'TCGA_DU_4001'")["z"].tolist() == [2, 3, 4, 5]


def test_what_is_wrong_is_told(tmp_path: Path) -> None:
    root = write_made_up(tmp_path, GRADES)
    place = root / "TCGA_CS_4000_19990101"
    (place / f"{place.name}_2_mask.tif").unlink()
    other = root / "TCGA_DU_4001_19990101"
    (other / f"{other.name}_3_mask.tif").write_text("no image", encoding="utf-8")
    outside = root / "TCGA_CS_4002_19990101"
    image = outside / f"{outside.name}_3.tif"
    image.rename(tmp_path / "elsewhere.tif")
    image.symlink_to(tmp_path / "elsewhere.tif")
    found = read_cohort(root).problems
    assert "expected an image and its mask" in found["TCGA_CS_4000"][0]
    assert "cannot be read as PNG, JPEG or TIFF" in found["TCGA_DU_4001"][0]
    assert "--follow-links" in found["TCGA_CS_4002"][0]
    assert "TCGA_CS_4002" not in read_cohort(root, follow_links=True).problems
    with pytest.raises(InputError, match="task is 'size', expected one of tumour, grade"):
        read_cohort(root, task="size")
    with pytest.raises(InputError, match="classes are a, b, expected none"):
        read_cohort(root, classes=("a", "b"))
    (root / "data.csv").write_text("Patient\nTCGA_CS_4000\n", encoding="utf-8")
    with pytest.raises(InputError, match="no column 'neoplasm_histologic_grade'.*task=tumour"):
        read_cohort(root, task="grade")


def test_a_study_of_slices_with_and_without_tumour(tmp_path: Path) -> None:
    """Training, evaluation by slice alone, nothing hidden; the balanced set has the imbalanced one's folds."""
    write_made_up(tmp_path / "data", ["II", "III"] * 6)
    settings = {"image_size": 64, "per_patient": 4, "start": "scratch", "epochs": 1, "n_runs": 3, "folds": 3}
    study = open_study("lgg", tmp_path / "data", tmp_path / "out", settings, "cpu", "1")
    arms = [Arm("all", start="scratch", epochs=1), Arm("all", start="scratch", epochs=1, dataset="balanced")]
    results = results_of(study, train(study, arms))
    found = evaluate(study, results)
    assert set(found["unit"]) == {"slice"} and found["auc"].notna().all()
    assert set(audited(study, results)["shown"]) == {"whole slice"}
    assert not any(name.startswith("audit") for name in results[arms[0], 0].arrays)
    for number in range(3):
        one, other = (
            set(study.of_run(name, number).table.query("part == 'test'")["patient_id"])
            for name in ("imbalanced", "balanced")
        )
        assert one == other and len(one) == 4
    assert study.caption().startswith("LGG set of Buda (12 persons)")


@pytest.fixture(scope="module")
def lgg_copy() -> Path:
    return folder_named("BRATS_AL_LGG_COHORT", "of the LGG set")


def test_the_published_tiff(lgg_copy: Path) -> None:
    cohort = check_cohort(read_cohort(lgg_copy / "as-published"))
    assert not cohort.problems and cohort.cases["patient_id"].nunique() == 4
    cases = read_cohort(lgg_copy / "as-published", task="grade").cases
    grades = cases.groupby("class_name")["patient_id"].unique().map(list).to_dict()
    assert grades == {"grade III": ["TCGA_CS_6290", "TCGA_HT_7686"], "grade II": ["TCGA_HT_7692", "TCGA_HT_8018"]}


@pytest.mark.long
def test_the_jpeg_copy(lgg_copy: Path, tmp_path: Path) -> None:
    write_published(lgg_copy, tmp_path)
    tumour, grade = read_cohort(tmp_path), read_cohort(tmp_path, task="grade")
    assert tumour.cases["patient_id"].nunique() == 110 and not tumour.problems
    assert "1373 slices with tumour, 2556 without" in tumour.notes[1]
    assert tumour.cases["class_name"].value_counts().to_dict() == {"tumour": 1373, "no tumour": 2554}
    patients = grade.cases.groupby("class_name")["patient_id"].nunique().to_dict()
    assert patients == {"grade II": 51, "grade III": 58}
    assert any("pre-contrast of 6 patients, post-contrast of 10 patients" in note for note in tumour.notes)
    slices = prepare(read_cohort(write_published(lgg_copy, tmp_path / "few", 16).parent), RULE, tmp_path / "set")
    assert remarks(slices) == [LGG_LOSSY] and len(slices.table) == 64
    said = brats_al("cohort", str(tmp_path / "few"), "--set", "task=grade")
    assert "16 usable patients" in said and "grade III" in said
