#!/usr/bin/env bash
# Keras' moving average of the weights counts batches whose gradients are only accumulated, so it forgets sooner than asked.
#
# Most would expect: four batches of 8 with gradient_accumulation_steps=4 train as one batch of 32 does, the moving average of the
#   weights (use_ema) included; Keras says that model and optimiser variables stay as they are between updates.
# What happens (Keras 3.15.1, JAX 0.10.2): the weights are those of batches of 32, but the average is moved after each batch of 8.
#   A momentum of 0.9 acts like 0.9 to the fourth power, 0.66, and the average is that much nearer to the last weights. With
#   ema_overwrite_frequency the weights themselves come out otherwise.
# Expected before the run: equal weights and equal averages. Seen after 10 updates: weights equal to 1e-7; the averages differ by
#   0.89, and lie 1.81 and 0.92 from the last weights at most.
# Why it matters: accumulation is there to have the same training in less memory. Its average spans a fraction of the updates.
# What helps: the fourth root of the momentum brings the averages nearer, not together.
# The script fails if the averages are equal.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --no-compile keras==3.15.1 jax==0.10.2 numpy==2.4.6
cat >"$folder/average.py" <<'EOF'
import sys

import keras
import numpy as np

rng = np.random.default_rng(0)
inputs = rng.normal(size=(320, 8)).astype("float32")
outputs = (inputs @ rng.normal(size=(8, 3))).astype("float32")


def trained(batch, accumulate, **average):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(3)])
    optimizer = keras.optimizers.SGD(0.05, momentum=0.9, gradient_accumulation_steps=accumulate, **average)
    model.compile(optimizer, "mse")
    model.fit(inputs, outputs, batch_size=batch, shuffle=False, verbose=0)  # ends by putting the average in place
    return model.get_weights()[0]


def apart(first, second):
    return float(np.abs(first - second).max())


plain, accumulated = trained(32, None), trained(8, 4)
average = {"use_ema": True, "ema_momentum": 0.9}
plain_average, accumulated_average = trained(32, None, **average), trained(8, 4, **average)
print(f"weights: at most {apart(plain, accumulated):.1e} apart")
print(f"averages: at most {apart(plain_average, accumulated_average):.2f} apart")
print(f"from the last weights: {apart(plain, plain_average):.2f} and {apart(accumulated, accumulated_average):.2f}")
sys.exit("changed: the averages are equal" if apart(plain_average, accumulated_average) < 1e-4 else 0)
EOF
KERAS_BACKEND=jax "$folder/env/bin/python" "$folder/average.py"
