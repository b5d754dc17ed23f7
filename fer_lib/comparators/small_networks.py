"""Small Keras networks of the comparators, trained for the number of epochs that is best on held-out subjects.

The tuning budget is one number, the epochs. The network trains on four fifths of the faces, with each subject's faces
kept together, until the loss on the last fifth has not fallen for ``patience`` epochs. Then it trains again, from the
same initial weights, on all faces for the best number of epochs.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fer_lib.augmentation import random_affine
from fer_lib.backend import keras
from fer_lib.datasets.splits import search_folds
from fer_lib.errors import FerError
from fer_lib.models.initial_state import InitialState
from fer_lib.models.trunk import in_batches, one_at_a_time
from fer_lib.training import set_seed

Inputs = Callable[[np.ndarray, "np.random.Generator | None"], np.ndarray]
"""Rows of the training faces -> network input; with a generator, augmented for one step, without, as they are."""
HOLD_OUT = 5  # one fifth
LOSS = "sparse_categorical_crossentropy"


@dataclass(frozen=True)
class Views:
    """Features of each face and of copies of it that are shifted and rotated as in chen2023 (Table 1).

    For comparators with features that take too long to compute again in each epoch, as augmentation would require.

    Attributes:
        features: float32, shape (1 + copies, N, ...); the unchanged faces come first.
    """

    features: np.ndarray

    @classmethod
    def of(cls, images: np.ndarray, describe: Callable[[np.ndarray], np.ndarray], *, copies: int, seed: int) -> Views:
        """Apply ``describe`` to faces uint8 (N, H, W) and to so many moved copies of each."""
        rng = np.random.default_rng([seed, copies])
        moved = (random_affine(images, rng).round().astype(np.uint8) for _ in range(copies))
        return cls(np.stack([describe(images), *(describe(copy) for copy in moved)]))

    @property
    def every_face(self) -> np.ndarray:
        """The features of all views of all faces, one after the other."""
        return self.features.reshape(-1, *self.features.shape[2:])

    def inputs(self, rows: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
        """Take the unchanged faces' features without a generator, or one random view of each face with one."""
        return self.features[0 if rng is None else rng.integers(len(self.features), size=len(rows)), rows]

    def one_each(self, seed: int) -> np.ndarray:
        """Take the features of one view of each face: (N, ...)."""
        return self.inputs(np.arange(self.features.shape[1]), np.random.default_rng(seed))


@dataclass(frozen=True)
class Budget:
    """The largest number of epochs, and the speed of a network's training.

    Attributes:
        epochs: the largest number of epochs.
        learning_rate: Adam's.
        batch_size: faces a step.
        patience: epochs without a lower loss on the held-out faces after which the search ends.
    """

    epochs: int
    learning_rate: float = 0.001
    batch_size: int = 32
    patience: int = 10


def fit(
    build: Callable[[], keras.Model],
    codes: np.ndarray,
    *,
    inputs: Inputs,
    groups: np.ndarray | None,
    budget: Budget,
    seed: int,
) -> tuple[keras.Model, int]:
    """Train a network; return it and the number of epochs.

    Args:
        build: returns the network, uncompiled, which ends in softmax; called after seeding.
        codes: classes from 0, shape (N,).
        inputs: maps rows of the N faces to network input.
        groups: the subject of each face, shape (N,), kept together in the search; None if unknown.
        budget: the budget of the search and of the training.
        seed: fixes weights, dropout, order, augmentation and the held-out faces.

    Raises:
        FerError: nothing can be held out, or the loss is not a number.
    """
    fold = search_folds(codes, groups, count=HOLD_OUT, seed=seed)[0]
    set_seed(seed)
    network = compiled(build(), LOSS, budget=budget)
    start = InitialState(network)
    losses: list[float] = []
    asked = inputs(fold.test, None)
    while len(losses) < budget.epochs and len(losses) - _best(losses) < budget.patience:
        now = (seed, len(losses))
        train_epoch(network, codes, rows=fold.train, inputs=inputs, batch_size=budget.batch_size, seed=now)
        losses.append(_loss(predict(network, asked), codes[fold.test]))
    start.restore()
    for epoch in range(_best(losses)):
        rows = np.arange(len(codes))
        train_epoch(network, codes, rows=rows, inputs=inputs, batch_size=budget.batch_size, seed=(seed, epoch))
    return network, _best(losses)


def compiled(network: keras.Model, loss: str, *, budget: Budget) -> keras.Model:
    """Compile a network for Adam and return it."""
    network.compile(optimizer=keras.optimizers.Adam(budget.learning_rate), loss=loss)
    return network


def train_epoch(
    network: keras.Model,
    targets: np.ndarray,
    *,
    rows: np.ndarray,
    inputs: Inputs,
    batch_size: int,
    seed: tuple[int, ...],
) -> None:
    """Train on each row once, in an order that the seed fixes; the first rows fill up the last batch.

    Raises:
        FerError: the loss is not a number.
    """
    order = np.random.default_rng(seed).permutation(rows)
    steps = math.ceil(len(order) / batch_size)
    for step, batch in enumerate(np.resize(order, (steps, batch_size))):
        network.reset_metrics()
        loss = network.train_on_batch(inputs(batch, np.random.default_rng([*seed, step])), targets[batch])
    if not math.isfinite(float(loss)):
        raise FerError(f"The loss of {network.name} is {float(loss)}; lower the learning rate.")


def predict(network: keras.Model, inputs: np.ndarray) -> np.ndarray:
    """Compute the network's outputs, float32 (N, outputs), in batches of one size."""
    return in_batches(one_at_a_time(network), inputs, np.empty((len(inputs), network.output_shape[1]), np.float32))


def _loss(probabilities: np.ndarray, codes: np.ndarray) -> float:
    return float(-np.log(np.maximum(probabilities[np.arange(len(codes)), codes], 1e-7)).mean())


def _best(losses: list[float]) -> int:
    """Find the epoch of the lowest loss, counted from 1; 0 before the first."""
    return int(np.argmin(losses)) + 1 if losses else 0
