"""Test the training of the project's own network on a few generated faces: views, rates, resuming, export, scores."""

import json
import math
import shutil
import subprocess
import sys
from dataclasses import replace

import h5py
import numpy as np
import pandas as pd
import pytest

from fer_lib.backend import keras
from fer_lib.datasets import corpus
from fer_lib.errors import FerError
from fer_lib.evaluation import metrics, smiles
from fer_lib.experiments import own_network, own_network_scores
from fer_lib.experiments.own_network_scores import PARTS
from fer_lib.models import compact, own_network as networks
from fer_lib.settings import PROJECT, DataSettings, OwnNetworkSettings, change

TINY = OwnNetworkSettings(width=2, epochs=3, batch_size=32, warmup_epochs=1, precision="float32", views="mirrored")
STILL = change(TINY, smallest_area=1.0, largest_area=1.0, shift=0.0, rotation=0.0, erased_area=0.0, crop=48)


@pytest.fixture(scope="module")
def faces():
    return corpus.load_fer2013(DataSettings(source="generated", generated_faces=350), "")


@pytest.mark.parametrize("kind", ["resnet", "vgg"])
def test_the_network_gives_logits_for_each_class(kind):
    network = networks.build(change(TINY, network=kind))
    assert network.input_shape == (None, 40, 40, 1)
    assert network.output_shape == (None, 7)
    pixels = np.random.default_rng(0).random((2, 40, 40, 1), np.float32)
    assert not network.predict_on_batch(pixels).any()  # the last layer starts from zeros


def test_the_default_network_fits_into_the_package():
    count = networks.build(OwnNetworkSettings(precision="float32")).count_params()
    assert 2 * count < 6e6  # in float16, and half of that in int8


def test_a_view_that_nothing_changes_is_the_face_or_its_mirror_image(faces):
    face = faces.images[0]
    seen = {False: 0, True: 0}
    for number in range(20):
        view = own_network.random_view(face, np.random.default_rng(number), change(STILL, likelihood=0.0))
        mirrored = bool(np.allclose(view, face[:, ::-1] / 255, atol=1e-5))
        assert mirrored or np.allclose(view, face / 255, atol=1e-5)
        seen[mirrored] += 1
    assert min(seen.values()) > 3


def test_a_crop_is_a_part_of_the_face(faces):
    face = faces.images[1]
    view = own_network.random_view(face, np.random.default_rng(3), change(STILL, crop=40, likelihood=0.0))
    whole = np.stack([face, face[:, ::-1]]).astype(np.float32) / 255
    distances = [np.abs(one[y : y + 40, x : x + 40] - view).max() for one in whole for y in range(9) for x in range(9)]
    assert min(distances) < 0.3  # bilinear between the pixels of the nearest part
    assert view.shape == (40, 40)


def test_views_shift_turn_and_erase(faces):
    face = np.full((48, 48), 200, np.uint8)
    face[24, 24] = 0
    settings = change(TINY, likelihood=1.0, erased_area=0.33)
    views = [own_network.random_view(face, np.random.default_rng(number), settings) for number in range(30)]
    erased = [float((view == 0).mean()) for view in views]
    assert 0.01 < np.mean(erased) < 0.33
    assert max(erased) <= 0.36
    assert len({view.tobytes() for view in views}) == 30


def test_batches_do_not_depend_on_their_order(faces):
    batches = own_network.FaceViews(faces, TINY, seed=0, epoch=2)
    pixels, targets = batches[1]
    batches[0]
    again = own_network.FaceViews(faces, TINY, seed=0, epoch=2)[1]
    assert np.array_equal(pixels, again[0])
    assert np.array_equal(targets, again[1])
    assert not np.array_equal(pixels, own_network.FaceViews(faces, TINY, seed=0, epoch=3)[1][0])
    assert len(batches) == len(faces) // 32


def table(*accuracies):
    return pd.DataFrame({"val_accuracy": accuracies})


def test_rates_rise_and_fall_along_a_cosine():
    settings = change(TINY, epochs=12, warmup_epochs=2, learning_rate=0.3)
    rates = [own_network.rate(settings, table(*[0.5] * epoch)) for epoch in range(12)]
    assert rates[:3] == pytest.approx([0.1, 0.2, 0.3])
    assert rates[7] == pytest.approx(0.15)
    assert rates[11] == pytest.approx(0.3 * (1 + math.cos(0.9 * math.pi)) / 2)
    assert rates[2:] == sorted(rates[2:], reverse=True)


def test_a_plateau_lowers_the_rate():
    settings = change(TINY, schedule="plateau", warmup_epochs=0, learning_rate=0.1)
    assert own_network.rate(settings, table()) == 0.1
    assert own_network.rate(settings, table(0.5, 0.4, 0.4, 0.4, 0.4, 0.5)) == 0.1
    assert own_network.rate(settings, table(0.5, *[0.4] * 6)) == pytest.approx(0.075)
    assert own_network.rate(settings, table(0.5, *[0.4] * 6, 0.6, *[0.5] * 6)) == pytest.approx(0.1 * 0.75**2)


@pytest.fixture(scope="module")
def trained(faces, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    parts = {"learnt": faces.part("Training"), "chosen_on": faces.part("PublicTest")}
    network, history = own_network.train(TINY, **parts, checkpoints=folder)
    return parts, network, history, folder


def test_a_training_that_was_stopped_ends_with_the_same_numbers(trained, tmp_path, monkeypatch):
    parts, network, history, _ = trained
    epochs = iter(range(3))

    def one_epoch(*given, **named):
        if next(epochs) == 1:
            raise KeyboardInterrupt
        return real(*given, **named)

    real = own_network._one_epoch
    monkeypatch.setattr(own_network, "_one_epoch", one_epoch)
    with pytest.raises(KeyboardInterrupt):
        own_network.train(TINY, **parts, checkpoints=tmp_path)
    monkeypatch.setattr(own_network, "_one_epoch", real)
    resumed, rows = own_network.train(TINY, **parts, checkpoints=tmp_path)
    pd.testing.assert_frame_equal(rows.drop(columns="seconds"), history.drop(columns="seconds"), check_exact=True)
    for ours, theirs in zip(resumed.get_weights(), network.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_the_best_epoch_on_public_test_is_kept(trained):
    parts, network, history, _ = trained
    found = own_network.answers(network, parts["chosen_on"].images, TINY)
    assert own_network.accuracy(found, parts["chosen_on"].labels) == history["val_accuracy"].max()
    assert list(history["epoch"]) == [1, 2, 3]
    assert history["loss"].iloc[-1] < history["loss"].iloc[0]


def test_a_damaged_best_epoch_is_one_sentence_and_changes_nothing(trained, tmp_path):
    parts, network, _, folder = trained
    before = network.get_weights()
    for name, content in (("cut", (folder / own_network.BEST).read_bytes()[:-9000]), ("text", b"<html>")):
        (tmp_path / name).mkdir()
        path = tmp_path / name / own_network.BEST
        path.write_bytes(content)
        with pytest.raises(
            FerError, match=f"{own_network.BEST} in .*{name} cannot be read .*; remove that folder"
        ) as raised:
            own_network._load(network, path)
        assert "\n" not in str(raised.value)
        assert all(map(np.array_equal, before, network.get_weights()))
    shutil.copytree(folder, tmp_path / "again")
    with h5py.File(tmp_path / "again" / own_network.BEST, "r+") as file:
        file["outside"] = h5py.ExternalLink("other.h5", "/x")
    with pytest.raises(FerError, match="points to data elsewhere"):
        own_network.train(TINY, **parts, checkpoints=tmp_path / "again")


def test_faces_smaller_than_the_crop_are_one_sentence(faces, tmp_path):
    with pytest.raises(FerError, match="set crop to 48"):
        own_network.train(change(TINY, crop=64), learnt=faces, chosen_on=faces, checkpoints=tmp_path)


def test_the_temperature_calibrates():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(4000, 7)) * 2
    powers = np.exp(logits)
    labels = np.array([rng.choice(7, p=row / row.sum()) for row in powers])
    assert own_network_scores.temperature(logits * 3, labels) == pytest.approx(3, rel=0.06)
    found = compact.softmax(logits * 3 / own_network_scores.temperature(logits * 3, labels))
    assert metrics.calibration_error(metrics.reliability(found, labels)) < 0.03


def test_the_export_is_scored_on_private_test(trained, faces, tmp_path):
    _, network, _, _ = trained
    made = {"seed": 0, "data": {"fer2013": {"synthetic": True}}}
    done = own_network_scores.export(
        tmp_path / "own_network", network, TINY, faces, face_settings={"size": 48}, provenance=made
    )
    model = compact.read(done.folder)
    private = faces.part("PrivateTest")
    right = (model.probabilities(private.images).argmax(axis=1) == private.labels).mean()
    rows = done.table.set_index(["part", "metric"])["value"]
    assert rows["PrivateTest", "categorical_accuracy"] == pytest.approx(right)
    assert model.scores[0]["value"] == pytest.approx(right)
    assert [score["measured_on"] for score in model.scores] == [f"FER-2013, {part}" for part in PARTS[:2]]
    assert model.size == max(done.sizes, key=done.sizes.get)
    assert list(done.sizes) == [40, 48]
    assert (model.temperature, model.storage) == (done.temperature, done.storage)
    assert done.losses[done.storage] <= own_network_scores.LARGEST_LOSS
    assert done.megabytes < 6
    assert done.calibrated == model.calibrated == (done.calibration <= 0.03)
    assert model.calibration_error == pytest.approx(done.calibration)
    answered = model.probabilities(private.images).argmax(axis=1)
    for label, row in enumerate(model.recall):
        own = private.labels == label
        assert (row["class"], row["n"]) == (faces.class_names[label], own.sum())
        assert row["value"] == pytest.approx((answered[own] == label).mean())
        assert [row["low"], row["high"]] == pytest.approx(metrics.wilson((answered[own] == label).sum(), own.sum()))
    assert len(model.recall) == 7


def test_a_release_without_told_test_parts_chooses_nothing(trained, faces, tmp_path):
    _, network, _, _ = trained
    undivided = replace(
        faces, meta=faces.meta.assign(split=faces.meta["split"].str.replace("P.*Test", "Test", regex=True))
    )
    with pytest.raises(FerError, match="has no part PrivateTest; give one whose test parts are told apart"):
        own_network_scores.export(tmp_path, network, TINY, undivided, face_settings={}, provenance={})
    assert not list(tmp_path.iterdir())


def test_the_views_that_do_best_on_public_test_are_kept(trained, faces, tmp_path, monkeypatch):
    _, network, _, _ = trained
    public = faces.part("PublicTest")
    perfect = np.eye(7, dtype=np.float32)[public.labels]

    def answers(_, images, settings):
        return perfect if settings.crop == best else np.roll(perfect, 1, axis=1)

    monkeypatch.setattr(own_network_scores, "answers", answers)
    monkeypatch.setattr(own_network_scores, "LARGEST_LOSS", 1.0)
    for best in (40, 48):
        done = own_network_scores.export(tmp_path, network, TINY, faces, face_settings={}, provenance={})
        assert done.sizes == {40: float(best == 40), 48: float(best == 48)}
        assert compact.read(tmp_path).size == best


def test_faces_that_are_in_training_choose_nothing(faces):
    training, public = faces.part("Training"), faces.part("PublicTest")
    images = faces.images.copy()
    images[np.flatnonzero(faces.meta["split"] == "PublicTest")[:3]] = training.images[0]
    chosen_on, private = own_network_scores.divided(replace(faces, images=images))
    assert len(chosen_on) == len(public) - 3
    assert len(private) == len(faces.part("PrivateTest"))


def test_copies_of_training_faces_are_left_out_of_the_other_parts(faces):
    training, private = faces.part("Training"), faces.part("PrivateTest")
    images = faces.images.copy()
    places = np.flatnonzero(faces.meta["split"] == "PrivateTest")
    images[places[:3]] = training.images[0]
    images[places[3]] = training.images[1][:, ::-1]
    images[places[4]] = np.roll(training.images[2], (1, -2), (0, 1))
    leaky = replace(faces, images=images)
    wrong = np.eye(7)[(private.labels + 1) % 7]
    wrong[:5] = np.eye(7)[private.labels[:5]]  # only the copies are answered rightly
    table = own_network_scores.scores(wrong, leaky)
    rows = table[table["metric"] == "categorical_accuracy"]
    assert rows["part"].tolist() == list(PARTS)
    assert rows["n"].tolist() == [len(private), len(private) - 3, len(private) - 5]
    assert (rows["value"] * rows["n"]).round(6).tolist() == [5, 2, 0]
    found = own_network_scores.headlines(table, pd.DataFrame(columns=smiles.COLUMNS))
    assert [(one["measured_on"], one["n"]) for one in found] == [
        ("FER-2013, PrivateTest", len(private)),
        ("FER-2013, PrivateTest without faces that are in training", len(private) - 3),
    ]


def test_photos_that_smile_are_scored_by_their_happy_margin(trained, faces, tmp_path):
    _, network, _, _ = trained
    some = faces.part("PrivateTest")
    photos = replace(
        some, meta=pd.DataFrame({"label": some.labels == 3, "split": "all", "yaw": 0.1}).astype({"label": int})
    )
    done = own_network_scores.export(
        tmp_path, network, TINY, faces, photos=photos, face_settings={}, provenance={"data": {}}
    )
    happy = compact.read(tmp_path).probabilities(some.images).argmax(axis=1) == 3
    (score,) = [one for one in compact.read_card(tmp_path).scores if one["measured_on"] == "GENKI-4K"]
    assert (score["value"], score["n"]) == (pytest.approx((happy == (some.labels == 3)).mean()), len(some))
    assert done.smiles["group"].iloc[0] == "all"
    assert done.smiles["accuracy"].iloc[0] == score["value"]


@pytest.mark.bfloat16
def test_the_command_trains_and_writes_what_the_package_contains(tmp_path):
    changes = json.dumps({"width": 2, "epochs": 1, "batch_size": 64, "warmup_epochs": 0})
    words = ["--generated", "350", "--out", str(tmp_path / "made"), "--changes", changes]
    command = [sys.executable, str(PROJECT / "workflow" / "own_network.py"), *words]
    done = subprocess.run(command, capture_output=True, text=True, env=_surroundings())
    assert done.returncode == 0, done.stderr[-2000:]
    assert "expected calibration error" in " ".join(done.stdout.split())
    model = compact.read_card(tmp_path / "made" / "own_network")
    assert model.provenance["data"]["fer2013"]["synthetic"] is True
    assert list(model.provenance["data"]) == ["fer2013"]  # what it learnt from
    assert model.provenance["scored_on"]["genki4k"]["synthetic"] is True
    assert len(model.scores) == 3
    assert model.provenance["settings"]["width"] == 2
    assert model.provenance["arguments"] == {"generated": 350, "seed": 0, "changes": json.loads(changes)}
    assert str(tmp_path) not in (tmp_path / "made" / "own_network" / compact.CARD).read_text()
    assert model.face_settings["mtcnn_engine"] == "openvino"
    for given in ("[1]", "{epochs: 5"):
        wrong = subprocess.run([*command[:-1], given], capture_output=True, text=True, env=_surroundings())
        assert wrong.returncode == 1
        assert wrong.stderr.startswith("error: --changes is ")
        assert wrong.stderr.count("\n") == 1


def _surroundings():
    import os

    return {**os.environ, "PYTHONPATH": str(PROJECT), "KERAS_BACKEND": keras.backend.backend()}
