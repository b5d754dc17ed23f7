"""How time and memory of a training grow with the faces: straight lines, and a bound on the memory.

Each size trains in a process of its own, whose peak memory the operating system tells. Nothing is compared with the
usual way here but time and peak memory at one size.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import trunk_work
from side_by_side import arguments, machine, say

from fer_lib.artifacts import git_state, package_versions
from fer_lib.files import write_text

SIZES = (1000, 4000, 16000, 28709)  # FER-2013 has 28,709 training faces


def main() -> None:
    """Measures every size in a process of its own, or one size where ``--one`` names it."""
    options = arguments(__doc__, one=0, usual=0, largest=SIZES[-1], weights="", trunk="openvino-float32")
    if options.one:
        print(json.dumps(one_size(options)))
        return
    rows = [measured(options, size) for size in SIZES if size <= options.largest]
    usual = measured(options, SIZES[1], usual=1)
    seconds = np.array([[row["faces"], row["epoch_seconds"]] for row in rows])
    slope, fixed = np.polyfit(seconds[:, 0], seconds[:, 1], 1)
    off = np.abs(slope * seconds[:, 0] + fixed - seconds[:, 1]) / seconds[:, 1]
    say(f"  {1000 * slope:.2f} s a thousand faces and {fixed:.2f} s; off the line by {off.max():.0%} at most")
    content = {
        "benchmark": "growth",
        "claim": "Time grows in a straight line with the faces, and memory stays under 3 GB for all of FER-2013",
        "sizes": rows,
        "usual_way": usual,
        "seconds_a_thousand_faces": round(1000 * float(slope), 3),
        "largest_distance_from_the_line": round(float(off.max()), 3),
        "facts": {"trunk": options.trunk, "synthetic": not options.data_dir},
        "machine": machine(),
        "code": git_state(),
        "packages": package_versions(),
    }
    write_text(Path(options.out) / "growth.json", json.dumps(content, indent=2) + "\n")


def measured(options, size: int, *, usual: int = 0) -> dict:
    """Returns what a process of its own says of one size."""
    words = [sys.executable, __file__, "--one", str(size), "--usual", str(usual), "--trunk", options.trunk]
    words += ["--data-dir", options.data_dir, "--weights", options.weights]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    row = json.loads(done.stdout.splitlines()[-1])
    say(f"  {row['way']}, {row['faces']:,} faces: {row['epoch_seconds']:.1f} s an epoch, {row['peak_gb']:.2f} GB")
    return row


def one_size(options) -> dict:
    """Trains two epochs on four fifths of so many faces, validates on the rest."""
    engine, precision = options.trunk.split("-")
    used = trunk_work.settings(options.weights, epochs=2, trunk_engine=engine, trunk_precision=precision)
    learn, validate = trunk_work.halves(options.data_dir, options.one * 4 // 5)
    run = trunk_work.usual_epochs if options.usual else trunk_work.our_epochs
    seconds = run(used, learn, validate)[1]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e9 if sys.platform == "darwin" else 1e6)
    way = "usual way" if options.usual else "our way"
    return {"way": way, "faces": options.one, "epoch_seconds": round(seconds, 2), "peak_gb": round(peak, 3)}


if __name__ == "__main__":
    main()
