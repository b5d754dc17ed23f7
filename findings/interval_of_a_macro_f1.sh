#!/usr/bin/env bash
# A 95 % interval of the macro F1 covers the true value in 81 % of the samples.
#
# Most would expect: a package made for confidence intervals, after a published method (Takahashi and others 2022), covers
#   the true macro F1 in 93 to 96 % of the samples, at least if there are thousands of answers.
# What happens (confidenceinterval 1.0.5): of seven unbalanced classes the interval of `f1_score(average="macro")` is a third
#   too narrow, however many answers there are. Those of accuracy and of the micro-averaged F1 are right.
# Expected before the run: 93 to 96 %. Seen: 81 % of 400 samples of 3,589 answers with the class shares of FER-2013's test part; the
#   mean width is 0.029 where 0.044 is needed.
# Why it matters: two networks whose macro F1 differ by chance look as if they differed.
# What helps: a bootstrap over the answers, or the recall of each class with its own interval.
# The script fails if the interval of the macro F1 covers more than 90 %, or that of accuracy less.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --no-compile confidenceinterval==1.0.5 scikit-learn==1.9.1 numpy==2.4.6
"$folder/venv/bin/python" -W ignore - <<'EOF'
import sys

import numpy as np
from confidenceinterval import accuracy_score, f1_score

SAMPLES = 400
shares = np.array([491, 55, 528, 879, 594, 416, 626]) / 3589
recall = np.array([0.60, 0.55, 0.50, 0.87, 0.55, 0.78, 0.68])
joint = np.empty((7, 7))  # share of the faces of a class (row) with an answer (column); errors go by the class shares
for one in range(7):
    others = np.where(np.arange(7) == one, 0, shares)
    joint[one] = shares[one] * (1 - recall[one]) * others / others.sum()
    joint[one, one] = shares[one] * recall[one]
precision = np.diag(joint) / joint.sum(axis=0)
truth = {"macro F1": (2 * precision * recall / (precision + recall)).mean(), "accuracy": np.trace(joint)}

rng, covered, found, widths = np.random.default_rng(1), {"macro F1": 0, "accuracy": 0}, [], []
for _ in range(SAMPLES):
    counts = rng.multinomial(3589, joint.ravel())
    labels = np.repeat(np.repeat(np.arange(7), 7), counts).tolist()
    answers = np.repeat(np.tile(np.arange(7), 7), counts).tolist()
    macro, (low, high) = f1_score(labels, answers, confidence_level=0.95, average="macro")
    _, (least, most) = accuracy_score(labels, answers, confidence_level=0.95)
    covered["macro F1"] += low <= truth["macro F1"] <= high
    covered["accuracy"] += least <= truth["accuracy"] <= most
    found.append(macro)
    widths.append(high - low)
levels = {name: count / SAMPLES for name, count in covered.items()}
print(f"of {SAMPLES} samples of 3,589 answers the 95 % intervals cover", {k: f"{v:.1%}" for k, v in levels.items()})
print(f"macro F1: mean width {np.mean(widths):.4f}; its standard deviation asks for {2 * 1.96 * np.std(found):.4f}")
if levels["macro F1"] > 0.9:
    sys.exit("changed: the interval of the macro F1 covers")
if levels["accuracy"] < 0.9:
    sys.exit("changed: the interval of accuracy does not cover, either")
EOF
