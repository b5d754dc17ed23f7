"""Test both networks of chen2023: the printed facts, the layers that train, good and bad weights files."""

from __future__ import annotations

import hashlib
import json
import shutil
import urllib.error
import zipfile

import h5py
import numpy as np
import pytest
from keras.src.applications.resnet import WEIGHTS_HASHES
from keras.src.legacy.saving import legacy_h5_format
from keras.src.utils import file_utils

from fer_lib import published
from fer_lib.backend import keras
from fer_lib.errors import FerError
from fer_lib.models import baseline_cnn, pretrained, resnet50_mlp
from fer_lib.settings import BaselineCnnSettings, ResNet50MlpSettings, change

layers = keras.layers
RANDOM = ResNet50MlpSettings(weights="random_frozen")
LAST_WEIGHTED = {"conv5_block3_2_conv", "conv5_block3_2_bn", "conv5_block3_3_conv", "conv5_block3_3_bn"}
LAST_CONVOLUTIONS = {
    *("conv5_block2_3_conv", "conv5_block2_3_bn", "conv5_block3_1_conv", "conv5_block3_1_bn"),
    *LAST_WEIGHTED,
}
# section 2.2 gives the sizes, section 2.2.1 the trunk, section 2.2.2 the MLP
PRINTED_STRUCTURE = {
    "input-size": 48,
    "input-channels": 3,
    "feature-size": 2,
    "feature-channels": 2048,
    "flattened": 8192,
    "feature-dense": 32,
    "output-length": 7,
    "trunk-layers": 50,
    "trunk-parameters": 23587712,
    "trainable-layers": 4,
    "mlp-dense-layers": 3,
    "mlp-input": 32,
    "mlp-hidden": 32,
    "mlp-output": 7,
}


@pytest.fixture(scope="module")
def model():
    return resnet50_mlp.build(RANDOM)


@pytest.fixture(scope="module")
def trunk(model):
    return model.get_layer("resnet50")


@pytest.fixture
def same_trunk(monkeypatch, trunk):
    """Give every build the module's trunk instead of a new one, and restore its freezing afterwards."""
    monkeypatch.setattr(keras.applications, "ResNet50", lambda **given: trunk)
    yield trunk
    resnet50_mlp.freeze(trunk, "last_four_layers")


@pytest.fixture(scope="module")
def weights_file(trunk, tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    trunk.save_weights(folder / "own.weights.h5")
    yield folder / "own.weights.h5"
    shutil.rmtree(folder)  # 95 MB


def tiny_network(units: int = 2) -> keras.Model:
    return keras.Sequential([keras.Input((3,)), layers.Dense(units, bias_initializer="ones"), layers.Dense(1)])


def save_legacy_h5(network: keras.Model, path) -> None:
    """Write weights as Keras 2's save_weights did, the format that keras.applications offers for download."""
    with h5py.File(path, "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, network)


SAVERS = {
    "own.weights.h5": lambda network, path: network.save_weights(path),
    "own.keras": lambda network, path: network.save(path),
    "own.h5": save_legacy_h5,
}


def refusal(network: keras.Model, path) -> str:
    """Check the refusal of a weights file and return it: one line with a full stop that names file and remedy."""
    with pytest.raises(FerError) as error:
        pretrained.load_trunk_weights(network, path)
    sentence = str(error.value)
    assert "\n" not in sentence
    assert sentence.endswith(".")
    assert path.name in sentence
    return sentence


def same_weights(first: keras.Model, second: keras.Model) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(first.get_weights(), second.get_weights(), strict=True))


def training_layers(network: keras.Model) -> set[str]:
    return {layer.name for layer in network.layers if layer.trainable_weights}


# --- ResNet50 + MLP ---------------------------------------------------------------------------------------------------


def test_shapes_and_counts_are_the_papers(model, trunk):
    assert model.input_shape == (None, 48, 48, 3)
    assert trunk.output_shape == (None, 2, 2, 2048)
    assert model.get_layer("feature_flatten").output.shape == (None, 8192)
    assert model.get_layer("feature_dense").output.shape == (None, 32)
    assert model.output_shape == (None, 7)
    assert trunk.count_params() == resnet50_mlp.TRUNK_PARAMETERS == 23_587_712
    assert model.count_params() == 23_885_383


def test_layers_stand_in_the_order_the_paper_gives(model):
    block = ["BatchNormalization", "ReLU", "Dropout", "Dense"]
    feature = ["Dropout", "Flatten", "BatchNormalization", "Dense"]
    kinds = [type(layer).__name__ for layer in model.layers]
    assert kinds == ["InputLayer", "Functional", *feature, *block * 3, "Softmax"]
    dense = [layer for layer in model.layers if isinstance(layer, layers.Dense)]
    assert [layer.units for layer in dense] == [32, 32, 32, 7]
    assert all(layer.activation is keras.activations.linear for layer in dense)


def test_every_printed_statement_about_the_structure_holds(model):
    found = resnet50_mlp.structure(model)
    assert found == PRINTED_STRUCTURE
    printed = published.load("chen2023").set_index("id")["value"]
    assert {name: str(value) for name, value in found.items()} == printed[list(found)].to_dict()


def test_the_head_trains_whole_and_its_settings_reach_it(same_trunk):
    own = resnet50_mlp.build(change(RANDOM, dropout_rate=0.3, kernel_initializer="he_normal"))
    drop = [layer for layer in own.layers if isinstance(layer, layers.Dropout)]
    dense = [layer for layer in own.layers if isinstance(layer, layers.Dense)]
    assert [layer.rate for layer in drop] == [0.3] * 4
    assert all(isinstance(layer.kernel_initializer, keras.initializers.HeNormal) for layer in dense)
    assert all(layer.trainable for layer in own.layers)


def test_table_1s_dropout_rate_is_in_every_dropout_layer(model):
    assert [layer.rate for layer in model.layers if isinstance(layer, layers.Dropout)] == [0.5] * 4


def test_outputs_are_probabilities_and_depend_on_the_face(model):
    faces = np.random.default_rng(0).random((3, 48, 48, 3), dtype=np.float32)
    outputs = np.asarray(model.predict_on_batch(faces))
    np.testing.assert_allclose(outputs.sum(axis=1), 1, atol=1e-5)
    assert not np.allclose(outputs[0], outputs[1], atol=1e-7)


# --- what trains ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("which", "expected", "marked"),
    [
        ("last_four_layers", {"conv5_block3_3_conv", "conv5_block3_3_bn"}, 4),
        ("last_four_weighted", LAST_WEIGHTED, 4),
        ("last_four_convolutions", LAST_CONVOLUTIONS, None),
        ("nothing", set(), 0),
    ],
)
def test_the_last_four_read_in_each_way(same_trunk, which, expected, marked):
    built = resnet50_mlp.build_trunk(change(RANDOM, trainable_trunk=which))
    assert training_layers(built) == expected
    if marked is not None:
        assert sum(layer.trainable for layer in built.layers) == marked


def test_the_papers_four_layers_are_kerass_last_four(same_trunk):
    built = resnet50_mlp.build_trunk(RANDOM)
    trained = [layer.name for layer in built.layers if layer.trainable]
    assert trained == ["conv5_block3_3_conv", "conv5_block3_3_bn", "conv5_block3_add", "conv5_block3_out"]
    assert sum(np.prod(weight.shape) for weight in built.trainable_weights) == 512 * 2048 + 2048 + 2 * 2048


def test_all_trains_every_layer_with_weights(same_trunk):
    built = resnet50_mlp.build_trunk(change(RANDOM, trainable_trunk="all"))
    assert len(training_layers(built)) == 53 + 53  # convolutions, four shortcuts included, and their batch norms
    assert training_layers(built) == {layer.name for layer in built.layers if layer.weights}


@pytest.mark.parametrize("which", ["last_four_layers", "nothing"])
def test_a_trunk_from_scratch_trains_whole_whatever_is_asked(same_trunk, which):
    settings = ResNet50MlpSettings(weights="none", trainable_trunk=which)
    assert resnet50_mlp.trained_layers(settings) == "all"
    assert len(training_layers(resnet50_mlp.build_trunk(settings))) == 106


def test_freezing_by_an_unknown_name_is_a_mistake_in_the_call(trunk):
    with pytest.raises(ValueError, match="which is 'last_four'"):
        resnet50_mlp.freeze(trunk, "last_four")


# --- weights ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SAVERS)
def test_weights_come_back_from_every_format(tmp_path, name):
    written, read = tiny_network(), tiny_network()
    SAVERS[name](written, tmp_path / name)
    assert not same_weights(written, read)
    pretrained.load_trunk_weights(read, tmp_path / name)
    assert same_weights(written, read)


@pytest.mark.parametrize("name", SAVERS)
@pytest.mark.parametrize("renamed", ["x.h5", "x.weights.h5", "x.keras", "x.hdf5", "x"])
def test_a_renamed_file_is_recognised_by_its_content(tmp_path, name, renamed):
    written, read = tiny_network(), tiny_network()
    SAVERS[name](written, tmp_path / name)
    (tmp_path / name).rename(tmp_path / renamed)
    pretrained.load_trunk_weights(read, tmp_path / renamed)
    assert same_weights(written, read)
    assert [path.name for path in tmp_path.iterdir()] == [renamed]


def test_a_file_with_more_than_the_network_is_refused(tmp_path):
    """Keras loads the layers that it knows by their places and says nothing of the others."""
    larger = keras.Sequential([*tiny_network().layers, layers.Dense(4)])
    larger.build((None, 3))
    larger.save_weights(tmp_path / "larger.weights.h5")
    network = tiny_network()
    before = network.get_weights()
    assert "(it has 19 parameters, and the network 11)" in refusal(network, tmp_path / "larger.weights.h5")
    assert all(np.array_equal(one, other) for one, other in zip(network.get_weights(), before, strict=True))


def test_a_file_of_resnet50_fills_the_trunk_and_leaves_the_freezing(trunk, weights_file):
    built = resnet50_mlp.build_trunk(ResNet50MlpSettings(weights=str(weights_file)))
    assert same_weights(built, trunk)
    assert training_layers(built) == {"conv5_block3_3_conv", "conv5_block3_3_bn"}


def test_a_truncated_file_of_resnet50_is_refused(trunk, weights_file, tmp_path):
    half = tmp_path / "half.weights.h5"
    with open(weights_file, "rb") as whole:
        half.write_bytes(whole.read(1_000_000))
    assert "half.weights.h5 is truncated" in refusal(trunk, half)


@pytest.mark.parametrize("name", SAVERS)
def test_a_file_cut_in_the_middle_is_called_truncated(tmp_path, name):
    network, path = tiny_network(), tmp_path / name
    SAVERS[name](network, path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert "is truncated or not a weights file" in refusal(network, path)


@pytest.mark.parametrize("name", SAVERS)
@pytest.mark.parametrize("content", ["<html>404: not found</html>\n", ""])
def test_a_file_of_another_kind_under_a_weights_name_is_refused(tmp_path, name, content):
    path = tmp_path / name
    path.write_text(content)
    assert "is truncated or not a weights file" in refusal(tiny_network(), path)


@pytest.mark.filterwarnings("ignore:Skipping nested container:UserWarning")  # one a layer, before Keras gives up
@pytest.mark.parametrize("name", SAVERS)
def test_weights_of_another_network_are_refused(tmp_path, trunk, name):
    path = tmp_path / name
    SAVERS[name](tiny_network(), path)
    assert "does not contain the weights of ResNet50 without top" in refusal(trunk, path)


@pytest.mark.parametrize("name", SAVERS)
def test_weights_of_other_sizes_are_refused(tmp_path, name):
    path = tmp_path / name
    SAVERS[name](tiny_network(units=5), path)
    assert "does not contain the weights of ResNet50 without top" in refusal(tiny_network(units=2), path)


def claim_version(path, version: str) -> None:
    """Let a file say that another version of Keras wrote it; a ``.weights.h5`` says nothing."""
    if path.suffix == ".keras":
        with zipfile.ZipFile(path) as archive:
            content = {name: archive.read(name) for name in archive.namelist()}
        content["metadata.json"] = json.dumps({"keras_version": version}).encode()
        with zipfile.ZipFile(path, "w") as archive:
            for name, part in content.items():
                archive.writestr(name, part)
    else:
        with h5py.File(path, "a") as file:
            file.attrs["keras_version"] = version


@pytest.mark.parametrize("name", ["own.keras", "own.h5"])
@pytest.mark.parametrize(("version", "is_named"), [("99.1.2", True), (keras.__version__, False), ("2.12.0", False)])
def test_unreadable_weights_of_a_newer_keras_say_so(tmp_path, name, version, is_named):
    path = tmp_path / name
    SAVERS[name](tiny_network(units=5), path)
    claim_version(path, version)
    said = refusal(tiny_network(units=2), path)
    assert (f"; Keras 99.1.2 wrote it, and this is {keras.__version__}: upgrade Keras" in said) == is_named


@pytest.mark.parametrize("name", ["own.keras", "own.h5"])
def test_weights_of_a_newer_keras_that_fit_are_read(tmp_path, name):
    written, read = tiny_network(), tiny_network()
    SAVERS[name](written, tmp_path / name)
    claim_version(tmp_path / name, "99.1.2")
    pretrained.load_trunk_weights(read, tmp_path / name)
    assert same_weights(written, read)


def test_a_missing_file_and_a_folder_are_refused_with_the_alternatives(tmp_path):
    sentence = refusal(tiny_network(), tmp_path / "absent.h5")
    assert "There is no weights file" in sentence
    assert "'imagenet', 'none', 'random_frozen'" in sentence
    assert "There is no weights file" in refusal(tiny_network(), tmp_path)


@pytest.mark.parametrize("name", ["weights.pth", "weights.npz", "weights"])
def test_an_ending_that_keras_cannot_read_is_refused(tmp_path, name):
    (tmp_path / name).write_bytes(b"anything")
    assert "should end in .h5, .weights.h5 or .keras" in refusal(tiny_network(), tmp_path / name)


def test_a_misspelt_name_of_weights_is_taken_for_a_file_that_is_not_there(same_trunk):
    with pytest.raises(FerError, match=r"no weights file 'imagnet' \(did you mean 'imagenet'\?\); give"):
        resnet50_mlp.build_trunk(ResNet50MlpSettings(weights="imagnet"))


def test_no_network_is_said_with_what_to_do(monkeypatch, tmp_path):
    def no_network(*args, **kwargs):
        raise urllib.error.URLError("Temporary failure in name resolution")

    monkeypatch.setattr(file_utils.config, "keras_home", lambda: str(tmp_path))
    monkeypatch.setattr(file_utils, "urlretrieve", no_network)
    with pytest.raises(FerError) as error:
        resnet50_mlp.build_trunk(ResNet50MlpSettings(weights="imagenet"))
    sentence = str(error.value)
    assert sentence.startswith("ImageNet's weights could not be downloaded")
    assert "Temporary failure in name resolution" in sentence
    assert "connect to the network once, or give a weights file" in sentence
    assert "\n" not in sentence


def test_a_mistake_of_ours_is_not_taken_for_a_network_fault():
    with pytest.raises(ValueError, match="at least 32"):
        resnet50_mlp.build_trunk(RANDOM, image_size=16)


@pytest.mark.parametrize(
    ("weights", "origin", "tests_claim"),
    [
        ("imagenet", "ImageNet (Keras)", True),
        ("none", "none: trained from scratch", False),
        ("random_frozen", "none: random, frozen", False),
    ],
)
def test_the_origin_of_named_weights(monkeypatch, tmp_path, weights, origin, tests_claim):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    found = pretrained.weights_origin(weights)
    assert found == {"origin": origin, "sha256": None, "tests_transfer_claim": tests_claim}


def test_the_origin_of_a_file_is_its_name_and_digest_without_its_folder(tmp_path):
    path = tmp_path / "own.weights.h5"
    path.write_bytes(b"some weights")
    assert pretrained.weights_origin(str(path)) == {
        "origin": "file own.weights.h5",
        "sha256": hashlib.sha256(b"some weights").hexdigest(),
        "tests_transfer_claim": False,
    }
    with pytest.raises(FerError, match="There is no weights file"):
        pretrained.weights_origin(str(tmp_path / "absent.h5"))


def test_imagenets_file_is_known_by_its_content_wherever_it_lies(monkeypatch, tmp_path):
    content = b"stands for the 95 MB that Keras offers"
    monkeypatch.setattr(pretrained.weights_file, "IMAGENET_MD5", hashlib.md5(content).hexdigest())
    (tmp_path / "models").mkdir()
    for path in (tmp_path / "copy.h5", tmp_path / "models" / pretrained.IMAGENET_FILE):
        path.write_bytes(content)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    for weights in ("imagenet", str(tmp_path / "copy.h5")):
        found = pretrained.weights_origin(weights)
        assert found["tests_transfer_claim"] is True
        assert found["sha256"] == hashlib.sha256(content).hexdigest()
        assert "ImageNet" in found["origin"]
        assert str(tmp_path) not in found["origin"]


def test_the_digest_of_imagenets_file_is_the_one_keras_checks():
    assert WEIGHTS_HASHES["resnet50"][1] == pretrained.weights_file.IMAGENET_MD5


# --- the traditional CNN ----------------------------------------------------------------------------------------------


def kinds_of(network: keras.Model, kind: type) -> list:
    return [layer for layer in network.layers if isinstance(layer, kind)]


def test_the_default_cnn_has_the_documented_blocks():
    cnn = baseline_cnn.build(BaselineCnnSettings())
    assert (cnn.input_shape, cnn.output_shape) == ((None, 48, 48, 3), (None, 7))
    assert cnn.count_params() == 1_471_527
    assert [layer.filters for layer in kinds_of(cnn, layers.Conv2D)] == [32, 32, 64, 64, 128, 128]
    assert {layer.kernel_size for layer in kinds_of(cnn, layers.Conv2D)} == {(3, 3)}
    pooled = [layer.output.shape[1:] for layer in kinds_of(cnn, layers.MaxPooling2D)]
    assert pooled == [(24, 24, 32), (12, 12, 64), (6, 6, 128)]
    assert len(kinds_of(cnn, layers.BatchNormalization)) == 7
    assert {norm.momentum for norm in kinds_of(cnn, layers.BatchNormalization)} == {0.99}
    assert [layer.rate for layer in kinds_of(cnn, layers.Dropout)] == [0.25] * 4


def test_settings_reach_the_cnn():
    plain = BaselineCnnSettings(convolution_filters=(4, 6), dense_units=10, dropout_rate=0, batch_normalization=False)
    cnn = baseline_cnn.build(plain)
    assert [layer.filters for layer in kinds_of(cnn, layers.Conv2D)] == [4, 4, 6, 6]
    assert not kinds_of(cnn, layers.Dropout)
    assert not kinds_of(cnn, layers.BatchNormalization)
    convolutions = (9 * 3 + 1) * 4 + (9 * 4 + 1) * 4 + (9 * 4 + 1) * 6 + (9 * 6 + 1) * 6
    assert cnn.count_params() == convolutions + (12 * 12 * 6 + 1) * 10 + (10 + 1) * 7
    outputs = np.asarray(cnn.predict_on_batch(np.random.default_rng(0).random((2, 48, 48, 3), dtype=np.float32)))
    np.testing.assert_allclose(outputs.sum(axis=1), 1, atol=1e-5)


def test_a_small_dropout_rate_keeps_its_layers():
    cnn = baseline_cnn.build(BaselineCnnSettings(convolution_filters=(2,), dense_units=2, dropout_rate=0.1))
    assert [layer.rate for layer in kinds_of(cnn, layers.Dropout)] == [0.1] * 2
