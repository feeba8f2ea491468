"""Helpers of the notebooks that reproduce Hao et al. 2021."""

from collections.abc import Iterable
from difflib import get_close_matches

__version__ = "0.1.0"


class InputError(ValueError):
    """Input that cannot be used; the message names it, what was expected, and what to do."""


def nearest(name: str, names: Iterable[str]) -> str:
    """Return the end of a message on an unknown name: the nearest known name, or else all of them."""
    known = list(names)
    near = get_close_matches(name, known, 1)
    return f"did you mean {near[0]}?" if near else f"expected one of {', '.join(known)}"


def settings_of(pairs: Iterable[str] | None) -> dict[str, str]:
    """Return typed settings (name=value) as a dictionary.

    Raises
    ------
    InputError
        If one has no equals sign.
    """
    settings = {}
    for pair in pairs or []:
        name, sign, value = pair.partition("=")
        if not sign:
            raise InputError(f"{pair!r} is not a setting, expected name=value")
        settings[name] = value
    return settings
