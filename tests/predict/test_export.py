"""Test the export of networks: the files answer as the network does, and every fault is one sentence."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fer_lib.backend import keras
from fer_lib.cli import main
from fer_lib.datasets.fer2013 import CLASS_NAMES
from fer_lib.errors import FerError
from fer_lib.predict import export, models as saved_models
from fer_lib.settings import PROJECT
from fer_lib.utils.files import file_sha256
from fer_lib.utils.inference import openvino

layers = keras.layers
ALPHABET = "angry,disgust,fear,happy,neutral,sad,surprise"


def save(activation="softmax", first=(), channels=1, batch=None):
    keras.utils.set_random_seed(1)
    face = keras.Input(batch_shape=(batch, 48, 48, channels))
    body = [
        *first,
        layers.Conv2D(6, 3, activation="relu"),
        layers.BatchNormalization(),
        layers.MaxPooling2D(),
        layers.Flatten(),
        layers.Dropout(0.5),
        layers.Dense(7, activation=activation),
    ]
    keras.Sequential([face, *body]).save("mine.keras")
    return "mine.keras"


def missing(*packages):
    return [package for package in packages if importlib.util.find_spec(package) is None]


NEEDED = {"litert": ["tensorflow"], "openvino": ["tensorflow", "openvino"], "onnx": ["tensorflow", "onnx", "tf2onnx"]}


@pytest.mark.parametrize("to", list(NEEDED))
def test_both_answer_alike(to, capsys):
    if missing(*NEEDED[to]):
        pytest.skip(f"{', '.join(missing(*NEEDED[to]))} not installed")
    save()
    assert main(["export", "mine.keras", "--to", to, "--classes", ALPHABET]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    name = "mine" + {"litert": ".tflite", "openvino": ".xml", "onnx": ".onnx"}[to]
    assert out.startswith(f"Wrote {name}")
    assert "16 faces get the same scores from both" in out
    assert "Class order: angry, disgust, fear, happy, neutral, sad, surprise (given)" in out
    card = json.loads(Path("mine.json").read_text())
    assert card["class_names"] == ALPHABET.split(",")
    assert (card["settings"], card["outputs"]) == ({"scaling": "unit"}, "probabilities")
    assert card["input"] == {"height": 48, "width": 48, "channels": 1}
    assert card["check"]["largest_difference"] <= 1e-5
    assert card["sha256"][name] == file_sha256(name)
    assert card["source"]["sha256"] == file_sha256("mine.keras")
    assert not list(Path().glob(".partial*"))


def test_a_reader_of_the_file_alone_gets_the_networks_answers():
    if missing(*NEEDED["openvino"]):
        pytest.skip("OpenVINO is not installed")
    save(activation=None, first=[layers.Rescaling(1 / 255)], channels=3)
    assert main(["export", "mine.keras", "--to", "openvino", "--out", "deep/er.xml"]) == 0
    card = json.loads(Path("deep/er.json").read_text())
    assert (card["settings"], card["outputs"]) == ({"scaling": "raw"}, "logits")
    faces = np.random.default_rng(5).integers(0, 256, (3, 48, 48), dtype=np.uint8)
    compiled = openvino().Core().compile_model("deep/er.xml", "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    pixels = np.repeat(faces[..., np.newaxis], 3, axis=3).astype(np.float32)
    logits = np.concatenate([compiled(face[np.newaxis])[0] for face in pixels])
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    expected = saved_models.load("mine.keras").predict(faces)[list(CLASS_NAMES)].to_numpy()
    np.testing.assert_allclose(powers / powers.sum(axis=1, keepdims=True), expected, atol=1e-5)


UNDER_JAX = f"""
import numpy as np
from fer_lib.backend import keras
from fer_lib.cli import main
from fer_lib.predict import models

assert keras.backend.backend() == "jax"
keras.utils.set_random_seed(3)
layers = keras.layers
body = [layers.Conv2D(6, 3, activation="relu"), layers.BatchNormalization(), layers.GlobalAveragePooling2D()]
network = keras.Sequential([keras.Input((48, 48, 1)), *body, layers.Dense(7, activation="softmax")])
rng = np.random.default_rng(0)
network.set_weights([weight + rng.normal(0, 0.2, weight.shape) ** 2 for weight in network.get_weights()])
network.save("mine.keras")
assert main(["export", "mine.keras", "--to", "openvino", "--classes", "{ALPHABET}"]) == 0
faces = rng.integers(0, 256, (5, 48, 48), dtype=np.uint8)
model = models.load("mine.keras", classes="{ALPHABET}")
np.savez("answers.npz", faces=faces, scores=model.predict(faces)[list(model.class_names)].to_numpy())
"""


def test_a_network_of_jax_is_exported_and_answers_as_jax_does():
    if missing(*NEEDED["openvino"], "jax"):
        pytest.skip("OpenVINO or JAX is not installed")
    paths = os.pathsep.join(filter(None, [str(PROJECT), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "KERAS_BACKEND": "jax", "PYTHONPATH": paths}
    done = subprocess.run([sys.executable, "-c", UNDER_JAX], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "16 faces get the same scores from both" in done.stdout
    assert json.loads(Path("mine.json").read_text())["check"]["largest_difference"] <= 1e-5
    compiled = openvino().Core().compile_model("mine.xml", "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    with np.load("answers.npz") as answers:
        pixels = answers["faces"][..., np.newaxis].astype(np.float32) / 255
        found = np.concatenate([compiled(face[np.newaxis])[0] for face in pixels])
        np.testing.assert_allclose(found, answers["scores"], atol=1e-5)
        assert answers["scores"].max() - answers["scores"].min() > 0.05  # scores that can differ


def test_a_network_of_a_fixed_batch():
    save(batch=5)
    assert main(["export", "mine.keras", "--to", "litert"]) == 0
    assert json.loads(Path("mine.json").read_text())["check"]["faces"] == 16


def test_another_answer_writes_nothing(monkeypatch, capsys):
    save()
    monkeypatch.setattr(export, "TOLERANCE", -1.0)
    assert main(["export", "mine.keras", "--to", "litert"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "answers otherwise: scores differ by up to" in err
    assert sorted(path.name for path in Path().iterdir()) == ["mine.keras"]


def test_a_package_that_is_not_installed_is_named(monkeypatch, capsys):
    there = importlib.util.find_spec
    for to, package in (("onnx", "tf2onnx"), ("openvino", "openvino"), ("litert", "tensorflow")):
        monkeypatch.setattr(
            importlib.util, "find_spec", lambda name, gone=package: None if name == gone else there("json")
        )
        assert main(["export", "mine.keras", "--to", to]) == 2
        err = capsys.readouterr().err
        assert f"The package {package} is not installed" in err
        assert f"`pip install {package}`" in err
        assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["none.keras"], "No such file or folder: none.keras"),
        (["mine.keras", "--out", "mine.xml"], "ends in .tflite"),
        (["mine.keras", "--out", "taken.tflite"], "taken.tflite exists already"),
        (["mine.keras", "--out", "other.tflite"], "other.json exists already"),
        (["mine.keras", "--classes", "a,b"], "--classes names 2 classes"),
        (["mine.keras", "--classes", "a"], "expected two or more names"),
    ],
)
def test_problems_are_one_sentence(capsys, options, words):
    save()
    Path("taken.tflite").touch()
    Path("other.json").touch()
    assert main(["export", *options, "--to", "litert"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert words in err
    assert err.count("\n") == 1


def test_a_trunk_with_an_svm_is_refused(tmp_path):
    from fer_lib.svm.classifiers import Fitted

    network = keras.saving.load_model(save())
    model = saved_models.SavedModel(network, CLASS_NAMES, fitted=Fitted("resnet50_svm_rbf", None, {}))
    with pytest.raises(FerError, match="a trunk with an SVM, and Keras exports only whole networks"):
        export.export(model, "folder", "litert", tmp_path / "a.tflite")


def test_what_the_converter_refuses_is_one_sentence(monkeypatch, capsys):
    model = saved_models.load(save())
    Path("mine.keras").write_bytes(b"no network")
    with pytest.raises(FerError) as raised:
        export.export(model, "mine.keras", "litert", Path("mine.tflite"))
    assert "mine.keras cannot be exported to LiteRT (FerError: mine.keras is damaged" in str(raised.value)
    assert "\n" not in str(raised.value)
    assert [path.name for path in Path().iterdir()] == ["mine.keras"]


def test_wrong_options_import_no_network():
    program = (
        "import sys\nfrom fer_lib.cli import main\n"
        "main(['export', 'a.keras', '--to', 'litert', '--out', 'x.xml'])\nprint(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not {"keras", "tensorflow", "jax"} & set(done.stdout.split())
    assert "ends in .tflite" in done.stderr


def test_a_model_in_the_current_or_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(export.importlib.util, "find_spec", lambda _: True)
    (tmp_path / "own_model").mkdir()
    monkeypatch.chdir(tmp_path / "own_model")
    assert export.check_request("onnx", ".", None).name == "own_model.onnx"
    monkeypatch.setenv("HOME", str(tmp_path))
    assert export.check_request("onnx", "~/own_model", None).name == "own_model.onnx"
