"""Split faces into training, validation and test: chen2023's 8:2 (section 2.1), liu2023's 56 + 14 (Table 1), folds.

For liu2023 each division comes in three *separations*, the rule for what training and test faces may share:
``"frames"`` (no rule: any frame may be in either part, as printed), ``"sequences"`` (the frames of one sequence stay
together) and ``"subjects"`` (the frames of one subject stay together: subject-independent, the usual standard on CK+).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold, train_test_split

from fer_lib.datasets.face_dataset import FaceDataset
from fer_lib.errors import FerError
from fer_lib.settings import CkPlusSettings, DataSettings
from fer_lib.settings.common import Separation, SplitMethod

METHODS: tuple[SplitMethod, ...] = get_args(SplitMethod)
SEPARATIONS: tuple[Separation, ...] = get_args(Separation)
DRAWS = 1000  # most tries to divide whole groups so that every part has its faces of every class


@dataclass(frozen=True)
class Fold:
    """A division of faces: rows to train on and rows to test on, int64, ascending, without a common row."""

    train: np.ndarray
    test: np.ndarray


def three_parts(faces: FaceDataset, settings: DataSettings, seed: int) -> tuple[FaceDataset, FaceDataset, FaceDataset]:
    """Split into the faces to train, validate and test on, as a profile's data settings ask for it."""
    training, validation = validation_split(
        faces.part("Training"), seed, fraction=settings.validation_fraction, method=settings.validation_split
    )
    return training, validation, faces.part(settings.test_split)


def readings(training: FaceDataset, seed: int) -> pd.DataFrame:
    """Compare the readings of "8:2": a row each, with both sizes and the validation faces per class.

    A reading that these faces are too few for has no row.
    """
    rows = []
    for method in METHODS:
        try:
            train, validation = validation_split(training, seed, method=method)
        except FerError:
            continue
        counts = np.bincount(validation.labels, minlength=len(training.class_names)).tolist()
        sizes = {"training": len(train), "validation": len(validation)}
        rows.append({"reading": method, **sizes, **dict(zip(training.class_names, counts, strict=True))})
    return pd.DataFrame(rows)


def validation_split(
    training: FaceDataset, seed: int, *, fraction: float = 0.2, method: str = "stratified"
) -> tuple[FaceDataset, FaceDataset]:
    """Split into the faces to train on and to validate on: "an 8:2 ratio is used to divide the dataset".

    Args:
        training: the official training part.
        seed: gives the same split for the same faces, whatever file they came from.
        fraction: the share of faces to validate on.
        method: ``"stratified"`` by class, ``"unstratified_ceil"`` (5,742 of 28,709), ``"unstratified_floor"`` (5,741),
            ``"per_class_floor"`` (5,741: a fifth of each class, rounded down).

    Raises:
        FerError: a class has too few faces to be in both parts.
        ValueError: ``method`` is none of these.
    """
    if method not in METHODS:
        raise ValueError(f"method is {method!r}; it should be one of {METHODS}")
    try:
        validation_rows = _validation_rows(training.labels, seed, fraction, method)
    except ValueError as error:
        raise FerError(
            f"The {len(training)} training faces cannot be split 8:2 ({error}); give more faces of each class."
        ) from None
    return training.take(np.setdiff1d(np.arange(len(training)), validation_rows)), training.take(validation_rows)


def _validation_rows(labels: np.ndarray, seed: int, fraction: float, method: str) -> np.ndarray:
    """Draw the rows to validate on, ascending.

    Raises:
        ValueError: there are too few faces, or too few of a class.
    """
    if method == "per_class_floor":
        rng = np.random.default_rng(seed)
        drawn = []
        for label in np.unique(labels):
            rows = rng.permutation(np.flatnonzero(labels == label))
            drawn.append(rows[: math.floor(fraction * len(rows))])
        if not all(map(len, drawn)):
            raise ValueError(f"{fraction:g} of the least populated class is less than one face")
        return np.sort(np.concatenate(drawn))
    size = math.floor(fraction * len(labels)) if method == "unstratified_floor" else fraction
    stratify = labels if method == "stratified" else None
    _, rows = train_test_split(np.arange(len(labels)), test_size=size, random_state=seed, stratify=stratify)
    return np.sort(rows)


def groups_of(faces: FaceDataset, separation: str) -> np.ndarray:
    """Number each face's group, int64 of shape (N,): faces of one group are never on both sides of a division.

    Raises:
        ValueError: ``separation`` is none of ``SEPARATIONS``.
        FerError: the corpus does not say which subject, or which sequence, a face belongs to.
    """
    if separation not in SEPARATIONS:
        raise ValueError(f"separation is {separation!r}; it should be one of {SEPARATIONS}")
    if separation == "frames":
        return np.arange(len(faces))
    if separation.removesuffix("s") not in faces.meta:
        layout = faces.notes.get("layout", "this release")
        raise FerError(
            f"{faces.corpus} ({layout}) does not name the {separation} of its faces, and divisions, intervals and "
            "searches of this project need them; use a release that names them (of CK+ the owners' tree or the 48 x 48 "
            "faces)."
        )
    return pd.factorize(faces.meta[separation.removesuffix("s")], sort=True)[0].astype(np.int64)


def per_class_split(faces: FaceDataset, settings: CkPlusSettings, *, separation: str, seed: int) -> Fold:
    """Draw liu2023's own division (Table 1): 56 training and 14 test faces of each class.

    Raises:
        FerError: a class has too few faces, or no division of whole groups was found.
    """
    sizes = (settings.train_per_class, settings.test_per_class)
    return Fold(*draw_parts(faces, sizes, separation=separation, seed=seed))


def draw_parts(
    faces: FaceDataset, sizes: Sequence[int], *, separation: str = "frames", seed: int = 0
) -> list[np.ndarray]:
    """Draw the rows of disjoint parts with exactly ``sizes[k]`` faces of each class in part k.

    Table 1's 56 + 14 is ``sizes=(56, 14)``, section 2.2's 392/49/49 of seven classes ``sizes=(56, 7, 7)``. Whole groups
    are drawn in a random order into the last part, then into the one before it; the first part takes the rest. Then
    the wanted number of faces is drawn of each part and class.

    Raises:
        FerError: a class has too few faces, or no division of whole groups was found.
    """
    counts = np.bincount(faces.labels, minlength=len(faces.class_names))
    scarce = [name for name, count in zip(faces.class_names, counts, strict=True) if count < sum(sizes)]
    wanted = " + ".join(map(str, sizes))
    if scarce:
        held = counts[faces.class_names.index(scarce[0])]
        raise FerError(
            f"{faces.corpus} has {held} faces of {scarce[0]}, fewer than the {wanted} asked for; lower train_per_class "
            "and similar settings in the profile, or leave the class out."
        )
    rng = np.random.default_rng([seed, SEPARATIONS.index(separation)])
    groups, labels = groups_of(faces, separation), faces.labels
    for _ in range(DRAWS):
        part_of_group = _groups_to_parts(labels, groups, sizes, rng)
        if part_of_group is not None:
            return [_draw(labels, part_of_group[groups] == part, size, rng) for part, size in enumerate(sizes)]
    raise FerError(
        f"No division of {faces.corpus} into {wanted} faces of each class keeps its {separation} apart (of {DRAWS:,} "
        "tries); lower train_per_class or test_per_class in the profile."
    )


def cross_validation(faces: FaceDataset, folds: int, *, separation: str, seed: int) -> list[Fold]:
    """Make the folds of a stratified cross-validation; every face is tested once.

    Raises:
        FerError: a class has fewer faces, or fewer groups, than there are folds.
    """
    labels, groups = faces.labels, groups_of(faces, separation)
    for label, name in enumerate(faces.class_names):
        held = len(np.unique(groups[labels == label]))
        if held < folds:
            raise FerError(
                f"{faces.corpus} has {held} {separation} with {name}, too few for {folds} folds; "
                "lower folds in the profile."
            )
    options = {"n_splits": folds, "shuffle": True, "random_state": seed}
    if separation == "frames":
        divisions = StratifiedKFold(**options).split(labels, labels)
    else:
        divisions = StratifiedGroupKFold(**options).split(labels, labels, groups)
    return [Fold(train, test) for train, test in divisions]


def equal_training_sizes(
    divisions: Mapping[str, Sequence[Fold]], labels: np.ndarray, *, seed: int = 0
) -> dict[str, list[Fold]]:
    """Reduce divisions to equally many training faces of each class in every fold of every separation.

    The smallest fold sets the number; in the others training faces are left out at random. Separations then differ in
    the rule for what is kept apart, not in the number of training faces. Test faces stay as they are.

    Args:
        divisions: the folds of each separation; their rows are places in ``labels``.
        labels: int, shape (N,).
        seed: seed of the faces that are left out.
    """
    classes = int(labels.max()) + 1
    counts = [np.bincount(labels[fold.train], minlength=classes) for folds in divisions.values() for fold in folds]
    target = np.min(counts, axis=0)
    rng = np.random.default_rng([seed, len(SEPARATIONS)])
    return {
        name: [Fold(_thinned(labels, fold.train, target, rng), fold.test) for fold in folds]
        for name, folds in divisions.items()
    }


def search_folds(labels: np.ndarray, groups: np.ndarray | None, *, count: int, seed: int) -> list[Fold]:
    """Make folds of training faces for searching a classifier's settings: subjects apart, classes in proportion.

    There are fewer than ``count`` folds if there are fewer subjects or fewer faces of the largest class. Each fold
    trains on at least two classes.

    Args:
        labels: shape (N,).
        groups: each face's subject, shape (N,); None if unknown.
        count: the number of folds.
        seed: of the division.

    Raises:
        FerError: nothing can be held out: there is only one subject, or the others do not have two classes.
    """
    groups = np.arange(len(labels)) if groups is None else np.asarray(groups)
    classes, codes = np.unique(labels, return_inverse=True)
    subjects, largest = len(np.unique(groups)), int(np.bincount(codes).max())
    folds = []
    if subjects > 1 and largest > 1:
        dividing = StratifiedGroupKFold(min(count, subjects, largest), shuffle=True, random_state=seed)
        with warnings.catch_warnings():  # a class with fewer faces than folds is missing from some
            warnings.filterwarnings("ignore", message="The least populated class", category=UserWarning)
            folds = [Fold(*rows) for rows in dividing.split(groups, codes, groups)]
    folds = [fold for fold in folds if len(fold.test) and len(np.unique(codes[fold.train])) > 1]
    if not folds:
        raise FerError(
            f"Nothing can be searched on {len(labels)} training faces of {subjects} subjects and {len(classes)} "
            "classes, because the search holds out whole subjects and needs two classes among the others; give faces "
            "of more subjects."
        )
    return folds


def sample(labels: np.ndarray, size: int, *, seed: int) -> np.ndarray:
    """Sample ``size`` of the rows of labels (N,), ascending, with each class's share; all rows if there are not more.

    Raises:
        FerError: the sample, or what is left of the rows, would be smaller than the number of classes.
    """
    rows = np.arange(len(labels))
    if len(rows) <= size:
        return rows
    try:
        return np.sort(train_test_split(rows, train_size=size, random_state=seed, stratify=labels)[0])
    except ValueError as error:
        raise FerError(
            f"{size} of {len(rows)} faces cannot be drawn with each class's share ({error}); set another number."
        ) from None


def _groups_to_parts(
    labels: np.ndarray, groups: np.ndarray, sizes: Sequence[int], rng: np.random.Generator
) -> np.ndarray | None:
    """Draw each group's part, int (groups,), with enough faces of each class in each part; None if it failed."""
    held = pd.crosstab(groups, labels).to_numpy()  # faces of each class (columns) in each group (rows)
    part_of_group = np.zeros(len(held), dtype=np.int64)
    left = held.sum(axis=0)
    for part in range(len(sizes) - 1, 0, -1):
        before = sum(sizes[:part])
        gathered = np.zeros(held.shape[1], dtype=np.int64)
        for group in rng.permutation(np.flatnonzero(part_of_group == 0)):
            helps = ((held[group] > 0) & (gathered < sizes[part])).any()
            if helps and (left - held[group] >= before).all():
                part_of_group[group] = part
                gathered += held[group]
                left = left - held[group]
        if (gathered < sizes[part]).any():
            return None
    return part_of_group


def _draw(labels: np.ndarray, eligible: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """Draw ``size`` rows of each class among the eligible ones; ascending."""
    drawn = [
        rng.choice(np.flatnonzero(eligible & (labels == label)), size, replace=False) for label in np.unique(labels)
    ]
    return np.sort(np.concatenate(drawn)).astype(np.int64)


def _thinned(labels: np.ndarray, rows: np.ndarray, target: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    kept = [rng.choice(rows[labels[rows] == label], size, replace=False) for label, size in enumerate(target)]
    return np.sort(np.concatenate(kept)).astype(np.int64)
