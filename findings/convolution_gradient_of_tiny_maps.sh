#!/usr/bin/env bash
# The gradient of a 1×1 convolution of maps of one pixel is far slower than the matrix product that it is.
#
# Most would expect: a convolution with a 1×1 kernel of maps of one pixel is a matrix product, (N × C) by (C × F), and so
#   is the gradient of its weights, (C × N) by (N × F). A tuned library takes about the same time for both.
# What happens (TensorFlow 2.21.0 on a CPU, which calls oneDNN for both): the convolution's gradient takes many times as
#   long, and the values agree. oneDNN's kernel `brgconv_bwd_w` sums image by image, and an image has one pixel here.
# Expected before the run: about once. Seen on an Intel processor with AMX, two cores, beside another program: float32 26.6
#   and 5.1 ms (5.2 times), bfloat16 54.1 and 1.8 ms (29.7 times); in a later run 5.7 and 22.9 times.
# Why it matters: ResNet50 at 32 pixels ends with maps of one pixel. This gradient was half of its time in training.
# What helps: reshape maps of one pixel to rows and multiply matrices, as the script's second way does.
# The script fails if the ratio falls below 3 in either precision.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet tensorflow==2.21.0 numpy==2.4.6
TF_CPP_MIN_LOG_LEVEL=3 "$folder/venv/bin/python" - <<'EOF'
import statistics
import sys
import time

import numpy as np
import tensorflow as tf

images, channels, filters = 128, 512, 2048
rng = np.random.default_rng(0)
maps = tf.constant(rng.normal(size=(images, 1, 1, channels)), tf.float32)
above = tf.constant(rng.normal(size=(images, 1, 1, filters)), tf.float32)


@tf.function
def as_convolution(maps, above):
    return tf.raw_ops.Conv2DBackpropFilter(
        input=maps, filter_sizes=[1, 1, channels, filters], out_backprop=above, strides=[1, 1, 1, 1], padding="VALID"
    )


@tf.function
def as_product(maps, above):
    product = tf.matmul(tf.reshape(maps, (images, channels)), tf.reshape(above, (images, filters)), transpose_a=True)
    return tf.reshape(product, (1, 1, channels, filters))


def milliseconds(run, *given):
    taken = []
    for _ in range(30):
        started = time.perf_counter()
        run(*given).numpy()
        taken.append(1000 * (time.perf_counter() - started))
    return statistics.median(taken[5:])


ratios = []
for kind in (tf.float32, tf.bfloat16):
    given = tf.cast(maps, kind), tf.cast(above, kind)
    first, second = (np.asarray(tf.cast(run(*given), tf.float32)) for run in (as_convolution, as_product))
    apart = np.linalg.norm(first - second) / np.linalg.norm(second)
    slow, fast = milliseconds(as_convolution, *given), milliseconds(as_product, *given)
    ratios.append(slow / fast)
    print(f"{kind.name}: convolution {slow:.1f} ms, product {fast:.1f} ms, ratio {slow / fast:.1f}; values differ by {apart:.0e}")
sys.exit(0 if min(ratios) >= 3 else "changed: the two take about the same time")
EOF
