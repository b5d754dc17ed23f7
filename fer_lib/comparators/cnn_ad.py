"""liu2023, Table 3, "CNN + AD": two readings of an abbreviation that the paper does not explain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fer_lib.backend import keras
from fer_lib.comparators.recipe import MOMENTUM, Network, RecipeSettings
from fer_lib.errors import FerError
from fer_lib.models import baseline_cnn
from fer_lib.settings import BaselineCnnSettings

layers = keras.layers
READINGS = ("augmentation_dropout", "adaptive_pooling")
GRID = 3  # maps are pooled to 3×3 whatever the faces' size


class CnnAd(Network):
    """A plain CNN with augmentation and dropout, or with adaptive pooling, trained by the shared recipe.

    Args:
        reading: the meaning of "AD": ``"augmentation_dropout"`` or ``"adaptive_pooling"``.
        epochs: passes over the training faces.
        image_size: the faces are resized to this height and width in pixels.
        convolution_filters: the filters of each block of two convolutions.
        recipe: changes of :class:`~fer_lib.comparators.recipe.RecipeSettings`.
        seed: fixes the weights, dropout, shuffling and augmentation.
    """

    name = first_learner = "cnn_ad"
    title = "CNN + AD"
    source = "liu2023, Table 3, without a reference"
    differs = (
        "in the style of: the abbreviation is not resolved; read as augmentation + dropout (adaptive pooling is the "
        "other reading), on the plain CNN that stands for chen2023's"
    )

    def __init__(
        self,
        reading: str = READINGS[0],
        *,
        epochs: int = 10,
        image_size: int = 48,
        convolution_filters: tuple[int, ...] = BaselineCnnSettings().convolution_filters,
        recipe: Mapping[str, Any] | None = None,
        seed: int = 0,
    ) -> None:
        self.reading = reading
        self.epochs = epochs
        self.image_size = image_size
        self.convolution_filters = convolution_filters
        self.recipe = recipe
        self.seed = seed

    def build(self, settings: RecipeSettings, classes: int) -> keras.Model:
        """Build the uncompiled network; raise FerError if the reading is neither of the two."""
        plain = BaselineCnnSettings(convolution_filters=self.convolution_filters, normalization_momentum=MOMENTUM)
        return build(plain, reading=self.reading, image_size=self.image_size, classes=classes)


def build(
    settings: BaselineCnnSettings, *, reading: str = READINGS[0], image_size: int = 48, classes: int = 7
) -> keras.Model:
    """Build chen2023's plain CNN in one reading of "AD", uncompiled.

    The input is float32 (N, image_size, image_size, 3), the output probabilities (N, classes).

    Args:
        settings: the settings of its blocks; ``dropout_rate`` counts only if the reading is dropout.
        reading: ``"augmentation_dropout"`` is the CNN with its dropouts (the training augments the faces);
            ``"adaptive_pooling"`` has none, and averages the last maps to 3×3 before the dense layer.
        image_size: height and width of the faces in pixels.
        classes: the number of classes.

    Raises:
        FerError: ``reading`` is neither.
        ValueError: the last maps are smaller than 3×3.
    """
    if reading not in READINGS:
        raise FerError(f"reading is {reading!r}; expected {' or '.join(READINGS)}.")
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
    """Average square maps to ``grid`` × ``grid`` in windows of one size, which overlap if necessary.

    Raises:
        ValueError: the maps are smaller than that.
    """
    side = x.shape[1]
    if side < grid:
        raise ValueError(f"the maps are {side}×{side}; expected {grid}×{grid} or more")
    stride = side // grid
    return layers.AveragePooling2D(side - (grid - 1) * stride, strides=stride, name="adaptive_pool")(x)
