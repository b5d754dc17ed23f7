"""Smile detection by expression models on another corpus (liu2023, section 2.1, "publicly available GENKI-4K").

GENKI-4K is labelled smile or no smile; an expression model answers "smile" if happy is its first choice. The paper
announces the test but prints no result of it.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from fer_lib.datasets.face_dataset import FaceDataset
from fer_lib.evaluation import roc
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
        The rows of :func:`fer_lib.evaluation.roc.smile_scores` with a column ``model`` in front. If the crops
        record it, rows for photos with and without a sure face follow the yaw thirds.
    """
    if not len(photos) or not margins:
        return pd.DataFrame(columns=COLUMNS)
    smiling, frames = photos.labels == 1, []
    kinds = photos.meta["face_found"].to_numpy() if "face_found" in photos.meta else None
    for model, margin in margins.items():
        groups = roc.pose_terciles(photos.meta["yaw"].to_numpy())
        by_pose = roc.smile_scores(margin, smiling, answers=margin > 0, groups=groups)
        frames.append(by_pose.assign(model=model))
        if kinds is not None and len(set(kinds)) > 1:
            by_kind = roc.smile_scores(margin, smiling, answers=margin > 0, groups=kinds)
            named = "MTCNN: " + by_kind["group"].astype(str)
            frames.append(by_kind.assign(model=model, group=named)[by_kind["group"] != "all"])
    return pd.concat(frames, ignore_index=True)[COLUMNS]


def roc_curves(margins: Mapping[str, np.ndarray], photos: FaceDataset) -> dict[str, pd.DataFrame]:
    """Compute each model's ROC curve on the photos; empty if there are no photos."""
    if not len(photos):
        return {}
    return {model: roc.roc_curve(margin, photos.labels == 1) for model, margin in margins.items()}
