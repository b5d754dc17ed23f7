"""Hash what code means: the syntax trees, without comments and docstrings, of all that an entry point imports.

Checkpoints and caches carry this hash in their names. Editing a comment or a docstring keeps them; editing a constant,
or any other code that the entry point can reach, does not. Nothing is listed by hand.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

PACKAGE = Path(__file__).parents[1]
NAME = PACKAGE.name
_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def of(*entries: Callable | type | ModuleType) -> str:
    """Hash the modules that functions, classes or modules are defined in, and all modules of the package they import.

    Imports inside functions count; those under ``if TYPE_CHECKING`` do not. Modules that are imported by a name made at
    run time are not found: give them as further entries.

    Returns:
        Twelve hexadecimal digits.
    """
    modules = {_module_of(entry) for entry in entries}
    digest = hashlib.sha256()
    for path in sorted(_closure(frozenset(modules)), key=_name_of):
        digest.update(_name_of(path).encode() + b"\0" + _meaning(path).encode() + b"\0")
    return digest.hexdigest()[:12]


def _module_of(entry: Callable | type | ModuleType) -> Path:
    entry = getattr(entry, "func", entry)  # functools.partial
    module = entry if isinstance(entry, ModuleType) else sys.modules[entry.__module__]
    return Path(module.__file__ or "")


def _name_of(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix() if path.is_relative_to(PACKAGE) else path.name


@functools.cache
def _closure(modules: frozenset[Path]) -> set[Path]:
    found, left = set(), set(modules)
    while left:
        path = left.pop()
        found.add(path)
        left |= set(_imported(path)) - found
    return found


@functools.cache
def _imported(path: Path) -> tuple[Path, ...]:
    """List the files of the package that a module imports, with the packages that contain them."""
    names: set[str] = set()
    for node in _without_type_checking(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    ours = {name for name in names if name.split(".")[0] == NAME}
    parts = {tuple(name.split(".")[:end]) for name in ours for end in range(1, name.count(".") + 2)}
    files = [PACKAGE.parent.joinpath(*one) for one in parts]
    candidates = [path for file in files for path in (file.with_suffix(".py"), file / "__init__.py")]
    return tuple(path for path in candidates if path.is_file())


def _without_type_checking(tree: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.If) and isinstance(child.test, ast.Name) and child.test.id == "TYPE_CHECKING":
            continue
        yield child
        yield from _without_type_checking(child)


@functools.cache
def _meaning(path: Path) -> str:
    """Write a module's code from its syntax tree, which has no comments, without docstrings, those of values too."""
    tree = ast.parse(path.read_bytes())
    for node in ast.walk(tree):
        if isinstance(node, _DOCUMENTED):
            node.body = [each for each in node.body if not _is_text(each)] or [ast.Pass()]
    return ast.unparse(tree)


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
