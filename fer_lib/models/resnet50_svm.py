"""liu2023's model: ResNet-50 whose softmax is replaced by a support vector machine (sections 2.2.1 and 3.1).

"ResNet with SoftMax" is fine-tuned first; its features before the softmax then go to :mod:`fer_lib.svm`. Batch norms
behave as Keras' do: while a layer trains it normalises by its batch, and features are always extracted with the moving
averages (momentum 0.99). On a small corpus (392 faces are seven steps an epoch) these lag behind the weights, which is
one reason why fine-tuning on FER-2013 is the default.
"""

from __future__ import annotations

import numpy as np
from tqdm import tqdm

from fer_lib.augmentation import network_input
from fer_lib.backend import keras
from fer_lib.models.resnet50_mlp import build_trunk
from fer_lib.settings import ResNet50SvmSettings

layers = keras.layers
TRUNK = "resnet50"


def build_classifier(settings: ResNet50SvmSettings, *, image_size: int = 48, classes: int = 7) -> keras.Model:
    """Returns "ResNet with SoftMax", uncompiled, its trunk loaded and frozen as the settings say.

    It is what fine-tuning trains (``training.train``); where ``settings.fine_tune_on`` is ``"nothing"`` or
    ``settings.epochs`` is 0, :func:`features` takes its trunk as it was loaded. The input is float32
    (N, image_size, image_size, 3), the output softmax probabilities (N, classes).

    Raises:
        FerError: the weights cannot be had or do not fit.
    """
    trunk = build_trunk(settings, image_size=image_size)
    face = keras.Input((image_size, image_size, 3), name="face")
    pooling = layers.GlobalAveragePooling2D if settings.pooling == "average" else layers.Flatten
    x = pooling(name="features")(trunk(face))
    x = layers.Dense(classes, kernel_initializer=settings.kernel_initializer, name="logits")(x)
    return keras.Model(face, layers.Softmax(name="probabilities")(x), name="resnet50_softmax")


def trunk_of(model: keras.Model) -> keras.Model:
    """Returns a model's layer ``resnet50``, or the model itself where it is the trunk.

    Raises:
        ValueError: the model has no such layer.
    """
    return model if model.name == TRUNK else model.get_layer(TRUNK)


def features(
    model: keras.Model,
    images: np.ndarray,
    *,
    settings: ResNet50SvmSettings,
    batch_size: int = 128,
    progress: bool = False,
) -> np.ndarray:
    """Returns each face's features: the trunk's output, pooled, before the softmax.

    The last batch is padded to full size, so that no backend compiles for a second shape.

    Args:
        model: the trunk, or a model that holds it.
        images: uint8, shape (N, H, W), or (N, V, H, W) for V views of each face.
        settings: ``scaling`` of the pixels and ``pooling`` of the features.
        batch_size: faces a step.
        progress: show a progress bar on a terminal.

    Returns:
        float32, shape (N, D) or (N, V, D): D is 2,048 with pooling ``"average"`` and 8,192 with ``"flatten"`` at 48
        pixels.
    """
    trunk = trunk_of(model)
    faces = images.reshape(-1, *images.shape[-2:])
    starts = range(0, len(faces), batch_size)
    hidden = None if progress else True  # None hides it where there is no terminal
    width = _width(trunk, settings.pooling)
    pooled = np.empty((len(faces), width), np.float32)
    for start in tqdm(starts, desc="features", unit="batch", disable=hidden):
        batch = faces[start : start + batch_size]
        missing = batch_size - len(batch)
        padded = np.concatenate([batch, np.repeat(batch[-1:], missing, axis=0)]) if missing else batch
        maps = np.asarray(trunk.predict_on_batch(network_input(padded, settings.scaling)))[: len(batch)]
        pooled[start : start + len(batch)] = _pool(maps, settings.pooling)
    return pooled.reshape(*images.shape[:-2], width)


def _pool(maps: np.ndarray, pooling: str) -> np.ndarray:
    return maps.mean(axis=(1, 2)) if pooling == "average" else maps.reshape(len(maps), -1)


def _width(trunk: keras.Model, pooling: str) -> int:
    height, width, channels = trunk.output_shape[1:]
    return channels if pooling == "average" else height * width * channels
