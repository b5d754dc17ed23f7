"""Read, check, change and hash profiles: YAML files with the settings of every experiment."""

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
from fer_lib.settings.chen2023 import (
    BaselineCnnSettings,
    InputScaleSettings,
    PublicCnnSettings,
    ResNet50MlpSettings,
    TrainingSettings,
)
from fer_lib.settings.common import LATER_SETTINGS, PRETRAIN, STRICT, TRUNKS, WEIGHTS_NAMES, DataSettings
from fer_lib.settings.comparators import ComparatorSettings
from fer_lib.settings.liu2023 import (
    CkPlusSettings,
    DepthStudySettings,
    ExpansionSettings,
    FaceSettings,
    LeNetSettings,
    ResNet50SvmSettings,
)
from fer_lib.settings.pretraining import PretrainingSettings
from fer_lib.utils.files import read_yaml

PROFILES = Path(str(resources.files(__package__) / "profiles"))
_ROOT = Path(__file__).resolve().parents[2]
#: The folder of the project's sources; None if ``fer_lib`` was installed from a wheel.
CHECKOUT = _ROOT if (_ROOT / "pyproject.toml").is_file() else None
#: Default folder for results, figures and caches: the project's sources, else the current folder.
PROJECT = CHECKOUT or Path.cwd()


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Profile:
    """Settings of a run of the whole chain, read from one YAML file.

    Attributes:
        description: one sentence on what the profile is for and what it costs.
        pretraining: how a trunk is made where ImageNet's weights are not to be had; off by default.
        data: the FER-2013 faces and their division.
        resnet50_mlp: chen2023's model.
        baseline_cnn: chen2023's traditional CNN.
        public_cnns: public CNNs that are trained and tested next to it.
        input_scale: what chen2023's trunk keeps of its input as the pixels' scale changes.
        ckplus: liu2023's corpus and its divisions.
        faces: liu2023's face crops.
        expansion: liu2023's twelve-fold augmentation and "cross-cut".
        resnet50_svm: liu2023's model.
        lenet: liu2023's hyper-parameter study.
        comparators: the comparators of liu2023's Table 3, and others.
        depth_study: plain against residual networks of equal depth, both papers' argument for ResNet.
        variants: other readings of ``resnet50_mlp`` to run as well, such as other weights: maps a name to its changes;
            under the key ``data``, changes of the data settings.
    """

    description: str
    pretraining: PretrainingSettings = PretrainingSettings()
    data: DataSettings = DataSettings()
    resnet50_mlp: ResNet50MlpSettings = ResNet50MlpSettings()
    baseline_cnn: BaselineCnnSettings = BaselineCnnSettings()
    public_cnns: PublicCnnSettings = PublicCnnSettings()
    input_scale: InputScaleSettings = InputScaleSettings()
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
        profile: ``"smoke"``, ``"quick"`` or ``"paper"``; or your own YAML file, relative to the current folder or else
            to the one that the command was called in (``$PWD``); or the name of your file without its ending if
            ``$FER_PROFILE`` is its path. ``make`` uses the last form to keep local folders out of executed notebooks.

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
        FerError: there is no such profile, or its file has a name that cannot be that of a results folder.
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
        FerError: the file is missing or not YAML, or a key or value is wrong; the message names the nearest key.
    """
    path = profile_file(profile)
    content = read_yaml(path)
    if not isinstance(content, dict):
        raise FerError(f"{path.name} contains no settings; it should be a YAML mapping, like the profile smoke.")
    read = _validated(Profile, content, where=path.name)
    for name in read.variants:
        model, data = variant_changes(read, name)
        _changed(read.resnet50_mlp, model, where=f"{path.name}, variants.{name}")
        _changed(read.data, data, where=f"{path.name}, variants.{name}.data")
    return read


def variant_changes(profile: Profile, variant: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Look up a variant's changes of ``resnet50_mlp`` and of the data settings; both are empty for the variant ``""``.

    Raises:
        FerError: the profile has no such variant, or its ``data`` is not a mapping.
    """
    if not variant:
        return {}, {}
    if variant not in profile.variants:
        known = f"its variants are {', '.join(profile.variants)}" if profile.variants else "the profile has none"
        raise FerError(f"There is no variant {variant!r}{nearest(variant, profile.variants)}; {known}.")
    model = dict(profile.variants[variant])
    data = model.pop("data", {})
    if not isinstance(data, dict):
        raise FerError(f"variants.{variant}.data is {data!r}; it should map data settings to values.")
    return model, data


def experiment(
    profile: Profile,
    section: str,
    *,
    variant: str = "",
    weights: str = "",
    epochs: int = 0,
    changes: dict | None = None,
) -> Any:
    """Build the settings of one experiment from a profile and the changes of a notebook's parameters cell.

    Args:
        profile: a profile from :func:`load_profile`.
        section: a field of :class:`Profile`, such as ``"resnet50_mlp"``.
        variant: one of the profile's ``variants``; ``""`` means none.
        weights: weights of the trunk; ``""`` keeps the profile's, or takes ``$FER_WEIGHTS`` if the profile reads real
            data. ``$FER_TRUNK`` likewise sets engine and precision, such as ``openvino-bfloat16``. A variant's own
            settings override both variables.
        epochs: number of epochs; 0 keeps the profile's.
        changes: any other settings by name.

    Raises:
        FerError: a key is unknown or a value does not fit.
    """
    settings = getattr(profile, section)
    wanted = {
        **_from_environment(settings, profile),
        **variant_changes(profile, variant)[0],
        **({"weights": weights} if weights and hasattr(settings, "weights") else {}),
        **({"epochs": epochs} if epochs else {}),
        **(changes or {}),
    }
    return change(settings, **wanted)


def change(settings: Any, **changes: Any) -> Any:
    """Copy a settings dataclass with ``changes``, validated like a profile's values.

    Raises:
        FerError: a key is unknown (the message names the nearest one) or a value does not fit.
    """
    return _changed(settings, changes, where=type(settings).__name__)


def trunk_from_environment() -> dict[str, str]:
    """Read ``trunk_engine`` and ``trunk_precision`` from ``$FER_TRUNK``; empty if it is not set.

    Raises:
        FerError: the variable is not one of ``TRUNKS``.
    """
    trunk = os.environ.get("FER_TRUNK")
    return trunk_named(trunk, where="FER_TRUNK") if trunk else {}


def trunk_named(trunk: str, *, where: str = "trunk") -> dict[str, str]:
    """Split a trunk's name such as ``"openvino-bfloat16"`` into ``trunk_engine`` and ``trunk_precision``.

    Raises:
        FerError: the name is not one of ``TRUNKS``; the message says ``where`` it was given.
    """
    if trunk not in TRUNKS:
        raise FerError(f"{where} is {trunk!r}{nearest(trunk, TRUNKS)}; give one of {', '.join(TRUNKS)}.")
    return dict(zip(("trunk_engine", "trunk_precision"), trunk.split("-"), strict=True))


def _from_environment(settings: Any, profile: Profile) -> dict[str, str]:
    """Read weights and trunk from the environment.

    The smoke profile ignores files and engines to be the same on every computer; pre-trained weights are part of it.
    """
    if not hasattr(settings, "trunk_engine"):
        return {}
    given = os.environ.get("FER_WEIGHTS")
    weights = {"weights": given} if given else {}
    if profile.data.source != "folder":
        return weights if given == PRETRAIN else {}
    return weights | trunk_from_environment()


def settings_dict(settings: Any, *, whole: bool = False) -> dict[str, Any]:
    """Convert a settings dataclass, or several by name, to plain dictionaries, lists and numbers for JSON.

    Weights files, at any depth, are named without their folder, so that no result contains a local path; results
    record the file's SHA-256 as well. ``LATER_SETTINGS`` at their defaults are left out, so that results and
    checkpoints of earlier versions still match; ``whole`` keeps them, for readers.
    """
    return _without_folders(json.loads(json.dumps(settings, default=dataclasses.asdict if whole else _fields)))


def _fields(settings: Any) -> dict[str, Any]:
    plain = dataclasses.asdict(settings)
    if not isinstance(settings, (DataSettings, FaceSettings, TrainingSettings)):
        return plain
    return {name: value for name, value in plain.items() if LATER_SETTINGS.get(name, ...) != value}


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
    """Hash settings and other JSON-able parts to twelve hexadecimal digits."""
    plain = [settings_dict(part) if dataclasses.is_dataclass(part) else part for part in parts]
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:12]


def json_schema() -> dict[str, Any]:
    """Build the JSON Schema of a profile; a test keeps ``profiles/schema.json`` equal to it."""
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
    """Describe the first of pydantic's errors in one sentence, with the number of further errors."""
    first, more = error.errors()[0], error.error_count() - 1
    *parents, key = [str(step) for step in first["loc"]] or ["?"]
    also = f" (and {more} more like this)" if more else ""
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
    """List the field names at a place in nested settings."""
    fields = {field.name: field for field in dataclasses.fields(kind)}
    for parent in parents:
        default = fields[parent].default if parent in fields else None
        if not dataclasses.is_dataclass(default):
            break
        fields = {field.name: field for field in dataclasses.fields(default)}
    return list(fields)
