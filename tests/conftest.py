"""Small cohorts for the tests: real NIfTI files, tiny volumes."""

import io
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import nibabel as nib
import numpy as np
import pytest
import typer.main
from hypothesis import settings
from selenium import webdriver
from typer.core import TyperGroup
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

from brats_al_utils import __main__ as command_line
from brats_al_utils.beyond.phantoms.phantom import Patient
from brats_al_utils.cohorts.volumes import FILES, SEQUENCES

SHAPE = (32, 32, 24)
CHROMIUM_OPTIONS = [
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage"),
    "--window-size=1400,1000",
]
AFFINE = np.array([[-1.0, 0, 0, 0], [0, -1, 0, 31], [0, 0, 1, 0], [0, 0, 0, 1]])

PICTURES = {"slices", "hidden_tumours", "batch", "five_slices", "extremes"}
"""Figures that show images, which a bundle does not hold."""

ROOT = Path(__file__).parents[1]

# A busy machine makes any example slow once; what must be fast is measured by tests of its own.
settings.register_profile("brats-al", deadline=None)
settings.load_profile("brats-al")

# A shell's background job ignores Ctrl-C, and so would every process that a test starts and interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)


@cache
def shares_smoke(path: Path) -> bool:
    """Whether tests of a file take the smoke study."""
    return "smoke: Path" in path.read_text(encoding="utf-8")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start with the files that take longest, so that no process is left with one of them at the end."""
    files = "test_make.py", "test_faults.py"
    items.sort(key=lambda item: [not shares_smoke(item.path), *(item.path.name != name for name in files)])


class Files(LoadFileScheduling):  # type: ignore[misc]
    """A file's tests stay in one process, and so do all files that share the smoke study, which is made once."""

    def _split_scope(self, nodeid: str) -> str:
        """Return what stays together with a test."""
        name = nodeid.partition("::")[0]
        return "smoke" if shares_smoke(self.config.rootpath / name) else name


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Files:
    """Have pytest-xdist deal the tests so."""
    return Files(config, log)


def write_volume(path: Path, voxels: np.ndarray[Any, Any], affine: np.ndarray[Any, Any] = AFFINE) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(voxels, affine), path)


def write_case(folder: Path, seed: int, suffix: str = ".nii.gz") -> None:
    """Write a case named after its folder: an ellipsoid of a brain with a box of a tumour in slices 6 to 17."""
    rng = np.random.default_rng(seed)
    x, y, z = np.meshgrid(*(np.linspace(-1, 1, n) for n in SHAPE), indexing="ij")
    brain = x**2 + y**2 + z**2 < 0.9
    tumour = np.zeros(SHAPE, np.uint8)
    tumour[10:18, 12:20, 6:18] = 2
    tumour[12:16, 14:18, 8:16] = 4
    for number, name in enumerate(FILES[:-1]):
        signal = 200 + 100 * number + 150 * (tumour > 0) + rng.normal(0, 20, SHAPE)
        write_volume(folder / f"{folder.name}_{name}{suffix}", np.where(brain, signal, 0).astype(np.int16))
    write_volume(folder / f"{folder.name}_seg{suffix}", tumour)


def write_release(root: Path, high: int, low: int) -> Path:
    """Write so many HGG and then so many LGG patients in the folders of 2018, of two sites in turn."""
    for number in range(high + low):
        write_case(root / ("HGG" if number < high else "LGG") / f"Brats18_SITE{number % 2}_{number}_1", number)
    return root


def stored(out: Path) -> dict[str, int]:
    """Return the runs that a study has stored, and when they were."""
    return {path.name: path.stat().st_mtime_ns for path in (out / "outputs" / "runs").glob("*.safetensors")}


def wait_for_runs(out: Path, count: int, driver: "subprocess.Popen[str]", seconds: float = 240) -> dict[str, int]:
    """Wait until a study that is running has stored so many runs, and return them."""
    deadline = time.monotonic() + seconds
    while len(stored(out)) < count:
        assert driver.poll() is None, driver.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return stored(out)


def small_render(patient: Patient, spacing: int) -> tuple[dict[str, np.ndarray[Any, Any]], np.ndarray[Any, Any]]:
    """In place of `phantom.render`: a box of a brain with a box of a tumour, as bright as its contrast uptake is."""
    rng = np.random.default_rng(patient.index)
    labels = np.zeros(SHAPE, np.uint8)
    labels[10:18, 12:20, 3 + patient.index % 5 : 18] = 1
    brain = np.pad(np.ones((26, 26, 24), bool), ((3, 3), (3, 3), (0, 0)))
    volumes = {}
    for sequence in SEQUENCES:
        bright = 200 + 400 * patient.gadolinium * (labels > 0) + rng.normal(0, 20, SHAPE)
        volumes[sequence] = np.where(brain, bright, 0).astype(np.int16)
    return volumes, labels


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    """The command line sets variables for its workers, and figures stay open."""
    with patch.dict(os.environ):
        yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


@pytest.fixture
def tiny_cohort(tmp_path: Path) -> Path:
    """Four HGG and three LGG patients in the folders of 2018."""
    return write_release(tmp_path / "release", 4, 3)


@pytest.fixture(scope="session")
def real_cases() -> Path:
    """Return the folder of real BraTS cases that the environment names."""
    return folder_named("BRATS_AL_REAL_CASES", "of real cases")


def folder_named(variable: str, of_what: str) -> Path:
    """Return the folder of real data that a variable of the environment names; without one the test is skipped."""
    folder = os.environ.get(variable)
    if not folder:
        pytest.skip(f"{variable} names no folder {of_what}")
    return Path(folder)


@pytest.fixture(scope="session")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder in which `make demo`, at smoke size, wrote a whole study and its report."""
    out = tmp_path_factory.mktemp("smoke") / "out"
    make("demo", ROOT, f"STUDY=--profile smoke --out {out}")
    return out


def parsed(arguments: list[str]) -> Any:
    """Return the context of the verb that a command line ends in, with all that it was given; nothing is run."""
    context: Any = typer.main.get_command(command_line.app).make_context("brats-al", arguments)
    while isinstance(context.command, TyperGroup):
        name, verb, rest = context.command.resolve_command(context, [*context._protected_args, *context.args])
        assert verb
        context = verb.make_context(name, rest, parent=context)
    return context


def brats_al(*arguments: str, expect: int = 0) -> str:
    """Run the command line here, and return what it printed: its results, or its errors if it is to fail.

    This process has imported torch, which takes longer than most of what is asked for.
    """
    out, errors = io.StringIO(), io.StringIO()
    with (
        patch.object(sys, "argv", ["brats-al", *arguments]),
        patch.dict(os.environ),
        redirect_stdout(out),
        redirect_stderr(errors),
        pytest.raises(SystemExit) as end,
    ):
        command_line.main()
    printed = errors.getvalue() + out.getvalue()
    assert (end.value.code or 0) == expect, printed
    return printed if expect else out.getvalue()


def brats_al_process(*arguments: str, expect: int = 0) -> str:
    """Run the command line as a user does, in a process of its own: its workers end with it."""
    done = subprocess.run([sys.executable, "-m", "brats_al_utils", *arguments], capture_output=True, encoding="utf-8")
    assert done.returncode == expect, done.stdout + done.stderr
    return done.stdout


def git(folder: Path, *words: str) -> str:
    """Run git in a folder, as nobody, and return what it printed."""
    who = ["-c", "user.name=nobody", "-c", "user.email=nobody@example.org", "-c", "init.defaultBranch=main"]
    command = ["git", "-C", str(folder), *who, *words]
    return subprocess.run(command, capture_output=True, encoding="utf-8", check=True).stdout


def make(target: str, checkout: Path, *options: str) -> str:
    """Make a target in a checkout whose `.venv` is taken for finished, and return what was printed."""
    command = [program("make"), "--no-print-directory", "--old-file=.venv/.ready", *options, target]
    ours = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    environment = ours | {"PYTHONPATH": str(checkout)}
    done = subprocess.run(command, cwd=checkout, env=environment, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


READ = """
import resource, sys, time
from pathlib import Path
from brats_al_utils import InputError
from {module} import {function}
pages = int(Path("/proc/self/statm").read_text().split()[0])
resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + {room},) * 2)
before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
try:
    {function}(Path(sys.argv[1]))
    print("read")
except InputError as error:
    print(error)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before >> 10, time.process_time() - started)
"""


def read_alone(reads: Callable[[Path], object], path: Path, room: int) -> tuple[str, int, float]:
    """Read a file in a process with so many bytes of address space: what it said, megabytes and processor seconds."""
    code = READ.format(module=reads.__module__, function=reads.__name__, room=room)
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    said, numbers = done.stdout.strip().rsplit("\n", 1)
    return said, int(numbers.split()[0]), float(numbers.split()[1])


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Copy what git keeps, beside this Python's environment."""
    folder = tmp_path / "checkout"
    for name in git(ROOT, "ls-files", "-z").strip("\0").split("\0"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / name)
    (folder / ".venv").symlink_to(sys.prefix)
    return folder


def program(*names: str) -> str:
    """Return the path of the first program that is installed; without one the test is skipped, but fails in CI."""
    found = next((path for name in names if (path := shutil.which(name))), None)
    if found is None:
        reason = f"no {' or '.join(names)} on the PATH"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return found


def without_locks(folder: Path, number: int) -> Path:
    """Return a library which, loaded before others, has a file system answer an error where a lock is asked for."""
    source = f"#include <errno.h>\nint flock(int file, int operation) {{ errno = {number}; return -1; }}\n"
    library = folder / "without_locks.so"
    compiler = [program("gcc", "cc"), "-shared", "-fPIC", "-x", "c", "-", "-o", str(library)]
    subprocess.run(compiler, input=source, encoding="utf-8", check=True)
    return library


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[webdriver.Chrome]:
    """Start a browser without a window that keeps its console's log."""
    options = webdriver.ChromeOptions()
    options.binary_location = program("chromium", "chromium-browser", "google-chrome")
    for option in [*CHROMIUM_OPTIONS, f"--user-data-dir={tmp_path / 'chromium'}"]:
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    # With the driver's path named, selenium does not look for one to download.
    service = webdriver.ChromeService(executable_path=program("chromedriver"))
    driver = webdriver.Chrome(options=options, service=service)
    try:
        yield driver
    finally:
        driver.quit()
