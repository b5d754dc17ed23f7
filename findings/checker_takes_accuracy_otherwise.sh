#!/usr/bin/env bash
# A checker of printed scores calls right multiclass scores inconsistent.
#
# Most would expect: scores that were computed from a real confusion matrix and rounded to four digits are found consistent,
#   with "acc" as scikit-learn's `accuracy_score` gives it, the share of right answers.
# What happens (mlscorecheck 1.0.3): its multiclass checks average over one-against-the-rest problems, and "acc" is averaged
#   like the rest. Each wrong answer is wrong in two of the problems and right in all others, so of seven classes at 66 %
#   right answers "acc" must be 90.3 %. The share of right answers is its micro-averaged "sens".
# Expected before the run: none of 40 confusion matrices is inconsistent. Seen: all 20 are in the micro-averaged check and
#   all 20 in the macro-averaged one; with the averaged accuracy, none.
# Why it matters: who checks a paper's "accuracy" by that name accuses its authors of impossible numbers.
# What helps: give the accuracy of a paper as "sens" of `check_1_testset_no_kfold_micro`.
# The script fails if fewer than half of them are inconsistent, or any with the averaged accuracy.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --no-compile mlscorecheck==1.0.3 scikit-learn==1.9.1 numpy==2.4.6 pulp==3.3.2
"$folder/venv/bin/python" -W ignore - <<'EOF'
import logging
import sys

import numpy as np
from mlscorecheck.check import multiclass
from sklearn.metrics import accuracy_score

logging.disable(logging.INFO)
faces = np.array([491, 55, 528, 879, 594, 416, 626])
total, labels = faces.sum(), np.repeat(np.arange(7), faces)


def scores(answers, kind, usual):
    """Compute the scores of one set of answers; ``usual`` takes the share of right answers as the accuracy."""
    right = np.array([(answers[labels == one] == one).sum() for one in range(7)])
    negative = total - faces - np.bincount(answers, minlength=7) + right  # right answers "not this class"
    average = {
        "micro": {"sens": right.sum() / total, "spec": negative.sum() / (total - faces).sum()},
        "macro": {"sens": (right / faces).mean(), "spec": (negative / (total - faces)).mean()},
    }[kind]
    average["acc"] = accuracy_score(labels, answers) if usual else ((right + negative) / total).mean()
    return {name: round(float(value), 4) for name, value in average.items()}


def inconsistent(kind, usual):
    rng, count = np.random.default_rng(0), 0
    for _ in range(20):
        answers = np.where(rng.random(total) < 0.6, labels, rng.integers(7, size=total))
        given = scores(answers, kind, usual)
        check = getattr(multiclass, f"check_1_testset_no_kfold_{kind}")
        options = {"verbosity": 0} if kind == "macro" else {}
        count += check(dict(enumerate(faces.tolist())), given, 1e-4, **options)["inconsistency"]
    print(f"{kind}-averaged, {'usual' if usual else 'averaged'} accuracy: {count} of 20 inconsistent; the last: {given}")
    return count


if min(inconsistent("micro", True), inconsistent("macro", True)) < 10:
    sys.exit("changed: the usual accuracy is consistent")
if max(inconsistent("micro", False), inconsistent("macro", False)) > 0:
    sys.exit("changed: right scores are inconsistent even with the averaged accuracy")
EOF
