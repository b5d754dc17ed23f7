"""Tools of the trunk's benchmarks: the usual notebook's training, our own, and a network's operations per face."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

import numpy as np
from side_by_side import fer2013  # first: it makes this project's library importable

from fer_lib import training
from fer_lib.backend import keras
from fer_lib.datasets.face_dataset import FaceDataset
from fer_lib.models import resnet50_mlp, trunk
from fer_lib.settings import ResNet50MlpSettings, change
from fer_lib.utils.inference import openvino

layers = keras.layers
ENGINES = {"openvino float32": ("openvino", "float32"), "openvino bfloat16": ("openvino", "bfloat16")}


def settings(weights: str, **changes: Any) -> ResNet50MlpSettings:
    """Build chen2023's settings with the trunk's weights, random ones by default, and other changes."""
    return change(ResNet50MlpSettings(weights=weights or "random_frozen"), **changes)


def engines() -> dict[str, tuple[str, str]]:
    """List our engines that this processor supports, by name."""
    has_bfloat16 = "BF16" in openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return {name: engine for name, engine in ENGINES.items() if has_bfloat16 or engine[1] == "float32"}


def halves(data_dir: str, faces: int) -> tuple[FaceDataset, FaceDataset]:
    """Load ``faces`` training faces and a quarter as many for validation: the paper's 8:2."""
    every = fer2013(data_dir, faces * 5 // 4)
    return every.take(np.arange(faces)), every.take(np.arange(faces, len(every)))


def our_epochs(used: ResNet50MlpSettings, learn: FaceDataset, validate: FaceDataset) -> list[float]:
    """Measure the seconds of each epoch of our training, including validation."""
    build = partial(resnet50_mlp.build, used)
    _, history = training.train(build, used, training=learn, validation=validate)
    return history["seconds"].tolist()


def usual_epochs(used: ResNet50MlpSettings, learn: FaceDataset, validate: FaceDataset) -> list[float]:
    """Measure the seconds of each epoch of the same training in the usual notebook's way.

    Keras' ImageDataGenerator moves and scales the faces, ``fit`` trains the whole model with its first layers frozen
    and validates on all of it after each epoch.
    """
    from keras.src.legacy.preprocessing.image import ImageDataGenerator

    shifts = {"width_shift_range": used.width_shift_range, "height_shift_range": used.height_shift_range}
    moving = ImageDataGenerator(rescale=1 / 255, rotation_range=used.rotation_range, **shifts)
    flow = {"batch_size": used.batch_size, "seed": 0}
    batches = moving.flow(*_arrays(learn), **flow)
    unmoved = ImageDataGenerator(rescale=1 / 255).flow(*_arrays(validate), shuffle=False, **flow)
    model = resnet50_mlp.build(used)
    metrics = ["accuracy", keras.metrics.BinaryAccuracy()]
    model.compile(optimizer="adam", loss="categorical_crossentropy", metrics=metrics)
    clock = _EpochClock()
    model.fit(batches, validation_data=unmoved, epochs=used.epochs, verbose=0, callbacks=[clock])
    return clock.seconds


class _EpochClock(keras.callbacks.Callback):
    """Timer of each epoch with its validation."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Start the clock."""
        self.started = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Stop the clock; Keras calls this after the validation."""
        self.seconds.append(time.perf_counter() - self.started)


def _arrays(faces: FaceDataset) -> tuple[np.ndarray, np.ndarray]:
    pictures = np.repeat(faces.images[..., np.newaxis], 3, axis=-1)
    return pictures, np.eye(len(faces.class_names), dtype=np.float32)[faces.labels]


def frozen_trunk(used: ResNet50MlpSettings) -> keras.Model:
    """Build the frozen part of chen2023's ResNet50."""
    return trunk.split(resnet50_mlp.build(used))[0]


def operations_a_face(network: keras.Model) -> float:
    """Count the multiplications and additions of a network's convolutions for one face, in 10⁹.

    Kernel taps on the border's padding cost nothing and are not counted.
    """
    total = 0
    for layer in network.layers:
        if isinstance(layer, layers.Conv2D):
            taps = [
                _taps_inside(size, out, kernel, stride, layer.padding)
                for size, out, kernel, stride in zip(
                    layer.input.shape[1:3], layer.output.shape[1:3], layer.kernel_size, layer.strides, strict=True
                )
            ]
            total += 2 * taps[0] * taps[1] * layer.input.shape[-1] * layer.filters
    return total / 1e9


def _taps_inside(size: int, out: int, kernel: int, stride: int, padding: str) -> int:
    """Count the kernel taps of all outputs along one axis that meet a pixel of the input."""
    before = max((out - 1) * stride + kernel - size, 0) // 2 if padding == "same" else 0
    places = (np.arange(out) * stride - before)[:, np.newaxis] + np.arange(kernel)
    return int(((places >= 0) & (places < size)).sum())
