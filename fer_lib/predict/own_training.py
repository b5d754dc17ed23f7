"""Train a network on one's own faces with the modern recipe of the comparators, for `fer-lib train`.

The recipe is that of :class:`fer_lib.comparators.resnet50_modern.ResNet50Modern`: flips, shifts and rotation, AdamW
with warm-up and cosine, label smoothing. No epoch is chosen by the held-out faces, so their accuracy is an honest
estimate.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fer_lib import comparators, provenance
from fer_lib.comparators.recipe import RATE_FROM_SCRATCH, Network, RecipeSettings, divided
from fer_lib.comparators.resnet50_modern import ResNet50Modern
from fer_lib.datasets.catalog import SYNTHETIC_MARK
from fer_lib.datasets.face_dataset import FaceDataset
from fer_lib.errors import FerError
from fer_lib.evaluation import metrics
from fer_lib.models.pretrained import weights_origin
from fer_lib.predict import models
from fer_lib.predict.photo_files import shown
from fer_lib.predict.training_faces import groups
from fer_lib.predict.training_request import CHECKPOINTS, REQUEST, TrainingRequest
from fer_lib.settings import FaceSettings
from fer_lib.tables.base import crops_of
from fer_lib.tables.format import percent
from fer_lib.utils import bundle, code_hash

_SCORES = {"categorical_accuracy": "categorical accuracy", "balanced_accuracy": "balanced accuracy"}


@dataclass(frozen=True)
class Trained:
    """A trained network in its folder.

    Attributes:
        folder: the folder, which ``fer_lib.predict.models.load`` reads.
        card: the content of its ``model.json``; ``card["held_out"]`` has the scores.
        already: whether an earlier call had finished it.
    """

    folder: Path
    card: Mapping[str, Any]
    already: bool = False


def train(faces: FaceDataset, request: TrainingRequest, folder: Path) -> Trained:
    """Train a network and save it as a model, or continue a training that was interrupted.

    Args:
        faces: the faces, from :func:`fer_lib.predict.training_faces.read`.
        request: the network and its training.
        folder: the model's folder; the state after each epoch is kept in it until the training is finished.

    Raises:
        FerError: a class has too few faces, the weights are not available, the folder contains another training, or
            the loss is not a number.
    """
    comparator = _comparator(request)
    settings = comparator.settings()
    wanted = _wanted(faces, request, comparator)
    if earlier := _earlier(folder, wanted):
        return Trained(folder, earlier, already=True)
    learn, held_out = _divided(faces, settings, request)
    bundle.write_json(folder / REQUEST, wanted)
    comparator.checkpoints = folder / CHECKPOINTS
    comparator.fit(faces.images, faces.labels, groups(faces))
    assert comparator.settings_ is not None
    scores = {} if held_out is None else _scores(comparator, held_out)
    alike = models.keep_network(
        folder,
        comparator.whole(),
        faces,
        settings=comparator.settings_,
        provenance=_provenance(faces, request),
        faces=FaceSettings(size=request.image_size),
        training=wanted,
        held_out={"faces": 0 if held_out is None else len(held_out), "training_faces": len(learn), **scores},
    )
    if not alike:
        raise FerError(f"The network saved in {shown(folder)} answers otherwise than the trained one; train it again.")
    (folder / REQUEST).unlink(missing_ok=True)
    shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)
    return Trained(folder, bundle.read_json(folder / models.MODEL_FILE))


def report(done: Trained) -> list[str]:
    """Format a finished training as lines: the faces, the scores on the held-out ones, and what comes next."""
    made, scores = done.card["provenance"], done.card["held_out"]
    data = next(iter(made["data"].values()))
    classes = ", ".join(f"{name} {count:,}" for name, count in data["counts"].items() if name != "total")
    lines = [f"{SYNTHETIC_MARK}: these faces were generated; the scores say nothing about people."] * data["synthetic"]
    lines += [f"Already trained: {shown(done.folder)}."] if done.already else [f"Wrote {shown(done.folder)}."]
    lines.append(f"Faces: {classes}; crops: {data['crops']}.")
    lines += [f"Left out: {count:,} pictures {why}." for why, count in data["notes"].get("left out", {}).items()]
    if scores["faces"]:
        lines += [
            f"{name[0].upper()}{name[1:]} on {scores['faces']:,} faces held out: {percent(*scores[key])} % "
            "[95 % interval]."
            for key, name in _SCORES.items()
        ]
        lines += [f"Recall of {name}: {percent(*row)} %." for name, row in scores["recall"].items()]
        if not data["subjects_apart"]:
            lines.append(
                "The faces do not say whom they show: the same person may be in both parts, and unknown people may be "
                "recognised less often."
            )
    else:
        lines.append("No face was held out, so there is no score.")
    named = shown(done.folder)
    return [*lines, f"Next: fer-lib predict PHOTO --model {named}, or fer-lib evaluate FOLDER --model {named}."]


def _comparator(request: TrainingRequest) -> Network:
    """Create the unfitted comparator of a request, with the modern recipe."""
    recipe: dict[str, Any] = {**ResNet50Modern.own, "validation_share": request.validation}
    parameters: dict[str, Any] = {"epochs": request.epochs, "image_size": request.image_size, "seed": request.seed}
    if request.network == "resnet50_modern":
        parameters["weights"] = request.weights
        if request.weights == "none":
            recipe["learning_rate"] = RATE_FROM_SCRATCH
        return comparators.create("resnet50_modern", **parameters, recipe=recipe)
    recipe["learning_rate"] = RATE_FROM_SCRATCH
    return comparators.create("cnn_ad", **parameters, recipe=recipe)


def _wanted(faces: FaceDataset, request: TrainingRequest, comparator: Network) -> dict[str, Any]:
    """List all that decides a training's result."""
    weights = None if request.network != "resnet50_modern" else Path(request.weights).name
    if weights not in (None, "imagenet", "none"):
        weights = weights_origin(request.weights)["sha256"]
    return {
        **request.plain(),
        "weights": weights,
        "classes": list(faces.class_names),
        "faces": faces.fingerprint,
        "code": code_hash.of(type(comparator)),
        "backend": provenance.surroundings()["engine"],
    }


def _earlier(folder: Path, wanted: Mapping[str, Any]) -> dict[str, Any] | None:
    """Read the card of a finished training of the same kind; None if there is none, or an unfinished one.

    Raises:
        FerError: the folder contains another training, or something else.
    """
    card, unfinished = folder / models.MODEL_FILE, folder / REQUEST
    if unfinished.is_file() and not (folder / CHECKPOINTS).exists():
        return None  # it stopped before its first epoch ended, perhaps for want of weights
    if unfinished.is_file():
        found, kind = bundle.read_json(unfinished), "an unfinished training"
    elif card.is_file() and "training" in (content := bundle.read_json(card)):
        found, kind = content["training"], "a model that was trained"
    elif folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FerError(f"{shown(folder)} contains something else than a training; name a new folder with --out.")
    else:
        return None
    other = [name for name, value in wanted.items() if found.get(name) != value]
    if other:
        values = ", ".join(f"{name} {_short(found.get(name))} and not {_short(wanted[name])}" for name in other)
        raise FerError(
            f"{shown(folder)} contains {kind} with {values}; repeat that command to continue, or name a new folder "
            "with --out."
        )
    return None if unfinished.is_file() else content


def _short(value: Any) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= 60 else f"{text[:12]}…"


def _divided(
    faces: FaceDataset, settings: RecipeSettings, request: TrainingRequest
) -> tuple[FaceDataset, FaceDataset | None]:
    """Divide the faces as the training will: equal pictures, and those of one subject, stay in one part.

    Raises:
        FerError: a class has too few faces or subjects for both parts.
    """
    if not request.validation:
        return faces, None
    parts, who = max(2, round(1 / request.validation)), groups(faces)
    kind = "subject" if "subject" in faces.meta else "different face"
    for place, name in enumerate(faces.class_names):
        count = len(np.unique(who[faces.labels == place]))
        if count < parts:
            found = f"{count} {kind}{'' if count == 1 else 's'}"
            raise FerError(
                f"The class {name} has {found}, and --validation {request.validation:g} needs {parts} of each class; "
                "add faces, or give --validation 0."
            )
    grouped = replace(faces, meta=pd.DataFrame({"label": faces.labels, "split": "Training", "subject": who}))
    learn, held_out = divided(grouped, settings, request.seed)
    if missing := set(range(len(faces.class_names))) - set(learn.labels.tolist()):
        raise FerError(
            f"All faces of the class {faces.class_names[min(missing)]} would be held out; give another --seed or "
            "--validation."
        )
    return learn, held_out


def _scores(comparator: Network, held_out: FaceDataset) -> dict[str, Any]:
    """Score the held-out faces: value and both ends of the interval of each score, None for NaN."""
    outputs = comparator.predict_proba(held_out.images)
    rows = {
        str(row["metric"]): [None if math.isnan(row[key]) else float(row[key]) for key in ("value", "low", "high")]
        for row in metrics.score(outputs, held_out.labels, held_out.class_names).to_dict("records")
    }
    recall = {name: rows[f"recall_{name}"] for name in held_out.class_names if rows[f"recall_{name}"][0] is not None}
    return {**{key: rows[key] for key in _SCORES}, "recall": recall}


def _provenance(faces: FaceDataset, request: TrainingRequest) -> dict[str, Any]:
    counts = np.bincount(faces.labels, minlength=len(faces.class_names)).tolist()
    facts = {
        "fingerprint": faces.fingerprint,
        "counts": {**dict(zip(faces.class_names, counts, strict=True)), "total": len(faces)},
        "synthetic": faces.synthetic,
        "subjects_apart": "subject" in faces.meta,
        "crops": crops_of(faces),
        "notes": faces.notes,
    }
    pretrained = request.network == "resnet50_modern"
    return {
        "data": {faces.corpus: facts},
        "weights": weights_origin(request.weights if pretrained else "none"),
        "seed": request.seed,
        **provenance.surroundings(),
    }
