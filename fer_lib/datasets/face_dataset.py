"""FaceDataset: the object that every corpus is loaded into."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Protocol, Self, TypeVar

import numpy as np
import pandas as pd

from fer_lib.errors import FerError, nearest


class _Labelled(Protocol):
    """The attributes that FaceDataset and PhotoSet have in common, for the methods that they share."""

    @property
    def meta(self) -> pd.DataFrame: ...

    @property
    def class_names(self) -> tuple[str, ...]: ...

    @property
    def corpus(self) -> str: ...

    def take(self, rows: Sequence[int] | np.ndarray) -> Self: ...


Rows = TypeVar("Rows", bound=_Labelled)

#: The split of FER-2013's two test parts where the data do not tell them apart; it is taken for either of them.
UNDIVIDED = "Test"


def split_named(split: str, known: Iterable[str]) -> str:
    """Give the split itself, or ``UNDIVIDED`` for a test part that the data do not tell from the other."""
    known = set(known)
    return UNDIVIDED if split not in known and split.endswith(UNDIVIDED) and UNDIVIDED in known else split


@dataclass(frozen=True)
class FaceDataset:
    """Faces of one size, with a row of facts for each.

    Attributes:
        images: uint8, shape (N, H, W) for grey or (N, H, W, 3) for RGB faces.
        meta: a DataFrame of N rows, index 0…N-1. Columns ``label`` (int, position in ``class_names``), ``split``
            (str) always; ``subject``, ``sequence``, ``frame``, ``pose``, ``source`` where the corpus has them.
        class_names: the classes in label order.
        corpus: the corpus's short name, such as ``"fer2013"``.
        synthetic: True if the faces were generated; every table, figure and report heading then says SYNTHETIC.
        notes: the loader's remarks about the data (rows left out, counts that differ); part of the provenance.
        shares: float32, shape (N, classes), rows of sum 1: the probability with which :mod:`fer_lib.training` draws
            each class as a face's label in each epoch, such as FER+'s votes; all else takes ``label``. None where the
            labels are fixed.
    """

    images: np.ndarray
    meta: pd.DataFrame
    class_names: tuple[str, ...]
    corpus: str
    synthetic: bool = False
    notes: dict = field(default_factory=dict)
    shares: np.ndarray | None = None

    def __post_init__(self) -> None:
        if self.images.dtype != np.uint8 or self.images.ndim not in (3, 4):
            raise ValueError(f"images must be uint8 of 3 or 4 dimensions, not {self.images.dtype} {self.images.shape}")
        if len(self.images) != len(self.meta):
            raise ValueError(f"{len(self.images)} images but {len(self.meta)} rows of meta")
        missing = {"label", "split"} - set(self.meta.columns)
        if missing:
            raise ValueError(f"meta lacks the column {sorted(missing)[0]!r}")
        if self.shares is not None and self.shares.shape != (wanted := (len(self.images), len(self.class_names))):
            raise ValueError(f"shares have the shape {self.shares.shape}, not {wanted}")

    def __len__(self) -> int:
        return len(self.images)

    @property
    def labels(self: _Labelled) -> np.ndarray:
        """The labels, int64 of shape (N,)."""
        return self.meta["label"].to_numpy(dtype=np.int64)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over the shape, pixels, labels and, if any, shares, in row order: 64 hexadecimal digits."""
        digest = hashlib.sha256(repr(self.images.shape).encode())
        digest.update(np.ascontiguousarray(self.images).data)
        digest.update(self.labels.astype("<i8").tobytes())
        if self.shares is not None:
            digest.update(self.shares.astype("<f4").tobytes())
        return digest.hexdigest()

    def take(self, rows: Sequence[int] | np.ndarray) -> FaceDataset:
        """Select the given rows (integer positions or a boolean mask), in that order."""
        rows = np.asarray(rows)
        rows = np.flatnonzero(rows) if rows.dtype == bool else rows.astype(np.int64)
        meta = self.meta.iloc[rows].reset_index(drop=True)
        return replace(
            self, images=self.images[rows], meta=meta, shares=None if self.shares is None else self.shares[rows]
        )

    def part(self: Rows, split: str) -> Rows:
        """Select the rows of one split, such as ``"Training"``; raise FerError if the split does not exist.

        Where the data do not tell FER-2013's two test parts apart, either name selects both: the split ``"Test"``.
        """
        mask = (self.meta["split"] == split_named(split, self.meta["split"])).to_numpy()
        if not mask.any():
            known = list(dict.fromkeys(self.meta["split"]))
            raise FerError(f"{self.corpus} has no split {split!r}{nearest(split, known)}; its splits are {known}.")
        return self.take(mask)

    def counts(self: _Labelled) -> pd.DataFrame:
        """Count faces per split (rows, in order of appearance) and class (columns, in label order), with totals."""
        splits = list(dict.fromkeys(self.meta["split"]))
        table = pd.crosstab(self.meta["split"], self.meta["label"])
        table = table.reindex(index=splits, columns=range(len(self.class_names)), fill_value=0)
        table.columns = list(self.class_names)
        table.index.name = "split"
        table["total"] = table.sum(axis=1)
        return table


def canonical_order(
    images: np.ndarray, labels: np.ndarray, split_ranks: np.ndarray, sources: Sequence[str]
) -> np.ndarray:
    """Compute the row order that only depends on content: by split, label, SHA-256 of the pixels and source.

    A seed thus gives the same split whatever the archive, the file system or the row order of the CSV.

    Args:
        images: uint8, shape (N, H, W) or (N, H, W, 3).
        labels: int, shape (N,).
        split_ranks: int, shape (N,): the position of each row's split in the corpus's own order.
        sources: N names; they order faces of the same split, label and pixels only.
    """
    digests = [hashlib.sha256(np.ascontiguousarray(image).data).digest() for image in images]
    keys = list(zip(split_ranks.tolist(), labels.tolist(), digests, sources, strict=True))
    return np.array(sorted(range(len(keys)), key=keys.__getitem__), dtype=np.int64)
