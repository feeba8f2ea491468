"""Notebook 10: in JupyterLab a reader annotates by keys, loses the kernel, goes on and learns; and headless."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pandas as pd
import psutil
import pytest
from conftest import small_render
from lab import Lab, all_of, environment, run_all_cells, save_notebook, started_lab, text_of, wait
from selenium.webdriver import Chrome
from selenium.webdriver.common.action_chains import ActionChains
from small_annotation import pictures, say

from brats_al_utils.beyond.annotation import example as example_module
from brats_al_utils.beyond.annotation import page as annotation
from brats_al_utils.beyond.annotation.answers import Answer, current, read
from brats_al_utils.beyond.annotation.desk import desk_of
from brats_al_utils.beyond.annotation.example import COHORT, example
from brats_al_utils.beyond.annotation.learning import Forecast, Lesson
from brats_al_utils.beyond.annotation.proposals import proposed
from brats_al_utils.beyond.annotation.session import QUERY, Session, open_session
from brats_al_utils.runs import engine
from brats_al_utils.runs.shared import shared_workers
from brats_al_utils.show import notebooks
from brats_al_utils.show.text import as_said
from brats_al_utils.study.places import Places

NOTEBOOK = "10_annotate.ipynb"
HOSTILE = "<img src=x onerror=document.title='hacked'>"
SETTINGS = {"image_size": 64, "epochs": 1, "n_runs": 1, "start": "scratch", "committee_rates": [0.001, 0.0005]}
LABELLED = {"validation": 10, "test": 10, "training": 12}
UNLABELLED = 46


def write_cohort(folder: Path) -> Path:
    """Write 78 patients; 46 of those for training have no label, and hostile ids."""
    known = [part for part, count in LABELLED.items() for _ in range(count)]
    table = pictures(folder, len(known) + UNLABELLED, each=1, labelled=len(known)) / "cohort.csv"
    heads, *rows = table.read_text(encoding="utf-8").splitlines()
    parts = ["split", *known, *["training"] * UNLABELLED]
    lines = [heads, *(row.replace(",,", f"{HOSTILE},,") for row in rows)]
    table.write_text("\n".join(map(",".join, zip(lines, parts, strict=True))), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def workers() -> Iterator[str]:
    """Have a worker that trains for all kernels: none has to start one."""
    engine.close()  # workers of an earlier test have lost their credentials with its environment
    with shared_workers("1", "cpu") as address:
        yield address


@pytest.fixture
def lab(tmp_path: Path, workers: str) -> Iterator[Lab]:
    data = write_cohort(tmp_path / "mine")
    (tmp_path / "lab").mkdir()
    values = {"data": str(data), "reader": "Anna", "settings": SETTINGS, "workers": workers}
    with started_lab(tmp_path / "lab", {NOTEBOOK: values}) as lab:
        yield lab


class Reader:
    """Somebody at the keyboard."""

    def __init__(self, browser: Chrome) -> None:
        self.browser = browser

    def opens(self) -> None:
        """Run all cells, and click the image, which is there when the last cell is done."""
        old = "document.querySelectorAll('.brats-al-annotator').forEach(each => each.remove())"
        self.browser.execute_script(old)
        run_all_cells(self.browser)
        wait(self.browser, 120, lambda: bool(self.state("counted")), "no image")
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


@pytest.mark.long
def test_twenty_answers_a_killed_kernel_and_the_next_round(lab: Lab, browser: Chrome, tmp_path: Path) -> None:
    file = tmp_path / "mine" / "annotation" / "answers.jsonl"
    anna = Reader(browser)
    browser.set_window_size(1200, 900)
    browser.get(lab.url(NOTEBOOK))
    anna.opens()
    assert anna.state("counted") == "Anna: 0 of 20 answered"
    cells = len(all_of(browser, ".jp-Notebook .jp-CodeCell"))

    for number in range(1, 9):
        before = anna.shown()
        anna.presses("2" if number % 2 else "1", f"Anna: {number} of 20")
        assert read(file)[-1].slice_id == before != anna.shown()
    anna.presses("u", "Anna: 9 of 20 answered (1 unsure)")
    anna.presses("s", "Anna: 9 of 20 answered (1 unsure, 1 skipped)")
    anna.presses("z", "Anna: 9 of 20 answered (1 unsure)")
    assert labels(file) == ["sick", "well"] * 4 + ["unsure"]
    assert "left" in anna.state("left")
    # No key that JupyterLab knows (D D deletes a cell) has reached it.
    assert "125 %" in anna.looks("+") and anna.looks("d") != anna.looks("d") and "100 %" in anna.looks("0")
    assert len(all_of(browser, ".jp-Notebook .jp-CodeCell")) == cells
    browser.set_window_size(800, 900)
    picture(browser, tmp_path / "narrow.png")
    browser.set_window_size(1200, 900)

    saved = save_notebook(browser, lab.folder / "notebooks" / NOTEBOOK)
    assert "brats-al-annotator" in saved, "the state of the widget is not in the file: nothing is tested"
    assert not any(name in saved for name in ("onerror", ".png"))

    (kernel,) = [each for each in lab.processes() if "ipykernel_launcher" in " ".join(each.cmdline())]
    os.kill(kernel.pid, signal.SIGKILL)
    psutil.wait_procs([kernel], 10)
    browser.get(lab.url(NOTEBOOK))
    anna.opens()
    assert anna.state("counted") == "Anna: 9 of 20 answered (1 unsure)"
    for number in range(10, 21):
        anna.presses("1", f"Anna: {number} of 20")
    assert labels(file) == ["sick", "well"] * 4 + ["unsure"] + ["well"] * 11
    assert "Every answer is saved" in anna.state("ended")

    anna.opens()
    assert anna.state("counted") == "Anna: 0 of 20 answered"
    assert not all_of(browser, ".facts td"), "Run All teaches nothing"
    wait(browser, 60, lambda: bool(all_of(browser, ".brats-al-panel button")), "no button")
    all_of(browser, ".brats-al-panel button")[0].click()
    wait(browser, 120, lambda: "Trained on 31 slices" in text_of(all_of(browser, ".facts")), "nothing learned")
    assert "Trained on 12 slices" in text_of(all_of(browser, ".facts"))
    all_of(browser, ".brats-al-stage")[0].click()
    anna.presses("1", "Anna: 1 of 20 answered")
    assert len({answer.slice_id for answer in read(file)}) == 21
    assert re.fullmatch(rf"p\d\d\d{HOSTILE}", anna.state("named").splitlines()[0]) and browser.title != "hacked"
    assert not [entry for entry in browser.get_log("browser") if "Uncaught" in entry["message"]]
    loaded = browser.execute_script("return performance.getEntriesByType('resource').map(entry => entry.name)")
    assert loaded and all(name.startswith((f"http://127.0.0.1:{lab.port}/", "blob:", "data:")) for name in loaded)


def test_one_command_and_no_click_to_the_first_label(browser: Chrome, tmp_path: Path) -> None:
    """`brats-al annotate` opens on the image, in focus; what it opens lies in the annotation's folder."""
    data, home = write_cohort(tmp_path / "mine"), tmp_path / "home"
    home.mkdir()
    options = ["--data", str(data), "--no-browser", "--budget", "4", "--reader", "Anna", "--strategy", "random"]
    settings = [f"--set={name}={SETTINGS[name]}" for name in ("image_size", "epochs", "start")]
    command = [sys.executable, "-m", "brats_al_utils", "annotate", *options, *settings]
    streams: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "encoding": "utf-8"}
    process = psutil.Popen(command, env=environment(tmp_path), **streams)
    said: list[str] = []
    try:
        while not (found := re.search(r"http://127\.0\.0\.1:\S+", "".join(said))):
            said.append(process.stdout.readline())
            assert said[-1], said
        url = found[0]
        anna = Reader(browser)
        browser.set_window_size(1280, 800)
        browser.get(url)
        desk = ".brats-al-annotator"
        wait(browser, 120, lambda: anna.state("counted") == "Anna: 0 of 4 answered", "no image")
        active = "return document.activeElement.matches(arguments[0])"
        wait(browser, 20, lambda: bool(browser.execute_script(active, desk)), "not in focus")
        picture(browser, tmp_path / "first.png")
        anna.presses("1", "Anna: 1 of 4 answered")
        assert labels(data / "annotation" / "answers.jsonl") == ["well"]
        assert not [each for each in all_of(browser, ".jp-CodeCell .cm-editor") if each.is_displayed()], "code folded"
    finally:
        process.send_signal(signal.SIGINT)
        ended = process.wait(60)
    assert ended == 0
    copy = (data / "annotation" / "annotate.ipynb").read_text(encoding="utf-8")
    assert not any(name in copy for name in ("onerror", ".png"))


def picture(browser: Chrome, path: Path) -> None:
    """Save a screenshot; the image, the keys and the focus must be on the screen."""
    browser.save_screenshot(str(path))
    desk, stage, canvas = (all_of(browser, f".brats-al-{name}")[0] for name in ("annotator", "stage", "image"))
    gaps = [abs(stage.rect[side] - canvas.rect[side]) for side in ("width", "height")]
    assert min(gaps) < 1.5, "the image does not fill its place"
    assert stage.rect["height"] >= 280
    last = all_of(browser, ".brats-al-button")[-1].rect
    bottom, right = browser.execute_script("return [innerHeight, innerWidth]")
    assert last["y"] + last["height"] < bottom and last["x"] + last["width"] < right
    assert browser.execute_script("return document.activeElement === arguments[0]", desk)
    assert desk.value_of_css_property("outline-color") == "rgba(255, 209, 102, 1)"
    assert desk.value_of_css_property("background-color") == "rgba(22, 22, 22, 1)"
    painted = "const c = arguments[0]; return [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]"
    assert len(set(browser.execute_script(painted, canvas)[::4])) > 20


def test_without_data_it_shows_synthetic_images(tmp_path: Path, workers: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(example_module, "render", small_render)
    folder = example(tmp_path / COHORT)
    parameters = {"out": str(tmp_path), "budget": 6, "settings": SETTINGS, "workers": workers}
    executed = notebooks.execute(notebooks.FOLDER / NOTEBOOK, parameters, Places(tmp_path, tmp_path))
    cells = {cell.id: cell for cell in nbformat.read(executed, 4).cells}
    shown = cells["open"].outputs[-1]["data"]["text/markdown"]
    assert "**Synthetic cohort.** Of 20 slices without a label, 6 are proposed:" in as_said(shown)
    assert "widget-view" in str(cells["learn"].outputs), "a button, and no training"
    table = pd.read_csv(folder / "cohort.csv", keep_default_na=False)
    labelled = dict.fromkeys(product(("training", "validation", "test"), ("HGG", "LGG")), 10)
    assert table.groupby("split")["label"].value_counts().to_dict() == labelled | {("training", ""): 20}
    assert table["patient_id"].nunique() == 40


def test_a_query_is_made_when_its_reader_has_answered_the_last(tmp_path: Path) -> None:
    data = write_cohort(tmp_path / "mine")
    options = (6, "random", "slice", 0.2)
    begun = begin(data)
    session, first = proposed(begun, "Anna", *options)
    (session.folder / QUERY).unlink()  # stopped between the state and the proposals
    session, first = proposed(begin(data), "Anna", *options)
    desk = desk_of(session, first, "Anna")
    assert [proposal.first.slice_id for proposal in desk.proposals] == first["slice_id"].tolist()
    assert proposed(begin(data), "Ben", *options)[1]["slice_id"].tolist() == first["slice_id"].tolist()
    for slice_id in first["slice_id"]:
        say(begun, slice_id, "sick", "Anna")
    assert proposed(begin(data), "Ben", *options)[1]["slice_id"].tolist() == first["slice_id"].tolist()
    second = proposed(begin(data), "Anna", *options)[1]
    assert len(second) == 6 and not set(second["slice_id"]) & set(first["slice_id"])
    # The query of everything that is left is the last one.
    for slice_id in [f"p{number:03}-0.png" for number in range(32, 78)]:
        say(begun, slice_id, "sick", "Anna")
    assert proposed(begin(data), "Anna", *options)[1]["slice_id"].tolist() == second["slice_id"].tolist()


def begin(data: Path) -> Session:
    return open_session(data, settings=SETTINGS, device="cpu")


def test_the_table_of_readers_has_a_row_for_every_pair() -> None:
    given = [("a", "x", "sick"), ("a", "y", "healthy"), ("b", "x", "sick"), ("b", "y", "sick"), ("c", "x", "skip")]
    answers = [Answer(slice_id, label, who, "2026-01-31T12:00:00+00:00", "0" * 64) for who, slice_id, label in given]
    table = annotation.agreements(answers)
    assert table.index.tolist() == ["a and b", "a and c", "b and c"]
    # One of two alike; by chance half would be, as b says sick throughout.
    assert list(table.loc["a and b"]) == ["2", "50%", "0.00"]
    assert list(table.loc["a and c"]) == ["0", "", ""]
    assert annotation.agreements(answers[:2]).empty


@pytest.mark.parametrize("ahead", [None, Forecast(20, 0.05, -0.01, 0.11), Forecast(20, 0.05, np.nan, np.nan)])
def test_the_learning_curve_is_drawn_with_and_without_what_lies_ahead(ahead: Forecast | None) -> None:
    rows = [(30, 0.7, 0.6, 0.8), (50, 0.75, np.nan, np.nan)]
    curve = pd.DataFrame(rows, columns=["labelled", "auc", "low", "high"])
    drawing = annotation.learned(Lesson({}, {}, 0, {}, curve, ahead, None, ""))
    (axes,) = drawing.figure.axes
    assert axes.get_xticks().tolist() == [30, 50] + [70] * (ahead is not None)
    pd.testing.assert_frame_equal(drawing.table, curve)
