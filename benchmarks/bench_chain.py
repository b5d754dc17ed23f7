"""Benchmark the chain of notebooks on generated faces, this version against an earlier commit's.

Both run ``snakemake`` as ``make replicate`` does, in turns, each in empty folders of its own, with the packages of this
environment. Python keeps compiled modules for both. Before, one notebook ran after the other; now two run side by
side. The installation is not measured. Peak memory is that of the process tree, sampled each second.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from io import BytesIO
from pathlib import Path

import psutil
from side_by_side import PROJECT, alternate, arguments, ratio, report, say

COMMANDS = {"workflow/run.py": ["workflow/run.py"], "Snakefile": ["-m", "snakemake", "--cores", "1", "--quiet", "all"]}


def main() -> None:
    """Run both chains in turns and write the ratio."""
    options = arguments(__doc__, pairs=3, commit="8b2b7f0")
    peaks: dict[str, list[float]] = {"ours": [], "before": []}
    with tempfile.TemporaryDirectory(prefix="fer-chain-") as folder:
        before = Path(folder) / "before"
        archive = subprocess.run(["git", "archive", options.commit], cwd=PROJECT, capture_output=True, check=True)
        with tarfile.open(fileobj=BytesIO(archive.stdout)) as members:
            members.extractall(before, filter="data")
        pairs = alternate(
            lambda: peaks["ours"].append(chain(PROJECT)),
            lambda: peaks["before"].append(chain(before)),
            pairs=options.pairs,
            warm_up=False,
        )
    for name, values in peaks.items():
        say(f"  {name}: peak memory {max(values):.2f} GB")
    claim = f"The chain on generated faces, compared with commit {options.commit}, on {os.cpu_count()} cores"
    facts = {"synthetic": True, "peak_gigabytes": {name: round(max(values), 2) for name, values in peaks.items()}}
    report("chain", claim, {"smoke": ratio(pairs) | {"target": 4.0}}, options, commit=options.commit, **facts)


def chain(project: Path) -> float:
    """Run the chain of a project's folder in empty folders; return its peak memory in GB."""
    command = next(words for file, words in COMMANDS.items() if (project / file).is_file())
    with tempfile.TemporaryDirectory(prefix="fer-chain-") as folder:
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("FER_", "JOBS"))}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        environment |= {"PYTHONPATH": str(project), "PROFILE": "smoke", "TF_CPP_MIN_LOG_LEVEL": "2"}
        environment |= {"FER_OUTPUT": f"{folder}/output", "FER_CACHE": f"{folder}/cache"}
        with open(f"{folder}/log", "w+") as log:
            run = subprocess.Popen([sys.executable, *command], cwd=project, env=environment, stdout=log, stderr=log)
            peak = _peak_while(run)
            if run.returncode:
                log.seek(0)
                sys.exit(f"The chain in {project} failed:\n{log.read()[-3000:]}")
    return peak


def _peak_while(run: subprocess.Popen) -> float:
    """Wait for a process; return the largest memory, in GB, of it and its children at any second."""
    found = [0.0]

    def watch() -> None:
        while run.poll() is None:
            found.append(_memory(psutil.Process(run.pid)))
            time.sleep(1)

    watcher = threading.Thread(target=watch)
    watcher.start()
    run.wait()
    watcher.join()
    return max(found) / 1e9


def _memory(process: psutil.Process) -> int:
    total = 0
    try:
        for each in (process, *process.children(recursive=True)):
            total += each.memory_info().rss
    except psutil.NoSuchProcess:  # one that has just ended
        pass
    return total


if __name__ == "__main__":
    main()
