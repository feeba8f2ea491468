"""The folders of a study. It writes nothing that git tracks: tracked figures are copied from those of bundles."""

import json
import os
import re
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from brats_al_utils import InputError
from brats_al_utils.files import write_file

if TYPE_CHECKING:  # it imports torch
    from brats_al_utils.study.profile import Profile

ROOT = Path(__file__).resolve().parents[2]
"""The checkout, which holds notebooks, figures and outputs."""

NUMBERED = re.compile(r"[0-9]{2}_[a-z0-9_]+\.ipynb")
"""Names of notebooks, unlike those of copies (``01_name-Copy1.ipynb``) and unfinished files."""

DATA_VARIABLE = "BRATS_ROOT"

STAMPS = ".studies"
"""Folder beside tables, figures and executed notebooks, with one file for each of them that names its study."""

WRITERS: dict[Path, str] = {}
"""The study that this process writes into each folder: see `Places.claim`."""


class Inside:
    """A folder or file in a study's outputs."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, places: "Places", _: object) -> Path:
        """Return its path."""
        return places.outputs / self.name


@dataclass(frozen=True)
class Places:
    """The folders of a study.

    Attributes
    ----------
    figures : Path
        Figures and tables.
    outputs : Path
        Everything that is hidden from git: slice sets, runs, executed notebooks, and every image of a real patient.
    """

    figures: Path
    outputs: Path

    notebooks = Inside("notebooks")  # executed ones
    slices = Inside("slices")  # slice sets
    images = Inside("images")  # figures and tables that show or name real patients
    runs = Inside("runs")  # the store
    table = Inside("table")  # the study's trainings
    started = Inside("study.json")  # the parameters of `run`
    driver = Inside("run.lock")  # held by `run`
    report = Inside("report")

    @classmethod
    def of(cls, name: str, out: str | Path = "") -> "Places":
        """Return the folders of a profile: in the checkout by its name, or under ``out``."""
        if out:
            folder = Path(out).expanduser().resolve()
            return cls(folder, folder / "outputs")
        outputs = ROOT / "outputs" / name
        return cls(outputs / "figures", outputs)

    @classmethod
    def of_bundle(cls, path: Path, out: str | Path = "") -> "Places":
        """Return the folders of a bundle: ``outputs/published/NAME`` of one in ``published``, or under ``out``.

        The folder of a bundle that lies elsewhere also has a mark of its path, as it may have the same name.
        """
        elsewhere = path.resolve().parent != ROOT / "published"
        mark = sha256(str(path.resolve()).encode()).hexdigest()[:8]
        return cls.of(f"published/{path.stem}-{mark}" if elsewhere else f"published/{path.stem}", out)

    def make(self) -> None:
        """Create both folders, and hide the outputs from git wherever they are."""
        self.figures.mkdir(parents=True, exist_ok=True)
        self.outputs.mkdir(parents=True, exist_ok=True)
        hidden = self.outputs / ".gitignore"
        if not hidden.exists():
            write_file(hidden, b"*\n")

    def claim(self, *study: object) -> None:
        """Mark all that this process writes here from now on as a study's: see `stamp`.

        Parameters
        ----------
        study
            What distinguishes it from other studies in the same folders, as values for JSON.
        """
        mark = sha256(json.dumps(study, sort_keys=True, default=list).encode()).hexdigest()
        WRITERS.update(dict.fromkeys((self.figures, self.images, self.notebooks), mark))


def stamp(path: Path) -> None:
    """Write the mark of a file's study beside it, if this process has opened a study that writes into its folder."""
    if mark := WRITERS.get(path.parent):
        write_file(path.parent / STAMPS / path.stem, mark.encode())


def stamp_of(path: Path) -> str:
    """Return the mark of the study that wrote a file; empty if it is unknown."""
    mark = path.parent / STAMPS / path.stem
    return mark.read_text(encoding="utf-8") if mark.exists() else ""


def numbered(folder: Path) -> list[Path]:
    """Return the notebooks of a folder in order, without copies made by JupyterLab or a file manager."""
    return sorted(path for path in folder.glob("*.ipynb") if NUMBERED.fullmatch(path.name))


def find_data(profile: "Profile", data: str | Path = "") -> Path | None:
    """Return the folder of the data: the named one, else ``BRATS_ROOT`` if the profile has no synthetic cohort.

    Raises
    ------
    InputError
        If the profile needs data and none is named.
    """
    named = data or ("" if profile.patients else os.environ.get(DATA_VARIABLE, ""))
    if not named and not profile.patients:
        raise InputError(
            f"profile {profile.name} has no data: name the folder of a BraTS release (--data DIR, or {DATA_VARIABLE}); "
            "or ask for a synthetic cohort with patients=335"
        )
    return Path(named).expanduser().resolve() if named else None
