"""Inception-v4, which liu2023, section 3.1 compares with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fer_lib.backend import keras
from fer_lib.comparators.recipe import MOMENTUM, Network, RecipeSettings
from fer_lib.models import inception_v4


class InceptionV4(Network):
    """Inception-v4 from random weights, trained by the shared recipe.

    Args:
        epochs: passes over the training faces.
        image_size: to which faces are resized, in pixels; 75 is the smallest that fits.
        width: what the number of each convolution's maps is multiplied by; 1 is the published network.
        blocks: how many Inception-A, -B and -C blocks there are.
        recipe: changes of :class:`~fer_lib.comparators.recipe.RecipeSettings`.
        seed: of weights, dropout, shuffling and augmentation.
    """

    name = "inception_v4"
    title = "Inception-V4"
    source = "Szegedy, Ioffe, Vanhoucke and Alemi, AAAI 2017"
    differs = "faces of 75 pixels instead of 299; Adam instead of RMSProp; Keras has no ImageNet weights of it"
    smallest = inception_v4.SMALLEST

    def __init__(
        self,
        epochs: int = 10,
        *,
        image_size: int = inception_v4.SMALLEST,
        width: float = 1.0,
        blocks: tuple[int, int, int] = inception_v4.BLOCKS,
        recipe: Mapping[str, Any] | None = None,
        seed: int = 0,
    ) -> None:
        self.epochs = epochs
        self.image_size = image_size
        self.width = width
        self.blocks = blocks
        self.recipe = recipe
        self.seed = seed

    def build(self, settings: RecipeSettings, classes: int) -> keras.Model:
        """Returns the uncompiled network."""
        return inception_v4.build(
            image_size=self.image_size, classes=classes, width=self.width, blocks=self.blocks, momentum=MOMENTUM
        )
