"""A stacked autoencoder: each layer learns to encode the layer below in fewer numbers, and to decode it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from fer_lib.backend import keras
from fer_lib.comparators.belief import Layer
from fer_lib.comparators.small_networks import Budget, compiled, train_epoch
from fer_lib.training import set_seed

BUDGET = Budget(epochs=1)  # for its learning rate and batch size; the number of updates sets the duration


def fit_stacked(visible: np.ndarray, units: Sequence[int], *, updates: int, seed: int) -> list[Layer]:
    """Train the encoding layers from the lowest up.

    Args:
        visible: float32 in 0-1, shape (N, D).
        units: the units of each sigmoid layer.
        updates: training steps of each layer, rounded up to whole rounds of all faces.
        seed: fixes the initial weights and the order of the faces.
    """
    encoders, rounds = [], math.ceil(updates * BUDGET.batch_size / len(visible))
    for number, hidden in enumerate(units):
        set_seed(seed + number)
        network = _autoencoder(visible.shape[1], hidden)
        for epoch in range(rounds):
            train_epoch(
                network,
                visible,
                rows=np.arange(len(visible)),
                inputs=lambda rows, _, below=visible: below[rows],  # type: ignore[misc]  # mypy infers no default
                batch_size=BUDGET.batch_size,
                seed=(seed, number, epoch),
            )
        encoders.append(Layer(*network.get_layer("encoder").get_weights()))
        visible = encoders[-1](visible)
    return encoders


def _autoencoder(width: int, hidden: int) -> keras.Model:
    x = below = keras.Input((width,), name="below")
    x = keras.layers.Dense(hidden, activation="sigmoid", name="encoder")(x)
    x = keras.layers.Dense(width, activation="sigmoid", name="decoder")(x)
    return compiled(keras.Model(below, x, name="autoencoder"), "binary_crossentropy", budget=BUDGET)
