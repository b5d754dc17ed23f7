"""Train and test every comparator on the same faces, folds and seeds: a measured version of liu2023's Table 3.

The comparators are those of :mod:`fer_lib.comparators`; the divisions of CK+ are those of
:mod:`fer_lib.experiments.protocols`, with the same draws as for the paper's own model. Each comparator learns only from
a fold's training faces and answers for its test faces; :mod:`fer_lib.experiments.comparison_scores` computes scores,
intervals and paired tests from the answers.
"""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fer_lib import comparators, provenance
from fer_lib.backend import keras
from fer_lib.comparators.base import Comparator
from fer_lib.comparators.recipe import Network
from fer_lib.datasets.face_dataset import FaceDataset
from fer_lib.datasets.splits import groups_of
from fer_lib.errors import FerError, nearest
from fer_lib.experiments import protocols
from fer_lib.settings import WEIGHTS_NAMES, ComparatorSettings, settings_hash
from fer_lib.settings.comparators import Rows
from fer_lib.utils import code_hash
from fer_lib.utils.files import atomic_path, file_sha256
from fer_lib.utils.progress import time_left

log = logging.getLogger(__name__)

TIMED_FACES = 128  # faces answered to measure speed: the test faces, repeated as often as needed
Keep = Callable[["Row", "Comparator | None"], object]
COST = ["system", "train_faces", "train_seconds", "faces_a_second"]


@dataclass(frozen=True)
class Row:
    """Comparator with its parameters: one row of the settings and of the table.

    Attributes:
        name: key in the settings: the comparator's name, then a hyphen and a word if the row is a variation of it.
        comparator: a key of :data:`fer_lib.comparators.COMPARATORS`.
        parameters: the comparator's parameters by name.
    """

    name: str
    comparator: str
    parameters: Mapping[str, Any]

    def create(self) -> Comparator:
        """Create the comparator, unfitted."""
        return comparators.create(self.comparator, **self.parameters)

    @cached_property
    def key(self) -> str:
        """Name for files; it changes with the parameters, the comparator's code and the files that it looks for."""
        named = {key: _content(each) if isinstance(each, str) else each for key, each in self.parameters.items()}
        named["files"] = [file_sha256(path) for path in comparators.create(self.comparator, **self.parameters).files()]
        if engine := provenance.varying_engine(self.parameters):
            named["engine"] = engine
        return f"{self.name}-{settings_hash(named, code_hash.of(comparators.class_of(self.comparator)))}"


def _content(parameter: str) -> str:
    """Hash the file that a parameter names; if there is none, return the last part of the parameter."""
    path = Path(parameter)
    return file_sha256(path) if path.is_file() else path.name


def rows_of(given: Rows, settings: ComparatorSettings, *, epochs: int, seed: int) -> list[Row]:
    """List the rows of the settings, each with all parameters that decide its answers; skip repeated rows.

    Args:
        given: ``settings.ckplus_rows`` or ``settings.fer2013_rows``.
        settings: settings with the weights and the trunk of the comparators that have them.
        epochs: number of epochs of each network whose row does not set it.
        seed: seed of every comparator.

    Raises:
        FerError: there is no such comparator or parameter, or ``settings.reference`` is not a row or is optional.
    """
    found: dict[str, Row] = {}
    for name, changes in given.items():
        comparator = name.split("-")[0]
        kind = comparators.class_of(comparator)
        parameters = _defaults(kind, settings, epochs=epochs, seed=seed) | dict(changes)
        known = comparators.create(comparator, **parameters).get_params()  # raises if a parameter does not exist
        found.setdefault(settings_hash({"comparator": comparator, **known}), Row(name, comparator, parameters))
    names = [row.name for row in found.values()]
    if settings.reference not in names:
        hint = nearest(settings.reference, names)
        raise FerError(f"The reference {settings.reference!r} is not a row{hint}; the rows are {', '.join(names)}.")
    if comparators.class_of(settings.reference.split("-")[0]).optional:
        raise FerError(f"The reference {settings.reference!r} may be missing on another computer; name another row.")
    return list(found.values())


def divisions(
    faces: FaceDataset, settings: ComparatorSettings, division: Any, *, seed: int
) -> list[protocols.Division]:
    """List the divisions to compare on: the first of notebook 04's, and of its folds those with subjects apart.

    Raises:
        FerError: a class has too few faces for them, or ``settings.separations`` names one that ``division`` lacks.
    """
    missing = [kind for kind in settings.separations if kind not in division.separations]
    if missing:
        raise FerError(f"separations names {missing[0]!r}, which ckplus lacks; it has {division.separations}.")
    found = [
        each
        for each in protocols.divisions(faces, division, seed)
        if (each.protocol == protocols.PER_CLASS and each.draw < settings.draws)
        or (each.protocol == protocols.FOLDS and each.draw < settings.fold_seeds and each.separation == "subjects")
    ]
    return [each for each in found if each.separation in settings.separations]


def run_ckplus(
    rows: Sequence[Row], found: Sequence[protocols.Division], faces: FaceDataset, *, checkpoints: Path
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Train and test every comparator on every fold, except those whose answers are in ``checkpoints`` already.

    Args:
        rows: the comparators.
        found: the divisions.
        faces: N faces, with their subjects.
        checkpoints: a folder for exactly these faces and divisions.

    Returns:
        The answers, one row per tested face and comparator, in the form of :func:`fer_lib.experiments.protocols.run`
        for test faces (``classifier`` is the row's name); and the costs, one row per training: ``system``,
        ``train_faces``, ``train_seconds``, ``faces_a_second`` (answered; measured after the row's first training). A
        row's first training includes the time to build its network.
    """
    subjects = groups_of(faces, "subjects")
    folds = [(each, number) for each in found for number in range(len(each.folds))]
    answers, costs, started, trained = [], [], time.monotonic(), 0
    for place, row in enumerate(rows):
        comparator, speed = row.create(), 0.0  # one for all folds, so that its network is built once
        for done, (division, number) in enumerate(folds, start=place * len(folds) + 1):
            fold = division.folds[number]
            path = checkpoints / f"{row.key}-{division.name}-{number}.csv"
            if not path.is_file():
                seconds = _train(comparator, faces.take(fold.train), subjects[fold.train], path)
                predicted = comparator.predict(faces.images[fold.test])
                frame = pd.DataFrame({"face": fold.test, "label": faces.labels[fold.test], "predicted": predicted})
                speed = speed or _faces_a_second(comparator, faces.images[fold.test])
                with atomic_path(path) as partial:
                    frame.assign(train_seconds=seconds, faces_a_second=speed).to_csv(partial, index=False)
                trained += 1
                total = len(rows) * len(folds)
                left = (time.monotonic() - started) / trained * (total - done)
                log.info("fold %d of %d done (%s, %s); %s", done, total, row.name, division.name, time_left(left))
            _forget_epochs(path)
            frame = pd.read_csv(path)
            seconds, speed = frame.pop("train_seconds")[0], frame.pop("faces_a_second")[0]
            costs.append((row.name, len(fold.train), seconds, speed))
            where = {"protocol": division.protocol, "separation": division.separation, "draw": division.draw}
            answers.append(frame.assign(classifier=row.name, fold=number, **where))
        del comparator
        keras.utils.clear_session()
    return pd.concat(answers, ignore_index=True), pd.DataFrame(costs, columns=COST)


@dataclass(frozen=True)
class WholeAnswers:
    """Answers of comparators that were each trained on one whole part of a corpus.

    Attributes:
        probabilities: maps a row's name to a map from the name of the tested faces to float32, shape (N, C).
        costs: one row per training, as from :func:`run_ckplus`.
        missing: maps the name of a row that could not be run to the reason, such as a package that is not installed.
    """

    probabilities: Mapping[str, Mapping[str, np.ndarray]]
    costs: pd.DataFrame
    missing: Mapping[str, str]


def run_whole(
    rows: Sequence[Row],
    learn: FaceDataset,
    asked: Mapping[str, np.ndarray],
    *,
    checkpoints: Path,
    keep: Keep | None = None,
) -> WholeAnswers:
    """Train every comparator on one part of a corpus and test it on others, except those in ``checkpoints`` already.

    Args:
        rows: the comparators.
        learn: N training faces.
        asked: maps a name to test faces, uint8 of the same size, shape (M, H, W); M may be 0.
        checkpoints: a folder for exactly these faces.
        keep: called with each row and its trained comparator, or with None if the row's answers are there already; it
            may save the comparator (:func:`fer_lib.predict.keeping.keeper`).
    """
    answers, costs, missing = {}, [], {}
    for place, row in enumerate(rows, start=1):
        path = checkpoints / f"{row.key}.npz"
        if path.is_file():
            if keep:
                keep(row, None)
        else:
            try:
                comparator = row.create()
                seconds = _train(comparator, learn, None, path)
            except FerError as error:
                if not comparators.class_of(row.comparator).optional:
                    raise
                missing[row.name] = str(error)
                continue
            first = next(iter(asked.values()))
            found = {name: comparator.predict_proba(images).astype(np.float32) for name, images in asked.items()}
            cost = np.array([seconds, _faces_a_second(comparator, first)])
            if keep:  # before its answers, so that a kill in between repeats both
                keep(row, comparator)
            with atomic_path(path) as partial:
                np.savez_compressed(partial, cost=cost, **found)  # type: ignore[arg-type]  # none is allow_pickle
            del comparator
            keras.utils.clear_session()
            log.info("comparator %d of %d done (%s, %s)", place, len(rows), row.name, learn.corpus)
        _forget_epochs(path)
        with np.load(path, allow_pickle=False) as kept:
            answers[row.name] = {name: kept[name] for name in asked}
            costs.append((row.name, len(learn), *kept["cost"].tolist()))
    return WholeAnswers(answers, pd.DataFrame(costs, columns=COST), missing)


def _forget_epochs(path: Path) -> None:
    """Delete the epochs of a comparator whose answers are on disk, in case a kill prevented it before."""
    shutil.rmtree(path.with_suffix(""), ignore_errors=True)


def _train(comparator: Comparator, faces: FaceDataset, groups: np.ndarray | None, path: Path) -> float:
    """Fit a comparator, and return the seconds that it took; those before a kill count."""
    epochs = path.with_suffix("")
    before = _seconds_so_far(epochs)
    if isinstance(comparator, Network):
        comparator.checkpoints = epochs
    started = time.monotonic()
    comparator.fit(faces.images, faces.labels, groups)
    return before + time.monotonic() - started


def _seconds_so_far(epochs: Path) -> float:
    """Sum the seconds of the epochs that an earlier process trained."""
    history = epochs / "history.csv"
    return float(pd.read_csv(history)["seconds"].sum()) if history.is_file() else 0.0


def _faces_a_second(comparator: Comparator, images: np.ndarray) -> float:
    """Measure how many faces a fitted comparator answers per second; it must have answered before."""
    many = np.resize(images, (TIMED_FACES, *images.shape[1:]))
    started = time.monotonic()
    comparator.predict_proba(many)
    return TIMED_FACES / max(time.monotonic() - started, 1e-9)


def _defaults(kind: type[Comparator], settings: ComparatorSettings, *, epochs: int, seed: int) -> dict[str, Any]:
    """Derive a comparator's parameters from the settings that all comparators share."""
    known = kind().get_params()
    given: dict[str, Any] = {"seed": seed}
    if "weights" in known:
        own = settings.weights in WEIGHTS_NAMES or kind.weights_of == "ResNet50"
        given["weights"] = settings.weights if own else "none"
    if "trunk" in known:
        given["trunk"] = f"{settings.trunk_engine}-{settings.trunk_precision}"
    if issubclass(kind, Network):
        given["epochs"] = epochs
    return given
