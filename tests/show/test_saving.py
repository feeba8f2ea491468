"""What JupyterLab saves of a notebook, as `make lab` starts it."""

import re
import sys
from pathlib import Path
from shutil import copy, copytree, ignore_patterns
from subprocess import CalledProcessError

import nbformat
import pytest
from conftest import ROOT, git
from lab import all_of, run_all_cells, save_notebook, started_lab, text_of
from selenium.webdriver.remote.webdriver import WebDriver

from brats_al_utils.show.saving import without_outputs

NOTEBOOK = "00_cohort.ipynb"
NAME = "Meier_Hans"
MAKEFILE = ROOT / "Makefile"


def executed() -> nbformat.NotebookNode:
    """Return a notebook as JupyterLab has it after Run All."""
    notebook: nbformat.NotebookNode = nbformat.read(ROOT / "notebooks" / NOTEBOOK, as_version=4)
    notebook.metadata |= {"widgets": {"state": NAME}, "language_info": {"name": "python", "version": "3.13"}}
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.update(execution_count=1, outputs=[nbformat.v4.new_output("error", evalue=NAME)])
            cell.metadata["execution"] = {"iopub.status.busy": NAME}
    return notebook


@pytest.mark.parametrize("name", [NOTEBOOK, "00_cohort-Copy1.ipynb"])
def test_the_project_s_notebooks_are_saved_as_git_has_them_and_copies_as_they_are(name: str) -> None:
    content = executed()
    without_outputs(path=f"notebooks/{name}", model={"type": "notebook", "content": content}, contents_manager=None)
    assert (content == nbformat.read(ROOT / "notebooks" / NOTEBOOK, as_version=4)) is (name == NOTEBOOK)
    assert (NAME in str(content)) is (name != NOTEBOOK)


def test_git_takes_no_outputs_whatever_editor_saved_them(tmp_path: Path) -> None:
    """The filter as `make setup` tells it to git."""
    git(tmp_path, "init", "--quiet")
    told = re.findall(r"git config (filter\.without-outputs\.\w+) (\".*?\"|\w+)", MAKEFILE.read_text(encoding="utf-8"))
    for name, value in told:
        git(
            tmp_path, "config", name, value.strip('"').replace("$(PYTHON)", f"{sys.executable} -I -S")
        )  # without packages
    (tmp_path / "brats_al_utils/show").mkdir(parents=True)
    copy(ROOT / "brats_al_utils/show/saving.py", tmp_path / "brats_al_utils/show")
    copytree(ROOT / "notebooks", tmp_path / "notebooks", ignore=ignore_patterns(".*"))
    copy(ROOT / ".gitattributes", tmp_path)
    assert git(tmp_path, "check-attr", "eol", "Makefile") == "Makefile: eol: lf\n"  # also for Windows' git
    git(tmp_path, "add", ".")
    for path in sorted((tmp_path / "notebooks").glob("*.ipynb")):
        assert git(tmp_path, "show", f":notebooks/{path.name}") == path.read_text(encoding="utf-8"), (
            "sources stay as they are"
        )
    nbformat.write(executed(), tmp_path / "notebooks" / NOTEBOOK)
    git(tmp_path, "add", ".")
    assert NAME in (tmp_path / "notebooks" / NOTEBOOK).read_text(encoding="utf-8")
    taken = nbformat.reads(git(tmp_path, "show", f":notebooks/{NOTEBOOK}"), as_version=4)
    assert taken == nbformat.read(ROOT / "notebooks" / NOTEBOOK, as_version=4)
    (tmp_path / "notebooks" / NOTEBOOK).write_text("<<<<<<< mine", encoding="utf-8")
    with pytest.raises(CalledProcessError) as refused:
        git(tmp_path, "add", ".")
    assert "no notebook" in refused.value.stderr
    (tmp_path / "notebooks" / NOTEBOOK).unlink()
    git(tmp_path, "checkout", "notebooks")  # as a pull does it


@pytest.mark.long
def test_run_all_changes_no_tracked_file_and_errors_stay_on_the_screen(tmp_path: Path, browser: WebDriver) -> None:
    """A table with a problem, whose message names a patient's file."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "cohort.csv").write_text(f"patient_id,label,image\n{NAME},sick,{NAME}.png\n", encoding="utf-8")
    parameters = {NOTEBOOK: {"profile": "smoke", "data": str(tmp_path / "data"), "out": str(tmp_path / "out")}}
    with started_lab(tmp_path / "lab", parameters, saves_outputs=False) as lab:
        path = lab.folder / "notebooks" / NOTEBOOK
        before = path.read_text(encoding="utf-8")
        browser.get(lab.url(NOTEBOOK))
        run_all_cells(browser)

        assert "InputError" in text_of(all_of(browser, ".jp-OutputArea-output"))
        assert save_notebook(browser, path) == before
