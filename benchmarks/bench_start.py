"""Benchmark the import of Keras on TensorFlow through ``fer_lib.backend``, against a plain ``import keras``.

Every notebook, command and test process begins with this import. Each runs in a process of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys

from side_by_side import alternate, arguments, ratio, report

from fer_lib.settings import PROJECT


def start(code: str) -> None:
    """Run a line of Python in a process of its own, under TensorFlow."""
    surroundings = {**os.environ, "KERAS_BACKEND": "tensorflow", "PYTHONPATH": str(PROJECT)}
    subprocess.run([sys.executable, "-c", code], check=True, env=surroundings, capture_output=True)


def main() -> None:
    """Compare both ways and write the JSON."""
    options = arguments(__doc__)
    pairs = alternate(
        lambda: start("from fer_lib.backend import keras"), lambda: start("import keras"), pairs=options.pairs
    )
    claim = (
        "Starting Python and importing Keras on TensorFlow, without JAX and without the collector of reference cycles, "
        "against a plain import with JAX installed."
    )
    report("start", claim, {"start": ratio(pairs)}, options)


if __name__ == "__main__":
    main()
