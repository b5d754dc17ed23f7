"""Predict the expressions in photos: read, find the faces, crop, classify, draw. Nothing here prints.

This is liu2023's pipeline for a user's own photos: MTCNN, then the crop, then the network and its classifier. A photo
without a sure face (one of sufficient confidence) and a photo that cannot be read are different outcomes; neither stops
the others.
"""

from __future__ import annotations

import io
import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from PIL import Image, PngImagePlugin
from tabulate import tabulate

from fer_lib.datasets.readers.archives import MEMBER_LIMIT, visible
from fer_lib.datasets.readers.faults import Fault
from fer_lib.datasets.readers.pictures import IMAGE_SUFFIXES, decode_photo, is_picture_name
from fer_lib.errors import FerError
from fer_lib.faces.crops import detect
from fer_lib.faces.geometry import LANDMARKS, Detection, annotate, choose, crop
from fer_lib.settings import FaceSettings, change
from fer_lib.tables.base import SYNTHETIC_MARK
from fer_lib.utils.files import atomic_path, reason_of
from fer_lib.utils.parallel import batches
from fer_lib.utils.progress import bar

if TYPE_CHECKING:  # Keras takes seconds to import, and reporting a wrong path does not need it
    from fer_lib.predict.models import SavedModel

FOUND, WHOLE, UNSURE, NO_FACE, UNREADABLE = "found", "whole photo", "low confidence", "no face", "unreadable"

_TOGETHER, _HELD_PIXELS = 128, 50_000_000  # at most, of the photos in memory at a time
_DRAWN_BY = "fer-lib predict"
PREFERRED = "ckplus_svm_"  # first choice among several models: liu2023's own
Numbers = TypeVar("Numbers", bound=tuple[float, ...])

_HEADERS = ("file", "face", "label", "score", "second best", "score", "MTCNN", "box: left, top, width, height")
_KINDS_OF_SCORE = {
    "probability": "Scores are the network's class probabilities; they are not calibrated.",
    "decision value": (
        "Scores are decision values of a support vector machine, not probabilities; the largest one decides the label."
    ),
}


@dataclass(frozen=True)
class Prediction:
    """Prediction for one face, or the reason why a photo has none.

    Attributes:
        file: the photo's path as given.
        outcome: ``"found"`` (a sure face), ``"whole photo"`` (classified without a sure face, as requested),
            ``"low confidence"`` (only unsure faces), ``"no face"`` or ``"unreadable"``.
        face: 1 for the photo's main face, 2 and so on for the others; None without a sure face.
        label: the predicted class; None without an answer.
        scores: score of every class by name; None for a class that the model was not trained on. Empty without an
            answer.
        confidence: MTCNN's confidence in the face, or in the best candidate if none is sure; None without candidates.
        box: left, top, width and height of a sure face in pixels of the upright photo.
        landmarks: (x, y) of eyes, nose and corners of the mouth of a sure face, by name.
        drawing: the file with the drawing; None if none was requested or written.
        problem: one sentence that names the photo, if something went wrong or no face was sure.
    """

    file: str
    outcome: str
    face: int | None = None
    label: str | None = None
    scores: Mapping[str, float | None] = field(default_factory=dict)
    confidence: float | None = None
    box: tuple[float, float, float, float] | None = None
    landmarks: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    drawing: str | None = None
    problem: str | None = None

    @property
    def missed(self) -> bool:
        """Whether the photo was read but shows no sure face, so that there is no answer."""
        return self.outcome in (UNSURE, NO_FACE)

    @property
    def failed(self) -> bool:
        """Whether an error occurred: the photo cannot be read, or its drawing cannot be written."""
        return self.problem is not None and not self.missed

    def ranked(self) -> list[tuple[str, float]]:
        """Sort the classes that have a score, best first; the label is the first of them."""
        known = [(name, score) for name, score in self.scores.items() if score is not None]
        return sorted(known, key=lambda entry: (entry[0] != self.label, -entry[1]))


@dataclass(frozen=True)
class _Photo:
    """Photo in memory: its pixels and the pixels of the file per pixel in memory, or the reason why it has none."""

    path: Path
    picture: np.ndarray | None = None
    ratio: float = 1.0
    problem: str | None = None


@dataclass(frozen=True)
class _Draft:
    """Face or photo that will become a prediction, with its outcome."""

    outcome: str
    face: int | None = None
    detection: Detection | None = None


def find_photos(paths: Iterable[str | Path]) -> list[Path]:
    """List the photos at ``paths``, each once: files as given, and the photos directly in a folder, by name.

    A path without a photo stays in the list, so that it gets its own error message and the others are still processed.

    Raises:
        FerError: none of the paths exists.
    """
    given = [Path(path) for path in paths]
    if not any(path.exists() for path in given):
        others = f" (nor any of the {len(given) - 1} other paths)" if len(given) > 1 else ""
        where = _shown(given[0]) if given else "no path"
        raise FerError(f"No such file or folder: {where}{others}; check the path.")
    photos: list[Path] = []
    for path in given:
        photos.extend(_pictures_in(path) or [path] if path.is_dir() else [path])
    return list(dict.fromkeys(photos))


def find_model(root: str | Path = "") -> Path:
    """Find the model under ``results/*/models`` of a folder: the only one, or the only one trained on CK+.

    Args:
        root: the folder; ``""`` means ``$FER_OUTPUT``, else the current folder.

    Raises:
        FerError: there is no model, or more than one; the message lists them.
    """
    root = Path(root or os.environ.get("FER_OUTPUT") or ".").expanduser()
    found = sorted(root.glob("results/*/models/*"))
    found = [path for path in found if visible(path.name) and (path.is_dir() or path.suffix == ".keras")]
    if not found:
        raise FerError(
            "There is no model under results/*/models of this folder. Run notebook 04_resnet_svm, or name a model's "
            "folder or .keras file with --model."
        )
    own = [path for path in found if path.name.startswith(PREFERRED)]
    if len(own) == 1:
        return own[0]
    if len(found) > 1:
        listed = ", ".join(_shown(path) for path in found[:10]) + (" and more" if len(found) > 10 else "")
        raise FerError(f"Found {len(found)} models under results/*/models ({listed}); name one with --model.")
    return found[0]


def face_settings(model: SavedModel) -> FaceSettings:
    """Determine the crop settings for a model: those of its training, else the defaults, at its input size.

    Raises:
        FerError: the settings are not valid, or the model does not take square faces of a fixed size.
    """
    height, width = model.image_size
    if height is None or height != width:
        raise FerError(f"The model takes images of {height} x {width} pixels; expected square faces of a fixed size.")
    return change(FaceSettings(), **{**model.face_settings, "size": height})


def trained_on(model: SavedModel) -> str:
    """Name the corpora that the model was trained on, marked SYNTHETIC if any was generated, or ``"unknown"``."""
    data = model.provenance.get("data")
    entries = data.items() if isinstance(data, Mapping) else ()
    corpora = {
        name: facts["synthetic"] for name, facts in entries if isinstance(facts, Mapping) and "synthetic" in facts
    }
    listed = ", ".join(sorted(corpora))
    return f"{SYNTHETIC_MARK} ({listed})" if any(corpora.values()) else listed or "unknown"


def drawing_files(photos: Sequence[Path], folder: str | Path) -> dict[Path, Path]:
    """Choose a PNG file in ``folder`` for each photo and create the folder; never overwrite another program's file.

    Raises:
        FerError: the folder is a file, or it contains a photo of this run: the next run would take the drawings for
            photos.
    """
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise FerError(f"The folder for the drawings, {_shown(folder)}, is a file; name a folder.")
    held = {place for photo in photos for place in (photo.parent.resolve(), photo.resolve().parent)}
    if folder.resolve() in held:
        raise FerError(f"{_shown(folder)} contains the photos themselves; name another folder for the drawings.")
    folder.mkdir(parents=True, exist_ok=True)
    taken: set[str] = set()
    files = {}
    for photo in photos:
        number = 1
        while (name := f"{photo.stem}{f'_{number}' if number > 1 else ''}.png").casefold() in taken or (
            not _replaceable(folder / name)
        ):
            number += 1
        taken.add(name.casefold())
        files[photo] = folder / name
    return files


def predict_photos(
    model: SavedModel,
    photos: Sequence[str | Path],
    *,
    all_faces: bool = False,
    whole_image: bool = False,
    drawings: Mapping[Path, Path] | None = None,
    progress: bool = False,
) -> Iterator[Prediction]:
    """Predict photos: yield one prediction per face, or one for a photo without a face, in the order of the photos.

    Photos are processed some dozens at a time.

    Args:
        model: a model from ``saved_models.load``.
        photos: the files.
        all_faces: classify every sure face, the main one first, and not only the main one.
        whole_image: classify a photo without a sure face as a whole; use it for photos that are face crops already.
        drawings: maps each photo that should be drawn with its faces and labels to a PNG file (:func:`drawing_files`).
        progress: show a progress bar on a terminal.

    Raises:
        FerError: the model's settings are not valid, or ``detect`` fails. Faults of one photo are in its prediction.
    """
    settings = face_settings(model)
    files = [Path(photo) for photo in photos]
    with bar("photos", len(files), progress=progress) as advance:
        for batch in batches(map(_read, files), _pixels, limit=_HELD_PIXELS, most=_TOGETHER):
            drafts = _drafts(batch, settings, all_faces=all_faces, whole_image=whole_image)
            for photo, some, answers in zip(batch, drafts, _answers(model, batch, drafts, settings), strict=True):
                target = (drawings or {}).get(photo.path)
                if target is not None and photo.picture is not None:
                    answers = _drawn(photo, some, answers, target=target, banner=_banner(model))
                yield from answers
            advance(len(batch))


def table(predictions: Sequence[Prediction], model: SavedModel, path: str | Path) -> list[str]:
    """Format predictions as the lines of a table, one row each, with the notes needed to read it."""
    origin = trained_on(model)
    lines = tabulate([_row(one) for one in predictions], headers=_HEADERS, disable_numparse=True).splitlines()
    if origin.startswith(SYNTHETIC_MARK):
        lines.insert(0, f"{origin}: the model was trained on drawings, so its answers say nothing about people.")
    lines += ["", f"Model: {_shown(path)}; trained on: {origin}.", _KINDS_OF_SCORE[model.score_kind]]
    if any(one.outcome == WHOLE for one in predictions):
        lines.append("Photos marked (whole photo) show no sure face and were classified as a whole.")
    return lines


def json_text(predictions: Sequence[Prediction], model: SavedModel, path: str | Path) -> str:
    """Format predictions as a JSON list, one object each, with all scores; classes without training have score null."""
    origin = {"model": str(path), "trained_on": trained_on(model), "score_kind": model.score_kind}
    return json.dumps([_plain(one) | origin for one in predictions], indent=2, allow_nan=False)


def _pictures_in(folder: Path) -> list[Path]:
    named = (path for path in folder.iterdir() if is_picture_name(path.name) and visible(path.name))
    return sorted(path for path in named if path.is_file())


def _shown(path: str | Path) -> str:
    """Format a path for messages: in one line, whatever characters it contains."""
    text = str(path)
    return text if text.isprintable() else ascii(text)


def _replaceable(file: Path) -> bool:
    """Tell whether the file does not exist or is a drawing of an earlier run."""
    if not file.exists() and not file.is_symlink():
        return True
    try:
        with Image.open(file) as picture:
            return picture.info.get("Software") == _DRAWN_BY
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return False


def _pixels(photo: _Photo) -> int:
    return 0 if photo.picture is None else photo.picture.shape[0] * photo.picture.shape[1]


def _read(path: Path) -> _Photo:
    def refused(reason: str) -> _Photo:
        return _Photo(path, problem=f"{_shown(path)}: {reason}.")

    if path.is_dir():
        return refused(f"the folder contains no photo ({', '.join(IMAGE_SUFFIXES)}); its subfolders are not searched")
    try:
        if path.exists() and not path.is_file():
            return refused("not a regular file; give a photo")
        with open(path, "rb") as file:
            data = file.read(MEMBER_LIMIT + 1)
        if len(data) > MEMBER_LIMIT:
            return refused(f"the file is larger than the limit of {MEMBER_LIMIT // 2**20} MiB; give a smaller one")
        picture = decode_photo(data)
    except FileNotFoundError:
        return refused("no such file; check the path")
    except OSError as error:
        return refused(f"the file cannot be read ({error.strerror or error}); check its permissions")
    except Fault as fault:
        return refused(f"{fault.detail}; give another photo")
    with Image.open(io.BytesIO(data)) as whole:  # large photos were reduced by the same factor in both directions
        return _Photo(path, picture, ratio=max(whole.size) / max(picture.shape[:2]))


def _drafts(
    photos: Sequence[_Photo], settings: FaceSettings, *, all_faces: bool, whole_image: bool
) -> list[list[_Draft]]:
    """Find the faces of each photo and decide its outcome; unreadable photos are not searched."""
    found = iter(detect([photo.picture for photo in photos if photo.picture is not None], settings))
    drafts = []
    for photo in photos:
        if photo.picture is None:
            drafts.append([_Draft(UNREADABLE)])
            continue
        detections = next(found)
        sure = _in_order(
            [face for face in detections if face.confidence >= settings.min_confidence], photo.picture.shape, settings
        )
        if sure:
            sure = sure if all_faces else sure[:1]
            drafts.append([_Draft(FOUND, number, face) for number, face in enumerate(sure, start=1)])
        else:
            unsure = max(detections, key=lambda face: face.confidence, default=None)
            drafts.append([_Draft(WHOLE if whole_image else NO_FACE if unsure is None else UNSURE, None, unsure)])
    return drafts


def _in_order(faces: list[Detection], shape: tuple[int, ...], settings: FaceSettings) -> list[Detection]:
    """Sort the faces of a photo of ``shape`` into the order in which ``choose`` would take them."""
    waiting, ordered = list(faces), []
    while (first := choose(waiting, shape, settings)) is not None:
        ordered.append(first)
        waiting.remove(first)
    return ordered


def _answers(
    model: SavedModel, photos: Sequence[_Photo], drafts: Sequence[Sequence[_Draft]], settings: FaceSettings
) -> list[list[Prediction]]:
    """Classify all faces at once and return the predictions of each photo."""
    crops = [
        crop(photo.picture, draft.detection if draft.outcome == FOUND else None, settings)
        for photo, some in zip(photos, drafts, strict=True)
        for draft in some
        if draft.outcome in (FOUND, WHOLE) and photo.picture is not None
    ]
    rows = iter(model.predict(np.stack(crops)).to_dict(orient="records") if crops else ())
    answers = []
    for photo, some in zip(photos, drafts, strict=True):
        facts = [_facts(photo, draft, settings) for draft in some]
        answers.append([replace(one, **_scored(next(rows))) if _asked(one) else one for one in facts])
    return answers


def _asked(prediction: Prediction) -> bool:
    return prediction.outcome in (FOUND, WHOLE)


def _facts(photo: _Photo, draft: _Draft, settings: FaceSettings) -> Prediction:
    """Build a prediction with the facts that are known before the face is classified."""
    file, face = _shown(photo.path), draft.detection
    confidence = None if face is None else float(face.confidence)
    advice = "so it was not classified: give a photo with a clearer face, or --whole-image if it is a face crop"
    problem = {
        UNREADABLE: photo.problem,
        NO_FACE: f"{file}: no face was found, {advice}.",
        UNSURE: (
            f"{file}: no sure face was found (MTCNN's confidence is {confidence or 0:.3f}, below "
            f"{settings.min_confidence:g}), {advice}."
        ),
    }.get(draft.outcome)
    one = Prediction(str(photo.path), draft.outcome, face=draft.face, confidence=confidence, problem=problem)
    if draft.outcome != FOUND or face is None:
        return one
    points = {name: _times(getattr(face, name), photo.ratio) for name in LANDMARKS}
    return replace(one, box=_times(face.box, photo.ratio), landmarks=points)


def _times(values: Numbers, ratio: float) -> Numbers:
    return tuple(round(float(value) * ratio, 2) for value in values)  # type: ignore[return-value]  # as many as values


def _scored(row: dict[str, Any]) -> dict[str, Any]:
    """Convert the label and scores of a row of ``SavedModel.predict`` to plain values."""
    label = str(row.pop("label"))
    return {"label": label, "scores": {name: float(s) if math.isfinite(s) else None for name, s in row.items()}}


def _drawn(
    photo: _Photo, drafts: Sequence[_Draft], answers: Sequence[Prediction], *, target: Path, banner: str
) -> list[Prediction]:
    """Write the drawing of a photo; return its predictions with the drawing's file, or the reason why it failed."""
    alone = f"({answers[0].outcome}) {_label(answers[0])}".strip() if answers[0].outcome != FOUND else ""
    assert photo.picture is not None
    picture = annotate(photo.picture, None, ". ".join(filter(None, [alone, banner])))
    # annotate has resized the photo to a size that it keeps from now on: scale the faces likewise
    ratio = max(picture.shape[:2]) / max(photo.picture.shape[:2])
    for draft, one in reversed(list(zip(drafts, answers, strict=True))):  # the first face's label is drawn last, on top
        if draft.detection is not None:
            picture = annotate(picture, _moved(draft.detection, ratio), _label(one) if draft.outcome == FOUND else "")
    made_by = PngImagePlugin.PngInfo()
    made_by.add_text("Software", _DRAWN_BY)
    try:
        with atomic_path(target) as partial:
            Image.fromarray(picture).save(partial, format="PNG", pnginfo=made_by)
    except (OSError, FerError) as error:
        reason = f"the drawing {_shown(target)} cannot be written ({reason_of(error)})"
        problem = f"{_shown(photo.path)}: {reason}; check the folder and the space left."
        return [replace(answers[0], problem=problem), *answers[1:]]
    return [replace(one, drawing=str(target)) for one in answers]


def _moved(face: Detection, ratio: float) -> Detection:
    points = {name: _times(getattr(face, name), ratio) for name in LANDMARKS}
    return replace(face, box=_times(face.box, ratio), **points)


def _banner(model: SavedModel) -> str:
    origin = trained_on(model)
    return f"Model: {origin}" if origin.startswith(SYNTHETIC_MARK) else ""


def _label(prediction: Prediction) -> str:
    return f"{prediction.label} {prediction.ranked()[0][1]:.2f}" if prediction.label else ""


def _row(prediction: Prediction) -> list[str]:
    """Format one line of the table."""
    ranked = [(name, f"{score:.3f}") for name, score in prediction.ranked()[:2]]
    best, second = [*ranked, ("", ""), ("", "")][:2]
    label = best[0] if prediction.outcome == FOUND else f"{best[0]} ({prediction.outcome})".strip()
    return [
        _shown(prediction.file),
        str(prediction.face or ""),
        label,
        best[1],
        *second,
        "" if prediction.confidence is None else f"{prediction.confidence:.3f}",
        "" if prediction.box is None else ", ".join(f"{value:.0f}" for value in prediction.box),
    ]


def _plain(prediction: Prediction) -> dict[str, Any]:
    """Convert a prediction to plain values for JSON, with the label's score."""
    ranked = prediction.ranked()
    return {
        "file": prediction.file,
        "outcome": prediction.outcome,
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
