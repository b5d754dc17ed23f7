"""Read a notebook's parameters, and the same kinds of values of a whole run, whatever form they arrive in.

papermill passes on every word but ``True``, ``False`` and ``None`` as text or as a number. So ``-p draw_faces no`` is
the text ``"no"``, which Python takes for true, and ``-p data_dir 2013`` is a number. The annotations in a notebook's
parameters cell say what each parameter is; a value that cannot be one is refused in a sentence.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError

from fer_lib.errors import FerError, first_line, nearest

BOOLEAN = TypeAdapter(bool)
INJECTED = "# Parameters"  # the first line of the cell that papermill adds


def read(namespace: dict[str, Any]) -> None:
    """Check a notebook's parameters and replace them by values of the types that their annotations name.

    Args:
        namespace: the notebook's ``globals()`` after its parameters cell and the cell that papermill adds to it.

    Raises:
        FerError: papermill was given a parameter that the notebook does not have, or a value does not fit.
    """
    kinds = {name: _name(kind) for name, kind in namespace.get("__annotations__", {}).items()}
    for name in _injected(namespace.get("In", ())):
        if name not in kinds:
            raise FerError(
                f"There is no parameter {name!r}{nearest(name, kinds)}; the notebook has {', '.join(kinds)}."
            )
    for name, kind in kinds.items():
        if name in namespace and kind in READERS:
            namespace[name] = READERS[kind](name, namespace[name])


def boolean(name: str, value: Any) -> bool:
    """Read a boolean: True and False, 1 and 0, or yes, no, true, false, on and off in any case.

    Raises:
        FerError: it is anything else.
    """
    try:
        return BOOLEAN.validate_python(value.strip() if isinstance(value, str) else value)
    except ValidationError:
        raise FerError(f"{name} is {_shown(value)}; give yes or no.") from None


def whole_number(name: str, value: Any) -> int:
    """Read a whole number from 0 on: 3, 3.0, ``"3"`` or ``"1e3"``.

    Raises:
        FerError: it is anything else.
    """
    found = value.strip() if isinstance(value, str) else value
    try:
        if isinstance(found, str):
            found = int(found) if found.isdecimal() else float(found)
        if isinstance(found, float) and found.is_integer():
            found = int(found)
        if isinstance(found, int) and not isinstance(found, bool) and found >= 0:
            return found
    except ValueError:  # a word, or a number of thousands of digits
        pass
    raise FerError(f"{name} is {_shown(value)}; give a whole number, 0 or more.")


def whole_numbers(name: str, value: Any) -> list[int]:
    """Read whole numbers, each once: a list, one number, or text such as ``"0 1 2"`` or ``"[0, 1]"``.

    Raises:
        FerError: it is anything else.
    """
    if isinstance(value, str):
        value = value.strip().removeprefix("[").removesuffix("]").replace(",", " ").split()
    found = value if isinstance(value, (list, tuple)) else [value]
    return list(dict.fromkeys(whole_number(name, each) for each in found))


def text(name: str, value: Any) -> str:
    """Read text; a whole number becomes its digits, and ``weights`` of None, Keras' word for random ones, ``"none"``.

    Raises:
        FerError: it is anything else, or no file can have such a name.
    """
    if value is None and name == "weights":
        return "none"
    if isinstance(value, Path) or (isinstance(value, int) and not isinstance(value, bool)):
        value = str(value)
    if not isinstance(value, str):
        raise FerError(f"{name} is {_shown(value)}; give text (with papermill: -r {name} <text>), or leave it out.")
    if "\0" in value or (not value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in value)):
        raise FerError(f"{name} is {_shown(value)}; it has a character that no file's name can have.")
    return value


def mapping(name: str, value: Any) -> dict[str, Any]:
    """Read settings by name: a dictionary, or text such as ``"{dropout_rate: 0.5}"``, which is YAML.

    Raises:
        FerError: it is anything else, or a name is not text.
    """
    found = value
    if isinstance(value, str):
        try:
            found = yaml.safe_load(value)
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            raise FerError(
                f"{name} is {_shown(value)}, which cannot be read ({first_line(error)}); give settings by name, such "
                "as {epochs: 5}."
            ) from None
        found = {} if found is None else found  # empty text
    if not isinstance(found, dict) or not all(isinstance(key, str) for key in found):
        raise FerError(f"{name} is {_shown(value)}; give settings by name, such as {{epochs: 5}}.")
    return dict(found)


READERS: dict[str, Callable[[str, Any], Any]] = {
    "bool": boolean,
    "int": whole_number,
    "list": whole_numbers,
    "str": text,
    "dict": mapping,
}


def _name(kind: Any) -> str:
    return kind if isinstance(kind, str) else getattr(kind, "__name__", "")


def _injected(cells: Iterable[str]) -> list[str]:
    """List the names that papermill's own cell sets, from the sources of a notebook's executed cells."""
    names = []
    for source in cells:
        if source.startswith(INJECTED):
            nodes = [node for node in ast.parse(source).body if isinstance(node, ast.Assign)]
            names += [target.id for node in nodes for target in node.targets if isinstance(target, ast.Name)]
    return names


def _shown(value: Any) -> str:
    """Show a value in a message, shortened; a number that is none says so itself."""
    shown = "not a number" if isinstance(value, float) and math.isnan(value) else repr(value)
    return shown if len(shown) <= 80 else f"{shown[:77]}…"
