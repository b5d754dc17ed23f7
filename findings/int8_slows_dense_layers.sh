#!/usr/bin/env bash
# Quantised to int8 by Keras, a dense layer runs several times slower on a CPU.
#
# Most would expect: `model.quantize("int8")` makes a network smaller and faster, or at worst leaves its speed alone; the
#   processor has instructions for int8.
# What happens (Keras 3.15.1, TensorFlow 2.21.0): the layer multiplies int8 matrices by TensorFlow's generic code instead of
#   the tuned library that multiplies float32. Convolutions stay in float32, with a warning for each layer.
# Expected before the run: at most 2 times slower, and no word about convolutions. Seen for 64 inputs of 2,048 features and
#   1,024 units on two cores of an Intel processor with AMX, beside other programs, with one thread for OpenMP as here: 3.9 ms
#   in float32 and 77 ms in int8 (20 times as long), in a later run 3.8 and 19.5 ms (5 times).
# What helps: quantise with the engine that runs the network.
# The script fails if int8 takes less than 2 times as long, or if a convolution is quantised.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --no-compile tensorflow==2.21.0 keras==3.15.1 numpy==2.4.6
OMP_NUM_THREADS=1 TF_CPP_MIN_LOG_LEVEL=3 "$folder/venv/bin/python" -W ignore - 2>"$folder/errors" <<'EOF' || { tail -n 5 "$folder/errors" >&2; exit 1; }
import sys
import time

import keras
import numpy as np

features = np.random.default_rng(0).standard_normal((64, 2048)).astype("float32")
network = keras.Sequential([keras.Input((2048,)), keras.layers.Dense(1024)])


def milliseconds():
    network.make_predict_function(force=True)
    taken = []
    for _ in range(20):
        started = time.perf_counter()
        network.predict_on_batch(features)
        taken.append(1000 * (time.perf_counter() - started))
    return min(taken)


before = milliseconds()
network.quantize("int8")
after = milliseconds()
small = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Conv2D(4, 3), keras.layers.Flatten(), keras.layers.Dense(7)])
small.quantize("int8")
kinds = {layer.name: layer.dtype_policy.name for layer in small.layers if layer.weights}
print(f"float32 {before:.1f} ms, int8 {after:.1f} ms: {after / before:.0f} times; a small CNN after quantize: {kinds}")
sys.exit(0 if after > 2 * before and kinds["conv2d"] == "float32" else "changed: int8 is no longer slow")
EOF
