"""The command line from a folder of images to proposals, answers and a lesson, as README.md has it."""

import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from queue import Empty
from unittest.mock import Mock

import pytest
import torch
from conftest import brats_al
from nbformat.v4 import new_code_cell, new_notebook
from small_annotation import answer, made_up, pictures, session_of, truth

from brats_al_utils import InputError
from brats_al_utils.beyond.annotation import committee, launch
from brats_al_utils.beyond.annotation.answers import read
from brats_al_utils.beyond.annotation.query import query, read_query
from brats_al_utils.beyond.annotation.session import ANSWERS, open_session
from brats_al_utils.files import lock
from brats_al_utils.runs.computing import compute_run
from brats_al_utils.runs.run import Run
from brats_al_utils.study.study import Study

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
LINES = re.findall(r"^(.*?)(?:  +#.*)?$", README.split("## I have images of my own")[1].split("```")[1], re.MULTILINE)


def test_five_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As README.md has them, but that a person answers where the notebook is opened, and networks are made up."""
    made_up(monkeypatch)
    data, said = tmp_path / "images", []
    pictures(data, patients=100)
    (data / "cohort.csv").unlink()
    lines = [line for line in LINES if line]
    assert len(lines) == 5
    for line in lines:
        words = shlex.split(line.replace("DIR", str(data)))[1:]
        opens = words[0] == "annotate"  # in JupyterLab: tests/annotation/test_annotate.py
        said.append(brats_al(*(["query", *words[1:]] if opens else words)))
        if opens:
            session = open_session(data)
            answer(session, **{row: truth(row).replace("well", "healthy") for row in session.slices["patient_id"]})
    template, _, first, lesson, second = said
    assert "200 images of 200 people, 0 with a mask, without labels" in template
    assert "each image counts as a person of its own: give all of a person one patient_id" in template
    assert "60 slices to annotate in" in first
    assert "drawn at random" in first
    assert "chosen" not in first
    assert "Answers: 60 new" in lesson
    assert "more for training" not in lesson
    assert "32 chosen by middle" in second
    assert "40 slices to annotate in" in second


def test_options(tmp_path: Path) -> None:
    data, out = pictures(tmp_path / "data"), tmp_path / "out"
    names = ["--data", str(data), "--out", str(out)]
    small = ["--set", "image_size=64", "--set", "classes=sick,well"]
    said = brats_al("query", *names, "--budget", "14", "--unit", "patient", "--strategy", "random", *small)
    assert "28 slices to annotate in" in said
    assert not (data / "annotation").exists()
    note, *lines = brats_al("query", *names, "--budget", "4", "--random-share", "1").splitlines()
    assert note.startswith("note: ") and note.endswith("120 images of 60 people (2 each)")
    for words in (["learn"], ["answers", "--export", str(tmp_path / "b.csv")]):
        assert brats_al(*words, *names).startswith(note)
    assert len(lines) == 2
    assert "strategy is 'none'" in brats_al("query", *names, "--budget", "4", "--strategy", "none", expect=1)
    table, csv = read_query(open_session(data, out)), tmp_path / "a.csv"
    row = table.iloc[0]
    values = [row["slice_id"], truth(row["image"]), "ada", "2026-01-31T12:00:00+00:00", row["image_sha256"]]
    csv.write_text("slice_id,label,reader,time,image_sha256\n" + ",".join(values) + "\n", encoding="utf-8")
    assert "1 answers of " in brats_al("answers", *names, "--import", str(csv))
    assert "4 proposals in " in brats_al("answers", *names, "--proposals", str(tmp_path / "tasks.json"))
    assert "1 answers in " in brats_al("answers", *names, "--export", str(tmp_path / "a.json"))
    assert "1 new" in brats_al("learn", *names)
    assert "name a file with --import, --export or --proposals" in brats_al("answers", *names, expect=1)
    assert len(read(out / ANSWERS)) == 1
    assert (out / ".gitignore").read_text(encoding="utf-8") == "*\n"


def test_a_real_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of networks on 64 pixels for an epoch, in this process; the slices they choose are the same as before."""

    def here(study: Study, named: Sequence[tuple[str, Run]], what: str) -> None:
        for _, run in named:
            if not study.store.holds(run):
                study.store.save(compute_run(run, study.slices, torch.device("cpu")))

    monkeypatch.setattr(committee, "compute_missing", here)
    session = answer(query(session_of(pictures(tmp_path / "data", each=1)), 30, "random")[0])
    session, table = query(session, 10)
    assert (table["why"] == "chosen by middle").sum() == 8
    assert table["score"].notna().sum() == 9
    (point,) = session.state.points
    assert len(point.probability) == 12
    assert all(0 < value < 1 for value in point.probability.values())


def test_the_user_s_settings_of_jupyter_do_not_reach_the_desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A certificate, a password or another address would keep it from opening."""
    asked = {}

    class Gone:
        poll = terminate = wait = staticmethod(lambda: 1)

        def __init__(self, *_: object, env: dict[str, str], **__: object) -> None:
            asked.update(env)

    monkeypatch.setattr("brats_al_utils.beyond.annotation.launch.subprocess.Popen", Gone)
    with (
        pytest.raises(InputError, match="JupyterLab does not start"),
        launch.own_folders(),
        launch.served(tmp_path / "log", launch.free_port(None), "t"),
    ):
        pass
    given = {"HTTP_PROXY": "a:1", "https_proxy": "http://b:2", "all_proxy": "socks5://c:3", "NO_PROXY": "d", "x": "y"}
    kept = {"HTTP_PROXY": "http://a:1", "https_proxy": "http://b:2", "NO_PROXY": "d", "x": "y"}
    assert launch.proxied(given) == kept  # with others JupyterLab does not start
    assert asked["JUPYTER_NO_CONFIG"] and asked["JUPYTER_TOKEN"] == "t"
    assert asked["JUPYTER_RUNTIME_DIR"].startswith(tempfile.gettempdir())


def test_a_second_reader_has_another_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of one copy, the first reader's page, reloaded, would answer in the name of the second."""
    monkeypatch.setattr("signal.signal", Mock())
    monkeypatch.setattr(launch, "served", Mock(side_effect=InputError("no server")))
    for reader, served in (("Anna", nullcontext()), ("Ben", lock(tmp_path / "annotate.lock"))):
        with served, pytest.raises(InputError, match="no server"):
            launch.annotate(tmp_path, {"reader": reader}, None, None)
    second, first = (path.read_text(encoding="utf-8") for path in sorted(tmp_path.glob("*.ipynb")))
    assert "'Anna'" in first and "'Ben'" in second


def test_a_kernel_that_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "asked", lambda *_: {"message": "No such kernel"})
    with pytest.raises(InputError, match=r"starts no kernel: No such kernel: .*make setup"):
        launch.kernel(1, "t")


def test_a_kernel_that_dies_in_a_cell_is_not_waited_for() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        pass
    pid = {"content": {"user_expressions": {"pid": {"data": {"text/plain": str(gone.pid)}}}}}
    client = Mock(execute_interactive=Mock(side_effect=[pid]), get_iopub_msg=Mock(side_effect=Empty))
    with pytest.raises(InputError, match="kernel died: is memory short"):
        launch.execute(new_notebook(cells=[new_code_cell("1")]), client)
