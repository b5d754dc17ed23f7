"""PhotoSet: the whole photos of a corpus, before its faces are cropped, loaded one at a time."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from fer_lib.datasets.face_dataset import FaceDataset
from fer_lib.datasets.readers.archives import Source, content_digests, open_source
from fer_lib.datasets.readers.faults import Fault, Faults
from fer_lib.datasets.readers.pictures import decode_photo
from fer_lib.errors import FerError
from fer_lib.utils.progress import bar


@dataclass(frozen=True)
class PhotoSet:
    """Photos with a row of facts for each; the pictures stay on disk until they are needed.

    Attributes:
        meta: a DataFrame of N rows as ``FaceDataset.meta``: ``label`` and ``split`` always; ``subject``, ``sequence``,
            ``frame``, ``yaw``, ``pitch``, ``roll`` (radians), ``source`` where the corpus has them.
        class_names: the classes in label order.
        corpus: the corpus's short name, such as ``"genki4k"``.
        path: the folder, archive or file that contains the pictures.
        members: N names within ``path``, one for each row.
        synthetic: True if the photos were generated.
        notes: the loader's remarks about the data; part of the provenance.
    """

    meta: pd.DataFrame
    class_names: tuple[str, ...]
    corpus: str
    path: Path
    members: tuple[str, ...]
    synthetic: bool = False
    notes: dict = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(self.members) != len(self.meta):
            raise ValueError(f"{len(self.members)} members but {len(self.meta)} rows of meta")
        missing = {"label", "split"} - set(self.meta.columns)
        if missing:
            raise ValueError(f"meta lacks the column {sorted(missing)[0]!r}")

    def __len__(self) -> int:
        return len(self.members)

    def __getstate__(self) -> dict:
        return {item.name: getattr(self, item.name) for item in fields(self)}  # an open archive cannot be pickled

    # These only read ``meta`` and ``class_names``, so both classes share them.
    labels = FaceDataset.labels
    counts = FaceDataset.counts
    part = FaceDataset.part

    def photo(self, i: int) -> np.ndarray:
        """Read photo i: uint8 (H, W) if the file is grey, else RGB (H, W, 3); no side longer than ``LONGEST_SIDE``.

        Raises:
            FerError: the file is missing, or is no picture (any more).
        """
        member = self.members[i]
        try:
            return decode_photo(self._source.read(member))
        except Fault as fault:
            raise FerError(
                f"{self._source.describe(member)}: {fault.detail}; fetch the corpus again, or load it again with "
                "skip_bad=True (--skip-bad) to leave the picture out."
            ) from fault

    @cached_property
    def content_key(self) -> str:
        """SHA-256 over each file's content and label, in row order, for the cache of crops: 64 hexadecimal digits."""
        whole = hashlib.sha256(repr(self.class_names).encode())
        for digest, label in zip(self.digests, self.labels.tolist(), strict=True):
            whole.update(digest + label.to_bytes(8, "little", signed=True))
        return whole.hexdigest()

    @cached_property
    def digests(self) -> list[bytes]:
        """SHA-256 of each photo's file, in row order; equal for copies."""
        found = content_digests(self._source, dict.fromkeys(self.members)) if self.members else {}
        return [found[member] for member in self.members]

    def take(self, rows: Sequence[int] | np.ndarray) -> PhotoSet:
        """Select the given rows (integer positions or a boolean mask), in that order."""
        rows = np.asarray(rows)
        rows = np.flatnonzero(rows) if rows.dtype == bool else rows.astype(np.int64)
        members = tuple(self.members[row] for row in rows)
        return replace(self, members=members, meta=self.meta.iloc[rows].reset_index(drop=True))

    @cached_property
    def _source(self) -> Source:
        return open_source(self.path)


def read_photos(source: Source, members: Iterable[str], faults: Faults, *, corpus: str) -> dict[str, tuple[int, int]]:
    """Decode every named picture once and give the (height, width) of those that can be read, by name.

    A bad picture is thus found when a corpus is loaded, not hours later, and added to ``faults``.
    """
    sizes: dict[str, tuple[int, int]] = {}
    members = list(members)
    with bar(corpus, len(members)) as advance:
        for name, data in source.items(members):
            try:
                height, width = decode_photo(data).shape[:2]
                sizes[name] = (height, width)
            except Fault as fault:
                faults.add(name, name, fault)
            advance(1)
    return sizes


def size_notes(sizes: Iterable[tuple[int, int]]) -> dict[str, list[int]]:
    """Give the smallest and the largest (height, width), by area, for a loader's notes."""
    ordered = sorted(sizes, key=lambda size: (size[0] * size[1], size))
    return {"smallest": list(ordered[0]), "largest": list(ordered[-1])}
