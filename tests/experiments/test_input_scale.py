"""Test the study of the input's scale on a tiny ResNet50-like network whose batch norm expects large pixels."""

from __future__ import annotations

from dataclasses import replace

import keras
import numpy as np
import pandas as pd
import pytest

from fer_lib.datasets.face_dataset import FaceDataset
from fer_lib.experiments import frozen_head, input_scale
from fer_lib.settings import InputScaleSettings, ResNet50MlpSettings
from fer_lib.tables import input_scale as tables

SETTINGS = ResNet50MlpSettings(weights="random_frozen")
SIZES = InputScaleSettings(divisors=(255, 1), learn_faces=40, test_faces=40, faces=20)


def faces_of(count: int, seed: int) -> FaceDataset:
    """Draw faces of two classes: the brightness is the class."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    images = (60 + 120 * labels)[:, None, None] + rng.integers(-20, 20, (count, 8, 8))
    meta = pd.DataFrame({"label": labels, "split": "Training"})
    return FaceDataset(images.astype(np.uint8), meta, ("dark", "bright"), "two kinds", True)


def network_of(offset: float) -> keras.Model:
    """Build a trunk whose first layer adds an offset, as a frozen batch norm that expects other pixels does."""
    pixels = keras.Input((8, 8, 3))
    kernel, bias = keras.initializers.Constant(0.05), keras.initializers.Constant(offset)
    x = keras.layers.Conv2D(4, 3, name="conv1_conv", kernel_initializer=kernel, bias_initializer=bias)(pixels)
    x = keras.layers.Conv2D(4, 3, name="block_out", kernel_initializer=kernel)(x)
    return keras.Model(pixels, x)


@pytest.fixture(scope="module")
def found():
    networks = {"given": network_of(100.0), "random": network_of(0.0)}
    return input_scale.measure(networks, SIZES, SETTINGS, learn=faces_of(60, 0), test=faces_of(60, 1))


def test_each_trunk_has_each_scale_with_and_without_the_mean(found):
    assert len(found) == 2 * 2 * 2
    assert not found[["trunk", "divisor", "centred"]].duplicated().any()
    assert found.drop(columns=["bfloat16_of_norm", "bfloat16_of_variation"]).notna().all(axis=None)


def test_an_offset_that_expects_large_pixels_hides_small_ones(found):
    kept = found[~found["centred"]].set_index(["trunk", "divisor"])["variation"]
    assert kept["given", 255] < 0.05 < 0.2 < kept["given", 1]
    assert kept["random", 255] == pytest.approx(kept["random", 1], rel=1e-3)  # without an offset the scale is all one
    after = found[~found["centred"]].set_index(["trunk", "divisor"])["after_batch_norm"]
    assert after["given", 255] < after["given", 1] <= 1


def test_the_probe_is_scored_and_its_sure_answers_are_a_share(found):
    assert (found["accuracy"] > 0.9).all()  # brightness can be read off linearly at any scale
    assert ((found["low"] < found["accuracy"]) & (found["accuracy"] <= found["high"])).all()
    assert found["sure"].between(0.5, 1).all()  # of two classes one is always above 0.5, but for a tie


@pytest.mark.bfloat16
def test_errors_of_bfloat16_are_larger_as_a_share_of_the_variation(found):
    both = found[["bfloat16_of_norm", "bfloat16_of_variation"]].dropna()
    assert len(both) == len(found)  # Keras computes bfloat16 on any processor
    assert (both["bfloat16_of_norm"] < both["bfloat16_of_variation"]).all()
    share = (found["bfloat16_of_norm"] / found["bfloat16_of_variation"]).to_numpy()
    np.testing.assert_allclose(share, found["variation"], rtol=0.02)


def test_the_variation_of_each_layer_is_that_of_its_whole_maps():
    network, faces = network_of(100.0), faces_of(130, 2).images
    layers = input_scale.by_layer({"given": network}, SETTINGS, faces).set_index(["layer", "divisor"])["variation"]
    assert list(layers.index.get_level_values("layer").unique()) == ["pixels", "conv1_conv", "block_out"]
    pixels = np.repeat(faces[..., None], 3, axis=-1).astype(np.float32) / 255
    assert layers["pixels", 255] == pytest.approx(input_scale.spread(pixels.reshape(130, -1))["variation"], rel=1e-6)
    maps = np.asarray(network(pixels)).reshape(130, -1)
    assert layers["block_out", 255] == pytest.approx(input_scale.spread(maps)["variation"], rel=1e-4)
    assert layers["conv1_conv", 255] < layers["pixels", 255] / 5


def test_spread_by_hand():
    features = np.array([[1.0, 3.0], [1.0, 5.0]])
    found = input_scale.spread(features)
    assert found["variation"] == pytest.approx(np.sqrt(2 / 36))  # deviations 0, 0, -1, 1; squares 1, 1, 9, 25
    assert found["variance"] == 0.5
    assert found["after_batch_norm"] == pytest.approx(np.sqrt((0 + 1 / 1.001) / 2))


def test_random_weights_are_measured_once():
    assert list(input_scale.trunks(SETTINGS, 0)) == ["random"]


def heads_of(**changes: float) -> pd.DataFrame:
    settings = replace(SETTINGS, batch_size=4, learning_rate=0.003, **changes)
    networks = {"given": network_of(100.0)}
    return frozen_head.compare(networks, SIZES, settings, learn=faces_of(60, 0), test=faces_of(60, 1))


def test_each_head_of_each_scale_is_trained_and_scored_and_the_same_seed_repeats_it():
    heads = heads_of(epochs=1)
    assert heads[["divisor", "head"]].to_records(index=False).tolist() == [
        (scale[0], head) for scale, names in frozen_head.HEADS.items() for head in names
    ]
    assert ((heads["low"] <= heads["categorical_accuracy"]) & (heads["categorical_accuracy"] <= heads["high"])).all()
    assert heads["binary_accuracy"].equals(heads["categorical_accuracy"])  # of two classes both are one
    assert tables.heads(heads).frame["head"].tolist()[:2] == ["as printed", "without its first dropout"]
    pd.testing.assert_frame_equal(heads_of(epochs=1), heads)


def test_dropout_of_features_that_hardly_vary_is_what_keeps_the_head_from_learning(monkeypatch):
    names = (frozen_head.AS_PRINTED, frozen_head.NO_DROPOUT, frozen_head.EPSILON, frozen_head.STANDARDISED)
    monkeypatch.setattr(frozen_head, "HEADS", {(255.0, False): names})
    learnt = heads_of(epochs=30).set_index("head")["training"]
    assert learnt[[frozen_head.AS_PRINTED, frozen_head.EPSILON]].max() < 0.7
    assert learnt[[frozen_head.NO_DROPOUT, frozen_head.STANDARDISED]].min() > 0.8
