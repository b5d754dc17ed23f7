"""Draw faces by expression, and whole corpora of them with FER-2013's classes and splits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from fer_lib.datasets.face_dataset import FaceDataset, canonical_order
from fer_lib.datasets.synthetic.people import (
    ACTION_UNITS,
    Conditions,
    Identity,
    activations,
    checked_seed,
    loosen,
    sample_conditions,
    sample_identities,
    sample_intensities,
)
from fer_lib.datasets.synthetic.render import render_faces
from fer_lib.errors import FerError, nearest

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
    """Draw faces with the given expressions: uint8 (N, size, size); face i depends on ``seed``, i and its own row.

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
    """Draw a SYNTHETIC corpus like FER-2013: with splits of 8 : 1 : 1 and its uneven classes.

    Args:
        n: faces in all; at least six per class, so that each split has two faces of each class.
        seed: 0…2³²-1; the same arguments give the same bytes on any machine.
        classes: names of ``ACTION_UNITS`` in label order.
        size: pixels of the square images.

    Returns:
        A FaceDataset in canonical order. Its meta also has ``subject`` (every face is another person, as almost always
        in FER-2013), ``intensity`` (0…1; 0 for neutral) and ``source``, the face's number in the drawing.

    Raises:
        FerError: a class is unknown or named twice, or n is too small.
    """
    images, meta = draw_corpus(n, seed, classes=classes, size=size)
    ranks = meta["split"].map({split: rank for rank, split in enumerate(SPLITS)}).to_numpy()
    order = canonical_order(images, meta["label"].to_numpy(), ranks, meta["source"].tolist())
    notes = {"generator": f"synthetic.generate(n={n}, seed={seed}, size={size})"}
    dataset = FaceDataset(images, meta, tuple(classes), corpus="synthetic", synthetic=True, notes=notes)
    return dataset.take(order)


def draw_corpus(
    n: int, seed: int, *, classes: Sequence[str] = FER2013_CLASSES, size: int = 48
) -> tuple[np.ndarray, pd.DataFrame]:
    """Draw the images (N, size, size) and meta of ``generate`` in drawing order: by split, classes shuffled."""
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
    """Divide n faces by split and class, int64 (3, len(classes)): FER-2013's shares, at least two each."""
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
    while (gap := n - cells.sum()) != 0:  # rounding left some over, or rare cells got more than their share
        cells[np.argmax(n * weights - cells * weights.sum()) if gap > 0 else np.argmax(cells)] += 1 if gap > 0 else -1
    return cells.reshape(len(SPLITS), len(classes))
