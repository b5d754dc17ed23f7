"""Crop the faces out of photos: "using MTCNN to crop the database for faces" (liu2023, section 2.1)."""

from __future__ import annotations

import functools
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace

import cv2
import numpy as np
import pandas as pd

from fer_lib.datasets.face_dataset import FaceDataset
from fer_lib.datasets.photo_set import PhotoSet
from fer_lib.datasets.readers.cache import cached
from fer_lib.errors import FerError
from fer_lib.faces import mtcnn as mtcnn_engine, openvino_mtcnn
from fer_lib.faces.geometry import (
    LANDMARKS,
    Detection,
    checked_picture,
    choose,
    crop,
    searched_copy,
    searched_shape,
)
from fer_lib.settings import FaceSettings, settings_dict
from fer_lib.utils import code_hash
from fer_lib.utils.parallel import batches
from fer_lib.utils.progress import bar

KINDS = ("found", "low confidence", "no face")
"""Values of ``face_found``: a face of sufficient confidence, only faces below it, no face."""

CHUNK = 256
"""How many photos' crops are cached together: a killed run repeats at most this many."""

LISTED = 50
"""How many missed photos the notes name at most."""

_BATCH, _BATCH_PIXELS = 32, 2_000_000  # at most, in one run of the networks
_HELD_PIXELS = 50_000_000  # at most, of the photos in memory at a time
_PROPOSED = 0.8  # mtcnn's own threshold for the last network
_FACTS = ("face_found", "confidence", "faces_in_photo", "box_left", "box_top", "box_width", "box_height")


def detect(images: Sequence[np.ndarray], settings: FaceSettings) -> list[list[Detection]]:
    """Detect the faces in each image, highest confidence first (liu2023, section 2.1).

    Args:
        images: N images of any size, uint8, (H, W) for grey or (H, W, 3) for RGB. Images of similar sizes are searched
            together, which is about ten times as fast as one at a time.
        settings: ``upscale_to`` enlarges small images first; ``min_confidence`` below 0.8 keeps faces of lower
            confidence.

    Returns:
        A list per image, in pixels of the image as given.

    Raises:
        ValueError: an image is not uint8 or has another shape.
        FerError: TensorFlow, OpenVINO or ``mtcnn`` is not installed, or the detector's process was killed.
    """
    pictures = [checked_picture(image) for image in images]
    alike = defaultdict(list)
    for number, picture in enumerate(pictures):
        alike[searched_shape(picture.shape, settings)].append(number)
    found: list[list[Detection]] = [[] for _ in pictures]
    for shape, numbers in alike.items():
        step = max(1, min(_BATCH, _BATCH_PIXELS // (shape[0] * shape[1])))
        for start in range(0, len(numbers), step):
            batch = numbers[start : start + step]
            searched = _search([pictures[number] for number in batch], settings)
            for number, faces in zip(batch, searched, strict=True):
                found[number] = faces
    return found


def face_crops(photos: PhotoSet | FaceDataset, settings: FaceSettings) -> FaceDataset:
    """Crop the faces out of a corpus of photos, in grey (liu2023, section 2.1).

    Crops are cached next to the photos, in pieces of ``CHUNK`` photos, under a key of the photos' content, the settings
    and the detector's weights: a second call reads them back without TensorFlow, and after a kill the next call
    continues there.

    Args:
        photos: the photos, or a FaceDataset, whose images are face crops already and which is returned unchanged.
        settings: settings of the crops.

    Returns:
        Of photos, a FaceDataset of uint8 (N, size, size) in their order. Its meta has further columns: ``face_found``
        (one of ``KINDS``), ``confidence``, ``box_left``, ``box_top``, ``box_width`` and ``box_height`` in pixels of the
        photo (NaN without a face) and ``faces_in_photo`` (faces of ``min_confidence`` or more). ``notes["faces"]``
        contains the rule, the counts and the photos without a face of that confidence, which ``misses="keep"`` takes
        whole.

    Raises:
        FerError: every photo is left out, or ``detect`` fails.
    """
    if isinstance(photos, FaceDataset):
        return photos
    chunks = list(_chunks(photos, settings))
    facts = pd.concat([chunk.meta[list(_FACTS)] for chunk in chunks], ignore_index=True)
    facts = facts.astype(dict.fromkeys(_FACTS[1:], float) | {"faces_in_photo": int})
    faces = FaceDataset(
        images=np.concatenate([chunk.images for chunk in chunks]),
        meta=pd.concat([photos.meta.reset_index(drop=True), facts], axis=1),
        class_names=tuple(photos.class_names),
        corpus=photos.corpus,
        synthetic=photos.synthetic,
    )
    faces = replace(faces, notes={**photos.notes, "faces": _notes(faces, settings)})
    return _without_misses(faces) if settings.misses == "drop" else faces


def summary(faces: FaceDataset) -> pd.DataFrame:
    """Count the photos of each class in which MTCNN found a face: rows are classes and "total", columns ``KINDS``.

    The last column, ``missed``, is the fraction of photos without a face of sufficient confidence. The table covers all
    photos given to ``face_crops``, including those that were left out and those whose rows were dropped later.

    Raises:
        ValueError: the faces do not come from ``face_crops``.
    """
    if "faces" not in faces.notes:
        raise ValueError("these faces are not from face_crops: their notes do not count the missed photos")
    table = pd.DataFrame.from_dict(faces.notes["faces"]["by_class"], orient="index", columns=list(KINDS))
    table.loc["total"] = table.sum()
    table.insert(0, "photos", table.sum(axis=1))
    table["missed"] = 1 - table["found"] / table["photos"].where(table["photos"] > 0)
    table.index.name = "class"
    return table


def summaries(*corpora: FaceDataset) -> dict[str, pd.DataFrame]:
    """Map the name of each corpus to its :func:`summary`, for the non-empty corpora that came as photos."""
    return {faces.corpus: summary(faces) for faces in corpora if "faces" in faces.notes and len(faces)}


def _chunks(photos: PhotoSet, settings: FaceSettings) -> Iterator[FaceDataset]:
    """Yield the crops and facts of ``CHUNK`` photos at a time, from the cache if possible."""
    key = _key(photos, settings) if len(photos) else {}
    with bar(photos.corpus, len(photos)) as advance:
        for start in range(0, max(1, len(photos)), CHUNK):
            rows = range(start, min(start + CHUNK, len(photos)))
            build = functools.partial(_crop_rows, photos, rows, settings)
            # an absent corpus is in no folder
            yield cached(photos.path, {**key, "rows": [rows.start, rows.stop]}, build) if len(photos) else build()
            advance(len(rows))


def _key(photos: PhotoSet, settings: FaceSettings) -> dict[str, object]:
    """Build the cache key of the crops; ``misses`` is not part of it, because left-out photos are cached as well."""
    wanted = settings_dict(settings)
    wanted.pop("misses")
    return {
        "corpus": f"{photos.corpus}-faces",
        "content": photos.content_key,
        "settings": wanted,
        "detector": mtcnn_engine.detector_name(settings.mtcnn_engine),
        "opencv": cv2.__version__,
        "code": code_hash.of(_crop_rows),
    }


def _crop_rows(photos: PhotoSet, rows: range, settings: FaceSettings) -> FaceDataset:
    """Crop some photos, taking them whole if no face is sure, and note the facts; other meta is empty."""
    crops, facts = [], []
    read = (photos.photo(row) for row in rows)
    # few large photos are in memory at a time
    for pictures in batches(read, lambda picture: picture.shape[0] * picture.shape[1], limit=_HELD_PIXELS):
        for picture, detections in zip(pictures, detect(pictures, settings), strict=True):
            face = choose(detections, picture.shape, settings)
            sure = [other for other in detections if other.confidence >= settings.min_confidence]
            kind = "no face" if face is None else "found" if sure else "low confidence"
            box = (np.nan,) * 4 if face is None else face.box
            facts.append((kind, np.nan if face is None else face.confidence, len(sure), *box))
            crops.append(crop(picture, face if sure else None, settings))
    images = np.stack(crops) if crops else np.empty((0, settings.size, settings.size), np.uint8)
    meta = pd.DataFrame(facts, columns=list(_FACTS)).assign(label=0, split="")
    return FaceDataset(images, meta, (), corpus=photos.corpus, synthetic=photos.synthetic)


def _notes(faces: FaceDataset, settings: FaceSettings) -> dict[str, object]:
    """Describe the crops for the provenance: the rule, the counts and the missed photos."""
    found = faces.meta["face_found"]
    missed = np.flatnonzero(found != "found")
    sources = faces.meta["source"] if "source" in faces.meta else pd.Series([f"row {i}" for i in range(len(faces))])
    classes = {
        name: [int(((faces.labels == label) & (found == kind)).sum()) for kind in KINDS]
        for label, name in enumerate(faces.class_names)
    }
    return {
        "rule": _rule(settings),
        "detector": mtcnn_engine.detector_name(settings.mtcnn_engine),
        **{kind: int((found == kind).sum()) for kind in KINDS},
        "left out": len(missed) if settings.misses == "drop" else 0,
        "missed": [f"{sources[row]} ({found[row]})" for row in missed[:LISTED]],
        "missed, not listed": max(0, len(missed) - LISTED),
        "by_class": classes,
    }


def _rule(settings: FaceSettings) -> str:
    choice = settings.choice.replace("_", " ")
    missed = "kept whole" if settings.misses == "keep" else "left out"
    turned = "turned so that the eyes are level, " if settings.align else ""
    return (
        f"the {choice} face of confidence {settings.min_confidence:g} or more, {turned}with {settings.margin:g} of its "
        f"box on each side, at {settings.size} x {settings.size} pixels; photos without one are {missed}"
    )


def _without_misses(faces: FaceDataset) -> FaceDataset:
    kept = (faces.meta["face_found"] == "found").to_numpy()
    if len(faces) and not kept.any():
        counts = Counter(faces.meta["face_found"])
        listed = ", ".join(f"{counts[kind]:,} of {kind}" for kind in KINDS[1:] if counts[kind])
        raise FerError(
            f"MTCNN found no sure face in any of the {len(faces):,} photos of {faces.corpus} ({listed}). Check that "
            "they show faces, or set misses: keep to take the photos whole."
        )
    return faces.take(kept)


def _search(pictures: list[np.ndarray], settings: FaceSettings) -> list[list[Detection]]:
    """Run the networks on images that are searched in one shape; return the faces of each in its own pixels."""
    copies, ratios = zip(*(searched_copy(picture, settings) for picture in pictures), strict=True)
    faces: list[list[Detection]] = [[] for _ in pictures]
    engine = openvino_mtcnn.engine() if settings.mtcnn_engine == "openvino" else mtcnn_engine.engine()
    for row in engine(np.stack(copies), min(_PROPOSED, settings.min_confidence)):
        number = int(row[0])
        faces[number].append(_detection(row, ratios[number]))
    return [sorted(some, key=lambda face: (-face.confidence, face.box)) for some in faces]


def _detection(row: np.ndarray, ratio: tuple[float, float]) -> Detection:
    """Parse a row of the last network: image, left, top, right, bottom, confidence, x of five points, y of them."""

    def scaled(x: float, y: float) -> tuple[float, float]:
        return round(float(x) * ratio[0], 2), round(float(y) * ratio[1], 2)

    points = {name: scaled(row[6 + i], row[11 + i]) for i, name in enumerate(LANDMARKS)}
    box = (*scaled(row[1], row[2]), *scaled(row[3] - row[1], row[4] - row[2]))
    return Detection(box=box, confidence=round(float(row[5]), 6), **points)
