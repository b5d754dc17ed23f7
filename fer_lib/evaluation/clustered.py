"""Accuracy where faces are not independent: those of a person, or of a recording, are right or wrong together.

Intervals come from a bootstrap over subjects: subjects, not faces, are drawn with replacement, each with all its faces
(Field and Welsh 2007). An interval over faces would be too narrow: a second frame of a face says little that is new.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from fer_lib.evaluation.metrics import RESAMPLES, percentiles, wilson

ROUNDING = 1e-12  # what differs by less does not


class Estimate(NamedTuple):
    """A share or a difference of shares, with the bounds of its 95 % interval."""

    value: float
    low: float
    high: float


def clustered_accuracy(correct: np.ndarray, groups: np.ndarray, *, seed: int = 0) -> Estimate:
    """Returns the share of right answers with its 95 % interval over subjects.

    Where no resample differs (every answer right, every one wrong, one subject alone), the interval is Wilson's for as
    many independent answers as there are subjects, which is on the wide side.

    Args:
        correct: bool, shape (N,), or (S, N) for S trainings that answered for the same N faces. Answers for different
            faces, such as those of several drawn test sets, are put one after the other.
        groups: the subject (or sequence) of each face, shape (N,).
        seed: of the bootstrap.

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
    """Compares two models' right answers for the same faces, pairing face by face and drawing subject by subject.

    Args:
        first_correct: bool, shape (N,), or (S, N) for S trainings.
        second_correct: of the same faces in the same order, the same shape.
        groups: the subject of each face, shape (N,).
        seed: of the bootstrap.

    Returns:
        ``difference`` (accuracy of the first minus that of the second), its 95 % interval ``low``, ``high`` (where no
        resample differs, such as of two models that are right about the same faces: :func:`_unvaried`),
        ``only_first`` and ``only_second`` (answers that one alone got right), ``n``, ``n_subjects`` and ``p_value``:
        exact, of the permutation test that exchanges the models' answers subject by subject, two-sided.

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
    """Returns the first accuracy minus the second, over different faces of (partly) the same subjects.

    Of use where the two were asked about different test faces, such as those of two ways to divide a corpus. A subject
    drawn brings its faces to both.

    Args:
        first: right answers, bool (N,) or (S, N), and the subjects of their faces (N,).
        second: the same of the other; N and S may differ.
        seed: of the bootstrap.

    Raises:
        ValueError: shapes do not fit, or there are no faces.
    """
    names = np.union1d(first[1], second[1])
    first_hits, first_answers = _per_subject(*first, names=names)
    second_hits, second_answers = _per_subject(*second, names=names)
    draws = _draws(len(names), seed)
    with np.errstate(invalid="ignore"):  # a resample may hold no subject of one side
        drawn = (draws @ first_hits) / (draws @ first_answers) - (draws @ second_hits) / (draws @ second_answers)
    drawn = drawn[np.isfinite(drawn)]
    value = float(first_hits.sum() / first_answers.sum() - second_hits.sum() / second_answers.sum())
    low, high = _unvaried(value, len(names)) if np.ptp(drawn) < ROUNDING else percentiles(drawn)
    return Estimate(value, float(low), float(high))


def _unvaried(difference: float, subjects: int) -> tuple[float, float]:
    """Bounds of a difference in which no resample differs: by as much as Wilson's interval of 0 answers reaches up.

    Not to have seen a subject that differs does not mean that there is none; with few subjects it means little.
    """
    _, reach = wilson(0, subjects)
    return max(difference - reach, -1.0), min(difference + reach, 1.0)


def _per_subject(
    correct: np.ndarray, groups: np.ndarray, *, names: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Right answers and answers of each subject, in the order of ``names``, else of the sorted subjects."""
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
    """How often each subject stands in each resample, shape (RESAMPLES, subjects)."""
    rng = np.random.default_rng([seed, 2])
    return rng.multinomial(subjects, np.full(subjects, 1 / subjects), size=RESAMPLES)


def _exchange_p_value(gains: np.ndarray) -> float:
    """Two-sided p-value of the sum of whole numbers whose signs are coin tosses: all 2^G sign patterns, counted."""
    steps = np.abs(gains[gains != 0]).astype(int)
    shares = np.zeros(2 * steps.sum() + 1)
    middle = steps.sum()
    shares[middle] = 1.0
    for step in steps:  # what rolls over the edge is zero, for the edge is the sum of all steps
        shares = (np.roll(shares, step) + np.roll(shares, -step)) / 2
    sums = np.abs(np.arange(len(shares)) - middle)
    return float(min(1.0, shares[sums >= abs(int(gains.sum()))].sum()))
