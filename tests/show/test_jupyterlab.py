"""JupyterLab as `make lab` starts it: a student opens a notebook in a browser and runs all of its cells."""

import json
import os
import re
import secrets
import shlex
import shutil
import socket
import subprocess
import sys
import time
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

import nbformat
import psutil
import pytest
from conftest import make
from made_up import compute, write_cohort
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from brats_al_utils.runs import engine
from brats_al_utils.study.arms import explored
from brats_al_utils.study.opening import open_study
from brats_al_utils.study.trainer import train

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOK, EXPLORE = "01_transfer_vs_scratch.ipynb", "09_explore.ipynb"
SETTINGS = {
    # Every cell is in the document, also those below the window's edge.
    "@jupyterlab/notebook-extension/tracker": {"windowingMode": "none"},
    # The state of every widget is saved with the notebook, as a user may ask for.
    "@jupyter-widgets/jupyterlab-manager/plugin": {"saveState": True},
}
HOSTILE = "<img src=x onerror=alert(1)>nobody-"
"""What the names of persons in the cohort that is explored begin with; a number follows."""


@dataclass(frozen=True)
class Lab:
    """A JupyterLab server that runs, on a copy of the notebooks in ``folder``."""

    folder: Path
    port: int
    token: str
    process: psutil.Popen

    def url(self, notebook: str) -> str:
        return f"http://127.0.0.1:{self.port}/lab/tree/{notebook}?token={self.token}"

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
        assert self.process.poll() is None, (self.folder / "server.log").read_text()
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


def lab_command() -> list[str]:
    """Return the command of `make lab`, with this Python's jupyter."""
    (command,) = make("lab", ROOT, "--dry-run").splitlines()
    name, *arguments = shlex.split(command)
    return [str(Path(sys.executable).with_name(Path(name).name)), *arguments]


def free_port() -> int:
    """Return a port on which nothing listens."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


def environment(folder: Path) -> dict[str, str]:
    """Return an environment in which Jupyter neither reads the user's files nor writes to them."""
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "IPYTHON", "MPL", "XDG_"))
    }
    folders = {
        "HOME": folder / "home",
        "JUPYTER_CONFIG_DIR": folder / "config",
        "JUPYTER_DATA_DIR": folder / "data",
        "JUPYTER_RUNTIME_DIR": folder / "runtime",
        "JUPYTERLAB_SETTINGS_DIR": folder / "settings",
        "JUPYTERLAB_WORKSPACES_DIR": folder / "workspaces",
    }
    return inherited | {name: str(path) for name, path in folders.items()}


def write_settings(folder: Path) -> None:
    """Write the user's settings where JupyterLab looks for them."""
    for name, values in SETTINGS.items():
        path = folder / "settings" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(values))


def edit_parameters(path: Path, **values: str) -> None:
    """Choose parameters in the notebook's first code cell, as a student would."""
    notebook = nbformat.read(path, as_version=4)
    cell = next(cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", []))
    for name, value in values.items():
        cell.source, edits = re.subn(rf'^({name}: str =) ".*?"', rf'\1 "{value}"', cell.source, flags=re.MULTILINE)
        assert edits == 1
    nbformat.write(notebook, path)


def explored_study(folder: Path) -> Path:
    """Write a study of real patients, as far as anybody can tell, whose runs are made up; return its cohort."""
    data = write_cohort(folder / "clinic", masked=True, person=HOSTILE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "compute", compute)
        study = open_study("smoke", data, folder / "explored", device="cpu")
        train(study, explored(study.profile))
    return data


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Start JupyterLab on a copy of the notebooks, which autosave may change."""
    folder = tmp_path_factory.mktemp("lab")
    shutil.copytree(ROOT / "notebooks", folder / "notebooks", ignore=shutil.ignore_patterns(".*"))
    edit_parameters(folder / "notebooks" / NOTEBOOK, profile="smoke", out=str(folder / "out"))
    data = explored_study(folder)
    edit_parameters(folder / "notebooks" / EXPLORE, profile="smoke", data=str(data), out=str(folder / "explored"))
    write_settings(folder)
    (folder / "home").mkdir()
    port, token = free_port(), secrets.token_hex()
    address = ["--port", str(port), "--ServerApp.port_retries=0", f"--IdentityProvider.token={token}"]
    with (folder / "server.log").open("w") as log:
        process = psutil.Popen(
            # Root, as in a container, is refused unless it is allowed.
            [*lab_command(), *address, "--no-browser", "--allow-root"],
            cwd=folder,
            env=environment(folder),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    lab = Lab(folder, port, token, process)
    try:
        deadline = time.monotonic() + 60
        while lab.starts():
            assert time.monotonic() < deadline, (folder / "server.log").read_text()
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
    patient = WebDriverWait(browser, seconds, ignored_exceptions=[StaleElementReferenceException])
    patient.until(lambda _: condition(), problem)


def run_all_cells(browser: WebDriver) -> list[WebElement]:
    """Run the notebook by its menu; return the code cells when none of them waits any more."""

    def click(selector: str, text: str) -> bool:
        item = next((each for each in all_of(browser, selector) if each.text == text), None)
        if item:
            item.click()
        return item is not None

    def is_idle() -> bool:
        # The sign beside the kernel's name says idle before there is a kernel, and cells run then are not run at all.
        return "| Idle" in text_of(all_of(browser, "#jp-main-statusbar"))

    def is_done() -> bool:
        prompts = text_of(all_of(browser, ".jp-CodeCell .jp-InputPrompt"))
        return "[1]" in prompts and "[*]" not in prompts and is_idle()

    wait(browser, 60, is_idle, "the kernel is not idle")
    wait(browser, 10, lambda: click(".lm-MenuBar-itemLabel", "Run"), "no menu Run")
    wait(browser, 10, lambda: click(".lm-Menu-itemLabel", "Run All Cells"), "no item Run All Cells")
    wait(browser, 300, is_done, "the notebook is not done")
    return all_of(browser, ".jp-CodeCell")


def test_notebook_runs(lab: Lab, browser: WebDriver) -> None:
    browser.get(lab.url(NOTEBOOK))
    cells = run_all_cells(browser)

    # JupyterLab 4.6 marks a traceback as stderr too.
    kinds = [f"[data-mime-type='application/vnd.jupyter.{kind}']" for kind in ("error", "stderr")]
    complaints = all_of(browser, ", ".join(kinds))
    assert not complaints, text_of(complaints)
    prompts = [text_of(all_of(cell, ".jp-InputPrompt")) for cell in cells]
    assert prompts == [f"[{number}]:" for number in range(1, len(cells) + 1)]

    tables = text_of(all_of(browser, ".jp-OutputArea-output table"))
    assert "pretrained" in tables
    written = [path.name for path in (lab.folder / "out").glob("*.png")]
    images = all_of(browser, ".jp-OutputArea-output img")
    assert "table2.png" in written
    assert len(images) == len(written), f"{len(images)} images are shown of {', '.join(written)}"
    assert all(image.is_displayed() for image in images)
    assert all(int(str(image.get_property("naturalWidth"))) > 300 for image in images)

    (found,) = all_of(cells[-1], ".jp-OutputArea-output")
    assert found.is_displayed()
    assert re.search(r"validation, slice-level: [+-]\d+\.\d pp", found.text)
    assert re.search(r"test, patient-level: [+-]\d+\.\d pp", found.text)
    assert lab.addresses() == {"127.0.0.1"}


def test_server_needs_its_token_and_listens_on_loopback_only(lab: Lab) -> None:
    assert lab.status("/api/contents", lab.token) == 200
    assert lab.status("/api/contents") == 403
    assert lab.status("/api/contents", "guess") == 403
    assert lab.addresses() == {"127.0.0.1"}


def test_it_opens_on_the_start_page_without_a_question(lab: Lab, browser: WebDriver) -> None:
    browser.get(f"http://127.0.0.1:{lab.port}/?token={lab.token}")
    links = ".jp-RenderedMarkdown a"
    wait(browser, 60, lambda: "09_explore" in text_of(all_of(browser, links)), "no start page")
    time.sleep(1)  # in which a question would come
    assert not all_of(browser, ".jp-Dialog, .Toastify__toast")
    next(each for each in all_of(browser, links) if each.text == "08_could_the_paper_tell").click()
    wait(browser, 30, lambda: "08. Could the paper tell?" in text_of(all_of(browser, "h1")), "the link leads nowhere")


def facts(panel: WebElement) -> dict[str, str]:
    """Return the facts that a panel shows."""
    rows = [text_of([row]) for row in all_of(panel, ".facts th, .facts td")]
    return dict(zip(rows[::2], rows[1::2], strict=True))


def at_rank(panel: WebElement, rank: str) -> Callable[[], bool]:
    """Return what says whether a panel shows the slice of a rank."""
    return lambda: facts(panel)["rank"].startswith(f"{rank} of")


def test_explored_by_keys_and_nothing_of_a_patient_is_saved(lab: Lab, browser: WebDriver) -> None:
    browser.get(lab.url(EXPLORE))
    cells = run_all_cells(browser)
    kinds = [f"[data-mime-type='application/vnd.jupyter.{kind}']" for kind in ("error", "stderr")]
    complaints = all_of(browser, ", ".join(kinds))
    assert not complaints, text_of(complaints)
    panels = all_of(browser, ".brats-al-panel")
    assert len(panels) == 3
    browse, patients, compare = panels

    def shown() -> bool:
        images = all_of(browser, ".brats-al-panel img")
        return len(images) > 6 and all(int(str(each.get_property("naturalWidth"))) > 100 for each in images)

    wait(browser, 60, shown, "a picture is missing")
    total = facts(browse)["rank"].split()[2].strip(",")
    browser.execute_script("arguments[0].focus()", browse)
    for key, rank in ((Keys.ARROW_RIGHT, "2"), (Keys.END, total), (Keys.HOME, "1"), (Keys.PAGE_DOWN, "11")):
        browser.switch_to.active_element.send_keys(key)
        wait(browser, 10, at_rank(browse, rank), f"not at rank {rank}")

    # What a person is called is text.
    people = all_of(browse, "select[name=patient] option")
    name = str(people[3].get_attribute("textContent"))
    assert name.startswith(HOSTILE)
    people[3].click()
    wait(browser, 10, lambda: facts(browse)["person"] == name, "the filter keeps others")
    assert facts(patients)["person"].startswith(HOSTILE)
    assert not all_of(browser, "img[src='x']")
    assert "only proposed" in facts(compare)
    for each in browser.execute_script("return performance.getEntriesByType('resource').map(entry => entry.name)"):
        assert each.startswith((f"http://127.0.0.1:{lab.port}/", "blob:", "data:")), each

    # Saved by the keys, from within the panel, with the state of all widgets.
    path = lab.folder / "notebooks" / EXPLORE
    ActionChains(browser).click(browse).key_down(Keys.CONTROL).send_keys("s").key_up(Keys.CONTROL).perform()
    wait(browser, 30, lambda: "widget-state+json" in path.read_text(), "not saved with its widgets")
    saved = nbformat.read(path, as_version=4)
    outputs = [output.data for cell in saved.cells for output in cell.get("outputs", []) if "data" in output]
    images = [b64decode(data.pop("image/png")) for data in outputs if "image/png" in data]
    assert len(outputs) >= len(cells) - 3
    assert sorted(images) == sorted(path.read_bytes() for path in (lab.folder / "explored").glob("*.png"))
    states = saved.metadata["widgets"]["application/vnd.jupyter.widget-state+json"]["state"].values()
    assert sum(each["model_name"] == "AnyModel" for each in states) == len(panels)
    assert not any("buffers" in each for each in states)
    rest = json.dumps(saved)
    for kept in ("iVBOR", "image/jpeg", "image/svg", "blob:", "nobody-"):
        assert kept not in rest
