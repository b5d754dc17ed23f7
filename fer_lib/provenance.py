"""Record where results come from: one file a notebook run, which lists every result of the run by its SHA-256.

``results/<profile>/provenance/<run>.json`` names the commit, settings, faces, weights, seed, backend, machine and
packages. A run writes it again after each result, so that at the run's end it is whole. A result that no such file
lists, or whose bytes have changed since, has no provenance: :func:`made_by` returns None and nothing is computed from
it.
"""

from __future__ import annotations

import functools
import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from fer_lib.errors import FerError
from fer_lib.settings import CHECKOUT, settings_hash
from fer_lib.utils.files import file_sha256

FOLDER = "provenance"
PACKAGES = (
    "keras",
    "keras-nightly",  # release candidates of TensorFlow ask for it; its files replace those of keras
    "tensorflow",
    "jax",
    "torch",
    "numpy",
    "openvino",
    "opencv-python-headless",
    "scikit-learn",
    "scipy",
    "statsmodels",
    "skops",
    "mtcnn",
    "pandas",
    "fer",  # whose network is one of the comparators, where it is installed
    "fer-replication",
)


def surroundings() -> dict[str, Any]:
    """Describe the code, the machine and the packages that this process computes with."""
    return {
        "code": git_state(),
        "engine": _engine(),
        "machine": {"kind": platform.machine(), "system": platform.system(), "cores": os.cpu_count(), "gpus": _gpus()},
        "packages": package_versions(),
        "python": platform.python_version(),
    }


def figures_of(results: Path) -> Path:
    """Name the folder of a profile's figures: ``figures/paper`` for ``results/paper``, the same for a reference."""
    parts = results.resolve().parts
    if "results" not in parts:
        return results / "figures"
    place = len(parts) - 1 - parts[::-1].index("results")
    return Path(*parts[:place], "figures", *parts[place + 1 :])


def made_by(results: Path, name: str) -> dict[str, Any] | None:
    """Find the provenance of a result; None where no run lists it, or lists other bytes.

    Args:
        results: a profile's results, such as ``results/paper``.
        name: path of the result in it, such as ``"metrics/resnet50_mlp_seed0.json"``, or of a figure, such as
            ``"figures/chen2023_recall.png"``.
    """
    kind, _, rest = name.partition("/")
    path = figures_of(results) / rest if kind == "figures" else results / name
    digest = file_sha256(path) if path.is_file() else None
    for file in sorted((results / FOLDER).glob("[!.]*.json")):
        made = _read(str(file), file.stat().st_mtime_ns)
        if digest and made.get("artifacts", {}).get(name) == digest:
            return made
    return None


def read_values(results: Path) -> dict[str, dict[str, Any]]:
    """Read the metrics of a profile with their provenance, by name, sorted; those without provenance are left out.

    Raises:
        FerError: a file was not written by this project.
    """
    found = {}
    for path in sorted((results / "metrics").glob("[!.]*.json")):
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            wanted = {key: content[key] for key in ("name", "synthetic", "values")}
        except (ValueError, KeyError, TypeError):
            raise FerError(
                f"{path} is not a metrics file of this project; delete it and run its notebook again."
            ) from None
        made = made_by(results, f"metrics/{path.name}")
        if made is not None:
            found[path.stem] = wanted | {"provenance": made}
    return found


@functools.lru_cache(maxsize=256)
def _read(file: str, _changed: int) -> dict[str, Any]:
    """Read one provenance file; ``_changed`` is its time of change, so that a new content is read again."""
    try:
        content = json.loads(Path(file).read_text(encoding="utf-8"))
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def varying_engine(settings: Any) -> str | None:
    """Name the engine whose version is part of the result: OpenVINO in bfloat16; None if the settings ask for another.

    OpenVINO's releases 2025.1.0 and 2026.4.1 gave the same features in both precisions. An earlier measurement, which
    could not be repeated, found them apart in bfloat16 (``docs/reliability.md``), so results in it name the release.

    Args:
        settings: settings as plain values, at any depth.
    """
    if not isinstance(settings, Mapping):
        return None
    trunk = settings.get("trunk", f"{settings.get('trunk_engine')}-{settings.get('trunk_precision')}")
    if trunk == "openvino-bfloat16":
        return f"OpenVINO {metadata.version('openvino')}, bfloat16"
    return next(filter(None, map(varying_engine, settings.values())), None)


def same_faces(made: Mapping[str, Any]) -> list[Any]:
    """List what two results must share to be compared: the corpora's fingerprints and the data settings."""
    fingerprints = {corpus: facts["fingerprint"] for corpus, facts in made.get("data", {}).items()}
    return [fingerprints, made.get("data_settings")]


def check_alike(runs: Mapping[str, Mapping[str, Any]]) -> None:
    """Check that results by name were run with the same settings, faces and weights, so that a mean has a meaning.

    Raises:
        FerError: one differs from the first.
    """
    keys = {
        name: settings_hash(made.get("settings"), same_faces(made), made.get("weights")) for name, made in runs.items()
    }
    odd = [name for name, key in keys.items() if key != next(iter(keys.values()))]
    if odd:
        raise FerError(
            f"The results {', '.join(keys)} were not run alike ({odd[0]} differs in settings, faces or weights); "
            f"run these seeds again together, or delete metrics/{odd[0]}.json."
        )


def git_state() -> dict[str, Any]:
    """Find the commit, and whether sources differ from it (results do not count); None outside a repository."""
    commit = _git("rev-parse", "HEAD")
    changed = _git("status", "--porcelain", "--", ".", ":!results", ":!figures", ":!benchmarks/results")
    return {"commit": commit, "dirty": None if changed is None else bool(changed)}


def package_versions() -> dict[str, str]:
    """List the versions of the packages that results depend on, if they are installed."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def _engine() -> dict[str, Any] | None:
    """Describe what networks run on; None in a notebook that runs none, and so never waits for Keras' import."""
    backend = sys.modules.get("fer_lib.backend")
    if backend is None:
        return None
    keras = backend.keras
    precision = keras.config.dtype_policy().name
    return {"backend": keras.backend.backend(), "devices": backend.DEVICES, "precision": precision}


@functools.cache
def _gpus() -> list[str]:
    """List NVIDIA's cards by the names that their driver gives them, whether or not the backend uses them."""
    try:
        asked = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
        done = subprocess.run(asked, capture_output=True, text=True, check=True, timeout=30)
    except (OSError, subprocess.SubprocessError):
        return []
    return [line.strip() for line in done.stdout.splitlines() if line.strip()]


def _git(*words: str) -> str | None:
    if CHECKOUT is None:  # installed from a wheel: the current folder's commit is another project's
        return None
    try:
        done = subprocess.run(["git", "-C", str(CHECKOUT), *words], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
