"""Test the hash in checkpoints' names: comments and docstrings do not change it, code that is used does."""

from __future__ import annotations

import functools
import importlib
import sys

import pytest

from fer_lib.utils import code_hash

PARTS = {
    "__init__.py": "",
    "train.py": (
        '"""Trains."""\nfrom typing import TYPE_CHECKING\n\nfrom pack.sub import net\n'
        "from pack.given import FAST, layers\nfrom pack.sub.rates import RATE\n"
        "if TYPE_CHECKING:\n    from pack import typed\n\n\ndef train():\n    import pack.late\n\n"
        "    return net.SIZE * RATE  # steps\n"
    ),
    "late.py": "LATE = 1\n",
    "typed.py": "TYPED = 1\n",
    "table.py": "from pack import train\n\nWIDTH = 3\n",
    "sub/__init__.py": "",
    "sub/net.py": 'SIZE = 2\n\n\nclass Net:\n    """A network."""\n\n    def layers(self):\n        """List them."""\n',
    "sub/rates.py": "RATE = 0.5\n",
    "given/__init__.py": (
        '"""Passes names on."""\nfrom pack.given.speeds import FAST, SLOW\nfrom pack.given.sizes import LARGE\n'
        '__all__ = ["FAST", "LARGE", "SLOW"]\n'
    ),
    "given/speeds.py": "FAST = 9\nSLOW = 1\n",
    "given/sizes.py": "LARGE = 5\n",
    "given/layers.py": "LAYERS = 2\n",
    "whole.py": "import pack.given\n\n\ndef largest():\n    return pack.given.LARGE\n",
}


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package in place of fer_lib; returns a function that edits a file and hashes ``train`` again."""
    for name, text in PARTS.items():
        path = tmp_path / "pack" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(code_hash, "PACKAGE", tmp_path / "pack")
    monkeypatch.setattr(code_hash, "NAME", "pack")
    entry = importlib.import_module("pack.train").train

    def hashed(name: str = "", old: str = "", new: str = "", entries: tuple = (entry,)) -> str:
        for cached in (code_hash._closure, code_hash._imported, code_hash._meaning, code_hash._passed_on):
            cached.cache_clear()
        if name:
            path, text = tmp_path / "pack" / name, PARTS[name]
            assert old in text
            path.write_text(text.replace(old, new), encoding="utf-8")
        found = code_hash.of(*entries)
        if name:
            path.write_text(text, encoding="utf-8")
        return found

    yield hashed
    for name in [name for name in sys.modules if name.split(".")[0] == "pack"]:
        del sys.modules[name]
    for cached in (code_hash._closure, code_hash._imported, code_hash._meaning, code_hash._passed_on):
        cached.cache_clear()


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("train.py", "# steps", "# number of steps"),
        ("train.py", '"""Trains."""', '"""Train, as section 2 says."""'),
        ("sub/net.py", '"""A network."""', '"""Another text."""'),
        ("sub/net.py", '"""List them."""', '"""List the layers."""'),
        ("sub/rates.py", "RATE = 0.5", "RATE  =  0.50  # a half"),
        ("sub/rates.py", "RATE = 0.5", 'RATE = 0.5\n"""Steps a second."""'),
        ("typed.py", "TYPED = 1", "TYPED = 2"),  # imported for type checkers alone
        ("table.py", "WIDTH = 3", "WIDTH = 4"),  # imports the entry, and is not imported by it
        ("given/sizes.py", "LARGE = 5", "LARGE = 6"),  # a name that the entry does not take
        ("given/__init__.py", '"FAST", ', ""),  # passes names on, and does nothing else
    ],
)
def test_what_changes_no_result_keeps_the_hash(package, name, old, new):
    assert package(name, old, new) == package()


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("train.py", "net.SIZE * RATE", "net.SIZE / RATE"),
        ("sub/rates.py", "0.5", "0.25"),
        ("sub/net.py", "SIZE = 2", "SIZE = 3"),
        ("late.py", "LATE = 1", "LATE = 2"),  # imported inside a function
        ("given/speeds.py", "FAST = 9", "FAST = 8"),  # passed on by the package
        ("given/speeds.py", "SLOW = 1", "SLOW = 2"),  # a module counts whole
        ("given/layers.py", "LAYERS = 2", "LAYERS = 3"),  # a module of the package, imported as a name
        ("given/__init__.py", "pack.given.speeds import FAST, SLOW", "pack.given.sizes import LARGE as FAST"),
        ("given/__init__.py", "__all__", "LATER = 1\n__all__"),  # no longer does nothing else
        ("sub/__init__.py", "", "import warnings\n"),  # runs when a module of the folder is imported
        ("sub/net.py", '"""List them."""', '"""List them."""\n        return "a text that is returned"'),
    ],
)
def test_code_that_the_entry_reaches_changes_the_hash(package, name, old, new):
    assert package(name, old, new) != package()


def test_a_package_that_is_imported_whole_counts_whole(package):
    entry = importlib.import_module("pack.whole").largest
    for name, old, new in (("given/sizes.py", "5", "6"), ("given/speeds.py", "9", "8")):
        assert package(name, old, new, entries=(entry,)) != package(entries=(entry,))


def test_entries_may_be_functions_classes_modules_or_partial_functions(package):
    entry = sys.modules["pack.train"].train
    same = {package(entries=(one,)) for one in (entry, functools.partial(entry), sys.modules["pack.train"])}
    assert len(same) == 1
    assert package(entries=(sys.modules["pack.sub.net"].Net,)) not in same
    assert package(entries=(entry, sys.modules["pack.sub.net"].Net)) in same  # reached anyway


def test_the_training_reaches_its_parts_and_no_table_or_figure():
    from fer_lib import training

    reached = code_hash._closure(frozenset([code_hash._module_of(training.train)]))
    names = {code_hash._name_of(path) for path in reached}
    assert {"training.py", "augmentation.py"} <= names
    assert any(name.endswith("trunk.py") for name in names)
    assert not [name for name in names if name.startswith(("tables", "figures", "report"))]
    # a setting of another paper's model must not discard days of training
    assert {name for name in names if name.startswith("settings")} == {"settings/chen2023.py", "settings/common.py"}
