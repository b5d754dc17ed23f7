"""Local binary patterns: which of a pixel's eight neighbours are at least as bright, and their variance.

The neighbours are on a circle of radius one pixel, the diagonal ones between pixels (Ojala, Pietikäinen and Mäenpää,
IEEE TPAMI 2002). scikit-image computes them; a face's outermost pixels are repeated beyond its border.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from skimage.feature import local_binary_pattern

from fer_lib.utils.parallel import in_threads

POINTS, RADIUS = 8, 1
BINS = {"default": 256, "nri_uniform": 59, "uniform": 10}
"""Codes of each of scikit-image's methods: all, uniform ones by their rotation, and uniform ones of any rotation."""
FACES_A_BATCH = 256


def codes(images: np.ndarray, method: str) -> np.ndarray:
    """Compute the pattern at each pixel: uint8 of the shape of ``images``.

    Args:
        images: uint8, shape (N, H, W).
        method: a key of ``BINS``; its value is the number of codes, which start at 0.
    """
    return _patterns(images, method, np.uint8)


def variances(images: np.ndarray) -> np.ndarray:
    """Compute the variance of each pixel's neighbours in squared grey values: float32 of the shape of ``images``."""
    return np.nan_to_num(_patterns(images, "var", np.float32), copy=False, nan=0.0)  # NaN means no variance


def grid_histograms(patterns: np.ndarray, bins: int, *, grid: int) -> np.ndarray:
    """Compute the share of each code in each patch: float32 (N, grid · grid, bins), the sum of each patch is 1.

    Args:
        patterns: codes below ``bins``, integers, shape (N, H, W).
        bins: the number of codes.
        grid: patches in a row and in a column; if they do not divide a side, some are a pixel longer.

    Raises:
        ValueError: a side has fewer pixels than ``grid``.
    """
    count, height, width = patterns.shape
    if min(height, width) < grid:
        raise ValueError(f"{height} by {width} pixels cannot be divided into {grid} by {grid} patches")
    rows, columns = (np.arange(side) * grid // side for side in (height, width))
    patches = rows[:, np.newaxis] * grid + columns
    first = np.arange(count)[:, np.newaxis, np.newaxis] * grid**2 + patches
    counted = np.bincount((first * bins + patterns).ravel(), minlength=count * grid**2 * bins)
    return (counted.reshape(count, grid**2, bins) / np.bincount(patches.ravel())[:, np.newaxis]).astype(np.float32)


def by_batches(act: Callable[[np.ndarray], np.ndarray], images: np.ndarray) -> np.ndarray:
    """Apply ``act`` to faces batch by batch on all cores, and join its results, a row for each face."""
    batches = [images[start : start + FACES_A_BATCH] for start in range(0, len(images), FACES_A_BATCH)]
    return np.concatenate(in_threads(act, batches))


def _patterns(images: np.ndarray, method: str, kind: type) -> np.ndarray:
    out: np.ndarray = np.empty(images.shape, kind)
    inner = slice(RADIUS, -RADIUS)
    for place, image in enumerate(images):
        padded = np.pad(image, RADIUS, mode="edge")
        out[place] = local_binary_pattern(padded, POINTS, RADIUS, method=method)[inner, inner]
    return out
