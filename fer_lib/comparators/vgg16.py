"""VGG-16 with SoftMax, which liu2023, section 3.1 compares with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fer_lib.backend import keras
from fer_lib.comparators.recipe import Network, RecipeSettings
from fer_lib.models import vgg16


class Vgg16(Network):
    """VGG-16 and its two dense layers, fine-tuned wholly by the shared recipe.

    Args:
        weights: of the convolutions: ``"imagenet"``, ``"none"`` or a file.
        epochs: passes over the training faces.
        image_size: to which faces are resized, in pixels.
        dense_units: of each dense layer.
        recipe: changes of :class:`~fer_lib.comparators.recipe.RecipeSettings`.
        seed: of new weights, dropout, shuffling and augmentation.
    """

    name = "vgg16"
    title = "VGG-16 + SoftMax"
    source = "Simonyan and Zisserman, ICLR 2015, configuration D"
    differs = "liu2023 says VGG alone: of its depths 16 is taken; no batch norms, as in the original"
    scaling = "trunk"  # its ImageNet weights expect ResNet50's preprocessing
    rate_from_scratch = 0.0001  # at 0.001 Adam tends to leave a network of this depth without batch norms at chance
    weights_of = "VGG16"

    def __init__(
        self,
        weights: str = "imagenet",
        *,
        epochs: int = 10,
        image_size: int = 48,
        dense_units: int = 4096,
        recipe: Mapping[str, Any] | None = None,
        seed: int = 0,
    ) -> None:
        self.weights = weights
        self.epochs = epochs
        self.image_size = image_size
        self.dense_units = dense_units
        self.recipe = recipe
        self.seed = seed

    def build(self, settings: RecipeSettings, classes: int) -> keras.Model:
        """Returns the uncompiled network; raises FerError where the weights cannot be had."""
        trained = "all" if self.weights == "none" else settings.trainable_trunk
        return vgg16.build(
            self.weights,
            trained=trained,
            image_size=self.image_size,
            classes=classes,
            dense_units=self.dense_units,
        )
