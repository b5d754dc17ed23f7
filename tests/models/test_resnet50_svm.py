"""Test ResNet with SoftMax and its features: shapes, pooling, padding, freezing, fine-tuning."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
import pytest

from fer_lib import training
from fer_lib.backend import keras
from fer_lib.datasets.face_dataset import FaceDataset
from fer_lib.models import resnet50_svm, trunk
from fer_lib.models.resnet50_mlp import TRUNK_PARAMETERS
from fer_lib.settings import ResNet50SvmSettings, change
from fer_lib.utils.pixels import network_input

layers = keras.layers
RANDOM = ResNet50SvmSettings(weights="random_frozen")


def faces_of(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def tiny_trunk(*args, **kwargs) -> keras.Model:
    """Replace ResNet50 where its depth does not matter: 4×4 maps of six channels."""
    face = keras.Input((16, 16, 3))
    x = layers.Conv2D(6, 3, strides=4, padding="same", name="convolution")(face)
    return keras.Model(face, layers.BatchNormalization(name="norm")(x), name=resnet50_svm.TRUNK)


@pytest.fixture(scope="module")
def model():
    return resnet50_svm.build_classifier(RANDOM)


@pytest.fixture
def tiny(monkeypatch):
    monkeypatch.setattr(resnet50_svm, "build_trunk", tiny_trunk)
    keras.utils.set_random_seed(0)
    return partial(resnet50_svm.build_classifier, RANDOM, image_size=16, classes=3)


# --- the network ------------------------------------------------------------------------------------------------------


def test_it_is_resnet50_and_one_softmax(model):
    trunk = resnet50_svm.trunk_of(model)
    assert model.input_shape == (None, 48, 48, 3)
    assert model.output_shape == (None, 7)
    assert trunk.count_params() == TRUNK_PARAMETERS
    assert model.count_params() == TRUNK_PARAMETERS + 2048 * 7 + 7
    assert [layer.name for layer in model.layers] == ["face", "resnet50", "features", "logits", "probabilities"]
    assert all(layer.trainable for layer in trunk.layers)  # "all" is the default


def test_flattened_features_are_8192(monkeypatch, model):
    monkeypatch.setattr(resnet50_svm, "build_trunk", lambda *args, **kwargs: resnet50_svm.trunk_of(model))
    flat = resnet50_svm.build_classifier(change(RANDOM, pooling="flatten"))
    assert flat.get_layer("logits").kernel.shape == (8192, 7)


def test_the_trunk_freezes_as_the_settings_say():
    frozen = resnet50_svm.build_classifier(change(RANDOM, trainable_trunk="nothing"), classes=2)
    assert [variable.path for variable in frozen.trainable_variables] == ["logits/kernel", "logits/bias"]
    assert frozen.output_shape == (None, 2)


def test_the_trunk_of_a_trunk_is_itself(model):
    trunk = resnet50_svm.trunk_of(model)
    assert resnet50_svm.trunk_of(trunk) is trunk
    with pytest.raises(ValueError, match="resnet50"):
        resnet50_svm.trunk_of(keras.Sequential([keras.Input((3,)), layers.Dense(1)]))


# --- features ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pooling", ["average", "flatten"])
@pytest.mark.parametrize("scaling", ["unit", "trunk"])
def test_features_are_what_the_softmax_sees(tiny, pooling, scaling):
    settings = change(RANDOM, pooling=pooling, scaling=scaling)
    model = resnet50_svm.build_classifier(settings, image_size=16, classes=3)
    images = faces_of(11, 16, 16)
    result = resnet50_svm.features(model, images, settings=settings)
    kernel, bias = (np.asarray(weights) for weights in model.get_layer("logits").get_weights())
    logits = result @ kernel + bias
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    expected = np.asarray(model.predict_on_batch(network_input(images, scaling)))
    np.testing.assert_allclose(shares / shares.sum(axis=1, keepdims=True), expected, rtol=1e-4, atol=1e-6)


def test_the_batch_size_changes_nothing_and_there_is_one_shape(tiny, monkeypatch):
    model, images, sizes = tiny(), faces_of(10, 16, 16), []
    whole = resnet50_svm.features(model, images, settings=RANDOM)
    engine = trunk.engine_of(resnet50_svm.trunk_of(model), RANDOM)
    monkeypatch.setattr(resnet50_svm, "engine_of", lambda *_: lambda batch: sizes.append(len(batch)) or engine(batch))
    monkeypatch.setattr(trunk, "FACES_A_STEP", 4)
    parts = resnet50_svm.features(model, images, settings=RANDOM)
    assert sizes == [4, 4, 4]
    np.testing.assert_allclose(parts, whole, rtol=1e-5, atol=1e-5)


def test_views_keep_their_places(tiny):
    model, views = tiny(), faces_of(3, 5, 16, 16)
    result = resnet50_svm.features(model, views, settings=RANDOM)
    assert result.shape == (3, 5, 6)
    for face in range(3):
        own = resnet50_svm.features(model, views[face], settings=RANDOM)
        np.testing.assert_allclose(result[face], own, rtol=1e-5, atol=1e-5)


def test_no_faces_have_no_features(tiny):
    assert resnet50_svm.features(tiny(), faces_of(0, 16, 16), settings=RANDOM).shape == (0, 6)
    assert resnet50_svm.features(tiny(), faces_of(0, 4, 16, 16), settings=RANDOM).shape == (0, 4, 6)


def test_extraction_leaves_the_moving_averages_alone(tiny):
    model = tiny()
    before = [np.array(weights) for weights in model.get_weights()]
    resnet50_svm.features(model, faces_of(20, 16, 16), settings=RANDOM)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


# --- fine-tuning ------------------------------------------------------------------------------------------------------


def bright_faces(count: int, seed: int) -> FaceDataset:
    """Draw noise; its brightness is the class."""
    labels = np.arange(count) % 3
    images = np.random.default_rng(seed).integers(0, 60, (count, 16, 16)) + 80 * labels[:, np.newaxis, np.newaxis]
    meta = pd.DataFrame({"label": labels, "split": "Training"})
    return FaceDataset(images.astype(np.uint8), meta, ("a", "b", "c"), "bright", synthetic=True)


def test_fine_tuning_changes_trunk_and_moving_averages(tiny):
    settings = change(RANDOM, epochs=2, batch_size=16, scaling="unit", learning_rate=0.01)
    parts = {"training": bright_faces(60, 0), "validation": bright_faces(30, 1)}
    model, history = training.train(tiny, settings, **parts, seed=3)
    untouched, none = training.train(tiny, change(settings, epochs=0), **parts, seed=3)
    assert (len(history), len(none)) == (2, 0)
    tuned, loaded = resnet50_svm.trunk_of(model), resnet50_svm.trunk_of(untouched)
    for name in ("kernel", "moving_mean"):
        new, old = (next(v for v in trunk.variables if v.path.endswith(name)) for trunk in (tuned, loaded))
        assert not np.array_equal(np.asarray(new), np.asarray(old)), name
