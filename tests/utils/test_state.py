"""Test where tools keep their own files: a home or a project that cannot be written stops no run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from fer_lib.errors import FerError
from fer_lib.utils import state

PROJECT = Path(__file__).parents[2]
# `make replicate` as a dry run, which needs Snakemake's own places all the same
DRY = """
import runpy, sys
from snakemake import cli
real = cli.main
cli.main = lambda words: real([*words, "--dry-run"])
sys.argv = ["workflow/run.py"]
runpy.run_path("workflow/run.py", run_name="__main__")
"""


LAB = ["--no-browser", "--ServerApp.ip=127.0.0.1", "--ServerApp.port=0", "--ServerApp.allow_root=True"]


@pytest.fixture
def blocked(tmp_path, monkeypatch) -> Path:
    """A home below a plain file: nobody can write there, not even the administrator."""
    (tmp_path / "file").write_text("")
    for name in (*state.PLACES, *state.JUPYTER, state.VARIABLE):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "file" / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "file" / "home"))
    return tmp_path / "file" / "home"


def project(folder: Path, *, read_only: bool = False) -> Path:
    for name in state.SOURCES:
        (folder / name).mkdir(parents=True)
    if read_only:
        (folder / ".snakemake").write_text("")  # a file in place of the folder cannot be written into either
    return folder


def test_the_usual_places_stay_where_they_can_be_written(tmp_path, blocked, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    assert state.environment(tmp_path / "out") == {}
    own = project(tmp_path / "project")
    assert state.work_folder(own, tmp_path / "out") == own
    assert state.cache_folder(own / ".cache") == own / ".cache"
    assert not (tmp_path / "out").exists()


def test_a_home_that_cannot_be_written_moves_all_that_the_user_has_not_placed(tmp_path, blocked, monkeypatch):
    monkeypatch.setenv("IPYTHONDIR", "mine")
    moved = state.environment(tmp_path / "out")
    assert moved == {
        "XDG_CACHE_HOME": str(tmp_path / "out" / ".state" / "xdg_cache_home"),
        "MPLCONFIGDIR": str(tmp_path / "out" / ".state" / "mplconfigdir"),
    }


def test_fer_state_names_one_folder_for_all(tmp_path, blocked, monkeypatch):
    monkeypatch.setenv(state.VARIABLE, str(tmp_path / "state"))
    folders = [Path(value) for value in state.environment(tmp_path / "out").values()]
    work = state.work_folder(project(tmp_path / "project"), tmp_path / "out")
    folders += [work, state.cache_folder(tmp_path / "project" / ".cache")]
    assert len(set(folders)) == len(state.PLACES) + 2
    assert {folder.parent for folder in folders} == {tmp_path / "state"}
    assert not (tmp_path / "out").exists()


def test_a_project_that_cannot_be_written_is_linked_to(tmp_path, blocked):
    own = project(tmp_path / "project", read_only=True)
    for _ in range(2):  # the second call finds the links
        work = state.work_folder(own, tmp_path / "out")
        assert work == tmp_path / "out" / ".state" / "work"
        assert {path.name: path.resolve() for path in work.iterdir()} == {name: own / name for name in state.SOURCES}
    moved = project(tmp_path / "moved", read_only=True)
    assert state.work_folder(moved, tmp_path / "out").joinpath("fer_lib").resolve() == moved / "fer_lib"


def test_without_any_place_one_sentence_says_what_to_give(tmp_path, blocked, monkeypatch):
    own = project(tmp_path / "project", read_only=True)
    with pytest.raises(FerError, match=r"project cannot be written \(.*\): give a folder .* as FER_OUTPUT\.$"):
        state.work_folder(own, blocked)
    monkeypatch.setenv(state.VARIABLE, str(blocked / "state"))
    with pytest.raises(FerError, match=r"state \(FER_STATE\) cannot be written \(.*\): give .* as FER_STATE\.$"):
        state.work_folder(own, tmp_path / "out")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no disk that is always full")
def test_a_full_disk_is_noticed_though_it_can_be_listed(tmp_path, monkeypatch):
    def full(dir):
        return open("/dev/full", "r+b", buffering=0)

    assert state._fault(tmp_path) == ""
    monkeypatch.setattr(state.tempfile, "TemporaryFile", full)
    assert state._fault(tmp_path) == "No space left on device"


@pytest.mark.parametrize("given", ["FER_STATE", "FER_OUTPUT"])
def test_snakemake_starts_with_a_home_that_cannot_be_written(tmp_path, blocked, given):
    variables = {**os.environ, "PYTHONPATH": str(PROJECT), "FER_OUTPUT": str(tmp_path / "out")}
    if given == "FER_STATE":
        variables |= {"FER_STATE": os.path.relpath(tmp_path / "own", PROJECT)}
    done = subprocess.run([sys.executable, "-c", DRY], cwd=PROJECT, env=variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "Traceback" not in done.stderr + done.stdout
    assert "resnet_svm" in done.stdout + done.stderr
    kept = tmp_path / ("own" if given == "FER_STATE" else "out/.state")
    assert (kept / "xdg_cache_home" / "snakemake").is_dir()
    assert (kept / "work" / ".snakemake").is_dir() == (given == "FER_STATE")


def test_a_cell_runs_with_a_home_that_cannot_be_written(tmp_path, blocked):
    cell = nbformat.v4.new_code_cell("import matplotlib\nfrom IPython.paths import get_ipython_dir\n1 + 1")
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(nbformat.v4.new_notebook(cells=[cell], metadata={"kernelspec": kernel}), tmp_path / "one.ipynb")
    variables = {**os.environ, **state.environment(tmp_path / "out")}
    words = [sys.executable, "-m", "papermill", str(tmp_path / "one.ipynb"), str(tmp_path / "done.ipynb")]
    done = subprocess.run(words, env=variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "not a writable location" not in done.stderr
    (output,) = nbformat.read(tmp_path / "done.ipynb", 4).cells[0].outputs  # no warning beside it
    assert output.data["text/plain"] == "2"
    assert {path.name for path in (tmp_path / "out" / ".state").iterdir()} == {name.lower() for name in state.PLACES}


@pytest.mark.skipif(sys.platform == "win32", reason="make lab needs a POSIX shell")
@pytest.mark.parametrize("given", ["FER_STATE", "FER_OUTPUT"])
def test_jupyterlab_starts_with_a_home_that_cannot_be_written(tmp_path, blocked, given):
    variables = {**os.environ, "PYTHONPATH": str(PROJECT), "FER_OUTPUT": str(tmp_path / "out")}
    if given == "FER_STATE":
        variables |= {"FER_STATE": os.path.relpath(tmp_path / "own", PROJECT)}
    words = [sys.executable, "workflow/lab.py", *LAB]
    lab = subprocess.Popen(words, cwd=PROJECT, env=variables, stderr=subprocess.PIPE, text=True)
    try:
        said = ""
        for line in lab.stderr:
            said += line
            if "is running at" in line:
                break
        assert "is running at" in said, said[-2000:]
        kept = tmp_path / ("own" if given == "FER_STATE" else "out/.state")
        assert [*(kept / "jupyter_data_dir" / "runtime").iterdir()]
    finally:
        lab.kill()
        lab.communicate()
