"""Test MTCNN on OpenVINO against the ``mtcnn`` package, on generated pictures and, where there are some, real ones."""

import os
import subprocess
import sys

import cv2
import numpy as np
import pytest

from fer_lib.datasets import corpus
from fer_lib.datasets.synthetic.people import activations, sample_identities, studio_conditions
from fer_lib.datasets.synthetic.render import render_faces
from fer_lib.errors import FerError
from fer_lib.faces import crops, mtcnn, openvino_mtcnn
from fer_lib.faces.crops import detect
from fer_lib.faces.geometry import LANDMARKS
from fer_lib.settings import PROJECT, CkPlusSettings, DataSettings, FaceSettings, change, settings_dict

PACKAGE = FaceSettings()
OPENVINO = change(PACKAGE, mtcnn_engine="openvino")


@pytest.fixture(scope="module")
def pictures():
    """Generated faces of several sizes, grey and in colour, alone, two together, cut by the border, and none at all."""
    shown = activations(["happy", "sad", "surprise", "neutral", "angry", "fear"], 1.0)
    faces = render_faces(sample_identities(6, 1), shown, conditions=studio_conditions(6, scale=0.8), size=160)
    bare = [cv2.copyMakeBorder(face, 40, 30, 20, 50, cv2.BORDER_REPLICATE) for face in faces]
    pair = np.hstack(bare[:2])
    colour = np.stack([bare[2], bare[2] // 2 + 60, 255 - bare[2] // 3], axis=2)
    large = cv2.resize(bare[3], None, fx=3, fy=3, interpolation=cv2.INTER_CUBIC)
    blank = np.full((90, 90), 128, np.uint8)
    return [*bare, pair, colour, large, bare[4][60:, 50:], cv2.resize(bare[5], (60, 60)), blank]


def differences(ours, theirs):
    """Compare two lists of faces a picture, as many in each: the largest difference of boxes, of points, of scores."""
    assert [len(some) for some in ours] == [len(some) for some in theirs]
    pairs = [pair for some in zip(ours, theirs, strict=True) for pair in zip(*some, strict=True)]
    boxes = [np.abs(np.subtract(one.box, other.box)).max() for one, other in pairs]
    points = [np.abs(np.subtract(getattr(a, name), getattr(b, name))).max() for a, b in pairs for name in LANDMARKS]
    return np.array(boxes), np.array(points), np.array([abs(a.confidence - b.confidence) for a, b in pairs])


def test_generated_faces_are_found_in_the_same_places(pictures):
    theirs = detect(pictures, PACKAGE)
    boxes, points, scores = differences(detect(pictures, OPENVINO), theirs)
    assert len(boxes) >= 8  # else nothing was compared
    assert any(len(some) > 1 for some in theirs)
    assert max(boxes.max(), points.max()) <= 0.1  # of a pixel
    assert scores.max() < 1e-4


@pytest.mark.skipif(not os.environ.get("FER_DATA"), reason="FER_DATA names no data folder")
def test_real_faces_are_found_in_the_same_places():
    try:
        found = corpus.load_genki4k(CkPlusSettings(), DataSettings(source="folder"), os.environ["FER_DATA"])
    except FerError as error:
        pytest.skip(str(error))
    photos = [found.photo(row) for row in range(len(found))]
    boxes, points, _ = differences(detect(photos, OPENVINO), detect(photos, PACKAGE))
    assert len(boxes) > 0.8 * len(photos)
    assert max(boxes.max(), points.max()) <= 0.1  # of a pixel


def test_each_network_answers_as_the_package_s():
    pixels = np.random.default_rng(0).normal(size=(5, 48, 48, 3)).astype(np.float32)
    from mtcnn.network.onet import ONet
    from mtcnn.utils.tensorflow import load_weights

    theirs = ONet()
    theirs.build()
    theirs.set_weights(load_weights(str(mtcnn.weights_folder() / "onet.lz4")))
    for ours, expected in zip(openvino_mtcnn.engine()._runs["onet"](pixels), theirs(pixels), strict=True):
        np.testing.assert_allclose(ours, expected, atol=1e-5)


def test_patches_are_those_of_tensorflow():
    import tensorflow as tf

    rng = np.random.default_rng(1)
    pixels = rng.normal(size=(2, 40, 60, 3)).astype(np.float32)
    corners = rng.uniform(-20, 50, (30, 2))
    rows = np.column_stack([rng.integers(0, 2, 30), corners, corners + rng.uniform(1, 40, (30, 2)), np.ones(30)])
    places = (rows[:, [2, 1, 4, 3]] / [40, 60, 40, 60]).astype(np.float32)
    expected = tf.image.crop_and_resize(pixels, places, rows[:, 0].astype(int), (24, 24)).numpy()
    assert (expected == 0).any()  # some reach beyond the border
    np.testing.assert_allclose(openvino_mtcnn._patches(pixels, rows, 24), expected, atol=1e-4)


def test_many_patches_run_in_parts(monkeypatch):
    pixels = np.random.default_rng(2).normal(size=(7, 24, 24, 3)).astype(np.float32)
    run = openvino_mtcnn.engine()._runs["rnet"]
    whole = run(pixels)
    monkeypatch.setattr(openvino_mtcnn, "_PATCHES", 3)
    for part, expected in zip(run(pixels), whole, strict=True):
        np.testing.assert_allclose(part, expected, atol=1e-6)


def test_the_engine_runs_without_tensorflow_and_keras():
    program = (
        "import sys, numpy as np\n"
        "from fer_lib.faces.crops import detect\n"
        "from fer_lib.settings import FaceSettings\n"
        "detect([np.zeros((60, 60), np.uint8)], FaceSettings(mtcnn_engine='openvino'))\n"
        "print(*{name.split('.')[0] for name in sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert "openvino" in done.stdout.split()
    assert not {"tensorflow", "keras", "mtcnn", "jax", "torch", "sklearn"} & set(done.stdout.split())


def test_the_provenance_names_the_engine():
    usual, other = mtcnn.detector_name(), mtcnn.detector_name("openvino")
    assert other.startswith(usual)
    assert "openvino" in other.removeprefix(usual)


def test_records_of_the_package_s_engine_stay_as_they_were():
    assert "mtcnn_engine" not in settings_dict(PACKAGE)
    assert settings_dict(OPENVINO)["mtcnn_engine"] == "openvino"
    assert crops._key(corpus_of_one(), PACKAGE) != crops._key(corpus_of_one(), OPENVINO)


def corpus_of_one():
    return corpus.load_genki4k(CkPlusSettings(generated_photos=20), DataSettings(source="generated"), "")


@pytest.mark.parametrize("content", [b"", b"no weights", b"\x04\x22\x4d\x18 and no more"])
def test_damaged_weights_are_one_sentence(tmp_path, content):
    (tmp_path / "rnet.lz4").write_bytes(content)
    with pytest.raises(FerError, match=r"The weights of mtcnn cannot be read .*; install the package mtcnn again"):
        openvino_mtcnn._weights(tmp_path / "rnet.lz4")


@pytest.mark.parametrize("cut", [slice(0, -1), slice(1, None), slice(0, 0)])
def test_other_weights_are_one_sentence(cut):
    weights = openvino_mtcnn._weights(mtcnn.weights_folder() / "rnet.lz4")
    with pytest.raises(FerError, match="mtcnn's rnet do not fit its layers") as raised:
        openvino_mtcnn._graph("rnet", weights[cut])
    assert "\n" not in str(raised.value)
    with pytest.raises(FerError, match="more weights"):
        openvino_mtcnn._graph("rnet", [*weights, weights[0]])


def test_without_openvino_one_sentence_says_what_to_do(monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(FerError, match="mtcnn_engine: openvino needs OpenVINO"):
        openvino_mtcnn.Networks()
