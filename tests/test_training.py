"""Test training: resuming equals not stopping, frozen layers, batches; also under JAX (tests/test_backends.py)."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
import pytest

from fer_lib import training
from fer_lib.backend import keras
from fer_lib.datasets.face_dataset import FaceDataset
from fer_lib.errors import FerError
from fer_lib.evaluation import metrics
from fer_lib.models import baseline_cnn, fast_layers, trunk
from fer_lib.settings import BaselineCnnSettings, ResNet50MlpSettings, change
from fer_lib.utils.pixels import network_input

TINY = BaselineCnnSettings(
    epochs=3,
    batch_size=16,
    convolution_filters=(4, 8),
    dense_units=8,
    width_shift_range=0.1,
    rotation_range=15,
    learning_rate=0.01,
)


def striped_faces(count: int, seed: int = 0) -> FaceDataset:
    """Draw noise with a bright stripe; its height is the class, which is learnt within a few epochs."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 7
    images = rng.integers(0, 120, (count, 48, 48)).astype(np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[label * 6 : label * 6 + 6] += 120
    meta = pd.DataFrame({"label": labels, "split": "Training"})
    return FaceDataset(images, meta, tuple("abcdefg"), "striped", synthetic=True)


def run(settings=TINY, *, checkpoints=None, seed=1, **more):
    return training.train(
        partial(baseline_cnn.build, settings),
        settings,
        training=striped_faces(70),
        validation=striped_faces(28, seed=9),
        seed=seed,
        checkpoints=checkpoints,
        **more,
    )


def numbers(history: pd.DataFrame) -> pd.DataFrame:
    return history.drop(columns="seconds")


@pytest.mark.parametrize("normalised", [True, False])
def test_batch_norms_keep_the_cnns_hidden_units_active(normalised):
    settings = change(
        TINY, epochs=8, batch_size=16, learning_rate=0.01, convolution_filters=(8, 8), dense_units=64,
        batch_normalization=normalised, normalization_momentum=0.9,
    )  # fmt: skip
    model, _ = run(settings)
    units = training.predict(baseline_cnn.hidden(model), striped_faces(70), settings=settings)
    counted = metrics.active_units(units)
    assert counted["units"] == 64
    assert (counted["active"] == 64) == normalised


@pytest.fixture(scope="module")
def undisturbed():
    return run()


def same_weights(first: keras.Model, second: keras.Model) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(first.get_weights(), second.get_weights(), strict=True))


def test_same_seed_same_numbers_and_other_seed_others(undisturbed):
    model, history = undisturbed
    again, again_history = run()
    pd.testing.assert_frame_equal(numbers(history), numbers(again_history), check_exact=True)
    assert same_weights(model, again)
    assert not np.array_equal(history["loss"], run(seed=2)[1]["loss"])


@pytest.mark.parametrize("done", [1, 2])
def test_a_resumed_run_ends_with_the_same_bits(undisturbed, tmp_path, done):
    model, history = undisturbed
    run(change(TINY, epochs=done), checkpoints=tmp_path)
    keras.utils.clear_session()
    resumed, resumed_history = run(checkpoints=tmp_path)
    pd.testing.assert_frame_equal(numbers(history), numbers(resumed_history), check_exact=True)
    assert same_weights(model, resumed)


def test_a_kill_between_model_and_history_loses_one_epoch_at_most(undisturbed, tmp_path, monkeypatch):
    write = pd.DataFrame.to_csv

    def killed_in_epoch_two(frame, *args, **kwargs):
        if len(frame) == 2:
            raise KeyboardInterrupt
        return write(frame, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(pd.DataFrame, "to_csv", killed_in_epoch_two)
        with pytest.raises(KeyboardInterrupt):
            run(checkpoints=tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["epoch-001.keras", "epoch-002.keras", "history.csv"]
    (tmp_path / ".partial-x.keras").write_bytes(b"half a model")  # SIGKILL leaves what an exception removes
    model, history = run(checkpoints=tmp_path)
    pd.testing.assert_frame_equal(numbers(history), numbers(undisturbed[1]), check_exact=True)
    assert same_weights(model, undisturbed[0])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["epoch-003.keras", "history.csv"]


def test_a_finished_run_trains_nothing_more(undisturbed, tmp_path, monkeypatch):
    run(checkpoints=tmp_path)
    monkeypatch.setattr(keras.Model, "fit", lambda *args, **kwargs: pytest.fail("trained again"))
    model, history = run(checkpoints=tmp_path)
    assert len(history) == 3
    assert same_weights(model, undisturbed[0])


def test_a_damaged_checkpoint_starts_anew_and_says_so(undisturbed, tmp_path, caplog):
    run(change(TINY, epochs=1), checkpoints=tmp_path)
    (tmp_path / "epoch-001.keras").write_bytes(b"PK\x03\x04 half a file")
    _, history = run(checkpoints=tmp_path)
    assert "starts again" in caplog.text
    pd.testing.assert_frame_equal(numbers(history), numbers(undisturbed[1]), check_exact=True)


def test_a_checkpoint_with_a_flipped_bit_starts_anew(undisturbed, tmp_path, caplog):
    run(change(TINY, epochs=1), checkpoints=tmp_path)
    path = tmp_path / "epoch-001.keras"
    data = bytearray(path.read_bytes())
    data[data.index(b'"class_name"')] ^= 1  # in the description, which the file keeps uncompressed, with a checksum
    path.write_bytes(data)
    _, history = run(checkpoints=tmp_path)
    assert "starts again" in caplog.text
    pd.testing.assert_frame_equal(numbers(history), numbers(undisturbed[1]), check_exact=True)


def test_fewer_epochs_than_the_checkpoint_holds_are_trained_anew(undisturbed, tmp_path):
    run(checkpoints=tmp_path)
    _, history = run(change(TINY, epochs=1), checkpoints=tmp_path)
    assert history["loss"].tolist() == undisturbed[1]["loss"].tolist()[:1]


def test_what_a_longer_training_left_outlives_a_shorter_one(undisturbed, tmp_path, monkeypatch):
    run(checkpoints=tmp_path)
    run(change(TINY, epochs=1), checkpoints=tmp_path)
    monkeypatch.setattr(keras.Model, "fit", lambda *args, **kwargs: pytest.fail("trained again"))
    assert same_weights(run(checkpoints=tmp_path)[0], undisturbed[0])
    assert len(run(change(TINY, epochs=1), checkpoints=tmp_path)[1]) == 1


def test_a_loss_that_is_no_number_stops_with_the_epoch(tmp_path):
    def build_diverged() -> keras.Model:
        model = baseline_cnn.build(TINY)
        logits = model.get_layer("logits")
        logits.bias.assign(np.full(7, np.nan))
        return model

    with pytest.raises(FerError, match=r"The loss is nan in epoch 1; lower the learning rate \(no epoch was kept\)"):
        training.train(
            build_diverged, TINY, training=striped_faces(14), validation=striped_faces(7), checkpoints=tmp_path
        )
    assert not list(tmp_path.glob("*.keras"))


def test_early_stopping_is_off_by_default_and_stops_when_asked(tmp_path):
    run(change(TINY, epochs=2), checkpoints=tmp_path)
    history = pd.read_csv(tmp_path / "history.csv").assign(val_loss=[1.0, 2.0])  # as if it had over-fitted
    history.to_csv(tmp_path / "history.csv", index=False)
    stopped = run(change(TINY, epochs=5, early_stopping_patience=1), checkpoints=tmp_path)[1]
    assert len(stopped) == 2
    assert len(run(TINY, checkpoints=tmp_path)[1]) == 3
    falling, rising = pd.DataFrame({"val_loss": [3, 2, 1]}), pd.DataFrame({"val_loss": [1, 2, 3]})

    def stops(history, patience):
        return training._finished(history, change(TINY, epochs=9, early_stopping_patience=patience))

    assert not stops(rising, 0)
    assert not stops(falling, 1)
    assert not stops(rising, 3)
    assert stops(rising, 2)


def test_plateaus_are_those_of_keras():
    losses = [2.0, 1.9, 1.9, 1.89995, 1.95, 1.8, 1.81, 1.82, 1.83, 1.84, 1.85, 1.7]
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.1), "mse")
    callback = keras.callbacks.ReduceLROnPlateau(patience=2, factor=0.5)
    callback.set_model(model)
    callback.on_train_begin()
    settings = change(TINY, plateau_patience=2, plateau_factor=0.5)
    for epoch, loss in enumerate(losses):
        callback.on_epoch_end(epoch, {"val_loss": loss})
        drops = training._plateaus(pd.DataFrame({"val_loss": losses[: epoch + 1]}), settings)
        assert float(model.optimizer.learning_rate) == pytest.approx(0.1 * 0.5**drops)
    assert drops == 3
    assert training._plateaus(pd.DataFrame({"val_loss": losses}), TINY) == 0


def test_a_plateau_lowers_the_learning_rate_of_the_next_epoch(tmp_path):
    settings = change(TINY, plateau_patience=1, plateau_factor=0.5)
    run(change(settings, epochs=2), checkpoints=tmp_path)
    history = pd.read_csv(tmp_path / "history.csv").assign(val_loss=[1.0, 2.0])  # as if it had over-fitted
    history.to_csv(tmp_path / "history.csv", index=False)
    model, _ = run(change(settings, epochs=3), checkpoints=tmp_path)
    assert float(model.optimizer.learning_rate) == pytest.approx(settings.learning_rate / 2)


def test_the_last_model_is_not_kept_where_the_caller_does_not_need_it(tmp_path, undisturbed):
    history = run(TINY, checkpoints=tmp_path, keep_trained=False)[1]
    assert len(history) == TINY.epochs
    assert len(pd.read_csv(tmp_path / "history.csv")) == TINY.epochs - 1
    again = run(TINY, checkpoints=tmp_path, keep_trained=False)[1]  # trains the last epoch again
    pd.testing.assert_frame_equal(numbers(again), numbers(undisturbed[1]))


def test_batches_shuffle_and_move_by_epoch_and_only_in_training():
    faces, still = striped_faces(40), change(TINY, width_shift_range=0, rotation_range=0)
    first, targets = training.FaceBatches(faces, TINY, augment_with=(0, 0))[1]
    assert first.shape == (16, 48, 48, 3)
    assert first.dtype == np.float32
    np.testing.assert_array_equal(targets.sum(axis=1), 1)
    np.testing.assert_array_equal(first, training.FaceBatches(faces, TINY, augment_with=(0, 0))[1][0])
    assert not np.array_equal(first, training.FaceBatches(faces, TINY, augment_with=(0, 1))[1][0])
    np.testing.assert_array_equal(training.FaceBatches(faces, TINY)[0][0], network_input(faces.images[:16], "unit"))
    shuffled = training.FaceBatches(faces, still, augment_with=(0, 0))
    seen = np.concatenate([shuffled[index][1].argmax(axis=1) for index in range(len(shuffled))])
    assert not np.array_equal(seen, faces.labels)
    np.testing.assert_array_equal(np.sort(seen), np.sort(faces.labels))


def test_predict_keeps_the_order_whatever_the_batch(undisturbed, monkeypatch):
    faces = striped_faces(20)
    whole = training.predict(undisturbed[0], faces, settings=TINY)
    monkeypatch.setattr(trunk, "FACES_A_STEP", 7)
    np.testing.assert_allclose(training.predict(undisturbed[0], faces, settings=TINY), whole, atol=1e-6)
    assert whole.shape == (20, 7)


def test_keras_reports_what_evaluation_computes(undisturbed):
    from fer_lib.evaluation import metrics

    model, history = undisturbed
    faces = striped_faces(28, seed=9)
    outputs = training.predict(model, faces, settings=TINY)
    scores = metrics.score(outputs, faces.labels, faces.class_names).set_index("metric")
    for metric in ("loss", "categorical_accuracy", "binary_accuracy"):
        assert scores.loc[metric, "value"] == pytest.approx(history[f"val_{metric}"].iloc[-1], abs=1e-5)


@pytest.mark.bfloat16
def test_mixed_precision_computes_in_bfloat16_and_keeps_float32(undisturbed, tmp_path):
    mixed = change(TINY, precision="mixed_bfloat16")
    model, history = run(mixed, checkpoints=tmp_path)
    assert keras.config.dtype_policy().name == "float32"  # of whatever is built next
    assert {layer.compute_dtype for layer in model.layers if layer.weights} == {"bfloat16"}
    assert {weight.dtype for weight in model.trainable_weights} == {"float32"}
    outputs = training.predict(model, striped_faces(7), settings=mixed)
    assert outputs.dtype == np.float32
    np.testing.assert_allclose(outputs.sum(axis=1), 1, atol=1e-5)
    # near float32's training, and not it
    assert history["loss"].iloc[-1] == pytest.approx(undisturbed[1]["loss"].iloc[-1], abs=0.3)
    assert history["loss"].iloc[-1] != undisturbed[1]["loss"].iloc[-1]
    resumed = training.train(
        partial(baseline_cnn.build, mixed),
        change(mixed, epochs=4),
        training=striped_faces(70),
        validation=striped_faces(28, seed=9),
        seed=1,
        checkpoints=tmp_path,
    )[0]
    assert {layer.compute_dtype for layer in resumed.layers if layer.weights} == {"bfloat16"}


def test_fast_layers_train_to_nearly_the_same_numbers_and_leave_a_plain_network(undisturbed, tmp_path):
    # Adam turns the rounding of gradients that are zero into whole steps, so the steps are small here
    settings = change(TINY, layers="fast", learning_rate=1e-5, epochs=2)
    model, history = run(settings, checkpoints=tmp_path / "whole")
    assert not fast_layers.is_fast(model)
    assert [w.path for w in model.weights] == [w.path for w in undisturbed[0].weights]
    own = numbers(run(change(settings, layers="keras"))[1])
    np.testing.assert_allclose(numbers(history)[["loss", "val_loss"]], own[["loss", "val_loss"]], rtol=1e-5)
    shares = training.predict(model, striped_faces(28, seed=9), settings=settings)
    loss = history["val_loss"].iloc[-1]
    scored = metrics.score(shares, striped_faces(28, seed=9).labels, tuple("abcdefg")).set_index("metric")["value"]
    assert scored["loss"] == pytest.approx(loss, rel=1e-4)
    resumed = tmp_path / "resumed"
    run(change(settings, epochs=1), checkpoints=resumed)
    again, continued = run(settings, checkpoints=resumed)
    assert same_weights(again, model)
    pd.testing.assert_frame_equal(numbers(continued), numbers(history))


def build_with_trunk() -> keras.Model:
    """Build a small network shaped like ResNet50 + MLP: a graph with a frozen start, two crossing tensors, dropout."""
    layers = keras.layers
    face = keras.Input((48, 48, 3))
    x = layers.Conv2D(4, 5, strides=4, padding="same", activation="linear", name="early")(face)
    x = layers.BatchNormalization(name="early_bn")(x)
    shortcut = layers.ReLU(name="early_relu")(x)
    x = layers.Conv2D(4, 3, padding="same", name="branch")(shortcut)
    x = layers.Conv2D(4, 1, name="late")(layers.ReLU()(x))
    graph = keras.Model(face, layers.Add()([layers.BatchNormalization(name="late_bn")(x), shortcut]), name="graph")
    for layer in graph.layers:
        layer.trainable = layer.name.startswith("late")
    inputs = keras.Input((48, 48, 3))
    x = layers.Dropout(0.2)(graph(inputs))
    x = layers.Dense(7, name="logits")(layers.Flatten()(x))
    return keras.Model(inputs, layers.Softmax()(x))


@pytest.mark.parametrize("engine", ["keras", "openvino"])
def test_a_tail_is_trained_and_resumed_with_the_same_bits(engine, tmp_path):
    settings = ResNet50MlpSettings(weights="random_frozen", trunk_engine=engine, epochs=3, batch_size=16)
    faces = {"training": striped_faces(70), "validation": striped_faces(28, seed=9)}
    model, history = training.train(build_with_trunk, settings, **faces, seed=1)
    assert history["loss"].iloc[-1] < history["loss"].iloc[0]
    training.train(build_with_trunk, change(settings, epochs=1), **faces, seed=1, checkpoints=tmp_path)
    keras.utils.clear_session()
    resumed, resumed_history = training.train(build_with_trunk, settings, **faces, seed=1, checkpoints=tmp_path)
    pd.testing.assert_frame_equal(numbers(history), numbers(resumed_history), check_exact=True)
    assert same_weights(model, resumed)
    # what was validated is what the model predicts
    from fer_lib.evaluation import metrics

    outputs = training.predict(model, faces["validation"], settings=settings)
    scores = metrics.score(outputs, faces["validation"].labels, tuple("abcdefg")).set_index("metric")
    assert scores.loc["loss", "value"] == pytest.approx(history["val_loss"].iloc[-1], abs=1e-5)


def test_one_core_trains_to_the_same_numbers_as_two(monkeypatch):
    """With one worker, Keras reads the batches in a thread of TensorFlow."""
    settings = ResNet50MlpSettings(weights="random_frozen", trunk_engine="openvino", epochs=1, batch_size=16)
    faces = {"training": striped_faces(70), "validation": striped_faces(28, seed=9)}
    histories = []
    for workers in (1, 2):
        monkeypatch.setattr(training, "WORKERS", workers)
        histories.append(numbers(training.train(build_with_trunk, settings, **faces, seed=1)[1]))
    pd.testing.assert_frame_equal(*histories, check_exact=True)
