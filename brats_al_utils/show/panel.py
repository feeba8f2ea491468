"""A live panel of controls, pictures and facts in a notebook; nothing of it is saved with the notebook.

Papermill, and JupyterLab on request, write the state of widgets into the notebook file. So this widget has no state:
it sends everything to the browser as messages, which are not stored, and only when a browser asks. Without a browser no
picture is made. Names enter the page as text, never as HTML.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

import anywidget

from brats_al_utils import InputError
from brats_al_utils.files import cause

STATIC = Path(__file__).with_name("static")

State = TypeVar("State")


@dataclass(frozen=True)
class Picture:
    """A picture with its caption.

    Attributes
    ----------
    name : str
        Name of the event when it is clicked.
    png : bytes
    caption, alt : str
        Text below it, and alternative text.
    width : int
        Width on the page in pixels.
    clickable : bool
    """

    name: str
    png: bytes = field(repr=False)
    caption: str
    alt: str
    width: int = 200
    clickable: bool = False


@dataclass(frozen=True)
class View:
    """The contents of a panel.

    Attributes
    ----------
    controls, plane, plot
        From `beyond.explorer.controls`: a row of controls; an image and a plot, left and right of the facts.
    pictures : tuple of Picture
    facts : tuple of (str, str)
        A table of two columns.
    said : str
        A line at the top.
    """

    controls: tuple[Any, ...]
    pictures: tuple[Picture, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    said: str = ""
    plane: Any = None
    plot: Any = None

    def binaries(self) -> dict[str, bytes]:
        """Return the parts that are sent as bytes, by name."""
        parts = [vars(part) for part in (self.plane, self.plot) if part]
        found = {name: value for part in parts for name, value in part.items() if isinstance(value, bytes)}
        return {f"picture {each.name}": each.png for each in self.pictures} | found


@dataclass(frozen=True)
class Asked:
    """An event in the browser: a control was set to a value, or a picture was clicked.

    Attributes
    ----------
    name : str
        Name of the control or the picture.
    value : int
        Value of the control.
    at : tuple of float, optional
        Place of the click, as shares of the picture's width (from the left) and height (from the top).
    """

    name: str
    value: int = 0
    at: tuple[float, float] | None = None


def asked_of(content: Any) -> Asked | None:
    """Return the event in a message from the browser; None for the first message, of an empty page."""
    if content.get("event") != "asked":
        return None
    at = content.get("at")
    return Asked(str(content["name"]), int(content.get("value", 0)), (float(at[0]), float(at[1])) if at else None)


class Panel(anywidget.AnyWidget, Generic[State]):
    """Shows a state, and changes it with each event.

    Parameters
    ----------
    state
        The first state; frozen.
    change : callable
        Returns the next state, from a state and an event.
    view : callable
        Returns the view of a state.
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
            if asked is None:  # an empty page
                self.sent, self.binaries = {}, {}
            else:
                self.shown = self.change(self.shown, asked)
            self.show(self.view(self.shown))
        except (InputError, OSError) as error:
            self.send({"said": cause(error)})

    def show(self, view: View) -> None:
        """Send the parts of a view that have changed."""
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
    """Return the values of a part of a view that are sent as text."""
    return part and {name: value for name, value in vars(part).items() if not isinstance(value, bytes)}
