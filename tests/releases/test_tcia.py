"""TCIA's collections, written from made-up volumes in their exact layout, with what others stumble over."""

import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from conftest import SHAPE, folder_named, write_volume

from brats_al_utils import InputError
from brats_al_utils.beyond.releases.tcia import metadata_of
from brats_al_utils.cohorts.cohort import Cohort
from brats_al_utils.cohorts.inspection import check_cohort
from brats_al_utils.cohorts.preparation import prepare
from brats_al_utils.cohorts.readers import read_cohort
from brats_al_utils.cohorts.slices import SliceRule
from brats_al_utils.findings.departures import other_cohort

RULE = SliceRule(per_patient=2, image_size=64)
GBM, LGG = (f"Pre-operative_TCGA_{name}_NIfTI_and_Segmentations" for name in ("GBM", "LGG"))


def write_volumes(folder: Path, names: list[str], mask: str, seed: int) -> None:
    """Write sequences of floats with a negative background and a skull round the brain, and a mask of floats."""
    rng = np.random.default_rng(seed)
    x, y, z = np.meshgrid(*(np.linspace(-1, 1, n) for n in SHAPE), indexing="ij")
    radius = x**2 + y**2 + z**2
    tumour = np.zeros(SHAPE, np.float32)
    tumour[10:18, 12:20, 6:18], tumour[12:16, 14:18, 8:16] = 2, 4
    for number, name in enumerate(names):
        signal = rng.normal(10 + number, 1, SHAPE) + 8 * (tumour > 0)
        head = np.where(radius < 0.8, signal, np.where(radius < 1, 4.0, -5.0))
        write_volume(folder / f"{name}.nii.gz", np.where(radius < 1, head, -5.0).astype(np.float32))
    write_volume(folder / f"{mask}.nii.gz", tumour)


def write_tcga(root: Path) -> Path:
    """Write four patients of GBM and three of LGG; one was scanned twice, the mask of one is nobody's correction."""
    for number in range(7):
        name = f"TCGA-{('02', '06', '76')[number % 3]}-{number:04}" if number < 4 else f"TCGA-DU-A{number:03}"
        home = root / (GBM if number < 4 else LGG) / name
        for date in ["1996.08.23", *["1999.01.01"] * (number == 0)]:
            scan = f"{name}_{date}"
            mask = f"{scan}_GlistrBoost" + "_ManuallyCorrected" * (number != 1)
            write_volumes(home, [f"{scan}_{kind}" for kind in ("t1", "t1Gd", "t2", "flair")], mask, number)
            if number != 1:
                shutil.copy(home / f"{mask}.nii.gz", home / f"{scan}_GlistrBoost.nii.gz")
    return root


def write_ucsf(root: Path) -> Path:
    """Write four patients of grade 4, one of 3, two of 2 and a follow-up; the metadata names a patient more."""
    place = root / "UCSF-PDGM-v3"
    lines = ["ID,WHO CNS Grade,IDH,BraTS21 ID"]
    for number in range(4, 11):
        name = f"UCSF-PDGM-{number:04}"
        kinds = [f"{kind}{bias}" for kind in ("T1", "T1c", "T2", "FLAIR") for bias in ("", "_bias")]
        home = place / f"{name}_nifti"
        write_volumes(home, [f"{name}_{kind}" for kind in [*kinds, "SWI"]], f"{name}_tumor_segmentation", number)
        shutil.copy(home / f"{name}_T1.nii.gz", home / f"{name}_brain_segmentation.nii.gz")
        grade = {8: 3, 9: 2, 10: 2}.get(number, 4)
        idh = "wildtype" if number < 8 else ("IDH1 p.R132H", "mutated (NOS)", "IDH2 p.R172K")[number - 8]
        lines.append(f"UCSF-PDGM-{number:03},{grade},{idh},")
    write_volumes(place / "UCSF-PDGM-0004_FU016d_nifti", ["UCSF-PDGM-0004_FU016d_T1"], "UCSF-PDGM-0004_FU016d_x", 0)
    lines += ["UCSF-PDGM-541,4,wildtype,BraTS2021_00001", "UCSF-PDGM-009_FU016d,4,wildtype,"]
    (root / "UCSF-PDGM-metadata_v2.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return root


def cut(cohort: Cohort, folder: Path) -> dict[str, int]:
    """Check and cut a cohort; return its patients by class."""
    assert not check_cohort(cohort).problems
    slices = prepare(cohort, RULE, folder)
    assert slices.mirrored and slices.masked and slices.one_class_each
    inside = slices.segmentation[0] > 0
    assert slices.pixels[0, 0][inside].mean() > slices.pixels[0, 0][~inside].mean()
    assert slices.pixels[0, 0, 0, 0] == 0, "the background is black whatever its number was"
    assert other_cohort(slices).startswith(f"cohort: {cohort.name}, ")
    return dict(Counter(slices.table.drop_duplicates("patient_id")["class_name"]))


def test_tcga(tmp_path: Path) -> None:
    root = write_tcga(tmp_path / "tcga")
    cohort = read_cohort(root)
    assert cohort.name == "TCGA pre-operative" and cohort.cases["site"].tolist()[:3] == ["02", "02", "06"]
    told = "\n".join(cohort.notes)
    assert "scans of 1996.08.23 and 1999.01.01: the first is used" in told
    assert "automatic segmentations (GlistrBoost), which nobody has corrected, are used of 1 (TCGA-06-0001)" in told
    assert "06 Henry Ford Hospital (1)" in told and "CC BY 3.0" in told
    assert cut(cohort, tmp_path / "set") == {"HGG": 4, "LGG": 3}
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
    assert cut(cohort, tmp_path / "set") == {"HGG": 4, "LGG": 3}
    assert Path(cohort.cases["t1ce"].iloc[0]).name == "UCSF-PDGM-0004_T1c.nii.gz"
    of_idh = read_cohort(root, task="idh")
    assert Counter(of_idh.cases["class_name"]) == {"wildtype": 4, "mutated": 3}
    assert of_idh.classes == ("mutated", "wildtype")
    assert read_cohort(root, classes=("mutated", "wildtype"), task="IDH").classes == ("wildtype", "mutated")
    with pytest.raises(InputError, match="no column ID or size, expected among ID, WHO CNS Grade"):
        read_cohort(root, task="size")
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
