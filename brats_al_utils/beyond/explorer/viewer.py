"""A patient's volumes in 3-D, if the extra ``viewer`` is installed (ipyniivue, which brings niivue).

The voxels reach the browser as a message, and the viewer as an address within the page (``blob:``). Only that address
is in the state of the viewer's widgets, which may be saved with the notebook.
"""

import gzip
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import anywidget
import ipywidgets

from brats_al_utils.beyond.explorer.controls import LIST, Choice, Control, Slider, at, moved
from brats_al_utils.beyond.releases.images import VOLUMES
from brats_al_utils.cohorts.cohort import Cohort
from brats_al_utils.show.cohort_figures import CHANNEL_NAMES
from brats_al_utils.show.panel import STATIC, Asked, Panel, View
from brats_al_utils.show.text import Markdown
from brats_al_utils.study.study import Study

MASKS = ("seg", "mask")
"""Columns of masks, which are shown over the other volumes."""

HEIGHT = 420
"""Height of the viewer in pixels."""

MISSING = "Volumes in 3-D need the extra `viewer`: install it with `make viewer`, then restart the kernel."
NO_IMAGES = "Volumes in 3-D: images of patients are not part of a published study."
NO_VOLUMES = "Volumes in 3-D: this cohort has none, its images are of two dimensions."


class Courier(anywidget.AnyWidget):
    """Sends files into the page, and reports their addresses there."""

    _esm = STATIC / "courier.js"

    def __init__(self, told: Callable[[list[str]], None]) -> None:
        super().__init__()
        self.on_msg(lambda _, content, __: told([str(url) for url in content["urls"]]))


def volumes_of(cohort: Cohort) -> dict[str, dict[str, Path]]:
    """Return each patient's volumes, by sequence or column."""
    found: dict[str, dict[str, Path]] = {}
    for row in cohort.cases.to_dict("records"):
        files = {name: Path(row[name]) for name in cohort.files if str(row[name]).endswith(VOLUMES)}
        if files:
            found.setdefault(str(row["patient_id"]), files)
    return found


def packed(path: Path) -> bytes:
    """Return the content of a NIfTI file, compressed if it is not yet."""
    content = path.read_bytes()
    return content if path.suffix == ".gz" else gzip.compress(content, compresslevel=1)


@dataclass(frozen=True)
class Seen:
    """Which volume of which patient is shown."""

    patient: int = 0
    sequence: int = 0


def viewer(study: Study) -> ipywidgets.Widget | Markdown:
    """Return a viewer of a study's volumes, or a line that says why there is none.

    It reads a volume only when a browser asks for it, so a notebook executed without a browser reads none.
    """
    if not study.slices.pictured:
        return Markdown(NO_IMAGES)
    found = volumes_of(study.cohort)
    if not found:
        return Markdown(NO_VOLUMES)
    try:
        from ipyniivue import NiiVue, ShowRender, Volume
    except ImportError:
        return Markdown(MISSING)
    names, person = list(found), study.people.removesuffix("s")
    box = ipywidgets.VBox()

    def draw(urls: list[str]) -> None:
        if len(box.children) == 1:
            # As in the slices, the patient's right is on the left.
            looks = {"is_radiological_convention": True, "multiplanar_show_render": ShowRender.ALWAYS}
            box.children = [*box.children, NiiVue(height=HEIGHT, **looks)]
        layers: list[dict[str, Any]] = [{"colormap": "gray"}, {"colormap": "red", "opacity": 0.4}]
        box.children[1].volumes = [
            Volume(url=url, name="volume.nii.gz", **layer) for url, layer in zip(urls, layers, strict=False)
        ]

    courier = Courier(draw)

    def sequences(state: Seen) -> list[str]:
        return [name for name in found[names[state.patient]] if name not in MASKS]

    def controls(state: Seen) -> tuple[Control, ...]:
        labels = tuple(CHANNEL_NAMES.get(name, name) for name in sequences(state))
        slider = Slider("patient", f"{person}s", len(names) - 1)
        return at(state, Choice("patient" + LIST, person, tuple(names)), Choice("sequence", "volume", labels), slider)

    def change(state: Seen, asked: Asked) -> Seen:
        state = moved(state, asked, controls(state))
        return replace(state, sequence=min(state.sequence, len(sequences(state)) - 1))

    def view(state: Seen) -> View:
        files = found[names[state.patient]]
        wanted = [files[sequences(state)[state.sequence]], *(files[name] for name in MASKS if name in files)]
        courier.send({}, [packed(path) for path in wanted])
        return View(controls(state))

    box.children = [Panel(Seen(), change, view)]
    return box
