"""Give a network its initial state back, so that one network serves many trainings.

Building ResNet50 and having a backend compile it take longer than training it on a few dozen faces. A network that was
built and compiled once, and whose weights and optimiser then start again, trains to the same numbers as a new one.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable

import numpy as np

from fer_lib.backend import keras


class InitialState:
    """Weights, moving averages and optimiser of a compiled network at one moment."""

    def __init__(self, network: keras.Model) -> None:
        """Keep the state of a compiled network; its optimiser is built if it is not yet."""
        network.optimizer.build(network.trainable_variables)
        self.network = network
        # an optimiser's moments are as large as the network, and all zero
        self.values = [value if value.any() else None for value in map(np.asarray, self._variables())]

    def restore(self) -> keras.Model:
        """Give the network this state back, and return it."""
        for variable, value in zip(self._variables(), self.values, strict=True):
            variable.assign(np.zeros(variable.shape, variable.dtype) if value is None else value)
        return self.network

    def _variables(self) -> list[keras.Variable]:
        return [*self.network.variables, *self.network.optimizer.variables]


class BuiltOnce:
    """Builder that builds a network once for each key, and afterwards returns it in its initial state."""

    def __init__(self) -> None:
        self.key: Hashable = None
        self.state: InitialState | None = None

    def __call__(self, key: Hashable, build: Callable[[], keras.Model]) -> keras.Model:
        """Return the network that ``build`` makes, compiled; ``key`` contains everything that it depends on."""
        if self.state is None or self.key != key:
            self.state = None  # before there are two networks
            self.key, self.state = key, InitialState(build())
            return self.state.network
        return self.state.restore()
