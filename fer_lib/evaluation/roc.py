"""Score yes/no detection: ROC curve and area, and GENKI-4K's smiles over all photos and by group."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import special, stats
from sklearn import metrics

from fer_lib.evaluation.metrics import CONFIDENCE, wilson


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
    """Compute the ROC curve: columns ``false_positive_rate`` and ``true_positive_rate``, from (0, 0) to (1, 1)."""
    false_positives, true_positives, _ = metrics.roc_curve(labels, scores)
    return pd.DataFrame({"false_positive_rate": false_positives, "true_positive_rate": true_positives})


def pose_terciles(angles: np.ndarray, *, name: str = "yaw") -> pd.Categorical:
    """Divide photos into thirds by how far the head is turned, named like ``"yaw to 4.1°"``.

    Args:
        angles: radians, shape (N,), as in ``meta["yaw"]`` of GENKI-4K; NaN if unknown.
        name: name of the angle.
    """
    degrees = np.abs(np.degrees(np.asarray(angles, dtype=np.float64)))
    first, second = np.nanquantile(degrees, [1 / 3, 2 / 3])
    names = [f"{name} to {first:.1f}°", f"{name} {first:.1f}° to {second:.1f}°", f"{name} above {second:.1f}°"]
    codes = np.where(np.isnan(degrees), -1, np.searchsorted([first, second], degrees))
    return pd.Categorical.from_codes(codes, names, ordered=True)


def smile_scores(
    scores: np.ndarray,
    smiling: np.ndarray,
    *,
    answers: np.ndarray | None = None,
    groups: pd.Categorical | np.ndarray | None = None,
) -> pd.DataFrame:
    """Score a model's smile detection, over all photos and in each group (liu2023's GENKI-4K test).

    Args:
        scores: float, shape (N,); a higher score means a more certain smile, such as the probability of "happy".
        smiling: bool, shape (N,): the labels.
        answers: bool, shape (N,): True where the model answers "smile"; None means where the score is above 0.5.
        groups: a group name for each photo, shape (N,), such as :func:`pose_terciles`; None means no groups.

    Returns:
        One row for ``"all"`` and one for each group: ``group``, ``photos``, ``smiles``, ``accuracy`` with
        ``accuracy_low``, ``accuracy_high`` (Wilson) and ``auc`` with ``auc_low``, ``auc_high`` (DeLong).

    Raises:
        ValueError: the shapes do not fit, or a score is not a number.
    """
    scores, smiling = np.asarray(scores, dtype=np.float64), np.asarray(smiling).astype(bool)
    _check_answers(scores, smiling)
    right = (scores > 0.5 if answers is None else np.asarray(answers).astype(bool)) == smiling
    named = pd.Categorical(groups if groups is not None else [None] * len(scores)).remove_unused_categories()
    parts = {"all": np.ones(len(scores), bool)} | {name: np.asarray(named == name) for name in named.categories}
    rows = []
    for name, inside in parts.items():
        hits, photos = int(right[inside].sum()), int(inside.sum())
        low, high = wilson(hits, photos)
        area = roc_auc(scores[inside], smiling[inside])
        row = {"group": name, "photos": photos, "smiles": int(smiling[inside].sum())}
        row |= {"accuracy": hits / photos, "accuracy_low": low, "accuracy_high": high}
        rows.append(row | {"auc": area["value"], "auc_low": area["low"], "auc_high": area["high"]})
    return pd.DataFrame(rows)


def _check_answers(scores: np.ndarray, labels: np.ndarray) -> None:
    if scores.shape != labels.shape or scores.ndim != 1:
        raise ValueError(f"scores have shape {scores.shape}, labels {labels.shape}; expected (N,) and (N,)")
    if not len(scores):
        raise ValueError("there are no photos to score")
    if not np.isfinite(scores).all():
        raise ValueError("a score is not a number")
