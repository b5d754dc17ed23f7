#!/usr/bin/env bash
# The standard deviation of a float16 column of 70,000 rows is 0.
#
# Most would expect: pandas computes statistics of a small type in float64, as it does for the mean, and gives them to the
#   three digits that the type holds.
# What happens (pandas 3.1.1): the mean and the sum are taken in float64, but for the standard deviation the number of rows
#   is converted to the column's type. Above 65,504 it becomes infinite, and the variance is divided by it. `describe()`
#   says 0.0; NumPy warns of an overflow in a cast. `groupby(...).std()` is right as long as each group is small.
# Expected before the run: 1.000 within 0.001. Seen: 0.9995 for 65,504 rows, 0.0 for 65,520 and 100,000. `cumsum()` stops
#   near 18,600 where the sum is 499,909.
# Why it matters: features and probabilities are often kept as float16 to save room, and a scaler that divides by 0 or that
#   leaves out constant columns drops them all.
# What helps: `column.astype("float64")` before any statistics.
# The script fails if the standard deviation of 100,000 rows is above 0.9, or that in float64 is below.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --no-compile pandas==3.1.1 numpy==2.4.6
"$folder/venv/bin/python" -W ignore - <<'EOF'
import sys

import numpy as np
import pandas as pd

for rows in (65_504, 65_520, 100_000):
    column = pd.Series(5 + np.random.default_rng(0).standard_normal(rows), dtype="float16")
    exact, found = column.astype("float64").std(), column.std()
    print(f"{rows:,} rows: std {found}, in float64 {exact:.4f}, describe() {column.describe()['std']}")
print(f"cumsum() ends at {column.cumsum().iloc[-1]:,.0f}, the sum is {column.sum():,.0f}")
if found > 0.9 or exact < 0.9:
    sys.exit("changed: the standard deviation of a long float16 column is right")
EOF
