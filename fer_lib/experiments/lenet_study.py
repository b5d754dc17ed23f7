"""Run liu2023's hyper-parameter study (section 3.2, Tables 4 and 5): one LeNet, many short trainings side by side.

:mod:`fer_lib.experiments.lenet_training` runs one training; this module chooses the faces and the rows and summarises
the results.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fer_lib.backend import DEVICES, keras
from fer_lib.datasets import corpus as corpora
from fer_lib.datasets.catalog import TITLES
from fer_lib.datasets.face_dataset import FaceDataset
from fer_lib.errors import FerError
from fer_lib.experiments.lenet_training import Parts, train
from fer_lib.faces import crops
from fer_lib.settings import LeNetSettings, Profile, settings_dict, settings_hash
from fer_lib.settings.liu2023 import LENET_STUDY_ONLY
from fer_lib.utils import code_hash, parallel
from fer_lib.utils.progress import time_left

log = logging.getLogger(__name__)

OLIVETTI_FACES = 10  # of each subject: eight train, one validates, one tests
CONFIGURATION = ["order", "learning_rate", "batch_size", "n_kerns"]


def olivetti_parts(faces: FaceDataset) -> Parts:
    """Divide the Olivetti faces as the tutorial program does: eight, one and one of each subject's ten faces.

    Raises:
        FerError: the rows are not ten faces of each subject, subject by subject.
    """
    subjects = len(faces.class_names)
    if not np.array_equal(faces.labels, np.repeat(np.arange(subjects), OLIVETTI_FACES)):
        raise FerError(
            f"The {len(faces)} faces of {faces.corpus} are not {OLIVETTI_FACES} of each of {subjects} subjects, one "
            "subject after the other; pass the whole corpus as its loader returns it."
        )
    number = np.arange(len(faces)) % OLIVETTI_FACES
    return Parts(faces.take(number < 8), faces.take(number == 8), faces.take(number == 9))


def ckplus_parts(faces: FaceDataset, settings: LeNetSettings, *, seed: int = 0) -> Parts:
    """Draw 56, 7 and 7 faces of each class at random; each part is sorted by class, then in the corpus' order.

    "the training dataset is 392 and both the valid dataset and test dataset are 49" (section 3.2.2). As printed, frames
    are drawn, not subjects: the parts share subjects, and frames of one sequence.

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
                "train_per_class or held_out_per_class, or add faces."
            )
        chosen_rows = np.split(generator.permutation(rows)[:needed], [settings.train_per_class, needed - held_out])
        for part, chosen in zip(drawn, chosen_rows, strict=True):
            part.append(np.sort(chosen))
    return Parts(*(faces.take(np.concatenate(part)) for part in drawn))


def load_parts(settings: LeNetSettings, profile: Profile, data_dir: str = "", *, seed: int = 0) -> dict[str, Parts]:
    """Load the parts of each corpus that the settings name and the data folder contains.

    Args:
        settings: settings of the study.
        profile: the profile, which decides the release of CK+ and how its photos are cropped.
        data_dir: as for :func:`fer_lib.datasets.corpus.load_ckplus`.
        seed: seed of the random draw of CK+'s faces.

    Raises:
        FerError: neither corpus exists, or one is damaged.
    """
    parts = {}
    if "ckplus" in settings.corpora:
        photos = corpora.load_ckplus(profile.ckplus, profile.data, data_dir, missing_ok="olivetti" in settings.corpora)
        if len(photos):
            faces = crops.face_crops(photos, profile.faces)
            parts["ckplus"] = ckplus_parts(faces, settings, seed=seed)
    if "olivetti" in settings.corpora:
        olivetti = corpora.load_olivetti(profile.data, data_dir, missing_ok="ckplus" in parts)
        if isinstance(olivetti, FaceDataset) and len(olivetti):
            parts["olivetti"] = olivetti_parts(olivetti)
    return parts


def named_parts(parts: dict[str, Parts]) -> dict[str, FaceDataset]:
    """Map names such as ``"CK+: training"`` to the parts."""
    return {
        f"{TITLES[name]}: {which}": getattr(each, which)
        for name, each in parts.items()
        for which in ("training", "validation", "test")
    }


def rows(settings: LeNetSettings, corpus: str) -> list[tuple[str, LeNetSettings]]:
    """List the rows of the study on one corpus: the sweep that a row belongs to and the settings of its training.

    ``"learning_rate"`` is Table 4, ``"n_kerns"`` Table 5, ``"batch_size"`` section 3.2.2; each row occurs once for each
    order of the faces. Several sweeps may contain the same settings; :func:`run` trains them once.
    """
    base = replace(settings, batch_size=settings.olivetti_batch_size) if corpus == "olivetti" else settings
    found = []
    for order in settings.orders:
        ordered = replace(base, shuffle=order == "shuffled")
        found += [("learning_rate", replace(ordered, learning_rate=rate)) for rate in settings.learning_rates]
        found += [("n_kerns", replace(ordered, n_kerns=maps)) for maps in settings.n_kerns_grid]
        found += [("batch_size", replace(ordered, batch_size=size)) for size in settings.batch_sizes]
    return found


@dataclass(frozen=True)
class _Training:
    """One training of the study, and the folder that it is saved in."""

    settings: LeNetSettings
    parts: Parts
    corpus: str
    seed: int
    folder: Path | None

    @property
    def is_finished(self) -> bool:
        return self.folder is not None and (self.folder / "row.json").is_file()

    @property
    def cost(self) -> float:
        """Estimate of the longest training time; a step costs a fixed part plus a part for each face."""
        size = self.settings.batch_size
        return self.settings.n_epochs * (len(self.parts.training) // size) * (10 + size) * sum(self.settings.n_kerns)


def run(
    settings: LeNetSettings, parts: dict[str, Parts], *, checkpoints: str | Path | None = None, jobs: int | None = None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Train every row of the study on each corpus from ``settings.seeds`` initial weights, each configuration once.

    A corpus has the same faces for all rows and seeds. Two seeds of a row differ only in the initial weights (and in
    the order, if it is shuffled); two rows differ only in the hyper-parameter.

    Args:
        settings: settings of the study.
        parts: the faces of each corpus, by its name, ``"ckplus"`` or ``"olivetti"``, which decides the base batch size.
        checkpoints: a folder in which each training has its own folder, named after its settings, faces, seed, code,
            backend and devices: a finished training is read back, an interrupted one continues. Two processes may share
            it if they train different rows. None saves nothing.
        jobs: how many trainings run at the same time, each in a worker process of one thread, so that their number
            changes no bit of the results. 0 trains in this process, one after the other, with all of the backend's
            threads. None means one worker per core, or 0 if there is a GPU, which only one process should use.

    Returns:
        The results, one row per corpus, sweep, configuration and seed (see
        :func:`fer_lib.experiments.lenet_training.train`), and the histories, one row per epoch of each training,
        without its loss, about which the paper says nothing.

    Raises:
        FerError: a training fails, or a worker died; finished trainings are kept.
    """
    if jobs is None:
        jobs = parallel.cores() if all(name.startswith("cpu") for name in DEVICES) else 0
    study = {name: rows(settings, name) for name in parts}
    trainings = {}
    for name, seed in product(parts, range(settings.seeds)):
        for _, each in study[name]:
            key = _name(each, parts[name], corpus=name, seed=seed, threads="one" if jobs else "all")
            folder = Path(checkpoints) / key if checkpoints is not None else None
            trainings[name, each, seed] = _Training(each, parts[name], name, seed, folder)
    done = dict(zip(trainings, _train_all(list(trainings.values()), jobs=jobs), strict=True))
    results = [
        {"corpus": name, "sweep": sweep, **done[name, each, seed][0]}
        for name in parts
        for sweep, each in study[name]
        for seed in range(settings.seeds)
    ]
    histories = [
        history.drop(columns="loss").assign(corpus=name, seed=seed, **{field: row[field] for field in CONFIGURATION})
        for (name, _, seed), (row, history) in done.items()
    ]
    return pd.DataFrame(results), pd.concat(histories, ignore_index=True)


def summary(results: pd.DataFrame) -> pd.DataFrame:
    """Summarise each configuration of each sweep: medians and ranges over the seeds, errors in per cent.

    Columns: ``corpus``, ``sweep``, the configuration, ``runs``; ``validation``, ``test`` and ``epoch``, each as median,
    ``_min`` and ``_max``, at the best validation error; ``at_chance``: the share of runs whose best validation error is
    within one face of the error of guessing, 1 - 1 / classes.
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


def _train_all(trainings: list[_Training], *, jobs: int) -> list[tuple[dict[str, Any], pd.DataFrame]]:
    """Train what is not finished; return the row and the history of each training, in their order."""
    found = {place: _train(each) for place, each in enumerate(trainings) if each.is_finished}
    # seed by seed, so that an interrupted run is a study of fewer seeds; long ones first, so that no core idles
    left = [place for place in range(len(trainings)) if place not in found]
    left.sort(key=lambda place: (trainings[place].seed, -trainings[place].cost))
    started, cost = time.monotonic(), sum(trainings[place].cost for place in left)
    trained = 0.0

    def keep(number: int, result: tuple[dict[str, Any], pd.DataFrame]) -> None:
        nonlocal trained
        each = trainings[left[number]]
        found[left[number]] = result
        trained += each.cost
        seconds = (time.monotonic() - started) * (cost - trained) / trained
        of_corpus = [place for place, other in enumerate(trainings) if other.corpus == each.corpus]
        which = f"{each.corpus} {sum(place in found for place in of_corpus)} of {len(of_corpus)}"
        _report_progress(result[0], which, time_left(seconds))

    parallel.side_by_side(_train, [(trainings[place],) for place in left], jobs=jobs, done=keep)
    return [found[place] for place in range(len(trainings))]


def _train(training: _Training) -> tuple[dict[str, Any], pd.DataFrame]:
    return train(training.settings, training.parts, seed=training.seed, checkpoints=training.folder)


def _name(settings: LeNetSettings, parts: Parts, *, corpus: str, seed: int, threads: str) -> str:
    """Name the folder of one training, after everything that its numbers depend on."""
    # n_epochs stays: a finished training keeps its answers but no weights from which a longer one could continue
    own = {name: value for name, value in settings_dict(settings).items() if name not in LENET_STUDY_ONLY}
    key = settings_hash(own, parts.fingerprint, seed, keras.backend.backend(), DEVICES, threads, code_hash.of(train))
    order = "shuffled" if settings.shuffle else "unshuffled"
    maps = "-".join(map(str, settings.n_kerns))
    return f"{corpus}-{order}-rate{settings.learning_rate:g}-batch{settings.batch_size}-maps{maps}-seed{seed}-{key}"


def _report_progress(row: dict[str, Any], which: str, left: str) -> None:
    log.info(
        "lenet %s: %s, learning rate %g, batch %d, n-kerns %s, seed %d: errors %.1f %% in validation and %.1f %% "
        "in testing at epoch %d of %d; %s",
        which, *(row[name] for name in (*CONFIGURATION, "seed")), row["best_validation_error"] * 100,
        row["test_error"] * 100, row["best_epoch"], row["epochs"], left,
    )  # fmt: skip
