"""The tables and figures of the report: from CSV and SVG files to words and HTML."""

import html
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import quote

import pandas as pd
from bs4 import BeautifulSoup
from markupsafe import Markup

from brats_al_utils import InputError
from brats_al_utils.show import tables, worth_tables
from brats_al_utils.show.captions import Tables, Words, found_in, words_of
from brats_al_utils.show.style import PROVENANCE, SMALL

VIEWS: Mapping[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    **{name: partial(tables.beside_the_paper, printed_in=name) for name in ("table2", "table3", "table4")},
    "table3_arms": partial(tables.arms, positive="the positive class", people="patients"),
    "table5": tables.budgets,
    "outcomes": worth_tables.outcomes,
    "tests": tables.contrasts,
    "label_efficiency": worth_tables.efficiency,
    "areas": worth_tables.areas,
    "table1": lambda table: tables.layers(table.convert_dtypes()),
}
"""The tables that the report shows, in order, with the functions that put them in words; it links to all others."""

PHOTOS = ("slices", "hidden_tumours", "batch", "five_slices", "extremes", "along_the_ranking")
"""Figures of slices, whose colours are not inverted in dark mode."""

TEXTS = ("could_tell", "verdict", "rule", "why", "censored")
"""Columns of text: an empty cell is an empty text, not a missing number."""

CELLS = ("th", "td")

AS_IT_IS = ("code", "pre", "style", "title")
"""Elements whose text is not changed."""


@dataclass(frozen=True)
class Exhibit:
    """A figure, a table or both, of one name.

    Attributes
    ----------
    name : str
        Name of its files.
    words : Words
        The texts on it.
    figure, csv : str
        Links, relative to the index; empty if there is no such file.
    origin : str
        The caption in the figure.
    found : str
        The finding: a sentence, or empty.
    photo : bool
        Whether it is one of ``PHOTOS``.
    table : str
        The table in words, as `Markup`; empty if the report only links to it.
    """

    name: str
    words: Words
    figure: str = ""
    csv: str = ""
    origin: str = ""
    found: str = ""
    photo: bool = False
    table: str = ""


def read(path: Path) -> pd.DataFrame:
    """Read a table written by a notebook."""
    table = pd.read_csv(path, dtype=dict.fromkeys(TEXTS, str))
    return table.fillna(dict.fromkeys(TEXTS, ""))


@contextmanager
def of_this_version(path: Path) -> Iterator[None]:
    """Turn errors of unexpected contents into an `InputError` that names the file or folder."""
    try:
        yield
    except (LookupError, ValueError, TypeError, AttributeError, NameError) as error:  # NameError: in pandas's queries
        raise InputError(
            f"{path}: not what this version's notebooks write ({type(error).__name__}: {error}): execute them again "
            "with `brats-al run`, or remove it"
        ) from error


def in_html(table: pd.DataFrame, words: Words) -> Markup:
    """Return a table as escaped HTML, with its caption and the scopes of its headers."""
    soup = BeautifulSoup(table.to_html(border=0, index_names=True), "html.parser")
    caption = soup.new_tag("caption")
    caption.string = f"{words.title}. {words.drawn}"
    soup.select("table")[0].insert(0, caption)
    return Markup(scoped(soup))  # noqa: S704 - pandas escapes cells and headers


def scoped(soup: BeautifulSoup) -> BeautifulSoup:
    """Set the scope of each header of a table (column or row), and remove pandas's border and row of index names."""
    for table in soup("table", border=True):
        del table["border"]
    for head in soup("thead"):
        *above, names = head("tr")
        pairs = list(zip(above[-1](CELLS), names(CELLS), strict=False)) if above else []
        if pairs and not any(first.get_text(strip=True) and second.get_text(strip=True) for first, second in pairs):
            for first, second in pairs:
                if second.get_text(strip=True):
                    first.replace_with(second)  # the name of an index, for which pandas has a row of its own
            names.decompose()
    for header in soup("th"):
        if header.get_text(strip=True):
            header["scope"] = "col" if header.find_parent("thead") else "row"
        else:
            header.name = "td"  # a corner heads nothing
    return soup


def typeset(page: str) -> str:
    """Return a page with minus signs in place of hyphens before numbers, and a uniform style of per cent and ranges."""
    soup = BeautifulSoup(page, "html.parser")
    for text in soup.find_all(string=re.compile(r"-\d|\d ?%")):
        if text.find_parent(AS_IT_IS) is None:
            ranges = re.sub(r"(\d) ?%-(\d+ ?%)", "\\1\N{EN DASH}\\2", text)
            signed = re.sub(r"(?<![\w.%-])-(?=\d)", "\N{MINUS SIGN}", ranges)
            text.replace_with(re.sub(r"(?<=\d) ?%", "\N{NO-BREAK SPACE}%", signed))
    return str(soup)


def origin_of(svg: str) -> str:
    """Return the caption that `style.save` has written into a figure."""
    found = re.search(r"<dc:description>(.*?)</dc:description>", svg, re.DOTALL)
    return html.unescape(found[1]) if found else ""


def without_origin(svg: str) -> str:
    """Return a figure of `style.save` without its caption, and with a height that is reduced accordingly."""
    if (lines := re.search(rf'<g id="{PROVENANCE}">.*?</g>', svg, re.DOTALL)) is None:
        return svg
    heights = re.findall(r'(?:translate\([\d.]+ | y=")([\d.]+)', lines[0])
    shown = svg.replace(lines[0], "")
    if not heights:
        return shown
    height = min(map(float, heights)) - SMALL - 3  # the first line's top
    return re.sub(
        r'height="[\d.]+pt" viewBox="0 0 ([\d.]+) [\d.]+"', rf'height="{height:g}pt" viewBox="0 0 \1 {height:g}"', shown
    )


def exhibits_of(files: Iterable[Path], site: Path, name: str, found: Tables) -> list[Exhibit]:
    """Copy figures (SVG) and tables (CSV) into a folder of the site, and return them as exhibits in their order.

    The caption of a figure is cut off: the report says it once.

    Raises
    ------
    InputError
        If a table was not written by this version's notebooks.
    """
    by_name = {path.name: path for path in files}
    for file, path in by_name.items():
        (site / name).mkdir(exist_ok=True)
        (site / name / file).write_text(without_origin(path.read_text(encoding="utf-8")), encoding="utf-8")
    exhibits = []
    for stem in sorted({Path(file).stem for file in by_name}, key=lambda stem: (not re.search(r"\d", stem), stem)):
        figure, csv = (f"{name}/{quote(stem + end)}" if stem + end in by_name else "" for end in (".svg", ".csv"))
        words, table = words_of(stem), ""
        if csv and stem in VIEWS:
            with of_this_version(by_name[stem + ".csv"]):
                table = in_html(VIEWS[stem](read(by_name[stem + ".csv"])), words)
        svg = by_name[stem + ".svg"].read_text(encoding="utf-8") if figure else ""
        exhibits.append(Exhibit(stem, words, figure, csv, origin_of(svg), found_in(stem, found), stem in PHOTOS, table))
    return exhibits
