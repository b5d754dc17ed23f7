"""Score chen2023's trained model under other readings of how its test faces were treated.

The paper prints a validation loss of 1.68 and a test loss of 1.78 (Table 2), ten standard errors apart for parts that
are alike. Section 2.1 only says that "raw images" were used on the testing set. Here each reading treats both parts
alike. A reading explains the pair if validation as trained has 1.68 and the test faces in that reading have 1.78.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from fer_lib import training
from fer_lib.augmentation import random_affine
from fer_lib.backend import keras
from fer_lib.datasets.face_dataset import FaceDataset, split_named
from fer_lib.evaluation import metrics
from fer_lib.models.trunk import split_model
from fer_lib.settings import TrainingSettings
from fer_lib.utils.pixels import network_input

OTHER_PART, BOTH_PARTS = "the other official part", "both official parts"
AS_TRAINED = "as trained"
BEST_EPOCH = "after the epoch with the lowest validation loss"
METRICS = ("loss", "categorical_accuracy", "binary_accuracy")


def score_all(
    model: keras.Model,
    settings: TrainingSettings,
    *,
    validation: FaceDataset,
    test: FaceDataset,
    other: FaceDataset | None = None,
    seed: int = 0,
    checkpoints: str | Path | None = None,
) -> pd.DataFrame:
    """Score the model under every reading.

    Args:
        model: the trained model.
        settings: its settings.
        validation: the validation faces.
        test: the test faces.
        other: the official part that is not the test part; None where there is none (:func:`other_part`).
        seed: of the shifts and rotations, and of the batches whose statistics are used.
        checkpoints: the folder of the training, for the epoch with the lowest validation loss; None leaves it out.

    Returns:
        ``reading``, ``split``, ``metric`` (loss and both accuracies), ``value``, ``low``, ``high`` and ``n``.
    """
    parts = {"validation": validation, "testing": test}
    images, ends = np.concatenate([validation.images, test.images]), [len(validation)]
    moved = {
        AS_TRAINED: (images, None),
        "raw pixels, 0-255": (images, "raw"),
        "shifted and rotated as in training": (_moved(images, settings, seed), None),
        "reduced to half and enlarged": (_resized(images), None),
    }
    outputs = {}
    for name, (shown, scaling) in moved.items():
        # both parts at once: a trunk's engine takes as long to start for few faces as for many
        found = training.predict_images(model, shown, settings=settings, scaling=scaling)
        outputs[name] = dict(zip(parts, np.split(found, ends), strict=True))
    outputs[f"batch norms in training mode, batches of {settings.batch_size}"] = {
        split: with_batch_statistics(model, faces, settings, seed=seed) for split, faces in parts.items()
    }
    with training.best_epoch(model, settings, checkpoints) as kept:
        if kept:
            best = np.split(training.predict_images(model, images, settings=settings), ends)
            outputs[BEST_EPOCH] = dict(zip(parts, best, strict=True))
    rows = [
        _rows(name, split, own[split], faces.labels, faces.class_names)
        for name, own in outputs.items()
        for split, faces in parts.items()
    ]
    if other is not None:
        second = training.predict(model, other, settings=settings)
        both = np.concatenate([outputs[AS_TRAINED]["testing"], second])
        labels = np.concatenate([test.labels, other.labels])
        rows.append(_rows(OTHER_PART, "testing", second, other.labels, other.class_names))
        rows.append(_rows(BOTH_PARTS, "testing", both, labels, test.class_names))
    return pd.concat(rows, ignore_index=True)


def other_part(faces: FaceDataset, test_split: str) -> FaceDataset | None:
    """Select the official test part that is not ``test_split``; None where the corpus does not tell the two apart."""
    known = set(faces.meta["split"])
    name = {"PrivateTest": "PublicTest", "PublicTest": "PrivateTest"}[test_split]
    return faces.part(name) if split_named(name, known) == name and name in known else None


def with_batch_statistics(
    model: keras.Model, faces: FaceDataset, settings: TrainingSettings, *, seed: int = 0
) -> np.ndarray:
    """Compute probabilities, float32 (N, classes), with the batch norms in training mode but without dropout.

    The batch norms of the layers that train then use the statistics of each batch, drawn at random, as they do in
    training; frozen ones stay as they are. The model is left as it was.
    """
    parts = split_model(model, settings)
    tail = parts.tail if parts else model
    inputs = (
        parts.features(faces.images, scaling=settings.scaling)
        if parts
        else network_input(faces.images, settings.scaling)
    )
    kept = model.get_weights()
    rates = {layer: layer.rate for layer in model.layers if isinstance(layer, keras.layers.Dropout)}
    order = np.random.default_rng(seed).permutation(len(faces))
    outputs = np.empty((len(faces), model.output_shape[1]), np.float32)
    try:
        for layer in rates:
            layer.rate = 0.0
        for start in range(0, len(faces), settings.batch_size):
            rows = order[start : start + settings.batch_size]
            outputs[rows] = keras.ops.convert_to_numpy(tail(inputs[rows], training=True))
    finally:
        for layer, rate in rates.items():
            layer.rate = rate
        model.set_weights(kept)
    return outputs


def _moved(images: np.ndarray, settings: TrainingSettings, seed: int) -> np.ndarray:
    return random_affine(images, np.random.default_rng(seed), **settings.moves)


def _resized(images: np.ndarray) -> np.ndarray:
    """Reduce faces to half their size and enlarge them again, as a copy of the corpus at another size might be."""
    height, width = images.shape[1:3]
    small = [cv2.resize(image, (width // 2, height // 2), interpolation=cv2.INTER_AREA) for image in images]
    return np.stack([cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR) for image in small])


def _rows(
    reading: str, split: str, outputs: np.ndarray, labels: np.ndarray, class_names: tuple[str, ...]
) -> pd.DataFrame:
    scores = metrics.score(outputs, labels, class_names)
    scores = scores[scores["metric"].isin(METRICS)][["metric", "value", "low", "high", "n"]]
    return scores.assign(reading=reading, split=split)[["reading", "split", "metric", "value", "low", "high", "n"]]
