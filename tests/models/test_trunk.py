"""Test the frozen trunk: where a network is split, which tensors cross, and that all engines agree with Keras."""

from __future__ import annotations

import gc
import subprocess
import sys
import time
import weakref
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest

from fer_lib import training
from fer_lib.backend import keras
from fer_lib.datasets.face_dataset import FaceDataset
from fer_lib.errors import FerError
from fer_lib.models import baseline_cnn, openvino_graph, resnet50_mlp, resnet50_svm, trunk
from fer_lib.models.trunk import share_of_variation
from fer_lib.settings import PROJECT, BaselineCnnSettings, ResNet50MlpSettings, ResNet50SvmSettings, change
from fer_lib.utils import inference
from fer_lib.utils.pixels import network_input

layers = keras.layers
RANDOM = ResNet50MlpSettings(weights="random_frozen", scaling="trunk", epochs=2, batch_size=16)
KERAS, OPENVINO = (SimpleNamespace(trunk_engine=name, trunk_precision="float32") for name in ("keras", "openvino"))


def has_bfloat16() -> bool:
    return "BF16" in inference.openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def pixels(count: int, seed: int = 0) -> np.ndarray:
    """Faces that differ: 4×4 even squares of any grey. To a trunk, noise of single pixels looks alike in all faces."""
    squares = np.random.default_rng(seed).integers(0, 256, (count, 4, 4), dtype=np.uint8)
    return squares.repeat(12, axis=1).repeat(12, axis=2)


def faces_of(count: int, seed: int = 0) -> FaceDataset:
    meta = pd.DataFrame({"label": np.arange(count) % 7, "split": "Training"})
    return FaceDataset(pixels(count, seed), meta, tuple("abcdefg"), "noise", synthetic=True)


def with_moving_averages(network: keras.Model) -> keras.Model:
    """Batch norms of a fresh network do nothing: give each the statistics of one that was trained.

    A ResNet's branches weigh less than its shortcuts. With equal weights, each of sixteen blocks adds a part that all
    faces have in common, and rounding grows from block to block.
    """
    rng = np.random.default_rng(0)
    for layer in network.layers:
        if isinstance(layer, layers.BatchNormalization):
            gamma, beta, mean, variance = (weight.shape for weight in layer.get_weights())
            spread = (rng.uniform(0.5, 1.5, gamma), rng.normal(0, 0.2, beta), rng.normal(0, 0.2, mean))
            layer.set_weights([*spread, rng.uniform(0.5, 1.5, variance)])
            if layer.name.endswith("_3_bn"):  # the last of a branch
                layer.gamma.assign(layer.gamma * 0.2)
    return network


@pytest.fixture(scope="module")
def model():
    built = resnet50_mlp.build(RANDOM)
    with_moving_averages(built.get_layer("resnet50"))
    return built


# --- where it is split ------------------------------------------------------------------------------------------------


def test_branch_and_shortcut_cross_where_the_last_four_layers_train(model):
    frozen, tail = trunk.split(model)
    assert [tensor.shape for tensor in frozen.outputs] == [(None, 2, 2, 2048), (None, 2, 2, 512)]
    assert tail.input_shape == (None, 2 * 2 * (2048 + 512))
    assert not frozen.trainable_weights
    # the very same variables, in the same order: one optimiser serves both
    pairs = zip(tail.trainable_variables, model.trainable_variables, strict=True)
    assert all(one is other for one, other in pairs)


def test_trunk_and_tail_are_the_model(model):
    faces = network_input(pixels(3))
    expected = np.asarray(model.predict_on_batch(faces))
    freezings = {"last_four_convolutions": [8192, 2048], "nothing": [8192], "last_four_layers": [8192, 2048]}
    for which, widths in freezings.items():  # the last leaves the model as it was
        resnet50_mlp.freeze(model.get_layer("resnet50"), which)
        frozen, tail = trunk.split(model)
        assert [int(np.prod(tensor.shape[1:])) for tensor in frozen.outputs] == widths
        crossed = np.concatenate([np.asarray(part).reshape(3, -1) for part in _outputs(frozen, faces)], axis=1)
        np.testing.assert_allclose(np.asarray(tail.predict_on_batch(crossed)), expected, atol=1e-6, err_msg=which)


def _outputs(network: keras.Model, faces: np.ndarray) -> list[np.ndarray]:
    found = network.predict_on_batch(faces)
    return found if isinstance(found, list) else [found]


def test_what_trains_whole_has_no_trunk():
    assert trunk.split(resnet50_mlp.build(change(RANDOM, weights="none"))) is None
    settings = BaselineCnnSettings(convolution_filters=(4,), dense_units=4)
    assert trunk.split(baseline_cnn.build(settings)) is None
    assert trunk.split_model(baseline_cnn.build(settings), settings) is None


def test_a_layer_that_draws_numbers_is_never_in_the_trunk():
    face = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, name="frozen", trainable=False)(face)
    x = layers.Dropout(0.5)(x)
    x = layers.Conv2D(4, 3, name="frozen_too", trainable=False)(x)
    built = keras.Model(face, layers.Dense(2)(layers.Flatten()(x)))
    frozen, tail = trunk.split(built)
    assert {layer.name for layer in frozen.layers if layer.weights} == {"frozen"}
    assert len(tail.trainable_variables) == 2


def test_a_model_that_was_split_is_saved_and_read_back(model, tmp_path):
    trunk.split(model)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    faces = network_input(pixels(2))
    np.testing.assert_array_equal(np.asarray(again.predict_on_batch(faces)), np.asarray(model.predict_on_batch(faces)))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_outputs_that_are_no_numbers_are_refused_with_their_place(value):
    images = np.zeros((300, 2, 2), np.uint8)
    images[200] = 1

    def run(batch):
        return np.where(batch.max(axis=(1, 2)) == 1, value, 0.0)[:, np.newaxis]

    begin = 200 // trunk.FACES_A_STEP * trunk.FACES_A_STEP
    with pytest.raises(FerError, match=rf"outputs of the faces from {begin} on are not finite .* trained with\.$"):
        trunk.in_batches(run, images, np.empty((300, 1)))


# --- engines ----------------------------------------------------------------------------------------------------------


def test_a_difference_is_told_in_shares_of_the_variation_over_faces():
    rng = np.random.default_rng(0)
    reference = rng.normal(0, 0.5, (1000, 20))
    found = reference + rng.normal(0, 0.01, reference.shape)
    assert share_of_variation(found, reference) == pytest.approx(0.02, rel=0.05)
    # whatever all faces have in common, in float32 as well
    shared = np.linspace(-100, 100, 20)
    assert share_of_variation(found + shared, reference + shared) == pytest.approx(share_of_variation(found, reference))
    single = [(values + shared).astype(np.float32) for values in (found, reference)]
    assert share_of_variation(*single) == pytest.approx(0.02, rel=0.05)


def test_the_features_of_the_tests_faces_differ(model):
    """Otherwise the tail's batch norms magnify rounding, and tests pass on some kinds of processors only."""
    frozen, _ = trunk.split(model)
    features = trunk.engine_of(frozen, KERAS)(network_input(faces_of(48).images, RANDOM.scaling))
    assert np.linalg.norm(features - features.mean(axis=0)) > 0.4 * np.linalg.norm(features)


def test_openvino_agrees_with_keras_to_five_digits(model):
    frozen, _ = trunk.split(model)
    faces = network_input(pixels(20), RANDOM.scaling)
    reference = trunk.engine_of(frozen, KERAS)(faces)
    found = trunk.engine_of(frozen, OPENVINO)(faces)
    assert found.dtype == np.float32
    assert found.shape == (20, 10240)
    assert share_of_variation(found, reference) < 1e-5
    # each of the two tensors, not their larger part alone
    for part in (slice(0, 8192), slice(8192, None)):
        assert share_of_variation(found[:, part], reference[:, part]) < 1e-5


@pytest.mark.bfloat16
@pytest.mark.parametrize("engine", ["keras", "openvino"])
def test_bfloat16_stays_within_two_per_cent(model, engine):
    settings = SimpleNamespace(trunk_engine=engine, trunk_precision="bfloat16")
    frozen, _ = trunk.split(model)
    if engine == "openvino" and not has_bfloat16():
        with pytest.raises(FerError, match="trunk_precision: float32"):
            trunk.engine_of(frozen, settings)
        return
    faces = network_input(pixels(20), RANDOM.scaling)
    found = trunk.engine_of(frozen, settings)(faces)
    assert found.dtype == np.float32
    assert 1e-4 < share_of_variation(found, trunk.engine_of(frozen, KERAS)(faces)) < 2e-2


def test_the_trunks_precision_is_its_own_whatever_trains(model):
    """A model of mixed precision has a float32 trunk where the settings say so."""
    mixed = keras.models.clone_model(
        model.get_layer("resnet50"),
        clone_function=lambda layer: type(layer).from_config({**layer.get_config(), "dtype": "mixed_bfloat16"}),
    )
    mixed.set_weights(model.get_layer("resnet50").get_weights())
    faces = network_input(pixels(3), RANDOM.scaling)
    expected = trunk.engine_of(model.get_layer("resnet50"), KERAS)(faces)
    assert share_of_variation(trunk.engine_of(mixed, KERAS)(faces), expected) < 1e-6
    assert share_of_variation(trunk.engine_of(mixed, OPENVINO)(faces), expected) < 1e-5


@pytest.mark.parametrize("says", ["FP32", "BF16"])
def test_bfloat16_needs_a_processor_that_has_it(model, monkeypatch, says):
    class OldProcessor:
        def get_property(self, device: str, name: str) -> list[str]:
            return [says, "INT8"]

        def compile_model(self, *_: object) -> None:
            raise RuntimeError("Supported primitive descriptors list is empty")

    for module in (trunk, inference):
        monkeypatch.setattr(module, "core", OldProcessor)
    settings = SimpleNamespace(trunk_engine="openvino", trunk_precision="bfloat16")
    with pytest.raises(
        FerError, match=r"bfloat16 needs a processor .* set trunk_precision: float32, or FER_TRUNK=openvino-float32 in"
    ):
        trunk.engine_of(trunk.split(model)[0], settings)


def test_without_openvino_one_sentence_says_what_to_do(model, monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(FerError, match="needs the package openvino, which is not installed"):
        trunk.engine_of(trunk.split(model)[0], OPENVINO)


def test_openvino_is_imported_without_its_telemetry():
    code = (
        "import sys; from fer_lib.utils.inference import openvino; openvino().Core();"
        "assert not [name for name in sys.modules if name.startswith('openvino_telemetry')]"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_layer_that_openvino_is_not_taught_is_named():
    face = keras.Input((8, 8, 3))
    network = keras.Model(face, layers.UpSampling2D(name="larger")(face))
    with pytest.raises(FerError, match=r"The layer larger \(UpSampling2D\) .* set trunk_engine: keras"):
        openvino_graph.convert(network)
    # nor is a layer of a known kind taken for a plainer one
    for layer in (layers.Conv2D(2, 3, activation="relu"), layers.ReLU(max_value=6), layers.ReLU(negative_slope=0.1)):
        with pytest.raises(FerError, match=f"The layer {layer.name} "):
            openvino_graph.convert(keras.Model(face, layer(face)))


@pytest.mark.parametrize("padding", ["valid", "same"])
def test_each_kind_of_layer_is_converted(padding):
    face = keras.Input((9, 11, 3))
    x = layers.ZeroPadding2D(((1, 2), (0, 3)))(face)
    x = layers.Conv2D(5, (3, 2), strides=2, padding=padding)(x)
    x = layers.BatchNormalization()(x)
    x = layers.ReLU()(x)
    y = layers.Conv2D(5, 1, use_bias=False, activation="linear")(x)
    x = layers.Add()([x, layers.Activation("relu")(y), y])
    x = layers.MaxPooling2D(2, padding=padding)(x)
    network = with_moving_averages(keras.Model(face, [x, layers.GlobalAveragePooling2D()(x)]))
    images = np.random.default_rng(1).random((4, 9, 11, 3), np.float32)
    reference = trunk.engine_of(network, KERAS)(images)
    assert share_of_variation(trunk.engine_of(network, OPENVINO)(images), reference) < 1e-6


def test_an_engine_is_made_once_and_anew_for_other_weights(model):
    frozen, _ = trunk.split(model)
    first = trunk.engine_of(frozen, OPENVINO)
    assert trunk.engine_of(frozen, OPENVINO) is first
    assert trunk.split_model(model, RANDOM).engine is trunk.split_model(model, RANDOM).engine
    convolution = frozen.get_layer("conv1_conv")
    kept = convolution.get_weights()
    convolution.set_weights([kept[0] * 2, kept[1]])
    try:
        changed = trunk.engine_of(frozen, OPENVINO)
        faces = network_input(pixels(2))
        assert changed is not first
        assert share_of_variation(changed(faces), first(faces)) > 1e-3
    finally:
        convolution.set_weights(kept)


def test_an_engine_goes_with_its_network():
    face = keras.Input((8, 8, 3))
    network = keras.Model(face, layers.Conv2D(2, 3)(face))
    engine = weakref.ref(trunk.engine_of(network, OPENVINO))
    assert engine() is not None
    del network, face
    keras.utils.clear_session()
    gc.collect()
    assert engine() is None


def test_a_network_is_split_once_and_again_if_other_layers_train(model):
    face = keras.Input((8, 8, 3))
    network = keras.Model(face, layers.Conv2D(2, 3, name="last")(layers.Conv2D(2, 3, name="first")(face)))
    assert trunk.split_model(network, RANDOM) is None
    network.get_layer("first").trainable = False
    parts = trunk.split_model(network, RANDOM)
    assert parts.tail is trunk.split_model(network, RANDOM).tail
    network.get_layer("last").trainable = False
    assert trunk.split_model(network, RANDOM).tail is not parts.tail
    kept = weakref.ref(network)
    del network, parts, face
    keras.utils.clear_session()
    gc.collect()
    assert kept() is None


def test_threads_get_their_own_rows(model):
    parts = trunk.split_model(model, change(RANDOM, trunk_engine="openvino"))
    images = pixels(trunk.FACES_A_STEP * 3 + 5)
    together = parts.features(images, scaling="trunk")
    steps = [images[start : start + 64] for start in range(0, 197, 64)]
    apart = np.concatenate([parts.engine(network_input(step, "trunk")) for step in steps])
    assert share_of_variation(together, apart) < 1e-5


def test_keras_is_called_by_one_thread_at_a_time():
    inside, most = [], []

    class Network:
        def predict_on_batch(self, batch: np.ndarray) -> np.ndarray:
            inside.append(1)
            most.append(len(inside))
            time.sleep(0.01)
            inside.pop()
            return batch

    run = trunk.one_at_a_time(Network())
    trunk.in_batches(lambda batch: run(batch[:, :1, 0]), pixels(trunk.FACES_A_STEP * 6), np.empty((384, 1), np.float32))
    assert max(most) == 1
    assert len(most) == 6


def test_an_error_in_a_batch_is_not_swallowed():
    def fail(batch: np.ndarray) -> np.ndarray:
        raise FerError("no")

    with pytest.raises(FerError, match="no"):
        trunk.in_batches(fail, pixels(3), np.empty((3, 1), np.float32))


# --- training and features --------------------------------------------------------------------------------------------


class Trained(NamedTuple):
    model: keras.Model
    history: pd.DataFrame
    before: dict[str, np.ndarray]  # the trunk's weights as they were built


def fit(settings: ResNet50MlpSettings, seed: int = 4) -> Trained:
    before = {}

    def build() -> keras.Model:
        built = resnet50_mlp.build(settings)
        with_moving_averages(built.get_layer("resnet50"))
        before.update((weight.path, weight.numpy()) for weight in built.get_layer("resnet50").weights)
        return built

    parts = {"training": faces_of(48), "validation": faces_of(21, seed=1)}
    return Trained(*training.train(build, settings, **parts, seed=seed), before)


@pytest.fixture(scope="module")
def fitted() -> Trained:
    return fit(change(RANDOM, trunk_engine="openvino"))


def usual_fit(settings: ResNet50MlpSettings, seed: int = 4) -> pd.DataFrame:
    """The same training by ``fit`` on the whole model, as a notebook would write it."""
    training.set_seed(seed)
    built = resnet50_mlp.build(settings)
    with_moving_averages(built.get_layer("resnet50"))
    training.compile_model(built, settings)
    rows = []
    for epoch in range(settings.epochs):
        seeded = keras.callbacks.LambdaCallback(
            on_epoch_begin=lambda *_, now=epoch: training._seed_dropout(built, seed, now)
        )
        batches = training.FaceBatches(faces_of(48), settings, augment_with=(seed, epoch))
        told = built.fit(
            batches,
            validation_data=training.FaceBatches(faces_of(21, seed=1), settings),
            shuffle=False,
            verbose=0,
            callbacks=[seeded],
        )
        rows.append({name: values[-1] for name, values in told.history.items()})
    return pd.DataFrame(rows)


def test_training_the_tail_is_training_the_model(fitted):
    usual = usual_fit(RANDOM)
    for engine, ours in {"openvino": fitted, "keras": fit(change(RANDOM, trunk_engine="keras"))}.items():
        for name in ("loss", "val_loss"):  # an accuracy jumps where one output passes a threshold
            np.testing.assert_allclose(ours.history[name], usual[name], rtol=1e-3, err_msg=f"{engine}, {name}")
    # and the comparison can fail
    other = fit(change(RANDOM, trunk_engine="openvino"), seed=5).history
    assert not np.allclose(other["loss"], usual["loss"], rtol=1e-3)


def test_frozen_layers_stay_frozen_bit_for_bit_and_the_last_four_learn(fitted):
    weights = fitted.model.get_layer("resnet50").weights
    changed = {each.path for each in weights if not np.array_equal(fitted.before[each.path], each.numpy())}
    assert {path.split("/")[-2] for path in changed} == {"conv5_block3_3_conv", "conv5_block3_3_bn"}


def test_the_trunk_sees_validation_faces_once_a_run(monkeypatch):
    seen = []

    class Counting(trunk.OpenVinoEngine):
        def __call__(self, faces: np.ndarray) -> np.ndarray:
            seen.append(len(faces))
            return super().__call__(faces)

    monkeypatch.setitem(trunk.ENGINES, "openvino", Counting)
    settings = change(RANDOM, trunk_engine="openvino", epochs=3)
    fit(settings)
    # 21 validation faces in one padded step; 48 training faces an epoch in three batches, and the batches that Keras
    # looks at to learn their shape
    assert seen.count(trunk.FACES_A_STEP) == 1
    assert 9 <= seen.count(16) <= 15


def test_predictions_run_on_the_same_engine(model):
    faces = faces_of(10)
    plain = np.asarray(model.predict_on_batch(network_input(faces.images, RANDOM.scaling)))
    found = training.predict(model, faces, settings=change(RANDOM, trunk_engine="openvino"))
    np.testing.assert_allclose(found, plain, atol=1e-5)
    raw = training.predict(model, faces, settings=change(RANDOM, trunk_engine="openvino"), scaling="raw")
    np.testing.assert_allclose(raw, np.asarray(model.predict_on_batch(network_input(faces.images, "raw"))), atol=1e-4)


@pytest.mark.parametrize("pooling", ["average", "flatten"])
def test_the_svms_features_come_from_the_same_engines(model, pooling):
    settings = ResNet50SvmSettings(weights="random_frozen", scaling="trunk", pooling=pooling)
    images = pixels(5)
    reference = resnet50_svm.features(model, images, settings=settings)
    found = resnet50_svm.features(model, images, settings=change(settings, trunk_engine="openvino"))
    assert found.shape == reference.shape == (5, 2048 if pooling == "average" else 8192)
    assert found.dtype == reference.dtype == np.float32
    assert 0 < share_of_variation(found, reference) < 1e-5
