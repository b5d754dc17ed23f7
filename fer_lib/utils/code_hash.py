"""Hash what code means: the syntax trees, without comments and docstrings, of all that an entry point imports.

Checkpoints and caches carry this hash in their names. Editing a comment or a docstring keeps them; editing a constant,
or any other code that the entry point can reach, does not. Nothing is listed by hand.

A package that only passes names on, such as :mod:`fer_lib.settings`, counts as the modules of the names that are taken
from it. So a new setting of one experiment keeps the checkpoints of the others.
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
    found: set[Path] = set()
    for node in _without_type_checking(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                found |= _files(alias.name)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            for alias in node.names:
                found |= _files(node.module, alias.name)
    return tuple(found)


def _files(module: str, name: str = "") -> set[Path]:
    """List the files that run when a module, or a name from it, is imported, without packages that only pass names on.

    Nothing outside the package is listed.
    """
    parts = module.split(".")
    if parts[0] != NAME:
        return set()
    packages = {file for end in range(1, len(parts)) if (file := _file(parts[:end])) and _passed_on(file) is None}
    own, inside = _file(parts), _file([*parts, name]) if name else None
    given = _passed_on(own) if own and name else None
    if given is not None and not inside and name in given:
        return packages | _files(*given[name])
    return packages | {file for file in (inside or own if given is not None else own, inside) if file}


def _file(parts: list[str]) -> Path | None:
    """Find the file of a module or package."""
    place = PACKAGE.parent.joinpath(*parts)
    return next((file for file in (place.with_suffix(".py"), place / "__init__.py") if file.is_file()), None)


@functools.cache
def _passed_on(path: Path) -> dict[str, tuple[str, str]] | None:
    """Map each name that a package passes on to its module and its name there; None if its own code does anything."""
    if path.name != "__init__.py":
        return None
    given: dict[str, tuple[str, str]] = {}
    for node in ast.parse(path.read_bytes()).body:
        if isinstance(node, ast.ImportFrom) and not node.level and (node.module or "").split(".")[0] == NAME:
            given |= {alias.asname or alias.name: (str(node.module), alias.name) for alias in node.names}
        elif not _is_text(node) and not _lists_names(node):
            return None
    return given or None


def _lists_names(node: ast.stmt) -> bool:
    """Tell whether a statement is ``__all__ = [...]``."""
    return isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["__all__"]


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
