"""Start-up: the command line's help and a notebook without networks, against importing TensorFlow and Keras on top.

The usual script of this field imports TensorFlow and Keras in its first lines, whatever it is then asked to do. Here
each way is a process of its own, from its start to its end, and the two take turns.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys

from side_by_side import PROJECT, alternate, arguments, ratio, report, say, seconds

HELP_TARGET_SECONDS = 0.5
USUAL = "import tensorflow, keras\n"
NOTEBOOK = "from fer_lib import artifacts, figures, tables\nfrom fer_lib.datasets import corpus, quality"
HELP = "import sys\nfrom fer_lib.cli import main\nsys.argv = ['fer-lib', '--help']\nmain()"


def python(code: str) -> None:
    """Runs code in a process of its own, as quietly as it can."""
    path = os.pathsep.join(filter(None, [str(PROJECT), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": path, "TF_CPP_MIN_LOG_LEVEL": "3"}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True)


def main() -> None:
    """Compares both starts and writes the JSON."""
    options = arguments(__doc__)
    results, facts = {}, {"help_target_seconds": HELP_TARGET_SECONDS}
    for name, code in (("help", HELP), ("notebook", NOTEBOOK)):
        say(f"{name}:")
        results[name] = ratio(
            alternate(lambda c=code: python(c), lambda c=code: python(USUAL + c), pairs=options.pairs)
        )
    facts["help_seconds"] = results["help"]["ours_seconds"]
    for name, code in (("python", "pass"), ("fer_lib", "import fer_lib"), ("datasets", "import fer_lib.datasets")):
        times = [seconds(lambda c=code: python(c)) for _ in range(options.pairs)]
        facts[f"{name}_seconds"] = round(statistics.median(times), 4)
    verdict = "met" if facts["help_seconds"] <= HELP_TARGET_SECONDS else "MISSED"
    say(f"fer-lib --help takes {facts['help_seconds']:.3f} s; target {HELP_TARGET_SECONDS:g} s: {verdict}")
    claim = (
        "Processes from start to end: `fer-lib --help`, and the imports of notebook 01, against the same with "
        "TensorFlow and Keras imported first."
    )
    report("startup", claim, results, options, **facts)


if __name__ == "__main__":
    main()
