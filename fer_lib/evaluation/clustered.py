"""Accuracy of faces that are not independent, with intervals and tests by subject.

The answers about faces of one subject, or of one recording, tend to be right or wrong together. So intervals come from
a bootstrap over subjects: it draws subjects with replacement, each with all its faces (Field and Welsh 2007). An
interval over faces would be too narrow, because a second frame of a face adds little information.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from fer_lib.evaluation.metrics import RESAMPLES, percentiles, wilson

ROUNDING = 1e-12  # smaller differences count as none


class Estimate(NamedTuple):
    """Share, or difference of shares, with the bounds of its 95 % interval."""

    value: float
    low: float
    high: float


def clustered_accuracy(correct: np.ndarray, groups: np.ndarray, *, seed: int = 0) -> Estimate:
    """Compute the share of right answers with its 95 % interval over subjects.

    If all resamples agree (every answer right, every answer wrong, or only one subject), the interval is Wilson's for
    as many independent answers as there are subjects, which is rather wide.

    Args:
        correct: bool, shape (N,), or (S, N) for S trainings that answered for the same N faces. Concatenate answers for
            different faces, such as those of several drawn test sets.
        groups: the subject (or sequence) of each face, shape (N,).
        seed: seed of the bootstrap.

    Raises:
        ValueError: the shapes do not fit, or there are no faces.
    """
    hits, answers = _per_subject(correct, groups)
    value = float(hits.sum() / answers.sum())
    if np.ptp(hits / answers) == 0:
        return Estimate(value, *wilson(value * len(hits), len(hits)))
    draws = _draws(len(hits), seed)
    low, high = percentiles((draws @ hits) / (draws @ answers))
    return Estimate(value, float(low), float(high))


def compare_clustered(
    first_correct: np.ndarray, second_correct: np.ndarray, groups: np.ndarray, *, seed: int = 0
) -> dict[str, Any]:
    """Compare two models on the same faces, pairing face by face and resampling subject by subject.

    Args:
        first_correct: bool, shape (N,), or (S, N) for S trainings.
        second_correct: the second model's answers about the same faces in the same order, the same shape.
        groups: the subject of each face, shape (N,).
        seed: seed of the bootstrap.

    Returns:
        ``difference`` (accuracy of the first minus that of the second), its 95 % interval ``low``, ``high``
        (:func:`_unvaried` if all resamples agree, such as when both models are right about the same faces),
        ``only_first`` and ``only_second`` (answers that only this model got right), ``n``, ``n_subjects`` and
        ``p_value``: exact and two-sided, of the permutation test that exchanges the models' answers subject by subject.

    Raises:
        ValueError: the shapes do not fit, or there are no faces.
    """
    first, second = np.asarray(first_correct, dtype=bool), np.asarray(second_correct, dtype=bool)
    if first.shape != second.shape:
        raise ValueError(f"the models' answers have shapes {first.shape} and {second.shape}; expected the same")
    first_hits, answers = _per_subject(first, groups)
    second_hits, _ = _per_subject(second, groups)
    gains = first_hits - second_hits
    draws, value = _draws(len(gains), seed), float(gains.sum() / answers.sum())
    low, high = percentiles((draws @ gains) / (draws @ answers))
    if np.ptp(gains / answers) == 0:
        low, high = _unvaried(value, len(gains))
    return {
        "difference": value,
        "low": float(low),
        "high": float(high),
        "only_first": int((first & ~second).sum()),
        "only_second": int((second & ~first).sum()),
        "p_value": _exchange_p_value(gains),
        "n": int(answers.sum()),
        "n_subjects": len(gains),
    }


def difference_between(
    first: tuple[np.ndarray, np.ndarray], second: tuple[np.ndarray, np.ndarray], *, seed: int = 0
) -> Estimate:
    """Compare two accuracies on different faces of (partly) the same subjects.

    Use it for two sets of test faces, such as those of two ways to divide a corpus. A drawn subject brings its faces to
    both.

    Args:
        first: right answers, bool (N,) or (S, N), and the subjects of their faces (N,).
        second: the same for the second accuracy; N and S may differ.
        seed: seed of the bootstrap.

    Returns:
        The first accuracy minus the second.

    Raises:
        ValueError: shapes do not fit, or there are no faces.
    """
    names = np.union1d(first[1], second[1])
    first_hits, first_answers = _per_subject(*first, names=names)
    second_hits, second_answers = _per_subject(*second, names=names)
    draws = _draws(len(names), seed)
    with np.errstate(invalid="ignore"):  # a resample may contain no subject of one side
        drawn = (draws @ first_hits) / (draws @ first_answers) - (draws @ second_hits) / (draws @ second_answers)
    drawn = drawn[np.isfinite(drawn)]
    value = float(first_hits.sum() / first_answers.sum() - second_hits.sum() / second_answers.sum())
    low, high = _unvaried(value, len(names)) if np.ptp(drawn) < ROUNDING else percentiles(drawn)
    return Estimate(value, float(low), float(high))


def _unvaried(difference: float, subjects: int) -> tuple[float, float]:
    """Bound a difference that is the same in all resamples: plus and minus the upper end of Wilson's interval at 0.

    Subjects that differ may exist although none was seen, above all if there are few subjects.
    """
    _, reach = wilson(0, subjects)
    return max(difference - reach, -1.0), min(difference + reach, 1.0)


def _per_subject(
    correct: np.ndarray, groups: np.ndarray, *, names: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Count right answers and all answers of each subject, in the order of ``names``, else of the sorted subjects."""
    correct, groups = np.atleast_2d(np.asarray(correct)), np.asarray(groups)
    if correct.ndim != 2 or correct.shape[1:] != groups.shape:
        shapes = f"answers have shape {correct.shape}, subjects {groups.shape}"
        raise ValueError(f"{shapes}; expected (N,) or (S, N) answers and (N,) subjects")
    if not correct.size:
        raise ValueError("there are no faces to score")
    if pd.isna(groups).any():
        raise ValueError("a face has no subject")
    if not np.isin(correct, (0, 1)).all():
        raise ValueError("answers should be right (True) or wrong (False)")
    known, places = np.unique(groups, return_inverse=True)
    if names is not None:
        places, known = np.searchsorted(names, known)[places], names
    hits = np.bincount(places, weights=correct.sum(axis=0), minlength=len(known))
    return hits, len(correct) * np.bincount(places, minlength=len(known))


def _draws(subjects: int, seed: int) -> np.ndarray:
    """Draw how often each subject is in each resample, shape (RESAMPLES, subjects)."""
    rng = np.random.default_rng([seed, 2])
    return rng.multinomial(subjects, np.full(subjects, 1 / subjects), size=RESAMPLES)


def _exchange_p_value(gains: np.ndarray) -> float:
    """Compute the exact two-sided p-value of a sum of whole numbers under random signs: all 2^G sign patterns."""
    steps = np.abs(gains[gains != 0]).astype(int)
    shares = np.zeros(2 * steps.sum() + 1)
    middle = steps.sum()
    shares[middle] = 1.0
    for step in steps:  # only zeros roll over the edge, because the edge is the sum of all steps
        shares = (np.roll(shares, step) + np.roll(shares, -step)) / 2
    sums = np.abs(np.arange(len(shares)) - middle)
    return float(min(1.0, shares[sums >= abs(int(gains.sum()))].sum()))
