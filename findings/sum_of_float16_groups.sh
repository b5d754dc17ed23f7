#!/usr/bin/env bash
# polars sums a group of 33,333 float16 ones to 2,584.
#
# Most would expect: df.group_by("g").agg(pl.col("p").sum()) of a Float16 column gives, like the sum of the whole column, the true
#   sum as float16 rounds it: 33,333 ones are 33,344, and more than 65,504 are infinite.
# What happens (polars 2.1.0, one thread): the sum of a column is right, and so is the mean of a group. A group's sum is put together
#   from rounded parts, and grows more and more wrong from some 3,000 rows on. How far depends on the order of the rows and on the
#   number of threads.
# Expected before the run: sums as rounded by float16. Seen: three groups of 33,333 ones, one after another, sum to 2,584, 33,216
#   and 32,768; of random probabilities the first group sums to 2,322, where 16,684 is right.
# Why it matters: probabilities and hits are often kept as float16, to save room, and counted by class or by training. No error is
#   raised, and DuckDB and pandas sum the same column rightly.
# What helps: pl.col("p").cast(pl.Float64).sum().
# The script fails if the sums of the groups are right.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --no-compile polars==2.1.0 numpy==2.4.6
POLARS_MAX_THREADS=1 "$folder/venv/bin/python" - <<'EOF'
import sys

import numpy as np
import polars as pl

ROWS = 33_333
random = np.random.default_rng(0).random(3 * ROWS)
worst = {}
for name, values in {"ones": np.ones(3 * ROWS), "random probabilities": random}.items():
    frame = pl.DataFrame({"group": np.repeat(np.arange(3), ROWS), "p": values.astype("float16")})
    groups = frame.group_by("group", maintain_order=True)
    found = groups.agg(pl.col("p").sum().alias("sum"), pl.col("p").mean().alias("mean"))
    true = groups.agg(pl.col("p").cast(pl.Float64).sum())["p"].to_numpy()
    print(f"{name}: sums {found['sum'].to_list()}, true {true.round(1).tolist()}, means {found['mean'].to_list()}")
    print(f"    the first group alone: {frame['p'][:ROWS].sum()}")
    worst[name] = np.abs(found["sum"].to_numpy().astype(float) / true - 1).max()
print("largest error:", {name: f"{100 * error:.1f} %" for name, error in worst.items()})
sys.exit(0 if worst["ones"] > 0.01 else "changed: the groups' sums are right")
EOF
