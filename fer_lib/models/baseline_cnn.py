"""chen2023's "traditional CNN model" (Table 2). The paper prints its scores but no architecture."""

from __future__ import annotations

from fer_lib.backend import keras
from fer_lib.settings import BaselineCnnSettings

layers = keras.layers


def build(settings: BaselineCnnSettings, *, image_size: int = 48, classes: int = 7) -> keras.Model:
    """Build a plain CNN of the kind common on FER-2013: blocks of two 3×3 convolutions and a 2×2 max pooling.

    The input is float32 (N, 48, 48, 3), the output softmax probabilities (N, 7); uncompiled. A ``dropout_rate`` of 0
    leaves the dropout layers out.
    """
    initializer = settings.kernel_initializer
    face = keras.Input((image_size, image_size, 3), name="face")
    x = blocks(face, settings)
    x = layers.Flatten(name="flatten")(x)
    x = hidden_layer(x, settings)
    if settings.dropout_rate:
        x = layers.Dropout(settings.dropout_rate, name="dense_dropout")(x)
    x = layers.Dense(classes, kernel_initializer=initializer, name="logits")(x)
    return keras.Model(face, layers.Softmax(name="probabilities", dtype="float32")(x), name="baseline_cnn")


def hidden(model: keras.Model) -> keras.Model:
    """Cut a built network after its hidden layer: faces to the layer's units, (N, dense_units)."""
    return keras.Model(model.input, model.get_layer("dense_relu").output, name="hidden")


def blocks(x: keras.KerasTensor, settings: BaselineCnnSettings) -> keras.KerasTensor:
    """Apply the blocks of convolutions; each block halves height and width."""
    initializer = settings.kernel_initializer
    for block, filters in enumerate(settings.convolution_filters, start=1):
        for number in (1, 2):
            name = f"block{block}_conv{number}"
            x = layers.Conv2D(filters, 3, padding="same", kernel_initializer=initializer, name=name)(x)
            x = _normalised(x, settings, f"block{block}_bn{number}")
            x = layers.ReLU(name=f"block{block}_relu{number}")(x)
        x = layers.MaxPooling2D(2, name=f"block{block}_pool")(x)
        if settings.dropout_rate:
            x = layers.Dropout(settings.dropout_rate, name=f"block{block}_dropout")(x)
    return x


def hidden_layer(x: keras.KerasTensor, settings: BaselineCnnSettings) -> keras.KerasTensor:
    """Apply the dense layer to flattened maps: (N, M) to (N, dense_units)."""
    x = layers.Dense(settings.dense_units, kernel_initializer=settings.kernel_initializer, name="dense")(x)
    return layers.ReLU(name="dense_relu")(_normalised(x, settings, "dense_bn"))


def _normalised(x: keras.KerasTensor, settings: BaselineCnnSettings, name: str) -> keras.KerasTensor:
    if not settings.batch_normalization:
        return x
    return layers.BatchNormalization(momentum=settings.normalization_momentum, name=name)(x)
