"""The "CNN + AD" of liu2023's Table 3, whose abbreviation no sentence of the paper resolves, in two readings."""

from __future__ import annotations

from fer_lib.backend import keras
from fer_lib.models import baseline_cnn
from fer_lib.settings import BaselineCnnSettings

layers = keras.layers
READINGS = ("augmentation_dropout", "adaptive_pooling")
GRID = 3  # maps are pooled to 3×3 whatever the faces' size


def build(
    settings: BaselineCnnSettings, *, reading: str = READINGS[0], image_size: int = 48, classes: int = 7
) -> keras.Model:
    """Returns chen2023's plain CNN as "AD" reads, uncompiled.

    The input is float32 (N, image_size, image_size, 3), the output probabilities (N, classes).

    Args:
        settings: of its blocks; ``dropout_rate`` counts where dropout is the reading.
        reading: ``"augmentation_dropout"`` is the CNN with its dropouts (moving the faces is the training's part);
            ``"adaptive_pooling"`` has none, and averages the last maps to 3×3 before the dense layer.
        image_size: height and width of the faces in pixels.
        classes: how many there are.

    Raises:
        ValueError: ``reading`` is neither, or the last maps are smaller than 3×3.
    """
    if reading not in READINGS:
        raise ValueError(f"reading is {reading!r}; it should be one of {READINGS}")
    if reading == "augmentation_dropout":
        return baseline_cnn.build(settings, image_size=image_size, classes=classes)
    without = BaselineCnnSettings(
        convolution_filters=settings.convolution_filters,
        batch_normalization=settings.batch_normalization,
        normalization_momentum=settings.normalization_momentum,
        kernel_initializer=settings.kernel_initializer,
        dropout_rate=0.0,
    )
    face = keras.Input((image_size, image_size, 3), name="face")
    x = adaptive_average_pooling(baseline_cnn.blocks(face, without))
    x = layers.Flatten(name="flatten")(x)
    x = baseline_cnn.hidden_layer(x, settings)
    x = layers.Dense(classes, name="logits")(x)
    return keras.Model(face, layers.Softmax(name="probabilities", dtype="float32")(x), name="cnn_adaptive_pooling")


def adaptive_average_pooling(x: keras.KerasTensor, grid: int = GRID) -> keras.KerasTensor:
    """Returns square maps averaged to ``grid`` × ``grid`` in windows of one size, which overlap where they must.

    Raises:
        ValueError: the maps are smaller than that.
    """
    side = x.shape[1]
    if side < grid:
        raise ValueError(f"the maps are {side}×{side}; expected {grid}×{grid} or more")
    stride = side // grid
    return layers.AveragePooling2D(side - (grid - 1) * stride, strides=stride, name="adaptive_pool")(x)
