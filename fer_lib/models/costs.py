"""Count the parameters, multiply-adds, depth and memory of built networks and fitted SVMs.

One multiply-add is one product of a weight, or of two activations in attention, and one addition. Convolutions, dense
layers, attention and SVMs count; batch norms, activations and pooling, a per cent or so, do not. Nothing is measured:
the counts are the same on every machine.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline

from fer_lib.backend import keras

layers = keras.layers
FLOAT32 = 4  # bytes
MATRICES = ("components_", "coef_", "support_vectors_", "dual_coef_")
"""Fitted matrices of scikit-learn's steps; each is multiplied by one vector for each face."""


@dataclass(frozen=True)
class Cost:
    """Counts for one face.

    Attributes:
        depth: layers with weights on the longest way from the face to the answer.
        parameters: all weights, moving averages and support vectors included.
        multiply_adds: of one forward pass.
        weight_bytes: of the parameters in float32.
        activation_bytes: the outputs of all layers in float32, which a training step may have to keep.
    """

    depth: int = 0
    parameters: int = 0
    multiply_adds: int = 0
    weight_bytes: int = 0
    activation_bytes: int = 0

    def __add__(self, other: Cost) -> Cost:
        """Add the costs of two parts that run one after the other."""
        return Cost(*(mine + theirs for mine, theirs in zip(astuple(self), astuple(other), strict=True)))


def cost_of(parts: Iterable[Any]) -> Cost:
    """Add the costs of a fitted model's networks and pipelines; parts of other kinds count nothing."""
    found = Cost()
    for part in parts:
        if isinstance(part, keras.Model):
            found += network_cost(part)
        elif isinstance(part, Pipeline):
            found += pipeline_cost(part)
    return found


def network_cost(network: keras.Model) -> Cost:
    """Count the cost of a built network, with the networks that it contains."""
    parameters = network.count_params()
    leaves = [layer for layer in _leaves(network) if not isinstance(layer, layers.InputLayer)]
    return Cost(
        depth=depth(network),
        parameters=parameters,
        multiply_adds=sum(multiply_adds(layer) for layer in leaves),
        weight_bytes=FLOAT32 * parameters,
        activation_bytes=FLOAT32 * sum(math.prod(layer.output.shape[1:]) for layer in leaves),
    )


def pipeline_cost(pipeline: Pipeline) -> Cost:
    """Count the matrices of a fitted scikit-learn pipeline: support vectors, coefficients, principal components."""
    sizes = [np.size(vars(step).get(name, ())) for _, step in pipeline.steps for name in MATRICES]
    return Cost(int(any(sizes)), sum(sizes), sum(sizes), FLOAT32 * sum(sizes))


def multiply_adds(layer: keras.Layer) -> int:
    """Count the multiply-adds of one layer for one face; 0 for a layer without products of weights."""
    places = math.prod(layer.output.shape[1:-1])
    if isinstance(layer, layers.SeparableConv2D):
        return places * (math.prod(layer.depthwise_kernel.shape) + math.prod(layer.pointwise_kernel.shape))
    if isinstance(layer, layers.MultiHeadAttention):
        projections = sum(math.prod(weight.shape) for weight in layer.weights if len(weight.shape) == 3)
        return places * projections + 2 * places**2 * layer.num_heads * layer.key_dim  # scores, and their sums
    if isinstance(layer, layers.EinsumDense):
        return math.prod(layer.kernel.shape)  # the belief networks side by side, each on its own part
    if isinstance(layer, (layers.Conv2D, layers.DepthwiseConv2D, layers.Dense)):
        return places * math.prod(layer.kernel.shape)
    return 0


def depth(network: keras.Model) -> int:
    """Count the layers with products of weights on the longest way through a network."""
    config = network.get_config()["layers"]
    names = {layer.name: layer for layer in network.layers}
    longest: dict[str, int] = {}
    before = 0
    for described in config:
        name = described["config"]["name"]
        parents = _parents(described["inbound_nodes"]) if "inbound_nodes" in described else None
        before = before if parents is None else max((longest[parent] for parent in parents), default=0)
        layer = names.get(name)
        before += 0 if layer is None else _own_depth(layer)  # a sequential network lists its input, which is no layer
        longest[name] = before
    return max(longest.values(), default=0)


def _own_depth(layer: keras.Layer) -> int:
    if isinstance(layer, keras.Model):
        return depth(layer)
    twice = (layers.SeparableConv2D, layers.MultiHeadAttention)
    return (2 if isinstance(layer, twice) else 1) if multiply_adds(layer) else 0


def _leaves(network: keras.Model) -> Iterator[keras.Layer]:
    for layer in network.layers:
        yield from _leaves(layer) if isinstance(layer, keras.Model) else (layer,)


def _parents(nodes: Any) -> set[str]:
    """Collect the names of the layers whose outputs appear in a layer's ``inbound_nodes``."""
    if isinstance(nodes, dict):
        history = nodes.get("keras_history")
        return {history[0]} if history else {name for value in nodes.values() for name in _parents(value)}
    if isinstance(nodes, (list, tuple)):
        return {name for value in nodes for name in _parents(value)}
    return set()
