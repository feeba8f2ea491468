"""Save notebooks without outputs: in JupyterLab started by `make lab`, and as git's filter.

Thus git sees no change after Run All, and what outputs say of patients (in an error, for instance) is not saved. Other
editors save outputs: this file is git's filter against these (``.gitattributes``; `make setup` tells git the command).
Any Python runs it, without packages: git refuses to work where a filter cannot run, as when .venv is deleted or moved.
"""

import json
import sys
from typing import Any

METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
"""Metadata of every notebook in git."""

LEFT_BY_RUNNING = ("execution", "collapsed", "scrolled")
"""Metadata that a run leaves in cells."""


def without_outputs(path: str, model: dict[str, Any], **_: object) -> None:
    """Remove the outputs of a notebook before it is saved; copies under other names keep theirs.

    Parameters
    ----------
    path : str
        Path under which it is saved.
    model : dict
        Jupyter's model of the file; changed in place.
    """
    from brats_al_utils.study.places import NUMBERED  # git's filter has no packages

    if model["type"] == "notebook" and NUMBERED.fullmatch(path.rpartition("/")[2]):
        remove_outputs(model["content"])


def remove_outputs(notebook: dict[str, Any]) -> None:
    """Remove the outputs of a notebook, and what else running it leaves."""
    notebook["metadata"] = METADATA
    for cell in notebook["cells"]:
        cell["metadata"] = {name: value for name, value in cell["metadata"].items() if name not in LEFT_BY_RUNNING}
        if cell["cell_type"] == "code":
            cell.update(outputs=[], execution_count=None)


def as_git_keeps_it(content: str) -> str:
    """Return the content of a notebook's file without outputs; the order of keys does not change."""
    notebook = json.loads(content)
    remove_outputs(notebook)
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    try:
        sys.stdout.buffer.write(as_git_keeps_it(sys.stdin.buffer.read().decode()).encode())
    except (ValueError, KeyError) as error:
        sys.exit(f"no notebook ({error}): mend it, git takes none with outputs")
