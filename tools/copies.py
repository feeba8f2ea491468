"""Copy a published study's executed notebooks, light enough for GitHub to show: `make published`.

``python tools/copies.py NOTEBOOKS FOLDER`` leaves out what only the execution said (parameters, progress, widgets) and
the link to the copy, says what was executed, and keeps pictures in 64 colours, no wider than GitHub shows them.
"""

import base64
import io
import sys
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from PIL import Image

from brats_al_utils.show.pages import COPY

COLOURS, WIDTH = 64, 864

SHOWN = ("image/png", "text/html", "text/markdown")


EXECUTED = (
    "\n\n*Executed on the open cohort (`brats-al figures published/open.bundle`); the next cell shows the defaults.*"
)
"""What stands in a copy where the notebook links to it."""


def light(picture: str) -> str:
    """Return a PNG, in base64 as it comes, in few colours and no wider than ``WIDTH``."""
    with Image.open(io.BytesIO(base64.b64decode(picture))) as image:
        image.thumbnail((WIDTH, image.height))
        few = image.convert("RGB").quantize(COLOURS, Image.Quantize.FASTOCTREE)  # keeps those of thin lines
    content = io.BytesIO()
    few.save(content, "PNG", optimize=True)
    return base64.b64encode(content.getvalue()).decode()


def outputs(cell: NotebookNode) -> list[NotebookNode]:
    """Return what a reader sees below a cell."""
    kept = []
    for output in cell.outputs:
        data = {kind: value for kind, value in output.get("data", {}).items() if kind in SHOWN}
        if data and "application/vnd.jupyter.widget-view+json" not in output.data:
            if "image/png" in data:
                data["image/png"] = light(data["image/png"])
            kept.append(nbformat.v4.new_output("display_data", data, metadata=output.get("metadata", {})))
    return kept


def copy(path: Path, folder: Path) -> None:
    """Write the light copy of an executed notebook into a folder."""
    notebook = nbformat.read(path, 4)
    notebook.cells = [cell for cell in notebook.cells if "injected-parameters" not in cell.metadata.get("tags", [])]
    for cell in notebook.cells:
        cell.source = COPY.sub(EXECUTED, cell.source)
        cell.metadata = {"tags": cell.metadata.get("tags", [])}
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = outputs(cell), None
    notebook.metadata = {name: notebook.metadata[name] for name in ("kernelspec", "language_info")}
    nbformat.write(notebook, folder / path.name)


def main(source: str, target: str) -> None:
    """Copy all of them, anew."""
    folder = Path(target)
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.ipynb"):
        old.unlink()
    for path in sorted(Path(source).glob("*.ipynb")):
        copy(path, folder)


if __name__ == "__main__":
    main(*sys.argv[1:])
