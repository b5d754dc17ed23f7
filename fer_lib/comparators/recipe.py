"""The shared training recipe of the networks: the same augmentation, steps and epochs for all of them.

Nothing here is tuned on any test face. The learning rates are the project's own for networks with pre-trained weights
(as in liu2023's fine-tuning) and without (as in chen2023), so the tuning budget of each network is one run.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import pandas as pd
from pydantic import Field
from pydantic.dataclasses import dataclass
from sklearn.model_selection import StratifiedGroupKFold

from fer_lib import training
from fer_lib.backend import keras
from fer_lib.comparators.base import Comparator, Part, resized
from fer_lib.datasets.face_dataset import FaceDataset
from fer_lib.datasets.splits import validation_split
from fer_lib.errors import FerError
from fer_lib.models import weights_file
from fer_lib.models.initial_state import BuiltOnce
from fer_lib.models.new_head import with_new_head
from fer_lib.models.trunk import in_batches, one_at_a_time, scaled, split_model
from fer_lib.settings import WEIGHTS_NAMES, ResNetSettings, change
from fer_lib.settings.common import STRICT, Fraction, TrainableTrunk

RATE_FROM_WEIGHTS, RATE_FROM_SCRATCH = 0.0001, 0.001
UNREAD = "kernel_initializer"  # a setting of every training that the recipe leaves at its default
SMALLEST = 32  # pixels: the smallest faces for the networks of keras.applications
MOMENTUM = 0.9  # of the moving averages of networks from scratch: CK+'s epochs have six steps, too few for 0.99


@dataclass(frozen=True, kw_only=True, config=STRICT)
class RecipeSettings(ResNetSettings):
    """The settings of a network's ``recipe``, besides those of chen2023's Table 1 (shifts, rotation, batch size).

    Attributes:
        trainable_trunk: the layers of a trunk that train; all, if the trunk starts from scratch.
        horizontal_flip: whether faces are also mirrored at random.
        optimizer: Adam as chen2023 prints, or AdamW.
        weight_decay: AdamW's weight decay.
        schedule: the learning rate over time: ``"constant"``, or ``"cosine"`` down to zero at the last step.
        warm_up_epochs: the first epochs, over which a cosine's rate rises from zero to ``learning_rate``.
        label_smoothing: the share of each target that is spread evenly over all classes.
        validation_share: the share of training faces held out for ``early_stopping_patience``; subjects stay together.
    """

    trainable_trunk: TrainableTrunk = "all"
    learning_rate: Annotated[float, Field(gt=0.0)] = RATE_FROM_WEIGHTS
    horizontal_flip: bool = False
    optimizer: Literal["adam", "adamw"] = "adam"
    weight_decay: Annotated[float, Field(ge=0.0)] = 0.0
    schedule: Literal["constant", "cosine"] = "constant"
    warm_up_epochs: Annotated[int, Field(ge=0)] = 0
    label_smoothing: Fraction = 0.0
    validation_share: Fraction = 0.0


class Network(Comparator):
    """A network that is trained by the shared recipe; a subclass defines its layers (:meth:`build`).

    Attributes:
        own: changes of the recipe that belong to the comparator itself.
        scaling: the scaling of the pixels if it starts from weights; from scratch, they are divided by 255.
            ``"trunk"`` is as the weights expect, by their card.
        rate_from_scratch: the learning rate if it starts from scratch.
        checkpoints: a folder for the next ``fit`` only, set before it: a killed training continues from there.
        first: as for every comparator; the learning rate is then that of a network with pre-trained weights.
        network_: after ``fit``: the network.
        scaling_: after ``fit``: the scaling that it was trained with.
        settings_: after ``fit``: the settings that it was trained with; not saved.
        built: builds the network once for all trainings with the same parameters.
        history_: after ``fit``: the history of :func:`fer_lib.training.train`, a row an epoch; not saved.
    """

    own: ClassVar[Mapping[str, Any]] = {}
    scaling: ClassVar[str] = "unit"
    rate_from_scratch: ClassVar[float] = RATE_FROM_SCRATCH
    smallest: ClassVar[int] = SMALLEST
    weights = "none"
    checkpoints: str | Path | None = None
    scaling_: str
    settings_: RecipeSettings | None = None
    built: BuiltOnce | None = None

    @property
    def pretrained(self) -> str:
        """``"ImageNet"``, ``"none"``, or the weights file's name."""
        return weights_seen(self.weights)

    @abstractmethod
    def build(self, settings: RecipeSettings, classes: int) -> keras.Model:
        """Build the uncompiled network: faces of ``image_size`` to probabilities (N, classes)."""

    def whole(self) -> keras.Model:
        """Build the network whose outputs are the probabilities of faces that already have its size."""
        return self.network_

    def settings(self) -> RecipeSettings:
        """Apply the comparator's and the caller's changes to the recipe; raise FerError, naming a wrong one."""
        if UNREAD in (self.recipe or {}):
            raise FerError(f"The recipe's {UNREAD} would change nothing of {self.title}; leave it out.")
        scratch = self.weights in ("none", "random_frozen")
        changes = {
            "scaling": "unit" if scratch else self.scaling,
            "learning_rate": self.rate_from_scratch if scratch and self.first is None else RATE_FROM_WEIGHTS,
            "epochs": self.epochs,
            **self.own,
            **(self.recipe or {}),
        }
        if self.weights == "random_frozen" and changes.get("trainable_trunk", "all") == "all":
            changes["trainable_trunk"] = "nothing"
        settings = change(RecipeSettings(), **changes)
        network = self.weights_of or type(self).__name__
        found = weights_file.expected_scaling(self.weights, settings.scaling, network=network)
        return change(settings, scaling=found)

    def _fit(self, images: np.ndarray, codes: np.ndarray, groups: np.ndarray | None) -> None:
        if self.image_size < self.smallest:
            raise FerError(f"image_size is {self.image_size}; {self.title} needs {self.smallest} pixels or more.")
        settings = self.settings()
        self.scaling_, self.settings_ = settings.scaling, settings
        faces = _dataset(resized(images, self.image_size), codes, groups)
        learn, validate = divided(faces, settings, self.seed)
        steps = math.ceil(len(learn) / settings.batch_size)
        self.built = self.built or BuiltOnce()
        build = partial(
            self.built,
            (repr(self.get_params()), repr(settings), steps, len(self.classes_), id(self.first)),
            lambda: compiled(self._untrained(settings), settings, steps),
        )
        self.network_, self.history_ = training.train(
            build,
            settings,
            training=learn,
            validation=validate,
            seed=self.seed,
            checkpoints=self.checkpoints,
            keep_trained=False,
        )

    def _untrained(self, settings: RecipeSettings) -> keras.Model:
        """Build the network, or copy that of ``first`` with a new last layer; uncompiled."""
        if self.first is None:
            return self.build(settings, len(self.classes_))
        return with_new_head(self.first.network_, len(self.classes_))

    def _probabilities(self, images: np.ndarray) -> np.ndarray:
        return self._answers(resized(images, self.image_size))

    def _answers(self, images: np.ndarray) -> np.ndarray:
        """Compute the network's probabilities of faces that already have its size."""
        parts = split_model(self.network_, self.settings_) if self.settings_ else None
        if parts:  # a frozen trunk runs on its engine, as in training
            return parts.predict(images, scaling=self.scaling_)
        run = scaled(one_at_a_time(self.network_), self.scaling_)
        return in_batches(run, images, np.empty((len(images), len(self.classes_)), np.float32))

    def _parts(self) -> dict[str, Part]:
        return {"network": self.network_, "scaling": np.array(self.scaling_)}

    def _restore(self, parts: Mapping[str, Part]) -> None:
        self.network_ = parts["network"]
        # earlier versions did not write it, and knew no cards
        self.scaling_ = str(parts["scaling"]) if "scaling" in parts else self.settings().scaling


def weights_seen(weights: str) -> str:
    """Name a network's ``weights`` for a table."""
    names = dict(zip(WEIGHTS_NAMES, ("ImageNet", "none", "none"), strict=True))
    return names.get(weights) or f"file {Path(weights).name}"


def compiled(model: keras.Model, settings: RecipeSettings, steps: int) -> keras.Model:
    """Compile a network by the recipe; an epoch has so many ``steps``."""
    rate = settings.learning_rate
    if settings.schedule == "cosine":
        warm, total = settings.warm_up_epochs * steps, settings.epochs * steps
        rate = keras.optimizers.schedules.CosineDecay(
            0.0 if warm else rate, max(1, total - warm), warmup_target=rate if warm else None, warmup_steps=warm
        )
    if settings.optimizer == "adamw":
        optimizer = keras.optimizers.AdamW(rate, weight_decay=settings.weight_decay)
    else:
        optimizer = keras.optimizers.Adam(rate)
    loss = keras.losses.CategoricalCrossentropy(label_smoothing=settings.label_smoothing)
    return training.compile_with(model, optimizer, loss)


def _dataset(images: np.ndarray, codes: np.ndarray, groups: np.ndarray | None) -> FaceDataset:
    meta = pd.DataFrame({"label": codes, "split": "Training"})
    if groups is not None:
        meta["subject"] = groups
    return FaceDataset(images, meta, tuple(str(code) for code in range(codes.max() + 1)), "compared")


def divided(faces: FaceDataset, settings: RecipeSettings, seed: int) -> tuple[FaceDataset, FaceDataset]:
    """Split the faces for training and early stopping; if none are held out, the latter are a batch of the former.

    Raises:
        FerError: early stopping has no faces, or there are too few faces or subjects to hold any out.
    """
    share = settings.validation_share
    if settings.early_stopping_patience and not share:
        raise FerError(
            "The recipe has early_stopping_patience but holds out no faces for it; set validation_share as well."
        )
    if not share:
        return faces, faces.take(range(min(len(faces), settings.batch_size)))
    if "subject" not in faces.meta:
        return validation_split(faces, seed, fraction=share)
    subjects = faces.meta["subject"].to_numpy()
    folds, there = max(2, round(1 / share)), len(np.unique(subjects))
    if there < folds:  # scikit-learn 1.8 would go on, and hold out no face, or every one
        raise FerError(f"One in {folds} subjects cannot be held out of {there}; set validation_share to 0.")
    dividing = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    try:
        learn, validate = next(dividing.split(subjects, faces.labels, subjects))
    except ValueError as error:
        raise FerError(f"No share of the subjects can be held out ({error}); set validation_share to 0.") from None
    return faces.take(learn), faces.take(validate)
