"""liu2023's hyper-parameter study (section 3.2, Tables 4 and 5): one LeNet, many short trainings.

The training loop is that of the public tutorial program whose settings the paper shares: plain gradient descent over
whole batches in a fixed order, a validation after each epoch, and the patience rule of :func:`follow`. It differs in
three places, each on purpose:

* The program also evaluates whole batches alone, so that with 49 faces and batches of 56 it would measure nothing.
  Here all held-out faces are evaluated; ``whole_batch_faces`` says how many the program would have counted.
* Where patience runs out in the middle of an epoch, the program trains up to that step and throws the result away,
  because it validates at the end of an epoch only. Here that part of an epoch is not trained.
* The test error is measured after each epoch, for the curves; the one reported stands at the best validation error.
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

from fer_lib import faces
from fer_lib.backend import keras
from fer_lib.datasets import FaceDataset
from fer_lib.datasets import corpus as corpora
from fer_lib.errors import FerError
from fer_lib.files import atomic_path, write_text
from fer_lib.models import lenet
from fer_lib.settings import LeNetSettings, Profile, settings_dict, settings_hash
from fer_lib.training import set_seed

log = logging.getLogger(__name__)

REVISION = 1  # of the training loop: raise it where a change gives other numbers, so that stored ones are left alone
SECONDS_BETWEEN_SAVES = 20.0  # the weights have 36 MB; writing them each epoch would take a third of the time
OLIVETTI_FACES = 10  # of each person: eight to learn from, one to validate on, one to test
STUDY_FIELDS = ("corpora", "olivetti_batch_size", "orders", "learning_rates", "n_kerns_grid", "batch_sizes", "seeds")
CONFIGURATION = ["order", "learning_rate", "batch_size", "n_kerns"]


@dataclass(frozen=True)
class Parts:
    """The faces of one study: to learn from, in the order of the unshuffled epochs, to validate on and to test."""

    training: FaceDataset
    validation: FaceDataset
    test: FaceDataset

    @property
    def classes(self) -> int:
        """How many classes there are."""
        return len(self.training.class_names)

    @property
    def faces(self) -> FaceDataset:
        """All faces, with the part that each stands in as its split."""
        parts = {"training": self.training, "validation": self.validation, "testing": self.test}
        meta = pd.concat([part.meta.assign(split=name) for name, part in parts.items()], ignore_index=True)
        return replace(self.training, images=np.concatenate([part.images for part in parts.values()]), meta=meta)

    @property
    def fingerprint(self) -> str:
        """Twelve hexadecimal digits of the three parts' pixels and labels, in row order."""
        return settings_hash([part.fingerprint for part in (self.training, self.validation, self.test)])


def olivetti_parts(faces: FaceDataset) -> Parts:
    """Returns the tutorial program's division: of each person's ten faces eight, one and one, person by person.

    Raises:
        FerError: the rows are not ten faces of each person, one person after the other.
    """
    people = len(faces.class_names)
    if not np.array_equal(faces.labels, np.repeat(np.arange(people), OLIVETTI_FACES)):
        raise FerError(
            f"The {len(faces)} faces of {faces.corpus} are not {OLIVETTI_FACES} of each of {people} people, one person "
            "after the other; give the whole corpus as its loader returns it."
        )
    number = np.arange(len(faces)) % OLIVETTI_FACES
    return Parts(faces.take(number < 8), faces.take(number == 8), faces.take(number == 9))


def ckplus_parts(faces: FaceDataset, settings: LeNetSettings, *, seed: int = 0) -> Parts:
    """Returns 56, 7 and 7 faces of each class drawn at random, each part class by class in the corpus' order.

    "the training dataset is 392 and both the valid dataset and test dataset are 49" (section 3.2.2). Frames are drawn,
    not people, as printed: the parts share people, and pictures of one sequence.

    Raises:
        FerError: a class has too few faces.
    """
    held_out = settings.held_out_per_class
    needed = settings.train_per_class + 2 * held_out
    generator = np.random.default_rng(seed)
    drawn: tuple[list[np.ndarray], ...] = ([], [], [])
    for label, name in enumerate(faces.class_names):
        rows = np.flatnonzero(faces.labels == label)
        if len(rows) < needed:
            raise FerError(
                f"{faces.corpus} has {len(rows)} faces of {name!r}, and the study draws {needed} of each class; lower "
                "train_per_class or held_out_per_class, or give more faces."
            )
        chosen_rows = np.split(generator.permutation(rows)[:needed], [settings.train_per_class, needed - held_out])
        for part, chosen in zip(drawn, chosen_rows, strict=True):
            part.append(np.sort(chosen))
    return Parts(*(faces.take(np.concatenate(part)) for part in drawn))


def load_parts(settings: LeNetSettings, profile: Profile, data_dir: str = "", *, seed: int = 0) -> dict[str, Parts]:
    """Returns the parts of each corpus that the settings name and the data folder holds.

    Args:
        settings: of the study.
        profile: which CK+, and how its photos are cropped.
        data_dir: as for :func:`fer_lib.datasets.corpora.load_ckplus`.
        seed: of the drawing of CK+'s faces.

    Raises:
        FerError: neither corpus is there, or one is damaged.
    """
    parts = {}
    if "ckplus" in settings.corpora:
        photos = corpora.load_ckplus(profile.ckplus, profile.data, data_dir, missing_ok="olivetti" in settings.corpora)
        if len(photos):
            people = faces.face_crops(photos, profile.faces, already_cropped=isinstance(photos, FaceDataset))
            parts["ckplus"] = ckplus_parts(people, settings, seed=seed)
    if "olivetti" in settings.corpora:
        people = corpora.load_olivetti(profile.data, data_dir, missing_ok="ckplus" in parts)
        if len(people):
            parts["olivetti"] = olivetti_parts(people)
    return parts


def named_parts(parts: dict[str, Parts]) -> dict[str, FaceDataset]:
    """Returns every part by a name such as ``"CK+: training"``."""
    return {
        f"{corpora.NAMES[name]}: {which}": getattr(each, which)
        for name, each in parts.items()
        for which in ("training", "validation", "test")
    }


@dataclass(frozen=True)
class Progress:
    """What the patience rule knows after some epochs.

    Attributes:
        best_epoch: from 1; 0 before the first epoch.
        best_error: the lowest validation error so far; infinite before the first epoch.
        patience: the step, counted from 0, after which training stops.
        out_of_patience: whether it stops before another validation.
    """

    best_epoch: int = 0
    best_error: float = math.inf
    patience: float = math.inf
    out_of_patience: bool = False


def follow(errors: list[float], settings: LeNetSettings, *, steps_per_epoch: int) -> Progress:
    """Returns what the tutorial program's patience rule makes of the validation errors of the epochs so far.

    An error lower than the best is the new best. One that is lower than 0.99 of it, at step t, also lets training go on
    to step 2t at least. Training stops at the first step, counted from 0, that has reached the patience; the validation
    at that step, if it ends an epoch, still counts.
    """
    best_epoch, best = 0, math.inf
    patience: float = settings.patience or math.inf
    for epoch, error in enumerate(errors, start=1):
        if error < best:
            if error < best * settings.improvement_threshold:
                patience = max(patience, (epoch * steps_per_epoch - 1) * settings.patience_increase)
            best_epoch, best = epoch, error
    last_step = len(errors) * steps_per_epoch - 1
    reached = bool(errors) and patience <= last_step
    # the next validation is at this step's end of an epoch; a stop in any step before it leaves nothing to measure
    before_next = patience <= last_step + steps_per_epoch - 1
    return Progress(best_epoch, best, patience, reached or before_next)


def train(
    settings: LeNetSettings, parts: Parts, *, seed: int = 0, checkpoints: str | Path | None = None
) -> tuple[dict[str, Any], pd.DataFrame]:
    """Trains one LeNet, or resumes it, and returns what the paper's tables print about it, with its history.

    Args:
        settings: of this training: its ``learning_rate``, ``batch_size``, ``n_kerns`` and ``shuffle``.
        parts: the faces.
        seed: of the initial weights, and of the order of the faces where they are shuffled.
        checkpoints: a folder for this very training; None keeps nothing. It holds ``history.csv``, the weights at the
            best validation error (``best-NNN.weights.h5``), the last weights while training goes on, and ``row.json``
            at its end.

    Returns:
        The row: the configuration, ``best_epoch``, ``best_validation_error``, ``test_error`` (at the best validation),
        ``last_validation_error``, ``last_test_error``, ``epochs``, ``steps``, ``stopped`` (``"patience"``,
        ``"n_epochs"`` or ``"loss not finite"``) and counts of faces. The history: a row an epoch, ``epoch`` (from 1),
        ``loss`` (nats, mean of the steps' batches), ``validation_error``, ``test_error`` and ``seconds``. Errors are
        fractions. A loss that is no finite number ends the training and is recorded, not raised.

    Raises:
        FerError: the training part is smaller than one batch.
    """
    steps = len(parts.training) // settings.batch_size
    if not steps:
        raise FerError(
            f"The training part has {len(parts.training)} faces, less than one batch of {settings.batch_size}, and "
            "only whole batches are trained on; lower the batch size."
        )
    store = _Store(Path(checkpoints)) if checkpoints is not None else None
    history = store.history() if store else []
    if not _stopped(history, settings, steps):
        history = _fit(settings, parts, seed=seed, history=history, store=store)
    row = _row(settings, parts, seed=seed, history=history)
    if store:
        write_text(store.folder / "row.json", json.dumps(row, indent=2, allow_nan=False) + "\n")
    return row, pd.DataFrame(history)


def rows(settings: LeNetSettings, corpus: str) -> list[tuple[str, LeNetSettings]]:
    """Returns the rows of the study on one corpus: the sweep that a row belongs to and the settings of its training.

    ``"learning_rate"`` is Table 4, ``"n_kerns"`` Table 5, ``"batch_size"`` section 3.2.2; each row stands once for each
    order of the faces. The same settings may stand in several sweeps; :func:`run` trains them once.
    """
    base = replace(settings, batch_size=settings.olivetti_batch_size) if corpus == "olivetti" else settings
    found = []
    for order in settings.orders:
        ordered = replace(base, shuffle=order == "shuffled")
        found += [("learning_rate", replace(ordered, learning_rate=rate)) for rate in settings.learning_rates]
        found += [("n_kerns", replace(ordered, n_kerns=maps)) for maps in settings.n_kerns_grid]
        found += [("batch_size", replace(ordered, batch_size=size)) for size in settings.batch_sizes]
    return found


def run(
    settings: LeNetSettings, parts: Parts, *, corpus: str, checkpoints: str | Path | None = None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Trains every row of the study on one corpus from ``settings.seeds`` initial weights, each configuration once.

    The faces are the same for all rows and seeds: what differs between two seeds of a row is the initial weights alone
    (and the order, where it is shuffled), what differs between two rows is the hyper-parameter alone.

    Args:
        settings: of the study.
        parts: the faces.
        corpus: ``"ckplus"`` or ``"olivetti"``: whose batch size is the base one.
        checkpoints: a folder in which each training keeps a folder of its own, named after its settings, faces, seed
            and backend: a finished training costs nothing the second time, a killed one goes on. Two processes may
            share it if they train different rows. None keeps nothing.

    Returns:
        The results, a row a sweep, configuration and seed (see :func:`train`), and the histories, a row an epoch of
        each training, without its loss, of which the paper says nothing.
    """
    study = rows(settings, corpus)
    # seed by seed, so that a run stopped half-way is a whole study of fewer seeds
    trainings = [(each, seed) for seed in range(settings.seeds) for each in dict.fromkeys(each for _, each in study)]
    done: dict[tuple[LeNetSettings, int], tuple[dict[str, Any], pd.DataFrame]] = {}
    started, trained = time.monotonic(), 0
    for number, (each, seed) in enumerate(trainings, start=1):
        folder = Path(checkpoints) / _name(each, parts, corpus=corpus, seed=seed) if checkpoints is not None else None
        is_new = folder is None or not (folder / "row.json").is_file()
        done[each, seed] = train(each, parts, seed=seed, checkpoints=folder)
        _forget_weights(folder)
        trained += is_new
        if is_new:
            minutes = (time.monotonic() - started) / trained * (len(trainings) - number) / 60
            _report_progress(done[each, seed][0], f"{corpus} {number} of {len(trainings)}", minutes)
    results = [
        {"corpus": corpus, "sweep": sweep, **done[each, seed][0]}
        for sweep, each in study
        for seed in range(settings.seeds)
    ]
    histories = [
        history.drop(columns="loss").assign(
            corpus=corpus, seed=row["seed"], **{name: row[name] for name in CONFIGURATION}
        )
        for row, history in done.values()
    ]
    return pd.DataFrame(results), pd.concat(histories, ignore_index=True)


def run_all(
    settings: LeNetSettings, parts: dict[str, Parts], *, checkpoints: str | Path | None = None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Returns :func:`run` of every corpus, put together: results and histories."""
    found = [run(settings, each, corpus=name, checkpoints=checkpoints) for name, each in parts.items()]
    return tuple(pd.concat(frames, ignore_index=True) for frames in zip(*found, strict=True))


def summary(results: pd.DataFrame) -> pd.DataFrame:
    """Returns a row a configuration of each sweep: medians and ranges over the seeds, errors in per cent.

    Columns: ``corpus``, ``sweep``, the configuration, ``runs``; ``validation``, ``test`` and ``epoch``, each as median,
    ``_min`` and ``_max``, at the best validation error; ``at_chance``: the share of runs whose best validation error is
    within one face of that of guessing, 1 - 1 / classes.
    """
    chance, face = 1 - 1 / results["classes"], 1 / results["validation_faces"]
    errors = results.assign(
        validation=results["best_validation_error"] * 100,
        test=results["test_error"] * 100,
        epoch=results["best_epoch"],
        at_chance=results["best_validation_error"] >= chance - face - 1e-9,  # for the rounding of the fractions
    )
    spread = {
        f"{name}{ending}": (name, how)
        for name in ("validation", "test", "epoch")
        for ending, how in (("", "median"), ("_min", "min"), ("_max", "max"))
    }
    groups = errors.groupby(["corpus", "sweep", *CONFIGURATION], sort=False)
    return groups.agg(runs=("seed", "size"), **spread, at_chance=("at_chance", "mean")).reset_index()


@dataclass(frozen=True)
class _Store:
    """One training in a folder: ``history.csv`` tells the whole epochs, ``last-NNN.weights.h5`` are their weights.

    Plain gradient descent has no state but the weights. They are written before the history that names them, and the
    former ones are removed last.
    """

    folder: Path

    def history(self) -> list[dict[str, float]]:
        """Returns the epochs that are kept, none where there are none."""
        path = self.folder / "history.csv"
        if not path.is_file():
            return []
        # Python reads a float to the last bit, so that a resumed history equals an undisturbed one
        return pd.read_csv(path, dtype=str).astype(float).astype({"epoch": int}).to_dict("records")

    def load(self, model: keras.Model, epochs: int) -> bool:
        """Sets the model's weights to those after so many epochs; False, with a warning, where they cannot be read."""
        try:
            model.load_weights(self._weights("last", epochs))
        except (OSError, ValueError, KeyError) as error:
            log.warning("the checkpoint in %s cannot be read (%s); training starts anew", self.folder.name, error)
            return False
        log.info("resumed after epoch %d", epochs)
        return True

    def save(self, model: keras.Model, history: list[dict[str, float]], best: tuple[int, list[np.ndarray]]) -> None:
        """Writes the weights after the history's last epoch, those of the best epoch and, at last, the history."""
        last = self._weights("last", len(history))
        with atomic_path(last) as partial:
            model.save_weights(partial)
        best_epoch, best_weights = best
        kept = self._weights("best", best_epoch)
        if best_weights and not kept.is_file():
            now = model.get_weights()
            model.set_weights(best_weights)
            with atomic_path(kept) as partial:
                model.save_weights(partial)
            model.set_weights(now)
        with atomic_path(self.folder / "history.csv") as partial:
            pd.DataFrame(history).to_csv(partial, index=False)
        for old in self.folder.glob("*.weights.h5"):
            if old not in (last, kept):
                old.unlink()

    def _weights(self, which: str, epoch: int) -> Path:
        return self.folder / f"{which}-{epoch:03d}.weights.h5"


def _fit(
    settings: LeNetSettings, parts: Parts, *, seed: int, history: list[dict[str, float]], store: _Store | None
) -> list[dict[str, float]]:
    """Trains from the end of ``history`` until a rule stops it, and returns the whole history."""
    model = _model(settings, parts, seed=seed)
    if history and not store.load(model, len(history)):
        model, history = _model(settings, parts, seed=seed), []
    epochs = _Epochs(model, settings, parts, seed=seed)
    best_epoch = follow(_errors(history), settings, steps_per_epoch=epochs.steps).best_epoch
    best: tuple[int, list[np.ndarray]] = (best_epoch, [])
    saved = time.monotonic()
    while not _stopped(history, settings, epochs.steps):
        history = [*history, epochs.train(len(history) + 1)]
        best_epoch = follow(_errors(history), settings, steps_per_epoch=epochs.steps).best_epoch
        if store and best_epoch == len(history):
            best = (best_epoch, model.get_weights())
        if store and time.monotonic() - saved >= SECONDS_BETWEEN_SAVES:
            store.save(model, history, best)
            saved = time.monotonic()
    if store:
        store.save(model, history, best)
    return history


class _Epochs:
    """Trains one epoch after the other and measures the held-out faces after each."""

    def __init__(self, model: keras.Model, settings: LeNetSettings, parts: Parts, *, seed: int) -> None:
        self.model = model
        self.seed = seed
        self.settings = settings
        self.pixels, self.labels = _arrays(parts.training, settings), parts.training.labels
        # validation and test faces in one batch: they are few
        self.held_out = np.concatenate([_arrays(parts.validation, settings), _arrays(parts.test, settings)])
        self.held_out_labels = np.concatenate([parts.validation.labels, parts.test.labels])
        self.validation_faces = len(parts.validation)
        self.steps = len(parts.training) // settings.batch_size

    def train(self, epoch: int) -> dict[str, float]:
        """Trains one epoch, counted from 1, and returns its row of the history."""
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
        """Returns the mean of the steps' losses, or the first that is no finite number, at which it stops."""
        size, order = self.settings.batch_size, np.arange(len(self.labels))
        if self.settings.shuffle:
            order = np.random.default_rng([self.seed, epoch]).permutation(order)
        losses = []
        for start in range(0, self.steps * size, size):
            rows = order[start : start + size]
            self.model.reset_metrics()  # older versions of Keras 3 return the mean since then
            losses.append(float(self.model.train_on_batch(self.pixels[rows], self.labels[rows])))
            if not math.isfinite(losses[-1]):
                return losses[-1]
        return float(np.mean(losses))


def _model(settings: LeNetSettings, parts: Parts, *, seed: int) -> keras.Model:
    """Returns the compiled network with the initial weights of a seed; it is the same object for the next seed."""
    image_shape = parts.training.images.shape[1:3]
    set_seed(seed)
    fresh = lenet.build(settings, image_shape=image_shape, classes=parts.classes)
    # what does not change the compiled step is left out of the key
    model = _compiled(replace(settings, learning_rate=1.0, shuffle=False), image_shape, parts.classes)
    model.set_weights(fresh.get_weights())
    model.optimizer.learning_rate = settings.learning_rate
    return model


@lru_cache(maxsize=16)
def _compiled(settings: LeNetSettings, image_shape: tuple[int, int], classes: int) -> keras.Model:
    """Returns a network whose step is compiled once: mean negative log likelihood, plain gradient descent.

    A study trains each configuration from several seeds. A network of its own for each training would cost a second
    and, because TensorFlow keeps the variables of a compiled step, 36 MB that are never given back.
    """
    model = lenet.build(settings, image_shape=image_shape, classes=classes)
    model.compile(
        optimizer=keras.optimizers.SGD(learning_rate=settings.learning_rate),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    return model


def _arrays(faces: FaceDataset, settings: LeNetSettings) -> np.ndarray:
    """Returns the network's input, float32 (N, H, W, 1)."""
    return (faces.images[..., np.newaxis] / settings.pixel_divisor).astype(np.float32)


def _errors(history: list[dict[str, float]]) -> list[float]:
    return [epoch["validation_error"] for epoch in history]


def _stopped(history: list[dict[str, float]], settings: LeNetSettings, steps_per_epoch: int) -> str:
    """Returns why training stops after these epochs; an empty string where it goes on."""
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


def _name(settings: LeNetSettings, parts: Parts, *, corpus: str, seed: int) -> str:
    """Returns the name of one training's folder: it changes with all that changes its numbers."""
    own = {name: value for name, value in settings_dict(settings).items() if name not in STUDY_FIELDS}
    key = settings_hash(own, parts.fingerprint, seed, keras.backend.backend(), REVISION)
    order = "shuffled" if settings.shuffle else "unshuffled"
    maps = "-".join(map(str, settings.n_kerns))
    return f"{corpus}-{order}-rate{settings.learning_rate:g}-batch{settings.batch_size}-maps{maps}-seed{seed}-{key}"


def _forget_weights(folder: Path | None) -> None:
    """Removes the weights of a finished training: two hundred of them would fill fifteen gigabytes."""
    for weights in folder.glob("*.weights.h5") if folder is not None else ():
        weights.unlink()


def _report_progress(row: dict[str, Any], which: str, minutes: float) -> None:
    log.info(
        "lenet %s: %s, learning rate %g, batch %d, n-kerns %s, seed %d: validation %.1f %%, test %.1f %% at epoch %d "
        "of %d; about %.0f min left",
        which, *(row[name] for name in (*CONFIGURATION, "seed")), row["best_validation_error"] * 100,
        row["test_error"] * 100, row["best_epoch"], row["epochs"], minutes,
    )  # fmt: skip
