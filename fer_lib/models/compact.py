"""Keep a network in a few megabytes, and answer from it without Keras: OpenVINO's own files and a card.

A folder contains ``network.xml`` (the graph), ``network.bin`` (its weights) and ``model.json`` (the card: classes,
input, temperature, provenance and both files' SHA-256). Weights are kept in float16, which is as small as bfloat16 and
rounds eight times finer, or in int8 with one scale for each output channel; biases stay in float32, in which the
network computes either way.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from fer_lib.errors import FerError, first_line
from fer_lib.utils import bundle
from fer_lib.utils.files import atomic_path, file_sha256
from fer_lib.utils.inference import compiled, core, openvino
from fer_lib.utils.pixels import network_input

GRAPH, WEIGHTS, CARD = "network.xml", "network.bin", "model.json"
FORMAT = 1
STORAGES = ("float16", "int8")
LARGEST_ECE = 0.03
"""Expected calibration error above which probabilities may not be called calibrated."""
VIEWS = ("whole", "mirrored", "ten_crop")
_BATCH = 256  # views in one run of the network


@dataclass(frozen=True)
class Compact:
    """A network with one score for each class, from grey faces, and all that is needed to use it.

    Attributes:
        class_names: in the order of the scores.
        face: height and width of a face in pixels.
        size: height and width of the network's input; a view of a face is cut to it.
        views: one of :data:`VIEWS`, whose logits are averaged: the whole face; it and its mirror image; or its corners
            and its centre, each with its mirror image.
        temperature: divides the logits, so that the probabilities are calibrated (Guo et al. 2017).
        storage: one of :data:`STORAGES`.
        face_settings: how photos are cropped for it, as plain values.
        calibration_error: the expected one, on faces that the temperature was not found on; None if not measured.
        scores: how good it is, as plain values.
        recall: of each class on the faces of the first score: ``class``, ``value``, ``low``, ``high`` and ``n``.
        provenance: where all this comes from, as plain values.
        run: maps pixels, float32 (N, size, size, 1) in 0-1, to logits (N, classes).
    """

    class_names: tuple[str, ...]
    face: int
    size: int
    views: str = "whole"
    temperature: float = 1.0
    storage: str = "float16"
    calibration_error: float | None = None
    face_settings: Mapping[str, Any] = field(default_factory=dict)
    scores: tuple[Mapping[str, Any], ...] = ()
    recall: tuple[Mapping[str, Any], ...] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)
    run: Any = None

    @property
    def calibrated(self) -> bool:
        """Whether its calibration error was measured and is small enough."""
        return self.calibration_error is not None and 0 <= self.calibration_error <= LARGEST_ECE

    def logits(self, images: np.ndarray) -> np.ndarray:
        """Compute the mean logits of the views of grey faces, uint8 (N, face, face): float32 (N, classes)."""
        return mean_logits(self.run, images, size=self.size, views=self.views, classes=len(self.class_names))

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """Compute probabilities of grey faces, uint8 (N, face, face), at the temperature: float32 (N, classes)."""
        return softmax(self.logits(images) / np.float32(self.temperature))


def mean_logits(run: Any, images: np.ndarray, *, size: int, views: str, classes: int) -> np.ndarray:
    """Average a network's logits over the views of each face: float32 (N, classes).

    Args:
        run: maps pixels, float32 (N, size, size, 1) in 0-1, to logits (N, classes).
        images: uint8, (N, H, W).
        size: height and width of a view.
        views: one of :data:`VIEWS`.
        classes: number of classes.
    """
    found = np.empty((len(images), classes), np.float32)
    many = len(views_of(images[:1], size, views)) if len(images) else 1
    step = max(1, _BATCH // many)
    for start in range(0, len(images), step):
        some = images[start : start + step]
        pixels = network_input(np.concatenate(views_of(some, size, views)), "unit")[..., :1]
        found[start : start + step] = np.asarray(run(pixels), np.float32).reshape(many, len(some), classes).mean(axis=0)
    return found


def views_of(images: np.ndarray, size: int, views: str) -> list[np.ndarray]:
    """Cut the views of faces (N, H, W), each (N, size, size): one, two or ten of them."""
    height, width = images.shape[1:3]
    middle = ((height - size) // 2, (width - size) // 2)
    corners = [(0, 0), (0, width - size), (height - size, 0), (height - size, width - size), middle]
    places = corners if views == "ten_crop" else [middle]
    cut = [images[:, top : top + size, left : left + size] for top, left in places]
    return cut if views == "whole" else cut + [view[:, :, ::-1] for view in cut]


def softmax(logits: np.ndarray) -> np.ndarray:
    """Convert logits (N, classes) to probabilities of the same type, as SciPy does, whose import takes 0.25 s."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def write(folder: str | Path, graph: Any, model: Compact) -> Path:
    """Write a graph in small storage with its card; the card comes last, so that half a folder is never read.

    Args:
        folder: created if missing; former files are replaced.
        graph: the network as :func:`fer_lib.models.openvino_graph.convert` gives it; left as it is.
        model: the facts of the card; its ``run`` is not used.
    """
    ov, folder = openvino(), Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CARD).unlink(missing_ok=True)
    with atomic_path(folder / GRAPH) as partial:
        ov.save_model(stored(graph, model.storage), partial, compress_to_fp16=False)
        partial.with_suffix(".bin").replace(folder / WEIGHTS)
    content = {
        "format": FORMAT,
        "class_names": list(model.class_names),
        "input": {"face": model.face, "size": model.size, "channels": 1, "scaling": "unit", "views": model.views},
        "temperature": model.temperature,
        "storage": model.storage,
        "calibration_error": model.calibration_error,
        "face_settings": dict(model.face_settings),
        "scores": [dict(score) for score in model.scores],
        "recall": [dict(row) for row in model.recall],
        "provenance": dict(model.provenance),
        "sha256": {name: file_sha256(folder / name) for name in (GRAPH, WEIGHTS)},
    }
    bundle.write_json(folder / CARD, content)
    return folder


def is_one(path: str | Path) -> bool:
    """Tell whether a path is the folder of a compact network."""
    return all((Path(path) / name).is_file() for name in (GRAPH, CARD))


def read(folder: str | Path) -> Compact:
    """Read a compact network and compile it.

    Raises:
        FerError: a file is missing, not the one that the card names, or cannot be read; or OpenVINO is missing.
    """
    folder = Path(folder)
    model = read_card(folder)
    try:
        run = _runner(compiled(core().read_model(folder / GRAPH)))
    except ImportError as error:
        raise FerError(f"The model {folder} needs OpenVINO ({error}); install it with pip install openvino.") from None
    except RuntimeError as error:
        raise FerError(f"{folder / GRAPH} is no network ({first_line(error)}); install or save it again.") from None
    return Compact(**{**vars(model), "run": run})


def read_card(folder: str | Path) -> Compact:
    """Read and check the card of a compact network and its files' SHA-256, without the network itself.

    Raises:
        FerError: something is missing, damaged or not as the card says.
    """
    folder = Path(folder)
    path = folder / CARD
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        given = content["input"]
        model = Compact(
            tuple(map(str, content["class_names"])),
            face=int(given["face"]),
            size=int(given["size"]),
            views=given["views"],
            temperature=float(content["temperature"]),
            storage=content["storage"],
            calibration_error=None if (error := content["calibration_error"]) is None else float(error),
            face_settings=dict(content["face_settings"]),
            scores=tuple(dict(score) for score in content["scores"]),
            recall=tuple(dict(row) for row in content.get("recall", ())),
            provenance=dict(content["provenance"]),
        )
        known = (content["format"], given["channels"], given["scaling"]) == (FORMAT, 1, "unit")
        digests = {name: content["sha256"][name] for name in (GRAPH, WEIGHTS)}
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise FerError(f"{path} is no card of a network ({first_line(error)}); install or save it again.") from None
    fits = 0 < model.size <= model.face and 0 < model.temperature < np.inf and model.views in VIEWS
    if not known or not fits or len(model.class_names) < 2:
        raise FerError(f"{path} says what this version cannot use; install or save the model again.")
    wrong = next((name for name, digest in digests.items() if _digest(folder / name) != digest), None)
    if wrong is not None:
        raise FerError(f"{wrong} in {folder} is not the file that {CARD} names; install or save the model again.")
    return model


def stored(graph: Any, storage: str) -> Any:
    """Copy a graph with its weights in small storage, which the network converts to float32 as it is compiled.

    Args:
        graph: an ``openvino.Model`` whose weights are float32.
        storage: one of :data:`STORAGES`.

    Raises:
        ValueError: another storage.
    """
    if storage not in STORAGES:
        raise ValueError(f"storage is {storage!r}; it should be one of {STORAGES}")
    ov, copy = openvino(), graph.clone()
    ops = ov.opset13
    for operation in copy.get_ordered_ops():
        if operation.get_type_name() != "Constant" or operation.get_element_type() != ov.Type.f32:
            continue
        values = np.array(operation.data)
        if values.size == max(values.shape, default=1):  # a bias, or one number a channel: hardly any bytes
            continue
        uses = list(operation.output(0).get_target_inputs())
        axis = 0 if any(use.get_node().get_type_name() == "Convolution" for use in uses) else values.ndim - 1
        smaller = _small(ops, values, storage, axis)
        for use in uses:
            use.replace_source_output(smaller.output(0))
    return copy


def _small(ops: Any, values: np.ndarray, storage: str, axis: int) -> Any:
    """Make the operations that give weights back in float32; ``axis`` is that of the output channels."""
    if storage == "float16":
        return ops.convert(ops.constant(values.astype(np.float16)), "f32")
    others = tuple(place for place in range(values.ndim) if place != axis)
    scale = np.maximum(np.abs(values).max(axis=others, keepdims=True) / 127, np.finfo(np.float32).tiny)
    whole = np.clip(np.rint(values / scale), -127, 127).astype(np.int8)
    return ops.multiply(ops.convert(ops.constant(whole), "f32"), ops.constant(scale.astype(np.float32)))


def _runner(network: Any) -> Any:
    request = network.create_infer_request()

    def run(pixels: np.ndarray) -> np.ndarray:
        request.infer([np.ascontiguousarray(pixels)], share_inputs=True)
        return request.get_output_tensor().data.copy()

    return run


def _digest(path: Path) -> str | None:
    return file_sha256(path) if path.is_file() else None
