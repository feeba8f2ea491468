"""A reader's desk: messages in, answers on the disk and what is shown next; and its keys in a browser."""

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from selenium.webdriver import Chrome, Keys
from widget_page import WidgetPage

from brats_al_utils import InputError
from brats_al_utils.beyond.annotation import desk as desk_module
from brats_al_utils.beyond.annotation.answers import Answer, append, current, digest, now, read
from brats_al_utils.beyond.annotation.desk import Desk, respond, seconds_left
from brats_al_utils.beyond.annotation.proposals import MAX_LEVEL, Picture, Proposal, grey_levels, proposals_of
from brats_al_utils.beyond.annotation.widget import Annotator
from brats_al_utils.cohorts.readers import read_cohort

HOSTILE = "<img src=x onerror=alert(1)>"
CLASSES = ("benign", "malignant")


def write_png(path: Path, grey: Any) -> Path:
    Image.fromarray(np.asarray(grey, np.uint8)).save(path)
    return path


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """Return a desk of four patients, of whom the first has three images."""
    files = [write_png(tmp_path / f"{number}.png", [[0, 10 * number], [50, 100]]) for number in range(6)]
    pictures = [Picture(f"{number}.png", (file,)) for number, file in enumerate(files)]
    first = Proposal(HOSTILE, tuple(pictures[:3]), (1,))
    others = [Proposal(f"p{number}", (pictures[number],)) for number in (3, 4, 5)]
    return Desk((first, *others), tmp_path / "answers.jsonl", "Anna", CLASSES)


def show(desk: Desk) -> dict[str, Any]:
    return respond(desk, {"ask": "show"})[0]


def answer(desk: Desk, label: str, shown: dict[str, Any] | None = None, **more: object) -> dict[str, Any]:
    """Answer what is shown, as the browser does."""
    shown = shown or show(desk)
    message = {"ask": "answer", "slice_id": shown["slice_id"], "sha256": shown["sha256"], "label": label}
    return respond(desk, message | {"note": "", "whole": False, "change": bool(shown["was"])} | more)[0]


def labels(desk: Desk) -> dict[str, str]:
    return {name: given.label for name, given in current(read(desk.answers), desk.reader).items()}


def undone(desk: Desk) -> tuple[str, str]:
    """Take an answer back; return what is shown then, and what is said."""
    back = respond(desk, {"ask": "undo"})[0]
    return back["slice_id"], back["said"]


def test_the_first_proposal_is_shown_with_all_that_a_reader_needs(desk: Desk, tmp_path: Path) -> None:
    message, (levels,) = respond(desk, {"ask": "show"})
    assert message["kind"] == "proposal"
    assert message["slice_id"] == "1.png"
    assert message["patient_id"] == HOSTILE
    assert message["labels"] == ["malignant", "benign"], "keys in the order of the setting: positive first"
    assert message["sha256"] == sha256((tmp_path / "1.png").read_bytes()).hexdigest()
    assert (message["places"], message["channels"]) == ([1], [1, 1, 1])
    assert message["counted"] == "Anna: 0 of 4 answered"
    assert not message["undo"]
    assert message["image"]["name"] == "1.png\nimage 2 of 3"
    assert (message["image"]["width"], message["image"]["height"]) == (2, 2)
    # 0, 10, 50 and 100 of a range that is 0 to 100.
    assert np.frombuffer(levels, "<u2").tolist() == [0, 6554, 32768, MAX_LEVEL]
    json.dumps(message)
    assert not desk.answers.exists()


def test_an_answer_is_on_the_disk_before_the_next_image_is_read(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[object] = []
    monkeypatch.setattr(os, "fsync", lambda number: order.append(os.fstat(number).st_size))
    shown = show(desk)

    def looked(file: Path, z: int) -> Any:
        order.append(file.name)
        assert labels(desk) == {"1.png": "malignant"}
        return grey_levels(file, z)

    monkeypatch.setattr(desk_module, "grey_levels", looked)
    message = answer(desk, "malignant", shown)
    assert message["slice_id"] == "3.png"
    assert message["said"] == f"Saved: {HOSTILE}, malignant."
    assert order[0] == desk.answers.stat().st_size and order[-1] == "3.png"
    (kept,) = read(desk.answers)
    assert (kept.slice_id, kept.label, kept.reader) == ("1.png", "malignant", "Anna")
    assert kept.image_sha256 == shown["sha256"]


def test_unsure_and_skip_are_answers_and_the_end_tells_of_all(desk: Desk) -> None:
    given = [answer(desk, label) for label in ("benign", "unsure", "skip", "malignant")]
    assert given[2]["counted"] == "Anna: 2 of 4 answered (1 unsure, 1 skipped)"
    assert given[3]["kind"] == "ended"
    assert "1 malignant\n1 benign\n1 unsure\n1 skipped" in given[3]["summary"]


def test_undo_leaves_what_another_reader_said_in_the_same_second(desk: Desk) -> None:
    answer(desk, "benign")
    append(desk.answers, replace(read(desk.answers)[-1], reader="Ben"))
    undone(desk)
    assert (labels(desk), labels(replace(desk, reader="Ben"))) == ({}, {"1.png": "benign"})


def test_a_new_kernel_goes_on_and_a_second_reader_starts_at_the_beginning(desk: Desk) -> None:
    """Who takes back own answers alone, and none to slices of another query."""
    append(desk.answers, Answer("old.png", "benign", "Ben", "2026-01-31T12:00:00+00:00", "0" * 64))
    answer(desk, "benign")
    answer(desk, "malignant")
    again, other = replace(desk), replace(desk, reader="Ben")
    assert (show(other)["slice_id"], show(other)["answered"]) == ("1.png", 0)
    assert undone(other)[1] == "Nothing to undo."
    answer(other, "malignant")
    assert show(again)["slice_id"] == "4.png"
    assert undone(again)[0] == "3.png"
    assert (labels(desk), labels(other)) == ({"1.png": "benign"}, {"old.png": "benign", "1.png": "malignant"})
    assert len(read(desk.answers)) == 5  # nothing is ever removed from the file


def test_what_another_window_has_answered_and_a_second_stroke_of_a_key_change_nothing(desk: Desk) -> None:
    shown = show(desk)
    answer(desk, "benign", shown)
    late = answer(desk, "malignant", shown)
    assert late["slice_id"] == "3.png"
    assert late["said"].startswith("Answered already")
    assert labels(desk) == {"1.png": "benign"}
    assert len(read(desk.answers)) == 1


def test_an_image_that_has_changed_since_it_was_shown_is_shown_again(desk: Desk, tmp_path: Path) -> None:
    shown = show(desk)
    write_png(tmp_path / "1.png", [[0, 1, 2]])
    message = answer(desk, "benign", shown)
    assert "the image has changed since it was shown: look again. Not saved." in message["said"]
    assert message["image"]["width"] == 3
    assert not desk.answers.exists()
    answer(desk, "benign", message)
    assert labels(desk) == {"1.png": "benign"}


REST = {"note": "", "whole": False, "change": False}
GIVEN = {"ask": "answer", "slice_id": "1.png", "sha256": "0" * 64, "label": "benign", **REST}
LOOK = {"ask": "look", "slice_id": "1.png", "place": 0, "channel": 0}
NONSENSE: list[object] = [
    *(None, "show", [], {}, {"ask": "format"}, {"ask": ["show"]}, {"ask": "answer"}),
    *({"ask": "open", "slice_id": "none.png"}, {"ask": "grid", "which": ["all"]}),
    *(GIVEN | {"label": label} for label in ("healthy", "undo", ["benign"])),
    *(GIVEN | {"slice_id": name} for name in ("../../etc/passwd", {"a": 1})),
    GIVEN | {"note": 1},
    *(LOOK | {"place": place} for place in (3, -1, "/etc/passwd")),
    *(LOOK | {"channel": 1}, LOOK | {"slice_id": HOSTILE * 1000}),
]


@pytest.mark.parametrize("message", NONSENSE, ids=str)
def test_a_hostile_message_is_refused_and_nothing_is_written(desk: Desk, message: object) -> None:
    reply, pictures = respond(desk, message)
    assert reply["kind"] == "refused"
    assert 10 < len(reply["said"]) < 300
    assert not pictures
    assert not desk.answers.exists()


@pytest.mark.parametrize("failing", [OSError(28, "No space left on device"), InputError("answers: no regular file")])
def test_what_is_not_saved_stays_on_the_screen(desk: Desk, failing: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise failing

    with monkeypatch.context() as patch:
        patch.setattr(desk_module, "append", full)
        reply = answer(desk, "benign")
    assert reply["kind"] == "refused"
    assert ("No space left on device: free some disk space" in reply["said"]) == isinstance(failing, OSError)
    assert show(desk)["slice_id"] == "1.png"


def test_an_image_that_cannot_be_read_is_told_of_and_can_be_skipped(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "1.png").write_bytes(b"no picture")
    message, pictures = respond(desk, {"ask": "show"})
    assert message["kind"] == "proposal"
    assert "cannot be read as PNG" in message["image"]["problem"]
    assert not pictures
    assert answer(desk, "skip", message)["slice_id"] == "3.png"
    assert labels(desk) == {"1.png": "skip"}


def test_a_volume_is_read_once_and_shown_plane_by_plane(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Values are 100 z + 10 y + x in a grid whose axes point left, posterior and superior, of pixels 1 x 2 mm."""
    x, y, z = np.meshgrid(range(3), range(2), range(4), indexing="ij")
    grid = np.diag([-1.0, -2, 5, 1])
    nib.save(nib.Nifti1Image((100 * z + 10 * y + x).astype(np.int16), grid), tmp_path / "v.nii.gz")
    levels, scale = grey_levels(tmp_path / "v.nii.gz", 2)
    assert levels.shape == (2, 3)
    found = levels.astype(float) / MAX_LEVEL * (scale.high - scale.low) + scale.low
    assert np.round(found).tolist() == [[200, 201, 202], [210, 211, 212]]
    assert (scale.low, scale.high, scale.aspect) == (0, 312, 0.5)
    assert 300 < scale.white <= 312
    monkeypatch.setattr("brats_al_utils.beyond.annotation.proposals.read_image", None)
    assert grey_levels(tmp_path / "v.nii.gz", 3)[0][1, 2] == MAX_LEVEL


def test_an_image_of_one_grey_level_is_shown(tmp_path: Path) -> None:
    levels, scale = grey_levels(write_png(tmp_path / "flat.png", [[7, 7]]), 0)
    assert levels.tolist() == [[0, 0]]
    assert scale.high > scale.low == 7


def test_proposals_bring_the_patients_other_images_channels_and_planes(tmp_path: Path) -> None:
    (tmp_path / "HGG").mkdir()
    for name in ("a", "b", "c", "b2"):
        write_png(tmp_path / "HGG" / f"{name}.png", [[ord(name[0]), len(name)]])
    nib.save(nib.Nifti1Image(np.ones((2, 2, 3), np.int16), np.eye(4)), tmp_path / "v.nii.gz")
    rows = ["P1,x,HGG/a.png", "P1,x,v.nii.gz", "P2,y,HGG/b.png", "P3,y,HGG/c.png"]
    (tmp_path / "cohort.csv").write_text("\n".join(["patient_id,label,image", *rows]), encoding="utf-8")
    cohort = read_cohort(tmp_path)
    cohort = replace(cohort, cases=cohort.cases.assign(known_as=cohort.cases["named"]))
    volume, second = proposals_of(["v.nii.gz#1", "HGG/b.png"], cohort)
    assert [picture.slice_id for picture in volume.pictures] == ["HGG/a.png", *(f"v.nii.gz#{z}" for z in range(3))]
    assert (volume.patient_id, volume.places, volume.first.slice_id) == ("P1", (2,), "v.nii.gz#1")
    assert volume.first.file == tmp_path / "v.nii.gz"
    assert volume.pictures[2].name == "v.nii.gz, slice 2 of 3"
    assert second.pictures[0].name == "b.png"  # no folder, which may be named after a class
    ids = ["v.nii.gz#1", "HGG/b.png", "HGG/a.png", "v.nii.gz#0"]
    assert [whole.places for whole in proposals_of(ids, cohort, whole=True)] == [(2, 0, 1), (0,)]
    assert [each.places for each in proposals_of(ids, cohort)] == [(2,), (0,), (0,), (1,)]
    for unknown in ("HGG/d.png", "v.nii.gz#3", "v.nii.gz", "", "../HGG/a.png"):
        with pytest.raises(InputError, match="no slice"):
            proposals_of([unknown], cohort)


def test_whole_patients_are_answered_and_taken_back_as_one(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = replace(desk, proposals=(replace(desk.proposals[0], places=(2, 0)), *desk.proposals[1:]))
    assert show(whole)["slice_id"] == "2.png"
    answer(whole, "malignant")
    assert labels(whole) == {"2.png": "malignant", "0.png": "malignant"}
    assert show(whole)["counted"] == "Anna: 1 of 4 answered"
    respond(whole, {"ask": "undo"})
    assert labels(whole) == {}
    # Interrupted after the first slice: the patient is still to be answered, or can be taken back.
    append(desk.answers, Answer("2.png", "benign", "Anna", "2026-01-31T12:00:00+00:00", "0" * 64))
    assert (show(whole)["slice_id"], show(whole)["undo"]) == ("2.png", True)
    answer(whole, "malignant")
    assert labels(whole) == {"2.png": "malignant", "0.png": "malignant"}


def test_an_answered_image_is_opened_from_the_grid_and_changed(desk: Desk) -> None:
    for label in ("benign", "malignant", "skip"):
        answer(desk, label, note=f"{label} <b>")
    message, pictures = respond(desk, {"ask": "grid", "which": "all"})
    assert message["options"] == ["all", "malignant", "benign", "unsure", "skip"]
    assert [tile["caption"] for tile in message["tiles"]] == [f"{HOSTILE}\nbenign", "p3\nmalignant", "p4\nskipped"]
    assert len(pictures) == 3 and message["tiles"][0]["note"] == "benign <b>"
    assert [tile["slice_id"] for tile in respond(desk, {"ask": "grid", "which": "skip"})[0]["tiles"]] == ["4.png"]
    opened = respond(desk, {"ask": "open", "slice_id": "1.png"})[0]
    assert (opened["was"], opened["note"], opened["slice_id"]) == ("benign", "benign <b>", "1.png")
    assert answer(desk, "malignant", opened)["slice_id"] == "5.png"
    assert labels(desk)["1.png"] == "malignant"
    assert undone(desk)[1] == "Taken back: malignant."
    assert labels(desk)["1.png"] == "benign"


def test_one_answer_for_all_images_of_a_person_is_one_step(desk: Desk) -> None:
    names = ("0.png", "1.png", "2.png")
    whole = replace(desk, files={name: desk.answers.parent / name for name in names})
    append(desk.answers, Answer("2.png", "benign", "Anna", now(), digest(whole.files["2.png"])))
    assert answer(whole, "malignant", whole=True)["said"] == f"Saved: {HOSTILE}, malignant, 2 images."
    assert labels(whole) == {"2.png": "benign", "1.png": "malignant", "0.png": "malignant"}, "what is answered stays"
    respond(whole, {"ask": "undo"})
    assert labels(whole) == {"2.png": "benign"}
    assert answer(desk, "malignant", whole=True)["said"] == f"Saved: {HOSTILE}, malignant.", "of slices that are cut"


def test_names_that_are_hidden_are_sent_nowhere(desk: Desk) -> None:
    hidden = replace(desk, hidden=True)
    message = show(hidden)
    assert (message["patient_id"], message["image"]["name"]) == ("person 1", "image 2 of 3")
    assert answer(hidden, "benign", message)["said"] == "Saved: person 1, benign."
    assert HOSTILE not in json.dumps([message, respond(hidden, {"ask": "grid", "which": "all"})[0]])


def test_an_answer_on_an_image_that_has_changed_is_asked_again(desk: Desk) -> None:
    file = desk.answers.parent / "1.png"
    desk = replace(desk, files={"1.png": file})
    answer(desk, "benign")
    write_png(file, [[7]])
    assert show(desk)["slice_id"] == "1.png" and show(desk)["answered"] == 0
    assert answer(desk, "benign")["slice_id"] == "3.png", "once"
    file.unlink()
    assert show(desk)["slice_id"] == "3.png", "what is gone is not asked"
    for _ in "345":
        ended = answer(desk, "benign")
    assert "3 of 4 answered" in ended["summary"] and "1 not shown" in ended["summary"]


def test_a_clock_that_was_ahead_does_not_win(desk: Desk) -> None:
    name, sha = "1.png", digest(desk.answers.parent / "1.png")
    append(desk.answers, Answer(name, "benign", "Anna", "2999-01-01T00:00:00+00:00", sha))
    answer(desk, "malignant", respond(desk, {"ask": "open", "slice_id": name})[0])
    assert labels(desk)[name] == "malignant"
    answer(desk, "malignant")
    respond(desk, {"ask": "undo"})  # the last answer alone, which was given to another image
    assert labels(desk) == {name: "malignant"}
    respond(desk, {"ask": "undo"})
    assert labels(desk) == {name: "benign"}


def test_the_next_query_comes_to_the_same_desk(desk: Desk) -> None:
    last = replace(desk, proposals=desk.proposals[3:])
    widget = Annotator(replace(desk, proposals=desk.proposals[:1], renew=lambda: last))
    sent: list[Any] = []
    widget.send = lambda content, buffers=None: sent.append(content)
    widget.receive(widget, {"ask": "next"}, [])
    assert sent[-1]["slice_id"] == "5.png" and widget.desk is last
    widget.desk = replace(desk, renew=Mock(side_effect=FileNotFoundError(2, "No such file", "x.png")))
    widget.receive(widget, {"ask": "next"}, [])
    assert sent[-1]["said"].startswith("x.png: No such file") and sent[-1]["kind"] == "refused"


def test_several_channels_are_shown_one_at_a_time(tmp_path: Path) -> None:
    files = tuple(write_png(tmp_path / f"{number}.png", [[0, 100, number]]) for number in range(2))
    desk = Desk((Proposal("p", (Picture("0.png", files),)),), tmp_path / "a.jsonl", "me", CLASSES)
    message, _ = respond(desk, {"ask": "show"})
    assert (message["channels"], message["image"]["name"]) == ([2], "0.png\nchannel 1 of 2")
    message, (levels,) = respond(desk, {"ask": "look", "slice_id": "0.png", "place": 0, "channel": 1})
    assert message["image"]["channel"] == 1
    assert np.frombuffer(levels, "<u2").tolist() == [0, MAX_LEVEL, 655]


def at(*seconds: int) -> list[str]:
    return [f"2026-01-31T12:{second // 60:02}:{second % 60:02}+00:00" for second in seconds]


def test_the_time_left_is_that_of_the_median_pause_without_breaks() -> None:
    # Pauses of 4, 10, 6 and 900 seconds: the last is a break, the median of the others 6.
    assert seconds_left(at(0, 4, 14, 20, 920), 5) == 30
    assert seconds_left(at(0, 4, 14), 5) is None
    assert seconds_left(at(0, 4, 14, 20), 0) is None


@settings(max_examples=40)
@given(st.lists(st.sampled_from(["benign", "malignant", "unsure", "skip", "undo", "again"]), max_size=12))
def test_whatever_is_pressed_file_and_screen_agree(tmp_path_factory: pytest.TempPathFactory, keys: list[str]) -> None:
    folder = tmp_path_factory.mktemp("desk")
    names = [f"{number}.png" for number in range(3)]
    pictures = [Picture(name, (write_png(folder / name, [[number]]),)) for number, name in enumerate(names)]
    proposals = tuple(Proposal(f"p{number}", (picture,)) for number, picture in enumerate(pictures))
    desk = Desk(proposals, folder / "answers.jsonl", "me", CLASSES)
    expected: list[str] = []
    for key in keys:
        if key == "undo":
            respond(desk, {"ask": "undo"})
            expected = expected[:-1]
        elif key == "again":
            desk = Desk(proposals, folder / "answers.jsonl", "me", CLASSES)
        elif len(expected) < 3:
            answer(desk, key)
            expected = [*expected, key]
        assert labels(desk) == dict(zip(names, expected, strict=False))
        shown = show(desk)
        assert shown["answered"] == len(expected) - expected.count("skip") and shown["undo"] == bool(expected)


def test_a_saved_notebook_holds_no_image_and_no_name(desk: Desk) -> None:
    """What a notebook's file can keep of a widget is its state and its representation."""
    widget = Annotator(desk)
    sent: list[tuple[Any, Any]] = []
    widget.send = lambda content, buffers=None: sent.append((content, buffers))
    widget.receive(widget, {"ask": "show"}, [])
    ((message, pictures),) = sent
    assert message["patient_id"] == HOSTILE and len(pictures[0]) == 8
    state = widget.get_state()
    own = {name for name in state if not name.startswith(("_", "layout", "tabbable", "tooltip"))}
    assert own == set()
    kept = json.dumps({name: str(value) for name, value in state.items()}) + str(widget._repr_mimebundle_())
    assert HOSTILE not in kept and "1.png" not in kept and "Anna" not in kept


@pytest.fixture
def own(desk: Desk, tmp_path: Path) -> Desk:
    """Three images of one person, of which the second is proposed, and one of another."""
    files = {path.name: path for path in tmp_path.glob("*.png")}
    needs = "Needs 2 malignant and 3 benign more for training."
    return replace(desk, proposals=desk.proposals[:2], files=files, needs=lambda: needs)


@pytest.fixture
def page(own: Desk, browser: Chrome) -> Iterator[WidgetPage]:
    yield WidgetPage(browser, Annotator, partial(respond, own))
    assert not [entry for entry in browser.get_log("browser") if "Uncaught" in entry["message"]]


def test_a_label_on_another_image_than_the_proposed_needs_a_second_press(page: WidgetPage, own: Desk) -> None:
    page.press(Keys.ARROW_RIGHT)
    assert "image 3 of 3" in page.seen(".brats-al-named") and "Space" in page.seen(".brats-al-other")
    assert page.press("1") == [] and "press again" in page.seen(".brats-al-said")
    assert page.press("2") == [], "another label is asked again too"
    (asked,) = page.press("2")
    assert (asked["slice_id"], asked["label"]) == ("1.png", "benign") and labels(own) == {"1.png": "benign"}


def test_keys_are_in_the_order_of_classes_and_shift_answers_for_the_person(page: WidgetPage, own: Desk) -> None:
    assert page.seen(".brats-al-needs") == "Needs 2 malignant and 3 benign more for training."
    assert page.seen(".brats-al-first") == "1 malignant" and page.seen(".brats-al-second") == "2 benign"
    page.press("1", shift=True)
    assert labels(own) == dict.fromkeys(["0.png", "1.png", "2.png"], "malignant")
    assert page.seen(".brats-al-named").splitlines()[0] == "p3"


def test_help_full_screen_note_and_the_grid(page: WidgetPage, own: Desk) -> None:
    assert not page.seen(".brats-al-legend")
    page.press("?")
    assert "full screen" in page.seen(".brats-al-legend") and "the same for all images" in page.seen(".brats-al-legend")
    page.press("?", "f")
    full = "return document.fullscreenElement?.className.includes('annotator')"
    assert page.browser.execute_script(full)
    page.press("f")
    assert page.press("n", "1 is not a key here", Keys.ENTER) == []
    page.press("s")
    given = current(read(own.answers), "Anna")["1.png"]
    assert (given.label, given.note) == ("skip", "1 is not a key here")
    assert page.seen(".brats-al-counted") == "Anna: 0 of 2 answered (1 skipped)", "skip does not count"
    page.press("g")
    assert page.seen(".brats-al-tile") == f"{HOSTILE}\nskipped\n1 is not a key here"
    page.click(".brats-al-tile")
    assert "Answered: skipped" in page.seen(".brats-al-said")
    page.press("1")
    assert labels(own) == {"1.png": "malignant"}


def test_the_note_s_field_can_be_read_whatever_the_theme(page: WidgetPage) -> None:
    """JupyterLab's own rule for placeholders is dark."""
    page.browser.execute_script(
        "document.head.prepend(Object.assign(document.createElement('style'), {textContent: arguments[0]}))",
        "::placeholder{color:#000} input{background:#000;color:#000}",
    )
    look = "const of = getComputedStyle(document.querySelector('.brats-al-note'), arguments[0]); return of.color"
    assert page.browser.execute_script(look, "::placeholder") == "rgb(181, 181, 181)"
    assert page.browser.execute_script(look, None) == "rgb(255, 255, 255)"


def test_disagreements_of_two_readers_stand_side_by_side(page: WidgetPage, own: Desk) -> None:
    page.press("1", "1")
    for label in ("benign", "skip"):
        answer(replace(own, reader="Ben"), label)
    page.press("g")
    page.click(".brats-al-which button", "disagreements")
    assert page.seen(".brats-al-tile") == f"{HOSTILE}\nAnna: malignant; Ben: benign"
