"""Test the gradient norms of chen2023's model on a few random faces."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from fer_lib import training
from fer_lib.datasets.face_dataset import FaceDataset
from fer_lib.experiments import gradients
from fer_lib.models import resnet50_mlp
from fer_lib.settings import ResNet50MlpSettings

SETTINGS = ResNet50MlpSettings(weights="random_frozen", batch_size=8, dropout_rate=0.0)


@pytest.fixture(scope="module")
def faces():
    rng = np.random.default_rng(0)
    meta = pd.DataFrame({"label": np.arange(16) % 7, "split": "Training"})
    return FaceDataset(rng.integers(0, 256, (16, 48, 48), dtype=np.uint8), meta, tuple("abcdefg"), "noise")


@pytest.fixture(scope="module")
def model():
    training.set_seed(0)
    return resnet50_mlp.build(SETTINGS)


def state(model):
    trainable = [layer.trainable for layer in model.get_layer("resnet50").layers]
    return [array.copy() for array in model.get_weights()], trainable


@pytest.fixture(scope="module")
def before(model):
    return state(model)


@pytest.fixture(scope="module")
def norms(model, faces, before):
    build = partial(resnet50_mlp.build, SETTINGS)
    return gradients.before_and_after(build, model, SETTINGS, faces)


def test_every_convolution_has_a_norm_before_and_after(norms, model):
    trunk = model.get_layer("resnet50")
    names = [layer.name for layer in trunk.layers if layer.name.endswith("_conv")]
    for _, own in norms.groupby("when"):
        assert list(own["layer"]) == names
        assert (own[["gradient", "weights", "relative"]] > 0).all(axis=None)
    # the "trained" model is the untrained one here, and the seed gives both the same faces
    first, second = (own.drop(columns="when").reset_index(drop=True) for _, own in norms.groupby("when"))
    pd.testing.assert_frame_equal(first, second, rtol=1e-4)


def test_the_norm_is_that_of_tensorflows_own_gradient(norms, model, faces):
    copy = resnet50_mlp.build(SETTINGS)
    copy.set_weights(model.get_weights())
    kernel = copy.get_layer("resnet50").get_layer("conv5_block3_3_conv").kernel
    batches = training.FaceBatches(faces, SETTINGS, augment_with=(0, 0))
    total = []
    for number in range(len(batches)):
        inputs, targets = batches[number]
        with tf.GradientTape() as tape:
            tape.watch(kernel.value)
            loss = tf.reduce_mean(tf.keras.losses.categorical_crossentropy(targets, copy(inputs, training=True)))
        total.append(float(tf.norm(tape.gradient(loss, kernel.value))))
    own = norms[(norms["layer"] == "conv5_block3_3_conv") & (norms["when"] == gradients.WHEN[0])]
    assert own["gradient"].item() == pytest.approx(np.mean(total), rel=1e-3)


def test_the_model_stays_as_it_is(norms, model, before):
    weights, trainable = state(model)
    assert all(map(np.array_equal, before[0], weights))
    assert before[1] == trainable


def test_the_summary_tells_the_ends_and_the_smallest():
    norms = pd.DataFrame({"when": ["before training"] * 3, "relative": [0.5, 0.1, 1.0]})
    row = gradients.summary(norms).iloc[0]
    assert (row["first"], row["last"], row["smallest"], row["median"]) == (0.5, 1.0, 0.1, 0.5)
    assert row["first / last"] == 0.5
