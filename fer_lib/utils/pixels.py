"""Scale pixels for a network."""

from __future__ import annotations

import cv2
import numpy as np

# ``keras.applications.resnet50.preprocess_input`` subtracts these from blue, green and red; a test compares them.
IMAGENET_BGR_MEANS = np.array([103.939, 116.779, 123.68], dtype=np.float32)


def grey(images: np.ndarray) -> np.ndarray:
    """Convert images to grey, uint8 (N, H, W), by OpenCV's weights of red, green and blue; grey ones stay as they are.

    Args:
        images: uint8, shape (N, H, W), or RGB of shape (N, H, W, 3).
    """
    if images.ndim == 3:
        return images
    return np.array([cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in images]).reshape(images.shape[:3])


def network_input(images: np.ndarray, scaling: str = "unit") -> np.ndarray:
    """Convert images to a network's input: float32 of shape (N, H, W, 3), normalised.

    Args:
        images: uint8 or float32 in 0-255, shape (N, H, W) for grey (repeated into three channels) or (N, H, W, 3).
        scaling: ``"unit"`` divides by 255 ("pixel normalization", section 2.1); ``"trunk"`` is
            ``keras.applications.resnet50.preprocess_input``; ``"raw"`` leaves 0-255 ("raw images on the testing set").

    Raises:
        ValueError: ``scaling`` has another value.
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
