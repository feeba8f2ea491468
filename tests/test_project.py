"""What holds of the project as a whole: pins, floors, notebooks' hygiene, documentation."""

import ast
import inspect
import json
import os
import re
import runpy
import shlex
import subprocess
import sys
import tomllib
from dataclasses import asdict
from pathlib import Path
from typing import Any

import nbformat
import papermill
import pytest
import typer.main
import yaml
from conftest import brats_al, git, parsed
from packaging.markers import Marker

from brats_al_utils import __main__ as command_line
from brats_al_utils.__main__ import PROFILE_NAMES
from brats_al_utils.beyond.arms import NOTEBOOKS as COMPARED
from brats_al_utils.beyond.cost import cost, counted_study
from brats_al_utils.show.pages import COPY
from brats_al_utils.study.opening import open_study
from brats_al_utils.study.profile import PROFILES
from brats_al_utils.study.stages import plan

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
PACKAGE = sorted((ROOT / "brats_al_utils").rglob("*.py"))

PARAMETERS = ["profile", "data", "out", "settings", "device", "workers", "skip_bad", "follow_links"]

# Lowest first: a room imports only from those before it, so no two are in a loop. The ground ("") is what is outside.
ROOMS = ["", "cohorts", "networks", "queries", "runs", "study", "findings", "show", "beyond"]


def locked() -> dict[str, str]:
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    return dict(match.groups() for line in lines if (match := re.match(r"([a-z0-9_.-]+)==(\S+)", line)))  # type: ignore[misc]


def direct_dependencies() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return {re.split(r"[=<>~!]", dependency)[0] for dependency in project["dependencies"]}


def test_environment_yml_has_the_pins_of_the_lock() -> None:
    text = (ROOT / "environment.yml").read_text(encoding="utf-8")
    (pip,) = [entry["pip"] for entry in yaml.safe_load(text)["dependencies"] if isinstance(entry, dict)]
    pins = dict(entry.split("==") for entry in pip if "==" in entry)
    assert pins == {name: version for name, version in locked().items() if name in direct_dependencies()}
    assert set(pins) == direct_dependencies()
    assert all("  # " in line or " # " in line for line in text.splitlines() if "==" in line), "a pin without reason"


def test_what_other_machines_start_with() -> None:
    """The workflow runs when somebody starts it, with pinned actions and no secret; Binder and a container set up."""
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "pages.yml").read_text(encoding="utf-8"))
    assert workflow[True] == "workflow_dispatch"  # YAML takes "on" for a truth value
    steps = workflow["jobs"]["publish"]["steps"]
    assert all(re.fullmatch(r"actions/\w+@[0-9a-f]{40}", step["uses"]) for step in steps if "uses" in step)
    assert "secrets" not in json.dumps(workflow)
    container = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text(encoding="utf-8"))
    assert container["postCreateCommand"] == "make setup"
    assert os.access(ROOT / "postBuild", os.X_OK)
    assert "--requirement weights.lock" in (ROOT / "postBuild").read_text(encoding="utf-8")


def test_every_text_has_its_encoding_named() -> None:
    """On a machine whose locale is not UTF-8 the same files are written and read, and the same is read of a process."""
    rule = [sys.executable, "-m", "ruff", "check", "--preview", "--select=PLW1514", str(ROOT)]
    found = subprocess.run(rule, capture_output=True, encoding="utf-8")
    assert found.returncode == 0, found.stdout
    files = [*PACKAGE, *(ROOT / "tests").rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py")]
    assert not [path for path in files if re.search(r"\btext=[T]rue", path.read_text(encoding="utf-8"))]


def test_locks_have_hashes_and_the_viewer_the_version_of_its_extra() -> None:
    blocks = re.split(r"\n(?=[a-z0-9])", (ROOT / "requirements.lock").read_text(encoding="utf-8"))
    blocks = [block for block in blocks if re.match(r"[a-z0-9_.-]+==", block)]
    assert len(blocks) == len(locked()) > 100
    assert all("--hash=sha256:" in block for block in blocks)
    for name in ("weights.lock", "viewer.lock"):
        assert "--hash=sha256:" in (ROOT / name).read_text(encoding="utf-8")
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    (name, version) = re.findall(r"^(\w+)==(\S+)", (ROOT / "viewer.lock").read_text(encoding="utf-8"), re.MULTILINE)[0]
    assert extras["viewer"] == [f"{name}=={'.'.join(version.split('.')[:2])}.*"]
    assert {"anywidget", "numpy", "requests"} <= set(locked()), "what it needs"


def test_the_start_page_says_what_each_notebook_answers() -> None:
    page = (ROOT / "notebooks" / "README.md").read_text(encoding="utf-8")
    links = re.findall(r"^\| \[(\w+)\]\((\w+)\.ipynb\) \| \S.+ \|$", page, re.MULTILINE)
    assert links == [(path.stem, path.stem) for path in NOTEBOOKS]


@pytest.mark.parametrize("system", ["linux", "darwin"])
def test_the_lock_serves_every_platform(system: str) -> None:
    """All that is asked for is for each system and Python; CUDA is for Linux alone."""
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    lines = re.findall(r"^([a-z0-9-]+)==[^ ;]+(?: ; (.*?))? \\$", text, re.MULTILINE)
    for python in ("3.11", "3.12", "3.13"):
        place = {"sys_platform": system, "os_name": "posix", "python_full_version": f"{python}.0"}
        place |= {"platform_machine": "x86_64" if system == "linux" else "arm64", "python_version": python}
        installed = {name for name, marker in lines if not marker or Marker(marker).evaluate(place)}
        assert direct_dependencies() <= installed
        assert ("nvidia-cublas" in installed) == (system == "linux")


def test_everything_beside_the_modules_is_installed() -> None:
    setuptools = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    data = [(package, pattern) for package, some in setuptools["package-data"].items() for pattern in some]
    installed = {path for package, pattern in data for path in (ROOT / package.replace(".", "/")).glob(pattern)}
    others = [path for path in (ROOT / "brats_al_utils").rglob("*.*") if path.suffix not in (".py", ".pyc")]
    assert others and set(others) == installed


def name_of(path: Path) -> str:
    """Return a module's dotted name."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def room_of(module: str) -> str:
    """Return the room that a module of the package is in, empty for the ground."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and parts[1] in ROOMS else ""


@pytest.mark.parametrize("path", PACKAGE, ids=name_of)
def test_a_room_imports_only_from_rooms_below(path: Path) -> None:
    if path.name == "__main__.py":
        return
    allowed = ROOMS[: ROOMS.index(room_of(name_of(path))) + 1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("brats_al_utils"):
            for imported in (f"{node.module}.{alias.name}" for alias in node.names):
                assert room_of(imported) in allowed, f"{name_of(path)} imports {imported}"


def test_every_room_is_known() -> None:
    rooms = {".".join(path.parent.relative_to(ROOT).parts[1:]) for path in PACKAGE if path.name == "__init__.py"}
    assert {room for room in rooms if not room.startswith("beyond.")} == set(ROOMS)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_hygiene(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"
    cells = notebook.cells
    assert len({cell.id for cell in cells}) == len(cells)
    code = [cell for cell in cells if cell.cell_type == "code"]
    assert not any(cell.outputs or cell.execution_count for cell in code)
    assert sum("parameters" in cell.metadata.get("tags", []) for cell in code) == 1
    assert cells[0].cell_type == "markdown"
    assert "Hao et al." in cells[0].source
    tree = ast.parse("\n".join(cell.source for cell in code))
    own = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    assert not own, "a notebook shows the method on values, and asserts that the package does the same"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_parameter_has_type_default_and_help(path: Path) -> None:
    parameters = papermill.inspect_notebook(path)
    if path.stem in COMPARED:  # a section of the study
        assert list(parameters) == list(inspect.signature(open_study).parameters)[: len(parameters)] == PARAMETERS
    for parameter in parameters.values():
        assert parameter["inferred_type_name"] not in ("", "None")
        assert parameter["default"]
        assert parameter["help"]


def test_help_shows_every_verb_in_a_panel_and_with_an_example() -> None:
    printed = brats_al("--help")
    for panel, verbs in {
        "Study": "run phantom status runs report plan weights",
        "My images": "cohort query strategies annotate learn answers",
        "Published": "export figures verify",
        "Cluster": "cluster",
    }.items():
        box = re.split(r"╰─", printed.partition(f"─ {panel} ─")[2])[0]
        assert set(re.findall(r"^│ (\w+) ", box, re.MULTILINE)) == set(verbs.split())
        assert f"{panel}: brats-al {'' if panel != 'Cluster' else 'cluster'}" in printed
    commands: Any = typer.main.get_command(command_line.app)
    for name, verb in [*commands.commands.items(), *commands.commands["cluster"].commands.items()]:
        if name != "cluster":
            assert parsed(shlex.split(verb.epilog.removeprefix("Example: brats-al "))).info_name == name
    assert tuple(PROFILES) == PROFILE_NAMES


def test_help_the_store_and_status_need_no_torch() -> None:
    code = "import brats_al_utils.__main__, brats_al_utils.runs.store, brats_al_utils.study.status, sys"
    subprocess.run([sys.executable, "-c", f"{code}; sys.exit('torch' in sys.modules)"], check=True)


def test_nothing_that_must_not_be_here() -> None:
    for name in filter(None, git(ROOT, "ls-files", "-z").split("\0")):
        path = ROOT / name
        assert not name.endswith((".nii", ".nii.gz", ".dcm")), f"{name} is an image volume"
        assert not path.exists() or path.stat().st_size < 2**21, f"{name} is larger than 2 MB"
        drawn = path.suffix in (".svg", ".csv")
        assert not name.startswith("figures/") or drawn, f"{name}: `make published` copies none"


def test_every_setting_is_in_the_protocol() -> None:
    """The page lists each setting with the default that the paper profile has, and no setting that there is not."""
    page = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
    documented = dict(re.findall(r"^\| `(\w+)` \|[^|]*\| ([^|]*) \|", page, re.MULTILINE))
    settings = asdict(PROFILES["paper"])
    assert set(documented) == set(settings) - {"name"}
    for name, default in documented.items():
        value = settings[name]
        written = (",".join(map(str, value)) if isinstance(value, tuple) else str(value)) or "none"
        assert default.strip("`").split(":")[0] == (written.lower() if isinstance(value, bool) else written), name


@pytest.mark.parametrize("path", sorted((ROOT / "published/notebooks").rglob("*.ipynb")), ids=lambda path: path.stem)
def test_a_copy_that_is_shown_is_of_the_notebook_as_it_is(path: Path) -> None:
    """`make published` writes the copies: light enough to be shown, and without what names this machine."""
    copy, notebook = (nbformat.read(each, 4) for each in (path, ROOT / "notebooks" / path.name))
    said = runpy.run_path(str(ROOT / "tools" / "copies.py"))["EXECUTED"]
    sources = [(cell.id, COPY.sub(said, cell.source)) for cell in notebook.cells]
    assert [(cell.id, cell.source) for cell in copy.cells] == sources
    assert f"](../{path.relative_to(ROOT).as_posix()})" in notebook.cells[0].source
    assert sum(bool(cell.get("outputs")) for cell in copy.cells) > 3
    assert path.stat().st_size < 300_000
    assert str(ROOT.parent) + "/" not in path.read_text(encoding="utf-8")


def test_the_readme_counts_the_demo_s_runs() -> None:
    readme, demo = (ROOT / "README.md").read_text(encoding="utf-8"), PROFILES["demo"]
    study = counted_study(demo)
    tables = {name: plan(study, arms(study.profile)) for name, arms in COMPARED.items()}
    written = dict(re.findall(r"^\| \[?`(\d\d_\w+)`.*\| (\d+) \|$", readme, re.MULTILINE))
    assert written == {name: str(cost(rows).asked) for name, rows in tables.items()}
    total, text = cost(*tables.values()), " ".join(readme.split())
    assert f"of {total.asked} asked for, {total.distinct} are distinct" in text
    assert f"{demo.patients} patients of {demo.per_patient} slices at {demo.image_size} pixels" in text
    assert f"{demo.epochs} epochs ({demo.scratch_epochs} from scratch) and {demo.n_runs} runs" in text


def test_the_page_of_faults_names_the_tests_that_exist() -> None:
    """Each test that it names is where it says, and each of `test_faults` is on it."""
    page, module, named = (ROOT / "docs" / "faults.md").read_text(encoding="utf-8"), "", []
    for path, test in re.findall(r"`(?:(?:\w+/)?(\w+)\.py)?::(test_\w+)`", page):
        module = path or module
        named.append((module, test))
        (file,) = (ROOT / "tests").rglob(f"{module}.py")
        assert re.search(rf"^def {test}\(", file.read_text(encoding="utf-8"), re.MULTILINE), (module, test)
    assert len(named) > 60
    faults = (ROOT / "tests" / "test_faults.py").read_text(encoding="utf-8")
    made = set(re.findall(r"^def (test_\w+)\(", faults, re.MULTILINE))
    assert made == {test for module, test in named if module == "test_faults"}


def test_the_way_to_figure_7_names_functions_where_they_are() -> None:
    text = (ROOT / "docs" / "code.md").read_text(encoding="utf-8").replace("**", "")
    named = re.findall(r"`(\w+/\w+\.py)`: ((?:`\w+`(?:, )?)+)", text)
    assert len(named) > 15
    for path, functions in named:
        defined = (ROOT / "brats_al_utils" / path).read_text(encoding="utf-8")
        for name in re.findall(r"\w+", functions):
            assert re.search(rf"def {name}\(", defined), f"{path}: {name}"
