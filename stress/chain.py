"""The chain in a copy of the project, run as `make replicate` runs it, and its results compared file by file."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

PROJECT = Path(__file__).parents[1]
NEEDED = ("fer_lib", "notebooks", "workflow")
STAGE = re.compile(r"^Notebook: (\d\d_\w+)")
# measured times: they differ between any two runs
TIMES = re.compile(r"^comparators_cost")
VOLATILE = {"provenance", "seconds", "panels"}


@dataclass(frozen=True)
class Chain:
    """What is run: the notebooks of a project in the order of its Snakefile, all of them or as far as one."""

    profile: str = "smoke"
    project: Path = PROJECT
    until: str = ""  # a notebook without a seed in its name; all where this is empty

    def copied(self, folder: Path) -> Chain:
        """Returns the chain of a copy in a new folder, so that two runs never share Snakemake's own notes."""
        folder.mkdir(parents=True)
        for name in NEEDED:
            source, skipped = self.project / name, shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints")
            shutil.copytree(source, folder / name, ignore=skipped) if source.is_dir() else shutil.copy(source, folder)
        return replace(self, project=folder)

    def start(self, output: Path) -> subprocess.Popen:
        """Starts it in a process group of its own; its output is a pipe of lines."""
        command = [sys.executable, "-m", "snakemake", "--rerun-incomplete", "--nolock"]
        command += [f"{output}/results/{self.profile}/notebooks/{self.until}.ipynb"] if self.until else []
        command += ["--cores", "1", "--config", f"profile={self.profile}", "seeds=0"]
        return self.command(command, output, PYTHONPATH=str(self.project), PYTHONWARNINGS="ignore")

    def command(self, words: list[str], output: Path, **given: str) -> subprocess.Popen:
        """Starts any command in the project's folder, whose results go to ``output``."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("FER_")}
        ours = {"FER_OUTPUT": str(output), "FER_CACHE": str(output / "cache"), "TF_CPP_MIN_LOG_LEVEL": "2"}
        # a process that a shell started with `&` ignores Ctrl-C, and so would what it starts
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            return subprocess.Popen(
                words, cwd=self.project, env=kept | ours | given, text=True, start_new_session=True,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            )  # fmt: skip
        finally:
            signal.signal(signal.SIGINT, before)


def finished(process: subprocess.Popen) -> str:
    """Returns all output of a run that ends well; raises RuntimeError with its last lines where it does not."""
    said = process.communicate()[0]
    if process.returncode:
        raise RuntimeError(f"the chain ended with {process.returncode}:\n{said[-3000:]}")
    return said


def kill(process: subprocess.Popen, who: str) -> None:
    """Sends SIGKILL: to the whole chain (``"all"``), or to the notebook's kernel alone (``"kernel"``)."""
    with suppress(ProcessLookupError):  # it has just ended
        if who == "all":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            for kernel in kernels_of(process):
                os.kill(kernel, signal.SIGKILL)


def kernels_of(process: subprocess.Popen) -> list[int]:
    """Returns the process numbers of the Jupyter kernels that a run has started."""
    listed = subprocess.run(["ps", "-eo", "pid,ppid,args"], capture_output=True, text=True, check=True).stdout
    rows = [line.split(None, 2) for line in listed.splitlines()[1:]]
    family = {str(process.pid)}
    for _ in range(8):  # generations
        family |= {pid for pid, parent, _ in rows if parent in family}
    return [int(pid) for pid, _, said in rows if pid in family and "ipykernel_launcher" in said]


def differences(first: Path, second: Path) -> list[str]:
    """Returns the results of two output folders that differ, by name; provenance and measured times aside."""
    names = {path: None for folder in (first, second) for path in _results(folder)}
    found = []
    for name in sorted(names):
        pair = [folder / name for folder in (first, second)]
        if not all(path.is_file() for path in pair):
            found.append(f"{name}: only one run left it")
        elif _content(pair[0]) != _content(pair[1]):
            found.append(str(name))
    return found


def _results(folder: Path) -> Iterator[Path]:
    for path in [*folder.glob("results/*/*/*"), *folder.glob("figures/*/*")]:
        left_out = path.name.startswith(".") or path.parent.name == "notebooks" or TIMES.search(path.name)
        left_out = left_out or path.name.endswith(
            (".provenance.json", ".svg")
        )  # a PNG, compared by pixels, is beside it
        if path.is_file() and not left_out:
            yield path.relative_to(folder)


def _content(path: Path) -> object:
    if path.suffix == ".png":
        with Image.open(path) as picture:
            return np.asarray(picture).tobytes()
    if path.suffix == ".json":
        return _steady(json.loads(path.read_text(encoding="utf-8")))
    if path.suffix == ".csv":
        rows = [line.split(",") for line in path.read_text(encoding="utf-8").splitlines()]
        kept = [place for place, name in enumerate(rows[0]) if name not in VOLATILE]
        return [[row[place] for place in kept if place < len(row)] for row in rows]
    return path.read_bytes()


def _steady(value: object) -> object:
    if isinstance(value, dict):
        return {name: _steady(each) for name, each in value.items() if name not in VOLATILE}
    return [_steady(each) for each in value] if isinstance(value, list) else value
