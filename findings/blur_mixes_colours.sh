#!/usr/bin/env bash
# Keras' gaussian_blur on JAX mixes the colours of a picture, unless data_format is named.
#
# Most would expect: keras.ops.image.gaussian_blur(pictures) blurs along height and width, and each colour by itself, whatever
#   Keras' backend; data_format=None stands for the configured format, by default "channels_last".
# What happens (Keras 3.15.1, JAX 0.10.2): the None reaches the backend, which takes it for "channels_first". So the height
#   counts as channels, and the picture is blurred along its width and across red, green and blue.
# Expected before the run: the same pixels on TensorFlow and on JAX, to 1e-4. Seen: every pixel of a random grey picture differs, by
#   up to 0.5 of 1; a picture that is all red keeps 0.45 of its red and gets a green of 0.27. TensorFlow 2.21.0 blurs rightly.
# Why it matters: a model that was trained with blurred pictures on one backend sees other ones on another, and no error is raised.
# What helps: data_format="channels_last"; the layer RandomGaussianBlur names it. Keras' developers have mended this since
#   (github.com/keras-team/keras/pull/23542).
# The script fails if a red picture stays red without data_format.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --no-compile keras==3.15.1 jax==0.10.2 numpy==2.4.6
KERAS_BACKEND=jax "$folder/venv/bin/python" - <<'EOF'
import sys

import keras
import numpy as np

red = np.zeros((1, 9, 9, 3), "float32")
red[..., 0] = 1


def middle(**format):
    """Blur the picture, and return the red, green and blue of its central pixel."""
    return np.asarray(keras.ops.image.gaussian_blur(red, kernel_size=(3, 3), sigma=(1.0, 1.0), **format))[0, 4, 4].round(3)


found, named = middle(), middle(data_format="channels_last")
print("red, green, blue without data_format:  ", found)
print('red, green, blue with "channels_last": ', named)
sys.exit("changed: without data_format the colours stay apart, too" if np.allclose(found, named, atol=0.01) else 0)
EOF
