"""Remove the progress of trainings from executed notebooks: lines of the log, and the display that JupyterLab updates.

``python workflow/tidy.py NOTEBOOK ...`` changes the files in place; the histories of the results have the same numbers.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import nbformat

#: As in execute.sh, which shows these lines while a notebook runs.
PROGRESS = re.compile(r"(?:epoch|resumed|fold|comparator|lenet|depth) .*\n?")
MARK = "fer_lib_progress"  # fer_lib.utils.live_log.InPlace.MARK; this script runs without fer_lib


def tidy(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Remove progress from the outputs of a notebook's cells; return the notebook."""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if _is_kept(output)]
    return notebook


def _is_kept(output: nbformat.NotebookNode) -> bool:
    """Tell whether an output is left, after the lines with progress are removed from it."""
    if output.output_type == "stream":
        output.text = "".join(line for line in output.text.splitlines(keepends=True) if not PROGRESS.fullmatch(line))
        return bool(output.text)
    return MARK not in output.get("metadata", {})


def main() -> None:
    """Tidy the notebooks that the command names."""
    for path in map(Path, sys.argv[1:]):
        notebook = nbformat.read(path, as_version=4)
        nbformat.write(tidy(notebook), path)


if __name__ == "__main__":
    main()
