"""chen2023's model: ResNet50 without top, then a multi-layer perceptron (sections 2.2, 2.2.1 and 2.2.2)."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from zipfile import BadZipFile

from fer_lib.backend import keras
from fer_lib.errors import FerError, nearest
from fer_lib.settings import WEIGHTS_NAMES, ResNet50MlpSettings
from fer_lib.utils.files import file_sha256
from fer_lib.utils.safe_load import refuse_oversized

TRUNK_PARAMETERS = 23_587_712  # printed in section 2.2.1
layers = keras.layers
# the file that Keras downloads, and the MD5 by which Keras itself checks it
IMAGENET_FILE = "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5"
IMAGENET_MD5 = "4d473c1dd8becc155b73f8504c6f6626"
WEIGHT_SUFFIXES = (".h5", ".keras")


def build(settings: ResNet50MlpSettings, *, image_size: int = 48, classes: int = 7) -> keras.Model:
    """Returns the model of section 2.2, uncompiled, its trunk loaded and frozen as the settings say.

    The input is float32 (N, 48, 48, 3), the output softmax probabilities (N, 7). The trunk is the layer ``resnet50``;
    its output is the paper's "2*2 and 2048 channels".

    Raises:
        FerError: the weights cannot be had or do not fit.
    """
    trunk = build_trunk(settings, image_size=image_size)
    face = keras.Input((image_size, image_size, 3), name="face")
    x = trunk(face)
    return keras.Model(face, mlp(x, settings, classes=classes), name="resnet50_mlp")


def mlp(x: keras.KerasTensor, settings: ResNet50MlpSettings, *, classes: int = 7) -> keras.KerasTensor:
    """Returns probabilities (N, classes) from a trunk's maps, by the layers of sections 2.2.1 and 2.2.2."""
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


def build_trunk(settings: ResNet50MlpSettings, *, image_size: int = 48) -> keras.Model:
    """Returns ResNet50 without top, 23,587,712 parameters, with weights loaded and layers frozen.

    Raises:
        FerError: ImageNet's weights cannot be downloaded, or a weights file is missing, truncated or another's.
    """
    trunk = application("ResNet50", settings.weights, image_size=image_size)
    freeze(trunk, trained_layers(settings))
    return trunk


def application(network: str, weights: str, *, image_size: int = 48) -> keras.Model:
    """Returns a network of ``keras.applications`` without top, its weights loaded, under its name in lower case.

    Args:
        network: ``"ResNet50"`` or another whose weights Keras offers.
        weights: ``"imagenet"``, ``"none"`` or ``"random_frozen"`` (both random), or a file.
        image_size: height and width of the faces in pixels.

    Raises:
        FerError: ImageNet's weights cannot be downloaded, or a weights file is missing, truncated or another's.
    """
    from_imagenet = weights == "imagenet"
    try:
        trunk = getattr(keras.applications, network)(
            include_top=False,
            weights="imagenet" if from_imagenet else None,
            input_shape=(image_size, image_size, 3),
            name=network.lower(),
        )
    except Exception as error:  # keras raises a bare Exception where the download fails
        if not from_imagenet or isinstance(error, (TypeError, KeyboardInterrupt)):
            raise
        raise FerError(
            f"ImageNet's weights could not be downloaded ({_first_line(error)}); connect to the network once, or give "
            "a weights file (weights=<file>), or train without them (weights=none)."
        ) from None
    if weights not in WEIGHTS_NAMES:
        load_trunk_weights(trunk, weights, network=network)
    return trunk


def trained_layers(settings: ResNet50MlpSettings) -> str:
    """Returns which trunk layers train: ``trainable_trunk``, but a trunk from scratch (``none``) trains whole."""
    return "all" if settings.weights == "none" else settings.trainable_trunk


def load_trunk_weights(trunk: keras.Model, path: str | Path, *, network: str = "ResNet50") -> None:
    """Loads a trunk's weights from ``.h5``, ``.weights.h5`` or ``.keras``.

    Raises:
        FerError: one sentence where the file is missing, far too large, truncated, or of another kind or network.
    """
    path = _weights_file(path)
    if path.suffix not in WEIGHT_SUFFIXES:
        raise FerError(f"{path.name} is no weights file that Keras reads; it should end in .h5, .weights.h5 or .keras.")
    refuse_oversized(path)
    try:
        trunk.load_weights(path)
    except (OSError, EOFError, KeyError, BadZipFile) as error:
        raise FerError(
            f"{path.name} is truncated or no weights file at all ({_first_line(error)}); fetch it again."
        ) from None
    except Exception as error:  # keras, h5py and zipfile each raise their own where the contents do not fit
        raise FerError(
            f"{path.name} does not hold the weights of {network} without top ({_first_line(error)}); it should have "
            f"been saved from keras.applications.{network}(include_top=False)."
        ) from None


def freeze(trunk: keras.Model, which: str) -> None:
    """Freezes all of a trunk's layers but those that the setting ``trainable_trunk`` names.

    "ResNet50 can only have the parameters of last four layers trained" (section 2.2.1) does not say what a layer is;
    ``docs/decisions.md`` lists the readings.

    Raises:
        ValueError: ``which`` is none of the setting's values.
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
    """Returns what the paper prints about the model's structure, read off a built model, by the statement's id.

    The ids are those of ``fer_lib/published/chen2023.yaml``.
    """
    trunk = model.get_layer("resnet50")
    dense = [layer for layer in model.layers if isinstance(layer, layers.Dense)]
    convolutions = [layer for layer in trunk.layers if isinstance(layer, layers.Conv2D)]
    # the fifty: the convolutions of the main path, and the classifier's dense layer that "without top" leaves out
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


def weights_origin(settings: ResNet50MlpSettings) -> dict[str, str | bool | None]:
    """Returns where the trunk's weights come from, for the provenance of every result.

    Keys: ``origin`` (a phrase), ``sha256`` (of the file they were read from, else None) and ``tests_transfer_claim``:
    only ImageNet weights test the paper's claim about transfer learning. Call it once the trunk is built: ImageNet's
    file is then in Keras' cache.

    Raises:
        FerError: there is no such weights file.
    """
    random = {"none": "none: trained from scratch", "random_frozen": "none: random, frozen"}
    if settings.weights in random:
        return {"origin": random[settings.weights], "sha256": None, "tests_transfer_claim": False}
    if settings.weights == "imagenet":
        cached = Path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser() / "models" / IMAGENET_FILE
        sha256 = file_sha256(cached) if cached.is_file() else None
        return {"origin": "ImageNet (Keras)", "sha256": sha256, "tests_transfer_claim": True}
    path = _weights_file(settings.weights)
    with open(path, "rb") as file:
        from_imagenet = hashlib.file_digest(file, "md5").hexdigest() == IMAGENET_MD5
    origin = f"file {path.name}" + (" (Keras' ImageNet weights)" if from_imagenet else "")
    return {"origin": origin, "sha256": file_sha256(path), "tests_transfer_claim": from_imagenet}


def _weights_file(path: str | Path) -> Path:
    path = Path(path).expanduser()
    if not path.is_file():
        raise FerError(
            f"There is no weights file {str(path)!r}{nearest(str(path), WEIGHTS_NAMES)}; give 'imagenet', 'none', "
            "'random_frozen' or an existing file."
        )
    return path


def _dense(units: int, settings: ResNet50MlpSettings, *, name: str) -> layers.Dense:
    return layers.Dense(units, kernel_initializer=settings.kernel_initializer, name=name)


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:240].rstrip(".:") if lines else type(error).__name__
