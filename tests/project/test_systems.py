"""Test that the library needs nothing of one operating system, and leaves room on a shared GPU."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from fer_lib.report.compare import KINDS, tolerances

PROJECT = Path(__file__).parents[2]
# modules of the standard library, and members of `os` and `signal`, that Windows lacks
MODULES = {"fcntl", "grp", "posix", "pty", "pwd", "resource", "spwd", "syslog", "termios", "tty"}
MEMBERS = {"os.fork", "os.forkpty", "os.geteuid", "os.getuid", "os.killpg", "os.mkfifo", "os.nice", "os.setsid"}
MEMBERS |= {"os.chown", "os.getloadavg", "os.pread", "os.sched_getaffinity", "os.statvfs", "os.sync", "os.uname"}
MEMBERS |= {"signal.SIGALRM", "signal.SIGHUP", "signal.SIGKILL", "signal.SIGUSR1", "signal.alarm", "signal.pause"}


def posix_only(source: str) -> list[str]:
    """List what a module uses that only POSIX systems have."""
    nodes = list(ast.walk(ast.parse(source)))
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
    used = {ast.unparse(node) for node in nodes if isinstance(node, ast.Attribute)}
    texts = [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    folders = {text for text in texts if text.startswith(("/proc", "/dev/", "/tmp"))}
    return sorted((MODULES & set(names)) | (MEMBERS & used) | folders)


def test_the_library_uses_nothing_that_only_posix_has():
    modules = sorted((PROJECT / "fer_lib").rglob("*.py"))
    assert len(modules) > 100
    assert {path.name: found for path in modules if (found := posix_only(path.read_text(encoding="utf-8")))} == {}


@pytest.mark.parametrize("source", ["import fcntl", "from pwd import getpwuid", "os.fork()", "x = '/proc/self'"])
def test_a_planted_use_is_found(source):
    assert len(posix_only(source)) == 1


def test_files_are_flushed_as_windows_wants_it(tmp_path, monkeypatch):
    """Windows flushes no file that is open for reading only; here the mode of the file tells."""
    import os

    from fer_lib.utils import files

    if sys.platform == "win32":
        files.write_text(tmp_path / "a.txt", "text")
        return
    import fcntl

    flags = []
    monkeypatch.setattr(files.os, "fsync", lambda handle: flags.append(fcntl.fcntl(handle, fcntl.F_GETFL)))
    files.write_text(tmp_path / "a.txt", "text")
    assert [flag & os.O_ACCMODE for flag in flags] == [os.O_RDWR]


@pytest.mark.parametrize(
    ("given", "kept"), [({}, "true false"), ({"TF_FORCE_GPU_ALLOW_GROWTH": "false"}, "false false")]
)
def test_a_notebook_takes_a_gpus_memory_as_it_needs_it(given, kept):
    code = (
        "import os, sys, types; sys.modules['keras'] = keras = types.ModuleType('keras')\n"
        "keras.backend = types.SimpleNamespace(backend=lambda: 'tensorflow')\n"
        "keras.distribution = types.SimpleNamespace(list_devices=lambda: [os.environ['TF_FORCE_GPU_ALLOW_GROWTH']])\n"
        "from fer_lib import backend; print(backend.DEVICES[0], os.environ['XLA_PYTHON_CLIENT_PREALLOCATE'])"
    )
    variables = {"PYTHONPATH": str(PROJECT), "PATH": "", **given}
    done = subprocess.run([sys.executable, "-c", code], env=variables, capture_output=True, text=True)
    assert done.stdout.split() == kept.split(), done.stderr


def test_the_workflow_file_tries_the_library_on_windows_and_the_versions_weekly():
    jobs = yaml.safe_load((PROJECT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))["jobs"]
    assert jobs["windows"]["runs-on"] == "windows-latest"
    weekly = yaml.safe_load((PROJECT / ".github" / "workflows" / "weekly.yml").read_text(encoding="utf-8"))
    assert weekly[True]["schedule"]  # YAML reads the key "on" as true
    kinds = weekly["jobs"]["versions"]["strategy"]["matrix"]["include"]
    assert sorted(kind["resolution"] for kind in kinds) == ["", "lowest"]
    assert kinds[0] == {"resolution": "lowest", "python": "3.11"}  # the lowest Python, too
    steps = [step.get("run", "") for step in weekly["jobs"]["torch"]["steps"]]
    assert [step for step in steps if "torch" in step and "cpu" in step]
    assert any("tests/test_backends.py" in step for step in steps)


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_both_ends_of_the_versions_are_compared_weekly_with_the_tolerances_of_the_page(tmp_path):
    weekly = yaml.safe_load((PROJECT / ".github" / "workflows" / "weekly.yml").read_text(encoding="utf-8"))
    *chains, compare = [step["run"] for step in weekly["jobs"]["results"]["steps"] if "run" in step]
    assert len(chains) == 2
    given = [dict(word.split("=") for word in chain.split()[2:]) for chain in chains]
    assert [one.get("RESOLUTION", "") for one in given] == ["lowest", ""]
    assert {one["PROFILE"] for one in given} == {"smoke"}
    assert len({one["FER_STATE"] for one in given}) == 2  # neither may read what the other has cached
    for chain, end in zip(chains, given, strict=True):
        alone = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
        dry = subprocess.run([*chain.split(), "-n"], cwd=PROJECT, env=alone, capture_output=True, text=True)
        assert dry.returncode == 0, dry.stderr
        assert f"exec .venv{'-lowest' * ('RESOLUTION' in end)}/bin/python workflow/run.py" in dry.stdout
    page = (PROJECT / "docs" / "reliability.md").read_text(encoding="utf-8")
    assert compare in page
    assert set(compare.split()) >= {given[0]["FER_OUTPUT"], given[1]["FER_OUTPUT"]}
    arguments = compare.split()
    stated = tolerances(arguments[arguments.index("--rtol") + 1])
    rows = dict(re.findall(r"^\| (\w+) \| (\S+)", page.split("may differ by", 1)[1], re.M))
    assert {kind: float(rows[kind]) for kind in KINDS} == stated
    for folder in (tmp_path / one["FER_OUTPUT"] for one in given):
        (folder / "results" / "smoke" / "tables").mkdir(parents=True)
        (folder / "results" / "smoke" / "tables" / "a.csv").write_text("a\n1\n")
    words = [sys.executable, "-m", "fer_lib.cli", *arguments[1:]]
    done = subprocess.run(words, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(PROJECT)}, capture_output=True)
    assert done.returncode == 0, done.stderr


def test_the_page_on_bits_has_the_measured_table(monkeypatch):
    monkeypatch.syspath_prepend(str(PROJECT / "tests" / "stress"))
    import same_bits

    content = json.loads(same_bits.KEPT.read_text(encoding="utf-8"))
    page = same_bits.PAGE.read_text(encoding="utf-8")
    assert same_bits.filled(page, content) == page, "run python tests/stress/same_bits.py"
    assert same_bits.table(content) in page
    assert set(content["rows"]["metrics and intervals"].values()) <= {0.0, None}  # NumPy alone computes them


def test_a_difference_of_one_bit_is_no_equality(monkeypatch):
    monkeypatch.syspath_prepend(str(PROJECT / "tests" / "stress"))
    import same_bits

    one = np.ones(3, np.float32)
    assert same_bits.difference(one, one.copy()) == 0
    assert same_bits.difference(one, np.nextafter(one, np.float32(2))) == pytest.approx(2.0**-23)
    ways = {"a": one, "a @ 7": one * 2, "a @ order": one, "a @ threads": one * 3}
    rows = same_bits.rows({"tensorflow": ways, "tensorflow on one core": {"a": one}})
    assert rows["a"]["one core, two (TensorFlow)"] == 0
    assert rows["a"]["JAX, TensorFlow"] is None
    assert rows["a"]["the same again"] is None
    assert [rows["a"][name] for name in dict.fromkeys(same_bits.WITHIN.values())] == [1, 0, 2]
