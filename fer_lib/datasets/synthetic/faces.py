"""Draw faces by expression, and as many as a corpus has, with FER-2013's classes and splits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fer_lib.datasets.synthetic.people import (
    activations,
    checked_seed,
    loosen,
    sample_conditions,
    sample_identities,
    sample_intensities,
)
from fer_lib.datasets.synthetic.render import render_faces
from fer_lib.errors import FerError

FER2013_CLASSES = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
"""The seven classes in FER-2013's label order."""

SPLITS = ("Training", "PublicTest", "PrivateTest")

_PRIORS = (3995, 436, 4097, 7215, 4830, 3171, 4965)  # training faces of each class
_ORDER_STREAM = 4  # 0 to 2 are the parameters, 3 is the noise


def draw_faces(
    expressions: Sequence[str],
    seed: int,
    *,
    size: int | tuple[int, int] = 48,
    intensity: float | np.ndarray | None = None,
) -> np.ndarray:
    """Draw faces with the given expressions: uint8 (N, size, size); face i depends on ``seed``, i and its own row.

    Args:
        expressions: N names of ``ACTION_UNITS``.
        seed: 0…2³²-1.
        size: pixels of a square image, or (height, width).
        intensity: 0…1, one number or N; None samples them as ``sample_intensities`` does.

    Raises:
        FerError: an expression, an intensity, the size or the seed is out of range.
    """
    n = len(expressions)
    level = sample_intensities(n, seed) if intensity is None else intensity
    units = loosen(activations(expressions, level), seed)
    return render_faces(sample_identities(n, seed), units, conditions=sample_conditions(n, seed), size=size, seed=seed)


def draw_corpus(n: int, seed: int) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Draw SYNTHETIC faces like FER-2013: with splits of 8 : 1 : 1 and its uneven classes.

    Args:
        n: faces in all; at least six per class, so that each split has two faces of each class.
        seed: 0…2³²-1; the same arguments give the same bytes on any machine.

    Returns:
        Images, uint8 (N, 48, 48), labels, int64 (N,), and N splits, in drawing order: by split, classes shuffled.

    Raises:
        FerError: n is too small, or the seed is out of range.
    """
    counts = _split_counts(n)
    labels, splits = [], []
    for rank, split in enumerate(SPLITS):
        column = np.repeat(np.arange(len(FER2013_CLASSES)), counts[rank])
        keys = np.random.PCG64((_ORDER_STREAM, checked_seed(seed), rank)).random_raw(len(column))
        labels.append(column[np.argsort(keys, kind="stable")])
        splits += [split] * len(column)
    label = np.concatenate(labels)
    return draw_faces([FER2013_CLASSES[k] for k in label], seed), label, splits


def _split_counts(n: int) -> np.ndarray:
    """Divide n faces by split and class, int64 (3, 7): FER-2013's shares, at least two each."""
    least = 2 * len(SPLITS) * len(FER2013_CLASSES)
    if n < least:
        raise FerError(f"Found {n} faces for {len(FER2013_CLASSES)} classes; expected at least {least}.")
    weights = np.outer([8, 1, 1], _PRIORS).ravel()
    cells = np.maximum(n * weights // weights.sum(), 2)
    while (gap := n - cells.sum()) != 0:  # rounding left some over, or rare cells got more than their share
        cells[np.argmax(n * weights - cells * weights.sum()) if gap > 0 else np.argmax(cells)] += 1 if gap > 0 else -1
    return cells.reshape(len(SPLITS), len(FER2013_CLASSES))
