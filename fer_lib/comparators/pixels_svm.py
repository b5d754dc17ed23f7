"""An SVM on the grey values: a network must beat it to have learnt more than the pixels show."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from fer_lib.comparators.base import Comparator, Part, from_decisions
from fer_lib.settings import ResNet50SvmSettings
from fer_lib.svm import classifiers


class PixelsSvm(Comparator):
    """A support vector machine with a Gaussian kernel on standardised grey values, C = 10."""

    name = "pixels_svm"
    title = "raw pixels + SVM (RBF)"
    is_network = False

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def _fit(self, images: np.ndarray, codes: np.ndarray, groups: np.ndarray | None) -> None:
        examples = classifiers.Examples(classifiers.pixels(images), codes, groups)
        self.fitted_ = classifiers.fit(self.name, examples, settings=ResNet50SvmSettings(), seed=self.seed)

    def _probabilities(self, images: np.ndarray) -> np.ndarray:
        return from_decisions(classifiers.decision(self.fitted_, classifiers.pixels(images)))

    def _parts(self) -> dict[str, Part]:
        return {"svm": self.fitted_.pipeline}

    def _restore(self, parts: Mapping[str, Part]) -> None:
        self.fitted_ = classifiers.Fitted(self.name, parts["svm"], {})
