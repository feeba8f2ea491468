"""A whole study, exported: drawn from its bundle without images, and some of its runs trained again."""

import re
import shutil
import subprocess
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from conftest import PICTURES, brats_al, brats_al_process, git, make
from PIL import Image
from safetensors.numpy import load, save

from brats_al_utils.beyond.bundles.container import packed, read_parts


@pytest.fixture(scope="module")
def bundle(smoke: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("published") / "smoke.bundle"
    said = brats_al("export", "--profile", "smoke", "--out-folder", str(smoke), "--out", str(path))
    stored, planned = map(int, re.findall(r"(\d+) of (\d+) planned runs", said)[0])
    assert stored == planned > 100
    return path


def test_the_runs_of_some_notebooks_alone(smoke: Path, tmp_path: Path) -> None:
    path = tmp_path / "two.bundle"
    asked = ("--profile", "smoke", "--out-folder", str(smoke), "--out", str(path))
    assert "4 of 4 planned runs" in brats_al("export", *asked, "--only", "00", "01")
    assert "name notebooks with --only" in brats_al("export", *asked, "00", expect=1)


def test_every_table_is_drawn_again(smoke: Path, bundle: Path, checkout: Path) -> None:
    """By `make figures`, from what lies in `published/`."""
    (checkout / "published").mkdir(exist_ok=True)
    shutil.copy2(bundle, checkout / "published" / "small.bundle")  # the folder of its figures is called after it
    for path in (checkout / "published").glob("*.bundle"):
        if path.stem != "small":
            path.unlink()  # all of them: tests/test_make.py
    assert "are missing in published/small.bundle" not in make("published", checkout)
    figures, outputs = checkout / "figures" / "published" / "small", checkout / "outputs" / "published" / "small"
    assert (outputs / "report" / "index.html").is_file()
    assert not list(outputs.rglob("pixels.npy"))
    # Nothing stands in place of a picture: the report would warn of images of patients.
    assert not (outputs / "images").exists()
    assert "These pages show images" not in (outputs / "report" / "index.html").read_text(encoding="utf-8")
    drawn, kept = (
        {path.name: path.read_bytes() for path in folder.glob("*.csv") if path.stem not in PICTURES}
        for folder in (figures, smoke)
    )
    # What it prints of the probabilities themselves, float32 rounds in the last digit.
    quality, exact = (pd.read_csv(BytesIO(each.pop("quality.csv"))) for each in (drawn, kept))
    pd.testing.assert_frame_equal(quality, exact, rtol=1e-5)
    assert drawn == kept
    assert {path.stem for path in figures.glob("*.svg")} == {path.stem for path in smoke.glob("*.svg")} - PICTURES
    put_on_a_branch(checkout)
    shutil.rmtree(checkout / "docs" / "pictures")
    make("pictures", checkout, "PICTURED=small")
    for name in ("report", "desk"):
        assert len(np.unique(np.asarray(Image.open(checkout / "docs" / "pictures" / f"{name}.png")))) > 50, name


def put_on_a_branch(checkout: Path) -> None:
    """Do as the workflow for GitHub's pages does, in a repository whose remote lies beside it."""
    make("pages", checkout, "--old-file=figures")
    assert 'href="small/index.html"' in (checkout / "outputs" / "pages" / "index.html").read_text(encoding="utf-8")
    text = (checkout / ".github" / "workflows" / "pages.yml").read_text(encoding="utf-8")
    run = yaml.safe_load(text)["jobs"]["publish"]["steps"][-1]["run"]
    begin = "git init -q --bare ../remote && git init -q && git remote add origin ../remote && git add Makefile && "
    begin += "git -c user.name=a -c user.email=b commit -qm c\n"
    subprocess.run(["bash", "-ec", begin + run], cwd=checkout, check=True, capture_output=True)
    listed = git(checkout.parent / "remote", "ls-tree", "-r", "--name-only", "pages").split()
    assert {"index.html", ".nojekyll", "small/index.html"} <= set(listed)
    assert "Makefile" not in listed
    shutil.rmtree(checkout / ".git")


def test_two_runs_are_the_same_to_the_bit_and_a_changed_one_is_found(
    smoke: Path, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With other threads and workers than the study had: they decide no number."""
    for library in ("OMP", "MKL", "OPENBLAS"):
        monkeypatch.setenv(f"{library}_NUM_THREADS", "2")
    words = ("--runs", "2", "--seed", "1", "--workers", "1", "--out", str(smoke))
    said = brats_al_process("verify", str(bundle), *words)
    assert len(re.findall(r"^\w{12}  same to the bit: ", said, re.MULTILINE)) == 2
    assert re.search(r"2 of \d+ runs trained again, drawn with --seed 1: same to the bit", said)
    parts, _ = read_parts(bundle)
    arrays = load(parts["arrays.safetensors"])
    arrays |= {name: values * 0 for name, values in arrays.items() if name.endswith("probability/test")}
    (tmp_path / "changed.bundle").write_bytes(packed(parts | {"arrays.safetensors": save(arrays)}))
    said = brats_al_process("verify", str(tmp_path / "changed.bundle"), *words, expect=1)
    assert len(re.findall(r"^\w{12}  differs \(largest difference", said, re.MULTILINE)) == 2
