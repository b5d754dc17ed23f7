"""Test pre-training: batches, the schedule, stages of growing size, and resuming to the same weights."""

from __future__ import annotations

import numpy as np
import pytest

from fer_lib import settings as fer_settings
from fer_lib.backend import keras
from fer_lib.errors import FerError
from fer_lib.experiments import pretraining
from fer_lib.settings import PretrainingSettings

STAGES = ({"image_size": 32, "epochs": 2}, {"image_size": 40, "epochs": 1})
# VGG16 is traced in a few seconds, ResNet50 in half a minute; the training code is the same
PLAIN = {"optimizer": "sgd", "cutmix": 0.0, "largest_gradient": 0.0, "identity_start": False, "head_scale": 0.0}
TINY = fer_settings.change(
    PretrainingSettings(),
    network="VGG16",
    stages=STAGES,
    batch_size=8,
    learning_rate=0.001,
    precision="float32",
    **PLAIN,
)
rng = np.random.default_rng(0)
LABELS = np.arange(20) % 3
IMAGES = rng.integers(0, 256, (20, 44, 44, 3)).astype(np.uint8)
PARTS = {"training": (IMAGES, LABELS), "validation": (IMAGES[:9], LABELS[:9]), "classes": 3}


def batches(**options) -> pretraining.PictureBatches:
    return pretraining.PictureBatches(IMAGES, LABELS, TINY, classes=3, image_size=32, **options)


def test_validation_batches_are_whole_images_in_order():
    plain = batches()
    assert len(plain) == 3
    inputs, targets = plain[2]
    assert inputs.shape == (4, 32, 32, 3)
    assert inputs.dtype == np.float32
    np.testing.assert_array_equal(targets.argmax(axis=1), LABELS[16:])


def test_training_batches_depend_on_seed_epoch_and_number_alone():
    first, again = batches(augment_with=(0, 1)), batches(augment_with=(0, 1))
    assert len(first) == 2  # the last four images are no full batch
    again[0]
    np.testing.assert_array_equal(first[1][0], again[1][0])
    other = batches(augment_with=(0, 2))
    assert not np.array_equal(first[1][1], other[1][1]) or not np.array_equal(first[1][0], other[1][0])


def test_a_crop_is_a_part_of_the_image_or_its_mirror():
    image = np.zeros((40, 60, 3), np.uint8)
    image[..., 0] = np.arange(60)  # the column
    image[..., 1] = np.arange(40)[:, np.newaxis]  # the row
    generator, mirrored, shares = np.random.default_rng(3), 0, []
    for _ in range(200):
        crop = pretraining.random_crop(image, generator, 32, 0.35).astype(float)
        across, down = np.ptp(crop[..., 0]) + 1, np.ptp(crop[..., 1]) + 1
        mirrored += crop[0, 0, 0] > crop[0, -1, 0]
        shares.append(across * down / 2400)
    assert 60 < mirrored < 140
    assert 0.25 < min(shares) < 0.45  # pixels at the borders are averaged away when the part shrinks
    assert max(shares) > 0.85


def test_cutmix_gives_each_class_the_share_of_its_area():
    pictures = np.stack([np.full((32, 32, 3), value, np.uint8) for value in range(200)])
    mixed, targets = pretraining.cutmix(pictures, np.eye(200), np.random.default_rng(1), 0.5)
    np.testing.assert_allclose(targets.sum(axis=1), 1, atol=1e-6)
    for index in range(200):
        kept = np.mean(mixed[index, ..., 0] == index)
        assert targets[index, index] == pytest.approx(kept, abs=1e-6)
        assert targets[index, index - 1] == pytest.approx(1 - kept, abs=1e-6)
    changed = (targets.max(axis=1) < 1).mean()
    assert 0.35 < changed < 0.55
    assert (pictures == np.arange(200)[:, None, None, None]).all()  # the given ones are as they were


def test_without_cutmix_targets_are_single_classes():
    plain, mixing = batches(augment_with=(0, 1)), batches(augment_with=(0, 1))
    mixing.settings = fer_settings.change(TINY, cutmix=1.0)
    assert set(np.unique(plain[0][1])) == {0.0, 1.0}
    assert ((mixing[0][1] > 0) & (mixing[0][1] < 1)).any()
    np.testing.assert_allclose(mixing[0][1].sum(axis=1), 1, atol=1e-6)


@pytest.mark.parametrize(("step", "expected"), [(0, 0.0), (5, 0.05), (10, 0.1), (55, 0.05), (100, 0.0)])
def test_the_learning_rate_rises_and_falls(step, expected):
    stages = ({"image_size": 32, "epochs": 10},)
    settings = fer_settings.change(TINY, stages=stages, learning_rate=0.1, warmup_epochs=1.0)
    model = pretraining.build(settings, classes=3, image_size=32, steps=100)
    model.optimizer.iterations.assign(step)
    assert float(model.optimizer.learning_rate) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(("largest", "expected"), [(0.0, 5.0), (1.0, 1.0), (6.0, 5.0)])
def test_a_large_gradient_is_scaled_down(largest, expected):
    settings = fer_settings.change(
        TINY, largest_gradient=largest, learning_rate=1.0, warmup_epochs=0, momentum=0.0, weight_decay=0.0
    )
    model = pretraining.build(settings, classes=3, image_size=32, steps=10)
    before = [np.array(v) for v in model.trainable_variables]
    gradients = [np.zeros_like(v) for v in before]
    gradients[-1][:2] = 3.0, 4.0
    gradients = [keras.ops.convert_to_tensor(each) for each in gradients]
    model.optimizer.apply(gradients, model.trainable_variables)
    moved = [np.array(v) - old for v, old in zip(model.trainable_variables, before, strict=True)]
    np.testing.assert_allclose(moved[-1], [-0.6 * expected, -0.8 * expected, 0.0], rtol=1e-5)
    assert not any(each.any() for each in moved[:-1])


@pytest.mark.parametrize("layers", ["fast", "keras"])
def test_blocks_can_start_as_the_identity(layers):
    settings = fer_settings.change(TINY, network="ResNet50", identity_start=True, layers=layers)
    trunk = pretraining.build(settings, classes=3, image_size=32, steps=10).get_layer("trunk")
    scales = {layer.name: np.array(layer.gamma) for layer in trunk.layers if layer.name.endswith("_bn")}
    started = {name for name, scale in scales.items() if (scale == 0).all()}
    assert started == {name for name in scales if name.endswith("_3_bn")}
    assert len(started) == 16
    assert all((scale == 1).all() for name, scale in scales.items() if name not in started)


def test_the_head_can_start_from_normed_features():
    settings = fer_settings.change(TINY, head_scale=0.3)
    model = pretraining.build(settings, classes=3, image_size=32, steps=10)
    features = np.abs(np.random.default_rng(0).normal(5, 1, (64, 512))).astype(np.float32)
    normed = np.array(model.get_layer("norm")(features, training=True))
    np.testing.assert_allclose(normed.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(normed.std(axis=0), 0.3, rtol=0.01)
    assert [layer.name for layer in model.layers] == ["picture", "trunk", "pool", "norm", "logits"]


def test_adamw_takes_the_same_schedule_and_bounds():
    settings = fer_settings.change(
        TINY, optimizer="adamw", momentum=0.8, weight_decay=0.05, largest_gradient=5.0, ema_momentum=0.9
    )
    stated = pretraining.build(settings, classes=3, image_size=32, steps=100).optimizer.get_config()
    assert stated["name"] == "adam_w"
    expected = {"beta_1": 0.8, "beta_2": 0.99, "weight_decay": 0.05, "global_clipnorm": 5.0, "ema_momentum": 0.9}
    assert {name: stated[name] for name in expected} == pytest.approx(expected)
    assert stated["use_ema"]
    assert stated["learning_rate"]["config"]["warmup_target"] == settings.learning_rate


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_only_kernels_decay(optimizer):
    settings = fer_settings.change(TINY, optimizer=optimizer, head_scale=0.3)
    model = pretraining.build(settings, classes=3, image_size=32, steps=10)
    decays = {v.path: model.optimizer._use_weight_decay(v) for v in model.trainable_variables}
    assert {path.rsplit("/", 1)[1] for path, decayed in decays.items() if decayed} == {"kernel"}
    assert {path.rsplit("/", 1)[1] for path, decayed in decays.items() if not decayed} == {"bias", "gamma"}


def test_a_killed_run_continues_to_the_same_weights(tmp_path, monkeypatch):
    whole, history = pretraining.train(TINY, **PARTS, seed=3)
    assert list(history["image_size"]) == [32, 32, 40]
    assert whole.input_shape == (None, 40, 40, 3)

    one_epoch, started = pretraining._one_epoch, []

    def killed(*args, **options):
        started.append(options["epoch"])
        if len(started) in (2, 4):
            raise KeyboardInterrupt
        return one_epoch(*args, **options)

    monkeypatch.setattr(pretraining, "_one_epoch", killed)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            pretraining.train(TINY, **PARTS, seed=3, checkpoints=tmp_path)
    again, rest = pretraining.train(TINY, **PARTS, seed=3, checkpoints=tmp_path)
    assert started == [0, 1, 1, 2, 2]
    for expected, found in zip(whole.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(found, expected)
    columns = [name for name in history if name != "seconds"]
    np.testing.assert_array_equal(rest[columns], history[columns])
    assert rest["image_size"].dtype == history["image_size"].dtype


def test_a_finished_run_trains_no_more(tmp_path, monkeypatch):
    settings = fer_settings.change(TINY, stages=STAGES[:1])
    model, _ = pretraining.train(settings, **PARTS, checkpoints=tmp_path)
    monkeypatch.setattr(pretraining, "_one_epoch", lambda *args, **options: pytest.fail("it trained"))
    again, _ = pretraining.train(settings, **PARTS, checkpoints=tmp_path)
    np.testing.assert_array_equal(
        pretraining.logits(again, IMAGES, settings), pretraining.logits(model, IMAGES, settings)
    )


def test_the_plain_trunk_computes_what_the_trained_one_does():
    model = pretraining.build(TINY, classes=3, image_size=32, steps=1)
    plain = pretraining.plain_trunk(model, TINY)
    assert not [layer for layer in plain.layers if type(layer).__name__.startswith("Fast")]
    faces = rng.random((2, 32, 32, 3), np.float32) * 255
    expected = model.get_layer("trunk").predict_on_batch(faces)
    np.testing.assert_allclose(plain.predict_on_batch(faces), expected, atol=1e-5 * np.abs(expected).max())


def test_a_loss_that_is_no_number_stops(monkeypatch):
    settings = fer_settings.change(TINY, stages=STAGES[:1], learning_rate=1e30, warmup_epochs=0.0)
    with pytest.raises(FerError, match=r"The loss is (nan|inf) in epoch \d; lower the learning rate"):
        pretraining.train(settings, **PARTS)


def test_a_moving_average_replaces_the_weights():
    settings = fer_settings.change(TINY, stages=STAGES[:1], ema_momentum=0.5)
    averaged, history = pretraining.train(settings, **PARTS, seed=1)
    last, plain = pretraining.train(fer_settings.change(settings, ema_momentum=0.0), **PARTS, seed=1)
    assert history["loss"].tolist() == plain["loss"].tolist()  # only at the end, not after each epoch
    apart = [np.abs(a - b).max() for a, b in zip(averaged.get_weights(), last.get_weights(), strict=True)]
    assert 0 < max(apart) < 0.1


def test_bfloat16_keeps_weights_and_logits_in_float32():
    settings = fer_settings.change(TINY, precision="mixed_bfloat16")
    model = pretraining.build(settings, classes=3, image_size=32, steps=1)
    assert {weight.dtype for weight in model.weights} == {"float32"}
    assert model.output.dtype == "float32"
    assert model.get_layer("trunk").layers[-1].compute_dtype == "bfloat16"
    assert keras.config.dtype_policy().name == "float32"
