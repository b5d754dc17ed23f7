"""Read FER-2013's image folders: ``<split>/<emotion>/<picture>``, with or without ``Training_`` prefixes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

import numpy as np

from fer_lib.datasets.fer2013.csv import CLASS_NAMES, EMOTION_LABELS, SOME_TEST, SPLIT_RANKS, SPLITS, Rows
from fer_lib.datasets.fer2013.lookalikes import is_ckplus_frame
from fer_lib.datasets.readers.archives import Source
from fer_lib.datasets.readers.faults import Fault, Faults
from fer_lib.datasets.readers.pictures import SIDE, decode_face, is_picture_name
from fer_lib.errors import nearest
from fer_lib.utils.parallel import batches, in_order

_BATCH, _BATCH_BYTES = 64, 2**20  # most pictures and bytes that a thread decodes at a time

_LABELS = EMOTION_LABELS | {str(label): label for label in range(len(CLASS_NAMES))}
_PREFIXES = {f"{split.lower()}_": rank for rank, split in enumerate(SPLITS)}


@dataclass(frozen=True)
class Tree:
    """A folder of split folders with emotion folders.

    Attributes:
        root: its name within the source, ``""`` or ending with ``/``.
        prefixed: whether the file names (``PublicTest_123.jpg``) give the split.
        members: all files below its split folders, as names within the source, sorted.
    """

    root: str
    prefixed: bool
    members: tuple[str, ...]


def find_trees(names: Iterable[str]) -> list[Tree]:
    """List every image-folder tree among the names, by root: those with a picture in its place that is not CK+'s."""
    roots: set[str] = set()
    for name in names:
        parts = name.split("/")
        placed = len(parts) >= 3 and parts[-3].lower() in SPLIT_RANKS and parts[-2].lower() in _LABELS
        if placed and not is_ckplus_frame(name):
            roots.add("".join(f"{part}/" for part in parts[:-3]))
    return [_tree(root, names) for root in sorted(roots)]


def read_tree(
    source: Source,
    tree: Tree,
    *,
    faults: Faults,
    advance: Callable[[int], object],
    decode: Callable[[bytes], np.ndarray] = decode_face,
) -> Rows:
    """Decode the pictures of a tree to faces.

    Args:
        source: contains the members.
        tree: from ``find_trees``.
        faults: receives the faults; faulty pictures are left out of the result.
        advance: called with the number of pictures read, for the progress bar.
        decode: decodes one picture, by default to a grey face; all faces must have one shape.
    """
    placed: dict[str, tuple[int, int]] = {}
    for name in tree.members:
        within = name.removeprefix(tree.root)
        try:
            placed[name] = place_of(within, prefixed=tree.prefixed)
        except Fault as fault:
            faults.add(within, within, fault)
    images: dict[str, np.ndarray] = {}
    together = batches(source.items(placed), lambda item: len(item[1]), limit=_BATCH_BYTES, most=_BATCH)
    for decoded in in_order(partial(_decoded, decode=decode), together):
        advance(len(decoded))
        for name, face in decoded:
            if isinstance(face, Fault):
                within = name.removeprefix(tree.root)
                face.label = placed[name][1]
                faults.add(within, within, face)
            else:
                images[name] = face
    kept = [name for name in placed if name in images]
    return Rows(
        np.stack([images[name] for name in kept]) if kept else np.empty((0, SIDE, SIDE), np.uint8),
        np.array([placed[name][1] for name in kept], np.int64),
        np.array([placed[name][0] for name in kept], np.int64),
        [name.removeprefix(tree.root) for name in kept],
    )


def _decoded(
    batch: list[tuple[str, bytes]], decode: Callable[[bytes], np.ndarray]
) -> list[tuple[str, np.ndarray | Fault]]:
    """Decode each picture to its face or its fault."""
    faces: list[tuple[str, np.ndarray | Fault]] = []
    for name, data in batch:
        try:
            faces.append((name, decode(data)))
        except Fault as fault:
            faces.append((name, fault))
    return faces


def _tree(root: str, names: Iterable[str]) -> Tree:
    members = []
    for name in names:
        parts = name[len(root) :].split("/") if name.startswith(root) else []
        # Every file in an emotion folder must be a picture; elsewhere below a split only pictures matter (no READMEs).
        if len(parts) >= 2 and parts[0].lower() in SPLIT_RANKS and (len(parts) == 3 or is_picture_name(name)):
            members.append(name)
    prefixed = any(_prefix_rank(name) is not None for name in members)
    return Tree(root, prefixed, tuple(sorted(members)))


def _prefix_rank(name: str) -> int | None:
    base = name.rsplit("/", 1)[-1].lower()
    return next((rank for prefix, rank in _PREFIXES.items() if base.startswith(prefix)), None)


def place_of(within: str, *, prefixed: bool) -> tuple[int, int]:
    """Derive split rank and label of a member from its name below the root; raise Fault if they are unknown."""
    parts = within.split("/")
    if len(parts) != 3:
        raise Fault("misplaced picture", "the picture is not in <split>/<emotion>/")
    label = _LABELS.get(parts[1].lower())
    if label is None:
        known = ", ".join(CLASS_NAMES)
        hint = nearest(parts[1].lower(), CLASS_NAMES)
        raise Fault(
            "unknown emotion",
            f"the folder {parts[1]!r} is no emotion of FER-2013 ({known}, or 0-6){hint}",
            remedy="give the folder the name of its emotion, or take it out of the corpus",
        )
    folder = SPLIT_RANKS[parts[0].lower()]
    if not prefixed:
        return folder, label
    rank = _prefix_rank(within)
    if rank is None:
        raise Fault("unknown Usage", "the name does not begin with Training_, PublicTest_ or PrivateTest_ as others do")
    # The release keeps both test parts in test/; other repackings keep PublicTest_ in validation/.
    if rank != folder and not (rank and folder == SOME_TEST):
        raise Fault("split contradicts folder", f"the name says {SPLITS[rank]} but the folder is {parts[0]!r}")
    return rank, label
