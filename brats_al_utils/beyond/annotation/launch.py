"""From a command to the first image: JupyterLab on a copy of notebook 10 whose cells have already run.

The server listens only on loopback, with a token of its own, and serves only the annotation's folder. The copy is in
that folder too, so no file that git tracks is ever opened.
"""

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from http.client import HTTPConnection
from pathlib import Path
from queue import Empty
from typing import Any

import nbformat
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_core.paths import jupyter_runtime_dir
from nbformat.sign import NotebookNotary
from nbformat.v4 import new_code_cell, output_from_msg

from brats_al_utils import InputError
from brats_al_utils.files import alive, lock, write_file
from brats_al_utils.runs.forks import environment
from brats_al_utils.show.notebooks import FOLDER

NOTEBOOK = "10_annotate.ipynb"
COPY = "annotate.ipynb"
"""Name of the notebook's copy in the annotation's folder; while it is served, another reader's bears the port too."""

FIRST = ("parameters", "open", "desk")
"""Cells that are joined into the copy's first cell, so that the image is at the top of the page."""

OUTPUTS = ("execute_result", "display_data", "stream", "error")
"""Kinds of a kernel's messages that are outputs of a cell."""

LOG = "jupyterlab.log"

START = 60.0
"""Seconds to wait for the server, and for the kernel."""


def copied(parameters: Mapping[str, object]) -> Any:
    """Return notebook 10 with other parameters, its code folded and the desk first."""
    notebook = nbformat.read(FOLDER / NOTEBOOK, as_version=4)
    cells = {cell.id: cell for cell in notebook.cells}
    known, *rest = (cells.pop(name).source for name in FIRST)
    values = "\n".join(f"{name} = {value!r}" for name, value in parameters.items())
    notebook.cells = [new_code_cell("\n\n".join([known, values, *rest]), id="annotate"), *cells.values()]
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.metadata["jupyter"] = {"source_hidden": True}
    return notebook


def annotate(
    folder: Path, parameters: Mapping[str, object], port: int | None, opened: Callable[[str], object] | None
) -> None:
    """Serve a copy of notebook 10 until it is interrupted.

    Parameters
    ----------
    folder : Path
        The annotation's folder.
    parameters : mapping of str to object
        The notebook's parameters.
    port : int, optional
        Port of the server; by default a free one.
    opened : callable, optional
        Opens a browser at an address.

    Raises
    ------
    InputError
        If the port is taken, JupyterLab does not start, or a cell fails.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # else the server would outlive this process
    port, token, notebook = free_port(port), secrets.token_hex(16), copied(parameters)
    with lock(folder / "annotate.lock") as had, own_folders():
        mark = "" if had == "had" else f"{port}-"
        path, log = folder / f"{mark}{COPY}", folder / f"{mark}{LOG}"
        serve(path, log, notebook, port, token, opened)


def serve(path: Path, log: Path, notebook: Any, port: int, token: str, opened: Callable[[str], object] | None) -> None:
    """Serve a notebook under a path: see `annotate`."""
    write_file(path, nbformat.writes(notebook).encode())
    with served(log, port, token):
        try:
            execute(notebook, kernel(port, token, path.name))
        except (RuntimeError, TimeoutError) as error:
            raise InputError(f"the notebook's kernel does not reply (see {log}): try again") from error
        write_file(path, nbformat.writes(notebook).encode())
        NotebookNotary().sign(nbformat.read(path, as_version=4))  # JupyterLab shows widgets only in trusted notebooks
        url = f"http://127.0.0.1:{port}/doc/tree/{path.name}?reset&token={token}"
        print(f"annotate at {url}\nEvery answer is saved at once; Ctrl-C here ends the server.", flush=True)
        if opened:
            opened(url)
        with suppress(KeyboardInterrupt):
            while True:
                time.sleep(3600)


def free_port(wanted: int | None) -> int:
    """Return the wanted port of loopback, or else a free one.

    Raises
    ------
    InputError
        If the wanted port is taken.
    """
    with socket.socket() as server:
        try:
            server.bind(("127.0.0.1", wanted or 0))
        except OSError as error:
            raise InputError(f"port {wanted} cannot be used ({error.strerror}): name another --port") from error
        return int(server.getsockname()[1])


@contextmanager
def own_folders() -> Iterator[None]:
    """Give the processes started in the block their own folders for Jupyter's files.

    The user's may be read-only, or hold a certificate, a password or another address that keeps the desk from opening.
    """
    with tempfile.TemporaryDirectory(prefix="brats-al-", ignore_cleanup_errors=True) as place:
        own = {"JUPYTER_DATA_DIR": f"{place}/data", "JUPYTER_RUNTIME_DIR": f"{place}/runtime", "JUPYTER_NO_CONFIG": "1"}
        with environment(own):
            yield


def proxied(variables: Mapping[str, str]) -> dict[str, str]:
    """Return environment variables without proxies with which JupyterLab does not start: of SOCKS, or without http://.

    The latter get it; the desk itself needs no proxy, but a committee's weights may.
    """
    proxies = {
        name: variables[name] for name in variables if name.lower() in ("http_proxy", "https_proxy", "all_proxy")
    }
    kept = {name: value if "://" in value else f"http://{value}" for name, value in proxies.items() if value}
    others = {name: value for name, value in variables.items() if name not in proxies}
    return others | {name: value for name, value in kept.items() if value.startswith("http")}


@contextmanager
def served(log: Path, port: int, token: str) -> Iterator[None]:
    """Start JupyterLab on the folder of its log, and end it with all of its kernels when the block ends."""
    options = [
        f"--port={port}",
        "--ip=127.0.0.1",
        "--no-browser",
        "--ServerApp.port_retries=0",
        f"--ServerApp.root_dir={log.parent.resolve()}",
        f"--LabApp.app_settings_dir={FOLDER / '.lab'}",
        *(["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []),  # as users of a container are
    ]
    with log.open("wb") as said:
        process = subprocess.Popen(  # noqa: S603 - this Python
            [sys.executable, "-m", "jupyterlab", *options],
            env=proxied(os.environ) | {"JUPYTER_TOKEN": token, "TQDM_DISABLE": "1"},  # a bar would stay in the copy
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            start_new_session=True,  # else Ctrl-C would reach it, and it would ask for confirmation
        )
    deadline = time.monotonic() + START
    try:
        while asked(port, "/api", token) is None:
            if process.poll() is not None or time.monotonic() > deadline:
                raise InputError(
                    f"JupyterLab does not start: see the last line of {log}; if a module is missing, make setup"
                )
            time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait()


def asked(port: int, path: str, token: str, body: Any = None) -> Any:
    """Return the server's reply; None while it does not listen yet."""
    connection = HTTPConnection("127.0.0.1", port, timeout=START)
    headers = {"Authorization": f"token {token}", "Content-Type": "application/json"}
    try:
        connection.request("POST" if body else "GET", path, json.dumps(body), headers)
        return json.loads(connection.getresponse().read())
    except ConnectionError:
        return None
    finally:
        connection.close()


def kernel(port: int, token: str, name: str = COPY) -> BlockingKernelClient:
    """Start the kernel that the copy will have when it is opened, and return a client of it."""
    session = {"path": name, "name": name, "type": "notebook", "kernel": {"name": "python3"}}
    reply = asked(port, "/api/sessions", token, session)
    if "kernel" not in reply:
        raise InputError(
            f"JupyterLab starts no kernel: {reply.get('message')}: install the environment again (make setup)"
        )
    number = reply["kernel"]["id"]
    client = BlockingKernelClient(connection_file=str(Path(jupyter_runtime_dir()) / f"kernel-{number}.json"))
    client.load_connection_file()
    client.start_channels(hb=False)  # the heartbeat would declare a slowly starting kernel dead
    client.wait_for_ready(timeout=START)
    return client


def execute(notebook: Any, client: BlockingKernelClient) -> None:
    """Execute a notebook's cells in a kernel that keeps running, and store their outputs.

    Raises
    ------
    InputError
        With the message of the first failing cell, or if the kernel dies.
    """
    pid = {"pid": "__import__('os').getpid()"}
    told = client.execute_interactive("", store_history=False, user_expressions=pid, timeout=START)["content"]
    process = int(told["user_expressions"]["pid"]["data"]["text/plain"])
    for number, cell in enumerate((each for each in notebook.cells if each.cell_type == "code"), 1):
        messages = [each for each in said(client, cell.source, process) if each["msg_type"] in OUTPUTS]
        if failed := next((each["content"] for each in messages if each["msg_type"] == "error"), None):
            raise InputError(f"notebook 10: {failed['evalue'] or failed['ename']}")
        cell.outputs, cell.execution_count = [output_from_msg(message) for message in messages], number
    client.stop_channels()


def said(client: BlockingKernelClient, source: str, process: int) -> Iterator[Any]:
    """Execute a cell, and yield what the kernel, whose process has a number, says of it until it is done."""
    cell = client.execute(source, allow_stdin=False)
    while True:
        try:
            message = client.get_iopub_msg(timeout=1)
        except Empty as error:
            if not alive(process):  # JupyterLab starts another, which knows nothing of this cell
                raise InputError("the notebook's kernel died: is memory short? What is trained is kept") from error
            continue
        if message["parent_header"].get("msg_id") == cell:
            yield message
            if message["content"].get("execution_state") == "idle":
                return
