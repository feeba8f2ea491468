"""From which commit a run says it comes."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT, git

from brats_al_utils.beyond.bundles.published import read_bundle

BUNDLES = sorted((ROOT / "published").glob("*.bundle"))


def copy_of_the_package(folder: Path) -> Path:
    """Copy what `commit` needs, as a ZIP archive is unpacked."""
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "brats_al_utils", folder / "brats_al_utils", ignore=ignored)
    return folder


def committed(folder: Path) -> str:
    """Make a repository of a folder with one commit, and return that."""
    git(folder, "init", "--quiet")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message", "all")
    return git(folder, "rev-parse", "HEAD").strip()


def said_by(checkout: Path) -> str:
    """Return the commit that the package of a checkout says, to a user without settings of git."""
    variables = os.environ | {"PYTHONPATH": str(checkout), "HOME": str(checkout.parent), "GIT_CONFIG_NOSYSTEM": "1"}
    code = "from brats_al_utils.runs.computing import commit; print(commit())"
    return subprocess.check_output([sys.executable, "-c", code], cwd="/", env=variables, encoding="utf-8").strip()


def test_a_checkout_says_its_commit_and_whether_it_has_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkout = copy_of_the_package(tmp_path / "checkout")
    commit = committed(checkout)
    if os.geteuid() == 0:
        for path in (checkout, *checkout.rglob("*")):
            os.chown(path, 12345, 12345)  # another user's
    assert said_by(checkout) == commit
    committed(copy_of_the_package(tmp_path / "other"))
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "other/.git"))  # as in that one's hooks
    assert said_by(checkout) == commit
    (checkout / "brats_al_utils" / "new.py").touch()
    assert said_by(checkout) == f"{commit}+"


def test_a_copy_within_another_repository_does_not_say_that_one_s_commit(tmp_path: Path) -> None:
    thesis = tmp_path / "thesis"
    copy_of_the_package(thesis / "brats-al-main")
    committed(thesis)
    assert said_by(thesis / "brats-al-main") == "unknown"


@pytest.mark.parametrize("bundle", BUNDLES, ids=lambda path: path.stem)
def test_published_runs_come_from_a_clean_commit(bundle: Path) -> None:
    commits = {result.facts["commit"] for result in read_bundle(bundle).results}
    assert commits and all(re.fullmatch(r"[0-9a-f]{40}", commit) for commit in commits), commits
