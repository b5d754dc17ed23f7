"""Features for the support vector machines: the whole trunk on our engines against Keras' ``predict``."""

from __future__ import annotations

import numpy as np
import trunk_work
from side_by_side import alternate, arguments, fer2013, ratio, report, say

from fer_lib.augmentation import network_input
from fer_lib.models import resnet50_mlp, resnet50_svm
from fer_lib.settings import ResNet50SvmSettings, change


def main() -> None:
    """Measures and reports."""
    options = arguments(__doc__, pairs=5, faces=1024, weights="")
    faces = fer2013(options.data_dir, options.faces)
    base = ResNet50SvmSettings(weights=options.weights or "random_frozen")
    network = resnet50_mlp.build_trunk(base)

    def usual() -> np.ndarray:
        return network.predict(network_input(faces.images, base.scaling), verbose=0).mean(axis=(1, 2))

    results, agreement = {}, {}
    for name, (engine, precision) in trunk_work.engines().items():
        used = change(base, trunk_engine=engine, trunk_precision=precision)

        def ours(used=used) -> np.ndarray:
            return resnet50_svm.features(network, faces.images, settings=used)

        say(f"  {name}:")
        results[name] = ratio(alternate(ours, usual, pairs=options.pairs))
        reference = usual()
        agreement[name] = float(np.linalg.norm(ours() - reference) / np.linalg.norm(reference))
    report(
        "features",
        f"2,048 features of {len(faces):,} faces: our engines against Keras' predict in batches of 32",
        results,
        options,
        faces=len(faces),
        synthetic=faces.synthetic,
        distance_from_keras=agreement,
        faces_a_second={name: round(len(faces) / found["ours_seconds"]) for name, found in results.items()},
    )


if __name__ == "__main__":
    main()
