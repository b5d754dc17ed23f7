#!/usr/bin/env bash
# MTCNN's box of a photo depends on the other photos that are searched with it.
#
# Most would expect: `detect_faces` of a list of photos gives for each what it gives for that photo alone, to a pixel.
# What happens (mtcnn 1.0.0 with TensorFlow 2.21.0): the photos of a list are padded to the size of the largest and shrunk
#   together, so a smaller photo's pixels are resampled to another grid. The box around its face moves.
# Expected before the run: equal to 1 pixel. Seen: for a photo of 300 x 300 pixels the box is 107, 36, 49, 65 (left, top,
#   width, height) alone and 104, 35, 52, 67 beside one of 900 x 700; beside a copy of itself
#   it is the same as alone.
# Why it matters: crops of faces, and all that is learnt from them, change with the size of a batch and its order.
# What helps: search one photo at a time, or pad every photo to its own multiple of a fixed number before a batch.
# The script fails if the box beside the larger photo differs by less than 2 pixels.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --no-compile mtcnn==1.0.0 tensorflow==2.21.0 scikit-image==0.26.0 numpy==2.4.6
TF_CPP_MIN_LOG_LEVEL=2 "$folder/venv/bin/python" - <<'EOF'
import sys

import numpy as np
from mtcnn import MTCNN
from skimage import data, transform

photo = data.astronaut()
small = (transform.resize(photo, (300, 300), anti_aliasing=True) * 255).round().astype(np.uint8)
large = np.full((700, 900, 3), 127, np.uint8)
large[:512, :512] = photo
finder = MTCNN(device="CPU:0")
alone = finder.detect_faces(small)[0]["box"]
for name, others in {"alone": [], "beside its copy": [small], "beside a larger photo": [large]}.items():
    box = finder.detect_faces([small, *others])[0][0]["box"]
    print(f"{name}: left, top, width, height {', '.join(str(round(number)) for number in box)}")
if np.abs(np.subtract(box, alone)).max() < 2:
    sys.exit("changed: the box hardly depends on the other photo")
EOF
