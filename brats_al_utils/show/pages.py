"""Executed notebooks as pages of the report: nothing in them runs, and nothing is loaded from elsewhere."""

import re
from dataclasses import dataclass
from pathlib import Path

import nbformat
from bs4 import BeautifulSoup
from markupsafe import Markup
from nbconvert import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

from brats_al_utils import InputError
from brats_al_utils.show.exhibits import scoped

TEMPLATES = Path(__file__).with_name("templates")
"""Of the pages, as Jinja has them."""


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
    exporter = HTMLExporter(
        template_name="basic", raw_template=(TEMPLATES / "notebook.html").read_text(encoding="utf-8")
    )
    exporter.exclude_input_prompt = exporter.exclude_output_prompt = True
    soup = BeautifulSoup(exporter.from_notebook_node(notebook)[0], "html.parser")
    unwanted = "script, style, link, meta, base, iframe, object, embed, .output_javascript, .anchor-link"
    for element in soup.select(unwanted):
        element.decompose()
    for widget in soup.select(".output_widget_view"):
        widget.string = "Live in JupyterLab."
    for image in soup("img"):
        if not str(image.get("src")).startswith("data:"):
            image.replace_with(f"[image: {image.get('alt')}]")
    scoped(soup)
    for link in soup("a", href=True):
        name, sign, fragment = str(link["href"]).partition("#")
        link["href"] = links.get(name, name) + sign + fragment
    for table in soup.select(".output_html"):
        table["tabindex"] = "0"  # so that a keyboard can scroll it
    return Markup(soup)  # noqa: S704 - cleaned above, and the page's policy lets nothing run
