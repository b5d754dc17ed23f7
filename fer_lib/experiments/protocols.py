"""Evaluate classifiers as liu2023 does: 56 + 14 faces a class, 392/49/49 and five folds, in three separations each.

The paper divides CK+ once, by frames (section 2.1, Table 1). Frames of one sequence are nearly the same image, and
frames of one subject show the same face. So this module scores the same classifiers at the same training size with
frames at random, sequences apart and subjects apart; the differences are the leaks. Each classifier also answers for
its training faces, because one reading of the printed accuracy is that of training and test images together.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from fer_lib import published
from fer_lib.datasets.face_dataset import FaceDataset
from fer_lib.datasets.splits import (
    Fold,
    cross_validation,
    draw_parts,
    equal_training_sizes,
    groups_of,
    per_class_split,
)
from fer_lib.evaluation import clustered, metrics
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
LEAKS = ["protocol", "classifier", "separation", "difference", "low", "high", "p_value", "n_subjects"]
"""Columns of :func:`leaks` if there is only one separation, and so no row."""
TRAINING, VALIDATION, TESTING, TOGETHER = "training", "validation", "testing", "together"
INSIDE = "inside"
"""Said of a choice on no edge of its grid, and of a classifier with nothing to search."""
OF_FITS = ["views_accuracy", "edge"]
"""Columns of :func:`run` that are the same for all faces of a fit."""
KEYS = ["protocol", "separation", "classifier"]
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
        :func:`testing`; :func:`together` and :func:`fits` show the training faces next to them. Without divisions it is
        empty.
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


def testing(predictions: pd.DataFrame) -> pd.DataFrame:
    """Select the answers about test faces, without the columns of fits; a frame without ``part`` has no others."""
    if "part" not in predictions:
        return predictions
    of_fits = predictions.columns.intersection(["part", *OF_FITS])
    return predictions[predictions["part"] == TESTING].drop(columns=of_fits).reset_index(drop=True)


def every_answer(*predictions: pd.DataFrame) -> pd.DataFrame:
    """Join the answers of several runs, of training and validation faces too, without the columns of the fits."""
    return pd.concat(predictions, ignore_index=True)[[*KEYS, "draw", "fold", "part", "face", "label", "predicted"]]


def fits(predictions: pd.DataFrame) -> pd.DataFrame:
    """Set training accuracy beside test accuracy, and count the choices that lie on an edge of the search's grid.

    Args:
        predictions: predictions from :func:`run`.

    Returns:
        One row per protocol, separation and classifier: ``fits`` (their number), ``training`` (accuracy on the faces
        that were learnt, untouched), ``views`` (on views of them; NaN if none were learnt), ``testing``; ``C_low``,
        ``C_high``, ``gamma_multiple_low``, ``gamma_multiple_high`` (smallest and largest choice; NaN if not searched),
        ``on_edge`` (fits whose choice lies on an edge) and ``edges`` (which: ``{"C highest": 2}``).
    """
    rows = []
    for key, answers in predictions.groupby(KEYS, sort=False):
        right = (answers["label"] == answers["predicted"]).groupby(answers["part"]).mean()
        each = answers.drop_duplicates(["draw", "fold"])
        edges = each.loc[each["edge"] != INSIDE, "edge"]
        chosen = {
            f"{name}_{side}": each[name].agg(how) if name in each else np.nan
            for name in ("C", "gamma_multiple")
            for side, how in (("low", "min"), ("high", "max"))
        }
        rows.append(
            dict(zip(KEYS, key, strict=True))
            | {"fits": len(each), TRAINING: right[TRAINING], "views": each["views_accuracy"].mean()}
            | {TESTING: right[TESTING]}
            | chosen
            | {"on_edge": len(edges)}
            | {"edges": edges.str.split("; ").explode().value_counts(sort=False).to_dict() if len(edges) else {}}
        )
    return pd.DataFrame(rows)


def scores(predictions: pd.DataFrame, faces: FaceDataset) -> pd.DataFrame:
    """Score each protocol, separation and classifier: accuracy over all draws with its subject-bootstrap interval.

    Columns: ``protocol``, ``separation``, ``classifier``, ``accuracy``, ``low``, ``high``, ``faces`` (tested faces),
    ``wrong``, ``draws``, ``accuracy_min`` and ``accuracy_max`` over draws.
    """
    subjects = groups_of(faces, "subjects")
    rows = []
    for key, part in testing(predictions).groupby(KEYS, sort=False):
        right = (part["label"] == part["predicted"]).to_numpy()
        value, low, high = clustered.clustered_accuracy(right, subjects[part["face"]])
        by_draw = (part["label"] == part["predicted"]).groupby(part["draw"]).mean()
        rows.append(
            dict(zip(KEYS, key, strict=True))
            | {"accuracy": value, "low": low, "high": high, "faces": len(part), "wrong": int((~right).sum())}
            | {"draws": len(by_draw), "accuracy_min": by_draw.min(), "accuracy_max": by_draw.max()}
        )
    return pd.DataFrame(rows)


def validated(predictions: pd.DataFrame, faces: FaceDataset) -> pd.DataFrame:
    """Score each separation and classifier of :func:`three_parts` on all three parts.

    Args:
        predictions: predictions from :func:`run`.
        faces: the faces that :func:`run` was given.

    Returns:
        The rows of :func:`scores`, with the columns of :func:`fits`, ``validation`` (accuracy on the faces that C and
        gamma were chosen on) and the faces of one draw: ``training_faces``, ``validation_faces``, ``test_faces``. Empty
        if there are no such predictions.
    """
    if predictions.empty:
        return pd.DataFrame()
    chosen_on = predictions[predictions["part"] == VALIDATION]
    right = chosen_on["label"] == chosen_on["predicted"]
    accuracy = right.groupby([chosen_on[key] for key in KEYS], sort=False).mean().rename(VALIDATION).reset_index()
    rows = scores(predictions, faces).merge(fits(predictions).drop(columns=TESTING), on=KEYS)
    sizes = predictions[predictions["draw"] == 0].drop_duplicates(["face", "part", "separation"])
    sizes = sizes[sizes["separation"] == sizes["separation"].iloc[0]]["part"].value_counts()
    names = {"training_faces": TRAINING, "validation_faces": VALIDATION, "test_faces": TESTING}
    return rows.merge(accuracy, on=KEYS).assign(**{name: int(sizes[part]) for name, part in names.items()})


def printed_accuracy() -> float:
    """Read the accuracy that liu2023's Table 3 prints for its own algorithm, as a fraction: 0.986."""
    return float(published.load("liu2023").set_index("id")["value"]["table3-own"]) / 100


def together(predictions: pd.DataFrame, faces: FaceDataset) -> pd.DataFrame:
    """Score each protocol, separation and classifier on training faces, test faces and both together.

    The paper does not say which images its 98.60 % covers or how they were divided (section 3.1, Table 3). "Both
    together" counts every answer about a fold's two parts once, so that in k folds a face counts up to k times.

    Args:
        predictions: predictions from :func:`run`, with ``part``.
        faces: the faces that :func:`run` was given.

    Returns:
        One row each: ``protocol``, ``separation``, ``classifier``, ``printed`` (a fraction), and for each of
        ``training``, ``testing`` and ``together``: the accuracy under that name; ``_low`` and ``_high``: its 95 %
        interval (bootstrap over subjects: all answers about a subject, of all draws and folds, stay together);
        ``_faces`` and ``_wrong``: the number of answers and of wrong answers; ``_holds_printed``: whether the printed
        value lies within the interval.

    Raises:
        ValueError: the predictions have no column ``part``: they are in an older form, about test faces only.
    """
    if "part" not in predictions:
        raise ValueError("the predictions have no column 'part'; expected answers about training faces as well")
    subjects, printed = groups_of(faces, "subjects"), printed_accuracy()
    rows = []
    for key, answers in predictions.groupby(KEYS, sort=False):
        row = dict(zip(KEYS, key, strict=True)) | {"printed": printed}
        for name in (TRAINING, TESTING, TOGETHER):
            part = answers if name == TOGETHER else answers[answers["part"] == name]
            right = (part["label"] == part["predicted"]).to_numpy()
            found = clustered.clustered_accuracy(right, subjects[part["face"]])
            row |= {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}
            row |= {f"{name}_faces": len(part), f"{name}_wrong": int((~right).sum())}
            row[f"{name}_holds_printed"] = bool(found.low <= printed <= found.high)
        rows.append(row)
    return pd.DataFrame(rows)


def paired(predictions: pd.DataFrame, faces: FaceDataset, *, first: str, second: str) -> pd.DataFrame:
    """Compare two classifiers on the same faces, one row per protocol and separation: first accuracy minus second.

    The interval is from a bootstrap over subjects, the p-value from a permutation test that swaps all answers of a
    subject together.
    """
    subjects = groups_of(faces, "subjects")
    rows = []
    for (protocol, separation), part in testing(predictions).groupby(["protocol", "separation"], sort=False):
        right = _right(part, "classifier")
        groups = subjects[right.index.get_level_values("face")]
        compared = clustered.compare_clustered(right[first].to_numpy(), right[second].to_numpy(), groups)
        by_draw = (right[first].astype(float) - right[second]).groupby("draw").mean()
        rows.append(
            {"protocol": protocol, "separation": separation}
            | compared
            | {"draws": len(by_draw), "difference_min": by_draw.min(), "difference_max": by_draw.max()}
        )
    return pd.DataFrame(rows)


def leaks(predictions: pd.DataFrame, faces: FaceDataset) -> pd.DataFrame:
    """Measure the leaks: accuracy with frames at random minus accuracy with sequences or subjects apart.

    The folds test every face in each separation, so the comparison is paired on the same faces. The 56 + 14 faces
    differ between separations, so their difference has no p-value. One row per protocol, classifier and separation:
    ``protocol``, ``classifier``, ``separation``, ``difference``, ``low``, ``high``, ``p_value``, ``n_subjects``.
    """
    predictions, subjects = testing(predictions), groups_of(faces, "subjects")
    rows = []
    for classifier, own in predictions[predictions["protocol"] == PER_CLASS].groupby("classifier", sort=False):
        answered = {
            separation: ((part["label"] == part["predicted"]).to_numpy(), subjects[part["face"]])
            for separation, part in own.groupby("separation", sort=False)
        }
        for separation in [name for name in answered if name != "frames" and "frames" in answered]:
            found = clustered.difference_between(answered["frames"], answered[separation])
            count = len(np.union1d(answered["frames"][1], answered[separation][1]))
            rows.append(
                {"protocol": PER_CLASS, "classifier": classifier, "separation": separation}
                | {"difference": found.value, "low": found.low, "high": found.high}
                | {"p_value": np.nan, "n_subjects": count}
            )
    for classifier, own in predictions[predictions["protocol"] == FOLDS].groupby("classifier", sort=False):
        right = _right(own, "separation")
        groups = subjects[right.index.get_level_values("face")]
        for separation in right.columns.drop("frames") if "frames" in right else ():
            compared = clustered.compare_clustered(right["frames"].to_numpy(), right[separation].to_numpy(), groups)
            rows.append({"protocol": FOLDS, "classifier": classifier, "separation": separation} | compared)
    return pd.DataFrame(rows, columns=None if rows else LEAKS)


def whole_test(answers: Mapping[str, np.ndarray], labels: np.ndarray) -> pd.DataFrame:
    """Score models that answered for one test part, one row each: accuracy, and difference to the first model.

    Args:
        answers: maps a name to scores, shape (N, C); the largest score of a face is the answer.
        labels: int, shape (N,).

    Returns:
        Columns ``model``, ``accuracy``, ``low``, ``high`` (Wilson), ``faces``, ``wrong``; ``difference``,
        ``difference_low``, ``difference_high`` (bootstrap over faces) and ``p_value`` (McNemar) against the first.
    """
    rows, first = [], next(iter(answers.values()))
    for name, values in answers.items():
        right = int((values.argmax(axis=1) == labels).sum())
        low, high = metrics.wilson(right, len(labels))
        row = {"model": name, "accuracy": right / len(labels), "low": low, "high": high}
        compared = metrics.compare_paired(values, first, labels) if values is not first else {}
        difference = {
            "difference": compared.get("difference", np.nan),
            "difference_low": compared.get("low", np.nan),
            "difference_high": compared.get("high", np.nan),
            "p_value": compared.get("p_value", np.nan),
        }
        rows.append(row | {"faces": len(labels), "wrong": len(labels) - right} | difference)
    return pd.DataFrame(rows)


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


def _right(predictions: pd.DataFrame, by: str) -> pd.DataFrame:
    """Tabulate whether the answer about each tested face (rows: draw, face) is right; columns are values of ``by``."""
    right = predictions.assign(right=predictions["label"] == predictions["predicted"])
    return right.pivot_table(index=["draw", "face"], columns=by, values="right", sort=False).astype(bool)


def _shared(groups: np.ndarray, fold: Fold) -> set[int]:
    return set(groups[fold.train]) & set(groups[fold.test])
