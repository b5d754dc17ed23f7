"""FER-2013: 35,887 grey faces of 48 x 48 pixels in seven classes, with the official split.

The corpus of chen2023, section 2.1; made by Goodfellow et al., "Challenges in representation learning: a report on
three machine learning contests" (2013). It exists as a CSV (the Kaggle competition's) and as image folders. The folders
contain JPEG files, so their pixels and the fingerprint differ a little; labels, counts and split are the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from fer_lib.datasets.face_dataset import FaceDataset, canonical_order
from fer_lib.datasets.fer2013.csv import CLASS_NAMES, SPLITS, Rows, layout_name, read_csv, sniff_columns
from fer_lib.datasets.fer2013.folders import Tree, find_trees, read_tree
from fer_lib.datasets.readers import locate
from fer_lib.datasets.readers.archives import (
    Source,
    archive_kind,
    content_digests,
    members_digest,
    open_source,
)
from fer_lib.datasets.readers.cache import cached
from fer_lib.datasets.readers.faults import Faults
from fer_lib.datasets.readers.locate import MARKER
from fer_lib.datasets.readers.pictures import is_picture_name
from fer_lib.errors import FerError
from fer_lib.utils.files import file_sha256
from fer_lib.utils.progress import bar

#: Faces per split, by the competition (Goodfellow et al. 2013).
OFFICIAL_COUNTS = {"Training": 28_709, "PublicTest": 3_589, "PrivateTest": 3_589}

#: Faces per split and class, in the order of ``CLASS_NAMES``, counted in the released CSV.
OFFICIAL_CLASS_COUNTS = {
    "Training": (3995, 436, 4097, 7215, 4830, 3171, 4965),
    "PublicTest": (467, 56, 496, 895, 653, 415, 607),
    "PrivateTest": (491, 55, 528, 879, 594, 416, 626),
}

_EXPECTED = (
    "fer2013.csv (emotion, pixels, Usage), icml_face_data.csv, folders train/<emotion>/ and test/<emotion>/ "
    "(and validation/<emotion>/), or a zip or tar.gz of one of these"
)
_LAYOUT_ORDER = ("csv", "icml csv", "prefixed folders", "plain folders")


@dataclass(frozen=True)
class _Layout:
    """One release in a source: a CSV member or a tree of pictures."""

    name: str
    root: str
    csv: str | None = None
    tree: Tree | None = None

    @property
    def rank(self) -> tuple[int, int]:
        return self.root.count("/"), _LAYOUT_ORDER.index(self.name)


def load(path: str | Path, *, skip_bad: bool = False, cache: bool = True, progress: bool = True) -> FaceDataset:
    """Load any release of FER-2013 from a file, an archive (read in place), a folder or a data folder.

    The release is recognised by content. In a folder, an entry named ``fer2013`` comes first (see ``find_corpus``).
    Otherwise the release nearest to the folder is taken; if several are equally near, the CSV comes before the ICML
    CSV, and this before the image folders. Archives in a folder count only if nothing there is unpacked. Two equally
    near releases of one kind are an error.

    Args:
        path: the file, archive, folder or data folder.
        skip_bad: leave faulty rows out, counted in ``notes["skipped"]``, and accept a split with other counts than the
            official ones, rather than stop.
        cache: read from and write to the parse cache (``.fer-cache`` next to the data, or ``$FER_CACHE``).
        progress: show a progress bar on a terminal; never under ``CI``.

    Returns:
        Faces uint8 (N, 48, 48) in canonical order; ``meta`` has ``label``, ``split`` and ``source`` (``"row 17"``, or
        the picture's name below the corpus's root). ``notes`` has ``layout``, ``container``, ``skipped`` and
        ``count_deviations``.

    Raises:
        FerError: nothing is recognised, or the data have faults; names the first place and counts all faults.
    """
    target, layout = _find(path)
    key = {"corpus": "fer2013", "skip_bad": skip_bad, "decoder": f"opencv {cv2.__version__}"}

    def build() -> FaceDataset:
        with open_source(target) as source:
            return _read(source, layout or _choose(source), skip_bad=skip_bad, progress=progress)

    return cached(target, key | _content_key(target, layout), build) if cache else build()


def recognises(source: Source) -> bool:
    """Tell whether a source contains a CSV or an image-folder release of FER-2013."""
    return bool(_layouts(source))


def _find(path: str | Path) -> tuple[Path, _Layout | None]:
    """Find the file to read, or the folder to read and the layout in it."""
    found = locate.find(path, "fer2013", _layouts, expected=_EXPECTED, rank=_rank)
    if found.releases is None:
        return found.path, None
    layout = _nearest(found.releases, found.path)
    return (found.path / layout.csv, None) if layout.csv else (found.path, layout)


def _layouts(source: Source) -> list[_Layout]:
    """List every release in a source; an incomplete CSV counts only if there is nothing else."""
    found = [
        _Layout("prefixed folders" if tree.prefixed else "plain folders", tree.root, tree=tree)
        for tree in find_trees(source.names)
    ]
    partial: list[_Layout] = []
    for name in source.names:
        if is_picture_name(name) or source.size(name) == 0:
            continue
        with source.open(name) as stream:
            columns = sniff_columns(stream.read(4096))
        if columns is None:
            continue
        root = "".join(f"{part}/" for part in name.split("/")[:-1])
        complete = {column.strip().lower() for column in columns} >= {"emotion", "pixels", "usage"}
        (found if complete else partial).append(_Layout(layout_name(columns), root, csv=name))
    return found or partial


def _choose(source: Source) -> _Layout:
    layouts = _layouts(source)
    if not layouts:
        raise locate.unrecognised(source.path, "fer2013", _EXPECTED, source.names)
    return _nearest(layouts, source.path)


def _nearest(layouts: list[_Layout], path: Path) -> _Layout:
    nearest = [layout for layout in layouts if layout.rank == _rank(layouts)]
    if len(nearest) > 1:
        raise locate.more_than_once(path, "fer2013", (layout.csv or layout.root for layout in nearest))
    return nearest[0]


def _rank(layouts: list[_Layout]) -> tuple[int, int]:
    return min(layout.rank for layout in layouts)


def _content_key(target: Path, layout: _Layout | None) -> dict[str, object]:
    """Identify the content for the cache: SHA-256 of the file, or of all pictures' names and bytes."""
    if layout is None:
        beside = archive_kind(target) is None and (target.parent / MARKER).exists()
        return {"sha256": file_sha256(target), "marked": beside}
    assert layout.tree is not None  # only a tree has a layout here
    with open_source(target) as source:
        digest = members_digest(content_digests(source, layout.tree.members))
        return {"sha256": digest, "root": layout.root, "marked": locate.marked(source, layout.root)}


def _read(source: Source, layout: _Layout, *, skip_bad: bool, progress: bool) -> FaceDataset:
    member = layout.csv or layout.root.rstrip("/")
    origin = source.describe(member) if member else source.path.name
    faults = Faults(origin, skip_bad)
    synthetic = locate.marked(source, layout.root)
    if layout.csv:
        with (
            bar("fer2013", source.size(layout.csv), unit="B", progress=progress) as advance,
            source.open(layout.csv) as stream,
        ):
            rows = read_csv(stream, origin, faults=faults, advance=advance)
    else:
        assert layout.tree is not None  # a layout has a CSV or a tree
        with bar("fer2013", len(layout.tree.members), unit="faces", progress=progress) as advance:
            rows = read_tree(source, layout.tree, faults=faults, advance=advance)
    skipped = faults.settle()
    found = dict(zip(SPLITS, np.bincount(rows.split_ranks, minlength=len(SPLITS)).tolist(), strict=True))
    if not len(rows.images):
        raise FerError(f"{origin} contains no face that can be read; fetch the corpus again.")
    differing = locate.deviations(found, OFFICIAL_COUNTS, origin, tolerated=skip_bad or synthetic)
    notes = {
        "layout": layout.name,
        "container": source.container,
        "skipped": skipped,
        "count_deviations": differing,
    }
    return _dataset(rows, notes, synthetic)


def _dataset(rows: Rows, notes: dict, synthetic: bool) -> FaceDataset:
    order = canonical_order(rows.images, rows.labels, rows.split_ranks, rows.sources)
    meta = pd.DataFrame(
        {
            "label": rows.labels[order].tolist(),
            "split": [SPLITS[rank] for rank in rows.split_ranks[order].tolist()],
            "source": [rows.sources[row] for row in order.tolist()],
        }
    )
    return FaceDataset(rows.images[order], meta, CLASS_NAMES, "fer2013", synthetic, notes)
