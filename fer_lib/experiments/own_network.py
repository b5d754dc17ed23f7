"""Train the project's own network on FER-2013, an epoch at a time, and keep the epoch that PublicTest chooses.

Nothing here reads PrivateTest: :mod:`fer_lib.experiments.own_network_scores` does, once, at the end.
"""

from __future__ import annotations

import logging
import math
import time
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from fer_lib import training
from fer_lib.backend import keras
from fer_lib.datasets.face_dataset import FaceDataset
from fer_lib.errors import FerError, first_line
from fer_lib.models import compact, own_network
from fer_lib.settings import OwnNetworkSettings
from fer_lib.utils import safe_load
from fer_lib.utils.checkpoints import HISTORY, Checkpoints
from fer_lib.utils.files import atomic_path
from fer_lib.utils.padding import filled
from fer_lib.utils.parallel import cores
from fer_lib.utils.progress import time_left

log = logging.getLogger(__name__)

BEST = "best.weights.h5"
_PATIENCE, _FACTOR = 5, 0.75  # of the schedule "plateau" (Khaireddin and Chen 2021)
_SMALLEST_ERASED, _STRETCH = 0.02, 3.3  # of a rectangle: share of the area, and largest width to height or its inverse


class FaceViews(keras.utils.PyDataset):
    """Batches of random views of faces, float32 (B, crop, crop, 1) in 0-1, and one-hot labels, for one epoch.

    Each batch has its own generator, made from the seed, the epoch and the batch's number, so neither the order in
    which threads finish nor a resumed run changes a pixel. The last batch is left out if it is not full.
    """

    def __init__(self, faces: FaceDataset, settings: OwnNetworkSettings, *, seed: int, epoch: int) -> None:
        """Shuffle the faces for one epoch."""
        super().__init__(workers=cores(), use_multiprocessing=False, max_queue_size=8)
        self.faces, self.settings, self.key = faces, settings, (seed, epoch)
        self.order = np.random.default_rng(self.key).permutation(len(faces))
        self.targets = np.eye(len(faces.class_names), dtype=np.float32)[faces.labels]

    def __len__(self) -> int:
        return max(1, len(self.faces) // self.settings.batch_size)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        size = self.settings.batch_size
        rows = self.order[index * size : (index + 1) * size]
        rng = np.random.default_rng([*self.key, index])
        views = np.stack([random_view(face, rng, self.settings) for face in self.faces.images[rows]])
        return views[..., np.newaxis], self.targets[rows]


def random_view(face: np.ndarray, rng: np.random.Generator, settings: OwnNetworkSettings) -> np.ndarray:
    """Rescale, shift, turn and mirror a grey face at random, cut a part of it and erase a rectangle.

    All but the erasing is one bilinear warp. Beyond the face its border is repeated.

    Args:
        face: uint8, (H, W).
        rng: random generator.
        settings: the recipe.

    Returns:
        float32 in 0-1, (crop, crop).
    """
    height, width = face.shape
    zoom = math.sqrt(rng.uniform(settings.smallest_area, settings.largest_area))  # pixels of the face in one of ours
    shift = rng.uniform(-settings.shift, settings.shift, 2) * (width, height) * (rng.random() < settings.likelihood)
    angle = math.radians(rng.uniform(-settings.rotation, settings.rotation)) * (rng.random() < settings.likelihood)
    mirror = -1 if rng.random() < 0.5 else 1
    spare = np.array([width - settings.crop, height - settings.crop]) / 2
    part = rng.uniform(-1, 1, 2) * np.maximum(spare, 0)  # the crop's place in the face
    cos, sin = zoom * math.cos(angle), zoom * math.sin(angle)
    turn = np.array([[mirror * cos, -sin], [mirror * sin, cos]])
    centre = np.array([width - 1, height - 1]) / 2 + shift
    middle = np.full(2, (settings.crop - 1) / 2)
    matrix = np.column_stack([turn, centre - turn @ (middle - part)])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    seen = cv2.warpAffine(
        face.astype(np.float32), matrix, (settings.crop,) * 2, flags=flags, borderMode=cv2.BORDER_REPLICATE
    )
    if rng.random() < settings.likelihood:
        _erase(seen, rng, settings.erased_area)
    return seen / np.float32(255)


def compiled(network: keras.Model, settings: OwnNetworkSettings) -> keras.Model:
    """Compile a network by the recipe; biases and batch norms do not decay."""
    optimizer = keras.optimizers.SGD(
        settings.learning_rate,
        momentum=settings.momentum,
        nesterov=settings.momentum > 0,
        weight_decay=settings.weight_decay or None,
    )
    optimizer.exclude_from_weight_decay([v for v in network.trainable_variables if len(v.shape) < 2])
    loss = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=settings.label_smoothing)
    network.compile(optimizer, loss, metrics=[keras.metrics.CategoricalAccuracy(name="accuracy")])
    optimizer.build(network.trainable_variables)
    return network


def rate(settings: OwnNetworkSettings, history: pd.DataFrame) -> float:
    """Compute the learning rate of the next epoch from the history of those before it, so that a resumed run agrees.

    Args:
        settings: the recipe.
        history: a row for each finished epoch, with ``val_accuracy``.
    """
    epoch = len(history)
    if epoch < settings.warmup_epochs:
        return settings.learning_rate * (epoch + 1) / (settings.warmup_epochs + 1)
    if settings.schedule == "cosine":
        passed = (epoch - settings.warmup_epochs) / max(1, settings.epochs - settings.warmup_epochs)
        return settings.learning_rate * (1 + math.cos(math.pi * passed)) / 2
    found, best, since = settings.learning_rate, -math.inf, 0
    for accuracy in history["val_accuracy"] if epoch else ():
        best, since = (accuracy, 0) if accuracy > best else (best, since + 1)
        if since > _PATIENCE:
            found, since = found * _FACTOR, 0
    return found


def train(
    settings: OwnNetworkSettings,
    *,
    learnt: FaceDataset,
    chosen_on: FaceDataset,
    seed: int = 0,
    checkpoints: str | Path,
) -> tuple[keras.Model, pd.DataFrame]:
    """Train the network, or resume at the last whole epoch; return it as it was after its best epoch.

    Args:
        settings: the recipe.
        learnt: FER-2013's training faces, grey uint8 (N, H, W).
        chosen_on: PublicTest: after each epoch its faces are answered by the views of the settings, and the first epoch
            with the best accuracy is kept.
        seed: fixes the initial weights, shuffling and the random views.
        checkpoints: a folder for this run alone, named after settings, data and seed.

    Returns:
        The network with the best epoch's weights, and a row for each epoch: ``epoch`` (from 1), ``loss`` (nats, with
        label smoothing) and ``accuracy`` (running means over random views), ``rate``, ``val_accuracy``, ``seconds``.

    Raises:
        FerError: the loss is not a number, faces are smaller than the crop, or the file of the best epoch is damaged.
    """
    if min(learnt.images.shape[1:3]) < settings.crop:
        raise FerError(f"The faces are {learnt.images.shape[1:3]} pixels; set crop to {min(learnt.images.shape[1:3])}.")
    store = Checkpoints(checkpoints, state="epoch-{:03d}.weights.h5")
    history, best = store.table(), Path(checkpoints) / BEST
    training.set_seed(seed)
    network = compiled(own_network.build(settings, classes=len(learnt.class_names)), settings)
    if len(history) and (not best.is_file() or store.restore(len(history), network) is None):
        history = pd.DataFrame()
        training.set_seed(seed)
        network = compiled(own_network.build(settings, classes=len(learnt.class_names)), settings)
    # JAX's first ``fit`` would otherwise build the metrics on its first batch, and a resumed epoch see other batches
    network.test_on_batch(*FaceViews(learnt, settings, seed=seed, epoch=0)[0])
    while len(history) < settings.epochs:
        row = _one_epoch(network, settings, learnt, history, seed=seed)
        row["val_accuracy"] = accuracy(answers(network, chosen_on.images, settings), chosen_on.labels)
        if history.empty or row["val_accuracy"] > history["val_accuracy"].max():
            with atomic_path(best) as partial:  # before the table that makes this epoch count
                network.save_weights(partial)
        history = pd.concat([history, pd.DataFrame([row])], ignore_index=True)
        store.save(network, {HISTORY: history})
        log.info(
            "epoch %d of %d: loss %.3f, accuracy %.3f, on PublicTest %.4f (best %.4f), rate %.4f; %.0f s, %s",
            len(history), settings.epochs, row["loss"], row["accuracy"], row["val_accuracy"],
            history["val_accuracy"].max(), row["rate"], row["seconds"],
            time_left(row["seconds"] * (settings.epochs - len(history))),
        )  # fmt: skip
    _load(network, best)
    return network, history


def answers(network: keras.Model, images: np.ndarray, settings: OwnNetworkSettings) -> np.ndarray:
    """Compute a network's logits, float32 (N, classes), of grey faces, averaged over the views of the settings."""

    def run(pixels: np.ndarray) -> np.ndarray:
        return keras.ops.convert_to_numpy(network.predict_on_batch(filled(pixels)))[: len(pixels)]

    return compact.mean_logits(run, images, size=settings.crop, views=settings.views, classes=network.output_shape[1])


def accuracy(scores: np.ndarray, labels: np.ndarray) -> float:
    """Compute the share of faces whose largest score, of (N, classes), is that of their label, of (N,)."""
    return float((scores.argmax(axis=1) == labels).mean())


def _one_epoch(
    network: keras.Model, settings: OwnNetworkSettings, faces: FaceDataset, history: pd.DataFrame, *, seed: int
) -> dict[str, float]:
    started, epoch, now = time.monotonic(), len(history), rate(settings, history)
    network.optimizer.learning_rate = now
    batches = FaceViews(faces, settings, seed=seed, epoch=epoch)
    fitted = network.fit(batches, initial_epoch=epoch, epochs=epoch + 1, shuffle=False, verbose=0)
    loss, right = (float(fitted.history[name][-1]) for name in ("loss", "accuracy"))
    if not math.isfinite(loss):
        raise FerError(f"The loss is {loss} in epoch {epoch + 1}; lower the learning rate.")
    seconds = round(time.monotonic() - started, 2)
    return {"epoch": epoch + 1, "loss": loss, "accuracy": right, "rate": now, "seconds": seconds}


def _load(network: keras.Model, path: Path) -> None:
    try:
        safe_load.refuse_oversized(path)
        safe_load.load_weights(network, path)
    except FerError:
        raise
    except Exception as error:  # Keras and h5py each raise their own
        raise FerError(
            f"{path.name} in {path.parent} cannot be read ({first_line(error)}); remove that folder and train again."
        ) from None


def _erase(view: np.ndarray, rng: np.random.Generator, largest: float) -> None:
    """Blacken a random rectangle in place (Zhong et al. 2020)."""
    side = len(view)
    area = rng.uniform(min(_SMALLEST_ERASED, largest), largest) * side**2
    stretch = math.exp(rng.uniform(-math.log(_STRETCH), math.log(_STRETCH)) / 2)
    height, width = min(side, round(math.sqrt(area) * stretch)), min(side, round(math.sqrt(area) / stretch))
    top, left = int(rng.integers(side - height + 1)), int(rng.integers(side - width + 1))
    view[top : top + height, left : left + width] = 0
