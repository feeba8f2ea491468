"""Windows is not claimed (WSL is the way), but nothing that it lacks is needed before a test runs."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LACKING = ("fcntl", "grp", "pwd", "resource", "termios", "pty", "tty")
SOURCES = sorted([*(ROOT / "brats_al_utils").rglob("*.py"), *(ROOT / "tests").rglob("*.py")])

# Collects the tests as if this were a Python without the modules and signals that Windows lacks.
COLLECT = f"""
import signal, sys
import distributed  # what it needs has a build for each system, and this system's needs them
for name in {LACKING}:
    sys.modules[name] = None
for name in ("SIGKILL", "SIGHUP", "SIGUSR1"):
    delattr(signal, name)
import pytest
sys.exit(pytest.main(["--collect-only", "-q", "-p", "no:cacheprovider", "tests"]))
"""


def at_import(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what is evaluated when a module is imported: all but the bodies of functions."""
    for child in ast.iter_child_nodes(node):
        if isinstance(node, ast.FunctionDef) and child in node.body:
            continue
        yield child
        yield from at_import(child)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_that_windows_lacks_is_used_at_import(path: Path) -> None:
    for node in at_import(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            assert not {name.name for name in node.names} & set(LACKING)
        if isinstance(node, ast.ImportFrom):
            assert node.module not in LACKING
        if isinstance(node, ast.Attribute):
            assert node.attr != "SIGKILL"


@pytest.mark.long
def test_the_tests_are_collected_without_what_windows_lacks() -> None:
    done = subprocess.run([sys.executable, "-c", COLLECT], cwd=ROOT, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert "tests collected" in done.stdout
