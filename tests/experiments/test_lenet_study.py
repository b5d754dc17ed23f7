"""Test liu2023's LeNet and its study: parameters by hand, patience, order of the faces, resuming, tables."""

from __future__ import annotations

import json
import logging
import math
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings as hypothesis_settings, strategies as st
from scipy import stats

from fer_lib.backend import keras
from fer_lib.datasets.face_dataset import FaceDataset
from fer_lib.errors import FerError
from fer_lib.experiments import lenet_hypothesis, lenet_patience, lenet_study, lenet_training
from fer_lib.models import lenet
from fer_lib.settings import LeNetSettings
from fer_lib.settings.liu2023 import LENET_STUDY_ONLY
from fer_lib.tables import hypotheses as hypotheses_tables
from fer_lib.training import set_seed
from fer_lib.utils import parallel

CLASSES = 4
TINY = LeNetSettings(n_kerns=(2, 3), hidden_units=8, batch_size=8, n_epochs=4, patience=0)
STUDY = replace(
    TINY,
    n_epochs=2,
    olivetti_batch_size=8,
    learning_rates=(0.1, 0.05),
    n_kerns_grid=((2, 3), (1, 2)),
    batch_sizes=(4, 8),
    seeds=2,
)


def striped_faces(per_class: int = 10, classes: int = CLASSES, *, seed: int = 0) -> FaceDataset:
    """Noise with a bright stripe whose height is the class, class by class: learnt within a few epochs."""
    labels = np.repeat(np.arange(classes), per_class)
    images = np.random.default_rng(seed).integers(0, 120, (len(labels), 16, 16)).astype(np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[label * 4 : label * 4 + 4] += 120
    meta = pd.DataFrame({"label": labels, "split": "all", "number": np.arange(len(labels))})
    return FaceDataset(images, meta, tuple(f"class{label}" for label in range(classes)), "striped", synthetic=True)


@pytest.fixture(scope="module")
def parts() -> lenet_training.Parts:
    return lenet_study.olivetti_parts(striped_faces())


def numbers(history: pd.DataFrame) -> pd.DataFrame:
    return history.drop(columns="seconds")


def shuffled(settings: LeNetSettings = TINY) -> LeNetSettings:
    return replace(settings, shuffle=True)


# the network


@pytest.mark.parametrize(
    ("shape", "classes", "by_hand"),
    [
        # 48 -> 44 -> 22 -> 18 -> 9 pixels a side
        ((48, 48), 7, (20 * 25 + 20) + (50 * 20 * 25 + 50) + (9 * 9 * 50 * 2000 + 2000) + (2000 * 7 + 7)),
        # 57 x 47 -> 53 x 43 -> 26 x 21 -> 22 x 17 -> 11 x 8: pooling ignores the border
        ((57, 47), 40, (20 * 25 + 20) + (50 * 20 * 25 + 50) + (11 * 8 * 50 * 2000 + 2000) + (2000 * 40 + 40)),
    ],
)
def test_parameters_by_hand(shape, classes, by_hand):
    assert lenet.build(LeNetSettings(), image_shape=shape, classes=classes).count_params() == by_hand


def test_initial_weights_are_uniform_within_the_bounds_of_the_program():
    set_seed(0)
    model = lenet.build(LeNetSettings(n_kerns=(10, 30)), image_shape=(24, 24), classes=7)
    bounds = {
        "conv1": math.sqrt(6 / (1 * 25 + 10 * 25 / 4)),
        "conv2": math.sqrt(6 / (10 * 25 + 30 * 25 / 4)),
        "hidden": math.sqrt(6 / (3 * 3 * 30 + 2000)),
    }
    for name, bound in bounds.items():
        kernel, bias = model.get_layer(name).get_weights()
        assert not bias.any()
        assert 0.97 * bound < np.abs(kernel).max() <= bound * (1 + 1e-6)
        assert kernel.std() == pytest.approx(bound / math.sqrt(3), rel=0.08)
    assert not any(weights.any() for weights in model.get_layer("logits").get_weights())


def test_without_a_zero_classifier_the_logits_differ():
    set_seed(0)
    model = lenet.build(replace(TINY, zero_classifier=False), image_shape=(16, 16), classes=3)
    assert model.get_layer("logits").get_weights()[0].std() > 0


def test_pooling_before_tanh_is_the_program_s_tanh_before_pooling():
    set_seed(1)
    model = lenet.build(replace(TINY, zero_classifier=False), image_shape=(17, 16), classes=3)
    x = np.random.default_rng(0).random((2, 17, 16, 1), dtype=np.float32)
    found = np.asarray(model.predict_on_batch(x))
    for name in ("conv1", "conv2"):
        x = pooled(np.tanh(convolved(x, *model.get_layer(name).get_weights())))
    kernel, bias = model.get_layer("hidden").get_weights()
    hidden = np.tanh(x.reshape(2, -1) @ kernel + bias)
    np.testing.assert_allclose(found, hidden @ model.get_layer("logits").get_weights()[0], rtol=1e-4, atol=1e-6)


def convolved(x: np.ndarray, kernel: np.ndarray, bias: np.ndarray) -> np.ndarray:
    windows = np.lib.stride_tricks.sliding_window_view(x, kernel.shape[:2], axis=(1, 2))  # (N, H, W, maps in, 5, 5)
    return np.einsum("nhwcij,ijcm->nhwm", windows, kernel) + bias


def pooled(x: np.ndarray) -> np.ndarray:
    height, width = x.shape[1] // 2, x.shape[2] // 2
    blocks = x[:, : height * 2, : width * 2].reshape(len(x), height, 2, width, 2, -1)
    return blocks.max(axis=(2, 4))


def test_the_model_can_be_saved_and_loaded(tmp_path):
    model = lenet.build(TINY, image_shape=(16, 16), classes=3)
    model.save(tmp_path / "lenet.keras")
    again = keras.saving.load_model(tmp_path / "lenet.keras", safe_mode=True)
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), again.get_weights(), strict=True))


# the faces


def test_olivetti_parts_are_eight_one_and_one_person_by_person():
    parts = lenet_study.olivetti_parts(striped_faces(classes=3))
    assert parts.training.meta["number"].tolist() == [*range(8), *range(10, 18), *range(20, 28)]
    assert parts.validation.meta["number"].tolist() == [8, 18, 28]
    assert parts.test.meta["number"].tolist() == [9, 19, 29]
    assert parts.classes == 3


def test_olivetti_parts_refuse_another_order():
    faces = striped_faces()
    with pytest.raises(FerError, match="are not 10 of each of 4 subjects"):
        lenet_study.olivetti_parts(faces.take(np.arange(len(faces))[::-1]))
    with pytest.raises(FerError, match="39 faces"):
        lenet_study.olivetti_parts(faces.take(np.arange(39)))


def test_ckplus_parts_are_disjoint_stratified_and_class_by_class():
    settings = replace(TINY, train_per_class=5, held_out_per_class=2)
    faces = striped_faces(per_class=12)
    parts = lenet_study.ckplus_parts(faces, settings, seed=3)
    for part, per_class in ((parts.training, 5), (parts.validation, 2), (parts.test, 2)):
        assert part.labels.tolist() == np.repeat(np.arange(CLASSES), per_class).tolist()
    drawn = [number for part in (parts.training, parts.validation, parts.test) for number in part.meta["number"]]
    assert len(set(drawn)) == len(drawn) == CLASSES * 9
    assert parts.fingerprint == lenet_study.ckplus_parts(faces, settings, seed=3).fingerprint
    assert parts.fingerprint != lenet_study.ckplus_parts(faces, settings, seed=4).fingerprint


def test_a_class_with_too_few_faces_is_named():
    with pytest.raises(FerError, match=r"striped has 10 faces of 'class0', and the study draws 70 of each class"):
        lenet_study.ckplus_parts(striped_faces(), LeNetSettings())


# the patience rule


def literal(errors: list[float], settings: LeNetSettings, steps_per_epoch: int) -> tuple[int, int]:
    """Run the tutorial program's loop step by step: the best epoch, and the number of validations."""
    patience, best, best_epoch, validations = settings.patience, math.inf, 0, 0
    for epoch in range(1, len(errors) + 1):
        for number in range(steps_per_epoch):
            step = (epoch - 1) * steps_per_epoch + number
            if number == steps_per_epoch - 1:
                validations, error = validations + 1, errors[epoch - 1]
                if error < best:
                    if error < best * settings.improvement_threshold:
                        patience = max(patience, step * settings.patience_increase)
                    best, best_epoch = error, epoch
            if patience <= step:
                return best_epoch, validations
    return best_epoch, validations


@hypothesis_settings(deadline=None)  # a busy machine is no failure
@given(
    errors=st.lists(st.integers(0, 300).map(lambda wrong: wrong / 300), min_size=1, max_size=25),
    steps_per_epoch=st.integers(1, 9),
    patience=st.integers(1, 60),
    increase=st.sampled_from([1.0, 1.5, 2.0]),
)
def test_the_patience_rule_is_the_program_s(errors, steps_per_epoch, patience, increase):
    settings = LeNetSettings(patience=patience, patience_increase=increase)
    done: list[float] = []
    while len(done) < len(errors):
        if lenet_patience.follow(done, settings, steps_per_epoch=steps_per_epoch).out_of_patience:
            break
        done.append(errors[len(done)])
    found = lenet_patience.follow(done, settings, steps_per_epoch=steps_per_epoch)
    assert (found.best_epoch, len(done)) == literal(errors, settings, steps_per_epoch)


@pytest.mark.parametrize(
    ("errors", "expected"),
    [
        ([], (0, 40.0, False)),
        ([0.9], (1, 40.0, False)),
        ([0.9, 0.9, 0.9], (1, 40.0, False)),
        # the fourth epoch ends at step 39; step 40, the first of the fifth, is the last that would be trained
        ([0.9, 0.9, 0.9, 0.9], (1, 40.0, True)),
        ([0.9, 0.9, 0.5], (3, 58.0, False)),
        # a better error, but not by a hundredth: the new best, and no more patience for it
        ([0.9, 0.9, 0.895], (3, 40.0, False)),
        ([0.9, 0.9, 0.895, 0.895], (3, 40.0, True)),
    ],
)
def test_the_patience_rule_by_hand(errors, expected):
    found = lenet_patience.follow(errors, LeNetSettings(patience=40), steps_per_epoch=10)
    assert (found.best_epoch, found.patience, found.out_of_patience) == expected


def test_an_error_at_the_very_threshold_is_better_but_gets_no_patience():
    settings = LeNetSettings(patience=40, improvement_threshold=0.5)
    found = lenet_patience.follow([0.8, 0.8, 0.4], settings, steps_per_epoch=10)
    assert (found.best_epoch, found.patience) == (3, 40)


def test_no_patience_never_stops_early():
    assert not lenet_patience.follow([0.9] * 10_000, LeNetSettings(patience=0), steps_per_epoch=400).out_of_patience


def test_training_stops_by_patience_and_says_so(parts):
    row, history = lenet_training.train(replace(TINY, patience=6, n_epochs=50, learning_rate=1e-9), parts)
    assert (row["stopped"], row["epochs"], row["steps"], len(history)) == ("patience", 1, 4, 1)


# training


def test_the_first_loss_is_the_logarithm_of_the_classes(parts):
    assert_first_loss(TINY, parts, math.log(CLASSES))


def assert_first_loss(settings, parts, expected):
    model = lenet_training._model(settings, parts, seed=0)
    pixels = lenet_training._arrays(parts.training, settings)
    assert float(np.asarray(model.test_on_batch(pixels, parts.training.labels))) == pytest.approx(expected, rel=1e-6)


def test_one_step_is_plain_gradient_descent_on_the_mean_likelihood(parts):
    model = lenet_training._model(TINY, parts, seed=0)
    labels = parts.training.labels[2:10]  # six of one class, two of the next
    pixels = parts.training.images[2:10, ..., np.newaxis].astype(np.float32) / 256
    hidden = keras.Model(model.inputs, model.get_layer("hidden").output).predict_on_batch(pixels)
    model.train_on_batch(pixels, labels)
    kernel, bias = model.get_layer("logits").get_weights()
    surplus = 1 / CLASSES - np.eye(CLASSES)[labels]  # of probabilities, which are equal at the zero classifier
    np.testing.assert_allclose(bias, -0.05 * surplus.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(kernel, -0.05 * np.asarray(hidden).T @ surplus / 8, rtol=1e-4, atol=1e-7)


def batches_seen(monkeypatch, settings, parts) -> list[np.ndarray]:
    """Read the faces' numbers in each batch from the pixels."""
    of = {image.tobytes(): number for number, image in enumerate(lenet_training._arrays(parts.training, settings))}
    seen = []

    def record(model, x, y):
        seen.append(np.array([of[image.tobytes()] for image in x]))
        assert np.array_equal(parts.training.labels[seen[-1]], y)
        return 1.0

    monkeypatch.setattr(keras.Model, "train_on_batch", record)
    lenet_training.train(settings, parts)
    return seen


def test_unshuffled_faces_keep_their_order_and_whole_batches_alone_are_trained(monkeypatch, parts):
    seen = batches_seen(monkeypatch, replace(TINY, n_epochs=2, batch_size=10), parts)
    assert [batch.tolist() for batch in seen] == [list(range(start, start + 10)) for start in (0, 10, 20)] * 2


def test_shuffled_faces_come_in_another_order_each_epoch(monkeypatch, parts):
    seen = np.concatenate(batches_seen(monkeypatch, shuffled(replace(TINY, n_epochs=2)), parts)).reshape(2, 32)
    assert sorted(seen[0]) == sorted(seen[1]) == list(range(32))
    assert not np.array_equal(seen[0], seen[1])


def test_the_loss_of_an_epoch_is_the_mean_of_its_steps(monkeypatch, parts):
    step, losses = keras.Model.train_on_batch, []

    def measured_before(model, x, y):
        likelihood = keras.ops.log_softmax(model(x), axis=1)
        losses.append(-np.mean(keras.ops.convert_to_numpy(likelihood)[np.arange(len(y)), y]))
        return step(model, x, y)

    monkeypatch.setattr(keras.Model, "train_on_batch", measured_before)
    _, history = lenet_training.train(replace(TINY, n_epochs=3), parts)
    np.testing.assert_allclose(history["loss"], np.reshape(losses, (3, 4)).mean(axis=1), rtol=1e-5)


@pytest.fixture(scope="module")
def undisturbed(parts):
    return lenet_training.train(shuffled(), parts, seed=1)


def test_it_learns_and_the_row_is_of_the_best_validation(undisturbed, parts):
    settings = shuffled(replace(TINY, n_epochs=40, hidden_units=100))
    row, history = lenet_training.train(settings, parts)
    assert row["best_validation_error"] == history["validation_error"].min() < 0.5
    assert row["best_epoch"] == history["validation_error"].idxmin() + 1
    assert row["test_error"] == history["test_error"][row["best_epoch"] - 1]
    assert history["loss"].iloc[-1] < history["loss"].iloc[0]


def test_the_row_counts_what_the_program_would_have_seen(parts):
    row, _ = lenet_training.train(replace(TINY, batch_size=3, n_epochs=1), parts)
    assert {name: row[name] for name in ("training_faces", "unused_training_faces")} == {
        "training_faces": 30,
        "unused_training_faces": 2,
    }
    assert (row["validation_faces"], row["test_faces"], row["whole_batch_faces"]) == (4, 4, 3)
    assert lenet_training.train(TINY, parts)[0]["whole_batch_faces"] == 0


def test_same_seed_same_numbers_and_other_seed_others(undisturbed, parts):
    row, history = undisturbed
    again, again_history = lenet_training.train(shuffled(), parts, seed=1)
    assert row == again
    pd.testing.assert_frame_equal(numbers(history), numbers(again_history), check_exact=True)
    assert not np.array_equal(history["loss"], lenet_training.train(shuffled(), parts, seed=2)[1]["loss"])


@pytest.mark.parametrize("killed_in", [2, 4])
def test_a_killed_training_resumes_with_the_same_bits(undisturbed, parts, tmp_path, monkeypatch, killed_in, caplog):
    monkeypatch.setattr(lenet_training, "SECONDS_BETWEEN_SAVES", 0)
    killed(monkeypatch, parts, tmp_path, epoch=killed_in)
    caplog.set_level(logging.INFO, logger="fer_lib")
    row, history = lenet_training.train(shuffled(), parts, seed=1, checkpoints=tmp_path)
    assert f"resumed after epoch {killed_in - 1}" in caplog.text
    assert row == undisturbed[0] == json.loads((tmp_path / "row.json").read_text())
    pd.testing.assert_frame_equal(numbers(history), numbers(undisturbed[1]), check_exact=True)


def killed(monkeypatch, parts, folder, *, epoch: int) -> None:
    """Train until the process is interrupted, two steps into an epoch."""
    step, calls = keras.Model.train_on_batch, []

    def interrupted(model, *batch):
        calls.append(None)
        if len(calls) == (epoch - 1) * 4 + 3:
            raise KeyboardInterrupt
        return step(model, *batch)

    with monkeypatch.context() as patch:
        patch.setattr(keras.Model, "train_on_batch", interrupted)
        with pytest.raises(KeyboardInterrupt):
            lenet_training.train(shuffled(), parts, seed=1, checkpoints=folder)


def test_a_kill_between_weights_and_history_loses_one_epoch(undisturbed, parts, tmp_path, monkeypatch):
    monkeypatch.setattr(lenet_training, "SECONDS_BETWEEN_SAVES", 0)
    write = pd.DataFrame.to_csv

    def killed_in_epoch_three(frame, *args, **kwargs):
        if len(frame) == 3:
            raise KeyboardInterrupt
        return write(frame, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(pd.DataFrame, "to_csv", killed_in_epoch_three)
        with pytest.raises(KeyboardInterrupt):
            lenet_training.train(shuffled(), parts, seed=1, checkpoints=tmp_path)
    assert {"epoch-002.weights.h5", "epoch-003.weights.h5"} <= {path.name for path in tmp_path.iterdir()}
    _, history = lenet_training.train(shuffled(), parts, seed=1, checkpoints=tmp_path)
    pd.testing.assert_frame_equal(numbers(history), numbers(undisturbed[1]), check_exact=True)


def test_damaged_weights_start_anew_and_say_so(undisturbed, parts, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(lenet_training, "SECONDS_BETWEEN_SAVES", 0)
    killed(monkeypatch, parts, tmp_path, epoch=3)
    (tmp_path / "epoch-002.weights.h5").write_bytes(b"half a file")
    _, history = lenet_training.train(shuffled(), parts, seed=1, checkpoints=tmp_path)
    assert "starts again" in caplog.text
    pd.testing.assert_frame_equal(numbers(history), numbers(undisturbed[1]), check_exact=True)


def test_both_errors_are_those_of_the_best_validation(parts, monkeypatch):
    others = striped_faces(seed=7)
    mislabelled = replace(others, meta=others.meta.assign(label=(others.labels + 1) % CLASSES))
    parts = replace(parts, validation=others, test=mislabelled)
    settings = shuffled(replace(TINY, n_epochs=12, learning_rate=0.5))
    row, _ = lenet_training.train(settings, parts)
    assert row["best_epoch"] < row["epochs"], "the best epoch should not be the last, or this test shows nothing"
    # a training that ends there has that epoch's weights
    models, build = [], lenet_training._model
    monkeypatch.setattr(
        lenet_training, "_model", lambda *args, **kwargs: models.append(build(*args, **kwargs)) or models[0]
    )
    lenet_training.train(replace(settings, n_epochs=row["best_epoch"]), parts)
    (model,) = models
    found = np.asarray(model.predict_on_batch(lenet_training._arrays(others, settings))).argmax(axis=1)
    assert np.mean(found != others.labels) == row["best_validation_error"]
    assert np.mean(found != mislabelled.labels) == row["test_error"] != row["best_validation_error"]


def test_a_loss_that_is_no_number_ends_the_training_and_is_recorded(parts, tmp_path):
    settings = replace(TINY, learning_rate=1e38)
    row, history = lenet_training.train(settings, parts, checkpoints=tmp_path)
    assert row["stopped"] == "loss not finite"
    assert not math.isfinite(history["loss"].iloc[-1])
    assert row["epochs"] == len(history) < settings.n_epochs
    again, again_history = lenet_training.train(settings, parts, checkpoints=tmp_path)
    assert again == row
    pd.testing.assert_frame_equal(history, again_history, check_exact=True)


def test_fewer_faces_than_a_batch_are_refused(parts):
    with pytest.raises(FerError, match="32 faces, less than one batch of 33"):
        lenet_training.train(replace(TINY, batch_size=33), parts)


# the study


@pytest.mark.parametrize(("corpus", "base", "distinct"), [("ckplus", 56, 10), ("olivetti", 40, 11)])
def test_the_rows_are_those_of_the_tables_and_repeated_ones_are_known(corpus, base, distinct):
    settings = LeNetSettings()
    study = lenet_study.rows(settings, corpus)
    assert len(study) == 2 * (3 + 3 + 6)
    assert len({each for _, each in study}) == 2 * distinct
    unshuffled = [(sweep, each) for sweep, each in study if not each.shuffle]
    assert [each.learning_rate for sweep, each in unshuffled if sweep == "learning_rate"] == [0.1, 0.05, 0.01]
    assert [each.n_kerns for sweep, each in unshuffled if sweep == "n_kerns"] == [(20, 50), (10, 30), (5, 10)]
    assert [each.batch_size for sweep, each in unshuffled if sweep == "batch_size"] == [1, 2, 5, 10, 20, 56]
    assert {each.batch_size for sweep, each in study if sweep != "batch_size"} == {base}


@pytest.fixture(scope="module")
def study(parts, tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    return folder, *lenet_study.run(STUDY, {"olivetti": parts}, checkpoints=folder, jobs=0)


def test_each_configuration_is_trained_once_and_stands_in_each_of_its_sweeps(study):
    folder, results, histories = study
    # rate 0.1, the base, n-kerns (1, 2), batch 4; two orders, two seeds
    assert len(list(folder.iterdir())) == 4 * 2 * 2
    assert len(results) == 6 * 2 * 2
    base = results.query("order == 'shuffled' and learning_rate == 0.05 and batch_size == 8 and n_kerns == '[2,3]'")
    assert sorted(base["sweep"]) == sorted(["learning_rate", "n_kerns", "batch_size"] * 2)
    assert base.drop(columns="sweep").drop_duplicates()["seed"].tolist() == [0, 1]
    assert len(histories) == 4 * 2 * 2 * STUDY.n_epochs
    assert not histories.duplicated(["corpus", *lenet_study.CONFIGURATION, "seed", "epoch"]).any()


def test_a_finished_training_keeps_no_weights(study):
    assert {path.name for path in study[0].glob("*/*")} == {"history.csv", "row.json"}


def test_a_finished_study_costs_nothing_and_gives_the_same_frames(study, parts, monkeypatch, caplog):
    folder, results, histories = study
    monkeypatch.setattr(keras.Model, "train_on_batch", lambda *args: pytest.fail("trained again"))
    caplog.set_level(logging.INFO, logger="fer_lib")
    again, again_histories = lenet_study.run(STUDY, {"olivetti": parts}, checkpoints=folder, jobs=0)
    pd.testing.assert_frame_equal(results, again, check_exact=True)
    pd.testing.assert_frame_equal(histories, again_histories, check_exact=True)
    assert not caplog.records


def test_more_seeds_or_another_corpus_train_only_what_is_new(study, parts, tmp_path, caplog):
    folder, results, _ = study
    caplog.set_level(logging.INFO, logger="fer_lib")
    more, _ = lenet_study.run(replace(STUDY, seeds=3), {"olivetti": parts}, checkpoints=folder, jobs=0)
    assert len([record for record in caplog.records if record.message.startswith("lenet olivetti ")]) == 4 * 2
    assert "lenet olivetti 17 of 24: unshuffled" in caplog.text
    assert " left" in caplog.text
    pd.testing.assert_frame_equal(more[more["seed"] < 2].reset_index(drop=True), results, check_exact=True)


FEW = replace(STUDY, n_epochs=6, learning_rates=(0.1,), n_kerns_grid=(), seeds=1)


def test_an_interrupted_study_goes_on_and_the_number_of_workers_changes_no_bit(parts, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(lenet_study, "_report_progress", interrupt_at("olivetti 3 of 6"))
    with pytest.raises(KeyboardInterrupt):
        lenet_study.run(FEW, {"olivetti": parts}, checkpoints=tmp_path, jobs=1)
    assert 3 <= len(list(tmp_path.glob("*/row.json"))) < 6
    monkeypatch.undo()
    caplog.set_level(logging.INFO, logger="fer_lib")
    together = lenet_study.run(FEW, {"olivetti": parts}, checkpoints=tmp_path, jobs=2)
    assert "lenet olivetti 6 of 6: " in caplog.text
    assert {path.name for path in tmp_path.glob("*/*")} == {"history.csv", "row.json"}
    alone = lenet_study.run(FEW, {"olivetti": parts}, jobs=1)
    pd.testing.assert_frame_equal(together[0], alone[0], check_exact=True)
    pd.testing.assert_frame_equal(numbers(together[1]), numbers(alone[1]), check_exact=True)
    assert len(set(together[0]["test_error"])) > 1, "equal errors everywhere would show nothing"


def interrupt_at(which: str):
    def report(row, progress, minutes):
        if progress == which:
            raise KeyboardInterrupt

    return report


def test_long_trainings_start_first_and_a_seed_ends_before_the_next(parts, monkeypatch):
    asked = []

    def side_by_side(function, tasks, *, jobs, done):
        asked.extend(task for (task,) in tasks)
        raise KeyboardInterrupt

    monkeypatch.setattr(parallel, "side_by_side", side_by_side)
    with pytest.raises(KeyboardInterrupt):
        lenet_study.run(STUDY, {"ckplus": parts, "olivetti": parts}, jobs=2)
    assert [each.seed for each in asked] == [0] * 16 + [1] * 16
    assert {each.settings.batch_size for each in asked[:4]} == {4}
    assert {each.corpus for each in asked[:4]} == {"ckplus", "olivetti"}
    assert asked[15].settings.n_kerns == (1, 2)


def test_a_gpu_is_left_to_one_process(parts, monkeypatch):
    monkeypatch.setattr(lenet_study, "DEVICES", ["gpu:0"])
    monkeypatch.setattr(parallel, "_pool", lambda jobs: pytest.fail("workers"))
    monkeypatch.setattr(lenet_study, "_train", lambda training: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        lenet_study.run(STUDY, {"olivetti": parts})


def test_other_faces_are_another_training(study, parts):
    each = lenet_study.rows(STUDY, "olivetti")[0][1]
    other = lenet_study.olivetti_parts(striped_faces(seed=5))
    own = partial(lenet_study._name, each, corpus="olivetti")
    names = {own(some, seed=seed, threads="all") for some in (parts, other) for seed in (0, 1)}
    assert len(names) == 4
    assert own(parts, seed=0, threads="all") in {path.name for path in study[0].iterdir()}
    # a worker of one thread ends with other bits than all threads together
    assert own(parts, seed=0, threads="one") not in names


def test_the_study_keeps_its_trainings_without_the_tutorial_program(parts):
    others = {"tutorial": (), "tutorial_epochs": 7, "train_per_class": 5, "held_out_per_class": 1, "seeds": 9}
    assert set(others) <= set(LENET_STUDY_ONLY)
    names = {
        lenet_study._name(lenet_study.rows(settings, "olivetti")[0][1], parts, corpus="olivetti", seed=0, threads="one")
        for settings in (STUDY, *(replace(STUDY, **{name: value}) for name, value in others.items()))
    }
    assert len(names) == 1


def test_the_summary_gives_median_range_and_the_share_at_chance():
    configuration = {"corpus": "olivetti", "sweep": "learning_rate", "order": "unshuffled", "learning_rate": 0.1}
    configuration |= {"batch_size": 40, "n_kerns": "[20,50]", "validation_faces": 40, "classes": 40}
    errors = pd.DataFrame(
        [(0.975, 0.975, 1), (0.95, 0.9, 2), (0.925, 1.0, 3), (0.05, 0.025, 36)],
        columns=["best_validation_error", "test_error", "best_epoch"],
    )
    results = errors.assign(**configuration, seed=range(4))
    found = lenet_study.summary(results)
    assert len(found) == 1
    row = found.iloc[0]
    assert row["runs"] == 4
    assert row[["validation", "validation_min", "validation_max"]].tolist() == pytest.approx([93.75, 5.0, 97.5])
    assert row[["test", "test_min", "test_max"]].tolist() == pytest.approx([93.75, 2.5, 100.0])
    assert row[["epoch", "epoch_min", "epoch_max"]].tolist() == [2.5, 1, 36]
    assert row["at_chance"] == 0.5  # 39 of 40 wrong is chance, 38 is within one face of it, 37 is not


def test_the_summary_has_a_row_a_row_of_the_study(study):
    found = lenet_study.summary(study[1])
    assert len(found) == 6 * 2
    assert (found["runs"] == 2).all()
    assert found["validation"].between(0, 100).all()


# hypothesis 3: the printed errors among the trainings


def trainings(errors, *, corpus="olivetti", sweep="learning_rate", order="unshuffled", **configuration):
    """Rows of the study: (wrong validation faces, wrong test faces) of each seed, of 40 or of 42 held-out faces."""
    faces, classes, batch = (40, 40, 40) if corpus == "olivetti" else (42, 6, 56)
    base = {"learning_rate": 0.05, "batch_size": batch, "n_kerns": "[20,50]", **configuration}
    counts = {"validation_faces": faces, "test_faces": faces, "classes": classes}
    rows = [
        {"corpus": corpus, "sweep": sweep, "order": order, **base, "seed": seed, **counts}
        | {"best_validation_error": round(validation / faces, 7), "test_error": round(test / faces, 7)}
        for seed, (validation, test) in enumerate(errors)
    ]
    return pd.DataFrame(rows)


def placed(*frames: pd.DataFrame) -> pd.DataFrame:
    return lenet_hypothesis.against_printed(pd.concat(frames, ignore_index=True))


def test_the_printed_errors_are_those_of_both_tables_and_of_five_batch_sizes():
    rows = lenet_hypothesis.printed_errors()
    found = {(row.place, row.setting, row.part): row.printed for row in rows.itertuples()}
    assert len(found) == len(rows) == 6 + 6 + 5
    assert found["Table 4, row 1", "0.1", "test"] == "82.4"
    assert found["Table 4, row 2", "0.01", "validation"] == "15"
    assert found["Table 5, row 3", "[5,10]", "test"] == "7.5"
    stuck = rows[rows["sweep"] == "batch_size"]
    assert stuck["setting"].tolist() == ["1", "2", "5", "10", "20"]
    assert set(stuck["printed"]) == {"97.5"}
    assert set(stuck["part"]) == {"validation"}


def test_a_printed_error_stands_among_the_trainings_of_its_row():
    rows = placed(trainings([(2, 4), (2, 5), (1, 4), (3, 4)])).set_index("part")
    validation, test = rows.loc["validation"], rows.loc["test"]  # printed are 5 and 2.5
    assert rows["place"].tolist() == ["Table 4, row 3"] * 2
    assert validation[["runs", "min", "median", "max"]].tolist() == [4, 2.5, 5.0, 7.5]
    assert (validation["at_or_below"], validation["at_or_above"], validation["measured"]) == (3, 3, 2)
    assert validation["at_or_below_share"] == 0.75
    wilson = stats.binomtest(3, 4).proportion_ci(method="wilson")
    assert validation[["at_or_below_low", "at_or_below_high"]].tolist() == pytest.approx(list(wilson))
    assert validation["inside"]
    assert validation["verdict"] == "the error of 2 of 4 trainings"
    assert (test["at_or_below"], test["at_or_above"], test["measured"]) == (0, 4, 0)
    assert test["at_or_above_share"] == 1
    assert not test["inside"]
    assert test["reachable"]
    assert test["verdict"] == "below all 4 trainings"
    assert (rows["faces"] == 40).all()
    assert rows["chance"].tolist() == [97.5, 97.5]


def test_the_verdict_tells_an_error_between_the_trainings_and_one_that_cannot_occur():
    between = placed(trainings([(4, 0), (8, 0)], learning_rate=0.01)).set_index("part")  # printed are 15 and 5
    assert between.loc["validation", "verdict"] == "between the trainings' errors, none of them"
    assert between.loc["validation", "inside"]
    assert between.loc["test", "verdict"] == "above all 2 trainings"
    first = placed(trainings([(35, 35)], corpus="ckplus", learning_rate=0.1)).set_index("part")
    assert first.loc["validation", "verdict"] == "above the one training; no count of 42 faces"
    assert first.loc["test", "verdict"] == "below the one training; no count of 42 faces"


def test_errors_are_compared_at_the_printed_precision():
    # 2 of 42 are 4.76 %: printed without decimals 5, as Table 4's row of 0.05 has it
    row = placed(trainings([(2, 2)], corpus="ckplus")).set_index("part").loc["validation"]
    assert (row["at_or_below"], row["at_or_above"], row["measured"]) == (1, 1, 1)


def test_an_error_at_the_edge_of_what_is_printed_so_counts_on_both_sides():
    # 9 and 11 of 200 are 4.5 and 5.5 %; of the 4.5 % and 5.5 % either may have been printed as 5
    errors = trainings([(9, 9), (11, 11)]).assign(validation_faces=200, best_validation_error=[9 / 200, 11 / 200])
    row = placed(errors).set_index("part").loc["validation"]
    assert (row["at_or_below"], row["at_or_above"], row["measured"]) == (2, 2, 2)


def test_a_study_of_other_settings_than_the_printed_has_nothing_to_say():
    # a learning rate of 1 is no batch size of 1
    rows = placed(trainings([(2, 4)], learning_rate=1.0))
    tally = lenet_hypothesis.tally(rows)
    assert len(rows) == len(tally) == 0
    table = hypotheses_tables.hypothesis3(rows, tally)
    assert "No row was trained that the paper prints an error of." in table.to_markdown()


def test_corpora_orders_and_sweeps_are_told_apart_and_what_is_not_trained_is_left_out():
    batches = trainings([(39, 39)], sweep="batch_size", batch_size=10)
    rows = placed(
        trainings([(2, 4)]), trainings([(35, 35)], corpus="ckplus"), trainings([(1, 1)], order="shuffled"), batches
    )
    assert rows.groupby(["corpus", "order"], sort=False).size().to_dict() == {
        ("olivetti", "unshuffled"): 3,
        ("ckplus", "unshuffled"): 2,
        ("olivetti", "shuffled"): 2,
    }
    assert rows.groupby("sweep")["batch_size"].unique().map(list).to_dict() == {
        "batch_size": [10],
        "learning_rate": [40, 56],
    }
    # next to each other for the same printed error
    assert rows["corpus"].tolist()[:3] == ["olivetti", "ckplus", "olivetti"]


def test_the_tally_counts_each_part_and_both():
    rows = placed(trainings([(2, 4), (1, 4)]), trainings([(35, 1), (35, 1)], corpus="ckplus"))
    found = lenet_hypothesis.tally(rows).set_index(["corpus", "part"]).drop(columns=["expected", "as_many"])
    assert found.loc[("olivetti", "validation")].tolist() == ["unshuffled", 1, 1, 1, 1]
    assert found.loc[("olivetti", "test")].tolist() == ["unshuffled", 1, 0, 0, 1]
    assert found.loc[("olivetti", "both")].tolist() == ["unshuffled", 2, 1, 1, 2]
    assert found.loc[("ckplus", "both")].tolist() == ["unshuffled", 2, 0, 0, 1]  # "5" is 2 of 42, "2.5" is no count


def test_the_tally_says_what_chance_would_give():
    ends = {"min": [5.0, 97.5, 10.0], "max": [5.0, 97.5, 15.0]}
    rows = pd.DataFrame({"part": "validation", "printed": ["5", "97.5", "12.5"], **ends})
    rows = rows.assign(corpus="olivetti", order="unshuffled", inside=True, measured=1, reachable=True)
    found = lenet_hypothesis.tally(rows).set_index("part").loc["both"]
    assert found["inside"] == 3
    assert found["expected"] == pytest.approx(1, abs=0.03)  # of three, a random order leaves one in its place
    assert found["as_many"] == pytest.approx(1 / 6, abs=0.02)


def test_a_study_read_from_its_file_gives_the_same(study, tmp_path):
    results = study[1].assign(n_kerns=study[1]["n_kerns"].replace("[2,3]", "[20,50]"))
    results.to_csv(tmp_path / "study.csv", index=False, float_format="%.7g")
    rows = lenet_hypothesis.against_printed(results)
    assert set(rows["place"]) == {"Table 4, row 1", "Table 4, row 3", "Table 5, row 1"}
    assert (rows["runs"] == 2).all()
    assert (rows["faces"] == 4).all()
    again = lenet_hypothesis.against_printed(pd.read_csv(tmp_path / "study.csv"))
    pd.testing.assert_frame_equal(rows, again)


def test_ten_faces_of_a_class_in_a_row_are_the_whole_corpus_and_eight_train():
    olivetti = lenet_study.olivetti_parts(striped_faces(per_class=10, classes=40))
    settings = replace(TINY, train_per_class=56, held_out_per_class=7)
    ckplus = lenet_study.ckplus_parts(striped_faces(per_class=70, classes=7), settings)
    runs = lenet_hypothesis.class_runs({"ckplus": ckplus, "olivetti": olivetti}).set_index("of")
    ends = ["in_a_row_min", "in_a_row_max", "batch_min", "batch_max"]
    assert runs.loc["the paper, section 3.2.2", ends].tolist() == [10, 10, 2, 2]
    assert runs.loc["Olivetti faces, all faces", ["faces", "classes", *ends]].tolist() == [400, 40, 10, 10, 2, 2]
    assert runs.loc["Olivetti faces, training", ["faces", "classes", *ends]].tolist() == [320, 40, 8, 8, 3, 3]
    assert runs.loc["CK+, all faces", ["faces", "classes", *ends]].tolist() == [490, 7, 70, 70, 1, 2]
    assert runs.loc["CK+, training", ["faces", "classes", *ends]].tolist() == [392, 7, 56, 56, 1, 2]
    assert (runs["batch_size"] == 20).all()


def test_a_shuffled_order_and_too_few_faces_have_their_runs_too():
    labels = np.array([0, 0, 1, 0, 1, 1, 1])
    faces = striped_faces(classes=2).take(np.arange(7))
    faces = replace(faces, meta=faces.meta.assign(label=labels))
    runs = lenet_hypothesis.class_runs({"olivetti": lenet_training.Parts(faces, faces, faces)}).iloc[-1]
    assert runs[["in_a_row_min", "in_a_row_max"]].tolist() == [1, 3]
    assert pd.isna(runs["batch_min"])


def test_the_printed_batch_size_is_said_where_another_was_used():
    other = trainings([(6, 10), (5, 6)], sweep="batch_size", batch_size=56)
    said = lenet_hypothesis.printed_batch(pd.concat([trainings([(2, 4)]), other]))
    assert said == (
        "Olivetti faces, unshuffled, with the printed batches of 56 in place of 40, learning rate 0.05: "
        "validation 12.5 to 15 %, test 15 to 25 %."
    )
    own = trainings([(2, 4)], corpus="ckplus"), trainings([(2, 4)], corpus="ckplus", sweep="batch_size")
    assert lenet_hypothesis.printed_batch(pd.concat(own)) == ""


def test_the_printed_epochs_are_placed_among_those_of_the_trainings():
    swept = trainings([(2, 4), (1, 4)], sweep="n_kerns").assign(best_epoch=[27, 36])
    assert lenet_hypothesis.printed_epochs(swept) == (
        "Table 5's epochs, and the best epochs of 2 trainings on Olivetti faces, unshuffled: "
        "36 (theirs 27 to 36; 2 at or below it, 1 at or above it)."
    )
    assert lenet_hypothesis.printed_epochs(trainings([(2, 4)])) == ""


def test_the_tables_say_all_this():
    rows = placed(trainings([(2, 4), (1, 4)]), trainings([(35, 35)], corpus="ckplus"))
    table = hypotheses_tables.hypothesis3(rows, lenet_hypothesis.tally(rows), synthetic=True, notes=["", "More."])
    said = table.to_markdown()
    assert said.startswith("**SYNTHETIC: generated faces. Hypothesis 3")
    cells = table.frame.iloc[0]
    assert cells["trained on"] == "Olivetti faces, unshuffled, batch 40"
    assert (cells["setting"], cells["printed (%)"], cells["measured (%)"]) == (
        "learning rate 0.05",
        "5",
        "3.8 (2.5 to 5.0)",
    )
    assert cells["at or below the printed"] == "2 of 2 [34, 100 %]"
    assert cells["at or above it"] == "1 of 2 [9, 91 %]"
    assert cells["the printed error is"] == "the error of 1 of 2 trainings"
    assert (
        "Olivetti faces, unshuffled: 1 of 2 printed errors lie within the range of the trainings (1 of 1 validation, "
        "0 of 1 test errors). If the printed errors are exchanged among the rows at random, 1.0 do on average, and as "
        "many or more in 100 % of the draws. 2 of 2 are counts of the held-out faces at the printed precision."
        in table.notes
    )
    assert table.notes[-1] == "More."
    assert "" not in table.notes


def test_the_table_of_runs_says_what_the_paper_says():
    runs = lenet_hypothesis.class_runs({"olivetti": lenet_study.olivetti_parts(striped_faces(classes=40))})
    table = hypotheses_tables.class_runs(runs)
    assert table.frame["of a class in a row"].tolist() == ["10", "10", "8"]
    assert table.frame["classes in a batch of 20"].tolist() == ["2", "2", "3"]
    assert table.frame["faces"].tolist() == ["–", "400", "320"]
