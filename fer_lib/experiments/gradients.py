"""Measure whether the gradient vanishes in chen2023's own model: its norm in every convolution of ResNet50.

The paper says that ResNet has "little gradient vanishing" (section 1) and measures none. Here the gradient of the loss
is taken for the kernels of all convolutions, also of those that the paper freezes: a frozen layer learns nothing, but
the gradient that would reach it is there. :mod:`fer_lib.experiments.depth_study` compares networks with and without
shortcuts, the controlled experiment.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from fer_lib.backend import keras
from fer_lib.datasets.face_dataset import FaceDataset
from fer_lib.experiments.depth_study import RecordingSGD
from fer_lib.settings import ResNet50MlpSettings
from fer_lib.training import FaceBatches, set_seed

BATCHES = 2
WHEN = ("before training", "after training")


def before_and_after(
    build: Callable[[], keras.Model],
    trained: keras.Model,
    settings: ResNet50MlpSettings,
    faces: FaceDataset,
    *,
    seed: int = 0,
) -> pd.DataFrame:
    """Measure the norms of the untrained and of the trained model.

    Args:
        build: builds the untrained model; called after seeding, as in :func:`fer_lib.training.train`.
        trained: the trained model; it stays as it is.
        settings: its settings.
        faces: the training faces.
        seed: of the initial weights, and of the shuffling and the augmentation of the faces.

    Returns:
        The frames of :func:`kernel_norms` with ``when``, a value of ``WHEN``.
    """
    set_seed(seed)
    untrained, copy = build(), keras.models.clone_model(trained)
    copy.set_weights(trained.get_weights())
    models = zip(WHEN, (untrained, copy), strict=True)
    return pd.concat(
        [kernel_norms(model, settings, faces, seed=seed).assign(when=when) for when, model in models], ignore_index=True
    )


def kernel_norms(
    model: keras.Model, settings: ResNet50MlpSettings, faces: FaceDataset, *, seed: int = 0
) -> pd.DataFrame:
    """Measure the norm of the mean loss's gradient in the kernel of each of the trunk's convolutions.

    As in training, dropout is on, and of the trunk's batch norms only those that train compute with the batch's
    statistics.

    Args:
        model: a model of :func:`fer_lib.models.resnet50_mlp.build`; afterwards its trunk is trainable, and compiled
            anew.
        settings: its settings.
        faces: the faces of which ``BATCHES`` batches are taken, shuffled and augmented as in the first epoch.
        seed: of these batches.

    Returns:
        ``layer`` (its name, from the one nearest to the face), ``gradient`` (L2 norm, mean of the batches), ``weights``
        (L2 norm of the kernel) and ``relative``, the first divided by the second.
    """
    trunk = model.get_layer("resnet50")
    convolutions = [layer for layer in trunk.layers if isinstance(layer, keras.layers.Conv2D)]
    for layer in convolutions:
        layer.trainable = True
    model.compile(RecordingSGD(learning_rate=0.0), keras.losses.CategoricalCrossentropy(), run_eagerly=True)
    model.optimizer.build(model.trainable_variables)
    batches = FaceBatches(faces, settings, augment_with=(seed, 0))
    norms = []
    for number in range(min(BATCHES, len(batches))):
        model.train_on_batch(*batches[number])
        norms.append(keras.ops.convert_to_numpy(model.optimizer.norms))
    weights = [float(np.linalg.norm(layer.get_weights()[0])) for layer in convolutions]
    frame = pd.DataFrame({"layer": [layer.name for layer in convolutions], "weights": weights})
    frame["gradient"] = np.mean(norms, axis=0).astype(float)
    return frame.assign(relative=frame["gradient"] / frame["weights"])


def summary(norms: pd.DataFrame) -> pd.DataFrame:
    """Summarise the norms: one row before and one after training.

    Columns: ``when``; ``first`` and ``last``, the relative norms in the convolutions nearest to the face and nearest to
    the output; ``smallest`` and ``median`` of all; ``first / last``.
    """
    rows = []
    for when, own in norms.groupby("when", sort=False):
        relative = own["relative"].to_numpy()
        first, last = relative[0], relative[-1]
        rows.append(
            {"when": when, "first": first, "last": last, "smallest": relative.min(), "median": np.median(relative)}
            | {"first / last": first / last}
        )
    return pd.DataFrame(rows)
