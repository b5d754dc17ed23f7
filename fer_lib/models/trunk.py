"""Split a network at its last frozen layer and run the frozen part, the trunk, on a fast engine.

A network with frozen first layers is split after the last of them. The *trunk* is the part up to there: it runs
without gradients on an engine of its own. The *tail* is the rest: it trains in float32. In chen2023's model (section
2.2.1, "the parameters of last four layers trained") two tensors pass from trunk to tail: the branch and the shortcut of
ResNet50's last block. The tail shares its layers with the network, so training one trains the other.

Engine and precision are settings (``trunk_engine``, ``trunk_precision``), never a measurement's choice: Keras on any
backend, or OpenVINO on a CPU, each in float32 or bfloat16. What an engine or a precision changes is told as a share of
the features' variation over faces (:func:`share_of_variation`), which depends on weights and scaling. Where features
vary by half of their norm, as in ``tests/models/test_trunk.py``, float32 agrees with Keras to 1e-5 of the variation and
bfloat16 to 2e-2. bfloat16 is a deviation that ``docs/decisions.md`` and every result's settings declare; where features
hardly vary, it is a large one (``docs/performance.md``).
"""

from __future__ import annotations

import threading
import weakref
import zlib
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from fer_lib.backend import keras
from fer_lib.errors import FerError
from fer_lib.models.openvino_graph import convert
from fer_lib.utils.inference import compiled, core, openvino
from fer_lib.utils.padding import filled
from fer_lib.utils.parallel import cores
from fer_lib.utils.pixels import network_input

layers = keras.layers

WORKERS = min(8, cores())
"""Number of threads that prepare batches and call the engine at the same time; OpenVINO has a stream for each."""

FACES_A_STEP = 64


class EngineSettings(Protocol):
    """Settings of a trunk's engine and precision; a network without a frozen part has no such settings."""

    @property
    def trunk_engine(self) -> str:
        """The engine, such as ``"keras"``."""

    @property
    def trunk_precision(self) -> str:
        """The precision, such as ``"float32"``."""


Engine = Callable[[np.ndarray], np.ndarray]
"""Function from network input, float32 (N, H, W, C), to features, float32 (N, width): the trunk's outputs, each
flattened in Keras' order of axes, side by side. Several threads may call it at the same time."""


@dataclass(frozen=True)
class SplitModel:
    """Network split into trunk and tail.

    Attributes:
        engine: runs the trunk.
        tail: maps features (N, width) to the network's output; its layers are the network's own.
    """

    engine: Engine
    tail: keras.Model

    def features(self, images: np.ndarray, *, scaling: str) -> np.ndarray:
        """Compute the tail's input, float32 (N, width), for faces, uint8 (N, H, W)."""
        run = scaled(self.engine, scaling)
        return in_batches(run, images, np.empty((len(images), self.tail.input_shape[1]), np.float32))

    def predict(self, images: np.ndarray, *, scaling: str) -> np.ndarray:
        """Compute the network's outputs, float32 (N, classes), for faces, uint8 (N, H, W)."""
        run, finish = scaled(self.engine, scaling), one_at_a_time(self.tail)
        outputs = np.empty((len(images), self.tail.output_shape[1]), np.float32)
        return in_batches(lambda batch: finish(run(batch)), images, outputs)


def split(model: keras.Model) -> tuple[keras.Model, keras.Model] | None:
    """Split a network into its frozen trunk and the tail; None if no layer with weights can be split off.

    The trunk maps the network's input to the tensors that pass to the tail, in the order of its graph. The tail maps
    them, flattened and side by side (N, width), to the network's output. Layers that draw random numbers are never in
    the trunk. The network is a functional graph, or one whose first layer is such a graph, as ``resnet50_mlp.build``
    returns it.
    """
    graph = next(layer for layer in model.layers if not isinstance(layer, layers.InputLayer))
    graph = graph if isinstance(graph, keras.Model) else model
    crossing = _crossing_tensors(graph)
    if not crossing:
        return None
    trunk = keras.Model(graph.inputs, crossing, name=f"{graph.name}_trunk")
    features = keras.Input((sum(_width(tensor) for tensor in crossing),), name="features")
    x = _unflattened(features, crossing)
    if crossing != graph.outputs:
        x = keras.Model(crossing, graph.outputs[0], name=f"{graph.name}_tail")(x)
    if graph is not model:
        # in the network itself, the graph's output is the input of the next layer
        after = model.layers[model.layers.index(graph) + 1].input
        x = keras.Model(after, model.outputs[0], name="head")(x)
    return trunk, keras.Model(features, x, name=f"{model.name}_tail")


def split_model(model: keras.Model, settings: Any) -> SplitModel | None:
    """Split a network and run its trunk on the engine that the settings name.

    Returns:
        None if no frozen part can be split off, or the settings name no engine (:class:`EngineSettings`).

    Raises:
        FerError: the engine is not installed, or the processor lacks the precision.
    """
    if not hasattr(settings, "trunk_engine"):
        return None
    kept = _splits.setdefault(model, {})
    key = tuple(id(variable) for variable in model.trainable_variables)
    if key not in kept:
        kept.clear()
        kept[key] = split(model)
    parts = kept[key]
    if parts is None:
        return None
    trunk, tail = parts
    return SplitModel(engine_of(trunk, settings, kept_by=model), tail)


def engine_of(network: keras.Model, settings: EngineSettings, *, kept_by: keras.Model | None = None) -> Engine:
    """Build the engine that runs a network in inference mode with its current weights.

    This takes a second. The engine is kept as long as ``kept_by`` exists (default: the network), and used again while
    the name of the engine, the precision and the weights stay the same.

    Raises:
        FerError: the engine is not installed, or the processor lacks the precision.
    """
    kept = _engines.setdefault(network if kept_by is None else kept_by, {})
    key = (settings.trunk_engine, settings.trunk_precision, _digest(network))
    if key not in kept:
        kept.clear()  # an engine of other weights; a trunk has a hundred megabytes of them
        kept[key] = ENGINES[settings.trunk_engine](network, settings.trunk_precision)
    return kept[key]


def share_of_variation(found: np.ndarray, reference: np.ndarray) -> float:
    """Compute the difference between two sets of features, (N, width), as a share of their variation over faces.

    The share is the root mean square of the difference, divided by that of the reference's deviations from its mean
    over faces. The features' norm is no good measure: most of it can be common to all faces, which distinguishes no
    faces and which the tail's batch norms subtract.
    """
    deviations = reference - reference.mean(axis=0, dtype=np.float64)
    return float(np.linalg.norm(found - reference) / np.linalg.norm(deviations))


def one_at_a_time(network: keras.Model) -> Engine:
    """Make a network's ``predict_on_batch`` safe for several threads, which Keras' own is not."""
    lock = threading.Lock()

    def run(batch: np.ndarray) -> np.ndarray:
        with lock:
            return np.asarray(network.predict_on_batch(batch))

    return run


def scaled(engine: Engine, scaling: str) -> Engine:
    """Put the pixels' scaling before an engine, so that it takes faces (N, H, W) with pixels of 0 to 255."""
    return lambda images: engine(network_input(images, scaling))


def in_batches(run: Callable[[np.ndarray], np.ndarray], images: np.ndarray, into: np.ndarray) -> np.ndarray:
    """Run a function on images batch by batch, and return ``into`` with one row of its outputs for each image.

    ``WORKERS`` batches run at the same time, so ``run`` must be safe for several threads (:func:`one_at_a_time`). The
    last batch is padded to full size, so that no backend compiles for a second shape.

    Raises:
        FerError: an output is not finite: the weights are damaged, or the pixels far from those of their training.
    """

    def fill(start: int) -> None:
        batch = images[start : start + FACES_A_STEP]
        found = run(filled(batch, FACES_A_STEP))[: len(batch)]
        if not np.isfinite(found).all():
            raise FerError(
                f"The network's outputs of the faces from {start:,} on are not finite (NaN or infinity); its weights "
                "are damaged, or the setting scaling is not the one that they were trained with."
            )
        into[start : start + len(batch)] = found

    with ThreadPoolExecutor(WORKERS) as pool:
        for _ in pool.map(fill, range(0, len(images), FACES_A_STEP)):
            pass
    return into


NO_KERNEL = "primitive descriptor"  # oneDNN's words for a precision that it lacks, such as under ONEDNN_MAX_CPU_ISA


class KerasEngine:
    """Run the network in Keras, on its backend and device, compiled by XLA where possible."""

    def __init__(self, network: keras.Model, precision: str) -> None:
        network = _computing_in({"float32": "float32", "bfloat16": "mixed_bfloat16"}[precision], network)
        parts = [layers.Flatten(dtype="float32")(tensor) for tensor in network.outputs]
        joined = layers.Concatenate(dtype="float32")(parts) if len(parts) > 1 else parts[0]
        self.run, self.precision = one_at_a_time(keras.Model(network.inputs, joined)), precision

    def __call__(self, faces: np.ndarray) -> np.ndarray:
        """Compute the features of one batch."""
        try:
            return self.run(faces)
        except Exception as error:  # each backend raises its own
            if self.precision == "bfloat16" and NO_KERNEL in str(error):
                raise _no_bfloat16() from error
            raise


class OpenVinoEngine:
    """Run the network as OpenVINO compiles it for this CPU, with folded batch norms and its own memory layouts."""

    def __init__(self, network: keras.Model, precision: str) -> None:
        try:
            openvino()  # a core that has started would hide that the package is gone
            found = core()
        except ImportError:
            raise FerError(
                "The setting trunk_engine: openvino needs the package openvino, which is not installed; install it, or "
                "set trunk_engine: keras."
            ) from None
        if precision == "bfloat16" and "BF16" not in found.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
            raise _no_bfloat16()
        hint = {"float32": "f32", "bfloat16": "bf16"}[precision]
        try:
            self.compiled = compiled(convert(network), hint=hint, streams=WORKERS)
        except RuntimeError as error:
            if precision == "bfloat16" and NO_KERNEL in str(error):
                raise _no_bfloat16() from error
            raise
        # A request serves one call at a time. It must not belong to a thread: with one core, Keras reads the batches in
        # a thread of TensorFlow, for which Python clears such data after each call, and the process would crash.
        self.idle: deque[Any] = deque()

    def __call__(self, faces: np.ndarray) -> np.ndarray:
        """Compute the features of one batch."""
        try:
            request = self.idle.pop()
        except IndexError:
            request = self.compiled.create_infer_request()
        request.infer([faces], share_inputs=True)
        features = request.get_output_tensor().data.copy()
        self.idle.append(request)
        return features


def _no_bfloat16() -> FerError:
    return FerError(
        "The setting trunk_precision: bfloat16 needs a processor with bfloat16 instructions (AVX512-BF16 or AMX), "
        "which this one lacks; set trunk_precision: float32, or FER_TRUNK=openvino-float32 in the environment."
    )


ENGINES: dict[str, Callable[[keras.Model, str], Engine]] = {"keras": KerasEngine, "openvino": OpenVinoEngine}
_engines: weakref.WeakKeyDictionary[keras.Model, dict[Any, Engine]] = weakref.WeakKeyDictionary()
_splits: weakref.WeakKeyDictionary[keras.Model, dict[Any, Any]] = weakref.WeakKeyDictionary()
"""The trunk and the tail of each model that was split: a backend compiles a tail once, however often it is used."""


def _crossing_tensors(graph: keras.Model) -> list[Any]:
    """List the tensors that pass from layers without trained or random ancestors to the others, in graph order.

    The list is empty if such layers have no weights, since splitting them off saves nothing.
    """
    early, late_inputs, frozen_weights = {id(tensor) for tensor in graph.inputs}, [], False
    for layer in graph.layers:
        if isinstance(layer, layers.InputLayer):
            continue
        inputs = layer.input if isinstance(layer.input, list) else [layer.input]
        is_random = any("seed_generator_state" in variable.path for variable in layer.variables)
        if not layer.trainable_weights and not is_random and all(id(tensor) in early for tensor in inputs):
            early.add(id(layer.output))
            frozen_weights |= bool(layer.weights)
        else:
            late_inputs += [id(tensor) for tensor in inputs]
    wanted = early & {*late_inputs, *(id(tensor) for tensor in graph.outputs)}
    return [layer.output for layer in graph.layers if id(layer.output) in wanted] if frozen_weights else []


def _unflattened(features: Any, tensors: list[Any]) -> list[Any] | Any:
    """Cut features (N, width) into tensors with the shapes of the given ones."""
    parts, start = [], 0
    for tensor in tensors:
        part = features[:, start : start + _width(tensor)]
        parts.append(layers.Reshape(tensor.shape[1:])(part))
        start += _width(tensor)
    return parts if len(parts) > 1 else parts[0]


def _width(tensor: Any) -> int:
    return int(np.prod(tensor.shape[1:]))


def _computing_in(policy: str, network: keras.Model) -> keras.Model:
    """Make a network's layers compute by a policy, in a copy if they do not yet; its weights stay float32."""
    if all(layer.dtype_policy.name == policy for layer in network.layers):
        return network

    def cast(layer: keras.Layer) -> keras.Layer:
        return type(layer).from_config({**layer.get_config(), "dtype": policy})

    copy = keras.models.clone_model(network, clone_function=cast)
    copy.set_weights(network.get_weights())
    return copy


def _digest(network: keras.Model) -> tuple[object, ...]:
    """Compute checksums of a network's weights, which change with any of them, next to its output shapes."""
    weights = (np.ascontiguousarray(weight) for weight in network.get_weights())
    return (*(tensor.shape for tensor in network.outputs), *(zlib.crc32(weight.data) for weight in weights))
