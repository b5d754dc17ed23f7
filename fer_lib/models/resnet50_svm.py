"""liu2023's model: ResNet-50 whose softmax is replaced by a support vector machine (sections 2.2.1 and 3.1).

"ResNet with SoftMax" is fine-tuned first; its features before the softmax then go to :mod:`fer_lib.svm.classifiers`.
Batch norms behave as Keras' do: a layer that trains normalises by its batch, and features are always extracted
with the moving averages (momentum 0.99). On a small corpus (392 faces are seven steps an epoch) the averages lag behind
the weights, which is one reason why fine-tuning on FER-2013 is the default.
"""

from __future__ import annotations

import numpy as np

from fer_lib.backend import keras
from fer_lib.models.resnet50_mlp import build_trunk
from fer_lib.models.trunk import engine_of, in_batches, scaled
from fer_lib.settings import ResNet50SvmSettings

layers = keras.layers
TRUNK = "resnet50"


def build_classifier(settings: ResNet50SvmSettings, *, image_size: int = 48, classes: int = 7) -> keras.Model:
    """Build "ResNet with SoftMax", uncompiled; the settings say which weights its trunk loads and which layers train.

    Fine-tuning (``training.train``) trains it. If ``settings.fine_tune_on`` is ``"nothing"`` or ``settings.epochs`` is
    0, :func:`features` uses its trunk as loaded. The input is float32
    (N, image_size, image_size, 3), the output softmax probabilities (N, classes).

    Raises:
        FerError: the weights are not available or do not fit.
    """
    trunk = build_trunk(settings, image_size=image_size)
    face = keras.Input((image_size, image_size, 3), name="face")
    pooling = layers.GlobalAveragePooling2D if settings.pooling == "average" else layers.Flatten
    x = pooling(name="features")(trunk(face))
    x = layers.Dense(classes, kernel_initializer=settings.kernel_initializer, name="logits")(x)
    return keras.Model(face, layers.Softmax(name="probabilities", dtype="float32")(x), name="resnet50_softmax")


def trunk_of(model: keras.Model) -> keras.Model:
    """Find a model's layer ``resnet50``; a trunk is returned as it is.

    Raises:
        ValueError: the model has no such layer.
    """
    return model if model.name == TRUNK else model.get_layer(TRUNK)


def features(model: keras.Model, images: np.ndarray, *, settings: ResNet50SvmSettings) -> np.ndarray:
    """Compute each face's features: the trunk's output, pooled, before the softmax.

    Args:
        model: the trunk, or a model that contains it.
        images: uint8, shape (N, H, W), or (N, V, H, W) for V views of each face.
        settings: ``scaling`` of the pixels, ``pooling`` of the features, and the trunk's engine and precision.

    Returns:
        float32, shape (N, D) or (N, V, D): D is 2,048 with pooling ``"average"`` and 8,192 with ``"flatten"`` at 48
        pixels.
    """
    trunk = trunk_of(model)
    faces = images.reshape(-1, *images.shape[-2:])
    width = _width(trunk, settings.pooling)
    run = scaled(engine_of(trunk, settings), settings.scaling)
    pooled = in_batches(
        lambda batch: _pool(run(batch), trunk.output_shape, settings.pooling),
        faces,
        np.empty((len(faces), width), np.float32),
    )
    return pooled.reshape(*images.shape[:-2], width)


def _pool(maps: np.ndarray, shape: tuple[int | None, ...], pooling: str) -> np.ndarray:
    """Pool flattened maps, (N, height · width · channels), to features."""
    return maps.reshape(-1, *shape[1:]).mean(axis=(1, 2)) if pooling == "average" else maps


def _width(trunk: keras.Model, pooling: str) -> int:
    height, width, channels = trunk.output_shape[1:]
    return channels if pooling == "average" else height * width * channels
