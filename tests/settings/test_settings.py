"""Test profiles, their errors and their schema, a notebook's changes, and the hash that names a result."""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
from typing import Literal, get_args, get_origin, get_type_hints

import jsonschema
import pytest
import yaml

from fer_lib import settings
from fer_lib.errors import FerError
from fer_lib.settings import (
    PROFILES,
    PROJECT,
    BaselineCnnSettings,
    CkPlusSettings,
    ComparatorSettings,
    DataSettings,
    DepthStudySettings,
    ExpansionSettings,
    FaceSettings,
    InputScaleSettings,
    LeNetSettings,
    PretrainingSettings,
    PretrainingStage,
    Profile,
    PublicCnnSettings,
    ResNet50MlpSettings,
    ResNet50SvmSettings,
    TrainingSettings,
    change,
    experiment,
    load_profile,
    profile_name,
    settings_dict,
    settings_hash,
)

LIU2023 = (CkPlusSettings, FaceSettings, ExpansionSettings, ResNet50SvmSettings, LeNetSettings, DepthStudySettings)
EXPERIMENTS = (
    *(DataSettings, PretrainingSettings, ResNet50MlpSettings, BaselineCnnSettings),
    *(PublicCnnSettings, InputScaleSettings),
    *LIU2023,
)
FIELDS = [(kind, field.name) for kind in EXPERIMENTS for field in dataclasses.fields(kind)]
# chen2023, Table 1 and section 2
PAPER = {
    "width_shift_range": 0.1,
    "height_shift_range": 0.1,
    "rotation_range": 15,
    "batch_size": 64,
    "dropout_rate": 0.5,
    "epochs": 50,
    "weights": "imagenet",
    "trainable_trunk": "last_four_layers",
    "scaling": "unit",
}


@pytest.fixture(autouse=True)
def _no_weights_in_the_environment(monkeypatch):
    monkeypatch.delenv("FER_WEIGHTS", raising=False)
    monkeypatch.delenv("FER_TRUNK", raising=False)


@pytest.fixture
def write_profile(tmp_path):
    def write(text: str) -> str:
        path = tmp_path / "mine.yaml"
        path.write_text(text)
        return str(path)

    return write


def other_value(kind: type, name: str):
    """A valid value of a field that is not its default."""
    default, hint = getattr(kind(), name), get_type_hints(kind)[name]
    if get_origin(hint) is Literal:
        return next(value for value in get_args(hint) if value != default)
    if isinstance(default, bool):
        return not default
    if isinstance(default, int):
        return default + 1
    if isinstance(default, float):
        return default / 2 + 0.01
    if isinstance(default, tuple):
        if name == "three_parts":
            return (default[0] + 1, *default[1:])
        if name in ("n_kerns", "pool_size"):  # pairs
            return (default[0] + 1, default[1])
        return (*default, 8) if all(type(value) is int for value in default) else (*default, default[0])
    return "none"


def all_values(plain: object) -> list:
    """Every leaf of nested dictionaries and lists."""
    if isinstance(plain, dict):
        plain = list(plain.values())
    return [leaf for part in plain for leaf in all_values(part)] if isinstance(plain, list) else [plain]


# --- profiles ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "source"), [("smoke", "generated"), ("quick", "folder"), ("paper", "folder")])
def test_every_profile_loads_by_name_and_by_path(name, source):
    profile = load_profile(name)
    assert profile.data.source == source
    assert profile == load_profile(PROFILES / f"{name}.yaml")


def test_the_paper_profile_holds_the_papers_numbers():
    paper = load_profile("paper")
    used = settings_dict(paper.resnet50_mlp)
    assert {name: used[name] for name in PAPER} == PAPER
    assert paper.baseline_cnn.epochs == 50
    assert paper.baseline_cnn.batch_size == 64
    assert paper.data == DataSettings(source="folder", test_split="PrivateTest", validation_fraction=0.2)


def test_the_quick_profile_is_the_paper_with_fewer_epochs():
    quick, paper = load_profile("quick"), load_profile("paper")
    assert quick.resnet50_mlp.epochs < 50
    assert change(quick.resnet50_mlp, epochs=50) == paper.resnet50_mlp
    assert change(quick.baseline_cnn, epochs=50) == paper.baseline_cnn
    assert quick.data == paper.data


def test_the_smoke_profile_needs_neither_data_nor_network():
    smoke = load_profile("smoke")
    assert smoke.data.source == "generated"
    assert smoke.resnet50_mlp.weights == "random_frozen"


def test_an_unknown_key_names_the_nearest(write_profile):
    path = write_profile("description: x\nresnet50_mlp:\n  epoch: 3\n")
    with pytest.raises(FerError, match=r"mine.yaml has an unknown key 'epoch' in resnet50_mlp \(did you mean 'epochs'"):
        load_profile(path)
    with pytest.raises(FerError, match=r"unknown key 'baseline_cn' \(did you mean 'baseline_cnn'\?\)"):
        load_profile(write_profile("description: x\nbaseline_cn: {}\n"))


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ("resnet50_mlp: {epochs: 0}", "resnet50_mlp.epochs is 0, but input should be greater than 0"),
        ("resnet50_mlp: {epochs: many}", "resnet50_mlp.epochs is 'many', but input should be a valid integer"),
        ("resnet50_mlp: {dropout_rate: 1}", "dropout_rate is 1, but input should be less than 1"),
        ("resnet50_mlp: {width_shift_range: -0.1}", "width_shift_range is -0.1, but"),
        ("resnet50_mlp: {rotation_range: 181}", "rotation_range is 181, but"),
        ("resnet50_mlp: {scaling: half}", "scaling is 'half', but input should be 'unit' or 'trunk'"),
        ("resnet50_mlp: {learning_rate: .nan}", "learning_rate is nan, but"),
        ("resnet50_mlp: {weights: ''}", "weights is '', but"),
        ("baseline_cnn: {convolution_filters: [3, 0]}", "convolution_filters.1 is 0, but"),
        ("data: {validation_fraction: 1.0}", "data.validation_fraction is 1.0, but"),
        ("data: {source: web}", "data.source is 'web', but"),
        ("data: 3", "data is 3, but"),
    ],
)
def test_a_bad_value_is_named_with_its_place(write_profile, section, words):
    with pytest.raises(FerError) as error:
        load_profile(write_profile(f"description: x\n{section}\n"))
    assert words in str(error.value)
    assert str(error.value).startswith("mine.yaml")
    assert "\n" not in str(error.value)


def test_several_errors_are_counted(write_profile):
    with pytest.raises(FerError, match=r"\(and 1 more like this\)"):
        load_profile(write_profile("description: x\nresnet50_mlp: {epochs: 0, batch_size: 0}\n"))


def test_a_missing_key_is_said_to_be_missing(write_profile):
    with pytest.raises(FerError, match=r"mine.yaml lacks the key 'description'"):
        load_profile(write_profile("data: {source: folder}\n"))


def test_a_missing_profile_names_the_nearest():
    with pytest.raises(FerError, match=r"no profile 'smok' \(did you mean 'smoke'\?\).*paper, quick, smoke"):
        load_profile("smok")


def test_a_profile_of_ones_own_is_found_from_the_current_and_from_the_callers_folder(tmp_path, monkeypatch):
    (tmp_path / "mine.yaml").write_text("description: my own\n", encoding="utf-8")
    (tmp_path / "notebooks").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PWD", str(tmp_path))
    assert load_profile("mine.yaml").description == "my own"
    monkeypatch.chdir(tmp_path / "notebooks")
    assert load_profile("mine.yaml").description == "my own"
    with pytest.raises(
        FerError, match=rf"No such file: {tmp_path}/notebooks/other.yaml; .* paper, quick, smoke, or a YAML"
    ):
        load_profile("other.yaml")
    with pytest.raises(FerError, match="no profile 'mine'"):
        load_profile("mine")
    monkeypatch.setenv("FER_PROFILE", str(tmp_path / "mine.yaml"))
    assert load_profile("mine").description == "my own"
    assert profile_name("mine") == profile_name(tmp_path / "mine.yaml") == "mine"


@pytest.mark.parametrize("name", ["paper", "reference", "a b", "{x}"])
def test_a_profile_of_ones_own_needs_a_results_folder_of_its_own(tmp_path, name):
    (tmp_path / f"{name}.yaml").write_text("description: my own\n", encoding="utf-8")
    with pytest.raises(FerError, match="rename"):
        profile_name(tmp_path / f"{name}.yaml")
    assert profile_name(PROFILES / "paper.yaml") == "paper"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [", r"mine\.yaml is not YAML \(line 1\)"),
        ("a: &a 1\nb: *a", "has a YAML alias"),
        ("- 1\n", "contains no settings"),
        ("", "contains no settings"),
    ],
)
def test_what_is_no_mapping_is_said_in_one_sentence(write_profile, text, words):
    with pytest.raises(FerError, match=words) as error:
        load_profile(write_profile(text))
    assert "\n" not in str(error.value)


def test_a_binary_file_is_no_profile(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(FerError, match=r"mine\.yaml is not YAML"):
        load_profile(path)


# --- schema -----------------------------------------------------------------------------------------------------------


def test_the_committed_schema_is_the_settings_own():
    committed = json.loads((PROFILES / "schema.json").read_text(encoding="utf-8"))
    assert committed == settings.json_schema()
    jsonschema.Draft202012Validator.check_schema(committed)


@pytest.mark.parametrize("path", sorted(PROFILES.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_profile_fits_the_schema_until_a_key_is_misspelt(path):
    validator = jsonschema.Draft202012Validator(json.loads((PROFILES / "schema.json").read_text(encoding="utf-8")))
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    validator.validate(content)
    content["resnet50_mlp"]["epoch"] = content["resnet50_mlp"].pop("epochs")
    with pytest.raises(jsonschema.ValidationError, match="epoch"):
        validator.validate(content)


def test_every_profile_names_the_schema_for_editors():
    for path in PROFILES.glob("*.yaml"):
        assert path.read_text(encoding="utf-8").startswith("# yaml-language-server: $schema=schema.json\n"), path.name


# --- experiment() and change() ----------------------------------------------------------------------------------------


def test_without_arguments_an_experiment_is_the_profiles():
    for name in ("smoke", "quick", "paper"):
        profile = load_profile(name)
        assert experiment(profile, "resnet50_mlp") == profile.resnet50_mlp
        assert experiment(profile, "baseline_cnn", epochs=0, changes={}) == profile.baseline_cnn


def test_epochs_weights_and_changes_override_and_nothing_else_moves():
    paper = load_profile("paper")
    changed = experiment(paper, "resnet50_mlp", epochs=2, weights="none", changes={"dropout_rate": 0.25})
    assert changed == dataclasses.replace(paper.resnet50_mlp, epochs=2, weights="none", dropout_rate=0.25)
    assert paper.resnet50_mlp.epochs == 50


def test_changes_are_validated():
    paper = load_profile("paper")
    with pytest.raises(FerError, match=r"unknown key 'dropout' \(did you mean 'dropout_rate'\?\)"):
        experiment(paper, "resnet50_mlp", changes={"dropout": 0.1})
    with pytest.raises(FerError, match="epochs is -1"):
        experiment(paper, "resnet50_mlp", epochs=-1)
    with pytest.raises(FerError, match="unknown key 'weights'"):
        experiment(paper, "baseline_cnn", changes={"weights": "none"})


def test_weights_of_the_environment_reach_profiles_of_real_faces_only(monkeypatch):
    monkeypatch.setenv("FER_WEIGHTS", "mine.weights.h5")
    smoke, paper = load_profile("smoke"), load_profile("paper")
    assert experiment(paper, "resnet50_mlp").weights == "mine.weights.h5"
    assert experiment(paper, "resnet50_mlp", weights="imagenet").weights == "imagenet"
    assert experiment(smoke, "resnet50_mlp").weights == "random_frozen"
    assert experiment(smoke, "resnet50_mlp", weights="none").weights == "none"
    assert experiment(paper, "baseline_cnn") == paper.baseline_cnn


def test_settings_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        load_profile("paper").resnet50_mlp.epochs = 1


def test_testing_scaling_follows_scaling_unless_raw():
    assert BaselineCnnSettings(scaling="trunk").testing_scaling == "trunk"
    assert ResNet50MlpSettings(scaling="trunk", test_scaling="raw").testing_scaling == "raw"


# --- dictionaries and hashes ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "name"), FIELDS, ids=lambda part: getattr(part, "__name__", part))
def test_every_value_counts_in_the_hash(kind, name):
    changed = change(kind(), **{name: other_value(kind, name)})
    assert settings_hash(changed) != settings_hash(kind())
    assert settings_dict(changed)[name] != settings_dict(kind()).get(name)


def test_data_settings_that_came_later_leave_the_records_of_earlier_results_as_they_were():
    earlier = {"source", "generated_faces", "skip_bad", "drop_leaks", "test_split", "validation_split"}
    assert set(settings_dict(DataSettings())) == {*earlier, "validation_fraction"}
    changed = settings_dict(DataSettings(labels="ferplus", drop_near_duplicates=True))
    assert (changed["labels"], changed["drop_near_duplicates"]) == ("ferplus", True)


def test_the_hash_is_short_stable_and_that_of_the_dictionary():
    one = settings_hash(ResNet50MlpSettings())
    assert re.fullmatch(r"[0-9a-f]{12}", one)
    assert one == settings_hash(settings_dict(ResNet50MlpSettings())) == settings_hash(ResNet50MlpSettings(epochs=50))
    assert settings_hash(1, 2) != settings_hash(2, 1)
    assert settings_hash({"a": 1, "b": 2}) == settings_hash({"b": 2, "a": 1})


@pytest.mark.parametrize(
    "weights", ["/home/you/secret/own.weights.h5", "~/secret/own.h5", "secret/own.keras", "own.h5"]
)
def test_no_dictionary_holds_a_folder(weights):
    own = ResNet50MlpSettings(weights=weights)
    for some in (own, Profile(description="x", resnet50_mlp=own)):
        values = [str(value) for value in all_values(settings_dict(some))]
        assert not [value for value in values if "/" in value or "secret" in value]
        assert any(value.startswith("file own.") for value in values)
    rows = {"vgg16": {"weights": weights}, "fer_package": {"path": weights}}
    (vgg16, package) = settings_dict(ComparatorSettings(ckplus_rows=rows))["ckplus_rows"].values()
    assert vgg16["weights"].startswith("file own.")
    assert package["path"].startswith("own.")


def test_a_dictionary_is_plain_json():
    plain = settings_dict(load_profile("smoke"))
    assert json.loads(json.dumps(plain)) == plain
    assert plain["baseline_cnn"]["convolution_filters"] == [8, 16, 32]


# --- documentation ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [*EXPERIMENTS, PretrainingStage, TrainingSettings, Profile])
def test_every_setting_is_documented_where_its_class_or_parent_says_attributes(kind):
    documented = set()
    for ancestor in kind.__mro__[:-1]:
        attributes = inspect.cleandoc(ancestor.__doc__ or "").partition("Attributes:")[2]  # Python 3.13 strips indents
        documented |= set(re.findall(r"^ {4}(\w+): \S", attributes, flags=re.MULTILINE))
    assert documented == {field.name for field in dataclasses.fields(kind)}


@pytest.mark.parametrize("kind", EXPERIMENTS)
def test_every_setting_is_named_where_the_decisions_are_listed(kind):
    decisions = (PROJECT / "docs" / "decisions.md").read_text(encoding="utf-8")
    assert [field.name for field in dataclasses.fields(kind) if f"`{field.name}`" not in decisions] == []


@pytest.mark.parametrize("kind", [ResNet50MlpSettings, BaselineCnnSettings, ResNet50SvmSettings, LeNetSettings])
def test_an_experiment_says_its_command_cost_and_expected_score(kind):
    for word in ("Command:", "Cost:", "Expected:", "Table"):
        assert word in kind.__doc__


# --- variants and engines ---------------------------------------------------------------------------------------------


def test_a_variant_changes_the_model_and_goes_before_the_environment(monkeypatch):
    paper = load_profile("paper")
    assert set(paper.variants) >= {"trunk_scaling", "random_frozen", "from_scratch", "float32_trunk", "template"}
    monkeypatch.setenv("FER_WEIGHTS", "mine.weights.h5")
    monkeypatch.setenv("FER_TRUNK", "openvino-bfloat16")
    own, scaled = (experiment(paper, "resnet50_mlp", variant=name) for name in ("", "trunk_scaling"))
    assert (own.weights, own.scaling, own.epochs) == ("mine.weights.h5", "unit", 50)
    assert scaled == dataclasses.replace(own, scaling="trunk")
    single = experiment(paper, "resnet50_mlp", variant="float32_trunk")
    assert single == dataclasses.replace(own, trunk_precision="float32") != own
    assert experiment(paper, "resnet50_mlp", variant="random_frozen").weights == "random_frozen"
    scratch = experiment(paper, "resnet50_mlp", variant="from_scratch")
    assert (scratch.weights, scratch.epochs) == ("none", 10)
    # what a notebook's parameters say goes before the variant
    assert experiment(paper, "resnet50_mlp", variant="from_scratch", epochs=50, weights="imagenet").epochs == 50
    assert experiment(paper, "resnet50_mlp", variant="from_scratch", weights="imagenet").weights == "imagenet"


def test_an_unknown_variant_is_one_sentence():
    with pytest.raises(FerError, match=r"no variant 'trunk_scalin' \(did you mean 'trunk_scaling'\?\); its variants"):
        experiment(load_profile("paper"), "resnet50_mlp", variant="trunk_scalin")
    with pytest.raises(FerError, match="the profile has none"):
        experiment(load_profile("smoke"), "resnet50_mlp", variant="trunk_scaling")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("variants: {own: {scalin: trunk}}", r"variants.own has an unknown key 'scalin'.*did you mean 'scaling'"),
        ("variants: {own: {epochs: 0}}", r"variants.own: epochs is 0"),
        ("variants: {own-one: {epochs: 1}}", "should match pattern"),
        ("variants: {own: {data: {test_spli: x}}}", r"variants.own.data has an unknown key 'test_spli'.*'test_split'"),
        ("variants: {own: {data: PublicTest}}", "variants.own.data is 'PublicTest'; it should map"),
    ],
)
def test_a_variants_mistake_is_told_when_the_profile_is_read(write_profile, text, said):
    with pytest.raises(FerError, match=said):
        load_profile(write_profile(f"description: x\n{text}\n"))


@pytest.mark.parametrize("trunk", settings.TRUNKS)
def test_the_environment_names_the_trunks_engine(trunk, monkeypatch):
    monkeypatch.setenv("FER_TRUNK", trunk)
    paper = load_profile("paper")
    for section in ("resnet50_mlp", "resnet50_svm"):
        used = experiment(paper, section)
        assert f"{used.trunk_engine}-{used.trunk_precision}" == trunk
    assert experiment(paper, "baseline_cnn") == paper.baseline_cnn  # which has no trunk
    smoke = load_profile("smoke")
    assert experiment(smoke, "resnet50_mlp") == smoke.resnet50_mlp  # the same on every machine


def test_an_unknown_trunk_in_the_environment_is_one_sentence(monkeypatch):
    monkeypatch.setenv("FER_TRUNK", "openvino-float16")
    with pytest.raises(FerError, match=r"FER_TRUNK is 'openvino-float16' \(did you mean 'openvino-bfloat16'\?\)"):
        experiment(load_profile("paper"), "resnet50_mlp")
