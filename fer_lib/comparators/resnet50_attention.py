"""ResNet50, self-attention and MLP: chen2023's future work, "incorporating a self-attentive mechanism" (section 4).

The paper gives no details. Here the positions of the trunk's map (2×2 at 48 pixels) attend to each other, the result
is added to their features, and the paper's own MLP follows. Its control, the same network without attention
(:mod:`fer_lib.comparators.resnet50_mlp`), starts with the same weights if the seed is the same.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from typing import Any, ClassVar

from fer_lib.backend import keras
from fer_lib.comparators.recipe import Network, RecipeSettings
from fer_lib.models.resnet50_mlp import build_trunk, mlp
from fer_lib.settings import ResNet50MlpSettings

layers = keras.layers
HEADS, KEY_UNITS = 8, 64


class ResNet50Attention(Network):
    """chen2023's model with a self-attention block after its trunk, trained by the shared recipe.

    Args:
        weights: the trunk's: ``"imagenet"``, ``"none"``, ``"random_frozen"`` or a file.
        epochs: passes over the training faces.
        image_size: the faces are resized to this height and width in pixels: 48 gives four positions, 96 nine.
        dropout_rate: the MLP's rate (chen2023, Table 1).
        recipe: changes of :class:`~fer_lib.comparators.recipe.RecipeSettings`.
        seed: fixes the new weights, dropout, shuffling and augmentation.

    Attributes:
        control: the comparator that differs in nothing but the attention.
    """

    name = first_learner = "resnet50_attention"
    title = "ResNet50 + self-attention + MLP"
    source = "chen2023, section 4: announced, not described"
    differs = "one block of 8 heads of 64 units over the trunk's positions, with a layer norm and a shortcut"
    scaling = "trunk"
    weights_of = "ResNet50"
    control: ClassVar[str] = "resnet50_mlp"

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
        """Build the uncompiled network; raise FerError if the weights are not available."""
        return build(self._made_of(settings), image_size=self.image_size, classes=classes)

    def _made_of(self, settings: RecipeSettings) -> ResNet50MlpSettings:
        return ResNet50MlpSettings(
            weights=self.weights, trainable_trunk=settings.trainable_trunk, dropout_rate=self.dropout_rate
        )


def build(settings: ResNet50MlpSettings, *, image_size: int = 48, classes: int = 7) -> keras.Model:
    """Build ResNet50, a self-attention block and the MLP of section 2.2.2; uncompiled.

    The input is float32 (N, image_size, image_size, 3), the output probabilities (N, classes). The attention block has
    as many heads as the first transformers (8 of 64 units), a layer norm before it and a shortcut around it.

    Raises:
        FerError: the weights are not available or do not fit.
    """
    trunk = build_trunk(settings, image_size=image_size)
    face = keras.Input((image_size, image_size, 3), name="face")
    maps = trunk(face)
    drawn = random.getstate()  # from which Keras draws its layers' seeds
    attended = attend(maps)
    random.setstate(drawn)  # so that the MLP starts with the weights that it has without attention
    return keras.Model(face, mlp(attended, settings, classes=classes), name="resnet50_attention")


def attend(maps: keras.KerasTensor) -> keras.KerasTensor:
    """Apply self-attention over the H·W positions of maps (N, H, W, C), and add its result to the maps."""
    height, width, channels = maps.shape[1:]
    positions = layers.Reshape((height * width, channels), name="positions")(maps)
    normed = layers.LayerNormalization(name="attention_norm")(positions)
    # Glorot's limit, for all four kernels; Keras before 3.15 takes a kernel of heads for a convolution's
    limit = math.sqrt(6 / (channels + HEADS * KEY_UNITS))
    start = keras.initializers.RandomUniform(-limit, limit)
    attention = layers.MultiHeadAttention(HEADS, KEY_UNITS, kernel_initializer=start, name="attention")
    found = attention(normed, normed)
    x = layers.Add(name="attention_add")([positions, found])
    return layers.Reshape((height, width, channels), name="attention_maps")(x)
