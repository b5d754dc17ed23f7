"""liu2023's small network, a LeNet: section 3.2 varies its learning rate, batch size and n-kerns (Tables 2, 4, 5).

The paper prints ``n-kerns``, the pool size and the faces' size. The rest follows the public tutorial program
whose words and many of whose settings the paper shares; ``docs/decisions.md`` lists these choices.
"""

from __future__ import annotations

import math

from fer_lib.backend import keras
from fer_lib.settings import LeNetSettings

layers = keras.layers


def build(settings: LeNetSettings, *, image_shape: tuple[int, int], classes: int) -> keras.Model:
    """Build the network: two convolutions with max pooling, a hidden layer and a logistic regression; uncompiled.

    The input is float32 (N, H, W, 1), pixels divided by ``settings.pixel_divisor``. The output is the logits
    (N, classes), not probabilities: the log likelihood of a face that the network gets confidently wrong is then exact,
    while Keras cuts probabilities off at 1e-7.

    Args:
        settings: the settings of the study.
        image_shape: height and width of the faces in pixels.
        classes: the number of classes.
    """
    face = keras.Input((*image_shape, 1), name="face")
    x, maps_in = face, 1
    for number, maps in enumerate(settings.n_kerns, start=1):
        x = layers.Conv2D(
            maps,
            settings.filter_size,
            kernel_initializer=_filter_initializer(settings, maps_in, maps),
            name=f"conv{number}",
        )(x)
        # tanh is monotonic, so pooling before it gives the same numbers with a quarter of the tanh calls
        x = layers.MaxPooling2D(settings.pool_size, name=f"pool{number}")(x)
        x = layers.Activation("tanh", name=f"tanh{number}")(x)
        maps_in = maps
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(settings.hidden_units, activation="tanh", kernel_initializer="glorot_uniform", name="hidden")(x)
    classifier = "zeros" if settings.zero_classifier else "glorot_uniform"
    logits = layers.Dense(classes, kernel_initializer=classifier, name="logits")(x)
    return keras.Model(face, logits, name="lenet")


def filter_limit(settings: LeNetSettings, maps_in: int, maps_out: int) -> float:
    """Compute the bound of a convolution's uniform initial weights: the root of 6 / (fan in + fan out).

    The program divides the fan out by the pool's size, because pooling keeps one of its pixels.
    """
    area = settings.filter_size**2
    return math.sqrt(6 / (maps_in * area + maps_out * area / math.prod(settings.pool_size)))


def _filter_initializer(settings: LeNetSettings, maps_in: int, maps_out: int) -> keras.initializers.Initializer:
    limit = filter_limit(settings, maps_in, maps_out)
    return keras.initializers.RandomUniform(-limit, limit)
