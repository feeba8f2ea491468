"""The report of a study: a small one with hostile contents, read as files and opened in a browser."""

import base64
import re
import shutil
from html import escape
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote, urlsplit

import matplotlib.pyplot as plt
import nbformat.v4 as nb
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from made_up import explored_study, write_cohort
from markupsafe import escape as markup_escape
from nbformat import NotebookNode, write
from seaborn.utils import relative_luminance
from selenium import webdriver

from brats_al_utils import InputError
from brats_al_utils.beyond.arms import NOTEBOOKS
from brats_al_utils.show import notebooks as execution
from brats_al_utils.show import report
from brats_al_utils.show.exhibits import typeset
from brats_al_utils.show.pages import TEMPLATES
from brats_al_utils.show.report import write_report
from brats_al_utils.show.style import PAGE, Drawing, save, save_table
from brats_al_utils.study.places import Places, stamp
from brats_al_utils.study.status import remember

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
SVG = """<svg xmlns="http://www.w3.org/2000/svg" xmlns:dc="http://purl.org/dc/elements/1.1/" width="900" height="20">
<dc:description>Pixels &amp; co</dc:description><rect width="900" height="20"/></svg>"""
ATTACK = '<script>document.title = "hacked"</script><img src="https://example.org/x.png" onerror="hack()">'


STYLE = (TEMPLATES / "style.css").read_text(encoding="utf-8")
RULED = "abstract.gain|2.92|2.98|-4|-18|9|no, from 17.8 pp on|cannot tell here|By side.|x; y"
RULED += f"\nsaving.range|40 to 70|any two|48|44|51||holds here|Of counts. {ATTACK}|"
RULED += "\ntable2.pretrained.val|0.8746||0.689|0.476|0.844||not reproduced|By side.|y"
RULED += "\ntable2.test_gain|7.98|7.98|23|9|37|no, from 14.2 pp on|holds here|By side.|"
COLUMNS = ["id", "printed", "recomputed", "ours", "both_low", "both_high", "could_tell", "verdict", "rule", "why"]
CARD = pd.DataFrame([row.split("|") for row in RULED.splitlines()], columns=COLUMNS)
CARD = CARD.astype(dict.fromkeys(("ours", "both_low", "both_high"), float))


def code(*data: dict[str, str], source: str = "pass") -> NotebookNode:
    """Return an executed cell with an output for each of ``data``."""
    outputs = [nb.new_output("display_data", data={"text/plain": "plain"} | each) for each in data]
    cell: NotebookNode = nb.new_code_cell(source, execution_count=1, outputs=outputs)
    return cell


def notebook(name: str, *cells: NotebookNode) -> NotebookNode:
    """Return an executed notebook that begins as all do: a title, the findings at the top, the caption in bold."""
    top = {"text/markdown": "On this cohort: what was found."}
    caption = {"text/markdown": "**Synthetic cohort (3 patients); initialisation: random; 3 runs.** 60 slices."}
    for number, cell in enumerate(cells := (nb.new_markdown_cell(f"# {name} & more"), code(top, caption), *cells)):
        cell["id"] = f"cell-{number}"
    parameters = {"profile": "smoke", "settings": {"epochs": 2}}
    whole: NotebookNode = nb.new_notebook(cells=list(cells), metadata={"papermill": {"parameters": parameters}})
    return whole


def write_study(folder: Path) -> Places:
    """Write what a study leaves behind: two notebooks, figures and tables, a figure of patients."""
    places = Places.of("smoke", folder)
    places.make()
    table = "<table border='1'><thead><tr><th></th><th>auc</th></tr></thead><tr><th>test</th><td>0.5</td></tr></table>"
    links = "See [the other](02_second.ipynb#Far) and [above](#Figures-of-it)."
    wide = "print('a very long line of code ' * 10, 'that is wider than a telephone ' * 10)"
    first = notebook(
        "First",
        nb.new_markdown_cell(f"## Figures of it\n\n{links}{ATTACK}"),
        code({"image/png": PIXEL}, source=wide),
        code({"text/html": table + ATTACK}, {"application/javascript": "document.title = 'hacked'"}),
        code({"text/markdown": f"- It was *found* {ATTACK}."}),
    )
    error = nb.new_output("error", ename="ValueError", evalue="no", traceback=["\x1b[31mValueError\x1b[0m: <no>"])
    failed = nb.new_code_cell("raise ValueError", execution_count=2, outputs=[error])
    second = notebook("Second", nb.new_markdown_cell("## Far\n\n![a picture](https://example.org/far.png)"), failed)
    banner = nb.new_markdown_cell("<span>An Exception</span>", metadata={"tags": ["papermill-error-cell-tag"]})
    second.cells.insert(0, banner)  # as papermill does
    images = places.outputs / "images"
    for place in (places.notebooks, images):
        place.mkdir(exist_ok=True)
    for name, content in (("01_first", first), ("02_second", second)):
        write(content, places.notebooks / f"{name}.ipynb")
    for path in (places.figures / "table2.svg", places.figures / "odd #1 & %2f.svg", images / "slices.svg"):
        path.write_text(SVG, encoding="utf-8")
        path.with_suffix(".png").write_bytes(base64.b64decode(PIXEL))
    paired = {"arm": "proposed", "other": "baseline", "part": "test", "unit": "slice", "learned": True}
    paired |= {"auc_difference": -0.04, "both_low": -0.18, "both_high": 0.09}
    summary = pd.DataFrame({"part": "test", "arm": ["pretrained", ATTACK], "auc_mean": [0.91, 0.5]})
    tables = {"table3_gains": pd.DataFrame([paired]), "scorecard": CARD}
    tables["table2"] = summary.assign(unit="slice", runs_low=0.125, runs_high=0.95)
    tables["runs"] = pd.DataFrame({"arm": ["pretrained"], "key": ["abc"]})
    for name, frame in tables.items():
        frame.to_csv(places.figures / f"{name}.csv", index=False)
    return places


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Places:
    """Return where a study lies, beside no published one."""
    monkeypatch.setattr(report, "PUBLISHED", tmp_path / "nothing published")
    return write_study(tmp_path / "a study")


def soups(places: Places) -> dict[Path, BeautifulSoup]:
    """Return the pages of the report."""
    report = write_report(places).parent
    return {path: BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser") for path in report.glob("*.html")}


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def index_of(places: Places) -> BeautifulSoup:
    return soups(places)[places.outputs / "report" / "index.html"]


def test_synthetic_figures_beside_real_ones(places: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    published = tmp_path / "published"
    published.mkdir()
    (published / "table2.svg").write_text(SVG, encoding="utf-8")
    (published / "figure9.svg").write_text(SVG, encoding="utf-8")
    monkeypatch.setattr(report, "PUBLISHED", published)
    index = index_of(places)
    beside = [image["src"] for image in index("img") if str(image["src"]).startswith("published/")]
    assert beside == ["published/table2.svg"]
    assert [path.name for path in (places.outputs / "report/published").iterdir()] == ["table2.svg"]
    (section,) = [image.find_parent("section") for image in index("img") if image["src"] == beside[0]]
    assert section and [image["src"] for image in section("img")] == ["figures/table2.svg", "published/table2.svg"]
    assert "Below each figure of the synthetic patients stands the published one" in index.get_text(" ", strip=True)
    for path in (places.outputs / "notebooks").glob("*.ipynb"):
        path.write_text(path.read_text(encoding="utf-8").replace("Synthetic cohort", "BraTS 2019"), encoding="utf-8")
    for path in places.figures.glob("*.svg"):
        path.write_text(path.read_text(encoding="utf-8").replace("ynthetic", "ome"), encoding="utf-8")
    assert not [image for image in index_of(places)("img") if str(image["src"]).startswith("published/")]


def test_the_first_section_answers_by_how_much_how_sure_and_on_whom(places: Places) -> None:
    index = index_of(places)
    assert index.main
    first = index.main.find(True)
    assert first and first["id"] == "answer"
    text = first.get_text(" ", strip=True)
    assert text.startswith("Demonstration on synthetic patients.")
    parts = ["Not computed yet", "-4.0 pp", "-18.0 to +9.0 pp", "+9.0 to +37.0 pp", "48.0\N{NO-BREAK SPACE}%"]
    places_of_parts = [text.index(part.replace("-", "\N{MINUS SIGN}")) for part in parts]
    assert places_of_parts == sorted(places_of_parts)
    (last,) = index.select("#origin")
    assert "Synthetic cohort (3 patients); initialisation: random; 3 runs" in last.get_text(" ", strip=True)
    assert index.get_text().count("Synthetic cohort (3 patients)") == 2, "on the first screen, and with its length"
    verdicts = [li.get_text(" ", strip=True) for li in first.select(".counts li")]
    assert verdicts == ["✓ holds here : 2", "? cannot tell here : 1", "✗ not reproduced : 1"]
    assert "These pages show images of patients: do not publish them." in text
    assert index.find(id="rule")


def test_the_first_screen_names_the_classes_and_that_the_paper_s_are_others(places: Places) -> None:
    for classes, other in ((["HGG", "LGG"], False), (["tumour", "no tumour"], True)):
        save_table(pd.DataFrame({"class_name": classes}), "cohort", places.figures)
        index = index_of(places)
        (lead,) = index.select(".lead")
        assert f"(3 patients): {' or '.join(sorted(classes))}." in lead.get_text()
        assert ("whose classes are HGG and LGG" in lead.get_text()) == other
        assert ("of another task" in index.select("#claims figcaption")[0].get_text()) == other
        assert ("A diamond" in index.select("#answer figcaption")[0].get_text()) == (not other)


def test_then_come_one_figure_the_tables_the_figures_and_the_notebooks(places: Places) -> None:
    index = index_of(places)
    headings = index(re.compile("h[1-6]"))
    sections = ["Every claim of the paper", "The scorecard", "Figures", "Tables", "Notebooks", "Where this comes from"]
    assert [heading.get_text() for heading in headings if heading.get_text() in sections] == sections
    with_sign = [heading.get_text() for heading in headings if "&" in heading.get_text()]
    assert with_sign == ["Odd #1 & %2f", "First & more", "Second & more"]
    levels = [int(heading.name[1]) for heading in headings]
    assert levels[0] == 1 and all(after <= before + 1 for before, after in pairwise(levels))
    shown = ["figures/odd%20%231%20%26%20%252f.svg", "figures/table2.svg", "images/slices.svg"]
    shown = ["figures/answer_wide.svg", "figures/claims_wide.svg", *shown]
    assert [str(image["src"]) for image in index("img")] == shown
    narrow = ["figures/answer_narrow.svg", "figures/claims_narrow.svg"]
    assert [str(each["srcset"]) for each in index("source")] == narrow
    alts, said = ([str(image["alt"]) for image in index("img")], [each.get_text() for each in index("figcaption")])
    assert len(set(alts)) == len(alts) == len(set(said)) and all(map(str.strip, said))
    assert "Pixels & co" not in " ".join(said), "the origin, under each figure"
    contents = [str(link["href"]) for link in index.select("#contents > details > ul > li > a")]
    assert contents == [f"#{section['id']}" for section in index.select("main > section")]
    text = index.get_text(" ", strip=True)
    assert text.index("It was found") < text.index("Second & more") < text.index("Stopped with an error")
    assert index.find("a", href="figures/runs.csv", string="Runs")


def test_a_figure_ends_above_the_lines_that_say_its_origin(places: Places) -> None:
    figure = plt.figure(figsize=(PAGE, 3))
    figure.subplots().plot([0, 1])
    save(Drawing("controls", figure, CARD), places.figures, "Synthetic cohort (3 patients); two; " + "long; " * 40)
    (places.figures / "controls.csv").unlink()
    write_report(places)
    folders = (places.figures, places.report / "figures")
    before, after = ((folder / "controls.svg").read_text(encoding="utf-8") for folder in folders)
    heights = [float(re.findall(r'height="([\d.]+)pt"', svg)[0]) for svg in (before, after)]
    assert heights[0] == 216 and 30 < heights[0] - heights[1] < 60, "three lines of 10 points"
    assert "long; long" in before.split("</metadata>")[1] and "long; long" not in after.split("</metadata>")[1]


def test_tables_have_names_in_words_and_footnotes_stand_once(places: Places) -> None:
    """Numbers are those of `tables.scorecard`."""
    index = index_of(places)
    (card,) = index.select("#scorecard table")
    groups = ["Abstract", "Section 2.2.4", "Table 2"]
    assert [th.get_text() for th in card.select("tbody th") if th.get_text() in groups] == groups
    first = [cell.get_text(" ", strip=True) for cell in card.select(".row")[0]("td")]
    assert first[4:] == ["no, from 17.8 pp on", "? cannot tell here", "1 a b"]
    assert [str(link["href"]) for link in card.select(".row")[2]("a")] == ["#note-1", "#note-b"]
    assert [dt.get_text() for dt in index.select("#scorecard dt")] == ["here", "1", "2", "a", "b"]
    assert "10\N{EN DASH}40\N{NO-BREAK SPACE}%" in typeset("<p>10%-40%</p>")
    page = index.get_text(" ")
    assert page.count("By side.") == page.count("Of counts.") == 1
    assert not re.search(r"\b(table\d|figure\d|abstract|saving)\.[a-z]", page), "an identifier"
    for table in index("table"):
        assert max(len(row(["th", "td"])) for row in table("tr")) <= 8
        assert {th.get("scope") for th in table("th")} <= {"col", "row", "rowgroup"}
        assert table.caption and table.caption.get_text()
    assert "91.00\N{NO-BREAK SPACE}% (12.50, 95.00)" in page and "paper, slice-level" in page


def test_a_report_behind_a_link_is_written_there(places: Places, tmp_path: Path) -> None:
    (tmp_path / "served").mkdir()
    places.report.symlink_to(tmp_path / "served")
    assert write_report(places).parent == places.report.resolve() == (tmp_path / "served").resolve()


def test_only_tables_or_only_some_notebooks_give_a_report_too(places: Places) -> None:
    shutil.rmtree(places.outputs / "notebooks")
    index = index_of(places)
    assert not index.select("#notebooks")
    assert index.select_one("#claims img")
    for path in places.figures.glob("*.csv"):
        path.unlink()
    row = "part,arm,auc_mean,unit,runs_low,runs_high\ntest,scratch,0.5,slice,,\n"
    (places.figures / "table2.csv").write_text(row, encoding="utf-8")
    index = index_of(places)
    assert not index.select("#claims, #scorecard, .counts")
    assert "Not computed yet" in index.get_text() and "notebooks 06, 07, 13" in index.get_text()
    shutil.rmtree(places.outputs / "images")
    (places.outputs / ".gitignore").unlink()
    assert "patients: do not publish" not in write_report(places).read_text(encoding="utf-8")
    assert (places.outputs / ".gitignore").read_text(encoding="utf-8") == "*\n"


def test_what_was_planned_stands_on_the_first_screen_with_what_could_explain_it(places: Places) -> None:
    row = {"arm": "proposed", "other": f"random at 51%{ATTACK}", "auc_difference": -0.012, "learned": True}
    row |= {"both_low": -0.019, "both_high": 0.001, "decided_low": -0.021, "decided_high": 0.002, "detectable": 0.02}
    row |= {"p_holm": 0.1, "n_runs": 20, "planned": 20, "at_random": 0.22, "at_random_low": 0.1, "at_random_high": 0.4}
    table = pd.DataFrame([row | {"family": "primary", "outcome": "as good"}])
    table.to_csv(places.figures / "outcomes.csv", index=False)
    pd.DataFrame({"attack": [f"Chance?{ATTACK}"], "found": ["0.1"]}).to_csv(places.figures / "attacks.csv", index=False)
    index = index_of(places)
    (first,) = index.select("#answer #planned")
    assert index.select(".said")[0].get_text().startswith("No.")
    cells = [cell.get_text() for cell in first.select("tbody td")]
    numbers = ["\N{MINUS SIGN}1.2", "\N{MINUS SIGN}2.1 to +0.2", "0.100", "primary", "20 of 20"]
    said = "22\N{NO-BREAK SPACE}% (10\N{NO-BREAK SPACE}% to 40\N{NO-BREAK SPACE}%)"
    assert cells[-7:] == ["as good", *numbers, said]
    assert [head.get_text() for head in first.select("thead tr")[0]("th")][:2] == ["contrast", "outcome"]
    assert len(first.select("thead tr")) == 1, "no row of its own for the name of the index"
    assert first.select("dt")[0].get_text() == f"Chance?{ATTACK}"
    assert not index.select("#tables table") or "Planned" not in index.select("#tables")[0].get_text()


@pytest.mark.parametrize("name", ["scorecard", "table2", "tests", "02_second"])
def test_what_is_damaged_or_of_another_version_is_named_and_the_earlier_report_stays(places: Places, name: str) -> None:
    before = contents(write_report(places).parent)
    damaged, words = places.figures / f"{name}.csv", re.escape(str(places.figures)) + ".*execute them again"
    if name == "02_second":
        damaged, words = places.notebooks / "02_second.ipynb", "02_second.ipynb: not a whole notebook"
    for content in ("id,verdict\nabstract.gain,fine\n", "", "\x00,\n"):
        damaged.write_text(content, encoding="utf-8")
        with pytest.raises(InputError, match=words):
            write_report(places)
        assert contents(places.report) == before


def test_a_notebook_is_shown_with_its_outputs_its_code_folded(places: Places) -> None:
    page = soups(places)[places.outputs / "report" / "01_first.html"]
    (picture,) = page("img")
    assert str(picture["src"]).startswith("data:image/png;base64,")
    assert picture["alt"] == "Figures of it: figure"
    assert all(block.find_parent("details") for block in page.select(".highlight"))
    assert not page.find("details", open=True)
    assert [(th.get_text(), th["scope"]) for th in page("th")] == [("auc", "col"), ("test", "row")]
    assert [caption.get_text() for caption in page("caption")] == ["Table 1 of this page: Figures of it"]
    assert page.find("a", href="02_second.html#Far")
    assert page.find("a", href="index.html", string="Report")
    assert {block.get("tabindex") for block in page.select(".output_html")} == {"0"}, "a keyboard scrolls wide tables"
    assert [link["href"] for link in page.select(".steps a")] == ["index.html", "02_second.html"]


def test_contents_cannot_run_and_nothing_is_loaded_from_elsewhere(places: Places) -> None:
    for path, page in soups(places).items():
        assert not page("script"), path.name
        assert not page("iframe"), path.name
        assert page.html and page.html["lang"] == "en"
        assert page.title and page.title.get_text() != "hacked"
        policy = page.find("meta", attrs={"http-equiv": "Content-Security-Policy"})
        assert policy and str(policy["content"]).startswith("default-src 'none'; img-src")
    index = (places.outputs / "report" / "index.html").read_text(encoding="utf-8")
    assert "&lt;script&gt;" in index and "<script" not in index


def test_links_are_relative_and_lead_somewhere(places: Places) -> None:
    pages = soups(places)
    assert {path.name for path in pages} == {"index.html", "01_first.html", "02_second.html"}
    followed = 0
    for path, page in pages.items():
        links = [str(element.get("href") or element.get("src")) for element in page.select("[href], [src]")]
        for link in (link for link in links if not link.startswith("data:")):
            url = urlsplit(link)
            target = path.parent / unquote(url.path) if url.path else path
            assert not url.scheme and target.is_file(), f"{path.name}: {link}"
            assert not url.fragment or pages[target].find(id=unquote(url.fragment)), f"{path.name}: {link}"
            followed += 1
    assert followed > 25


def test_writing_again_gives_the_same_report_in_the_place_of_the_earlier(places: Places) -> None:
    report = write_report(places).parent
    before = contents(report)
    (report / "stale.html").write_text("of an earlier study", encoding="utf-8")
    assert contents(write_report(places).parent) == before
    (places.figures / "scorecard.csv").unlink()
    assert 'id="scorecard"' not in write_report(places).read_text(encoding="utf-8")
    assert [path.name for path in places.outputs.iterdir() if "report" in path.name] == ["report"]


def test_without_executed_notebooks_the_error_names_the_folder_and_the_mend(tmp_path: Path) -> None:
    places = Places.of("smoke", tmp_path)
    with pytest.raises(InputError, match=re.escape(f"{places.outputs / 'notebooks'}: ") + ".*`brats-al run` first"):
        write_report(places)
    assert not places.outputs.exists()


def test_every_page_opens_from_the_disk_in_a_browser(places: Places, browser: webdriver.Chrome) -> None:
    metrics = {"width": 390, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)  # as wide as a telephone
    report = write_report(places).parent
    images = 0
    for path in sorted(report.glob("*.html")):
        browser.get(path.as_uri())
        assert browser.get_log("browser") == [], path.name
        assert browser.title != "hacked"
        for source, width in browser.execute_script("return [...document.images].map(i => [i.src, i.naturalWidth])"):
            assert width > 0 and source.startswith((report.as_uri(), "data:image/")), f"{path.name}: {source}"
            images += 1
        loaded = browser.execute_script("return performance.getEntriesByType('resource').map(entry => entry.name)")
        assert all(name.startswith((report.as_uri(), "data:")) for name in loaded), loaded
        browser.execute_script("document.querySelectorAll('details').forEach(each => each.open = true)")
        assert browser.execute_script("return document.documentElement.scrollWidth") == 390, path.name
        card = "return [...document.querySelectorAll('.scorecard *')].map(each => each.getBoundingClientRect().right)"
        assert max(browser.execute_script(card), default=0) <= 390, "a verdict that only scrolling shows"
    assert images == 6


IDS = ["0", "1", "2", "94731", "p1", "p10", "<b>bold & 'Sons'</b>", 'O"Neil', "Brats18_SITE0_4711308_1", "Müller"]
"""Of persons: parts of numbers and of each other, with signs that HTML escapes."""


def named(folder: Path) -> Path:
    """Write a table of images of persons with such names."""
    data = write_cohort(folder / "clinic", masked=True)
    table = pd.read_csv(data / "cohort.csv", dtype=str)
    persons = table["group"].unique().tolist()
    names = dict(zip(persons, [*IDS, *(f"Meier_{number}" for number in range(len(persons) - len(IDS)))], strict=True))
    table.assign(group=table["group"].map(names)).to_csv(data / "cohort.csv", index=False)
    return data


def test_no_person_s_name_is_in_a_report(tmp_path: Path) -> None:
    """Of a study that was executed, one of its notebooks failing with a message that names all of them."""
    study = explored_study(named(tmp_path), tmp_path / "out")
    ids = {*study.slices.table["patient_id"]}
    assert set(IDS) < ids
    parameters = {"profile": "smoke", "data": str(tmp_path / "clinic"), "out": str(tmp_path / "out"), "device": "cpu"}
    for path in execution.find(NOTEBOOKS, ["00", "09"]):
        execution.execute(path, parameters, study.places)
    scans = [f"/scans/{name}" for name in ids]
    error = nb.new_output("error", ename="InputError", evalue=" ".join(ids), traceback=scans)
    cell = nb.new_code_cell("raise", outputs=[nb.new_output("stream", name="stderr", text=" ".join(ids)), error])
    settings = nb.new_code_cell("data = '/scans/Meier_3'", metadata={"tags": ["injected-parameters"]})
    write(notebook("Fails", settings, cell), study.places.notebooks / "01_fails.ipynb")
    stamp(study.places.notebooks / "01_fails.ipynb")
    site = write_report(study.places).parent
    pictures = re.compile(r"base64,[^\"]+")  # a short name may stand in a picture's letters
    shown = {path: pictures.sub("", path.read_text(encoding="utf-8")) for path in site.rglob("*.*")}
    assert {path.suffix for path in shown} == {".html", ".svg", ".csv"}
    assert "InputError" in shown[site / "01_fails.html"]
    for path, text in shown.items():
        for name in ids - set(IDS[:3]):  # 0, 1 and 2 are numbers too
            for written in {name, escape(name, quote=False), escape(name), str(markup_escape(name))}:
                assert not re.search(rf"(?<!\w){re.escape(written)}(?!\w)", text), f"{written} in {path.name}"


def test_a_report_shows_one_study_and_names_what_another_wrote_into_its_folder(tmp_path: Path) -> None:
    """`run --data A`, then `run --data B --only 00`, then `report`: the answer is not A's."""
    places = Places.of("smoke", tmp_path / "both")
    places.make()
    for name in "AB":
        places.claim("smoke", f"/data/{name}", {})
        remember(places, {"profile": "smoke"}, ["00_cohort"])
        save_table(pd.DataFrame({"class_name": [name]}), "cohort", places.figures)
        if name == "A":
            save_table(CARD, "scorecard", places.figures)
    page = write_report(places).read_text(encoding="utf-8")
    assert "Not computed yet" in page and "\N{MINUS SIGN}4.0 pp" not in page
    assert not (places.outputs / "report/figures/scorecard.csv").exists()
    assert (places.outputs / "report/figures/cohort.csv").read_text(encoding="utf-8") == "class_name\nB\n"
    (warning,) = BeautifulSoup(page, "html.parser").select(".warning")
    assert "another study" in warning.get_text() and "scorecard" in warning.get_text()


def contrast(*colours: str) -> float:
    """Return the contrast of two colours, as WCAG 2.1 defines it."""
    dim, bright = sorted(relative_luminance(colour) + 0.05 for colour in colours)
    return float(bright / dim)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_text_is_legible_in_light_and_dark(scheme: int) -> None:
    """A contrast of 4.5 at least: WCAG 2.1, success criterion 1.4.3."""
    light, dark = (dict(re.findall(r"--(\w+):(#\w+)", rule)) for rule in re.findall(r":root\{([^}]*--[^}]*)\}", STYLE))
    colours = (light, light | dark)[scheme]
    pairs = [(name, "paper") for name in ("ink", "faint", "link", "agrees", "disagrees", "unknown")]
    for text, ground in [*pairs, ("ink", "warned"), ("ink", "code")]:
        assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)


def test_the_printed_page_cuts_no_table(places: Places, browser: webdriver.Chrome) -> None:
    """A4 with its margins is 703 pixels wide: tables stay within, and what scrolls on a screen is shown whole."""
    metrics = {"width": 703, "height": 1000, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    browser.get(write_report(places).as_uri())
    ends = "return [...document.querySelectorAll('table')].map(each => each.getBoundingClientRect().right)"
    assert browser.execute_script(ends) and max(browser.execute_script(ends)) <= 703
    hidden = "return [...document.querySelectorAll('.table')].every(e => getComputedStyle(e).overflowX == 'visible')"
    assert browser.execute_script(hidden)
