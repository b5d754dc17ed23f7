"""The parse cache: parse a corpus once, then read the result back and check it.

A cache file is an ``.npz`` without pickle, next to the data (folder ``.fer-cache``) or in ``$FER_CACHE``. Its key
consists of the content of the data, the format version and the load options. A file that does not match its key, its
fingerprint and its digest exactly is rebuilt, never trusted.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from fer_lib.datasets.face_dataset import FaceDataset
from fer_lib.errors import FerError
from fer_lib.utils.files import atomic_path, reason_of, write_text

#: Goes into every key; raise it when the meaning of a cached file changes.
FORMAT_VERSION = 1

_log = logging.getLogger(__name__)


def cache_folder(beside: str | Path) -> Path:
    """Give the cache's folder: ``$FER_CACHE``, else ``.fer-cache`` in the folder (or next to the file) ``beside``."""
    if os.environ.get("FER_CACHE"):
        return Path(os.environ["FER_CACHE"]).expanduser()
    beside = Path(beside)
    return (beside if beside.is_dir() else beside.parent) / ".fer-cache"


def cache_name(key: Mapping[str, object]) -> str:
    """Name a cache file, without suffix: ``key["corpus"]``, then a hash of the whole key."""
    return f"{key['corpus']}-{hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:20]}"


def make_cache_folder(folder: Path) -> None:
    """Create the cache's folder; next to data of the user, Git is told to ignore it."""
    folder.mkdir(parents=True, exist_ok=True)
    if not os.environ.get("FER_CACHE") and not (folder / ".gitignore").exists():
        # The cache contains faces of real people: it must never be committed, wherever the data are.
        write_text(folder / ".gitignore", "*\n")


def cached(beside: str | Path, key: Mapping[str, object], build: Callable[[], FaceDataset]) -> FaceDataset:
    """Read the dataset of ``key`` from the cache, or build it and store it there.

    If the cache cannot be written, the reason is logged and the dataset is returned all the same.

    Args:
        beside: the corpus's file or folder.
        key: all facts that the result depends on, as JSON can store them; ``key["corpus"]`` starts the file's name.
        build: parses the corpus.
    """
    facts = {**key, "cache_format": FORMAT_VERSION}
    path = cache_folder(beside) / f"{cache_name(facts)}.npz"
    dataset = _read(path, facts)
    if dataset is None:
        dataset = build()
        _write(path, facts, dataset)
    return dataset


def _read(path: Path, facts: dict) -> FaceDataset | None:
    """Read a cached dataset; None if there is none or the file does not match its key and digests."""
    try:
        if not path.is_file():
            return None
        with np.load(path, allow_pickle=False) as file:
            images, text, digest = file["images"], file["facts"].tobytes(), file["digest"].tobytes()
        if hashlib.sha256(text).digest() != digest:
            raise ValueError("the facts do not match their digest")
        stored = json.loads(text)
        if stored["key"] != facts:
            raise ValueError("the key is another one")
        dataset = FaceDataset(
            images=images,
            meta=pd.DataFrame(stored["meta"]),
            class_names=tuple(stored["class_names"]),
            corpus=stored["corpus"],
            synthetic=stored["synthetic"],
            notes=stored["notes"],
        )
        if dataset.fingerprint != stored["fingerprint"]:
            raise ValueError("the pixels do not match their fingerprint")
    except Exception as error:  # whatever a damaged file raises (MemoryError too), the corpus itself is still there
        _log.warning("The cache file %s is not usable (%s); it is rebuilt.", path, error)
        return None
    return dataset


def _write(path: Path, facts: dict, dataset: FaceDataset) -> None:
    stored = {
        "key": facts,
        "meta": {column: dataset.meta[column].tolist() for column in dataset.meta.columns},
        "class_names": list(dataset.class_names),
        "corpus": dataset.corpus,
        "synthetic": dataset.synthetic,
        "notes": dataset.notes,
        "fingerprint": dataset.fingerprint,
    }
    text = json.dumps(stored).encode()
    try:
        make_cache_folder(path.parent)
        with atomic_path(path) as partial, open(partial, "wb") as file:
            np.savez(
                file,
                images=dataset.images,
                facts=np.frombuffer(text, np.uint8),
                digest=np.frombuffer(hashlib.sha256(text).digest(), np.uint8),
            )
    except (OSError, FerError) as error:
        _log.warning(
            "The parse cache %s cannot be written (%s); the corpus is parsed again each time: set FER_CACHE to a "
            "folder that can be written.",
            path.parent,
            reason_of(error),
        )
