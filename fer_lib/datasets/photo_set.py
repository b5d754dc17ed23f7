"""Whole photos of many sizes, loaded one at a time: what a corpus is before its faces are cropped."""

from __future__ import annotations

import hashlib
import io
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image, ImageOps

from fer_lib.datasets.face_dataset import FaceDataset
from fer_lib.datasets.faults import Fault, Faults
from fer_lib.datasets.reading import bar
from fer_lib.datasets.sources import Source, content_digests, open_source
from fer_lib.errors import FerError

#: A picture of more pixels (width x height) than this is refused: 50 megapixels.
PIXEL_LIMIT = 50_000_000

#: A photo whose longer side has more pixels than this is reduced to it on reading, so that memory stays bounded.
LONGEST_SIDE = 2048

#: A picture with a shorter side than this shows no face that anything here could use.
SHORTEST_SIDE = 16

_GREY_MODES = ("1", "L", "LA", "La")
_COLOUR_MODES = ("P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr")


@dataclass(frozen=True)
class PhotoSet:
    """Photos with a row of facts each; the pictures stay on disk until they are asked for.

    Attributes:
        meta: a DataFrame of N rows as ``FaceDataset.meta``: ``label`` and ``split`` always; ``subject``, ``sequence``,
            ``frame``, ``yaw``, ``pitch``, ``roll`` (radians), ``source`` where the corpus has them.
        class_names: the classes in label order.
        corpus: the corpus' short name, such as ``"genki4k"``.
        path: the folder, archive or file that holds the pictures.
        members: N names within ``path``, one a row.
        synthetic: True where the photos were generated.
        notes: what the loader has to say about the data; part of the provenance.
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

    # The same facts by the same words: these read ``meta`` and ``class_names`` alone.
    labels = FaceDataset.labels
    counts = FaceDataset.counts
    part = FaceDataset.part

    def photo(self, i: int) -> np.ndarray:
        """Returns photo i: uint8 (H, W) where the file is grey, else RGB (H, W, 3); at most ``LONGEST_SIDE`` a side.

        Raises:
            FerError: the file is gone, or is no picture (any more).
        """
        member = self.members[i]
        try:
            return decode_photo(self._source.read(member))
        except Fault as fault:
            raise FerError(
                f"{self._source.describe(member)}: {fault.detail}; fetch the corpus again, or load it again with "
                "skip_bad=True (--skip-bad) to leave the picture out."
            ) from fault

    def photos(self, rows: Iterable[int] | None = None) -> Iterator[np.ndarray]:
        """Yields the photos of the given rows (default: all), in that order, one at a time in memory."""
        for i in range(len(self)) if rows is None else rows:
            yield self.photo(int(i))

    @cached_property
    def content_key(self) -> str:
        """SHA-256 over each file's content and label, in row order: what a cache of crops depends on; 64 digits."""
        digests = content_digests(self._source, dict.fromkeys(self.members)) if self.members else {}
        whole = hashlib.sha256(repr(self.class_names).encode())
        for member, label in zip(self.members, self.labels.tolist(), strict=True):
            whole.update(digests[member] + label.to_bytes(8, "little", signed=True))
        return whole.hexdigest()

    def take(self, rows: Sequence[int] | np.ndarray) -> PhotoSet:
        """Returns the photos of the given rows (integer positions or a boolean mask), in that order."""
        rows = np.asarray(rows)
        rows = np.flatnonzero(rows) if rows.dtype == bool else rows.astype(np.int64)
        members = tuple(self.members[row] for row in rows)
        return replace(self, members=members, meta=self.meta.iloc[rows].reset_index(drop=True))

    @cached_property
    def _source(self) -> Source:
        return open_source(self.path)


def decode_photo(data: bytes) -> np.ndarray:
    """Returns a picture's bytes as uint8 (H, W) or RGB (H, W, 3), upright as its EXIF says.

    A longer side of more than ``LONGEST_SIDE`` pixels is reduced to it.

    Raises:
        Fault: the bytes are no whole picture, or one of a size or kind that is not read.
    """
    if not data:
        raise Fault("empty picture", "the file is empty rather than a picture")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's own warning of large pictures: the limit below is lower
            with Image.open(io.BytesIO(data)) as picture:
                _check_head(picture)
                return _pixels(picture)
    except Image.UnidentifiedImageError:
        raise Fault("not a picture", f"the file cannot be decoded as a picture (it begins with {data[:8]!r})") from None
    except Image.DecompressionBombError:
        raise Fault("too large a picture", _too_large("far more pixels")) from None
    except (OSError, SyntaxError, ValueError, EOFError) as error:  # Pillow raises each of them on damaged files
        reason = " ".join(str(error).split()) or type(error).__name__
        raise Fault(
            "truncated or damaged picture", f"the picture is truncated or damaged ({reason}; {len(data):,} bytes)"
        ) from None


def read_photos(
    source: Source, members: Iterable[str], faults: Faults, *, corpus: str, progress: bool
) -> dict[str, tuple[int, int]]:
    """Decodes every named picture once and returns the (height, width) of those that can be read, by name.

    So a bad picture is found when a corpus is loaded, not hours later. The others are noted in ``faults``.
    """
    sizes: dict[str, tuple[int, int]] = {}
    members = list(members)
    with bar(corpus, len(members), progress=progress) as advance:
        for name, data in source.items(members):
            try:
                height, width = decode_photo(data).shape[:2]
                sizes[name] = (height, width)
            except Fault as fault:
                faults.add(name, name, fault)
            advance(1)
    return sizes


def size_notes(sizes: Iterable[tuple[int, int]]) -> dict[str, list[int]]:
    """Returns the smallest and the largest (height, width), by area, for a loader's notes."""
    ordered = sorted(sizes, key=lambda size: (size[0] * size[1], size))
    return {"smallest": list(ordered[0]), "largest": list(ordered[-1])}


def _check_head(picture: Image.Image) -> None:
    width, height = picture.size
    if width * height > PIXEL_LIMIT:
        raise Fault("too large a picture", _too_large(f"{width:,} x {height:,} pixels"))
    if min(width, height) < SHORTEST_SIDE:
        raise Fault(
            "too small a picture",
            f"the picture is {width} x {height} pixels, where a face needs {SHORTEST_SIDE} on each side",
        )
    if picture.mode not in (*_GREY_MODES, *_COLOUR_MODES):
        raise Fault("unusual pixels", f"the pixels are of kind {picture.mode!r} rather than 8-bit grey or colour")


def _pixels(picture: Image.Image) -> np.ndarray:
    mode = "L" if picture.mode in _GREY_MODES else "RGB"
    if max(picture.size) > LONGEST_SIDE:
        picture.draft(mode, (LONGEST_SIDE, LONGEST_SIDE))  # a JPEG is reduced while it is decoded, never below this
    upright = ImageOps.exif_transpose(picture).convert(mode)
    upright.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.BOX)
    return np.array(upright)


def _too_large(found: str) -> str:
    return f"the picture has {found}, more than the {PIXEL_LIMIT // 1_000_000} megapixels that are read"
