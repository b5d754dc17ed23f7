"""Measure how the time and memory of a training grow with the number of faces.

Each size trains in its own process, whose peak memory the operating system reports, once with each precision of the
trunk that the processor supports. The usual way is compared only in time and peak memory at one size.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import trunk_work
from side_by_side import arguments, machine, machine_limit, say

from fer_lib.provenance import git_state, package_versions
from fer_lib.utils.files import write_text

SIZES = (1000, 4000, 16000, 28709)  # FER-2013 has 28,709 training faces


def main() -> None:
    """Measure every size in its own process, or only the size that ``--one`` names."""
    options = arguments(__doc__, one=0, way="usual", largest=SIZES[-1], weights="")
    if options.one:
        print(json.dumps(one_size(options)))
        return
    lines, rows = {}, []
    for way in trunk_work.engines():
        mine = [measured(options, size, way) for size in SIZES if size <= options.largest]
        rows += mine
        lines[way] = line(mine)
        say(f"  {way}: {lines[way]}")
    content = {
        "benchmark": "growth",
        "claim": "Time grows in a straight line with the faces, and memory stays under 3 GB for all of FER-2013",
        "sizes": [*rows, measured(options, SIZES[1], "usual")],
        "lines": lines,
        "facts": {"synthetic": not options.data_dir},
        "machine": {**machine(), "matrix_product_gflops": machine_limit()},
        "code": git_state(),
        "packages": package_versions(),
    }
    write_text(Path(options.out) / "growth.json", json.dumps(content, indent=2) + "\n")


def line(rows: list[dict]) -> dict[str, float]:
    """Fit a straight line to the seconds of an epoch; also compute the largest distance of a size from it."""
    faces = np.array([row["faces"] for row in rows])
    seconds = np.array([row["epoch_seconds"] for row in rows])
    slope, fixed = np.polyfit(faces, seconds, 1)
    off = np.abs(slope * faces + fixed - seconds) / seconds
    return {
        "seconds_a_thousand_faces": round(1000 * float(slope), 3),
        "fixed_seconds": round(float(fixed), 3),
        "largest_distance_from_the_line": round(float(off.max()), 3),
    }


def measured(options, size: int, way: str) -> dict:
    """Measure one size in a separate process."""
    words = [sys.executable, __file__, "--one", str(size), "--way", way]
    words += ["--data-dir", options.data_dir, "--weights", options.weights]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    row = json.loads(done.stdout.splitlines()[-1])
    say(f"  {row['way']}, {row['faces']:,} faces: {row['epoch_seconds']:.1f} s an epoch, {row['peak_gb']:.2f} GB")
    return row


def one_size(options) -> dict:
    """Train two epochs on four fifths of the faces and validate on the rest."""
    usual = options.way == "usual"
    engine, precision = trunk_work.ENGINES["openvino float32" if usual else options.way]
    used = trunk_work.settings(options.weights, epochs=2, trunk_engine=engine, trunk_precision=precision)
    learn, validate = trunk_work.halves(options.data_dir, options.one * 4 // 5)
    run = trunk_work.usual_epochs if usual else trunk_work.our_epochs
    seconds = run(used, learn, validate)[1]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e9 if sys.platform == "darwin" else 1e6)
    return {"way": options.way, "faces": options.one, "epoch_seconds": round(seconds, 2), "peak_gb": round(peak, 3)}


if __name__ == "__main__":
    main()
