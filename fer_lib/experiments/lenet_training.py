"""Run one training of liu2023's LeNet (section 3.2) with the tutorial program's loop and patience; resume it if killed.

The training loop is that of the public tutorial program with the same settings as the paper: plain gradient descent
over whole batches in a fixed order, a validation after each epoch, and the patience rule of
:func:`~fer_lib.experiments.lenet_patience.follow`. It differs in three places on purpose:

* The program evaluates only whole batches as well, so with 49 faces and batches of 56 it would measure nothing. Here
  all held-out faces are evaluated; ``whole_batch_faces`` is the number that the program would have counted.
* If patience runs out in the middle of an epoch, the program trains up to that step and discards the result, because
  it validates only at the end of an epoch. Here that part of an epoch is not trained.
* The test error is measured after each epoch, for the curves; the reported one is that at the best validation error.
"""

from __future__ import annotations

import json
import logging
import math
import time
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fer_lib.backend import keras
from fer_lib.datasets.face_dataset import FaceDataset
from fer_lib.errors import FerError
from fer_lib.experiments.lenet_patience import follow
from fer_lib.models import lenet
from fer_lib.settings import LeNetSettings, settings_hash
from fer_lib.training import set_seed
from fer_lib.utils.checkpoints import HISTORY, Checkpoints
from fer_lib.utils.files import write_text

log = logging.getLogger(__name__)

SECONDS_BETWEEN_SAVES = 20.0  # the weights have 36 MB; writing them each epoch would take a third of the time


@dataclass(frozen=True)
class Parts:
    """Training, validation and test faces of one study; the training faces are in the order of unshuffled epochs."""

    training: FaceDataset
    validation: FaceDataset
    test: FaceDataset

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.training.class_names)

    @property
    def faces(self) -> FaceDataset:
        """All faces; the split of each is the part that it belongs to."""
        parts = {"training": self.training, "validation": self.validation, "testing": self.test}
        meta = pd.concat([part.meta.assign(split=name) for name, part in parts.items()], ignore_index=True)
        return replace(self.training, images=np.concatenate([part.images for part in parts.values()]), meta=meta)

    @property
    def fingerprint(self) -> str:
        """Hash of the three parts' pixels and labels in row order, twelve hexadecimal digits."""
        return settings_hash([part.fingerprint for part in (self.training, self.validation, self.test)])


def train(
    settings: LeNetSettings, parts: Parts, *, seed: int = 0, checkpoints: str | Path | None = None
) -> tuple[dict[str, Any], pd.DataFrame]:
    """Train or resume one LeNet; return its row for the paper's tables and its history.

    Args:
        settings: settings of this training: its ``learning_rate``, ``batch_size``, ``n_kerns`` and ``shuffle``.
        parts: the faces.
        seed: of the initial weights, and of the order of the faces where they are shuffled.
        checkpoints: a folder for this training alone; None keeps nothing. It contains ``history.csv``, while it
            trains the weights after the last epoch (``epoch-NNN.weights.h5``), and ``row.json`` when it is over.

    Returns:
        The row: the configuration, ``best_epoch``, ``best_validation_error``, ``test_error`` (at the best validation),
        ``last_validation_error``, ``last_test_error``, ``epochs``, ``steps``, ``stopped`` (``"patience"``,
        ``"n_epochs"`` or ``"loss not finite"``) and counts of faces. The history, a row per epoch: ``epoch`` (from 1),
        ``loss`` (nats, mean of the steps' batches), ``validation_error``, ``test_error`` and ``seconds``. Errors are
        fractions. A loss that is not finite ends the training; it is recorded and raises no error.

    Raises:
        FerError: the training part is smaller than one batch.
    """
    steps = len(parts.training) // settings.batch_size
    if not steps:
        raise FerError(
            f"The training part has {len(parts.training)} faces, less than one batch of {settings.batch_size}, and "
            "training uses only whole batches; lower batch_size."
        )
    store = Checkpoints(checkpoints, state="epoch-{:03d}.weights.h5")
    history = store.table().to_dict("records")
    if not _stopped(history, settings, steps):
        history = _fit(settings, parts, seed=seed, history=history, store=store)
    row = _row(settings, parts, seed=seed, history=history)
    if store.folder:
        write_text(store.folder / "row.json", json.dumps(row, indent=2, allow_nan=False) + "\n")
    return row, pd.DataFrame(history)


def _fit(
    settings: LeNetSettings, parts: Parts, *, seed: int, history: list[dict[str, float]], store: Checkpoints
) -> list[dict[str, float]]:
    """Train from the end of ``history`` until a rule stops the training, and return the whole history."""
    model = _model(settings, parts, seed=seed)
    if history and not store.restore(len(history), model):
        model, history = _model(settings, parts, seed=seed), []
    epochs = _Epochs(model, settings, parts, seed=seed)
    saved = time.monotonic()
    while not _stopped(history, settings, epochs.steps):
        history = [*history, epochs.train(len(history) + 1)]
        if time.monotonic() - saved >= SECONDS_BETWEEN_SAVES:
            store.save(model, {HISTORY: pd.DataFrame(history)})
            saved = time.monotonic()
    store.save(None, {HISTORY: pd.DataFrame(history)})  # two hundred trainings' weights would take gigabytes
    return history


class _Epochs:
    """Trainer that measures the held-out faces after each epoch."""

    def __init__(self, model: keras.Model, settings: LeNetSettings, parts: Parts, *, seed: int) -> None:
        self.model = model
        self.seed = seed
        self.settings = settings
        self.pixels, self.labels = _arrays(parts.training, settings), parts.training.labels
        # validation and test faces are few enough for one batch
        self.held_out = np.concatenate([_arrays(parts.validation, settings), _arrays(parts.test, settings)])
        self.held_out_labels = np.concatenate([parts.validation.labels, parts.test.labels])
        self.validation_faces = len(parts.validation)
        self.steps = len(parts.training) // settings.batch_size

    def train(self, epoch: int) -> dict[str, float]:
        """Train one epoch, counted from 1, and return its row of the history."""
        started = time.monotonic()
        loss = self._train(epoch)
        wrong = np.asarray(self.model.predict_on_batch(self.held_out)).argmax(axis=1) != self.held_out_labels
        return {
            "epoch": epoch,
            "loss": loss,
            "validation_error": float(wrong[: self.validation_faces].mean()),
            "test_error": float(wrong[self.validation_faces :].mean()),
            "seconds": round(time.monotonic() - started, 3),
        }

    def _train(self, epoch: int) -> float:
        """Train on all batches; return the mean loss, or stop at the first loss that is not finite and return it."""
        size, order = self.settings.batch_size, np.arange(len(self.labels))
        if self.settings.shuffle:
            order = np.random.default_rng([self.seed, epoch]).permutation(order)
        losses = []
        for start in range(0, self.steps * size, size):
            rows = order[start : start + size]
            self.model.reset_metrics()  # older versions of Keras 3 return the mean since the last reset
            losses.append(float(self.model.train_on_batch(self.pixels[rows], self.labels[rows])))
            if not math.isfinite(losses[-1]):
                return losses[-1]
        return float(np.mean(losses))


def _model(settings: LeNetSettings, parts: Parts, *, seed: int) -> keras.Model:
    """Set a compiled network to the initial weights of a seed; every seed gets the same object."""
    image_shape = parts.training.images.shape[1:3]
    set_seed(seed)
    fresh = lenet.build(settings, image_shape=image_shape, classes=parts.classes)
    # leave settings that do not change the compiled step out of the cache key
    model = _compiled(replace(settings, learning_rate=1.0, shuffle=False), image_shape, parts.classes)
    model.set_weights(fresh.get_weights())
    model.optimizer.learning_rate = settings.learning_rate
    return model


@lru_cache(maxsize=16)
def _compiled(settings: LeNetSettings, image_shape: tuple[int, int], classes: int) -> keras.Model:
    """Build and compile a network once: mean negative log likelihood, plain gradient descent.

    A study trains each configuration from several seeds. A separate network for each training would cost a second and,
    because TensorFlow keeps the variables of a compiled step, 36 MB that are never freed.
    """
    model = lenet.build(settings, image_shape=image_shape, classes=classes)
    model.compile(
        optimizer=keras.optimizers.SGD(learning_rate=settings.learning_rate),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    return model


def _arrays(faces: FaceDataset, settings: LeNetSettings) -> np.ndarray:
    """Scale images to the network's input, float32 (N, H, W, 1)."""
    return (faces.images[..., np.newaxis] / settings.pixel_divisor).astype(np.float32)


def _errors(history: list[dict[str, float]]) -> list[float]:
    return [epoch["validation_error"] for epoch in history]


def _stopped(history: list[dict[str, float]], settings: LeNetSettings, steps_per_epoch: int) -> str:
    """Tell why training stops after these epochs; empty if it continues."""
    if history and not math.isfinite(history[-1]["loss"]):
        return "loss not finite"
    if len(history) >= settings.n_epochs:
        return "n_epochs"
    return "patience" if follow(_errors(history), settings, steps_per_epoch=steps_per_epoch).out_of_patience else ""


def _row(settings: LeNetSettings, parts: Parts, *, seed: int, history: list[dict[str, float]]) -> dict[str, Any]:
    steps = len(parts.training) // settings.batch_size
    best = history[follow(_errors(history), settings, steps_per_epoch=steps).best_epoch - 1]
    return {
        "order": "shuffled" if settings.shuffle else "unshuffled",
        "learning_rate": settings.learning_rate,
        "batch_size": settings.batch_size,
        "n_kerns": str(list(settings.n_kerns)).replace(" ", ""),
        "seed": seed,
        "best_epoch": best["epoch"],
        "best_validation_error": best["validation_error"],
        "test_error": best["test_error"],
        "last_validation_error": history[-1]["validation_error"],
        "last_test_error": history[-1]["test_error"],
        "epochs": len(history),
        "steps": len(history) * steps,
        "stopped": _stopped(history, settings, steps),
        "classes": parts.classes,
        "training_faces": steps * settings.batch_size,
        "unused_training_faces": len(parts.training) - steps * settings.batch_size,
        "validation_faces": len(parts.validation),
        "test_faces": len(parts.test),
        "whole_batch_faces": len(parts.validation) // settings.batch_size * settings.batch_size,
    }
