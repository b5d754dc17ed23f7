"""Evaluate classifiers as liu2023 does: 56 + 14 faces a class, 392/49/49 and five folds, in three separations each.

The paper divides CK+ once, by frames (section 2.1, Table 1). Frames of one sequence are nearly the same image, and
frames of one subject show the same face. So this module scores the same classifiers at the same training size with
frames at random, sequences apart and subjects apart; the differences are the leaks. Each classifier also answers for
its training faces, because one reading of the printed accuracy is that of training and test images together.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from fer_lib.datasets.face_dataset import FaceDataset
from fer_lib.datasets.splits import (
    Fold,
    cross_validation,
    draw_parts,
    equal_training_sizes,
    groups_of,
    per_class_split,
)
from fer_lib.settings import CkPlusSettings, ResNet50SvmSettings
from fer_lib.svm import classifiers as svm, grid
from fer_lib.utils.files import atomic_path
from fer_lib.utils.progress import time_left

log = logging.getLogger(__name__)

OWN = "liu2023"
"""Name of the paper's own model among the comparators (:mod:`fer_lib.experiments.comparison`)."""
PER_CLASS = "per class"
FOLDS = "folds"
THREE_PARTS = "three parts"
TRAINING, VALIDATION, TESTING, TOGETHER = "training", "validation", "testing", "together"
INSIDE = "inside"
"""Said of a choice on no edge of its grid, and of a classifier with nothing to search."""
VIEWS_ANSWERED = 12
"""Views of each training face, evenly spread over all, that a classifier answers for; all sixty would take minutes."""


@dataclass(frozen=True)
class Division:
    """One division of a corpus into training and test faces.

    Attributes:
        protocol: ``"per class"`` (Table 1's 56 + 14), ``"three parts"`` (section 2.2's 392/49/49) or ``"folds"``.
        separation: ``"frames"``, ``"sequences"`` or ``"subjects"``: the units that are kept apart.
        draw: number of the draw among those of the same protocol and separation: 0, 1, …
        folds: all folds; the others have one.
        validation: rows of the faces that C and gamma are chosen on, in ``"three parts"``; else None, and the search
            makes folds of the training faces.
    """

    protocol: str
    separation: str
    draw: int
    folds: tuple[Fold, ...]
    validation: np.ndarray | None = None

    @property
    def name(self) -> str:
        """Name for files, such as ``"folds-subjects-0"``."""
        return f"{self.protocol.replace(' ', '_')}-{self.separation}-{self.draw}"


def divisions(faces: FaceDataset, settings: CkPlusSettings, seed: int) -> list[Division]:
    """Draw every division that the settings ask for; those of one protocol train on equally many faces.

    Raises:
        FerError: a class has too few faces, sequences or subjects for them.
    """
    for separation in settings.separations:
        groups_of(faces, separation)  # raises for a corpus without subjects before it counts faces
    found = []
    for draw in range(settings.repeats):
        for separation in settings.separations:
            fold = per_class_split(faces, settings, separation=separation, seed=1000 * seed + draw)
            found.append(Division(PER_CLASS, separation, draw, (fold,)))
    for draw in range(settings.fold_seeds):
        drawn_by = 1000 * seed + draw
        uneven: dict[str, list[Fold]] = {
            separation: cross_validation(faces, settings.folds, separation=separation, seed=drawn_by)
            for separation in settings.separations
        }
        even = equal_training_sizes(uneven, faces.labels, seed=drawn_by)
        found += [Division(FOLDS, separation, draw, tuple(folds)) for separation, folds in even.items()]
    return found


def three_parts(faces: FaceDataset, settings: CkPlusSettings, seed: int) -> list[Division]:
    """Draw section 2.2's three parts, 392/49/49 faces of seven classes: 56, 7 and 7 of each.

    Raises:
        FerError: a class has too few faces, sequences or subjects for them.
    """
    found: list[Division] = []
    if settings.three_parts is None:
        return found
    for draw in range(settings.repeats):
        for separation in settings.separations:
            parts = draw_parts(faces, settings.three_parts, separation=separation, seed=1000 * seed + draw)
            found.append(Division(THREE_PARTS, separation, draw, (Fold(parts[0], parts[2]),), parts[1]))
    return found


def class_counts(division: Division, faces: FaceDataset) -> pd.DataFrame:
    """Count the faces of each class (rows) in the first fold's training and testing part (columns), as in Table 1."""
    fold, classes = division.folds[0], len(faces.class_names)
    parts = {"training": fold.train, "testing": fold.test}
    counts = {name: np.bincount(faces.labels[rows], minlength=classes) for name, rows in parts.items()}
    return pd.DataFrame(counts, index=pd.Index(faces.class_names, name="class"))


def chance(faces: FaceDataset) -> float:
    """Compute the accuracy of guessing if all classes have equally many test faces."""
    return 1 / len(faces.class_names)


def sizes(found: Iterable[Division], faces: FaceDataset) -> pd.DataFrame:
    """Tabulate each protocol and separation: training and test faces per fold, and what the two parts share."""
    rows = []
    for division in found:
        if division.draw:
            continue
        shared = {
            what: np.mean([len(_shared(groups_of(faces, what), fold)) for fold in division.folds])
            for what in ("sequences", "subjects")
        }
        rows.append(
            {
                "protocol": division.protocol,
                "kept apart": division.separation,
                "folds": len(division.folds),
                "training faces a fold": round(np.mean([len(fold.train) for fold in division.folds])),
                "test faces in all": sum(len(fold.test) for fold in division.folds),
                "sequences in both parts": round(shared["sequences"], 1),
                "subjects in both parts": round(shared["subjects"], 1),
            }
        )
    return pd.DataFrame(rows)


def classifiers(kernels: Iterable[str]) -> tuple[str, ...]:
    """List the classifiers on the network's features: an SVM of each kernel, the paper's first, and SoftMax."""
    others = [kernel for kernel in kernels if kernel != "rbf"]
    return (*(f"resnet50_svm_{kernel}" for kernel in ("rbf", *others)), "resnet50_softmax")


def run(
    found: Sequence[Division],
    examples: svm.Examples,
    faces: FaceDataset,
    settings: ResNet50SvmSettings,
    *,
    seed: int = 0,
    checkpoints: Path,
) -> pd.DataFrame:
    """Train and test every classifier on every fold, except those whose answers are in ``checkpoints`` already.

    Besides the classifiers on the network's features there are an SVM on raw pixels and the class priors. Each also
    answers for its fold's training faces, in their untouched form.

    Args:
        found: the divisions.
        examples: the network's features: those of each face itself, which every test uses, and those of its views,
            which the classifiers train on.
        faces: N faces.
        settings: the grids.
        seed: seed of the grid search's folds.
        checkpoints: a folder for exactly this experiment.

    Returns:
        A DataFrame with one row per answered face and classifier: ``protocol``, ``separation``, ``draw``, ``fold``,
        ``classifier``, ``part`` (``"training"``, ``"testing"`` or, of three parts, ``"validation"``), ``face`` (its row
        in ``faces``), ``label``, ``predicted``, and the chosen ``C`` and ``gamma``; and of each fit ``views_accuracy``
        (on ``VIEWS_ANSWERED`` views of each training face; NaN if it learnt from the faces alone) and ``edge`` (the
        edges of the grid that the choice lies on, :func:`fer_lib.svm.grid.edges`). A model's scores use only
        ``protocol_scores.testing``; ``together`` and ``fits`` show the training faces next to them. Without divisions
        it is empty.
    """
    frames, started, trained = [], time.monotonic(), 0
    if not found:
        return pd.DataFrame()
    jobs = [(division, number) for division in found for number in range(len(division.folds))]
    for place, (division, number) in enumerate(jobs, start=1):
        path = checkpoints / f"{division.name}-{number}.csv"
        if not path.is_file():
            fold = division.folds[number]
            kernels = settings.kernels_in_folds if division.protocol == FOLDS else settings.kernels
            # pixels_svm is the baseline to beat; class_priors knows only how many faces each class has
            raw = svm.Examples(svm.pixels(faces.images), examples.labels, examples.groups)
            seen = dict.fromkeys(classifiers(kernels), examples) | {"pixels_svm": raw, "class_priors": raw}
            test = partial(answer, fold=fold, settings=settings, seed=seed, validation=division.validation)
            rows = [test(name, each) for name, each in seen.items()]
            with atomic_path(path) as unfinished:
                pd.concat(rows, ignore_index=True).to_csv(unfinished, index=False)
            trained += 1
            left = (time.monotonic() - started) / trained * (len(jobs) - place)
            log.info("fold %d of %d done (%s); %s", place, len(jobs), division.name, time_left(left))
        where = {"protocol": division.protocol, "separation": division.separation, "draw": division.draw}
        frames.append(pd.read_csv(path).assign(fold=number, **where))
    return pd.concat(frames, ignore_index=True)


def answer(
    classifier: str,
    examples: svm.Examples,
    fold: Fold,
    *,
    settings: ResNet50SvmSettings,
    seed: int,
    validation: np.ndarray | None = None,
) -> pd.DataFrame:
    """Train one classifier on a fold's training faces and return its answers about them and the test faces.

    With ``validation`` (rows of other faces) the search chooses on these faces, and the answers cover them too.
    """
    learnt = examples.take(fold.train)
    parts = {TRAINING: fold.train, TESTING: fold.test}
    if validation is None:
        fitted = svm.fit(classifier, learnt, settings=settings, seed=seed)
    else:
        parts[VALIDATION] = validation
        chosen, table = dict[str, float](), None
        if classifier in svm.SEARCHED:
            held_out = [Fold(fold.train, validation)]
            chosen, table = svm.search(classifier, examples, settings=settings, seed=seed, folds=held_out)
        fitted = svm.fit_with(classifier, learnt, parameters=chosen, settings=settings, seed=seed)
        fitted = replace(fitted, search=table)
    answers = []
    for part, rows in parts.items():
        predicted = svm.predict(fitted, examples.originals[rows])
        answers.append(
            pd.DataFrame({"face": rows, "label": examples.labels[rows], "predicted": predicted, "part": part})
        )
    found = pd.concat(answers, ignore_index=True).assign(classifier=classifier, **fitted.parameters)
    return found.assign(views_accuracy=views_accuracy(fitted, learnt), edge=edge_of(fitted))


def edge_of(fitted: svm.Fitted) -> str:
    """Name the edges of the grid that a search's choice lies on, such as ``"C highest"``, or ``INSIDE``."""
    return "; ".join(() if fitted.search is None else grid.edges(fitted.search)) or INSIDE


def views_accuracy(fitted: svm.Fitted, learnt: svm.Examples) -> float:
    """Compute the accuracy on ``VIEWS_ANSWERED`` views of each face that was learnt; NaN if no views were."""
    if learnt.views is None:
        return np.nan
    pictures, labels = learnt.some_views(VIEWS_ANSWERED).pictures()
    return float((svm.predict(fitted, pictures) == labels).mean())


def _shared(groups: np.ndarray, fold: Fold) -> set[int]:
    return set(groups[fold.train]) & set(groups[fold.test])
