#!/usr/bin/env bash
# Average pooling in bfloat16 on Keras' JAX backend can give half the average.
#
# Most would expect: under the policy `mixed_bfloat16` every average is as good as bfloat16 allows, to 0.4 %, because sums
#   are taken in float32. `GlobalAveragePooling2D` does so.
# What happens (Keras 3.15.1 with JAX 0.10.2, on a CPU): `AveragePooling2D` adds up its window in bfloat16. A sum that has
#   grown to 256 times what is added no longer grows, so wide windows give far too little.
# Expected before the run: the mean of 96 x 96 ones is 1.0 within 0.01. Seen: 0.0278. Of random positive numbers, windows of
#   12, 24 and 48 pixels give 0.6, 10 and 57 % too little on average. TensorFlow 2.21.0 gives all within 0.4 %.
# Why it matters: a network that pools a large map at its end, as adaptive pooling in other libraries does, answers otherwise.
# What helps: `GlobalAveragePooling2D`, or `dtype="float32"` for the pooling layer.
# The script fails if a window of 48 pixels gives more than 0.9 of the average, or either remedy less than 0.99 of it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --no-compile keras==3.15.1 jax==0.10.2 numpy==2.4.6
KERAS_BACKEND=jax "$folder/venv/bin/python" - <<'EOF'
import sys

import keras
import numpy as np

maps = np.abs(np.random.default_rng(0).standard_normal((8, 48, 48, 16))).astype("float32")
half = keras.ops.cast(maps, "bfloat16")
layers = {
    "AveragePooling2D(12)": keras.layers.AveragePooling2D(12, dtype="bfloat16"),
    "AveragePooling2D(24)": keras.layers.AveragePooling2D(24, dtype="bfloat16"),
    "AveragePooling2D(48)": keras.layers.AveragePooling2D(48, dtype="bfloat16"),
    "GlobalAveragePooling2D": keras.layers.GlobalAveragePooling2D(dtype="bfloat16"),
    "AveragePooling2D(48) in float32": keras.layers.AveragePooling2D(48, dtype="float32"),
}
shares = {}
for name, layer in layers.items():
    pooled = keras.ops.convert_to_numpy(keras.ops.cast(layer(half), "float32"))
    shares[name] = float(pooled.mean() / maps.mean())
    print(f"{name}: {shares[name]:.3f} of the average")
*_, wide, over_all, in_float32 = shares.values()
if wide > 0.9:
    sys.exit("changed: a wide window gives about the average")
if min(over_all, in_float32) < 0.99:
    sys.exit("changed: a remedy does not help")
EOF
