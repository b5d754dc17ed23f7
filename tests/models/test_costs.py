"""Test the counts of parameters, multiply-adds, depth and memory against figures that others print."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC

from fer_lib.backend import keras
from fer_lib.models import costs

layers = keras.layers


def test_vgg16_and_resnet50_cost_what_is_printed_about_them():
    """Torchvision's documentation prints 15.47 and 4.09 billion multiply-adds at 224 pixels, with 1,000 classes."""
    for network, parameters, billions, depth in (("VGG16", 138_357_544, 15.47, 16), ("ResNet50", 25_636_712, 4.09, 50)):
        found = costs.network_cost(getattr(keras.applications, network)(weights=None))
        assert found.parameters == parameters
        assert found.weight_bytes == 4 * parameters
        # ResNet50 of Keras has its strides in the 1×1 convolutions, as first published, and needs a little less
        assert found.multiply_adds / 1e9 == pytest.approx(billions, rel=0.06 if network == "ResNet50" else 0.001)
        assert found.depth == depth


def test_a_network_inside_another_counts_once_and_in_its_place():
    face = keras.Input((6, 6, 2))
    inner = keras.Model(face, layers.Conv2D(3, 3, padding="same")(face), name="inner")
    outside = keras.Input((6, 6, 2))
    x = layers.Flatten()(inner(outside))
    both = layers.Add()([layers.Dense(4)(x), layers.Dense(4)(layers.Dense(5)(x))])
    found = costs.network_cost(keras.Model(outside, both))
    assert found.multiply_adds == 36 * 9 * 2 * 3 + 108 * 4 + 108 * 5 + 5 * 4
    assert found.depth == 3
    assert found.activation_bytes == 4 * (108 + 108 + 4 + 5 + 4 + 4)


def test_each_kind_of_layer_is_counted_as_it_computes():
    maps = keras.Input((5, 5, 4))
    for layer, expected, depth in [
        (layers.SeparableConv2D(6, 3, padding="same"), 25 * (9 * 4 + 4 * 6), 2),
        (layers.DepthwiseConv2D(3), 9 * 9 * 4, 1),
        (layers.Conv2D(2, 3, strides=2, padding="same", groups=2), 9 * 9 * 2 * 2, 1),
        (layers.BatchNormalization(), 0, 0),
    ]:
        network = keras.Model(maps, layer(maps))
        assert (costs.multiply_adds(layer), costs.depth(network)) == (expected, depth)
    positions = keras.Input((9, 8))
    attention = layers.MultiHeadAttention(2, 3)
    keras.Model(positions, attention(positions, positions))
    assert costs.multiply_adds(attention) == 9 * 4 * 8 * 6 + 2 * 81 * 6
    beside = layers.EinsumDense("bsd,sdh->bsh", (3, 7))
    keras.Model(scales := keras.Input((3, 5)), beside(scales))
    assert costs.multiply_adds(beside) == 3 * 5 * 7


def test_a_sequential_network_is_a_chain():
    network = keras.Sequential([keras.Input((8, 8, 1)), layers.Conv2D(2, 3), layers.Flatten(), layers.Dense(3)])
    assert costs.depth(network) == 2
    assert costs.network_cost(network).multiply_adds == 36 * 9 * 2 + 72 * 3


def test_an_svm_costs_its_support_vectors_and_parts_add_up():
    rng = np.random.default_rng(0)
    pipeline = make_pipeline(PCA(4, random_state=0), SVC()).fit(rng.normal(size=(30, 9)), np.tile([0, 1, 2], 10))
    svm = pipeline[-1]
    found = costs.pipeline_cost(pipeline)
    assert found.multiply_adds == found.parameters == 4 * 9 + len(svm.support_) * (4 + 2)
    network = keras.Sequential([keras.Input((9,)), layers.Dense(2)])
    both = costs.cost_of([network, pipeline, np.zeros(3)])
    assert both.parameters == found.parameters + 20
    assert both.depth == 2
