"""The comparators' common interface: fit, predict, and a folder on disk without pickle."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import cv2
import numpy as np
from scipy import special
from sklearn.base import BaseEstimator, ClassifierMixin

from fer_lib.errors import FerError
from fer_lib.utils import bundle
from fer_lib.utils.bundle import Part

if TYPE_CHECKING:
    from fer_lib.models.costs import Cost

COMPARATOR_FILE = "comparator.json"
FORMAT = 1


class Comparator(ClassifierMixin, BaseEstimator):
    """A system that learns to recognise expressions: scikit-learn's interface, with faces instead of features.

    A subclass is a plain scikit-learn estimator: its ``__init__`` takes keyword parameters with defaults, ``seed``
    among them, and stores them unchanged. It implements :meth:`_fit`, :meth:`_probabilities`, :meth:`_parts` and
    :meth:`_restore`, and describes itself by the class attributes below.

    Attributes:
        name: its key in ``fer_lib.comparators.COMPARATORS``.
        title: its name in tables.
        source: the publication that describes it.
        differs: the assumptions where the source leaves details open ("in the style of"); empty if there are none.
        tuning: its tuning budget: the search, and the faces that were searched on.
        weights_of: the network whose file ``weights`` may be, such as ``"ResNet50"``; empty if it takes none.
        is_network: whether it is, or uses, a neural network that could have been trained on other images before.
        optional: whether it needs something that this project does not install.
        learns: whether :meth:`fit` trains anything, so that it has costs of training.
        first_learner: the comparator whose training on other faces it can continue from, itself for most networks;
            empty if it cannot.
        first: set before ``fit``: a fitted ``first_learner``, from whose weights every ``fit`` starts, with a new last
            layer for its own classes. None starts as the parameters say.
        pretrained: the images that its weights were trained on before, such as ``"none"``; a network's settings set it.
        classes_: after ``fit``: the labels, sorted.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    source: ClassVar[str] = ""
    differs: ClassVar[str] = ""
    tuning: ClassVar[str] = "nothing"
    weights_of: ClassVar[str] = ""
    is_network: ClassVar[bool] = True
    optional: ClassVar[bool] = False
    learns: ClassVar[bool] = True
    first_learner: ClassVar[str] = ""
    first: Any = None

    @property
    def pretrained(self) -> str:
        """The images that the weights were trained on before ``fit``."""
        return "none"

    def files(self) -> list[Path]:
        """List the files that its predictions depend on, besides those that its parameters name."""
        return []

    def fit(self, images: np.ndarray, labels: np.ndarray, groups: np.ndarray | None = None) -> Self:
        """Train on faces; returns the comparator itself.

        Args:
            images: uint8, shape (N, H, W).
            labels: int, shape (N,).
            groups: the subject of each face, shape (N,); a search by folds keeps subjects together.

        Raises:
            ValueError: the shapes or types do not fit, or there is only one class.
        """
        images, labels = _checked(images), np.asarray(labels)
        if labels.shape != images.shape[:1] or labels.dtype.kind not in "iu":
            raise ValueError(f"{len(images)} faces, labels {labels.dtype} {labels.shape}; expected an integer a face")
        if groups is not None and np.shape(groups) != labels.shape:
            raise ValueError(f"{len(images)} faces, groups of shape {np.shape(groups)}; expected one a face")
        self.classes_, codes = np.unique(labels, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError("there is one class only; expected two or more")
        self.image_shape_ = images.shape[1:]
        self._fit(images, codes, None if groups is None else np.asarray(groups))
        return self

    def predict_proba(self, images: np.ndarray) -> np.ndarray:
        """Compute the probability of each class of ``classes_`` for faces uint8 (N, H, W): float64 (N, C).

        Raises:
            ValueError: it is not fitted, or the faces have another size than the training faces.
        """
        if not hasattr(self, "classes_"):
            raise ValueError(f"{type(self).__name__} is not fitted")
        images = _checked(images)
        if images.shape[1:] != tuple(self.image_shape_):
            raise ValueError(f"faces of {images.shape[1:]} pixels; it learnt from {tuple(self.image_shape_)}")
        if not len(images):
            return np.zeros((0, len(self.classes_)))
        found = np.asarray(self._probabilities(images), np.float64)
        return found / found.sum(axis=1, keepdims=True)

    def predict(self, images: np.ndarray) -> np.ndarray:
        """Predict the label of the most probable class of each face, shape (N,)."""
        places = self.predict_proba(images).argmax(axis=1)
        return self.classes_[places]

    def save(self, folder: str | Path) -> Path:
        """Write the fitted comparator into a folder, without pickle; :func:`fer_lib.comparators.load` reads it."""
        content = {
            "format": FORMAT,
            "name": self.name,
            "parameters": {key: _without_folder(value) for key, value in self.get_params().items()},
            "classes": self.classes_.tolist(),
            "image_shape": list(self.image_shape_),
        }
        return bundle.save(folder, COMPARATOR_FILE, content, self._parts())

    @classmethod
    def from_parts(cls, content: Mapping[str, Any], parts: Mapping[str, Part]) -> Self:
        """Rebuild a fitted comparator from what :func:`fer_lib.comparators.load` read."""
        made = cls(**_tuples(content["parameters"]))
        made.classes_ = np.array(content["classes"])
        made.image_shape_ = tuple(content["image_shape"])
        made._restore(parts)
        return made

    def cost(self) -> Cost:
        """Count the parameters and multiply-adds of the fitted networks and SVMs; computing features costs more."""
        from fer_lib.models.costs import cost_of  # imported late: Keras takes seconds, and the report needs none

        return cost_of(self._parts().values())

    @abstractmethod
    def _fit(self, images: np.ndarray, codes: np.ndarray, groups: np.ndarray | None) -> None:
        """Train; ``codes`` are positions in ``classes_``."""

    @abstractmethod
    def _probabilities(self, images: np.ndarray) -> np.ndarray:
        """Compute values proportional to the classes' probabilities, shape (N, C), for one face or more."""

    @abstractmethod
    def _parts(self) -> dict[str, Part]:
        """Name the parts of a fitted comparator."""

    @abstractmethod
    def _restore(self, parts: Mapping[str, Part]) -> None:
        """Take over the parts that :meth:`_parts` returned."""


def from_decisions(values: np.ndarray) -> np.ndarray:
    """Apply softmax to an SVM's decision values (N, C): the order is kept, but the results are not calibrated."""
    return special.softmax(np.asarray(values, np.float64), axis=1)


def _checked(images: np.ndarray) -> np.ndarray:
    images = np.asarray(images)
    if images.dtype != np.uint8 or images.ndim != 3:
        if images.ndim == 4 and images.shape[-1] == 3:
            raise FerError("The comparators read grey faces, and these are in colour; set channels to grey.")
        raise ValueError(f"faces are {images.dtype} of shape {images.shape}; expected uint8 (N, H, W)")
    return images


def _without_folder(value: Any) -> Any:
    """Remove the folder from a weights file's path, so that saved comparators name no machine's paths."""
    return Path(value).name if isinstance(value, str) else value


def _tuples(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Turn JSON's lists back into tuples."""
    return {key: tuple(value) if isinstance(value, list) else value for key, value in parameters.items()}


def resized(images: np.ndarray, size: int) -> np.ndarray:
    """Resize faces uint8 (N, H, W) to (N, size, size), by averages if they shrink, else bilinearly."""
    if images.shape[1:] == (size, size):
        return images
    how = cv2.INTER_AREA if min(images.shape[1:]) > size else cv2.INTER_LINEAR
    faces = [cv2.resize(image, (size, size), interpolation=how) for image in images]
    return np.stack(faces) if faces else np.zeros((0, size, size), np.uint8)
