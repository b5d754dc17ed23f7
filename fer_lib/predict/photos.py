"""From a photo to an expression: read, find the faces, crop, classify, draw. Nothing here prints.

It is liu2023's pipeline on pictures of one's own: MTCNN, then the crop, then the network and its classifier. A photo
without a sure face is told apart from one that cannot be read, and neither stops the others.
"""

from __future__ import annotations

import io
import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, PngImagePlugin
from tabulate import tabulate

from fer_lib.datasets.readers.archives import MEMBER_LIMIT, visible
from fer_lib.datasets.readers.faults import Fault
from fer_lib.datasets.readers.pictures import IMAGE_SUFFIXES, decode_photo, is_picture_name
from fer_lib.errors import FerError
from fer_lib.faces.crops import Detection, annotate, choose, crop, detect
from fer_lib.settings import FaceSettings, change
from fer_lib.tables.chen2023 import SYNTHETIC_MARK
from fer_lib.utils.files import atomic_path, reason_of
from fer_lib.utils.parallel import batches
from fer_lib.utils.progress import bar

if TYPE_CHECKING:  # Keras takes seconds to import, and a wrong path is told without it
    from fer_lib.predict.models import SavedModel

FOUND, WHOLE, UNSURE, NO_FACE, UNREADABLE = "found", "whole photo", "low confidence", "no face", "unreadable"

_TOGETHER, _HELD_PIXELS = 128, 50_000_000  # photos in memory at a time, and their pixels
_DRAWN_BY = "fer-lib predict"
PREFERRED = "ckplus_svm_"  # of several models, what the paper is about
_POINTS = ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")
_HEADERS = ("file", "face", "label", "score", "second best", "score", "MTCNN", "box: left, top, width, height")
_KINDS_OF_SCORE = {
    "probability": "Scores are the network's own probabilities of the classes; nobody has calibrated them.",
    "decision value": (
        "Scores are decision values of a support vector machine: the largest gives the label, and none of them is a "
        "probability."
    ),
}


@dataclass(frozen=True)
class Prediction:
    """What a model says of one face, or why a photo has no answer.

    Attributes:
        file: the photo's path as it was given.
        outcome: ``"found"`` (a sure face), ``"whole photo"`` (classified without a sure face, as was asked for),
            ``"low confidence"`` (only unsure faces), ``"no face"`` or ``"unreadable"``.
        face: 1 for the face that the photo is about, 2 and so on for the others; None without a sure face.
        label: the class; None without an answer.
        scores: of every class, by name; None for a class that the model never learnt. Empty without an answer.
        confidence: MTCNN's for the face, or for the surest candidate where none is sure; None without any.
        box: of a sure face: left, top, width and height in pixels of the upright photo.
        landmarks: of a sure face: the (x, y) of eyes, nose and corners of the mouth, by name.
        drawing: the file that shows it; None where none was asked for or written.
        problem: one sentence that names the photo, where something went wrong or no face was sure.
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
        """Whether an error stands in the way: the photo cannot be read, or its drawing not be written."""
        return self.problem is not None and not self.missed

    def ranked(self) -> list[tuple[str, float]]:
        """Returns the classes that have a score, with it, the best first; the label is the first of them."""
        known = [(name, score) for name, score in self.scores.items() if score is not None]
        return sorted(known, key=lambda entry: (entry[0] != self.label, -entry[1]))


@dataclass(frozen=True)
class _Photo:
    """A photo in memory: its picture, and pixels of the file per pixel of the picture; or why there is none."""

    path: Path
    picture: np.ndarray | None = None
    ratio: float = 1.0
    problem: str | None = None


@dataclass(frozen=True)
class _Draft:
    """What is to become a prediction: of which face, and of what kind."""

    outcome: str
    face: int | None = None
    detection: Detection | None = None


def find_photos(paths: Iterable[str | Path]) -> list[Path]:
    """Returns the photos at ``paths``, each once: files as they are, and the pictures directly in a folder by name.

    A path without a picture stays in the list, so that its own sentence says so and the others are done.

    Raises:
        FerError: nothing stands at any of the paths.
    """
    paths = [Path(path) for path in paths]
    if not any(path.exists() for path in paths):
        others = f" (nor at the {len(paths) - 1} other paths)" if len(paths) > 1 else ""
        where = _shown(paths[0]) if paths else "no path"
        raise FerError(f"There is no file or folder at {where}{others}; check the path.")
    photos: list[Path] = []
    for path in paths:
        photos.extend(_pictures_in(path) or [path] if path.is_dir() else [path])
    return list(dict.fromkeys(photos))


def find_model(root: str | Path = "") -> Path:
    """Returns the model under ``results/*/models`` of a folder: the only one, or the only one taught on CK+.

    Args:
        root: the folder; ``""`` means ``$FER_OUTPUT``, else this one.

    Raises:
        FerError: there is none, or more than one: the sentence lists them.
    """
    root = Path(root or os.environ.get("FER_OUTPUT") or ".").expanduser()
    found = sorted(root.glob("results/*/models/*"))
    found = [path for path in found if visible(path.name) and (path.is_dir() or path.suffix == ".keras")]
    if not found:
        raise FerError(
            "No model stands under results/*/models of this folder; run notebook 04_resnet_svm, or give --model a "
            "model's folder or .keras file."
        )
    own = [path for path in found if path.name.startswith(PREFERRED)]
    if len(own) == 1:
        return own[0]
    if len(found) > 1:
        listed = ", ".join(_shown(path) for path in found[:10]) + (" and more" if len(found) > 10 else "")
        raise FerError(f"Found {len(found)} models under results/*/models ({listed}); name one with --model.")
    return found[0]


def face_settings(model: SavedModel) -> FaceSettings:
    """Returns how photos become the model's faces: as it was trained, else by default, at the size that it takes.

    Raises:
        FerError: the settings are not valid, or the model takes no square faces of a fixed size.
    """
    height, width = model.image_size
    if height is None or height != width:
        raise FerError(f"The model takes pictures of {height} x {width} pixels; expected square faces of a fixed size.")
    return change(FaceSettings(), **{**model.face_settings, "size": height})


def trained_on(model: SavedModel) -> str:
    """Returns the corpora that the model learnt from, marked SYNTHETIC where any was generated, or ``"unknown"``."""
    data = model.provenance.get("data")
    entries = data.items() if isinstance(data, Mapping) else ()
    corpora = {
        name: facts["synthetic"] for name, facts in entries if isinstance(facts, Mapping) and "synthetic" in facts
    }
    listed = ", ".join(sorted(corpora))
    return f"{SYNTHETIC_MARK} ({listed})" if any(corpora.values()) else listed or "unknown"


def drawing_files(photos: Sequence[Path], folder: str | Path) -> dict[Path, Path]:
    """Returns a PNG file in ``folder``, which is made, for each photo: none is a file that something else wrote.

    Raises:
        FerError: the folder is a file, or holds a photo of this very run: a drawing would be taken for one the next
            time.
    """
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise FerError(f"{_shown(folder)}, where the drawings should go, is a file; name a folder.")
    held = {place for photo in photos for place in (photo.parent.resolve(), photo.resolve().parent)}
    if folder.resolve() in held:
        raise FerError(f"{_shown(folder)} holds the photos themselves; name another folder for the drawings.")
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
    """Yields a prediction a face, or one a photo without any, in the order of the photos; some dozens at a time.

    Args:
        model: from ``saved_models.load``.
        photos: the files.
        all_faces: classify every sure face, the most fitting first, rather than that one alone.
        whole_image: classify a photo without a sure face as a whole: right for pictures that are face crops already.
        drawings: a PNG file for each photo that is to be drawn with its faces and labels (:func:`drawing_files`).
        progress: show a progress bar on a terminal.

    Raises:
        FerError: the model's settings do not fit, or what ``detect`` raises. A photo's own fault is in its prediction.
    """
    settings = face_settings(model)
    photos = [Path(photo) for photo in photos]
    with bar("photos", len(photos), progress=progress) as advance:
        for batch in batches(map(_read, photos), _pixels, limit=_HELD_PIXELS, most=_TOGETHER):
            drafts = _drafts(batch, settings, all_faces=all_faces, whole_image=whole_image)
            for photo, some, answers in zip(batch, drafts, _answers(model, batch, drafts, settings), strict=True):
                target = (drawings or {}).get(photo.path)
                if target is not None and photo.picture is not None:
                    answers = _drawn(photo, some, answers, target=target, banner=_banner(model))
                yield from answers
            advance(len(batch))


def table(predictions: Sequence[Prediction], model: SavedModel, path: str | Path) -> list[str]:
    """Returns the lines of a table, a row a prediction, and what has to be known to read it."""
    origin = trained_on(model)
    lines = tabulate([_row(one) for one in predictions], headers=_HEADERS, disable_numparse=True).splitlines()
    if origin.startswith(SYNTHETIC_MARK):
        lines.insert(0, f"{origin}: the model learnt from drawings, so its answers say nothing about people.")
    lines += ["", f"Model: {_shown(path)}; learnt from: {origin}.", _KINDS_OF_SCORE[model.score_kind]]
    if any(one.outcome == WHOLE for one in predictions):
        lines.append("Photos marked (whole photo) show no sure face and were classified as a whole.")
    return lines


def json_text(predictions: Sequence[Prediction], model: SavedModel, path: str | Path) -> str:
    """Returns a JSON list, an object a prediction, with all of its scores; a class never learnt has the score null."""
    origin = {"model": str(path), "trained_on": trained_on(model), "score_kind": model.score_kind}
    return json.dumps([_plain(one) | origin for one in predictions], indent=2, allow_nan=False)


def _pictures_in(folder: Path) -> list[Path]:
    named = (path for path in folder.iterdir() if is_picture_name(path.name) and visible(path.name))
    return sorted(path for path in named if path.is_file())


def _shown(path: str | Path) -> str:
    """A path as messages name it: in one line, whatever characters it holds."""
    text = str(path)
    return text if text.isprintable() else ascii(text)


def _replaceable(file: Path) -> bool:
    """Whether nothing stands there, or a drawing of an earlier run."""
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
        return refused(f"the folder holds no picture ({', '.join(IMAGE_SUFFIXES)}); its subfolders are not searched")
    try:
        if path.exists() and not path.is_file():
            return refused("this is no regular file; give a picture")
        with open(path, "rb") as file:
            data = file.read(MEMBER_LIMIT + 1)
        if len(data) > MEMBER_LIMIT:
            return refused(f"the file is larger than the {MEMBER_LIMIT // 2**20} MiB that are read; give a smaller one")
        picture = decode_photo(data)
    except FileNotFoundError:
        return refused("there is no such file; check the path")
    except OSError as error:
        return refused(f"the file cannot be read ({error.strerror or error}); check its permissions")
    except Fault as fault:
        return refused(f"{fault.detail}; give another photo")
    with Image.open(io.BytesIO(data)) as whole:  # large photos were reduced, alike in both directions
        return _Photo(path, picture, ratio=max(whole.size) / max(picture.shape[:2]))


def _drafts(
    photos: Sequence[_Photo], settings: FaceSettings, *, all_faces: bool, whole_image: bool
) -> list[list[_Draft]]:
    """Returns what becomes of each photo; unreadable ones are not searched."""
    found = iter(detect([photo.picture for photo in photos if photo.picture is not None], settings))
    drafts = []
    for photo in photos:
        if photo.picture is None:
            drafts.append([_Draft(UNREADABLE)])
            continue
        detections = next(found)
        sure = _in_order([face for face in detections if face.confidence >= settings.min_confidence], photo, settings)
        if sure:
            sure = sure if all_faces else sure[:1]
            drafts.append([_Draft(FOUND, number, face) for number, face in enumerate(sure, start=1)])
        else:
            unsure = max(detections, key=lambda face: face.confidence, default=None)
            drafts.append([_Draft(WHOLE if whole_image else NO_FACE if unsure is None else UNSURE, None, unsure)])
    return drafts


def _in_order(faces: list[Detection], photo: _Photo, settings: FaceSettings) -> list[Detection]:
    """The faces as ``choose`` would take them one after the other."""
    waiting, ordered = list(faces), []
    while waiting:
        ordered.append(choose(waiting, photo.picture.shape, settings))
        waiting.remove(ordered[-1])
    return ordered


def _answers(
    model: SavedModel, photos: Sequence[_Photo], drafts: Sequence[Sequence[_Draft]], settings: FaceSettings
) -> list[list[Prediction]]:
    """Classifies all faces at once and returns the predictions of each photo."""
    crops = [
        crop(photo.picture, draft.detection if draft.outcome == FOUND else None, settings)
        for photo, some in zip(photos, drafts, strict=True)
        for draft in some
        if draft.outcome in (FOUND, WHOLE)
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
    """What is known of a face before it is classified."""
    file, face = _shown(photo.path), draft.detection
    confidence = None if face is None else float(face.confidence)
    mend = "so it was not classified: give a photo with a clearer face, or --whole-image for a picture that is a face"
    problem = {
        UNREADABLE: photo.problem,
        NO_FACE: f"{file}: no face was found, {mend}.",
        UNSURE: (
            f"{file}: no face is sure (MTCNN's confidence is {confidence or 0:.3f}, below "
            f"{settings.min_confidence:g}), {mend}."
        ),
    }.get(draft.outcome)
    place = {}
    if draft.outcome == FOUND:
        points = {name: _times(getattr(face, name), photo.ratio) for name in _POINTS}
        place = {"box": _times(face.box, photo.ratio), "landmarks": points}
    return Prediction(str(photo.path), draft.outcome, face=draft.face, confidence=confidence, problem=problem, **place)


def _times(values: Iterable[float], ratio: float) -> tuple[float, ...]:
    return tuple(round(float(value) * ratio, 2) for value in values)


def _scored(row: dict[str, Any]) -> dict[str, Any]:
    """Label and scores of a row of ``SavedModel.predict`` as plain values."""
    label = str(row.pop("label"))
    return {"label": label, "scores": {name: float(s) if math.isfinite(s) else None for name, s in row.items()}}


def _drawn(
    photo: _Photo, drafts: Sequence[_Draft], answers: Sequence[Prediction], *, target: Path, banner: str
) -> list[Prediction]:
    """Writes the drawing of a photo and returns its predictions with the file's name, or why it is not there."""
    alone = f"({answers[0].outcome}) {_label(answers[0])}".strip() if answers[0].outcome != FOUND else ""
    picture = annotate(photo.picture, None, ". ".join(filter(None, [alone, banner])))
    # annotate has brought the photo to a size that it draws on as it is: the faces follow
    ratio = max(picture.shape[:2]) / max(photo.picture.shape[:2])
    for draft, one in reversed(list(zip(drafts, answers, strict=True))):  # the first face's label lies on top
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
    points = {name: _times(getattr(face, name), ratio) for name in _POINTS}
    return replace(face, box=_times(face.box, ratio), **points)


def _banner(model: SavedModel) -> str:
    origin = trained_on(model)
    return f"Model: {origin}" if origin.startswith(SYNTHETIC_MARK) else ""


def _label(prediction: Prediction) -> str:
    return f"{prediction.label} {prediction.ranked()[0][1]:.2f}" if prediction.label else ""


def _row(prediction: Prediction) -> list[str]:
    """One line of the table."""
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
    """A prediction's attributes as JSON has them, and the label's score."""
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
