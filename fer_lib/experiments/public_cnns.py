"""Train public CNNs for FER-2013 as the traditional CNN of chen2023 is trained, on the same faces (notebook 05)."""

from __future__ import annotations

import dataclasses
import logging
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from fer_lib import training
from fer_lib.backend import keras
from fer_lib.datasets.face_dataset import FaceDataset
from fer_lib.evaluation import metrics
from fer_lib.models import public_cnns
from fer_lib.settings import BaselineCnnSettings, PublicCnnSettings
from fer_lib.utils.checkpoints import open_ended

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Trained:
    """A trained public CNN's history and answers.

    Attributes:
        history: of :func:`fer_lib.training.train`.
        scores: ``"training"`` (the running means of the last epoch), ``"validation"`` and ``"testing"`` -> the frame of
            :func:`fer_lib.evaluation.metrics.score`.
        answers: ``"validation"`` and ``"testing"`` -> the probabilities of that part's N faces, float32, (N, C).
        parameters: of the network as it was trained.
    """

    history: pd.DataFrame
    scores: dict[str, pd.DataFrame]
    answers: dict[str, np.ndarray]
    parameters: int


@open_ended("epochs")
def run(
    chosen: PublicCnnSettings,
    settings: BaselineCnnSettings,
    parts: dict[str, FaceDataset],
    *,
    seed: int,
    checkpoints: Path,
) -> dict[str, Trained]:
    """Train each chosen CNN, or continue at its last checkpoint; return them by name.

    Args:
        chosen: which CNNs, and for how many epochs.
        settings: the traditional CNN's batch size, learning rate, augmentation and scaling.
        parts: ``"training"``, ``"validation"`` and ``"testing"`` faces.
        seed: seed of the weights, dropout, shuffling and augmentation.
        checkpoints: a folder for exactly these faces, seed and settings of training, whatever their ``epochs``.

    Raises:
        FerError: there is no such CNN, or a loss is not a number.
    """
    own = dataclasses.replace(settings, epochs=chosen.epochs or settings.epochs)
    found: dict[str, Trained] = {}
    for name in chosen.names:
        learnt = parts["training"]
        build = partial(
            public_cnns.build, name, image_size=learnt.images.shape[1], classes=len(learnt.class_names)
        )  # fmt: skip
        model, history = training.train(
            build,
            own,
            training=learnt,
            validation=parts["validation"],
            seed=seed,
            checkpoints=checkpoints / name,
        )
        seen = {part: training.predict(model, parts[part], settings=own) for part in ("validation", "testing")}
        scores = {part: metrics.score(seen[part], parts[part].labels, parts[part].class_names) for part in seen}
        scores = {"training": metrics.history_scores(history), **scores}
        found[name] = Trained(history, scores, seen, model.count_params())
        log.info("comparator %s is trained", name)
        del model
        keras.utils.clear_session()
    return found


def histories(trained: dict[str, Trained]) -> pd.DataFrame:
    """Stack the histories, with a first column ``model``; empty if nothing was trained."""
    frames = [each.history.assign(model=name) for name, each in trained.items()]
    if not frames:
        return pd.DataFrame(columns=["model", "epoch"])
    together = pd.concat(frames, ignore_index=True)
    return together[["model", *together.columns.drop("model")]]
