"""Test that what the library's docstrings refer to exists: each ``:func:``, ``:class:``, ``:mod:`` and so on."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
MODULES = sorted((PROJECT / "fer_lib").rglob("*.py"))
ROLE = re.compile(r":(?:func|class|mod|data|meth|attr|exc):`~?([\w.]+)`")
LITERAL = re.compile(r"``(fer_lib(?:\.\w+)+)``")


def dotted(path: Path) -> str:
    return ".".join(path.relative_to(PROJECT).with_suffix("").parts).removesuffix(".__init__")


FILES = {dotted(path): path for path in MODULES}


@cache
def names(module: str) -> frozenset[str]:
    """List what a module defines or imports, and ``Class.member`` for what its classes define."""
    found = set()
    for node in ast.parse(FILES[module].read_text(encoding="utf-8")).body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            found |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            found.add(node.name)
        found |= targets(node)
        if isinstance(node, ast.ClassDef):
            for part in node.body:
                own = {part.name} if isinstance(part, ast.FunctionDef) else targets(part)
                found |= own | {f"{node.name}.{name}" for name in own}
    return frozenset(found)


def targets(node: ast.stmt) -> set[str]:
    places = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return {name.id for place in places for name in ast.walk(place) if isinstance(name, ast.Name)}


def exists(target: str, module: str) -> bool:
    if not target.startswith("fer_lib"):
        return target in names(module)
    parts = target.split(".")
    for length in range(len(parts), 0, -1):
        known = ".".join(parts[:length])
        if known in FILES:
            rest = ".".join(parts[length:])
            return not rest or rest in names(known)
    return False


@pytest.mark.parametrize("module", FILES)
def test_what_a_docstring_refers_to_exists(module):
    text = FILES[module].read_text(encoding="utf-8")
    wrong = [target for target in ROLE.findall(text) if not exists(target, module)]
    wrong += [target for target in LITERAL.findall(text) if not exists(target, module)]
    assert wrong == []


def test_a_reference_that_leads_nowhere_is_found():
    assert exists("fer_lib.training.train", "fer_lib.artifacts")
    assert exists("fer_lib.training", "fer_lib.artifacts")
    assert exists("Run.save_table", "fer_lib.artifacts")
    for target in ("fer_lib.training.trained", "fer_lib.nothing", "Run.save_tables", "train"):
        assert not exists(target, "fer_lib.artifacts")
