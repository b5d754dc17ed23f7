"""Whole files or nothing: the atomic write that artifacts, checkpoints and caches share; and files of plain values."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml

from fer_lib.errors import FerError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# of the system's errors those that a user mends; HDF5 gives them as words alone
UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES)
YAML_LIMIT = 2**20  # bytes: some hundred printed numbers take 50 kB


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yields a temporary path beside ``path``; renames it when the block ends well, removes it when it fails.

    The temporary name keeps the suffixes of ``path``, because writers such as Keras choose the format by them. A killed
    process leaves at most a hidden ``.partial-*`` file behind, never half of ``path``.

    Raises:
        FerError: the disk is full, or nothing may be written there.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=".partial-", suffix="".join(path.suffixes), dir=path.parent)
        os.close(handle)
        partial = Path(name)
        try:
            yield partial
            with open(partial, "rb") as written:
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
    """Returns why :func:`atomic_path` could not write: what the system said, without the rest of a sentence."""
    why = error.__cause__ or error
    return str(getattr(why, "strerror", None) or why)


def write_text(path: str | Path, text: str) -> Path:
    """Writes ``text`` as UTF-8 to ``path``, whole or not at all, and returns the path."""
    with atomic_path(path) as partial:
        partial.write_text(text, encoding="utf-8")
    return Path(path)


def read_yaml(path: Path) -> Any:
    """Returns what a YAML file of ours or of a user's holds: plain values, no objects.

    Raises:
        FerError: it is over 1 MB, not YAML, or has an alias, by which few lines can stand for billions.
    """
    if path.stat().st_size > YAML_LIMIT:
        raise FerError(f"{path.name} is larger than a file of settings or of printed numbers can be (1 MB).")
    try:
        text = path.read_text(encoding="utf-8")
        if any(isinstance(token, yaml.AliasToken) for token in yaml.scan(text)):
            raise FerError(f"{path.name} has a YAML alias (*name), which is not read here; write it out.")
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where, why = (f" (line {mark.line + 1})", error.problem) if mark else ("", str(error).splitlines()[0])
        raise FerError(f"{path.name} is not YAML{where}: {why}.") from None


def cached_array(path: str | Path, build: Callable[[], np.ndarray]) -> np.ndarray:
    """Returns the array in ``path`` (``.npy``), or builds it and keeps it there, whole or not at all."""
    path = Path(path)
    if path.is_file():
        return np.load(path, allow_pickle=False)
    array = build()
    with atomic_path(path) as partial, open(partial, "wb") as file:
        np.save(file, array, allow_pickle=False)
    return array


def figure_png(figure: Figure, *, text: Mapping[str, str] | None = None, **options: float) -> bytes:
    """Returns a figure as PNG, without the transparency that none has: the same pixels, a tenth smaller.

    Nor is matplotlib's version in it, which would change a committed picture at each update.
    """
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    chunks = PngInfo()
    for name, value in (text or {}).items():
        chunks.add_text(name, value)
    drawn, content = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", **options)
    with Image.open(drawn) as picture:
        picture.convert("RGB").save(content, "PNG", dpi=picture.info["dpi"], pnginfo=chunks)
    return content.getvalue()


def file_sha256(path: str | Path) -> str:
    """Returns the SHA-256 of a file's bytes as 64 hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
