"""The "CNN + AD" of liu2023's Table 3."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fer_lib.backend import keras
from fer_lib.comparators.recipe import MOMENTUM, Network, RecipeSettings
from fer_lib.errors import FerError
from fer_lib.models import cnn_ad
from fer_lib.settings import BaselineCnnSettings


class CnnAd(Network):
    """A plain CNN with augmentation and dropout, or with adaptive pooling, trained by the shared recipe.

    Args:
        reading: of "AD": ``"augmentation_dropout"`` or ``"adaptive_pooling"``.
        epochs: passes over the training faces.
        image_size: to which faces are resized, in pixels.
        convolution_filters: of each block of two convolutions.
        recipe: changes of :class:`~fer_lib.comparators.recipe.RecipeSettings`.
        seed: of weights, dropout, shuffling and augmentation.
    """

    name = "cnn_ad"
    title = "CNN + AD"
    source = "liu2023, Table 3, without a reference"
    differs = (
        "in the style of: the abbreviation is not resolved; read as augmentation + dropout (adaptive pooling is the "
        "other reading), on the plain CNN that stands for chen2023's"
    )

    def __init__(
        self,
        reading: str = cnn_ad.READINGS[0],
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
        """Returns the uncompiled network; raises FerError where the reading is neither of the two."""
        if self.reading not in cnn_ad.READINGS:
            raise FerError(f"reading is {self.reading!r}; expected {' or '.join(cnn_ad.READINGS)}.")
        plain = BaselineCnnSettings(convolution_filters=self.convolution_filters, normalization_momentum=MOMENTUM)
        return cnn_ad.build(plain, reading=self.reading, image_size=self.image_size, classes=classes)
