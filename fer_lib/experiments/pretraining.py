"""Pre-train a trunk on images of many classes, from random weights; a killed run continues to the same numbers.

Neither paper does this: both start from ImageNet's weights. See :class:`fer_lib.settings.PretrainingSettings`.
"""

from __future__ import annotations

import logging
import math
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pandas as pd

from fer_lib.backend import keras, precision
from fer_lib.errors import FerError
from fer_lib.models.fast_layers import faster
from fer_lib.utils.checkpoints import HISTORY, Checkpoints
from fer_lib.utils.parallel import cores
from fer_lib.utils.pixels import network_input
from fer_lib.utils.progress import time_left

if TYPE_CHECKING:
    from fer_lib.settings import PretrainingSettings

log = logging.getLogger(__name__)

STEPS_A_MESSAGE = 50


class PictureBatches(keras.utils.PyDataset):
    """Batches of network input and one-hot labels, for one epoch.

    Each batch has a random generator of its own, made from the seed, the epoch and the batch's number, so neither the
    order in which threads finish nor a resumed run changes a pixel.
    """

    def __init__(
        self,
        images: np.ndarray,
        labels: np.ndarray,
        settings: PretrainingSettings,
        *,
        classes: int,
        image_size: int,
        augment_with: tuple[int, int] | None = None,
    ) -> None:
        """Take uint8 images (N, H, W, 3), their labels and, for training, ``augment_with=(seed, epoch)``.

        Training batches are shuffled, each image is cropped at random and flipped with even chances, and with
        the chance ``settings.cutmix`` it is changed by :func:`cutmix`. Others are resized as a whole. The last training
        batch is left out if it is not full.
        """
        super().__init__(workers=cores(), use_multiprocessing=False, max_queue_size=8)
        self.images = images
        self.labels = labels
        self.settings = settings
        self.classes = classes
        self.image_size = image_size
        self.augment_with = augment_with
        self.order = np.arange(len(images))
        if augment_with is not None:
            self.order = np.random.default_rng(augment_with).permutation(len(images))

    def __len__(self) -> int:
        size = self.settings.batch_size
        return math.ceil(len(self.images) / size) if self.augment_with is None else max(1, len(self.images) // size)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        size = self.settings.batch_size
        rows = self.order[index * size : (index + 1) * size]
        targets = _one_hot(self.labels[rows], self.classes)
        if self.augment_with is None:
            pictures = np.stack([_resized(self.images[row], self.image_size) for row in rows])
        else:
            rng = np.random.default_rng([*self.augment_with, index])
            smallest = self.settings.smallest_crop
            pictures = np.stack([random_crop(self.images[row], rng, self.image_size, smallest) for row in rows])
            if self.settings.cutmix > 0:
                pictures, targets = cutmix(pictures, targets, rng, self.settings.cutmix)
        return network_input(pictures, self.settings.scaling), targets


def random_crop(image: np.ndarray, rng: np.random.Generator, image_size: int, smallest: float) -> np.ndarray:
    """Cut out a random part of an image, flip it with even chances, and resize it.

    Args:
        image: uint8, shape (H, W, 3).
        rng: random generator.
        image_size: height and width of the result.
        smallest: smallest share of the image's area; the share is uniform between it and 1, and the logarithm of the
            part's width to height uniform between those of 3/4 and 4/3.

    Returns:
        uint8, shape (image_size, image_size, 3).
    """
    height, width = image.shape[:2]
    share, stretch = rng.uniform(smallest, 1.0), math.exp(rng.uniform(math.log(3 / 4), math.log(4 / 3)) / 2)
    side = math.sqrt(share * height * width)
    rows, columns = min(height, max(1, round(side / stretch))), min(width, max(1, round(side * stretch)))
    top, left = int(rng.integers(height - rows + 1)), int(rng.integers(width - columns + 1))
    part = image[top : top + rows, left : left + columns]
    return _resized(part[:, ::-1] if rng.random() < 0.5 else part, image_size)


def cutmix(
    pictures: np.ndarray, targets: np.ndarray, rng: np.random.Generator, share: float
) -> tuple[np.ndarray, np.ndarray]:
    """Replace a rectangle of some pictures by that of another one, and share the target out by area (Yun et al. 2019).

    The rectangle has the picture's proportions, an area that is uniform between none and all of it, and its centre
    anywhere; what lies outside is cut off. Unlike theirs, each picture has a rectangle of its own.

    Args:
        pictures: a batch in random order, shape (N, H, W, 3); the other picture is the one before.
        targets: the classes' shares, shape (N, classes).
        rng: random generator.
        share: the chance of each picture to be changed.

    Returns:
        New pictures and new targets; the targets are float32.
    """
    height, width = pictures.shape[1:3]
    mixed, shares = pictures.copy(), targets.astype(np.float32)
    for index in np.flatnonzero(rng.random(len(pictures)) < share):
        side, row, column = math.sqrt(rng.random()), rng.random() * height, rng.random() * width
        top, bottom = (round(min(height, max(0.0, row + half * side * height))) for half in (-0.5, 0.5))
        left, right = (round(min(width, max(0.0, column + half * side * width))) for half in (-0.5, 0.5))
        mixed[index, top:bottom, left:right] = pictures[index - 1, top:bottom, left:right]
        other = (bottom - top) * (right - left) / (height * width)
        shares[index] = (1 - other) * targets[index] + other * targets[index - 1]
    return mixed, shares


def build(settings: PretrainingSettings, *, classes: int, image_size: int, steps: int) -> keras.Model:
    """Build and compile the network at one size, with random weights.

    Args:
        settings: the recipe.
        classes: number of classes of the images.
        image_size: height and width of the input.
        steps: steps of the whole training, over which the learning rate falls to zero.

    Returns:
        A model of the input, the trunk (as ``keras.applications`` builds it without top, or its fast copy), global
        average pooling, a batch norm if ``head_scale`` asks for one, and a dense layer of ``classes`` logits.
    """
    with precision(settings.precision):
        trunk = getattr(keras.applications, settings.network)(
            include_top=False, weights=None, input_shape=(image_size, image_size, 3), name="trunk"
        )
        if settings.identity_start:
            _start_as_identity(trunk)
        trunk = faster(trunk) if settings.layers == "fast" else trunk
        picture = keras.Input((image_size, image_size, 3), name="picture")
        pooled = keras.layers.GlobalAveragePooling2D(name="pool", dtype="float32")(trunk(picture))
        if settings.head_scale > 0:
            scale = keras.initializers.Constant(settings.head_scale)
            pooled = keras.layers.BatchNormalization(
                center=False, gamma_initializer=scale, name="norm", dtype="float32"
            )(pooled)
        # zeros: the first steps would otherwise go into unlearning random logits
        logits = keras.layers.Dense(classes, kernel_initializer="zeros", name="logits", dtype="float32")(pooled)
        model = keras.Model(picture, logits, name="pretraining")
    warmup = round(settings.warmup_epochs * steps / sum(stage.epochs for stage in settings.stages))
    rate = keras.optimizers.schedules.CosineDecay(
        0.0 if warmup else settings.learning_rate,
        max(1, steps - warmup),
        warmup_target=settings.learning_rate if warmup else None,
        warmup_steps=warmup,
    )
    common: dict[str, Any] = {
        "weight_decay": settings.weight_decay or None,
        "global_clipnorm": settings.largest_gradient or None,
        "use_ema": settings.ema_momentum > 0,
        "ema_momentum": settings.ema_momentum or 0.99,
    }
    if settings.optimizer == "adamw":
        optimizer = keras.optimizers.AdamW(rate, beta_1=settings.momentum, beta_2=0.99, **common)
    else:
        optimizer = keras.optimizers.SGD(rate, momentum=settings.momentum, nesterov=settings.momentum > 0, **common)
    kernels = [weight for weight in model.trainable_variables if len(weight.shape) > 1]
    optimizer.exclude_from_weight_decay([v for v in model.trainable_variables if all(v is not k for k in kernels)])
    model.compile(
        optimizer,
        keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=settings.label_smoothing),
        metrics=[
            keras.metrics.CategoricalAccuracy(name="top1"),
            keras.metrics.TopKCategoricalAccuracy(k=min(5, classes), name="top5"),
        ],
    )
    optimizer.build(model.trainable_variables)
    return model


def train(
    settings: PretrainingSettings,
    *,
    training: tuple[np.ndarray, np.ndarray],
    validation: tuple[np.ndarray, np.ndarray],
    classes: int,
    seed: int = 0,
    checkpoints: str | Path | None = None,
) -> tuple[keras.Model, pd.DataFrame]:
    """Train through all stages, or resume at the last whole epoch.

    Args:
        settings: the recipe.
        training: images, uint8 (N, H, W, 3), and labels, (N,), from 0; a memory-mapped array will do.
        validation: the same, scored after each epoch at that stage's size.
        classes: number of classes.
        seed: fixes the initial weights, shuffling and augmentation.
        checkpoints: a folder for this run alone, named after settings, data and seed; None keeps nothing.

    Returns:
        The trained model of the last stage, and a row for each epoch: ``epoch`` (from 1), ``image_size``, ``loss``
        (nats, with label smoothing), ``top1``, ``top5`` (running means over augmented images), the same with ``val_``
        after the epoch, and ``seconds``.

    Raises:
        FerError: the loss is not a number; the message names the epoch.
    """
    store = Checkpoints(checkpoints, state="epoch-{:03d}.weights.h5")
    history, sizes = store.table(), [stage.image_size for stage in settings.stages for _ in range(stage.epochs)]
    known = {"classes": classes, "steps": len(sizes) * max(1, len(training[0]) // settings.batch_size)}
    model = None
    if len(history):
        model = store.restore(len(history), build(settings, image_size=sizes[len(history) - 1], **known))
    if model is None:
        history = pd.DataFrame()
        # The numbers are those of fer_lib.training.set_seed, which is not imported: the checkpoints' key follows all
        # code that this module imports, and an edit of that one should not discard a pre-training.
        keras.utils.set_random_seed(seed)
        model = build(settings, image_size=sizes[0], **known)
    for epoch in range(len(history), len(sizes)):
        if model.input_shape[1] != sizes[epoch]:
            before, model = model, build(settings, image_size=sizes[epoch], **known)
            _take_over(before, model)
        row = _one_epoch(model, settings, training, validation, classes=classes, seed=seed, epoch=epoch)
        history = pd.concat([history, pd.DataFrame([row])], ignore_index=True)
        if epoch + 1 == len(sizes) and settings.ema_momentum > 0:
            model.optimizer.finalize_variable_values(model.trainable_variables)
        store.save(model, {HISTORY: history})
        log.info(
            "epoch %d of %d at %d pixels: loss %.3f, top-1 %.3f; validation: top-1 %.3f, top-5 %.3f; %.0f s, %s",
            epoch + 1, len(sizes), sizes[epoch], row["loss"], row["top1"], row["val_top1"], row["val_top5"],
            row["seconds"], time_left(row["seconds"] * (len(sizes) - epoch - 1)),
        )  # fmt: skip
    return model, history


def logits(model: keras.Model, images: np.ndarray, settings: PretrainingSettings) -> np.ndarray:
    """Compute a trained model's logits, float32 (N, classes), of uint8 images (N, H, W, 3), resized as a whole."""
    size, classes = model.input_shape[1], model.output_shape[1]
    none = np.zeros(len(images), np.int64)
    batches = PictureBatches(images, none, settings, classes=classes, image_size=size)
    return np.concatenate([np.asarray(model.predict_on_batch(batches[index][0])) for index in range(len(batches))])


def plain_trunk(model: keras.Model, settings: PretrainingSettings) -> keras.Model:
    """Copy a trained model's trunk into Keras' own layers, float32, to save its weights as everyone reads them."""
    with precision("float32"):
        plain = getattr(keras.applications, settings.network)(
            include_top=False, weights=None, input_shape=model.input_shape[1:]
        )
    plain.set_weights(model.get_layer("trunk").get_weights())
    return plain


def _start_as_identity(trunk: keras.Model) -> None:
    """Set the scale of each residual block's last batch norm to 0."""
    for layer in trunk.layers:
        if layer.name.endswith("_3_bn"):
            layer.gamma.assign(keras.ops.zeros_like(layer.gamma))


def _one_epoch(
    model: keras.Model,
    settings: PretrainingSettings,
    training: tuple[np.ndarray, np.ndarray],
    validation: tuple[np.ndarray, np.ndarray],
    *,
    classes: int,
    seed: int,
    epoch: int,
) -> dict[str, float]:
    started, size = time.monotonic(), model.input_shape[1]
    averages = settings.ema_momentum > 0
    trained: list[np.ndarray] = []
    callback = keras.callbacks.LambdaCallback
    known = {"classes": classes, "image_size": size}
    batches = PictureBatches(*training, settings, augment_with=(seed, epoch), **known)
    fitted = model.fit(
        batches,
        initial_epoch=epoch,
        epochs=epoch + 1,
        shuffle=False,
        verbose=0,
        validation_data=PictureBatches(*validation, settings, **known),
        callbacks=[
            callback(on_train_batch_end=_messages(epoch + 1, len(batches))),
            callback(on_epoch_end=lambda *_: trained.extend(model.get_weights() if averages else ())),
        ],
    )
    if averages:  # fit ends by putting the average in the weights' place
        model.set_weights(trained)
    values = {name: float(each[-1]) for name, each in fitted.history.items()}
    if not math.isfinite(values["loss"]):
        raise FerError(f"The loss is {values['loss']} in epoch {epoch + 1}; lower the learning rate.")
    seconds = round(time.monotonic() - started, 2)
    return {"epoch": epoch + 1, "image_size": size, **values, "seconds": seconds}


def _messages(epoch: int, steps: int):
    started = time.monotonic()

    def tell(step: int, logs: dict[str, float]) -> None:
        if (step + 1) % STEPS_A_MESSAGE == 0:
            left = time_left((time.monotonic() - started) / (step + 1) * (steps - step - 1))
            log.info("epoch %d, step %d of %d: loss %.3f, %s in this epoch", epoch, step + 1, steps, logs["loss"], left)

    return tell


def _take_over(before: keras.Model, after: keras.Model) -> None:
    """Copy weights and the optimiser's state to the network of the next stage."""
    after.set_weights(before.get_weights())
    for old, new in zip(before.optimizer.variables, after.optimizer.variables, strict=True):
        new.assign(old)


def _resized(image: np.ndarray, size: int) -> np.ndarray:
    shrinks = min(image.shape[:2]) > size
    return cv2.resize(
        np.ascontiguousarray(image), (size, size), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    )


def _one_hot(labels: np.ndarray, classes: int) -> np.ndarray:
    return np.eye(classes, dtype=np.float32)[labels]
