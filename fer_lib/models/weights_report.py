"""Describe a weights file and its card, for people and as JSON; nothing here imports Keras."""

from __future__ import annotations

import io
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py

from fer_lib.errors import FerError, first_line
from fer_lib.models import weights_file
from fer_lib.utils.files import file_sha256

PARAMETERS = {"ResNet50": 23_587_712, "VGG16": 14_714_688}
"""Parameters of networks of ``keras.applications`` without top, by which a file without a card is recognised."""

PIXELS = {
    "trunk": "0 to 255 in the order blue, green, red, less ImageNet's means (ResNet50's preprocess_input)",
    "unit": "0 to 1 (divided by 255), in the order red, green, blue",
}
"""The layouts of pixels that weights can expect, by the value of the setting ``scaling``."""


def in_words(facts: Mapping[str, Any]) -> str:
    """Say in a phrase how weights were made; ``facts`` are a card's :func:`fer_lib.models.weights_file.essentials`."""
    images = f"SYNTHETIC images ({facts['corpus']})" if facts["synthetic"] else facts["corpus"]
    accuracy = f"top-1 {share(facts['top1'])} of {facts['images']:,} validation images"
    commit = f", commit {facts['commit'][:12]}" if facts["commit"] else ""
    return f"pre-trained on {images}: {accuracy}, seed {facts['seed']}{commit}"


def share(found: Mapping[str, float]) -> str:
    """Format a share with its interval in per cent, such as ``"41.20 % [40.24, 42.17]"``."""
    value, low, high = (100 * found[key] for key in ("value", "low", "high"))
    return f"{value:.2f} % [{low:.2f}, {high:.2f}]"


def describe(path: str | Path) -> dict[str, Any]:
    """Read from a weights file, and its card, what it is.

    Returns:
        ``file`` (its name), ``bytes``, ``sha256``, ``imagenet`` (whether it is Keras' file), ``network`` (None if
        unknown), ``parameters``, ``float_types`` (parameters by type), ``scaling`` (the pixels that it expects; None if
        nobody knows) and ``card`` (None if it has none).

    Raises:
        FerError: the file or its card is missing, damaged or of another kind, or the card names a network that does
            not have so many parameters.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise FerError(f"No such file: {path}; give a weights file, whose name ends in .weights.h5, .h5 or .keras.")
    path = weights_file.readable(path)
    card = weights_file.read_card(path)
    types = _float_types(path)
    parameters, from_imagenet = sum(types.values()), weights_file.is_imagenets(path)
    by_count = {count: name for name, count in PARAMETERS.items()}
    if card is not None and PARAMETERS.get(card["network"], parameters) != parameters:
        raise FerError(
            f"{path.name} has {parameters:,} parameters, not the {PARAMETERS[card['network']]:,} of {card['network']} "
            "that its card names; save the weights and their card again."
        )
    return {
        "file": path.name,
        "bytes": path.stat().st_size,
        "sha256": file_sha256(path),
        "imagenet": from_imagenet,
        "network": by_count.get(parameters) if card is None else card["network"],
        "parameters": parameters,
        "float_types": types,
        "scaling": card["scaling"] if card else "trunk" if from_imagenet else None,
        "card": card,
    }


def report(path: str | Path) -> list[str]:
    """Describe a weights file in lines for the terminal.

    Raises:
        FerError: as for :func:`describe`.
    """
    found = describe(path)
    synthetic = found["card"] and found["card"]["data"]["synthetic"]
    mark = ["SYNTHETIC: these weights were pre-trained on generated images.", ""] if synthetic else []
    return [*mark, *(f"{name:<12} {value}" for name, value in rows(found).items())]


def rows(found: Mapping[str, Any]) -> dict[str, str]:
    """Say each fact that :func:`describe` found in words, by name."""
    card, network = found["card"], found["network"]
    types = [f"{name} ({count:,} parameters)" for name, count in found["float_types"].items()]
    said = {
        "file": f"{found['file']}, {found['bytes'] / 1e6:,.1f} MB",
        "SHA-256": found["sha256"],
        "network": f"{network} without top" if network else "unknown: none of " + ", ".join(PARAMETERS),
        "parameters": f"{found['parameters']:,}",
        "float type": next(iter(found["float_types"])) if len(types) == 1 else ", ".join(types),
        "ImageNet": "this is the file that Keras downloads" if found["imagenet"] else "not Keras' file",
    }
    if found["scaling"]:
        said["pixels"] = f"{found['scaling']}: {PIXELS[found['scaling']]}"
    else:
        said["pixels"] = "nobody knows which it expects: it has no card; scaling trunk takes them to be as ImageNet's"
    if card is not None:
        data, accuracy, code = card["data"], card["accuracy"], card["code"]
        counts = ", ".join(f"{part} {count:,}" for part, count in data["counts"].items())
        dirty = ", with changes" if code["dirty"] else ""
        said |= {
            "trained on": f"{data['corpus']} ({counts})",
            "fingerprint": data["fingerprint"],
            "accuracy": f"top-1 {share(accuracy['top1'])}, top-5 {share(accuracy['top5'])} of {accuracy['images']:,} "
            f"validation images at {card['image_size']} pixels",
            "recipe": ", ".join(f"{key} {value}" for key, value in card["recipe"].items()),
            "seed": str(card["seed"]),
            "commit": f"{code['commit'] or 'unknown'}{dirty}",
            "engine": ", ".join(f"{key} {value}" for key, value in (card["engine"] or {}).items()) or "unknown",
        }
    return said


def parameters_in(path: Path) -> int:
    """Count the parameters in a weights file, without an optimiser's.

    Raises:
        FerError: the file is truncated or contains no weights.
    """
    return sum(_float_types(path).values())


def _float_types(path: Path) -> dict[str, int]:
    """Count a weights file's parameters by float type; an optimiser's do not count."""
    counts: Counter[str] = Counter()
    try:
        with _opened(path) as file:
            for name, size in _parameters(file):
                counts[name] += size
    except (OSError, EOFError, KeyError, RuntimeError, ValueError, zipfile.BadZipFile) as error:
        raise FerError(
            f"{path.name} is truncated or not a weights file ({first_line(error)}); fetch it again."
        ) from None
    if not counts:
        raise FerError(f"{path.name} contains no weights; it should have been saved from a network of Keras.")
    return dict(counts.most_common())


def _opened(path: Path) -> h5py.File:
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            return h5py.File(io.BytesIO(archive.read("model.weights.h5")), "r")
    return h5py.File(path, "r")


def _parameters(file: h5py.File) -> Iterator[tuple[str, int]]:
    """Yield float type and size of each of a network's variables."""
    found: list[tuple[str, int]] = []

    def look(name: str, item: h5py.Group | h5py.Dataset) -> None:
        optimiser = name.split("/")[0] in ("optimizer", "optimizer_weights")
        if isinstance(item, h5py.Dataset) and item.dtype.kind in "fV" and not optimiser:
            found.append((str(item.attrs.get("dtype", item.dtype.name)), item.size))

    file.visititems(look)
    yield from found
