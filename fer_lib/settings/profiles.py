"""A profile is one file of ``configs/``: the settings of every experiment, read, checked, changed and hashed here."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from fer_lib.errors import FerError, nearest
from fer_lib.settings.chen2023 import BaselineCnnSettings, ResNet50MlpSettings
from fer_lib.settings.common import STRICT, TRUNKS, WEIGHTS_NAMES, DataSettings
from fer_lib.settings.comparators import ComparatorSettings
from fer_lib.settings.liu2023 import (
    CkPlusSettings,
    DepthStudySettings,
    ExpansionSettings,
    FaceSettings,
    LeNetSettings,
    ResNet50SvmSettings,
)
from fer_lib.utils.files import read_yaml

PROJECT = Path(__file__).resolve().parents[2]
PROFILES = PROJECT / "configs"


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Profile:
    """One file of ``configs/``: what a run of the whole chain is made of.

    Attributes:
        description: one sentence on what the profile is for and what it costs.
        data: which faces.
        resnet50_mlp: chen2023's model.
        baseline_cnn: chen2023's traditional CNN.
        ckplus: liu2023's corpus and how it is divided.
        faces: liu2023's face crops.
        expansion: liu2023's twelve-fold augmentation and "cross-cut".
        resnet50_svm: liu2023's model.
        lenet: liu2023's hyper-parameter study.
        comparators: the systems that liu2023 compares with, and those beyond the papers.
        depth_study: plain against residual networks of equal depth, which both papers argue from.
        variants: other readings of ``resnet50_mlp`` to run beside it, such as other weights: a name to its changes.
    """

    description: str
    data: DataSettings = DataSettings()
    resnet50_mlp: ResNet50MlpSettings = ResNet50MlpSettings()
    baseline_cnn: BaselineCnnSettings = BaselineCnnSettings()
    ckplus: CkPlusSettings = CkPlusSettings()
    faces: FaceSettings = FaceSettings()
    expansion: ExpansionSettings = ExpansionSettings()
    resnet50_svm: ResNet50SvmSettings = ResNet50SvmSettings()
    lenet: LeNetSettings = LeNetSettings()
    comparators: ComparatorSettings = ComparatorSettings()
    depth_study: DepthStudySettings = DepthStudySettings()
    variants: dict[Annotated[str, Field(pattern="^[a-z0-9_]+$")], dict[str, Any]] = Field(default_factory=dict)


def load_profile(profile: str | Path) -> Profile:
    """Reads and validates a profile: a name such as ``"smoke"``, which means ``configs/smoke.yaml``, or a file.

    Raises:
        FerError: the file is missing or not YAML, or a key or value is wrong; the sentence names the nearest key.
    """
    path = Path(profile) if str(profile).endswith(".yaml") else PROFILES / f"{profile}.yaml"
    if not path.is_file():
        known = sorted(other.stem for other in path.parent.glob("*.yaml"))
        raise FerError(f"There is no profile {path.stem!r}{nearest(path.stem, known)}; the profiles are {known}.")
    content = read_yaml(path)
    if not isinstance(content, dict):
        raise FerError(f"{path.name} holds no settings; it should be a mapping as configs/smoke.yaml is.")
    read = _validated(Profile, content, where=path.name)
    for name, changes in read.variants.items():
        _changed(read.resnet50_mlp, changes, where=f"{path.name}, variants.{name}")
    return read


def experiment(
    profile: Profile,
    section: str,
    *,
    variant: str = "",
    weights: str = "",
    epochs: int = 0,
    changes: dict | None = None,
) -> Any:
    """Returns the settings of one experiment of a profile, with what a notebook's parameters cell changes.

    Args:
        profile: as read by :func:`load_profile`.
        section: a field of :class:`Profile`, such as ``"resnet50_mlp"``.
        variant: one of the profile's ``variants``; ``""`` is none of them.
        weights: of the trunk; ``""`` keeps the profile's, or takes ``$FER_WEIGHTS`` where the profile reads real data.
            ``$FER_TRUNK`` likewise names engine and precision, such as ``openvino-bfloat16``. A variant's own go first.
        epochs: 0 keeps the profile's.
        changes: any other settings by name.

    Raises:
        FerError: a key is unknown or a value does not fit.
    """
    settings = getattr(profile, section)
    if variant and variant not in profile.variants:
        known = f"its variants are {', '.join(profile.variants)}" if profile.variants else "the profile has none"
        raise FerError(f"There is no variant {variant!r}{nearest(variant, profile.variants)}; {known}.")
    wanted = {
        **_from_environment(settings, profile),
        **(profile.variants[variant] if variant else {}),
        **({"weights": weights} if weights and hasattr(settings, "weights") else {}),
        **({"epochs": epochs} if epochs else {}),
        **(changes or {}),
    }
    return change(settings, **wanted)


def change(settings: Any, **changes: Any) -> Any:
    """Returns a copy of a settings dataclass with ``changes``, validated as a profile's values are.

    Raises:
        FerError: an unknown key (the sentence names the nearest) or a value that does not fit.
    """
    return _changed(settings, changes, where=type(settings).__name__)


def trunk_from_environment() -> dict[str, str]:
    """Returns ``trunk_engine`` and ``trunk_precision`` as ``$FER_TRUNK`` names them; nothing where it is not set.

    Raises:
        FerError: it is none of ``TRUNKS``.
    """
    trunk = os.environ.get("FER_TRUNK")
    return trunk_named(trunk, where="FER_TRUNK") if trunk else {}


def trunk_named(trunk: str, *, where: str = "trunk") -> dict[str, str]:
    """Returns ``trunk_engine`` and ``trunk_precision`` of a trunk such as ``"openvino-bfloat16"``.

    Raises:
        FerError: it is none of ``TRUNKS``; the sentence says ``where`` it stands.
    """
    if trunk not in TRUNKS:
        raise FerError(f"{where} is {trunk!r}{nearest(trunk, TRUNKS)}; give one of {', '.join(TRUNKS)}.")
    return dict(zip(("trunk_engine", "trunk_precision"), trunk.split("-"), strict=True))


def _from_environment(settings: Any, profile: Profile) -> dict[str, str]:
    """What a user's environment says of the trunk; the smoke profile stays the same on every machine."""
    if profile.data.source != "folder" or not hasattr(settings, "trunk_engine"):
        return {}
    weights = {"weights": os.environ["FER_WEIGHTS"]} if os.environ.get("FER_WEIGHTS") else {}
    return weights | trunk_from_environment()


def settings_dict(settings: Any) -> dict[str, Any]:
    """Returns a settings dataclass, or several by name, as plain dictionaries, lists and numbers, fit for JSON.

    A weights file, at any depth, is named without its folder: no result names a machine's path. Its SHA-256 stands
    beside it there.
    """
    return _without_folders(json.loads(json.dumps(settings, default=dataclasses.asdict)))


def _without_folders(plain: Any) -> Any:
    if not isinstance(plain, dict):
        return plain
    named = {name: _without_folders(value) for name, value in plain.items()}
    if isinstance(named.get("weights"), str) and named["weights"] not in WEIGHTS_NAMES:
        named["weights"] = f"file {Path(named['weights']).name}"
    if isinstance(named.get("path"), str) and named["path"]:
        named["path"] = Path(named["path"]).name
    return named


def settings_hash(*parts: Any) -> str:
    """Returns twelve hexadecimal digits that change when any of the JSON-able parts or settings does."""
    plain = [settings_dict(part) if dataclasses.is_dataclass(part) else part for part in parts]
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:12]


def json_schema() -> dict[str, Any]:
    """Returns the JSON Schema of a profile; ``configs/schema.json`` is this, kept in step by a test."""
    schema = TypeAdapter(Profile).json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _changed(settings: Any, changes: dict[str, Any], *, where: str) -> Any:
    return _validated(type(settings), {**dataclasses.asdict(settings), **changes}, where=where)


def _validated(kind: type, content: dict[str, Any], *, where: str) -> Any:
    try:
        return TypeAdapter(kind).validate_python(content)
    except ValidationError as error:
        raise FerError(_sentence(kind, error, where)) from None


def _sentence(kind: type, error: ValidationError, where: str) -> str:
    """One sentence for the first of pydantic's errors, with the count of the others."""
    first, more = error.errors()[0], error.error_count() - 1
    *parents, key = [str(step) for step in first["loc"]] or ["?"]
    also = f" ({more} more like it)" if more else ""
    if first["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
        names = _keys(kind, parents)
        section = f" in {'.'.join(parents)}" if parents else ""
        return (
            f"{where} has an unknown key {key!r}{section}{nearest(key, names)}; known keys: {', '.join(names)}{also}."
        )
    dotted = ".".join([*parents, key])
    if first["type"] == "missing":
        return f"{where} lacks the key {dotted!r}{also}."
    return f"{where}: {dotted} is {first['input']!r}, but {first['msg'][0].lower()}{first['msg'][1:]}{also}."


def _keys(kind: type, parents: list[str]) -> list[str]:
    """The field names at a place in nested settings."""
    fields = {field.name: field for field in dataclasses.fields(kind)}
    for parent in parents:
        default = fields[parent].default if parent in fields else None
        if not dataclasses.is_dataclass(default):
            break
        fields = {field.name: field for field in dataclasses.fields(default)}
    return list(fields)
