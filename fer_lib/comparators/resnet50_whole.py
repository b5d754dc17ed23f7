"""ResNet-50 with SoftMax, all of its layers trained by the shared recipe (liu2023, section 3.1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fer_lib.backend import keras
from fer_lib.comparators.recipe import Network, RecipeSettings
from fer_lib.models import resnet50_svm
from fer_lib.settings import ResNet50SvmSettings


class ResNet50Whole(Network):
    """ResNet-50, an average over its maps and SoftMax; the whole network trains, unlike under an SVM.

    Args:
        weights: the trunk's: ``"imagenet"``, ``"none"``, ``"random_frozen"`` or a file.
        epochs: passes over the training faces.
        image_size: the faces are resized to this height and width in pixels.
        recipe: changes of :class:`~fer_lib.comparators.recipe.RecipeSettings`.
        seed: fixes the new weights, shuffling and augmentation.
    """

    name = first_learner = "resnet50_whole"
    title = "ResNet-50 + SoftMax, all layers trained"
    source = "liu2023, section 3.1"
    differs = "the paper does not say which layers of “ResNet with SoftMax” train"
    scaling = "trunk"
    weights_of = "ResNet50"

    def __init__(
        self,
        weights: str = "imagenet",
        *,
        epochs: int = 10,
        image_size: int = 48,
        recipe: Mapping[str, Any] | None = None,
        seed: int = 0,
    ) -> None:
        self.weights = weights
        self.epochs = epochs
        self.image_size = image_size
        self.recipe = recipe
        self.seed = seed

    def build(self, settings: RecipeSettings, classes: int) -> keras.Model:
        """Build the uncompiled network; raise FerError if the weights are not available."""
        made_of = ResNet50SvmSettings(weights=self.weights, trainable_trunk=settings.trainable_trunk)
        return resnet50_svm.build_classifier(made_of, image_size=self.image_size, classes=classes)
