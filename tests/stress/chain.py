"""Run the chain of notebooks in a copy of the project as `make replicate` does: start, kill and interrupt it."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import nbformat

from fer_lib.report.compare import compare

PROJECT = Path(__file__).parents[2]
NEEDED = ("fer_lib", "notebooks", "workflow")
STAGE = re.compile(r"^Notebook: (\d\d_\w+)")


@dataclass(frozen=True)
class Chain:
    """The notebooks of the smoke profile, in the order of the Snakefile.

    Attributes:
        project: the folder that contains the project.
        until: the last notebook to run, one without a seed in its name; empty for all.
    """

    project: Path = PROJECT
    until: str = ""

    def copied(self, folder: Path) -> Chain:
        """Copy the project into a new folder, so that two runs never share Snakemake's own notes."""
        folder.mkdir(parents=True)
        for name in NEEDED:
            skipped = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints")
            shutil.copytree(self.project / name, folder / name, ignore=skipped)
        return replace(self, project=folder)

    def cut(self, folder: Path) -> Chain:
        """Copy the project with notebook 01 alone, cut after its first table: a chain of some seconds."""
        short = replace(self, until="01_data_exploration").copied(folder)
        path = short.project / "notebooks" / "01_data_exploration.ipynb"
        notebook = nbformat.read(path, 4)
        last = next(place for place, cell in enumerate(notebook.cells) if "run.save_table" in cell.source)
        notebook.cells = notebook.cells[: last + 1]
        nbformat.write(notebook, path)
        return short

    def start(self, output: Path) -> subprocess.Popen:
        """Start the chain in a process group of its own; results go to ``output``, messages to a pipe."""
        words = [sys.executable, "-m", "snakemake", "--rerun-incomplete", "--nolock", "--cores", "1"]
        words += [f"{output}/results/smoke/notebooks/{self.until}.ipynb"] if self.until else []
        words += ["--config", "profile=smoke", "seeds=0"]
        kept = {name: value for name, value in os.environ.items() if not name.startswith("FER_")}
        ours = {"FER_OUTPUT": str(output), "FER_CACHE": str(output / "cache"), "TF_CPP_MIN_LOG_LEVEL": "2"}
        ours |= {"PYTHONPATH": str(self.project), "PYTHONWARNINGS": "ignore"}
        # a process that a shell started with `&` ignores Ctrl-C, and so would the processes that it starts
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            return subprocess.Popen(
                words, cwd=self.project, env=kept | ours, text=True, start_new_session=True,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            )  # fmt: skip
        finally:
            signal.signal(signal.SIGINT, before)


def finished(process: subprocess.Popen) -> str:
    """Wait for a run that must end well; return its messages."""
    said = process.communicate()[0]
    assert process.returncode == 0, said[-3000:]
    return said


def refused(process: subprocess.Popen, sentence: str) -> None:
    """Wait for a run that cannot go on: it must fail with a sentence, and without a traceback."""
    said = process.communicate()[0]
    assert process.returncode != 0
    assert re.search(sentence, said), said[-3000:]
    assert "Traceback" not in said


def assert_same(first: Path, second: Path) -> None:
    """Compare the results of two output folders: nothing may differ but provenance and measured times."""
    found = compare(first, second)
    assert found.compared
    assert found.differences == []


def kill(process: subprocess.Popen, who: str) -> None:
    """Send SIGKILL to the whole chain (``"all"``), or to the notebook's kernel alone (``"kernel"``)."""
    with suppress(ProcessLookupError):  # it has just ended
        if who == "all":
            os.killpg(process.pid, signal.SIGKILL)
        for kernel in kernels_of(process) if who == "kernel" else []:
            os.kill(kernel, signal.SIGKILL)


def kernels_of(process: subprocess.Popen) -> list[int]:
    """List the process numbers of the Jupyter kernels that a run has started."""
    listed = subprocess.run(["ps", "-eo", "pid,ppid,args"], capture_output=True, text=True, check=True).stdout
    rows = [line.split(None, 2) for line in listed.splitlines()[1:]]
    family = {str(process.pid)}
    for _ in range(8):  # generations
        family |= {pid for pid, parent, _ in rows if parent in family}
    return [int(pid) for pid, _, said in rows if pid in family and "ipykernel_launcher" in said]


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """Mount a file system in memory of so many bytes; raise PermissionError where this user may mount none."""
    folder.mkdir(parents=True)
    given = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if subprocess.run(given, capture_output=True).returncode:
        raise PermissionError("only root can mount a small disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def remount(folder: Path, options: str) -> None:
    """Change a mounted file system's options, such as its size."""
    subprocess.run(["mount", "-o", f"remount,{options}", str(folder)], check=True)
