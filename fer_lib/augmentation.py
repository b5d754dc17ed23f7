"""chen2023's preprocessing (section 2.1, Table 1): pixel normalisation, random translation and random rotation.

The semantics are those of Keras' ImageDataGenerator (uniform rotation, uniform shifts, bilinear interpolation, nearest
fill), computed with OpenCV outside the model, because Keras' random layers inside a model are slow on a CPU.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

# Subtracted by ``keras.applications.resnet50.preprocess_input`` from blue, green and red; a test holds them in step.
IMAGENET_BGR_MEANS = np.array([103.939, 116.779, 123.68], dtype=np.float32)


def random_affine(
    images: np.ndarray,
    rng: np.random.Generator,
    *,
    width_shift_range: float = 0.1,
    height_shift_range: float = 0.1,
    rotation_range: float = 15.0,
) -> np.ndarray:
    """Returns each face rotated and shifted at random, as ImageDataGenerator does (chen2023, Table 1).

    Args:
        images: uint8 or float32, shape (N, H, W) or (N, H, W, 3), any pixel scale.
        rng: source of the N rotations and shifts.
        width_shift_range: shifts are uniform in ± this fraction of W.
        height_shift_range: shifts are uniform in ± this fraction of H.
        rotation_range: rotations are uniform in ± this many degrees.

    Returns:
        float32, the shape and the pixel scale of ``images``.
    """
    count, height, width = images.shape[:3]
    angles = rng.uniform(-rotation_range, rotation_range, count)
    row_shifts = rng.uniform(-height_shift_range, height_shift_range, count) * height
    column_shifts = rng.uniform(-width_shift_range, width_shift_range, count) * width
    moved = np.empty(images.shape, dtype=np.float32)
    for index, image in enumerate(images):
        matrix = affine_matrix(angles[index], row_shifts[index], column_shifts[index], height=height, width=width)
        moved[index] = cv2.warpAffine(
            image.astype(np.float32),
            matrix,
            (width, height),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
    return moved


def random_flips(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Returns each face, (N, H, W) or (N, H, W, 3), mirrored left to right with probability one half."""
    mirrored = images.copy()
    chosen = rng.random(len(images)) < 0.5
    mirrored[chosen] = images[chosen][:, :, ::-1]
    return mirrored


def affine_matrix(angle: float, row_shift: float, column_shift: float, *, height: int, width: int) -> np.ndarray:
    """Returns the 2×3 matrix from output to input pixels (x, y) that ImageDataGenerator uses.

    An output pixel p shows the input pixel R(p - c + t) + c, with c the centre (H/2 - 0.5, W/2 - 0.5), R the rotation
    by ``angle`` degrees and t the shift in pixels, in (row, column) order; OpenCV wants (x, y) = (column, row). Keras 3
    itself swaps the two axes (its height shift moves columns); with equal ranges on square faces nothing differs.
    """
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    centre_row, centre_column = height / 2 - 0.5, width / 2 - 0.5
    row_offset, column_offset = row_shift - centre_row, column_shift - centre_column
    return np.array(
        [
            [cos, sin, sin * row_offset + cos * column_offset + centre_column],
            [-sin, cos, cos * row_offset - sin * column_offset + centre_row],
        ]
    )


def network_input(images: np.ndarray, scaling: str = "unit") -> np.ndarray:
    """Returns faces as the network takes them: float32 of shape (N, H, W, 3), normalised.

    Args:
        images: uint8 or float32 in 0-255, shape (N, H, W) for grey (repeated into three channels) or (N, H, W, 3).
        scaling: ``"unit"`` divides by 255 ("pixel normalization", section 2.1); ``"trunk"`` is
            ``keras.applications.resnet50.preprocess_input``; ``"raw"`` leaves 0-255 ("raw images on the testing set").

    Raises:
        ValueError: ``scaling`` is none of these.
    """
    pixels = images.astype(np.float32)
    if pixels.ndim == 3:
        pixels = np.repeat(pixels[..., np.newaxis], 3, axis=-1)
    if scaling == "unit":
        return pixels / np.float32(255)
    if scaling == "trunk":
        return pixels[..., ::-1] - IMAGENET_BGR_MEANS
    if scaling == "raw":
        return pixels
    raise ValueError(f"scaling is {scaling!r}; it should be 'unit', 'trunk' or 'raw'")
