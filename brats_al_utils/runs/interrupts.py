"""What a worker of this machine does at its start: see `scheduler.specification`."""

import signal


def dask_setup(worker: object) -> None:
    """Leave Ctrl-C, which the terminal sends to every process, to the worker's driver."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
