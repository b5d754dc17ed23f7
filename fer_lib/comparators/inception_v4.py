"""Inception-v4 (Szegedy, Ioffe, Vanhoucke and Alemi, AAAI 2017), a comparator of liu2023, section 3.1.

Keras offers neither the network nor its weights; it is built from the paper's Figures 3 to 9. Every convolution is
followed by a batch norm and a ReLU and has no bias. Where the figures mark a layer "V" its borders are not padded, and
the maps shrink.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fer_lib.backend import keras
from fer_lib.comparators.recipe import MOMENTUM, Network, RecipeSettings

layers = keras.layers
SMALLEST = 75  # pixels: of 75, 37, 35, 17, 15, 7 and 3 the last stage leaves 1
BLOCKS = (4, 7, 3)


class InceptionV4(Network):
    """Inception-v4 from random weights, trained by the shared recipe.

    Args:
        epochs: passes over the training faces.
        image_size: the faces are resized to this height and width in pixels; 75 is the smallest that fits.
        width: the factor of each convolution's number of maps; 1 is the published network.
        blocks: the numbers of Inception-A, -B and -C blocks.
        recipe: changes of :class:`~fer_lib.comparators.recipe.RecipeSettings`.
        seed: fixes the weights, dropout, shuffling and augmentation.
    """

    name = first_learner = "inception_v4"
    title = "Inception-V4"
    source = "Szegedy, Ioffe, Vanhoucke and Alemi, AAAI 2017"
    differs = "faces of 75 pixels instead of 299; Adam instead of RMSProp; Keras has no ImageNet weights of it"
    smallest = SMALLEST

    def __init__(
        self,
        epochs: int = 10,
        *,
        image_size: int = SMALLEST,
        width: float = 1.0,
        blocks: tuple[int, int, int] = BLOCKS,
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
        """Build the uncompiled network."""
        return build(
            image_size=self.image_size, classes=classes, width=self.width, blocks=self.blocks, momentum=MOMENTUM
        )


def build(
    *,
    image_size: int = SMALLEST,
    classes: int = 7,
    width: float = 1.0,
    blocks: Sequence[int] = BLOCKS,
    dropout_rate: float = 0.2,
    momentum: float = 0.99,
) -> keras.Model:
    """Build Inception-v4, uncompiled.

    The input is float32 (N, image_size, image_size, 3), the output probabilities (N, classes).

    Args:
        image_size: height and width of the faces in pixels; the paper's is 299, the smallest that fits 75.
        classes: the number of classes.
        width: the factor of each convolution's number of maps; 1 is the paper's network.
        blocks: the numbers of Inception-A, -B and -C blocks (Figure 9: four, seven and three).
        dropout_rate: the rate before the softmax ("keep 0.8").
        momentum: the momentum of the batch norms' moving averages; the paper gives none, 0.99 is Keras'.

    Raises:
        ValueError: the faces are smaller than 75 pixels.
    """
    if image_size < SMALLEST:
        raise ValueError(f"image_size is {image_size}; expected {SMALLEST} pixels or more")
    face = keras.Input((image_size, image_size, 3), name="face")
    convolution = _Convolutions(width, momentum)
    x = _stem(face, convolution)
    for block, count, reduction in zip(
        (_block_a, _block_b, _block_c), blocks, (_reduce_a, _reduce_b, None), strict=True
    ):
        for _ in range(count):
            x = block(x, convolution)
        x = reduction(x, convolution) if reduction else x
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    x = layers.Dropout(dropout_rate, name="dropout")(x)
    x = layers.Dense(classes, name="logits")(x)
    return keras.Model(face, layers.Softmax(name="probabilities", dtype="float32")(x), name="inception_v4")


class _Convolutions:
    """Make the network's convolutions, numbered in order."""

    def __init__(self, width: float, momentum: float) -> None:
        self.width = width
        self.momentum = momentum
        self.number = 0

    def __call__(
        self, x: keras.KerasTensor, maps: int, size: int | tuple[int, int], *, stride: int = 1, valid: bool = False
    ) -> keras.KerasTensor:
        """Apply a convolution of ``size`` (rows, columns), a batch norm and a ReLU."""
        self.number += 1
        x = layers.Conv2D(
            max(1, round(maps * self.width)), size, strides=stride, padding="valid" if valid else "same",
            use_bias=False, name=f"conv{self.number}",
        )(x)  # fmt: skip
        x = layers.BatchNormalization(momentum=self.momentum, epsilon=1e-3, name=f"bn{self.number}")(x)
        return layers.ReLU(name=f"relu{self.number}")(x)


def _stem(x: keras.KerasTensor, convolution: _Convolutions) -> keras.KerasTensor:
    """Figure 3: 299×299×3 to 35×35×384."""
    x = convolution(x, 32, 3, stride=2, valid=True)
    x = convolution(x, 32, 3, valid=True)
    x = convolution(x, 64, 3)
    x = _side_by_side(_halved(x), convolution(x, 96, 3, stride=2, valid=True))
    left = convolution(convolution(x, 64, 1), 96, 3, valid=True)
    right = convolution(x, 64, 1)
    right = convolution(right, 64, (7, 1))
    right = convolution(right, 64, (1, 7))
    x = _side_by_side(left, convolution(right, 96, 3, valid=True))
    return _side_by_side(convolution(x, 192, 3, stride=2, valid=True), _halved(x))


def _block_a(x: keras.KerasTensor, convolution: _Convolutions) -> keras.KerasTensor:
    """Figure 4: 35×35×384."""
    pooled = convolution(_smoothed(x), 96, 1)
    single = convolution(x, 96, 1)
    double = convolution(convolution(x, 64, 1), 96, 3)
    triple = convolution(convolution(convolution(x, 64, 1), 96, 3), 96, 3)
    return _side_by_side(pooled, single, double, triple)


def _reduce_a(x: keras.KerasTensor, convolution: _Convolutions) -> keras.KerasTensor:
    """Figure 7 with k, l, m, n = 192, 224, 256, 384 (Table 1): to 17×17×1,024."""
    single = convolution(x, 384, 3, stride=2, valid=True)
    triple = convolution(convolution(convolution(x, 192, 1), 224, 3), 256, 3, stride=2, valid=True)
    return _side_by_side(_halved(x), single, triple)


def _block_b(x: keras.KerasTensor, convolution: _Convolutions) -> keras.KerasTensor:
    """Figure 5: 17×17×1,024."""
    pooled = convolution(_smoothed(x), 128, 1)
    single = convolution(x, 384, 1)
    triple = convolution(convolution(convolution(x, 192, 1), 224, (1, 7)), 256, (7, 1))
    long = convolution(x, 192, 1)
    for maps, size in ((192, (1, 7)), (224, (7, 1)), (224, (1, 7)), (256, (7, 1))):
        long = convolution(long, maps, size)
    return _side_by_side(pooled, single, triple, long)


def _reduce_b(x: keras.KerasTensor, convolution: _Convolutions) -> keras.KerasTensor:
    """Figure 8: to 8×8×1,536."""
    double = convolution(convolution(x, 192, 1), 192, 3, stride=2, valid=True)
    long = convolution(convolution(convolution(x, 256, 1), 256, (1, 7)), 320, (7, 1))
    return _side_by_side(_halved(x), double, convolution(long, 320, 3, stride=2, valid=True))


def _block_c(x: keras.KerasTensor, convolution: _Convolutions) -> keras.KerasTensor:
    """Figure 6: 8×8×1,536."""
    pooled = convolution(_smoothed(x), 256, 1)
    single = convolution(x, 256, 1)
    forked = convolution(x, 384, 1)
    long = convolution(convolution(convolution(x, 384, 1), 448, (1, 3)), 512, (3, 1))
    forks = [convolution(branch, 256, size) for branch in (forked, long) for size in ((1, 3), (3, 1))]
    return _side_by_side(pooled, single, *forks)


def _halved(x: keras.KerasTensor) -> keras.KerasTensor:
    return layers.MaxPooling2D(3, strides=2)(x)


def _smoothed(x: keras.KerasTensor) -> keras.KerasTensor:
    return layers.AveragePooling2D(3, strides=1, padding="same")(x)


def _side_by_side(*maps: keras.KerasTensor) -> keras.KerasTensor:
    return layers.Concatenate()(maps)
