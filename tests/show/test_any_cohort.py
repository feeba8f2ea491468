"""The notebooks on a cohort of one's own: every cell, in this process, with made-up results in place of trainings.

What they show (text of figures, captions, tables, sentences) uses the cohort's name and classes and no word of BraTS,
and every function that shows something is among what they call.
"""

import ast
import functools
import inspect
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import IPython.display
import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pandas as pd
import pytest
from IPython.display import Markdown
from made_up import distribute, write_cohort
from matplotlib.text import Text

from brats_al_utils.beyond.arms import NOTEBOOKS
from brats_al_utils.beyond.comparison import further_figures, further_sentences, further_tables
from brats_al_utils.findings import sentences
from brats_al_utils.findings.verdicts import CANNOT_TELL, HERE, RULES
from brats_al_utils.runs import engine
from brats_al_utils.show import cohort_figures, paper_figures, style, tables, worth_tables
from brats_al_utils.show.panel import Panel
from brats_al_utils.show.text import as_said

FOLDER = Path(__file__).parents[2] / "notebooks"
SHOWING = (
    *(cohort_figures, paper_figures, further_figures),
    *(tables, worth_tables, further_tables, sentences, further_sentences),
)

BRATS = re.compile(r"\b(HGG|LGG|high-grade|low-grade|grad(?:e|es|ing)|BraTS|gliomas?|brain|T1(?:ce)?|FLAIR|release)\b")
"""Words of the paper's cohort that a table of images with the classes benign and malignant has no use for."""

PATIENTS = re.compile(r"\d patients|of patients|training patients|^patients$", re.MULTILINE)
"""Patients who are counted: in a table they are persons."""

SHOWN_ELSEWHERE = {"without_images", "within_site", "pp", "saving"}
"""Of a bundle, of a cohort with several sites (`test_sites`), or by name from another module."""


def words_of(shown: Any) -> str:
    """Return what a reader sees of what a cell shows."""
    if isinstance(shown, Markdown):
        return as_said(str(shown.data))
    if isinstance(shown, pd.DataFrame):
        assert len(shown.columns) <= 8 or shown.columns.nlevels > 1
        heads = [str(part) for head in (*shown.columns, *shown.index) for part in np.atleast_1d(np.array(head, str))]
        names = [str(name) for name in (*shown.columns.names, *shown.index.names) if name is not None]
        return "\n".join([*heads, *names, *map(str, shown.to_numpy().ravel())])
    if isinstance(shown, Panel):
        view = shown.view(shown.shown)
        options = [text for each in view.controls for text in getattr(each, "options", ())]
        seen = [text for each in view.pictures for text in (each.caption, each.alt)]
        return "\n".join([view.said, *(each.label for each in view.controls), *options, *seen, *sum(view.facts, ())])
    if isinstance(shown, str):
        return shown
    assert shown is None, f"{type(shown)} is shown, which this test cannot read"
    return ""


class Reader:
    """Keeps what is shown, and which functions were asked to show it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.shown: list[str] = []
        self.called: set[str] = set()
        for module in SHOWING:
            for name, function in functions_of(module).items():
                monkeypatch.setattr(module, name, self.noted(name, function))
        monkeypatch.setattr(style, "save", self.save)
        monkeypatch.setattr(IPython.display, "display", self.display)

    def display(self, *some: Any, display_id: bool = False) -> "Reader | None":
        """Read what a cell displays, and in place of a handle return what `update` can be asked of."""
        self.shown.extend(map(words_of, some))
        return self if display_id else None

    def update(self, shown: Any) -> None:
        """Read what an earlier output becomes."""
        self.shown.append(words_of(shown))

    def noted(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def noting(*given: Any, **named: Any) -> Any:
            self.called.add(name)
            return function(*given, **named)

        return noting

    def save(self, drawing: style.Drawing, folder: Path, caption: str, shareable: bool = True) -> None:
        """Read a figure in place of writing it."""
        texts = [text.get_text() for text in drawing.figure.findobj(Text)]
        for axes in drawing.figure.axes:
            texts += [label.get_text() for label in (*axes.get_xticklabels(), *axes.get_yticklabels())]
        self.shown += [caption, *texts]
        style.save_table(drawing.table, drawing.name, folder)
        plt.close(drawing.figure)

    def execute(self, name: str, data: Path, out: Path) -> None:
        """Execute a notebook's cells, and keep the value of each as Jupyter shows it."""
        settings = {"n_runs": 3, "folds": 3, "epochs": 2, "scratch_epochs": 2}
        places: dict[str, Any] = {"profile": "smoke", "data": str(data), "out": str(out), "settings": settings}
        places |= {"device": "cpu", "workers": "", "skip_bad": False, "follow_links": False}
        for cell in nbformat.read(FOLDER / f"{name}.ipynb", 4).cells:
            if cell.cell_type != "code" or "parameters" in cell.metadata.get("tags", []):
                continue
            body = ast.parse(cell.source).body
            last = body.pop() if isinstance(body[-1], ast.Expr) else None
            exec(compile(ast.Module(body, []), name, "exec"), places)
            if isinstance(last, ast.Expr):
                self.shown.append(words_of(eval(compile(ast.Expression(last.value), name, "eval"), places)))


def functions_of(module: ModuleType) -> dict[str, Callable[..., Any]]:
    """Return the functions that a module defines."""
    found = inspect.getmembers(module, inspect.isfunction)
    return {name: function for name, function in found if function.__module__ == module.__name__}


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> Reader:
    monkeypatch.setattr(engine, "distribute", distribute)
    return Reader(monkeypatch)


def test_no_word_of_brats_is_shown_of_another_cohort(tmp_path: Path, reader: Reader) -> None:
    data = write_cohort(tmp_path / "lung", masked=True)
    for name in (name for name in NOTEBOOKS if name[:2] != "08"):
        reader.execute(name, data, tmp_path / "out")
    expected = {name for module in SHOWING for name in functions_of(module)}
    assert expected - reader.called == SHOWN_ELSEWHERE
    text = "\n".join(reader.shown)
    assert "Cohort lung (18 persons); initialisation: " in text
    assert "of them malignant" in text
    assert "benign slices" in text.replace("\n", " ")
    for word in (BRATS, PATIENTS):
        assert not [line for line in text.split("\n") if word.search(line)]
    card = pd.read_csv(tmp_path / "out" / "scorecard.csv")
    of_the_paper = card["id"].str.contains(r"\.arithmetic$|^table1|^table5")  # its own arithmetic, on any cohort
    printed = card["id"].str.contains(r"\.(?:val|test)$") & card["rule"].eq(RULES["number"])
    assert set(card.loc[printed, "verdict"]) == {CANNOT_TELL}
    assert set(card.loc[~of_the_paper & ~printed, "verdict"]) <= set(HERE.values())


def test_a_label_an_image(tmp_path: Path, reader: Reader) -> None:
    """What persons of both classes leave out is not shown, and said; all else is."""
    data = write_cohort(tmp_path / "lung", masked=True, both=True)
    for name in (name for name in NOTEBOOKS if name[:2] != "08"):
        reader.execute(name, data, tmp_path / "out")
    text = "\n".join(reader.shown)
    assert "patient-level" not in text
    assert "They have slices of both classes: AUCs are slice-level" in text
    assert "Not applicable: not every slice has a tumour mask" in text
    assert set(pd.read_csv(tmp_path / "out" / "cohort.csv").columns) == {"part", "class_name", "site", "slices"}


def test_without_masks_what_does_not_apply_is_said(tmp_path: Path, reader: Reader) -> None:
    data = write_cohort(tmp_path / "lung", masked=False)
    for name in ("00_cohort", "01_transfer_vs_scratch", "02_uncertainty_ranges"):
        reader.execute(name, data, tmp_path / "out")
    found = pd.read_csv(tmp_path / "out" / "table2_arms.csv")
    assert found["hidden_mean"].isna().all()
    assert found["auc_mean"].notna().all()
    assert list(pd.read_csv(tmp_path / "out" / "figure4.csv")) == ["decile", "benign slices"]
