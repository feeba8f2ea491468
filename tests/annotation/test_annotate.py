"""Notebook 10: in JupyterLab a reader annotates by keys, loses the kernel, goes on and learns; and headless."""

import base64
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
from lab import Lab, all_of, run_all_cells, save_notebook, started_lab, text_of, wait
from PIL import Image
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.remote.webdriver import WebDriver

from brats_al_utils.annotation.answers import current, read
from brats_al_utils.annotation.pictures import grey_levels
from brats_al_utils.runs import engine

NOTEBOOK = "10_annotate.ipynb"
HOSTILE = "<img src=x onerror=document.title='hacked'>"
SETTINGS = {"image_size": 64, "epochs": 1, "n_runs": 1, "start": "scratch"}
LABELLED = {"validation": 10, "test": 10, "training": 12}
UNLABELLED = 30


def write_cohort(folder: Path) -> Path:
    """Write 62 patients with a bright or a dark spot; 30 of those for training have no label, one has a hostile id."""
    (folder / "images").mkdir(parents=True)
    rng, lines = np.random.default_rng(0), ["patient_id,label,image,split"]
    parts = [part for part, count in LABELLED.items() for _ in range(count)]
    for number, part in enumerate([*parts, *["training"] * UNLABELLED]):
        label = ("healthy", "sick")[number % 2]
        pixels = rng.normal(120, 10, (96, 80))
        pixels[30:50, 30:50] += 80 if label == "sick" else -60
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / "images" / f"{number:02}.png")
        known, name = label if number < len(parts) else "", HOSTILE if number == len(parts) else f"patient-{number:02}"
        lines.append(f'"{name}",{known},images/{number:02}.png,{part}')
    (folder / "cohort.csv").write_text("\n".join(lines))
    return folder


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """Start JupyterLab; a worker that is there already trains for all kernels."""
    data = write_cohort(tmp_path / "mine")
    (tmp_path / "lab").mkdir()
    with engine.shared("1", "cpu") as address:
        values = {"data": str(data), "reader": "Anna", "settings": SETTINGS, "workers": address}
        with started_lab(tmp_path / "lab", NOTEBOOK, values) as lab:
            yield lab


class Reader:
    """Somebody at the keyboard."""

    def __init__(self, browser: WebDriver) -> None:
        self.browser = browser

    def opens(self) -> None:
        """Run all cells, and click the image."""
        print("opens", time.time())
        run_all_cells(self.browser)
        wait(self.browser, 30, lambda: bool(self.state("counted")), "no image")
        (desk,) = all_of(self.browser, ".brats-al-annotator")
        self.browser.execute_script("arguments[0].scrollIntoView({block: 'start'})", desk)
        all_of(self.browser, ".brats-al-stage")[0].click()

    def state(self, name: str) -> str:
        return text_of(all_of(self.browser, f".brats-al-{name}"))

    def shown(self) -> str:
        return str(all_of(self.browser, ".brats-al-annotator")[0].get_attribute("data-slice-id"))

    def presses(self, key: str, counted: str) -> None:
        """Press a key, and wait until so many are answered."""
        ActionChains(self.browser).send_keys(key).perform()
        wait(self.browser, 20, lambda: self.state("counted").startswith(counted), f"not {counted}")

    def looks(self, key: str) -> str:
        """Press a key that answers nothing, and return what is then said of the picture."""
        before = self.state("shown")
        ActionChains(self.browser).send_keys(key).perform()
        wait(self.browser, 10, lambda: self.state("shown") != before, f"{key} does nothing")
        return self.state("shown")


def labels(file: Path) -> list[str]:
    return [answer.label for answer in current(read(file), "Anna").values()]


def test_twenty_answers_a_killed_kernel_and_the_next_round(lab: Lab, browser: WebDriver, tmp_path: Path) -> None:
    file = tmp_path / "mine" / "annotation" / "answers.jsonl"
    anna = Reader(browser)
    browser.set_window_size(1200, 900)
    browser.get(lab.url(NOTEBOOK))
    anna.opens()
    assert anna.state("counted") == "Anna: 0 of 20 answered"
    cells = len(all_of(browser, ".jp-Notebook .jp-CodeCell"))

    for number in range(1, 9):
        before = anna.shown()
        anna.presses("1" if number % 2 else "2", f"Anna: {number} of 20")
        assert read(file)[-1].slice_id == before != anna.shown()
    anna.presses("u", "Anna: 9 of 20 answered (1 unsure)")
    anna.presses("s", "Anna: 10 of 20 answered (1 unsure, 1 skipped)")
    anna.presses("z", "Anna: 9 of 20 answered (1 unsure)")
    assert labels(file) == ["healthy", "sick"] * 4 + ["unsure"]
    assert "left" in anna.state("left")
    # No key that JupyterLab knows (D D deletes a cell) has reached it.
    assert "125 %" in anna.looks("+") and anna.looks("d") != anna.looks("d") and "100 %" in anna.looks("0")
    assert len(all_of(browser, ".jp-Notebook .jp-CodeCell")) == cells
    picture(browser, tmp_path / "wide.png")
    browser.set_window_size(800, 900)
    picture(browser, tmp_path / "narrow.png")
    browser.set_window_size(1200, 900)

    saved = save_notebook(browser, lab.folder / "notebooks" / NOTEBOOK)
    assert "brats-al-annotator" in saved, "the state of the widget is not in the file: nothing is tested"
    assert not any(name in saved for name in ("patient-", "onerror", "images/"))
    for image in (tmp_path / "mine" / "images").iterdir():
        for content in (image.read_bytes(), grey_levels(image, 0)[0].tobytes()):
            assert base64.b64encode(content[:300]).decode()[:390] not in saved

    (kernel,) = [each for each in lab.processes() if "ipykernel_launcher" in " ".join(each.cmdline())]
    os.kill(kernel.pid, signal.SIGKILL)
    psutil.wait_procs([kernel], 10)
    browser.get(lab.url(NOTEBOOK))
    anna.opens()
    assert anna.state("counted") == "Anna: 9 of 20 answered (1 unsure)"
    seen = {anna.state("named").splitlines()[0]}
    for number in range(10, 21):
        anna.presses("2", f"Anna: {number} of 20")
        seen.add(anna.state("named").splitlines()[0] if number < 20 else "")
    assert labels(file) == ["healthy", "sick"] * 4 + ["unsure"] + ["sick"] * 11
    assert "Every answer is saved" in anna.state("ended")

    anna.opens()
    assert anna.state("counted") == "Anna: 0 of 11 answered"  # the rest; who is unsure is not asked again
    while "answered" in anna.state("counted") and HOSTILE not in seen:
        answered = len(labels(file)) - 20
        seen.add(anna.state("named").splitlines()[0])
        anna.presses("1", f"Anna: {answered + 1} of 11")
    assert HOSTILE in seen and browser.title != "hacked"
    outputs = text_of(all_of(browser, ".jp-OutputArea-output"))
    assert "Trained on 12 slices" in outputs and "Trained on 31 slices" in outputs
    assert "Too few labels to tell anything" in outputs
    severe = [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]  # type: ignore[no-untyped-call]
    assert not severe
    loaded = browser.execute_script("return performance.getEntriesByType('resource').map(entry => entry.name)")
    assert loaded and all(name.startswith((f"http://127.0.0.1:{lab.port}/", "blob:", "data:")) for name in loaded)


def picture(browser: WebDriver, path: Path) -> None:
    """Save a screenshot; the image, the keys and the focus must be on the screen."""
    browser.save_screenshot(str(path))
    desk, stage, canvas = (all_of(browser, f".brats-al-{name}")[0] for name in ("annotator", "stage", "image"))
    wait(
        browser, 5, lambda: abs(canvas.rect["height"] - stage.rect["height"]) < 1.5, "the image does not fill its place"
    )
    assert stage.rect["height"] >= 280
    last = all_of(browser, ".brats-al-button")[-1].rect
    bottom, right = browser.execute_script("return [innerHeight, innerWidth]")
    assert last["y"] + last["height"] < bottom and last["x"] + last["width"] < right
    assert browser.execute_script("return document.activeElement === arguments[0]", desk)
    assert desk.value_of_css_property("outline-color") == "rgba(255, 209, 102, 1)"
    assert desk.value_of_css_property("background-color") == "rgba(22, 22, 22, 1)"
    painted = "const c = arguments[0]; return [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]"
    assert len(set(browser.execute_script(painted, canvas)[::4])) > 20
