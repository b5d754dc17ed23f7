"""chen2023's announced future work: "incorporating a self-attentive mechanism into the model" (section 4).

The paper says no more than that. Here the positions of the trunk's map (2×2 at 48 pixels) attend to each other, what
they find is added to what they hold, and the paper's own MLP follows.
"""

from __future__ import annotations

from fer_lib.backend import keras
from fer_lib.models.resnet50_mlp import build_trunk, mlp
from fer_lib.settings import ResNet50MlpSettings

layers = keras.layers
HEADS, KEY_UNITS = 8, 64


def build(settings: ResNet50MlpSettings, *, image_size: int = 48, classes: int = 7) -> keras.Model:
    """Returns ResNet50, a self-attention block and the MLP of section 2.2.2; uncompiled.

    The input is float32 (N, image_size, image_size, 3), the output probabilities (N, classes). The attention block has
    as many heads as the first transformers (8 of 64 units), a layer norm before it and a shortcut around it.

    Raises:
        FerError: the weights cannot be had or do not fit.
    """
    trunk = build_trunk(settings, image_size=image_size)
    face = keras.Input((image_size, image_size, 3), name="face")
    maps = trunk(face)
    return keras.Model(face, mlp(attend(maps), settings, classes=classes), name="resnet50_attention")


def attend(maps: keras.KerasTensor) -> keras.KerasTensor:
    """Returns maps (N, H, W, C) plus what each of their H·W positions finds at all of them."""
    height, width, channels = maps.shape[1:]
    positions = layers.Reshape((height * width, channels), name="positions")(maps)
    normed = layers.LayerNormalization(name="attention_norm")(positions)
    found = layers.MultiHeadAttention(HEADS, KEY_UNITS, name="attention")(normed, normed)
    x = layers.Add(name="attention_add")([positions, found])
    return layers.Reshape((height, width, channels), name="attention_maps")(x)
