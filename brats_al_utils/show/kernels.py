"""Kernels that execute notebooks with this Python and this checkout, whatever kernels Jupyter finds on the machine.

On Linux they are forked from a process that has imported the notebooks' modules: see `forks`.
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
"""Modules that the fork server imports for notebooks, without those that need a kernel at import (widgets)."""

NAME = "kernel"
"""Name of a forked kernel in lists of processes; its command line is that of its parent."""


def prepare() -> None:
    """Start the fork server, which imports the notebooks' modules in the background."""
    forks.start(IMPORTED)


class Forked:
    """A forked kernel with the methods of `subprocess.Popen` that Jupyter uses."""

    stdin = stdout = stderr = None

    def __init__(self, process: ForkServerProcess) -> None:
        self.process = process
        self.pid = process.pid or 0
        self.kill, self.terminate = process.kill, process.terminate

    def poll(self) -> int | None:
        """Return its exit code, or None if it runs."""
        return self.process.exitcode

    def wait(self) -> int | None:
        """Wait until it ends, and return its exit code."""
        self.process.join()
        return self.process.exitcode

    def send_signal(self, number: int) -> None:
        """Send a signal to it."""
        os.kill(self.pid, number)


class ForkedProvisioner(LocalProvisioner):
    """Forks a kernel in place of starting a program."""

    async def launch_kernel(self, cmd: list[str], **options: Any) -> KernelConnectionInfo:
        """Start a kernel with the arguments after ``-m ipykernel_launcher`` of its command."""
        arguments = cmd[cmd.index("ipykernel_launcher") + 1 :]
        self.cwd = options.get("cwd") or Path.cwd()
        said = f"/proc/{os.getpid()}/fd/{options['stderr'].fileno()}"
        process = multiprocessing.get_context("forkserver").Process(
            target=be_kernel, args=(arguments, options["env"], str(self.cwd), said)
        )
        process.start()
        atexit.register(process.kill)  # otherwise this process waits for it at its end
        self.process = Forked(process)  # type: ignore[assignment]
        self.pid = self.pgid = process.pid
        return self.connection_info


def be_kernel(arguments: list[str], variables: dict[str, str], folder: str, said: str) -> None:
    """Run a kernel in the process that has just been forked.

    Parameters
    ----------
    arguments : list of str
        Arguments of the kernel.
    variables : dict of str to str
        Its environment.
    folder : str
        Its working directory.
    said : str
        File for its output outside the notebook.
    """
    gc.freeze()  # objects from before the fork are not collected, which takes 0.6 s each time
    os.setsid()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
    Path("/proc/self/comm").write_text(NAME, encoding="utf-8")
    with Path(said).open("ab") as file:
        os.dup2(file.fileno(), 2)
    os.environ.clear()
    os.environ.update(variables)
    os.chdir(folder)
    threading.Thread(target=end_with_driver, daemon=True).start()

    # These have read the environment when they were imported, before the fork.
    import matplotlib

    matplotlib.rcParams["backend"] = variables.get("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    dask.config.refresh()

    from ipykernel.kernelapp import IPKernelApp

    IPKernelApp.launch_instance(arguments, parent_handle=os.getppid())  # with a parent it prints no greeting


def end_with_driver() -> None:
    """End this process when its driver ends: otherwise the fork server would live on as long as this process."""
    if driver := multiprocessing.parent_process():
        driver.join()
        os._exit(1)


def manager(said: IO[bytes]) -> type[AsyncKernelManager]:
    """Return the class that starts a kernel.

    Parameters
    ----------
    said : file
        File for the kernel's output outside the notebook: why it cannot start, for instance.
    """
    # Without tqdm: its bars would stay in the executed copy.
    packages = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    # Jupyter replaces names after a dollar sign.
    spec = KernelSpec(**get_kernel_dict(), env={"PYTHONPATH": packages.replace("$", "$$"), "TQDM_DISABLE": "1"})
    if forks.FORKS:
        spec.metadata["kernel_provisioner"] = {"provisioner_name": "brats-al-forked"}  # of pyproject.toml

    class ThisPython(AsyncKernelManager):
        kernel_spec = spec

        async def start_kernel(self, **options: Any) -> None:  # type: ignore[override]
            prepare()
            await super().start_kernel(stderr=said, **options)

    return ThisPython
