"""Small Keras networks of the compared systems: fitted for as many epochs as served best on people held out.

The tuning budget is one number, the epochs: the network trains on four fifths of the faces, each person's kept
together, until the loss on the last fifth has not fallen for ``patience`` epochs; then it trains anew, from the same
initial weights, on all faces for as many epochs as were best.
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
from fer_lib.models.trunk import in_batches, one_at_a_time
from fer_lib.training import set_seed

Inputs = Callable[[np.ndarray, "np.random.Generator | None"], np.ndarray]
"""Rows of the training faces -> network input; with a generator, augmented for one step, without, as they are."""
HOLD_OUT = 5  # one fifth
LOSS = "sparse_categorical_crossentropy"


@dataclass(frozen=True)
class Views:
    """Features of each face and of copies of it, shifted and turned as chen2023's faces are (Table 1).

    For systems whose features take too long to be computed anew in each epoch, as a network's faces are moved anew.

    Attributes:
        features: float32, shape (1 + copies, N, ...): those of the untouched faces first.
    """

    features: np.ndarray

    @classmethod
    def of(cls, images: np.ndarray, describe: Callable[[np.ndarray], np.ndarray], *, copies: int, seed: int) -> Views:
        """Returns what ``describe`` makes of faces uint8 (N, H, W) and of so many moved copies of each."""
        rng = np.random.default_rng([seed, copies])
        moved = (random_affine(images, rng).round().astype(np.uint8) for _ in range(copies))
        return cls(np.stack([describe(images), *(describe(copy) for copy in moved)]))

    @property
    def every_face(self) -> np.ndarray:
        """The features of all views of all faces, one after the other."""
        return self.features.reshape(-1, *self.features.shape[2:])

    def inputs(self, rows: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
        """Returns the untouched faces' features without a generator, those of a view of each face with one."""
        return self.features[0 if rng is None else rng.integers(len(self.features), size=len(rows)), rows]

    def one_each(self, seed: int) -> np.ndarray:
        """Returns the features of one view of each face, (N, ...): as many as there are faces to learn from."""
        return self.inputs(np.arange(self.features.shape[1]), np.random.default_rng(seed))


@dataclass(frozen=True)
class Budget:
    """How long and how fast a network learns.

    Attributes:
        epochs: at most.
        learning_rate: of Adam.
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
    """Returns a trained network, and for how many epochs it was trained.

    Args:
        build: returns the network, uncompiled, which ends in softmax; called after seeding.
        codes: classes from 0, shape (N,).
        inputs: of rows of the N faces.
        groups: whose face each is, shape (N,), kept together in the search; None where that is unknown.
        budget: of the search and of the training.
        seed: of weights, dropout, order, augmentation and what is held out.

    Raises:
        FerError: nothing can be held out, or the loss is no number any more.
    """
    fold = search_folds(codes, groups, count=HOLD_OUT, seed=seed)[0]
    set_seed(seed)
    network = build()
    start = network.get_weights()
    compiled(network, LOSS, budget=budget)
    losses: list[float] = []
    asked = inputs(fold.test, None)
    while len(losses) < budget.epochs and len(losses) - _best(losses) < budget.patience:
        now = (seed, len(losses))
        train_epoch(network, codes, rows=fold.train, inputs=inputs, batch_size=budget.batch_size, seed=now)
        losses.append(_loss(predict(network, asked), codes[fold.test]))
    network.set_weights(start)
    compiled(network, LOSS, budget=budget)  # an optimiser without memory
    for epoch in range(_best(losses)):
        rows = np.arange(len(codes))
        train_epoch(network, codes, rows=rows, inputs=inputs, batch_size=budget.batch_size, seed=(seed, epoch))
    return network, _best(losses)


def compiled(network: keras.Model, loss: str, *, budget: Budget) -> keras.Model:
    """Compiles a network for Adam and returns it."""
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
    """Trains on each of the rows once, in an order of the seed; the first ones fill the last batch up.

    Raises:
        FerError: the loss is no number any more.
    """
    order = np.random.default_rng(seed).permutation(rows)
    steps = math.ceil(len(order) / batch_size)
    for step, batch in enumerate(np.resize(order, (steps, batch_size))):
        network.reset_metrics()
        loss = network.train_on_batch(inputs(batch, np.random.default_rng([*seed, step])), targets[batch])
    if not math.isfinite(float(loss)):
        raise FerError(f"The loss of {network.name} is {float(loss)}; lower the learning rate.")


def predict(network: keras.Model, inputs: np.ndarray) -> np.ndarray:
    """Returns the network's answers, float32 (N, outputs), in batches of one size."""
    return in_batches(one_at_a_time(network), inputs, np.empty((len(inputs), network.output_shape[1]), np.float32))


def _loss(probabilities: np.ndarray, codes: np.ndarray) -> float:
    return float(-np.log(np.maximum(probabilities[np.arange(len(codes)), codes], 1e-7)).mean())


def _best(losses: list[float]) -> int:
    """The epoch of the lowest loss, counted from 1; 0 before the first."""
    return int(np.argmin(losses)) + 1 if losses else 0
