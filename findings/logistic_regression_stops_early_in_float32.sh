#!/usr/bin/env bash
# A logistic regression of float32 features reports that it has converged, with probabilities that are off by 0.4.
#
# Most would expect: features from a network are float32. scikit-learn's LogisticRegression gives nearly the same
#   probabilities for them as for the same numbers in float64, or a ConvergenceWarning.
# What happens (scikit-learn 1.9.1): for float32 input the loss is computed in float32. lbfgs also stops when the loss no
#   longer changes, which near the optimum happens soon in float32, long before the gradient is within `tol`. That counts as
#   converged, so there is no warning.
# Expected before the run: probabilities apart by less than 0.001. Seen for 600 images of 128 features, 7 classes, C = 100:
#   391 iterations in float32 and 1,877 in float64; probabilities up to 0.42 apart. Against a solution with tol=1e-9, float64
#   is off by up to 0.04 and predicts 0.7 % other classes, float32 by 0.43 and 5.0 %.
# What helps: float64 input, or features scaled to a standard deviation of 1.
# The script fails if no probability differs by 0.1 or more, or if there is a warning.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --no-compile scikit-learn==1.9.1 numpy==2.4.6 scipy==1.17.1
"$folder/venv/bin/python" - <<'EOF'
import sys
import warnings

import numpy as np
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression

warnings.simplefilter("error")  # a ConvergenceWarning would end the script
features, labels = make_classification(1200, 128, n_informative=20, n_classes=7, random_state=0)
features = 10 * np.abs(features)
found, steps = {}, {}
for kind, tolerance in ((np.float32, 1e-4), (np.float64, 1e-4), ("exact", 1e-9)):
    given = features.astype(np.float64 if kind == "exact" else kind)
    model = LogisticRegression(C=100, max_iter=20_000, tol=tolerance).fit(given[:600], labels[:600])
    found[kind], steps[kind] = model.predict_proba(given[600:]), int(model.n_iter_[0])
exact = found["exact"]
for kind in (np.float32, np.float64):
    apart = abs(found[kind] - exact)
    other = np.mean(found[kind].argmax(axis=1) != exact.argmax(axis=1))
    print(f"{kind.__name__}: {steps[kind]} iterations, probabilities off by up to {apart.max():.2f}, {other:.1%} other classes")
apart = abs(found[np.float32] - found[np.float64]).max()
print(f"float32 against float64: up to {apart:.2f} apart")
sys.exit(0 if apart > 0.1 else "changed: float32 gives the probabilities of float64")
EOF
