"""TCIA's collections: how they are read and cut, and what is wrong with a folder."""

import shutil
from collections import Counter
from pathlib import Path

import pytest
from conftest import folder_named
from tcia_files import GBM, LGG, write_tcga, write_ucsf

from brats_al_utils import InputError
from brats_al_utils.beyond.releases.tcia import metadata_of
from brats_al_utils.cohorts.cohort import Cohort
from brats_al_utils.cohorts.inspection import check_cohort
from brats_al_utils.cohorts.preparation import prepare
from brats_al_utils.cohorts.readers import read_cohort
from brats_al_utils.cohorts.slices import SliceRule
from brats_al_utils.findings.departures import other_cohort

RULE = SliceRule(per_patient=2, image_size=64)


def cut(cohort: Cohort, folder: Path) -> None:
    """Check and cut a cohort; `test_readers` counts its patients."""
    assert not check_cohort(cohort).problems
    slices = prepare(cohort, RULE, folder)
    assert slices.manifest["mirrored"] and slices.masked and slices.one_class_each
    inside = slices.segmentation[0] > 0
    assert slices.pixels[0, 0][inside].mean() > slices.pixels[0, 0][~inside].mean()
    assert slices.pixels[0, 0, 0, 0] == 0, "the background is black whatever its number was"
    assert other_cohort(slices).startswith(f"cohort: {cohort.name}, ")


def test_tcga(tmp_path: Path) -> None:
    root = write_tcga(tmp_path / "tcga")
    cohort = read_cohort(root)
    assert cohort.name == "TCGA pre-operative" and cohort.cases["site"].tolist()[:3] == ["02", "02", "06"]
    told = "\n".join(cohort.notes)
    assert "scans of 1996.08.23 and 1999.01.01: the first is used" in told
    assert not any("1999" in path for path in cohort.paths)
    assert "automatic segmentations (GlistrBoost), which nobody has corrected, are used of 1 (TCGA-06-0001)" in told
    assert "06 Henry Ford Hospital (1)" in told and "CC BY 3.0" in told
    cut(cohort, tmp_path / "set")
    assert set(cohort.cases.query("class_name == 'LGG'")["site"]) == {"DU"}
    assert read_cohort(tmp_path).root == root, "the folder above will do"
    with pytest.raises(InputError, match="patients of one class.*name the folder"):
        read_cohort(root / GBM)
    shutil.rmtree(root / LGG)
    with pytest.raises(InputError, match="alone, expected the GBM and the LGG folder"):
        read_cohort(root)


def test_ucsf(tmp_path: Path) -> None:
    root = write_ucsf(tmp_path / "ucsf")
    cohort = read_cohort(root)
    told = "\n".join(cohort.notes)
    assert "follow-up scans, skipped: 1 (UCSF-PDGM-0004_FU016d_nifti)" in told and "CC BY 4.0" in told
    assert cohort.absent == ("UCSF-PDGM-0541",)
    cut(cohort, tmp_path / "set")
    assert cohort.cases.query("class_name == 'HGG'")["patient_id"].max() == "UCSF-PDGM-0007"
    assert Path(cohort.cases["t1ce"].iloc[0]).name == "UCSF-PDGM-0004_T1c.nii.gz"
    of_idh = read_cohort(root, task="idh")
    assert Counter(of_idh.cases["class_name"]) == {"wildtype": 4, "mutated": 4}
    assert of_idh.cases.query("class_name == 'wildtype'")["patient_id"].max() == "UCSF-PDGM-0007"
    assert of_idh.classes == ("mutated", "wildtype")
    assert read_cohort(root, classes=("mutated", "wildtype"), task="IDH").classes == ("wildtype", "mutated")
    (root / "UCSF-PDGM-metadata_v2.csv").unlink()
    with pytest.raises(InputError, match="expected the grades: put it there"):
        read_cohort(root)


def test_two_volumes_for_a_sequence_and_none(tmp_path: Path) -> None:
    root = write_ucsf(tmp_path)
    home = root / "UCSF-PDGM-v3" / "UCSF-PDGM-0004_nifti"
    shutil.copy(home / "UCSF-PDGM-0004_T1c.nii.gz", home / "UCSF-PDGM-0004_t1Gd.nii.gz")
    (root / "UCSF-PDGM-v3" / "UCSF-PDGM-0005_nifti" / "UCSF-PDGM-0005_T2.nii.gz").unlink()
    shutil.copytree(home.with_name("UCSF-PDGM-0009_nifti"), home.with_name("UCSF-PDGM-0009"))
    cohort = read_cohort(root)
    problems = cohort.problems
    assert "0009_nifti: the same patient, expected once" in problems["UCSF-PDGM-0009"][0]
    assert "UCSF-PDGM-0009" not in set(cohort.cases["patient_id"]), "which of the two is his, nobody can tell"
    (twice,) = problems["UCSF-PDGM-0004"]
    assert all(words in twice for words in ("0004_T1c.nii.gz", "0004_t1Gd.nii.gz", "two volumes for t1ce"))
    assert "no t2 found" in problems["UCSF-PDGM-0005"][0]


def test_the_real_metadata() -> None:
    place = folder_named("BRATS_AL_UCSF", "with UCSF-PDGM's metadata")
    _, labels = metadata_of(place, "")
    assert Counter(labels.values()) == {"HGG": 402, "LGG": 99}
    assert Counter(metadata_of(place, "IDH")[1].values()) == {"wildtype": 398, "mutated": 103}
