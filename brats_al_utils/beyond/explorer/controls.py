"""What a `panel.View` may hold beside pictures: controls, an image with all its grey levels, and a plot.

A panel's state is a frozen dataclass with a field for each control, by its name: its value. A list and a slider may
stand for one field; the list's name then ends in ``LIST``.
"""

from dataclasses import dataclass, field, replace
from typing import Any

from brats_al_utils.show.panel import Asked, State

LIST = " list"


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
    value: int = 0

    @property
    def last(self) -> int:
        """The place of the last option."""
        return len(self.options) - 1


@dataclass(frozen=True)
class Slider:
    """A slider from 0 to ``last``, which the keys move wherever they are pressed in the panel."""

    name: str
    label: str
    last: int
    value: int = 0


Control = Choice | Slider


def at(state: object, *controls: Control) -> tuple[Control, ...]:
    """Return controls with the values that a state gives them."""
    return tuple(replace(each, value=getattr(state, each.name.removesuffix(LIST))) for each in controls)


def moved(state: State, asked: Asked, controls: tuple[Control, ...], **restart: int) -> State:
    """Return the state that follows when a control was set to a value, or to the nearest that it has.

    Parameters
    ----------
    restart
        Values of fields that start again.
    """
    (control,) = (each for each in controls if each.name == asked.name)
    before: Any = state
    value = min(max(asked.value, 0), control.last)
    changed: State = replace(before, **restart | {control.name.removesuffix(LIST): value})
    return changed


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
