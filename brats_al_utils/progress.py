"""How far long work is, for a notebook, for the terminal and for other processes."""

import json
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from IPython.core.getipython import get_ipython
from IPython.display import display

from brats_al_utils.files import write_file

Track = Callable[[Iterable[Any]], Iterable[Any]]
"""Passes items on one by one, and may show how many have gone by (tqdm, for instance)."""


def untracked(items: Iterable[Any]) -> Iterable[Any]:
    """Pass items on and show nothing."""
    return items


class Note:
    """One line in a notebook's output that is shown anew in its place; on a terminal only its last text is printed."""

    def __init__(self) -> None:
        self.handle: Any = None

    def show(self, text: str, last: bool = False) -> None:
        """Show the line, for the last time or until the next."""
        if get_ipython() is None:
            if last:
                print(text)
        elif self.handle is None:
            self.handle = display({"text/plain": text}, raw=True, display_id=True)
        else:
            self.handle.update({"text/plain": text}, raw=True)


def noted(items: Iterable[Any]) -> Iterator[Any]:
    """Pass patients on, and say in the notebook how many have gone by."""
    patients, note = list(items), Note()
    for number, patient in enumerate(patients, 1):
        note.show(f"preparing patient {number} of {len(patients)}")
        yield patient
    note.show("")


class TrainingProgress:
    """How far a study's trainings are: in the notebook, and in a file that another process reads.

    Parameters
    ----------
    path : Path
        Receives ``{"done": images, "total": images, "text": str}`` at the start and after every epoch.
    total : int
        Image passes of all trainings.
    note : Note
    """

    def __init__(self, path: Path, total: int, note: Note) -> None:
        self.path, self.total, self.note = path, total, note
        self.done, self.started = 0, time.perf_counter()
        self.write("starting")

    def advance(self, images: int, text: str) -> None:
        """Add image passes, and say what they were for."""
        self.done = min(self.done + images, self.total)  # a run that is started again passes its images again
        if self.done:
            left = (time.perf_counter() - self.started) * (self.total / self.done - 1)
            self.note.show(f"{text}; {self.done / self.total:.0%} of the training done, {left / 60:.1f} minutes left")
        self.write(text)

    def write(self, text: str) -> None:
        """Tell other processes, if the disk lets us: no training is lost for want of a progress bar."""
        with suppress(OSError):
            write_file(self.path, json.dumps({"done": self.done, "total": self.total, "text": text}).encode())
