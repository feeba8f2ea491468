"""Find the notebooks, check their parameters, and execute them headless."""

import logging
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import nbformat
import papermill
from nbclient.exceptions import DeadKernelError
from papermill.exceptions import PapermillExecutionError, strip_color

from brats_al_utils import InputError, nearest
from brats_al_utils.cohorts.cohort import cores
from brats_al_utils.files import beside, cause, sweep
from brats_al_utils.progress import say
from brats_al_utils.runs.scheduler import ATTEMPTS
from brats_al_utils.show import kernels
from brats_al_utils.study.places import ROOT, Places, stamp

FOLDER = ROOT / "notebooks"

TOGETHER = 4
"""Largest number of notebooks executed at the same time: a kernel takes 800 MB, a forked one 200 MB of its own."""

START_TIMEOUT = 180
"""Seconds within which a kernel must start: on a busy network disk, imports take a minute."""


def find(names: Iterable[str], only: Sequence[str] = ()) -> list[Path]:
    """Return the notebooks of these names in order, or the ones among them whose numbers or names are given.

    Raises
    ------
    InputError
        If there is no such notebook.
    """
    every = [path for name in sorted(names) if (path := FOLDER / f"{name}.ipynb").exists()]
    if not every:
        raise InputError(f"{FOLDER}: no notebooks, expected the checkout's: install with `pip install --editable`")
    for name in only:
        if not any(name in (path.stem, path.stem[:2]) for path in every):
            raise InputError(f"no notebook {name!r}, {nearest(name, (path.stem for path in every))}")
    return [path for path in every if not only or path.stem in only or path.stem[:2] in only]


def literal(path: Path) -> str:
    """Return a path in papermill's notation, with doubled braces: it replaces fields in braces."""
    return str(path).replace("{", "{{").replace("}", "}}")


def last_line(said: IO[bytes]) -> str:
    """Return the last line of a kernel's output, in brackets; empty if there is none."""
    said.seek(0)
    lines = said.read().decode(errors="replace").split("\n")
    return next((f" ({line.strip()})" for line in reversed(lines) if line.strip()), "")


def place(error: PapermillExecutionError, executed: Path) -> str:
    """Return where a notebook failed: the number of the cell, its heading, the line."""
    heading = ""
    for cell in nbformat.read(executed, as_version=4).cells:
        if any(output.output_type == "error" for output in cell.get("outputs", [])):
            break
        if cell.cell_type == "markdown":
            heading = next(reversed(re.findall(r"^#+ +(.+)$", cell.source, re.MULTILINE)), heading)
    found = re.search(r"Cell In\[\d+\], line (\d+)", strip_color("\n".join(error.traceback)))
    line = f", line {found[1]} ({error.source.splitlines()[int(found[1]) - 1].strip()})" if found else ""
    below = f" below {heading!r}" if heading else ""
    return f"cell {error.exec_count}{below}{line}"


def execute_all(
    paths: Sequence[Path], parameters: Mapping[str, object], places: Places, ahead: Mapping[str, str]
) -> list[str]:
    """Execute notebooks, report on each, and return the names of those that failed.

    Parameters
    ----------
    ahead : mapping of str to str
        What each will train, by its name. If it is empty, nothing is left to train, and several are executed at a time.
    """
    if not ahead:
        with together() as pool:
            return execute_in(pool, paths, parameters, places)()
    failed = []
    for number, path in enumerate(paths, 1):  # in this thread, which Ctrl-C interrupts
        say(f"{path.stem} ({number} of {len(paths)}): {ahead[path.stem]}")
        failed += [path.stem] * (not done(path, parameters, places))
    return failed


@contextmanager
def together() -> Iterator[Executor]:
    """Provide the threads for `execute_in`; after Ctrl-C they start no further notebook."""
    pool = ThreadPoolExecutor(min(cores(), TOGETHER))
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def execute_in(
    pool: Executor, paths: Sequence[Path], parameters: Mapping[str, object], places: Places
) -> Callable[[], list[str]]:
    """Start to execute notebooks, several at a time; return a function that waits, and names those that failed."""
    # The last ones first: they take longest.
    finished = {path: pool.submit(done, path, parameters, places) for path in reversed(paths)}
    return lambda: [path.stem for path in paths if not finished[path].result()]


def done(path: Path, parameters: Mapping[str, object], places: Places) -> bool:
    """Execute a notebook, report on it, and return whether it succeeded."""
    started = time.perf_counter()
    try:
        executed = execute(path, parameters, places)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        return False  # the other notebooks may succeed
    say(f"{path.stem}: done in {time.perf_counter() - started:.0f} s, see {executed}")
    return True


def execute(path: Path, parameters: Mapping[str, object], places: Places) -> Path:
    """Execute a notebook with this Python, and return the executed copy in the study's outputs.

    Parameters
    ----------
    parameters : mapping of str to object
        Values for JSON, for the notebook's cell tagged ``parameters``.

    Raises
    ------
    InputError
        If a cell fails (the executed copy shows where), or if its kernel does not start or dies repeatedly.
    """
    executed = places.notebooks / path.name
    executed.parent.mkdir(parents=True, exist_ok=True)
    sweep(executed.parent)
    logging.getLogger("papermill").setLevel(logging.CRITICAL)  # failures are reported below
    # A name of its own, as a second driver may execute the same notebook; papermill needs a notebook's suffix.
    partial = beside(executed).with_suffix(".ipynb")
    try:
        with tempfile.TemporaryFile() as said:
            for attempt in range(1, ATTEMPTS + 1):
                try:
                    papermill.execute_notebook(
                        literal(path),
                        literal(partial),
                        dict(parameters),
                        kernel_name="python3",
                        language="python",
                        kernel_manager_class=kernels.manager(said),
                        start_timeout=START_TIMEOUT,
                        cwd=path.parent,
                        progress_bar=False,
                    )
                    break
                except DeadKernelError as error:
                    if attempt == ATTEMPTS:
                        raise InputError(
                            f"{path.stem}: its kernel died {ATTEMPTS} times{last_line(said)}: is memory short?"
                        ) from error
                    print(f"{path.stem}: its kernel died, a new one resumes from the finished runs", file=sys.stderr)
                except PapermillExecutionError as error:
                    why = error.evalue if error.ename == "InputError" else f"{error.ename}: {error.evalue}"
                    raise InputError(f"{path.stem}, {place(error, partial)}: {why} (see {executed})") from error
                except nbformat.reader.NotJSONError as error:
                    what = "no notebook, perhaps by a merge of git's (<<<<<<<)"
                    raise InputError(f"{path}: {what}: resolve it, or restore the file with git checkout") from error
                except RuntimeError as error:
                    raise InputError(
                        f"{path.stem}: its kernel, {sys.executable}, did not start within {START_TIMEOUT} s"
                        f"{last_line(said)}: install the environment again (make setup), or start again"
                    ) from error
                except OSError as error:
                    raise InputError(f"{path.stem}: {cause(error)}") from error
    finally:
        if partial.exists():
            partial.replace(executed)
            stamp(executed)
    return executed
