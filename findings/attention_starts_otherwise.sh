#!/usr/bin/env bash
# Keras 3.15 starts an attention layer from weights nearly three times as large as Keras 3.14 does, from the same seed.
#
# Most would expect: a minor version of Keras trains the same network from the same seed to the same numbers, or says that it
#   does not; a layer's Glorot initialiser has the scale of Glorot's formula.
# What happens (Keras 3.14.1 and 3.15.1, JAX 0.10.2): up to 3.14 the initialiser takes the kernel of MultiHeadAttention, of shape
#   (features, heads, units), for the kernel of a convolution: it counts features as pixels, heads as inputs and units as outputs.
#   3.15 counts features as inputs, heads times units as outputs (github.com/keras-team/keras/pull/22789).
# Expected before the run: equal results of all 225 files of a chain of notebooks under 3.14.0 and 3.15.1. Seen: 215 equal; nine
#   of the ten others are of the one network with attention. Of 64 features, 8 heads and 8 units, the standard deviation of the
#   query's kernel is 0.044 in 3.14.1 and 0.125 in 3.15.1, which is Glorot's.
# Why it matters: published accuracies of networks with attention change with the version of Keras.
# What helps: name Keras' version beside each result, and give the layer an initialiser of your own, such as
#   RandomUniform(-limit, limit).
# The script fails if both versions have standard deviations within 10 % of each other.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat >"$folder/attention.py" <<'EOF'
import keras
import numpy as np

keras.utils.set_random_seed(0)
layer = keras.layers.MultiHeadAttention(num_heads=8, key_dim=8)
layer.build((None, 4, 64), (None, 4, 64))
print(float(np.std(layer.get_weights()[0])))
EOF
for version in 3.14.1 3.15.1; do
    python3 -m venv "$folder/$version"
    "$folder/$version/bin/pip" install --quiet --no-compile keras==$version jax==0.10.2 numpy==2.4.6
    KERAS_BACKEND=jax "$folder/$version/bin/python" "$folder/attention.py" >"$folder/$version.txt"
    echo "Keras $version: standard deviation $(cat "$folder/$version.txt")"
done
echo "Glorot's formula, for 64 inputs and 64 outputs: $(python3 -c 'print((2 / 128) ** 0.5)')"
python3 - "$folder/3.14.1.txt" "$folder/3.15.1.txt" <<'EOF'
import sys

old, new = (float(open(path).read()) for path in sys.argv[1:])
sys.exit("changed: both versions start alike" if abs(old / new - 1) < 0.1 else 0)
EOF
