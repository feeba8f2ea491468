"""What `make` does in a checkout of its own; `make demo` is in `test_run`, `make bench` in `test_benchmarks`."""

import os
import re
import runpy
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from conftest import ROOT, make


def test_uv_looks_where_pip_is_configured_to() -> None:
    """What the environment says comes before the file; every place of several is kept."""
    listed = ":env:.index-url='https://mirror/simple'\nglobal.index-url='https://other/simple'\nglobal.timeout='60'\n"
    listed += (
        "global.extra-index-url='file:///a file:///b'\ninstall.find-links='\\n/wheels\\n/more'\nglobal.cert='/ca.pem'"
    )
    found = runpy.run_path(str(ROOT / "tools" / "install.py"))["settings"](listed)
    expected = {"UV_DEFAULT_INDEX": "https://mirror/simple", "UV_INDEX": "file:///a file:///b"}
    expected |= {"UV_FIND_LINKS": "/wheels,/more", "SSL_CERT_FILE": "/ca.pem"}
    ours = ("UV_INDEX_STRATEGY", "UV_COMPILE_BYTECODE")
    assert {name: value for name, value in found.items() if name not in ours} == expected


def test_pip_s_user_option_does_not_stop_the_set_up(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As JupyterHubs set it: into an environment of its own pip would refuse to install so."""
    for name in ("PIP_USER", "PIP_TARGET", "PIP_PREFIX"):
        monkeypatch.setenv(name, "1")
    assert make("asked", checkout, "--eval=asked:; @echo $$PIP_USER $$PIP_TARGET $$PIP_PREFIX") == "0\n"


def test_jupyterlab_starts_without_proxies_of_socks(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"HTTP_PROXY": "socks5://a:1", "all_proxy": "socks://b:2", "ALL_PROXY": "http://c:3"}.items():
        monkeypatch.setenv(name, value)
    command = " ".join(make("lab", ROOT, "--dry-run").split())
    assert command.startswith("env -u all_proxy -u HTTP_PROXY .venv/bin/jupyter")


def test_a_python_that_is_too_old_is_refused_before_anything_is_installed(checkout: Path) -> None:
    old = checkout / "python3.8"
    version = "import sys; sys.version_info = (3, 8, 1); exec(sys.argv[1])"
    old.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{version}" "$2"\n', encoding="utf-8")
    old.chmod(0o755)
    (checkout / ".venv").unlink()
    command = ["make", "setup", "PYTHON=./python3.8"]
    found = subprocess.run(command, cwd=checkout, capture_output=True, encoding="utf-8")
    assert found.returncode
    assert re.search(r"3\.8.*3\.11 to 3\.13.*PYTHON=", found.stderr)
    assert not (checkout / ".venv").exists()


def test_tests_are_all_but_the_campaigns_or_all(checkout: Path) -> None:
    short, long = make("test", checkout, "--dry-run"), make("test-long", checkout, "--dry-run")
    assert long.splitlines()[-1] == f'{short.splitlines()[-1]} -m ""'


def test_figures_are_drawn_anew_only_where_something_changed(checkout: Path) -> None:
    bundles = sorted((checkout / "published").glob("*.bundle"))
    stamp = checkout / "outputs" / "published" / ".drawn"

    def drawn() -> list[str]:
        lines = make("figures", checkout, "--dry-run").splitlines()
        return sorted(name for line in lines if "brats-al figures" in line for name in line.split()[2:])

    every = [f"published/{path.name}" for path in bundles]
    assert drawn() == every
    stamp.parent.mkdir(parents=True)
    stamp.touch()
    reports = [stamp.parent / path.stem / "report" / "index.html" for path in bundles]
    for report in reports:
        report.parent.mkdir(parents=True)
        report.touch()
    assert not drawn()
    reports[1].unlink()
    assert drawn() == every[1:2]
    reports[1].touch()
    os.utime(bundles[0], (time.time() + 60, time.time() + 60))
    assert drawn() == every[:1]
    os.utime(checkout / "brats_al_utils" / "show" / "style.py", (time.time() + 60, time.time() + 60))
    assert drawn() == every


@pytest.mark.long
def test_the_figures(checkout: Path) -> None:
    """Of every published study: what git keeps, but for what is rounded."""
    names = [path.stem for path in (ROOT / "published").glob("*.bundle")]
    shutil.rmtree(checkout / "figures")
    make("published", checkout)
    assert {path.name for path in (checkout / "figures" / "published").iterdir()} == set(names)
    for name in names:
        kept, drawn = (root / "figures" / "published" / name for root in (ROOT, checkout))
        assert {path.name for path in drawn.iterdir()} == {path.name for path in kept.iterdir()}
        for file in (path.name for path in drawn.iterdir()):
            if file.endswith(".csv"):
                before, after = (pd.read_csv(folder / file) for folder in (kept, drawn))
                pd.testing.assert_frame_equal(after, before, rtol=0.01, atol=0.01)


@pytest.mark.long
def test_the_characteristics(checkout: Path) -> None:
    """The page and the table in docs, but for what another processor rounds."""
    page, table = (checkout / "docs" / f"operating_characteristics.{end}" for end in ("md", "csv"))
    kept = pd.read_csv(table)
    page.unlink()
    table.unlink()
    make("characteristics", checkout)
    pd.testing.assert_frame_equal(pd.read_csv(table), kept, atol=0.01)
    assert page.exists()


@pytest.mark.long
def test_the_lock(checkout: Path) -> None:
    """Resolved anew from the registry: all that is asked for, each with hashes."""
    lock = checkout / "requirements.lock"
    before = set(re.findall(r"^([a-z0-9_.-]+)==", lock.read_text(encoding="utf-8"), re.MULTILINE))
    lock.unlink()
    make("lock", checkout)
    text = lock.read_text(encoding="utf-8")
    names = re.findall(r"^([a-z0-9_.-]+)==", text, re.MULTILINE)
    asked = re.findall(r'^    "([a-z0-9-]+)', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    assert set(asked) <= set(names)
    assert len(before & set(names)) > 0.9 * len(before)
    assert len(re.findall(r"--hash=sha256:", text)) >= len(names)


@pytest.mark.long
def test_the_viewer(checkout: Path) -> None:
    """It is found in the registry with the hash of its lock, and would be installed."""
    said = make("viewer", checkout, "PIP_ARGS=--dry-run --ignore-installed")
    assert "Would install ipyniivue-2.4" in said
