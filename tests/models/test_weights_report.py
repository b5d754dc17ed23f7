"""Test what is told of a weights file: its network, size and types, its card, and what nobody knows."""

from __future__ import annotations

import json

import h5py
import numpy as np
import pytest
from keras.src.legacy.saving import legacy_h5_format

from fer_lib.backend import keras
from fer_lib.errors import FerError
from fer_lib.models import resnet50_mlp, weights_file, weights_report
from fer_lib.utils.files import file_sha256

layers = keras.layers
SHARE = {"value": 0.412, "low": 0.4024, "high": 0.4217}
CARD = {
    "network": "ResNet50",
    "scaling": "unit",
    "image_size": 48,
    "recipe": {"batch_size": 256, "learning_rate": 0.15},
    "data": {
        "corpus": "tiny-imagenet",
        "fingerprint": "ab" * 32,
        "counts": {"training": 100_000, "validation": 10_000},
        "synthetic": False,
    },
    "seed": 3,
    "code": {"commit": "0123456789abcdef" * 2 + "01234567", "dirty": True},
    "engine": None,
    "packages": {"keras": "3.0"},
    "accuracy": {"top1": SHARE, "top5": {"value": 0.66, "low": 0.65, "high": 0.67}, "images": 10_000},
}


def tiny() -> keras.Model:
    """A network of 16 parameters, 8 of them of a batch norm, with a state of integers besides."""
    return keras.Sequential([keras.Input((3,)), layers.Dropout(0.5), layers.Dense(2), layers.BatchNormalization()])


def save_legacy_h5(network: keras.Model, path) -> None:
    with h5py.File(path, "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, network)


SAVERS = {
    "own.weights.h5": lambda network, path: network.save_weights(path),
    "own.keras": lambda network, path: network.save(path),
    "own.h5": save_legacy_h5,
}


def lines_of(path) -> dict[str, str]:
    return {line[:12].strip(): line[13:] for line in weights_report.report(path) if line}


@pytest.mark.parametrize("name", SAVERS)
def test_a_file_without_a_card_is_described_by_its_content(tmp_path, name):
    network = tiny()
    network.compile("adam", "mse")
    network.fit(np.ones((2, 3)), np.ones((2, 2)), verbose=0)  # so that an optimiser is saved as well
    SAVERS[name](network, tmp_path / name)
    found = weights_report.describe(tmp_path / name)
    assert (found["file"], found["bytes"]) == (name, (tmp_path / name).stat().st_size)
    assert found["sha256"] == file_sha256(tmp_path / name)
    assert (found["parameters"], found["float_types"]) == (16, {"float32": 16})
    assert found["network"] is found["scaling"] is found["card"] is None
    assert found["imagenet"] is False
    said = lines_of(tmp_path / name)
    assert said["network"] == "unknown: none of ResNet50, VGG16"
    assert said["pixels"].startswith("nobody knows")
    assert said["float type"] == "float32"
    assert "recipe" not in said


@pytest.mark.parametrize("network", weights_report.PARAMETERS)
def test_networks_are_known_by_their_number_of_parameters(network, tmp_path, monkeypatch):
    built = getattr(keras.applications, network)(include_top=False, weights=None, input_shape=(32, 32, 3))
    assert built.count_params() == weights_report.PARAMETERS[network]
    monkeypatch.setitem(weights_report.PARAMETERS, network, 16)
    tiny().save_weights(tmp_path / "own.weights.h5")
    assert weights_report.describe(tmp_path / "own.weights.h5")["network"] == network
    assert lines_of(tmp_path / "own.weights.h5")["network"] == f"{network} without top"


def test_the_papers_number_of_parameters_is_resnet50s():
    assert weights_report.PARAMETERS["ResNet50"] == resnet50_mlp.TRUNK_PARAMETERS


def test_imagenets_file_is_known_by_its_content(tmp_path, monkeypatch):
    save_legacy_h5(tiny(), tmp_path / "copy.h5")
    monkeypatch.setattr(weights_file.hashlib, "file_digest", lambda file, kind: Digest(kind))
    found = weights_report.describe(tmp_path / "copy.h5")
    assert (found["imagenet"], found["scaling"]) == (True, "trunk")
    said = lines_of(tmp_path / "copy.h5")
    assert said["ImageNet"] == "this is the file that Keras downloads"
    assert said["pixels"].startswith("trunk: 0 to 255 in the order blue, green, red")


class Digest:
    def __init__(self, kind: str) -> None:
        self.kind = kind

    def hexdigest(self) -> str:
        return weights_file.IMAGENET_MD5 if self.kind == "md5" else "0" * 64


@pytest.fixture
def own(tmp_path, monkeypatch):
    monkeypatch.setitem(weights_report.PARAMETERS, "ResNet50", 16)
    return weights_file.save(tiny(), tmp_path / "own.weights.h5", CARD, float16=True)


def test_a_card_is_told_in_words(own):
    assert weights_report.describe(own)["card"] == weights_file.read_card(own)
    said = lines_of(own)
    assert said["network"] == "ResNet50 without top"
    assert said["pixels"] == "unit: 0 to 1 (divided by 255), in the order red, green, blue"
    assert said["trained on"] == "tiny-imagenet (training 100,000, validation 10,000)"
    assert said["fingerprint"] == "ab" * 32
    assert said["accuracy"] == (
        "top-1 41.20 % [40.24, 42.17], top-5 66.00 % [65.00, 67.00] of 10,000 validation images at 48 pixels"
    )
    assert said["recipe"] == "batch_size 256, learning_rate 0.15"
    assert said["seed"] == "3"
    assert said["commit"] == f"{CARD['code']['commit']}, with changes"
    assert said["engine"] == "unknown"


def test_both_float_types_of_a_float16_copy_are_told(own):
    half = own.with_name("own.float16.weights.h5")
    assert weights_report.describe(half)["float_types"] == {"float32": 10, "float16": 6}
    assert lines_of(half)["float type"] == "float32 (10 parameters), float16 (6 parameters)"


def test_weights_from_generated_images_are_marked_at_the_top(tmp_path, monkeypatch):
    monkeypatch.setitem(weights_report.PARAMETERS, "ResNet50", 16)
    data = {**CARD["data"], "synthetic": True}
    path = weights_file.save(tiny(), tmp_path / "own.weights.h5", {**CARD, "data": data})
    assert weights_report.report(path)[0].startswith("SYNTHETIC: ")


def refusal(path) -> str:
    with pytest.raises(FerError) as error:
        weights_report.report(path)
    assert "\n" not in str(error.value)
    assert str(error.value).endswith(".")
    return str(error.value)


@pytest.mark.parametrize("name", SAVERS)
def test_files_that_cannot_be_read_are_refused(tmp_path, name):
    path = tmp_path / name
    SAVERS[name](tiny(), path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert f"{name} is truncated or not a weights file" in refusal(path)
    for content in (b"", b"<html>404</html>"):
        path.write_bytes(content)
        assert f"{name} is truncated or not a weights file" in refusal(path)


def test_other_things_are_refused(tmp_path):
    assert refusal(tmp_path / "absent.h5").startswith("No such file: ")
    assert refusal(tmp_path).startswith("No such file: ")
    (tmp_path / "weights.pth").write_bytes(b"x")
    assert "should end in .h5, .weights.h5 or .keras" in refusal(tmp_path / "weights.pth")
    with h5py.File(tmp_path / "empty.h5", "w"):
        pass
    assert "empty.h5 contains no weights" in refusal(tmp_path / "empty.h5")
    with h5py.File(tmp_path / "link.h5", "w") as file:
        file["x"] = h5py.ExternalLink("other.h5", "/x")
    assert "points to data elsewhere" in refusal(tmp_path / "link.h5")


def test_what_is_told_fits_json(own):
    assert json.loads(json.dumps(weights_report.describe(own), allow_nan=False)) == weights_report.describe(own)
