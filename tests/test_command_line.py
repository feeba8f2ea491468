"""The command line on machines as they are: home folders, terminals, disks and permissions."""

import os
import re
import subprocess
import sys
import webbrowser
from pathlib import Path
from unittest.mock import Mock

import pytest
import small_annotation
import typer
from conftest import ROOT, brats_al, program, write_release

from brats_al_utils import InputError
from brats_al_utils import __main__ as command_line


@pytest.fixture
def at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_tilde_within_an_option_is_the_home_folder(at_home: Path, tiny_cohort: Path) -> None:
    """As no shell does it after an equals sign; in every argument and option that is a path."""
    settings = ("--profile=smoke", "--set=start=scratch")
    command_line.app(["cohort", "~/release"], standalone_mode=False)
    small_annotation.pictures(at_home / "images", patients=30, each=1)
    query = ["query", "--data=~/images", "--out=~/asked", "--budget=4", "--set=classes=sick,well"]
    command_line.app(query, standalone_mode=False)
    assert (at_home / "asked" / "query.csv").is_file()
    for words in (
        ["phantom", "~/release"],
        ["status", "--profile=smoke", "--out=~/out"],
        ["report", "--profile=smoke", "--out=~/out"],
        ["run", *settings, "--data=~/none", "--out=~/out"],
        ["run", *settings, "--data=~/release", "--out=~/asked/query.csv"],
    ):
        place = re.search("~/([^ ]+)$|--data=~/(none)", " ".join(words))
        assert place
        with pytest.raises((InputError, OSError), match=f"{at_home}/{place[1] or place[2]}"):
            command_line.app(words, standalone_mode=False)
    assert not (at_home / "~").exists()


WORDS = [
    (["\u2013data", "x"], "type --data"),
    (["\u2014data=x"], "type --data=x"),
    (["cohort", "x\r"], "carriage return.*dos2unix"),
    (["cohort", r"C:\Users\me"], "wslpath"),
    (["query", "--budget=4", "--data=x", r"--out=\\wsl$\home"], "wslpath"),
    (["phantom", "x", "--seed=-1"], "equal to 0"),
    (["plan", "--data=x", "--device=gpu"], "'gpu', expected auto"),
]


@pytest.mark.parametrize(("words", "told"), WORDS)
def test_words_that_other_programs_have_changed(at_home: Path, words: list[str], told: str) -> None:
    printed = brats_al(*words, expect=2 if told in ("wslpath", "equal to 0") else 1)
    assert re.search(told, printed, re.DOTALL) and not list(at_home.iterdir())


def test_a_folder_of_work_that_is_gone_or_has_modules_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "random.py").write_text("raise SystemExit('mine')", encoding="utf-8")
    starts_a_worker = """
import multiprocessing, sys
from brats_al_utils import __main__ as line
sys.argv[1:] = ["--version"]
try:
    line.main()
finally:
    worker = multiprocessing.get_context("spawn").Process(target=print)
    worker.start()
    worker.join()
    assert worker.exitcode == 0
"""
    subprocess.run([sys.executable, "-P", "-c", starts_a_worker], cwd=tmp_path, check=True)
    gone = tmp_path / "gone"
    gone.mkdir()
    script = 'rmdir "$PWD"; exec "$0" -m brats_al_utils strategies'
    done = subprocess.run(["bash", "-c", script, sys.executable], cwd=gone, capture_output=True, encoding="utf-8")
    assert done.returncode == 1 and "the working directory was deleted" in done.stderr


SURROUNDINGS = [
    ('exec "$0" "$@"', {"PYTHONPATH": f"modules:{ROOT}"}, 1, "of another Python: .* unset PYTHONPATH"),
    ('ulimit -v 1000000; exec "$0" "$@"', {}, 1, "allow more memory"),
    ('exec "$0" "$@" <&- >&-', {"SOURCE_DATE_EPOCH": ""}, 0, ""),
]


@pytest.mark.parametrize(("script", "variables", "status", "told"), SURROUNDINGS)
def test_packages_that_cannot_be_loaded_and_streams_that_are_closed(
    tmp_path: Path, script: str, variables: dict[str, str], status: int, told: str
) -> None:
    """A cluster's modules set PYTHONPATH, its jobs may have little memory, daemons close their streams."""
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "torch.py").write_text("raise ImportError('of another Python')", encoding="utf-8")
    small_annotation.pictures(tmp_path / "images", patients=30, each=1)
    command = [program("bash"), "-c", script, sys.executable, "-m", "brats_al_utils", "cohort", "images"]
    done = subprocess.run(command, cwd=tmp_path, env=os.environ | variables, stderr=subprocess.PIPE, encoding="utf-8")
    assert done.returncode == status and re.search(told, done.stderr) and "Traceback" not in done.stderr


def test_who_cuts_images_has_the_options_that_errors_name() -> None:
    for name, verb in typer.main.get_command(command_line.app).commands.items():  # type: ignore[attr-defined]
        options = {option for each in verb.params for option in each.opts}
        assert name == "plan" or "--data" not in options or {"--skip-bad", "--follow-links"} <= options, name


def test_a_browser_of_text_is_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("w3m", "firefox"):
        (tmp_path / name).touch(mode=0o755)
        monkeypatch.setattr("webbrowser.get", lambda name=name: webbrowser.GenericBrowser(str(tmp_path / name)))
        assert command_line.in_the_terminal() == (name == "w3m")


def test_a_tilde_of_nobody(tmp_path: Path) -> None:
    printed = brats_al("cohort", "~nobody-of-that-name/x", expect=2)
    assert "~nobody-of-that-name/x: no home folder of that name" in re.sub(r"[\s│]+", " ", printed)


def test_docstrings_and_assertions_are_there_whatever_is_set() -> None:
    """`strategies` shows the ones, and the notebooks rest on the others."""
    command = [sys.executable, "-m", "brats_al_utils", "strategies"]
    said = subprocess.run(command, capture_output=True, encoding="utf-8", env=os.environ | {"PYTHONOPTIMIZE": "2"})
    assert said.returncode == 0 and all(len(line.partition(": ")[2]) > 20 for line in said.stdout.splitlines()[:-1])


# In the locale C, names of files are UTF-8 all the same.
TERMINALS = [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONUTF8": "0"}]


@pytest.mark.parametrize("letters", TERMINALS, ids=str)
def test_what_a_terminal_cannot_show_is_written_as_code(letters: dict[str, str], tmp_path: Path) -> None:
    folder = tmp_path / "Jürgen 脳"
    write_release(folder, 3, 3)
    for words, status in ((("cohort", str(folder)), 0), (("cohort", str(folder / "none")), 1)):
        command = [sys.executable, "-m", "brats_al_utils", *words]
        done = subprocess.run(command, capture_output=True, env=os.environ | {"PYTHONCOERCECLOCALE": "0"} | letters)
        assert done.returncode == status, done.stderr
        assert rb"J\xfcrgen \u8133" in done.stdout + done.stderr
        assert b"Traceback" not in done.stderr


def test_another_program_s_way_of_drawing_is_not_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """A desktop's TkAgg, or the backend of the notebook in which the command was typed, would stop 00_cohort."""
    monkeypatch.setenv("MPLBACKEND", "TkAgg")
    monkeypatch.setattr(sys, "argv", ["brats-al", "--version"])
    with pytest.raises(SystemExit):
        command_line.main()
    assert "MPLBACKEND" not in os.environ


def test_an_error_of_the_system_ends_in_its_cause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command_line, "app", Mock(side_effect=OSError(28, "No space left on device", "/a/file")))
    assert brats_al(expect=1).startswith("error: /a/file: No space left on device: free some disk space")


def test_export_opens_the_study_as_run_did_and_as_it_is_told_to(monkeypatch: pytest.MonkeyPatch) -> None:
    before = {"parameters": {"profile": "smoke", "skip_bad": False}, "notebooks": ["00_cohort"]}
    opened = Mock(side_effect=InputError)
    monkeypatch.setattr("brats_al_utils.study.status.started", lambda _: before)
    monkeypatch.setattr("brats_al_utils.study.opening.open_study", opened)
    with pytest.raises(InputError):
        command_line.app(["export", "--out", "a.bundle", "--skip-bad"], standalone_mode=False)
    assert opened.call_args.kwargs["profile"] == "smoke" and opened.call_args.kwargs["skip_bad"]


@pytest.mark.parametrize("option", ["--person=x", "--colour=grey"])
def test_an_option_of_the_template_alone_is_refused_without_it(option: str, tmp_path: Path) -> None:
    assert "are for the table that --template writes" in brats_al("cohort", str(tmp_path), option, expect=1)
