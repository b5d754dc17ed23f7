"""ResNet50 with SoftMax, fully fine-tuned with today's methods, which go beyond the papers' recipes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from fer_lib.backend import keras
from fer_lib.comparators.base import resized
from fer_lib.comparators.resnet50_whole import ResNet50Whole


class ResNet50Modern(ResNet50Whole):
    """ResNet50 with SoftMax, its own preprocessing, AdamW with warm-up and cosine, label smoothing and flips.

    The probabilities of a test face and of its mirror image are averaged.

    Args:
        weights: the trunk's: ``"imagenet"``, ``"none"``, ``"random_frozen"`` or a file.
        epochs: passes over the training faces.
        image_size: the faces are resized to this height and width in pixels: the trunk's maps are 3×3 with 96, and 2×2
            with 48, at a fourth of the cost.
        recipe: changes of :class:`~fer_lib.comparators.recipe.RecipeSettings`.
        seed: fixes the new weights, shuffling and augmentation.
    """

    name = first_learner = "resnet50_modern"
    title = "ResNet50 + SoftMax, modern recipe"
    source = "beyond the papers"
    own = {  # noqa: RUF012
        "horizontal_flip": True,
        "label_smoothing": 0.1,
        "learning_rate": 0.0003,
        "optimizer": "adamw",
        "schedule": "cosine",
        "warm_up_epochs": 1,
        "weight_decay": 0.05,
    }

    def __init__(
        self,
        weights: str = "imagenet",
        *,
        epochs: int = 30,
        image_size: int = 96,
        recipe: Mapping[str, Any] | None = None,
        seed: int = 0,
    ) -> None:
        self.weights = weights
        self.epochs = epochs
        self.image_size = image_size
        self.recipe = recipe
        self.seed = seed

    def whole(self) -> keras.Model:
        """Build a network that averages the probabilities of a face and of its mirror image, as ``predict`` does.

        It contains the trained network once.
        """
        face = keras.Input(self.network_.input_shape[1:], name="face")
        mirrored = keras.ops.flip(face, axis=2)
        both = [self.network_(face), self.network_(mirrored)]
        return keras.Model(face, keras.layers.Average(name="probabilities")(both), name=self.name)

    def _probabilities(self, images: np.ndarray) -> np.ndarray:
        faces = resized(images, self.image_size)
        return (self._answers(faces) + self._answers(faces[:, :, ::-1])) / 2
