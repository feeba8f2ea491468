"""Cohorts of others from their files as published to notebooks and report, by the commands of docs/cohorts.md."""

import re
import shlex
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from bs4 import BeautifulSoup
from conftest import brats_al, brats_al_process, folder_named, write_volume
from lgg_files import write_published
from scipy.ndimage import binary_dilation

from brats_al_utils.beyond.phantoms.phantom import Patient, draw_patient, render

PAGE = (Path(__file__).parents[2] / "docs" / "cohorts.md").read_text(encoding="utf-8")
PATIENTS = 10

pytestmark = pytest.mark.long


def commands(heading: str) -> list[str]:
    """Return the lines that the page's section has a user type."""
    block = re.search(rf"## {heading}\n.*?```\n(.*?)```", PAGE, re.DOTALL)
    assert block
    return [line for line in block[1].splitlines() if line.startswith("brats-al ")]


def words_of(report: Path) -> str:
    """Return what a reader of a report's pages sees."""
    pages = [BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser") for path in sorted(report.rglob("*.html"))]
    return "\n".join(page.get_text(" ") for page in pages)


def test_the_lgg_set_to_a_report_for_both_tasks(tmp_path: Path) -> None:
    copy = folder_named("BRATS_AL_LGG_COHORT", "of the LGG set")
    data = write_published(copy, tmp_path / "lgg-mri-segmentation", 16, ".tif").parent
    small = ["per_patient=4", "image_size=64", "n_runs=3", "folds=3", "epochs=1", "scratch_epochs=1"]
    reports = []
    for line in commands("The LGG set"):
        words = [str(data) if word == data.name else word for word in shlex.split(line)[1:]]
        out = tmp_path / ("grade" if "outputs/lgg-grade" in words or "task=grade" in words else "tumour")
        words = [str(out) if word.startswith("outputs/") else word for word in words]
        if words[0] == "cohort":
            said = brats_al(*words)
            assert "16 usable patients" in said and "CC BY-NC-SA 4.0" in said
            continue
        words += ["--out", str(out)] * ("--out" not in words)
        if words[0] == "report":
            reports.append(words_of(Path(brats_al(*words).strip()).parent))
            continue
        words += ["--only", "00", "03"] + [word for each in small for word in ("--set", each)]
        brats_al_process(*words, "--workers", "1")
    tumour, grade = reports
    for report, positive in ((tumour, "tumour"), (grade, "grade III")):
        assert "LGG set of Buda (16 persons)" in report and positive in report
        assert not re.search(r"\bnan\b", report)


@cache
def phantom(number: int) -> tuple[Patient, dict[str, np.ndarray], np.ndarray]:
    """Return a synthetic patient as a scanner gives it: floats, nothing at -5, a skull left on, a mask of floats."""
    patient = draw_patient(0, number)
    volumes, labels = render(patient, 2)
    brain = volumes["t1"] > 0
    skull = binary_dilation(brain, iterations=3) & ~brain
    scanned = {
        name: np.where(brain, voxels, np.where(skull, 0.3 * np.median(voxels[brain]), -5)).astype(np.float32)
        for name, voxels in volumes.items()
    }
    return patient, scanned, labels.astype(np.float32)


def write_tcga(root: Path) -> None:
    for number in range(PATIENTS):
        patient, volumes, labels = phantom(number)
        gbm = patient.grade == "HGG"
        name = f"TCGA-{('06', '02')[number % 2] if gbm else 'DU'}-{number:04}"
        home = root / f"Pre-operative_TCGA_{'GBM' if gbm else 'LGG'}_NIfTI_and_Segmentations" / name
        for kind, voxels in volumes.items():
            write_volume(home / f"{name}_1996.08.23_{kind.replace('t1ce', 't1Gd')}.nii.gz", voxels, SPACING)
        corrected = "_ManuallyCorrected" if number else ""
        write_volume(home / f"{name}_1996.08.23_GlistrBoost{corrected}.nii.gz", labels, SPACING)


def write_ucsf(root: Path) -> None:
    lines = ["ID,WHO CNS Grade,IDH,BraTS21 ID"]
    for number in range(PATIENTS):
        patient, volumes, labels = phantom(number)
        name = f"UCSF-PDGM-{number:04}"
        home = root / "UCSF-PDGM-v3" / f"{name}_nifti"
        for kind, voxels in volumes.items():
            written = kind.upper().replace("T1CE", "T1c")
            write_volume(home / f"{name}_{written}.nii.gz", voxels, SPACING)
            write_volume(home / f"{name}_{written}_bias.nii.gz", voxels + 1, SPACING)
        write_volume(home / f"{name}_tumor_segmentation.nii.gz", labels, SPACING)
        lines.append(f"UCSF-PDGM-{number:03},{4 if patient.grade == 'HGG' else 2 + number % 2},wildtype,")
    (root / "UCSF-PDGM-metadata_v2.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


SPACING = np.diag([-2.0, -2.0, 1.0, 1.0])


@pytest.mark.parametrize(
    ("write", "heading", "name"),
    [(write_tcga, "TCGA, pre-operative", "TCGA pre-operative"), (write_ucsf, "UCSF-PDGM", "UCSF-PDGM")],
)
def test_phantoms_in_a_collection_s_layout_go_through_notebooks_00_to_03(
    tmp_path: Path, write: Callable[[Path], None], heading: str, name: str
) -> None:
    data, out = tmp_path / "data", tmp_path / "out"
    write(data)
    check, run, *_ = commands(heading)
    said = brats_al(*shlex.split(check)[1:2], str(data))
    assert f"{PATIENTS} usable patients" in said and "licence CC BY" in said
    words = [str(data) if word in ("tcga", "ucsf") else word for word in shlex.split(run)[1:]]
    words = ["smoke" if word == "paper" else word for word in words]
    brats_al_process(*words, "--out", str(out), "--workers", "1", "--only", "00", "01", "02", "03")
    report = words_of(Path(brats_al("report", "--profile", "smoke", "--out", str(out)).strip()).parent)
    assert f"{name} ({PATIENTS} patients)" in report
