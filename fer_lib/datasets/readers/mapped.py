"""Images that are too many for memory: decoded once into a ``.npy`` file, read back and checked as a memory map.

The file and a small ``.json`` of facts are in the parse cache (see ``cache.py``). A pair that does not match its key
and its digests exactly is built again, never trusted. Without a cache, the pixels are in an unnamed temporary file.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from fer_lib.datasets.readers.cache import FORMAT_VERSION, cache_folder, cache_name, make_cache_folder
from fer_lib.errors import FerError
from fer_lib.utils.files import UNWRITABLE, atomic_path, write_text

_log = logging.getLogger(__name__)

_HEADER_LIMIT = 2**10  # bytes of a .npy header; those written here have 128


@dataclass(frozen=True)
class MappedImages:
    """Images on disk that are used like an array in memory.

    Attributes:
        images: uint8, shape (N, H, W, 3): a read-only memory map.
        sha256: SHA-256 of all pixels in row order, 64 hexadecimal digits.
        facts: the result of ``build``, as JSON stores it.
    """

    images: np.ndarray
    sha256: str
    facts: dict


#: Decodes a corpus: calls its argument with uint8 (n, H, W, 3) again and again, in row order, and gives the facts.
Build = Callable[[Callable[[np.ndarray], None]], dict]


def mapped(
    beside: str | Path, key: Mapping[str, object], shape: tuple[int, ...], build: Build, *, cache: bool = True
) -> MappedImages:
    """Map the images of ``key`` from the cache, or build them there first.

    Memory stays small: only the images that ``build`` passes on at a time are in it. If the cache's folder is not
    writable, this is logged and a temporary file is used.

    Args:
        beside: the corpus's file or folder.
        key: all facts that the result depends on, as JSON can store them; ``key["corpus"]`` starts the files' names.
        shape: of one image.
        build: decodes the corpus.
        cache: read from and write to the parse cache.

    Raises:
        FerError: there is no room for the images; and whatever ``build`` raises.
    """
    if not cache:
        return _temporary(shape, build)
    key = {**key, "shape": list(shape), "cache_format": FORMAT_VERSION}
    path = cache_folder(beside) / f"{cache_name(key)}.npy"
    found = _read(path, key)
    if found is None and not _writable(path.parent):
        _log.warning(
            "The parse cache %s cannot be written; the corpus is decoded again each time: set FER_CACHE to a folder "
            "that can be written.",
            path.parent,
        )
        return _temporary(shape, build)
    return found or _built(path, key, shape, build)


def _built(path: Path, key: Mapping[str, object], shape: tuple[int, ...], build: Build) -> MappedImages:
    with atomic_path(path) as partial, open(partial, "wb") as file:
        _, sha256, facts = _fill(file, shape, build)
    text = json.dumps({"key": key, "sha256": sha256, "facts": facts})
    digest = hashlib.sha256(text.encode()).hexdigest()
    write_text(
        path.with_suffix(".json"), json.dumps({"stored": text, "digest": digest})
    )  # last: it makes the pair whole
    return MappedImages(np.load(path, mmap_mode="r", allow_pickle=False), sha256, json.loads(text)["facts"])


def _read(path: Path, key: Mapping[str, object]) -> MappedImages | None:
    """Map a cached file; None if there is none or it does not match its key and digests."""
    facts_path = path.with_suffix(".json")
    try:
        if not (path.is_file() and facts_path.is_file()):
            return None
        whole = json.loads(facts_path.read_text(encoding="utf-8"))
        if hashlib.sha256(whole["stored"].encode()).hexdigest() != whole["digest"]:
            raise ValueError("the facts do not match their digest")
        stored = json.loads(whole["stored"])
        if stored["key"] != key:
            raise ValueError("the key is another one")
        if _pixels_sha256(path) != stored["sha256"]:
            raise ValueError("the pixels do not match their digest")
        images = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # whatever a damaged file raises (MemoryError too), the corpus itself is still there
        _log.warning("The cache file %s is not usable (%s); it is rebuilt.", path, error)
        return None
    return MappedImages(images, stored["sha256"], stored["facts"])


def _pixels_sha256(path: Path) -> str:
    """Hash the pixels by reading the file: hashing the map would keep all of it in memory."""
    with open(path, "rb") as file:
        np.lib.format.read_magic(file)
        np.lib.format.read_array_header_1_0(file, max_header_size=_HEADER_LIMIT)
        return hashlib.file_digest(file, "sha256").hexdigest()


def _temporary(shape: tuple[int, ...], build: Build) -> MappedImages:
    file = tempfile.TemporaryFile()  # noqa: SIM115 - it exists as long as it is mapped
    try:
        rows, sha256, facts = _fill(file, shape, build)
        file.flush()
    except OSError as error:
        if error.errno not in UNWRITABLE:
            raise
        raise FerError(
            f"The decoded images do not fit into the temporary folder {tempfile.gettempdir()} "
            f"({os.strerror(error.errno)}); set FER_CACHE, or TMPDIR, to a folder with more room."
        ) from error
    offset = len(_header((rows, *shape)))
    return MappedImages(np.memmap(file, np.uint8, "r", offset, (rows, *shape)), sha256, json.loads(json.dumps(facts)))


def _fill(file: IO[bytes], shape: tuple[int, ...], build: Build) -> tuple[int, str, dict]:
    """Write a whole ``.npy`` file; give its rows, the SHA-256 of its pixels and the facts of ``build``."""
    rows = 0
    digest = hashlib.sha256()

    def append(images: np.ndarray) -> None:
        nonlocal rows
        data = np.ascontiguousarray(images, np.uint8).data
        digest.update(data)
        file.write(data)
        rows += len(images)

    file.write(_header((0, *shape)))
    facts = build(append)
    file.seek(0)
    file.write(_header((rows, *shape)))  # NumPy pads headers so that more rows fit into the same bytes
    return rows, digest.hexdigest(), facts


def _header(shape: tuple[int, ...]) -> bytes:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return header.getvalue()


def _writable(folder: Path) -> bool:
    try:
        make_cache_folder(folder)
    except (OSError, FerError):
        return False
    return os.access(folder, os.W_OK)
