"""Test that public CNNs are trained as the traditional CNN is, resumed, and shown in equal standing."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from fer_lib import published, training
from fer_lib.datasets.face_dataset import FaceDataset
from fer_lib.evaluation import metrics
from fer_lib.experiments import public_cnns
from fer_lib.models import public_cnns as networks
from fer_lib.settings import BaselineCnnSettings, PublicCnnSettings
from fer_lib.tables import public_cnns as tables

CLASSES = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")


@pytest.fixture(scope="module")
def parts():
    labels = np.tile(np.arange(7), 4)
    images = np.random.default_rng(0).integers(0, 256, (28, 48, 48)).astype(np.uint8)
    faces = FaceDataset(images, pd.DataFrame({"label": labels, "split": "Training"}), CLASSES, "toy")
    return dict.fromkeys(("training", "validation", "testing"), faces)


@pytest.fixture(scope="module")
def trained(parts, tmp_path_factory):
    folder = tmp_path_factory.mktemp("public")
    chosen = PublicCnnSettings(names=("mini_xception",), epochs=2)
    settings = BaselineCnnSettings(batch_size=14, epochs=9)
    return folder, chosen, settings, public_cnns.run(chosen, settings, parts, seed=1, checkpoints=folder)


def test_it_is_trained_by_the_settings_of_the_traditional_cnn_and_found_again(trained, parts, monkeypatch):
    folder, chosen, settings, found = trained
    mine = found["mini_xception"]
    assert len(mine.history) == 2
    assert mine.parameters == networks.build("mini_xception").count_params()
    assert mine.answers["testing"].shape == (28, 7)
    expected = metrics.score(mine.answers["testing"], parts["testing"].labels, CLASSES)
    pd.testing.assert_frame_equal(mine.scores["testing"], expected)
    assert list(mine.scores) == ["training", "validation", "testing"]
    seen = []
    real = training.train
    monkeypatch.setattr(training, "train", lambda build, own, **rest: seen.append(own) or real(build, own, **rest))
    monkeypatch.setattr(training.FaceBatches, "_augmented", lambda *_: pytest.fail("it was trained again"))
    again = public_cnns.run(chosen, settings, parts, seed=1, checkpoints=folder)["mini_xception"]
    np.testing.assert_allclose(again.answers["testing"], mine.answers["testing"], atol=1e-6)
    assert (seen[0].batch_size, seen[0].epochs, seen[0].rotation_range) == (14, 2, 0.0)


def test_more_epochs_continue_a_finished_training_and_fewer_leave_it(trained, parts, tmp_path, monkeypatch):
    kept, chosen, settings, found = trained
    folder = shutil.copytree(kept, tmp_path / "kept")
    began = []
    real = training.FaceBatches.__init__
    monkeypatch.setattr(
        training.FaceBatches,
        "__init__",
        lambda batches, *given, **rest: began.append(rest.get("augment_with")) or real(batches, *given, **rest),
    )
    longer = public_cnns.run(replace(chosen, epochs=3), settings, parts, seed=1, checkpoints=folder)["mini_xception"]
    assert [each for each in began if each] == [(1, 2)]  # the third epoch alone, counted from 0
    pd.testing.assert_frame_equal(longer.history.iloc[:2], found["mini_xception"].history)
    shorter = public_cnns.run(replace(chosen, epochs=1), settings, parts, seed=1, checkpoints=folder)["mini_xception"]
    assert len(shorter.history) == 1
    again = public_cnns.run(replace(chosen, epochs=3), settings, parts, seed=1, checkpoints=folder)["mini_xception"]
    pd.testing.assert_frame_equal(again.history, longer.history)


def test_without_any_the_history_is_empty(trained, parts, tmp_path):
    nothing = public_cnns.run(PublicCnnSettings(names=()), BaselineCnnSettings(), parts, seed=0, checkpoints=tmp_path)
    assert nothing == {}
    assert public_cnns.histories(nothing).empty
    history = public_cnns.histories(trained[3])
    assert list(history.columns[:2]) == ["model", "epoch"]
    assert len(history) == 2


def test_the_table_shows_all_in_equal_standing(trained):
    def scores(value):
        rows = [(metric, value[metric], value[metric] - 0.01, value[metric] + 0.01) for metric in value]
        return pd.DataFrame(rows, columns=["metric", "value", "low", "high"])

    printed = published.load("chen2023")
    printed = printed[printed["model"] == "baseline_cnn"].set_index(["split", "metric"])["value"].astype(float)
    exact = {
        part: scores({"loss": printed[part, "loss"], "categorical_accuracy": printed[part, "accuracy"]})
        for part in tables.PARTS
    }
    measured = {"baseline_cnn": exact, "mini_xception": trained[3]["mini_xception"].scores}
    counts = {"baseline_cnn": {"parameters": 5, "epochs": 9}, "mini_xception": {"parameters": 58_567, "epochs": 2}}
    table = tables.compared(measured, counts, synthetic=True)
    frame = table.frame.set_index("Traditional CNN")
    assert list(frame.index) == ["as printed", "Traditional CNN, chosen here", "mini-Xception (Arriaga et al.)"]
    assert frame.loc["as printed", ["training accuracy", "testing loss"]].tolist() == ["0.9613", "1.98"]
    assert frame["printed values in its intervals"].iloc[1] == "4 of 4"
    assert frame[["parameters", "epochs"]].iloc[2].tolist() == ["58,567", "2"]
    assert any("github.com/oarriaga" in note for note in table.notes)
    assert not any("atulapra" in note for note in table.notes)
