"""Draw and write striped patterns in classes: a stand-in for the images of objects that pre-training reads.

A class has its own direction and width of stripes; colours, phase, width and noise differ from image to image. Like the
faces, image i of a class depends on the seed, the class and i only, and has the same bytes on any machine.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from fer_lib.datasets.synthetic.people import checked_seed
from fer_lib.datasets.synthetic.writers import begin_folder, write_image
from fer_lib.errors import FerError
from fer_lib.utils.files import write_text

#: The layouts that can be written: Tiny-ImageNet's own, and folders of classes.
LAYOUTS = ("official", "folders")

_PATTERN_STREAM = 5  # 0 to 4 are those of the faces
_DIRECTIONS = ((1, 0), (0, 1), (1, 1), (2, 1), (1, 2))  # columns, rows: an image that is flipped keeps its class
_PERIODS = (4, 7, 12)  # stripes per image
_MOST_CLASSES = len(_DIRECTIONS) * len(_PERIODS)
_VALIDATION_FIRST = 2**20  # number of the first validation image of each class
_GREY_EVERY = 10
_SHAPES = ((1.0, 1.0), (1.25, 1.0), (1.0, 1.5), (0.75, 0.75))  # heights and widths of the second layout


def draw_pattern(label: int, number: int, *, seed: int = 0, size: tuple[int, int] = (64, 64)) -> np.ndarray:
    """Draw one image of a class: RGB, uint8 (height, width, 3), or grey (height, width) for every tenth number.

    Args:
        label: the class, 0…14.
        number: which image of the class.
        seed: 0…2³²-1.
        size: height and width in pixels.
    """
    height, width = size
    right, down = _DIRECTIONS[label % len(_DIRECTIONS)]
    stream = np.random.PCG64((_PATTERN_STREAM, checked_seed(seed), label, number))
    scene = stream.random_raw(8).astype("<u8").view(np.uint8).astype(np.int64)
    # a wave of 512 steps a period, 1024 times as fine; all in whole numbers, which are the same on every machine
    steps = 512 * 1024 * _PERIODS[label // len(_DIRECTIONS)] / (min(size) * math.sqrt(right**2 + down**2))
    rate = int(steps) * (230 + int(scene[0]) % 53) // 256
    rows, columns = np.arange(height)[:, None], np.arange(width)
    place = ((right * columns + down * rows) * rate >> 10) + 2 * int(scene[1])
    wave = np.abs(place % 512 - 256)[..., None]
    dark, light = scene[2:5] % 96, 160 + scene[5:8] % 96
    noise = stream.random_raw((height * width * 3 + 7) // 8).astype("<u8").view(np.uint8)[: height * width * 3]
    pixels = dark + ((light - dark) * wave >> 8) + (noise.reshape(height, width, 3).astype(np.int64) >> 2) - 32
    image = np.clip(pixels, 0, 255).astype(np.uint8)
    return image[..., 0] if number % _GREY_EVERY == _GREY_EVERY - 1 else image


def write_image_folders(
    folder: str | Path,
    *,
    classes: int = 2,
    train: int = 40,
    validation: int = 10,
    side: int = 64,
    seed: int = 0,
    layout: str = "official",
) -> Path:
    """Write a corpus of patterns that ``fer_lib.datasets.imagenet_folders`` reads; return the folder.

    Args:
        folder: a new or empty folder.
        classes: 2…15.
        train: training images of each class, 1…1,000,000.
        validation: validation images of each class, 1…1,000,000.
        side: height and width of the images in pixels, 16…1024; in the layout ``"folders"``, their sizes differ.
        seed: 0…2³²-1.
        layout: ``"official"`` for Tiny-ImageNet's own files, ``"folders"`` for ``train/<class>/`` and ``val/<class>/``.

    Raises:
        FerError: the folder contains other files, or an argument is out of range.
    """
    if layout not in LAYOUTS:
        raise FerError(f"Found the layout {layout!r}; expected {' or '.join(LAYOUTS)}.")
    ranges = {"classes": (classes, 2, _MOST_CLASSES), "side": (side, 16, 1024)}
    ranges |= {"train": (train, 1, 10**6), "validation": (validation, 1, 10**6)}
    for name, (value, low, high) in ranges.items():
        if not low <= value <= high:
            raise FerError(f"Found {name}={value}; expected {low:,} to {high:,}.")
    checked_seed(seed)
    counts = f"classes={classes}, train={train}, validation={validation}"
    call = f"write_image_folders({counts}, side={side}, seed={seed}, layout={layout!r})"
    folder = begin_folder(folder, call, noun="images")
    write = _write_official if layout == "official" else _write_folders
    write(folder, classes, (train, validation), side, seed)
    return folder


def _write_rgb(path: Path, image: np.ndarray) -> None:
    write_image(path, image[..., ::-1] if image.ndim == 3 else image)  # OpenCV's order is blue, green, red


def _write_official(folder: Path, classes: int, counts: tuple[int, int], side: int, seed: int) -> None:
    wnids = [f"n{label + 1:08d}" for label in range(classes)]
    write_text(folder / "wnids.txt", "".join(f"{wnid}\n" for wnid in reversed(wnids)))  # unsorted, like the real file
    titles = [f"{wnid}\tstripes, pattern {label + 1}\n" for label, wnid in enumerate(wnids)]
    write_text(folder / "words.txt", "".join(titles))
    lines = []
    for label, wnid in enumerate(wnids):
        for number in range(counts[0]):
            image = draw_pattern(label, number, seed=seed, size=(side, side))
            _write_rgb(folder / "train" / wnid / "images" / f"{wnid}_{number}.JPEG", image)
    for row in range(classes * counts[1]):
        number, label = divmod(row, classes)
        image = draw_pattern(label, _VALIDATION_FIRST + number, seed=seed, size=(side, side))
        _write_rgb(folder / "val" / "images" / f"val_{row}.JPEG", image)
        lines.append(f"val_{row}.JPEG\t{wnids[label]}\t0\t0\t{side - 1}\t{side - 1}\n")
    write_text(folder / "val" / "val_annotations.txt", "".join(lines))


def _write_folders(folder: Path, classes: int, counts: tuple[int, int], side: int, seed: int) -> None:
    for label in range(classes):
        for part, count, first in (("train", counts[0], 0), ("val", counts[1], _VALIDATION_FIRST)):
            for number in range(count):
                size = tuple(round(side * factor) for factor in _SHAPES[number % len(_SHAPES)])
                image = draw_pattern(label, first + number, seed=seed, size=(size[0], size[1]))
                _write_rgb(folder / part / f"pattern_{label + 1:02d}" / f"image_{number:06d}.jpg", image)
