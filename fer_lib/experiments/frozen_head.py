"""Train chen2023's head alone on a frozen trunk, as printed and with one thing changed, at two scales of the input.

:mod:`fer_lib.experiments.input_scale` measures that at 1/255 the features of a pre-trained trunk hardly vary over
faces, while a linear probe still reads them. Then why does the paper's head not learn? It begins with a dropout of half
the features (section 2.2 and Table 1), and a batch norm follows. Dropout sets a feature to zero or doubles it: noise as
large as the feature itself, in which a variation of a hundredth drowns, and the batch norm's moving variance is that of
the noise. Here one thing at a time is taken away: the dropout, the batch norm's epsilon, or, by standardising, the
features' large mean and small variation.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from fer_lib.backend import keras
from fer_lib.datasets.face_dataset import FaceDataset
from fer_lib.evaluation.metrics import score
from fer_lib.experiments import input_scale
from fer_lib.models import resnet50_mlp, trunk
from fer_lib.settings import InputScaleSettings, ResNet50MlpSettings
from fer_lib.training import compile_model, set_seed

log = logging.getLogger(__name__)

AS_PRINTED, NO_DROPOUT, EPSILON, STANDARDISED = "as printed", "no first dropout", "small epsilon", "standardised"
HEADS = {(255.0, False): (AS_PRINTED, NO_DROPOUT, EPSILON, STANDARDISED), (1.0, True): (AS_PRINTED, NO_DROPOUT)}
"""The heads that are trained at each of ``input_scale.BOTH_SCALES``; at the trunk's own the head learns as printed."""
SMALL = 1e-9  # in place of Keras' 0.001


def compare(
    networks: Mapping[str, keras.Model],
    sizes: InputScaleSettings,
    settings: ResNet50MlpSettings,
    *,
    learn: FaceDataset,
    test: FaceDataset,
    seed: int = 0,
) -> pd.DataFrame:
    """Train each head on each trunk's features and score it on other faces.

    The faces are those of the linear probe, without shifts and rotations, so that the features are computed once.
    Batch size, epochs, learning rate and initial weights are those of the settings.

    Args:
        networks: of :func:`fer_lib.experiments.input_scale.trunks`.
        sizes: the numbers of faces.
        settings: of the head and its training, and the trunk's engine; its features are those of float32.
        learn: faces that the heads learn from.
        test: faces that score them.
        seed: fixes the choice of faces, the initial weights, the dropout and the order of the faces.

    Returns:
        A row for each trunk, scale and head: ``trunk``, ``divisor``, ``centred``, ``head`` (a word of ``HEADS``),
        ``loss`` (nats), ``categorical_accuracy`` with ``low`` and ``high``, ``binary_accuracy``, ``sure`` (the share of
        answers above 0.5) on the test faces, and ``training``: the last epoch's categorical accuracy, dropout on.
    """
    learn, test = (
        input_scale.drawn(faces, count, seed) for faces, count in ((learn, sizes.learn_faces), (test, sizes.test_faces))
    )
    rows = []
    for name, network in networks.items():
        for scale, heads in HEADS.items():
            learned, seen = input_scale.features(network, settings, (learn.images, test.images), *scale)
            for head in heads:
                given = _standardised(learned, seen) if head == STANDARDISED else (learned, seen)
                model, training = _train(head, network, given[0], learn, settings, seed)
                answers = model.predict(_maps(given[1], network), batch_size=trunk.FACES_A_STEP, verbose=0)
                row = {"trunk": name, "divisor": scale[0], "centred": scale[1], "head": head}
                rows.append({**row, **_scored(answers, test), "training": training})
                log.info("head %s, %s trunk, pixels times 1/%g: %s", head, name, scale[0], _said(rows[-1]))
    return pd.DataFrame(rows)


def _train(
    head: str,
    network: keras.Model,
    features: np.ndarray,
    faces: FaceDataset,
    settings: ResNet50MlpSettings,
    seed: int,
) -> tuple[keras.Model, float]:
    set_seed(seed)
    maps = keras.Input(network.output_shape[1:])
    model = keras.Model(maps, resnet50_mlp.mlp(maps, settings, classes=len(faces.class_names)))
    if head == NO_DROPOUT:
        model.get_layer("feature_dropout").rate = 0.0
    if head == EPSILON:
        model.get_layer("feature_bn").epsilon = SMALL
    compile_model(model, settings)
    inputs, targets = _maps(features, network), np.eye(len(faces.class_names), dtype=np.float32)[faces.labels]
    history = {}
    for epoch in range(settings.epochs):
        order = np.random.default_rng((seed, epoch)).permutation(len(faces))
        options = {"batch_size": settings.batch_size, "shuffle": False, "verbose": 0}
        history = model.fit(inputs[order], targets[order], initial_epoch=epoch, epochs=epoch + 1, **options).history
    return model, float(history["categorical_accuracy"][-1])


def _maps(features: np.ndarray, network: keras.Model) -> np.ndarray:
    return features.reshape(len(features), *network.output_shape[1:])


def _standardised(learned: np.ndarray, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Subtract each feature's mean over the training faces and divide by its deviation; one that never varies is 0."""
    mean, deviation = learned.mean(axis=0), learned.std(axis=0)
    deviation[deviation == 0] = 1
    return (learned - mean) / deviation, (seen - mean) / deviation


def _scored(answers: np.ndarray, test: FaceDataset) -> dict[str, float]:
    found = score(answers, test.labels, test.class_names).set_index("metric")
    right = found.loc["categorical_accuracy"]
    return {
        "loss": found.loc["loss", "value"],
        "categorical_accuracy": right["value"],
        "low": right["low"],
        "high": right["high"],
        "binary_accuracy": found.loc["binary_accuracy", "value"],
        "sure": float((answers.max(axis=1) > 0.5).mean()),
    }


def _said(row: Mapping[str, Any]) -> str:
    return "loss {loss:.3f}, categorical {categorical_accuracy:.3f}, binary {binary_accuracy:.4f}".format(**row)
