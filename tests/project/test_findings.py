"""Test that each script of `findings/` has the form that docs/findings.md states, and that the page lists them all.

The scripts install packages and are run by hand.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
SCRIPTS = sorted((PROJECT / "findings").glob("*"))
PAGE = (PROJECT / "docs" / "findings.md").read_text(encoding="utf-8")
STATED = ("Most would expect:", "What happens (", "Expected before the run:", "Seen", "What helps:", "The script fails")


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_a_finding_states_what_was_expected_and_what_happens(path):
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    assert lines[0] == "#!/usr/bin/env bash"
    head = " ".join(line.removeprefix("#").strip() for line in lines[1 : lines.index("set -euo pipefail")])
    assert [words for words in STATED if words not in head] == []
    (install,) = re.findall(r'bin/pip" install (.*)', text)
    packages = [word for word in install.split() if not word.startswith("--")]
    assert packages
    assert all("==" in package for package in packages), "pin them"
    assert "fer_lib" not in text
    assert "mktemp -d" in text
    assert "changed: " in text


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_bash_can_read_it(path):
    assert subprocess.run(["bash", "-n", str(path)], capture_output=True).returncode == 0


def test_the_page_lists_every_script_with_its_guess():
    assert sorted(re.findall(r"\]\(\.\./findings/(\S+)\)", PAGE)) == [path.name for path in SCRIPTS]
    assert len(SCRIPTS) > 5
    rows = [line for line in PAGE.splitlines() if line.startswith("| [")]
    assert all(len(row.split(" | ")) == 4 for row in rows)


def test_what_the_code_and_pages_name_is_there():
    listed = subprocess.run(["git", "ls-files", "fer_lib", "docs", "benchmarks"], cwd=PROJECT, capture_output=True)
    for name in listed.stdout.decode().split():
        if name.endswith((".py", ".md")):
            named = re.findall(r"findings/(\w+\.sh)", (PROJECT / name).read_text(encoding="utf-8"))
            assert set(named) <= {path.name for path in SCRIPTS}, name
