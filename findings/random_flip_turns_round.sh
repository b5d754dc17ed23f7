#!/usr/bin/env bash
# Keras' RandomFlip in both directions never flips in one: it turns every second picture by 180 degrees.
#
# Most would expect: mode="horizontal_and_vertical", the default, draws for each direction, so that a picture is left as it
#   is, flipped left-right, flipped upside down, or both, a quarter of the time each.
# What happens (Keras 3.15.1): one draw decides for both directions together.
# Expected before the run: each picture and each direction has its own draw. Seen: of 2,000 pictures 999 as they were and 1,001
#   flipped in both directions, none in one. The script runs on JAX; TensorFlow 2.21.0 does the same.
# Why it matters: faces are augmented upside down and never mirrored, where mirroring was the purpose.
# What helps: two layers, RandomFlip("horizontal") and RandomFlip("vertical"), with different seeds.
# The script fails if any picture is flipped in one direction alone.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --no-compile keras==3.15.1 jax==0.10.2 numpy==2.4.6
KERAS_BACKEND=jax "$folder/venv/bin/python" - <<'EOF'
import sys

import keras
import numpy as np

picture = np.arange(9, dtype="float32").reshape(3, 3, 1)
pictures = np.repeat(picture[np.newaxis], 2000, axis=0)
kinds = {"as it was": picture, "left-right": picture[:, ::-1], "upside down": picture[::-1], "both": picture[::-1, ::-1]}


def counted(*layers):
    """Count what became of the pictures."""
    flipped = pictures
    for layer in layers:
        flipped = keras.ops.convert_to_numpy(layer(flipped, training=True))
    return {name: int((flipped == kind).all(axis=(1, 2, 3)).sum()) for name, kind in kinds.items()}


found = counted(keras.layers.RandomFlip("horizontal_and_vertical", seed=0))
print("horizontal_and_vertical:", found)
two = keras.layers.RandomFlip("horizontal", seed=1), keras.layers.RandomFlip("vertical", seed=2)
print("one layer for each, with seeds of their own:", counted(*two))
sys.exit("changed: a picture is flipped in one direction" if found["left-right"] + found["upside down"] else 0)
EOF
