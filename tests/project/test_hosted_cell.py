"""Test the cell for Colab and Kaggle: each notebook has it, no program runs it, and it installs what is there."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import nbformat
import papermill
import pytest
from nbclient import NotebookClient

PROJECT = Path(__file__).parents[2]
NOTEBOOKS = sorted((PROJECT / "notebooks").glob("*.ipynb"))
spec = importlib.util.spec_from_file_location("hosted_cell", PROJECT / "workflow" / "hosted_cell.py")
hosted_cell = importlib.util.module_from_spec(spec)
spec.loader.exec_module(hosted_cell)

PIP = """
import sys
from pathlib import Path
Path("asked.txt").write_text(" ".join(sys.argv[1:]))
Path("fer_lib/datasets").mkdir(parents=True)
Path("fer_lib/__init__.py").touch()
Path("fer_lib/datasets/__init__.py").touch()
Path("fer_lib/datasets/attached.py").write_text("def use():\\n    print('found')\\n")
"""


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_each_notebook_has_the_cell_as_it_is_generated(path):
    notebook = nbformat.read(path, as_version=4)
    found = [cell for cell in notebook.cells if "hosted" in cell.metadata.get("tags", [])]
    assert [(cell.id, cell.source, cell.metadata) for cell in found] == [
        (cell.id, cell.source, cell.metadata) for cell in hosted_cell.cells()
    ], "run `python workflow/hosted_cell.py notebooks/*.ipynb`"
    assert (found[1].outputs, found[1].execution_count) == ([], None)
    again = hosted_cell.add(nbformat.read(path, as_version=4))
    assert again == notebook


@pytest.fixture
def failing():
    """A notebook whose cell for hosted notebooks fails if it is run."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("## Setup\n\nModules.")])
    notebook = hosted_cell.add(notebook)
    notebook.cells[1].source = "1 / 0"
    notebook.cells.append(nbformat.v4.new_code_cell("1"))
    return notebook


def counts(notebook):
    return [cell.execution_count for cell in notebook.cells if cell.cell_type == "code"]


def test_notebooks_that_are_run_by_programs_skip_it(failing):
    NotebookClient(failing, kernel_name="python3", timeout=300).execute()
    assert counts(failing) == [None, 1]
    assert "nbval-skip" in failing.cells[1].metadata.tags
    assert '"links hosted"' in (PROJECT / "workflow" / "execute.sh").read_text(encoding="utf-8")


def test_papermill_skips_it(failing, tmp_path):
    given, executed = tmp_path / "given.ipynb", tmp_path / "executed.ipynb"
    nbformat.write(failing, given)
    papermill.execute_notebook(given, executed, kernel_name="python3", progress_bar=False)
    assert counts(nbformat.read(executed, as_version=4)) == [None, 1]
    failing.cells[1].metadata.tags.remove("skip-execution")
    nbformat.write(failing, given)
    with pytest.raises(papermill.PapermillExecutionError, match="ZeroDivisionError"):
        papermill.execute_notebook(given, executed, kernel_name="python3", progress_bar=False)


def bare(folder, tmp_path, **environment):
    """Run the cell in a folder, in a Python that has no package of ours and a pip that writes down what it is asked."""
    (tmp_path / "site" / "pip").mkdir(parents=True, exist_ok=True)
    (tmp_path / "site" / "pip" / "__main__.py").write_text(PIP)
    (tmp_path / "site" / "pip" / "__init__.py").touch()
    folder.mkdir(parents=True, exist_ok=True)
    start = f"import sys\nsys.path[:0] = [{str(tmp_path / 'site')!r}, '']\n"
    kept = {"PYTHONPATH": str(tmp_path / "site"), "PATH": "", **environment}
    asked = [sys.executable, "-S", "-c", start + hosted_cell.SOURCE]
    return subprocess.run(asked, cwd=folder, env=kept, capture_output=True, text=True, check=False)


def test_it_installs_an_attached_wheel(tmp_path):
    folder = tmp_path / "content"
    folder.mkdir()
    (folder / "fer_replication-0.1.0-py3-none-any.whl").touch()
    done = bare(folder, tmp_path)
    assert (done.returncode, done.stdout) == (0, "found\n"), done.stderr
    assert (folder / "asked.txt").read_text() == "install --quiet fer_replication-0.1.0-py3-none-any.whl"
    assert bare(folder, tmp_path).stdout == "found\n"  # a second run asks pip for nothing
    assert len(list(folder.glob("asked.txt"))) == 1


def test_it_installs_the_sources_around_a_notebook(tmp_path):
    (tmp_path / "clone" / "fer_lib").mkdir(parents=True)
    done = bare(tmp_path / "clone" / "notebooks", tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "clone" / "notebooks" / "asked.txt").read_text() == "install --quiet .."


def test_it_installs_what_the_user_names(tmp_path):
    done = bare(tmp_path / "content", tmp_path, FER_PACKAGE="some/where.whl")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "content" / "asked.txt").read_text() == "install --quiet some/where.whl"


def test_without_a_package_it_says_so(tmp_path):
    done = bare(tmp_path / "content", tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("fer_lib is missing: attach its wheel, or set FER_PACKAGE")
    assert done.stderr.count("\n") == 1
