#!/usr/bin/env bash
# Keras' RandomErasing(factor=1.0) leaves every second picture as it is.
#
# Most would expect: what its documentation says, "factor=1.0 means erasing is always applied", to a share of
#   each picture between the two numbers of `scale`.
# What happens (Keras 3.15.1): one number is taken as the range from 0 to it, a probability is drawn from that range for
#   each picture, and only then is it decided whether to erase. `factor=1.0` therefore erases in half of them.
# Expected before the run: the erased share of every picture lies within `scale`, give or take 0.01. Seen: with (0.1, 0.2),
#   51 % of 2,000 pictures have none, and the mean is 0.072. The script runs on JAX; TensorFlow 2.21.0 does the same.
# Why it matters: a paper's "random erasing with probability 0.5", written as factor=0.5, is one of 0.25.
# What helps: give both ends, factor=(1.0, 1.0) or factor=(0.5, 0.5).
# The script fails if factor=1.0 spares fewer than 40 % of the pictures, or factor=(1.0, 1.0) any.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --no-compile keras==3.15.1 jax==0.10.2 numpy==2.4.6
KERAS_BACKEND=jax "$folder/venv/bin/python" - <<'EOF'
import sys

import keras
import numpy as np

spared = {}
for factor in (1.0, 0.5, (1.0, 1.0), (0.5, 0.5)):
    layer = keras.layers.RandomErasing(factor=factor, scale=(0.1, 0.2), fill_value=0, value_range=(0, 1), seed=0)
    pictures = keras.ops.convert_to_numpy(layer(np.ones((2000, 48, 48, 1), "float32"), training=True))
    erased = (pictures == 0).mean(axis=(1, 2, 3))
    spared[factor] = (erased == 0).mean()
    print(f"factor={factor}: {spared[factor]:.1%} of the pictures spared; mean erased share {erased.mean():.3f}")
if spared[1.0] < 0.4:
    sys.exit("changed: factor=1.0 erases in more than half of the pictures")
if spared[1.0, 1.0] > 0:
    sys.exit("changed: factor=(1.0, 1.0) spares some")
EOF
