"""A panel shows what its state says, as messages alone: its own state, which a notebook may keep, never changes."""

import re
from dataclasses import dataclass, replace
from typing import Any

import pytest

from brats_al_utils import InputError
from brats_al_utils.beyond.annotation.widget import Annotator
from brats_al_utils.beyond.explorer.controls import Choice, Plane, Plot, Slider
from brats_al_utils.show.panel import Asked, Panel, Picture, View

HOSTILE = "<script>alert(1)</script>"


@dataclass(frozen=True)
class Place:
    number: int = 0


def change(state: Place, asked: Asked) -> Place:
    if asked.value > 9:
        raise InputError(f"{asked.value} is beyond 9")
    return replace(state, number=asked.value)


def view(state: Place) -> View:
    pictures = (
        Picture("same", b"never another", HOSTILE, "a picture"),
        Picture("own", bytes([state.number]), f"number {state.number}", "another"),
    )
    controls = (Choice("who", "patient", ("all", HOSTILE), 0), Slider("number", "number", 9, state.number))
    return View(controls, pictures, (("number", str(state.number)),), "said")


class Sent(Panel[Place]):
    """A panel that keeps what it sends."""

    def __init__(self) -> None:
        self.messages: list[tuple[dict[str, Any], list[bytes]]] = []
        super().__init__(Place(), change, view)

    def send(self, content: Any, buffers: Any = None) -> None:
        self.messages.append((content, buffers))

    def ask(self, **content: Any) -> tuple[dict[str, Any], list[bytes]]:
        self.answer(self, content, [])
        return self.messages[-1]


def test_a_page_that_asks_gets_everything() -> None:
    assert Sent().messages == []
    panel = Sent()
    for _ in range(2):
        content, buffers = panel.ask(event="ready")
        assert set(content) == {"said", "controls", "facts", "pictures", "plane", "plot", "fresh"}
        assert content["fresh"] == ["picture same", "picture own"]
        assert buffers == [b"never another", b"\x00"]
        assert [each["caption"] for each in content["pictures"]] == [HOSTILE, "number 0"]
        assert not any("png" in each for each in content["pictures"])


def test_then_only_what_has_changed() -> None:
    panel = Sent()
    panel.ask(event="ready")
    content, buffers = panel.ask(event="asked", name="number", value=3)
    assert panel.shown == Place(3)
    assert set(content) == {"controls", "facts", "pictures", "fresh"}
    assert content["facts"] == (("number", "3"),)
    assert content["fresh"] == ["picture own"]
    assert buffers == [b"\x03"]
    assert panel.ask(event="asked", name="number", value=3) == ({"fresh": []}, [])


def test_a_plane_and_a_plot_travel_as_bytes_that_are_sent_once() -> None:
    plane = Plane(b"\0\1", b"", 1, 1, 0.0, 1.0, 1.0, (1, 2, 3), HOSTILE)

    def view(state: Place) -> View:
        return View((), plane=plane, plot=Plot("plot", b"points", bytes([state.number]), "x", "y", ("a", "b"), 0))

    panel = Sent()
    panel.view = view
    content, buffers = panel.ask(event="ready")
    assert content["fresh"] == ["levels", "mask", "points", "groups"]
    assert buffers == [b"\0\1", b"", b"points", b"\0"]
    assert content["plane"]["alt"] == HOSTILE and not {"levels", "mask"} & set(content["plane"])
    assert panel.ask(event="asked", name="number", value=3) == ({"fresh": ["groups"]}, [b"\3"])


def test_where_a_picture_was_clicked() -> None:
    clicked: list[Asked] = []

    def keep(state: Place, asked: Asked) -> Place:
        clicked.append(asked)
        return state

    panel = Sent()
    panel.change = keep
    panel.ask(event="asked", name="own", at=[0.5, 1])
    assert clicked == [Asked("own", 0, (0.5, 1.0))]


def test_an_error_is_said_and_the_state_stays() -> None:
    panel = Sent()
    panel.ask(event="ready")
    content, _ = panel.ask(event="asked", name="number", value=10)
    assert content == {"said": "10 is beyond 9"}
    assert panel.shown == Place()


def test_the_state_that_a_notebook_may_keep_holds_nothing_that_is_shown() -> None:
    panel = Sent()
    before = panel.get_state()
    panel.ask(event="ready")
    panel.ask(event="asked", name="number", value=7)
    assert panel.get_state() == before
    kept = {name for name in before if not name.startswith(("_model", "_view", "_dom"))}
    assert kept == {"_esm", "_css", "_anywidget_id", "layout", "tabbable", "tooltip"}
    assert HOSTILE not in str(before)


@pytest.mark.parametrize("name", ["_esm", "_css"])
@pytest.mark.parametrize("widget", [Panel, Annotator])
def test_nothing_is_loaded_from_elsewhere_and_no_text_becomes_html(widget: type, name: str) -> None:
    source = str(getattr(widget, name)).replace("// ", "").replace("http://www.w3.org/2000/svg", "")
    assert len(source) > 500
    sets = r"(inner|outer)HTML|insertAdjacent|document\.write|eval\(|localStorage|model\.set\(|save_changes"
    assert not re.search(rf"{sets}|import[ (]|fetch|XMLHttp|http|//cdn|url\(", source)
