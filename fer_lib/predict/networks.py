"""Tell how a whole network from anywhere is to be used: its classes' order, its pixels, its outputs; no Keras import.

A Keras file does not say in which order its classes are, how its pixels were scaled, or whether its outputs are
probabilities. Each of these is taken from the user, from the card next to the file (``model.json``) or from the network
itself; otherwise it is assumed, and the output of ``fer-lib predict`` says so.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pandas as pd

from fer_lib.datasets.expressions import EXPRESSION_OF
from fer_lib.datasets.fer2013 import CLASS_NAMES
from fer_lib.errors import FerError
from fer_lib.models import compact
from fer_lib.utils.pixels import network_input

#: The file of a network in its folder, next to its ``model.json``.
NETWORK_FILE = "network.keras"
#: Scalings of pixels, with the words for them.
SCALINGS = {
    "unit": "divided by 255, from 0 to 1",
    "symmetric": "from -1 to 1",
    "trunk": "0 to 255 in the order blue, green, red, less ImageNet's means",
    "raw": "0 to 255, not scaled",
}
GIVEN, CARD, NETWORK, ASSUMED = "given", "card", "network", "assumed"
PROBABILITIES, LOGITS, SIGMOIDS = "probabilities", "logits", "sigmoids"
_ARITHMETIC = ("TrueDivide", "Divide", "Multiply", "Subtract", "Add")  # x / 255.0 in a functional network
_PASSING = ("InputLayer", "Reshape", "Cast", "GetItem", "Stack", "Identity", "Dropout", "Flatten", "Activation")
_QUOTES = " []()'\"\t\n"  # around names that were copied from Python
_LIKE = 0.85  # words as near as this to a known one are taken for typing errors


@dataclass(frozen=True)
class Reading:
    """How a model is used, and why so.

    Attributes:
        scaling: one of :data:`SCALINGS`.
        scaling_from: ``"given"`` by the user, from the model's own ``"card"``, seen in the ``"network"``, or
            ``"assumed"``.
        scaling_why: the reason in words.
        classes_from: the origin of the classes' order: ``"given"``, ``"card"`` or ``"assumed"``.
        outputs: ``"probabilities"``, ``"logits"`` (turned into probabilities by softmax) or ``"sigmoids"``.
        channels: channels of the network's input, 1 or 3; three get the same grey level.
    """

    scaling: str
    scaling_from: str = CARD
    scaling_why: str = "as its model.json says"
    classes_from: str = CARD
    outputs: str = PROBABILITIES
    channels: int = 3

    def pixels(self, images: np.ndarray) -> np.ndarray:
        """Convert grey faces, uint8 (N, H, W), to the network's input, float32 (N, H, W, channels)."""
        if self.scaling == "symmetric":
            found = network_input(images, "raw") / np.float32(127.5) - np.float32(1)
        else:
            found = network_input(images, self.scaling)
        return found[..., : self.channels]

    def scores(self, outputs: np.ndarray) -> np.ndarray:
        """Convert the network's outputs (N, classes) to float32 scores: logits become probabilities by softmax."""
        found = np.asarray(outputs, np.float32)
        return compact.softmax(found) if self.outputs == LOGITS else found


class Model(Protocol):
    """A model that predicts faces: a ``SavedModel``, or the compact one that comes with the package."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """All classes in label order."""

    @property
    def face_settings(self) -> Mapping[str, Any]:
        """The settings of the crops from photos, as plain values."""

    @property
    def provenance(self) -> Mapping[str, Any]:
        """Where the model comes from, as plain values."""

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width of its faces in pixels."""

    @property
    def reading(self) -> Reading:
        """How the model is used, and why."""

    @property
    def score_kind(self) -> str:
        """The kind of its scores."""

    def predict(self, images: np.ndarray) -> pd.DataFrame:
        """Predict a row for each grey face, uint8 (N, H, W): ``label`` and the score of each class."""


def check_faces(images: np.ndarray, size: tuple[int, int]) -> None:
    """Check that faces are grey, uint8 (N, H, W), of a model's height and width.

    Raises:
        FerError: they are not.
    """
    if images.dtype != np.uint8 or images.ndim != 3 or images.shape[1:] != size:
        height, width = size
        raise FerError(
            f"The faces are {images.dtype} of shape {images.shape}; this model takes uint8 of shape (N, {height}, "
            f"{width}): grey crops of that size."
        )


def scores_table(names: Sequence[str], scores: np.ndarray) -> pd.DataFrame:
    """Tabulate scores (N, classes): ``label``, the class of the highest score, and a column for each class."""
    frame = pd.DataFrame(scores, columns=list(names))
    frame.insert(0, "label", [names[place] for place in scores.argmax(axis=1)])
    return frame


def class_names(text: str) -> tuple[str, ...]:
    """Read class names from a list with commas, in the model's order, such as ``"anger,disgusted,sad"``.

    Usual words for the seven expressions and contempt become this project's names; other classes keep their words.

    Raises:
        FerError: fewer than two names, an empty one, one twice, or one that looks like a typing error.
    """
    words = [" ".join(word.strip(_QUOTES).split()) for word in text.strip(_QUOTES).split(",")]
    if len(words) < 2 or not all(words):
        raise FerError(
            f"Found --classes {text!r}; expected two or more names with commas between them, in the model's order, "
            f"such as {','.join(CLASS_NAMES)}."
        )
    if marked := next((word for word in words if set(word) & set(":{}")), None):
        raise FerError(
            f"Found {marked!r} in --classes; give the names alone, in the order of their numbers, such as "
            f"{','.join(CLASS_NAMES)}."
        )
    names = []
    for word in words:
        near = difflib.get_close_matches(word.lower(), EXPRESSION_OF, n=1, cutoff=_LIKE)
        if near and word.lower() not in EXPRESSION_OF:
            raise FerError(f"Found the class {word!r} in --classes; did you mean {near[0]!r}? Write it as it is meant.")
        names.append(EXPRESSION_OF.get(word.lower(), word))
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise FerError(f"Found the class {twice!r} twice in --classes {text!r}; name each class once.")
    return tuple(names)


def own_scaling(network: Any) -> tuple[str, str] | None:
    """Find out from a network's first layers which pixels it takes: the scaling and the reason; None if they are mute.

    Only layers before the first one with weights count, inside nested networks too. A calculation that scales 0-255
    means ``"raw"``; one whose numbers fit only pixels of 0 to 1 (``Rescaling(2, -1)``, ``x * 2 - 1``, a mean below 1)
    means ``"unit"``.
    """
    for layer in _operations(network):
        kind = type(layer).__name__
        if kind == "Rescaling":
            who = "a Rescaling layer in the network"
            found = _scaled_by("Multiply", layer.scale, who) or _scaled_by("Add", layer.offset, who)
        elif kind == "Normalization":
            found = _normalised_by(layer.mean, layer.variance)
        elif kind in _ARITHMETIC:
            found = _scaled_by(kind, _number_in(layer), "the network")
        elif kind not in _PASSING and getattr(layer, "weights", None):
            return None
        else:
            continue
        if found:
            return found
    return None


def outputs_kind(network: Any, run: Any, shape: tuple[int, ...]) -> str:
    """Tell a network's outputs: probabilities, logits or sigmoids.

    The last layer decides. If it does not say, two faces of noise are run: outputs that are at least 0 and add up to 1
    for both are probabilities.

    Args:
        network: the network.
        run: maps grey faces, uint8 (N, H, W), to outputs (N, classes).
        shape: height and width of a face.
    """
    last = _last(network)
    kind, activation = type(last).__name__, getattr(getattr(last, "activation", None), "__name__", None)
    if kind == "Softmax" or activation == "softmax":
        return PROBABILITIES
    if kind == "Sigmoid" or activation == "sigmoid":
        return SIGMOIDS
    if activation is not None:
        return LOGITS
    noise = np.random.default_rng(0).integers(0, 256, (2, *shape), dtype=np.uint8)
    found = np.asarray(run(noise), np.float64)
    sums = np.abs(found.sum(axis=1) - 1)
    return PROBABILITIES if (found >= 0).all() and (sums < 0.01).all() else LOGITS


def input_channels(network: Any, name: str) -> int:
    """Check that a network takes one batch of pictures and return its channels, 1 or 3.

    Raises:
        FerError: it takes anything else.
    """
    shape = getattr(network, "input_shape", None)
    if isinstance(shape, tuple) and len(shape) == 4 and shape[3] in (1, 3):
        return int(shape[3])
    raise FerError(
        f"{name} takes the input {_shape_words(shape)}; expected pictures: height, width and then 1 or 3 channels."
    )


def check_outputs(network: Any, name: str, names: Sequence[str], origin: str) -> None:
    """Check that a network gives one score for each class.

    Raises:
        FerError: it has another number of outputs than there are classes, or outputs of another kind, or a class has
            the name of the answers' column.
    """
    if "label" in names:
        raise FerError(f"{name} has a class called 'label', as the column of the answers is; give it another name.")
    shape = getattr(network, "output_shape", None)
    if not isinstance(shape, tuple) or len(shape) != 2 or not isinstance(shape[1], int):
        raise FerError(
            f"{name} has the output {_shape_words(shape)}; expected one score for each class of a whole face (a trunk "
            "is read with its folder)."
        )
    if shape[1] != len(names):
        said = {GIVEN: "--classes names", CARD: "its model.json names"}.get(origin, "FER-2013 has")
        count = f"{shape[1]} score{'' if shape[1] == 1 else 's'} a face"
        raise FerError(
            f"{name} has the output {_shape_words(shape)}, {count}, but {said} {len(names)} classes "
            f"({', '.join(names)}); name all {shape[1]} with --classes, in the model's order."
        )


def notes(names: Sequence[str], reading: Reading, size: Sequence[int]) -> list[str]:
    """Say in sentences which class order and which pixels were taken, and why."""
    height, width = size
    channels = "1 channel" if reading.channels == 1 else "3 equal channels"
    return [
        f"Class order: {', '.join(names)} ({reading.classes_from}): {_why(names, reading)}.",
        f"Pixels: grey, {height} x {width}, {channels}, {SCALINGS[reading.scaling]} ({reading.scaling_from}): "
        f"{reading.scaling_why}.",
    ]


def plain(names: Sequence[str], reading: Reading) -> dict[str, Any]:
    """Give the same facts as plain values for JSON."""
    return {
        "class_order": list(names),
        "class_order_from": reading.classes_from,
        "class_order_why": _why(names, reading),
        "scaling": reading.scaling,
        "scaling_from": reading.scaling_from,
        "scaling_why": reading.scaling_why,
        "channels": reading.channels,
        "outputs": reading.outputs,
    }


def _why(names: Sequence[str], reading: Reading) -> str:
    if reading.classes_from == GIVEN:
        return "as --classes says"
    if reading.classes_from == CARD:
        return "as its model.json says"
    return (
        "FER-2013's order, because neither the file nor a card says which one it is; if the model was trained with "
        "another order, these labels are WRONG. The other common order is that of the alphabet (--classes "
        f"{','.join(sorted(names))}): flow_from_directory and image_dataset_from_directory take it"
    )


def _operations(network: Any) -> list[Any]:
    """List a network's layers and operations in the order of its graph, nested networks opened."""
    found = []
    for layer in getattr(network, "operations", None) or network.layers:
        found += _operations(layer) if hasattr(layer, "layers") else [layer]
    return found


def _scaled_by(kind: str, number: Any, who: str) -> tuple[str, str] | None:
    """Tell which pixels fit a calculation with a number: dividing by 255 fits 0 to 255, multiplying by 2 fits 0 to 1.

    Returns:
        The scaling and the reason; None if the number changes nothing, or there is none.
    """
    if number is None or _largest(number) == (0 if kind in ("Add", "Subtract") else 1):
        return None
    size = _largest(number)
    if (size > 1) == (kind == "Multiply"):
        verb = {"Multiply": "multiplies them by", "Add": "adds", "Subtract": "subtracts"}.get(kind, "divides them by")
        return "unit", f"{who} first {verb} {size:.3g}, so it takes 0 to 1"
    return "raw", f"{who} scales them"


def _normalised_by(mean: Any, variance: Any) -> tuple[str, str] | None:
    """Tell which pixels a Normalization layer fits; None if its numbers do not tell, such as mean 0 and variance 1."""
    if _largest(mean) > 1 or _largest(variance) > 1:
        return "raw", "a Normalization layer in the network scales them"
    if np.min(mean) > 0 and _largest(variance) <= 0.25:  # numbers from 0 to 1 have no larger variance
        return "unit", f"its Normalization layer subtracts {_largest(mean):.3g}, so it takes 0 to 1"
    return None


def _number_in(layer: Any) -> Any:
    """Find the number that an operation such as ``x / 255`` computes with; None if it has tensors only."""
    for node in getattr(layer, "_inbound_nodes", ())[:1]:
        for argument in (*node.arguments.args, *node.arguments.kwargs.values()):
            if isinstance(argument, (int, float, np.number, np.ndarray)) and not isinstance(argument, bool):
                return argument
    return None


def _largest(numbers: Any) -> float:
    """Find the largest absolute value of a number or an array."""
    return float(np.max(np.abs(np.asarray(numbers))))


def _last(network: Any) -> Any:
    """Find the layer or operation that computes a network's output; None if the graph does not tell."""
    try:
        last = network.outputs[0]._keras_history.operation
        while type(last).__name__ in ("Identity", "Cast", "Dropout", "Reshape", "Flatten"):
            last = last.input._keras_history.operation
    except (AttributeError, IndexError, TypeError, ValueError):  # a subclassed network has no graph
        return None
    return _last(last) if hasattr(last, "layers") else last


def _shape_words(shape: Any) -> str:
    return str(shape) if shape is not None else "of a shape that is not known before it runs"
