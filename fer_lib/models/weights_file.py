"""Weights files with a card that says what a trunk was trained on, how, how well, and which pixels it expects.

The card of ``X.weights.h5`` is ``X.weights.json`` next to it. It names the SHA-256 of its file, so that a card is never
believed of other weights. Files without a card are Keras' own or somebody else's. Nothing here imports Keras.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import h5py
import numpy as np
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from fer_lib.errors import FerError, first_line, nearest
from fer_lib.settings import WEIGHTS_NAMES
from fer_lib.utils.files import atomic_path, file_sha256, write_text
from fer_lib.utils.safe_load import refuse_oversized, weights_ending

if TYPE_CHECKING:
    from fer_lib.backend import keras

FORMAT = 1
ENDING, CARD_ENDING, HALF_ENDING = ".weights.h5", ".weights.json", ".float16.weights.h5"
SUFFIXES = (".h5", ".keras")
CARD_LIMIT = 2**20  # bytes; a card takes some 3 kB
IMAGENET_MD5 = "4d473c1dd8becc155b73f8504c6f6626"  # with which Keras checks ResNet50's file that it downloads
_STRICT = ConfigDict(strict=True, allow_inf_nan=False)
_Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
_Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
_Positive = Annotated[int, Field(gt=0)]
Settings = TypeVar("Settings")


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class _Share:
    value: _Fraction
    low: _Fraction
    high: _Fraction


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class _Accuracy:
    top1: _Share
    top5: _Share
    images: _Positive


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class _Data:
    corpus: Annotated[str, Field(min_length=1)]
    fingerprint: str
    counts: dict[str, int]
    synthetic: bool


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class _Code:
    commit: str | None
    dirty: bool | None


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class Card:
    """The keys of a card, checked whenever one is written or read; further keys are kept.

    Attributes:
        format: ``FORMAT``.
        network: its name in ``keras.applications``; the file contains its layers without top.
        scaling: the layout of pixels that the weights expect (:func:`fer_lib.utils.pixels.network_input`).
        image_size: height and width of the last pre-training images in pixels.
        dtype: float type of the kernels; a ``"float16"`` file has the rest in float32.
        recipe: the settings of the pre-training.
        data: ``corpus``, ``fingerprint``, ``counts`` of its parts, and whether its images were generated.
        seed: of the pre-training.
        code: the ``commit``, and whether sources differed from it.
        engine: backend, devices and precision.
        packages: their versions.
        accuracy: ``top1`` and ``top5``, each with ``value`` and its 95 % interval ``low``, ``high``, on ``images``
            validation images; a float16 copy repeats that of the float32 weights.
        sha256: of the weights file.
    """

    format: int
    network: Annotated[str, Field(min_length=1)]
    scaling: Literal["trunk", "unit"]
    image_size: _Positive
    dtype: Literal["float32", "float16"]
    recipe: dict[str, Any]
    data: _Data
    seed: int
    code: _Code
    engine: dict[str, Any] | None
    packages: dict[str, str]
    accuracy: _Accuracy
    sha256: _Sha256


def save(trunk: keras.Model, path: str | Path, card: Mapping[str, Any], *, float16: bool = False) -> Path:
    """Write a trunk's weights and their card, each whole or not at all.

    The card is written first. If a kill leaves it with older weights, the SHA-256 differs and they are refused.

    Args:
        trunk: a network of ``keras.applications`` without top, in float32.
        path: must end in ``.weights.h5``.
        card: the keys of :class:`Card` without ``format``, ``dtype`` and ``sha256``, which are filled in. ``code``,
            ``engine`` and ``packages`` are those of :func:`fer_lib.provenance.surroundings`; further keys are kept.
        float16: also write ``X.float16.weights.h5``, of half the size, with a card of its own.

    Returns:
        The path of the weights.

    Raises:
        FerError: the disk is full or the folder not writable, or kernels are too large for float16.
        ValueError: the path has another ending, or the card lacks something or has a wrong value.
    """
    path = Path(path)
    if not path.name.endswith(ENDING):
        raise ValueError(f"{path.name} should end in {ENDING}")
    _write(path, {**card, "dtype": "float32"}, trunk.save_weights)
    if float16:
        half = path.with_name(path.name.removesuffix(ENDING) + HALF_ENDING)
        _write(half, {**card, "dtype": "float16"}, lambda partial: _to_float16(path, partial))
    return path


def card_file(path: str | Path) -> Path | None:
    """Name the card of a weights file, whether or not it exists; None if the file's name ends so that it has none."""
    path = Path(path).expanduser()
    return path.with_name(path.name.removesuffix(ENDING) + CARD_ENDING) if path.name.endswith(ENDING) else None


def read_card(path: str | Path, *, network: str | None = None) -> dict[str, Any] | None:
    """Read the card of a weights file; None if there is none.

    Args:
        path: the weights file.
        network: the network that the weights are wanted for; None accepts any.

    Raises:
        FerError: the card is damaged, has another format, names another network, or belongs to other weights.
    """
    path = Path(path).expanduser()
    place = card_file(path)
    if place is None or not os.path.lexists(place):
        return None
    again = "copy or save the weights and their card again."
    try:
        if place.stat().st_size > CARD_LIMIT:
            raise ValueError("it is larger than 1 MB")
        text = place.read_text(encoding="utf-8")
        content = json.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        why = getattr(error, "strerror", None) or first_line(error)
        raise FerError(f"The card {place.name} is damaged ({why}); {again}") from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        found = content.get("format") if isinstance(content, dict) else None
        raise FerError(
            f"The card {place.name} has the format {found!r}; expected {FORMAT}: use the version that wrote it."
        )
    try:
        _check(text)
    except ValueError as error:
        raise FerError(f"The card {place.name} is damaged: {error}; {again}") from None
    if network is not None and content["network"] != network:
        raise FerError(f"{path.name} contains the weights of {content['network']}, by its card; expected {network}.")
    if not path.is_file():
        raise FerError(f"There is a card {place.name}, but no weights file {path.name} next to it; {again}")
    if file_sha256(path) != content["sha256"]:
        raise FerError(f"{path.name} is not the file that its card {place.name} describes, by its SHA-256; {again}")
    return content


def essentials(card: Mapping[str, Any]) -> dict[str, Any]:
    """Pick out of a card what every result made with the weights should say."""
    return {
        "network": card["network"],
        "corpus": card["data"]["corpus"],
        "synthetic": card["data"]["synthetic"],
        "top1": card["accuracy"]["top1"],
        "images": card["accuracy"]["images"],
        "scaling": card["scaling"],
        "seed": card["seed"],
        "commit": card["code"]["commit"],
    }


def expected_scaling(weights: str, scaling: str = "trunk", *, network: str = "ResNet50") -> str:
    """Resolve the setting ``scaling``: ``"trunk"`` means the pixels that the weights expect, by their card.

    Args:
        weights: ``"imagenet"``, ``"none"``, ``"random_frozen"`` or a file.
        scaling: the setting; any value but ``"trunk"`` is returned as it is.
        network: the network that loads the weights.

    Returns:
        The card's ``"trunk"`` or ``"unit"``; without a card ``"trunk"``, for which Keras' ImageNet weights were made.

    Raises:
        FerError: the card is damaged, or of other weights or another network.
    """
    if scaling != "trunk" or weights in WEIGHTS_NAMES:
        return scaling
    card = read_card(weights, network=network)
    return scaling if card is None else card["scaling"]


def as_expected(settings: Settings) -> Settings:
    """Copy an experiment's settings with ``scaling`` resolved; others, without weights or scaling, are unchanged.

    Raises:
        FerError: as for :func:`expected_scaling`.
    """
    if not hasattr(settings, "weights") or not hasattr(settings, "scaling"):
        return settings
    found = expected_scaling(settings.weights, settings.scaling)
    return dataclasses.replace(settings, scaling=found)  # type: ignore[type-var]  # all settings are dataclasses


def existing(path: str | Path) -> Path:
    """Expand the path of a weights file; raise FerError if there is no such file."""
    path = Path(path).expanduser()
    if not path.is_file():
        raise FerError(
            f"There is no weights file {str(path)!r}{nearest(str(path), WEIGHTS_NAMES)}; give 'imagenet', 'none', "
            "'random_frozen' or an existing file."
        )
    return path


def readable(path: str | Path) -> Path:
    """Expand the path of a weights file that Keras may read.

    Raises:
        FerError: the file is missing, far too large, or of another kind by its content and by its name.
    """
    path = existing(path)
    if path.suffix not in SUFFIXES and weights_ending(path) is None:
        raise FerError(f"Keras reads no weights from {path.name}; the name should end in .h5, .weights.h5 or .keras.")
    refuse_oversized(path)
    return path


def is_imagenets(path: Path) -> bool:
    """Tell whether a file is the one that Keras downloads as ResNet50's ImageNet weights, whatever its name."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest() == IMAGENET_MD5


def _write(path: Path, card: dict[str, Any], write: Callable[[Path], Any]) -> None:
    place = card_file(path)
    assert place is not None  # save has checked the ending
    with atomic_path(path) as partial:
        write(partial)
        text = json.dumps(
            {"format": FORMAT, **card, "sha256": file_sha256(partial)}, indent=2, ensure_ascii=False, allow_nan=False
        )
        _check(text)
        write_text(place, f"{text}\n")


def _check(text: str) -> None:
    """Raise ValueError, with the first fault, if the text is not a whole card."""
    try:
        TypeAdapter(Card).validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(step) for step in first["loc"]) or "the whole"
        raise ValueError(f"{where}: {first['msg'][0].lower()}{first['msg'][1:]}") from None


def _to_float16(source: Path, target: Path) -> None:
    """Copy a weights file with its kernels in float16; biases and batch norms, 0.6 % of ResNet50, stay in float32."""

    def copy(name: str, item: h5py.Group | h5py.Dataset) -> None:
        if isinstance(item, h5py.Dataset):
            values = item[()]
            if values.ndim > 1 and values.dtype == np.float32:
                if not np.abs(values).max(initial=0.0) <= np.finfo(np.float16).max:
                    raise FerError(f"{source.name} has weights that float16 cannot represent ({name}); keep float32.")
                values = values.astype(np.float16)
            made = copied.create_dataset(name, data=values)
        else:
            made = copied.require_group(name)
        made.attrs.update(item.attrs)

    with h5py.File(source, "r") as whole, h5py.File(target, "w") as copied:
        copied.attrs.update(whole.attrs)
        whole.visititems(copy)
