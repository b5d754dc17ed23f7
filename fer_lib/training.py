"""Train, checkpoint and resume models (chen2023, section 2.3); a killed training continues to the same numbers.

If the first layers of a model are frozen, only its tail is fitted. :mod:`fer_lib.models.trunk` runs the rest in the
threads that also augment the faces, so that augmentation, trunk and tail overlap.
"""

from __future__ import annotations

import logging
import math
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd

from fer_lib.augmentation import random_affine, random_flips
from fer_lib.backend import keras, precision
from fer_lib.datasets.face_dataset import FaceDataset
from fer_lib.errors import FerError
from fer_lib.models import fast_layers
from fer_lib.models.trunk import WORKERS, Engine, in_batches, one_at_a_time, scaled, split_model
from fer_lib.settings import TrainingSettings
from fer_lib.utils.checkpoints import HISTORY, Checkpoints, open_ended
from fer_lib.utils.files import atomic_path
from fer_lib.utils.live_log import log_handler
from fer_lib.utils.pixels import network_input
from fer_lib.utils.progress import time_left

log = logging.getLogger(__name__)

BEST = "best.npz"
LEAST_GAIN = 1e-4
"""By how much a validation loss must be lower to end a plateau: ReduceLROnPlateau's ``min_delta``."""


def set_seed(seed: int) -> None:
    """Seed Python and NumPy, which fixes the initial weights and the dropout of the networks that are built next.

    Keras' layers draw their seeds from Python's generator. Keras' own ``set_random_seed`` also seeds TensorFlow, which
    decides nothing here but makes TensorFlow forget everything that it has compiled: the next step of a network that
    was trained before would take seconds.
    """
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002  # for code of others, such as scikit-learn's


def show_progress() -> None:
    """Show each epoch: in one place in JupyterLab, else in a line, as ``papermill --log-output`` prints it."""
    logger = logging.getLogger("fer_lib")
    logger.setLevel(logging.INFO)
    logger.handlers = [log_handler()]


class FaceBatches(keras.utils.PyDataset):
    """Batches of network input, or of a trunk's features, and one-hot labels, for one epoch.

    Each batch has its own generator, made from the seed, the epoch and the batch's number, so neither the order in
    which threads finish nor a resumed run changes a pixel.
    """

    def __init__(
        self,
        faces: FaceDataset,
        settings: TrainingSettings,
        *,
        engine: Engine | None = None,
        augment_with: tuple[int, int] | None = None,
    ) -> None:
        """Take the faces, their settings and, for training, ``augment_with=(seed, epoch)``, which also shuffles.

        With an ``engine`` the batches contain the features that it computes from the network input.
        """
        super().__init__(workers=WORKERS, use_multiprocessing=False, max_queue_size=8)
        self.faces = faces
        self.settings = settings
        self.engine = engine
        self.augment_with = augment_with
        self.targets = np.eye(len(faces.class_names), dtype=np.float32)[faces.labels]
        self.order = np.arange(len(faces))
        if augment_with is not None:
            self.order = np.random.default_rng(augment_with).permutation(len(faces))

    def __len__(self) -> int:
        return math.ceil(len(self.faces) / self.settings.batch_size)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        size = self.settings.batch_size
        rows = self.order[index * size : (index + 1) * size]
        images = self.faces.images[rows]
        if self.augment_with is not None:
            images = self._augmented(images, np.random.default_rng([*self.augment_with, index]))
        inputs = network_input(images, self.settings.scaling)
        return (self.engine(inputs) if self.engine else inputs), self._targets(index, rows)

    def _targets(self, index: int, rows: np.ndarray) -> np.ndarray:
        """Give the one-hot labels of a batch; training draws them where the faces have shares."""
        if self.faces.shares is None or self.augment_with is None:
            return self.targets[rows]
        rng = np.random.default_rng([*self.augment_with, index, 1])  # not the one that moves pixels
        shares = self.faces.shares[rows].astype(np.float64)
        # in float32 they may add up to a little more than 1, which NumPy refuses
        return rng.multinomial(1, shares / shares.sum(axis=1, keepdims=True)).astype(np.float32)

    def _augmented(self, images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        moves = self.settings.moves
        moved = random_affine(images, rng, **moves) if any(moves.values()) else images
        return random_flips(moved, rng) if getattr(self.settings, "horizontal_flip", False) else moved


class FeatureBatches(keras.utils.PyDataset):
    """Batches of features in memory, and one-hot labels."""

    def __init__(self, features: np.ndarray, faces: FaceDataset, *, batch_size: int) -> None:
        """Take the features, float32 (N, width), of N faces."""
        super().__init__()
        self.features = features
        self.targets = np.eye(len(faces.class_names), dtype=np.float32)[faces.labels]
        self.batch_size = batch_size

    def __len__(self) -> int:
        return math.ceil(len(self.features) / self.batch_size)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        rows = slice(index * self.batch_size, (index + 1) * self.batch_size)
        return self.features[rows], self.targets[rows]


def compile_model(model: keras.Model, settings: TrainingSettings) -> keras.Model:
    """Compile a model as in section 2.3 and Table 1: Adam, cross-entropy, and both accuracies under their own names."""
    return compile_with(
        model, keras.optimizers.Adam(learning_rate=settings.learning_rate), keras.losses.CategoricalCrossentropy()
    )


def compile_with(model: keras.Model, optimizer: keras.optimizers.Optimizer, loss: keras.losses.Loss) -> keras.Model:
    """Compile a model with another optimiser or loss; the metrics are those of :func:`compile_model`."""
    model.compile(
        optimizer=optimizer,
        loss=loss,
        metrics=[
            keras.metrics.CategoricalAccuracy(name="categorical_accuracy"),
            keras.metrics.BinaryAccuracy(name="binary_accuracy", threshold=0.5),
        ],
    )
    return model


@open_ended("epochs")
def train(
    build: Callable[[], keras.Model],
    settings: TrainingSettings,
    *,
    training: FaceDataset,
    validation: FaceDataset,
    seed: int = 0,
    checkpoints: str | Path | None = None,
    keep_trained: bool = True,
    keep_best: bool = False,
) -> tuple[keras.Model, pd.DataFrame]:
    """Train a model, or resume at its last whole epoch; return it with its history.

    An epoch does not depend on the number of those to come, unless ``build`` compiles the model with a schedule that
    does. So a folder of 50 epochs serves 60; of fewer, trained from the start, the state is in a folder inside it.

    Args:
        build: builds the model; called after seeding, so that a seed fixes the initial weights. If the model is not
            compiled yet, :func:`compile_model` compiles it.
        settings: the settings of the experiment.
        training: the training faces; shuffled and augmented again in each epoch.
        validation: the validation faces after each epoch; only normalised.
        seed: fixes the weights, dropout, shuffling and augmentation.
        checkpoints: a folder for this run alone, named after settings (except ``epochs``), data and seed; None keeps
            nothing.
        keep_trained: whether the folder also keeps the model after its last epoch, so that the next call returns it at
            once. A caller that stores what it needs right away saves the second that writing a large network takes.
        keep_best: whether the folder also keeps the weights after the epoch with the lowest validation loss, for
            :func:`best_epoch`.

    Returns:
        The trained model, and a DataFrame with a row for each epoch: ``epoch`` (from 1), ``loss`` (nats), both
        accuracies, the same with ``val_``, and ``seconds``. Training values are Keras' running means over the epoch,
        with dropout and augmentation on; validation values are from the epoch's end.

    Raises:
        FerError: the loss is not a number; the message names the epoch.
    """
    store = _store(checkpoints, settings)
    if checkpoints is not None and store.folder != Path(checkpoints):
        log.warning("the checkpoint in %s has more epochs than the settings; training starts again", checkpoints)
    history = store.table()
    model = None if history.empty else store.restore(len(history))
    set_seed(seed)  # after reading a checkpoint, which draws random numbers
    if model is None:
        history = pd.DataFrame()
        with precision(settings.precision):
            model = _faster(_compiled(build(), settings), settings)
    fitted_part, engine, validation_batches = _fitted_part(model, settings, validation)
    _complete(fitted_part, validation_batches)
    while not _finished(history, settings):
        epoch, started = len(history), time.monotonic()
        if drops := _plateaus(history, settings):
            model.optimizer.learning_rate = settings.learning_rate * settings.plateau_factor**drops
        fitted = fitted_part.fit(
            FaceBatches(training, settings, engine=engine, augment_with=(seed, epoch)),
            initial_epoch=epoch,
            epochs=epoch + 1,
            shuffle=False,
            verbose=0,
            validation_data=validation_batches,
            # at a moment after which nothing draws numbers before the first step
            callbacks=[keras.callbacks.LambdaCallback(on_epoch_begin=lambda now, _: _seed_dropout(model, seed, now))],
        )
        row = {"epoch": epoch + 1, **{name: float(values[-1]) for name, values in fitted.history.items()}}
        row["seconds"] = round(time.monotonic() - started, 2)
        if not math.isfinite(row["loss"]):
            kept = f"epoch {epoch} is kept in {store.folder}" if store.folder and epoch else "no epoch was kept"
            raise FerError(f"The loss is {row['loss']} in epoch {epoch + 1}; lower the learning rate ({kept}).")
        if keep_best and store.folder and (history.empty or row["val_loss"] < history["val_loss"].min()):
            _save_weights(fitted_part, store.folder / BEST)
        history = pd.concat([history, pd.DataFrame([row])], ignore_index=True)
        if keep_trained or not _finished(history, settings):
            store.save(model, {HISTORY: history})
        _report_progress(row, settings.epochs)
    return _plain(model, settings), history


@contextmanager
def best_epoch(model: keras.Model, settings: TrainingSettings, checkpoints: str | Path | None) -> Iterator[bool]:
    """Give a model, in a ``with`` block, its weights after the epoch with the lowest validation loss.

    Args:
        model: the trained model; after the block it has its last weights again.
        settings: the settings of its training.
        checkpoints: the folder that :func:`train` was given, with ``keep_best``.

    Yields:
        Whether these weights are there; if not, the model has its last ones.
    """
    folder = _store(checkpoints, settings).folder
    if folder is None or not (folder / BEST).is_file():
        yield False
        return
    parts = split_model(model, settings)
    part, last = (parts.tail if parts else model), model.get_weights()
    with np.load(folder / BEST, allow_pickle=False) as kept:
        best = [kept[name] for name in kept.files]
    try:
        part.set_weights(best)
        yield True
    finally:
        model.set_weights(last)


def predict(
    model: keras.Model, faces: FaceDataset, *, settings: TrainingSettings, scaling: str | None = None
) -> np.ndarray:
    """Compute the model's probabilities, float32 of shape (N, classes), in the order of the faces.

    Args:
        model: the trained model; a frozen trunk runs on the settings' engine, as in training.
        faces: N faces.
        settings: the settings of the experiment.
        scaling: the scaling of the pixels; None is the settings' own, "raw images" on the testing set are ``"raw"``.
    """
    return predict_images(model, faces.images, settings=settings, scaling=scaling)


def predict_images(
    model: keras.Model, images: np.ndarray, *, settings: TrainingSettings, scaling: str | None = None
) -> np.ndarray:
    """Compute probabilities as :func:`predict` does, of images (N, H, W), uint8 or float32 in 0-255."""
    scaling = scaling or settings.scaling
    parts = split_model(model, settings)
    if parts:
        return parts.predict(images, scaling=scaling)
    outputs = np.empty((len(images), model.output_shape[1]), np.float32)
    return in_batches(scaled(one_at_a_time(model), scaling), images, outputs)


def _store(checkpoints: str | Path | None, settings: TrainingSettings) -> Checkpoints:
    """Open the folder of a training's state, or, if that has more epochs already, one inside it."""
    store = Checkpoints(checkpoints)
    if store.folder is None or len(store.table()) <= settings.epochs:
        return store
    return Checkpoints(store.folder / f"of-{settings.epochs}")


def _save_weights(part: keras.Model, path: Path) -> None:
    with atomic_path(path) as partial:
        np.savez(partial, *part.get_weights())


def _faster(model: keras.Model, settings: TrainingSettings) -> keras.Model:
    """Give a compiled model fast layers, if the settings ask for them and none of its layers is frozen in a trunk."""
    if settings.layers == "keras" or split_model(model, settings) is not None:
        return model
    with precision(settings.precision):
        return _recompiled(fast_layers.faster(model), model)


def _plain(model: keras.Model, settings: TrainingSettings) -> keras.Model:
    """Give a trained model Keras' own layers again."""
    if not fast_layers.is_fast(model):
        return model
    with precision(settings.precision):
        return _recompiled(fast_layers.plain(model), model)


def _recompiled(copy: keras.Model, model: keras.Model) -> keras.Model:
    """Compile a copy as its model, with an optimiser of its own."""
    optimizer = type(model.optimizer).from_config(model.optimizer.get_config())
    return compile_with(copy, optimizer, model.loss)


def _compiled(model: keras.Model, settings: TrainingSettings) -> keras.Model:
    return model if model.compiled else compile_model(model, settings)


def _fitted_part(
    model: keras.Model, settings: TrainingSettings, validation: FaceDataset
) -> tuple[keras.Model, Engine | None, keras.utils.PyDataset]:
    """Choose the part of a model to fit, the engine that runs before it, and the validation batches.

    The part is the whole model if nothing is frozen, else its tail. The tail shares the model's optimiser, so the
    model's checkpoint contains the state of both. The trunk's features for validation are computed here, once for each
    run.
    """
    parts = split_model(model, settings)
    if parts is None:
        return model, None, FaceBatches(validation, settings)
    features = parts.features(validation.images, scaling=settings.scaling)
    batches = FeatureBatches(features, validation, batch_size=settings.batch_size)
    if getattr(parts.tail, "optimizer", None) is not model.optimizer:  # else the backend would compile it again
        compile_with(parts.tail, model.optimizer, model.loss)
    return parts.tail, parts.engine, batches


def _complete(model: keras.Model, batches: keras.utils.PyDataset) -> None:
    """Build the optimiser and the metrics on a separate batch.

    Under JAX the first ``fit`` of a process would otherwise use its first training batch for that, and a resumed epoch
    would see other batches than an undisturbed one.
    """
    model.optimizer.build(model.trainable_variables)
    model.test_on_batch(*batches[0])


def _seed_dropout(model: keras.Model, seed: int, epoch: int) -> None:
    """Set the state of every dropout layer from the seed and the epoch, because ``.keras`` files do not keep it.

    Under torch such layers ignore their state and draw from torch's own generator.
    """
    if keras.backend.backend() == "torch":
        import torch

        torch.manual_seed(int(np.random.default_rng([seed, epoch]).integers(0, 2**31)))
    states = [variable for variable in model.variables if "seed_generator_state" in variable.path]
    for number, state in enumerate(states):
        state.assign(np.random.default_rng([seed, epoch, number]).integers(0, 2**31, 2).astype("uint32"))


def _finished(history: pd.DataFrame, settings: TrainingSettings) -> bool:
    """Tell whether all epochs are trained, or too many of them brought no lower validation loss."""
    patience = settings.early_stopping_patience
    if not patience or history.empty:
        return len(history) >= settings.epochs
    without = len(history) - 1 - int(history["val_loss"].to_numpy().argmin())
    return len(history) >= settings.epochs or without >= patience


def _plateaus(history: pd.DataFrame, settings: TrainingSettings) -> int:
    """Count how often the validation loss has not fallen for ``plateau_patience`` epochs, as ReduceLROnPlateau does.

    The count follows from the history alone, so that a resumed training has the learning rate of an undisturbed one.
    """
    patience = settings.plateau_patience
    if not patience or history.empty:
        return 0
    best, waited, drops = math.inf, 0, 0
    for loss in history["val_loss"]:
        if loss < best - LEAST_GAIN:
            best, waited = loss, 0
            continue
        waited += 1
        if waited >= patience:
            waited, drops = 0, drops + 1
    return drops


def _report_progress(row: dict[str, float], epochs: int) -> None:
    log.info(
        "epoch %d of %d: loss %.3f, validation loss %.3f, categorical %.3f, binary %.3f; %.0f s, %s",
        row["epoch"], epochs, row["loss"], row["val_loss"], row["val_categorical_accuracy"],
        row["val_binary_accuracy"], row["seconds"], time_left(row["seconds"] * (epochs - row["epoch"])),
    )  # fmt: skip
