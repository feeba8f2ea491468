"""What a user or a bundle named is text wherever it is shown: never HTML, a link, an image or a formula."""

import html
import re
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lab import all_of, run_all_cells, started_lab, text_of
from made_up import write_cohort
from selenium.webdriver.remote.webdriver import WebDriver

from brats_al_utils.show.pages import markdown
from brats_al_utils.show.style import STYLE
from brats_al_utils.show.text import DOLLAR, Markdown, as_said, as_text

HOSTILE = (
    "<img src=x onerror=document.title='hacked'>",
    "[a link](javascript:document.title='hacked')",
    "![an image](http://127.0.0.1:9/x.png)",
    "$a$ & b",
)


@given(st.text())
def test_what_is_said_reads_as_it_was_and_holds_nothing_that_runs(said: str) -> None:
    text = as_text(said)
    assert as_said(text) == said
    assert not set(text.replace(DOLLAR, "")) & set("<>[]$:")


def test_the_report_shows_it_as_it_was_said() -> None:
    page = markdown(as_text(" ".join(HOSTILE)))
    assert "<img" not in page and "<a" not in page
    assert html.unescape(re.sub("<.*?>", "", page)).strip() == " ".join(HOSTILE)


def test_a_dollar_sign_in_a_class_label_is_one_in_a_figure_and_a_table(tmp_path: Path) -> None:
    with plt.style.context(STYLE):
        figure, axes = plt.subplots()
        axes.set_title("a $ of $\\frac{ $")
        figure.savefig(tmp_path / "figure.svg")
        plt.close(figure)
    assert "a $ of $\\frac{ $" in (tmp_path / "figure.svg").read_text(encoding="utf-8")
    assert "tex2jax_ignore" in str(pd.DataFrame({HOSTILE[3]: [1]}).to_html())
    assert "<img" not in str(pd.DataFrame({HOSTILE[0]: [HOSTILE[0]]}).to_html())
    assert str(Markdown("**bold**").data) == "**bold**"


@pytest.mark.long
def test_names_of_a_cohort_do_nothing_in_jupyterlab(tmp_path: Path, browser: WebDriver) -> None:
    """Of the folder, of the classes, of sites, of files and of persons."""
    image, link, picture, formula = HOSTILE
    data = write_cohort(tmp_path / link.replace("/", " ") / image, masked=True)
    table = pd.read_csv(data / "cohort.csv", dtype=str)
    table["label"] = table["label"].map({"benign": image, "malignant": formula})
    table["site"] = [(link, picture, formula)[number % 3] for number in range(len(table))]
    table["site"] = table["group"].map(table.groupby("group")["site"].first())
    strange = "images/" + image.replace(">", " ") + ".png"
    (data / str(table["image"].iat[0])).rename(data / strange)
    table.loc[0, "image"] = strange
    table["group"] += image
    table.to_csv(data / "cohort.csv", index=False)
    notebook = "00_cohort.ipynb"
    settings = {"classes": f"{formula},{image}"}
    parameters = {notebook: {"profile": "smoke", "data": str(data), "out": str(tmp_path / "out"), "settings": settings}}
    with started_lab(tmp_path / "lab", parameters) as lab:
        browser.get(lab.url(notebook))
        run_all_cells(browser)
        assert image in text_of(all_of(browser, ".jp-OutputArea-output")), "it is not there to be run"
        complaints = all_of(browser, "[data-mime-type='application/vnd.jupyter.error']")
        assert not complaints, text_of(complaints)
        attacks = ["img[src='x']", "img[src*='127.0.0.1:9']", "a[href^='javascript']", ".MathJax", "mjx-container"]
        for selector in attacks:
            assert not all_of(browser, f".jp-OutputArea-output {selector}"), selector
        assert browser.title != "hacked"
