"""Answer with the network that comes with the package, or with any other compact one, without TensorFlow or Keras.

The package may contain one network of the project's own, in :data:`FOLDER`; ``fer-lib predict`` uses it where no better
model of the user's is there (:mod:`fer_lib.predict.shelf`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fer_lib.errors import FerError
from fer_lib.models import compact
from fer_lib.predict.headlines import Headline
from fer_lib.predict.networks import CARD, LOGITS, Model, Reading, check_faces, scores_table

FOLDER = Path(__file__).parent / "own_network"


@dataclass(frozen=True)
class PackagedModel:
    """A compact network with the interface of a ``SavedModel``."""

    network: compact.Compact

    @property
    def class_names(self) -> tuple[str, ...]:
        """All classes in label order."""
        return self.network.class_names

    @property
    def face_settings(self) -> Mapping[str, Any]:
        """The settings of the crops from photos; faces are found without TensorFlow unless the card says otherwise."""
        return {"mtcnn_engine": "openvino", **self.network.face_settings}

    @property
    def provenance(self) -> Mapping[str, Any]:
        """Where the network comes from."""
        return self.network.provenance

    @property
    def scores(self) -> tuple[Headline, ...]:
        """How good its card says it is.

        Raises:
            FerError: the card's scores are of another kind.
        """
        return scores_of(self.network)

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width of its faces in pixels."""
        return self.network.face, self.network.face

    @property
    def reading(self) -> Reading:
        """Its classes, pixels and outputs are those of its card."""
        return Reading("unit", CARD, classes_from=CARD, outputs=LOGITS, channels=1)

    @property
    def score_kind(self) -> str:
        """The kind of scores: ``"calibrated probability"`` if its card says how well, else ``"probability"``."""
        return "calibrated probability" if self.network.calibrated else "probability"

    def predict(self, images: np.ndarray) -> pd.DataFrame:
        """Predict a row for each face: ``label`` and a column of probabilities for each class, by its name.

        Args:
            images: uint8, shape (N, H, W), of :attr:`image_size`.

        Raises:
            FerError: the faces have another size.
        """
        check_faces(images, self.image_size)
        return scores_table(self.class_names, self.network.probabilities(images))


def load(path: str | Path, *, classes: str | None = None, scaling: str | None = None) -> Model:
    """Load a compact network's folder, or any other model by :func:`fer_lib.predict.models.load`, which needs Keras.

    Args:
        path: the folder or file.
        classes: as for other models; a compact network has its own.
        scaling: as for other models.

    Raises:
        FerError: something is missing or damaged, or a compact network is given other classes or another scaling.
    """
    path = Path(path).expanduser()
    if not compact.is_one(path):
        from fer_lib.predict import models  # imported late: Keras takes seconds

        return models.load(path, classes=classes, scaling=scaling)
    option = "--classes" if classes is not None else "--scaling" if scaling is not None else None
    if option:
        raise FerError(f"Found {option} for the folder {path}, whose {compact.CARD} says it; leave the option out.")
    model = PackagedModel(compact.read(path))
    scores_of(model.network)  # before any photo is searched
    return model


def scores_of(network: compact.Compact) -> tuple[Headline, ...]:
    """Read the scores in a network's card.

    Raises:
        FerError: they are of another kind.
    """
    try:
        return tuple(Headline(**score) for score in network.scores)
    except TypeError as error:
        raise FerError(f"{compact.CARD} has other scores ({error}); install or save the model again.") from None


def card() -> compact.Compact | None:
    """Read the card of the network that comes with the package; None if there is none.

    Raises:
        FerError: it is damaged.
    """
    return compact.read_card(FOLDER) if compact.is_one(FOLDER) else None
