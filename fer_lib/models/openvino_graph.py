"""Convert a Keras network of a trunk's layers to an OpenVINO graph, layer by layer, with any backend's weights.

OpenVINO's own converter needs TensorFlow, takes seconds and reports each call to its maker. The few kinds of layers in
ResNets map to OpenVINO's operations one to one.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np

from fer_lib.backend import keras
from fer_lib.errors import FerError
from fer_lib.utils.inference import openvino

layers = keras.layers


def convert(network: keras.Model) -> Any:
    """Convert a functional network to a graph (an ``openvino.Model``) in inference mode, its weights as constants.

    The input is the network's, float32 (N, H, W, C). The one output is float32 (N, width): the network's outputs, each
    flattened in Keras' order of axes, one after the other.

    Raises:
        FerError: the network has a kind of layer that neither ResNet50 without top nor our own network has.
    """
    ov = openvino()
    ops = ov.opset13
    (face,) = network.inputs
    parameter = ops.parameter([-1, *face.shape[1:]], np.float32, name="face")
    # channels first from here on, as OpenVINO computes
    made = {id(face): ops.transpose(parameter, np.array([0, 3, 1, 2]))}
    for layer in network.layers:
        if not isinstance(layer, layers.InputLayer):
            made[id(layer.output)] = _operation(ops, layer, [made[id(tensor)] for tensor in _inputs(layer)])
    parts = []
    for tensor in network.outputs:
        last = ops.transpose(made[id(tensor)], np.array([0, 2, 3, 1])) if len(tensor.shape) == 4 else made[id(tensor)]
        parts.append(ops.reshape(last, np.array([0, -1]), special_zero=True))
    joined = ops.concat(parts, axis=1) if len(parts) > 1 else parts[0]
    return ov.Model([joined], [parameter], network.name)


def _inputs(layer: keras.Layer) -> list[Any]:
    return layer.input if isinstance(layer.input, list) else [layer.input]


def _operation(ops: Any, layer: keras.Layer, inputs: list[Any]) -> Any:
    """Convert one layer, on tensors (N, C, H, W)."""
    (x, *others) = inputs
    if isinstance(layer, layers.ZeroPadding2D):
        (top, bottom), (left, right) = layer.padding
        return ops.pad(x, np.array([0, 0, top, left]), np.array([0, 0, bottom, right]), "constant", np.float32(0))
    if isinstance(layer, layers.Conv2D) and layer.groups == 1 and _is_linear(layer):
        return _two_by_two(ops, layer, x) if _fills_two_by_two(layer) else _convolution(ops, layer, x)
    if isinstance(layer, layers.BatchNormalization):
        gamma, beta, mean, variance = (np.asarray(weight) for weight in layer.get_weights())
        scale = gamma / np.sqrt(variance + np.float32(layer.epsilon))
        return ops.add(ops.multiply(x, _by_channel(scale)), _by_channel(beta - mean * scale))
    if _is_plain_relu(layer):
        return ops.relu(x)
    if isinstance(layer, layers.Dense) and _is_linear(layer) and len(layer.input.shape) == 2:
        kernel, *bias = (np.asarray(weight, np.float32) for weight in layer.get_weights())
        done = ops.matmul(x, ops.constant(kernel), False, False)
        return ops.add(done, bias[0].reshape(1, -1)) if bias else done
    if isinstance(layer, layers.Dropout):
        return x
    if isinstance(layer, layers.MaxPooling2D):
        places = {"strides": list(layer.strides), "dilations": [1, 1], "kernel_shape": list(layer.pool_size)}
        auto_pad = "valid" if layer.padding == "valid" else "same_upper"
        return ops.max_pool(x, **places, pads_begin=[0, 0], pads_end=[0, 0], auto_pad=auto_pad).output(0)
    if isinstance(layer, layers.GlobalAveragePooling2D) and not layer.keepdims:
        return ops.reduce_mean(x, np.array([2, 3]), keep_dims=False)
    if isinstance(layer, layers.Add):
        for other in others:
            x = ops.add(x, other)
        return x
    raise FerError(
        f"The layer {layer.name} ({type(layer).__name__}) cannot run on the OpenVINO engine; set trunk_engine: keras, "
        "which runs every layer."
    )


def _convolution(ops: Any, layer: keras.Layer, x: Any) -> Any:
    kernel, *bias = (np.asarray(weight) for weight in layer.get_weights())
    done = ops.convolution(
        x,
        ops.constant(np.ascontiguousarray(kernel.transpose(3, 2, 0, 1))),
        strides=list(layer.strides),
        pads_begin=[0, 0],
        pads_end=[0, 0],
        dilations=list(layer.dilation_rate),
        auto_pad="valid" if layer.padding == "valid" else "same_upper",
    )
    return ops.add(done, _by_channel(bias[0])) if bias else done


def _fills_two_by_two(layer: keras.Layer) -> bool:
    """Tell whether a layer is a 3×3 convolution of 2×2 maps: each of its four outputs then sees all four inputs."""
    return (
        layer.kernel_size == (3, 3)
        and layer.strides == layer.dilation_rate == (1, 1)
        and layer.padding == "same"
        and layer.input.shape[1:3] == (2, 2)
    )


def _two_by_two(ops: Any, layer: keras.Layer, x: Any) -> Any:
    """Convert such a convolution to one matrix product, which takes half the time."""
    kernel, *bias = (np.asarray(weight) for weight in layer.get_weights())
    filters = kernel.shape[3]
    matrix = np.empty((2, 2, kernel.shape[2], 2, 2, filters), np.float32)  # row, column, channel in; the same out
    for row, column, out_row, out_column in product(range(2), repeat=4):
        matrix[row, column, :, out_row, out_column] = kernel[row - out_row + 1, column - out_column + 1]
    flat = ops.reshape(ops.transpose(x, np.array([0, 2, 3, 1])), np.array([0, -1]), special_zero=True)
    done = ops.matmul(flat, ops.constant(matrix.reshape(4 * kernel.shape[2], 4 * filters)), False, False)
    maps = ops.transpose(ops.reshape(done, np.array([0, 2, 2, filters]), special_zero=True), np.array([0, 3, 1, 2]))
    return ops.add(maps, _by_channel(bias[0])) if bias else maps


def _is_plain_relu(layer: keras.Layer) -> bool:
    if isinstance(layer, layers.ReLU):
        return layer.max_value is None and not layer.negative_slope and not layer.threshold
    return isinstance(layer, layers.Activation) and layer.activation is keras.activations.relu


def _is_linear(layer: keras.Layer) -> bool:
    return layer.activation is keras.activations.linear


def _by_channel(values: np.ndarray) -> np.ndarray:
    return values.astype(np.float32).reshape(1, -1, 1, 1)
