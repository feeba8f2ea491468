"""Every command, option and setting that README.md shows: it is parsed, it does what is said, and a test types it."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import torch
import typer.main
from conftest import brats_al, program
from typer.core import TyperGroup

from brats_al_utils import __main__ as command_line
from brats_al_utils.study.profile import profile_of

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
FENCED = "\n".join(re.findall(r"^```\n(.*?)^```$", README, re.MULTILINE | re.DOTALL))
INLINE = re.findall(r"`([^`]+)`", re.sub(r"^```\n.*?^```$", "", README, flags=re.MULTILINE | re.DOTALL))
SHOWN = [line.split("  #")[0].strip() for line in FENCED.splitlines()] + [" ".join(code.split()) for code in INLINE]
COMMANDS = sorted({line.removeprefix(".venv/bin/") for line in SHOWN if re.match(r"(\.venv/bin/)?brats-al \w", line)})
TARGETS = sorted({word for line in SHOWN for word in re.findall(r"^make ([a-z-]+)", line)})
OPTIONS = sorted({word for line in SHOWN for word in re.findall(r"(?:^| )(--[a-z][a-z-]+)", line)})
SETTINGS = sorted({line.removeprefix("--set ") for line in SHOWN if re.match(r"--set \w+=\S+$", line)})


def parsed(arguments: list[str]) -> Any:
    """Return the context of the verb that a command line ends in, with all that it was given; nothing is run."""
    context: Any = typer.main.get_command(command_line.app).make_context("brats-al", arguments)
    while isinstance(context.command, TyperGroup):
        name, verb, rest = context.command.resolve_command(context, [*context._protected_args, *context.args])
        assert verb
        context = verb.make_context(name, rest, parent=context)
    return context


def options_of(command: Any) -> set[str]:
    """Return every option of a command and of its subcommands."""
    own = {name for parameter in command.params for name in parameter.opts}
    below = command.commands.values() if isinstance(command, TyperGroup) else []
    return own.union(*map(options_of, below))


def test_there_is_something_to_be_tested() -> None:
    assert len(COMMANDS) >= 8
    assert len(SETTINGS) >= 6
    assert {"demo", "test"} <= set(TARGETS)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_is_parsed(command: str) -> None:
    words = shlex.split(command)[1:]
    context = parsed(words)
    assert context.info_name in words
    given = [name for name in context.params if context.get_parameter_source(name).name == "COMMANDLINE"]
    assert bool(given) == (len(words) > 1), "what was typed went nowhere"
    if context.info_name == "slurm":
        assert parsed(context.params["command"]).info_name == "run"


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_setting_changes_the_study(setting: str) -> None:
    name, value = setting.split("=")
    assert name in profile_of("paper", {name: value}).changes


@pytest.mark.parametrize("option", OPTIONS)
def test_an_option_is_typed_in_a_test(option: str) -> None:
    if option not in options_of(typer.main.get_command(command_line.app)):
        assert option == "--disable-pip", "of pip-audit"
        return
    sources = [path.read_text() for path in (ROOT / "tests").rglob("*.py")]
    assert any(re.search(rf"""["']{option}["'=]""", source) for source in sources), f"no test types {option}"


@pytest.mark.parametrize("target", TARGETS)
def test_a_target_of_make_is_there(target: str, tmp_path: Path) -> None:
    """Its commands are listed, not run."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    for name in ("requirements.lock", "weights.lock", "pyproject.toml", "benchmarks"):
        (tmp_path / name).symlink_to(ROOT / name)
    done = subprocess.run([program("make"), "-n", target], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


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


def test_bad_patients_are_skipped_and_links_followed(tiny_cohort: Path, tmp_path: Path) -> None:
    """`run --skip-bad --follow-links --only 00`: a patient without T2 is left out, one that lies elsewhere is read."""
    for number in (7, 8):
        source = tiny_cohort / "HGG" / "Brats18_SITE0_0_1"
        target = tiny_cohort / "HGG" / f"Brats18_SITE0_{number}_1"
        shutil.copytree(source, target)
        for path in target.iterdir():
            path.rename(target / path.name.replace("SITE0_0_1", f"SITE0_{number}_1"))
    (tiny_cohort / "HGG" / "Brats18_SITE0_8_1" / "Brats18_SITE0_8_1_t2.nii.gz").unlink()
    elsewhere = tmp_path / "elsewhere"
    (tiny_cohort / "HGG" / "Brats18_SITE0_7_1").rename(elsewhere)
    (tiny_cohort / "HGG" / "Brats18_SITE0_7_1").symlink_to(elsewhere)
    out = tmp_path / "out"
    common = (
        "--profile",
        "smoke",
        "--data",
        str(tiny_cohort),
        "--out",
        str(out),
        "--only",
        "00",
        "--set",
        "per_patient=4",
    )
    said = brats_al("run", *common, "--skip-bad", "--follow-links")
    assert "00_cohort: done" in said
    split = next((out / "outputs" / "slices").glob("imbalanced-*/split.csv")).read_text()
    assert "SITE0_7_1" in split
    assert "SITE0_8_1" not in split
