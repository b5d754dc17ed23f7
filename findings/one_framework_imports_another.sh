#!/usr/bin/env bash
# `import tensorflow` imports JAX as well, if JAX is installed.
#
# Most would expect: TensorFlow does not touch another framework that nobody asked for. Installing JAX beside it, say to
#   run Keras on either, costs nothing where TensorFlow runs.
# What happens (tensorflow 2.21.0, jax 0.10.2): TensorFlow's converter for phones (tensorflow.lite.python.util) tries
#   `from jax import jit` as it is imported, and `import tensorflow` imports the converter. So every process that uses
#   TensorFlow loads JAX and its compiler, too. A module that only hides JAX from that line loads faster.
# Expected before a profile showed it: "jax" is not among the loaded modules. Seen on two cores: it is, and the import
#   takes 0.6 to 1.4 s of processor time longer, of 8 (two pairs of single runs).
# The script fails if `import tensorflow` no longer loads JAX.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet tensorflow==2.21.0 jax==0.10.2
TF_CPP_MIN_LOG_LEVEL=3 "$folder/venv/bin/python" - 2>"$folder/errors" <<'EOF' || { tail -n 5 "$folder/errors" >&2; exit 1; }
import sys

import tensorflow

print(f"tensorflow {tensorflow.__version__}: is jax loaded after `import tensorflow`? {'jax' in sys.modules}")
raise SystemExit(0 if "jax" in sys.modules else "changed: import tensorflow no longer loads jax")
EOF
