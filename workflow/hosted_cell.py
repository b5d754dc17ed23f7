"""Write the cell that makes a notebook run on Colab and Kaggle: it installs the package and finds attached data.

``python workflow/hosted_cell.py NOTEBOOK ...`` puts the cell, and the sentence before it, in front of the section Setup
of each notebook, or replaces them. papermill, nbval and ``make replicate`` skip them by their tags.
"""

from __future__ import annotations

import sys
from pathlib import Path

import nbformat

TAG = "hosted"
SENTENCE = (
    "On Colab or Kaggle, run the next cell first: it installs the package if it is missing, and finds attached data. "
    "Elsewhere it changes nothing."
)
SOURCE = """\
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

if importlib.util.find_spec("fer_lib") is None:
    places = [Path(), Path("/content"), Path("/content/drive/MyDrive"), *Path("/kaggle/input").glob("**")]
    wheels = [str(file) for place in places for file in sorted(place.glob("fer_replication-*.whl"))]
    sources = [str(folder) for folder in (Path(), Path("..")) if (folder / "fer_lib").is_dir()]
    package = os.environ.get("FER_PACKAGE") or next(iter(sources + wheels), None)
    if package is None:
        raise SystemExit("fer_lib is missing: attach its wheel, or set FER_PACKAGE to a path or address for pip.")
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", package], check=True)
    importlib.invalidate_caches()

from fer_lib.datasets import attached

attached.use()"""


def cells() -> list[nbformat.NotebookNode]:
    """Make the sentence and the code cell, which runs only by hand."""
    sentence = nbformat.v4.new_markdown_cell(SENTENCE, id="hosted-why", metadata={"tags": [TAG, "not-in-report"]})
    tags = [TAG, "skip-execution", "nbval-skip", "not-in-report"]
    return [sentence, nbformat.v4.new_code_cell(SOURCE, id="hosted", metadata={"tags": tags})]


def add(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Put the cells in front of the cell with the heading Setup, in place of earlier ones; return the notebook.

    Raises:
        ValueError: the notebook has no section Setup.
    """
    others = [cell for cell in notebook.cells if TAG not in cell.metadata.get("tags", [])]
    setup = [place for place, cell in enumerate(others) if "## Setup" in cell.source.splitlines()]
    if not setup:
        raise ValueError("the notebook has no heading '## Setup'")
    notebook.cells = [*others[: setup[0]], *cells(), *others[setup[0] :]]
    return notebook


def main() -> None:
    """Write the cells into the notebooks that the command names."""
    for path in map(Path, sys.argv[1:]):
        notebook = nbformat.read(path, as_version=4)
        nbformat.write(add(notebook), path)


if __name__ == "__main__":
    main()
