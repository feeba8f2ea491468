"""What a notebook shows and asks live: controls, pictures and facts, none of which is ever saved with the notebook.

A widget's state may be written into the notebook file: by papermill, and by JupyterLab where it is asked to. So this
widget has none. All that is shown goes to the browser as messages, which nothing keeps, and only when a browser asks:
where a notebook is executed without one, no picture is made. Names come into the page as text, never as HTML.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

import anywidget

from brats_al_utils import InputError

STATIC = Path(__file__).with_name("static")

State = TypeVar("State")


@dataclass(frozen=True)
class Picture:
    """A picture with its caption.

    Attributes
    ----------
    name : str
        What is asked when it is clicked.
    png : bytes
    caption, alt : str
        What stands below it; what is read out in its place.
    marked : tuple of float, optional
        Where a ring is drawn, from the left and from the top, as shares of the width and the height.
    width : int
        Pixels, on the page.
    clickable : bool
    """

    name: str
    png: bytes = field(repr=False)
    caption: str
    alt: str
    marked: tuple[float, float] | None = None
    width: int = 200
    clickable: bool = False


@dataclass(frozen=True)
class View:
    """Everything that a panel shows.

    Attributes
    ----------
    controls, plane, plot
        What `beyond.explorer.controls` has: a row of controls; an image and a plot, left and right of the facts.
    pictures : tuple of Picture
    facts : tuple of (str, str)
        A table of two columns.
    said : str
        A line above all.
    """

    controls: tuple[Any, ...]
    pictures: tuple[Picture, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    said: str = ""
    plane: Any = None
    plot: Any = None

    def binaries(self) -> dict[str, bytes]:
        """Return what travels as bytes, by a name of its own."""
        parts = [vars(part) for part in (self.plane, self.plot) if part]
        found = {name: value for part in parts for name, value in part.items() if isinstance(value, bytes)}
        return {f"picture {each.name}": each.png for each in self.pictures} | found


@dataclass(frozen=True)
class Asked:
    """What was done in the browser: a control was set to a value, or a picture was clicked at a place.

    Attributes
    ----------
    name : str
        Name of the control or the picture.
    value : int
        Value of the control.
    at : tuple of float, optional
        Where the picture was clicked, from the left and from the top, as shares of the width and the height.
    """

    name: str
    value: int = 0
    at: tuple[float, float] | None = None


def asked_of(content: Any) -> Asked | None:
    """Return what a message from the browser asks; None if it is one of a browser that shows nothing yet."""
    if content.get("event") != "asked":
        return None
    at = content.get("at")
    return Asked(str(content["name"]), int(content.get("value", 0)), (float(at[0]), float(at[1])) if at else None)


class Panel(anywidget.AnyWidget, Generic[State]):
    """Shows a state, and another one when something is asked.

    Parameters
    ----------
    state
        What is shown first; frozen.
    change : callable
        Gives the state that follows when something is asked.
    view : callable
        Gives what a state shows.
    """

    _esm = "".join((STATIC / name).read_text(encoding="utf-8") for name in ("stage.js", "panel.js"))
    _css = "".join((STATIC / name).read_text(encoding="utf-8") for name in ("stage.css", "panel.css"))

    def __init__(self, state: State, change: Callable[[State, Asked], State], view: Callable[[State], View]) -> None:
        super().__init__()
        self.shown, self.change, self.view = state, change, view
        self.sent: dict[str, Any] = {}
        self.binaries: dict[str, bytes] = {}
        self.on_msg(self.answer)

    def answer(self, _: Any, content: Any, __: Any) -> None:
        """Answer a message from the browser."""
        asked = asked_of(content)
        try:
            if asked is None:  # a page that has nothing yet
                self.sent, self.binaries = {}, {}
            else:
                self.shown = self.change(self.shown, asked)
            self.show(self.view(self.shown))
        except InputError as error:
            self.send({"said": str(error)})

    def show(self, view: View) -> None:
        """Send what has changed of a view."""
        content = {
            "said": view.said,
            "controls": [vars(each) for each in view.controls],
            "facts": view.facts,
            "pictures": [without_bytes(each) for each in view.pictures],
            "plane": without_bytes(view.plane),
            "plot": without_bytes(view.plot),
        }
        changed = {name: value for name, value in content.items() if self.sent.get(name, "none") != value}
        every = view.binaries()
        fresh = [name for name, content in every.items() if self.binaries.get(name) != content]
        self.sent, self.binaries = content, every
        self.send(changed | {"fresh": fresh}, [every[name] for name in fresh])


def without_bytes(part: Any) -> dict[str, Any] | None:
    """Return the values of a part of a view that travel as text."""
    return part and {name: value for name, value in vars(part).items() if not isinstance(value, bytes)}
