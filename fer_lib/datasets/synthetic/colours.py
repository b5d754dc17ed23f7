"""Colour generated grey faces: every face has a skin and a light of its own."""

from __future__ import annotations

import numpy as np

from fer_lib.datasets.synthetic.people import uniforms

_STREAM = 6  # 0 to 5 are those of the faces and of the patterns
_SKIN = np.array([[0.72, 0.95], [0.98, 1.06], [1.10, 1.45]])  # exponents of red, green and blue: skin is warm
_LIGHT = np.array([[0.94, 1.06], [0.97, 1.03], [0.90, 1.10]])  # gains of red, green and blue


def coloured(images: np.ndarray, seed: int) -> np.ndarray:
    """Give grey faces colours, uint8 (N, H, W, 3) in RGB; face i only depends on its pixels, ``seed`` and i.

    A face's brightness stays about the same, so that its expression does too. The colours say nothing about the
    expression: they are a disturbance, as in real photos.

    Args:
        images: uint8, shape (N, H, W).
        seed: 0…2³²-1.
    """
    draws = uniforms(len(images), 6, seed, stream=_STREAM)
    skin = _SKIN[:, 0] + draws[:, :3] * np.ptp(_SKIN, axis=1)
    light = _LIGHT[:, 0] + draws[:, 3:] * np.ptp(_LIGHT, axis=1)
    levels = np.arange(256) / 255
    tables = np.clip(255 * light[..., np.newaxis] * levels ** skin[..., np.newaxis], 0, 255).round().astype(np.uint8)
    found = np.empty((*images.shape, 3), np.uint8)
    for face, table, image in zip(found, tables, images, strict=True):
        face[...] = table[:, image].transpose(1, 2, 0)
    return found
