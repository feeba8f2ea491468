"""Find the notebooks, check what is asked of them, and execute them headless."""

import json
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import papermill
from nbclient.exceptions import DeadKernelError
from papermill.exceptions import PapermillExecutionError
from tqdm import tqdm

from brats_al_utils import InputError
from brats_al_utils.files import beside
from brats_al_utils.runs.executors import ATTEMPTS
from brats_al_utils.study.places import NUMBERED, ROOT, Places

FOLDER = ROOT / "notebooks"


def find(only: Sequence[str] = ()) -> list[Path]:
    """Return the notebooks in order, or those whose numbers or names are given.

    Raises
    ------
    InputError
        If there is no such notebook.
    """
    every = sorted(FOLDER.glob(NUMBERED))
    if not every:
        raise InputError(f"{FOLDER}: no notebooks, expected the checkout's: install with `pip install --editable`")
    for name in only:
        if not any(name in (path.stem, path.stem[:2]) for path in every):
            raise InputError(f"no notebook {name!r}, expected one of {', '.join(path.stem for path in every)}")
    return [path for path in every if not only or path.stem in only or path.stem[:2] in only]


def check_parameters(path: Path, parameters: Mapping[str, object]) -> None:
    """Refuse parameters that the notebook does not have: papermill would only log them."""
    known = papermill.inspect_notebook(path)
    unknown = sorted(set(parameters) - set(known))
    if unknown:
        raise InputError(f"{path}: no parameter {', '.join(unknown)}, expected {', '.join(known)}")


def execute(path: Path, parameters: Mapping[str, object], places: Places) -> Path:
    """Execute a notebook and return the executed copy, which lies among the outputs.

    Parameters
    ----------
    parameters : mapping of str to object
        Values for the notebook's cell tagged ``parameters``.

    Raises
    ------
    InputError
        If a cell fails; the executed copy then shows where. If its kernel dies again and again.
    """
    check_parameters(path, parameters)
    executed = places.outputs / "notebooks" / path.name
    executed.parent.mkdir(parents=True, exist_ok=True)
    places.progress.unlink(missing_ok=True)
    # A second driver of the study may execute the same notebook; papermill wants a notebook's suffix.
    partial = beside(executed).with_suffix(".ipynb")
    try:
        with progress_bar(places.progress, path.stem):
            for attempt in range(1, ATTEMPTS + 1):
                try:
                    papermill.execute_notebook(
                        path,
                        partial,
                        dict(parameters),
                        cwd=path.parent,
                        progress_bar=False,
                        # What fails in a cell comes as a message. All that a kernel logs is that its messages, which
                        # stay on this machine, are not encrypted, and after Ctrl-C that nobody reads them any more.
                        extra_arguments=["--IPKernelApp.log_level=CRITICAL"],
                    )
                    break
                except DeadKernelError as error:
                    if attempt == ATTEMPTS:
                        raise InputError(f"{path.stem}: its kernel died {ATTEMPTS} times: is memory short?") from error
                    print(f"{path.stem}: its kernel died, a new one goes on from the finished runs", file=sys.stderr)
                except PapermillExecutionError as error:
                    raise InputError(f"{path.stem}: {error.ename}: {error.evalue} (see {executed})") from error
    finally:
        if partial.exists():
            partial.replace(executed)
    return executed


@contextmanager
def progress_bar(progress: Path, name: str) -> Iterator[None]:
    """Show, while a notebook runs, how far the file that its study writes says it is."""
    stop = threading.Event()
    with tqdm(unit=" images", desc=name, leave=False, dynamic_ncols=True, unit_scale=True, disable=None) as bar:

        def follow() -> None:
            while not stop.wait(0.5):
                try:
                    state = json.loads(progress.read_text())
                except (OSError, ValueError):
                    bar.refresh()
                    continue
                if bar.total != state["total"]:
                    bar.reset(state["total"])  # the time left counts from here
                bar.set_postfix_str(state["text"], refresh=False)
                bar.update(state["done"] - bar.n)

        thread = threading.Thread(target=follow, daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
