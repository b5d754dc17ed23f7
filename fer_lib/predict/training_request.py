"""Check what `fer-lib train` is asked for, before anything slow is imported."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fer_lib.errors import FerError
from fer_lib.predict.photo_files import shown

#: The networks, with the size of their faces in pixels and their epochs.
NETWORKS = {"resnet50_modern": (96, 30), "baseline_cnn": (48, 30)}
#: In the folder of an unfinished training: its request and its state after the last whole epoch.
REQUEST, CHECKPOINTS = "training.json", "checkpoints"
_SIZES = (32, 512)  # the smallest and largest faces in pixels
_LARGEST_SHARE = 0.5
_SMALLEST_SHARE = 0.02
_LARGEST_SEED = 2**32 - 1  # NumPy's


@dataclass(frozen=True)
class TrainingRequest:
    """A training that is wanted.

    Attributes:
        network: one of :data:`NETWORKS`.
        epochs: passes over the training faces.
        image_size: height and width of the faces in pixels.
        validation: the share of the faces that is held out to score the network; 0 holds none out.
        seed: fixes the held-out faces, the new weights, dropout, shuffling and augmentation.
        weights: ``"imagenet"``, ``"none"`` or a file, of a network that can start from weights; others ignore it.
    """

    network: str
    epochs: int
    image_size: int
    validation: float = 0.2
    seed: int = 0
    weights: str = "imagenet"

    def plain(self) -> dict[str, Any]:
        """Give the request as plain values for JSON."""
        return asdict(self)


def checked(
    network: str,
    *,
    epochs: int | None = None,
    image_size: int | None = None,
    validation: float = 0.2,
    seed: int = 0,
    weights: str | None = None,
) -> TrainingRequest:
    """Make a request; None takes the network's own epochs and size, and ImageNet's weights.

    Raises:
        FerError: a value is out of its range, or the weights are of no use.
    """
    size, usual = NETWORKS[network]
    request = TrainingRequest(network, epochs or usual, image_size or size, validation, seed, weights or "imagenet")
    if epochs is not None and epochs < 1:
        raise FerError(f"Found --epochs {epochs}; expected 1 or more.")
    if image_size is not None and not _SIZES[0] <= image_size <= _SIZES[1]:
        raise FerError(f"Found --size {image_size}; expected {_SIZES[0]} to {_SIZES[1]} pixels.")
    if not math.isfinite(validation) or not (validation == 0 or _SMALLEST_SHARE <= validation <= _LARGEST_SHARE):
        raise FerError(
            f"Found --validation {validation:g}; expected the share of the faces to hold out, {_SMALLEST_SHARE:g} to "
            f"{_LARGEST_SHARE:g}, or 0 for none."
        )
    if not 0 <= seed <= _LARGEST_SEED:
        raise FerError(f"Found --seed {seed}; expected 0 to {_LARGEST_SEED}.")
    if weights is not None and network != "resnet50_modern":
        raise FerError(f"Found --weights for {network}, which starts from random weights; leave the option out.")
    if weights is not None and weights not in ("imagenet", "none") and not Path(weights).expanduser().is_file():
        raise FerError(f"No such weights file: {weights}; give a file, imagenet, or none for random weights.")
    return request


def model_folder(out: str | Path, source: str | Path) -> Path:
    """Check the folder for the model.

    Raises:
        FerError: it is a file or named like one, or it is the folder with the faces or lies in it.
    """
    folder = Path(out).expanduser()
    if folder.suffix.lower() in (".keras", ".h5", ".json") or (folder.exists() and not folder.is_dir()):
        raise FerError(f"Found --out {shown(folder)}, which is no folder; name one, in which network.keras is written.")
    if folder.resolve().is_relative_to(Path(source).expanduser().resolve()):
        raise FerError(f"{shown(folder)} is in the folder of the faces, {shown(source)}; name another with --out.")
    return folder
