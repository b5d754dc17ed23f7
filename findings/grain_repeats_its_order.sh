#!/usr/bin/env bash
# image_dataset_from_directory(format="grain") trains on the images in the same order in every epoch.
#
# Most would expect: shuffle=True, the default, means what it means with format="tf": another order in each epoch. The documentation
#   says that the format removes the dependency on TensorFlow, and nothing of the order.
# What happens (Keras 3.15.1, grain 0.2.18, JAX 0.10.2): the images are shuffled once. `fit` starts the dataset anew in each epoch,
#   and grain then gives its first shuffle again. Keras' only remark is that `fit`'s own `shuffle` is ignored, since "the grain
#   dataset is expected to already be shuffled". Batches thus have the same members in each epoch.
# Expected before the run: another order in each epoch. Seen: the losses of a network that does not learn are equal in all epochs,
#   batch by batch; with format="tf" (TensorFlow 2.21.0) they differ.
# Why it matters: fixed batches are another training than reshuffled ones, with noise that repeats; scores of the two formats
#   are not comparable, and nothing tells.
# What helps: call image_dataset_from_directory with another seed before each epoch, or build the dataset with grain itself and put
#   `repeat` after `shuffle`, which gives a new order in each round.
# The script fails if two epochs have their batches in different orders.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --no-compile keras==3.15.1 jax==0.10.2 grain==0.2.18 numpy==2.4.6 pillow==12.3.0
cat >"$folder/order.py" <<'EOF'
import sys
from pathlib import Path

import grain
import keras
import numpy as np
from PIL import Image

rng = np.random.default_rng(0)
for number in range(64):
    path = Path(sys.argv[1], "images", ("calm", "glad")[number % 2], f"{number:02}.png")
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(rng.integers(0, 256, (16, 16, 3)).astype("uint8")).save(path)
images = keras.utils.image_dataset_from_directory(
    Path(sys.argv[1], "images"), image_size=(16, 16), batch_size=8, seed=0, format="grain", verbose=False
)
model = keras.Sequential([keras.Input((16, 16, 3)), keras.layers.Flatten(), keras.layers.Dense(1)])
model.compile(keras.optimizers.SGD(0.0), "mse")  # a rate of 0: the loss tells which images have been seen
losses = []
tell = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: losses.append(round(float(logs["loss"]))))
model.fit(images, epochs=3, verbose=0, callbacks=[tell])
epochs = [losses[start : start + 8] for start in (0, 8, 16)]
for epoch in epochs:
    print("loss up to each batch:", *epoch)
repeated = list(grain.MapDataset.range(8).shuffle(seed=0).repeat(2))
print("grain's own repeat after shuffle:", *repeated)
sys.exit("changed: the order is another in each epoch" if epochs[0] != epochs[1] else 0)
EOF
KERAS_BACKEND=jax "$folder/env/bin/python" -W ignore "$folder/order.py" "$folder"
