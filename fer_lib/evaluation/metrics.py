"""Metrics with their 95 % intervals, and comparisons paired on the same faces.

The project always distinguishes two accuracies. Categorical accuracy is the share of faces whose largest output is the
true class. Keras' binary accuracy is the share of correct entries among N·C yes/no decisions "output > 0.5"; with seven
classes, a model whose outputs never exceed 0.5 scores exactly 6/7 = 0.8571, whatever it has learned.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

import numpy as np
import pandas as pd
from scipy import special, stats
from sklearn import metrics
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

CONFIDENCE = 0.95
RESAMPLES = 2000
SMALLEST_PROBABILITY = 1e-7  # keras.config.epsilon(): keeps the cross-entropy finite


def score(probabilities: np.ndarray, labels: np.ndarray, class_names: tuple[str, ...]) -> pd.DataFrame:
    """Compute every metric of one model on one set of faces, each with a 95 % interval.

    Args:
        probabilities: float, shape (N, C).
        labels: int, shape (N,).
        class_names: C names.

    Returns:
        A DataFrame with one row per metric: ``metric``, ``value``, ``low``, ``high``, ``n`` (number of faces) and
        ``interval`` (Wilson for shares of faces, else percentile bootstrap over faces). ``loss`` is in nats.

    Raises:
        ValueError: the shapes do not fit or a probability is not a number.
    """
    _check(probabilities, labels, len(class_names))
    predicted = probabilities.argmax(axis=1)
    cells = metrics.confusion_matrix(labels, predicted, labels=range(len(class_names)))
    drawn = _resampled_confusions(cells, np.random.default_rng([0, 0]))
    rows = [
        _bootstrapped_mean("loss", cross_entropies(probabilities, labels)),
        _wilson("categorical_accuracy", int(np.trace(cells)), len(labels)),
        _bootstrapped_mean("binary_accuracy", binary_hits(probabilities, labels).mean(axis=1)),
        _row("macro_f1", _macro_f1(cells), percentiles(_macro_f1(drawn)), len(labels), "bootstrap"),
        _row("balanced_accuracy", _balanced(cells), percentiles(_balanced(drawn)), len(labels), "bootstrap"),
        *(
            _wilson(f"recall_{name}", int(cells[index, index]), int(cells[index].sum()))
            for index, name in enumerate(class_names)
        ),
    ]
    return pd.DataFrame(rows)


def history_scores(history: pd.DataFrame) -> pd.DataFrame:
    """Convert the last epoch's training values to the form of :func:`score`, without intervals.

    They are Keras' running means over the epoch, with dropout and augmentation on: ``fit`` prints them as training loss
    and accuracy, and chen2023's Table 2 most likely shows them.
    """
    last = history.iloc[-1]
    names = ("loss", "categorical_accuracy", "binary_accuracy")
    return pd.DataFrame([_row(name, last[name], (np.nan, np.nan), 0, "none: fit's last epoch") for name in names])


def sureness(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Split Keras' binary accuracy into its parts: 6/7 + (sure and right - sure and wrong) / 7N.

    The model is sure of a face if its largest output exceeds 0.5. Keys: ``faces`` (N), ``sure_right``, ``sure_wrong``,
    ``largest_output`` and ``binary_accuracy`` by this identity, which for C classes is (C-1)/C + (right - wrong) / CN.
    """
    classes = probabilities.shape[1]
    sure = probabilities.max(axis=1) > 0.5
    right = probabilities.argmax(axis=1) == labels
    sure_right, sure_wrong = int((sure & right).sum()), int((sure & ~right).sum())
    return {
        "faces": len(labels),
        "sure_right": sure_right,
        "sure_wrong": sure_wrong,
        "largest_output": float(probabilities.max()),
        "binary_accuracy": (classes - 1) / classes + (sure_right - sure_wrong) / (classes * len(labels)),
    }


def active_units(units: np.ndarray) -> dict[str, int]:
    """Count the ``units`` of a layer and how many of them are ``active``: above 0 for at least one face.

    A ReLU that is 0 for every face passes nothing on and cannot learn any more.

    Args:
        units: outputs of a layer that ends in a ReLU, shape (N, units).
    """
    return {"units": units.shape[1], "active": int((units > 0).any(axis=0).sum())}


def cross_entropies(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Compute each face's cross-entropy in nats, shape (N,): chen2023's equation 1 with the missing minus sign."""
    true = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    return -np.log(np.clip(true, SMALLEST_PROBABILITY, 1.0))


def binary_hits(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Mark which of the N·C decisions "output > 0.5" Keras counts as correct, bool (N, C)."""
    truth = np.arange(probabilities.shape[1]) == labels[:, np.newaxis]
    return (probabilities > 0.5) == truth


def class_priors(training_labels: np.ndarray, faces: int, *, classes: int = 7) -> np.ndarray:
    """Compute the probabilities of a model that always answers the training part's class shares, shape (faces, C)."""
    shares = np.bincount(training_labels, minlength=classes) / len(training_labels)
    return np.tile(shares, (faces, 1))


def confusion(probabilities: np.ndarray, labels: np.ndarray, class_names: tuple[str, ...]) -> pd.DataFrame:
    """Count faces per true class (rows) and predicted class (columns).

    Args:
        probabilities: float, shape (N, C).
        labels: int, shape (N,).
        class_names: C names.

    Raises:
        ValueError: the shapes do not fit, there are no faces, or a probability is not a number.
    """
    _check(probabilities, labels, len(class_names))
    cells = metrics.confusion_matrix(labels, probabilities.argmax(axis=1), labels=range(len(class_names)))
    return pd.DataFrame(
        cells, index=pd.Index(class_names, name="true"), columns=pd.Index(class_names, name="predicted")
    )


def reliability(probabilities: np.ndarray, labels: np.ndarray) -> pd.DataFrame:
    """Compute the reliability curve of the largest output (Guo et al. 2017), a row for each non-empty one of ten bins.

    Columns: ``confidence`` (mean largest output), ``accuracy`` (share of faces classified correctly) with its Wilson
    interval ``low``, ``high``, and ``faces``. A bin contains the confidences in (lower edge, upper edge].
    """
    _check(probabilities, labels, probabilities.shape[1])
    confidences = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    places = np.clip(np.digitize(confidences, np.linspace(0, 1, 11), right=True) - 1, 0, 9)
    rows = []
    for place in np.unique(places):
        inside = places == place
        hits = _wilson("accuracy", int(right[inside].sum()), int(inside.sum()))
        rows.append(
            {
                "confidence": float(confidences[inside].mean()),
                "accuracy": hits["value"],
                "low": hits["low"],
                "high": hits["high"],
                "faces": hits["n"],
            }
        )
    return pd.DataFrame(rows)


def calibration_error(curve: pd.DataFrame) -> float:
    """Compute the expected calibration error of a reliability curve: the faces' mean |accuracy - confidence|."""
    return float(np.average((curve["accuracy"] - curve["confidence"]).abs(), weights=curve["faces"]))


def compare_paired(first: np.ndarray, second: np.ndarray, labels: np.ndarray, *, seed: int = 0) -> dict[str, float]:
    """Compare two models' categorical accuracy on the same faces.

    Args:
        first: probabilities, shape (N, C).
        second: probabilities of the same faces in the same order, shape (N, C).
        labels: int, shape (N,).
        seed: seed of the bootstrap.

    Returns:
        ``difference`` (first minus second), its 95 % interval ``low``, ``high``, the faces that ``only_first`` and
        ``only_second`` get right, and ``p_value`` of McNemar's exact test. The interval contains that of a bootstrap
        over faces and that of McNemar's test, so it excludes 0 exactly if the p-value is below 0.05.
    """
    _check(first, labels, first.shape[1])
    _check(second, labels, first.shape[1])
    first_right, second_right = first.argmax(axis=1) == labels, second.argmax(axis=1) == labels
    only_first, only_second = int((first_right & ~second_right).sum()), int((second_right & ~first_right).sum())
    difference = first_right.astype(float) - second_right
    interval = _bootstrapped_mean("difference", difference, seed=seed)
    low, high = _with_mcnemar(interval, only_first, only_second)
    both, neither = int((first_right & second_right).sum()), int((~first_right & ~second_right).sum())
    exact = mcnemar([[both, only_first], [only_second, neither]], exact=True)
    return {
        "difference": interval["value"],
        "low": low,
        "high": high,
        "only_first": only_first,
        "only_second": only_second,
        "p_value": float(exact.pvalue),
    }


def holm(p_values: Sequence[float]) -> np.ndarray:
    """Adjust the p-values of one family of comparisons by Holm's method (1979), keeping their order.

    If every difference with an adjusted p below 0.05 is claimed, the family contains a false claim in at most 5 % of
    the cases, however the comparisons depend on each other. The comparisons of a family ask different questions; the
    seeds of one comparison repeat the same question and are no family.

    Args:
        p_values: shape (K,), each in 0–1; NaN for a row without a test, which is not counted and stays NaN.
    """
    adjusted = np.array(p_values, dtype=np.float64)
    tested = np.isfinite(adjusted)
    if tested.any():
        adjusted[tested] = multipletests(adjusted[tested], method="holm")[1]
    return adjusted


def top_k(outputs: np.ndarray, labels: np.ndarray) -> dict[str, dict[str, float]]:
    """Compute the share of images whose class has the largest or one of the five largest outputs (Wilson's intervals).

    Args:
        outputs: probabilities or logits, shape (N, C).
        labels: int, shape (N,).

    Returns:
        ``"top1"`` and ``"top5"`` -> ``value``, ``low``, ``high`` (95 %) and ``n``.

    Raises:
        ValueError: the shapes do not fit or an output is not a number.
    """
    _check(outputs, labels, outputs.shape[1])
    own = outputs[np.arange(len(labels)), labels]
    earlier = np.arange(outputs.shape[1]) < np.asarray(labels)[:, np.newaxis]  # wins a tie, as in argmax
    before = ((outputs > own[:, np.newaxis]) | (earlier & (outputs == own[:, np.newaxis]))).sum(axis=1)
    found = {}
    for k in (1, 5):
        hits, n = int((before < k).sum()), len(labels)
        low, high = wilson(hits, n)
        found[f"top{k}"] = {"value": hits / n, "low": low, "high": high, "n": n}
    return found


def wilson(hits: float, n: int) -> tuple[float, float]:
    """Compute Wilson's 95 % interval of ``hits`` right answers among ``n``; ``hits`` may be a fraction."""
    low, high = proportion_confint(hits, n, alpha=1 - CONFIDENCE, method="wilson")
    return float(max(low, 0)), float(min(high, 1))


def mean_over_seeds(
    values: np.ndarray, low: np.ndarray, high: np.ndarray, *, share: bool = False, axis: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Compute the bounds of the 95 % interval of a mean over seeds and faces.

    Two distances from the mean are squared and added (Zou and Donner 2008): that of Student's t over the seeds, and the
    mean distance of the seeds' own intervals over faces. All seeds have the same faces, so that more seeds do not
    narrow the second. It holds its level with three seeds, where the hierarchical bootstrap does not
    (``benchmarks/bench_interval_coverage.py``).

    Args:
        values: a score of each seed; at least two seeds.
        low: lower ends of the seeds' 95 % intervals over faces, of the same shape.
        high: upper ends.
        share: whether the score is a share; distances are then taken on the logit scale, which ends at 0 and 1.
        axis: the axis of the seeds.
    """
    values, low, high = (np.asarray(each, dtype=np.float64) for each in (values, low, high))
    seeds, mean, spread = values.shape[axis], values.mean(axis=axis), values.std(axis=axis, ddof=1)
    if share:
        sure = SMALLEST_PROBABILITY
        values, low, high, mean = (special.logit(np.clip(each, sure, 1 - sure)) for each in (values, low, high, mean))
        spread = spread / (special.expit(mean) * special.expit(-mean))
    over_seeds = stats.t.ppf((1 + CONFIDENCE) / 2, seeds - 1) * spread / np.sqrt(seeds)
    below, above = (values - low).mean(axis=axis), (high - values).mean(axis=axis)
    ends = mean - np.hypot(over_seeds, below), mean + np.hypot(over_seeds, above)
    return (special.expit(ends[0]), special.expit(ends[1])) if share else ends


def percentiles(values: np.ndarray) -> tuple[float, float]:
    """Compute the bounds between which 95 % of the resampled values, shape (R,), lie."""
    tail = 100 * (1 - CONFIDENCE) / 2
    return tuple(np.percentile(values, [tail, 100 - tail]))


def _check(probabilities: np.ndarray, labels: np.ndarray, classes: int) -> None:
    if probabilities.shape != (len(labels), classes):
        raise ValueError(f"probabilities have shape {probabilities.shape}; expected {(len(labels), classes)}")
    if not len(labels):
        raise ValueError("there are no faces to score")
    if not np.isfinite(probabilities).all():
        raise ValueError("a probability is not a number")


class _Row(TypedDict):
    """One row of :func:`score`."""

    metric: str
    value: float
    low: float
    high: float
    n: int
    interval: str


def _row(metric: str, value: float | np.ndarray, interval: tuple[float, float], n: int, kind: str) -> _Row:
    return {
        "metric": metric,
        "value": float(value),
        "low": float(interval[0]),
        "high": float(interval[1]),
        "n": n,
        "interval": kind,
    }


def _wilson(metric: str, hits: int, n: int) -> _Row:
    if not n:  # a class without faces has no recall
        return _row(metric, np.nan, (np.nan, np.nan), 0, "wilson")
    return _row(metric, hits / n, wilson(hits, n), n, "wilson")


def _bootstrapped_mean(metric: str, values: np.ndarray, *, seed: int = 0) -> _Row:
    value = float(values.mean())
    if np.ptp(values) == 0:  # all values are equal, so all resamples agree
        return _row(metric, value, (value, value), len(values), "bootstrap")
    drawn = stats.bootstrap(
        (values,),
        np.mean,
        n_resamples=RESAMPLES,
        confidence_level=CONFIDENCE,
        method="percentile",
        batch=200,  # 200 resamples of 28,709 faces take 46 MB
        rng=np.random.default_rng([seed, 1]),
    )
    return _row(metric, value, tuple(drawn.confidence_interval), len(values), "bootstrap")


def _with_mcnemar(interval: _Row, only_first: int, only_second: int) -> tuple[float, float]:
    """Widen a paired difference's interval to that of McNemar's exact test, given how many faces differ.

    The test asks for the share of ``only_first`` among the faces that differ; Clopper and Pearson's interval of this
    share contains 1/2 exactly if the test does not reject. If only the bootstrap's includes 0, the test's own counts.
    """
    differ = only_first + only_second
    if not differ:
        return interval["low"], interval["high"]
    shares = proportion_confint(only_first, differ, alpha=1 - CONFIDENCE, method="beta")
    low, high = (float((2 * share - 1) * differ / interval["n"]) for share in shares)
    widened = min(low, interval["low"]), max(high, interval["high"])
    return widened if (low <= 0 <= high) == (widened[0] <= 0 <= widened[1]) else (low, high)


def _resampled_confusions(cells: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw confusion matrices by resampling faces within each class, shape (RESAMPLES, C, C).

    Drawing faces of a class means drawing the cells of its row. Class sizes stay the same, so that no class is missing
    from a mean over classes.
    """
    rows = [rng.multinomial(row.sum(), row / max(row.sum(), 1), size=RESAMPLES) for row in cells]
    return np.stack(rows, axis=1)


def _macro_f1(cells: np.ndarray) -> np.ndarray:
    """Compute the macro F1 of confusion matrices (…, C, C), over the classes that occur as truth or prediction."""
    hits = np.diagonal(cells, axis1=-2, axis2=-1).astype(float)
    total = cells.sum(axis=-1) + cells.sum(axis=-2)
    return _mean_where(2 * hits, total)


def _balanced(cells: np.ndarray) -> np.ndarray:
    """Compute the mean recall of confusion matrices (…, C, C), over the classes that have faces."""
    return _mean_where(np.diagonal(cells, axis1=-2, axis2=-1).astype(float), cells.sum(axis=-1))


def _mean_where(numerators: np.ndarray, denominators: np.ndarray) -> np.ndarray:
    ratios = numerators / np.maximum(denominators, 1)
    present = denominators > 0
    return (ratios * present).sum(axis=-1) / present.sum(axis=-1)
