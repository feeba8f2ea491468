"""Turn what a study has written into one static HTML site, which opens from the disk and loads nothing else."""

import csv
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import matplotlib.pyplot as plt
import pandas as pd
from jinja2 import Environment, FileSystemLoader

from brats_al_utils import InputError, __version__
from brats_al_utils.files import beside, new_folder
from brats_al_utils.findings.answer import QUESTION, RULE, answer, origin
from brats_al_utils.findings.claims import footnotes
from brats_al_utils.findings.verdicts import HERE, HERE_RULE
from brats_al_utils.show import tables
from brats_al_utils.show.claims import AGREES, DISAGREES, LOOKS, UNKNOWN, claims
from brats_al_utils.show.exhibits import copy_exhibits, of_this_version, read
from brats_al_utils.show.pages import TEMPLATES, Executed, convert
from brats_al_utils.show.style import STYLE
from brats_al_utils.study.places import ROOT, Places, numbered

PUBLISHED = ROOT / "figures" / "published" / "open"
"""Figures of the published study of real patients, beside which those of a synthetic cohort are shown."""

READ = ("scorecard", "tests", "intervals", "label_efficiency", "areas")
"""Tables from which the first section is computed."""

CLASSES = {AGREES: "agrees", DISAGREES: "disagrees", UNKNOWN: "unknown"}
"""Of the style sheet, by the colour of the figure."""


@dataclass(frozen=True)
class Card:
    """The scorecard as the index shows it: links to its figure and its numbers, its table, and its footnotes."""

    wide: str
    narrow: str
    csv: str
    head: list[str]
    rows: list[list[str]]
    notes: dict[str, str]


@plt.style.context(STYLE)
def card_of(card: pd.DataFrame, site: Path) -> Card:
    """Draw the figure of all claims into the site, for wide and for narrow pages, and return the scorecard."""
    links = {"wide": "figures/claims.svg", "narrow": "figures/claims_narrow.svg"}
    for width, link in links.items():
        figure = claims(card, stacked=width == "narrow")
        figure.savefig(site / link, metadata={"Date": None})
        plt.close(figure)
    table = tables.scorecard(card).reset_index()
    found = footnotes(card["rule"].tolist(), card["why"].tolist())
    here = {"here": HERE_RULE} if card["verdict"].isin(HERE.values()).any() else {}
    head, rows = [str(word) for word in table.columns], table.to_numpy(str).tolist()
    return Card(**links, csv="figures/scorecard.csv", head=head, rows=rows, notes=here | found.rules | found.notes)


def patients_of(places: Places) -> set[str]:
    """Return the names of the real patients of a study: those of its slice sets, left out and absent ones included."""
    names: set[str] = set()
    for path in (places.outputs / "slices").glob("[!.]*/manifest.json"):
        manifest = json.loads(path.read_text(encoding="utf-8"))
        if not manifest["synthetic"]:
            with (path.parent / "split.csv").open(newline="", encoding="utf-8") as file:
                names |= {row["patient_id"] for row in csv.DictReader(file)}
            names |= {*manifest["left_out"], *manifest["absent"]}
    return names


def hide(site: Path, names: set[str]) -> None:
    """Take the names of patients out of all that a site says, whichever notebook or error has let one in."""
    for path in site.rglob("*.*") if names else ():
        said = text = path.read_text(encoding="utf-8")
        for name in names:
            text = text.replace(name, "[patient]")
        if text != said:
            path.write_text(text, encoding="utf-8")


def index_of(places: Places, site: Path, notebooks: list[Executed]) -> dict[str, Any]:
    """Copy a study's figures and tables into the site, and return what its index shows.

    Raises
    ------
    InputError
        If a table is not what the notebooks write.
    """
    images = copy_exhibits(places.outputs / "images", site, "images", (".svg",))  # its tables name patients
    exhibits = copy_exhibits(places.figures, site, "figures")
    with of_this_version(places.figures):
        found = {name: read(path) for name in READ if (path := places.figures / f"{name}.csv").exists()}
        said, scores = answer(found), found.get("scorecard")
        card = None if scores is None else card_of(scores, site)
    captions = [notebook.caption for notebook in notebooks if notebook.link.startswith("06")]
    captions += [notebook.caption for notebook in notebooks] + [exhibit.caption for exhibit in exhibits]
    whence = origin(captions)
    shown = {exhibit.name for exhibit in exhibits if exhibit.figure}
    synthetic = "synthetic" in whence.get("cohort", "").lower()
    published = copy_exhibits(PUBLISHED, site, "published", (".svg",), shown) if synthetic else []
    return {
        "title": QUESTION,
        "here": "index.html",
        "answer": said,
        "rule": RULE,
        "origin": whence,
        "synthetic": synthetic,
        "published": {exhibit.name: exhibit for exhibit in published},
        "card": card,
        "counts": {} if scores is None else scores["verdict"].value_counts().to_dict(),
        "looks": {verdict: (sign, CLASSES[colour]) for verdict, (sign, colour) in LOOKS.items()},
        "patients": bool(images),
        "exhibits": [exhibit for exhibit in exhibits if exhibit.name != "scorecard"] + images,
        "notebooks": notebooks,
    }


def write_report(places: Places) -> Path:
    """Write the report of a study among its outputs, in place of an earlier one, and return its index.

    It shows what there is: of a study of which some notebooks were executed, or of which there are only tables, that.
    Of real patients it shows images, but no name and no table of single patients.

    Raises
    ------
    InputError
        If there is nothing to show, or a notebook or a table cannot be read.
    """
    paths = numbered(places.outputs / "notebooks")
    if not paths and not any(places.figures.glob("*.csv")):
        raise InputError(f"{places.outputs / 'notebooks'}: no executed notebooks: run `brats-al run` first")
    places.make()
    links = {path.name: f"{quote(path.stem)}.html" for path in paths}
    notebooks = [convert(path, links) for path in paths]
    pages = [("index.html", "Report"), *((links[path.name], path.stem.replace("_", " ")) for path in paths)]
    environment = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True)
    environment.globals |= {"pages": pages, "version": __version__}
    report = places.outputs / "report"
    fresh, old = beside(report), beside(report)
    with new_folder(fresh) as site:
        index = index_of(places, site, notebooks)
        (site / "index.html").write_text(environment.get_template("index.html").render(index), encoding="utf-8")
        page = environment.get_template("page.html")
        for path, notebook in zip(paths, notebooks, strict=True):
            html = page.render(title=notebook.title, here=notebook.link, body=notebook.body)
            (site / f"{path.stem}.html").write_text(html, encoding="utf-8")
        hide(site, patients_of(places))
    if report.exists():
        report.rename(old)
    fresh.rename(report)
    shutil.rmtree(old, ignore_errors=True)
    return report / "index.html"
