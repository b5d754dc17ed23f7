"""The project's own network: small enough for the package, from scratch, without dropout and other random layers."""

from __future__ import annotations

from fer_lib.backend import keras, precision
from fer_lib.models.fast_layers import faster
from fer_lib.settings import OwnNetworkSettings

layers = keras.layers
STAGES = 4
"""Each has twice the feature maps of the former one, at half the height and width."""


def build(settings: OwnNetworkSettings, *, classes: int = 7) -> keras.Model:
    """Build the network, uncompiled: pixels float32 (N, crop, crop, 1) in 0-1 to logits float32 (N, classes)."""
    stage = {"resnet": _residual_stage, "vgg": _plain_stage}[settings.network]
    with precision(settings.precision):
        face = keras.Input((settings.crop, settings.crop, 1), name="face")
        x = _convolution(face, settings.width, name="stem") if settings.network == "resnet" else face
        for number in range(STAGES):
            x = stage(x, settings.width * 2**number, number)
        pooled = layers.GlobalAveragePooling2D(name="pool", dtype="float32")(x)
        # zeros: the first steps would otherwise go into unlearning random logits
        logits = layers.Dense(classes, kernel_initializer="zeros", name="logits", dtype="float32")(pooled)
        network = keras.Model(face, logits, name="own_network")
        return faster(network) if settings.layers == "fast" else network


def _residual_stage(x: keras.KerasTensor, maps: int, stage: int) -> keras.KerasTensor:
    """Apply two blocks of two convolutions with a shortcut each (He et al. 2016, option B)."""
    for block in range(2):
        name, stride = f"stage{stage}_block{block}", 2 if stage and not block else 1
        before = x
        if stride == 2:
            before = _convolution(x, maps, size=1, stride=2, relu=False, name=f"{name}_shortcut")
        x = _convolution(x, maps, stride=stride, name=f"{name}_first")
        x = _convolution(x, maps, relu=False, name=f"{name}_second")
        x = layers.ReLU(name=f"{name}_relu")(layers.Add(name=f"{name}_sum")([x, before]))
    return x


def _plain_stage(x: keras.KerasTensor, maps: int, stage: int) -> keras.KerasTensor:
    """Apply two convolutions and a pooling."""
    for number in range(2):
        x = _convolution(x, maps, name=f"stage{stage}_conv{number}")
    return layers.MaxPooling2D(2, name=f"stage{stage}_pool")(x)


def _convolution(
    x: keras.KerasTensor, maps: int, *, name: str, size: int = 3, stride: int = 1, relu: bool = True
) -> keras.KerasTensor:
    x = layers.Conv2D(
        maps, size, strides=stride, padding="same", use_bias=False, kernel_initializer="he_normal", name=name
    )(x)
    x = layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"{name}_bn")(x)
    return layers.ReLU(name=f"{name}_relu")(x) if relu else x
