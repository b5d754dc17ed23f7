"""Put the scores of several seeds of notebook 04 together; each has a fine-tuning of its own (liu2023, section 1)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from fer_lib.evaluation import metrics
from fer_lib.experiments.protocol_scores import KEYS
from fer_lib.tables.base import Table
from fer_lib.tables.format import PROTOCOLS, SEPARATIONS, classifier_name, interval, percent, points, transferred_name


def _fraction(value: float, low: float = math.nan, high: float = math.nan) -> str:
    return interval(value, low, high)


TOLD = ("resnet50_svm_rbf", "resnet50_softmax", "pixels_svm")


@dataclass(frozen=True)
class Score:
    """A score of a frame of notebook 04: its columns, and how it is told.

    Attributes:
        value: the column of the score, a fraction or a difference of fractions.
        low: that of the lower end of its 95 % interval.
        high: that of the upper end.
        name: the score in the table.
        share: whether it lies between 0 and 1.
        told: formats it with its interval.
    """

    value: str
    low: str
    high: str
    name: str
    share: bool = True
    told: Callable[..., str] = percent


ACCURACY = Score("accuracy", "low", "high", "accuracy (%)")
FRAMES: dict[str, tuple[list[str], tuple[Score, ...]]] = {
    "scores": (KEYS, (ACCURACY,)),
    "svm_softmax": (
        ["protocol", "separation"],
        (Score("difference", "low", "high", "SVM minus SoftMax (points)", False, points),),
    ),
    "fer2013": (
        ["model"],
        (ACCURACY, Score("difference", "difference_low", "difference_high", "minus SoftMax (points)", False, points)),
    ),
    "genki4k": (
        ["model", "group"],
        (
            Score("accuracy", "accuracy_low", "accuracy_high", "accuracy (%)"),
            Score("auc", "auc_low", "auc_high", "area under the ROC curve", told=_fraction),
        ),
    ),
}
"""Frames of notebook 04 whose scores are put together: the columns that name a row, and its scores."""


def mean(frames: Mapping[int, pd.DataFrame], name: str) -> pd.DataFrame:
    """Replace each score by its mean over seeds, and its interval by that of the mean over seeds and faces.

    All other columns are those of the lowest seed; p-values are of one seed alone and are left out. The draws of CK+'s
    56 + 14 faces differ from seed to seed, so that their part of the interval is a little too wide.

    Args:
        frames: the frame of each seed, with the same rows.
        name: a key of ``FRAMES``.
    """
    first = frames[min(frames)]
    if len(frames) == 1 or first.empty:
        return first
    keys, scores = FRAMES[name]
    found = first.drop(columns="p_value", errors="ignore").set_index(keys)
    rows = [frames[seed].set_index(keys).reindex(found.index) for seed in sorted(frames)]
    for score in scores:
        values, low, high = (
            pd.concat([each[column].astype(float) for each in rows], axis=1).to_numpy()
            for column in (score.value, score.low, score.high)
        )
        found[score.value] = values.mean(axis=1)
        found[score.low], found[score.high] = metrics.mean_over_seeds(values, low, high, share=score.share, axis=1)
    return found.reset_index()[[column for column in first if column != "p_value"]]


def table(frames: Mapping[str, Mapping[int, pd.DataFrame]], *, synthetic: bool, notes: Sequence[str] = ()) -> Table:
    """Build the table of each seed's scores, and of their mean.

    Args:
        frames: name, a key of ``FRAMES`` -> the frame of each seed.
        synthetic: whether the faces were generated.
        notes: more sentences under the table.
    """
    rows = []
    for name, by_seed in frames.items():
        keys, scores = FRAMES[name]
        kept = {f"seed {seed}": by_seed[seed].set_index(keys) for seed in sorted(by_seed)}
        for row in mean(by_seed, name).to_dict("records"):
            place = tuple(row[key] for key in keys) if len(keys) > 1 else row[keys[0]]
            for score in scores if _is_told(name, row) else ():
                if pd.notna(row[score.value]):
                    own = {seed: score.told(float(frame.loc[place, score.value])) for seed, frame in kept.items()}
                    whole = score.told(row[score.value], row[score.low], row[score.high])
                    rows.append({"test": _test(name, row), "score": score.name, **own, "mean": whole})
    said = (
        "Each seed has its own fine-tuning, divisions and folds. Mean: with its 95 % interval over seeds and faces; "
        "p-values are of single seeds, in other tables."
    )
    return Table(pd.DataFrame(rows), "liu2023 over several fine-tunings", synthetic, (said, *notes))


def _is_told(name: str, row: Mapping[str, object]) -> bool:
    if name == "scores":
        return row["classifier"] in TOLD
    return name != "genki4k" or row["group"] == "all"


def _test(name: str, row: Mapping[str, object]) -> str:
    """Name the model and the faces of a row: ``"ResNet-50 + SVM (RBF), folds: subjects apart"``."""
    if name == "fer2013":
        return f"{classifier_name(str(row['model']))}, FER-2013"
    if name == "genki4k":
        return f"{transferred_name(str(row['model']))}, GENKI-4K"
    where = f"{PROTOCOLS.get(str(row['protocol']), row['protocol'])}: {SEPARATIONS[str(row['separation'])]}"
    return f"{classifier_name(str(row['classifier']))}, {where}" if "classifier" in row else where
