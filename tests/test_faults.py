"""What a small study survives: real processes are killed, disks are full, and the result is the same."""

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from conftest import program, write_case
from safetensors.numpy import load_file
from small_study import RUNS

HERE = Path(__file__).parent
KILLS = 8


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("release")
    for number in range(7):
        write_case(root / ("HGG" if number < 4 else "LGG") / f"Brats18_SITE{number % 2}_{number}_1", number)
    return root


@pytest.fixture(scope="module")
def undisturbed(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("undisturbed") / "out"
    with driver(data, out) as process:
        assert process.wait() == 0
    return out


def study_command(data: Path, out: Path, workers: str = "") -> list[str]:
    return [sys.executable, str(HERE / "small_study.py"), str(data), str(out), workers]


@contextmanager
def driver(
    data: Path, out: Path, workers: str = "", code: str = "", **environment: str
) -> Iterator[subprocess.Popen[str]]:
    """Start the small study, in which ``code`` may plant a fault; one thread each, so that results agree to the bit."""
    command = study_command(data, out, workers)
    if code:
        planted = f"import sys; sys.path.insert(0, {str(HERE)!r}); sys.argv[1:1] = []\n{code}\n"
        command = [sys.executable, "-c", f"{planted}\nfrom small_study import main; main(*sys.argv[1:])", *command[2:]]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"} | environment,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def finish(data: Path, out: Path, workers: str = "") -> None:
    """Run the study to its end."""
    with driver(data, out, workers) as process:
        _, errors = process.communicate()
        assert process.returncode == 0, errors


def finished(out: Path) -> dict[str, int]:
    """Return the runs that are stored, and when they were."""
    return {path.name: path.stat().st_mtime_ns for path in (out / "outputs" / "runs").glob("*.safetensors")}


def assert_same_study(out: Path, expected: Path) -> None:
    """Compare two finished studies: table and numbers, to the bit."""
    assert (out / "table.csv").read_bytes() == (expected / "table.csv").read_bytes()
    assert finished(out).keys() == finished(expected).keys()
    assert len(finished(out)) == RUNS
    for name in finished(expected):
        found, wanted = (load_file(folder / "outputs" / "runs" / name) for folder in (out, expected))
        assert {key: values.tobytes() for key, values in found.items()} == {
            key: values.tobytes() for key, values in wanted.items()
        }


def family(process: subprocess.Popen[str]) -> list[psutil.Process]:
    try:
        return list(psutil.Process(process.pid).children(recursive=True))
    except psutil.NoSuchProcess:
        return []


def assert_none_left(processes: Sequence[psutil.Process]) -> None:
    assert not psutil.wait_procs(processes, timeout=20)[1], "a process outlived its driver"


@pytest.mark.slow
def test_killed_at_random_moments(data: Path, undisturbed: Path, tmp_path: Path) -> None:
    """SIGKILL of the driver, or of a worker: nothing finished is repeated, nobody is left, and the end is the same."""
    chance = random.Random(0)
    seconds = {workers: undisturbed_seconds(data, undisturbed, tmp_path, workers) for workers in ("", "2")}
    kills = studies = 0
    while kills < KILLS:
        out, workers = tmp_path / str(studies), ("", "2")[studies % 2]
        copy_slices(undisturbed, out)
        over = False
        while not over:
            before = finished(out)
            with driver(data, out, workers) as process:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    # From its first import to its last run; once enough are killed, it is left alone.
                    process.wait(chance.uniform(0.2, 1) * seconds[workers] if kills < KILLS else None)
                if process.poll() is None:
                    kill_one(process, chance)
                    kills += 1
                over = process.returncode == 0
            assert before.items() <= finished(out).items(), "a finished run was repeated"
        assert_same_study(out, undisturbed)
        assert not (out / "outputs" / "runs" / "damaged").exists()
        studies += 1
    print(f"{kills} kills in {studies} studies")


def copy_slices(source: Path, out: Path) -> None:
    """Give a study the slice set that another has cut."""
    shutil.copytree(source / "outputs" / "slices", out / "outputs" / "slices")


def undisturbed_seconds(data: Path, undisturbed: Path, tmp_path: Path, workers: str) -> float:
    """Return how long the study takes when nobody disturbs it."""
    out = tmp_path / f"timed{workers}"
    copy_slices(undisturbed, out)
    started = time.monotonic()
    finish(data, out, workers)
    return time.monotonic() - started


def kill_one(process: subprocess.Popen[str], chance: random.Random) -> None:
    """Kill the driver or, where there are some, one of its workers; the driver then sees to it."""
    children = family(process)
    workers = [child for child in children if "spawn_main" in " ".join(child.cmdline())]
    if workers and chance.random() < 0.5:
        chance.choice(workers).kill()
        assert process.wait() == 0, process.communicate()[1]
    else:
        process.kill()
        process.wait()
        assert_none_left(children)


@pytest.mark.slow
def test_killed_between_writing_a_result_and_naming_it(data: Path, undisturbed: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    fault = """
import os, pathlib, signal
rename = pathlib.Path.replace
def replace(self, target):
    if str(target).endswith(".safetensors"):
        os.kill(os.getpid(), signal.SIGKILL)
    return rename(self, target)
pathlib.Path.replace = replace
"""
    with driver(data, out, code=fault) as process:
        assert process.wait() == -signal.SIGKILL
    assert not finished(out)
    assert len(list((out / "outputs" / "runs").glob(".*.partial"))) == 1, "written, not named"
    finish(data, out)
    assert_same_study(out, undisturbed)


@pytest.mark.slow
def test_interrupted(data: Path, undisturbed: Path, tmp_path: Path) -> None:
    """SIGINT, as Ctrl-C sends it, to the whole group: the workers go, the finished runs stay."""
    out = tmp_path / "out"
    with driver(data, out, "2") as process:
        wait_for_runs(out, 1, process)
        children = family(process)
        for one in [psutil.Process(process.pid), *children]:
            one.send_signal(signal.SIGINT)
        process.wait()
        assert_none_left(children)
    before = finished(out)
    assert 1 <= len(before) < RUNS
    finish(data, out, "2")
    assert before.items() <= finished(out).items()
    assert_same_study(out, undisturbed)


def wait_for_runs(out: Path, count: int, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while len(finished(out)) < count:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.slow
def test_two_drivers_on_one_store(data: Path, undisturbed: Path, tmp_path: Path) -> None:
    """Both end with the whole study, and no run is trained twice."""
    out, computed = tmp_path / "out", tmp_path / "computed"
    count = f"""
from brats_al_utils import executors
compute = executors.compute
def counted(run, *arguments):
    with open({str(computed)!r}, "a") as file:
        file.write(run.key + "\\n")
    return compute(run, *arguments)
executors.compute = counted
"""
    with driver(data, out, code=count) as first, driver(data, out, code=count) as second:
        printed = [process.communicate() for process in (first, second)]
        assert (first.returncode, second.returncode) == (0, 0), printed
    assert_same_study(out, undisturbed)
    assert not list((out / "outputs" / "runs" / "claims").iterdir())
    keys = computed.read_text().split()
    assert len(keys) == len(set(keys)) == RUNS


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a disk of two megabytes; only root can."""
    if os.geteuid():
        pytest.skip("only root can mount a disk")
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run([program("mount"), "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["", "1"])
def test_a_full_disk(data: Path, undisturbed: Path, small_disk: Path, workers: str) -> None:
    out = small_disk / "out"
    shutil.copytree(undisturbed, out)
    for path in sorted((out / "outputs" / "runs").glob("*.safetensors"))[:3]:
        path.unlink()
    before = finished(out)
    with (small_disk / "full").open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"0" * 4096)
    with driver(data, out, workers) as process:
        _, errors = process.communicate()
    assert process.returncode == 1
    assert "No space left on device" in errors.splitlines()[-1]
    assert "make room or make it writable, and start again: finished runs are kept" in errors
    assert finished(out) == before
    (small_disk / "full").unlink()
    finish(data, out, workers)
    assert before.items() <= finished(out).items()
    assert_same_study(out, undisturbed)


@pytest.mark.slow
def test_a_read_only_disk(data: Path, undisturbed: Path, small_disk: Path) -> None:
    out = small_disk / "out"
    shutil.copytree(undisturbed, out)
    victim = next((out / "outputs" / "runs").glob("*.safetensors"))
    victim.unlink()
    before = finished(out)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with driver(data, out) as process:
        _, errors = process.communicate()
    assert process.returncode == 1
    assert "Read-only file system" in errors.splitlines()[-1]
    assert finished(out) == before


@pytest.mark.slow
def test_a_slow_disk(data: Path, undisturbed: Path, tmp_path: Path) -> None:
    """Writing a result takes longer than a claim lasts without a touch: still nobody else computes it."""
    out, computed = tmp_path / "out", tmp_path / "computed"
    slow = f"""
import os, time
from brats_al_utils import claims, executors
claims.STALE, claims.HEARTBEAT = 1.0, 0.2
sync = os.fsync
def slow_sync(file):
    time.sleep(0.7)
    sync(file)
os.fsync = slow_sync
claims.Owner.dead = False  # as if on another machine: only the touches tell
compute = executors.compute
def counted(run, *arguments):
    with open({str(computed)!r}, "a") as file:
        file.write(run.key + "\\n")
    return compute(run, *arguments)
executors.compute = counted
"""
    with driver(data, out, code=slow) as first, driver(data, out, code=slow) as second:
        printed = [process.communicate() for process in (first, second)]
        assert (first.returncode, second.returncode) == (0, 0), printed
    assert_same_study(out, undisturbed)
    keys = computed.read_text().split()
    assert len(keys) == len(set(keys)) == RUNS


@pytest.mark.slow
def test_damaged_results_are_computed_again(data: Path, undisturbed: Path, tmp_path: Path) -> None:
    """One cut short, one with a bit changed: reported, set aside, and computed again."""
    out = tmp_path / "out"
    shutil.copytree(undisturbed, out)
    cut, flipped = sorted((out / "outputs" / "runs").glob("*.safetensors"))[:2]
    cut.write_bytes(cut.read_bytes()[:-100])
    content = bytearray(flipped.read_bytes())
    content[-30] ^= 1
    flipped.write_bytes(content)
    before = finished(out)
    with driver(data, out) as process:
        _, errors = process.communicate()
    assert process.returncode == 0
    assert errors.count("damaged (") == 2
    now = finished(out)
    assert {path.name for path in (cut, flipped)} == {name for name in now if now[name] != before[name]}
    assert_same_study(out, undisturbed)
