"""Evaluate any model on labelled faces: both accuracies with intervals, the recall of each class, the confusions."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from tabulate import tabulate

from fer_lib.datasets.catalog import SYNTHETIC_MARK
from fer_lib.errors import FerError
from fer_lib.evaluation import metrics
from fer_lib.predict import networks
from fer_lib.predict.labelled import Labelled
from fer_lib.predict.photo_files import shown
from fer_lib.predict.photos import Prediction, trained_on
from fer_lib.tables.format import percent

if TYPE_CHECKING:  # Keras takes seconds to import, and scoring does not need it
    from fer_lib.predict.networks import Model as SavedModel

_NAMES = {
    "categorical_accuracy": "categorical accuracy",
    "binary_accuracy": "binary accuracy",
    "macro_f1": "macro F1",
    "balanced_accuracy": "balanced accuracy",
}
_NO_BINARY = "not defined: the scores are decision values, and Keras compares probabilities with 0.5"


@dataclass(frozen=True)
class Evaluation:
    """Scores of a model on labelled faces.

    Attributes:
        classes: the model's classes in its order, then classes of the faces that it does not know.
        scores: rows of :func:`fer_lib.evaluation.metrics.score` without the loss; without ``binary_accuracy`` where
            the scores are decision values.
        confusion: faces by true class (rows) and predicted class (columns).
        without: the answers that are missing: pictures that cannot be read, or in which no face is sure.
        unknown: number of faces of each class that the model does not know; they count as wrong.
        known_accuracy: row like those of ``scores`` for the faces of the other classes; None if there are no others.
    """

    classes: tuple[str, ...]
    scores: pd.DataFrame
    confusion: pd.DataFrame
    without: tuple[Prediction, ...]
    unknown: dict[str, int]
    known_accuracy: dict[str, float] | None

    @property
    def faces(self) -> int:
        """Number of faces that have an answer."""
        return int(self.confusion.to_numpy().sum())


def evaluate(model: SavedModel, data: Labelled) -> Evaluation:
    """Predict labelled faces and score the answers; pictures without an answer are left out and listed.

    Raises:
        FerError: no face has an answer, the model knows none of the classes, or the model cannot be run.
    """
    if not set(data.truth) & set(model.class_names):
        raise FerError(
            f"The faces have the classes {', '.join(sorted(set(data.truth)))}, the model "
            f"{', '.join(model.class_names)}; none is the same: name the model's classes with --classes."
        )
    predictions = list(data.predict(model))
    answered = [(one, name) for one, name in zip(predictions, data.truth, strict=True) if one.label is not None]
    without = tuple(one for one in predictions if one.label is None)
    if not answered:
        raise FerError(f"None of the {len(predictions):,} pictures has an answer: {without[0].problem}")
    classes = tuple(dict.fromkeys((*model.class_names, *sorted(set(data.truth)))))
    labels = np.array([classes.index(name) for _, name in answered])
    valued = model.score_kind != "decision value"
    outputs = _outputs([one for one, _ in answered], classes, valued=valued)
    scores = metrics.score(outputs, labels, classes)
    left = {"loss"} if valued else {"loss", "binary_accuracy"}  # sigmoids and missing classes have no cross-entropy
    never = [name for name in classes if all(one.scores.get(name) is None for one, _ in answered)]
    unknown = {name: count for name in never if (count := int((labels == classes.index(name)).sum()))}
    known = None
    if unknown:
        inside = ~np.isin(labels, [classes.index(name) for name in unknown])
        rows = metrics.score(outputs[inside], labels[inside], classes) if inside.any() else None
        known = None if rows is None else _plain_rows(rows)["categorical_accuracy"]
    return Evaluation(
        classes,
        scores[~scores["metric"].isin(left)].reset_index(drop=True),
        metrics.confusion(outputs, labels, classes),
        without,
        unknown,
        known,
    )


def report(found: Evaluation, model: SavedModel, path: str | Path, data: Labelled) -> list[str]:
    """Format an evaluation as lines: both accuracies, the recall of each class, the confusion matrix, the notes."""
    rows = _plain_rows(found.scores)
    decisions = len(found.classes)
    lines = [f"{SYNTHETIC_MARK}: these faces were generated; the scores say nothing about people."] * data.synthetic
    lines += [f"Faces: {found.faces:,} of {data.origin}."]
    lines += [f"Model: {shown(path)}; trained on: {trained_on(model)}.", ""]
    table = []
    for key, name in _NAMES.items():
        note = {
            "binary_accuracy": f"Keras' BinaryAccuracy: of {decisions} yes/no decisions a face, {_nothing(decisions)}"
        }
        table.append([name, _cell(rows[key]), note.get(key, "")] if key in rows else [name, "–", _NO_BINARY])
    lines += tabulate(table, headers=("score", "% [95 % interval]", ""), disable_numparse=True).splitlines()
    table = [[name, _cell(rows[f"recall_{name}"]), f"{rows[f'recall_{name}']['n']:,}"] for name in found.classes]
    lines += [
        "",
        *tabulate(table, headers=("recall of", "% [95 % interval]", "faces"), disable_numparse=True).splitlines(),
    ]
    cells = found.confusion.map("{:,}".format).reset_index().to_numpy().tolist()
    head = ("true \\ predicted", *found.classes)
    lines += [
        "",
        *tabulate(cells, headers=head, disable_numparse=True, colalign=["left", *["right"] * decisions]).splitlines(),
    ]
    return [*lines, "", *notes(found, model, data)]


def json_text(found: Evaluation, model: SavedModel, path: str | Path, data: Labelled) -> str:
    """Format an evaluation as a JSON object; a score that does not exist is null."""
    rows = _plain_rows(found.scores)
    content = {
        "faces": found.faces,
        "data": data.origin,
        "synthetic": data.synthetic,
        "model": str(path),
        "trained_on": trained_on(model),
        "score_kind": model.score_kind,
        "classes": list(found.classes),
        **{key: rows.get(key) for key in _NAMES},
        "categorical_accuracy_of_known_classes": found.known_accuracy,
        "recall": {name: rows[f"recall_{name}"] for name in found.classes},
        "confusion": {str(name): {key: int(n) for key, n in row.items()} for name, row in found.confusion.iterrows()},
        "without_answer": [{"file": one.file, "outcome": one.outcome, "problem": one.problem} for one in found.without],
        "notes": notes(found, model, data),
        **networks.plain(model.class_names, model.reading),
    }
    return json.dumps(content, indent=2, allow_nan=False)


def notes(found: Evaluation, model: SavedModel, data: Labelled) -> list[str]:
    """Say in sentences how the scores are to be read."""
    lines = []
    for name, count in found.unknown.items():
        lines.append(f"The model does not know the class {name}: its {count:,} faces count as wrong.")
    if found.known_accuracy:
        known = found.known_accuracy
        lines.append(
            f"On the {known['n']:,} faces of the classes that it knows: categorical accuracy {_cell(known)} %."
        )
    if found.without:
        lines.append(f"Pictures without an answer, which are in no score: {len(found.without):,}.")
    if data.training and data.corpus in (model.provenance.get("data") or {}):
        lines.append("The model was trained on this corpus, and its training faces are among these: this is no test.")
    lines.append("The intervals take the faces as independent; if many show the same person, they are too narrow.")
    lines += data.notes
    return lines + networks.notes(model.class_names, model.reading, model.image_size)


def _outputs(predictions: Sequence[Prediction], classes: Sequence[str], *, valued: bool) -> np.ndarray:
    """Collect the scores of each class, shape (N, C): 0 for one without; of decision values only the label counts."""
    outputs = np.zeros((len(predictions), len(classes)))
    for row, one in enumerate(predictions):
        for place, name in enumerate(classes):
            outputs[row, place] = (one.scores.get(name) or 0.0) if valued else float(name == one.label)
    return outputs


def _plain_rows(scores: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Convert rows of scores to plain values by metric; a recall without faces has None."""
    rows = {}
    for row in scores.to_dict("records"):
        numbers = {key: None if math.isnan(row[key]) else float(row[key]) for key in ("value", "low", "high")}
        rows[str(row["metric"])] = {**numbers, "n": int(row["n"]), "interval": str(row["interval"])}
    return rows


def _cell(row: dict[str, Any]) -> str:
    return percent(*(math.nan if row[key] is None else row[key] for key in ("value", "low", "high")))


def _nothing(classes: int) -> str:
    return f"{100 * (classes - 1) / classes:.2f} % for a model that is never sure"
