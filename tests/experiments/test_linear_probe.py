"""Test the linear classifier on frozen features."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from fer_lib.backend import keras
from fer_lib.datasets.face_dataset import FaceDataset
from fer_lib.experiments import linear_probe
from fer_lib.settings import ResNet50MlpSettings

CLASSES = ("dark", "light")
SETTINGS = ResNet50MlpSettings(weights="random_frozen")


def faces_of(count: int, seed: int) -> FaceDataset:
    """Noise faces whose mean tells the class, which a mean over pixels shows best."""
    rng, labels = np.random.default_rng(seed), np.arange(count) % 2
    means = np.array([110, 150])[labels]
    images = np.clip(rng.normal(means[:, None, None], 60, (count, 8, 8)), 0, 255).astype(np.uint8)
    return FaceDataset(images, pd.DataFrame({"label": labels, "split": "Training"}), CLASSES, "noise", synthetic=True)


def trunk_of(weight: float) -> keras.Model:
    face = keras.Input((8, 8, 3))
    constant = keras.initializers.Constant(weight)
    return keras.Model(face, keras.layers.Conv2D(4, 1, kernel_initializer=constant)(face))


@pytest.fixture(scope="module")
def found():
    learn, test = faces_of(60, 0), faces_of(90, 1)
    trunks = {"pretrained": trunk_of(1.0), "random": trunk_of(0.0)}
    return linear_probe.answers(trunks, learn=learn, test=test, settings=SETTINGS), test


def test_each_trunk_answers_with_each_scaling_and_the_pixels_once(found):
    answers, test = found
    assert set(answers) == {
        ("pixels", "unit"), ("pretrained", "trunk"), ("pretrained", "unit"), ("random", "trunk"), ("random", "unit")
    }  # fmt: skip
    for probabilities in answers.values():
        assert probabilities.shape == (len(test), 2)
        np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)


def test_features_that_tell_the_classes_score_best(found):
    answers, test = found
    scores = linear_probe.scores(answers, test).set_index(["features", "scaling"])
    best = scores.loc[("pretrained", "unit")]
    assert best["accuracy"] > 0.8
    assert best["low"] < best["accuracy"] <= best["high"]
    assert scores.loc[("random", "unit"), "accuracy"] == pytest.approx(1 / 2)
    assert scores.loc[("pixels", "unit"), "accuracy"] <= best["accuracy"]


def test_gains_are_paired_with_the_same_scaling(found):
    answers, test = found
    over_random = linear_probe.gains(answers, test, over="random").set_index(["features", "scaling"])
    assert list(over_random.index) == [("pretrained", "trunk"), ("pretrained", "unit")]
    assert (over_random["low"] > 0).all()
    right = answers["pretrained", "trunk"].argmax(axis=1) == test.labels
    expected = right.mean() - (answers["random", "trunk"].argmax(axis=1) == test.labels).mean()
    assert over_random.loc[("pretrained", "trunk"), "difference"] == pytest.approx(expected)
    over_pixels = linear_probe.gains(answers, test, over="pixels")
    assert set(over_pixels["features"]) == {"pretrained", "random"}


def test_a_class_without_faces_to_learn_from_has_no_probability():
    rng = np.random.default_rng(0)
    features, labels = rng.normal(size=(20, 3)), np.array([0, 2] * 10)
    probabilities = linear_probe.regression(features, labels, features[:5], classes=4)
    assert probabilities.shape == (5, 4)
    assert (probabilities[:, [1, 3]] == 0).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
