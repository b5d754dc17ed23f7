"""Atomic writes for results, checkpoints and caches; YAML, PNG and array files; file hashes."""

from __future__ import annotations

import errno
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml

from fer_lib.errors import FerError

if TYPE_CHECKING:
    import pandas as pd

# errors of the operating system that a user can fix; HDF5 gives only their text
UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES)
YAML_LIMIT = 2**20  # bytes: a record of some hundred printed numbers takes 50 kB


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path next to ``path``; rename it if the block succeeds, remove it if the block fails.

    The temporary name keeps the suffixes of ``path``, because writers such as Keras choose the format by them. A killed
    process leaves at most a hidden ``.partial-*`` file, never half of ``path``.

    Raises:
        FerError: the disk is full, or the folder is not writable.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=".partial-", suffix="".join(path.suffixes), dir=path.parent)
        os.close(handle)
        partial = Path(name)
        try:
            yield partial
            with open(partial, "r+b") as written:  # Windows flushes only what is open for writing
                os.fsync(written.fileno())
            partial.chmod(0o644)
            os.replace(partial, path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        reason = next((os.strerror(n) for n in UNWRITABLE if n == error.errno or os.strerror(n) in str(error)), None)
        if not reason:
            raise
        why = f"{path} cannot be written ({reason})"
        raise FerError(f"{why}: make room or give another folder; what is whole is kept.") from error


def reason_of(error: Exception) -> str:
    """Extract the reason why :func:`atomic_path` could not write, in the words of the operating system."""
    why = error.__cause__ or error
    return str(getattr(why, "strerror", None) or why)


def write_text(path: str | Path, text: str) -> Path:
    """Write ``text`` as UTF-8 to ``path``, whole or not at all, and return the path."""
    with atomic_path(path) as partial:
        partial.write_text(text, encoding="utf-8")
    return Path(path)


def read_yaml(path: Path) -> Any:
    """Read a YAML file that contains only plain values.

    Raises:
        FerError: the file is over 1 MB, is not YAML, or has an alias, with which few lines can expand to billions.
    """
    if path.stat().st_size > YAML_LIMIT:
        raise FerError(f"{path.name} is larger than 1 MB, the limit for files of settings or of printed numbers.")
    try:
        text = path.read_text(encoding="utf-8")
        if any(isinstance(token, yaml.AliasToken) for token in yaml.scan(text)):
            raise FerError(f"{path.name} has a YAML alias (*name), which is not supported; write the value out.")
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark:
            where, why = f" (line {error.problem_mark.line + 1})", error.problem
        else:
            where, why = "", str(error).splitlines()[0]
        raise FerError(f"{path.name} is not YAML{where}: {why}.") from None


def cached_array(path: str | Path, build: Callable[[], np.ndarray]) -> np.ndarray:
    """Read the array in ``path`` (``.npy``); if there is none, build it and save it, whole or not at all."""
    path = Path(path)
    if path.is_file():
        return np.load(path, allow_pickle=False)
    array = build()
    with atomic_path(path) as partial, open(partial, "wb") as file:
        np.save(file, array, allow_pickle=False)
    return array


def cached_frame(path: str | Path, build: Callable[[], pd.DataFrame]) -> pd.DataFrame:
    """Read the table in ``path`` (CSV); if there is none, build it and save it without its index first."""
    import pandas as pd

    path = Path(path)
    if not path.is_file():
        with atomic_path(path) as partial:
            build().to_csv(partial, index=False)
    return pd.read_csv(path)


def file_sha256(path: str | Path) -> str:
    """Compute the SHA-256 of a file's bytes as 64 hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
