"""Plain and residual networks of equal depth (He et al. 2016, section 4.2), the argument of liu2023, section 2.2.1.

Both have the same layers and parameters. The residual network adds, around every two convolutions, their input to
their output: "H(x)" becomes "F(x) + x" (equation 1, Figure 1).
"""

from __future__ import annotations

from fer_lib.backend import keras

layers = keras.layers

STAGES = (16, 32, 64)  # feature maps; each later stage halves height and width


def build(
    blocks: int,
    *,
    residual: bool,
    batch_norm: bool = True,
    kernel_initializer: str = "he_normal",
    image_size: int = 48,
    classes: int = 7,
) -> keras.Model:
    """Build a network of 6 · ``blocks`` + 2 layers, uncompiled: 6 · ``blocks`` + 1 convolutions and a dense layer.

    The input is float32 (N, H, W, 1), the output the logits (N, classes). Where a stage doubles the feature maps, the
    shortcut is He et al.'s option A: every second pixel, the new maps zero. It has no parameters (option B's 1x1
    convolutions have), so that plain and residual networks have the same number, initial weights included.

    Args:
        blocks: how many blocks of two convolutions each of the three stages has.
        residual: whether there are shortcuts.
        batch_norm: whether a batch norm follows each convolution; without it the convolutions have biases.
        kernel_initializer: the initializer of the convolutions' weights.
        image_size: height and width of the faces in pixels.
        classes: the number of classes.
    """

    number = 0

    def convolution(x: keras.KerasTensor, maps: int, stride: int, *, relu: bool) -> keras.KerasTensor:
        nonlocal number
        number += 1
        x = layers.Conv2D(
            maps, 3, strides=stride, padding="same", use_bias=not batch_norm,
            kernel_initializer=kernel_initializer, name=f"conv{number}",
        )(x)  # fmt: skip
        if batch_norm:
            x = layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"bn{number}")(x)
        return layers.ReLU(name=f"relu{number}")(x) if relu else x

    face = keras.Input((image_size, image_size, 1), name="face")
    x = convolution(face, STAGES[0], 1, relu=True)
    for stage, maps in enumerate(STAGES):
        for block in range(blocks):
            stride = 2 if stage and not block else 1
            before = x
            x = convolution(x, maps, stride, relu=True)
            x = convolution(x, maps, 1, relu=False)
            if residual:
                x = layers.Add(name=f"add{number}")([x, _shortcut(before, maps, stride)])
            x = layers.ReLU(name=f"relu{number}")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    logits = layers.Dense(classes, name="logits")(x)
    return keras.Model(face, logits, name=f"{'residual' if residual else 'plain'}{6 * blocks + 2}")


def convolutions(model: keras.Model) -> list[keras.layers.Conv2D]:
    """List a network's convolutions from the input to the output."""
    found = [layer for layer in model.layers if isinstance(layer, layers.Conv2D)]
    return sorted(found, key=lambda layer: int(layer.name.removeprefix("conv")))


def _shortcut(x: keras.KerasTensor, maps: int, stride: int) -> keras.KerasTensor:
    if stride == 1:
        return x
    missing = maps - x.shape[-1]
    return keras.ops.pad(x[:, ::stride, ::stride, :], ((0, 0), (0, 0), (0, 0), (0, missing)))
