"""Whole studies through the command line: smoke on phantoms and on real cases, interrupted, repeated, refused."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urlparse

import nbformat
import numpy as np
import pandas as pd
import psutil
import pytest
from conftest import PICTURES as IMAGES
from conftest import brats_al, brats_al_process, git, make, stored, wait_for_runs, write_case
from safetensors.numpy import load_file
from selenium import webdriver

from brats_al_utils.beyond.arms import NOTEBOOKS
from brats_al_utils.beyond.cost import counted_study
from brats_al_utils.findings.evidence import budgets, evaluate
from brats_al_utils.show import kernels, notebooks
from brats_al_utils.show.notebooks import find
from brats_al_utils.study.arms import transfer
from brats_al_utils.study.opening import open_study
from brats_al_utils.study.places import ROOT, Places, find_data
from brats_al_utils.study.profile import PROFILES
from brats_al_utils.study.stages import results_of, train
from brats_al_utils.study.study import Study

SMOKE = PROFILES["smoke"]
PICTURES = {path.stem for path in (ROOT / "figures" / "published" / "open").glob("*.svg")} | IMAGES
PICTURES -= {"could_the_paper_tell"}  # of so few patients nothing is drawn
LISTED = re.findall(r"^\| (`.*?) \| [\d, ]+ \|", (ROOT / "docs/tables.md").read_text(encoding="utf-8"), re.MULTILINE)
TABLES = re.findall(r"`(\w+)`", "\n".join(LISTED))
"""Every file that the page of tables lists: those of the pictures' numbers are among them."""


def check_table2(study: Study, folder: Path) -> None:
    """Check that Table 2 is there, well formed, and follows from the runs that are stored."""
    table = pd.read_csv(folder / "table2.csv")
    assert list(table.columns) == ["arm", "part", "unit", "auc_mean", "runs_low", "runs_high", "n_runs", "learned"]
    assert table.groupby(["arm", "part", "unit"]).size().shape == (8,)
    assert (table["n_runs"] == study.profile.n_runs).all()
    stored = set(study.places.runs.glob("*.safetensors"))
    runs = evaluate(study, results_of(study, train(study, transfer(study.profile))))
    assert set(study.places.runs.glob("*.safetensors")) == stored, "a run of Table 2 was not stored"
    means = runs.groupby(["arm", "part", "unit"], as_index=False)["auc"].mean()
    both = table.merge(means, on=["arm", "part", "unit"], how="left")
    assert both["auc_mean"].tolist() == pytest.approx(both["auc"].tolist(), abs=1e-5)
    assert runs["auc"].between(0, 1).all()


def check_executed(folder: Path) -> None:
    """Check that all notebooks were executed without error or warning, and show every figure that was written.

    Pictures of patients lie in a folder of their own, and no notebook's file holds them.
    """
    executed = sorted((folder / "outputs" / "notebooks").glob("*.ipynb"))
    assert [path.name for path in executed] == [path.name for path in find(NOTEBOOKS)]
    shown = 0
    for path in executed:
        for cell in nbformat.read(path, as_version=4).cells:
            for output in cell.get("outputs", []):
                assert output.output_type != "error"
                assert output.get("name") != "stderr", output.text
                shown += "image/png" in output.get("data", {})
    assert shown == len(list(folder.glob("*.png")))


def test_smoke(smoke: Path) -> None:
    check_table2(open_study("smoke", out=smoke), smoke)
    check_executed(smoke)
    assert {path.stem for path in smoke.glob("*.csv")} == set(TABLES) >= PICTURES
    for end in ("svg", "pdf", "png"):
        assert {path.stem for path in smoke.glob(f"*.{end}")} == PICTURES
    assert all(path.stat().st_size > 100 for name in PICTURES for path in smoke.glob(f"{name}.*"))
    for name in TABLES:
        assert len(pd.read_csv(smoke / f"{name}.csv"))
    executed = smoke / "outputs" / "notebooks" / "01_transfer_vs_scratch.ipynb"
    assert "Synthetic cohort (12 patients)" in executed.read_text(encoding="utf-8")
    (path,) = (smoke / "outputs" / "slices").glob("imbalanced-*/manifest.json")
    manifest = json.loads(path.read_text(encoding="utf-8"))
    assert manifest["synthetic"]
    assert manifest["slices"] == SMOKE.patients * SMOKE.per_patient


def test_the_demo(checkout: Path) -> None:
    """At smoke size it is `smoke`; `make demo` has the profile of that name."""
    assert make("demo", checkout, "--dry-run").count(" --profile demo\n") == 2


def test_the_report_of_a_whole_study(smoke: Path, browser: webdriver.Chrome) -> None:
    index = smoke / "outputs" / "report" / "index.html"
    pages = [path.stem for path in find(NOTEBOOKS)]
    browser.get(index.as_uri())
    links = {str(link.get_attribute("href")) for link in browser.find_elements("css selector", "a[href]")}
    assert {(index.parent / f"{page}.html").as_uri() for page in pages} <= links
    assert not [link for link in links if not Path(unquote(urlparse(link).path)).exists()]
    for page, least in [("index", len(PICTURES)), *((page, 0) for page in pages)]:
        browser.get((index.parent / f"{page}.html").as_uri())
        widths = browser.execute_script("return [...document.images].map(image => image.naturalWidth)")
        assert len(widths) >= least
        assert all(widths), page
        assert browser.get_log("browser") == []


def test_started_again_nothing_is_trained_and_the_tables_are_the_same(smoke: Path) -> None:
    names = ("table2.csv", "cohort.csv", "intensities.csv", "table2.svg", "table2_training.svg")
    before = {name: (smoke / name).read_bytes() for name in names}
    stored = {path: path.stat().st_mtime_ns for path in (smoke / "outputs" / "runs").iterdir()}
    brats_al_process("run", "--profile", "smoke", "--out", str(smoke), "--only", "01")
    assert {name: (smoke / name).read_bytes() for name in names} == before
    assert {path: path.stat().st_mtime_ns for path in (smoke / "outputs" / "runs").iterdir()} == stored
    executed = (smoke / "outputs" / "notebooks" / "01_transfer_vs_scratch.ipynb").read_text(encoding="utf-8")
    assert "4 runs needed, 4 distinct, 4 already there, 0 trained" in executed


def transfer_of(smoke: Path, out: Path) -> list[str]:
    """Give a study the phantoms of the smoke study; return the command that executes its notebook 01."""
    phantoms = next((smoke / "outputs").glob("phantom*-*"))
    shutil.copytree(phantoms, out / "outputs" / phantoms.name)
    command = [sys.executable, "-m", "brats_al_utils", "run", "--profile", "smoke", "--only", "01", "--out", str(out)]
    return [*command, "--workers", "1"]


@pytest.mark.long
@pytest.mark.parametrize("by", ["SIGINT", "SIGKILL"])
def test_stopped_in_mid_run_it_goes_on_where_it_was(smoke: Path, tmp_path: Path, by: str) -> None:
    """The driver is killed, or Ctrl-C pressed: no process stays, no run is repeated, and the tables are the same."""
    out = tmp_path / "out"
    command = transfer_of(smoke, out)
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, encoding="utf-8") as driver:
        wait_for_runs(out, 2, driver)
        children = psutil.Process(driver.pid).children(recursive=True)
        os.kill(driver.pid, signal.Signals[by])
        said = driver.communicate()[1]
    assert children
    assert not psutil.wait_procs(children, timeout=30)[1], "a kernel outlived its driver"
    if by == "SIGINT":
        assert driver.returncode == 130
        assert said.endswith("interrupted: finished runs are kept, the same command resumes from them\n")
        assert "Traceback" not in said
    finished = stored(out)
    assert 2 <= len(finished) < 4
    subprocess.run(command, check=True, capture_output=True)
    now = stored(out)
    assert len(now) == 4
    assert finished.items() <= now.items()
    assert (out / "table2.csv").read_bytes() == (smoke / "table2.csv").read_bytes()
    for name in now:
        found, expected = (load_file(folder / "outputs" / "runs" / name) for folder in (out, smoke))
        assert found.keys() == expected.keys()
        assert all(np.array_equal(found[key], expected[key]) for key in found), "a run gave something else"
    # What a killed driver left half-written beside the executed notebook is no page of the report.
    index = Path(brats_al("report", "--profile", "smoke", "--out", str(out)).strip())
    assert {path.name for path in index.parent.glob("*.html")} == {"index.html", "01_transfer_vs_scratch.html"}


def test_a_killed_kernel_is_replaced(smoke: Path, tmp_path: Path) -> None:
    """SIGKILL of the kernel alone: the driver starts another, which goes on from the finished runs."""
    out, pipe = tmp_path / "out", subprocess.PIPE
    with subprocess.Popen(transfer_of(smoke, out), stdout=pipe, stderr=pipe, encoding="utf-8") as driver:
        finished = wait_for_runs(out, 2, driver)
        children = psutil.Process(driver.pid).children(recursive=True)
        next(child for child in children if child.name() == kernels.NAME).kill()
        _, errors = driver.communicate()
    assert driver.returncode == 0, errors
    assert "01_transfer_vs_scratch: its kernel died, a new one resumes from the finished runs" in errors
    assert finished.items() <= stored(out).items(), "a finished run was repeated"
    assert (out / "table2.csv").read_bytes() == (smoke / "table2.csv").read_bytes()


@pytest.mark.skipif("BRATS_AL_AXE" not in os.environ, reason="BRATS_AL_AXE names no axe.min.js")
def test_axe_finds_no_serious_fault_in_the_report(smoke: Path, browser: webdriver.Chrome) -> None:
    """On a screen and on a phone, light and dark."""
    axe = Path(os.environ["BRATS_AL_AXE"]).read_text(encoding="utf-8")
    browser.execute_cdp_cmd("Page.setBypassCSP", {"enabled": True})
    ask = "axe.run(document, {resultTypes: ['violations']}).then(found => arguments[0](found.violations.map("
    ask += "each => [each.impact, each.id, each.nodes[0].html])))"
    for width, scheme in ((1280, "light"), (400, "dark")):
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 1000}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
        for page in sorted((smoke / "outputs" / "report").glob("*.html")):
            browser.get(page.as_uri())
            browser.execute_script(axe)
            found = browser.execute_async_script(ask)
            assert not [each for each in found if each[0] in ("serious", "critical")], page.name


def test_a_parameter_with_code_in_it_is_only_text(tmp_path: Path) -> None:
    """Papermill writes parameters into a cell; what they hold must not run."""
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    cell = nbformat.v4.new_code_cell('data: str = ""', metadata={"tags": ["parameters"]})
    cells = [cell, nbformat.v4.new_code_cell("print(data)")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel}), tmp_path / "00_prints.ipynb")
    places = Places.of("smoke", tmp_path / "out")
    places.make()
    planted = tmp_path / "planted"
    code = f'"\nopen({str(planted)!r}, "w")\n#\\"; open({str(planted)!r}, "w") #'
    executed = nbformat.read(notebooks.execute(tmp_path / "00_prints.ipynb", {"data": code}, places), as_version=4)
    assert not planted.exists()
    assert executed.cells[-1].outputs[0].text == code + "\n"


@pytest.mark.long
def test_real_cases(real_cases: Path, tmp_path: Path) -> None:
    """At full size: the loss falls, and no image of a patient is among the figures or in what git sees."""
    out, settings = tmp_path / "out", {"image_size": 224, "epochs": 6, "n_runs": 1}
    words = [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
    words += ["--only", "00", "--only", "01", "--only", "02"]
    brats_al_process("run", "--profile", "smoke", "--data", str(real_cases), "--out", str(out), *words)
    check_table2(open_study("smoke", real_cases, out, settings), out)
    for arm, losses in pd.read_csv(out / "table2_training.csv").groupby("arm")["train_loss"]:
        assert losses.iloc[-1] < losses.iloc[0], arm
    executed = (out / "outputs" / "notebooks" / "01_transfer_vs_scratch.ipynb").read_text(encoding="utf-8")
    assert "BraTS 2018 (10 patients)" in executed
    assert not list(out.glob("slices.*"))
    assert (out / "outputs" / "images" / "slices.png").exists()
    assert (out / "outputs" / ".gitignore").read_text(encoding="utf-8") == "*\n"


REFUSED = [
    (["--profile", "full"], f"profile is 'full', expected one of {', '.join(PROFILES)}"),
    (["--set", "epochs=3", "n_runs=x"], "n_runs is 'x', expected a valid integer"),
    (["--set", "epochs"], "'epochs' is not a setting, expected name=value"),
    (["--only", "99"], "no notebook '99', expected one of 00_cohort"),
    (["01"], "unexpected 01: name notebooks with --only"),
    (["--device", "tpu"], "device is 'tpu', expected auto, cpu or cuda"),
    (["--data", "/no/such/folder"], "/no/such/folder: no such folder: name that of a cohort"),
    (["--resume", "README.md"], "README.md: not a zip archive"),
    (["--profile", "paper", "--set", "start=scratch"], "profile paper has no data: name the folder"),
]


@pytest.mark.parametrize(("arguments", "words"), REFUSED)
def test_refused_at_once(arguments: list[str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BRATS_ROOT", raising=False)
    profile = [] if "--profile" in arguments else ["--profile", "smoke"]
    assert f"error: {words}" in brats_al("run", *profile, *arguments, "--out", str(tmp_path / "out"), expect=1)
    assert not list(tmp_path.rglob("*.csv")) and not list(tmp_path.rglob("notebooks"))


def test_where_data_comes_from(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("BRATS_ROOT", str(tmp_path))
    assert find_data(PROFILES["paper"]) == tmp_path
    assert find_data(PROFILES["demo"]) is None, "the demo is synthetic whatever the machine has"
    assert find_data(PROFILES["demo"], tmp_path / "named") == tmp_path / "named"


def test_a_set_that_was_cut_without_bad_patients_is_found_again(tiny_cohort: Path, tmp_path: Path) -> None:
    """By the notebooks of the same study; `test_slices` cuts it."""
    write_case(tiny_cohort / "HGG" / "Brats18_SITE0_8_1", 8)
    (tiny_cohort / "HGG" / "Brats18_SITE0_8_1" / "Brats18_SITE0_8_1_t2.nii.gz").unlink()
    settings = {"image_size": 64, "per_patient": 4, "start": "scratch"}
    study = open_study("smoke", tiny_cohort, tmp_path / "out", settings, skip_bad=True)
    assert list(study.slices.manifest["left_out"]) == ["Brats18_SITE0_8_1"]
    assert open_study("smoke", tiny_cohort, tmp_path / "out", settings).slices.fingerprint == study.slices.fingerprint


def test_plan_counts_what_the_paper_needs() -> None:
    """On the counts of BraTS 2019, worked out by hand from sections 3.1 to 3.5."""
    facts = json.loads(brats_al("plan", "--profile", "paper", "--set", "image_size=64", "--json"))
    assert facts["slices"]["imbalanced"] == {"training": 4060, "validation": 1320, "test": 1320}
    assert facts["slices"]["balanced"] == {"training": 2950, "validation": 960, "test": 960}
    transfer = facts["notebooks"]["01_transfer_vs_scratch"]
    assert (transfer["asked"], transfer["distinct"]) == (20, 20)
    assert transfer["training_images"] == 10 * (30 + 80) * 4060
    assert transfer["evaluation_images"] == 10 * ((30 + 80) * 1320 + 2 * (2 + 2) * 1320), "the audit: two views of test"
    ranges = facts["notebooks"]["02_uncertainty_ranges"]
    assert ranges["distinct"] == 10 * (3 + 8 + 2), "a committee of three, eight windows, the class share and random"
    assert ranges["training_images"] == 10 * 30 * 13 * 1218
    assert ranges["evaluation_images"] == 10 * (13 * (30 * 1320 + (2 + 2) * 1320) + 3 * 4060)
    curves = facts["notebooks"]["05_random_vs_uncertainty"]
    assert curves["asked"] == 10 * 2 * (3 + 3 * 8 + 1)
    # The placebo at 80 % is the whole middle, as the proposed is; until slices are chosen, the plan counts both.
    assert curves["distinct"] == curves["asked"]
    # Shared: committees (02 = 03 = 05, 04 = 05), the baselines (01 = 03 = 05, 04 = 05), and the proposed sets at 30 %.
    # Once more the most uncertain window at the class share of all. In the scorecard the frozen layers as well.
    paper = 2 + 3 + 8 + 1 + 24 + 3 + 1 + 24 + 1
    # Notebooks 07, 11 and 12 on real patients: six controls that are not the paper's; four competitors and the query
    # network that stores features; iterative, four networks that chose in the first query (a committee and one with
    # features), seven in the second (that committee's, and one for each competitor) and six arms in the end; a
    # shuffled start; two other networks on two choices each; random sampling at 51 % (the proposed method's annotated
    # slices) and 5 %; the proposed method and random sampling at 51 % for as many updates as the baseline.
    beyond = 6 + (4 + 1) + (4 + 7 + 6) + 1 + 2 * 2 + 2 + 2
    assert facts["total"]["distinct"] == 10 * (paper + beyond)
    assert facts["hours"] > 0


TENTHS = [
    ("paper", "balanced", "proposed", 487, 4),
    ("paper", "balanced", "random", 487, 6),
    ("training", "balanced", "proposed", 295, 8),
]


@pytest.mark.parametrize(("base", "dataset", "arm", "tenth", "can_be_drawn"), TENTHS)
def test_budgets_that_cannot_be_drawn(base: str, dataset: str, arm: str, tenth: int, can_be_drawn: int) -> None:
    """Table 5's balanced row, 487 x k, from a training set of 2,950 whose middle has 2,360."""
    study = counted_study(PROFILES["paper"].with_settings({"budget_base": base}))
    table = budgets(study, NOTEBOOKS["05_random_vs_uncertainty"](study.profile))
    rows = table[(table["dataset"] == dataset) & (table["arm"] == arm)]
    assert list(rows["examples"]) == [tenth * k for k in range(1, 9)]
    assert list(rows["can_be_drawn"]) == [k < can_be_drawn for k in range(8)]


@pytest.mark.long
def test_a_hospital_s_number_stays_on_the_machine(tmp_path: Path) -> None:
    """A release whose patients are called by their number in a hospital: neither git nor the report ever has one."""
    number = "4711308"
    for patient in range(7):
        grade = "HGG" if patient < 4 else "LGG"
        write_case(tmp_path / "release" / grade / f"Brats18_SITE0_{number}{patient}_1", patient)
    checkout = tmp_path / "checkout"
    git(tmp_path, "init", "--quiet", "checkout")
    out = checkout / "figures" / "own"
    settings = ["per_patient=12", "image_size=64", "start=scratch", "epochs=1", "n_runs=1"]  # fewer than asked for
    arguments = [word for pair in settings for word in ("--set", pair)]
    asked = ("run", "--profile", "smoke", "--data", str(tmp_path / "release"), "--only", "00", "--only", "02")
    brats_al_process(*asked, "--out", str(out), *arguments)
    index = Path(brats_al("report", "--profile", "smoke", "--out", str(out)).strip())
    seen = [checkout / name for name in git(checkout, "ls-files", "--others", "--exclude-standard").split()]
    assert {out / "cohort.csv", out / "figure2.csv"} <= set(seen)
    pages = [path for path in index.parent.rglob("*") if path.is_file()]
    assert index.parent / "02_uncertainty_ranges.html" in pages
    for path in [*seen, *pages]:
        assert number not in path.name
        assert number.encode() not in path.read_bytes(), path
    (split,) = (out / "outputs" / "slices").glob("imbalanced-*/split.csv")
    assert number in split.read_text(encoding="utf-8"), "it was there to be found"
