"""Score liu2023's classifiers from their answers (:func:`fer_lib.experiments.protocols.run`).

Accuracies and differences have intervals over subjects.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from fer_lib import published
from fer_lib.datasets.face_dataset import FaceDataset
from fer_lib.datasets.splits import (
    groups_of,
)
from fer_lib.evaluation import clustered, metrics
from fer_lib.experiments.protocols import FOLDS, INSIDE, PER_CLASS, TESTING, TOGETHER, TRAINING, VALIDATION

LEAKS = ["protocol", "classifier", "separation", "difference", "low", "high", "p_value", "n_subjects"]
"""Columns of :func:`leaks` if there is only one separation, and so no row."""
OF_FITS = ["views_accuracy", "edge"]
"""Columns of ``protocols.run`` that are the same for all faces of a fit."""
KEYS = ["protocol", "separation", "classifier"]


def testing(predictions: pd.DataFrame) -> pd.DataFrame:
    """Select the answers about test faces, without the columns of fits; a frame without ``part`` has no others."""
    if "part" not in predictions:
        return predictions
    of_fits = predictions.columns.intersection(["part", *OF_FITS])
    return predictions[predictions["part"] == TESTING].drop(columns=of_fits).reset_index(drop=True)


def every_answer(*predictions: pd.DataFrame) -> pd.DataFrame:
    """Join the answers of several runs, of training and validation faces too, without the columns of the fits."""
    kept = [*KEYS, "draw", "fold", "part", "face", "label", "predicted"]
    made = [each for each in predictions if len(each)]
    return pd.concat(made, ignore_index=True)[kept] if made else pd.DataFrame(columns=kept)


def fits(predictions: pd.DataFrame) -> pd.DataFrame:
    """Set training accuracy beside test accuracy, and count the choices that lie on an edge of the search's grid.

    Args:
        predictions: predictions from ``protocols.run``.

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
    """Score each protocol, separation and classifier: accuracy over all draws, with an interval over subjects.

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
    """Score each separation and classifier of ``protocols.three_parts`` on all three parts.

    Args:
        predictions: predictions from ``protocols.run``.
        faces: the faces that ``protocols.run`` was given.

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
    return float(published.record("liu2023")["table3-own"].value) / 100


def together(predictions: pd.DataFrame, faces: FaceDataset) -> pd.DataFrame:
    """Score each protocol, separation and classifier on training faces, test faces and both together.

    The paper does not say which images its 98.60 % covers or how they were divided (section 3.1, Table 3). "Both
    together" counts every answer about a fold's two parts once, so that in k folds a face counts up to k times.

    Args:
        predictions: predictions from ``protocols.run``, with ``part``.
        faces: the faces that ``protocols.run`` was given.

    Returns:
        One row each: ``protocol``, ``separation``, ``classifier``, ``printed`` (a fraction), and for each of
        ``training``, ``testing`` and ``together``: the accuracy under that name; ``_low`` and ``_high``: its 95 %
        interval (over subjects: all answers about a subject, of all draws and folds, stay together);
        ``_faces`` and ``_wrong``: the number of answers and of wrong answers; ``_holds_printed``: whether the printed
        value lies within the interval.
    """
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

    Interval and p-value are those of :func:`fer_lib.evaluation.clustered.compare_clustered`, over subjects.
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


def _right(predictions: pd.DataFrame, by: str) -> pd.DataFrame:
    """Tabulate whether the answer about each tested face (rows: draw, face) is right; columns are values of ``by``."""
    right = predictions.assign(right=predictions["label"] == predictions["predicted"])
    return right.pivot_table(index=["draw", "face"], columns=by, values="right", sort=False).astype(bool)
