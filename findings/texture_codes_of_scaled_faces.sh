#!/usr/bin/env bash
# Local binary patterns of a face change when its grey levels are divided by 255.
#
# Most would expect: a local binary pattern compares a pixel with its neighbours, so a scale cannot matter; in a flat area all
#   neighbours are equal to the centre, and the code is 255.
# What happens (scikit-image 0.26.0): the four diagonal neighbours are interpolated between pixels. The weights add up to 1
#   only up to rounding, so that in flat areas a neighbour may come out an ulp below the centre and its bit is 0. Grey levels
#   as whole numbers are spared.
# Expected before the run: no difference at any of the 256 grey levels. Seen: none for uint8, but 14 levels divided by 255
#   get other codes; of a picture of 64 flat blocks 2.9 % of the codes change. Flat areas are common: white paper, black
#   borders after a rotation, saturated skin.
# What helps: compute the patterns of uint8 images.
# The script fails if the codes of scaled images are those of the grey levels.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --no-compile scikit-image==0.26.0 numpy==2.4.6
"$folder/venv/bin/python" -W ignore - <<'EOF'
import sys

import numpy as np
from skimage.feature import local_binary_pattern


def wrong_levels(scale):
    flat = (np.full((9, 9), level, np.uint8) / scale if scale > 1 else np.full((9, 9), level, np.uint8) for level in range(256))
    return sum(bool((local_binary_pattern(image, 8, 1)[2:-2, 2:-2] != 255).any()) for image in flat)


blocks = np.random.default_rng(0).integers(0, 256, (8, 8)).astype(np.uint8).repeat(8, axis=0).repeat(8, axis=1)
apart = np.mean(local_binary_pattern(blocks, 8, 1) != local_binary_pattern(blocks / 255, 8, 1))
print(f"flat images with a code other than 255: {wrong_levels(1)} of 256 as uint8, {wrong_levels(255)} divided by 255")
print(f"codes of a picture of blocks that change when it is divided by 255: {apart:.1%}")
sys.exit(0 if wrong_levels(1) == 0 and wrong_levels(255) > 0 and apart > 0.01 else "changed: the scale no longer matters")
EOF
