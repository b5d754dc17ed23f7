"""Accuracy of faces that are not independent, with intervals and tests by subject.

The answers about faces of one subject, or of one recording, tend to be right or wrong together. An interval over faces
would be too narrow, because a second frame of a face adds little information. So the spread comes from a jackknife that
leaves out one subject at a time, with all its faces (Efron and Stein 1981), and the quantiles from Student's t for as
many degrees of freedom as there are subjects, less one.

A simulation decided which interval holds its level with 12 to 40 subjects (``benchmarks/bench_interval_coverage.py``,
table in ``docs/reliability.md``). The percentile bootstrap over subjects does not.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import special, stats

from fer_lib.evaluation.metrics import CONFIDENCE, wilson

LEVEL = 1 - CONFIDENCE
ROUNDING = 1e-12  # smaller differences count as none
UNSEEN_IN_SHARE, UNSEEN_IN_DIFFERENCE = 0.1, 0.25
"""How far the subject that nobody saw is assumed to be from the mean: it is one of as many as were seen.

The subjects at hand show too little variation when most of them have all faces right. Both are the smallest values of
those tried that hold the level in the simulation."""
SUBSETS = 20_000  # subsets of the subjects that a permutation test draws; all are counted if there are no more


class Estimate(NamedTuple):
    """Share, or difference of shares, with the bounds of its 95 % interval."""

    value: float
    low: float
    high: float


def clustered_accuracy(correct: np.ndarray, groups: np.ndarray) -> Estimate:
    """Compute the share of right answers with its 95 % interval over subjects.

    Args:
        correct: bool, shape (N,), or (S, N) for S trainings that answered for the same N faces. Concatenate answers for
            different faces, such as those of several drawn test sets.
        groups: the subject (or sequence) of each face, shape (N,).

    Raises:
        ValueError: the shapes do not fit, or there are no faces.
    """
    hits, answers = _per_subject(correct, groups)
    low, high = share_bounds(hits, answers)
    return Estimate(float(hits.sum() / answers.sum()), float(low), float(high))


def share_bounds(hits: np.ndarray, answers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Compute the bounds of a share's 95 % interval: Student's t on the logit scale, with a jackknife over subjects.

    On the logit scale an end never reaches 0 or 1. If the subjects do not differ (every answer right, every answer
    wrong, or only one subject), the interval is Wilson's for as many independent answers as there are subjects, which
    is rather wide.

    Args:
        hits: right answers about each subject, shape (..., G).
        answers: all answers about each subject, shape (..., G), each at least 1.

    Returns:
        The lower and the upper bounds, each of shape (...).
    """
    count, share = hits.shape[-1], hits.sum(axis=-1) / answers.sum(axis=-1)
    error = jackknife_error(hits, answers, unseen=UNSEEN_IN_SHARE)
    with np.errstate(divide="ignore", invalid="ignore"):
        reach = _quantile(count) * error / (share * (1 - share))
        low, high = (special.expit(special.logit(share) + side * reach) for side in (-1, 1))
    alike = np.ptp(hits / answers, axis=-1) == 0
    if alike.any():
        narrow = np.array([wilson(each * count, count) for each in np.atleast_1d(share)]).reshape(*share.shape, 2)
        low, high = np.where(alike, narrow[..., 0], low), np.where(alike, narrow[..., 1], high)
    return low, high


def compare_clustered(first_correct: np.ndarray, second_correct: np.ndarray, groups: np.ndarray) -> dict[str, Any]:
    """Compare two models on the same faces, pairing face by face and counting subject by subject.

    Two tests must reject a difference: Student's t with a jackknife over subjects, and the permutation test that
    exchanges the models' answers subject by subject (exact, two-sided; Hartigan 1969 for differences other than 0). The
    interval contains the differences that at least one of them does not reject, and ``p_value`` is the larger of the
    two. So the interval excludes 0 exactly if ``p_value`` is below 0.05.

    Args:
        first_correct: bool, shape (N,), or (S, N) for S trainings.
        second_correct: the second model's answers about the same faces in the same order, the same shape.
        groups: the subject of each face, shape (N,).

    Returns:
        ``difference`` (accuracy of the first minus that of the second), its 95 % interval ``low``, ``high``,
        ``p_value``, ``exchange_p`` (the permutation test's alone), ``only_first`` and ``only_second`` (answers that
        only this model got right), ``n`` and ``n_subjects``.

    Raises:
        ValueError: the shapes do not fit, or there are no faces.
    """
    first, second = np.asarray(first_correct, dtype=bool), np.asarray(second_correct, dtype=bool)
    if first.shape != second.shape:
        raise ValueError(f"the models' answers have shapes {first.shape} and {second.shape}; expected the same")
    first_hits, answers = _per_subject(first, groups)
    second_hits, _ = _per_subject(second, groups)
    gains, count = first_hits - second_hits, len(answers)
    value, exchanged = float(gains.sum() / answers.sum()), _exchange_p_value(gains)
    error = float(_difference_error(gains, answers))
    p_value = max(exchanged, 2 * float(stats.t.sf(abs(value) / error, count - 1)) if count > 1 else 1.0)
    low, high = map(float, difference_bounds(gains, answers))
    if p_value >= LEVEL:  # the drawn subsets may just miss 0, or just include it
        low, high = min(low, 0.0), max(high, 0.0)
    elif low <= 0 <= high:
        low, high = _plus_minus(value, _quantile(count) * error)
    return {
        "difference": value,
        "low": float(low),
        "high": float(high),
        "only_first": int((first & ~second).sum()),
        "only_second": int((second & ~first).sum()),
        "p_value": p_value,
        "exchange_p": exchanged,
        "n": int(answers.sum()),
        "n_subjects": count,
    }


def difference_bounds(gains: np.ndarray, answers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Compute the bounds of a paired difference's 95 % interval: of Student's t and of the permutation test together.

    Args:
        gains: the first model's right answers about each subject minus the second's, shape (..., G).
        answers: all answers about each subject, shape (..., G).

    Returns:
        The lower and the upper bounds, each of shape (...).
    """
    value, count = gains.sum(axis=-1) / answers.sum(axis=-1), gains.shape[-1]
    if count == 1:
        return -np.ones_like(value), np.ones_like(value)
    low, high = _plus_minus(value, _quantile(count) * _difference_error(gains, answers))
    lowest, highest = exchange_bounds(gains, answers)
    return np.maximum(np.minimum(low, lowest), -1), np.minimum(np.maximum(high, highest), 1)


def exchange_bounds(gains: np.ndarray, answers: np.ndarray, *, subsets: int = SUBSETS) -> tuple[np.ndarray, np.ndarray]:
    """Bound the differences that the permutation test does not reject, each bound of shape (...) and perhaps infinite.

    The test exchanges the models' answers about some subjects. It rejects a difference d in favour of a larger one if
    few subsets of the subjects have a difference of d or less; the empty subset counts as such. So the bounds are
    quantiles of the differences of random subsets (Hartigan 1969, "typical values").

    Args:
        gains: the first model's right answers about each subject minus the second's, shape (..., G).
        answers: all answers about each subject, shape (..., G).
        subsets: number of subsets to draw; if there are no more, all are counted.
    """
    found = []
    for chosen in _subsets(gains.shape[-1], subsets):
        chosen = chosen.astype(float)  # products of whole numbers are slow
        counted = answers @ chosen
        with np.errstate(divide="ignore", invalid="ignore"):
            found.append(np.where(counted == 0, np.nan, (gains @ chosen) / counted))
    drawn = np.concatenate(found, axis=-1)
    low, below_high = (
        np.quantile(np.where(np.isnan(drawn), -np.inf, side * drawn), LEVEL / 2, axis=-1, method="inverted_cdf")
        for side in (1, -1)
    )
    return low, -below_high


def difference_between(first: tuple[np.ndarray, np.ndarray], second: tuple[np.ndarray, np.ndarray]) -> Estimate:
    """Compare two accuracies on different faces of (partly) the same subjects, by Student's t and a jackknife.

    Use it for two sets of test faces, such as those of two ways to divide a corpus. A subject that is left out is left
    out of both. There is no permutation test, because the faces cannot be exchanged.

    Args:
        first: right answers, bool (N,) or (S, N), and the subjects of their faces (N,).
        second: the same for the second accuracy; N and S may differ.

    Returns:
        The first accuracy minus the second.

    Raises:
        ValueError: shapes do not fit, or there are no faces.
    """
    names = np.union1d(first[1], second[1])
    sides = [_per_subject(*side, names=names) for side in (first, second)]
    value = float(np.subtract(*(hits.sum() / answers.sum() for hits, answers in sides)))
    count = min(int((answers > 0).sum()) for _, answers in sides)
    if count == 1:
        return Estimate(value, *_unvaried(value, 1))
    left = np.subtract(*(_left_out(hits, answers) for hits, answers in sides))
    error = np.hypot(_spread(left, value), UNSEEN_IN_DIFFERENCE / count)
    low, high = _plus_minus(value, _quantile(count) * error) if np.ptp(left) > ROUNDING else _unvaried(value, count)
    return Estimate(value, max(float(low), -1.0), min(float(high), 1.0))


def jackknife_error(hits: np.ndarray, answers: np.ndarray, *, unseen: float = 0.0) -> np.ndarray:
    """Compute the standard error of ``hits.sum() / answers.sum()`` by leaving out one subject at a time, shape (...).

    Args:
        hits: whole numbers of each subject, shape (..., G).
        answers: all answers about each subject, shape (..., G).
        unseen: how far a subject that nobody saw is from the mean; it adds ``unseen / G``, in squares.
    """
    if hits.shape[-1] == 1:
        return np.full(hits.shape[:-1], np.inf)
    share = hits.sum(axis=-1) / answers.sum(axis=-1)
    return np.hypot(_spread(_left_out(hits, answers), share), unseen / hits.shape[-1])


def _difference_error(gains: np.ndarray, answers: np.ndarray) -> np.ndarray:
    """Compute a paired difference's standard error, shape (...); where no subject differs, from Wilson's end at 0."""
    count = gains.shape[-1]
    if count == 1:
        return np.full(gains.shape[:-1], np.inf)
    error = jackknife_error(gains, answers, unseen=UNSEEN_IN_DIFFERENCE)
    alike = np.ptp(gains / answers, axis=-1) < ROUNDING
    return np.where(alike, wilson(0, count)[1] / _quantile(count), error)


def _left_out(hits: np.ndarray, answers: np.ndarray) -> np.ndarray:
    """Compute the share without each subject in turn, shape (..., G)."""
    return (hits.sum(axis=-1, keepdims=True) - hits) / (answers.sum(axis=-1, keepdims=True) - answers)


def _spread(left: np.ndarray, value: np.ndarray | float) -> np.ndarray:
    count = left.shape[-1]
    return np.sqrt((count - 1) / count * ((left - np.asarray(value)[..., np.newaxis]) ** 2).sum(axis=-1))


def _quantile(subjects: int) -> float:
    return float(stats.t.ppf(1 - LEVEL / 2, subjects - 1)) if subjects > 1 else np.inf


def _plus_minus(value: np.ndarray | float, reach: np.ndarray | float) -> tuple[Any, Any]:
    return value - reach, value + reach


def _subsets(subjects: int, most: int) -> Iterator[np.ndarray]:
    """Yield subsets of the subjects in blocks of shape (G, block), 0 or 1: all of them, or as many drawn ones."""
    if 2**subjects <= most:
        yield (np.arange(2**subjects) >> np.arange(subjects)[:, np.newaxis]) & 1
        return
    rng, block = np.random.default_rng([0, 2]), max(1, 2_000_000 // subjects)
    for start in range(0, most, block):
        yield rng.integers(0, 2, (subjects, min(block, most - start)))


def _unvaried(difference: float, subjects: int) -> tuple[float, float]:
    """Bound a difference that no left-out subject changes: plus and minus the upper end of Wilson's interval at 0.

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
