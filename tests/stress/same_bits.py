"""Measure which results are bit-equal over batches, threads, cores, backends and older processors' instructions.

``python tests/stress/same_bits.py`` computes small versions of each kind of result in one process for each setting,
writes ``same_bits.json`` next to this file and the table in ``docs/reliability.md``; two to three minutes on two cores.
Initial weights and data are fixed, so that only the arithmetic differs.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import numpy as np

PROJECT = Path(__file__).resolve().parents[2]
KEPT = Path(__file__).with_suffix(".json")
PAGE = PROJECT / "docs" / "reliability.md"
BATCHES = (1, 7)
#: The columns that compare two ways within one setting, by the mark in the second's name.
WITHIN = {"1": "batch sizes", "7": "batch sizes", "order": "order of the faces", "threads": "threads of OpenVINO"}
#: The settings by name: backend, cores, further variables.
SETTINGS = {
    "tensorflow": ("tensorflow", 2, {}),
    "tensorflow again": ("tensorflow", 2, {}),
    "tensorflow on one core": ("tensorflow", 1, {}),
    "tensorflow as AVX2": ("tensorflow", 2, {"ONEDNN_MAX_CPU_ISA": "AVX2"}),
    "tensorflow as AVX512_CORE": ("tensorflow", 2, {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE"}),
    "tensorflow as AVX512_CORE_BF16": ("tensorflow", 2, {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE_BF16"}),
    "jax": ("jax", 2, {}),
    "jax on one core": ("jax", 1, {}),
    "torch": ("torch", 2, {}),
    "torch on one core": ("torch", 1, {}),
}
#: The table's columns: what is compared with what.
COLUMNS = {
    "the same again": ("tensorflow", "tensorflow again"),
    "one core, two (TensorFlow)": ("tensorflow", "tensorflow on one core"),
    "one core, two (JAX)": ("jax", "jax on one core"),
    "one core, two (torch)": ("torch", "torch on one core"),
    "JAX, TensorFlow": ("tensorflow", "jax"),
    "torch, TensorFlow": ("tensorflow", "torch"),
    "oneDNN as on AVX2, as here": ("tensorflow", "tensorflow as AVX2"),
    "as on AVX-512, as here": ("tensorflow", "tensorflow as AVX512_CORE"),
    "as on AVX-512 with bfloat16, as here": ("tensorflow", "tensorflow as AVX512_CORE_BF16"),
}


def main() -> None:
    """Measure all settings and write the record and the page's table."""
    if sys.argv[1:]:
        compute(Path(sys.argv[1]))
        return
    found: dict[str, dict[str, np.ndarray]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, (backend, cores, variables) in SETTINGS.items():
            if find_spec(backend) is None:
                continue
            file = Path(folder, f"{name}.npz")
            own = {"KERAS_BACKEND": backend, "FER_CORES": str(cores)}
            own["PYTHONPATH"] = os.pathsep.join([str(PROJECT), os.environ.get("PYTHONPATH", "")])
            subprocess.run([sys.executable, __file__, str(file)], env=os.environ | own | variables, check=True)
            with np.load(file) as arrays:
                found[name] = dict(arrays)
            sys.stdout.write(f"{name}: {len(found[name])} results\n")
            sys.stdout.flush()
            content = {"rows": rows(found), "packages": versions(found), "cores": os.cpu_count()}
            KEPT.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
            PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), content), encoding="utf-8")


def versions(backends: Iterable[str]) -> dict[str, str]:
    """List the versions of what computes these results."""
    names = ["keras", "numpy", "openvino", "scikit-learn", *{name.split()[0] for name in backends}]
    return {name: metadata.version(name) for name in sorted(names)}


def rows(found: dict[str, dict[str, np.ndarray]]) -> dict[str, dict[str, float | None]]:
    """Compare the arrays of the settings; a difference is a share of the largest value, None was not measured."""
    made: dict[str, dict[str, float | None]] = {}
    for name in found["tensorflow"]:
        kind, _, way = name.partition(" @ ")
        if way:
            pairs = [(arrays[name], arrays[kind]) for arrays in found.values() if name in arrays]
            before = made[kind].get(WITHIN[way]) or 0.0
            made[kind][WITHIN[way]] = max(before, *(difference(*pair) for pair in pairs))
            continue
        made[kind] = dict.fromkeys(WITHIN.values())
        for column, (first, second) in COLUMNS.items():
            both = [found[each][kind] for each in (first, second) if each in found and kind in found[each]]
            made[kind][column] = difference(*both) if len(both) == 2 else None
    return made


def difference(one: np.ndarray, other: np.ndarray) -> float:
    """Compute the largest difference as a share of the largest value; 0 means equal bits."""
    if one.dtype == other.dtype and one.tobytes() == other.tobytes():
        return 0.0
    return float(np.abs(np.float64(one) - other).max() / np.abs(other).max())


def table(content: dict) -> str:
    """Format the record as the page's table."""
    columns = [*dict.fromkeys(WITHIN.values()), *COLUMNS]
    lines = ["| result | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for name, found in content["rows"].items():
        cells = ["–" if found[key] is None else f"{found[key]:.0e}" if found[key] else "equal" for key in columns]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def filled(page: str, content: dict) -> str:
    """Put the table between the page's two marks."""
    start, end = "<!-- same_bits: start -->", "<!-- same_bits: end -->"
    return re.sub(f"(?s){start}.*{end}", f"{start}\n{table(content)}\n{end}", page)


# --- one process, one setting -----------------------------------------------------------------------------------------


def compute(file: Path) -> None:
    """Compute every kind of result in this process and save the arrays by name."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: int(os.environ["FER_CORES"])])
    np.savez(file, **features(), **training(), **classifiers(), **metrics(), **figure())


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    """Draw pixels from 0 to 255, or weights if divided."""
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.float32)


def network(width: int = 64):
    """Build a small residual network whose weights do not depend on the backend's random numbers."""
    from fer_lib.backend import keras

    layers = keras.layers
    face = keras.Input((48, 48, 3))
    x = layers.BatchNormalization()(layers.Conv2D(width, 7, strides=2, padding="same")(face))
    x = layers.MaxPooling2D(2)(layers.Activation("relu")(x))
    y = layers.BatchNormalization()(layers.Conv2D(width, 3, padding="same")(x))
    x = layers.Activation("relu")(layers.Add()([x, y]))
    made = keras.Model(face, layers.GlobalAveragePooling2D()(x))
    draw = np.random.default_rng(1)
    values = [draw.normal(0, np.sqrt(2 / max(1, np.prod(w.shape[:-1]))), w.shape) for w in made.weights]
    made.set_weights([np.abs(v) + 0.5 if v.ndim == 1 else v for v in values])
    return made


def features() -> dict[str, np.ndarray]:
    """Run the network on each engine: on all faces at once, in other batch sizes, in another order, on one thread."""
    from fer_lib.models.trunk import engine_of

    made, faces, trunk = {}, noise(42, 48, 48, 3) / 255, network()
    order = np.random.default_rng(2).permutation(len(faces))
    for engine in ("keras", "openvino"):
        for precision in ("float32", "bfloat16"):
            name = f"features, {'Keras' if engine == 'keras' else 'OpenVINO'}, {precision}"
            try:
                run = engine_of(trunk, SimpleNamespace(trunk_engine=engine, trunk_precision=precision))
                made[name] = run(faces)
                for size in BATCHES:
                    parts = [run(faces[start : start + size]) for start in range(0, len(faces), size)]
                    made[f"{name} @ {size}"] = np.concatenate(parts)
                made[f"{name} @ order"] = run(faces[order])[np.argsort(order)]
                if engine == "openvino":
                    made[f"{name} @ threads"] = on_one_thread(trunk, precision)(faces)
            except Exception:  # of any engine: as on AVX2 oneDNN refuses bfloat16 (docs/reliability.md)
                if precision != "bfloat16":
                    raise
                made = {kept: found for kept, found in made.items() if kept.partition(" @ ")[0] != name}
    return made


def on_one_thread(trunk, precision: str):
    """Compile the network for OpenVINO with one stream of one thread, where the project asks for more."""
    from fer_lib.models import trunk as engines

    with mock.patch.multiple(engines, WORKERS=1, cores=lambda: 1):
        return engines.OpenVinoEngine(trunk, precision)


def training() -> dict[str, np.ndarray]:
    """Take six steps of Adam from the same weights."""
    from fer_lib.backend import keras

    trunk = network(16)
    model = keras.Model(
        trunk.input, keras.layers.Dense(7, activation="softmax", kernel_initializer="zeros")(trunk.output)
    )
    model.compile("adam", "categorical_crossentropy")
    for step in range(6):
        labels = np.eye(7, dtype=np.float32)[np.random.default_rng(step).integers(0, 7, 16)]
        model.train_on_batch(noise(16, 48, 48, 3, seed=step) / 255, labels)
    return {"weights after six steps": np.concatenate([np.ravel(each) for each in model.get_weights()])}


def classifiers() -> dict[str, np.ndarray]:
    """Fit an SVM, by the project's own search, and scikit-learn's logistic regression."""
    from sklearn.linear_model import LogisticRegression

    from fer_lib.settings import ResNet50SvmSettings
    from fer_lib.svm import classifiers as svm

    labels = np.arange(210) % 7
    faces = noise(210, 64) / 255 + np.eye(7)[labels].repeat(10, axis=1)[:, :64] / 4
    examples = svm.Examples(faces, labels, np.arange(210) // 7)
    fitted = svm.fit("resnet50_svm_rbf", examples, settings=ResNet50SvmSettings(search_folds=2))
    logistic = LogisticRegression(C=1).fit(faces, labels)
    return {
        "RBF SVM, decision values": svm.decision(fitted, faces),
        "logistic regression, probabilities": logistic.predict_proba(faces),
    }


def metrics() -> dict[str, np.ndarray]:
    """Compute every metric of the same probabilities, with intervals."""
    from fer_lib.evaluation import metrics as evaluation

    names = tuple("abcdefg")
    probabilities = noise(700, 7).astype(np.float64) + 1
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    scores = evaluation.score(probabilities, np.arange(700) % 7, names)
    return {"metrics and intervals": scores.select_dtypes("number").to_numpy(np.float64)}


def figure() -> dict[str, np.ndarray]:
    """Draw a confusion matrix, and take the digest of the data in it."""
    from fer_lib.evaluation import metrics as evaluation
    from fer_lib.figures import chen2023, drawn

    cells = evaluation.confusion(noise(700, 7).astype(np.float64), np.arange(700) % 7, tuple("abcdefg"))
    digest = drawn.digests(chen2023.confusion_matrix(cells))["Drawn data"]
    return {"a figure's data, by its digest": np.frombuffer(bytes.fromhex(digest), np.uint8)}


if __name__ == "__main__":
    main()
