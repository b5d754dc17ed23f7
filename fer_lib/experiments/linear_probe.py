"""Score a linear classifier on frozen features of FER-2013: an independent check of pre-trained weights.

A trunk is worth its name if a linear classifier learns more from its features than from those of random weights, or
from the pixels themselves.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from fer_lib.backend import keras
from fer_lib.datasets.face_dataset import FaceDataset
from fer_lib.evaluation.metrics import compare_paired, score
from fer_lib.models import trunk
from fer_lib.settings import ResNet50SvmSettings, ResNetSettings
from fer_lib.svm import classifiers

PIXELS = "pixels"
SCALINGS = ("trunk", "unit")
PENALTY = 0.01
"""C of every softmax regression; set before any of them was run, so that no features have a better-chosen one."""


def answers(
    trunks: Mapping[str, keras.Model],
    *,
    learn: FaceDataset,
    test: FaceDataset,
    settings: ResNetSettings,
) -> dict[tuple[str, str], np.ndarray]:
    """Fit a softmax regression on each trunk's pooled features and on raw pixels; compute its test probabilities.

    Args:
        trunks: name -> network without top, input (H, W, 3) of the faces' size.
        learn: the faces to learn from.
        test: the faces to score.
        settings: engine and precision of the trunks.

    Returns:
        (name, scaling of ``SCALINGS``) -> probabilities, float (N, classes); raw pixels are ``("pixels", "unit")``.
    """
    known = {"classes": len(test.class_names)}
    pixels = [classifiers.pixels(faces.images) for faces in (learn, test)]
    found = {(PIXELS, "unit"): regression(pixels[0], learn.labels, pixels[1], **known)}
    for name, network in trunks.items():
        pooled = keras.Model(network.inputs, keras.layers.GlobalAveragePooling2D()(network.outputs[0]))
        engine = trunk.engine_of(pooled, settings)
        for scaling in SCALINGS:
            run = trunk.scaled(engine, scaling)
            features = [
                trunk.in_batches(run, faces.images, np.empty((len(faces), pooled.output_shape[1]), np.float32))
                for faces in (learn, test)
            ]
            found[name, scaling] = regression(features[0], learn.labels, features[1], **known)
    return found


def scores(found: Mapping[tuple[str, str], np.ndarray], test: FaceDataset) -> pd.DataFrame:
    """Score the answers: a row for each, with ``features``, ``scaling``, ``accuracy``, ``low``, ``high`` and ``n``."""
    rows = []
    for (name, scaling), probabilities in found.items():
        row = score(probabilities, test.labels, test.class_names).set_index("metric").loc["categorical_accuracy"]
        rows.append({"features": name, "scaling": scaling, "accuracy": row["value"], **row[["low", "high", "n"]]})
    return pd.DataFrame(rows)


def gains(found: Mapping[tuple[str, str], np.ndarray], test: FaceDataset, *, over: str) -> pd.DataFrame:
    """Compare each answer with that of the same scaling of the features ``over``, face by face.

    Returns:
        ``features``, ``scaling``, ``over`` and the values of :func:`fer_lib.evaluation.metrics.compare_paired`. Pixels
        stand for every scaling.
    """
    rows = []
    for (name, scaling), probabilities in found.items():
        other = found[(over, "unit" if over == PIXELS else scaling)]
        if name not in (over, PIXELS):
            paired = compare_paired(probabilities, other, test.labels)
            rows.append({"features": name, "scaling": scaling, "over": over, **paired})
    return pd.DataFrame(rows)


def regression(learn: np.ndarray, labels: np.ndarray, test: np.ndarray, *, classes: int) -> np.ndarray:
    """Fit a softmax regression on features (N, D) and their labels; compute probabilities of ``test``, (M, classes).

    A class without a label to learn from has the probability 0.
    """
    examples = classifiers.Examples(learn, labels)
    fitted = classifiers.fit_with(
        "resnet50_softmax", examples, parameters={"C": PENALTY}, settings=ResNet50SvmSettings()
    )
    probabilities = np.zeros((len(test), classes))
    probabilities[:, fitted.classes] = np.exp(classifiers.decision(fitted, test))
    return probabilities
