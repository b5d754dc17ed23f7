"""Test the SVM of liu2023's own features: what it learns from, and on which faces its equations are checked."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from fer_lib import training
from fer_lib.datasets import splits
from fer_lib.datasets.face_dataset import FaceDataset
from fer_lib.experiments import fine_tuning
from fer_lib.models import resnet50_svm
from fer_lib.settings import DataSettings, ResNet50SvmSettings, change
from fer_lib.svm import classifiers, equations

SETTINGS = ResNet50SvmSettings(c_grid=[1.0], gamma_grid=[1.0], search_folds=2)


def test_the_svm_learns_every_view_and_the_equations_are_checked_on_the_faces_alone():
    rng = np.random.default_rng(0)
    labels = np.arange(24) % 3
    faces = rng.normal(size=(24, 4)) + 2 * np.eye(3, 4)[labels]
    views = np.stack([faces, faces + 0.1], axis=1)
    examples = classifiers.Examples(faces, labels, np.arange(24), views)
    fitted, checks = fine_tuning.ckplus_svm(examples, settings=SETTINGS, seed=0)
    alone = classifiers.Examples(faces, labels, np.arange(24))
    small = classifiers.fit("resnet50_svm_rbf", alone, settings=SETTINGS, seed=0)
    assert (fitted.pipeline[0].n_samples_seen_, small.pipeline[0].n_samples_seen_) == (48, 24)
    pd.testing.assert_frame_equal(checks, equations.check_fitted(small, alone))


def test_the_control_is_fine_tuned_from_the_same_start_for_its_own_epochs_at_its_own_rate(tmp_path, monkeypatch):
    asked = []

    def fine_tune(settings, **start):
        asked.append((settings, start))
        return "network", pd.DataFrame()

    monkeypatch.setattr(fine_tuning, "fine_tune", fine_tune)
    start = {"learn": "faces", "validate": "others", "seed": 3}
    settings = change(SETTINGS, control_epochs=2, control_learning_rate=0.5)
    assert fine_tuning.control(settings, **start, checkpoints=tmp_path / "kept") == "network"
    told, given = asked.pop()
    assert told == change(settings, epochs=2, learning_rate=0.5)
    assert given == start | {"checkpoints": tmp_path / "kept-control-0.5"}
    for without in ({"control_epochs": 0}, {"epochs": 0}, {"fine_tune_on": "nothing"}):
        assert fine_tuning.control(change(settings, **without), **start, checkpoints=tmp_path) is None
    assert asked == []


@pytest.fixture
def corpus() -> FaceDataset:
    """Ninety faces of three classes in FER-2013's parts; the brightness tells the class, mostly."""
    rng = np.random.default_rng(0)
    labels = np.arange(90) % 3
    images = (60 * labels[:, np.newaxis, np.newaxis] + rng.integers(0, 90, (90, 4, 4))).astype(np.uint8)
    part = np.repeat(["Training", "PublicTest", "PrivateTest"], [60, 15, 15])
    return FaceDataset(images, pd.DataFrame({"label": labels, "split": part}), ("angry", "happy", "sad"), "fer2013")


@pytest.fixture
def network(monkeypatch):
    """A network whose features are the pixels, and whose SoftMax answers by the mean of a face."""

    def softmax(model, faces, *, settings):
        means = faces.images.mean(axis=(1, 2))[:, np.newaxis] - [45, 105, 165]
        shares = np.exp(-np.abs(means) / 20)
        return shares / shares.sum(axis=1, keepdims=True)

    monkeypatch.setattr(resnet50_svm, "features", lambda model, images, *, settings: images.reshape(len(images), -1))
    monkeypatch.setattr(training, "predict", softmax)


def test_all_answers_about_fer2013_are_kept_by_part(corpus, network, tmp_path, monkeypatch):
    data, given = DataSettings(source="folder"), {"settings": SETTINGS, "seed": 4, "checkpoints": tmp_path}
    learn, test = corpus.part("Training"), corpus.part(data.test_split)
    fitted, answers = fine_tuning.fer2013_answers(None, learn, test, **given)
    frame = fine_tuning.fer2013_predictions(None, fitted, answers, corpus, data=data, **given)
    assert frame["part"].value_counts().to_dict() == {"training": 48, "validation": 12, "testing": 15}
    rows = dict(list(frame.groupby("part")))
    assert rows["testing"]["label"].tolist() == test.labels.tolist()
    train, validation, _ = splits.three_parts(corpus, data, 4)
    for part, faces in (("training", train), ("validation", validation)):
        np.testing.assert_array_equal(learn.images[rows[part]["face"]], faces.images)
        assert rows[part]["label"].tolist() == faces.labels.tolist()
    for name, values in answers.items():
        scores = rows["testing"][[f"{name}_{word}" for word in corpus.class_names]]
        np.testing.assert_allclose(scores, values)
        assert rows["testing"][name].tolist() == values.argmax(axis=1).tolist()
    seen = classifiers.decision(fitted, learn.images.reshape(60, -1))
    kept = frame[frame["part"] != "testing"]
    assert kept["resnet50_svm_rbf"].tolist() == seen.argmax(axis=1).tolist()
    accuracies = fine_tuning.learnt_accuracy(frame, ["resnet50_softmax", "resnet50_svm_rbf"])
    softmax = training.predict(None, train, settings=SETTINGS).argmax(axis=1)
    expected = [(softmax == train.labels).mean(), (seen.argmax(axis=1) == learn.labels).mean()]
    np.testing.assert_allclose(accuracies, expected)
    monkeypatch.setattr(training, "predict", None)  # a second call reads what the first has saved
    again = fine_tuning.fer2013_predictions(None, fitted, answers, corpus, data=data, **given)
    pd.testing.assert_frame_equal(again, frame)
