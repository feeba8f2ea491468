"""Turn a finished study into one static HTML site, which opens from the disk and loads nothing from elsewhere."""

import csv
import json
import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import nbformat
from bs4 import BeautifulSoup
from jinja2 import DictLoader, Environment
from markupsafe import Markup
from nbconvert import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

from brats_al_utils import InputError, __version__
from brats_al_utils.files import beside, new_folder
from brats_al_utils.study.places import Places, numbered

STYLE = """
body{max-width:62rem;margin:0 auto;padding:0 1rem 4rem;font:1rem/1.55 system-ui,sans-serif;color:#1b1f24}
nav{display:flex;flex-wrap:wrap;gap:.3rem 1.1rem;padding:.8rem 0;border-bottom:1px solid #d5dae0;font-size:.9rem}
a{color:#0a58a6} nav a[aria-current]{color:inherit;font-weight:600;text-decoration:none}
h1,h2,h3{line-height:1.25} h2{margin-top:2.5rem;border-bottom:1px solid #d5dae0} h3{margin:1.8rem 0 .3rem}
p,li,h1,h2,h3,code{overflow-wrap:anywhere} small,summary{color:#57606a;font-size:.85rem} summary{cursor:pointer}
img{max-width:100%;height:auto} figure{margin:.5rem 0} figure img{width:48rem}
.table,.output_html,pre{overflow-x:auto} pre{font-size:.85rem;line-height:1.4}
.highlight{background:#f4f6f8;padding:.1rem .8rem}
table{border-collapse:collapse;font-size:.9rem;margin:.5rem 0} thead tr:last-child th{border-color:#57606a}
th,td{padding:.25rem .7rem;border-bottom:1px solid #d5dae0;text-align:left;vertical-align:top}
.number,.dataframe td{text-align:right;font-variant-numeric:tabular-nums} .number{white-space:nowrap}
.text{min-width:26rem}
.warning,.output_error{padding:.5rem .8rem;border-left:.3rem solid #b42318;background:#fdf1ef}
"""

# The policy lets the browser load nothing but the site's own pictures, and run nothing.
PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src 'self' file: data:; style-src 'unsafe-inline'">
<title>{{ title }}</title><link rel="icon" href="data:,"><style>{% include "style" %}</style></head>
<body><nav aria-label="Pages">{% for link, text in pages %}

<a href="{{ link }}"{% if link == here %} aria-current="page"{% endif %}>{{ text }}</a>{% endfor %}

</nav><main>{% block main %}{{ body }}{% endblock %}</main></body></html>
"""

INDEX = """{% extends "page" %}
{% macro show(exhibit) %}
<section><h3>{{ exhibit.title }}</h3>
{% if exhibit.figure %}
<figure><a href="{{ exhibit.figure }}"><img
 src="{{ exhibit.figure }}" alt="{{ exhibit.title }}: figure. {{ captions[0] }}"></a></figure>
{% endif %}
{% if exhibit.rows %}
<details{% if exhibit.rows|length <= 40 %} open{% endif %}>
<summary>{{ exhibit.rows|length - 1 }} rows</summary><div class="table" tabindex="0">
<table><thead><tr>{% for cell in exhibit.rows[0] %}<th scope="col">{{ cell }}</th>{% endfor %}</tr></thead><tbody>
{% for row in exhibit.rows[1:] %}
<tr>{% for cell in row %}
<td{% if cell is a_number %} class="number"{% elif cell|length > 160 %} class="text"{% endif %}>{{ cell }}</td>
{% endfor %}</tr>
{% endfor %}
</tbody></table></div></details>
{% endif %}
{% if exhibit.csv %}<small><a href="{{ exhibit.csv }}">{{ exhibit.name }}.csv</a></small>{% endif %}

</section>
{% endmacro %}
{% block main %}
<h1>{{ title }}</h1>
<p>Hao et al. 2021, <cite>A Transfer Learning Based Active Learning Framework for Brain Tumor Classification</cite>,
repeated section by section: AlexNet, fine-tuned on slices of BraTS, tells high-grade from low-grade glioma.</p>
<ul>{% for caption in captions if caption %}<li><strong>{{ caption }}</strong></li>{% endfor %}</ul>
{% if patients %}<p class="warning">These pages show images of patients: do not publish them.</p>{% endif %}

{% for exhibit in exhibits if exhibit.name == "scorecard" %}{{ show(exhibit) }}{% endfor %}

<h2>Notebooks</h2>
{% for notebook in notebooks %}
<section><h3><a href="{{ notebook.link }}">{{ notebook.title }}</a></h3><small>{{ notebook.origin }}</small>
{% if notebook.failed %}<p class="warning">Stopped with an error: what it shows is not complete.</p>{% endif %}

{{ notebook.found }}</section>
{% endfor %}
<h2>Tables and figures</h2>
{% for exhibit in exhibits if exhibit.name != "scorecard" %}{{ show(exhibit) }}{% endfor %}

<hr><p><small>Written by brats-al {{ version }}.</small></p>
{% endblock %}
"""

# As nbconvert's barest template, with the code folded away.
NOTEBOOK = """{% extends "basic/index.html.j2" %}
{% block input %}<details><summary>Code</summary>{{ super() }}</details>{% endblock %}"""


@dataclass(frozen=True)
class Exhibit:
    """A figure, a table or both, of one name: links relative to the index, and the rows to show."""

    name: str
    figure: str = ""
    csv: str = ""
    rows: list[list[str]] = field(default_factory=list)

    @property
    def title(self) -> str:
        """The name as a title: ``table2_training`` is Table 2 training."""
        words = re.sub(r"(?<=[a-z])(?=\d)", " ", self.name).replace("_", " ")
        return words[:1].upper() + words[1:]


@dataclass(frozen=True)
class Executed:
    """An executed notebook: its first Markdown output says its origin, in bold; its last what was found."""

    link: str
    body: Markup
    title: str
    caption: str
    origin: str
    found: Markup
    failed: bool


def convert(path: Path, links: dict[str, str]) -> Executed:
    """Read and convert an executed notebook.

    Parameters
    ----------
    links : dict of str to str
        The page of each notebook, by file name.
    """
    try:
        notebook = nbformat.read(path, as_version=4)
    except ValueError as error:
        raise InputError(f"{path}: not a whole notebook: execute it (again) with `brats-al run`") from error
    title = heading = path.stem
    for number, cell in enumerate(notebook.cells):
        if cell.cell_type == "markdown" and (headings := re.findall(r"^#+ +(.+)$", cell.source, re.MULTILINE)):
            title, heading = headings[0] if number == 0 else title, headings[-1]
        cell.metadata.setdefault("alt", f"{heading}: figure")
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    said = [output.data["text/markdown"] for output in outputs if "text/markdown" in output.get("data", {})]
    bold = re.match(r"\*\*(.+?)\.?\*\*", said[0]) if said else None
    settings = notebook.metadata.get("papermill", {}).get("parameters", {})
    profile = f"profile {settings['profile']}" if settings.get("profile") else ""
    changed = ", ".join(f"{name}={value}" for name, value in (settings.get("settings") or {}).items())
    caption = bold[1] if bold else ""
    return Executed(
        links[path.name],
        page_body(notebook, links),
        title,
        caption,
        "; ".join(filter(None, (caption, profile, changed))),
        markdown(said[-1]) if len(said) > 1 else Markup(),
        any(output.output_type == "error" for output in outputs),
    )


def markdown(text: str) -> Markup:
    """Return Markdown as HTML, with the HTML in it escaped."""
    renderer = IPythonRenderer(escape=True, exclude_anchor_links=True)
    return Markup(MarkdownWithMath(renderer=renderer).render(text))  # noqa: S704 - escaped


def page_body(notebook: nbformat.NotebookNode, links: dict[str, str]) -> Markup:
    """Return a notebook as HTML, without anything that runs or that lies outside the page."""
    exporter = HTMLExporter(template_name="basic", raw_template=NOTEBOOK)
    exporter.exclude_input_prompt = exporter.exclude_output_prompt = True
    soup = BeautifulSoup(exporter.from_notebook_node(notebook)[0], "html.parser")
    unwanted = "script, style, link, meta, base, iframe, object, embed, .output_javascript, .anchor-link"
    for element in soup.select(unwanted):
        element.decompose()
    for image in soup("img"):
        if not str(image.get("src")).startswith("data:"):
            image.replace_with(f"[image: {image.get('alt')}]")
    for table in soup("table", border=True):
        del table["border"]
    for header in soup("th"):
        header["scope"] = "col" if header.find_parent("thead") else "row"
    for link in soup("a", href=True):
        name, sign, fragment = str(link["href"]).partition("#")
        link["href"] = links.get(name, name) + sign + fragment
    for table in soup.select(".output_html"):
        table["tabindex"] = "0"  # so that a keyboard can scroll it
    return Markup(soup)  # noqa: S704 - cleaned above, and the page's policy lets nothing run


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


def copy_exhibits(folder: Path, site: Path, name: str, ends: tuple[str, ...] = (".svg", ".csv")) -> list[Exhibit]:
    """Copy a folder's figures and tables, or what else ends so, into the site, under ``name``."""
    files = {path.name: path for path in sorted(folder.glob("*")) if path.suffix in ends}
    for path in files.values():
        (site / name).mkdir(exist_ok=True)
        shutil.copyfile(path, site / name / path.name)
    found = []
    for stem in sorted({path.stem for path in files.values()}):
        svg, table = (f"{name}/{quote(stem + end)}" if stem + end in files else "" for end in (".svg", ".csv"))
        rows: list[list[str]] = []
        if table and (stem.startswith("table") or stem == "scorecard"):
            with files[stem + ".csv"].open(newline="", encoding="utf-8") as file:
                rows = [row for row in csv.reader(file) if row]
        found.append(Exhibit(stem, svg, table, rows))
    return sorted(found, key=lambda exhibit: (not exhibit.rows, not exhibit.figure))


def captions_of(notebooks: list[Executed]) -> list[str]:
    """Return the captions, without those that another one begins with."""
    every = list(dict.fromkeys(notebook.caption for notebook in notebooks if notebook.caption))
    return [text for text in every if not any(other != text and other.startswith(text) for other in every)] or [""]


def write_report(places: Places) -> Path:
    """Write the report of a study among its outputs, in place of an earlier one, and return its index.

    Of real patients it shows images, but no name and no table of single patients.

    Raises
    ------
    InputError
        If no notebook was executed, or one of them cannot be read.
    """
    paths = numbered(places.outputs / "notebooks")
    if not paths:
        raise InputError(f"{places.outputs / 'notebooks'}: no executed notebooks: run `brats-al run` first")
    places.make()
    links = {path.name: f"{quote(path.stem)}.html" for path in paths}
    notebooks = [convert(path, links) for path in paths]
    pages = [("index.html", "Report"), *((links[path.name], path.stem.replace("_", " ")) for path in paths)]
    templates = DictLoader({"style": STYLE, "page": PAGE, "index": INDEX})
    environment = Environment(loader=templates, autoescape=True, trim_blocks=True)
    environment.tests["a_number"] = re.compile(r"[-+]?[\d.]+(e[-+]\d+)?|nan|").fullmatch
    environment.globals |= {"pages": pages, "version": __version__}
    report = places.outputs / "report"
    fresh, old = beside(report), beside(report)
    with new_folder(fresh) as site:
        images = copy_exhibits(places.outputs / "images", site, "images", (".svg",))  # its tables name patients
        index: dict[str, Any] = {
            "title": "Does active learning save labels? A report of brats-al",
            "here": "index.html",
            "captions": captions_of(notebooks),
            "patients": bool(images),
            "exhibits": [*copy_exhibits(places.figures, site, "figures"), *images],
            "notebooks": notebooks,
        }
        (site / "index.html").write_text(environment.get_template("index").render(index), encoding="utf-8")
        page = environment.get_template("page")
        for path, notebook in zip(paths, notebooks, strict=True):
            html = page.render(title=notebook.title, here=notebook.link, body=notebook.body)
            (site / f"{path.stem}.html").write_text(html, encoding="utf-8")
        hide(site, patients_of(places))
    if report.exists():
        report.rename(old)
    fresh.rename(report)
    shutil.rmtree(old, ignore_errors=True)
    return report / "index.html"
