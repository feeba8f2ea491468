"""Windows is not claimed (WSL is the way), but nothing that it lacks is needed before a test runs."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LACKING = ("fcntl", "grp", "pwd", "resource", "termios", "pty", "tty")
SOURCES = sorted([*(ROOT / "brats_al_utils").rglob("*.py"), *(ROOT / "tests").rglob("*.py")])


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
