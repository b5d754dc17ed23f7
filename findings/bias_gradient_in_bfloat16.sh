#!/usr/bin/env bash
# In mixed_bfloat16 on a CPU, the bias of a convolution gets a hundredth of its gradient.
#
# Most would expect: a gradient in mixed precision is rounded to 0.4 %, and long sums are taken in float32, as they are for
#   the kernels.
# What happens (Keras 3.15.1 with TensorFlow 2.21.0 or JAX 0.10.2, on a CPU): the gradient of a bias is the sum over all
#   pictures and pixels, and it is added up in bfloat16. A sum that has grown to 256 times what is added no longer grows.
#   Kernels and batch norms get theirs to 0.5 %.
# Expected before the run: equal to 1 %. Seen, as a share of the true sum of positive numbers, for 128 pictures of 6 x 6,
#   12 x 12, 24 x 24 and 48 x 48 pixels: 28, 7, 3.5 and 0.9 % on TensorFlow; 64, 28, 7 and 7 % on JAX. A dense layer's bias
#   gets 92 % of it for 512 rows and 46 % for 4,096 on TensorFlow, all of it on JAX. The script runs on JAX.
# Why it matters: networks without batch norm, such as VGG-16, train with biases that hardly move, and nothing says so.
# What helps: use_bias=False where a batch norm follows; else float32, or a layer that sums the gradient in float32.
# The script fails if the bias gets more than half of its gradient, or the kernel less than 0.98 of it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --no-compile keras==3.15.1 jax==0.10.2 numpy==2.4.6
KERAS_BACKEND=jax "$folder/venv/bin/python" - <<'EOF'
import sys

import jax
import keras
import numpy as np

rng = np.random.default_rng(0)
pictures, weights = rng.random((128, 24, 24, 3), "float32"), rng.random((128, 24, 24, 8), "float32")


def gradients(policy):
    """Compute the gradients of kernel and bias of the weighted sum of a convolution's outputs."""
    given = keras.Input(pictures.shape[1:])
    network = keras.Model(given, keras.layers.Conv2D(8, 3, padding="same", dtype=policy)(given))
    loss = lambda variables: (network.stateless_call(variables, [], pictures)[0].astype("float32") * weights).sum()
    return [np.asarray(one, "float32") for one in jax.grad(loss)([one.value for one in network.trainable_variables])]


(kernel, bias), (half_kernel, half_bias) = gradients("float32"), gradients("mixed_bfloat16")
shares = {"kernel": (half_kernel / kernel).mean(), "bias": (half_bias / bias).mean()}
print("share of the float32 gradient:", {name: f"{share:.1%}" for name, share in shares.items()})
if shares["bias"] > 0.5:
    sys.exit("changed: the bias gets most of its gradient")
if shares["kernel"] < 0.98:
    sys.exit("changed: the kernel loses some of its gradient, too")
EOF
