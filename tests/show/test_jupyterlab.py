"""JupyterLab as `make lab` starts it: a student opens a notebook in a browser and runs all of its cells."""

import re
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import nbformat
import pytest
from lab import Lab, all_of, check_saved, run_all_cells, started_lab, text_of, wait
from made_up import explored_study, write_cohort
from selenium.webdriver import ActionChains
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.remote.webelement import WebElement

COHORT, NOTEBOOK, EXPLORE = "00_cohort.ipynb", "01_transfer_vs_scratch.ipynb", "09_explore.ipynb"
HOSTILE = "<img src=x onerror=alert(1)>nobody-"
"""What the names of persons in the cohort that is explored begin with; a number follows."""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("lab")
    data = write_cohort(folder / "clinic", masked=True, person=HOSTILE)
    explored_study(data, folder / "explored")
    parameters = {
        NOTEBOOK: {"profile": "smoke", "out": str(folder / "out")},
        COHORT: {"profile": "smoke", "data": str(data), "out": str(folder / "cohort")},
        EXPLORE: {"profile": "smoke", "data": str(data), "out": str(folder / "explored")},
    }
    with started_lab(folder, parameters) as lab:
        yield lab


def test_notebook_runs(lab: Lab, browser: WebDriver) -> None:
    browser.get(lab.url(NOTEBOOK))
    cells = run_all_cells(browser)
    assert not complaints(browser)
    prompts = [text_of(all_of(cell, ".jp-InputPrompt")) for cell in cells]
    assert prompts[:3] == ["", "", ""], "parameters, imports and what was found are folded"
    assert prompts[3:] == [f"[{number}]:" for number in range(4, len(cells) + 1)]

    assert "pretrained" in text_of(all_of(browser, ".jp-OutputArea-output table"))
    written = [path.name for path in (lab.folder / "out").glob("*.png")]
    images = all_of(browser, ".jp-OutputArea-output img")
    assert "table2.png" in written
    assert len(images) == len(written), f"{len(images)} images are shown of {', '.join(written)}"
    assert all(image.is_displayed() for image in images) and min(widths(images)) > 300

    (found,) = all_of(cells[-1], ".jp-OutputArea-output")
    assert found.is_displayed()
    for row in ("validation, slice-level", "test, patient-level"):
        assert re.search(rf"{row}: .*\d+\.\d points (better|worse)", found.text)
    assert lab.addresses() == {"127.0.0.1"}


def test_server_needs_its_token(lab: Lab) -> None:
    tokens = {lab.token: 200, "": 403, "guess": 403}
    assert {token: lab.status("/api/contents", token) for token in tokens} == tokens


def test_it_opens_on_the_start_page_without_a_question(lab: Lab, browser: WebDriver) -> None:
    browser.get(f"http://127.0.0.1:{lab.port}/?token={lab.token}")
    links = ".jp-RenderedMarkdown a"
    wait(browser, 60, lambda: "09_explore" in text_of(all_of(browser, links)), "no start page")
    time.sleep(1)  # in which a question would come
    assert not all_of(browser, ".jp-Dialog, .Toastify__toast")
    next(each for each in all_of(browser, links) if each.text == "08_could_the_paper_tell").click()
    wait(browser, 30, lambda: "08. Could the paper tell?" in text_of(all_of(browser, "h1")), "the link leads nowhere")


def saved_notebook(path: Path, browser: WebDriver, element: WebElement) -> Any:
    """Save a notebook by the keys, from within an element, with the state of all widgets, and read it."""
    ActionChains(browser).click(element).key_down(Keys.CONTROL).send_keys("s").key_up(Keys.CONTROL).perform()
    wait(browser, 30, lambda: "widget-state+json" in path.read_text(encoding="utf-8"), "not saved with its widgets")
    return nbformat.read(path, as_version=4)


def test_pictures_of_patients_are_shown_and_not_saved(lab: Lab, browser: WebDriver) -> None:
    browser.get(lab.url(COHORT))
    run_all_cells(browser)
    panels = all_of(browser, ".brats-al-panel")
    assert len(panels) == 2

    def shown() -> bool:
        images = [image for panel in panels for image in all_of(panel, "img")]
        return len(images) == 2 and min(widths(images)) > 300

    wait(browser, 60, shown, "a picture is missing")
    assert "slices.png shows patients" in panels[0].text
    check_saved(saved_notebook(lab.folder / "notebooks" / COHORT, browser, panels[0]), lab.folder / "cohort", 2)


def facts(panel: WebElement) -> dict[str, str]:
    """Return the facts that a panel shows."""
    rows = [text_of([row]) for row in all_of(panel, ".facts th, .facts td")]
    return dict(zip(rows[::2], rows[1::2], strict=True))


def complaints(browser: WebDriver) -> str:
    """Return what JupyterLab 4.6 shows of errors, and what it marks as such."""
    kinds = [f"[data-mime-type='application/vnd.jupyter.{kind}']" for kind in ("error", "stderr")]
    return text_of(all_of(browser, ", ".join(kinds)))


def widths(elements: list[WebElement]) -> list[int]:
    return [int(str(image.get_property("naturalWidth"))) for image in elements]


def test_explored_by_keys_and_nothing_of_a_patient_is_saved(lab: Lab, browser: WebDriver) -> None:
    browser.get(lab.url(EXPLORE))
    run_all_cells(browser)
    assert not complaints(browser)
    panels = all_of(browser, ".brats-al-panel")
    assert len(panels) == 3
    browse, patients, compare = panels

    def shown() -> bool:
        images = all_of(browser, ".brats-al-panel img")
        return len(images) > 6 and min(widths(images)) > 100

    wait(browser, 60, shown, "a picture is missing")

    def at_rank(rank: str) -> bool:
        return facts(browse)["rank"].startswith(f"{rank} of")

    total = facts(browse)["rank"].split()[2].strip(",")
    browser.execute_script("arguments[0].focus()", browse)
    for key, rank in ((Keys.ARROW_RIGHT, "2"), (Keys.END, total), (Keys.HOME, "1"), (Keys.PAGE_DOWN, "11")):
        browser.switch_to.active_element.send_keys(key)
        wait(browser, 10, partial(at_rank, rank), f"not at rank {rank}")

    # What a person is called is text.
    people = all_of(browse, "select[name=patient_id] option")
    name = str(people[3].get_attribute("textContent"))
    assert name.startswith(HOSTILE)
    people[3].click()
    wait(browser, 10, lambda: facts(browse)["person"] == name, "the filter keeps others")
    assert facts(patients)["person"].startswith(HOSTILE)
    assert not all_of(browser, "img[src='x']")
    assert "only proposed" in facts(compare)
    for each in browser.execute_script("return performance.getEntriesByType('resource').map(entry => entry.name)"):
        assert each.startswith((f"http://127.0.0.1:{lab.port}/", "blob:", "data:")), each
    check_saved(saved_notebook(lab.folder / "notebooks" / EXPLORE, browser, browse), lab.folder / "explored", 3)
