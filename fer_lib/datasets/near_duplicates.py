"""Find pairs of faces that show nearly the same picture: shifted, rescaled, mirrored or compressed again.

Every face and its mirror image are compared with every reference by a coarse descriptor that small shifts hardly
change. The few nearest references are then compared closely: by the correlation of the middle of both pictures, the
largest over shifts and scales. Light and shade that change slowly over a face are left out, because they make different
people look alike.

All steps are linear in the pixels and separable, so they are products of small matrices with many pictures at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

#: A pair is a near-duplicate from this correlation on: the smallest multiple of 0.01 that no face of 1,200
#: generated ones reaches with another 1,200; a test measures it again.
THRESHOLD = 0.95

SHIFTS = (-3, -2, -1, 0, 1, 2, 3)  # pixels, down and to the right
SCALES = (1.0, 0.9, 0.95, 1.05, 1.1)
NEAREST = 12  # references that are compared closely with a face, and as many with its mirror image

_BLOCK = 256  # faces that are compared at a time
_GATE = 0.6  # pairs that correlate less at the scale 1 are not tried at the others
_COARSE = (12, 4.0, 4.0, 10.0)  # samples a side, their distance, and the blurs: the picture's and that of its light
_FINE = (18, 2.0, 1.0, 3.0)


@dataclass(frozen=True)
class Pairs:
    """Faces with references of nearly the same picture.

    Attributes:
        faces: int64, shape (P,): positions among the faces, ascending.
        references: int64, shape (P,): positions among the references.
        scores: float32, shape (P,): correlations, at most 1.
        mirrored: bool, shape (P,): whether the face's mirror image is meant.
    """

    faces: np.ndarray
    references: np.ndarray
    scores: np.ndarray
    mirrored: np.ndarray


def pairs(faces: np.ndarray, references: np.ndarray, *, threshold: float = THRESHOLD) -> Pairs:
    """Find the pairs whose correlation reaches a threshold, among the ``NEAREST`` references of each face; one thread.

    A picture without any contrast is never in a pair.

    Args:
        faces: uint8, shape (M, H, W).
        references: uint8, shape (N, H, W).
        threshold: the smallest correlation of a pair.
    """
    found: list[tuple[np.ndarray, ...]] = []
    with threadpool_limits(1):
        coarse = np.concatenate([_unit(_windows(block, *_COARSE)[:, 0]) for block in _blocks(references)])
        fine = np.concatenate([_unit(_windows(block, *_FINE)[:, 0]) for block in _blocks(references)])
        for number, block in enumerate(_blocks(faces)):
            for mirrored in (False, True):
                shown = np.ascontiguousarray(block[:, :, ::-1]) if mirrored else block
                similar = _unit(_windows(shown, *_COARSE)[:, 0]) @ coarse.T
                count = min(NEAREST, len(references))
                nearest = np.argpartition(similar, len(references) - count, axis=1)[:, -count:]
                scores = _close_scores(shown, fine[nearest])
                rows, columns = np.nonzero(scores >= threshold)
                positions, values = nearest[rows, columns], scores[rows, columns]
                found.append((rows + number * _BLOCK, positions, values, np.full(len(rows), mirrored)))
    joined = [np.concatenate(column) for column in zip(*found, strict=True)] or [np.empty(0)] * 4
    order = np.lexsort((joined[3], joined[1], joined[0]))
    kinds = (np.int64, np.int64, np.float32, bool)
    return Pairs(*(column[order].astype(kind) for column, kind in zip(joined, kinds, strict=True)))


def _blocks(images: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(images), _BLOCK):
        yield images[start : start + _BLOCK].astype(np.float32)


def _close_scores(faces: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    """Compute the largest correlation over shifts and scales of each face with its candidates: float32 (B, K).

    Args:
        faces: float32, shape (B, H, W).
        candidates: unit vectors, float32, shape (B, K, 324).
    """
    best = np.full(candidates.shape[:2], -1, np.float32)
    rows = np.arange(len(faces))
    for scale in SCALES:
        if not len(rows):
            break
        shifted = _unit(_windows(faces[rows], *_FINE, scale=scale, shifts=SHIFTS))
        scores = (shifted @ candidates[rows].transpose(0, 2, 1)).max(axis=1)
        best[rows] = np.maximum(best[rows], scores)
        rows = rows[best[rows].max(axis=1) >= _GATE]
    return best


def _windows(
    images: np.ndarray,
    samples: int,
    step: float,
    blur: float,
    light: float,
    *,
    scale: float = 1.0,
    shifts: tuple[int, ...] = (0,),
) -> np.ndarray:
    """Sample the middle of blurred pictures without their light, after each shift: float32 (B, shifts², samples²)."""
    offsets = (np.arange(samples) - (samples - 1) / 2) * step * scale
    height, width = images.shape[1:]
    blurred = []
    for sigma in (blur, light):
        down, across = (_sampler(side, sigma, offsets, shifts) for side in (height, width))
        rows = images.reshape(-1, width) @ across.T  # products of two large matrices are many times faster
        columns = rows.reshape(len(images), height, -1).transpose(0, 2, 1).reshape(-1, height)
        blurred.append(columns @ down.T)
    count = len(shifts)
    parted = (blurred[0] - blurred[1]).reshape(len(images), count, samples, count, samples)  # across, then down
    return parted.transpose(0, 3, 1, 4, 2).reshape(len(images), count * count, samples * samples)


def _sampler(side: int, sigma: float, offsets: np.ndarray, shifts: tuple[int, ...]) -> np.ndarray:
    """Build the matrix that blurs a row of pixels and samples it: float32 (shifts x samples, side)."""
    middle = (side - 1) / 2
    places = (middle + np.array(shifts)[:, None] + offsets[None, :]).reshape(-1, 1)
    weights = np.exp(-((places - np.arange(side)) ** 2) / (2 * sigma**2))
    weights[weights < 1e-6] = 0  # numbers near the smallest float32 take a hundred times as long to multiply
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


def _unit(vectors: np.ndarray) -> np.ndarray:
    """Make vectors mean-free and of length 1, along the last axis; one without contrast becomes 0: float32."""
    centred = vectors - vectors.mean(axis=-1, keepdims=True)
    lengths = np.sqrt((centred * centred).sum(axis=-1, keepdims=True))
    return (centred / np.where(lengths > 1.0, lengths, np.inf)).astype(np.float32)
