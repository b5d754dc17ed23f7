"""ResNet50, self-attention and MLP: what chen2023 announces as future work."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fer_lib.backend import keras
from fer_lib.comparators.recipe import Network, RecipeSettings
from fer_lib.models import resnet50_attention
from fer_lib.settings import ResNet50MlpSettings


class ResNet50Attention(Network):
    """chen2023's model with a self-attention block after its trunk, trained by the shared recipe.

    Args:
        weights: of the trunk: ``"imagenet"``, ``"none"``, ``"random_frozen"`` or a file.
        epochs: passes over the training faces.
        image_size: to which faces are resized, in pixels: 48 gives four positions, 96 nine.
        dropout_rate: of the MLP (chen2023, Table 1).
        recipe: changes of :class:`~fer_lib.comparators.recipe.RecipeSettings`.
        seed: of new weights, dropout, shuffling and augmentation.
    """

    name = "resnet50_attention"
    title = "ResNet50 + self-attention + MLP"
    source = "chen2023, section 4: announced, not described"
    differs = "one block of 8 heads of 64 units over the trunk's positions, with a layer norm and a shortcut"
    scaling = "trunk"
    weights_of = "ResNet50"

    def __init__(
        self,
        weights: str = "imagenet",
        *,
        epochs: int = 10,
        image_size: int = 48,
        dropout_rate: float = 0.5,
        recipe: Mapping[str, Any] | None = None,
        seed: int = 0,
    ) -> None:
        self.weights = weights
        self.epochs = epochs
        self.image_size = image_size
        self.dropout_rate = dropout_rate
        self.recipe = recipe
        self.seed = seed

    def build(self, settings: RecipeSettings, classes: int) -> keras.Model:
        """Returns the uncompiled network; raises FerError where the weights cannot be had."""
        made_of = ResNet50MlpSettings(
            weights=self.weights, trainable_trunk=settings.trainable_trunk, dropout_rate=self.dropout_rate
        )
        return resnet50_attention.build(made_of, image_size=self.image_size, classes=classes)
