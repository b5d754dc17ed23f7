"""The settings of each experiment: one frozen dataclass each, filled from a profile in ``configs/``.

What a paper leaves open is a setting here; ``docs/decisions.md`` lists the alternatives and the reasons.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from fer_lib.errors import FerError, nearest

PROJECT = Path(__file__).resolve().parents[1]
PROFILES = PROJECT / "configs"
WEIGHTS_NAMES = ("imagenet", "none", "random_frozen")
STRICT = ConfigDict(extra="forbid")

Fraction = Annotated[float, Field(ge=0.0, lt=1.0)]
Positive = Annotated[int, Field(gt=0)]


@dataclass(frozen=True, kw_only=True, config=STRICT)
class DataSettings:
    """Which faces an experiment sees (chen2023, section 2.1).

    Attributes:
        source: ``"generated"`` draws faces; ``"folder"`` reads the corpus from the data folder.
        generated_faces: how many faces to draw where the source is ``"generated"``.
        skip_bad: leave damaged rows out, counted in the provenance, instead of stopping.
        drop_leaks: remove from the training part what also stands in a test part (the paper does not).
        test_split: which 3,589 faces are "the testing set"; the paper does not say.
        validation_split: ``"stratified"`` by class; ``"unstratified_ceil"`` and ``"unstratified_floor"`` draw 5,742 and
            5,741 of the 28,709 faces at random, as scikit-learn and ImageDataGenerator would round.
        validation_fraction: the "2" of the paper's "8:2".
    """

    source: Literal["generated", "folder"] = "folder"
    generated_faces: Positive = 1000
    skip_bad: bool = False
    drop_leaks: bool = False
    test_split: Literal["PrivateTest", "PublicTest"] = "PrivateTest"
    validation_split: Literal["stratified", "unstratified_ceil", "unstratified_floor"] = "stratified"
    validation_fraction: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.2


@dataclass(frozen=True, kw_only=True, config=STRICT)
class TrainingSettings:
    """What both models of chen2023 share: preprocessing (section 2.1) and training (section 2.3, Table 1).

    Attributes:
        width_shift_range: largest horizontal shift, as a fraction of the width.
        height_shift_range: largest vertical shift, as a fraction of the height.
        rotation_range: largest rotation, in degrees.
        scaling: pixel normalisation: ``"unit"`` divides by 255 as printed; ``"trunk"`` is ResNet50's own
            ``preprocess_input`` (BGR, ImageNet means subtracted, 0-255).
        test_scaling: ``"same"`` normalises test faces as validation faces; ``"raw"`` feeds 0-255 as the paper's "raw
            images on the testing set" reads. The notebooks measure both; this one goes into Table 2.
        batch_size: faces a step.
        epochs: passes over the training faces.
        learning_rate: Adam's; the paper gives none, Keras' default is 0.001.
        kernel_initializer: of every new layer; Keras' default.
        early_stopping_patience: epochs without a lower validation loss before training stops; 0 never stops early.
    """

    width_shift_range: Fraction = 0.1
    height_shift_range: Fraction = 0.1
    rotation_range: Annotated[float, Field(ge=0.0, le=180.0)] = 15.0
    scaling: Literal["unit", "trunk"] = "unit"
    test_scaling: Literal["same", "raw"] = "same"
    batch_size: Positive = 64
    epochs: Positive = 50
    learning_rate: Annotated[float, Field(gt=0.0)] = 0.001
    kernel_initializer: Literal["glorot_uniform", "he_normal", "he_uniform", "glorot_normal"] = "glorot_uniform"
    early_stopping_patience: Annotated[int, Field(ge=0)] = 0

    @property
    def testing_scaling(self) -> str:
        """The scaling of test faces: ``scaling`` itself, or ``"raw"``."""
        return self.scaling if self.test_scaling == "same" else "raw"


@dataclass(frozen=True, kw_only=True, config=STRICT)
class ResNet50MlpSettings(TrainingSettings):
    """chen2023, "the model of this paper": ResNet50 + MLP (sections 2.2-2.3, Tables 1 and 2, Figures 2-6).

    Command: ``papermill notebooks/03_resnet50_mlp.ipynb out.ipynb -p profile paper -p data_dir <folder>``.
    Cost: 50 epochs of 22,967 faces, hours on two CPU cores (three epochs take about six minutes there).
    Expected: the paper prints test loss 1.78 and accuracy 0.8571; 6/7 = 0.8571 is also the binary accuracy of a model
    that is never more than 50 % sure (see ``fer_lib/published/chen2023.yaml``).

    Attributes:
        weights: ``"imagenet"``, ``"none"`` (random, and the whole trunk trains), ``"random_frozen"`` (random, and only
            the layers of ``trainable_trunk`` train), or a file: ``.h5``, ``.weights.h5`` or ``.keras``.
        trainable_trunk: what "the last four layers" of ResNet50 are: the last four Keras layers, the last four layers
            with weights, the last four convolutions with their batch norms, everything, or nothing.
        dropout_rate: of every dropout layer (Table 1).
    """

    weights: Annotated[str, Field(min_length=1)] = "imagenet"
    trainable_trunk: Literal["last_four_layers", "last_four_weighted", "last_four_convolutions", "all", "nothing"] = (
        "last_four_layers"
    )
    dropout_rate: Fraction = 0.5


@dataclass(frozen=True, kw_only=True, config=STRICT)
class BaselineCnnSettings(TrainingSettings):
    """chen2023, "traditional CNN model" (Table 2, first row).

    Command: ``papermill notebooks/05_baseline_cnn.ipynb out.ipynb -p profile paper -p data_dir <folder>``.
    Cost: 50 epochs of 22,967 faces, an hour or more on two CPU cores.
    Expected: the paper prints training accuracy 0.9613 against 0.6314 (validation) and 0.6420 (testing). It gives no
    architecture; the default is a common FER-2013 CNN of that kind, without augmentation, so that it can over-fit.

    Attributes:
        convolution_filters: filters of each block of two 3x3 convolutions and a 2x2 max pooling.
        dense_units: units of the hidden dense layer.
        dropout_rate: after each pooling and before the output; 0 leaves the layers out.
        batch_normalization: whether a batch norm follows each convolution.
    """

    width_shift_range: Fraction = 0.0
    height_shift_range: Fraction = 0.0
    rotation_range: Annotated[float, Field(ge=0.0, le=180.0)] = 0.0
    convolution_filters: tuple[Positive, ...] = (32, 64, 128)
    dense_units: Positive = 256
    dropout_rate: Fraction = 0.25
    batch_normalization: bool = True


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Profile:
    """One file of ``configs/``: what a run of the whole chain is made of.

    Attributes:
        description: one sentence on what the profile is for and what it costs.
        data: which faces.
        resnet50_mlp: chen2023's model.
        baseline_cnn: chen2023's traditional CNN.
    """

    description: str
    data: DataSettings = DataSettings()
    resnet50_mlp: ResNet50MlpSettings = ResNet50MlpSettings()
    baseline_cnn: BaselineCnnSettings = BaselineCnnSettings()


def load_profile(profile: str | Path) -> Profile:
    """Reads and validates a profile: a name such as ``"smoke"``, which means ``configs/smoke.yaml``, or a file.

    Raises:
        FerError: the file is missing or not YAML, or a key or value is wrong; the sentence names the nearest key.
    """
    path = Path(profile) if str(profile).endswith(".yaml") else PROFILES / f"{profile}.yaml"
    if not path.is_file():
        known = sorted(other.stem for other in path.parent.glob("*.yaml"))
        raise FerError(f"There is no profile {path.stem!r}{nearest(path.stem, known)}; the profiles are {known}.")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise FerError(f"{path.name} is not YAML: {str(error).splitlines()[0]}.") from None
    if not isinstance(content, dict):
        raise FerError(f"{path.name} holds no settings; it should be a mapping as configs/smoke.yaml is.")
    return _validated(Profile, content, where=path.name)


def experiment(
    profile: Profile, section: str, *, weights: str = "", epochs: int = 0, changes: dict | None = None
) -> Any:
    """Returns the settings of one experiment of a profile, with what a notebook's parameters cell changes.

    Args:
        profile: as read by :func:`load_profile`.
        section: ``"resnet50_mlp"`` or ``"baseline_cnn"``.
        weights: of the trunk; ``""`` keeps the profile's, or takes ``$FER_WEIGHTS`` where the profile reads real data.
        epochs: 0 keeps the profile's.
        changes: any other settings by name.

    Raises:
        FerError: a key is unknown or a value does not fit.
    """
    settings = getattr(profile, section)
    wanted = dict(changes or {})
    if epochs:
        wanted["epochs"] = epochs
    # the smoke profile stays the same on every machine, whatever its environment holds
    weights = weights or (os.environ.get("FER_WEIGHTS", "") if profile.data.source == "folder" else "")
    if weights and hasattr(settings, "weights"):
        wanted["weights"] = weights
    return change(settings, **wanted)


def change(settings: Any, **changes: Any) -> Any:
    """Returns a copy of a settings dataclass with ``changes``, validated as a profile's values are.

    Raises:
        FerError: an unknown key (the sentence names the nearest) or a value that does not fit.
    """
    return _validated(type(settings), {**dataclasses.asdict(settings), **changes}, where=type(settings).__name__)


def settings_dict(settings: Any) -> dict[str, Any]:
    """Returns a settings dataclass as plain dictionaries, lists and numbers, fit for JSON and for results.

    A weights file is named without its folder: no result names a machine's path. Its SHA-256 stands beside it there.
    """
    plain = json.loads(json.dumps(dataclasses.asdict(settings)))
    for part in (plain, *plain.values()):  # of a whole profile, its experiments' settings too
        if isinstance(part, dict) and part.get("weights", WEIGHTS_NAMES[0]) not in WEIGHTS_NAMES:
            part["weights"] = f"file {Path(part['weights']).name}"
    return plain


def settings_hash(*parts: Any) -> str:
    """Returns twelve hexadecimal digits that change when any of the JSON-able parts or settings does."""
    plain = [settings_dict(part) if dataclasses.is_dataclass(part) else part for part in parts]
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:12]


def json_schema() -> dict[str, Any]:
    """Returns the JSON Schema of a profile; ``configs/schema.json`` is this, kept in step by a test."""
    schema = TypeAdapter(Profile).json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


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
