#!/usr/bin/env bash
# Average pooling with padding="same" gives other numbers on Keras' torch backend.
#
# Most would expect: one Keras network has the same outputs on every backend, up to rounding. At an edge "same" averages the
#   pixels that are there.
# What happens (Keras 3.15.1 with torch 2.13.0 and JAX 0.10.2): if the padding is uneven, say a window of 3 with stride 2 on
#   an even map, the torch backend first repeats the last row and column, then averages, so that edge pixels count twice.
#   JAX (and TensorFlow 2.21.0) average without padding. Max pooling and convolutions agree.
# Expected before the run: equal to 1e-5. Seen: the row 1 2 3 4 becomes 2, 3.5 on JAX and 2, 3.667 on torch.
# Why it matters: a network that was trained on one backend and runs on another loses a little accuracy, silently.
# What helps: run such a network on TensorFlow or JAX if it was trained there; or build it with padding="valid", which is
#   equal on all.
# The script fails if the backends agree on "same", or differ on "valid". Where pip finds only torch with CUDA, the download
#   is large.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --no-compile keras==3.15.1 torch==2.13.0 jax==0.10.2 numpy==2.4.6
pool() {
    KERAS_BACKEND=$1 "$folder/venv/bin/python" - "$2" <<'EOF'
import sys

import keras
import numpy as np

row = np.array([1, 2, 3, 4], "float32").reshape(1, 1, 4, 1)
pooled = keras.layers.AveragePooling2D((1, 3), strides=(1, 2), padding=sys.argv[1])(row)
print(*keras.ops.convert_to_numpy(pooled).ravel().round(3))
EOF
}
changed() {
    echo "changed: $1" >&2
    exit 1
}
same="$(pool jax same) on JAX, $(pool torch same) on torch"
valid="$(pool jax valid) on JAX, $(pool torch valid) on torch"
echo "1 2 3 4 pooled by 3 with stride 2: $same; with padding=\"valid\": $valid"
[ "$valid" = "2.0 on JAX, 2.0 on torch" ] || changed "the backends differ on valid, too"
[ "${same%% on JAX*}" = "2.0 3.5" ] || changed "JAX pools otherwise"
[ "$same" != "2.0 3.5 on JAX, 2.0 3.5 on torch" ] || changed "the backends agree"
