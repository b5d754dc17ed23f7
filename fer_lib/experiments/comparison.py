"""Train and test every comparator on the same faces, folds and seeds: a measured version of liu2023's Table 3.

The comparators are those of :mod:`fer_lib.comparators`; the divisions of CK+ are those of
:mod:`fer_lib.experiments.protocols`, with the same draws as for the paper's own model. Each comparator learns only from
a fold's training faces and answers for its test faces; :mod:`fer_lib.experiments.comparison_scores` computes scores,
intervals and paired tests from the answers. A row with ``fer2013_first`` learns FER-2013 before
(:class:`FirstLearners`).
"""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fer_lib import comparators
from fer_lib.backend import keras
from fer_lib.comparators.base import Comparator
from fer_lib.comparators.recipe import Network
from fer_lib.datasets.face_dataset import FaceDataset
from fer_lib.datasets.splits import groups_of, sample
from fer_lib.errors import FerError
from fer_lib.experiments import protocols
from fer_lib.experiments.comparison_rows import Row
from fer_lib.settings import ComparatorSettings
from fer_lib.settings.comparators import FIRST
from fer_lib.utils.files import atomic_path
from fer_lib.utils.progress import time_left

log = logging.getLogger(__name__)

TIMED_FACES = 128  # faces answered to measure speed: the test faces, repeated as often as needed
Keep = Callable[["Row", "Comparator | None"], object]
MEASURED = ["train_faces", "train_seconds", "faces_a_second"]
COUNTED = ["depth", "parameters", "multiply_adds", "weight_bytes", "activation_bytes"]
"""Columns of a training's costs: measured, and counted in the fitted model (:class:`fer_lib.models.costs.Cost`)."""
COST = ["system", *MEASURED, *COUNTED]


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


class FirstLearners:
    """Comparators that learn FER-2013 from nothing, each trained once and kept for all draws and folds of CK+."""

    def __init__(self, faces: FaceDataset, folder: Path, *, seed: int = 0) -> None:
        """Take the training faces, a folder for exactly these faces, and the seed that draws a part of them."""
        self.faces = faces
        self.folder = folder
        self.seed = seed

    def fitted(self, row: Row) -> tuple[Comparator, float]:
        """Train a ``first`` row's comparator, or read it if it is kept; return it and the seconds of its training."""
        kept, seconds = self.folder / f"{row.key}.model", self.folder / f"{row.key}.seconds"
        if not seconds.is_file():
            comparator = row.create()
            taken = _train(comparator, self.learnt_by(row), None, seconds)
            comparator.save(kept)
            with atomic_path(seconds) as partial:
                partial.write_text(repr(taken), encoding="utf-8")
            log.info("comparator %s has learnt FER-2013 in %.0f s", row.name, taken)
        _forget_epochs(seconds)
        return comparators.load(kept), float(seconds.read_text(encoding="utf-8"))

    def learnt_by(self, row: Row) -> FaceDataset:
        """Take the faces that a row learns from: all, or its number of them with each class's share."""
        if not row.faces:
            return self.faces
        return self.faces.take(sample(self.faces.labels, row.faces, seed=self.seed))


@dataclass(frozen=True)
class FoldAnswers:
    """Answers of comparators about the test faces of every fold.

    Attributes:
        rows: one row per tested face and comparator, in the form of :func:`fer_lib.experiments.protocols.run` for test
            faces (``classifier`` is the row's name).
        probabilities: maps a row's name to the probability of each class, float32, shape (N, C), in the order of its
            ``rows``.
        costs: one row per training: ``COST``. ``faces_a_second`` (answered) is measured after the row's first training,
            whose seconds include the time to build its network.
    """

    rows: pd.DataFrame
    probabilities: Mapping[str, np.ndarray]
    costs: pd.DataFrame


def run_ckplus(
    rows: Sequence[Row],
    found: Sequence[protocols.Division],
    faces: FaceDataset,
    *,
    checkpoints: Path,
    firsts: FirstLearners | None = None,
) -> FoldAnswers:
    """Train and test every comparator on every fold, except those whose answers are in ``checkpoints`` already.

    Args:
        rows: the comparators.
        found: the divisions.
        faces: N faces, with their subjects.
        checkpoints: a folder for exactly these faces and divisions.
        firsts: the comparators that rows with ``first`` continue from; None if there are no such rows.
    """
    subjects = groups_of(faces, "subjects")
    folds = [(each, number) for each in found for number in range(len(each.folds))]
    answers, costs, started, trained = [], [], time.monotonic(), 0
    probabilities: dict[str, list[np.ndarray]] = {row.name: [] for row in rows}
    for place, row in enumerate(rows):
        comparator, speed = row.create(), 0.0  # one for all folds, so that its network is built once
        for done, (division, number) in enumerate(folds, start=place * len(folds) + 1):
            fold = division.folds[number]
            path = checkpoints / f"{row.key}-{division.name}-{number}.npz"
            if not path.is_file():
                if row.first and comparator.first is None:
                    assert firsts is not None
                    comparator.first, _ = firsts.fitted(row.first)
                seconds = _train(comparator, faces.take(fold.train), subjects[fold.train], path)
                shares = _of_all_classes(comparator, faces.images[fold.test], len(faces.class_names))
                speed = speed or _faces_a_second(comparator, faces.images[fold.test])
                _keep(path, _costs(comparator, seconds, speed), {"shares": shares})
                trained += 1
                total = len(rows) * len(folds)
                left = (time.monotonic() - started) / trained * (total - done)
                log.info("fold %d of %d done (%s, %s); %s", done, total, row.name, division.name, time_left(left))
            _forget_epochs(path)
            cost, kept = _kept(path)
            costs.append((row.name, _learnt(row, len(fold.train)), *cost))
            probabilities[row.name].append(kept["shares"])
            frame = pd.DataFrame({"face": fold.test, "label": faces.labels[fold.test]})
            where = {"protocol": division.protocol, "separation": division.separation, "draw": division.draw}
            frame = frame.assign(predicted=kept["shares"].argmax(axis=1), classifier=row.name, fold=number, **where)
            answers.append(frame)
        del comparator
        keras.utils.clear_session()
    found_by = {name: np.concatenate(parts) for name, parts in probabilities.items()}
    return FoldAnswers(pd.concat(answers, ignore_index=True), found_by, pd.DataFrame(costs, columns=COST))


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

    def by_faces(self) -> dict[str, dict[str, np.ndarray]]:
        """Turn the probabilities round: the name of the tested faces -> a row's name -> float32, shape (N, C)."""
        names = next(iter(self.probabilities.values()), {})
        return {name: {row: found[name] for row, found in self.probabilities.items()} for name in names}


def run_whole(
    rows: Sequence[Row],
    learn: FaceDataset,
    asked: Mapping[str, np.ndarray],
    *,
    checkpoints: Path,
    firsts: FirstLearners | None = None,
    keep: Keep | None = None,
) -> WholeAnswers:
    """Train every comparator on one part of a corpus and test it on others, except those in ``checkpoints`` already.

    Args:
        rows: the comparators.
        learn: N training faces.
        asked: maps a name to test faces, uint8 of the same size, shape (M, H, W); M may be 0.
        checkpoints: a folder for exactly these faces.
        firsts: has trained the rows of :func:`~fer_lib.experiments.comparison_rows.first_rows`, or trains them; None
            if there are no such rows.
        keep: called with each row and its trained comparator, or with None if the row's answers are there already; it
            may save the comparator (:func:`fer_lib.predict.keeping.keeper`).

    Raises:
        FerError: a row should learn FER-2013 first, or a comparator that is not optional cannot be trained.
    """
    again = [row.name for row in rows if row.first]
    if again:
        raise FerError(f"The row {again[0]} learns FER-2013 anyway; remove {FIRST} from it in fer2013_rows.")
    answers, costs, missing = {}, [], {}
    for place, row in enumerate(rows, start=1):
        path = checkpoints / f"{row.key}.npz"
        if path.is_file():
            if keep:
                keep(row, None)
        else:
            try:
                comparator, seconds = _trained(row, learn, path, firsts)
            except FerError as error:
                if not comparators.class_of(row.comparator).optional:
                    raise
                missing[row.name] = str(error)
                continue
            found = {name: comparator.predict_proba(images).astype(np.float32) for name, images in asked.items()}
            speed = _faces_a_second(comparator, next(iter(asked.values())))
            if keep:  # before its answers, so that a kill in between repeats both
                keep(row, comparator)
            _keep(path, _costs(comparator, seconds, speed), found)
            del comparator
            keras.utils.clear_session()
            log.info("comparator %d of %d done (%s, %s)", place, len(rows), row.name, learn.corpus)
        _forget_epochs(path)
        cost, kept = _kept(path)
        answers[row.name] = {name: kept[name] for name in asked}
        costs.append((row.name, _learnt(row, row.faces or len(learn)), *cost))
    return WholeAnswers(answers, pd.DataFrame(costs, columns=COST), missing)


def _trained(row: Row, learn: FaceDataset, path: Path, firsts: FirstLearners | None) -> tuple[Comparator, float]:
    """Train a row's comparator on a whole part, or take the one that CK+'s comparators continue from."""
    if row.faces is not None:
        assert firsts is not None
        return firsts.fitted(row)
    comparator = row.create()
    return comparator, _train(comparator, learn, None, path)


def _of_all_classes(comparator: Comparator, images: np.ndarray, classes: int) -> np.ndarray:
    """Compute the probability of each class of the corpus, float32 (N, classes); 0 for one that nobody showed it."""
    shares = np.zeros((len(images), classes), np.float32)
    shares[:, comparator.classes_] = comparator.predict_proba(images)
    return shares


def _costs(comparator: Comparator, seconds: float, speed: float) -> list[float]:
    return [seconds if comparator.learns else np.nan, speed, *map(float, astuple(comparator.cost()))]


def _learnt(row: Row, faces: int) -> float:
    """Count the faces that a row's comparator learnt; NaN if it learns nothing."""
    return faces if comparators.class_of(row.comparator).learns else np.nan


def _keep(path: Path, cost: Sequence[float], arrays: Mapping[str, np.ndarray]) -> None:
    with atomic_path(path) as partial:
        np.savez_compressed(partial, cost=np.array(cost), **arrays)  # type: ignore[arg-type]  # none is allow_pickle


def _kept(path: Path) -> tuple[list[float], dict[str, np.ndarray]]:
    with np.load(path, allow_pickle=False) as kept:
        arrays = dict(kept)
    return arrays.pop("cost").tolist(), arrays


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
