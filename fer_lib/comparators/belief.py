"""Deep belief networks: restricted Boltzmann machines, each trained on the output of the one below (Hinton 2006).

scikit-learn's BernoulliRBM trains them (persistent contrastive divergence). Their weights are kept as plain arrays,
which apply like, and initialise, the sigmoid layers of a network.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy.special import expit
from sklearn.neural_network import BernoulliRBM
from threadpoolctl import threadpool_limits

BATCH = 20
LEARNING_RATE = 0.05
FINE_TUNING_RATE = 0.003  # of Adam, for a network that starts from a stack; at 0.001 sigmoid layers train very slowly


@dataclass(frozen=True)
class Layer:
    """The weights of a trained restricted Boltzmann machine.

    Attributes:
        weights: between visible and hidden units, float32, shape (D, H).
        biases: of the hidden units, float32, shape (H,).
    """

    weights: np.ndarray
    biases: np.ndarray

    def __call__(self, visible: np.ndarray) -> np.ndarray:
        """Compute the probability that each hidden unit is on, float32 (N, H), for visible units (N, D)."""
        return expit(visible.astype(np.float32, copy=False) @ self.weights + self.biases)


def fit_stack(visible: np.ndarray, units: Sequence[int], *, updates: int, seed: int) -> list[Layer]:
    """Train a stack of Boltzmann machines from the lowest up.

    Args:
        visible: float32 in 0-1, shape (N, D).
        units: hidden units of each machine.
        updates: training steps of each machine, in batches of 20 faces, rounded up to whole rounds of all faces: a
            small and a large corpus cost the same.
        seed: fixes the initial weights, the samples and the order of the faces.
    """
    layers, rounds = [], math.ceil(updates * BATCH / len(visible))
    mixed = np.random.default_rng(seed).permutation(len(visible))  # the faces may be sorted by class
    below = visible[mixed].astype(np.float32, copy=False)
    for number, hidden in enumerate(units):
        machine = BernoulliRBM(
            hidden, learning_rate=LEARNING_RATE, batch_size=BATCH, n_iter=rounds, random_state=seed + number
        )
        with threadpool_limits(1):  # its products are small: threads would wait for each other
            machine.fit(below)
        layers.append(Layer(machine.components_.T.astype(np.float32), machine.intercept_hidden_.astype(np.float32)))
        below = layers[-1](below)
    return layers


def transform(layers: Sequence[Layer], visible: np.ndarray) -> np.ndarray:
    """Compute the highest hidden units' probabilities, float32 (N, H)."""
    for layer in layers:
        visible = layer(visible)
    return visible


@dataclass(frozen=True)
class UnitRange:
    """Scale features to 0-1 for Bernoulli units, by the smallest and largest value of the training faces.

    Attributes:
        low: the smallest value of each feature, float32, shape (D,).
        span: the difference from there to the largest, float32, shape (D,); 1 where a feature does not vary.
    """

    low: np.ndarray
    span: np.ndarray

    @classmethod
    def of(cls, features: np.ndarray) -> Self:
        """Measure the range of training features (N, D)."""
        low, span = features.min(axis=0), np.ptp(features, axis=0)
        return cls(low.astype(np.float32), np.where(span > 0, span, 1).astype(np.float32))

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Self:
        """Rebuild a range from the result of :meth:`arrays`."""
        return cls(arrays["low"], arrays["span"])

    def arrays(self) -> dict[str, np.ndarray]:
        """Name the arrays to save: ``low`` and ``span``."""
        return {"low": self.low, "span": self.span}

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """Scale features (N, D) to float32 in 0-1; values beyond the training faces' range are clipped."""
        return np.clip((features - self.low) / self.span, 0, 1).astype(np.float32, copy=False)
