"""Test the depth study: layers and parameters by hand, norms against finite differences, twins, resuming."""

from __future__ import annotations

import logging
import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from fer_lib.backend import keras
from fer_lib.datasets.face_dataset import FaceDataset
from fer_lib.errors import FerError
from fer_lib.experiments import depth_study
from fer_lib.models import depth_nets
from fer_lib.settings import DepthStudySettings
from fer_lib.training import set_seed

TINY = DepthStudySettings(
    blocks=(1,), batch_norm=(True,), steps=5, batch_size=6, learning_rate=0.01, record_every=2, faces=20
)
SIZE = 12


def some_faces(count: int = 30, seed: int = 0) -> FaceDataset:
    images = np.random.default_rng(seed).integers(0, 256, (count, SIZE, SIZE)).astype(np.uint8)
    meta = pd.DataFrame({"label": np.sort(np.arange(count) % 3), "split": "Training"})
    return FaceDataset(images, meta, ("a", "b", "c"), "noise", synthetic=True)


@pytest.fixture(scope="module")
def undisturbed():
    return depth_study.run(TINY, some_faces(), seed=1)


def by_hand(blocks: int, *, batch_norm: bool, classes: int) -> int:
    """Count trainable parameters: kernels, a bias or a batch norm's gamma and beta for each map, the dense layer."""
    each = 2 if batch_norm else 1
    widths = [(1, 16)]
    for before, maps in ((16, 16), (16, 32), (32, 64)):
        widths += [(before, maps), *[(maps, maps)] * (2 * blocks - 1)]
    return sum(9 * into * maps + each * maps for into, maps in widths) + 64 * classes + classes


# the networks


@pytest.mark.parametrize("batch_norm", [True, False])
@pytest.mark.parametrize("blocks", [1, 9])
def test_plain_and_residual_have_the_layers_and_parameters_by_hand(blocks, batch_norm):
    for residual in (False, True):
        model = depth_nets.build(blocks, residual=residual, batch_norm=batch_norm)
        trainable = sum(math.prod(weight.shape) for weight in model.trainable_weights)
        assert trainable == by_hand(blocks, batch_norm=batch_norm, classes=7)
        assert len(depth_nets.convolutions(model)) + 1 == 6 * blocks + 2


def test_stages_halve_the_picture_and_the_shortcut_has_no_parameters():
    model = depth_nets.build(2, residual=True)
    sizes = [layer.output.shape[1:] for layer in depth_nets.convolutions(model)]
    assert sizes == [(48, 48, 16)] * 5 + [(24, 24, 32)] * 4 + [(12, 12, 64)] * 4


def test_with_silent_convolutions_residual_passes_the_face_on_and_plain_nothing():
    face = np.random.default_rng(0).normal(size=(1, SIZE, SIZE, 1)).astype(np.float32)
    passed = {}
    for residual in (False, True):
        model = depth_nets.build(1, residual=residual, batch_norm=False, image_size=SIZE, classes=3)
        first, *others = depth_nets.convolutions(model)
        for layer in others:
            layer.set_weights([np.zeros_like(weight) for weight in layer.get_weights()])
        parts = [first.output, model.get_layer("pool").output]
        passed[residual] = [np.asarray(part) for part in keras.Model(model.inputs, parts).predict_on_batch(face)]
    assert not passed[False][1].any()
    convolved, pooled = passed[True]
    # two strides of two: every fourth pixel, the new maps zero
    np.testing.assert_allclose(pooled[0, :16], np.maximum(convolved, 0)[0, ::4, ::4].mean(axis=(0, 1)), rtol=1e-5)
    assert not pooled[0, 16:].any()


def test_twins_start_from_the_same_weights_and_differ_in_what_they_say():
    face = np.random.default_rng(0).normal(size=(2, SIZE, SIZE, 1)).astype(np.float32)
    twins = []
    for residual in (False, True):
        set_seed(4)
        twins.append(depth_nets.build(1, residual=residual, image_size=SIZE))
    plain, residual = twins
    assert all(np.array_equal(a, b) for a, b in zip(plain.get_weights(), residual.get_weights(), strict=True))
    assert not np.allclose(plain.predict_on_batch(face), residual.predict_on_batch(face))


# the recorded norms


def tiny_model(*, residual: bool, batch_norm: bool) -> keras.Model:
    set_seed(0)
    network = depth_study.Network(1, residual=residual, batch_norm=batch_norm)
    return depth_study.compiled(network, TINY, image_size=SIZE, classes=3)


@pytest.mark.parametrize(("residual", "batch_norm"), [(False, False), (True, True)])
def test_the_norm_is_that_of_the_gradient_by_differences(residual, batch_norm):
    x, y = np.random.default_rng(2).normal(size=(6, SIZE, SIZE, 1)).astype(np.float32), np.arange(6) % 3
    model, probe = (tiny_model(residual=residual, batch_norm=batch_norm) for _ in range(2))
    model.train_on_batch(x, y)
    norms = keras.ops.convert_to_numpy(model.optimizer.norms)
    assert norms.shape == (7,)
    for stepped, layer, norm in zip(depth_nets.convolutions(model), depth_nets.convolutions(probe), norms, strict=True):
        # without momentum yet, the step is the gradient: its direction is that of the steepest slope
        before, after = (keras.ops.convert_to_numpy(each.kernel) for each in (layer, stepped))
        gradient = (before - after) / TINY.learning_rate
        assert norm == pytest.approx(np.linalg.norm(gradient), rel=0.01)
        assert norm == pytest.approx(slope(probe, layer, gradient / np.linalg.norm(gradient), x, y), rel=0.03)


def slope(model, layer, direction, x, y, distance=2e-3) -> float:
    """Compute the slope of the training loss along a direction of one kernel, by central differences."""
    kernel = keras.ops.convert_to_numpy(layer.kernel).copy()
    losses = []
    for sign in (1, -1):
        layer.kernel.assign(kernel + sign * distance * direction)
        logits = keras.ops.convert_to_numpy(model(x, training=True)).astype(float)
        losses.append(np.mean(np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(y)), y]))
    layer.kernel.assign(kernel)
    return (losses[0] - losses[1]) / (2 * distance)


def test_recording_leaves_the_steps_as_they_are():
    rng = np.random.default_rng(3)
    batches = [(rng.normal(size=(6, SIZE, SIZE, 1)).astype(np.float32), np.arange(6) % 3) for _ in range(3)]
    recording, plain = (tiny_model(residual=True, batch_norm=False) for _ in range(2))
    plain.compile(
        optimizer=keras.optimizers.SGD(learning_rate=TINY.learning_rate, momentum=0.9),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    for x, y in batches:
        recording.train_on_batch(x, y)
        plain.train_on_batch(x, y)
    for a, b in zip(recording.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


# the study


def test_the_frames_have_a_row_a_step_and_a_row_a_recorded_layer(undisturbed):
    norms, losses = undisturbed
    assert list(norms) == ["network", "layers", "batch_norm", "step", "layer", "gradient_norm"]
    assert list(losses) == ["network", "layers", "batch_norm", "step", "loss"]
    assert len(losses) == 2 * 5
    assert norms.groupby(["network", "layers", "batch_norm"]).size().tolist() == [3 * 7] * 2
    assert sorted(norms["step"].unique()) == [0, 2, 4]
    assert sorted(norms["layer"].unique()) == [1, 2, 3, 4, 5, 6, 7]
    assert (norms["gradient_norm"] > 0).all()
    assert set(norms["layers"]) == {8}


def test_a_deep_plain_network_s_gradient_vanishes_without_batch_norm_and_its_twin_s_does_not():
    settings = replace(TINY, blocks=(3,), batch_norm=(False,), steps=1)
    norms, _ = depth_study.run(settings, some_faces())
    typical = norms.groupby("network")["gradient_norm"].median()
    assert typical["plain"] < 1e-3 < 1e-2 < typical["residual"]


def test_a_seed_draws_faces_weights_and_order():
    drawn = [depth_study._draw(TINY, some_faces(), seed=seed) for seed in (0, 1, 1)]
    assert not np.array_equal(drawn[0].pixels, drawn[1].pixels)
    assert np.array_equal(drawn[1].pixels, drawn[2].pixels)
    batches = [depth_study._batches(TINY, drawn[0], seed=seed)(0)[0] for seed in (0, 1)]
    assert not np.array_equal(*batches)
    network = depth_study.Network(1, residual=True, batch_norm=True)
    weights = [depth_study._fresh(network, TINY, drawn[0], seed=seed).get_weights()[0] for seed in (0, 1, 1)]
    assert not np.array_equal(weights[0], weights[1])
    assert np.array_equal(weights[1], weights[2])


def test_each_loss_is_of_its_own_batch(undisturbed):
    data = depth_study._draw(TINY, some_faces(), seed=1)
    batch = depth_study._batches(TINY, data, seed=1)
    model = depth_study._fresh(depth_study.Network(1, residual=True, batch_norm=True), TINY, data, seed=1)
    expected = []
    for step in range(3):
        x, y = batch(step)
        likelihood = keras.ops.log_softmax(model(x, training=True), axis=1)
        expected.append(-np.mean(keras.ops.convert_to_numpy(likelihood)[np.arange(len(y)), y]))
        model.train_on_batch(x, y)
    found = undisturbed[1].query("network == 'residual'")["loss"].to_numpy()[:3]
    np.testing.assert_allclose(found, expected, rtol=1e-3)


def test_every_condition_is_a_network():
    study = depth_study.networks(DepthStudySettings())
    assert len(set(map(str, study))) == len(study) == 2 * 2 * 2
    assert {str(network) for network in study} >= {"plain20-bn", "residual20-bn", "plain56-nobn", "residual56-nobn"}


def test_batches_are_whole_epochs_drawn_anew_of_faces_of_all_classes():
    faces = some_faces(60)
    data = depth_study._draw(TINY, faces, seed=0)
    assert set(data.labels) == {0, 1, 2}  # the first twenty of the corpus are of one class
    assert data.pixels.shape == (20, SIZE, SIZE, 1)
    assert abs(data.pixels.mean()) < 1e-5
    assert data.pixels.std() == pytest.approx(1, abs=1e-4)
    batch = depth_study._batches(TINY, data, seed=0)
    epochs = [np.concatenate([batch(step)[0] for step in range(start, start + 3)]) for start in (0, 3)]
    for epoch in epochs:
        assert len({face.tobytes() for face in epoch}) == 18
    assert not np.array_equal(*epochs)


def killed(monkeypatch, folder, *, at: int) -> None:
    """Run the study until the process is interrupted after so many steps of all networks."""
    monkeypatch.setattr(depth_study, "SECONDS_BETWEEN_SAVES", 0)
    step, calls = keras.Model.train_on_batch, []

    def interrupted(model, *batch):
        calls.append(None)
        if len(calls) == at + 1:
            raise KeyboardInterrupt
        return step(model, *batch)

    with monkeypatch.context() as patch:
        patch.setattr(keras.Model, "train_on_batch", interrupted)
        with pytest.raises(KeyboardInterrupt):
            depth_study.run(TINY, some_faces(), seed=1, checkpoints=folder)


def test_a_killed_study_resumes_with_the_same_bits_and_then_costs_nothing(undisturbed, tmp_path, monkeypatch, caplog):
    killed(monkeypatch, tmp_path, at=8)
    caplog.set_level(logging.INFO, logger="fer_lib")
    assert_the_same(undisturbed, depth_study.run(TINY, some_faces(), seed=1, checkpoints=tmp_path))
    assert "resumed after step 3" in caplog.text
    assert {path.name for path in tmp_path.glob("*/*")} == {"norms.csv", "losses.csv"}
    monkeypatch.setattr(keras.Model, "train_on_batch", lambda *args: pytest.fail("trained again"))
    assert_the_same(undisturbed, depth_study.run(TINY, some_faces(), seed=1, checkpoints=tmp_path))


def assert_the_same(first, second) -> None:
    for one, other in zip(first, second, strict=True):
        pd.testing.assert_frame_equal(one, other, check_exact=True)


@pytest.fixture
def plain_alone(undisturbed, monkeypatch):
    """Restrict the study to its first network; return its undisturbed result."""
    monkeypatch.setattr(depth_study, "networks", lambda settings: [depth_study.Network(1, False, True)])
    return [frame[frame["network"] == "plain"] for frame in undisturbed]


def test_a_kill_between_norms_and_losses_repeats_one_step(plain_alone, tmp_path, monkeypatch):
    monkeypatch.setattr(depth_study, "SECONDS_BETWEEN_SAVES", 0)
    write = pd.DataFrame.to_csv

    def killed_at_step_three(frame, *args, **kwargs):
        if len(frame) == 3 and "loss" in frame:
            raise KeyboardInterrupt
        return write(frame, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(pd.DataFrame, "to_csv", killed_at_step_three)
        with pytest.raises(KeyboardInterrupt):
            depth_study.run(TINY, some_faces(), seed=1, checkpoints=tmp_path)
    assert_the_same(plain_alone, depth_study.run(TINY, some_faces(), seed=1, checkpoints=tmp_path))


def test_damaged_weights_start_anew_and_say_so(plain_alone, tmp_path, monkeypatch, caplog):
    killed(monkeypatch, tmp_path, at=3)
    next(tmp_path.glob("*/step-00003.weights.h5")).write_bytes(b"half a file")
    assert_the_same(plain_alone, depth_study.run(TINY, some_faces(), seed=1, checkpoints=tmp_path))
    assert "starts again" in caplog.text


def test_a_loss_that_is_no_number_is_the_last_and_recorded(tmp_path):
    settings = replace(TINY, learning_rate=1e30, batch_norm=(False,))
    _, losses = depth_study.run(settings, some_faces(), checkpoints=tmp_path)
    for _, of_one in losses.groupby("network"):
        assert len(of_one) < settings.steps
        assert not np.isfinite(of_one["loss"].iloc[-1])
        assert np.isfinite(of_one["loss"].iloc[:-1]).all()
    again = depth_study.run(settings, some_faces(), checkpoints=tmp_path)[1]
    pd.testing.assert_frame_equal(losses, again, check_exact=True)


def test_fewer_faces_than_a_batch_are_refused():
    with pytest.raises(FerError, match="There are 5 faces, less than one batch of 6"):
        depth_study.run(TINY, some_faces(5))


def test_the_summary_takes_the_first_layers_norm_and_the_ends_of_the_loss():
    facts = {"network": "plain", "layers": 8, "batch_norm": False}
    norms = [(0, 1, 2.0), (0, 7, 8.0), (4, 1, 1.0), (4, 7, 8.0)]
    gradients = pd.DataFrame([facts | {"step": s, "layer": la, "gradient_norm": n} for s, la, n in norms])
    losses = pd.DataFrame([facts | {"step": step, "loss": 4.0 - step} for step in range(4)])
    row = depth_study.summary(gradients, losses).iloc[0]
    assert row["first layer, start"] == 2.0
    assert row["first layer, end"] == 1.0
    assert row["first / last, start"] == 0.25
    assert (row["loss, start"], row["loss, end"]) == (3.5, 1.5)
