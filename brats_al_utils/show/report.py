"""The report of a study: a static HTML site that opens from the disk and loads nothing else.

It shows the outputs of the notebooks, and the tables and figures that they save, which name no patient.
"""

import shutil
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import matplotlib.pyplot as plt
import pandas as pd
from jinja2 import Environment, FileSystemLoader
from matplotlib.figure import Figure

from brats_al_utils import InputError, __version__
from brats_al_utils.files import beside, new_folder
from brats_al_utils.findings.answer import DESIGN_QUESTION, TABLES, answer, differences
from brats_al_utils.findings.outcomes import OUTCOME_RULE
from brats_al_utils.findings.paper import footnotes, is_its_task
from brats_al_utils.findings.verdicts import HERE, HERE_RULE, RULES
from brats_al_utils.show import captions, tables
from brats_al_utils.show.captions import ARMS_IN_WORDS
from brats_al_utils.show.claims import AGREES, DISAGREES, LOOKS, UNKNOWN, claims, strip
from brats_al_utils.show.exhibits import VIEWS, exhibits_of, of_this_version, read, typeset
from brats_al_utils.show.pages import TEMPLATES, Executed, convert
from brats_al_utils.show.style import STYLE
from brats_al_utils.study.places import ROOT, STAMPS, Places, numbered, stamp_of
from brats_al_utils.study.status import started

PUBLISHED = ROOT / "figures" / "published" / "open"
"""Figures of the published study of real patients, which are shown beside those of a synthetic cohort."""

SECTIONS = {
    "answer": "The answer",
    "claims": "Every claim of the paper",
    "figures": "Figures",
    "tables": "Tables",
    "numbers": "Further numbers",
    "notebooks": "Notebooks",
    "origin": "Where this comes from",
}
"""Sections of the index in order: titles by ids."""

SUFFIXES = (".csv", ".svg")
"""Suffixes of the tables and figures that are shown (PNG and PDF are for other programs)."""

CLASSES = {AGREES: "agrees", DISAGREES: "disagrees", UNKNOWN: "unknown"}
"""Classes of the style sheet, by the colours in the figure of claims."""


@dataclass(frozen=True)
class Card:
    """The scorecard for the index.

    Attributes
    ----------
    head : list of str
    groups : dict of str to list of rows
        The rows of each section of the paper, by its name; a row is a list of texts.
    unjudged : list of str
        Names of the rows that are not judged on another cohort than the paper's.
    notes : dict of str to str
        Footnotes by their marks.
    counts : dict of str to int
        Number of rows with each verdict, without those that are not judged.
    """

    head: list[str]
    groups: dict[str, list[list[str]]]
    unjudged: list[str]
    notes: dict[str, str]
    counts: dict[str, int]


def card_of(card: pd.DataFrame) -> Card:
    """Return the scorecard, with its rows grouped by the paper's sections."""
    elsewhere = bool(card["verdict"].isin(HERE.values()).any())
    silent = card["rule"].eq(RULES["number"]) & elsewhere
    judged = card[~silent]
    found = footnotes(judged["rule"].tolist(), judged["why"].tolist())
    table = tables.scorecard(judged).reset_index()
    groups: dict[str, list[list[str]]] = {}
    for row in table.to_numpy(str).tolist():
        section, sign, name = row[0].partition(": ")
        if not sign:
            section, _, name = row[0].partition(", ")
        groups.setdefault(section, []).append([name[:1].upper() + name[1:], *row[1:]])
    return Card(
        [str(word) for word in table.columns],
        groups,
        tables.scorecard(card[silent]).index.tolist(),
        ({"here": HERE_RULE} if elsewhere else {}) | found.rules | found.notes,
        {str(text): int(count) for text, count in judged["verdict"].value_counts().items()},
    )


@plt.style.context(STYLE)
def keep(figure: Figure, path: Path) -> None:
    """Save a figure that the report itself draws."""
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def study_of(places: Places) -> str:
    """Return the mark of the study that the report shows: that of the last `run`, else the last that wrote a file."""
    stamps = [path for folder in (places.figures, places.notebooks) for path in (folder / STAMPS).glob("[!.]*")]
    latest = max(stamps, key=lambda path: path.stat().st_mtime_ns, default=None)
    asked = (started(places) or {}).get("study")
    return str(asked or (latest.read_text(encoding="utf-8") if latest else ""))


def of_study(paths: Iterable[Path], study: str, others: list[str]) -> list[Path]:
    """Return the files that a study wrote, and add the names of all others to a list."""
    kept = []
    for path in paths:
        if stamp_of(path) == study:
            kept.append(path)
        elif path.stem not in others:
            others.append(path.stem)
    return kept


def index_of(places: Places, site: Path, notebooks: list[Executed], study: str, others: list[str]) -> dict[str, Any]:
    """Copy a study's figures and tables into the site, and return the values for the index.

    Raises
    ------
    InputError
        If a table was not written by this version's notebooks.
    """
    files = of_study((path for path in sorted(places.figures.glob("*.*")) if path.suffix in SUFFIXES), study, others)
    pictures = of_study(sorted(places.images.glob("*.svg")), study, others)  # without their tables, which name patients
    with of_this_version(places.figures):
        wanted = {*TABLES, *captions.READ}
        found = {path.stem: read(path) for path in files if path.suffix == ".csv" and path.stem in wanted}
        said, paired, scores = answer(found), differences(found), found.get("scorecard")
        paired = paired[paired["learned"] | (paired.index == 0)]  # contrasts that are not judged would stretch the axis
        card = None if scores is None else card_of(scores)
        for width, narrow in (("wide", False), ("narrow", True)):
            if len(paired):
                keep(strip(paired, narrow), site / "figures" / f"answer_{width}.svg")
            if scores is not None:
                keep(claims(scores, narrow), site / "figures" / f"claims_{width}.svg")
        exhibits = exhibits_of(files, site, "figures", found)
    images = exhibits_of(pictures, site, "images", {})
    fullest = max((notebook.caption for notebook in notebooks), key=len, default="")
    whence = fullest or next((exhibit.origin for exhibit in exhibits if exhibit.origin), "")
    cohort_name = whence.partition(";")[0]
    synthetic = "synthetic" in cohort_name.lower()
    drawn = {exhibit.name for exhibit in exhibits if exhibit.figure}
    published = [path for path in sorted(PUBLISHED.glob("*.svg")) if synthetic and path.stem in drawn]
    order, planned = list(VIEWS), [exhibit for exhibit in exhibits if exhibit.name == "outcomes"]
    shown = {
        "figures": [exhibit for exhibit in exhibits + images if exhibit.figure],
        "tables": sorted(
            (one for one in exhibits if one.table and one not in planned), key=lambda one: order.index(one.name)
        ),
        "numbers": [exhibit for exhibit in exhibits if exhibit.csv and not exhibit.figure and not exhibit.table],
        "notebooks": notebooks,
    }
    classes = sorted(found["cohort"]["class_name"].unique()) if "cohort" in found else []
    there = {"answer": True, "claims": card, "origin": True} | shown
    return shown | {
        "numbers_alone": shown["numbers"],
        "planned": planned,
        "attacks": found["attacks"].to_dict("records") if "attacks" in found else [],
        "outcome_rule": OUTCOME_RULE,
        "sections": [(name, title) for name, title in SECTIONS.items() if there[name]],
        "title": said.question,
        "here": "index.html",
        "answer": said,
        "paired": paired.to_dict("records"),
        "diamonds": paired["paper"].notna().any(),
        "arms": {arm: words for arm, words in ARMS_IN_WORDS.items() if arm in {*paired["arm"], *paired["other"]}},
        "classes": classes,
        "papers": is_its_task(classes),
        "drawn_sets": said.question == DESIGN_QUESTION,
        "cohort_name": cohort_name,
        "origin": whence,
        "settings": notebooks[0].settings if notebooks else "",
        "synthetic": synthetic,
        "others": others,
        "published": {exhibit.name: exhibit for exhibit in exhibits_of(published, site, "published", {})},
        "card": card,
        "looks": {verdict: (sign, CLASSES[colour]) for verdict, (sign, colour) in LOOKS.items()},
        "patients": bool(images),
    }


def write_report(places: Places) -> Path:
    """Write the report of a study into its outputs, in place of an earlier one, and return its index.

    It shows the notebooks that were executed and the tables and figures that exist. Files that another study has
    written into the same folders are not shown, but named.

    Raises
    ------
    InputError
        If there is nothing to show, or a notebook or a table cannot be read.
    """
    study, others = study_of(places), list[str]()
    paths = of_study(numbered(places.notebooks), study, others)
    if not paths and not of_study(places.figures.glob("*.csv"), study, []):
        raise InputError(f"{places.notebooks}: no executed notebooks: run `brats-al run` first")
    places.make()
    links = {path.name: f"{quote(path.stem)}.html" for path in paths}
    notebooks = [convert(path, links) for path in paths]
    pages = [("index.html", "Report"), *((links[path.name], path.stem.replace("_", " ")) for path in paths)]
    environment = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True)
    environment.globals |= {"pages": pages, "version": __version__}
    report = places.report.resolve()  # it may be a link to where pages are served from
    fresh, old = beside(report), beside(report)
    with new_folder(fresh) as site:
        index = environment.get_template("index.html").render(index_of(places, site, notebooks, study, others))
        (site / "index.html").write_text(typeset(index), encoding="utf-8")
        page = environment.get_template("page.html")
        for path, notebook in zip(paths, notebooks, strict=True):
            html = page.render(title=notebook.title, here=notebook.link, body=notebook.body)
            (site / f"{path.stem}.html").write_text(typeset(html), encoding="utf-8")
    if others:
        print(f"note: not shown, another study wrote them into these folders: {', '.join(others)}", file=sys.stderr)
    if report.exists():
        report.rename(old)
    fresh.rename(report)
    shutil.rmtree(old, ignore_errors=True)
    return report / "index.html"
