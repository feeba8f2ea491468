"""JupyterLab as `make lab` starts it, in a browser: what the tests of single notebooks share."""

import json
import os
import re
import secrets
import shlex
import shutil
import subprocess
import sys
import time
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import nbformat
import psutil
from conftest import make
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from brats_al_utils.beyond.annotation.launch import free_port

ROOT = Path(__file__).resolve().parents[1]
SETTINGS: dict[str, dict[str, Any]] = {
    # Every cell is in the document, also those below the window's edge.
    "@jupyterlab/notebook-extension/tracker": {"windowingMode": "none"},
    # The state of widgets goes into the saved notebook: no image may be in it.
    "@jupyter-widgets/jupyterlab-manager/plugin": {"saveState": True},
}


@dataclass(frozen=True)
class Lab:
    """A JupyterLab server that runs, on a copy of the notebooks in ``folder``."""

    folder: Path
    port: int
    token: str
    process: psutil.Popen

    def url(self, notebook: str) -> str:
        """Return where a notebook opens, in a workspace of its own: in a shared one, earlier notebooks come back."""
        workspace = Path(notebook).stem
        return f"http://127.0.0.1:{self.port}/lab/workspaces/{workspace}/tree/{notebook}?token={self.token}"

    def status(self, path: str, token: str = "", method: str = "GET") -> int:
        """Return the HTTP status with which the server answers."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, headers={"Authorization": f"token {token}"} if token else {})
            return connection.getresponse().status
        finally:
            connection.close()

    def starts(self) -> bool:
        """Say whether the server does not answer yet."""
        assert self.process.poll() is None, (self.folder / "server.log").read_text(encoding="utf-8")
        try:
            return self.status("/api") != 200
        except OSError:
            return True

    def processes(self) -> list[psutil.Process]:
        """Return the server and its kernels."""
        return [self.process, *self.process.children(recursive=True)]

    def addresses(self) -> set[str]:
        """Return the addresses on which the server and its kernels listen."""
        sockets = []
        for process in self.processes():
            with suppress(psutil.NoSuchProcess):  # the server asks short-lived programs for their versions
                sockets += process.net_connections("inet")
        return {each.laddr.ip for each in sockets if each.status == psutil.CONN_LISTEN}

    def stop(self) -> None:
        """Shut down, and kill what is still there after that."""
        if self.process.poll() is not None:
            return
        processes = self.processes()
        try:
            self.status("/api/shutdown", self.token, "POST")
        except OSError:
            self.process.terminate()
        _, alive = psutil.wait_procs(processes, timeout=30)
        for process in alive:
            process.kill()
        psutil.wait_procs(alive)


HOOK = "--ContentsManager.pre_save_hook"


def lab_command(saves_outputs: bool) -> list[str]:
    """Return the command of `make lab`, with this Python's jupyter; or with outputs saved, as other programs do."""
    (command,) = make("lab", ROOT, "--dry-run").splitlines()
    words = shlex.split(command)
    program = words.index(".venv/bin/jupyter")
    words[program] = str(Path(sys.executable).with_name("jupyter"))
    place = words.index(HOOK)
    if saves_outputs:
        del words[place : place + 2]
    return words


def environment(folder: Path) -> dict[str, str]:
    """Return an environment in which Jupyter neither reads the user's files nor writes to them."""
    ours = ("JUPYTER", "IPYTHON", "MPL", "XDG_")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    jupyter = {f"JUPYTER_{name}_DIR": name.lower() for name in ("CONFIG", "DATA", "RUNTIME")}
    jupyter |= {f"JUPYTERLAB_{name}_DIR": name.lower() for name in ("SETTINGS", "WORKSPACES")}
    return inherited | {name: str(folder / path) for name, path in {"HOME": "home", **jupyter}.items()}


def write_settings(folder: Path) -> None:
    """Write the user's settings where JupyterLab looks for them."""
    for name, values in SETTINGS.items():
        path = folder / "settings" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values), encoding="utf-8")


def edit_parameters(path: Path, values: Mapping[str, object]) -> None:
    """Set parameters in the notebook's first code cell, as a student would."""
    notebook = nbformat.read(path, as_version=4)
    cell = next(cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", []))
    for name, value in values.items():
        found = re.search(rf"^{name}: \w+ = (.*?)(  #|$)", cell.source, re.MULTILINE)
        assert found, name
        cell.source = cell.source[: found.start(1)] + repr(value) + cell.source[found.end(1) :]
    nbformat.write(notebook, path)


@contextmanager
def started_lab(
    folder: Path, parameters: Mapping[str, Mapping[str, object]], saves_outputs: bool = True
) -> Iterator[Lab]:
    """Start JupyterLab on a copy of the notebooks, which autosave may change, some with other parameters."""
    shutil.copytree(ROOT / "notebooks", folder / "notebooks", ignore=shutil.ignore_patterns(".*"))
    for notebook, values in parameters.items():
        edit_parameters(folder / "notebooks" / notebook, values)
    write_settings(folder)
    (folder / "home").mkdir()
    port, token = free_port(None), secrets.token_hex()
    address = ["--port", str(port), "--ServerApp.port_retries=0", f"--IdentityProvider.token={token}"]
    with (folder / "server.log").open("w", encoding="utf-8") as log:
        streams: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": subprocess.STDOUT}
        command = [*lab_command(saves_outputs), *address, "--no-browser"]
        process = psutil.Popen(command, cwd=folder, env=environment(folder), start_new_session=True, **streams)
    lab = Lab(folder, port, token, process)
    try:
        deadline = time.monotonic() + 60
        while lab.starts():
            assert time.monotonic() < deadline, (folder / "server.log").read_text(encoding="utf-8")
            time.sleep(0.2)
        yield lab
    finally:
        lab.stop()


def all_of(parent: WebDriver | WebElement, selector: str) -> list[WebElement]:
    return list(parent.find_elements(By.CSS_SELECTOR, selector))


def text_of(elements: list[WebElement]) -> str:
    return "\n".join(str(element.get_attribute("textContent")) for element in elements)


def wait(browser: WebDriver, seconds: int, condition: Callable[[], bool], problem: str) -> None:
    """Wait until a condition holds; that JupyterLab replaces an element while it is looked at is no problem."""
    patient = WebDriverWait(browser, seconds, 0.05, ignored_exceptions=[StaleElementReferenceException])
    patient.until(lambda _: condition(), problem)


def choose(browser: WebDriver, menu: str, item: str) -> None:
    """Choose an item of a menu."""

    def click(selector: str, text: str) -> bool:
        found = next((each for each in all_of(browser, selector) if each.text == text), None)
        if found:
            found.click()
        return found is not None

    wait(browser, 10, lambda: click(".lm-MenuBar-itemLabel", menu), f"no menu {menu}")
    wait(browser, 10, lambda: click(".lm-Menu-itemLabel", item), f"no item {item}")


def save_notebook(browser: WebDriver, path: Path) -> str:
    """Save the notebook by its menu, and return what its file then holds."""
    before = path.stat().st_mtime_ns
    choose(browser, "File", "Save Notebook")

    def written() -> bool:
        return path.stat().st_mtime_ns > before and path.read_text(encoding="utf-8").endswith("}\n")  # not half of it

    wait(browser, 20, written, "the notebook is not saved")
    return path.read_text(encoding="utf-8")


def run_all_cells(browser: WebDriver) -> list[WebElement]:
    """Run the notebook by its menu; return the code cells when none of them waits any more."""

    def is_idle() -> bool:
        # The sign beside the kernel's name says idle before there is a kernel, and cells run then are not run at all.
        return "| Idle" in text_of(all_of(browser, "#jp-main-statusbar"))

    def is_done() -> bool:
        prompts = text_of(all_of(browser, ".jp-CodeCell .jp-InputPrompt"))
        # A folded cell shows no number: one that fails leaves its error alone.
        ran = re.search(r"\[\d+\]", prompts) or all_of(browser, ".jp-CodeCell .jp-OutputArea-output")
        return bool(ran) and "[*]" not in prompts and is_idle()

    wait(browser, 60, is_idle, "the kernel is not idle")
    choose(browser, "Run", "Run All Cells")
    wait(browser, 300, is_done, "the notebook is not done")
    return all_of(browser, ".jp-CodeCell")


def check_saved(saved: Any, figures: Path, panels: int) -> None:
    """Nothing that a panel shows is in a saved notebook: the figures of its folder are."""
    outputs = [output.data for cell in saved.cells for output in cell.get("outputs", []) if "data" in output]
    images = [b64decode(data.pop("image/png")) for data in outputs if "image/png" in data]
    assert len(outputs) >= sum(cell.cell_type == "code" for cell in saved.cells) - 3
    assert sorted(images) == sorted(path.read_bytes() for path in figures.glob("*.png"))
    states = saved.metadata["widgets"]["application/vnd.jupyter.widget-state+json"]["state"].values()
    assert sum(each["model_name"] == "AnyModel" for each in states) == panels
    assert not any("buffers" in each for each in states)
    rest = json.dumps(saved)
    for kept in ("iVBOR", "image/jpeg", "image/svg", "blob:", "nobody-"):
        assert kept not in rest
