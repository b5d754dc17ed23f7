"""FER-2013: 35,887 grey faces of 48 x 48 pixels in seven classes, with the official split.

The corpus of chen2023, section 2.1; made by Goodfellow et al., "Challenges in representation learning: a report on
three machine learning contests" (2013). It exists as a CSV (the Kaggle competition's) and as image folders. The folders
contain JPEG files, so their pixels and the fingerprint differ a little; labels, counts and split are the same. Some
copies of the folders do not tell the two test parts apart; these are then one split, ``"Test"``.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from fer_lib.datasets.catalog import TITLES
from fer_lib.datasets.face_dataset import UNDIVIDED, FaceDataset, canonical_order
from fer_lib.datasets.fer2013 import ferplus
from fer_lib.datasets.fer2013.csv import (
    CLASS_NAMES,
    SOME_TEST,
    SPLITS,
    Rows,
    ignored_columns,
    layout_name,
    read_csv,
    sniff_columns,
)
from fer_lib.datasets.fer2013.folders import Tree, find_trees, read_tree
from fer_lib.datasets.fer2013.hugging_face import PARQUET, WEBDATASET, Shards, companions, find_shards, read_shards
from fer_lib.datasets.fer2013.lookalikes import is_ckplus
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
from fer_lib.datasets.readers.pictures import SIDE, decode_face, decode_square, is_picture_name
from fer_lib.errors import FerError
from fer_lib.utils.files import file_sha256
from fer_lib.utils.progress import bar

#: Faces per split, by the competition (Goodfellow et al. 2013).
OFFICIAL_COUNTS = {"Training": 28_709, "PublicTest": 3_589, "PrivateTest": 3_589}

#: Faces per split and class, in the order of ``CLASS_NAMES``, counted in the released CSV.
OFFICIAL_CLASS_COUNTS: dict[str, tuple[int, ...]] = {
    "Training": (3995, 436, 4097, 7215, 4830, 3171, 4965),
    "PublicTest": (467, 56, 496, 895, 653, 415, 607),
    "PrivateTest": (491, 55, 528, 879, 594, 416, 626),
}

_EXPECTED = (
    "fer2013.csv (emotion, pixels, Usage), icml_face_data.csv, folders train/<emotion>/ and test/<emotion>/ "
    "(and validation/<emotion>/), a zip or tar.gz of one of these, or the Hugging Face hub's Parquet or WebDataset"
)
_COMPETITION = "competition csv"
_LAYOUT_ORDER = ("csv", "icml csv", "prefixed folders", "plain folders", PARQUET, WEBDATASET, _COMPETITION)
_READER = 4  # goes into the cache's key; raise it when the same file is read otherwise
_OFFICIAL_UNDIVIDED = (
    "The counts per class are those of the official faces, but PublicTest and PrivateTest are not told apart: both are "
    f"the split {UNDIVIDED}, and a result on it cannot be compared with one on PrivateTest."
)
_OTHER_UNDIVIDED = (
    f"The data name one test part, and nothing shows that it is PrivateTest or PublicTest: it is the split {UNDIVIDED}."
)


@dataclass(frozen=True)
class _Layout:
    """One release in a source: a CSV member, a tree of pictures, or files of the Hugging Face hub."""

    name: str
    root: str
    csv: str | None = None
    tree: Tree | None = None
    shards: Shards | None = None
    columns: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()  # CSVs with labels but without Usage, besides the competition's train.csv

    @property
    def rank(self) -> tuple[int, int]:
        return self.root.count("/"), _LAYOUT_ORDER.index(self.name)


def load(path: str | Path, *, skip_bad: bool = False, colour: bool = False, cache: bool = True) -> FaceDataset:
    """Load any release of FER-2013 from a file, an archive (read in place), a folder or a data folder.

    The release is recognised by content. In a folder, an entry named ``fer2013`` comes first (see ``find_corpus``).
    Otherwise the release nearest to the folder is taken; if several are equally near, the CSV comes before the ICML
    CSV, and this before the image folders. Archives in a folder count only if nothing there is unpacked. Two equally
    near releases of one kind are an error.

    Args:
        path: the file, archive, folder or data folder.
        skip_bad: leave faulty rows out, counted in ``notes["skipped"]``, and accept a split with other counts than the
            official ones, rather than stop.
        colour: read image folders of any corpus of faces in colour that has the seven classes (chen2023's future work):
            RGB, the shorter side resized to 48 pixels and the centre kept. FER-2013's counts are then not expected.
        cache: read from and write to the parse cache (``.fer-cache`` next to the data, or ``$FER_CACHE``).

    Returns:
        Faces uint8 (N, 48, 48), or (N, 48, 48, 3) in colour, in canonical order; ``meta`` has ``label``, ``split`` and
        ``source`` (``"row 17"``, or the picture's name below the corpus's root). ``notes`` has ``layout``,
        ``container``, ``skipped``, ``count_deviations`` and, where there is more to say, ``remarks``: sentences on
        columns that were ignored, on parts that are missing or not told apart, and on other copies of the corpus.

    Raises:
        FerError: nothing is recognised, or the data have faults; names the first place and counts all faults. Or
            colour is asked of another layout than image folders.
    """
    target, layout, others = _find(path)
    key = {"corpus": "fer2013", "skip_bad": skip_bad, "decoder": f"opencv {cv2.__version__}", "reader": _READER}
    key |= {"colour": True} if colour else {}

    def build() -> FaceDataset:
        with open_source(target) as source:
            chosen = layout or _choose(source)
            return _read(source, chosen, skip_bad=skip_bad, colour=colour)

    faces = cached(target, key | _content_key(target, layout), build) if cache else build()
    if not others:
        return faces
    read = target.name if layout is None else f"{target.name}/{layout.root}".rstrip("/")
    return replace(faces, notes=locate.also_found(faces.notes, TITLES["fer2013"], read, others))


def recognises(source: Source) -> bool:
    """Tell whether a source contains a CSV or an image-folder release of FER-2013."""
    return bool(_layouts(source))


def official_class_counts(splits: Container[str]) -> dict[str, tuple[int, ...]]:
    """Give ``OFFICIAL_CLASS_COUNTS``, with the sums of the test parts where the splits do not tell them apart."""
    if UNDIVIDED not in splits:
        return OFFICIAL_CLASS_COUNTS
    public, private = (OFFICIAL_CLASS_COUNTS[split] for split in SPLITS[1:])
    both = tuple(map(sum, zip(public, private, strict=True)))
    return {SPLITS[0]: OFFICIAL_CLASS_COUNTS[SPLITS[0]], UNDIVIDED: both}


def _find(path: str | Path) -> tuple[Path, _Layout | None, list[str]]:
    """Find the file to read, or the folder to read and the layout in it; and the other releases that are there."""
    try:
        found = locate.find(path, "fer2013", _layouts, expected=_EXPECTED, rank=_rank)
    except FerError as error:
        raise ferplus.votes_alone(Path(path).expanduser()) or error from None
    if found.releases is None:
        return found.path, None, list(found.others)
    layout = _nearest(found.releases, found.path)
    others = [other.csv or other.root or "train and test" for other in found.releases if other is not layout]
    others += [*layout.unread, *found.others]
    return (found.path / layout.csv, None, others) if layout.csv else (found.path, layout, others)


def _layouts(source: Source) -> list[_Layout]:
    """List every release in a source; the competition's ``train.csv`` and then any incomplete CSV come last."""
    found = [
        _Layout("prefixed folders" if tree.prefixed else "plain folders", tree.root, tree=tree)
        for tree in find_trees(source.names)
    ]
    found += [_Layout(shards.layout, shards.root, shards=shards) for shards in find_shards(source)]
    partial: list[_Layout] = []
    training: list[_Layout] = []
    for name in source.names:
        if is_picture_name(name) or name.endswith(".cls") or source.size(name) == 0:
            continue
        with source.open(name) as stream:
            columns = sniff_columns(stream.read(4096))
        if columns is None or is_ckplus(source, name):
            continue
        root = "".join(f"{part}/" for part in name.split("/")[:-1])
        low = {*map(_low, columns)}
        if "usage" not in low and name.split("/")[-1].lower() in ("train.csv", "train.csv.gz"):
            training.append(_Layout(_COMPETITION, root, csv=name, columns=columns))
        else:
            complete = low >= {"emotion", "pixels", "usage"}
            (found if complete else partial).append(_Layout(layout_name(columns), root, csv=name, columns=columns))
    labelled = tuple(str(layout.csv) for layout in partial if {"emotion", "pixels"} <= {*map(_low, layout.columns)})
    return found or [replace(layout, unread=labelled) for layout in training] or partial


def _low(column: str) -> str:
    return column.strip().lower()


def _choose(source: Source) -> _Layout:
    layouts = _layouts(source)
    if not layouts and any(is_ckplus(source, name) for name in source.names):
        raise FerError(
            f"{source.path} is CK+ as a CSV, with contempt as an eighth class, and not FER-2013; give fer2013.csv "
            "here, and this file as ckplus.csv in the data folder."
        )
    if not layouts:
        raise ferplus.votes_alone(source.path) or locate.unrecognised(source.path, "fer2013", _EXPECTED, source.names)
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
        beside = archive_kind(target) in (None, "compressed") and (target.parent / MARKER).exists()
        name = target.name.lower() if target.name.lower().startswith("train.csv") else ""  # the name gives the part
        return {"sha256": file_sha256(target), "marked": beside} | ({"name": name} if name else {}) | companions(target)
    with open_source(target) as source:
        if layout.shards:
            files = {name: file_sha256(target / name) for name, _ in layout.shards.members}
            own = {"files": files, "classes": layout.shards.classes, "layout": layout.name}
            return {**own, "root": layout.root, "marked": locate.marked(source, layout.root)}
        assert layout.tree is not None  # a layout here is shards or a tree
        digest = members_digest(content_digests(source, layout.tree.members))
        return {"sha256": digest, "root": layout.root, "marked": locate.marked(source, layout.root)}


def _read(source: Source, layout: _Layout, *, skip_bad: bool, colour: bool) -> FaceDataset:
    member = layout.csv or layout.root.rstrip("/")
    origin = source.describe(member) if member else source.path.name
    if colour and layout.tree is None:
        raise FerError(
            f"{origin} is FER-2013 as {layout.name}, whose faces are grey; give folders train/<emotion>/ and "
            "test/<emotion>/ of pictures in colour, or set channels to grey."
        )
    faults = Faults(origin, skip_bad)
    synthetic = locate.marked(source, layout.root)
    rows = _rows(source, layout, origin, faults, colour=colour)
    skipped = faults.settle()
    if not len(rows.images):
        raise FerError(f"{origin} contains no face that can be read; fetch the corpus again.")
    rows, names = _named_splits(rows, origin)
    _refuse_emptied_class(rows, names, faults, skipped)
    _refuse_exchanged_tests(rows, origin)
    notes = {
        "layout": layout.name,
        "container": source.container,
        "skipped": skipped,
        "count_deviations": {} if colour else _deviations(rows, names, layout, origin, tolerated=skip_bad or synthetic),
    }
    remarks = _remarks(layout)
    if UNDIVIDED in names and not colour:
        remarks.append(_OTHER_UNDIVIDED if notes["count_deviations"] else _OFFICIAL_UNDIVIDED)
    notes |= {"remarks": remarks} if remarks else {}
    if layout.unread:
        notes = locate.also_found(notes, TITLES["fer2013"], str(layout.csv), layout.unread)
    return _dataset(rows, names, notes, synthetic, corpus="colour" if colour else "fer2013")


def _rows(source: Source, layout: _Layout, origin: str, faults: Faults, *, colour: bool) -> Rows:
    """Read all rows of a layout."""
    if layout.csv:
        rank = 0 if layout.name == _COMPETITION else None
        with (
            bar("fer2013", source.size(layout.csv), unit="B") as advance,
            source.open(layout.csv) as stream,
        ):
            return read_csv(stream, origin, faults=faults, advance=advance, rank=rank)
    if layout.shards:
        with bar("fer2013", sum(OFFICIAL_COUNTS.values()), unit="faces") as advance:
            return read_shards(source, layout.shards, faults=faults, advance=advance)
    assert layout.tree is not None  # a layout has a CSV, shards or a tree
    with bar("fer2013", len(layout.tree.members), unit="faces") as advance:
        decode = partial(decode_square, side=SIDE) if colour else decode_face
        return read_tree(source, layout.tree, faults=faults, advance=advance, decode=decode)


def _named_splits(rows: Rows, origin: str) -> tuple[Rows, tuple[str, ...]]:
    """Name the splits in the order of their ranks; a test part that may be another than PrivateTest is ``UNDIVIDED``.

    This is a lone test part of more faces than PrivateTest, one that is only called a test, or one that is called a
    test next to a validation part if one of the two has too many faces. The rows get ranks below ``SOME_TEST``.

    Raises:
        FerError: there are faces of PrivateTest and of a part that is only called a test.
    """
    _, public, private, some = np.bincount(rows.split_ranks, minlength=SOME_TEST + 1).tolist()
    if private and some:
        raise FerError(
            f"{origin} has {private:,} faces of PrivateTest and {some:,} of a part that is only called test, so nobody "
            "knows which part these are; call them PublicTest or PrivateTest."
        )
    rows = replace(rows, split_ranks=np.where(rows.split_ranks == SOME_TEST, 2, rows.split_ranks))
    most, test = OFFICIAL_COUNTS["PrivateTest"], private + some
    if public and test:
        return rows, (*SPLITS[:2], UNDIVIDED) if some and max(public, some) > most else SPLITS
    undivided = some or max(public, test) > most
    return rows, (SPLITS[0], UNDIVIDED, UNDIVIDED) if undivided else SPLITS


def _refuse_emptied_class(rows: Rows, names: tuple[str, ...], faults: Faults, skipped: dict[str, int]) -> None:
    """Raise FerError if the faces left out are perhaps all faces of a class, in the whole corpus or in a part."""
    labels = {fault.label for *_, fault in faults.found}
    for rank in np.unique(rows.split_ranks).tolist():
        counts = np.bincount(rows.labels[rows.split_ranks == rank], minlength=len(CLASS_NAMES)).tolist()
        if emptied := [name for label, name in enumerate(CLASS_NAMES) if not counts[label] and labels & {None, label}]:
            raise FerError(
                f"{faults.first(skipped)}; leaving out all {sum(skipped.values()):,} would leave {names[rank]} without "
                f"a face of {' and '.join(emptied)}: repair the data."
            )


def _refuse_exchanged_tests(rows: Rows, origin: str) -> None:
    """Raise FerError if the validation part has PrivateTest's counts per class, and the test part PublicTest's."""
    found = [tuple(np.bincount(rows.labels[rows.split_ranks == rank], minlength=len(CLASS_NAMES))) for rank in (2, 1)]
    if found == [OFFICIAL_CLASS_COUNTS[split] for split in SPLITS[1:]] and found[0] != found[1]:
        raise FerError(
            f"{origin} has PrivateTest's faces in the part for validation and PublicTest's in the part for testing, by "
            "their counts per class; exchange the names of the two parts."
        )


def _deviations(rows: Rows, names: tuple[str, ...], layout: _Layout, origin: str, *, tolerated: bool) -> dict:
    """Compare the counts with the official ones, by split; undivided test parts by class too, which identifies them."""
    found = dict.fromkeys(names, 0)
    for rank, count in enumerate(np.bincount(rows.split_ranks, minlength=len(SPLITS)).tolist()):
        found[names[rank]] += count
    official = dict.fromkeys(names, 0)
    for rank, split in enumerate(SPLITS):
        official[names[rank]] += OFFICIAL_COUNTS[split]
    if layout.name == _COMPETITION:
        official = {"Training": OFFICIAL_COUNTS["Training"]}
    elif UNDIVIDED in names and found == official:
        for part, known in official_class_counts(names).items():
            here = np.array(names)[rows.split_ranks] == part
            counts = np.bincount(rows.labels[here], minlength=len(CLASS_NAMES)).tolist()
            for name, count, expected in zip(CLASS_NAMES, counts, known, strict=True):
                found[f"{part} {name}"], official[f"{part} {name}"] = count, expected
    return locate.deviations(found, official, origin, tolerated=tolerated)


def _remarks(layout: _Layout) -> list[str]:
    """Say in sentences what a user should know about a release besides its counts."""
    remarks = []
    if ignored := ignored_columns(layout.columns):
        columns = "The column" if len(ignored) == 1 else "The columns"
        remarks.append(
            f"{columns} {', '.join(ignored)} of {layout.csv} {'was' if len(ignored) == 1 else 'were'} not read."
        )
    if layout.name == _COMPETITION:
        remarks.append(
            f"{layout.csv} has no column Usage: it is read as the competition's training part; the test parts, which "
            "the competition gave without labels, are missing."
        )
    return remarks


def _dataset(rows: Rows, names: tuple[str, ...], notes: dict, synthetic: bool, *, corpus: str) -> FaceDataset:
    order = canonical_order(rows.images, rows.labels, rows.split_ranks, rows.sources)
    meta = pd.DataFrame(
        {
            "label": rows.labels[order].tolist(),
            "split": [names[rank] for rank in rows.split_ranks[order].tolist()],
            "source": [rows.sources[row] for row in order.tolist()],
        }
    )
    return FaceDataset(rows.images[order], meta, CLASS_NAMES, corpus, synthetic, notes)
