"""The desk's keys in a browser, without JupyterLab: its own script talks to a real desk."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from selenium.webdriver import Chrome, Keys
from test_desk import HOSTILE, answer, four_patients, labels
from widget_page import WidgetPage

from brats_al_utils.beyond.annotation.answers import current, digest, read
from brats_al_utils.beyond.annotation.desk import Desk, respond
from brats_al_utils.beyond.annotation.widget import Annotator


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """Three images of one person, of which the second is proposed, and one of another."""
    four = four_patients(tmp_path)
    hashes = {path.name: digest(path) for path in tmp_path.glob("*.png")}
    needs = "Needs 2 malignant and 3 benign more for training."
    return replace(four, proposals=four.proposals[:2], hashes=hashes, needs=lambda: needs)


@pytest.fixture
def page(desk: Desk, browser: Chrome) -> Iterator[WidgetPage]:
    yield WidgetPage(browser, Annotator, partial(respond, desk))
    assert not [entry for entry in browser.get_log("browser") if "Uncaught" in entry["message"]]


def test_a_label_on_another_image_than_the_proposed_needs_a_second_press(page: WidgetPage, desk: Desk) -> None:
    page.press(Keys.ARROW_RIGHT)
    assert "image 3 of 3" in page.seen(".brats-al-named") and "Space" in page.seen(".brats-al-other")
    assert page.press("1") == [] and "press again" in page.seen(".brats-al-said")
    assert page.press("2") == [], "another label is asked again too"
    (asked,) = page.press("2")
    assert (asked["slice_id"], asked["label"]) == ("1.png", "benign") and labels(desk) == {"1.png": "benign"}


def test_keys_are_in_the_order_of_classes_and_shift_answers_for_the_person(page: WidgetPage, desk: Desk) -> None:
    assert page.seen(".brats-al-needs") == "Needs 2 malignant and 3 benign more for training."
    assert page.seen(".brats-al-first") == "1 malignant" and page.seen(".brats-al-second") == "2 benign"
    page.press("1", shift=True)
    assert labels(desk) == dict.fromkeys(["0.png", "1.png", "2.png"], "malignant")
    assert page.seen(".brats-al-named").splitlines()[0] == "p3"


def test_help_full_screen_note_and_the_grid(page: WidgetPage, desk: Desk) -> None:
    assert not page.seen(".brats-al-legend")
    page.press("?")
    assert "full screen" in page.seen(".brats-al-legend") and "the same for all images" in page.seen(".brats-al-legend")
    page.press("?", "f")
    full = "return document.fullscreenElement?.className.includes('annotator')"
    assert page.browser.execute_script(full)
    page.press("f")
    assert page.press("n", "1 is not a key here", Keys.ENTER) == []
    page.press("s")
    given = current(read(desk.answers), "Anna")["1.png"]
    assert (given.label, given.note) == ("skip", "1 is not a key here")
    assert page.seen(".brats-al-counted") == "Anna: 0 of 2 answered (1 skipped)", "skip does not count"
    page.press("g")
    assert page.seen(".brats-al-tile") == f"{HOSTILE}\nskipped\n1 is not a key here"
    page.click(".brats-al-tile")
    assert "Answered: skipped" in page.seen(".brats-al-said")
    page.press("1")
    assert labels(desk) == {"1.png": "malignant"}


def test_the_note_s_field_can_be_read_whatever_the_theme(page: WidgetPage) -> None:
    """JupyterLab's own rule for placeholders is dark."""
    page.browser.execute_script(
        "document.head.prepend(Object.assign(document.createElement('style'), {textContent: arguments[0]}))",
        "::placeholder{color:#000} input{background:#000;color:#000}",
    )
    look = "const of = getComputedStyle(document.querySelector('.brats-al-note'), arguments[0]); return of.color"
    assert page.browser.execute_script(look, "::placeholder") == "rgb(181, 181, 181)"
    assert page.browser.execute_script(look, None) == "rgb(255, 255, 255)"


def test_disagreements_of_two_readers_stand_side_by_side(page: WidgetPage, desk: Desk) -> None:
    page.press("1", "1")
    for label in ("benign", "skip"):
        answer(replace(desk, reader="Ben"), label)
    page.press("g")
    page.click(".brats-al-which button", "disagreements")
    assert page.seen(".brats-al-tile") == f"{HOSTILE}\nAnna: malignant; Ben: benign"
