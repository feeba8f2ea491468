"""Parts of a `panel.View` beside pictures: controls, an image with all its grey levels, and a plot.

A panel's state is a frozen dataclass with a field for the value of each control, named as the control. A list and a
slider may share a field; the list's name then ends in ``LIST``.
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
        Its name in events; the text before it.
    options : tuple of str
    value : int
        Index of the chosen option.
    """

    name: str
    label: str
    options: tuple[str, ...]
    value: int = 0

    @property
    def last(self) -> int:
        """Index of the last option."""
        return len(self.options) - 1


@dataclass(frozen=True)
class Slider:
    """A slider from 0 to ``last``. Arrow keys move it from anywhere in the panel."""

    name: str
    label: str
    last: int
    value: int = 0


Control = Choice | Slider


def at(state: object, *controls: Control) -> tuple[Control, ...]:
    """Return controls with their values in a state."""
    return tuple(replace(each, value=getattr(state, each.name.removesuffix(LIST))) for each in controls)


def moved(state: State, asked: Asked, controls: tuple[Control, ...], **restart: int) -> State:
    """Return the next state after an event: the control takes the value, or the nearest possible one.

    Parameters
    ----------
    restart
        Other fields to set, with their values.
    """
    (control,) = (each for each in controls if each.name == asked.name)
    before: Any = state
    value = min(max(asked.value, 0), control.last)
    changed: State = replace(before, **restart | {control.name.removesuffix(LIST): value})
    return changed


@dataclass(frozen=True)
class Button:
    """A button; its event has its name."""

    name: str
    label: str


@dataclass(frozen=True)
class Plane:
    """An image with all its grey levels, to zoom, move and window.

    Attributes
    ----------
    levels : bytes
        Grey levels row by row, uint16, little-endian: 0 is the intensity ``low``, 65535 is ``high``.
    mask : bytes
        As many values of uint8; where it is not 0, ``colour`` is painted. May be empty.
    width, height : int
    low, high, white : float
        Intensities; ``white`` is shown as white at first.
    colour : tuple of int
        Red, green, blue.
    alt : str
        Alternative text.
    aspect : float
        Width of a pixel, in heights.
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
    """Points of two groups. A click selects the nearest point that is not greyed.

    Attributes
    ----------
    name : str
        Its name in events, whose value is the number of the clicked point.
    points : bytes
        x (0 to 1) and y of one point after the other, float32, little-endian.
    groups : bytes
        The group of each point, a byte: 0 or 1, or 2 if it is greyed.
    x, y : str
        Labels of the axes.
    names : tuple of str
        Names of the two groups.
    selected : int
        Number of the point with a ring; -1 for none.
    """

    name: str
    points: bytes = field(repr=False)
    groups: bytes = field(repr=False)
    x: str
    y: str
    names: tuple[str, str]
    selected: int
