"""One way to show how far long work is: tqdm, as the terminal or the notebook has it."""

import warnings
from collections.abc import Callable, Iterable
from typing import Any

Track = Callable[[Iterable[Any]], Iterable[Any]]
"""Passes items on one by one, and may show how many have gone by (tqdm, for instance)."""


def untracked(items: Iterable[Any]) -> Iterable[Any]:
    """Pass items on and show nothing."""
    return items


def bar(items: Iterable[Any] | None = None, **more: Any) -> Any:
    """Return a bar of tqdm that goes when it is full; where nobody sees it (a file, a pipe), nothing is shown."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # without ipywidgets a notebook has no bar, and needs no warning of it
        from tqdm.auto import tqdm
    return tqdm(items, leave=False, dynamic_ncols=True, disable=None, **more)


def patients(items: Iterable[Any]) -> Iterable[Any]:
    """Pass patients on, with a bar."""
    return bar(items, unit=" patients")  # type: ignore[no-any-return]
