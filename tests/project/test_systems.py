"""Test that the library needs nothing of one operating system, and leaves room on a shared GPU."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

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
