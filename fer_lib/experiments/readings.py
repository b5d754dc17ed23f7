"""Readings of liu2023's 98.60 % (sections 2.1 and 3.1, Table 3): what else could have been tested, and how.

The paper says neither how the faces were divided nor whether views of a face could be on both sides, how C and sigma
were chosen, or of which images the 98.60 % are. Each reading here changes one thing about the paper's 56 + 14 faces a
class, frames at random; the controls change what the classifier learnt or was searched on. All readings of one draw
start from the same faces and features.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.model_selection import train_test_split

from fer_lib.augmentation import CROPS, expand, view_names
from fer_lib.backend import keras
from fer_lib.datasets.face_dataset import FaceDataset
from fer_lib.datasets.splits import Fold, groups_of
from fer_lib.evaluation import clustered
from fer_lib.experiments import fine_tuning
from fer_lib.experiments.protocol_scores import printed_accuracy
from fer_lib.experiments.protocols import PER_CLASS, Division, edge_of, views_accuracy
from fer_lib.models import resnet50_svm
from fer_lib.settings import ExpansionSettings, ResNet50SvmSettings, change
from fer_lib.svm import classifiers as svm
from fer_lib.utils.files import cached_array, cached_frame

RBF, PIXELS = "resnet50_svm_rbf", "pixels_svm"
CONTEMPT = "contempt"
TEST_SHARE = 0.2  # Table 1: 14 of 70 faces a class
READINGS = (
    "as_run",
    "five_crops",
    "copies_divided",
    "pixels",
    "pixels_copies_divided",
    "chosen_on_test",
    "contempt",
    "search_on_faces",
    "fit_on_faces",
    "seventeen_views",
    "other_fine_tuning",
)
"""Readings and controls in the order of the table (:func:`fer_lib.tables.svm.readings`)."""
KEPT = ["reading", "draw", "subject", "label", "predicted"]
"""Columns of :func:`run` that tell of a single answer; the others tell of a fit."""


@dataclass(frozen=True)
class Material:
    """The faces of all readings, and their features.

    Attributes:
        faces: N faces, such as CK+'s.
        examples: their features and those of the views that the run learns from.
        views: features of the twelve copies of each face and of five crops of it, float (N, 17, D); only the rows of
            faces that a reading draws are filled.
        pixels: grey values of the twelve copies, float (N, 12, H·W).
        contempt: features of the faces of contempt, labelled as one more class; None without any.
        control: features of the N faces from the network of :func:`fer_lib.experiments.fine_tuning.control`, or None.
    """

    faces: FaceDataset
    examples: svm.Examples
    views: np.ndarray
    pixels: np.ndarray
    contempt: svm.Examples | None = None
    control: svm.Examples | None = None

    @property
    def copies(self) -> np.ndarray:
        """Features of the twelve copies alone, (N, 12, D)."""
        return self.views[:, : -len(CROPS)]


@dataclass(frozen=True)
class Tested:
    """One reading of one draw.

    Attributes:
        fitted: the classifier.
        learnt: what it learnt.
        pictures: features of the tested pictures, (M, D).
        labels: their labels, (M,).
        groups: their subjects, (M,).
    """

    fitted: svm.Fitted
    learnt: svm.Examples
    pictures: np.ndarray
    labels: np.ndarray
    groups: np.ndarray


def material(
    examples: svm.Examples,
    faces: FaceDataset,
    found: Sequence[Division],
    expanding: ExpansionSettings,
    *,
    features: Callable[[np.ndarray], np.ndarray],
    checkpoints: Path,
) -> Material:
    """Compute the features that the readings need and the run does not have yet.

    Args:
        examples: of :func:`fer_lib.experiments.fine_tuning.examples_of`.
        faces: the same N faces.
        found: the divisions; the readings use the faces of the 56 + 14 with frames at random.
        expanding: the views of ``examples``.
        features: computes the features of uint8 pictures (N, H, W) or (N, V, H, W).
        checkpoints: a folder for exactly these features.
    """
    both = dataclasses.replace(expanding, cross_cut="originals")
    wanted, there = view_names(both), view_names(expanding)
    rows = np.unique(np.concatenate([np.r_[fold.train, fold.test] for _, fold in draws(found)]))
    missing = [place for place, name in enumerate(wanted) if name not in there]
    pictures = expand(faces.images[rows], both)
    views = np.zeros((len(faces), len(wanted), examples.originals.shape[1]), np.float32)
    for place, name in enumerate(wanted):
        if name in there and examples.views is not None:
            views[:, place] = examples.views[:, there.index(name)]
    if missing:
        seen = cached_array(checkpoints / "other_views.npy", lambda: features(pictures[:, missing]))
        views[rows[:, np.newaxis], missing] = seen
    copies = pictures[:, : -len(CROPS)]
    pixels = np.zeros((len(faces), copies.shape[1], copies[0, 0].size), np.float32)
    pixels[rows] = svm.pixels(copies)
    return Material(faces, examples, views, pixels)


def gather(
    model: keras.Model,
    examples: svm.Examples,
    faces: FaceDataset,
    found: Sequence[Division],
    *,
    every: Mapping[str, Any],
    contempt: FaceDataset | None,
    control: keras.Model | None = None,
    checkpoints: Path,
) -> Material:
    """Compute all features that the readings need and the run does not have yet, contempt's included.

    Args:
        model: the network that ``examples`` are features of.
        examples: of :func:`fer_lib.experiments.fine_tuning.examples_of`.
        faces: the same faces.
        found: the divisions.
        every: settings by experiment, of which ``resnet50_svm`` and ``expansion`` are used.
        contempt: of :func:`fer_lib.experiments.contempt.faces`.
        control: of :func:`fer_lib.experiments.fine_tuning.control`.
        checkpoints: a folder for exactly this model and these faces.
    """
    settings, expanding = every["resnet50_svm"], every["expansion"]
    features = partial(resnet50_svm.features, model, settings=settings)
    given = material(examples, faces, found, expanding, features=features, checkpoints=checkpoints)
    if control is not None:
        folder = checkpoints / "control"
        seen = fine_tuning.examples_of(control, faces, expanding, settings=settings, checkpoints=folder)
        given = dataclasses.replace(given, control=seen)
    if contempt is None:
        return given
    own = fine_tuning.examples_of(model, contempt, expanding, settings=settings, checkpoints=checkpoints / CONTEMPT)
    return with_contempt(given, own, contempt.meta["subject"].tolist())


def with_contempt(given: Material, contempt: svm.Examples, subjects: Sequence[str]) -> Material:
    """Add faces of contempt, which the paper leaves out, as one more class.

    Args:
        given: the material without them.
        contempt: their features and views; labels and groups are replaced.
        subjects: the subject of each of these faces, named as in the corpus.
    """
    known = sorted(set(given.faces.meta["subject"]))
    others = sorted(set(subjects) - set(known))
    groups = np.array([[*known, *others].index(subject) for subject in subjects])
    labels = np.full(len(contempt), len(given.faces.class_names))
    return dataclasses.replace(given, contempt=dataclasses.replace(contempt, labels=labels, groups=groups))


def draws(found: Sequence[Division]) -> list[tuple[int, Fold]]:
    """List number and fold of each draw of the 56 + 14 faces with frames at random."""
    return [(each.draw, each.folds[0]) for each in found if each.protocol == PER_CLASS and each.separation == "frames"]


def run(
    found: Sequence[Division], given: Material, settings: ResNet50SvmSettings, *, seed: int = 0, checkpoints: Path
) -> pd.DataFrame:
    """Test every reading on every draw of the 56 + 14 faces with frames at random, except those saved before.

    Args:
        found: the divisions.
        given: the faces and features.
        settings: the grids.
        seed: seed of the search's folds and of the divisions that only a reading makes.
        checkpoints: a folder for exactly this experiment.

    Returns:
        One row per tested picture: ``reading`` (of ``READINGS``), ``draw``, ``subject`` (number), ``label``,
        ``predicted``; and of each fit ``learnt`` (pictures), ``training`` (accuracy on the untouched faces or, if
        copies were divided, on the pictures that were learnt), ``views`` (accuracy on views of the faces), ``C``,
        ``gamma_multiple`` and ``edge``.
    """
    frames = []
    for draw, fold in draws(found):
        build = partial(_all_answers, given, fold, settings, seed=1000 * seed + draw)
        frames.append(cached_frame(checkpoints / f"readings-{draw}.csv", build).assign(draw=draw))
    return pd.concat(frames, ignore_index=True)


def scores(answers: pd.DataFrame) -> pd.DataFrame:
    """Score each reading over all draws.

    Args:
        answers: of :func:`run`.

    Returns:
        One row per reading: ``reading``, ``draws``, ``learnt`` and ``tested`` (pictures a draw), ``training``,
        ``views``, ``testing`` (accuracies) with ``testing_low`` and ``testing_high`` (over subjects),
        ``testing_min`` and ``testing_max`` (of single draws), ``wrong`` (of all draws), ``on_edge`` (draws),
        ``printed`` and ``holds_printed``.
    """
    rows, printed = [], printed_accuracy()
    for name, own in answers.groupby("reading", sort=False):
        right = (own["label"] == own["predicted"]).to_numpy()
        value, low, high = clustered.clustered_accuracy(right, own["subject"].to_numpy())
        fits = own.drop_duplicates("draw")
        by_draw = (own["label"] == own["predicted"]).groupby(own["draw"]).mean()
        rows.append(
            {"reading": name, "draws": len(fits), "learnt": round(fits["learnt"].mean())}
            | {"tested": round(len(own) / len(fits)), "training": fits["training"].mean()}
            | {"views": fits["views"].mean(), "testing": value, "testing_low": low, "testing_high": high}
            | {"testing_min": by_draw.min(), "testing_max": by_draw.max(), "wrong": int((~right).sum())}
            | {"on_edge": int((fits["edge"] != "inside").sum()), "printed": printed}
            | {"holds_printed": bool(low <= printed <= high)}
        )
    return pd.DataFrame(rows)


def _all_answers(given: Material, fold: Fold, settings: ResNet50SvmSettings, *, seed: int) -> pd.DataFrame:
    """List the answers of every reading on one draw."""
    tested = _readings(given, fold, settings, seed=seed)
    return pd.concat([_answers(each).assign(reading=name) for name, each in tested.items()], ignore_index=True)


def _readings(given: Material, fold: Fold, settings: ResNet50SvmSettings, *, seed: int) -> dict[str, Tested]:
    """Fit and test every reading on one draw."""
    examples = given.examples
    learn = partial(svm.fit, RBF, settings=settings, seed=seed)
    taught, faces_alone = examples.take(fold.train), dataclasses.replace(examples, views=None)
    seventeen = dataclasses.replace(examples, views=given.views).take(fold.train)
    on_faces = change(settings, search_views=0)
    fitted = learn(taught)
    test = partial(_tested, given, fold)
    cut = dataclasses.replace(examples.take(fold.test), views=given.views[fold.test, -len(CROPS) :])
    chosen, search = svm.search(RBF, examples, settings=settings, seed=seed, folds=[fold])
    peeked = svm.fit_with(RBF, taught, parameters=chosen, settings=settings, seed=seed)
    found = {
        "as_run": test(fitted, taught),
        "five_crops": _on_views(fitted, taught, cut),
        "copies_divided": _divided(RBF, given, given.copies, fold, settings, seed=seed),
        "pixels": _pixels(given, fold, settings),
        "pixels_copies_divided": _divided(PIXELS, given, given.pixels, fold, settings, seed=seed),
        "chosen_on_test": test(dataclasses.replace(peeked, search=search), taught),
        "search_on_faces": test(svm.fit(RBF, taught, settings=on_faces, seed=seed), taught),
        "fit_on_faces": test(learn(faces_alone.take(fold.train)), faces_alone.take(fold.train)),
        "seventeen_views": test(learn(seventeen), seventeen),
    }
    if given.control is not None:
        other, learnt = dataclasses.replace(given, examples=given.control), given.control.take(fold.train)
        found["other_fine_tuning"] = _tested(other, fold, learn(learnt), learnt)
    if given.contempt is not None:
        found["contempt"] = _with_one_more_class(given, fold, settings, seed=seed)
    return {name: found[name] for name in READINGS if name in found}


def _tested(given: Material, fold: Fold, fitted: svm.Fitted, learnt: svm.Examples) -> Tested:
    """Test on the untouched test faces of a fold."""
    examples = given.examples
    assert examples.groups is not None
    return Tested(fitted, learnt, examples.originals[fold.test], examples.labels[fold.test], examples.groups[fold.test])


def _on_views(fitted: svm.Fitted, learnt: svm.Examples, tested: svm.Examples) -> Tested:
    """Test on every view of the given faces."""
    assert tested.views is not None
    assert tested.groups is not None
    pictures, labels = tested.pictures()
    return Tested(fitted, learnt, pictures, labels, np.repeat(tested.groups, tested.views.shape[1]))


def _pixels(given: Material, fold: Fold, settings: ResNet50SvmSettings) -> Tested:
    raw = dataclasses.replace(given.examples, originals=svm.pixels(given.faces.images), views=None)
    learnt = raw.take(fold.train)
    return _tested(dataclasses.replace(given, examples=raw), fold, svm.fit(PIXELS, learnt, settings=settings), learnt)


def _divided(
    name: str,
    given: Material,
    copies: np.ndarray,
    fold: Fold,
    settings: ResNet50SvmSettings,
    *,
    seed: int,
) -> Tested:
    """Copy all faces of a draw first, then divide the copies 8:2 by image: copies of one face are on both sides.

    Who divides so also searches so: the search's folds divide by image too.
    """
    rows = np.sort(np.r_[fold.train, fold.test])
    pictures = copies[rows].reshape(-1, copies.shape[2])
    labels = np.repeat(given.examples.labels[rows], copies.shape[1])
    groups = np.repeat(groups_of(given.faces, "subjects")[rows], copies.shape[1])
    learnt, tested = train_test_split(
        np.arange(len(labels)), test_size=TEST_SHARE, stratify=labels, random_state=seed % 2**32
    )
    taught = svm.Examples(pictures[learnt], labels[learnt])
    fitted = svm.fit(name, taught, settings=settings, seed=seed)
    return Tested(fitted, taught, pictures[tested], labels[tested], groups[tested])


def _with_one_more_class(given: Material, fold: Fold, settings: ResNet50SvmSettings, *, seed: int) -> Tested:
    """Add contempt to both parts of a draw, 8:2 at random and no more faces than another class has."""
    more, examples = given.contempt, given.examples
    assert more is not None
    assert more.views is not None
    assert examples.views is not None
    most = len(np.r_[fold.train, fold.test]) // len(given.faces.class_names)
    drawn = np.random.default_rng(seed).permutation(len(more))[:most]
    cut = round(TEST_SHARE * len(drawn))
    every = svm.Examples(
        np.concatenate([examples.originals, more.originals]),
        np.concatenate([examples.labels, more.labels]),
        np.concatenate([groups_of(given.faces, "subjects"), more.groups]),
        np.concatenate([examples.views, more.views]),
    )
    wider = Fold(np.r_[fold.train, len(examples) + drawn[cut:]], np.r_[fold.test, len(examples) + drawn[:cut]])
    learnt = every.take(wider.train)
    fitted = svm.fit(RBF, learnt, settings=settings, seed=seed)
    return _tested(dataclasses.replace(given, examples=every), wider, fitted, learnt)


def _answers(tested: Tested) -> pd.DataFrame:
    """Tabulate what a reading answers, as :func:`run` describes it."""
    fitted, learnt = tested.fitted, tested.learnt
    training = svm.predict(fitted, learnt.originals) == learnt.labels
    chosen = {name: fitted.parameters.get(name, np.nan) for name in ("C", "gamma_multiple")}
    answers = {"subject": tested.groups, "label": tested.labels, "predicted": svm.predict(fitted, tested.pictures)}
    of_fit = {"learnt": len(learnt.pictures()[1]), "training": training.mean(), "edge": edge_of(fitted)}
    return pd.DataFrame(answers).assign(**of_fit, views=views_accuracy(fitted, learnt), **chosen)
