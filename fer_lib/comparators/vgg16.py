"""VGG-16 with SoftMax (Simonyan and Zisserman 2015, configuration D), a comparator of liu2023, section 3.1."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fer_lib.backend import keras
from fer_lib.comparators.recipe import Network, RecipeSettings
from fer_lib.models.pretrained import application
from fer_lib.models.resnet50_mlp import freeze

layers = keras.layers


class Vgg16(Network):
    """VGG-16 and its two dense layers, fully fine-tuned by the shared recipe.

    Args:
        weights: the convolutions': ``"imagenet"``, ``"none"`` or a file.
        epochs: passes over the training faces.
        image_size: the faces are resized to this height and width in pixels.
        dense_units: the units of each dense layer.
        recipe: changes of :class:`~fer_lib.comparators.recipe.RecipeSettings`.
        seed: fixes the new weights, dropout, shuffling and augmentation.
    """

    name = first_learner = "vgg16"
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
        """Build the uncompiled network; raise FerError if the weights are not available."""
        trained = "all" if self.weights == "none" else settings.trainable_trunk
        return build(
            self.weights,
            trained=trained,
            image_size=self.image_size,
            classes=classes,
            dense_units=self.dense_units,
        )


def build(
    weights: str = "imagenet",
    *,
    trained: str = "all",
    image_size: int = 48,
    classes: int = 7,
    dense_units: int = 4096,
    dropout_rate: float = 0.5,
) -> keras.Model:
    """Build VGG-16 and its classifier: two dense layers with dropout, then SoftMax; uncompiled.

    The input is float32 (N, image_size, image_size, 3), of 32 pixels or more, the output probabilities (N, classes).
    The convolutions are the layer ``vgg16``; at 48 pixels they leave 1×1 maps of 512 channels.

    Args:
        weights: the convolutions': ``"imagenet"``, ``"none"`` or a file.
        trained: the layers of them that train (:func:`fer_lib.models.resnet50_mlp.freeze`).
        image_size: height and width of the faces in pixels.
        classes: the number of classes.
        dense_units: the units of each dense layer; 4,096 as printed (their Table 1).
        dropout_rate: the rate after each of them (their section 3.1).

    Raises:
        FerError: the weights are not available or do not fit.
    """
    trunk = application("VGG16", weights, image_size=image_size)
    freeze(trunk, trained)
    face = keras.Input((image_size, image_size, 3), name="face")
    x = layers.Flatten(name="flatten")(trunk(face))
    for number in (1, 2):
        x = layers.Dense(dense_units, activation="relu", name=f"dense{number}")(x)
        x = layers.Dropout(dropout_rate, name=f"dropout{number}")(x)
    x = layers.Dense(classes, name="logits")(x)
    return keras.Model(face, layers.Softmax(name="probabilities", dtype="float32")(x), name="vgg16_softmax")
