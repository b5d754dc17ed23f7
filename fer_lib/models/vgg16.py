"""VGG-16 (Simonyan and Zisserman 2015, configuration D), a network that liu2023, section 3.1 compares with."""

from __future__ import annotations

from fer_lib.backend import keras
from fer_lib.models.pretrained import application
from fer_lib.models.resnet50_mlp import freeze

layers = keras.layers
TRUNK_PARAMETERS = 14_714_688  # of the thirteen convolutions


def build(
    weights: str = "imagenet",
    *,
    trained: str = "all",
    image_size: int = 48,
    classes: int = 7,
    dense_units: int = 4096,
    dropout_rate: float = 0.5,
) -> keras.Model:
    """Returns VGG-16 and its classifier: two dense layers with dropout, then SoftMax; uncompiled.

    The input is float32 (N, image_size, image_size, 3), of 32 pixels or more, the output probabilities (N, classes).
    The convolutions are the layer ``vgg16``; at 48 pixels they leave 1×1 maps of 512 channels.

    Args:
        weights: of the convolutions: ``"imagenet"``, ``"none"`` or a file.
        trained: which of them train (:func:`fer_lib.models.resnet50_mlp.freeze`).
        image_size: height and width of the faces in pixels.
        classes: how many there are.
        dense_units: of each dense layer; 4,096 as printed (their Table 1).
        dropout_rate: after each of them (their section 3.1).

    Raises:
        FerError: the weights cannot be had or do not fit.
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
