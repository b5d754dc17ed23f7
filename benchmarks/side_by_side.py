"""Tools of all benchmarks: time two ways in turns, compute their ratio and the computer's limit, write a JSON.

A claim is a ratio, never a time: computers differ and their speed drifts, but two ways that take turns run under the
same conditions. ``python benchmarks/<name>.py`` prints the ratio and writes ``benchmarks/results/<name>.json``.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT))

from fer_lib.datasets import corpus  # noqa: E402
from fer_lib.datasets.face_dataset import FaceDataset  # noqa: E402
from fer_lib.provenance import git_state, package_versions  # noqa: E402
from fer_lib.settings import DataSettings  # noqa: E402
from fer_lib.utils.files import write_text  # noqa: E402

RESULTS = Path(__file__).parent / "results"
FEATURES = 2048  # as many as ResNet-50 has
MATRICES = (512, 1024, 2048)  # sides of the matrices whose products measure the computer's limit


def arguments(description: str, **defaults: int | str) -> argparse.Namespace:
    """Parse ``--pairs`` (how often each way runs), ``--data-dir``, ``--out`` and the options in ``defaults``."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument(
        "--data-dir", default=os.environ.get("FER_DATA", ""), help="data folder (default: generated faces)"
    )
    parser.add_argument("--out", default=str(RESULTS), help="folder for the JSON (default: benchmarks/results)")
    parser.add_argument("--label", default="", help="a word for this processor, such as amx: ends the JSON's name")
    for name, value in {"pairs": 5, **defaults}.items():
        kind, shown = type(value), "default: %(default)s" if value != "" else None
        parser.add_argument(f"--{name.replace('_', '-')}", type=kind, default=value, help=shown)
    return parser.parse_args()


def fer2013(data_dir: str, count: int | None = None) -> FaceDataset:
    """Load FER-2013's training part, or its first ``count`` faces; generated faces without a data folder."""
    settings = DataSettings(source="folder" if data_dir else "generated", generated_faces=(count or 2000) * 4 // 3)
    faces = corpus.load_fer2013(settings, data_dir).part("Training")
    return faces if count is None else faces.take(np.arange(min(count, len(faces))))


def projected_fer2013(data_dir: str, count: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Compute features float32 (N, 2048) and labels of FER-2013's training faces, in random order.

    The features are a fixed random projection with ReLU: as wide as ResNet-50's, without a trunk to run.

    Args:
        data_dir: folder with the corpora; empty for generated faces.
        count: number of faces; all by default.
    """
    faces = fer2013(data_dir, None if data_dir else count)
    rows = np.random.default_rng(0).permutation(len(faces))[:count]
    pixels = faces.images[rows].reshape(len(rows), -1).astype(np.float32) / np.float32(255)
    pixels -= pixels.mean(axis=1, keepdims=True)
    weights = np.random.default_rng(1).normal(size=(pixels.shape[1], FEATURES)).astype(np.float32)
    return np.maximum(pixels @ weights / np.float32(pixels.shape[1] ** 0.5), 0), faces.labels[rows]


def alternate(
    ours: Callable[[], Any], usual: Callable[[], Any], *, pairs: int, warm_up: bool = True
) -> list[tuple[float, float]]:
    """Measure the seconds of our way and of the usual way, pair by pair, after an uncounted pair that warms up."""
    timed = []
    for number in range(-1 if warm_up else 0, pairs):
        pair = (seconds(ours), seconds(usual))
        if number >= 0:
            timed.append(pair)
            say(f"  pair {number + 1}: ours {pair[0]:.3f} s, usual {pair[1]:.3f} s, ratio {pair[1] / pair[0]:.2f}")
    return timed


def seconds(run: Callable[[], Any]) -> float:
    """Measure the wall-clock seconds of one call."""
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def ratio(pairs: list[tuple[float, float]]) -> dict[str, float]:
    """Compute the median, lowest and highest ratio usual / ours of the pairs, and both ways' median seconds."""
    ratios = [usual / ours for ours, usual in pairs]
    return {
        "median": round(statistics.median(ratios), 3),
        "lowest": round(min(ratios), 3),
        "highest": round(max(ratios), 3),
        "pairs": len(pairs),
        "ours_seconds": round(statistics.median(ours for ours, _ in pairs), 4),
        "usual_seconds": round(statistics.median(usual for _, usual in pairs), 4),
    }


def machine_limit(sides: tuple[int, ...] = MATRICES) -> dict[str, float]:
    """Measure this computer's rate of matrix products, in 10⁹ operations per second, for each precision.

    OpenVINO and TensorFlow compute the products; the faster one and the fastest of the ``sides`` count. A precision
    that the processor lacks is left out.
    """
    from fer_lib.utils.inference import openvino

    ov, precisions = openvino(), {"float32": "f32"}
    if "BF16" in ov.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        precisions["bfloat16"] = "bf16"
    rates = {}
    for precision, hint in precisions.items():
        found = [_tensorflow_rate(side, precision) for side in sides]
        with contextlib.suppress(RuntimeError):  # oneDNN has no kernel, such as under a low ONEDNN_MAX_CPU_ISA
            found += [_product_rate(ov, side, hint) for side in sides]
        rates[precision] = round(max(found), 1)
    return rates


def _product_rate(ov: Any, side: int, hint: str) -> float:
    ops, rng = ov.opset13, np.random.default_rng(side)
    left = ops.parameter([side, side], np.float32)
    product = ops.matmul(left, ops.constant(rng.random((side, side), np.float32)), False, False)
    options = {"INFERENCE_PRECISION_HINT": hint, "NUM_STREAMS": 1}
    request = ov.Core().compile_model(ov.Model([product], [left], "product"), "CPU", options).create_infer_request()
    matrix = rng.random((side, side), np.float32)
    best = min(seconds(lambda: request.infer([matrix], share_inputs=True)) for _ in range(max(5, 2**32 // side**3)))
    return 2 * side**3 / best / 1e9


def _tensorflow_rate(side: int, precision: str) -> float:
    import tensorflow as tf

    matrix = tf.cast(np.random.default_rng(side).random((side, side), np.float32), precision)

    def product() -> None:
        tf.matmul(matrix, matrix)[0, 0].numpy()

    return 2 * side**3 / min(seconds(product) for _ in range(max(5, 2**32 // side**3))) / 1e9


def report(name: str, claim: str, results: dict[str, Any], options: argparse.Namespace, **facts: Any) -> None:
    """Print the ratios with the computer's limit and write the JSON.

    Args:
        name: name of the benchmark and its file.
        claim: one sentence that describes the comparison and its data.
        results: maps the name of a comparison to its :func:`ratio`, with ``target`` if the claim has one.
        options: options from :func:`arguments`.
        facts: facts about the data and the settings, for the JSON.
    """
    limit = machine_limit()
    say("", claim)
    for which, found in results.items():
        target = found.get("target")
        verdict = "" if target is None else f"; target {target:g}: {'met' if found['median'] >= target else 'MISSED'}"
        say(
            f"  {which}: {found['median']:.2f} times as fast as the usual way "
            f"({found['lowest']:.2f} to {found['highest']:.2f}, {found['pairs']} pairs{verdict})"
        )
    say("  this machine multiplies matrices at " + " and ".join(f"{r:,.0f} GFLOP/s ({p})" for p, r in limit.items()))
    content = {
        "benchmark": name,
        "claim": claim,
        "results": results,
        "facts": facts,
        "machine": {**machine(), "matrix_product_gflops": limit},
        "code": git_state(),
        "packages": package_versions(),
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    file = f"{name}-{options.label}.json" if options.label else f"{name}.json"
    write_text(Path(options.out) / file, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def has_amx() -> bool:
    """Tell whether the processor multiplies bfloat16 matrices in tiles (Intel's AMX)."""
    listed = Path("/proc/cpuinfo")
    return listed.exists() and "amx_bf16" in listed.read_text(encoding="utf-8").split()


def machine() -> dict[str, Any]:
    """Describe the computer: processor, cores, memory in GB, Python."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines() if Path("/proc/cpuinfo").exists() else []
    processor = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9 if hasattr(os, "sysconf") else None
    return {
        "processor": processor,
        "kind": platform.machine(),
        "cores": os.cpu_count(),
        "memory_gb": memory and round(memory, 1),
        "python": platform.python_version(),
    }


def say(*lines: str) -> None:
    """Print lines without buffering."""
    print(*lines, sep="\n", flush=True)
