"""Notebooks are executed by this Python, with every setting as it was given; what fails says where."""

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import nbformat
import papermill
import pytest
from papermill.cli import papermill as papermill_command

from brats_al_utils import InputError
from brats_al_utils.beyond.arms import NOTEBOOKS
from brats_al_utils.runs import forks
from brats_al_utils.show import kernels, notebooks
from brats_al_utils.study.places import ROOT, Places
from brats_al_utils.study.profile import PROFILES, Profile, profile_of

FORKED = [pytest.param(True, marks=pytest.mark.skipif(not forks.FORKS, reason="no forks here"), id="forked")]
FORKED += [pytest.param(False, id="started")]
OTHER: dict[str, Any] = {"epochs": 3, "learning_rate": 1e-05, "freeze": True, "network": "resnet18", "start": "scratch"}
OTHER |= {"channels": ("flair", "t1ce", "t2"), "committee_rates": (0.002, 1e-05), "n_runs": 6, "folds": 3}
"""Other values than smoke's, of every type of setting."""

PRINTS = "from brats_al_utils.study.profile import profile_of\nprint(repr(profile_of(profile, settings)))"


@pytest.fixture
def places(tmp_path: Path) -> Places:
    found = Places.of("smoke", tmp_path / "out {of} brats")  # papermill takes braces for fields to fill in
    found.make()
    return found


def write(path: Path, *code: str) -> Path:
    """Write a notebook with the parameters of the real ones, and some cells."""
    real = nbformat.read(notebooks.find(NOTEBOOKS, ["00"])[0], as_version=4)
    (parameters,) = (cell for cell in real.cells if "parameters" in cell.metadata.get("tags", []))
    real.cells = [parameters]
    for source in code:
        markdown = source.startswith("#")
        real.cells.append(nbformat.v4.new_markdown_cell(source) if markdown else nbformat.v4.new_code_cell(source))
    nbformat.write(real, path)
    return path


def printed(path: Path) -> str:
    return str(nbformat.read(path, as_version=4).cells[-1].outputs[0].text).strip()


def prepared(path: Path) -> Profile:
    """Return the profile that a notebook has, once its own parameters and those that papermill wrote are there."""
    found: dict[str, Any] = {}
    for cell in nbformat.read(path, as_version=4).cells[:2]:
        exec(cell.source, found)
    return profile_of(found["profile"], found["settings"])


TOGETHER = ["epochs", "learning_rate", "freeze", "network start", "channels", "committee_rates", "folds n_runs"]


@pytest.mark.parametrize("names", TOGETHER)
def test_every_setting_reaches_a_notebook(names: str, tmp_path: Path) -> None:
    """As `run --set` passes it on, as `papermill -p settings` does and as `papermill -y`: by the cells it writes."""
    changed = {name: OTHER[name] for name in names.split()}
    texts = {key: ",".join(map(str, value)) if isinstance(value, tuple) else value for key, value in changed.items()}
    expected = replace(PROFILES["smoke"], **changed)
    chosen = profile_of("smoke", {key: str(text) for key, text in texts.items()})
    assert chosen == expected
    plain = json.dumps(chosen.changes)
    source, target = write(tmp_path / "00_prints.ipynb", PRINTS), tmp_path / "prepared.ipynb"
    papermill.execute_notebook(source, target, {"profile": "smoke", "settings": chosen.changes}, prepare_only=True)
    assert prepared(target) == expected
    as_text = [["-p", "settings", text] for text in (plain, str(texts), str(chosen.changes))]
    for options in (*as_text, ["-y", f"settings: {plain}"], ["-y", f"settings: {texts}"]):
        target.unlink()
        command = [str(source), str(target), "-p", "profile", "smoke", "--prepare-only", *options]
        papermill_command(command, standalone_mode=False)
        assert prepared(target) == expected, options


def test_where_all_is_trained_notebooks_are_executed_together(tmp_path: Path, places: Places) -> None:
    """Each waits for the other; the third fails and stops none of them."""
    wait = "import pathlib, time\nhere = pathlib.Path({mine!r}); here.touch()\nother = pathlib.Path({other!r})\n"
    wait += "end = time.time() + 60\nwhile not other.exists() and time.time() < end: time.sleep(0.05)\n"
    wait += "assert other.exists()"
    flags = [str(tmp_path / name) for name in ("a", "b")]
    paths = [
        write(tmp_path / "00_first.ipynb", wait.format(mine=flags[0], other=flags[1])),
        write(tmp_path / "01_second.ipynb", wait.format(mine=flags[1], other=flags[0])),
        write(tmp_path / "02_fails.ipynb", "1 / 0"),
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(notebooks, "cores", lambda: 2)
        assert notebooks.execute_all(paths, {}, places, ahead={}) == ["02_fails"]


@pytest.mark.parametrize("forked", FORKED)
def test_kernels_are_this_python(tmp_path: Path, places: Places, monkeypatch: pytest.MonkeyPatch, forked: bool) -> None:
    """Jupyter finds a kernel of another Python first, and another checkout is installed there; neither is used."""
    for name, content in {
        "jupyter/kernels/python3/kernel.json": '{"argv": ["/bin/false", "{connection_file}"], "display_name": "other"}',
        "checkout/brats_al_utils/__init__.py": "",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(content, encoding="utf-8")
    monkeypatch.setattr(forks, "FORKS", forked)
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "checkout") + os.pathsep + os.environ.get("PYTHONPATH", ""))
    code = "import sys, brats_al_utils\nprint(sys.executable, brats_al_utils.__file__)"
    executed = notebooks.execute(write(tmp_path / "00_prints.ipynb", code), {}, places)
    assert printed(executed) == f"{sys.executable} {ROOT / 'brats_al_utils' / '__init__.py'}"


def cannot_start(*options: Any) -> None:
    """Stand in for `kernels.be_kernel`."""
    with Path(options[-1]).open("a", encoding="utf-8") as said:
        said.write("No module named ipykernel\n")
    sys.exit(1)


def starts_late(*_: Any) -> None:
    """Stand in for `kernels.be_kernel`."""
    time.sleep(60)


NOT_STARTING = [
    ("echo 'No module named ipykernel' >&2; exit 1", cannot_start, 60, r"\(No module named ipykernel\)"),
    ("exec sleep 60", starts_late, 1, "within 1 s"),
]


@pytest.mark.parametrize("forked", FORKED)
@pytest.mark.parametrize("case", NOT_STARTING, ids=["cannot", "late"])
def test_a_kernel_that_does_not_start_is_one_message(
    case: Any, forked: bool, tmp_path: Path, places: Places, monkeypatch: pytest.MonkeyPatch, capfd: Any
) -> None:
    script, fork, patience, words = case
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    monkeypatch.setattr(forks, "FORKS", forked)
    monkeypatch.setattr(kernels, "be_kernel", fork)
    monkeypatch.setattr(notebooks, "START_TIMEOUT", patience)
    source = write(tmp_path / "00_prints.ipynb", PRINTS)
    with pytest.raises(InputError, match=f"00_prints: its kernel, {python}, .*{words}.*make setup") as caught:
        notebooks.execute(source, {}, places)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr().err == ""


@pytest.mark.skipif(not forks.FORKS, reason="no forks here")
def test_a_forked_kernel_is_as_one_that_was_started(tmp_path: Path, places: Places) -> None:
    """Its modules are there, its figure shows, its environment and folder are the driver's; it goes with its driver."""
    source = write(
        tmp_path / "00_prints.ipynb",
        "import sys\nprint('brats_al_utils.show.paper_figures' in sys.modules)",
        "import os, dask\nprint(os.getcwd(), os.environ['TQDM_DISABLE'], dask.config.get('of.a-test'))",
        "import psutil\nme = psutil.Process()\nprint(me.name(), os.getpgid(0) == me.pid, me.parent().name())",
        "import matplotlib.pyplot as plt\nplt.plot([0, 1]);",
    )
    code = (
        "import sys, pathlib\nfrom brats_al_utils.show import notebooks\nfrom brats_al_utils.study.places import Places"
    )
    code += "\nprint(notebooks.execute(pathlib.Path(sys.argv[1]), {}, Places.of('smoke', sys.argv[2])))"
    command, env = [sys.executable, "-c", code, str(source), str(tmp_path / "out")], {"DASK_OF__A_TEST": "here"}
    executed = subprocess.run(command, env=os.environ | env, capture_output=True, encoding="utf-8", check=True)
    assert executed.stderr == ""
    cells = nbformat.read(executed.stdout.strip(), as_version=4).cells
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    assert "".join(output.get("text", "") for output in outputs).splitlines()[:2] == ["True", f"{tmp_path} 1 here"]
    assert "kernel True" in outputs[2]["text"]
    assert "image/png" in outputs[3]["data"]


FAILING = [
    (
        ("# Title\n\n## Figure 3", "def twice(x):\n    return 2 * x\n\nlimit = twice(some)", "## Later"),
        "00_fails, cell 2 below 'Figure 3', line 4 (limit = twice(some)): NameError: name 'some' is not defined",
    ),
    (
        ("from brats_al_utils import InputError\nraise InputError('2 runs are missing:\\none')",),
        "00_fails, cell 2, line 2 (raise InputError('2 runs are missing:\\none')): 2 runs are missing:\none",
    ),
]


@pytest.mark.parametrize(("cells", "said"), FAILING)
def test_an_error_in_a_cell_says_where(cells: tuple[str, ...], said: str, tmp_path: Path, places: Places) -> None:
    """What the user can mend is said without the error's name."""
    with pytest.raises(InputError) as caught:
        notebooks.execute(write(tmp_path / "00_fails.ipynb", *cells), {}, places)
    executed = places.notebooks / "00_fails.ipynb"
    assert str(caught.value) == f"{said} (see {executed})"
    assert executed.exists()


def test_a_notebook_in_which_git_has_left_a_conflict(tmp_path: Path) -> None:
    (tmp_path / "a.ipynb").write_text('{\n<<<<<<< HEAD\n "cells": [],', encoding="utf-8")
    with pytest.raises(InputError, match="a.ipynb: .* git checkout"):
        notebooks.execute(tmp_path / "a.ipynb", {}, Places(tmp_path, tmp_path))


def test_copies_are_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notebooks, "FOLDER", tmp_path)
    names = ["00_cohort", "01_transfer_vs_scratch", "07_worth_the_annotations"]
    copies = ["{}-Copy1", "{} copy", "{} (1)", "{} - Copy", "{}-checkpoint", ".{}.12345678.partial", "{}.ipynb"]
    for name in ["Untitled", *(pattern.format(name) for name in names for pattern in ["{}", *copies])]:
        (tmp_path / f"{name}.ipynb").touch()
    assert [path.stem for path in notebooks.find(NOTEBOOKS)] == names
    assert [path.stem for path in notebooks.find(NOTEBOOKS, ["01"])] == names[1:2]
    copy = "01_transfer_vs_scratch-Copy1"
    with pytest.raises(InputError, match=f"no notebook '{copy}', did you mean 01_transfer_vs_scratch"):
        notebooks.find(NOTEBOOKS, [copy])


def test_after_ctrl_c_no_further_notebook_is_started() -> None:
    ran: list[int] = []

    def take(number: int) -> None:
        time.sleep(0.02)
        ran.append(number)

    with pytest.raises(KeyboardInterrupt), notebooks.together() as pool:
        for number in range(50):
            pool.submit(take, number)
        raise KeyboardInterrupt
    assert len(ran) < 50
