"""Find the notebooks, check what is asked of them, and execute them headless."""

import sys
import types
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import nbformat
import papermill
from nbclient.exceptions import DeadKernelError
from papermill.exceptions import PapermillExecutionError

from brats_al_utils import InputError
from brats_al_utils.files import beside, sweep
from brats_al_utils.networks import network
from brats_al_utils.phantoms import outliers
from brats_al_utils.queries import competitors, sampling
from brats_al_utils.runs.scheduler import ATTEMPTS
from brats_al_utils.study import arms as arms_module
from brats_al_utils.study.arms import Arm
from brats_al_utils.study.places import NUMBERED, ROOT, Places
from brats_al_utils.study.profile import Profile
from brats_al_utils.study.study import DATASETS

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


def tagged(path: Path, tag: str) -> str:
    """Return the source of the cell with a tag, empty if there is none."""
    cells = nbformat.read(path, as_version=4).cells
    return next((str(cell.source) for cell in cells if tag in cell.metadata.get("tags", [])), "")


def arms(path: Path, profile: Profile, synthetic: bool) -> list[Arm]:
    """Return the arms that a notebook compares on a synthetic or another cohort: those of its cell tagged ``arms``."""
    study = types.SimpleNamespace(profile=profile, synthetic=synthetic)
    names: dict[str, Any] = {"DATASETS": DATASETS, "study": study}
    for module in (arms_module, competitors, network, outliers, sampling):  # what such a cell may name
        names |= vars(module)
    exec(tagged(path, "arms"), names)  # noqa: S102 - a cell of this checkout, which `run` executes as well
    return list(names.get("arms", []))


def datasets(paths: Iterable[Path], profile: Profile, synthetic: bool) -> list[str]:
    """Return which slice sets some notebooks need."""
    needed = (arm.dataset for path in paths for arm in arms(path, profile, synthetic))
    return list(dict.fromkeys([DATASETS[0], *needed]))


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
    sweep(executed.parent)
    # A second driver of the study may execute the same notebook; papermill wants a notebook's suffix.
    partial = beside(executed).with_suffix(".ipynb")
    try:
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
