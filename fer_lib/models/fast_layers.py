"""Convolutions and batch norms that train several times faster on a CPU, with the mathematics of Keras' own layers.

With TensorFlow, Keras leaves convolutions to oneDNN. Its gradient of the weights works image by image, so that it is
slow where maps are small: for maps of one pixel it takes many times as long as the matrix product that it is
(``findings/convolution_gradient_of_tiny_maps.sh``). Keras' batch norm is a chain of operations, each of which reads and
writes all maps; TensorFlow has one fused operation for it. ``benchmarks/bench_whole_network.py`` measures both.

* A 1×1 convolution is a matrix product, and so are its two gradients.
* A 3×3 convolution of maps of one or four pixels is one matrix product, without the products with padding.
* The gradient of the weights of a 3×3 convolution to maps of at most 6×6 pixels is nine matrix products, one for each
  place in the kernel. For larger maps oneDNN is faster.
* Every second pixel is an average over windows of one pixel: TensorFlow's slices with steps take over ten times as long
  (``findings/every_second_pixel.sh``).
* Batch norm uses TensorFlow's fused operation in training.
* In bfloat16 the gradient of a bias is summed in float32; Keras' own layer sums it in bfloat16, which on a CPU leaves a
  hundredth of it for large maps (``findings/bias_gradient_in_bfloat16.sh``).

Under another backend than TensorFlow, or where TensorFlow has a GPU, the layers compute as Keras' own do.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import product
from typing import Any

from fer_lib.backend import DEVICES, keras

ON_CPU = keras.backend.backend() == "tensorflow" and not any("gpu" in device.lower() for device in DEVICES)
if ON_CPU:
    import tensorflow as tf
else:
    tf = None


def faster(network: keras.Model) -> keras.Model:
    """Copy a functional network with the fast layers in place of Keras' own, and with the same weights.

    Networks inside it are copied, too. The copy's weights are in the order of the network's, so
    ``network.set_weights(copy.get_weights())`` brings trained weights back.
    """

    return _copied(network, FAST)


def plain(network: keras.Model) -> keras.Model:
    """Copy a functional network with Keras' own layers in place of the fast ones, and with the same weights.

    Such a network is saved, exported and cut into trunk and head as any other.
    """
    return _copied(network, {fast: own for own, fast in FAST.items()})


def is_fast(network: keras.Model) -> bool:
    """Tell whether a network, or a network inside it, has a fast layer."""
    return any(
        is_fast(layer) if isinstance(layer, keras.Model) else type(layer) in FAST.values() for layer in network.layers
    )


def _copied(network: keras.Model, kinds: dict[type, type[keras.Layer]]) -> keras.Model:
    """Copy a network, and the networks inside it, with other kinds of layers and the same weights."""

    def layer_of(layer: keras.Layer) -> keras.Layer:
        kind: type[keras.Layer] = kinds.get(type(layer), type(layer))
        return kind.from_config(layer.get_config())

    copy = keras.models.clone_model(network, clone_function=layer_of, recursive=True)
    copy.set_weights(network.get_weights())
    return copy


@keras.saving.register_keras_serializable(package="fer_lib")
class FastConv2D(keras.layers.Conv2D):
    """Two-dimensional convolution whose gradients are matrix products where these are faster."""

    def call(self, inputs: Any) -> Any:
        """Convolve maps (N, H, W, C)."""
        plain = self.groups == 1 and self.dilation_rate == (1, 1) and self.data_format == "channels_last"
        if not (ON_CPU and plain):
            return super().call(inputs)
        kernel = tf.cast(self.kernel, inputs.dtype)
        if self.kernel_size == (1, 1):
            outputs = _pointwise(_thinned(inputs, self.strides), kernel)
        elif self._is_three_by_three() and self.strides == (1, 1) and inputs.shape[1:3] in TINY:
            outputs = TINY[inputs.shape[1:3]](inputs, kernel)
        elif self._is_three_by_three() and self._is_small(inputs.shape[1:3]):
            outputs = _three_by_three_of_few(inputs, kernel, self.strides[0])
        elif self.use_bias and inputs.dtype == tf.bfloat16:
            outputs = self.convolution_op(inputs, kernel)
        else:
            return super().call(inputs)
        if self.use_bias:
            outputs = _shifted(outputs, tf.cast(self.bias, outputs.dtype))
        return self.activation(outputs) if self.activation is not None else outputs

    def _is_three_by_three(self) -> bool:
        return self.kernel_size == (3, 3) and self.strides in ((1, 1), (2, 2)) and self.padding == "same"

    def _is_small(self, shape: tuple[int | None, ...]) -> bool:
        return None not in shape and math.prod(-(-side // self.strides[0]) for side in shape if side) <= FEW_PIXELS


@keras.saving.register_keras_serializable(package="fer_lib")
class FastBatchNormalization(keras.layers.BatchNormalization):
    """Batch norm that computes mean, variance and output in one operation in training."""

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Normalise maps (N, H, W, C), and update the moving averages in training."""
        plain = self.scale and self.center and not self.renorm and not self.synchronized and mask is None
        if not (ON_CPU and training and self.trainable and plain and self._is_last(inputs)):
            return super().call(inputs, training=training, mask=mask)
        outputs, mean, unbiased, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs, scale=self.gamma, offset=self.beta, mean=[], variance=[], epsilon=self.epsilon, is_training=True
        )
        count = tf.cast(tf.size(inputs) // inputs.shape[-1], tf.float32)
        # the operation divides by N - 1, Keras by N
        for average, now in ((self.moving_mean, mean), (self.moving_variance, unbiased * (count - 1.0) / count)):
            average.assign(average * self.momentum + now * (1.0 - self.momentum))
        return outputs

    def _is_last(self, inputs: Any) -> bool:
        return len(inputs.shape) == 4 and self.axis in (-1, 3)


FAST: dict[type, type[keras.Layer]] = {
    keras.layers.Conv2D: FastConv2D,
    keras.layers.BatchNormalization: FastBatchNormalization,
}


def _shifted(maps: Any, bias: Any) -> Any:
    """Add a bias (F) to maps (N, H, W, F); its gradient in bfloat16 is summed in float32 and then rounded."""

    @tf.custom_gradient
    def apply(maps: Any, bias: Any) -> tuple[Any, Callable]:
        def gradients(of_outputs: Any) -> tuple[Any, Any]:
            whole = tf.reduce_sum(tf.cast(of_outputs, tf.float32), (0, 1, 2))
            return of_outputs, tf.cast(whole, of_outputs.dtype)

        return tf.nn.bias_add(maps, bias), gradients

    return apply(maps, bias) if maps.dtype == tf.bfloat16 else tf.nn.bias_add(maps, bias)


def _pointwise(maps: Any, kernel: Any) -> Any:
    """Apply a 1×1 convolution: maps (N, H, W, C) by a kernel (1, 1, C, F) to maps (N, H, W, F)."""
    channels, filters = kernel.shape[2:]

    @tf.custom_gradient
    def apply(maps: Any, kernel: Any) -> tuple[Any, Callable]:
        shape = tf.shape(maps)
        flat, matrix = tf.reshape(maps, (-1, channels)), tf.reshape(kernel, (channels, filters))
        outputs = tf.reshape(tf.matmul(flat, matrix), tf.concat([shape[:3], [filters]], 0))

        def gradients(of_outputs: Any) -> tuple[Any, Any]:
            along = tf.reshape(of_outputs, (-1, filters))
            of_maps = tf.reshape(tf.matmul(along, matrix, transpose_b=True), shape)
            return of_maps, tf.reshape(tf.matmul(flat, along, transpose_a=True), kernel.shape)

        return outputs, gradients

    return apply(maps, kernel)


def _three_by_three_of_one(maps: Any, kernel: Any) -> Any:
    """Apply a 3×3 convolution with zero padding to maps (N, 1, 1, C): only the kernel's centre meets a pixel."""
    return _pointwise(maps, kernel[1:2, 1:2])


def _three_by_three_of_four(maps: Any, kernel: Any) -> Any:
    """Apply a 3×3 convolution with zero padding to maps (N, 2, 2, C): each output pixel sees all four input pixels."""
    channels, filters = kernel.shape[2:]
    places = tf.unstack(tf.reshape(kernel, (9, channels, filters)))
    pixels = tuple(product(range(2), repeat=2))
    matrix = tf.concat(
        [
            tf.concat([places[3 * (row - out_row + 1) + column - out_column + 1] for out_row, out_column in pixels], 1)
            for row, column in pixels
        ],
        0,
    )
    return tf.reshape(tf.matmul(tf.reshape(maps, (-1, 4 * channels)), matrix), (-1, 2, 2, filters))


def _three_by_three_of_few(maps: Any, kernel: Any, stride: int) -> Any:
    """Apply a 3×3 convolution with zero padding to maps (N, H, W, C); the weights' gradient is nine matrix products."""
    channels, filters = kernel.shape[2:]
    sides = [-(-side // stride) for side in maps.shape[1:3]]  # of the outputs
    missing = [stride * (out - 1) + 3 - side for out, side in zip(sides, maps.shape[1:3], strict=True)]
    padding = [(0, 0), *((each // 2, each - each // 2) for each in missing), (0, 0)]

    @tf.custom_gradient
    def apply(maps: Any, kernel: Any) -> tuple[Any, Callable]:
        outputs = tf.nn.conv2d(maps, kernel, stride, "SAME")

        def gradients(of_outputs: Any) -> tuple[Any, Any]:
            of_maps = tf.nn.conv2d_transpose(of_outputs, kernel, tf.shape(maps), stride, "SAME")
            padded, along = tf.pad(maps, padding), tf.reshape(of_outputs, (-1, filters))
            thinned = {
                start: _thinned(padded[:, start[0] :, start[1] :], (stride, stride))
                for start in product(range(stride), repeat=2)
            }
            products = []
            for row, column in product(range(3), repeat=2):
                seen = thinned[row % stride, column % stride][
                    :, row // stride : row // stride + sides[0], column // stride : column // stride + sides[1]
                ]
                products.append(tf.matmul(tf.reshape(seen, (-1, channels)), along, transpose_a=True))
            return of_maps, tf.reshape(tf.stack(products), kernel.shape)

        return outputs, gradients

    return apply(maps, kernel)


def _thinned(maps: Any, strides: tuple[int, int]) -> Any:
    """Take every so many rows and columns of maps (N, H, W, C), from the first on."""
    return tf.nn.avg_pool2d(maps, 1, strides, "VALID") if max(strides) > 1 else maps


FEW_PIXELS = 36  # of the output maps; measured with 128 maps of 32 to 512 channels on an Intel processor with AMX
TINY: dict[tuple[int, int], Callable[[Any, Any], Any]] = {
    (1, 1): _three_by_three_of_one,
    (2, 2): _three_by_three_of_four,
}
