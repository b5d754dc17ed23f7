#!/usr/bin/env bash
# A .weights.h5 file gives weights to layers by their position, whatever their names are.
#
# Most would expect: layers that were named by their author find their weights by these names, or loading fails.
# What happens (Keras 3.15.1): the file contains no names of layers. It numbers them within each class, dense, dense_1 and so
#   on, in the order of the network. If two layers of one shape change places, each silently gets the other's weights.
# Expected before the run: the layer "first" has the weights that were saved from "first". Seen: it has those of "second".
# Why it matters: after two blocks of a network are exchanged, or one is inserted, old weights load without a word into the
#   wrong layers, and the network is only worse.
# What helps: compare outputs on one input before and after, or save the whole network as .keras.
# The script fails if the weights follow the names.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --no-compile keras==3.15.1 jax==0.10.2 numpy==2.4.6
KERAS_BACKEND=jax "$folder/venv/bin/python" - "$folder/a.weights.h5" <<'EOF'
import sys

import h5py
import keras
import numpy as np


def network(*names):
    """Build two dense layers of one shape with the given names, one after the other."""
    x = given = keras.Input((4,))
    for name in names:
        x = keras.layers.Dense(4, activation="relu", name=name)(x)
    return keras.Model(given, x)


saved, exchanged = network("first", "second"), network("second", "first")
saved.save_weights(sys.argv[1])
exchanged.load_weights(sys.argv[1])
with h5py.File(sys.argv[1]) as file:
    print("in the file:", *file["layers"])
same = {
    name: np.array_equal(exchanged.get_layer("first").kernel, saved.get_layer(name).kernel) for name in ("first", "second")
}
print('the layer "first" now has the weights of', *(f'"{name}"' for name, equal in same.items() if equal))
sys.exit("changed: weights follow the names" if same["first"] else 0)
EOF
