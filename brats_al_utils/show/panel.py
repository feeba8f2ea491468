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
        The name by which it is asked for; the text before it.
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
class Button:
    """A button that asks by its name."""

    name: str
    label: str


@dataclass(frozen=True)
class Plane:
    """An image with all its grey levels, to zoom, move and window.

    Attributes
    ----------
    levels : bytes
        Row by row, of uint16, little-endian: 0 the intensity ``low``, 65535 ``high``.
    mask : bytes
        As many values of uint8, painted in ``colour``; or empty.
    width, height : int
    low, high, white : float
        Intensities; ``white`` is white at first.
    colour : tuple of int
        Red, green, blue.
    alt : str
        What is read out in its place.
    aspect : float
        How much wider than high a pixel is.
    """

    levels: bytes = field(repr=False)
    mask: bytes = field(repr=False)
    width: int
    height: int
    low: float
    high: float
    white: float
    colour: tuple[int, int, int]
    alt: str
    aspect: float = 1.0


@dataclass(frozen=True)
class Plot:
    """Points of two groups, in the colours of the page's theme; a click tells the nearest point that is not greyed.

    Attributes
    ----------
    name : str
        Asked for, with the number of the point that was clicked.
    points : bytes
        Of float32, little-endian: x (0 to 1) and y of one point after the other.
    groups : bytes
        A byte a point: 0 or 1, or 2 for those that are greyed.
    x, y : str
        What the axes show.
    names : tuple of str
        Names of the two groups.
    selected : int
        The point that has a ring.
    """

    name: str
    points: bytes = field(repr=False)
    groups: bytes = field(repr=False)
    x: str
    y: str
    names: tuple[str, str]
    selected: int


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
    controls : tuple of Choice, Slider or Button
    pictures : tuple of Picture
    facts : tuple of (str, str)
        A table of two columns.
    said : str
        A line above all.
    plane : Plane, optional
        Left of the facts.
    plot : Plot, optional
        Right of the facts.
    """

    controls: tuple[Choice | Slider | Button, ...]
    pictures: tuple[Picture, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    said: str = ""
    plane: Plane | None = None
    plot: Plot | None = None

    def binaries(self) -> dict[str, bytes]:
        """Return what travels as bytes, by a name of its own."""
        found = {f"picture {each.name}": each.png for each in self.pictures}
        for part, names in ((self.plane, ("levels", "mask")), (self.plot, ("points", "groups"))):
            found |= {name: getattr(part, name) for name in names if part}
        return found


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
