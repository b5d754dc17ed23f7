"""Test weights files with a card: saved, read back, copied in float16, damaged, and of other weights."""

from __future__ import annotations

import dataclasses
import json

import h5py
import numpy as np
import pytest

from fer_lib import provenance
from fer_lib.backend import keras
from fer_lib.errors import FerError
from fer_lib.models import pretrained, weights_file, weights_report
from fer_lib.settings import BaselineCnnSettings, ResNet50MlpSettings, ResNet50SvmSettings, change

layers = keras.layers
SHARE = {"value": 0.412, "low": 0.4024, "high": 0.4217}
CARD = {
    "network": "ResNet50",
    "scaling": "unit",
    "image_size": 32,
    "recipe": {"batch_size": 256},
    "data": {
        "corpus": "tiny-imagenet",
        "fingerprint": "ab" * 32,
        "counts": {"training": 100_000, "validation": 10_000},
        "synthetic": False,
    },
    "seed": 3,
    "code": {"commit": "0123456789abcdef" * 2 + "01234567", "dirty": False},
    "accuracy": {"top1": SHARE, "top5": {"value": 0.66, "low": 0.65, "high": 0.67}, "images": 10_000},
}


def card(**changes) -> dict:
    return {**provenance.surroundings(), **CARD, **changes}


def tiny(units: int = 2) -> keras.Model:
    return keras.Sequential([keras.Input((3,)), layers.Dense(units), layers.BatchNormalization()])


@pytest.fixture
def own(tmp_path):
    """A file of a tiny network, with a card that calls it ResNet50."""
    return weights_file.save(tiny(), tmp_path / "own.weights.h5", card())


@pytest.fixture(scope="module")
def trunk():
    keras.utils.set_random_seed(1)
    return keras.applications.ResNet50(include_top=False, weights=None, input_shape=(32, 32, 3))


@pytest.fixture(scope="module")
def saved(trunk, tmp_path_factory):
    """ResNet50 with random weights, in float32 and float16."""
    path = tmp_path_factory.mktemp("weights") / "own.weights.h5"
    weights_file.save(trunk, path, card(), float16=True)
    yield path
    for each in path.parent.iterdir():
        each.unlink()  # 140 MB


def edit(path, **changes):
    """Change keys of a card as by hand; None removes the key."""
    place = path.with_name("own.weights.json")
    content = json.loads(place.read_text()) | changes
    place.write_text(json.dumps({key: value for key, value in content.items() if value is not None}))


def refusal(path, **asked) -> str:
    with pytest.raises(FerError) as error:
        weights_file.read_card(path, **asked)
    sentence = str(error.value)
    assert "\n" not in sentence
    assert sentence.endswith(".")
    assert "own.weights" in sentence
    assert str(path.parent) not in sentence
    return sentence


# --- saved and read back ----------------------------------------------------------------------------------------------


def test_a_card_comes_back_with_everything_that_was_written(own):
    found = weights_file.read_card(own, network="ResNet50")
    assert {key: found[key] for key in CARD} == CARD
    assert (found["format"], found["dtype"]) == (weights_file.FORMAT, "float32")
    assert found["engine"]["backend"] == keras.backend.backend()
    assert found["packages"]["keras"] == keras.__version__
    assert {field.name for field in dataclasses.fields(weights_file.Card)} <= set(found)
    assert sorted(file.name for file in own.parent.iterdir()) == ["own.weights.h5", "own.weights.json"]


def test_files_without_a_card_have_none(own, tmp_path):
    own.with_name("own.weights.json").unlink()
    assert weights_file.read_card(own) is None
    (tmp_path / "other.h5").write_bytes(b"x")
    (tmp_path / "other.json").write_text("another program's")
    assert weights_file.read_card(tmp_path / "other.h5") is None
    assert weights_file.read_card(tmp_path / "absent.weights.h5") is None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"scaling": "caffe"}, "scaling: input should be 'trunk' or 'unit'"),
        ({"seed": "3"}, "seed"),
        ({"data": {**CARD["data"], "synthetic": "no"}}, "data.synthetic"),
        ({"accuracy": {**CARD["accuracy"], "top1": {**SHARE, "value": 41.2}}}, "accuracy.top1.value"),
    ],
)
def test_a_wrong_card_is_never_written(tmp_path, changes, words):
    with pytest.raises(ValueError, match=words):
        weights_file.save(tiny(), tmp_path / "own.weights.h5", card(**changes))
    assert not list(tmp_path.iterdir())


def test_a_card_that_lacks_something_or_another_ending_is_a_mistake_in_the_call(tmp_path):
    with pytest.raises(ValueError, match="engine"):
        weights_file.save(tiny(), tmp_path / "own.weights.h5", CARD)
    with pytest.raises(ValueError, match=r"own.h5 should end in .weights.h5"):
        weights_file.save(tiny(), tmp_path / "own.h5", card())


def test_a_kill_between_card_and_weights_leaves_nothing_that_is_believed(own, monkeypatch):
    def killed(*args):
        raise KeyboardInterrupt

    before = own.read_bytes()
    monkeypatch.setattr("fer_lib.utils.files.os.replace", lambda one, to: killed() if str(to) == str(own) else None)
    monkeypatch.setattr(weights_file, "write_text", lambda path, text: path.write_text(text))
    with pytest.raises(KeyboardInterrupt):
        weights_file.save(tiny(), own, card(scaling="trunk"))
    assert own.read_bytes() == before
    assert "not the file that its card own.weights.json describes" in refusal(own)


# --- damaged cards and other weights ----------------------------------------------------------------------------------


@pytest.mark.parametrize("content", ["", "{", "[]", "null", "\xff", "[" * 100_000, '{"format": NaN}', " " * 2**21])
def test_a_card_that_is_no_card_is_refused(own, content):
    own.with_name("own.weights.json").write_text(content, encoding="latin-1")
    assert "own.weights.json" in refusal(own)


@pytest.mark.parametrize("key", [field.name for field in dataclasses.fields(weights_file.Card)])
def test_a_card_that_lacks_a_key_is_refused(own, key):
    edit(own, **{key: None})
    assert "own.weights.json" in refusal(own)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"format": 2}, "has the format 2; expected 1"),
        ({"scaling": "raw"}, "is damaged: scaling: input should be 'trunk' or 'unit'"),
        ({"sha256": "0" * 63}, "is damaged: sha256"),
        ({"sha256": "0" * 64}, "is not the file that its card own.weights.json describes"),
        ({"accuracy": 0.4}, "is damaged: accuracy"),
        ({"accuracy": {**CARD["accuracy"], "images": 0}}, "is damaged: accuracy.images"),
    ],
)
def test_a_changed_card_is_refused(own, changes, words):
    edit(own, **changes)
    assert words in refusal(own)


def test_a_card_that_is_a_folder_or_without_weights_is_refused(own):
    own.unlink()
    assert "but no weights file own.weights.h5" in refusal(own)
    own.with_name("own.weights.json").unlink()
    own.with_name("own.weights.json").mkdir()
    assert "The card own.weights.json is damaged (Is a directory)" in refusal(own)
    own.with_name("own.weights.json").rmdir()
    own.with_name("own.weights.json").symlink_to("nowhere")
    assert "The card own.weights.json is damaged (No such file or directory)" in refusal(own)


def test_other_weights_under_a_cards_name_are_refused_wherever_they_are_used(own):
    tiny().save_weights(own)
    for use in (
        weights_file.read_card,
        weights_file.expected_scaling,
        pretrained.weights_origin,
        weights_report.describe,
        lambda path: pretrained.load_trunk_weights(tiny(), path),
        lambda path: weights_file.as_expected(ResNet50SvmSettings(weights=path)),
    ):
        with pytest.raises(FerError, match=r"is not the file that its card own\.weights\.json describes"):
            use(str(own))


def test_weights_of_another_network_are_refused_by_their_card(own):
    edit(own, network="VGG16")
    assert "contains the weights of VGG16, by its card; expected ResNet50" in refusal(own, network="ResNet50")
    assert weights_file.read_card(own)["network"] == "VGG16"
    with pytest.raises(FerError, match="by its card; expected ResNet50"):
        weights_file.expected_scaling(str(own))
    with pytest.raises(FerError, match="by its card; expected ResNet50"):
        pretrained.load_trunk_weights(tiny(), own)


@pytest.mark.filterwarnings("ignore:Skipping nested container:UserWarning")
def test_another_network_whose_card_claims_resnet50_is_refused(own, trunk):
    with pytest.raises(FerError, match="does not contain the weights of ResNet50 without top"):
        pretrained.load_trunk_weights(trunk, own)
    with pytest.raises(FerError, match=r"has 16 parameters, not the 23,587,712 of ResNet50 that its card names"):
        weights_report.describe(own)


@pytest.mark.parametrize(("version", "said"), [("99.1.2", "; Keras 99.1.2 wrote it"), ("3.0.0", "does not contain")])
def test_weights_that_do_not_fit_name_the_newer_keras_of_their_card(tmp_path, version, said):
    assert "keras_version" not in h5py.File(weights_file.save(tiny(), tmp_path / "a.weights.h5", card())).attrs
    own = weights_file.save(tiny(), tmp_path / "own.weights.h5", card(packages={"keras": version}))
    with pytest.raises(FerError, match=said):
        pretrained.load_trunk_weights(tiny(units=5), own)


def test_a_truncated_file_is_refused_with_its_card_and_without(saved, tmp_path):
    half = tmp_path / "own.weights.h5"
    with open(saved, "rb") as whole:
        half.write_bytes(whole.read(1_000_000))
    with pytest.raises(FerError, match="is truncated"):
        weights_report.describe(half)
    half.with_name("own.weights.json").write_text(saved.with_name("own.weights.json").read_text())
    assert "is not the file that its card" in refusal(half)


# --- the pixels that weights expect -----------------------------------------------------------------------------------


def test_trunk_scaling_is_what_the_card_says(own):
    assert weights_file.expected_scaling(str(own)) == "unit"
    edit(own, scaling="trunk")
    assert weights_file.expected_scaling(str(own)) == "trunk"
    own.with_name("own.weights.json").unlink()
    assert weights_file.expected_scaling(str(own)) == "trunk"


@pytest.mark.parametrize("weights", ["imagenet", "none", "random_frozen", "absent.weights.h5"])
def test_trunk_scaling_without_a_card_stays_trunk(weights):
    assert weights_file.expected_scaling(weights) == "trunk"


@pytest.mark.parametrize("scaling", ["unit", "raw"])
def test_other_scalings_are_taken_as_they_are(own, scaling):
    edit(own, scaling="trunk")
    assert weights_file.expected_scaling(str(own), scaling) == scaling


def test_settings_get_the_scaling_that_their_weights_expect(own):
    given = ResNet50SvmSettings(weights=str(own), scaling="trunk")
    assert weights_file.as_expected(given) == change(given, scaling="unit")
    for same in (
        ResNet50MlpSettings(weights=str(own)),
        ResNet50MlpSettings(weights="imagenet", scaling="trunk"),
        BaselineCnnSettings(scaling="trunk"),
    ):
        assert weights_file.as_expected(same) == same


# --- their origin, for provenance -------------------------------------------------------------------------------------


def test_the_origin_of_a_file_with_a_card_says_how_it_was_made(own):
    found = pretrained.weights_origin(str(own))
    assert found["origin"] == "file own.weights.h5"
    assert found["tests_transfer_claim"] is False
    assert found["card"] == {
        "network": "ResNet50",
        "corpus": "tiny-imagenet",
        "synthetic": False,
        "top1": SHARE,
        "images": 10_000,
        "scaling": "unit",
        "seed": 3,
        "commit": CARD["code"]["commit"],
    }
    said = weights_report.in_words(found["card"])
    assert said == (
        "pre-trained on tiny-imagenet: top-1 41.20 % [40.24, 42.17] of 10,000 validation images, seed 3, "
        "commit 0123456789ab"
    )


def test_the_origin_of_weights_from_generated_images_says_so(own):
    edit(own, data={**CARD["data"], "synthetic": True}, code={"commit": None, "dirty": None})
    found = pretrained.weights_origin(str(own))
    assert found["origin"] == "file own.weights.h5 (SYNTHETIC images)"
    said = weights_report.in_words(found["card"])
    assert said.startswith("pre-trained on SYNTHETIC images (tiny-imagenet)")
    assert "commit" not in said


# --- the float16 copy -------------------------------------------------------------------------------------------------


def test_a_float16_copy_is_half_as_large_and_has_a_card_of_its_own(saved):
    half = saved.with_name("own.float16.weights.h5")
    assert half.stat().st_size < 0.51 * saved.stat().st_size
    first, second = weights_file.read_card(saved), weights_file.read_card(half, network="ResNet50")
    differing = {key for key in first if first[key] != second[key]}
    assert differing == {"dtype", "sha256"}
    assert second["dtype"] == "float16"


def test_a_float16_copy_gives_the_features_within_its_rounding(saved, trunk):
    read = keras.applications.ResNet50(include_top=False, weights=None, input_shape=(32, 32, 3))
    pretrained.load_trunk_weights(read, saved.with_name("own.float16.weights.h5"))
    assert {weight.dtype for weight in read.weights} == {"float32"}
    for one, other in zip(trunk.get_weights(), read.get_weights(), strict=True):
        if one.ndim > 1:
            np.testing.assert_array_equal(other, one.astype(np.float16).astype(np.float32))
        else:
            np.testing.assert_array_equal(other, one)
    faces = np.random.default_rng(0).uniform(0, 1, (4, 32, 32, 3)).astype(np.float32)
    expected, found = (np.asarray(each.predict_on_batch(faces)) for each in (trunk, read))
    difference = np.linalg.norm(found - expected) / np.linalg.norm(expected)
    assert 0 < difference < 2 * 2**-11  # half a unit in the last of eleven digits, over fifty layers


@pytest.mark.parametrize("value", [1e6, -1e6, np.inf, np.nan])
def test_weights_that_float16_cannot_represent_are_refused(tmp_path, value):
    network = tiny()
    network.layers[0].kernel.assign(np.full((3, 2), value))
    with pytest.raises(FerError, match="has weights that float16 cannot represent"):
        weights_file.save(network, tmp_path / "own.weights.h5", card(), float16=True)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["own.weights.h5", "own.weights.json"]


def test_moments_that_float16_cannot_represent_stay_in_float32(tmp_path):
    network, read = tiny(), tiny()
    network.layers[1].moving_variance.assign(np.full(2, 1e6))
    weights_file.save(network, tmp_path / "own.weights.h5", card(), float16=True)
    pretrained.load_trunk_weights(read, tmp_path / "own.float16.weights.h5")
    np.testing.assert_array_equal(read.layers[1].moving_variance, [1e6, 1e6])
    with h5py.File(tmp_path / "own.float16.weights.h5") as file:
        kinds = []
        file.visititems(lambda _, item: kinds.append(str(item.dtype)) if isinstance(item, h5py.Dataset) else None)
    assert sorted(set(kinds)) == ["float16", "float32"]
