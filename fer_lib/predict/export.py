"""Export a whole network to ONNX, LiteRT or OpenVINO by Keras' ``export``, and check that both answer alike.

The conversion runs in a process of its own on the TensorFlow backend, the only one from which Keras exports to all
three, whatever backend this process uses. The check compares its answers with those of this process.
"""

from __future__ import annotations

import importlib.util
import math
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import fer_lib
from fer_lib.errors import FerError
from fer_lib.models import compact
from fer_lib.predict.networks import NETWORK_FILE
from fer_lib.predict.photo_files import shown
from fer_lib.utils import bundle
from fer_lib.utils.files import file_sha256
from fer_lib.utils.padding import filled

if TYPE_CHECKING:  # Keras takes seconds to import, and wrong options do not need it
    from fer_lib.predict.models import SavedModel

#: Largest difference of a score between the network and its export.
TOLERANCE = 1e-5
_FACES = 16  # that both are asked


@dataclass(frozen=True)
class Format:
    """A format that networks are exported to.

    Attributes:
        title: its name for people.
        suffixes: of its files; the first one is the model.
        packages: what the conversion and the check import, with the name to install each by.
    """

    title: str
    suffixes: tuple[str, ...]
    packages: tuple[tuple[str, str], ...]


_TENSORFLOW = ("tensorflow", "tensorflow")
FORMATS = {
    "onnx": Format("ONNX", (".onnx",), (_TENSORFLOW, ("onnx", "onnx"), ("tf2onnx", "tf2onnx"))),
    "litert": Format("LiteRT", (".tflite",), (_TENSORFLOW,)),
    "openvino": Format("OpenVINO", (".xml", ".bin"), (_TENSORFLOW, ("openvino", "openvino"))),
}


@dataclass(frozen=True)
class Exported:
    """An exported network.

    Attributes:
        files: the files, the model first and its card last.
        difference: the largest difference of a score that the check found.
        faces: faces that were compared.
    """

    files: tuple[Path, ...]
    difference: float
    faces: int


def check_request(to: str, source: str | Path, out: str | Path | None) -> Path:
    """Check a request before anything slow is imported; return the file to write.

    Args:
        to: one of :data:`FORMATS`.
        source: the model.
        out: the file to write; None means the model's name in the current folder.

    Raises:
        FerError: the model is a compact one, a package is not installed, the file has another suffix, or a file to
            write exists already.
    """
    wanted = FORMATS[to]
    if compact.is_one(source := Path(source).expanduser()):
        raise FerError(
            f"{shown(source)} is in OpenVINO's form already ({compact.GRAPH}, {compact.WEIGHTS}, and {compact.CARD} "
            "says how to use it), which Keras cannot export; copy the folder, or export a .keras file."
        )
    for module, package in wanted.packages:
        if importlib.util.find_spec(module) is None:
            raise FerError(
                f"The package {package} is not installed, and the export to {wanted.title} needs it; install it with "
                f"`pip install {package}`, or export to another format."
            )
    target = Path(out).expanduser() if out else Path(f"{source.resolve().stem}{wanted.suffixes[0]}")
    if target.suffix.lower() != wanted.suffixes[0]:
        raise FerError(
            f"Found --out {shown(target)}; a file of {wanted.title} ends in {wanted.suffixes[0]}: give it such a name."
        )
    taken = next((file for file in _files(target, wanted) if file.exists()), None)
    if taken is not None:
        raise FerError(f"{shown(taken)} exists already; name another file with --out, or remove it.")
    return target


def export(model: SavedModel, source: str | Path, to: str, target: Path) -> Exported:
    """Export a network, check its answers, and write the files with a card that says how it is used.

    The card ``<name>.json`` has the classes in order, the pixels' scaling, the kind of outputs and the provenance.

    Args:
        model: a model from :func:`fer_lib.predict.models.load`.
        source: its ``.keras`` file, or the folder that contains it as ``network.keras``.
        to: one of :data:`FORMATS`.
        target: the file to write, from :func:`check_request`.

    Raises:
        FerError: the model is a trunk with a classifier, Keras cannot export it, or the answers differ by more than
            :data:`TOLERANCE`; nothing is written then.
    """
    wanted = FORMATS[to]
    if model.fitted is not None:
        raise FerError(
            f"{shown(source)} is a trunk with an SVM, and Keras exports only whole networks; give a .keras file of a "
            "network that gives a score for each class."
        )
    source = Path(source).expanduser()
    source = source / NETWORK_FILE if source.is_dir() else source
    faces = _some_faces(model.image_size)
    expected = model.predict(faces)[list(model.class_names)].to_numpy()
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".partial-", dir=target.parent) as folder:
        made = Path(folder, target.name)
        np.save(Path(folder, "pixels.npy"), _batched(model.reading.pixels(faces), model.network.input_shape[0]))
        _convert(source, to, made)
        found = model.reading.scores(np.load(Path(folder, "outputs.npy"), allow_pickle=False)[: len(faces)])
        difference = float(np.abs(found - expected).max()) if found.shape == expected.shape else float("nan")
        if not difference <= TOLERANCE:
            raise FerError(
                f"The export of {shown(source)} to {wanted.title} answers otherwise: scores differ by up to "
                f"{difference:.2g}, more than {TOLERANCE:g}; nothing was written: save the network in float32 first."
            )
        parts = [made.with_suffix(suffix) for suffix in wanted.suffixes]
        card = _card(model, source, to, parts, difference)
        # the card first: a model without its card would be read by assumptions
        bundle.write_json(_card_of(target), card)
        for part in parts:
            os.replace(part, target.with_suffix(part.suffix))
    return Exported(tuple(_files(target, wanted)), difference, len(faces))


def _files(target: Path, wanted: Format) -> list[Path]:
    return [*(target.with_suffix(suffix) for suffix in wanted.suffixes), _card_of(target)]


def _card_of(target: Path) -> Path:
    return target.with_suffix(".json")


def _some_faces(size: tuple[int, int]) -> np.ndarray:
    """Make faces of noise, of slopes and of one grey level, uint8 (N, H, W)."""
    height, width = size
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (_FACES // 2, height, width))
    slopes = np.linspace(0, 1, height)[:, np.newaxis] + np.linspace(0, 1, width)
    scaled = [slopes * level for level in rng.uniform(20, 127, _FACES // 4)]
    plain = [np.full(size, level) for level in np.linspace(0, 255, _FACES // 4)]
    return np.concatenate([noise, np.stack(scaled), np.stack(plain)]).astype(np.uint8)


def _batched(pixels: np.ndarray, fixed: int | None) -> np.ndarray:
    """Divide pixels into the batches that the network takes: (B, batch, H, W, C); the last face fills the last one."""
    size = fixed or 1
    whole = filled(pixels, size * math.ceil(len(pixels) / size))
    return whole.reshape(-1, size, *pixels.shape[1:])


def _convert(source: str | Path, to: str, made: Path) -> None:
    """Convert the network and run the result, in a process of its own; its answers are in ``outputs.npy``."""
    paths = [str(Path(fer_lib.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    surroundings = {
        **os.environ,
        "KERAS_BACKEND": "tensorflow",
        "CUDA_VISIBLE_DEVICES": "-1",  # GPUs round products otherwise
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
    }
    asked = [sys.executable, "-P", "-m", "fer_lib.predict.export_process", str(Path(source).resolve()), to, str(made)]
    done = subprocess.run(asked, env=surroundings, capture_output=True, text=True, check=False)
    if done.returncode:
        said = [line for line in (done.stdout.strip() or done.stderr.strip()).splitlines() if line.strip()]
        reason = said[-1][:240].rstrip(".:") if said else f"the process ended with status {done.returncode}"
        raise FerError(
            f"{shown(source)} cannot be exported to {FORMATS[to].title} ({reason}); try another format, or a network "
            "of other layers."
        )


def _card(model: SavedModel, source: str | Path, to: str, parts: list[Path], difference: float) -> dict:
    height, width = model.image_size
    reading = model.reading
    return {
        "exported_to": to,
        "class_names": list(model.class_names),
        "classes_from": reading.classes_from,
        "settings": {"scaling": reading.scaling},
        "scaling_from": reading.scaling_from,
        "outputs": reading.outputs,
        "input": {"height": height, "width": width, "channels": reading.channels},
        "input_order": "batch, height, width, channels",
        "source": {"name": Path(source).name, "sha256": file_sha256(source)},
        "sha256": {part.name: file_sha256(part) for part in parts},
        "check": {"faces": _FACES, "largest_difference": difference, "tolerance": TOLERANCE},
        "face_settings": dict(model.face_settings),
        "provenance": dict(model.provenance),
    }
