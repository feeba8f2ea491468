"""What a small study survives: real processes are killed, disks are full, and the result is the same."""

import contextlib
import errno
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from conftest import program, stored, wait_for_runs, without_locks, write_release
from safetensors.numpy import load_file
from small_study import RUNS

from brats_al_utils.runs.scheduler import ATTEMPTS
from brats_al_utils.show import kernels

HERE = Path(__file__).parent
KILLS = 8

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_release(tmp_path_factory.mktemp("release"), 4, 3)


@pytest.fixture(scope="module")
def undisturbed(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("undisturbed") / "out"
    finish(data, out, "2")
    return out


@contextmanager
def driver(
    data: Path, out: Path, workers: str = "", code: str = "", **environment: str
) -> Iterator[subprocess.Popen[str]]:
    """Start the small study, in which ``code``, run by its driver and by each of its workers, may plant a fault."""
    script = Path(tempfile.mkdtemp()) / "study.py"  # not on a disk that is full
    script.write_text(
        f"import sys; sys.path.insert(0, {str(HERE)!r})\n{code}\n"
        "if __name__ == '__main__':\n    from small_study import main\n    main(*sys.argv[1:])\n",
        encoding="utf-8",
    )
    command, pipe = [sys.executable, str(script), str(data), str(out), workers], subprocess.PIPE
    process = subprocess.Popen(command, stdout=pipe, stderr=pipe, encoding="utf-8", env=os.environ | environment)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def finish(data: Path, out: Path, workers: str = "", code: str = "", status: int = 0, **environment: str) -> str:
    """Run the study to its end, and return what it said of errors."""
    with driver(data, out, workers, code, **environment) as process:
        _, errors = process.communicate(timeout=300)
        assert process.returncode == status, errors
    return errors


def assert_same_study(out: Path, expected: Path) -> None:
    """Compare two finished studies: table and numbers, to the bit."""
    assert (out / "table.csv").read_bytes() == (expected / "table.csv").read_bytes()
    assert stored(out).keys() == stored(expected).keys()
    assert len(stored(out)) == RUNS
    for name in stored(expected):
        found, wanted = (load_file(folder / "outputs" / "runs" / name) for folder in (out, expected))
        assert found.keys() == wanted.keys()
        assert all(found[key].tobytes() == wanted[key].tobytes() for key in wanted)


def family(process: subprocess.Popen[str]) -> list[psutil.Process]:
    try:
        return list(psutil.Process(process.pid).children(recursive=True))
    except psutil.NoSuchProcess:
        return []


def assert_none_left(processes: Sequence[psutil.Process]) -> None:
    assert not psutil.wait_procs(processes, timeout=20)[1], "a process outlived its driver"


def test_killed_at_random_moments(data: Path, undisturbed: Path, tmp_path: Path) -> None:
    """SIGKILL of the driver, or of a worker: nothing finished is repeated, nobody is left, and the end is the same."""

    def disturb(workers: str) -> int:
        """Kill until this way of computing has had its half, in as many studies as that takes; return their number."""
        chance, kills, studies = random.Random(workers), 0, 0
        while kills < KILLS // 2:
            out = tmp_path / f"{workers}-{studies}"
            copy_slices(undisturbed, out)
            over = False
            while not over:
                before = stored(out)
                with driver(data, out, workers) as process:
                    for number in range(min(ATTEMPTS, KILLS // 2 - kills)):
                        wait_for_a_moment(out, process, chance)
                        kills += kill_one(process, chance, number < ATTEMPTS - 1)
                    over = process.wait() == 0
                    assert over or process.returncode == -signal.SIGKILL, process.communicate()
                assert before.items() <= stored(out).items(), "a finished run was repeated"
            assert_same_study(out, undisturbed)
            assert not (out / "outputs" / "runs" / "damaged").exists()
            studies += 1
        return studies

    with ThreadPoolExecutor(2) as pool:
        print(f"{KILLS} kills in {sum(pool.map(disturb, ('1', '2')))} studies")


def copy_slices(source: Path, out: Path) -> None:
    """Give a study the slice set that another has cut."""
    shutil.copytree(source / "outputs" / "slices", out / "outputs" / "slices")


def copy_unstored(source: Path, out: Path) -> dict[str, int]:
    """Give a study all that another has done but some runs; return the others, and when they were stored."""
    shutil.copytree(source, out)
    (out / "table.csv").unlink()
    for path in sorted((out / "outputs" / "runs").glob("*.safetensors"))[:4]:
        path.unlink()
    return stored(out)


def wait_for_a_moment(out: Path, process: subprocess.Popen[str], chance: random.Random) -> None:
    """Wait until none, one or two more runs are stored, and then for a while: another is in mid-training."""
    before = len(stored(out))
    more = chance.randrange(3)
    while process.poll() is None and len(stored(out)) < min(before + more, RUNS - 1):
        time.sleep(0.01)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(chance.uniform(0, 1 if more else 4))  # from its first import on


def kill_one(process: subprocess.Popen[str], chance: random.Random, or_a_worker: bool) -> bool:
    """Kill the driver or, where there are some, one of its workers, which it replaces; return whether one was."""
    children = family(process)
    workers = []
    for child in children:
        with contextlib.suppress(psutil.NoSuchProcess):  # it may just have ended
            parent = child.parent()
            forked = parent and all("forkserver" in " ".join(p.cmdline()) for p in (child, parent))
            workers += [child] if forked and child.name() != kernels.NAME else []
    if process.poll() is not None:
        return False
    if workers and or_a_worker and chance.random() < 0.5:
        with contextlib.suppress(psutil.NoSuchProcess):
            chance.choice(workers).kill()
            return True
        return False
    process.kill()
    process.wait()
    assert_none_left(children)
    return True


DEATH = """
import multiprocessing, os, pathlib, psutil, signal
rename = pathlib.Path.replace
def replace(self, target):
    if str(target).endswith(".safetensors") and not os.path.exists({dead!r}):
        open({dead!r}, "x").close()
        if {who!r} != "worker":
            os.kill(psutil.Process(os.getppid()).ppid(), signal.SIGKILL)  # its parent is what it was forked from
        os.kill(os.getpid(), signal.SIGKILL)
    return rename(self, target)
pathlib.Path.replace = replace
"""


@pytest.mark.parametrize("who", ["driver", "worker"])
def test_killed_between_writing_a_result_and_naming_it(data: Path, undisturbed: Path, tmp_path: Path, who: str) -> None:
    """SIGKILL of the worker that does, alone or with its driver, once; what is half-written is swept."""
    out, dead = tmp_path / "out", tmp_path / "dead"
    before = copy_unstored(undisturbed, out)
    # Python runs this at every start, of workers too.
    (tmp_path / "sitecustomize.py").write_text(DEATH.format(who=who, dead=str(dead)), encoding="utf-8")
    path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")]))
    errors = finish(data, out, "1", status=-signal.SIGKILL if who == "driver" else 0, PYTHONPATH=path)
    assert dead.exists()
    if who == "driver":
        # Python warns of what a library parses ("1e2b" is no decimal); all else would be the study's own.
        assert not [line for line in errors.splitlines() if "SyntaxWarning" not in line]
        assert len(list((out / "outputs" / "runs").glob(".*.partial"))) == 1, "written, not named"
        assert stored(out) == before
        finish(data, out, "1")
    assert not list((out / "outputs" / "runs").glob(".*.partial")), "swept"
    assert_same_study(out, undisturbed)


def test_interrupted(data: Path, undisturbed: Path, tmp_path: Path) -> None:
    """SIGINT, as Ctrl-C sends it, to the whole group: the workers go, the finished runs stay."""
    out = tmp_path / "out"
    there = len(copy_unstored(undisturbed, out))
    with driver(data, out, "2") as process:
        wait_for_runs(out, there + 1, process)
        children = family(process)
        for one in [psutil.Process(process.pid), *children]:
            with contextlib.suppress(psutil.NoSuchProcess):  # the driver may end its workers first
                one.send_signal(signal.SIGINT)
        process.wait()
        assert_none_left(children)
    before = stored(out)
    assert there < len(before) < RUNS
    finish(data, out, "2")
    assert before.items() <= stored(out).items()
    assert_same_study(out, undisturbed)


COUNTING = """
import pathlib
rename = pathlib.Path.replace
def replace(self, target):
    if str(target).endswith(".safetensors"):
        with open({!r}, "a") as file:
            file.write(target.stem + "\\n")
    return rename(self, target)
pathlib.Path.replace = replace
"""
"""A worker writes down each result that it names."""


BACKWARDS = """
import itertools, os, time
now, looks, sync = time.time(), itertools.count(), os.fsync
def fsync(file):
    time.sleep(1)
    sync(file)
    os.utime(file, (now - 3600 * next(looks),) * 2)
os.fsync = fsync
"""


def test_two_drivers_on_one_store(data: Path, undisturbed: Path, tmp_path: Path) -> None:
    """On a slow disk, by a clock that goes backwards: both end with the whole study, and no run is trained twice.

    Each file takes a second to be written, and is an hour older than the one before.
    """
    out, computed = tmp_path / "out", tmp_path / "computed"
    code = BACKWARDS + COUNTING.format(str(computed))
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: finish(data, out, "1", code), range(2)))
    assert_same_study(out, undisturbed)
    stamps = stored(out).values()
    assert max(stamps) - min(stamps) > 3500e9, "the clock did go"
    assert not list((out / "outputs" / "runs" / "locks").iterdir())
    keys = computed.read_text(encoding="utf-8").split()
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


def test_a_full_disk(data: Path, undisturbed: Path, small_disk: Path) -> None:
    out = small_disk / "out"
    before = copy_unstored(undisturbed, out)
    with (small_disk / "full").open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"0" * 4096)
    last = finish(data, out, "2", status=1).splitlines()[-1]
    assert "No space left on device: free some disk space" in last and "finished runs are kept" in last
    assert stored(out) == before
    (small_disk / "full").unlink()
    finish(data, out, "1")
    assert before.items() <= stored(out).items()
    assert_same_study(out, undisturbed)


def test_a_read_only_disk(data: Path, undisturbed: Path, small_disk: Path) -> None:
    out = small_disk / "out"
    shutil.copytree(undisturbed, out)
    next((out / "outputs" / "runs").glob("*.safetensors")).unlink()
    before = stored(out)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    assert "Read-only file system" in finish(data, out, "1", status=1).splitlines()[-1]
    assert stored(out) == before


def test_a_file_system_without_locks(data: Path, undisturbed: Path, tmp_path: Path) -> None:
    """Nobody waits, it is said once, and the study is the same; see `test_files` for each answer that says so."""
    out = tmp_path / "out"
    copy_unstored(undisturbed, out)
    shutil.rmtree(out / "outputs" / "slices")  # they are cut under a lock
    library = without_locks(tmp_path, errno.ENOSYS)
    assert finish(data, out, "2", LD_PRELOAD=str(library)).count("has no locks") == 1
    assert_same_study(out, undisturbed)


def test_threads_and_workers_do_not_change_a_result(data: Path, undisturbed: Path, tmp_path: Path) -> None:
    """To the bit: the undisturbed study had two workers, and as many threads as the machine has cores to offer."""
    copy_slices(undisturbed, tmp_path / "out")
    finish(data, tmp_path / "out", "1", OMP_NUM_THREADS="3")
    assert_same_study(tmp_path / "out", undisturbed)


def test_damaged_results_are_computed_again(data: Path, undisturbed: Path, tmp_path: Path) -> None:
    """One cut short, one with a bit changed: reported, set aside, and computed again."""
    out = tmp_path / "out"
    shutil.copytree(undisturbed, out)
    cut, flipped = sorted((out / "outputs" / "runs").glob("*.safetensors"))[:2]
    cut.write_bytes(cut.read_bytes()[:-100])
    content = bytearray(flipped.read_bytes())
    content[-30] ^= 1
    flipped.write_bytes(content)
    before = stored(out)
    assert finish(data, out, "1").count("damaged (") == 2
    now = stored(out)
    assert {path.name for path in (cut, flipped)} == {name for name in now if now[name] != before[name]}
    assert_same_study(out, undisturbed)
