"""Read FER-2013 as the Hugging Face hub has it: Parquet files, or WebDataset tars of pictures with their classes.

Parquet: columns ``image`` (``bytes`` and ``path``) and ``label``, whose names are in the file's metadata. WebDataset:
``0001.jpg`` (or ``.png``) next to ``0001.cls`` in each tar, and the names in ``classnames.txt``. The part is in the
name of the file (``train-00000-of-00001.parquet``) or is a folder above it (``train/0.tar``).
"""

from __future__ import annotations

import io
import json
import re
import tarfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fer_lib.datasets.fer2013.csv import CLASS_NAMES, EMOTION_LABELS, SPLIT_RANKS, Rows
from fer_lib.datasets.readers.archives import SINGLE, Source, open_source
from fer_lib.datasets.readers.faults import Fault, Faults
from fer_lib.datasets.readers.pictures import SIDE, decode_face, is_picture_name
from fer_lib.errors import FerError, first_line
from fer_lib.utils.parallel import batches, in_order

PARQUET = "parquet"
WEBDATASET = "webdataset"
CLASS_LIST = "classnames.txt"

_BATCH, _BATCH_BYTES = 64, 2**20  # most pictures and bytes that a thread decodes at a time
_FOOTER_LIMIT = 2**24
_LABEL = ".cls"


@dataclass(frozen=True)
class Shards:
    """The files of one release.

    Attributes:
        layout: ``PARQUET`` or ``WEBDATASET``.
        root: the folder of the parts within the source, ``""`` or ending with ``/``.
        members: names within the source with their positions in ``SPLITS``, sorted.
        classes: the names in ``classnames.txt``, in label order; empty if there is none.
    """

    layout: str
    root: str
    members: tuple[tuple[str, int], ...]
    classes: tuple[str, ...]


def find_shards(source: Source) -> list[Shards]:
    """List the releases in a source; files with other classes than FER-2013's are not its."""
    if source.container == "tar":
        candidates = [source.path.name] if any(name.endswith(_LABEL) for name in source.names) else []
    else:
        candidates = list(source.names)
    found: dict[tuple[str, str], list[tuple[str, int]]] = {}
    for name in candidates:
        layout = _layout_of(source, name)
        place = _part(name) if layout else None
        if layout and place:
            found.setdefault((layout, place[1]), []).append((name, place[0]))
    shards = [
        Shards(layout, root, tuple(sorted(members)), _class_list(source, root))
        for (layout, root), members in found.items()
    ]
    return [each for each in shards if _is_fer2013(source, each)]


def companions(path: Path) -> dict[str, str]:
    """Give the names of part and classes that a single file's meaning depends on too, for the key of a cache."""
    if not path.name.lower().endswith((".parquet", ".tar")):
        return {}
    beside = path.parent / CLASS_LIST
    return {"name": path.name, "classes": beside.read_text("utf-8", "replace") if beside.is_file() else ""}


def read_shards(source: Source, shards: Shards, *, faults: Faults, advance: Callable[[int], object]) -> Rows:
    """Decode the pictures of a release to 48 x 48 grey faces.

    Args:
        source: contains the files.
        shards: from ``find_shards``.
        faults: receives the faults; faulty pictures are left out of the result.
        advance: called with the number of pictures read, for the progress bar.

    Raises:
        FerError: a file cannot be read, pyarrow is not installed, or the labels are numbers without names.
    """
    images: list[np.ndarray] = []
    kept: list[tuple[int, int, str]] = []
    read = _parquet_records if shards.layout == PARQUET else _tar_records
    for name, rank in shards.members:
        together = batches(read(source, name, shards), lambda item: len(item[1]), limit=_BATCH_BYTES, most=_BATCH)
        for decoded in in_order(_decoded, together):
            advance(len(decoded))
            for place, face, label in decoded:
                if isinstance(face, Fault):
                    faults.add(place, place, face)
                else:
                    images.append(face)
                    kept.append((label, rank, place))
    return Rows(
        np.stack(images) if images else np.empty((0, SIDE, SIDE), np.uint8),
        np.array([label for label, _, _ in kept], np.int64),
        np.array([rank for _, rank, _ in kept], np.int64),
        [place for *_, place in kept],
    )


# --- recognition -----------------------------------------------------------------------------------------------------


def _layout_of(source: Source, name: str) -> str | None:
    low = name.lower()
    if low.endswith(".parquet") and _footer(source, name):
        return PARQUET
    if source.container == "tar":
        return WEBDATASET
    return WEBDATASET if low.endswith(".tar") and source.container == "folder" and _starts(source.path / name) else None


def _part(name: str) -> tuple[int, str] | None:
    """Derive the part (a position in ``SPLITS``) and the root of a file from its name; None if neither names a part."""
    *folders, base = name.split("/")
    rank = SPLIT_RANKS.get(re.split(r"[-_.]", base.lower())[0])
    if rank is not None:
        return rank, "".join(f"{folder}/" for folder in folders)
    for depth in range(len(folders) - 1, -1, -1):
        rank = SPLIT_RANKS.get(folders[depth].lower())
        if rank is not None:
            return rank, "".join(f"{folder}/" for folder in folders[:depth])
    return None


def _is_fer2013(source: Source, shards: Shards) -> bool:
    """Tell whether the names of the classes are FER-2013's; where there are none, the name of a folder or file is."""
    names = shards.classes
    if shards.layout == PARQUET:
        footer = _footer(source, shards.members[0][0])
        written = re.search(rb'"names"\s*:\s*(\[[^\]]*\])', footer)
        names = tuple(re.findall(r'"([^"]*)"', written.group(1).decode("utf-8", "replace"))) if written else names
    if names:
        return all(str(name).strip().lower() in EMOTION_LABELS for name in names)
    above = source.path.parent.name if source.container in (*SINGLE, "tar") else ""
    return "fer" in re.split(r"[\W\d_]+", f"{above}/{source.path.name}/{shards.members[0][0]}".lower())


def _footer(source: Source, name: str) -> bytes:
    """Read a Parquet file's footer, which has the names of its columns; b"" if it is none with image and label."""
    size = source.size(name)
    with source.open(name) as stream:
        if stream.read(4) != b"PAR1" or size < 12:
            return b""
        stream.seek(size - 8)
        length = int.from_bytes(stream.read(4), "little")
        if stream.read(4) != b"PAR1" or length > min(size, _FOOTER_LIMIT):
            return b""
        stream.seek(size - 8 - length)
        footer = stream.read(length)
    return footer if b"image" in footer and b"label" in footer else b""


def _starts(path: Path) -> bool:
    """Tell whether an uncompressed tar starts with the members of a WebDataset."""
    try:
        with tarfile.open(path, "r:") as tar:
            return any(member is not None and member.name.endswith(_LABEL) for member in (tar.next() for _ in range(6)))
    except (tarfile.TarError, OSError, EOFError):
        return False


def _class_list(source: Source, root: str) -> tuple[str, ...]:
    """Read ``classnames.txt`` in the root or above it, in the tar itself or next to it."""
    parts = root.split("/")
    names = ["/".join([*parts[:depth], CLASS_LIST]) for depth in range(len(parts) - 1, -1, -1)]
    text = next((source.read(name) for name in names if name in source.names), b"")
    beside = source.path.parent / CLASS_LIST
    if not text and source.container in (*SINGLE, "tar") and beside.is_file():
        text = beside.read_bytes()
    return tuple(line.strip() for line in text.decode("utf-8-sig", "replace").splitlines() if line.strip())


# --- reading ---------------------------------------------------------------------------------------------------------


def _parquet_records(source: Source, name: str, shards: Shards) -> Iterator[tuple[str, bytes, int | Fault]]:
    try:
        import pyarrow as pa  # only here: an extra
        from pyarrow import parquet
    except ImportError:
        raise FerError(
            f"{source.describe(name)} is Parquet, which pyarrow reads; install it with the extra huggingface "
            "(pip install 'fer-replication[huggingface]'), or give FER-2013 as a CSV or as folders."
        ) from None
    try:
        with source.open(name) as stream:
            file = parquet.ParquetFile(stream if source.container in ("folder", "file") else io.BytesIO(stream.read()))
            classes = _names(file.schema_arrow.metadata or {}) or shards.classes
            number = 0
            for batch in file.iter_batches(batch_size=256, columns=["image", "label"]):
                for row in batch.to_pylist():
                    number += 1
                    image = row["image"]
                    data = image.get("bytes") if isinstance(image, dict) else image
                    place = f"{name.removeprefix(shards.root)}, row {number}"
                    yield place, data or b"", _label(row["label"], classes, source.describe(name))
    except (pa.ArrowException, KeyError) as error:
        raise FerError(f"{source.describe(name)} cannot be read ({first_line(error)}); fetch it again.") from None


def _names(metadata: dict[bytes, bytes]) -> tuple[str, ...]:
    """Read the names of the classes that the library ``datasets`` writes into a Parquet file's metadata."""
    try:
        features: Any = json.loads(metadata.get(b"huggingface", b"{}"))["info"]["features"]
        return tuple(features["label"]["names"])
    except (ValueError, KeyError, TypeError):
        return ()


def _tar_records(source: Source, name: str, shards: Shards) -> Iterator[tuple[str, bytes, int | Fault]]:
    with open_source(source.path / name if source.container == "folder" else source.path) as tar:
        pairs: dict[str, dict[str, str]] = {}
        for member in tar.names:
            folder, _, base = member.rpartition("/")
            kind = "label" if member.endswith(_LABEL) else "picture" if is_picture_name(member) else ""
            if kind:
                pairs.setdefault(f"{folder}/{base.split('.')[0]}", {})[kind] = member
        labels = {}
        for pair in pairs.values():
            if len(pair) == 2:
                word = tar.read(pair["label"]).decode("utf-8", "replace").strip()
                labels[pair["picture"]] = _label(int(word) if word.isdecimal() else word, shards.classes, tar.path.name)
        pictures = sorted(pair["picture"] for pair in pairs.values() if "picture" in pair)
        for picture, data in tar.items(pictures):
            missing = Fault("missing label", f"the picture has no {_LABEL} file next to it")
            yield f"{name.removeprefix(shards.root)}, {picture}", data, labels.get(picture, missing)


def _label(value: Any, classes: tuple[str, ...], origin: str) -> int | Fault:
    """Derive a label, a position in ``CLASS_NAMES``, from a number or a name; a Fault if it is none.

    Raises:
        FerError: it is a number, and nothing says what the classes are called.
    """
    if isinstance(value, int) and not classes:
        raise FerError(
            f"{origin} has numbers for labels, and nothing says which emotions they are; put {CLASS_LIST} next to it, "
            "with a name in each line, in the order of the numbers."
        )
    named = isinstance(value, int) and 0 <= value < len(classes)
    word = classes[value] if named else "" if isinstance(value, int) else str(value)
    label = EMOTION_LABELS.get(word.strip().lower())
    if label is None:
        return Fault("unknown emotion", f"the label {value!r} is no emotion of FER-2013 ({', '.join(CLASS_NAMES)})")
    return label


def _decoded(batch: Iterable[tuple[str, bytes, int | Fault]]) -> list[tuple[str, np.ndarray | Fault, int]]:
    """Decode each picture to its face or its fault."""
    faces: list[tuple[str, np.ndarray | Fault, int]] = []
    for place, data, label in batch:
        try:
            if isinstance(label, Fault):
                raise label
            faces.append((place, decode_face(data), label))
        except Fault as fault:
            fault.label = None if isinstance(label, Fault) else label
            faces.append((place, fault, -1))
    return faces
