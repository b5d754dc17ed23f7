"""Test networks in small storage: they answer as the Keras network, their cards are checked, their views are right."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from fer_lib.backend import keras
from fer_lib.errors import FerError
from fer_lib.models import compact, openvino_graph

CLASSES = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
RECALL = ({"class": "angry", "value": 0.5, "low": 0.4, "high": 0.6, "n": 9},)
FACTS = compact.Compact(
    CLASSES, face=48, size=40, views="ten_crop", temperature=1.7, recall=RECALL, provenance={"seed": 3}
)


@pytest.fixture(scope="module")
def network():
    """A tiny network of each kind of layer that the project's own network has."""
    keras.utils.set_random_seed(4)
    face = keras.Input((40, 40, 1))
    x = keras.layers.Conv2D(8, 3, padding="same", use_bias=False)(face)
    x = keras.layers.BatchNormalization()(x)
    x = before = keras.layers.ReLU()(x)
    x = keras.layers.Conv2D(8, 3, padding="same")(x)
    x = keras.layers.Add()([x, before])
    x = keras.layers.MaxPooling2D(2)(x)
    x = keras.layers.Conv2D(16, 1, strides=2)(x)
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.ReLU()(x))
    made = keras.Model(face, keras.layers.Dense(7)(keras.layers.Dropout(0.5)(x)))
    rng = np.random.default_rng(0)
    made.set_weights([weight + rng.normal(0, 0.3, weight.shape) ** 2 for weight in made.get_weights()])
    return made


@pytest.fixture
def faces():
    return np.random.default_rng(1).integers(0, 256, (5, 48, 48), dtype=np.uint8)


def by_hand(network, faces):
    """The mean logits of the ten views, by Keras."""
    cut = [faces[:, y : y + 40, x : x + 40] for y, x in ((0, 0), (0, 8), (8, 0), (8, 8), (4, 4))]
    views = [*cut, *(view[..., ::-1] for view in cut)]
    return np.mean([network.predict_on_batch(view[..., None].astype(np.float32) / 255) for view in views], axis=0)


@pytest.mark.parametrize(("storage", "tolerance"), [("float16", 2e-3), ("int8", 3e-2)])
def test_a_stored_network_answers_as_keras(tmp_path, network, faces, storage, tolerance):
    graph = openvino_graph.convert(network)
    compact.write(tmp_path / "made", graph, replace(FACTS, storage=storage))
    read = compact.read(tmp_path / "made")
    expected = by_hand(network, faces)
    spread = expected.std()
    np.testing.assert_allclose(read.logits(faces), expected, atol=tolerance * max(spread, 1))
    assert replace(read, run=None) == replace(FACTS, storage=storage)
    found = read.probabilities(faces)
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-6)
    powers = np.exp(read.logits(faces) / 1.7)
    np.testing.assert_allclose(found, powers / powers.sum(axis=1, keepdims=True), rtol=1e-4)


def test_small_storage_is_small(tmp_path):
    image = keras.Input((40, 40, 1))
    x = keras.layers.Conv2D(64, 3)(image)
    x = keras.layers.Conv2D(256, 3)(x)
    wide = keras.Model(image, keras.layers.Dense(7)(keras.layers.GlobalAveragePooling2D()(x)))
    graph = openvino_graph.convert(wide)
    sizes = {}
    for storage in compact.STORAGES:
        compact.write(tmp_path / storage, graph, replace(FACTS, storage=storage))
        sizes[storage] = (tmp_path / storage / compact.WEIGHTS).stat().st_size
    assert 2.0 * wide.count_params() < sizes["float16"] < 2.1 * wide.count_params()
    assert 1.0 * wide.count_params() < sizes["int8"] < 1.1 * wide.count_params()
    with pytest.raises(ValueError, match="storage is 'float64'"):
        compact.stored(graph, "float64")


def test_a_rewritten_graph_leaves_the_given_one_alone(network, faces):
    graph = openvino_graph.convert(network)
    kinds = [operation.get_type_name() for operation in graph.get_ordered_ops()]
    compact.stored(graph, "int8")
    assert [operation.get_type_name() for operation in graph.get_ordered_ops()] == kinds


def test_views_of_a_face():
    face = np.arange(36, dtype=np.uint8).reshape(1, 6, 6)
    (whole,) = compact.views_of(face, 6, "whole")
    assert np.array_equal(whole, face)
    one, other = compact.views_of(face, 4, "mirrored")
    assert np.array_equal(one, face[:, 1:5, 1:5])
    assert np.array_equal(other, one[:, :, ::-1])
    ten = compact.views_of(face, 4, "ten_crop")
    assert [int(view[0, 0, 0]) for view in ten[:5]] == [0, 2, 12, 14, 7]
    assert all(np.array_equal(ten[place + 5], ten[place][:, :, ::-1]) for place in range(5))


def test_no_face_and_many_faces(tmp_path, network, faces, monkeypatch):
    model = compact.read(compact.write(tmp_path / "made", openvino_graph.convert(network), FACTS))
    assert model.logits(faces[:0]).shape == (0, 7)
    whole = model.logits(faces)
    monkeypatch.setattr(compact, "_BATCH", 20)  # two faces at a time
    np.testing.assert_allclose(model.logits(faces), whole, atol=1e-5)


@pytest.fixture
def made(tmp_path, network):
    return compact.write(tmp_path / "made", openvino_graph.convert(network), FACTS)


def edited(folder, change):
    card = folder / compact.CARD
    content = json.loads(card.read_text(encoding="utf-8"))
    change(content)
    card.write_text(json.dumps(content), encoding="utf-8")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / compact.WEIGHTS).unlink(), r"network\.bin in .* is not the file"),
        (lambda f: (f / compact.WEIGHTS).write_bytes(b"other"), r"network\.bin in .* is not the file"),
        (lambda f: (f / compact.CARD).write_text("{"), r"is no card of a network"),
        (lambda f: (f / compact.CARD).write_text("[]"), r"is no card of a network"),
        (lambda f: edited(f, lambda c: c.pop("temperature")), r"is no card of a network"),
        (lambda f: edited(f, lambda c: c.update(format=2)), r"says what this version cannot use"),
        (lambda f: edited(f, lambda c: c["input"].update(size=60)), r"says what this version cannot use"),
        (lambda f: edited(f, lambda c: c["input"].update(views="five")), r"says what this version cannot use"),
        (lambda f: edited(f, lambda c: c.update(temperature=0)), r"says what this version cannot use"),
    ],
)
def test_damage_is_one_sentence(made, damage, message):
    damage(made)
    with pytest.raises(FerError, match=message) as raised:
        compact.read(made)
    assert "\n" not in str(raised.value)


def test_a_graph_that_is_none_is_one_sentence(made):
    (made / compact.GRAPH).write_text("<net/>")
    edited(made, lambda c: c["sha256"].update({compact.GRAPH: compact.file_sha256(made / compact.GRAPH)}))
    with pytest.raises(FerError, match="is no network") as raised:
        compact.read(made)
    assert "\n" not in str(raised.value)


def test_a_card_of_an_earlier_version_says_no_recall(made):
    card = json.loads((made / compact.CARD).read_text())
    assert card.pop("recall") == list(RECALL)
    (made / compact.CARD).write_text(json.dumps(card))
    assert compact.read_card(made).recall == ()


def test_half_a_folder_is_none(made, tmp_path):
    assert compact.is_one(made)
    assert not compact.is_one(tmp_path)
    half = shutil.copytree(made, tmp_path / "half")
    (half / compact.CARD).unlink()
    assert not compact.is_one(half)


def test_without_openvino_one_sentence_says_what_to_do(made, monkeypatch):
    def missing():
        raise ImportError("No module named 'openvino'")

    monkeypatch.setattr(compact, "core", missing)
    with pytest.raises(FerError, match="needs OpenVINO"):
        compact.read(made)
