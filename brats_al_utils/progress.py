"""One way to show how far long work is: tqdm, as the terminal or the notebook has it."""

import os
from collections.abc import Callable, Iterable
from typing import Any

Track = Callable[[Iterable[Any]], Iterable[Any]]
"""Passes items on one by one, and may show how many have gone by (tqdm, for instance)."""


def untracked(items: Iterable[Any]) -> Iterable[Any]:
    """Pass items on and show nothing."""
    return items


def bar(items: Iterable[Any] | None = None, **more: Any) -> Any:
    """Return a bar of tqdm that goes when it is full; where nobody sees it (a file, a pipe), nothing is shown."""
    from tqdm.auto import tqdm

    unseen = True if os.environ.get("TQDM_DISABLE") else None  # None: unless it goes to a terminal or into a notebook
    return tqdm(items, leave=False, dynamic_ncols=True, disable=unseen, **more)


def patients(items: Iterable[Any]) -> Iterable[Any]:
    """Pass patients on, with a bar."""
    return bar(items, unit=" patients")  # type: ignore[no-any-return]


def runs(items: Iterable[Any]) -> Iterable[Any]:
    """Pass runs on, with a bar."""
    return bar(items, unit=" runs")  # type: ignore[no-any-return]
