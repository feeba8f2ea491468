"""Set-up of a worker of this machine: see `scheduler.specification`."""

import signal


def dask_setup(worker: object) -> None:
    """Ignore Ctrl-C, which the terminal sends to every process: the worker's driver handles it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
