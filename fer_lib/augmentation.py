"""Augment faces: chen2023's random shifts and rotations, liu2023's twelve-fold expansion with "cross-cut".

chen2023 (section 2.1, Table 1) augments at random during training. The semantics are those of Keras'
ImageDataGenerator (uniform rotation, uniform shifts, bilinear interpolation, nearest fill), computed with OpenCV
outside the model, because Keras' random layers inside a model are slow on a CPU.

liu2023 (sections 2.1 and 2.2) expands the training faces once: "Expand the data to 12 times the original data using
data augmentation techniques (flip, brightness adjustment, and other operations), in addition to performing a cross-cut
on each training data (test images were not used for this operation), i.e., 25600 (2268) images." The paper does not say
which operations it used, which images it cut and how it arrived at the two counts; :func:`arithmetic` compares them
with the counts that the paper's own words give.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pandas as pd

from fer_lib.errors import FerError, nearest

if TYPE_CHECKING:  # so that a new setting there keeps the checkpoints of chen2023's trainings
    from fer_lib.settings import ExpansionSettings

# the centre comes first, because it is the crop nearest to the whole face
CROPS = ("centre", "top left", "top right", "bottom left", "bottom right")
NUMBERS = {"original": 0, "flip": 0, "brightness": 1, "contrast": 1, "rotate": 1, "zoom": 1, "shift": 2}
EXAMPLES = {
    "original": "original",
    "flip": "flip",
    "brightness": "brightness:1.25",
    "contrast": "contrast:0.8",
    "rotate": "rotate:8",
    "zoom": "zoom:1.1",
    "shift": "shift:0.05:-0.05",
}
PRINTED_TRAINING, PRINTED_TEST = 25_600, 2_268  # section 2.1

Step = tuple[str, tuple[float, ...]]


def random_affine(
    images: np.ndarray,
    rng: np.random.Generator,
    *,
    width_shift_range: float = 0.1,
    height_shift_range: float = 0.1,
    rotation_range: float = 15.0,
) -> np.ndarray:
    """Rotate and shift each face at random, as ImageDataGenerator does (chen2023, Table 1).

    Args:
        images: uint8 or float32, shape (N, H, W) or (N, H, W, 3), any pixel scale.
        rng: random generator of the N rotations and shifts.
        width_shift_range: shifts are uniform in ± this fraction of W.
        height_shift_range: shifts are uniform in ± this fraction of H.
        rotation_range: rotations are uniform in ± this many degrees.

    Returns:
        float32, the shape and the pixel scale of ``images``.
    """
    count: int
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
    """Mirror each face, (N, H, W) or (N, H, W, 3), left to right with probability one half."""
    mirrored = images.copy()
    chosen = rng.random(len(images)) < 0.5
    mirrored[chosen] = images[chosen][:, :, ::-1]
    return mirrored


def affine_matrix(angle: float, row_shift: float, column_shift: float, *, height: int, width: int) -> np.ndarray:
    """Compute the 2×3 matrix from output to input pixels (x, y) that ImageDataGenerator uses.

    An output pixel p shows the input pixel R(p - c + t) + c, with c the centre (H/2 - 0.5, W/2 - 0.5), R the rotation
    by ``angle`` degrees and t the shift in pixels, in (row, column) order; OpenCV expects (x, y) = (column, row).
    Keras 3 itself swaps the two axes (its height shift moves columns); with equal ranges on square faces this makes no
    difference.
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


def expand(images: np.ndarray, settings: ExpansionSettings) -> np.ndarray:
    """Compute every view of each training face; the views of a face do not depend on the other faces.

    Views are in the order of :func:`view_names`. Rotations (clockwise, in degrees), zooms and shifts interpolate
    bilinearly and repeat the border; brightness multiplies the pixels, contrast their distance from the face's mean.

    Args:
        images: uint8, shape (N, H, W).
        settings: the operations and the cross-cut.

    Returns:
        uint8, shape (N, V, H, W).

    Raises:
        FerError: an operation is misspelt or its numbers are out of range.
        ValueError: the images are not grey uint8 faces.
    """
    if images.dtype != np.uint8 or images.ndim != 3:
        raise ValueError(f"images must be uint8 of shape (N, H, W), not {images.dtype} {images.shape}")
    operations = [parse(operation) for operation in settings.operations]
    views = np.empty((len(images), len(view_names(settings)), *images.shape[1:]), np.uint8)
    for face, image in enumerate(images):
        for place, view in enumerate(_views(image, operations, settings)):
            views[face, place] = view
    return views


def view_names(settings: ExpansionSettings) -> tuple[str, ...]:
    """Name the V views in order, such as ``"flip+rotate:8"`` and ``"flip+rotate:8, crop top left"``.

    With the cross-cut ``"each_copy"`` the crops replace the copies (12 · 5 = 60), so that no view is a whole face; with
    ``"originals"`` the crops of the face itself follow the copies (12 + 5 = 17).
    """
    if settings.cross_cut == "each_copy":
        return tuple(f"{operation}, crop {crop}" for operation in settings.operations for crop in CROPS)
    if settings.cross_cut == "originals":
        return (*settings.operations, *(f"original, crop {crop}" for crop in CROPS))
    return settings.operations


def untouched_view(settings: ExpansionSettings) -> int | None:
    """Find the index of the untouched face among the views; None if there is none (cross-cut ``"each_copy"``)."""
    names = view_names(settings)
    return names.index("original") if "original" in names else None


def parse(operation: str) -> tuple[Step, ...]:
    """Parse the steps of an operation: ``"flip+rotate:8"`` is ``(("flip", ()), ("rotate", (8.0,)))``.

    Raises:
        FerError: a step is unknown, has the wrong count of numbers or a number out of range.
    """
    return tuple(_parse_step(text.strip(), operation) for text in operation.split("+"))


def arithmetic(settings: ExpansionSettings, *, train: int = 392, test: int = 98) -> pd.DataFrame:
    """Compare the image counts that the paper's words give with its printed 25,600 and 2,268 (section 2.1).

    Args:
        settings: settings whose number of views is the last training row.
        train: number of training faces (Table 1).
        test: number of test faces (Table 1).

    Returns:
        A DataFrame with one row per reading: ``part``, ``reading``, ``calculation``, ``result`` (images, or a ratio if
        the calculation divides), ``printed`` (the count printed for that part; None for a ratio) and ``verdict``:
        ``"equal"`` or ``"not equal"`` to the printed count; for a ratio ``"whole"`` or ``"not whole"``.
    """
    views = len(view_names(settings))
    training = [
        ("twelve copies of each face", (train, 12)),
        ("five crops of each face", (train, 5)),
        ("twelve copies, and five crops of the face itself", (train, 12 + 5)),
        ("five crops of each of the twelve copies", (train, 12, 5)),
        ("the twelve copies, and five crops of each", (train, 12, 6)),
        (f"these settings' {views} views of each face", (train, views)),
    ]
    testing = [
        ("the test faces as they are: the expansion is of training faces", (test,)),
        ("twelve copies of each face, not cut: 'test images were not used for this operation'", (test, 12)),
        ("five crops of each face", (test, 5)),
        ("twelve copies, and five crops of the face itself", (test, 12 + 5)),
        ("five crops of each of the twelve copies", (test, 12, 5)),
    ]
    rows = [_product("training", *row) for row in training] + [_product("test", *row) for row in testing]
    return pd.DataFrame([*rows, *_ratios(train, test)]).astype({"printed": "Int64"})


def _ratios(train: int, test: int) -> Iterator[dict[str, object]]:
    """Compute ratios that would be whole numbers if the printed steps had produced the printed counts."""
    for part, printed, faces in (("training", PRINTED_TRAINING, train), ("test", PRINTED_TEST, test)):
        primes = _factorization(printed)
        yield _ratio(part, f"pictures a face; {printed:,} = {primes}", printed, faces)
        yield _ratio(part, "faces before a twelve-fold expansion", printed, 12)
        yield _ratio(part, "faces before five crops of each of twelve copies", printed, 60)
        yield _ratio(part, "pictures a class, of seven equal classes as in Table 1", printed, 7)
    yield _ratio(
        "both", f"printed training images a test image; Table 1 has {train / test:g}", PRINTED_TRAINING, PRINTED_TEST
    )


def _product(part: str, reading: str, factors: tuple[int, ...]) -> dict[str, object]:
    result, printed = math.prod(factors), PRINTED_TRAINING if part == "training" else PRINTED_TEST
    verdict = "equal" if result == printed else "not equal"
    calculation = " · ".join(f"{factor:,}" for factor in factors)
    return _row(part, reading, calculation, float(result), printed) | {"verdict": verdict}


def _ratio(part: str, reading: str, numerator: int, denominator: int) -> dict[str, object]:
    verdict = "not whole" if numerator % denominator else "whole"
    return _row(part, reading, f"{numerator:,} / {denominator:,}", numerator / denominator, None) | {"verdict": verdict}


def _row(part: str, reading: str, calculation: str, result: float, printed: int | None) -> dict[str, object]:
    return {"part": part, "reading": reading, "calculation": calculation, "result": result, "printed": printed}


def _factorization(number: int) -> str:
    """Write a number as a product of prime powers: ``"2^2 · 3^4 · 7"`` for 2,268."""
    powers, divisor = [], 2
    while number > 1:
        exponent = 0
        while number % divisor == 0:
            number, exponent = number // divisor, exponent + 1
        if exponent:
            powers.append(f"{divisor}^{exponent}" if exponent > 1 else str(divisor))
        divisor += 1
    return " · ".join(powers)


def _parse_step(text: str, operation: str) -> Step:
    name, *texts = text.split(":")
    if name not in NUMBERS:
        raise FerError(
            f"The operation {operation!r} has the step {text!r}{nearest(name, NUMBERS)}; the steps are "
            f"{', '.join(NUMBERS)}, joined by '+'."
        )
    try:
        numbers = tuple(float(number) for number in texts)
    except ValueError:
        numbers = ()
    if len(numbers) != NUMBERS[name] or len(texts) != NUMBERS[name] or not _in_range(name, numbers):
        raise FerError(
            f"The operation {operation!r} has the step {text!r}; it should look like {EXAMPLES[name]!r}, with factors "
            "above 0, degrees within ±180 and shifts within ±1."
        )
    return name, numbers


def _in_range(name: str, numbers: tuple[float, ...]) -> bool:
    if not all(math.isfinite(number) for number in numbers):
        return False
    if name == "rotate":
        return abs(numbers[0]) <= 180
    return all(abs(number) <= 1 for number in numbers) if name == "shift" else all(number > 0 for number in numbers)


def _views(image: np.ndarray, operations: list[tuple[Step, ...]], settings: ExpansionSettings) -> Iterator[np.ndarray]:
    for steps in operations:
        copy = _copy(image, steps)
        yield from _crops(copy, settings.crop_fraction) if settings.cross_cut == "each_copy" else [copy]
    if settings.cross_cut == "originals":
        yield from _crops(image, settings.crop_fraction)


def _copy(image: np.ndarray, steps: tuple[Step, ...]) -> np.ndarray:
    """Apply the steps of one operation in float, so that pixels are rounded only once."""
    pixels = image.astype(np.float32)
    for name, numbers in steps:
        pixels = _step(pixels, name, numbers)
    return np.clip(np.rint(pixels), 0, 255).astype(np.uint8)


def _step(pixels: np.ndarray, name: str, numbers: tuple[float, ...]) -> np.ndarray:
    if name == "original":
        return pixels
    if name == "flip":
        return pixels[:, ::-1]
    if name == "brightness":
        return pixels * np.float32(numbers[0])
    if name == "contrast":
        return pixels.mean() + (pixels - pixels.mean()) * np.float32(numbers[0])
    return _warped(pixels, name, numbers)


def _warped(pixels: np.ndarray, name: str, numbers: tuple[float, ...]) -> np.ndarray:
    """Rotate or zoom about the centre, or shift, by the matrix from output to input pixels."""
    height, width = pixels.shape
    if name == "rotate":
        matrix = affine_matrix(numbers[0], 0.0, 0.0, height=height, width=width)
    elif name == "zoom":
        scale = 1 / numbers[0]
        matrix = np.array([[scale, 0, (1 - scale) * (width - 1) / 2], [0, scale, (1 - scale) * (height - 1) / 2]])
    else:
        matrix = np.array([[1, 0, -numbers[0] * width], [0, 1, -numbers[1] * height]])
    return cv2.warpAffine(
        np.ascontiguousarray(pixels),
        matrix,
        (width, height),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )


def _crops(image: np.ndarray, fraction: float) -> Iterator[np.ndarray]:
    """Cut the crops in the order of ``CROPS`` and enlarge each to the face's size."""
    height, width = image.shape
    rows, columns = max(1, round(height * fraction)), max(1, round(width * fraction))
    low, right = height - rows, width - columns
    for top, left in ((low // 2, right // 2), (0, 0), (0, right), (low, 0), (low, right)):
        crop = image[top : top + rows, left : left + columns]
        yield cv2.resize(np.ascontiguousarray(crop), (width, height), interpolation=cv2.INTER_LINEAR)
