#!/usr/bin/env bash
# Taking every second pixel of maps by a slice is far slower than an average pooling over windows of one pixel.
#
# Most would expect: a slice with steps only copies, so that nothing takes every second row and column faster. A pooling
#   computes, and averages windows, so it takes longer.
# What happens (TensorFlow 2.21.0 on a CPU): `maps[:, ::2, ::2]` takes ten to twenty times as long as
#   `tf.nn.avg_pool2d(maps, 1, 2, "VALID")`, which gives the same bits. Eigen computes the place of each single number
#   of the slice; oneDNN's pooling copies the channels of a pixel together.
# Expected before the run: the two within a factor of two. Seen on an Intel processor with AMX, two cores, for 128 maps of
#   40×40 pixels with 32 channels: float32 19.0 and 1.1 ms, bfloat16 16.1 and 1.0 ms; 12×12 with 256 channels: 14.1
#   and 0.9 ms, 13.3 and 1.0 ms.
# Why it matters: a residual network halves its maps by convolutions of 1×1 with a step of two. Written as a slice and a
#   matrix product, three such slices were a tenth of a training step.
# What helps: the pooling; or a convolution with strides, whose gradient is slower than a product's where maps are small.
# The script fails if a slice takes less than four times as long, or gives other bits.
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


@tf.function(autograph=False)
def by_slice(maps):
    return maps[:, ::2, ::2]


@tf.function(autograph=False)
def by_pooling(maps):
    return tf.nn.avg_pool2d(maps, 1, 2, "VALID")


def milliseconds(run, maps):
    taken = []
    for _ in range(30):
        started = time.perf_counter()
        run(maps)
        taken.append(1000 * (time.perf_counter() - started))
    return statistics.median(taken[5:])


ratios, same = [], True
for kind in (tf.float32, tf.bfloat16):
    for shape in ((128, 40, 40, 32), (128, 12, 12, 256)):
        maps = tf.cast(np.random.default_rng(0).normal(size=shape), kind)
        same &= bool(tf.reduce_all(by_slice(maps) == by_pooling(maps)))
        times = milliseconds(by_slice, maps), milliseconds(by_pooling, maps)
        ratios.append(times[0] / times[1])
        print(f"{kind.name} {shape}: slice {times[0]:.1f} ms, pooling {times[1]:.1f} ms, ratio {ratios[-1]:.1f}")
print("the same bits" if same else "other bits")
sys.exit(0 if same and min(ratios) >= 4 else "changed: the slice is about as fast, or its bits differ")
EOF
