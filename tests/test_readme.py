"""Every command, option and setting that README.md and its docs show: parsed, doing what is said, typed by a test."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import small_annotation
import torch
import typer.main
from conftest import ROOT, brats_al, brats_al_process, parsed, small_render, write_case, write_release
from distributed import LocalCluster
from papermill.cli import papermill as papermill_command
from typer.core import TyperGroup

from brats_al_utils import __main__ as command_line
from brats_al_utils.beyond import cost
from brats_al_utils.beyond.phantoms import phantom
from brats_al_utils.runs import engine
from brats_al_utils.runs.engine import TOPIC
from brats_al_utils.study.profile import profile_of

PAGES = [ROOT / "README.md", *(ROOT / "docs" / name for name in ("running.md", "code.md"))]
README = "\n".join(path.read_text(encoding="utf-8") for path in PAGES)
FENCED = "\n".join(re.findall(r"^```\n(.*?)^```$", README, re.MULTILINE | re.DOTALL))
INLINE = re.findall(r"`([^`]+)`", re.sub(r"^```\n.*?^```$", "", README, flags=re.MULTILINE | re.DOTALL))
SHOWN = [line.split("  #")[0].strip() for line in FENCED.splitlines()] + [" ".join(code.split()) for code in INLINE]
PAPERMILL = [line for line in SHOWN if re.match(r"papermill \S+ ", line)]
COMMANDS = sorted({line.removeprefix(".venv/bin/") for line in SHOWN if re.match(r"(\.venv/bin/)?brats-al \w", line)})
TARGETS = sorted({word for line in SHOWN for word in re.findall(r"^ *make ([a-z-]+)", line)})
OPTIONS = sorted({word for line in SHOWN for word in re.findall(r"(?:^| )(--[a-z][a-z-]+)", line)})
SETTINGS = sorted({line.removeprefix("--set ") for line in SHOWN if re.match(r"--set \w+=\S+$", line)})


def options_of(command: Any) -> set[str]:
    """Return every option of a command and of its subcommands."""
    own = {name for parameter in command.params for name in parameter.opts}
    below = command.commands.values() if isinstance(command, TyperGroup) else []
    return own.union(*map(options_of, below))


def test_there_is_something_to_be_tested() -> None:
    assert len(COMMANDS) >= 8
    assert len(SETTINGS) >= 6
    assert {"demo", "test"} <= set(TARGETS)
    assert PAPERMILL
    typed = [line.split("  #")[0] for line in FENCED.splitlines() if line]
    assert all(re.match(r"(\.venv/bin/)?brats-al \w|make \w", line) for line in typed), "no test runs it"


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_is_parsed(command: str) -> None:
    words = shlex.split(command)[1:]
    context = parsed(words)
    assert context.info_name in words
    given = [name for name in context.params if context.get_parameter_source(name).name == "COMMANDLINE"]
    assert bool(given) == (len(words) > 1), "what was typed went nowhere"
    if context.info_name == "slurm":
        assert parsed(context.params["command"]).info_name == "run"


def test_a_shell_completes_what_is_typed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """What `--install-completion` has a shell ask, after what is typed so far."""
    assert "--install-completion" in options_of(typer.main.get_command(command_line.app))
    monkeypatch.setenv("_BRATS_AL_COMPLETE", "complete_bash")
    for typed, expected in (("brats-al str", ["strategies"]), ("brats-al run --profile de", ["demo", "design"])):
        monkeypatch.setenv("COMP_WORDS", typed)
        monkeypatch.setenv("COMP_CWORD", str(len(typed.split()) - 1))
        with pytest.raises(SystemExit):
            command_line.app(prog_name="brats-al")
        assert capsys.readouterr().out.split() == expected


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_setting_changes_the_study(setting: str) -> None:
    name, value = setting.split("=")
    assert name in profile_of("paper", {name: value}).changes


SOURCES = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("*.py"))


@pytest.mark.parametrize("option", OPTIONS)
def test_an_option_is_typed_in_a_test(option: str) -> None:
    if option not in options_of(typer.main.get_command(command_line.app)):
        assert option in ("--disable-pip", "--help"), "of pip-audit, and of every command"
    else:
        assert re.search(rf"""["']{option}["'=]""", SOURCES), f"no test types {option}"


@pytest.mark.parametrize("target", TARGETS)
def test_a_target_of_make_is_run(target: str) -> None:
    """By .ci/run, with what it makes first, or by a test."""
    makefile, ci = ((ROOT / name).read_text(encoding="utf-8") for name in ("Makefile", ".ci/run"))
    first = {name: needed.split() for name, needed in re.findall(r"^([a-z-]+):(.*)$", makefile, re.MULTILINE)}
    made = {word for call in re.findall(r"^ *make (.*)", ci, re.MULTILINE) for word in call.split()}
    made |= set(re.findall(r'make\("([a-z-]+)"', SOURCES))
    assert target in first
    assert target in made.union(*(first.get(name, []) for name in made)), f"nothing runs make {target}"


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a small release."""
    return write_release(tmp_path_factory.mktemp("readme") / "release", 4, 4)


def unlabelled(root: Path, command: str) -> Path:
    """Write images without labels; a query that names no classes, and what follows one, find an annotation begun."""
    small_annotation.pictures(root)
    if "classes=" not in command:
        brats_al("query", "--data", str(root), "--budget", "5", "--set", "classes=sick,healthy")
    return root


@pytest.fixture(scope="module")
def study(release: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run the README's command for any Dask scheduler with one that runs here, and return where the study lies."""
    out = tmp_path_factory.mktemp("study") / "out"
    (command,) = (command for command in COMMANDS if "--scheduler" in command)
    small = ["--profile", "smoke", "--data", str(release), "--only", "01", "--out", str(out)]
    small += ["--set", "n_runs=1", "--set", "scratch_epochs=1"]
    engine.close()  # workers of another test, whose key this process would ask for
    with LocalCluster(
        n_workers=1, threads_per_worker=1, protocol="tcp", host="127.0.0.1", dashboard_address=None
    ) as cluster:
        words = shlex.split(command.replace("tls://host:8786", cluster.scheduler_address))[1:]
        assert "1 notebooks, 2 runs to train" in brats_al(*words, *small)
        told = [event for _, event in cluster.scheduler.get_events(TOPIC) if "text" in event]
        assert len(told) == 2, "its worker trains both, for an epoch each"
    return out


def added(verb: str, study: Path, release: Path, out: Path) -> tuple[list[str], str]:
    """Return what makes a command small and keeps it out of the checkout, and a pattern of what it then prints."""
    return {
        "export": (["--profile", "smoke", "--out-folder", str(study)], r"^2 of 2 planned runs in "),
        "figures": (["--out", str(out)], r"^03_proposed_vs_baseline: skipped, .*\n(.*\n)*figures and tables in "),
        "verify": (["--data", str(release), "--out", str(out)], r"^2 of 2 runs trained again, .* same to the bit$"),
        "cohort": ([], r"^(8|24) usable patients|1 images of 1 people"),
        "phantom": (["--patients", "10"], r"^10 synthetic patients in "),
        "plan": ([], r"distinct runs of .* about .* on this machine"),
        "report": (["--out", str(study)], r"/index\.html$"),
        "run": (["--only", "00", "--out", str(out), "--set", "start=scratch"], r"^1 notebooks, nothing to train$"),
        "runs": (["--out", str(study)], r'^{"key": |scratch  .* validation AUC 0\.\d+$'),
        "status": (["--out", str(study)], r"^2 runs done, 0 running, 0 failed, 0 waiting\nfinished; report: "),
        "strategies": ([], r"^middle: Drop the most and the least uncertain decile"),
        "weights": ([], r"imagenet-trunk .* available"),
        "query": ([], r"^[46]0 slices to annotate in .*query\.csv$"),
        "learn": ([], r"^Answers: 0 new, .*; 5 proposals of the last query have none\.$"),
        "answers": ([], r"^0 answers in "),
    }[verb]


@pytest.mark.parametrize("command", [each for each in COMMANDS if not re.search("cluster slurm|tls://|annotate", each)])
def test_a_command_runs(
    command: str, release: Path, study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it is typed; a scheduler's address is for `study`, Slurm for `test_cluster`, the desk for `test_annotate`."""
    monkeypatch.setattr(phantom, "render", small_render)
    monkeypatch.setattr(cost, "calibrate", lambda profile, device: (100.0, 400.0))  # `test_run` measures
    new = "--template" in command or " phantom " in command
    folder = tmp_path / "new" if new else release
    if "--template" in command:
        folder.mkdir()
        (folder / "a.png").touch()  # whether it can be read, `brats-al cohort` says
    if "--profile open" in command:
        classes = ("healthy", "sick") if "classes=" in command else ("meningioma", "glioma")
        folder = small_annotation.pictures(tmp_path / "pictures", 24, 1, 24, classes)
    if re.search(" (query|learn|answers) ", command):
        folder = unlabelled(tmp_path / "unlabelled", command)
    bundle = tmp_path / "study.bundle"
    places = {"DIR": str(folder), "FILE.bundle": str(bundle), "FILE.csv": str(tmp_path / "answers.csv")}
    words = [places.get(word, word) for word in shlex.split(command)[1:]]
    verb = str(parsed(words).info_name)
    if str(bundle) in words and verb != "export":
        brats_al("export", "--profile", "smoke", "--out-folder", str(study), "--out", str(bundle))
    options, said = added(verb, study, release, tmp_path / "out")
    command_line = brats_al_process if verb == "verify" else brats_al  # it trains
    assert re.search(said, command_line(*words, *options), re.MULTILINE)


@pytest.mark.parametrize("command", PAPERMILL)
def test_a_notebook_runs_by_itself(command: str, smoke: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    out = tmp_path / "out.ipynb"
    words = shlex.split(command.replace("out.ipynb", str(out)))[1:]
    papermill_command([*words, "-p", "out", str(smoke), "--no-progress-bar"], standalone_mode=False)
    assert "4 runs needed, 4 distinct, 4 already there, 0 trained" in out.read_text(encoding="utf-8")


def test_the_command_of_a_cluster_prints_its_script() -> None:
    (command,) = (command for command in COMMANDS if "cluster slurm" in command)
    words = shlex.split(command)[1:]
    own, study = words[: words.index("--")], words[words.index("--") :]
    script = brats_al(*own, "--dry-run", "--sbatch=--partition=gpu", *study)
    assert script.startswith("#!")
    for line in ("--time=04:00:00", "--partition=gpu"):
        assert re.search(rf"^#SBATCH {line}$", script, re.MULTILINE), script
    assert re.search(r"^#SBATCH --array=\S+%8$", script, re.MULTILINE)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_workers_of_gpus_that_are_not_there() -> None:
    said = brats_al("run", "--profile", "smoke", "--workers-per-gpu", "4", expect=1)
    assert "torch finds no GPU here, expected one for --workers-per-gpu: use --workers" in said


def test_skip_bad_and_follow_links(tiny_cohort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`run --skip-bad --follow-links --only 00`: a patient without T2 is left out, one that lies elsewhere is read."""
    linked, bad = (tiny_cohort / "HGG" / f"Brats18_SITE0_{number}_1" for number in (7, 8))
    write_case(linked, 7)
    write_case(bad, 8)
    (bad / f"{bad.name}_t2.nii.gz").unlink()
    linked.rename(tmp_path / "elsewhere")
    linked.symlink_to(tmp_path / "elsewhere")
    monkeypatch.setattr("brats_al_utils.show.notebooks.execute_all", lambda *_: [])
    asked = ("--profile", "smoke", "--data", str(tiny_cohort), "--only", "00", "--set", "per_patient=4")
    brats_al("run", *asked, "--out", str(tmp_path / "out"), "--skip-bad", "--follow-links")
    (split,) = tmp_path.glob("out/outputs/slices/imbalanced-*/split.csv")
    assert "SITE0_7_1" in split.read_text(encoding="utf-8") and "SITE0_8_1" not in split.read_text(encoding="utf-8")
