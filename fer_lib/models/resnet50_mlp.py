"""chen2023's model: ResNet50 without top, then a multi-layer perceptron (sections 2.2, 2.2.1 and 2.2.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fer_lib.backend import keras
from fer_lib.models.pretrained import application
from fer_lib.settings import ResNet50MlpSettings

if TYPE_CHECKING:  # so that a new setting there keeps the checkpoints of chen2023's trainings
    from fer_lib.settings import ResNet50SvmSettings

TRUNK_PARAMETERS = 23_587_712  # printed in section 2.2.1
layers = keras.layers


def build(settings: ResNet50MlpSettings, *, image_size: int = 48, classes: int = 7) -> keras.Model:
    """Build the model of section 2.2, uncompiled; the settings name its trunk's weights and the layers that train.

    The input is float32 (N, 48, 48, 3), the output softmax probabilities (N, 7). The trunk is the layer ``resnet50``;
    its output is the paper's "2*2 and 2048 channels".

    Raises:
        FerError: the weights are not available or do not fit.
    """
    trunk = build_trunk(settings, image_size=image_size)
    face = keras.Input((image_size, image_size, 3), name="face")
    x = trunk(face)
    return keras.Model(face, mlp(x, settings, classes=classes), name="resnet50_mlp")


def mlp(x: keras.KerasTensor, settings: ResNet50MlpSettings, *, classes: int = 7) -> keras.KerasTensor:
    """Apply the layers of sections 2.2.1 and 2.2.2 to a trunk's maps; the result is probabilities (N, classes)."""
    x = layers.Dropout(settings.dropout_rate, name="feature_dropout")(x)
    x = layers.Flatten(name="feature_flatten")(x)
    x = layers.BatchNormalization(name="feature_bn")(x)
    x = _dense(32, settings, name="feature_dense")(x)
    for number, units in enumerate((32, 32, classes), start=1):
        x = layers.BatchNormalization(name=f"mlp{number}_bn")(x)
        x = layers.ReLU(name=f"mlp{number}_relu")(x)
        x = layers.Dropout(settings.dropout_rate, name=f"mlp{number}_dropout")(x)
        x = _dense(units, settings, name=f"mlp{number}_dense")(x)
    return layers.Softmax(name="probabilities", dtype="float32")(x)


def build_trunk(settings: ResNet50MlpSettings | ResNet50SvmSettings, *, image_size: int = 48) -> keras.Model:
    """Build ResNet50 without top, 23,587,712 parameters, with weights loaded and layers frozen.

    Raises:
        FerError: ImageNet's weights cannot be downloaded, or a weights file is missing, truncated or of another
            network.
    """
    trunk = application("ResNet50", settings.weights, image_size=image_size)
    freeze(trunk, trained_layers(settings))
    return trunk


def trained_layers(settings: ResNet50MlpSettings | ResNet50SvmSettings) -> str:
    """Choose the trunk layers that train: ``trainable_trunk``, or all if the trunk starts from scratch (``none``)."""
    return "all" if settings.weights == "none" else settings.trainable_trunk


def freeze(trunk: keras.Model, which: str) -> None:
    """Freeze a trunk's layers except those that the setting ``trainable_trunk`` names.

    "ResNet50 can only have the parameters of last four layers trained" (section 2.2.1) does not say what a layer is;
    ``docs/decisions.md`` lists the readings.

    Raises:
        ValueError: ``which`` is not a value of the setting.
    """
    weighted = [layer for layer in trunk.layers if layer.weights]
    convolutions = [layer for layer in trunk.layers if isinstance(layer, layers.Conv2D)]
    if which == "last_four_layers":
        trained = trunk.layers[-4:]
    elif which == "last_four_weighted":
        trained = weighted[-4:]
    elif which == "last_four_convolutions":
        # each convolution with the batch norm that follows it
        trained = trunk.layers[trunk.layers.index(convolutions[-4]) :]
    elif which in ("all", "nothing"):
        trained = trunk.layers if which == "all" else []
    else:
        raise ValueError(f"which is {which!r}; it should be a value of the setting trainable_trunk")
    names = {layer.name for layer in trained}
    for layer in trunk.layers:
        layer.trainable = layer.name in names


def structure(model: keras.Model) -> dict[str, int]:
    """Read the numbers that the paper prints about the model's structure from a built model.

    The keys are the statements' ids in ``fer_lib/published/chen2023.yaml``.
    """
    trunk = model.get_layer("resnet50")
    dense = [layer for layer in model.layers if isinstance(layer, layers.Dense)]
    convolutions = [layer for layer in trunk.layers if isinstance(layer, layers.Conv2D)]
    # the fifty layers: the convolutions of the main path, and the dense layer that "without top" omits
    main_path = [layer for layer in convolutions if not layer.name.endswith("_0_conv")]
    return {
        "input-size": model.input_shape[1],
        "input-channels": model.input_shape[3],
        "feature-size": trunk.output_shape[1],
        "feature-channels": trunk.output_shape[3],
        "flattened": model.get_layer("feature_flatten").output.shape[1],
        "feature-dense": dense[0].units,
        "output-length": model.output_shape[1],
        "trunk-layers": len(main_path) + 1,
        "trunk-parameters": trunk.count_params(),
        "trainable-layers": sum(layer.trainable for layer in trunk.layers),
        "mlp-dense-layers": len(dense) - 1,
        "mlp-input": dense[0].units,
        "mlp-hidden": dense[1].units,
        "mlp-output": dense[-1].units,
    }


def _dense(units: int, settings: ResNet50MlpSettings, *, name: str) -> keras.layers.Dense:
    return layers.Dense(units, kernel_initializer=settings.kernel_initializer, name=name)
