"""Workers that several notebooks share; the notebooks' kernels are children of this process."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from distributed import Client

from brats_al_utils import InputError
from brats_al_utils.progress import bar
from brats_al_utils.runs.engine import TOPIC, address, connected, local
from brats_al_utils.runs.scheduler import gpus, workers_of


@contextmanager
def shared_workers(workers: str, device: str) -> Iterator[str]:
    """Provide workers for the kernels of several notebooks, and show their progress.

    Parameters
    ----------
    workers, device : str
        As for `distribute`.

    Yields
    ------
    str
        The parameter ``workers`` for each kernel.
    """
    with ExitStack() as stack:
        if "://" in workers:
            client = stack.enter_context(connected(workers))
        else:
            client = stack.enter_context(local(workers_of(workers, device), device))
        stack.enter_context(watched(client))
        yield address(client)


@contextmanager
def watched(client: Client) -> Iterator[None]:
    """Show the progress of a scheduler's workers, within a block."""
    with bar(unit=" images", unit_scale=True) as line:

        def follow(event: tuple[float, dict[str, Any]]) -> None:
            if total := event[1].get("total"):
                line.reset(total)  # the remaining time is estimated from here
            else:
                line.set_postfix_str(event[1]["text"], refresh=False)
                line.update(event[1]["images"])

        client.subscribe_topic(TOPIC, follow)
        yield
        client.unsubscribe_topic(TOPIC)


def per_gpu_workers(count: int, device: str) -> str:
    """Return the parameter ``workers`` for some processes on each GPU.

    Raises
    ------
    InputError
        If there is no GPU.
    """
    if not gpus(device):
        raise InputError("torch finds no GPU here, expected one for --workers-per-gpu: use --workers")
    return str(count * gpus(device))
