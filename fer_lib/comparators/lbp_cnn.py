"""liu2023, Table 3, "LBP + CNN": a network on an image of local binary patterns instead of the face."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from fer_lib.augmentation import random_affine
from fer_lib.backend import keras
from fer_lib.comparators import lbp
from fer_lib.comparators.base import Comparator, Part
from fer_lib.comparators.small_networks import Budget, fit, predict
from fer_lib.models.new_head import with_new_head

layers = keras.layers


class LbpCnn(Comparator):
    """A small convolutional network on an image of the 256 local binary patterns.

    Faces are shifted and rotated as in chen2023 (Table 1) before their patterns are computed. Tuning budget: the number
    of epochs, at most ``epochs``, on a fifth of the subjects (:mod:`fer_lib.comparators.small_networks`).

    Args:
        seed: fixes every random choice.
        filters: the filters of each block of a 3×3 convolution, batch norm, ReLU and 2×2 max pooling.
        dense_units: units of the hidden layer, which has its own batch norm.
        dropout_rate: the rate before and after the hidden layer.
        epochs: the largest number of epochs.
        augment: whether the training faces are shifted and rotated.
    """

    name = first_learner = "lbp_cnn"
    title = "LBP + CNN"
    source = "named by liu2023, Table 3, without a reference"
    differs = (
        "in the style of: patterns (8 neighbours, radius 1) as a picture of their codes divided by 255; the network, "
        "its training and augmentation are this project's"
    )
    tuning = "the number of epochs, on a fifth of the training people"

    def __init__(
        self,
        seed: int = 0,
        *,
        filters: Sequence[int] = (32, 64, 128),
        dense_units: int = 128,
        dropout_rate: float = 0.4,
        epochs: int = 80,
        augment: bool = True,
    ) -> None:
        self.seed = seed
        self.filters = filters
        self.dense_units = dense_units
        self.dropout_rate = dropout_rate
        self.epochs = epochs
        self.augment = augment

    def _fit(self, images: np.ndarray, codes: np.ndarray, groups: np.ndarray | None) -> None:
        plain = lbp.by_batches(coded, images)

        def inputs(rows: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
            if rng is None or not self.augment:
                return plain[rows]
            return coded(random_affine(images[rows], rng).round().astype(np.uint8))

        self.network_, self.epochs_ = fit(
            self._build, codes, inputs=inputs, groups=groups, budget=Budget(self.epochs), seed=self.seed
        )

    def _build(self) -> keras.Model:
        if self.first is not None:
            return with_new_head(self.first.network_, len(self.classes_))
        patterns = keras.Input((*self.image_shape_, 1), name="patterns", dtype="uint8")
        x = layers.Rescaling(1 / 255, name="unit")(patterns)
        for number, filters in enumerate(self.filters, start=1):
            x = layers.Conv2D(filters, 3, padding="same", use_bias=False, name=f"conv{number}")(x)
            x = layers.BatchNormalization(momentum=0.9, name=f"bn{number}")(x)
            x = layers.ReLU(name=f"relu{number}")(x)
            x = layers.MaxPooling2D(2, name=f"pool{number}")(x)
        x = layers.Dropout(self.dropout_rate, name="maps_dropout")(layers.Flatten(name="flatten")(x))
        # without the norm all hidden units can become inactive in the first epochs, and the network stays at chance
        x = layers.Dense(self.dense_units, use_bias=False, name="hidden")(x)
        x = layers.ReLU(name="hidden_relu")(layers.BatchNormalization(momentum=0.9, name="hidden_bn")(x))
        x = layers.Dropout(self.dropout_rate, name="hidden_dropout")(x)
        answers = layers.Dense(len(self.classes_), activation="softmax", name="probabilities")(x)
        return keras.Model(patterns, answers, name=self.name)

    def _probabilities(self, images: np.ndarray) -> np.ndarray:
        return predict(self.network_, lbp.by_batches(coded, images))

    def _parts(self) -> dict[str, Part]:
        return {"network": self.network_}

    def _restore(self, parts: Mapping[str, Part]) -> None:
        self.network_ = parts["network"]


def coded(images: np.ndarray) -> np.ndarray:
    """Compute the images of the patterns of faces uint8 (N, H, W): uint8 (N, H, W, 1)."""
    return lbp.codes(images, "default")[..., np.newaxis]
