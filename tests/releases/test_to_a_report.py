"""Cohorts of others from their files as published to notebooks and report, by the commands of docs/cohorts.md."""

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from conftest import brats_al, brats_al_process, folder_named
from lgg_files import write_published
from tcia_files import write_tcga, write_ucsf

PAGE = (Path(__file__).parents[2] / "docs" / "cohorts.md").read_text(encoding="utf-8")

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
    data = write_published(copy, tmp_path / "lgg-mri-segmentation", 16).parent
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


COLLECTIONS = [(write_tcga, "TCGA, pre-operative", "TCGA pre-operative"), (write_ucsf, "UCSF-PDGM", "UCSF-PDGM")]


@pytest.mark.parametrize(("write", "heading", "name"), COLLECTIONS)
def test_collections_to_a_report(tmp_path: Path, write: Callable[[Path], Path], heading: str, name: str) -> None:
    data, out = write(tmp_path / "data"), tmp_path / "out"
    check, run, *_ = commands(heading)
    said = brats_al(*shlex.split(check)[1:2], str(data))
    assert "8 usable patients" in said and "licence CC BY" in said
    words = [str(data) if word in ("tcga", "ucsf") else word for word in shlex.split(run)[1:]]
    words = ["smoke" if word == "paper" else word for word in words]
    brats_al_process(*words, "--out", str(out), "--workers", "1", "--only", "00", "01", "02", "03")
    report = words_of(Path(brats_al("report", "--profile", "smoke", "--out", str(out)).strip()).parent)
    assert f"{name} (8 patients)" in report
