"""The process that workers and notebooks' kernels are forked from, on Linux alone: it has imported what they need.

Each of them would take four to five seconds of a core and hundreds of megabytes of its own for that.
"""

import multiprocessing
import os
import signal
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from multiprocessing import forkserver

ARENA = {"MALLOC_ARENA_MAX": "1"}
"""Of a worker's environment: it trains in a thread, whose memory glibc would otherwise give back and fetch anew at
every step. That took a third of the time (at 64 pixels 6.6 s of a training became 4.4)."""

IMPORTED = ("brats_al_utils.runs.engine", "torchvision.models")
"""By all of them."""

LONGEST = 74
"""Bytes of the folder for temporary files: a socket's name, of at most 107, has 32 more."""

FORKS = sys.platform == "linux"
"""Whether there is such a process: macOS' own libraries do not bear a fork."""


def start(imported: Sequence[str] = ()) -> None:
    """Start it, unless it runs; it imports while its caller goes on.

    Parameters
    ----------
    imported : sequence of str
        Modules, besides ``IMPORTED``.
    """
    if not FORKS:
        return
    multiprocessing.get_context("forkserver").set_forkserver_preload([*IMPORTED, *imported])
    if len(os.fsencode(tempfile.gettempdir())) > LONGEST:  # as a cluster's scheduler names it
        tempfile.tempdir = os.environ["TMPDIR"] = "/tmp"  # noqa: S108 - folders of our own are made in it
    # Ctrl-C goes to every process of a terminal; while it imports, it would end with a traceback.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        with environment(ARENA):
            forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


@contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Have this process, and what it starts, find variables in its environment, which is put back."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
