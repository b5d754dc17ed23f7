"""Labelled images of objects for pre-training: Tiny-ImageNet, or any corpus in folders of classes, such as ImageNet.

Two layouts are read, each as a folder or a zip, in place:

* the official one of Tiny-ImageNet: ``train/<wnid>/images/*.JPEG``, ``val/images/*.JPEG`` with ``val_annotations.txt``,
  ``wnids.txt`` and perhaps ``words.txt``;
* image folders: ``train/<class>/…`` and ``val/<class>/…`` (or ``validation``), pictures of any size at any depth.

Images are decoded once, at the side that is asked for, into the parse cache. They are then a memory map, so that
ImageNet's 1.3 million images (9 GB at 48 pixels) need little memory. Rows have a canonical order, by class and file
name; shuffle them before training.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import pandas as pd
import PIL

from fer_lib.datasets.readers import locate
from fer_lib.datasets.readers.archives import Source, open_source, visible
from fer_lib.datasets.readers.faults import Fault, Faults
from fer_lib.datasets.readers.mapped import MappedImages, mapped
from fer_lib.datasets.readers.pictures import decode_square, is_picture_name
from fer_lib.errors import FerError
from fer_lib.utils.parallel import batches, in_order
from fer_lib.utils.progress import bar

#: Classes and images of Tiny-ImageNet, by its makers (Stanford's CS231n, 2015).
OFFICIAL_COUNTS = {
    "classes": 200,
    "classes of 500 training images": 200,
    "training images": 100_000,
    "validation images": 10_000,
}

#: Smallest and largest side of the decoded images, in pixels.
SIDES = (8, 1024)

CORPUS = "tiny-imagenet"

#: The two layouts, as ``notes["layout"]`` names them.
OFFICIAL, FOLDERS = "official Tiny-ImageNet", "image folders"

#: Licence terms by layout; the report on the corpus ends with them.
TERMS = {
    OFFICIAL: (
        "Tiny-ImageNet is a subset of ImageNet (Deng et al. 2009), whose terms of access allow non-commercial research "
        "and education; the images belong to their owners: do not publish them."
    ),
    FOLDERS: "Folders of classes may be any corpus: read its own terms before you use or publish its images.",
}

_TRAIN, _VALIDATION = ("train",), ("val", "validation")
_ANNOTATIONS = "val_annotations.txt"
_EXPECTED = (
    f"Tiny-ImageNet's train/<wnid>/images/, val/images/, val/{_ANNOTATIONS} and wnids.txt, or train/<class>/ and "
    "val/<class>/ with pictures, as a folder or a zip"
)
_BATCH, _BATCH_BYTES = 64, 2**22  # most pictures and bytes that a thread decodes at a time
_HASHED = 256  # images that are hashed at a time


@dataclass(frozen=True)
class ImageFolders:
    """Training and validation images of one size, with their classes.

    Attributes:
        images: training images, uint8 (N, side, side, 3), RGB; a read-only memory map if ``load`` made it.
        labels: their positions in ``class_names``, int64 (N,).
        val_images: validation images, uint8 (M, side, side, 3).
        val_labels: int64 (M,).
        class_names: the wnids or folder names in label order, sorted.
        class_titles: a readable name for each class: the words of ``words.txt``, otherwise the class's name.
        corpus: ``"tiny-imagenet"`` for the official layout, otherwise ``"image folders"``.
        synthetic: True if the images were generated.
        notes: the loader's remarks about the data; part of the provenance.
        names: the files within the corpus, of the training and then of the validation images; empty without files.
        pixels_sha256: SHA-256 of the training and then the validation pixels, if it is known already.
    """

    images: np.ndarray
    labels: np.ndarray
    val_images: np.ndarray
    val_labels: np.ndarray
    class_names: tuple[str, ...]
    class_titles: tuple[str, ...]
    corpus: str
    synthetic: bool = False
    notes: dict = field(default_factory=dict)
    names: tuple[str, ...] = ()
    pixels_sha256: str = ""

    def __post_init__(self) -> None:
        for images, labels in ((self.images, self.labels), (self.val_images, self.val_labels)):
            if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1:] != (self.side, self.side, 3):
                raise ValueError(f"images must be uint8 (n, side, side, 3), not {images.dtype} {images.shape}")
            if len(images) != len(labels):
                raise ValueError(f"{len(images)} images but {len(labels)} labels")

    def __len__(self) -> int:
        return len(self.images)

    def counts(self) -> pd.DataFrame:
        """Count the images of each part: rows training and validation, column total."""
        return pd.DataFrame({"total": {"training": len(self.images), "validation": len(self.val_images)}})

    @property
    def side(self) -> int:
        """Height and width of the images in pixels."""
        return self.images.shape[1]

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over the shapes, the pixels and the labels of both parts, in row order: 64 hexadecimal digits."""
        pixels = self.pixels_sha256 or _sha256(self.images, self.val_images)
        shapes = (tuple(self.images.shape), tuple(self.val_images.shape))
        digest = hashlib.sha256(f"{shapes}{pixels}".encode())
        for labels in (self.labels, self.val_labels):
            digest.update(labels.astype("<i8").tobytes())
        return digest.hexdigest()


def load(path: str | Path, *, side: int = 64, skip_bad: bool = False, cache: bool = True) -> ImageFolders:
    """Load Tiny-ImageNet, or any corpus in folders of classes, from a folder, a zip (read in place) or a data folder.

    In a data folder, an entry whose name starts with ``tiny-imagenet`` comes first. The layout is recognised by
    content. Files that are not pictures are ignored.

    Args:
        path: the folder, zip or data folder.
        side: height and width of the images in pixels: the shorter side is resized to it, the centre is cropped.
        skip_bad: leave out and count faulty images rather than stop. A class without training images is an error all
            the same.
        cache: read from and write to the parse cache (``.fer-cache`` next to the data, or ``$FER_CACHE``); otherwise
            the pixels are in a temporary file. The key of a cached file consists of the names, sizes and checksums
            (in a folder: times of change) of all pictures.

    Returns:
        Both parts, sorted by class and file name. ``notes`` has ``layout``, ``container``, ``side``, ``decoder``,
        ``skipped``, ``count_deviations`` (official layout only; other counts are accepted) and
        ``classes_without_validation`` (a number).

    Raises:
        FerError: nothing is recognised, or the data have faults; names the first place and counts all faults.
    """
    if not SIDES[0] <= side <= SIDES[1]:
        raise FerError(f"Found side={side}; expected {SIDES[0]} to {SIDES[1]} pixels.")
    target = locate.find(path, CORPUS, _roots, expected=_EXPECTED).path
    asked = {"skip_bad": skip_bad} | ({"lists": "left_out"} if skip_bad else {})
    with open_source(target) as source:
        if source.container == "tar":
            raise FerError(
                f"{target} is a tar archive, whose members cannot be read in any order; unpack it, or pack it as a zip."
            )
        root = _root(source)
        plan = _planned(source, root)
        found = mapped(
            target,
            {"corpus": CORPUS, **asked, "decoder": _decoder(), "content": _content(source, plan)},
            (side, side, 3),
            partial(_decode, source, plan, side=side, skip_bad=skip_bad),
            cache=cache,
        )
        return _result(source, root, plan, found)


def recognises(source: Source) -> bool:
    """Tell whether a source contains folders of classes for training and for validation."""
    parts = {(root, part) for root, part, _ in _placed(source.names)}
    return any((root, "val") in parts for root, part in parts if part == "train")


@dataclass(frozen=True)
class _Plan:
    """The members to read, in row order, and the faults that were found without reading them.

    Attributes:
        layout: one of the two layouts.
        origin: the name of the corpus in messages.
        root: its folder within the source, ``""`` or ending with ``/``.
        class_names: in label order.
        class_titles: in label order.
        members: names of pictures by part (0 training, 1 validation) and label, sorted.
        faults: place and fault.
    """

    layout: str
    origin: str
    root: str
    class_names: tuple[str, ...]
    class_titles: tuple[str, ...]
    members: dict[tuple[int, int], list[str]]
    faults: list[tuple[str, Fault]]

    def rows(self) -> Iterator[str]:
        """Yield the members in row order."""
        for place in sorted(self.members):
            yield from self.members[place]


# --- the layouts -----------------------------------------------------------------------------------------------------


def _placed(names: Iterable[str]) -> Iterator[tuple[str, str, str]]:
    """Yield root, part (``"train"`` or ``"val"``) and place below the part of every picture in a class or deeper."""
    for name in names:
        if not is_picture_name(name):
            continue
        parts = name.split("/")
        for depth, part in enumerate(parts[:-2]):
            low = part.lower()
            if low in _TRAIN or low in _VALIDATION:
                root = "".join(f"{above}/" for above in parts[:depth])
                yield root, "train" if low in _TRAIN else "val", "/".join(parts[depth + 1 :])
                break


def _roots(source: Source) -> list[str]:
    """List the folders that contain ``train/<class>/`` with pictures: ``""`` or ending with ``/``."""
    return sorted({root for root, part, _ in _placed(source.names) if part == "train"})


def _root(source: Source) -> str:
    roots = sorted(_roots(source), key=lambda root: root.count("/"))
    if not roots:
        raise locate.unrecognised(source.path, CORPUS, _EXPECTED, source.names)
    nearest = [root for root in roots if root.count("/") == roots[0].count("/")]
    if len(nearest) > 1:
        raise locate.more_than_once(source.path, CORPUS, nearest)
    return nearest[0]


def _planned(source: Source, root: str) -> _Plan:
    """Give every picture its place; raise FerError if a class or a whole part has none."""
    origin = source.describe(root.rstrip("/")) if root else source.path.name
    train, val = _parts(source, root)
    if not val:
        raise FerError(f"{origin} contains no validation images (val); expected {_EXPECTED}.")
    annotations = next((name for name in _annotation_names(root) if name in source.names), None)
    if annotations is None and _first(val[0], root) == "images" and len({_first(name, root) for name in val}) == 1:
        raise FerError(f"{origin} lacks val/{_ANNOTATIONS}, the classes of its validation images; unpack it again.")
    faults: list[tuple[str, Fault]] = []
    members: dict[tuple[int, int], list[str]] = {}
    class_names = _class_names(source, root, train, official=annotations is not None)
    labels = {name: label for label, name in enumerate(class_names)}

    def place(part: int, name: str, class_name: str) -> None:
        if class_name in labels:
            members.setdefault((part, labels[class_name]), []).append(name)
        else:
            known = f"{len(labels):,} classes of {'training' if annotations is None else 'wnids.txt'}"
            detail = f"the class {class_name!r} is none of the {known}"
            faults.append((name.removeprefix(root), Fault("unknown class", detail)))

    for name in train:
        place(0, name, _first(name, root))
    if annotations is None:
        for name in val:
            place(1, name, _first(name, root))
    else:
        for name, class_name in _annotated(source, annotations, val, root, faults).items():
            place(1, name, class_name)
    _check_classes(origin, class_names, {label for part, label in members if not part})
    for names in members.values():
        names.sort()
    layout = FOLDERS if annotations is None else OFFICIAL
    return _Plan(layout, origin, root, class_names, _titles(source, root, class_names), members, faults)


def _parts(source: Source, root: str) -> tuple[list[str], list[str]]:
    """List the training and the validation pictures' names, sorted."""
    parts: dict[str, list[str]] = {"train": [], "val": []}
    for name in source.names:
        for found, part, _ in _placed([name]):
            if found == root:
                parts[part].append(name)
    return parts["train"], parts["val"]


def _first(name: str, root: str) -> str:
    """Give the folder below ``train`` or ``val`` that a picture is in: its class."""
    return name[len(root) :].split("/")[1]


def _annotation_names(root: str) -> list[str]:
    return [f"{root}{folder}/{_ANNOTATIONS}" for folder in _VALIDATION]


def _class_names(source: Source, root: str, train: Iterable[str], *, official: bool) -> tuple[str, ...]:
    """Give the classes in label order: ``wnids.txt`` of the official layout, else the folders below ``train``."""
    if official and f"{root}wnids.txt" in source.names:
        names = {line.strip() for line in source.text(f"{root}wnids.txt").splitlines()} - {""}
        if not names:
            raise FerError(
                f"{source.describe(f'{root}wnids.txt')} is empty; expected a class a line, such as n01443537."
            )
        return tuple(sorted(names))
    folders = {_first(name, root) for name in train}
    if source.container == "folder":  # names of files do not show an empty folder
        for part in source.path.joinpath(root).iterdir():
            if part.name.lower() in _TRAIN:
                folders |= {entry.name for entry in part.iterdir() if entry.is_dir() and visible(entry.name)}
    return tuple(sorted(folders))


def _check_classes(origin: str, class_names: tuple[str, ...], filled: set[int]) -> None:
    empty = [name for label, name in enumerate(class_names) if label not in filled]
    if empty:
        more = f" (the first of {len(empty):,} such classes)" if len(empty) > 1 else ""
        raise FerError(
            f"{origin} contains no training images of the class {empty[0]!r}{more}; unpack it again, or remove the "
            "class (its folder, or its line in wnids.txt)."
        )


def _annotated(
    source: Source, annotations: str, val: Iterable[str], root: str, faults: list[tuple[str, Fault]]
) -> dict[str, str]:
    """Give the class of every validation picture in Tiny-ImageNet's annotations; add what is wrong to ``faults``."""
    folder = annotations.removesuffix(_ANNOTATIONS) + "images/"
    images = {name for name in val if name.startswith(folder)}
    classes: dict[str, str] = {}
    for number, line in enumerate(source.text(annotations).splitlines(), start=1):
        cells = line.split("\t")
        if not line.strip():
            continue
        try:
            if len(cells) < 2:
                raise Fault("wrong line", f"{line[:60]!r} is no picture and class, separated by a tab")
            name = folder + cells[0].strip()
            if name not in images:
                raise Fault("missing image", f"the line names {cells[0]!r}, and no such picture is in val/images")
            if name in classes:
                raise Fault("second annotation", f"{cells[0]!r} has an annotation already")
            classes[name] = cells[1].strip()
        except Fault as fault:
            faults.append((f"{annotations.removeprefix(root)}, line {number}", fault))
    for name in sorted(images - set(classes)):
        faults.append(
            (name.removeprefix(root), Fault("missing annotation", f"{_ANNOTATIONS} does not name the picture"))
        )
    return classes


def _titles(source: Source, root: str, class_names: tuple[str, ...]) -> tuple[str, ...]:
    if f"{root}words.txt" not in source.names:
        return class_names
    lines = (line.partition("\t") for line in source.text(f"{root}words.txt").splitlines())
    words = {wnid.strip(): title.strip() for wnid, _, title in lines}
    return tuple(words.get(name) or name for name in class_names)


# --- decoding --------------------------------------------------------------------------------------------------------


def _decoder() -> str:
    return f"pillow {PIL.__version__}"


def _content(source: Source, plan: _Plan) -> str:
    """Identify the content for the cache without reading the pictures: SHA-256, 64 hexadecimal digits."""
    digest = hashlib.sha256(repr((plan.layout, plan.class_names)).encode())
    for place in sorted(plan.members):
        digest.update(repr(place).encode())
        for name in plan.members[place]:
            digest.update(f"{name}\0{source.stamp(name)}\0".encode())
    for where, fault in plan.faults:
        digest.update(f"{where}\0{fault}\0".encode())
    return digest.hexdigest()


def _decode(
    source: Source,
    plan: _Plan,
    append: Callable[[np.ndarray], None],
    *,
    side: int,
    skip_bad: bool,
) -> dict:
    """Decode all pictures in row order on several threads; give the counts by part and class, and what was left out."""
    faults = Faults(plan.origin, skip_bad, noun="image")
    for where, fault in plan.faults:
        faults.add(where, where, fault)
    bad: set[str] = set()
    total = sum(map(len, plan.members.values()))
    together = batches(source.items(plan.rows()), lambda item: len(item[1]), limit=_BATCH_BYTES, most=_BATCH)
    with bar(CORPUS, total) as advance:
        for images, damaged, count in in_order(partial(_decoded, side=side), together):
            append(images)
            for name, fault in damaged:
                bad.add(name)
                within = name.removeprefix(plan.root)
                faults.add(within, within, fault)
            advance(count)
    skipped = faults.settle()
    counts = [[0] * len(plan.class_names) for _ in range(2)]
    for (part, label), names in plan.members.items():
        counts[part][label] = sum(name not in bad for name in names) if bad else len(names)
    _check_classes(plan.origin, plan.class_names, set(np.flatnonzero(counts[0]).tolist()))
    if not any(counts[1]):
        raise FerError(f"{plan.origin} contains no validation image that can be read; unpack it again.")
    return {"counts": counts, "skipped": skipped, "left_out": sorted(bad)}


def _decoded(batch: list[tuple[str, bytes]], *, side: int) -> tuple[np.ndarray, list[tuple[str, Fault]], int]:
    """Decode pictures to the images of the good ones, the faults of the others and their number."""
    images, faults = np.empty((len(batch), side, side, 3), np.uint8), []
    good = 0
    for name, data in batch:
        try:
            images[good] = decode_square(data, side)
            good += 1
        except Fault as fault:
            faults.append((name, fault))
    return images[:good], faults, len(batch)


def _result(source: Source, root: str, plan: _Plan, found: MappedImages) -> ImageFolders:
    counts = np.array(found.facts["counts"])
    labels, val_labels = (np.repeat(np.arange(len(plan.class_names)), part) for part in counts)
    official = plan.layout == OFFICIAL
    left_out = set(found.facts.get("left_out", ()))
    totals = {
        "classes": len(plan.class_names),
        "classes of 500 training images": Counter(counts[0].tolist())[500],
        "training images": len(labels),
        "validation images": len(val_labels),
    }
    notes = {
        "layout": plan.layout,
        "container": source.container,
        "side": found.images.shape[1],
        "decoder": _decoder(),
        "skipped": found.facts["skipped"],
        "count_deviations": locate.deviations(totals, OFFICIAL_COUNTS if official else {}, plan.origin, tolerated=True),
        "classes_without_validation": int((counts[1] == 0).sum()),
    }
    return ImageFolders(
        images=found.images[: len(labels)],
        labels=labels,
        val_images=found.images[len(labels) :],
        val_labels=val_labels,
        class_names=plan.class_names,
        class_titles=plan.class_titles,
        corpus=CORPUS if official else FOLDERS,
        synthetic=locate.marked(source, root),
        notes=notes,
        names=tuple(name.removeprefix(root) for name in plan.rows() if name not in left_out),
        pixels_sha256=found.sha256,
    )


def _sha256(*parts: np.ndarray) -> str:
    digest = hashlib.sha256()
    for images in parts:
        for start in range(0, len(images), _HASHED):
            digest.update(np.ascontiguousarray(images[start : start + _HASHED]).data)
    return digest.hexdigest()
