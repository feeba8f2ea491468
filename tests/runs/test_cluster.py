"""A study on a cluster: the sbatch script, and a real Slurm of one node."""

import os
import re
import shutil
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pandas as pd
import pytest
from conftest import brats_al, program, stored, wait_for_runs

from brats_al_utils import InputError
from brats_al_utils.runs.cluster import Slurm, any_left, job_array, script
from brats_al_utils.runs.engine import connected
from brats_al_utils.runs.scheduler import scheduler

HERE = Path(__file__).parents[1]


def test_the_script_asks_for_what_was_asked() -> None:
    text = script(Slurm(8, 1, 12, 4, "02:30:00", ("--partition=gpu",)), "tls://host:1", Path("/shared/a folder"))
    options = re.findall(r"^#SBATCH (.*)$", text, re.MULTILINE)
    asked = {"--array=1-80%8", "--cpus-per-task=12", "--gres=gpu:1", "'--output=/shared/a folder/%A_%a.log'"}
    assert asked <= set(options), "and what `test_readme` looks for"
    assert "tls://host:1 --nworkers 4 --nthreads 1" in text
    assert "--tls-key '/shared/a folder/key.pem'" in text
    assert subprocess.run(["bash", "-n"], input=text, encoding="utf-8").returncode == 0


@pytest.mark.parametrize("time", ["90", "90:30", "04:00:00", "1-12", "1-12:30", "1-12:30:00"])
def test_times_as_slurm_writes_them_an_array_no_longer_than_it_takes_and_no_gpu_where_none_is_asked(time: str) -> None:
    text = script(Slurm(200, 0, 1, 1, time), "tls://host:1", Path("/shared"))
    assert f"#SBATCH --time={time}\n" in text and "#SBATCH --array=1-1000%200\n" in text and "gres" not in text


@pytest.mark.parametrize("words", ["--jobs 0", "--cpus 0", "--workers 0"])
def test_numbers_that_are_none_are_refused(words: str) -> None:
    said = brats_al("cluster", "slurm", "--dry-run", *words.split(), "--", "run", "--profile", "smoke", expect=2)
    assert words.split()[0] in said and "equal to 1" in said


@pytest.mark.parametrize("time", ["4h", "04.30", "1:2:3:4"])
def test_a_time_that_sbatch_would_refuse_is_refused_before(time: str) -> None:
    said = brats_al("cluster", "slurm", "--dry-run", "--time", time, "--", "run", "--profile", "smoke", expect=1)
    assert f"--time '{time}', expected" in said


@pytest.mark.parametrize("option", ["--partition=gpu --mem=8G", "partition=gpu", "-p gpu", "--mem=8G\n--qos=x"])
def test_two_options_in_one_are_refused(option: str) -> None:
    with pytest.raises(InputError, match="expected one option"):
        Slurm(1, 0, 1, 1, "10", (option,))
    slurm = Slurm(1, 0, 1, 1, "10", ("--comment=two words", "-pgpu", "--exclusive"))
    said = script(slurm, "tls://host:1", Path("/50%all"))
    assert "#SBATCH '--comment=two words'\n" in said and "--output=/50%%all/%A_%a.log\n" in said


def test_two_studies_that_start_in_one_second_have_keys_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.strftime", lambda _: "now")
    said = ""
    for number in (1, 2):
        monkeypatch.setattr("os.getpid", Mock(return_value=number))
        said += brats_al("cluster", "slurm", "--dry-run", "--", "run")
    assert len(set(re.findall("tls-key (.*?)/key.pem", said))) == 2


def test_a_key_lies_with_the_study_as_the_checkout_may_be_read_only(tmp_path: Path) -> None:
    said = brats_al("cluster", "slurm", "--dry-run", "--", "run", "--out", str(tmp_path))
    assert f"--tls-key {tmp_path}/outputs/cluster/" in said


REFUSED = [
    ("cluster slurm report", "'report' cannot be run on a cluster, expected run", 1),
    ("cluster slurm --gpus 2 --dry-run -- run", "'--gpus': Input should be less than or equal to 1", 2),
    ("cluster slurm --dry-run -- run --epoch 3", "No such option: --epoch", 2),
    ("cluster slurm --dry-run -- run --workers 2", "give --workers before the two dashes", 1),
    ("run --profile smoke --workers 2 --scheduler tcp://host:1", "--scheduler exclude each other", 1),
]


@pytest.mark.parametrize(("words", "said", "status"), REFUSED)
def test_what_cannot_be_asked_of_a_cluster_is_refused(words: str, said: str, status: int) -> None:
    assert said in brats_al(*words.split(), expect=status)


SQUEUE = [
    (0, "1_1 R\n", "", True),
    (0, "", "", False),
    (1, "", "slurm_load_jobs error: Invalid job id specified", False),
    (1, "", "slurm_load_jobs error: Unable to contact slurm controller", True),
]


@pytest.mark.parametrize(("code", "printed", "said", "left"), SQUEUE)
def test_a_controller_that_does_not_answer_ends_no_study(
    monkeypatch: pytest.MonkeyPatch, code: int, printed: str, said: str, left: bool
) -> None:
    answer = subprocess.CompletedProcess(["squeue"], code, printed, said)
    monkeypatch.setattr("brats_al_utils.runs.cluster.call", lambda *command: answer)
    assert any_left("1") == left


SBATCH = [
    ("--> Welcome to Stampede3\n519605\n", "squeue --noheader --jobs 519605"),
    ("519605;nautilus\n", "squeue --noheader --clusters=nautilus --jobs 519605"),
    ("Submitted\n", ""),
]


@pytest.mark.parametrize(("printed", "asked"), SBATCH)
def test_the_number_of_a_job_is_found_among_what_a_site_prints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, printed: str, asked: str, capsys: pytest.CaptureFixture[str]
) -> None:
    said: list[str] = []

    def call(*command: str) -> "subprocess.CompletedProcess[str]":
        said.append(" ".join(command))
        cancels = command[0] == "scancel"
        return subprocess.CompletedProcess(command, int(cancels), printed, "no controller" if cancels else "")

    monkeypatch.setattr("brats_al_utils.runs.cluster.call", call)
    monkeypatch.setattr("brats_al_utils.runs.cluster.CHECK", 0.01)
    ended = threading.Event()
    refused: AbstractContextManager[Any] = (
        nullcontext() if asked else pytest.raises(InputError, match="'Submitted', expected a job's number")
    )
    with refused, job_array("", tmp_path, ended.set):
        assert not ended.wait(0.1), "the array has jobs"
    if asked:
        assert asked in said and asked.replace("squeue --noheader", "scancel").replace("--jobs ", "") in said
        assert "cancel the array 519605 yourself: scancel says: no controller" in capsys.readouterr().err


def test_an_array_that_has_ended_needs_no_cancelling(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = subprocess.CompletedProcess([], 1, "", "Invalid job id specified")
    said = {"sbatch": subprocess.CompletedProcess([], 0, "7\n", "")}
    monkeypatch.setattr("brats_al_utils.runs.cluster.call", lambda *command: said.get(command[0], gone))
    with job_array("", tmp_path, lambda: None):
        pass
    assert not capsys.readouterr().err


def test_ctrl_c_ends_a_study_on_a_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = SimpleNamespace(scheduler_address="tcp://host:1", close=None)
    monkeypatch.setattr("brats_al_utils.runs.scheduler.scheduler", lambda *_, **__: nullcontext(cluster))
    monkeypatch.setattr("brats_al_utils.runs.cluster.job_array", lambda *_: nullcontext("1"))
    monkeypatch.setattr("brats_al_utils.show.notebooks.find", Mock(side_effect=KeyboardInterrupt))
    assert "interrupted: finished runs are kept" in brats_al("cluster", "slurm", "--", "run", expect=130)


def test_a_scheduler_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("brats_al_utils.runs.engine.CONNECTION_TIMEOUT", 1)
    with pytest.raises(InputError, match=r"no Dask scheduler at tcp://127.0.0.1:9 .*: start one, or mend the address"):
        connected("tcp://127.0.0.1:9").__enter__()


def test_the_scheduler_listens_only_to_who_holds_its_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("DASK_")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr("brats_al_utils.runs.engine.CONNECTION_TIMEOUT", 3)
    key = tmp_path / "cluster" / "key.pem"
    with scheduler(tmp_path / "cluster") as cluster:
        address = cluster.scheduler_address
        assert address.startswith("tls://")
        assert stat.S_IMODE(key.parent.stat().st_mode) == 0o700
        with pytest.raises(InputError, match="no Dask scheduler at tcp"):
            connected(address.replace("tls://", "tcp://")).__enter__()
        with connected(address):
            pass  # this process, too: `cluster slurm` shows how far its workers are
        code = "import sys; from brats_al_utils.runs.engine import connected\n"
        code += "with connected(sys.argv[1]): print('in')"
        asked = subprocess.run([sys.executable, "-c", code, address], capture_output=True, encoding="utf-8")
        assert asked.stdout == "in\n", asked.stderr
    assert not key.exists()


@pytest.fixture
def slurm_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Start a Slurm of one node; only root can."""
    program("slurmctld")
    if os.geteuid():
        pytest.skip("only root can start a Slurm")
    folder = tmp_path / "slurm"
    started = subprocess.run(["bash", f"{HERE}/slurm/up.sh", str(folder)], capture_output=True, encoding="utf-8")
    try:
        assert started.returncode == 0, started.stdout + started.stderr
        monkeypatch.setenv("SLURM_CONF", started.stdout.splitlines()[-1])
        yield folder
    finally:
        subprocess.run(["bash", str(HERE / "slurm" / "down.sh"), str(folder)])


def queue() -> list[list[str]]:
    """Return the running elements of job arrays: job and its state."""
    printed = subprocess.check_output(["squeue", "--noheader", "--format=%i %t"], encoding="utf-8")
    return [line.split() for line in printed.splitlines()]


@pytest.mark.long
def test_a_study_over_a_job_array_whose_running_element_is_cancelled(
    slurm_node: Path, smoke: Path, tmp_path: Path
) -> None:
    """Slurm replaces the lost job, and the tables of a notebook are those of the study without it."""
    out, study_of = tmp_path / "out", ["run", "--profile", "smoke", "--only", "01"]
    phantoms = next((smoke / "outputs").glob("phantom*-*"))
    shutil.copytree(phantoms, out / "outputs" / phantoms.name)
    arguments = ["cluster", "slurm", "--jobs", "1", "--gpus", "0", "--cpus", "1", "--workers", "1", "--time", "30"]
    command = [sys.executable, "-m", "brats_al_utils", *arguments, "--host", "127.0.0.1", "--", *study_of]
    pipe = subprocess.PIPE

    with subprocess.Popen(
        [*command, "--out", str(out)], stdout=pipe, stderr=subprocess.STDOUT, encoding="utf-8"
    ) as study:
        wait_for_runs(out, 1, study, 900)
        running = [job for job, state in queue() if state == "R"]
        assert running
        subprocess.run(["scancel", running[0]], check=True)
        before = stored(out)
        wait_for_runs(out, len(before) + 1, study, 900)
        printed = study.communicate()[0]
    assert study.returncode == 0, printed
    assert not queue(), "what is left of the array is cancelled"
    assert before.items() <= stored(out).items(), "a finished run was repeated"
    assert len(stored(out)) == 4
    tables = sorted(path.name for path in out.glob("*.csv"))
    assert {"table2.csv", "table2_training.csv"} <= set(tables)
    for name in tables:
        found, expected = (pd.read_csv(of / name).drop(columns="seconds", errors="ignore") for of in (out, smoke))
        pd.testing.assert_frame_equal(found, expected)
