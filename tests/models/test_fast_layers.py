"""Test the fast layers against Keras' own: outputs, gradients and moving averages."""

from __future__ import annotations

import numpy as np
import pytest

from fer_lib.backend import keras, precision
from fer_lib.models import fast_layers

layers = keras.layers
pytestmark = pytest.mark.skipif(not fast_layers.ON_CPU, reason="on this backend they compute as Keras' own")

CASES = {
    "pointwise": (layers.Conv2D(32, 1), (5, 5, 24)),
    "pointwise, every second pixel": (layers.Conv2D(32, 1, strides=2, use_bias=False), (5, 5, 24)),
    "pointwise, same, with activation": (
        layers.Conv2D(32, 1, strides=2, padding="same", activation="relu"),
        (6, 6, 24),
    ),
    "3×3 of one pixel": (layers.Conv2D(32, 3, padding="same"), (1, 1, 24)),
    "3×3 of four pixels": (layers.Conv2D(32, 3, padding="same"), (2, 2, 24)),
    "3×3 of nine pixels": (layers.Conv2D(32, 3, padding="same"), (3, 3, 24)),
    "3×3 of few pixels": (layers.Conv2D(32, 3, padding="same"), (6, 5, 24)),
    "3×3 of few pixels, every second": (layers.Conv2D(32, 3, strides=2, padding="same"), (10, 12, 24)),
    "3×3 of few pixels, every second of an odd number": (layers.Conv2D(32, 3, strides=2, padding="same"), (9, 7, 24)),
    "3×3 of one pixel, every second": (layers.Conv2D(32, 3, strides=2, padding="same"), (1, 1, 24)),
    "3×3 of two pixels, every second": (layers.Conv2D(32, 3, strides=2, padding="same"), (2, 2, 24)),
    "3×3 of many pixels": (layers.Conv2D(32, 3, padding="same"), (7, 7, 24)),
    "3×3, every third pixel": (layers.Conv2D(32, 3, strides=3, padding="same"), (6, 6, 24)),
    "pointwise, oblong steps": (layers.Conv2D(32, 1, strides=(2, 1)), (5, 4, 24)),
    "3×3 without padding": (layers.Conv2D(32, 3), (3, 3, 24)),
    "3×3 in groups": (layers.Conv2D(32, 3, padding="same", groups=2), (2, 2, 24)),
    "1×1 in groups": (layers.Conv2D(32, 1, groups=2), (2, 2, 24)),
    "batch norm": (layers.BatchNormalization(), (4, 4, 24)),
    "batch norm of one pixel": (layers.BatchNormalization(momentum=0.5, epsilon=0.1), (1, 1, 24)),
    "batch norm without scale": (layers.BatchNormalization(scale=False), (4, 4, 24)),
    "batch norm of vectors": (layers.BatchNormalization(), (24,)),
}


def computed(network: keras.Model, maps: np.ndarray, training: bool) -> list[np.ndarray]:
    """Compute the output, the gradients of the input and of all weights, and the moving averages."""
    import tensorflow as tf

    given = tf.constant(maps)
    with tf.GradientTape() as tape:
        tape.watch(given)
        outputs = network(given, training=training)
        weights = np.random.default_rng(1).normal(size=outputs.shape).astype(np.float32)
        weighed = tf.reduce_sum(tf.cast(outputs, tf.float32) * weights)
    gradients = tape.gradient(weighed, [given, *network.trainable_variables])
    return [
        np.asarray(keras.ops.cast(each, "float32")) for each in (outputs, *gradients, *network.non_trainable_variables)
    ]


def test_a_network_inside_a_network_becomes_fast_and_plain_again():
    inner_face = keras.Input((4, 4, 8))
    normed = layers.BatchNormalization(name="frozen", trainable=False)(layers.Conv2D(16, 1, name="inner")(inner_face))
    inner = keras.Model(inner_face, normed, name="trunk")
    face = keras.Input((4, 4, 3))
    network = keras.Model(face, layers.Flatten()(inner(layers.Conv2D(8, 3, padding="same")(face))))
    assert not fast_layers.is_fast(network)
    fast = fast_layers.faster(network)
    assert type(fast.get_layer("trunk").get_layer("inner")) is fast_layers.FastConv2D
    assert not fast.get_layer("trunk").get_layer("frozen").trainable
    assert fast_layers.is_fast(fast)
    again = fast_layers.plain(fast)
    assert not fast_layers.is_fast(again)
    assert [w.path for w in again.weights] == [w.path for w in network.weights]
    maps = np.random.default_rng(0).normal(size=(5, 4, 4, 3)).astype(np.float32)
    for each in (fast, again):
        np.testing.assert_allclose(
            each.predict(maps, verbose=0), network.predict(maps, verbose=0), rtol=1e-5, atol=1e-6
        )


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("case", CASES)
def test_a_fast_layer_computes_what_keras_computes(case, training):
    layer, shape = CASES[case]
    maps = np.random.default_rng(0).normal(size=(16, *shape)).astype(np.float32)
    face = keras.Input(shape)
    network = keras.Model(face, type(layer).from_config(layer.get_config())(face))
    fast = fast_layers.faster(network)
    assert type(fast.layers[-1]) in fast_layers.FAST.values()
    for expected, found in zip(computed(network, maps, training), computed(fast, maps, training), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max(), rtol=0)


@pytest.mark.bfloat16
def test_in_bfloat16_they_are_as_near_to_float32_as_keras_own():
    shape, rng = (2, 2, 64), np.random.default_rng(0)
    maps = rng.normal(size=(64, *shape)).astype(np.float32)
    networks = {}
    for policy in ("float32", "mixed_bfloat16"):
        with precision(policy):
            face = keras.Input(shape)
            x = layers.Conv2D(64, 1)(layers.BatchNormalization()(layers.Conv2D(64, 3, padding="same")(face)))
            networks[policy] = keras.Model(face, x)
    networks["mixed_bfloat16"].set_weights(networks["float32"].get_weights())
    exact, plain = (computed(networks[policy], maps, True) for policy in networks)
    fast = computed(fast_layers.faster(networks["mixed_bfloat16"]), maps, True)
    kernels = [
        place for place, each in enumerate(exact) if each.ndim == 4
    ]  # a bias before a batch norm has no gradient
    for place in kernels:
        errors = [np.linalg.norm(each[place] - exact[place]) / np.linalg.norm(exact[place]) for each in (plain, fast)]
        assert 0 < errors[1] < max(2 * errors[0], 0.01), errors


@pytest.mark.bfloat16
@pytest.mark.parametrize(("size", "side"), [(1, 24), (3, 24), (3, 6), (3, 2), (5, 24)])
def test_in_bfloat16_the_gradient_of_a_bias_is_that_of_float32(size, side):
    import tensorflow as tf

    with precision("mixed_bfloat16"):
        face = keras.Input((side, side, 4))
        fast = fast_layers.faster(keras.Model(face, layers.Conv2D(8, size, padding="same")(face)))
    weights = np.random.default_rng(0).random((64, side, side, 8), np.float32)
    with tf.GradientTape() as tape:
        outputs = fast(np.zeros((64, side, side, 4), np.float32), training=True)
        weighed = tf.reduce_sum(tf.cast(outputs, tf.float32) * weights)
    (found,) = tape.gradient(weighed, [fast.layers[-1].bias.value])
    np.testing.assert_allclose(np.asarray(found, np.float32), weights.sum(axis=(0, 1, 2)), rtol=0.01)


def test_the_copy_has_the_weights_and_gives_them_back(tmp_path):
    face = keras.Input((4, 4, 8))
    x = layers.Add()([layers.Conv2D(8, 1, name="a")(face), face])
    network = keras.Model(face, layers.ReLU()(layers.BatchNormalization(name="b")(x)))
    fast = fast_layers.faster(network)
    assert [weight.shape for weight in fast.weights] == [weight.shape for weight in network.weights]
    assert [type(layer).__name__ for layer in fast.layers if layer.weights] == ["FastConv2D", "FastBatchNormalization"]
    changed = [np.random.default_rng(1).random(weight.shape).astype(np.float32) for weight in fast.weights]
    fast.set_weights(changed)
    network.set_weights(fast.get_weights())
    maps = np.random.default_rng(2).random((3, 4, 4, 8), np.float32)
    np.testing.assert_allclose(network.predict_on_batch(maps), fast.predict_on_batch(maps), rtol=1e-5)
    fast.save(tmp_path / "fast.keras")
    again = keras.saving.load_model(tmp_path / "fast.keras")
    assert type(again.get_layer("a")) is fast_layers.FastConv2D
