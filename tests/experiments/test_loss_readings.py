"""Test the readings of the test faces on a small network without a frozen part, and on one with a trunk."""

from __future__ import annotations

import keras
import numpy as np
import pandas as pd
import pytest

from fer_lib import training
from fer_lib.datasets.face_dataset import FaceDataset
from fer_lib.experiments import loss_readings
from fer_lib.settings import ResNet50MlpSettings, change
from fer_lib.tables import chen2023 as tables

SETTINGS = ResNet50MlpSettings(weights="random_frozen", batch_size=16)


def faces_of(count: int, seed: int, split: str = "PrivateTest") -> FaceDataset:
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (count, 48, 48)).astype(np.uint8)
    meta = pd.DataFrame({"label": rng.integers(0, 3, count), "split": split})
    return FaceDataset(images, meta, ("angry", "happy", "sad"), "noise", True)


@pytest.fixture(scope="module", params=["frozen", "whole"])
def model(request):
    pixels = keras.Input((48, 48, 3))
    x = keras.layers.Conv2D(4, 8, strides=8, name="trunk", trainable=request.param == "whole")(pixels)
    x = keras.layers.GlobalAveragePooling2D()(x)
    x = keras.layers.BatchNormalization(name="head_bn")(x)
    x = keras.layers.Dropout(0.5)(x)
    return keras.Model(pixels, keras.layers.Dense(3, activation="softmax")(x))


def test_every_reading_scores_both_parts_and_the_official_parts_only_in_testing(model):
    parts = {"validation": faces_of(40, 0), "test": faces_of(24, 1), "other": faces_of(20, 2)}
    found = loss_readings.score_all(model, SETTINGS, **parts)
    splits = found.groupby("reading", sort=False)["split"].unique().map(list)
    assert splits.pop(loss_readings.OTHER_PART) == splits.pop(loss_readings.BOTH_PARTS) == ["testing"]
    assert len(splits) == 5
    assert all(each == ["validation", "testing"] for each in splits)
    sizes = found[found["metric"] == "loss"].set_index(["reading", "split"])["n"]
    assert sizes[loss_readings.BOTH_PARTS, "testing"] == 44
    own = training.predict(model, parts["test"], settings=SETTINGS)
    loss = -np.log(own[np.arange(24), parts["test"].labels]).mean()
    both = found.set_index(["reading", "split", "metric"])["value"]
    assert both[loss_readings.AS_TRAINED, "testing", "loss"] == pytest.approx(loss, rel=1e-5)
    raw = both["raw pixels, 0-255", "testing", "loss"]
    assert raw != pytest.approx(loss, rel=1e-3)
    frame = tables.readings(found, title="t").frame.set_index("reading")
    assert frame.loc[loss_readings.OTHER_PART, "validation loss (nats)"] == "–"
    difference = raw - both[loss_readings.AS_TRAINED, "validation", "loss"]
    assert frame.loc["raw pixels, 0-255", "its test loss minus the validation loss as trained"] == f"{difference:+.4f}"


def test_the_best_epoch_is_a_reading_where_its_weights_are_kept(model, tmp_path):
    settings = change(SETTINGS, epochs=3, learning_rate=0.3)
    parts = {"validation": faces_of(40, 0), "test": faces_of(24, 1)}
    trained, history = training.train(
        lambda: keras.models.clone_model(model),
        settings,
        training=faces_of(48, 4, "Training"),
        validation=parts["validation"],
        checkpoints=tmp_path,
        keep_best=True,
    )
    assert history["val_loss"].argmin() < 2  # a rate so high that the last epoch is not the best
    last = trained.get_weights()
    found = loss_readings.score_all(trained, settings, **parts, checkpoints=tmp_path)
    best = found.set_index(["reading", "split", "metric"])["value"]
    assert best[loss_readings.BEST_EPOCH, "validation", "loss"] == pytest.approx(history["val_loss"].min(), rel=1e-4)
    assert best[loss_readings.AS_TRAINED, "validation", "loss"] > history["val_loss"].min()
    assert all(map(np.array_equal, last, trained.get_weights()))
    without = loss_readings.score_all(trained, settings, **parts, checkpoints=tmp_path / "none")
    assert loss_readings.BEST_EPOCH not in set(without["reading"])


def test_batch_statistics_use_no_dropout_and_leave_the_model_as_it_was(model):
    faces = faces_of(SETTINGS.batch_size, 3)
    before = model.get_weights()
    first, second = (loss_readings.with_batch_statistics(model, faces, SETTINGS, seed=seed) for seed in (0, 1))
    np.testing.assert_allclose(first, second, atol=1e-5)  # one batch: the order of its faces changes nothing
    assert all(np.array_equal(old, new) for old, new in zip(before, model.get_weights(), strict=True))
    assert [layer.rate for layer in model.layers if isinstance(layer, keras.layers.Dropout)] == [0.5]
    assert np.abs(first - training.predict(model, faces, settings=SETTINGS)).max() > 1e-3


def test_the_other_part_is_there_only_where_the_corpus_tells_them_apart():
    both = pd.concat([faces_of(3, 0).meta, faces_of(2, 0, "PublicTest").meta], ignore_index=True)
    images = np.zeros((5, 48, 48), np.uint8)
    faces = FaceDataset(images, both, ("angry", "happy", "sad"), "noise", True)
    assert len(loss_readings.other_part(faces, "PrivateTest")) == 2
    assert len(loss_readings.other_part(faces, "PublicTest")) == 3
    assert loss_readings.other_part(faces_of(3, 0, "Test"), "PrivateTest") is None
