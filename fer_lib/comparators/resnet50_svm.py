"""ResNet-50 + SVM: liu2023's own system, printed as about 1 % better than ResNet-50 + SoftMax."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import ClassVar

import numpy as np

from fer_lib import training
from fer_lib.augmentation import expand
from fer_lib.backend import keras
from fer_lib.comparators.base import Comparator, Part, from_decisions, resized
from fer_lib.comparators.recipe import weights_seen
from fer_lib.errors import FerError, nearest
from fer_lib.models import resnet50_mlp, resnet50_svm
from fer_lib.models.weights_file import expected_scaling
from fer_lib.settings import TRUNKS, ExpansionSettings, ResNet50SvmSettings, change, trunk_named
from fer_lib.svm import classifiers
from fer_lib.utils.files import file_sha256

EXPANSIONS = ("off", "none", "originals", "each_copy")


class ResNet50Svm(Comparator):
    """A support vector machine with a Gaussian kernel on a frozen ResNet-50's features, C and width searched.

    Args:
        weights: the trunk's: ``"imagenet"``, ``"none"`` or ``"random_frozen"`` (random, and nothing trains), or a
            file, such as a trunk that was fine-tuned on FER-2013.
        expansion: the images of the final fit: ``"off"`` the faces; or liu2023's twelve copies of each, and of them a
            cross-cut as in :class:`~fer_lib.settings.ExpansionSettings` (``"none"``, ``"originals"``, ``"each_copy"``).
        image_size: the faces are resized to this height and width in pixels.
        trunk: the engine and precision of the frozen trunk, one of :data:`fer_lib.settings.TRUNKS`.
        seed: fixes random weights and the search's folds.
    """

    name = "resnet50_svm"
    title = "ResNet-50 + SVM (RBF)"
    source = "liu2023, sections 2.2.1 and 2.2.2"
    classifier: ClassVar[str] = "resnet50_svm_rbf"
    tuning = "12 pairs of C and γ, more at an edge; three folds, people kept together"
    weights_of = "ResNet50"
    first_learner = "resnet50_whole"

    def __init__(
        self,
        weights: str = "imagenet",
        *,
        expansion: str = "off",
        image_size: int = 48,
        trunk: str = TRUNKS[0],
        seed: int = 0,
    ) -> None:
        self.weights = weights
        self.expansion = expansion
        self.image_size = image_size
        self.trunk = trunk
        self.seed = seed

    @property
    def pretrained(self) -> str:
        """``"ImageNet"``, ``"none"``, or the weights file's name."""
        return weights_seen(self.weights)

    def _settings(self) -> ResNet50SvmSettings:
        weights = "random_frozen" if self.weights == "none" else self.weights
        chosen = {"weights": weights, "fine_tune_on": "nothing", "trainable_trunk": "nothing"}
        return change(ResNet50SvmSettings(), **chosen, **trunk_named(self.trunk), scaling=self.scaling_)

    def _fit(self, images: np.ndarray, codes: np.ndarray, groups: np.ndarray | None) -> None:
        if self.expansion not in EXPANSIONS:
            hint = nearest(self.expansion, EXPANSIONS)
            raise FerError(f"expansion is {self.expansion!r}{hint}; expected one of {', '.join(EXPANSIONS)}.")
        if self.first is None:
            self.scaling_ = expected_scaling(self.weights)  # kept: a saved comparator has no card
            content = file_sha256(self.weights) if Path(self.weights).is_file() else ""
            self.trunk_ = _frozen_trunk(self._settings(), image_size=self.image_size, seed=self.seed, content=content)
        else:
            self.scaling_, self.trunk_ = self.first.scaling_, resnet50_svm.trunk_of(self.first.network_)
        views = None
        if self.expansion != "off":
            expansion = ExpansionSettings(cross_cut=self.expansion)  # type: ignore[arg-type]  # one of EXPANSIONS
            pictures = expand(resized(images, self.image_size), expansion)
            views = resnet50_svm.features(self.trunk_, pictures, settings=self._settings())
        examples = classifiers.Examples(self._features(images), codes, groups, views)
        # it searches on a sample if there are more than 5,000 faces
        self.fitted_ = classifiers.fit_fer2013(self.classifier, examples, settings=self._settings(), seed=self.seed)

    def _features(self, images: np.ndarray) -> np.ndarray:
        return resnet50_svm.features(self.trunk_, resized(images, self.image_size), settings=self._settings())

    def _probabilities(self, images: np.ndarray) -> np.ndarray:
        # turns the log-probabilities of a softmax back into its probabilities
        return from_decisions(classifiers.decision(self.fitted_, self._features(images)))

    def _parts(self) -> dict[str, Part]:
        return {"trunk": self.trunk_, "svm": self.fitted_.pipeline, "scaling": np.array(self.scaling_)}

    def _restore(self, parts: Mapping[str, Part]) -> None:
        self.trunk_ = parts["trunk"]
        self.scaling_ = str(parts.get("scaling", "trunk"))  # earlier versions did not write it
        self.fitted_ = classifiers.Fitted(self.classifier, parts["svm"], {})


@lru_cache(maxsize=1)
def _frozen_trunk(settings: ResNet50SvmSettings, *, image_size: int, seed: int, content: str) -> keras.Model:
    """Build a trunk that nobody trains, once for all classifiers on it; ``content`` is its weights file's SHA-256."""
    training.set_seed(seed)
    return resnet50_mlp.build_trunk(settings, image_size=image_size)
