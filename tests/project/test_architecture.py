"""Test the floors of ``docs/architecture.md``: no import goes up or in a circle; some packages have few users."""

from __future__ import annotations

import ast
import re
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import fer_lib

PACKAGE = Path(fer_lib.__file__).parent
PAGE = (PACKAGE.parent / "docs" / "architecture.md").read_text(encoding="utf-8")
FLOORS = {
    name: int(floor)
    for floor, names in re.findall(r"^\| (\d+) \| (.*) \|$", PAGE, re.MULTILINE)
    for name in re.findall(r"`(\w+)`", names)
}


def modules(package: Path) -> dict[str, Path]:
    """List the package's modules by dotted name, such as ``svm.classifiers``; a folder is its ``__init__``."""
    found = {}
    for path in package.rglob("*.py"):
        parts = path.relative_to(package).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return {name: path for name, path in found.items() if name}


def imported(path: Path, known: dict[str, Path]) -> set[str]:
    """List the package's modules that a file imports, inside its functions too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            deeper = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name.partition(".")[2] in known else node.module for name in deeper}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return {name.partition(".")[2] for name in found if name.startswith("fer_lib.")} & set(known)


def imports(package: Path = PACKAGE) -> dict[str, set[str]]:
    known = modules(package)
    return {name: imported(path, known) - {name} for name, path in known.items()}


def upward(graph: dict[str, set[str]], floors: dict[str, int]) -> list[str]:
    """List the imports between packages that do not go down."""
    pairs = [(user, used) for user, others in graph.items() for used in others]
    rooms = [(user, used, user.split(".")[0], used.split(".")[0]) for user, used in pairs]
    return sorted(f"{user} -> {used}" for user, used, a, b in rooms if a != b and floors[a] <= floors[b])


def users(graph: dict[str, set[str]], package: str) -> set[str]:
    return {user.split(".")[0] for user, others in graph.items() if package in others} - {package}


def top_level(path: Path) -> set[str]:
    """List the distributions that a file imports."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
    return {name.split(".")[0] for name in names}


def test_the_page_gives_every_package_a_floor_and_a_line():
    there = {name.split(".")[0] for name in modules(PACKAGE)}
    assert set(FLOORS) == there
    described = set(re.findall(r"`(\w+)/?`", PAGE.split("| room |")[1].split("\n\n")[0]))
    assert there <= described


def test_imports_go_down():
    assert upward(imports(), FLOORS) == []


def test_no_module_imports_in_a_circle():
    TopologicalSorter(imports()).prepare()


def test_only_the_report_and_notebooks_use_artifacts():
    assert users(imports(), "artifacts") == {"report"}


def test_only_the_face_detector_the_fast_layers_and_the_exports_process_import_tensorflow():
    found = {name for name, path in modules(PACKAGE).items() if "tensorflow" in top_level(path)}
    assert found == {"faces.mtcnn", "models.fast_layers", "predict.export_process"}


def test_a_planted_import_is_found(tmp_path):
    for name, text in {
        "errors.py": "",
        "svm/__init__.py": "",
        "svm/classifiers.py": "from fer_lib import errors\nfrom fer_lib.svm import equations\n",
        "svm/equations.py": "def late():\n    from fer_lib.report.page import write\n",
        "report/__init__.py": "",
        "report/page.py": "import fer_lib.svm.classifiers\n",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    graph = imports(tmp_path)
    assert graph["svm.classifiers"] == {"errors", "svm.equations"}
    assert upward(graph, {"errors": 1, "svm": 2, "report": 3}) == ["svm.equations -> report.page"]
    with pytest.raises(CycleError):
        TopologicalSorter(graph).prepare()
