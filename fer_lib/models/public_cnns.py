"""Three public CNNs for FER-2013, to stand next to the CNN that was chosen for chen2023's "traditional CNN model".

The paper prints that model's scores and no architecture, so no single network can stand for it. These three were
chosen before any of them was trained here, because their programs are public, train on FER-2013, and are widely copied.
Each is built from the facts in its public program: the kinds and sizes of its layers. All train as
:mod:`fer_lib.models.baseline_cnn` does, and none as its own program: the question is the effect of the architecture.
The faces have three equal channels here, as for all networks of this project, instead of one.
"""

from __future__ import annotations

from dataclasses import dataclass

from fer_lib.backend import keras
from fer_lib.errors import FerError, nearest

layers = keras.layers


@dataclass(frozen=True)
class PublicCnn:
    """What is known of a public CNN.

    Attributes:
        title: its name in tables.
        address: where its program is public.
        parameters: of the network with one channel and seven classes at 48 pixels.
        differs: what its own training does otherwise than the one here.
    """

    title: str
    address: str
    parameters: int
    differs: str


PUBLIC_CNNS = {
    "mini_xception": PublicCnn(
        "mini-Xception (Arriaga et al.)",
        "https://github.com/oarriaga/face_classification/blob/master/src/models/cnn.py",
        58_423,
        "64 pixels, augmentation, an L2 penalty of 0.01",
    ),
    "four_convolutions": PublicCnn(
        "four convolutions (atulapra)",
        "https://github.com/atulapra/Emotion-detection/blob/master/src/emotions.py",
        2_345_607,
        "Adam at 0.0001",
    ),
    "five_convolutions": PublicCnn(
        "five convolutions (serengil)",
        "https://github.com/serengil/tensorflow-101/blob/master/python/facial-expression-recognition.py",
        1_485_831,
        "256 faces a step, five epochs of 256 steps",
    ),
}
"""The names in the setting ``public_cnns`` -> the facts of each."""


def build(name: str, *, image_size: int = 48, classes: int = 7, channels: int = 3) -> keras.Model:
    """Build a public CNN, uncompiled: faces float32 (N, 48, 48, channels) to softmax probabilities (N, classes).

    Raises:
        FerError: there is no public CNN of this name.
    """
    if name not in PUBLIC_CNNS:
        raise FerError(
            f"There is no public CNN {name!r}{nearest(name, PUBLIC_CNNS)}; public_cnns takes {', '.join(PUBLIC_CNNS)}."
        )
    face = keras.Input((image_size, image_size, channels), name="face")
    x = {"mini_xception": _mini_xception, "four_convolutions": _four, "five_convolutions": _five}[name](face, classes)
    return keras.Model(face, layers.Softmax(name="probabilities", dtype="float32")(x), name=name)


def _mini_xception(x: keras.KerasTensor, classes: int) -> keras.KerasTensor:
    """Two plain convolutions, four residual modules of separable ones, and an average of one map for each class."""
    for number in (1, 2):
        x = layers.Conv2D(8, 3, use_bias=False, name=f"conv{number}")(x)
        x = layers.ReLU(name=f"relu{number}")(layers.BatchNormalization(name=f"bn{number}")(x))
    for number, filters in enumerate((16, 32, 64, 128), start=1):
        shortcut = layers.Conv2D(
            filters, 1, strides=2, padding="same", use_bias=False, name=f"module{number}_shortcut"
        )(x)
        shortcut = layers.BatchNormalization(name=f"module{number}_shortcut_bn")(shortcut)
        for part in (1, 2):
            name = f"module{number}_conv{part}"
            x = layers.SeparableConv2D(filters, 3, padding="same", use_bias=False, name=name)(x)
            x = layers.BatchNormalization(name=f"module{number}_bn{part}")(x)
            x = layers.ReLU(name=f"module{number}_relu")(x) if part == 1 else x
        x = layers.MaxPooling2D(3, strides=2, padding="same", name=f"module{number}_pool")(x)
        x = layers.Add(name=f"module{number}_add")([x, shortcut])
    x = layers.Conv2D(classes, 3, padding="same", name="class_maps")(x)
    return layers.GlobalAveragePooling2D(name="logits")(x)


def _four(x: keras.KerasTensor, classes: int) -> keras.KerasTensor:
    """Four unpadded convolutions with three poolings, then 1,024 units; dropout after the second and fourth."""
    for number, filters in enumerate((32, 64, 128, 128), start=1):
        x = layers.Conv2D(filters, 3, activation="relu", name=f"conv{number}")(x)
        x = layers.MaxPooling2D(2, name=f"pool{number}")(x) if number > 1 else x
        x = layers.Dropout(0.25, name=f"dropout{number}")(x) if number in (2, 4) else x
    x = layers.Dense(1024, activation="relu", name="dense")(layers.Flatten(name="flatten")(x))
    return layers.Dense(classes, name="logits")(layers.Dropout(0.5, name="dense_dropout")(x))


def _five(x: keras.KerasTensor, classes: int) -> keras.KerasTensor:
    """A 5×5 and two pairs of 3×3 convolutions, unpadded, overlapping poolings, then twice 1,024 units with dropout."""
    x = layers.Conv2D(64, 5, activation="relu", name="conv1")(x)
    x = layers.MaxPooling2D(5, strides=2, name="pool1")(x)
    for block, filters in ((2, 64), (3, 128)):
        for part in (1, 2):
            x = layers.Conv2D(filters, 3, activation="relu", name=f"conv{block}_{part}")(x)
        x = layers.AveragePooling2D(3, strides=2, name=f"pool{block}")(x)
    x = layers.Flatten(name="flatten")(x)
    for number in (1, 2):
        x = layers.Dense(1024, activation="relu", name=f"dense{number}")(x)
        x = layers.Dropout(0.2, name=f"dropout{number}")(x)
    return layers.Dense(classes, name="logits")(x)
