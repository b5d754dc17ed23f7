"""Format predictions for people and programs: a table, JSON, a CSV, and a sentence for each problem."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tabulate import tabulate

from fer_lib.datasets.catalog import SYNTHETIC_MARK
from fer_lib.predict import networks, packaged
from fer_lib.predict.photo_files import shown
from fer_lib.predict.photos import CROP, Prediction, score_words, trained_on
from fer_lib.utils.files import atomic_path

if TYPE_CHECKING:  # Keras takes seconds to import, and reporting a wrong path does not need it
    from fer_lib.predict.headlines import Headline
    from fer_lib.predict.networks import Model as SavedModel

_BOX = "box: left, top, width, height"
_HEADERS = ("file", "face", "outcome", "label", "score", "second best", "score", "MTCNN", _BOX)
_KINDS_OF_SCORE = {
    "probability": "Scores are the network's class probabilities; they are not calibrated.",
    "calibrated probability": (
        "Scores are the network's class probabilities, calibrated on faces of its corpus that it did not learn from."
    ),
    "decision value": (
        "Scores are decision values of a support vector machine, not probabilities; the largest one decides the label."
    ),
    "sigmoid": "Scores are the network's sigmoids, one for each class; they do not add up to 1.",
}


def table(predictions: Sequence[Prediction], model: SavedModel, path: str | Path) -> list[str]:
    """Format predictions as the lines of a table, one row each, with the notes needed to read it."""
    origin = trained_on(model)
    rows, headers = [_row(one) for one in predictions], list(_HEADERS)
    if any(one.seconds is not None for one in predictions):
        headers.insert(1, "seconds")
        for row, one in zip(rows, predictions, strict=True):
            row.insert(1, "" if one.seconds is None else f"{one.seconds:.3f}")
    lines = tabulate(rows, headers=headers, disable_numparse=True).splitlines()
    if origin.startswith(SYNTHETIC_MARK):
        lines.insert(0, f"{origin}: the model was trained on drawings, so its answers say nothing about people.")
    lines += ["", f"Model: {shown(path)}; trained on: {origin}."]
    lines += networks.notes(model.class_names, model.reading, model.image_size)
    logits = model.reading.outputs == networks.LOGITS
    made = "The network gives logits, which softmax has made into probabilities. " if logits else ""
    lines.append(made + _KINDS_OF_SCORE[model.score_kind])
    if scores := _scores(model):
        lines += ["How often it is right:", *(f"  {score.sentence()}" for score in scores)]
    if any(one.outcome == CROP for one in predictions):
        lines.append("Photos given as a crop were not searched: the whole photo is the face.")
    return lines


def json_text(predictions: Sequence[Prediction], model: SavedModel, path: str | Path) -> str:
    """Format predictions as a JSON list, one object each, with all scores; classes without training have score null."""
    origin: dict[str, Any] = {"model": str(path), "trained_on": trained_on(model), "score_kind": model.score_kind}
    origin |= networks.plain(model.class_names, model.reading)
    if scores := _scores(model):
        origin["model_scores"] = [score.plain() for score in scores]
    return json.dumps([_plain(one) | origin for one in predictions], indent=2, allow_nan=False)


def _scores(model: SavedModel) -> Sequence[Headline]:
    """List the scores that a model's own card has; those of a run's models are in its results (``fer-lib models``)."""
    return model.scores if isinstance(model, packaged.PackagedModel) else ()


def problems(predictions: Sequence[Prediction]) -> list[str]:
    """List a sentence for each problem; all frames of a video without a sure face are one sentence, at the end."""
    sentences, frames = [], {one.file: [0, 0] for one in predictions if one.seconds is not None}
    for one in predictions:
        if one.seconds is not None and one.face in (None, 1):
            frames[one.file][0] += one.missed
            frames[one.file][1] += 1
        if one.problem and (one.failed or one.seconds is None):
            sentences.append(f"{'error: ' if one.failed else ''}{one.problem}")
    for file, (missed, count) in frames.items():
        if missed:
            sentences.append(f"{shown(file)}: no sure face in {missed:,} of {count:,} frames.")
    return sentences


def unanswered(predictions: Sequence[Prediction]) -> bool:
    """Tell whether a photo, or a whole video, shows no sure face."""
    answered = {one.file for one in predictions if one.label is not None}
    return any(one.missed and (one.seconds is None or one.file not in answered) for one in predictions)


def write_csv(predictions: Sequence[Prediction], model: SavedModel, file: str | Path) -> None:
    """Write predictions as a CSV, one row each, with the score of every class; empty cells for what there is not.

    Columns: ``file``, ``seconds`` (of a frame in its video), ``outcome``, ``face``, ``label``, ``score``, ``score_``
    and the name of each class, ``confidence`` (MTCNN's), ``left``, ``top``, ``width``, ``height`` and ``problem``.

    Raises:
        FerError: the file cannot be written.
    """
    with atomic_path(file) as partial, open(partial, "w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        scores = [f"score_{name}" for name in model.class_names]
        head = ["file", "seconds", "outcome", "face", "label", "score", *scores]
        writer.writerow([*head, "confidence", "left", "top", "width", "height", "problem"])
        for one in predictions:
            known = [one.scores.get(name) for name in model.class_names]
            best = one.scores.get(one.label) if one.label is not None else None
            facts = [one.file, one.seconds, one.outcome, one.face, one.label, best, *known, one.confidence]
            writer.writerow([*facts, *(one.box or [None] * 4), one.problem])


def _row(prediction: Prediction) -> list[str]:
    """Format one line of the table."""
    ranked = [(name, score_words(score)) for name, score in prediction.ranked()[:2]]
    best, second = [*ranked, ("", ""), ("", "")][:2]
    return [
        shown(prediction.file),
        str(prediction.face or ""),
        prediction.outcome,
        *best,
        *second,
        "" if prediction.confidence is None else f"{prediction.confidence:.3f}",
        "" if prediction.box is None else _box_words(prediction.box),
    ]


def _box_words(box: tuple[float, float, float, float]) -> str:
    """Format a box in whole pixels; its edges are rounded, so that it stays within the photo."""
    left, top, width, height = box
    x, y = round(left), round(top)
    return f"{x}, {y}, {round(left + width) - x}, {round(top + height) - y}"


def _plain(prediction: Prediction) -> dict[str, Any]:
    """Convert a prediction to plain values for JSON, with the label's score."""
    ranked = prediction.ranked()
    return {
        "file": prediction.file,
        "seconds": prediction.seconds,
        "outcome": prediction.outcome,
        "searched": prediction.searched,
        "face": prediction.face,
        "label": prediction.label,
        "score": ranked[0][1] if ranked else None,
        "scores": dict(prediction.scores),
        "confidence": prediction.confidence,
        "box": prediction.box,
        "landmarks": dict(prediction.landmarks),
        "drawing": prediction.drawing,
        "problem": prediction.problem,
    }
