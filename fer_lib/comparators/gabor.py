"""A bank of Gabor filters: the energy of each wavelength and orientation in each part of a face."""

from __future__ import annotations

import numpy as np
from scipy import fft
from skimage.filters import gabor_kernel

from fer_lib.comparators.lbp import by_batches

HIGHEST = 0.25  # cycles a pixel, of the finest scale; each coarser one is half an octave lower


def bank(scales: int, orientations: int) -> list[list[np.ndarray]]:
    """Build complex kernels by scale and orientation, each of unit norm and without response to uniform grey.

    The wave of orientation number n runs along (cos, sin) of n · 180° / orientations, in (column, row) order.
    """
    angles = np.arange(orientations) * np.pi / orientations
    kernels = [[gabor_kernel(HIGHEST / 2 ** (s / 2), theta=angle) for angle in angles] for s in range(scales)]
    return [[_even(kernel) for kernel in scale] for scale in kernels]


def energies(images: np.ndarray, kernels: list[list[np.ndarray]], *, cells: int) -> np.ndarray:
    """Compute the mean magnitude of each filter's response in each cell of a face.

    Each face is first scaled to mean 0 and deviation 1, so that brightness and contrast do not count, and mirrored
    beyond its border.

    Args:
        images: uint8, shape (N, H, W), both sides multiples of ``cells``.
        kernels: the result of :func:`bank`.
        cells: the number of cells in a row and in a column.

    Returns:
        float32, shape (N, scales, orientations · cells · cells).

    Raises:
        ValueError: a side is not a multiple of ``cells``.
    """
    if images.shape[1] % cells or images.shape[2] % cells:
        raise ValueError(f"faces of {images.shape[1:]} pixels have no {cells} by {cells} cells of one size")
    return by_batches(lambda faces: _energies(_plain(faces), kernels, cells), images)


def _energies(faces: np.ndarray, kernels: list[list[np.ndarray]], cells: int) -> np.ndarray:
    count, height, width = faces.shape
    margin = min(max(max(k.shape) for scale in kernels for k in scale) // 2, min(height, width) - 1)
    padded = np.pad(faces, ((0, 0), (margin, margin), (margin, margin)), mode="reflect")
    shape = [fft.next_fast_len(side + 2 * margin) for side in padded.shape[1:]]
    spectrum = fft.fft2(padded, shape)
    out = np.empty((count, len(kernels), len(kernels[0]), cells, cells), np.float32)
    for s, scale in enumerate(kernels):
        for o, kernel in enumerate(scale):
            answers = fft.ifft2(spectrum * fft.fft2(kernel.astype(np.complex64), shape))
            # the product's origin is the kernel's corner: its centre comes later by half its size
            top, left = (margin + side // 2 for side in kernel.shape)
            magnitudes = np.abs(answers[:, top : top + height, left : left + width])
            blocks = magnitudes.reshape(count, cells, height // cells, cells, width // cells)
            out[:, s, o] = blocks.mean(axis=(2, 4))
    return out.reshape(count, len(kernels), -1)


def _plain(images: np.ndarray) -> np.ndarray:
    faces = images.astype(np.float32)
    spread = faces.std(axis=(1, 2), keepdims=True)
    return (faces - faces.mean(axis=(1, 2), keepdims=True)) / np.where(spread > 0, spread, 1)


def _even(kernel: np.ndarray) -> np.ndarray:
    kernel = kernel - np.abs(kernel) / np.abs(kernel).sum() * kernel.sum()
    return kernel / np.linalg.norm(kernel)
