"""Save and load a fitted model as a folder, without pickle, which can run any code of its author.

NumPy arrays are ``arrays.npz``, a scikit-learn pipeline is ``<part>.skops`` and a Keras network ``<part>.keras``. A
JSON file, the index, is written last and names the SHA-256 of the others, so parts of two saves are never mixed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fer_lib.errors import FerError, first_line
from fer_lib.utils.files import atomic_path, file_sha256, write_text
from fer_lib.utils.safe_load import read_arrays, read_network, read_pipeline

ARRAYS_FILE = "arrays.npz"
Part = Any
"""One part of a fitted model: a NumPy array, a fitted scikit-learn pipeline, or a Keras network."""
_READERS: dict[str, Callable[[Path], Part]] = {".skops": read_pipeline, ".keras": read_network}


def save(folder: str | Path, index: str, content: Mapping[str, Any], parts: Mapping[str, Part]) -> Path:
    """Write the parts of a model and their index into a folder, each file whole or not at all.

    Args:
        folder: created if missing; former files of the same names are replaced.
        index: the name of the JSON file.
        content: the description of the model, fit for JSON; ``sha256`` is added.
        parts: the parts by name.

    Returns:
        The folder.
    """
    import skops.io  # imported late: scikit-learn takes most of a second, and reading a card does not need it
    from sklearn.pipeline import Pipeline

    folder, arrays, names = Path(folder), {}, []
    for key, part in parts.items():
        if isinstance(part, np.ndarray):
            arrays[key] = part
            continue
        names.append(f"{key}{'.skops' if isinstance(part, Pipeline) else '.keras'}")
        with atomic_path(folder / names[-1]) as partial:
            if isinstance(part, Pipeline):
                skops.io.dump(part, partial)
            else:
                part.save(partial)
    if arrays:
        names.append(ARRAYS_FILE)
        with atomic_path(folder / ARRAYS_FILE) as partial:
            np.savez_compressed(partial, **arrays)  # type: ignore[arg-type]  # no array is named allow_pickle
    whole = {**content, "sha256": {name: file_sha256(folder / name) for name in names}}
    write_json(folder / index, whole)
    return folder


def read_index(folder: Path, index: str) -> dict[str, Any]:
    """Read the description of a saved model; :func:`read_parts` reads the model itself.

    Raises:
        FerError: the index is missing or damaged, or names no files of a model.
    """
    if not (folder / index).is_file():
        raise FerError(f"The model folder {folder} lacks {index}; copy or save the model again.")
    content = read_json(folder / index)
    digests = content.get("sha256")
    if not isinstance(digests, dict) or not digests or not all(_is_part(name) for name in digests):
        raise FerError(f"{folder / index} has no valid 'sha256': it names no files of a model; save the model again.")
    return content


def read_parts(folder: Path, index: str, content: Mapping[str, Any]) -> dict[str, Part]:
    """Read the parts that an index names, by name.

    Args:
        folder: as given to :func:`save`.
        index: the name of the JSON file.
        content: the result of :func:`read_index`.

    Raises:
        FerError: a file is missing, not the one that the index names, damaged, or contains what this project does not
            write; nothing of such a file is run.
    """
    for name, digest in content["sha256"].items():
        if not (folder / name).is_file():
            raise FerError(f"The model folder {folder} lacks {name}; copy or save the model again.")
        if file_sha256(folder / name) != digest:
            raise FerError(f"{name} in {folder} is not the file that {index} names; copy or save the model again.")
    parts: dict[str, Part] = {}
    for name in content["sha256"]:
        file = folder / name
        parts |= read_arrays(file) if name == ARRAYS_FILE else {file.stem: _READERS[file.suffix](file)}
    return parts


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        FerError: the file cannot be read, or is not a JSON object.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise FerError(f"{path} is no readable JSON ({first_line(error)}); fetch or save the model again.") from None
    if not isinstance(content, dict):
        raise FerError(f"{path} contains no JSON object; fetch or save the model again.")
    return content


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON object that people can read, whole or not at all; tuples and sets become lists."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False, default=list) + "\n")


def _is_part(name: str) -> bool:
    return Path(name).name == name and (name == ARRAYS_FILE or Path(name).suffix in _READERS)
