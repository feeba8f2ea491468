"""The fork server of workers and notebooks' kernels, on Linux alone: it has imported what they need.

Otherwise each of them would take four to five seconds of a core for its imports, and hundreds of megabytes.
"""

import multiprocessing
import os
import signal
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from multiprocessing import forkserver, resource_tracker

ARENA = {"MALLOC_ARENA_MAX": "1"}
"""Environment of a worker: it trains in a thread, whose memory glibc would otherwise return to the system and request
again in every step. That took a third of the time (at 64 pixels, 6.6 s of a training became 4.4 s)."""

IMPORTED = ("brats_al_utils.runs.engine", "torchvision.models")
"""Modules that every forked process needs."""

LONGEST = 74
"""Largest length (bytes) of the path of the folder for temporary files: a socket's path, at most 107, has 32 more."""

FORKS = sys.platform == "linux"
"""Whether there is a fork server: the system libraries of macOS do not survive a fork."""


def start(imported: Sequence[str] = ()) -> None:
    """Start the fork server, unless it runs; it imports in the background.

    Parameters
    ----------
    imported : sequence of str
        Modules to import beside ``IMPORTED``.
    """
    if not FORKS:
        return
    multiprocessing.get_context("forkserver").set_forkserver_preload([*IMPORTED, *imported])
    if len(os.fsencode(tempfile.gettempdir())) > LONGEST:  # schedulers of clusters set such paths
        tempfile.tempdir = os.environ["TMPDIR"] = "/tmp"  # noqa: S108 - private folders are made in it
    # Ctrl-C goes to every process of a terminal, and would end the imports with a traceback. The tracker is started
    # first: it takes Ctrl-C from the blocked signals.
    resource_tracker.ensure_running()
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        with environment(ARENA):
            forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


@contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables of this process and of those that it starts, within a block."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
