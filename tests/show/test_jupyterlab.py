"""JupyterLab as `make lab` starts it: a student opens a notebook in a browser and runs all of its cells."""

import re
from collections.abc import Iterator

import pytest
from lab import Lab, all_of, run_all_cells, started_lab, text_of
from selenium.webdriver.remote.webdriver import WebDriver

NOTEBOOK = "01_transfer_vs_scratch.ipynb"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("lab")
    with started_lab(folder, NOTEBOOK, {"profile": "smoke", "out": str(folder / "out")}) as lab:
        yield lab


def test_notebook_runs(lab: Lab, browser: WebDriver) -> None:
    browser.get(lab.url(NOTEBOOK))
    cells = run_all_cells(browser)

    # JupyterLab 4.6 marks a traceback as stderr too.
    kinds = [f"[data-mime-type='application/vnd.jupyter.{kind}']" for kind in ("error", "stderr")]
    complaints = all_of(browser, ", ".join(kinds))
    assert not complaints, text_of(complaints)
    prompts = [text_of(all_of(cell, ".jp-InputPrompt")) for cell in cells]
    assert prompts == [f"[{number}]:" for number in range(1, len(cells) + 1)]

    tables = text_of(all_of(browser, ".jp-OutputArea-output table"))
    assert "pretrained" in tables
    written = [path.name for path in (lab.folder / "out").glob("*.png")]
    images = all_of(browser, ".jp-OutputArea-output img")
    assert "table2.png" in written
    assert len(images) == len(written), f"{len(images)} images are shown of {', '.join(written)}"
    assert all(image.is_displayed() for image in images)
    assert all(int(str(image.get_property("naturalWidth"))) > 300 for image in images)

    (found,) = all_of(cells[-1], ".jp-OutputArea-output")
    assert found.is_displayed()
    assert re.search(r"validation, slice-level: [+-]\d+\.\d pp", found.text)
    assert re.search(r"test, patient-level: [+-]\d+\.\d pp", found.text)
    assert lab.addresses() == {"127.0.0.1"}


def test_server_needs_its_token_and_listens_on_loopback_only(lab: Lab) -> None:
    assert lab.status("/api/contents", lab.token) == 200
    assert lab.status("/api/contents") == 403
    assert lab.status("/api/contents", "guess") == 403
    assert lab.addresses() == {"127.0.0.1"}
