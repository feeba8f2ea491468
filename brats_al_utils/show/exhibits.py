"""The tables and figures of a study, as the report shows them: files of CSV and SVG in, words and HTML out."""

import html
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import quote

import pandas as pd
from bs4 import BeautifulSoup
from markupsafe import Markup

from brats_al_utils import InputError
from brats_al_utils.show import tables

VIEWS: Mapping[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    "table1": lambda table: tables.layers(table.convert_dtypes()),
    **{name: partial(tables.beside_the_paper, printed_in=name) for name in ("table2", "table3", "table4")},
    "table5": tables.budgets,
    "tests": tables.contrasts,
    "label_efficiency": tables.efficiency,
    "areas": tables.areas,
}
"""How the tables that the report shows are read by people; it links to the others."""

TEXTS = ("could_tell", "verdict", "rule", "why", "censored")
"""Columns in which an empty cell is an empty text, not a missing number."""


@dataclass(frozen=True)
class Exhibit:
    """A figure, a table or both, of one name.

    Attributes
    ----------
    name : str
        Of its files.
    figure, csv : str
        Links, relative to the index; empty where there is no such file.
    caption : str
        What the figure says of its origin.
    table : str
        The table in words, as `Markup`; empty where the report only links to it.
    """

    name: str
    figure: str = ""
    csv: str = ""
    caption: str = ""
    table: str = ""

    @property
    def title(self) -> str:
        """The name as a title: ``table2_training`` is Table 2 training."""
        words = re.sub(r"(?<=[a-z])(?=\d)", " ", self.name).replace("_", " ")
        return words[:1].upper() + words[1:]


def read(path: Path) -> pd.DataFrame:
    """Read a table that a notebook has written."""
    table = pd.read_csv(path, dtype=dict.fromkeys(TEXTS, str))
    return table.fillna(dict.fromkeys(TEXTS, ""))


@contextmanager
def of_this_version(path: Path) -> Iterator[None]:
    """Name the file or folder whose contents are not what the notebooks of this version write."""
    try:
        yield
    except (KeyError, ValueError, TypeError, IndexError, AttributeError) as error:
        raise InputError(
            f"{path}: not what this version's notebooks write ({type(error).__name__}: {error}): execute them again "
            "with `brats-al run`, or remove it"
        ) from error


def in_html(table: pd.DataFrame) -> Markup:
    """Return a table as HTML, escaped, its headers with their scope."""
    soup = BeautifulSoup(table.to_html(border=0, index_names=True), "html.parser")
    return Markup(scoped(soup))  # noqa: S704 - pandas escapes cells and headers


def scoped(soup: BeautifulSoup) -> BeautifulSoup:
    """Say of each header of a table whether it heads a column or a row, and take pandas's border off."""
    for table in soup("table", border=True):
        del table["border"]
    for header in soup("th"):
        header["scope"] = "col" if header.find_parent("thead") else "row"
    return soup


def caption_of(svg: Path) -> str:
    """Return what `style.save` has written into a figure of its origin."""
    found = re.search(r"<dc:description>(.*?)</dc:description>", svg.read_text(encoding="utf-8"), re.DOTALL)
    return html.unescape(found[1]) if found else ""


def copy_exhibits(
    folder: Path, site: Path, name: str, ends: tuple[str, ...] = (".svg", ".csv"), only: set[str] | None = None
) -> list[Exhibit]:
    """Copy a folder's figures and tables, or what else ends so, into the site, under ``name``; or those named alone.

    Raises
    ------
    InputError
        If a table is not what the notebooks write.
    """
    paths = (path for path in sorted(folder.glob("*")) if path.suffix in ends)
    files = {path.name: path for path in paths if only is None or path.stem in only}
    for path in files.values():
        (site / name).mkdir(exist_ok=True)
        shutil.copyfile(path, site / name / path.name)
    found = []
    for stem in sorted({path.stem for path in files.values()}, key=lambda stem: (not re.search(r"\d", stem), stem)):
        figure, csv = (f"{name}/{quote(stem + end)}" if stem + end in files else "" for end in (".svg", ".csv"))
        table = ""
        if csv and stem in VIEWS:
            with of_this_version(files[stem + ".csv"]):
                table = in_html(VIEWS[stem](read(files[stem + ".csv"])))
        found.append(Exhibit(stem, figure, csv, caption_of(files[stem + ".svg"]) if figure else "", table))
    return found
