"""Show the progress of long work: a bar of tqdm in a terminal or a notebook, lines in a log."""

import os
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any

Track = Callable[[Iterable[Any]], Iterable[Any]]
"""Yields items one by one, and may show how many were yielded (tqdm, for instance)."""


def untracked(items: Iterable[Any]) -> Iterable[Any]:
    """Yield the items and show nothing."""
    return items


MINUTE = 60.0
"""Smallest number of seconds between two lines in a log."""


def bar(items: Iterable[Any] | None = None, **more: Any) -> Any:
    """Return a bar of tqdm that disappears when it is full; in a file or a pipe, one line a minute."""
    from tqdm.auto import tqdm

    hidden, notebook = bool(os.environ.get("TQDM_DISABLE")), getattr(sys.modules.get("IPython"), "get_ipython", bool)()
    if hidden or notebook or sys.stderr.isatty():
        return tqdm(items, leave=False, dynamic_ncols=True, disable=hidden, **more)
    from tqdm import tqdm as plain

    class Log(plain):  # type: ignore[misc]
        said = time.monotonic()

        def display(self, *_: Any) -> None:
            if self.total and time.monotonic() - self.said >= MINUTE:
                self.said = time.monotonic()
                print(self, file=sys.stderr, flush=True)

        def clear(self, *_: Any, **__: Any) -> None:
            pass

        def close(self) -> None:
            self.disable = True

    line = "{percentage:.0f} % of {total_fmt}{unit}, {elapsed} so far, {remaining} left{postfix}"
    return Log(items, bar_format=line, **more)


def say(line: str) -> None:
    """Print a line, above the bar if there is one."""
    from tqdm import tqdm

    tqdm.write(line)
    sys.stdout.flush()


def patients(items: Iterable[Any]) -> Iterable[Any]:
    """Yield patients, with a bar."""
    return bar(items, unit=" patients")  # type: ignore[no-any-return]


def runs(items: Iterable[Any]) -> Iterable[Any]:
    """Yield runs, with a bar."""
    return bar(items, unit=" runs")  # type: ignore[no-any-return]
