"""The explorer's panel in a browser, without JupyterLab: its size, its theme, and zoom and window by keys."""

from typing import Any

import nbformat
import pytest
from selenium.webdriver import Chrome
from test_browser import small
from widget_page import WidgetPage

from brats_al_utils.beyond.explorer.browser import browse
from brats_al_utils.show.notebooks import FOLDER


@pytest.fixture
def page(browser: Chrome) -> WidgetPage:
    panel: Any = browse(*small()[:2])
    sent: list[tuple[Any, list[bytes]]] = []
    panel.send = lambda content, buffers=(): sent.append((content, list(buffers)))

    def reply(message: Any) -> tuple[Any, list[bytes]]:
        panel.answer(panel, message, [])
        return sent.pop()

    browser.set_window_size(1280, 800)
    return WidgetPage(browser, panel, reply)


def test_picture_facts_and_plot_stand_side_by_side_on_one_screen(page: WidgetPage) -> None:
    box = "return document.querySelector(arguments[0]).getBoundingClientRect().toJSON()"
    stage, facts, plot = (page.browser.execute_script(box, each) for each in (".brats-al-stage", ".facts", "svg.plot"))
    assert stage["right"] <= facts["left"] and facts["right"] <= plot["left"] and plot["right"] <= 1280
    assert page.browser.execute_script(box, ".brats-al-panel")["bottom"] < 640, "JupyterLab needs 160 pixels"
    assert "members\nA" in page.seen(".facts").replace(" A", "\nA") and "learning rates" in page.seen(".facts")


def test_zoom_and_window_by_the_keys_of_the_desk(page: WidgetPage) -> None:
    first = page.seen(".brats-al-shown")
    assert "100 %" in first
    assert page.press("+") == [] and "125 %" in page.seen(".brats-al-shown")
    page.press("d")
    assert page.seen(".brats-al-shown").split(",")[1] != first.split(",")[1], "less width, more contrast"
    page.press("0")
    assert page.seen(".brats-al-shown") == first


def test_the_plot_follows_the_theme(page: WidgetPage) -> None:
    look = "return getComputedStyle(document.querySelector(arguments[0])).getPropertyValue(arguments[1])"
    assert page.browser.execute_script(look, "svg.plot text", "fill") == "rgb(34, 34, 34)"
    dark = "document.body.style.setProperty('--jp-ui-font-color1', '#fff')"
    page.browser.execute_script(dark)
    for element, what in (("svg.plot text", "fill"), ("svg.plot .ring", "stroke"), (".brats-al-panel", "color")):
        assert page.browser.execute_script(look, element, what) == "rgb(255, 255, 255)"


def test_a_line_comes_before_the_first_picture_and_before_what_takes_long() -> None:
    notebook = nbformat.read(FOLDER / "09_explore.ipynb", as_version=4)
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    assert code[1].startswith("print(") and "flush=True" in code[1].splitlines()[0], "before the packages are loaded"
    assert "explorer.ranking(study, rows, compared, runs)" in code[2], "a bar of runs"
