"""Where studies write: nothing that git tracks, and nothing that an older version has left there."""

import subprocess
from pathlib import Path

import pytest
from conftest import ROOT
from made_up import write_cohort

from brats_al_utils import InputError
from brats_al_utils.beyond.annotation.example import COHORT
from brats_al_utils.beyond.phantoms import phantom, writing
from brats_al_utils.progress import untracked
from brats_al_utils.study import opening
from brats_al_utils.study.places import WRITERS, Places
from brats_al_utils.study.profile import PROFILES

BUNDLES = [path.stem for path in (ROOT / "published").glob("*.bundle")]


def test_no_study_of_a_user_s_writes_where_git_looks() -> None:
    """Nor does a published one that is drawn again: `make published` copies its figures to those that git keeps."""
    published = [Places.of_bundle(ROOT / "published" / f"{name}.bundle") for name in BUNDLES]
    every = [*map(Places.of, PROFILES), *published, Places.of_bundle(Path("open.bundle"))]
    assert len({places.outputs for places in every}) == len(every), "no two share a folder"
    written = [path / "table2.svg" for places in every for path in (places.figures, places.notebooks, places.report)]
    written += [ROOT / "outputs" / COHORT, ROOT / "figures" / "demo" / "table2.svg"]
    asked = ["git", "-C", str(ROOT), "check-ignore", *map(str, written)]
    hidden = subprocess.run(asked, capture_output=True, encoding="utf-8").stdout.splitlines()
    assert hidden == list(map(str, written))
    kept = ROOT / "figures" / "published" / "open" / "table2.svg"
    assert subprocess.run(["git", "-C", str(ROOT), "check-ignore", kept], stdout=subprocess.DEVNULL).returncode == 1


def test_phantoms_of_another_version_are_not_used_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[Path] = []

    def write(folder: Path, *_: object, **__: object) -> None:
        folder.mkdir()
        written.append(folder)

    monkeypatch.setattr(writing, "write_cohort", write)
    places = Places.of("smoke", tmp_path)
    places.make()
    for version, count in ((1, 1), (1, 1), (2, 2)):
        monkeypatch.setattr(phantom, "VERSION", version)
        assert writing.cohort_of(PROFILES["smoke"], places, untracked) == written[-1]
        assert len(written) == count


def test_a_study_does_not_write_into_the_folder_of_its_images(tmp_path: Path) -> None:
    """Both have a cohort.csv."""
    data = write_cohort(tmp_path / "data", masked=False)
    with pytest.raises(InputError, match="whose cohort.csv a table would overwrite: name another"):
        opening.open_study("open", data, f"{data}/", {"start": "scratch", "classes": "malignant,benign"}, "cpu")
    assert not (data / "outputs").exists()


def test_a_corrected_label_makes_another_study_of_what_is_drawn(tmp_path: Path) -> None:
    """Else a report would show tables of the old labels beside new ones."""
    data = write_cohort(tmp_path / "data", masked=False)
    settings = {"start": "scratch", "classes": "malignant,benign"}
    marks = []
    for _ in range(2):
        places = opening.open_study("open", data, tmp_path / "out", settings, "cpu").places
        marks.append(WRITERS[places.figures])
        table = (data / "cohort.csv").read_text(encoding="utf-8")
        (data / "cohort.csv").write_text(table.replace("s0-0,benign", "s0-0,malignant", 1), encoding="utf-8")
    assert marks[0] != marks[1]
