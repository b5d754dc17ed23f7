"""liu2023, Table 3, "GB + DBNs + SAE": Gabor energies, deep belief networks, a stacked autoencoder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np

from fer_lib.backend import keras
from fer_lib.comparators import gabor
from fer_lib.comparators.autoencoder import fit_stacked
from fer_lib.comparators.base import Comparator, Part, resized
from fer_lib.comparators.belief import FINE_TUNING_RATE, Layer, UnitRange, fit_stack, transform
from fer_lib.comparators.small_networks import Budget, Views, fit, predict
from fer_lib.models.new_head import with_new_head

layers = keras.layers
SIZE, CELLS = 48, 8  # faces of 48 pixels, cells of six


class GbDbnsSae(Comparator):
    """Deep belief networks on the Gabor energies, one for each scale, then a stacked autoencoder and a softmax.

    The belief networks and the autoencoder learn without labels, layer by layer; back-propagation then trains all of
    their layers with the softmax. Tuning budget: the number of its epochs, at most ``epochs``, on a fifth of the
    subjects (:mod:`fer_lib.comparators.small_networks`); nothing before it is searched.

    Args:
        seed: fixes every random choice.
        bank: the numbers of scales and orientations of the Gabor filters.
        dbn_units: hidden units of each Boltzmann machine of a scale's belief network.
        sae_units: hidden units of each layer of the autoencoder.
        updates: training steps of each Boltzmann machine and of each of the autoencoder's layers.
        epochs: the largest number of epochs of back-propagation.
        copies: copies of each training face, shifted and rotated as in chen2023 (Table 1); each step takes any one.
    """

    name = first_learner = "gb_dbns_sae"
    title = "GB + DBNs + SAE"
    source = "named by liu2023, Table 3, without a reference"
    differs = (
        "in the style of: read as Gabor bank, deep belief networks (one a scale) and stacked autoencoder; the bank, "
        "the layers' sizes, the softmax and all of the training are this project's"
    )
    tuning = "the number of epochs, on a fifth of the training people"

    def __init__(
        self,
        seed: int = 0,
        *,
        bank: Sequence[int] = (4, 8),
        dbn_units: Sequence[int] = (256, 128),
        sae_units: Sequence[int] = (128, 64),
        updates: int = 2000,
        epochs: int = 200,
        copies: int = 4,
    ) -> None:
        self.seed = seed
        self.bank = bank
        self.dbn_units = dbn_units
        self.sae_units = sae_units
        self.updates = updates
        self.epochs = epochs
        self.copies = copies

    def _fit(self, images: np.ndarray, codes: np.ndarray, groups: np.ndarray | None) -> None:
        views = Views.of(images, self._energies, copies=self.copies, seed=self.seed)
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

    def _pretrained(self, views: Views) -> Callable[..., keras.Model]:
        """Train the belief networks and the autoencoder, and return the function that builds their network."""
        visible = views.one_each(self.seed)
        options = {"updates": self.updates, "seed": self.seed}
        stacks = [fit_stack(visible[:, scale], self.dbn_units, **options) for scale in range(self.bank[0])]
        hidden = np.concatenate([transform(s, visible[:, scale]) for scale, s in enumerate(stacks)], axis=1)
        encoders = fit_stacked(hidden, self.sae_units, **options)
        return partial(joined, stacks, encoders)

    def _energies(self, images: np.ndarray) -> np.ndarray:
        return gabor.energies(resized(images, SIZE), gabor.bank(*self.bank), cells=CELLS)

    def _probabilities(self, images: np.ndarray) -> np.ndarray:
        return predict(self.network_, self.range_(self._energies(images)))

    def _parts(self) -> dict[str, Part]:
        return {"network": self.network_, **self.range_.arrays()}

    def _restore(self, parts: Mapping[str, Part]) -> None:
        self.network_ = parts["network"]
        self.range_ = UnitRange.from_arrays(parts)


def joined(stacks: Sequence[Sequence[Layer]], encoders: Sequence[Layer], *, classes: int) -> keras.Model:
    """Build a network of belief networks side by side, an autoencoder's layers on all of them, and a softmax.

    Its input is (N, scales, features); every layer but the softmax starts with its pre-trained weights.
    """
    x = energies = keras.Input((len(stacks), len(stacks[0][0].weights)), name="energies")
    learnt = {}
    for number, members in enumerate(zip(*stacks, strict=True), start=1):
        kernel = np.stack([layer.weights for layer in members])
        beside = layers.EinsumDense(  # one dense layer for each scale
            "bsd,sdh->bsh", (len(stacks), kernel.shape[2]), bias_axes="sh", activation="sigmoid", name=f"dbn{number}"
        )
        x = beside(x)
        learnt[beside.name] = [kernel, np.stack([layer.biases for layer in members])]
    x = layers.Flatten(name="scales")(x)
    for number, layer in enumerate(encoders, start=1):
        x = layers.Dense(len(layer.biases), activation="sigmoid", name=f"sae{number}")(x)
        learnt[f"sae{number}"] = [layer.weights, layer.biases]
    answers = layers.Dense(classes, activation="softmax", name="probabilities")(x)
    network = keras.Model(energies, answers, name="gb_dbns_sae")
    for name, weights in learnt.items():
        network.get_layer(name).set_weights(weights)
    return network
