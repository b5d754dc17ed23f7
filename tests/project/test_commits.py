"""Test that the commit-msg hook counts the characters of a commit's subject."""

import re
from pathlib import Path

import pytest
import yaml

PROJECT = next(folder for folder in Path(__file__).parents if (folder / "pyproject.toml").is_file())


@pytest.mark.parametrize("character", ["a", "ä", "–"])
def test_a_subject_has_at_most_72_characters(character):
    hooks = yaml.safe_load((PROJECT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"][0]["hooks"]
    hook = next(hook for hook in hooks if hook["id"] == "commit-subject")
    assert (hook["language"], hook["stages"], hook["args"]) == ("pygrep", ["commit-msg"], ["--multiline"])
    too_long = re.compile(hook["entry"].encode(), re.MULTILINE | re.DOTALL)  # as pre-commit compiles it
    assert not too_long.search(f"{72 * character}\n\n{100 * character}\n".encode())
    assert too_long.search(f"{73 * character}\n\nbody\n".encode())
