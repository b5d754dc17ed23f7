"""Profiles: YAML files with the settings of every experiment; read, checked, changed and hashed here."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import re
from importlib import resources
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

PROFILES = Path(str(resources.files(__package__) / "profiles"))
_ROOT = Path(__file__).resolve().parents[2]
#: The folder of the project's sources; None where ``fer_lib`` was installed from a wheel.
CHECKOUT = _ROOT if (_ROOT / "pyproject.toml").is_file() else None
#: Where results, figures and caches go by default: the project's sources, else the current folder.
PROJECT = CHECKOUT or Path.cwd()


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Profile:
    """The settings of a run of the whole chain, as one YAML file gives them.

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


def profile_names() -> list[str]:
    """List the profiles that come with the package."""
    return sorted(path.stem for path in PROFILES.glob("*.yaml"))


def profile_file(profile: str | Path) -> Path:
    """Find a profile's YAML file.

    Args:
        profile: ``"smoke"``, ``"quick"`` or ``"paper"``; or a YAML file of a user's own, relative to the current folder
            or else to the one that the command was called in (``$PWD``); or such a file's name without its ending
            where ``$FER_PROFILE`` is its path, by which ``make`` keeps a machine's folders out of executed notebooks.

    Raises:
        FerError: there is no such profile or file.
    """
    given = Path(profile).expanduser()
    if given.suffix not in (".yaml", ".yml") and len(given.parts) == 1:
        own = Path(os.environ.get("FER_PROFILE", ""))
        if own.stem == str(profile) and own.suffix in (".yaml", ".yml"):
            return profile_file(own)
        if str(profile) not in profile_names():
            known = profile_names()
            raise FerError(
                f"There is no profile {str(profile)!r}{nearest(str(profile), known)}; give one of {', '.join(known)}, "
                "or a YAML file of your own."
            )
        return PROFILES / f"{profile}.yaml"
    tried = [Path.cwd() / given, Path(os.environ.get("PWD", ".")) / given]
    for path in tried:
        if path.is_file():
            return path.resolve()
    raise FerError(
        f"No such file: {tried[0]}; the profile should be one of {', '.join(profile_names())}, or a YAML file."
    )


def profile_name(profile: str | Path) -> str:
    """Name the results folder of a profile: its file's name without the ending.

    Raises:
        FerError: there is no such profile, or its file has a name that cannot be a results folder of its own.
    """
    path = profile_file(profile)
    if path.stem in (*profile_names(), "reference") and path.resolve().parent != PROFILES.resolve():
        raise FerError(f"{path.name} has a name that the project itself uses for results; rename the file.")
    if not re.fullmatch(r"\w[\w.-]*", path.stem):
        raise FerError(f"{path.name} names a results folder; rename it with letters, digits, _, - and . only.")
    return path.stem


def load_profile(profile: str | Path) -> Profile:
    """Read and validate a profile, given as for :func:`profile_file`.

    Raises:
        FerError: the file is missing or not YAML, or a key or value is wrong; the sentence names the nearest key.
    """
    path = profile_file(profile)
    content = read_yaml(path)
    if not isinstance(content, dict):
        raise FerError(f"{path.name} holds no settings; it should be a mapping as the profile smoke is.")
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
    """Returns the JSON Schema of a profile; ``profiles/schema.json`` is this, kept in step by a test."""
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
