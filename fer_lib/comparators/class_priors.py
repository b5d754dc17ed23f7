"""A comparator that always predicts the training shares; every other comparator must beat it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from fer_lib.comparators.base import Comparator, Part


class ClassPriors(Comparator):
    """Predict each class' share of the training faces, whatever the face."""

    name = "class_priors"
    title = "class priors"
    is_network = False

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def _fit(self, images: np.ndarray, codes: np.ndarray, groups: np.ndarray | None) -> None:
        self.shares_ = np.bincount(codes) / len(codes)

    def _probabilities(self, images: np.ndarray) -> np.ndarray:
        return np.tile(self.shares_, (len(images), 1))

    def _parts(self) -> dict[str, Part]:
        return {"shares": self.shares_}

    def _restore(self, parts: Mapping[str, Part]) -> None:
        self.shares_ = parts["shares"]
