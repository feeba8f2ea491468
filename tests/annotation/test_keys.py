"""The desk's keys in a browser, without JupyterLab: its own script talks to a real desk."""

import base64
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import ActionChains, Chrome, Keys
from test_desk import HOSTILE, answer, labels, write_png

from brats_al_utils.beyond.annotation.answers import current, digest, read
from brats_al_utils.beyond.annotation.desk import Desk, respond
from brats_al_utils.beyond.annotation.proposals import Picture, Proposal
from brats_al_utils.beyond.annotation.widget import Annotator

MODEL = """
window.sent = [];
window.model = {on: (_, hear) => (window.hear = hear), off: () => {}, send: (message) => sent.push(message)};
document.head.append(Object.assign(document.createElement("style"), {textContent: arguments[0]}));
render({model, el: document.body});
"""
HEAR = """
const bytes = arguments[1].map((text) => Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0)));
hear(arguments[0], bytes.map((each) => new DataView(each.buffer)));
"""


class Page:
    """A page with the desk on it, whose questions are answered when a key has been pressed."""

    def __init__(self, browser: Chrome, desk: Desk) -> None:
        self.browser, self.desk = browser, desk
        browser.get("about:blank")
        script = Annotator._esm.replace("export default { render };", MODEL)
        browser.execute_script(script, Annotator._css)
        self.serve()
        browser.execute_script("document.querySelector('.brats-al-annotator').focus()")

    def serve(self) -> list[Any]:
        """Answer what the page has asked, and return that."""
        asked: list[Any] = self.browser.execute_script("return sent.splice(0)")
        for message in asked:
            reply, pictures = respond(self.desk, message)
            self.browser.execute_script(HEAR, reply, [base64.b64encode(each).decode() for each in pictures])
        return asked

    def press(self, *keys: str, shift: bool = False) -> list[Any]:
        chain = ActionChains(self.browser)
        for key in keys:
            (chain.key_down(Keys.SHIFT).send_keys(key).key_up(Keys.SHIFT) if shift else chain.send_keys(key)).perform()
        return self.serve()

    def seen(self, name: str) -> str:
        return "\n".join(each.text for each in self.browser.find_elements("css selector", f".brats-al-{name}"))


@pytest.fixture
def page(tmp_path: Path, browser: Chrome) -> Iterator[Page]:
    """Three images of one person, of which the second is proposed, and one of another."""
    pictures = [
        Picture(f"{number}.png", (write_png(tmp_path / f"{number}.png", [[0, 9 * number], [50, 99]]),))
        for number in range(4)
    ]
    hashes = {picture.slice_id: digest(picture.file) for picture in pictures}
    first, second = Proposal(HOSTILE, tuple(pictures[:3]), (1,)), Proposal("other", (pictures[3],))
    yield Page(browser, Desk((first, second), tmp_path / "answers.jsonl", "Anna", ("benign", "malignant"), hashes))
    assert not [entry for entry in browser.get_log("browser") if "Uncaught" in entry["message"]]


def test_a_label_on_another_image_than_the_proposed_needs_a_second_press(page: Page) -> None:
    page.press(Keys.ARROW_RIGHT)
    assert "image 3 of 3" in page.seen("named") and "Space" in page.seen("other")
    assert page.press("1") == [] and "press again" in page.seen("said")
    assert page.press("2") == [], "another label is asked again too"
    (asked,) = page.press("2")
    assert (asked["slice_id"], asked["label"]) == ("1.png", "benign") and labels(page.desk) == {"1.png": "benign"}


def test_keys_are_in_the_order_of_classes_and_shift_answers_for_the_person(page: Page) -> None:
    assert page.seen("first") == "1 malignant" and page.seen("second") == "2 benign"
    page.press("1", shift=True)
    assert labels(page.desk) == dict.fromkeys(["0.png", "1.png", "2.png"], "malignant")
    assert page.seen("named").splitlines()[0] == "other"


def test_help_full_screen_note_and_the_grid(page: Page) -> None:
    assert not page.seen("legend")
    page.press("?")
    assert "full screen" in page.seen("legend") and "the same for all images" in page.seen("legend")
    page.press("?", "f")
    full = "return document.fullscreenElement?.className.includes('annotator')"
    assert page.browser.execute_script(full)
    page.press("f")
    assert page.press("n", "1 is not a key here", Keys.ENTER) == []
    page.press("s")
    given = current(read(page.desk.answers), "Anna")["1.png"]
    assert (given.label, given.note) == ("skip", "1 is not a key here")
    assert page.seen("counted") == "Anna: 0 of 2 answered (1 skipped)", "skip does not count"
    page.press("g")
    assert page.seen("tile") == f"{HOSTILE}\nskipped\n1 is not a key here"
    page.browser.find_element("css selector", ".brats-al-tile").click()
    page.serve()
    assert "Answered: skipped" in page.seen("said")
    page.press("1")
    assert labels(page.desk) == {"1.png": "malignant"}


def test_the_note_s_field_can_be_read_whatever_the_theme(page: Page) -> None:
    """JupyterLab's own rule for placeholders is dark."""
    page.browser.execute_script(
        "document.head.prepend(Object.assign(document.createElement('style'), {textContent: arguments[0]}))",
        "::placeholder{color:#000} input{background:#000;color:#000}",
    )
    look = "const of = getComputedStyle(document.querySelector('.brats-al-note'), arguments[0]); return of.color"
    assert page.browser.execute_script(look, "::placeholder") == "rgb(181, 181, 181)"
    assert page.browser.execute_script(look, None) == "rgb(255, 255, 255)"


def test_disagreements_of_two_readers_stand_side_by_side(page: Page) -> None:
    page.press("1")
    answer(replace(page.desk, reader="Ben"), "benign")
    page.press("g")
    next(
        each
        for each in page.browser.find_elements("css selector", ".brats-al-which button")
        if each.text == "disagreements"
    ).click()
    page.serve()
    assert page.seen("tile") == f"{HOSTILE}\nAnna: malignant; Ben: benign"
