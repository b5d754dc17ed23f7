"""Test that a network with its initial state trains as a new one does."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd

from fer_lib import training
from fer_lib.backend import keras
from fer_lib.datasets.face_dataset import FaceDataset
from fer_lib.models.initial_state import BuiltOnce, InitialState
from fer_lib.settings import BaselineCnnSettings

SETTINGS = BaselineCnnSettings(batch_size=4, epochs=2)


def network(units: int = 3) -> keras.Model:
    face = keras.Input((6, 6, 3))
    x = keras.layers.Conv2D(units, 3, use_bias=False)(face)
    x = keras.layers.Dropout(0.5)(keras.layers.BatchNormalization()(x))
    x = keras.layers.Dense(2, activation="softmax")(keras.layers.Flatten()(x))
    return training.compile_model(keras.Model(face, x), SETTINGS)


def faces() -> FaceDataset:
    images = np.random.default_rng(0).integers(0, 256, (12, 6, 6), dtype=np.uint8)
    meta = pd.DataFrame({"label": np.arange(12) % 2, "split": "Training"})
    return FaceDataset(images, meta, ("0", "1"), "test")


def trained(build) -> tuple[list[np.ndarray], pd.DataFrame]:
    model, history = training.train(build, SETTINGS, training=faces(), validation=faces(), seed=3)
    return [np.asarray(value) for value in (*model.variables, *model.optimizer.variables)], history


def test_every_further_training_gives_the_numbers_of_a_new_network():
    once, calls = BuiltOnce(), []

    def build() -> keras.Model:
        calls.append(1)
        return network()

    expected, expected_history = trained(network)
    for _ in range(3):
        found, history = trained(partial(once, "key", build))
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_array_equal(one, other)
        pd.testing.assert_frame_equal(history.drop(columns="seconds"), expected_history.drop(columns="seconds"))
    assert len(calls) == 1


def test_another_key_builds_another_network():
    once = BuiltOnce()
    first = once(1, network)
    assert once(1, network) is first
    assert once(2, partial(network, 5)) is not first


def test_the_optimiser_and_the_averages_start_again():
    model = network()
    state = InitialState(model)
    before = [np.array(value) for value in (*model.variables, *model.optimizer.variables)]
    model.fit(np.ones((8, 6, 6, 3)), np.eye(2)[[0, 1] * 4], verbose=0)
    assert any((np.array(now) != then).any() for now, then in zip(model.optimizer.variables, before[-9:], strict=False))
    assert state.restore() is model
    for now, then in zip((*model.variables, *model.optimizer.variables), before, strict=True):
        np.testing.assert_array_equal(np.array(now), then)
