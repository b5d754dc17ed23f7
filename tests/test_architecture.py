"""The rooms of the library: each module in one, no arrow back, and a page that shows them as they are."""

from __future__ import annotations

import ast
import importlib.util
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]
spec = importlib.util.spec_from_file_location("architecture", PROJECT / "docs" / "architecture.py")
architecture = importlib.util.module_from_spec(spec)
spec.loader.exec_module(architecture)


def names_of(path: Path) -> set[str]:
    """Returns the top-level packages that a file imports."""
    tree = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    nodes = [node for node in tree if isinstance(node, (ast.Import, ast.ImportFrom))]
    given = [
        [node.module or ""] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names] for node in nodes
    ]
    return {name.split(".")[0] for names in given for name in names}


def test_every_module_stands_in_one_room():
    placed = [name for names in architecture.ROOMS.values() for name in names]
    assert sorted(placed) == sorted(architecture.parts())


def test_a_room_imports_only_from_rooms_above_it():
    order = list(architecture.ROOMS)
    back = {
        (room, other)
        for room, others in architecture.room_imports().items()
        for other in others
        if order.index(other) > order.index(room)
    }
    assert not back


def test_no_module_imports_in_a_circle():
    TopologicalSorter(architecture.imports()).prepare()
    with pytest.raises(CycleError):
        TopologicalSorter({"a": {"b"}, "b": {"a"}}).prepare()


def test_artifacts_are_the_reports_and_the_notebooks_alone():
    users = {name for name, others in architecture.imports().items() if "artifacts" in others}
    assert users == {"report", "report_liu2023"}


def test_tensorflow_is_imported_where_faces_are_found_alone():
    users = {path.name for path in architecture.PACKAGE.rglob("*.py") if "tensorflow" in names_of(path)}
    assert users == {"mtcnn_engine.py"}


def test_arrows_that_a_longer_way_says_are_left_out():
    graph = {"c": {"a", "b"}, "b": {"a"}, "a": set()}
    assert sorted(architecture.arrows(graph)) == [("b", "a"), ("c", "b")]


def test_the_page_shows_the_library_as_it_is():
    assert architecture.PAGE.read_text(encoding="utf-8") == architecture.page()
