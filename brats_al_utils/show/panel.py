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
class Choice:
    """A list to choose from.

    Attributes
    ----------
    name, label : str
        By which it is asked for; what stands before it.
    options : tuple of str
    value : int
        The place of the one that is chosen.
    """

    name: str
    label: str
    options: tuple[str, ...]
    value: int


@dataclass(frozen=True)
class Slider:
    """A slider from 0 to ``last``, which the keys move wherever they are pressed in the panel."""

    name: str
    label: str
    last: int
    value: int


@dataclass(frozen=True)
class Picture:
    """A picture with its caption.

    Attributes
    ----------
    name : str
        Told when it is clicked.
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
    controls : tuple of Choice or Slider
    pictures : tuple of Picture
    facts : tuple of (str, str)
        A table of two columns.
    said : str
        A line above all.
    """

    controls: tuple[Choice | Slider, ...]
    pictures: tuple[Picture, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    said: str = ""


@dataclass(frozen=True)
class Asked:
    """What was done in the browser: a control was set to a value, or a picture was clicked at a place.

    Attributes
    ----------
    name : str
        Of the control or the picture.
    value : int
        Of the control.
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

    _esm = STATIC / "panel.js"
    _css = STATIC / "panel.css"

    def __init__(self, state: State, change: Callable[[State, Asked], State], view: Callable[[State], View]) -> None:
        super().__init__()
        self.shown, self.change, self.view = state, change, view
        self.sent: dict[str, Any] = {}
        self.pngs: dict[str, bytes] = {}
        self.on_msg(self.answer)

    def answer(self, _: Any, content: Any, __: Any) -> None:
        """Answer a message from the browser."""
        asked = asked_of(content)
        try:
            if asked is None:  # a page that has nothing yet
                self.sent, self.pngs = {}, {}
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
            "pictures": [{name: each for name, each in vars(one).items() if name != "png"} for one in view.pictures],
        }
        changed = {name: value for name, value in content.items() if self.sent.get(name) != value}
        fresh = [each for each in view.pictures if self.pngs.get(each.name) != each.png]
        self.sent, self.pngs = content, {each.name: each.png for each in view.pictures}
        self.send(changed | {"fresh": [each.name for each in fresh]}, [each.png for each in fresh])
