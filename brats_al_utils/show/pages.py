"""Executed notebooks as pages of the report: they run no code, and load nothing from elsewhere.

The outputs of cells are shown, but not errors, warnings and parameters: these may name patients or paths.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import nbformat
from bs4 import BeautifulSoup
from markupsafe import Markup
from nbconvert import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

from brats_al_utils import InputError
from brats_al_utils.show.claims import LOOKS
from brats_al_utils.show.exhibits import scoped
from brats_al_utils.show.text import as_said, as_text

TEMPLATES = Path(__file__).with_name("templates")
"""Jinja templates of the pages."""

FOUND = "## What was found"
"""Heading of the last section of a notebook, which its page shows first."""

COPY = re.compile(r"\n\n\[As it came out .*?\]\(\.\./published/.*?\)")
"""The link of a notebook to its executed copy on GitHub, which is removed from the page."""

LEFT_OUT = {"parameters", "injected-parameters", "papermill-error-cell-tag"}
"""Tags of the cells of parameters, which the page states without folders, and of papermill's lines on an error."""


@dataclass(frozen=True)
class Executed:
    """An executed notebook: its first Markdown output in bold is its caption, its last one the findings."""

    link: str
    body: Markup
    title: str
    caption: str
    settings: str
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
    notebook.cells = [cell for cell in notebook.cells if not LEFT_OUT & set(cell.metadata.get("tags", []))]
    title = heading = path.stem
    for cell in notebook.cells[:1]:
        cell.source = COPY.sub("", cell.source)
    for number, cell in enumerate(notebook.cells):
        if cell.cell_type == "markdown" and (headings := re.findall(r"^#+ +(.+)$", cell.source, re.MULTILINE)):
            title, heading = headings[0] if number == 0 else title, headings[-1]
        cell.metadata.setdefault("alt", f"{heading}: figure")
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    said = [output.data["text/markdown"] for output in outputs if "text/markdown" in output.get("data", {})]
    bold = next(filter(None, (re.match(r"\*\*(.+?)\.?\*\*", text) for text in said)), None)
    settings = notebook.metadata.get("papermill", {}).get("parameters", {})
    profile = f"profile {settings['profile']}" if settings.get("profile") else ""
    changed = ", ".join(f"{name}={value}" for name, value in (settings.get("settings") or {}).items())
    caption = as_said(bold[1]) if bold else ""
    failed = any(output.output_type == "error" for output in outputs)
    for cell in notebook.cells:
        if "outputs" in cell:
            cell.outputs = [
                without_words(output, path.name) for output in cell.outputs if output.output_type != "stream"
            ]
    notebook.cells = in_order(notebook.cells)
    return Executed(
        links[path.name],
        page_body(notebook, links),
        title,
        caption,
        ", ".join(filter(None, (profile, changed))),
        markdown(said[-1]) if len(said) > 1 and not failed else Markup(),
        failed,
    )


def without_words(output: nbformat.NotebookNode, name: str) -> nbformat.NotebookNode:
    """Return an output; of an error only its kind."""
    if output.output_type != "error":
        return output
    told = f"{output.ename}. What it says may name patients: read it in the executed notebook, {name}."
    kind: nbformat.NotebookNode = nbformat.v4.new_output("error", ename=output.ename, evalue="", traceback=[told])
    return kind


def in_order(cells: Sequence[nbformat.NotebookNode]) -> list[nbformat.NotebookNode]:
    """Return the cells of a page: the title, the findings, the set-up as one cell, and all others."""
    ends = [number for number, cell in enumerate(cells) if cell.source.startswith(FOUND)]
    body, found = (cells[1 : ends[-1]], cells[ends[-1] :]) if ends else (cells[1:], [])
    count = next((number for number, cell in enumerate(body) if cell.cell_type != "code"), len(body))
    setup = body[:count]
    if setup:
        setup = [nbformat.v4.new_code_cell("\n\n".join(cell.source for cell in body[:count]), id=body[0]["id"])]
        setup[0].update(outputs=[output for cell in body[:count] for output in cell.outputs], execution_count=1)
        setup[0].metadata["summary"] = "Set-up"
    for cell in found:
        if cell.cell_type == "code":
            cell.source = ""  # the findings without their code
    return [*cells[:1], *found, *setup, *body[count:]]


def markdown(text: str) -> Markup:
    """Return Markdown as HTML; HTML and links within it are escaped."""
    renderer = IPythonRenderer(escape=False, exclude_anchor_links=True)
    return Markup(MarkdownWithMath(renderer=renderer).render(as_text(as_said(text))))  # noqa: S704 - escaped


def page_body(notebook: nbformat.NotebookNode, links: dict[str, str]) -> Markup:
    """Return a notebook as HTML, without code that runs in a browser and without links to other files."""
    exporter = HTMLExporter(
        template_name="basic", raw_template=(TEMPLATES / "notebook.html").read_text(encoding="utf-8")
    )
    exporter.exclude_input_prompt = exporter.exclude_output_prompt = True
    soup = BeautifulSoup(exporter.from_notebook_node(notebook)[0], "html.parser")
    unwanted = "script, style, link, meta, base, iframe, object, embed, form, .output_javascript, .anchor-link"
    for element in soup.select(unwanted):
        element.decompose()
    for widget in soup.select(".output_widget_view"):
        widget.string = "Live in JupyterLab."
    for image in soup("img"):
        if not str(image.get("src")).startswith("data:"):
            image.replace_with(f"[image: {image.get('alt')}]")
    scoped(soup)
    for number, table in enumerate(soup("table"), 1):
        caption = soup.new_tag("caption", attrs={"class": "hidden"})
        heading = table.find_previous(["h1", "h2", "h3"])
        caption.string = f"Table {number} of this page: {heading.get_text(strip=True) if heading else 'numbers'}"
        table.insert(0, caption)
    for link in soup("a", href=True):
        name, sign, fragment = str(link["href"]).partition("#")
        link["href"] = links.get(name, name) + sign + fragment
    for block in soup.select(".output_html, pre"):
        block["tabindex"] = "0"  # so that a keyboard can scroll it
    for cell in soup("td", string=list(LOOKS)):
        cell.string = f"{LOOKS[cell.get_text()][0]} {cell.get_text()}"
    return Markup(soup)  # noqa: S704 - cleaned above, and the page's policy lets nothing run
