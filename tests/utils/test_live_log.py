"""Test where the progress of a training is shown, and that tidy notebooks do not contain it."""

import importlib.util
import logging
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from fer_lib.utils.live_log import InPlace, log_handler

PROJECT = Path(__file__).parents[2]
spec = importlib.util.spec_from_file_location("tidy", PROJECT / "workflow" / "tidy.py")
tidy = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tidy)

CELL = "import logging\nfrom fer_lib.utils import live_log\nlog = logging.getLogger('fer_lib')\n" + (
    "log.setLevel(20)\nlog.handlers = [live_log.log_handler()]\n"
    "for epoch in (1, 2, 3):\n    log.info('epoch %d of 3: loss 0.%d', epoch, epoch)\n"
    "log.warning('the checkpoint cannot be read')"
)
LINES = [f"epoch {epoch} of 3: loss 0.{epoch}\n" for epoch in (1, 2, 3)]


def executed(monkeypatch, **environment):
    """Run two cells that log three epochs each, in a kernel that papermill, or JupyterLab's server, would start."""
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PYTHONPATH", str(PROJECT))
    cells = [nbformat.v4.new_code_cell(source) for source in (CELL, "log.info('fold 1 of 2 done')\nlog.info('fold 2')")]
    notebook = nbformat.v4.new_notebook(cells=cells)
    NotebookClient(notebook, kernel_name="python3", timeout=300).execute()
    return notebook


def test_papermill_gets_lines_which_a_tidy_notebook_loses(monkeypatch):
    notebook = executed(monkeypatch)
    first, second = (cell.outputs for cell in notebook.cells)
    assert "".join(output.text for output in first) == "".join([*LINES, "the checkpoint cannot be read\n"])
    assert "".join(output.text for output in second) == "fold 1 of 2 done\nfold 2\n"
    tidied = tidy.tidy(notebook)
    assert "".join(output.text for output in tidied.cells[0].outputs) == "the checkpoint cannot be read\n"
    assert tidied.cells[1].outputs == []


def test_jupyterlab_gets_one_display_a_cell_that_changes_in_place(monkeypatch, tmp_path):
    notebook = executed(monkeypatch, JPY_SESSION_NAME="notebooks/05_baseline_cnn.ipynb")
    shown, warning = notebook.cells[0].outputs
    assert shown.data == {"text/plain": "epoch 3 of 3: loss 0.3"}
    assert warning.text == "the checkpoint cannot be read\n"
    assert [output.data for output in notebook.cells[1].outputs] == [{"text/plain": "fold 2"}]
    nbformat.write(notebook, tmp_path / "run.ipynb")
    subprocess.run([sys.executable, str(PROJECT / "workflow" / "tidy.py"), str(tmp_path / "run.ipynb")], check=True)
    again = nbformat.read(tmp_path / "run.ipynb", as_version=4)
    assert [len(cell.outputs) for cell in again.cells] == [1, 0]
    assert again.cells[0].outputs[0].text == "the checkpoint cannot be read\n"


def test_a_script_gets_lines_and_tidy_knows_the_mark(capsys):
    handler = log_handler()
    assert type(handler) is logging.StreamHandler
    handler.emit(logging.LogRecord("fer_lib", 20, "", 0, "epoch 1 of 1", (), None))
    assert capsys.readouterr().out == "epoch 1 of 1\n"
    assert tidy.MARK == InPlace.MARK


@pytest.mark.parametrize("path", sorted((PROJECT / "notebooks").glob("*.ipynb")), ids=lambda path: path.stem)
def test_committed_notebooks_keep_no_progress(path):
    notebook = nbformat.read(path, as_version=4)
    assert tidy.tidy(nbformat.read(path, as_version=4)) == notebook, "run `python workflow/tidy.py notebooks/*.ipynb`"


def test_the_log_that_the_workflow_shows_is_what_tidy_removes():
    shown = re.search(r"\^\((.*?)\) /p", (PROJECT / "workflow" / "execute.sh").read_text(encoding="utf-8"))
    assert shown[1] in tidy.PROGRESS.pattern
