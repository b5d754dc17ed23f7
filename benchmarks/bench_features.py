"""Features for the support vector machines: the whole trunk on our engines against Keras' ``predict``.

``features.json`` has the times, which need a free machine. ``features_difference.json`` has what engines and precisions
change, as a share of the features' variation over faces and of their norm; ``--pairs 0`` measures that alone.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import trunk_work
from side_by_side import alternate, arguments, fer2013, machine, ratio, report, say

from fer_lib.backend import keras
from fer_lib.datasets.face_dataset import FaceDataset
from fer_lib.models import pretrained, resnet50_mlp, resnet50_svm
from fer_lib.models.trunk import share_of_variation
from fer_lib.provenance import git_state, package_versions
from fer_lib.settings import ResNet50SvmSettings, change
from fer_lib.utils.files import write_text
from fer_lib.utils.pixels import network_input


def main() -> None:
    """Measure and report."""
    options = arguments(__doc__, pairs=5, faces=1024, weights="")
    faces = fer2013(options.data_dir, options.faces)
    base = ResNet50SvmSettings(weights=options.weights or "random_frozen")
    keras.utils.set_random_seed(0)  # random weights are the same ones in each run
    network = resnet50_mlp.build_trunk(base)
    write_differences(network, faces, base, options.out)
    if options.pairs:
        time_engines(network, faces, base, options)


def time_engines(network: keras.Model, faces: FaceDataset, base: ResNet50SvmSettings, options: Any) -> None:
    """Times each engine beside Keras' ``predict``."""

    def usual() -> np.ndarray:
        return usual_features(network, faces, base.scaling)

    results = {}
    for name, (engine, precision) in trunk_work.engines().items():
        used = change(base, trunk_engine=engine, trunk_precision=precision)

        def ours(used=used) -> np.ndarray:
            return resnet50_svm.features(network, faces.images, settings=used)

        say(f"  {name}:")
        results[name] = ratio(alternate(ours, usual, pairs=options.pairs))
    report(
        "features",
        f"2,048 features of {len(faces):,} faces: our engines against Keras' predict in batches of 32",
        results,
        options,
        faces=len(faces),
        synthetic=faces.synthetic,
        faces_a_second={name: round(len(faces) / found["ours_seconds"]) for name, found in results.items()},
    )


def write_differences(network: keras.Model, faces: FaceDataset, base: ResNet50SvmSettings, folder: str) -> None:
    """Writes how far each engine's features lie from Keras' in float32, at both scalings."""
    rows = []
    for scaling in ("unit", "trunk"):
        reference = usual_features(network, faces, scaling)
        norm = np.linalg.norm(reference)
        variation = np.linalg.norm(reference - reference.mean(axis=0, dtype=np.float64)) / norm
        for name, (engine, precision) in trunk_work.engines().items():
            used = change(base, scaling=scaling, trunk_engine=engine, trunk_precision=precision)
            found = resnet50_svm.features(network, faces.images, settings=used)
            rows.append(
                {
                    "way": name,
                    "scaling": scaling,
                    "variation_in_norm": float(variation),
                    "share_of_variation": share_of_variation(found, reference),
                    "share_of_norm": float(np.linalg.norm(found - reference) / norm),
                }
            )
            say(f"  {rows[-1]}")
    content = {
        "benchmark": "features",
        "claim": f"2,048 features of {len(faces):,} faces: how far our engines' lie from those of Keras in float32",
        "differences": rows,
        "facts": {
            "faces": len(faces),
            "synthetic": faces.synthetic,
            "weights": pretrained.weights_origin(base.weights)["origin"],
        },
        "machine": machine(),
        "code": git_state(),
        "packages": package_versions(),
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    write_text(Path(folder) / "features_difference.json", json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def usual_features(network: keras.Model, faces: FaceDataset, scaling: str) -> np.ndarray:
    """Computes the pooled features as a notebook usually does: by ``predict``."""
    return network.predict(network_input(faces.images, scaling), verbose=0).mean(axis=(1, 2))


if __name__ == "__main__":
    main()
