"""Write a small classifier as the installed scikit-learn saves it, and its answers, for `test_safe_load.py`.

    PYTHONPATH=. python tests/utils/saved_classifiers/write.py

writes `scikit-learn-<version>.skops` next to this file and its answers into `expected.json`. With another version of
scikit-learn in front on the path, it writes that one's file. The committed files were written by scikit-learn 1.7.2
with skops 0.13.0, and by the locked versions; write a new one when the lock moves to another minor version.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import sklearn
import skops
import skops.io

from fer_lib.settings import ResNet50SvmSettings
from fer_lib.svm import classifiers

HERE = Path(__file__).parent
EXPECTED = HERE / "expected.json"


def faces() -> tuple[np.ndarray, np.ndarray]:
    """Give 24 rows of six features in three classes that overlap, and their labels."""
    labels = np.arange(24) % 3
    return np.random.default_rng(0).integers(0, 256, (24, 6)) / 255 + np.eye(3)[labels].repeat(2, axis=1) / 2, labels


def main() -> None:
    """Fit liu2023's SVM behind principal components, save it, and record what it answers."""
    features, labels = faces()
    chosen = {"C": 1.0, "gamma_multiple": 1.0}
    examples = classifiers.Examples(features, labels, None)
    fitted = classifiers.fit_with(
        "resnet50_svm_rbf", examples, parameters=chosen, settings=ResNet50SvmSettings(), components=4
    )
    minor = ".".join(sklearn.__version__.split(".")[:2])
    # packed, which this project's own files are not, so that it takes a tenth of the space here
    skops.io.dump(fitted.pipeline, HERE / f"scikit-learn-{minor}.skops", compression=zipfile.ZIP_DEFLATED)
    expected = json.loads(EXPECTED.read_text(encoding="utf-8")) if EXPECTED.is_file() else {}
    expected[minor] = {
        "scikit-learn": sklearn.__version__,
        "skops": skops.__version__,
        "labels": fitted.pipeline.predict(features).tolist(),
        "decision": fitted.pipeline.decision_function(features).tolist(),
    }
    lines = [f" {json.dumps(version)}: {json.dumps(content)}" for version, content in sorted(expected.items())]
    EXPECTED.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
