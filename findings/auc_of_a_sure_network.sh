#!/usr/bin/env bash
# Keras' AUC is a tenth too low for a network that is sure of itself.
#
# Most would expect: the area under the ROC curve depends only on the order of the scores, and `keras.metrics.AUC` gives it
#   to a few thousandths with its 200 thresholds.
# What happens (Keras 3.15.1): the thresholds are spread evenly over 0 to 1. The softmax of a confident network gives most
#   images far less than 1/200 for a class. All of them fall below the first threshold and count as tied.
# Expected before the run: apart from scikit-learn's by less than 0.01. Seen: 0.664 for 0.760, with 84 % of the scores below
#   0.005; 0.719 with 1,000 thresholds, 0.752 with 10,000. The script runs on JAX.
# What helps: scikit-learn's `roc_auc_score`, or thresholds at quantiles of the scores.
# The script fails if the two areas differ by less than 0.05.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --no-compile keras==3.15.1 jax==0.10.2 scikit-learn==1.9.1 numpy==2.4.6
KERAS_BACKEND=jax "$folder/venv/bin/python" - <<'EOF'
import sys

import keras
import numpy as np
from sklearn.metrics import roc_auc_score

rng = np.random.default_rng(0)
smiling = rng.random(5000) < 0.15
logits = 3 * rng.standard_normal(5000) + 3 * smiling - 9
scores = (1 / (1 + np.exp(-logits))).astype("float32")
exact = roc_auc_score(smiling, scores)
print(f"{np.mean(scores < 0.005):.0%} of the scores are below 0.005; scikit-learn's area is {exact:.3f}")
areas = {}
for count in (200, 1000, 10000):
    metric = keras.metrics.AUC(num_thresholds=count)
    metric.update_state(smiling.astype("float32"), scores)
    areas[count] = float(metric.result())
    print(f"keras.metrics.AUC with {count} thresholds: {areas[count]:.3f}")
sys.exit(0 if exact - areas[200] > 0.05 else "changed: Keras' area is about the exact one")
EOF
