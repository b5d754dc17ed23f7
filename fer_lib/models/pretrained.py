"""Load networks of ``keras.applications`` with pre-trained weights, and record where the weights come from."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

from fer_lib.backend import keras
from fer_lib.errors import FerError, first_line
from fer_lib.models import weights_file, weights_report
from fer_lib.settings import WEIGHTS_NAMES
from fer_lib.utils.files import file_sha256
from fer_lib.utils.safe_load import load_weights, newer_keras

IMAGENET_FILE = "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5"  # as Keras names its download


def application(network: str, weights: str, *, image_size: int = 48) -> keras.Model:
    """Build a network of ``keras.applications`` without top, load its weights, and name it in lower case.

    Args:
        network: ``"ResNet50"`` or another whose weights Keras offers.
        weights: ``"imagenet"``, ``"none"`` or ``"random_frozen"`` (both random), or a file.
        image_size: height and width of the faces in pixels.

    Raises:
        FerError: ImageNet's weights cannot be downloaded, or a weights file is missing, truncated or of another
            network.
    """
    from_imagenet = weights == "imagenet"
    try:
        trunk = getattr(keras.applications, network)(
            include_top=False,
            weights="imagenet" if from_imagenet else None,
            input_shape=(image_size, image_size, 3),
            name=network.lower(),
        )
    except Exception as error:  # keras raises a bare Exception if the download fails
        if not from_imagenet or isinstance(error, (TypeError, KeyboardInterrupt)):
            raise
        raise FerError(
            f"ImageNet's weights could not be downloaded ({first_line(error)}); connect to the network once, or give "
            "a weights file (weights=<file>), make a substitute from Tiny-ImageNet by notebook 00 (weights=pretrain: "
            "three to four hours on two CPU cores with AMX, under one on a GPU by an estimate; it names 42 % of that "
            "corpus's validation images rightly), or train without them (weights=none)."
        ) from None
    if weights not in WEIGHTS_NAMES:
        load_trunk_weights(trunk, weights, network=network)
    return trunk


def load_trunk_weights(trunk: keras.Model, path: str | Path, *, network: str = "ResNet50") -> None:
    """Load a trunk's weights from ``.h5``, ``.weights.h5`` or ``.keras``; float16 ones become the trunk's float32.

    The format is recognised by the file's content. All of the file's parameters must have a place in the trunk, and all
    of the trunk's must be in the file; otherwise the trunk keeps its own.

    Raises:
        FerError: the file is missing, far too large, truncated, or of another kind or network, or its card is damaged
            or of other weights. If a newer Keras wrote the file, by itself or its card, the message names that version.
    """
    path = weights_file.readable(path)
    card = weights_file.read_card(path, network=network)
    try:
        own, theirs = trunk.count_params(), weights_report.parameters_in(path)
        if theirs > own:
            raise ValueError(f"it has {theirs:,} parameters, and the network {own:,}")
        load_weights(trunk, path)
    except Exception as error:  # keras, h5py and zipfile each raise their own errors if the contents do not fit
        raise _refusal(path, network, error, newer_keras(path, card and card["packages"].get("keras"))) from None


def _refusal(path: Path, network: str, error: Exception, newer: str | None) -> FerError:
    """Say in one sentence why a weights file could not be read; ``newer`` is the newer Keras that wrote it, or None."""
    if newer:
        return FerError(
            f"{path.name} cannot be read as weights of {network} without top ({first_line(error)}); Keras {newer} "
            f"wrote it, and this is {keras.__version__}: upgrade Keras, or save the weights again with this version."
        )
    if isinstance(error, FerError):
        return error
    if isinstance(error, (OSError, EOFError, KeyError, BadZipFile)):
        return FerError(f"{path.name} is truncated or not a weights file ({first_line(error)}); fetch it again.")
    return FerError(
        f"{path.name} does not contain the weights of {network} without top ({first_line(error)}); it should have "
        f"been saved from keras.applications.{network}(include_top=False)."
    )


def weights_origin(weights: str) -> dict[str, Any]:
    """Describe where a trunk's weights come from, for the provenance of every result.

    Call it after the trunk is built: ImageNet's file is then in Keras' cache.

    Args:
        weights: as given to :func:`application`.

    Returns:
        ``origin`` (a phrase), ``sha256`` (of the weights' file, else None) and ``tests_transfer_claim``: only ImageNet
        weights test the paper's claim about transfer learning. A file with a card also has ``card``, its
        :func:`~fer_lib.models.weights_file.essentials`.

    Raises:
        FerError: there is no such weights file, or its card is damaged or of other weights.
    """
    random = {"none": "none: trained from scratch", "random_frozen": "none: random, frozen"}
    if weights in random:
        return {"origin": random[weights], "sha256": None, "tests_transfer_claim": False}
    if weights == "imagenet":
        cached = Path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser() / "models" / IMAGENET_FILE
        sha256 = file_sha256(cached) if cached.is_file() else None
        return {"origin": "ImageNet (Keras)", "sha256": sha256, "tests_transfer_claim": True}
    path = weights_file.existing(weights)
    from_imagenet = weights_file.is_imagenets(path)
    origin = f"file {path.name}" + (" (Keras' ImageNet weights)" if from_imagenet else "")
    found = {"origin": origin, "sha256": file_sha256(path), "tests_transfer_claim": from_imagenet}
    card = weights_file.read_card(path)
    if card is None:
        return found
    mark = " (SYNTHETIC images)" if card["data"]["synthetic"] else ""
    return {**found, "origin": origin + mark, "card": weights_file.essentials(card)}
