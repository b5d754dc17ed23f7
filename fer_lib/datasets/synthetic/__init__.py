"""Generated grey faces whose expressions are built from Ekman's action units: stand-ins that anyone may have.

They let every notebook and test run without the licensed corpora, and they say nothing about people: results made from
them are SYNTHETIC. ``synthetic_people.py`` says who is drawn with which action units, ``synthetic_render.py``
draws, ``synthetic_corpora.py`` lays out the corpora of liu2023.

Deterministic on any machine: face i of a call depends on (seed, i), its own expression and the call's other arguments,
not on how many faces are drawn with it.

The writers lay such faces out as the corpora are laid out, so that everything downstream runs the real loaders. Each
puts ``SYNTHETIC.txt`` into its folder before any face: a loader that finds it marks its faces SYNTHETIC, even where the
writing was cut short. The same call writes the same files again.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from fer_lib.datasets.face_dataset import FaceDataset, canonical_order
from fer_lib.datasets.synthetic.people import (
    ACTION_UNITS,
    UNITS,
    Conditions,
    Identity,
    activations,
    checked_seed,
    loosen,
    sample_conditions,
    sample_identities,
    sample_intensities,
    studio_conditions,
)
from fer_lib.datasets.synthetic.render import render_faces
from fer_lib.datasets.synthetic.writers import (
    CKPLUS_CODES,
    DRAWING,
    MARKER,
    begin_folder,
    write_ckplus,
    write_ckplus48,
    write_genki4k,
    write_image,
    write_olivetti,
)
from fer_lib.errors import FerError, nearest
from fer_lib.utils.files import write_text

__all__ = [
    "ACTION_UNITS",
    "CKPLUS_CODES",
    "DRAWING",
    "FER2013_CLASSES",
    "MARKER",
    "SPLITS",
    "UNITS",
    "Conditions",
    "Identity",
    "activations",
    "draw_faces",
    "generate",
    "render_faces",
    "sample_conditions",
    "sample_identities",
    "sample_intensities",
    "studio_conditions",
    "write_ckplus",
    "write_ckplus48",
    "write_fer2013_csv",
    "write_fer2013_folders",
    "write_genki4k",
    "write_olivetti",
]

FER2013_CLASSES = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
"""The seven classes in FER-2013's label order."""

SPLITS = ("Training", "PublicTest", "PrivateTest")

_PRIORS = {"angry": 3995, "disgust": 436, "fear": 4097, "happy": 7215, "sad": 4830, "surprise": 3171, "neutral": 4965}
_ORDER_STREAM = 4  # 0 to 2 are the parameters, 3 is the noise


def draw_faces(
    expressions: Sequence[str],
    seed: int,
    *,
    size: int | tuple[int, int] = 48,
    intensity: float | np.ndarray | None = None,
    identity: Identity | None = None,
    conditions: Conditions | None = None,
) -> np.ndarray:
    """Returns faces with the given expressions: uint8 (N, size, size); face i depends on ``seed``, i and its own row.

    Args:
        expressions: N names of ``ACTION_UNITS``.
        seed: 0…2³²-1.
        size: pixels of a square image, or (height, width).
        intensity: 0…1, one number or N; None samples them as ``sample_intensities`` does.
        identity: N people; None samples them.
        conditions: N poses, lights and cameras; None samples them.

    Raises:
        FerError: an expression, an intensity, the size or the seed is out of range.
    """
    n = len(expressions)
    level = sample_intensities(n, seed) if intensity is None else intensity
    units = loosen(activations(expressions, level), seed)
    people = sample_identities(n, seed) if identity is None else identity
    cameras = sample_conditions(n, seed) if conditions is None else conditions
    return render_faces(people, units, conditions=cameras, size=size, seed=seed)


def generate(n: int, seed: int, *, classes: Sequence[str] = FER2013_CLASSES, size: int = 48) -> FaceDataset:
    """Returns a SYNTHETIC corpus in FER-2013's shape: its splits 8 : 1 : 1 and its uneven classes.

    Args:
        n: faces in all; at least six per class, so that each split holds each class twice.
        seed: 0…2³²-1; the same arguments give the same bytes on any machine.
        classes: names of ``ACTION_UNITS`` in label order.
        size: pixels of the square images.

    Returns:
        A FaceDataset in canonical order whose meta also holds ``subject`` (every face is another person, as good as in
        FER-2013), ``intensity`` (0…1; 0 for neutral) and ``source``, the face's number in the drawing.

    Raises:
        FerError: a class is unknown or named twice, or n is too small.
    """
    images, meta = _draw_corpus(n, seed, classes=classes, size=size)
    ranks = meta["split"].map({split: rank for rank, split in enumerate(SPLITS)}).to_numpy()
    order = canonical_order(images, meta["label"].to_numpy(), ranks, meta["source"].tolist())
    notes = {"generator": f"synthetic.generate(n={n}, seed={seed}, size={size})"}
    dataset = FaceDataset(images, meta, tuple(classes), corpus="synthetic", synthetic=True, notes=notes)
    return dataset.take(order)


def _draw_corpus(
    n: int, seed: int, *, classes: Sequence[str] = FER2013_CLASSES, size: int = 48
) -> tuple[np.ndarray, pd.DataFrame]:
    """Returns the images (N, size, size) and meta of ``generate`` in drawing order: by split, classes shuffled."""
    counts = _split_counts(n, classes)
    labels, splits = [], []
    for rank, split in enumerate(SPLITS):
        column = np.repeat(np.arange(len(classes)), counts[rank])
        keys = np.random.PCG64((_ORDER_STREAM, checked_seed(seed), rank)).random_raw(len(column))
        labels.append(column[np.argsort(keys, kind="stable")])
        splits += [split] * len(column)
    label = np.concatenate(labels)
    names = [classes[k] for k in label]
    intensity = sample_intensities(n, seed)
    meta = pd.DataFrame(
        {
            "label": label,
            "split": splits,
            "subject": [f"synthetic{i:06d}" for i in range(n)],
            "intensity": np.where([name == "neutral" for name in names], 0.0, intensity),
            "source": [f"synthetic{i:06d}" for i in range(n)],
        }
    )
    return draw_faces(names, seed, size=size, intensity=intensity), meta


def _split_counts(n: int, classes: Sequence[str] = FER2013_CLASSES) -> np.ndarray:
    """Returns faces per split and class, int64 (3, len(classes)), in all n: FER-2013's shares, at least two each."""
    classes = list(classes)
    for k, name in enumerate(classes):
        if name not in ACTION_UNITS or name in classes[:k]:
            hint = nearest(str(name), ACTION_UNITS) if name not in ACTION_UNITS else ""
            raise FerError(f"Found the class {name!r}{hint}; expected different ones of {list(ACTION_UNITS)}.")
    least = 2 * len(SPLITS) * len(classes)
    if n < least or not classes:
        raise FerError(f"Found {n} faces for {len(classes)} classes; expected at least one class and {least} faces.")
    prior = np.array([_PRIORS.get(name, 4000) for name in classes])
    weights = np.outer([8, 1, 1], prior).ravel()
    cells = np.maximum(n * weights // weights.sum(), 2)
    while (gap := n - cells.sum()) != 0:  # rounding left some over, or the rare cells took them from the rich
        cells[np.argmax(n * weights - cells * weights.sum()) if gap > 0 else np.argmax(cells)] += 1 if gap > 0 else -1
    return cells.reshape(len(SPLITS), len(classes))


def write_fer2013_csv(folder: str | Path, *, n: int = 700, seed: int = 0, icml: bool = False) -> Path:
    """Writes ``fer2013.csv``, or ``icml_face_data.csv`` with its blanks in the header, and returns its path.

    Args:
        folder: a new or empty folder.
        n: faces in all, at least 42.
        seed: as for ``generate``; the rows hold the faces of ``generate(n, seed)`` in drawing order.
        icml: write Kaggle's second variant, ``emotion, Usage, pixels``.

    Raises:
        FerError: the folder holds other files, or n or the seed is out of range.
    """
    images, meta = _draw_corpus(n, seed)
    folder = begin_folder(folder, f"write_fer2013_csv(n={n}, seed={seed}, icml={icml})")
    digits = [str(level) for level in range(256)]
    lines = ["emotion, Usage, pixels" if icml else "emotion,pixels,Usage"]
    for image, label, usage in zip(images, meta["label"], meta["split"], strict=True):
        pixels = " ".join([digits[level] for level in image.ravel().tolist()])
        lines.append(f"{label},{usage},{pixels}" if icml else f"{label},{pixels},{usage}")
    return write_text(folder / ("icml_face_data.csv" if icml else "fer2013.csv"), "\n".join(lines) + "\n")


def write_fer2013_folders(folder: str | Path, *, n: int = 700, seed: int = 0) -> Path:
    """Writes FER-2013's folders of JPEG files, ``train/<emotion>/Training_<number>.jpg`` and so on; returns the folder.

    Args:
        folder: a new or empty folder.
        n: faces in all, at least 42.
        seed: as for ``generate``.

    Raises:
        FerError: the folder holds other files, or n or the seed is out of range.
    """
    images, meta = _draw_corpus(n, seed)
    folder = begin_folder(folder, f"write_fer2013_folders(n={n}, seed={seed})")
    number: dict[str, int] = {}
    for image, label, usage in zip(images, meta["label"], meta["split"], strict=True):
        number[usage] = number.get(usage, 0) + 1
        place = folder / ("train" if usage == "Training" else "test") / FER2013_CLASSES[label]
        write_image(place / f"{usage}_{number[usage]}.jpg", image)
    return folder
