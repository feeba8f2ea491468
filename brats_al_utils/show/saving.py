"""What JupyterLab saves of the project's notebooks where `make lab` starts it: their cells, and nothing they show.

So git sees no change after Run All, and what a cell says of patients, in an error for instance, stays on the screen.
Other editors save what they like: `python -m brats_al_utils.show.saving` is git's filter of what it takes of that
(``.gitattributes``; `make setup` tells git the command).
"""

import json
import sys
from typing import Any

from brats_al_utils.study.places import NUMBERED

METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
"""The kernel of every notebook as git has it."""

LEFT_BY_RUNNING = ("execution", "collapsed", "scrolled")
"""What running a notebook leaves in the metadata of its cells."""


def without_outputs(path: str, model: dict[str, Any], **_: object) -> None:
    """Take the outputs out of a notebook that is about to be saved; a copy under another name keeps them.

    Parameters
    ----------
    path : str
        Where it is saved.
    model : dict
        What is saved, as Jupyter's contents managers have it; changed in place.
    """
    if model["type"] != "notebook" or not NUMBERED.fullmatch(path.rpartition("/")[2]):
        return
    model["content"]["metadata"] = METADATA
    for cell in model["content"]["cells"]:
        cell["metadata"] = {name: value for name, value in cell["metadata"].items() if name not in LEFT_BY_RUNNING}
        if cell["cell_type"] == "code":
            cell |= {"outputs": [], "execution_count": None}


def as_git_keeps_it(content: str) -> str:
    """Return the file of a notebook without outputs, its keys in the order of the file."""
    notebook = json.loads(content)
    without_outputs("00_any.ipynb", {"type": "notebook", "content": notebook})
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    try:
        sys.stdout.buffer.write(as_git_keeps_it(sys.stdin.buffer.read().decode()).encode())
    except (ValueError, KeyError) as error:
        sys.exit(f"no notebook ({error}): mend it, git takes none with outputs")
