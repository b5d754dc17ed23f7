"""Run the ``mtcnn`` package's three networks through OpenVINO, without TensorFlow: same weights, same steps.

TensorFlow takes seconds to start, which is most of the time that one photo needs. The steps are those of ``mtcnn`` 1.0
(``mtcnn.stages`` and ``mtcnn.utils``), which imports TensorFlow with its package, in NumPy and OpenCV: an image pyramid
for the first network, patches of its proposals for the second, of those left for the third. Two engines round sums
otherwise, so boxes agree to a fraction of a pixel and not to the last digit (``tests/faces/test_openvino_mtcnn.py``).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from fer_lib.errors import FerError, first_line
from fer_lib.faces import mtcnn
from fer_lib.utils.inference import compiled, openvino

_SMALLEST_FACE, _SHRINK = 20, 0.709  # pixels; from one image of the pyramid to the next
_CELL, _STRIDE = 12, 2  # pixels of an image that one place of the first network sees, and between places
_PROPOSED, _REFINED = 0.6, 0.7  # scores from which the first and the second network's faces are kept
_OVERLAPS = {"one scale": 0.5, "all scales": 0.7, "second": 0.7, "third": 0.7}  # above which the lower score is dropped
_PATCHES = 1024  # at most, in one run of a network


@functools.cache
def engine() -> Networks:
    """Load and compile the networks once.

    Raises:
        FerError: ``mtcnn`` or OpenVINO is not installed, or the weights are not those of ``mtcnn`` 1.
    """
    return Networks()


class Networks:
    """MTCNN's three networks: call with uint8 (N, H, W, 3) and a threshold to get float (faces, 16)."""

    def __init__(self) -> None:
        folder = mtcnn.weights_folder()
        try:
            graphs = {name: _graph(name, _weights(folder / f"{name}.lz4")) for name in ("pnet", "rnet", "onet")}
            self._runs = {name: _runner(graph) for name, graph in graphs.items()}
        except ImportError as error:
            raise FerError(
                f"The setting mtcnn_engine: openvino needs OpenVINO, which cannot be imported ({error}); install it "
                "with pip install openvino, or set mtcnn_engine: package."
            ) from None

    def __call__(self, batch: np.ndarray, threshold: float) -> np.ndarray:
        """Find faces: columns are image, left, top, right, bottom, score, and x, then y, of the five points."""
        pixels = (batch.astype(np.float32) - np.float32(127.5)) / np.float32(128)
        rows = self._proposed(pixels)
        if len(rows):
            offsets, scores = self._runs["rnet"](_patches(pixels, rows, 24))
            rows = _without_overlaps(_moved(rows, offsets, scores, _REFINED), _OVERLAPS["second"])
            rows = _squared(rows)
        if not len(rows):
            return np.empty((0, 16))
        offsets, points, scores = self._runs["onet"](_patches(pixels, rows, 48))
        sides = rows[:, 3:5] - rows[:, 1:3] + 1
        places = [sides[:, [axis]] * points[:, 5 * axis : 5 * axis + 5] + rows[:, [1 + axis]] - 1 for axis in (0, 1)]
        rows = _moved(np.hstack([rows, *places]), offsets, scores, threshold)
        return _without_overlaps(rows, _OVERLAPS["third"], of_smaller=True)

    def _proposed(self, pixels: np.ndarray) -> np.ndarray:
        """Run the first network on the pyramid; return squares, float (proposals, 6)."""
        found = [np.empty((0, 6))]
        for scale in _scales(min(pixels.shape[1:3])):
            height, width = (int(side * scale) for side in pixels.shape[1:3])
            small = [cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA) for picture in pixels]
            offsets, scores = self._runs["pnet"](np.stack(small))
            found.append(_without_overlaps(_boxes(offsets, scores, scale), _OVERLAPS["one scale"]))
        return _squared(_without_overlaps(np.concatenate(found), _OVERLAPS["all scales"]))


def _scales(side: int) -> np.ndarray:
    """List the scales of the pyramid's images, from that of the smallest face, for the shorter side of a picture."""
    count = round(-(np.log(side / _CELL) / np.log(_SHRINK) + 1))
    return _CELL / _SMALLEST_FACE * _SHRINK ** np.arange(count)


def _boxes(offsets: np.ndarray, scores: np.ndarray, scale: float) -> np.ndarray:
    """Convert the first network's maps to boxes of the picture: float (proposals, 6)."""
    image, y, x = np.nonzero(scores[..., 1] > _PROPOSED)
    corner = np.stack([x, y, x, y], axis=1) * _STRIDE + np.array([1, 1, _CELL, _CELL])
    boxes = (corner + offsets[image, y, x] * (_CELL - 1)) / scale
    return np.column_stack([image, boxes, scores[image, y, x, 1]]).astype(float)


def _moved(rows: np.ndarray, offsets: np.ndarray, scores: np.ndarray, least: float) -> np.ndarray:
    """Move boxes by a network's offsets, give them its scores, and keep those with a score above ``least``."""
    sides = np.tile(rows[:, 3:5] - rows[:, 1:3] + 1, 2)
    moved = np.hstack([rows[:, :1], rows[:, 1:5] + offsets * sides, scores[:, 1:], rows[:, 6:]])
    return moved[moved[:, 5] > least]


def _squared(rows: np.ndarray) -> np.ndarray:
    """Enlarge the shorter side of boxes around their centres."""
    centre = (rows[:, 1:3] + rows[:, 3:5]) / 2
    half = (rows[:, 3:5] - rows[:, 1:3]).max(axis=1, initial=0, keepdims=True) / 2
    return np.hstack([rows[:, :1], centre - half, centre + half, rows[:, 5:]])


def _without_overlaps(rows: np.ndarray, most: float, *, of_smaller: bool = False) -> np.ndarray:
    """Drop each box that overlaps a box of the same picture with a higher score, dropped or not, by more than ``most``.

    Overlap is a share of both boxes' union, or of the smaller box. The result is sorted by picture, then by score. Many
    scores are 1 to the last digit; of equal ones that comes first which the package's own sort puts first.
    """
    rows = rows[np.argsort(rows[:, 5])[::-1]]
    kept = []
    for image in np.unique(rows[:, 0]):
        some = rows[rows[:, 0] == image]
        first, last = some[:, 1:3], some[:, 3:5]
        shared = np.minimum(last[:, None], last) - np.maximum(first[:, None], first)
        shared = np.maximum(shared, 0).prod(axis=2)
        area = (last - first).prod(axis=1)
        whole = np.minimum(area[:, None], area) if of_smaller else area[:, None] + area - shared
        kept.append(some[~np.triu(shared / whole > most, k=1).any(axis=0)])
    return np.concatenate(kept) if kept else rows


def _patches(pixels: np.ndarray, rows: np.ndarray, size: int) -> np.ndarray:
    """Cut squares out of pictures, float32 (N, size, size, 3), bilinearly; 0 beyond the border.

    Coordinates are those of ``tf.image.crop_and_resize``: corners are a fraction of the side, which is then taken as
    one pixel shorter.
    """
    places = []
    for side, (first, last) in zip(pixels.shape[1:3], ((2, 4), (1, 3)), strict=True):
        ends = (rows[:, [first, last]] / side).astype(np.float32) * np.float32(side - 1)
        places.append(ends[:, :1] + np.arange(size, dtype=np.float32) * ((ends[:, 1:] - ends[:, :1]) / (size - 1)))
    (y, x), limits = places, np.array(pixels.shape[1:3]) - 1
    inside = ((y >= 0) & (y <= limits[0]))[:, :, None] & ((x >= 0) & (x <= limits[1]))[:, None, :]
    image = rows[:, 0].astype(int)[:, None, None]
    (top, bottom), (left, right) = (
        [np.clip(edge(place), 0, limit).astype(int) for edge in (np.floor, np.ceil)]
        for place, limit in zip((y, x), limits, strict=True)
    )
    down, across = (y - np.floor(y))[:, :, None, None], (x - np.floor(x))[:, None, :, None]
    lines = []
    for row in (top, bottom):
        near, far = (pixels[image, row[:, :, None], column[:, None, :]] for column in (left, right))
        lines.append(near + (far - near) * across)
    return (lines[0] + (lines[1] - lines[0]) * down) * inside[..., None]


def _weights(path: Path) -> list[np.ndarray]:
    """Read a network's weights from ``mtcnn``'s file, which its author pickled and which the package itself unpickles.

    Raises:
        FerError: the file is missing or contains anything else.
    """
    import joblib

    try:
        weights = joblib.load(path)
        return [np.asarray(weight, np.float32) for weight in weights]
    except Exception as error:  # pickle and the compression each raise their own
        raise FerError(
            f"The weights of mtcnn cannot be read ({first_line(error)}); install the package mtcnn again."
        ) from None


def _runner(graph: Any) -> Callable[[np.ndarray], list[np.ndarray]]:
    """Compile a graph; the result maps pixels (N, H, W, 3) to the outputs, some of the pixels at a time."""
    request = compiled(graph).create_infer_request()

    def run(pixels: np.ndarray) -> list[np.ndarray]:
        parts = []
        for start in range(0, len(pixels), _PATCHES):
            request.infer([np.ascontiguousarray(pixels[start : start + _PATCHES])], share_inputs=True)
            parts.append([tensor.data.copy() for tensor in request.output_tensors])
        return [np.concatenate(outputs) for outputs in zip(*parts, strict=True)]

    return run


#: Layers of each network before its heads: a convolution with a "prelu", "pool size same or not", or a dense layer.
_LAYERS = {
    "pnet": ("conv", "pool 2 same", "conv", "conv"),
    "rnet": ("conv", "pool 3 same", "conv", "pool 3", "conv", "dense"),
    "onet": ("conv", "pool 3 same", "conv", "pool 3", "conv", "pool 2 same", "conv", "dense"),
}
_SIDES = {"pnet": -1, "rnet": 24, "onet": 48}
_HEADS = {"pnet": (4, 2), "rnet": (4, 2), "onet": (4, 10, 2)}  # offsets, points, classes


def _graph(name: str, weights: list[np.ndarray]) -> Any:
    """Build a network (an ``openvino.Model``) of pixels (N, H, W, 3); its outputs have their channels last.

    Raises:
        FerError: the weights are not those of such a network.
    """
    ov = openvino()
    ops, left, side = ov.opset13, iter(weights), _SIDES[name]
    try:
        parameter = ops.parameter([-1, side, side, 3], np.float32, name="pixels")
        x = ops.transpose(parameter, np.array([0, 3, 1, 2]))
        for layer in _LAYERS[name]:
            if layer.startswith("pool"):
                x = _pool(ops, x, int(layer.split()[1]), same=layer.endswith("same"))
                continue
            x = _convolution(ops, x, next(left), next(left)) if layer == "conv" else _dense(ops, x, left)
            x = ops.prelu(x, next(left).reshape(-1))
        outputs = []
        for width in _HEADS[name]:
            kernel, bias = next(left), next(left)
            if kernel.shape[-1] != width:
                raise ValueError(f"a head of {kernel.shape[-1]} numbers instead of {width}")
            maps = kernel.ndim == 4
            done = _convolution(ops, x, kernel, bias) if maps else ops.add(ops.matmul(x, kernel, False, False), bias)
            done = ops.softmax(done, 1) if width == 2 else done
            outputs.append(ops.transpose(done, np.array([0, 2, 3, 1])) if maps else done)
        if next(left, None) is not None:
            raise ValueError("more weights than layers")
        return ov.Model(outputs, [parameter], name)
    except (StopIteration, ValueError, RuntimeError) as error:
        raise FerError(
            f"The weights of mtcnn's {name} do not fit its layers ({first_line(error)}); install mtcnn 1.0, or set "
            "mtcnn_engine: package."
        ) from None


def _convolution(ops: Any, x: Any, kernel: np.ndarray, bias: np.ndarray) -> Any:
    straight = np.ascontiguousarray(kernel.transpose(3, 2, 0, 1))
    done = ops.convolution(x, straight, strides=[1, 1], pads_begin=[0, 0], pads_end=[0, 0], dilations=[1, 1])
    return ops.add(done, bias.reshape(1, -1, 1, 1))


def _pool(ops: Any, x: Any, size: int, *, same: bool) -> Any:
    places = {"strides": [2, 2], "dilations": [1, 1], "pads_begin": [0, 0], "pads_end": [0, 0]}
    return ops.max_pool(x, **places, kernel_shape=[size] * 2, auto_pad="same_upper" if same else "valid").output(0)


def _dense(ops: Any, x: Any, left: Any) -> Any:
    """Flatten maps by columns, as Caffe did, and multiply."""
    flat = ops.reshape(ops.transpose(x, np.array([0, 3, 2, 1])), np.array([0, -1]), special_zero=True)
    return ops.add(ops.matmul(flat, next(left), False, False), next(left))
