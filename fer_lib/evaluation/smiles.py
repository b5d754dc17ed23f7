"""Smile detection by expression models on another corpus (liu2023, section 2.1, "publicly available GENKI-4K").

GENKI-4K is labelled smile or no smile; an expression model answers "smile" if happy is its first choice. The paper
announces the test but prints no result of it.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy import special, stats
from sklearn import metrics

from fer_lib.datasets.face_dataset import FaceDataset
from fer_lib.evaluation.metrics import CONFIDENCE, wilson
from fer_lib.svm import classifiers

HAPPY = "happy"
COLUMNS = [
    "model",
    "group",
    "photos",
    "smiles",
    "accuracy",
    "accuracy_low",
    "accuracy_high",
    "auc",
    "auc_low",
    "auc_high",
]


def happy_margins(decisions: np.ndarray, class_names: tuple[str, ...]) -> np.ndarray:
    """Compute the margin of happy over the best other class, shape (N,); above 0 the model answers happy.

    Args:
        decisions: a value for each face and class, shape (N, C); the largest of a face is its predicted class.
        class_names: C names, including ``"happy"``.
    """
    happy = class_names.index(HAPPY)
    return decisions[:, happy] - np.delete(decisions, happy, axis=1).max(axis=1)


def margins_of(
    fitted: Mapping[str, tuple[classifiers.Fitted, FaceDataset]], features: np.ndarray
) -> dict[str, np.ndarray]:
    """Compute each classifier's :func:`happy_margins` for the same faces.

    Args:
        fitted: maps a name to a fitted classifier and the faces that it was fitted on.
        features: features of the faces to predict, shape (N, D).
    """
    margins = {}
    for name, (classifier, taught) in fitted.items():
        known = tuple(taught.class_names[label] for label in classifier.classes)
        decisions = classifiers.decision(classifier, features) if len(features) else np.zeros((0, len(known)))
        margins[name] = happy_margins(decisions, known)
    return margins


def smile_rows(margins: Mapping[str, np.ndarray], photos: FaceDataset) -> pd.DataFrame:
    """Compute each model's accuracy and ROC-AUC, over all photos and by thirds of the head's yaw.

    Args:
        margins: maps a model's name to its :func:`happy_margins` for the photos.
        photos: GENKI-4K's face crops; label 1 is a smile.

    Returns:
        The rows of :func:`smile_scores` with a column ``model`` in front. If the crops record it, rows for photos with
        and without a sure face follow the yaw thirds.
    """
    if not len(photos) or not margins:
        return pd.DataFrame(columns=COLUMNS)
    smiling, frames = photos.labels == 1, []
    kinds = photos.meta["face_found"].to_numpy() if "face_found" in photos.meta else None
    for model, margin in margins.items():
        groups = pose_terciles(photos.meta["yaw"].to_numpy())
        by_pose = smile_scores(margin, smiling, groups)
        frames.append(by_pose.assign(model=model))
        if kinds is not None and len(set(kinds)) > 1:
            by_kind = smile_scores(margin, smiling, kinds)
            named = "MTCNN: " + by_kind["group"].astype(str)
            frames.append(by_kind.assign(model=model, group=named)[by_kind["group"] != "all"])
    return pd.concat(frames, ignore_index=True)[COLUMNS]


def pose_terciles(yaw: np.ndarray) -> pd.Categorical:
    """Divide photos into thirds by how far the head is turned, named like ``"yaw to 4.1°"``.

    Args:
        yaw: radians, shape (N,), as in ``meta["yaw"]`` of GENKI-4K; NaN if unknown.
    """
    degrees = np.abs(np.degrees(np.asarray(yaw, dtype=np.float64)))
    first, second = np.nanquantile(degrees, [1 / 3, 2 / 3])
    names = [f"yaw to {first:.1f}°", f"yaw {first:.1f}° to {second:.1f}°", f"yaw above {second:.1f}°"]
    codes = np.where(np.isnan(degrees), -1, np.searchsorted([first, second], degrees))
    return pd.Categorical.from_codes(codes, names, ordered=True)


def smile_scores(margins: np.ndarray, smiling: np.ndarray, groups: pd.Categorical | np.ndarray) -> pd.DataFrame:
    """Score a model's smile detection, over all photos and in each group (liu2023's GENKI-4K test).

    Args:
        margins: float, shape (N,), as of :func:`happy_margins`; the model answers "smile" where they are above 0.
        smiling: bool, shape (N,): the labels.
        groups: a group name for each photo, shape (N,), such as :func:`pose_terciles`.

    Returns:
        One row for ``"all"`` and one for each group: ``group``, ``photos``, ``smiles``, ``accuracy`` with
        ``accuracy_low``, ``accuracy_high`` (Wilson) and ``auc`` with ``auc_low``, ``auc_high`` (DeLong).

    Raises:
        ValueError: the shapes do not fit, or a margin is not a number.
    """
    margins, smiling = np.asarray(margins, dtype=np.float64), np.asarray(smiling).astype(bool)
    _check_answers(margins, smiling)
    right = (margins > 0) == smiling
    named = pd.Categorical(groups).remove_unused_categories()
    parts = {"all": np.ones(len(margins), bool)} | {name: np.asarray(named == name) for name in named.categories}
    rows = []
    for name, inside in parts.items():
        hits, photos = int(right[inside].sum()), int(inside.sum())
        low, high = wilson(hits, photos)
        area = roc_auc(margins[inside], smiling[inside])
        row = {"group": name, "photos": photos, "smiles": int(smiling[inside].sum())}
        row |= {"accuracy": hits / photos, "accuracy_low": low, "accuracy_high": high}
        rows.append(row | {"auc": area["value"], "auc_low": area["low"], "auc_high": area["high"]})
    return pd.DataFrame(rows)


def roc_curves(margins: Mapping[str, np.ndarray], photos: FaceDataset) -> dict[str, pd.DataFrame]:
    """Compute each model's ROC curve on the photos; empty if there are no photos."""
    if not len(photos):
        return {}
    return {model: roc_curve(margin, photos.labels == 1) for model, margin in margins.items()}


def roc_auc(scores: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Compute the area under the ROC curve with its 95 % interval (DeLong et al. 1988, on the logit scale).

    If the scores separate positives and negatives perfectly, the estimated variance is zero; with a single positive or
    negative there is no estimate. The interval is then Wilson's for as many answers as the smaller class has, which is
    rather wide.

    Args:
        scores: float, shape (N,); a higher score means more certainly positive.
        labels: bool, shape (N,).

    Returns:
        ``value``, ``low``, ``high`` and ``n``; the first three are NaN if there are no positives or no negatives.
    """
    scores, labels = np.asarray(scores, dtype=np.float64), np.asarray(labels).astype(bool)
    _check_answers(scores, labels)
    found, passed = scores[labels], scores[~labels]
    if not len(found) or not len(passed):
        return {"value": np.nan, "low": np.nan, "high": np.nan, "n": len(labels)}
    ranks = stats.rankdata(scores)
    # for each positive, the share of negatives below it; for each negative, the share of positives above it
    below = (ranks[labels] - stats.rankdata(found)) / len(passed)
    above = 1 - (ranks[~labels] - stats.rankdata(passed)) / len(found)
    value = float(below.mean())
    smaller = min(len(found), len(passed))
    variance = sum(np.var(part, ddof=1) / len(part) for part in (below, above)) if smaller > 1 else 0
    if value in (0, 1) or not variance:
        low, high = wilson(value * smaller, smaller)
    else:
        spread = stats.norm.ppf((1 + CONFIDENCE) / 2) * np.sqrt(variance) / (value * (1 - value))
        low, high = special.expit(special.logit(value) + np.array([-spread, spread]))
    return {"value": value, "low": float(low), "high": float(high), "n": len(labels)}


def roc_curve(scores: np.ndarray, labels: np.ndarray) -> pd.DataFrame:
    """Compute the ROC curve: columns ``false_positive_rate`` and ``true_positive_rate``, from (0, 0) to (1, 1).

    Args:
        scores: float, shape (N,); a higher score means more certainly positive.
        labels: bool, shape (N,).
    """
    false_positives, true_positives, _ = metrics.roc_curve(labels, scores)
    return pd.DataFrame({"false_positive_rate": false_positives, "true_positive_rate": true_positives})


def _check_answers(scores: np.ndarray, labels: np.ndarray) -> None:
    if scores.shape != labels.shape or scores.ndim != 1:
        raise ValueError(f"scores have shape {scores.shape}, labels {labels.shape}; expected (N,) and (N,)")
    if not len(scores):
        raise ValueError("there are no photos to score")
    if not np.isfinite(scores).all():
        raise ValueError("a score is not a number")
