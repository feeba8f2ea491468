"""The panels of notebook 09: what follows when something is asked, what is shown, what is read for it, how fast."""

import time
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from selenium.webdriver import Chrome
from widget_page import WidgetPage

from brats_al_utils.beyond.explorer.browser import Browser, Browsing, browse
from brats_al_utils.beyond.explorer.controls import Choice, Slider
from brats_al_utils.beyond.explorer.explorer import Ranking, filtered
from brats_al_utils.beyond.explorer.explorer_figures import along_the_ranking
from brats_al_utils.beyond.explorer.side_by_side import PAGE, Choices, Pair, Patients, Visit, compare, patients
from brats_al_utils.beyond.explorer.tiles import class_colour, plane, slice_png
from brats_al_utils.cohorts.cohort import Cohort
from brats_al_utils.cohorts.slices import SliceSet
from brats_al_utils.show.panel import Asked, View
from brats_al_utils.study.places import Places
from brats_al_utils.study.profile import PROFILES
from brats_al_utils.study.study import Study

HOSTILE = "<img src=x onerror=alert(1)>"
ARMS = ("A", "B")


class Noted:
    """Images that keep which of them were read."""

    def __init__(self, images: np.ndarray[Any, Any]) -> None:
        self.images, self.read = images, set[int]()

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, key: Any) -> Any:
        self.read.add(int(key[0] if isinstance(key, tuple) else key))
        return self.images[key]


def made(pixels: Any, segmentation: Any, count: int, per_patient: int = 4, **more: Any) -> tuple[Study, Ranking]:
    """Return a study of so many training slices, and its ranking: slice 0 is the least uncertain."""
    number = np.arange(count)
    rows = pd.DataFrame({"patient_id": [f"p{place // per_patient:04}" for place in number]}).rename_axis("slice_id")
    rows.loc[number < per_patient, "patient_id"] = HOSTILE
    rows["label"] = 1 - number // per_patient % 2
    rows["class_name"] = np.where(rows["label"], "HGG", "LGG")
    rows["site"] = np.where(number < count // 2, "S1", "S2")
    rows["z"], rows["tumour_mm2"] = 50 + number % per_patient, 100.0 * (number % 3)
    manifest: dict[str, Any] = {
        "classes": ["LGG", "HGG"],
        "channels": ["t1", "t1ce", "t2"],
        "chosen_by": ["slices with tumour"],
    }
    manifest |= {"synthetic": False, "name": "cohort lung", "fingerprint": "0"} | more
    slices = SliceSet(Path(), manifest, rows.assign(part="training"), pixels, segmentation)
    places = Places(Path("nowhere"), Path("nowhere"))
    study = Study(PROFILES["smoke"], places, Cohort(Path(), pd.DataFrame(), (), {}), opened={"imbalanced": slices})
    rank = count - number
    rows = rows.reset_index().assign(run=1, rank=rank, decile=1 + 10 * (rank - 1) // count)
    rows["uncertainty"] = rows["entropy of 0.1"] = 2 - rank / count
    rows["probability"] = rows["P by 0.1"] = (number + 0.5) / count
    rows = rows.assign(first=number % 5 == 0, A=number % 2 == 0, B=number % 3 == 0)
    both = pd.concat([rows, rows.assign(run=2, rank=rank[::-1])])
    return study, Ranking("imbalanced", both, ("P by 0.1",), ("entropy of 0.1",), ARMS)


def small(count: int = 40, **more: Any) -> tuple[Study, Ranking, Noted]:
    """Return a study of images of 16 pixels, each as bright as its number."""
    pixels = Noted(np.broadcast_to(np.arange(count, dtype=np.uint8)[:, None, None, None], (count, 3, 16, 16)))
    masks = np.zeros((count, 16, 16), np.uint8)
    masks[:, 4:12, 4:12] = 1
    return *made(pixels, masks, count, **more), pixels


def options(view: View, name: str) -> Choice:
    (found,) = (each for each in view.controls if each.name == name)
    assert isinstance(found, Choice)
    return found


def slider(view: View) -> Slider:
    (found,) = (each for each in view.controls if isinstance(each, Slider))
    return found


def test_the_slider_goes_along_the_ranking() -> None:
    study, ranking, _ = small()
    browser = Browser(study, ranking)
    state = browser.change(Browsing(), Asked("place", 4))
    assert state == Browsing(place=4)
    view = browser.view(state)
    assert dict(view.facts)["rank"] == "5 of 40, decile 2"
    assert dict(view.facts)["slice, tumour"] == "z 53 (number 35), 200 mm²"
    assert slider(view) == Slider("place", "by falling uncertainty, 1 to 40", 39, 4)
    for asked, place in ((-3, 0), (39, 39), (10**6, 39)):
        assert browser.change(state, Asked("place", asked)).place == place


def test_filters_and_runs_start_from_the_first_slice() -> None:
    study, ranking, _ = small()
    browser, state = Browser(study, ranking), Browsing(place=7)
    asked = {"class_name": 2, "site": 1, "decile": 6, "chosen": 1, "spared": 2}
    for name, value in asked.items():
        state = browser.change(replace(state, place=7), Asked(name, value))
        assert state.place == 0
    assert state == Browsing(**asked)
    view = browser.view(state)
    assert [options(view, name).value for name in asked] == list(asked.values())
    assert options(view, "decile").options == ("all", *map(str, range(1, 11)))
    kept = browser.kept(state)
    assert view.said.startswith(f"{len(kept)} of 40 training slices") and 0 < len(kept) < 4
    wanted = {"class_name": "HGG", "site": "S1", "decile": "6", "chosen": "A", "spared": "B"}
    assert kept.equals(filtered(ranking.of_run(1), wanted))
    assert browser.change(state, Asked("class_name", 99)) == state, "there is no such option"
    assert browser.change(Browsing(place=3), Asked("run", 1)) == Browsing(run=1)
    assert dict(browser.view(Browsing(run=1)).facts)["slice, tumour"].startswith("z 50 (number 0)")


def test_a_filter_that_keeps_nothing_is_said() -> None:
    study, ranking, pixels = small()
    view = Browser(study, ranking).view(Browsing(decile=1, site=1))
    assert view.said == "No slice is left: loosen a filter."
    assert not view.plane and not view.facts and not pixels.read
    assert view.plot and set(view.plot.groups) == {2} and view.plot.selected == -1
    assert slider(view).last == 0


def test_every_fact_of_a_slice() -> None:
    study, ranking, _ = small()
    facts = dict(Browser(study, ranking).view(Browsing(place=39)).facts)
    assert facts == {
        "patient": HOSTILE,
        "class, site": "HGG, S1",
        "slice, tumour": "z 50 (number 0), no mask",
        "rank": "40 of 40, decile 10",
        "uncertainty": "1.000 nats, the sum of:",
        "entropies": "A 1.000",
        "divergences": "none",
        "P(HGG)": "0.013, the mean of:",
        "members": "A 0.013",
        "learning rates": "A 0.1",
        "committee": "trained on this slice",
        "chosen by": "A, B",
        "not chosen by": "none",
    }
    of_pixels, ranking, _ = small(chosen_by=["images as they are", "tumour areas in pixels"])
    assert "200 pixels" in dict(Browser(of_pixels, ranking).view(Browsing(place=4)).facts)["slice, tumour"]


def test_only_the_slice_that_is_shown_is_read() -> None:
    study, ranking, pixels = small()
    browser = Browser(study, ranking)
    state = browser.change(Browsing(place=2), Asked("channel", 1))
    view = browser.view(state)
    assert pixels.read == {37}
    assert options(view, "channel").options == ("T1", "T1ce", "T2") and options(view, "channel").value == 1
    assert not view.pictures and view.plane
    assert (view.plane.width, view.plane.height, view.plane.white) == (16, 16, 255)
    assert set(np.frombuffer(view.plane.levels, "<u2")) == {37 * 257}
    outlined = np.frombuffer(view.plane.mask, np.uint8).reshape(16, 16)
    assert outlined.sum() == 4 * 7, "the rim of a square of 8 pixels"
    plain = browser.view(browser.change(state, Asked("outline", 1))).plane
    assert plain and plain.mask == b""


def test_the_plot_has_every_slice_and_greys_what_is_filtered() -> None:
    study, ranking, _ = small()
    browser = Browser(study, ranking)
    plot, rows = browser.view(Browsing(place=1, class_name=1, site=1)).plot, ranking.of_run(1)
    assert plot and plot.names == ("LGG", "HGG")
    points = np.frombuffer(plot.points, "<f4").reshape(-1, 2)
    assert points == pytest.approx(rows[["probability", "uncertainty"]].to_numpy(float), abs=1e-6)
    kept = (rows["class_name"] == "LGG") & (rows["site"] == "S1")
    assert list(plot.groups) == [0 if each else 2 for each in kept]
    assert plot.selected == rows.index[kept][1]
    assert set(browser.view(Browsing()).plot.groups) == {0, 1}
    clicked = browser.change(Browsing(class_name=1, site=1), Asked("plot", plot.selected))
    assert clicked == Browsing(place=1, class_name=1, site=1), "a click shows the slice behind the point"


def test_a_patient_with_all_training_slices() -> None:
    study, ranking, pixels = small()
    shown = Patients(study, ranking)
    view = shown.view(Visit(channel=1))
    facts = dict(view.facts)
    assert options(view, "patient list").options[0] == "p0009"
    captions = ["z 50: rank 4, P 0.91", "z 51: rank 3, P 0.94", "z 52: rank 2, P 0.96", "z 53: rank 1, P 0.99"]
    assert [each.caption for each in view.pictures] == captions
    assert pixels.read == {36, 37, 38, 39}
    assert (facts["slices"], facts["chosen by A"], facts["chosen by B"]) == ("4, 0 of them annotated first", "2", "2")
    told = shown.change(Visit(), Asked(view.pictures[3].name, at=(0.5, 0.5)))
    assert told == Visit(slice_id=39)
    assert dict(shown.view(told).facts)["rank"] == "1 of 40, decile 1"
    for name in ("patient", "patient list"):
        assert shown.change(told, Asked(name, 9)) == Visit(patient=9)
    assert dict(shown.view(Visit(patient=9)).facts)["patient"] == HOSTILE
    assert shown.change(told, Asked("run", 1)) == Visit(run=1)
    assert shown.change(Visit(), Asked("channel", 7)) == Visit(channel=2)


def test_two_arms_side_by_side_a_page_at_a_time() -> None:
    """A chooses 20 of 40 slices, B 14, both 7."""
    study, ranking, pixels = small()
    shown = Choices(study, ranking)
    view = shown.view(Pair())
    facts = dict(view.facts)
    assert facts["both"].startswith("slices: 7 (7.0 if drawn at random)")
    assert facts["only A"].startswith("slices: 13 (13.0 if drawn at random), patients: ")
    assert [facts[name].split()[1] for name in ("only B", "neither")] == ["7", "13"]
    assert slider(view) == Slider("page", "page, 1 to 2", 1, 0)
    assert len(view.pictures) == len(pixels.read) == PAGE
    assert all(number % 2 == 0 and number % 3 for number in pixels.read)
    last = shown.change(Pair(), Asked("page", 5))
    assert last == Pair(page=1)
    assert [each.caption for each in shown.view(last).pictures] == ["HGG: rank 38, P 0.06"]
    assert shown.change(last, Asked("group", 0)) == Pair(group=0)
    assert shown.change(last, Asked("other", 0)) == Pair(other=0)
    same = shown.view(Pair(other=0))
    assert dict(same.facts)["only A"] == "slices: 0 (10.0 if drawn at random)"
    assert not same.pictures


def test_a_bundle_is_explored_by_its_numbers() -> None:
    empty = np.empty((0, 3, 16, 16), np.uint8)
    study, ranking = made(empty, empty[:, 0], 40)
    view = Browser(study, ranking).view(Browsing(place=2))
    assert not view.pictures and not view.plane and view.plot
    assert dict(view.facts)["rank"] == "3 of 40, decile 1"
    view = Patients(study, ranking).view(Visit())
    assert not view.pictures
    assert dict(view.facts)["z 50"] == "rank 4, P 0.91"
    view = Choices(study, ranking).view(Pair(group=0))
    assert not view.pictures
    assert len(view.facts) == 4 + 7


def test_no_panel_makes_a_picture_before_a_browser_asks() -> None:
    study, ranking, pixels = small()
    panels: list[Any] = [browse(study, ranking), patients(study, ranking), compare(study, ranking)]
    assert not pixels.read
    for panel in panels:
        panel.answer(panel, {"event": "ready"}, [])
    assert pixels.read


@pytest.mark.parametrize(("synthetic", "images"), [(True, 24), (False, 0)])
def test_what_is_printed_shows_images_of_phantoms_only(synthetic: bool, images: int) -> None:
    study, ranking, pixels = small(synthetic=synthetic)
    drawing = along_the_ranking(ranking, study)
    assert sum(len(axes.images) for axes in drawing.figure.axes) == images
    assert bool(pixels.read) == synthetic
    assert "patient_id" not in drawing.table


@pytest.mark.parametrize("side", [64, 224])
def test_a_step_among_4060_slices(side: int, tmp_path: Path) -> None:
    """Under 100 ms of the processor's time, a filter too, of slices on disk of which only what is shown is read."""
    pixels, segmentation = (
        np.lib.format.open_memmap(tmp_path / f"{len(shape)}.npy", "w+", np.uint8, shape)  # holes on the disk
        for shape in ((4060, 3, side, side), (4060, side, side))
    )
    for number in range(0, 4060, 203):
        pixels[number] = np.random.default_rng(number).integers(0, 255, (3, side, side))
        segmentation[number, side // 4 : side // 2, side // 4 : side // 2] = 1
    panel = browse(*made(pixels, segmentation, 4060, 20))
    panel.answer(panel, {"event": "ready"}, [])

    def spent(name: str, value: int) -> float:
        started = time.process_time()
        panel.answer(panel, {"event": "asked", "name": name, "value": value}, [])
        return time.process_time() - started

    steps = [spent("place", place) for place in range(4059, 0, -203)]
    assert panel.shown == Browsing(place=4059 - 203 * 19)
    filters = [spent("decile", decile) for decile in range(11)]
    assert max(np.median(steps), np.median(filters)) < 0.1, (steps, filters)


def one_slice() -> SliceSet:
    """One slice of 20 pixels, with a tumour of 10 x 10 that reaches an edge of the image."""
    pixels, tumour = np.full((1, 3, 20, 20), 77, np.uint8), np.zeros((1, 20, 20), np.uint8)
    tumour[0, 5:15, 10:] = 4
    table = pd.DataFrame({"class_name": ["HGG"]})
    return SliceSet(Path(), {"classes": ["LGG", "HGG"], "channels": ["t1", "t1", "t1"]}, table, pixels, tumour)


def test_the_two_outermost_pixels_of_a_tumour_have_its_colour() -> None:
    slices = one_slice()
    shown = np.asarray(Image.open(BytesIO(slice_png(slices, 0, 0, True, 20))))
    outline = (shown == class_colour(slices, 0)).all(axis=-1)
    assert outline.sum() == 10 * 10 - 6 * 6
    assert outline[5, 10] and outline[6, 11] and not outline[7, 12] and outline[9, 19]
    assert (shown[~outline] == 77).all()
    assert (np.asarray(Image.open(BytesIO(slice_png(slices, 0, 0, False, 20)))) == 77).all()
    assert Image.open(BytesIO(slice_png(slices, 0, 0, True, 100))).size == (100, 100)
    assert sum(plane(slices, 0, 0, True).mask) == 10 * 10 - 8 * 8, "one pixel wide, to be enlarged by the browser"


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
