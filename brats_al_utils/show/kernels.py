"""Kernels that execute notebooks: of this Python and this checkout, whatever kernels Jupyter finds on the machine.

On Linux they are forked from a process that has imported what notebooks do: see `forks`.
"""

import atexit
import gc
import multiprocessing
import os
import signal
import threading
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import IO, Any

import dask
from ipykernel.kernelspec import get_kernel_dict
from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning.local_provisioner import LocalProvisioner

from brats_al_utils.runs import forks
from brats_al_utils.study.places import ROOT

IMPORTED = (
    "ipykernel.kernelapp",
    "brats_al_utils.show.paper_figures",
    "brats_al_utils.show.tables",
    "brats_al_utils.study.opening",
    "brats_al_utils.study.stages",
)
"""By what kernels are forked from: as notebooks do, but for what asks at once which kernel it is in (widgets)."""

NAME = "kernel"
"""Of a forked kernel in lists of processes, where it has its parent's command line."""


def prepare() -> None:
    """Have that process import what notebooks do, while this one goes on."""
    forks.start(IMPORTED)


class Forked:
    """A forked kernel as Jupyter sees a process: what it asks of a `subprocess.Popen`."""

    stdin = stdout = stderr = None

    def __init__(self, process: ForkServerProcess) -> None:
        self.process = process
        self.pid = process.pid or 0
        self.kill, self.terminate = process.kill, process.terminate

    def poll(self) -> int | None:
        """Return how it ended, or None."""
        return self.process.exitcode

    def wait(self) -> int | None:
        """Wait until it has ended."""
        self.process.join()
        return self.process.exitcode

    def send_signal(self, number: int) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)


class ForkedProvisioner(LocalProvisioner):
    """Forks a kernel where Jupyter would start a program."""

    async def launch_kernel(self, cmd: list[str], **options: Any) -> KernelConnectionInfo:
        """Start a kernel; its arguments are those after ``-m ipykernel_launcher`` in its command."""
        arguments = cmd[cmd.index("ipykernel_launcher") + 1 :]
        self.cwd = options.get("cwd") or Path.cwd()
        said = f"/proc/{os.getpid()}/fd/{options['stderr'].fileno()}"
        process = multiprocessing.get_context("forkserver").Process(
            target=be_kernel, args=(arguments, options["env"], str(self.cwd), said)
        )
        process.start()
        atexit.register(process.kill)  # this process would wait for it
        self.process = Forked(process)  # type: ignore[assignment]
        self.pid = self.pgid = process.pid
        return self.connection_info


def be_kernel(arguments: list[str], variables: dict[str, str], folder: str, said: str) -> None:
    """Make the process that has just been forked what a kernel's program would be.

    Parameters
    ----------
    arguments : list of str
        Of that program.
    variables : dict of str to str
        Its environment.
    folder : str
        It works here.
    said : str
        Receives what it says outside the notebook.
    """
    gc.freeze()  # what was there before the fork is not gone through, at 0.6 s each time, by every full collection
    os.setsid()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
    Path("/proc/self/comm").write_text(NAME, encoding="utf-8")
    with Path(said).open("ab") as file:
        os.dup2(file.fileno(), 2)
    os.environ.clear()
    os.environ.update(variables)
    os.chdir(folder)
    threading.Thread(target=end_with_driver, daemon=True).start()

    # These read the environment when they are imported, which was before.
    import matplotlib

    matplotlib.rcParams["backend"] = variables.get("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    dask.config.refresh()

    from ipykernel.kernelapp import IPKernelApp

    IPKernelApp.launch_instance(arguments, parent_handle=os.getppid())  # without it greets who starts it by hand


def end_with_driver() -> None:
    """End this process when its driver has ended: what it was forked from lives on as long as it does."""
    if driver := multiprocessing.parent_process():
        driver.join()
        os._exit(1)


def manager(said: IO[bytes]) -> type[AsyncKernelManager]:
    """Return what starts a kernel.

    Parameters
    ----------
    said : file
        Where the kernel says what it has to say outside the notebook: why it cannot start, for instance.
    """
    # A bar that nobody sees would stay in the executed copy.
    packages = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    # Jupyter fills in what stands after a dollar sign.
    spec = KernelSpec(**get_kernel_dict(), env={"PYTHONPATH": packages.replace("$", "$$"), "TQDM_DISABLE": "1"})
    if forks.FORKS:
        spec.metadata["kernel_provisioner"] = {"provisioner_name": "brats-al-forked"}  # of pyproject.toml

    class ThisPython(AsyncKernelManager):
        kernel_spec = spec

        async def start_kernel(self, **options: Any) -> None:  # type: ignore[override]
            prepare()
            await super().start_kernel(stderr=said, **options)

    return ThisPython
