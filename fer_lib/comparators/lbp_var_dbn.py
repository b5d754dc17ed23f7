"""liu2023, Table 3, "LBP/VAR + DBN": histograms of patterns and contrast, a deep belief network, back-propagation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np

from fer_lib.backend import keras
from fer_lib.comparators import lbp
from fer_lib.comparators.base import Comparator, Part
from fer_lib.comparators.belief import FINE_TUNING_RATE, Layer, UnitRange, fit_stack
from fer_lib.comparators.small_networks import Budget, Views, fit, predict
from fer_lib.datasets.splits import sample
from fer_lib.models.new_head import with_new_head

layers = keras.layers
PATTERNS = "uniform"  # rotation-invariant patterns: the LBP of Ojala et al.'s LBP/VAR
VARIANCE_FACES = 2000  # their pixels set the limits of the variance's bins


class LbpVarDbn(Comparator):
    """A deep belief network on joint histograms of rotation-invariant patterns and of the neighbours' variance.

    The variance's bins contain equally many pixels of the training faces. The belief network's weights initialise a
    network of sigmoid layers with a softmax, which back-propagation trains further. Tuning budget: the number of
    epochs, at most ``epochs``, on a fifth of the subjects (:mod:`fer_lib.comparators.small_networks`); the belief
    network is not searched.

    Args:
        seed: fixes every random choice.
        grid: patches in a row and in a column.
        variance_bins: the number of bins of the variance.
        units: hidden units of each Boltzmann machine.
        updates: training steps of each Boltzmann machine.
        epochs: the largest number of epochs of back-propagation.
        copies: copies of each training face, shifted and rotated as in chen2023 (Table 1); each step takes any one.
    """

    name = first_learner = "lbp_var_dbn"
    title = "LBP/VAR + DBN"
    source = "named by liu2023, Table 3, without a reference; taken for He et al. 2016"
    differs = (
        "in the style of: the article was not at hand; LBP/VAR as in Ojala et al., IEEE TPAMI 2002; the grid, the "
        "bins, the layers' sizes and all of the training are this project's"
    )
    tuning = "the number of epochs, on a fifth of the training people"

    def __init__(
        self,
        seed: int = 0,
        *,
        grid: int = 6,
        variance_bins: int = 8,
        units: Sequence[int] = (256, 128),
        updates: int = 2000,
        epochs: int = 200,
        copies: int = 4,
    ) -> None:
        self.seed = seed
        self.grid = grid
        self.variance_bins = variance_bins
        self.units = units
        self.updates = updates
        self.epochs = epochs
        self.copies = copies

    def _fit(self, images: np.ndarray, codes: np.ndarray, groups: np.ndarray | None) -> None:
        self.edges_ = self.first.edges_ if self.first else self._edges(images, codes)
        views = Views.of(images, self._histograms, copies=self.copies, seed=self.seed)
        self.range_ = self.first.range_ if self.first else UnitRange.of(views.every_face)
        views = Views(self.range_(views.features))
        build = partial(with_new_head, self.first.network_) if self.first else self._pretrained(views)
        self.network_, self.epochs_ = fit(
            lambda: build(classes=len(self.classes_)),
            codes,
            inputs=views.inputs,
            groups=groups,
            budget=Budget(self.epochs, learning_rate=FINE_TUNING_RATE),
            seed=self.seed,
        )

    def _edges(self, images: np.ndarray, codes: np.ndarray) -> np.ndarray:
        """Find the limits of the variance's bins."""
        some = lbp.variances(images[sample(codes, VARIANCE_FACES, seed=self.seed)])
        return np.quantile(some, np.arange(1, self.variance_bins) / self.variance_bins).astype(np.float32)

    def _pretrained(self, views: Views) -> Callable[..., keras.Model]:
        """Train the belief network, and return the function that builds a network from it."""
        stack = fit_stack(views.one_each(self.seed), self.units, updates=self.updates, seed=self.seed)
        return partial(fine_tuned, stack)

    def _histograms(self, images: np.ndarray) -> np.ndarray:
        """Compute the joint histograms of faces (N, H, W): float32 (N, grid · grid · 10 · variance_bins)."""
        bins = lbp.BINS[PATTERNS] * self.variance_bins

        def joint(faces: np.ndarray) -> np.ndarray:
            contrast = np.searchsorted(self.edges_, lbp.variances(faces), side="right")
            patterns = lbp.codes(faces, PATTERNS).astype(int) * self.variance_bins + contrast
            return lbp.grid_histograms(patterns, bins, grid=self.grid).reshape(len(faces), -1)

        return lbp.by_batches(joint, images)

    def _probabilities(self, images: np.ndarray) -> np.ndarray:
        return predict(self.network_, self.range_(self._histograms(images)))

    def _parts(self) -> dict[str, Part]:
        return {"network": self.network_, "edges": self.edges_, **self.range_.arrays()}

    def _restore(self, parts: Mapping[str, Part]) -> None:
        self.network_, self.edges_ = parts["network"], parts["edges"]
        self.range_ = UnitRange.from_arrays(parts)


def fine_tuned(stack: Sequence[Layer], classes: int) -> keras.Model:
    """Build a network of sigmoid layers that start with a belief network's weights, and a new softmax."""
    x = visible = keras.Input((len(stack[0].weights),), name="visible")
    for number, layer in enumerate(stack, start=1):
        x = layers.Dense(len(layer.biases), activation="sigmoid", name=f"hidden{number}")(x)
    answers = layers.Dense(classes, activation="softmax", name="probabilities")(x)
    network = keras.Model(visible, answers, name="fine_tuned_dbn")
    for number, layer in enumerate(stack, start=1):
        network.get_layer(f"hidden{number}").set_weights([layer.weights, layer.biases])
    return network
