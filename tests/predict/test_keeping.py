"""Test that runs keep their networks: in the form that `fer-lib models` lists, with scores, the best one first."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from fer_lib import artifacts, comparators
from fer_lib.backend import keras
from fer_lib.datasets.face_dataset import FaceDataset
from fer_lib.datasets.fer2013 import CLASS_NAMES
from fer_lib.experiments import comparison, comparison_rows
from fer_lib.models import baseline_cnn
from fer_lib.predict import keeping, models as saved_models, shelf
from fer_lib.settings import BaselineCnnSettings, ComparatorSettings, FaceSettings

layers = keras.layers
ROWS = {
    "cnn_ad": {"convolution_filters": [4, 4], "image_size": 32, "recipe": {"batch_size": 16}},
    "pixels_svm": {},
    "class_priors": {},
}


@pytest.fixture(scope="module")
def learn():
    labels = np.arange(56) % 7
    images = np.random.default_rng(0).integers(0, 60, (56, 48, 48)) + 25 * labels[:, np.newaxis, np.newaxis]
    meta = pd.DataFrame({"label": labels, "split": "Training"})
    return FaceDataset(images.astype(np.uint8), meta, CLASS_NAMES, "fer2013")


@pytest.fixture
def run(learn, tmp_path, monkeypatch):
    monkeypatch.setenv("FER_OUTPUT", str(tmp_path))
    return started("07_comparators", learn)


def started(notebook, learn, **changes):
    run = artifacts.start(notebook)
    run.uses(
        faces=learn, settings=ComparatorSettings(**changes), weights={"origin": "ImageNet (Keras)", "sha256": None}
    )
    return run


def rows():
    settings = ComparatorSettings(fer2013_rows=ROWS, reference="pixels_svm", weights="none")
    return comparison_rows.rows_of(settings.fer2013_rows, settings, epochs=1, seed=0)


def compare(run, learn, folder):
    cropping = FaceSettings(margin=0.3)
    keep = keeping.keeper(run.model_folder, learn, seed=0, faces=cropping, provenance=run.provenance())
    return comparison.run_whole(rows(), learn, {"testing": learn.images[:9]}, checkpoints=folder, keep=keep)


def save_scores(run, **shares):
    """Write the metrics of notebook 07 with these accuracies on FER-2013."""
    scores = [
        {"system": name, "faces": 9, "categorical_accuracy": share}
        | {"categorical_accuracy_low": share - 0.1, "categorical_accuracy_high": share + 0.1}
        for name, share in shares.items()
    ]
    run.save_values({"fer2013": scores, "smiles": [], "systems": {}}, "comparators_seed0")


def test_the_networks_of_the_comparison_are_kept_and_listed_with_their_scores(run, learn, tmp_path):
    whole = compare(run, learn, tmp_path / "checkpoints")
    folder = run.model_folder("cnn_ad_seed0")
    assert [path.name for path in folder.parent.iterdir()] == ["cnn_ad_seed0"]  # the others are no networks
    model = saved_models.load(folder)
    assert (model.image_size, model.face_settings["margin"], model.class_names) == ((32, 32), 0.3, CLASS_NAMES)
    asked = comparators.base.resized(learn.images[:9], 32)
    found = model.predict(asked)[list(CLASS_NAMES)].to_numpy()
    np.testing.assert_allclose(found, whole.probabilities["cnn_ad"]["testing"], atol=1e-5)
    save_scores(run, cnn_ad=0.5, pixels_svm=0.4)
    listed = shelf.list_models()
    assert [(one.path.name, one.corpus, one.accuracy) for one in listed] == [("cnn_ad_seed0", "fer2013", 0.5)]
    assert listed[0].weights == "none"  # and not those of the run's ResNet-50


def test_a_run_with_other_settings_renews_the_origin_of_the_same_network(run, learn, tmp_path):
    compare(run, learn, tmp_path / "checkpoints")
    made = (run.model_folder("cnn_ad_seed0") / "network.keras").read_bytes()
    later = started("07_comparators", learn, draws=1)
    compare(later, learn, tmp_path / "checkpoints")
    assert (run.model_folder("cnn_ad_seed0") / "network.keras").read_bytes() == made
    save_scores(later, cnn_ad=0.5)
    assert shelf.list_models()[0].accuracy == 0.5
    assert saved_models.load(run.model_folder("cnn_ad_seed0")).provenance["settings"]["draws"] == 1
    card = run.model_folder("cnn_ad_seed0") / "model.json"
    other = json.loads(card.read_text()) | {"row": "of other parameters"}
    card.write_text(json.dumps(other))
    compare(started("07_comparators", learn, draws=2), learn, tmp_path / "checkpoints")
    assert json.loads(card.read_text()) == other


def test_a_model_that_is_gone_is_missed_aloud(run, learn, tmp_path, caplog):
    compare(run, learn, tmp_path / "checkpoints")
    (run.model_folder("cnn_ad_seed0") / "model.json").unlink()
    caplog.clear()
    compare(run, learn, tmp_path / "checkpoints")
    assert "no model of cnn_ad is kept: its answers are from an earlier run" in caplog.text
    assert caplog.text.count("no model of") == 1  # others are never kept


def test_the_default_is_the_best_network_for_unknown_people(run, learn, tmp_path):
    compare(run, learn, tmp_path / "checkpoints")
    save_scores(run, cnn_ad=0.5)
    baseline = started("05_baseline_cnn", learn)
    network = baseline_cnn.build(BaselineCnnSettings(convolution_filters=(4,), dense_units=8))
    kept = {"settings": BaselineCnnSettings(), "provenance": baseline.provenance()}
    assert saved_models.keep_network(baseline.model_folder("baseline_cnn_seed0"), network, learn, **kept)
    for share, best in ((0.6, "baseline_cnn_seed0"), (0.4, "cnn_ad_seed0")):
        row = {"metric": "categorical_accuracy", "split": "testing", "value": share, "low": 0.3, "high": 0.7, "n": 9}
        baseline.save_values({"scores": [row]}, "baseline_cnn_seed0")
        assert shelf.find_model() == run.model_folder(best)


def test_a_network_whose_answers_are_averaged_over_mirror_images_keeps_them(learn, tmp_path):
    comparator = comparators.create("resnet50_modern", image_size=8)
    keras.utils.set_random_seed(0)
    face = keras.Input((8, 8, 3))
    comparator.network_ = keras.Model(face, layers.Dense(7, activation="softmax")(layers.Flatten()(face)))
    comparator.scaling_, comparator.classes_, comparator.image_shape_ = "unit", np.arange(7), (48, 48)
    settings = BaselineCnnSettings()
    given = {"settings": settings, "provenance": {"data": {}}}
    assert saved_models.keep_network(tmp_path / "kept", comparator.whole(), learn, **given)
    asked = comparators.base.resized(learn.images[:5], 8)
    found = saved_models.load(tmp_path / "kept").predict(asked)[list(CLASS_NAMES)].to_numpy()
    np.testing.assert_allclose(found, comparator.predict_proba(learn.images[:5]), atol=1e-5)
    alone = comparator.network_.predict_on_batch(np.repeat(asked[..., np.newaxis] / 255, 3, axis=3))
    assert np.abs(found - alone).max() > 1e-3
