"""Predict the expressions in photos: read, find the faces, crop, classify, draw. Nothing here prints.

This is liu2023's pipeline for a user's own photos: MTCNN, then the crop, then the network and its classifier. A photo
without a sure face (one of sufficient confidence) and a photo that cannot be read are different outcomes; neither stops
the others.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import cv2
import numpy as np
from PIL import Image, PngImagePlugin

from fer_lib.datasets.catalog import SYNTHETIC_MARK
from fer_lib.errors import FerError
from fer_lib.faces.crops import detect
from fer_lib.faces.geometry import LANDMARKS, Detection, annotate, choose, crop
from fer_lib.predict import video
from fer_lib.predict.photo_files import HELD_PIXELS, TOGETHER, Photo, in_memory, read, shown
from fer_lib.settings import FaceSettings, change
from fer_lib.utils.files import atomic_path, reason_of
from fer_lib.utils.parallel import batches
from fer_lib.utils.progress import bar

if TYPE_CHECKING:  # Keras takes seconds to import, and reporting a wrong path does not need it
    from fer_lib.predict.networks import Model as SavedModel

FOUND, CROP, UNSURE, NO_FACE, UNREADABLE = "found", "given as a crop", "low confidence", "no face", "unreadable"

_DRAWN_BY = "fer-lib predict"
Numbers = TypeVar("Numbers", bound=tuple[float, ...])


@dataclass(frozen=True)
class Prediction:
    """Prediction for one face, or the reason why a photo has none.

    Attributes:
        file: the photo's path as given.
        outcome: ``"found"`` (searched and found: a sure face), ``"given as a crop"`` (not searched: the whole photo is
            the face), ``"low confidence"`` (searched: only unsure faces), ``"no face"`` (searched) or ``"unreadable"``.
        face: 1 for the photo's main face, 2 and so on for the others; None without a sure face or a crop.
        label: the predicted class; None without an answer.
        scores: score of every class by name; None for a class that the model was not trained on. Empty without an
            answer.
        confidence: MTCNN's confidence in the face, or in the best candidate if none is sure; None without candidates.
        box: left, top, width and height of a sure face in pixels of the upright photo, clipped to it.
        landmarks: (x, y) of eyes, nose and corners of the mouth of a sure face, by name.
        drawing: the file with the drawing; None if none was requested or written.
        problem: one sentence that names the photo, if something went wrong or no face was sure.
        seconds: time of the frame, if the file is a video; None for a photo.
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
    seconds: float | None = None

    @property
    def missed(self) -> bool:
        """Whether the photo was read but shows no sure face, so that there is no answer."""
        return self.outcome in (UNSURE, NO_FACE)

    @property
    def searched(self) -> bool:
        """Whether the photo was searched for faces."""
        return self.outcome in (FOUND, UNSURE, NO_FACE)

    @property
    def failed(self) -> bool:
        """Whether an error occurred: the photo cannot be read, or its drawing cannot be written."""
        return self.problem is not None and not self.missed

    def ranked(self) -> list[tuple[str, float]]:
        """Sort the classes that have a score, best first; the label is the first of them."""
        known = [(name, score) for name, score in self.scores.items() if score is not None]
        return sorted(known, key=lambda entry: (entry[0] != self.label, -entry[1]))


@dataclass(frozen=True)
class _Draft:
    """Face or photo that will become a prediction, with its outcome."""

    outcome: str
    face: int | None = None
    detection: Detection | None = None


def face_settings(model: SavedModel) -> FaceSettings:
    """Determine the crop settings for a model: those of its training, else the defaults, at its input size.

    Raises:
        FerError: the settings are not valid, or the model's faces have no fixed size.
    """
    height, width = model.image_size
    if height is None or width is None:
        raise FerError(f"The model takes images of {height} x {width} pixels; expected faces of a fixed size.")
    return change(FaceSettings(), **{**model.face_settings, "size": max(height, width)})


def trained_on(model: SavedModel) -> str:
    """Name the corpora that the model was trained on, marked SYNTHETIC if any was generated, or ``"unknown"``."""
    data = model.provenance.get("data")
    entries = data.items() if isinstance(data, Mapping) else ()
    corpora = {
        name: facts["synthetic"] for name, facts in entries if isinstance(facts, Mapping) and "synthetic" in facts
    }
    listed = ", ".join(sorted(corpora))
    return f"{SYNTHETIC_MARK} ({listed})" if any(corpora.values()) else listed or "unknown"


def drawing_files(photos: Sequence[Path], folder: str | Path, *, searched: Sequence[Path] = ()) -> dict[Path, Path]:
    """Choose a PNG file in ``folder`` for each photo and create the folder; never overwrite another program's file.

    Args:
        photos: the photos of this run.
        folder: the folder for the drawings.
        searched: folders that this run searches with their subfolders.

    Raises:
        FerError: the folder is a file, or it contains a photo of this run or lies in a folder that is searched with
            its subfolders: the next run would take the drawings for photos.
    """
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise FerError(f"The folder for the drawings, {shown(folder)}, is a file; name a folder.")
    held = {place for photo in photos for place in (photo.parent.resolve(), photo.resolve().parent)}
    if folder.resolve() in held:
        raise FerError(f"{shown(folder)} contains the photos themselves; name another folder for the drawings.")
    around = next((root for root in searched if folder.resolve().is_relative_to(root.resolve())), None)
    if around is not None:
        raise FerError(
            f"{shown(folder)} lies in {shown(around)}, which is searched with its subfolders; name a folder elsewhere "
            "for the drawings."
        )
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
    already_cropped: bool = False,
    drawings: Mapping[Path, Path] | None = None,
    every: float = 1.0,
    progress: bool = False,
) -> Iterator[Prediction]:
    """Predict photos: yield one prediction per face, or one for a photo without a face, in the order of the photos.

    Photos are processed some dozens at a time. A video (:func:`fer_lib.predict.video.is_video`) is read as its frames.

    Args:
        model: a model from :func:`fer_lib.predict.packaged.load`.
        photos: the files.
        all_faces: classify every sure face, the main one first, and not only the main one.
        already_cropped: never search for faces: each whole photo is one face.
        drawings: maps each photo that should be drawn with its faces and labels to a PNG file (:func:`drawing_files`).
        every: seconds between the frames of a video that are predicted; 0 takes every frame.
        progress: show a progress bar on a terminal.

    Raises:
        FerError: the model's settings are not valid, or ``detect`` or the network fails. Faults of one photo are in
            its prediction.
    """
    files = [Path(photo) for photo in photos]
    total = None if any(map(video.is_video, files)) else len(files)
    asked: dict[str, Any] = {"all_faces": all_faces, "already_cropped": already_cropped, "drawings": drawings}
    return _predicted(model, _read_all(files, every), total, progress=progress, **asked)


def predict_arrays(
    model: SavedModel,
    pictures: Iterable[np.ndarray],
    *,
    names: Sequence[str] = (),
    all_faces: bool = False,
    already_cropped: bool = False,
    progress: bool = False,
) -> Iterator[Prediction]:
    """Predict pictures in memory as :func:`predict_photos` does with files, such as frames of a camera.

    Args:
        model: a model from :func:`fer_lib.predict.packaged.load`.
        pictures: each uint8, (H, W) or RGB (H, W, 3); OpenCV's frames are BGR, so give ``frame[..., ::-1]``. An
            iterator is read as it is needed.
        names: a name for each picture, for :attr:`Prediction.file`; by default ``"picture 1"`` and so on.
        all_faces: as for files.
        already_cropped: as for files.
        progress: show a progress bar on a terminal.

    Raises:
        FerError: a picture has another type or shape, there are fewer names than pictures, or as for files.
    """
    total = len(pictures) if isinstance(pictures, Sequence | np.ndarray) else None
    asked: dict[str, Any] = {"all_faces": all_faces, "already_cropped": already_cropped, "progress": progress}
    return _predicted(model, (in_memory(name, picture) for name, picture in _named(pictures, names)), total, **asked)


def _predicted(
    model: SavedModel,
    photos: Iterable[Photo],
    total: int | None,
    *,
    all_faces: bool,
    already_cropped: bool,
    drawings: Mapping[Path, Path] | None = None,
    progress: bool = False,
) -> Iterator[Prediction]:
    """Predict photos in memory, some dozens at a time."""
    settings = face_settings(model)
    with bar("photos", total, progress=progress) as advance:
        for batch in batches(photos, lambda photo: photo.pixels, limit=HELD_PIXELS, most=TOGETHER):
            drafts = _drafts(batch, settings, all_faces=all_faces, already_cropped=already_cropped)
            for photo, some, answers in zip(batch, drafts, _answers(model, batch, drafts, settings), strict=True):
                target = (drawings or {}).get(photo.path)
                if target is not None and photo.picture is not None:
                    answers = _drawn(photo, some, answers, target=target, banner=_banner(model))
                yield from answers
            advance(len(batch))


def _read_all(files: Sequence[Path], every: float) -> Iterator[Photo]:
    """Read photos, and the frames of videos, in the order of the files."""
    for path in files:
        if video.is_video(path) and not path.is_dir():
            yield from video.read(path, every=every)
        else:
            yield read(path)


def _named(pictures: Iterable[np.ndarray], names: Sequence[str]) -> Iterator[tuple[str, np.ndarray]]:
    for number, picture in enumerate(pictures, start=1):
        if names and number > len(names):
            raise FerError(f"Found more pictures than the {len(names)} names; give a name for each picture, or none.")
        yield names[number - 1] if names else f"picture {number}", picture


def _replaceable(file: Path) -> bool:
    """Tell whether the file does not exist or is a drawing of an earlier run."""
    if not file.exists() and not file.is_symlink():
        return True
    try:
        with Image.open(file) as picture:
            return picture.info.get("Software") == _DRAWN_BY
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return False


def _drafts(
    photos: Sequence[Photo], settings: FaceSettings, *, all_faces: bool, already_cropped: bool
) -> list[list[_Draft]]:
    """Find the faces of each photo and decide its outcome; crops and unreadable photos are not searched."""
    if already_cropped:
        return [[_Draft(UNREADABLE) if photo.picture is None else _Draft(CROP, 1)] for photo in photos]
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
            drafts.append([_Draft(NO_FACE if unsure is None else UNSURE, None, unsure)])
    return drafts


def _in_order(faces: list[Detection], shape: tuple[int, ...], settings: FaceSettings) -> list[Detection]:
    """Sort the faces of a photo of ``shape`` into the order in which ``choose`` would take them."""
    waiting, ordered = list(faces), []
    while (first := choose(waiting, shape, settings)) is not None:
        ordered.append(first)
        waiting.remove(first)
    return ordered


def _answers(
    model: SavedModel, photos: Sequence[Photo], drafts: Sequence[Sequence[_Draft]], settings: FaceSettings
) -> list[list[Prediction]]:
    """Classify all faces at once and return the predictions of each photo."""
    crops = [
        _sized(crop(photo.picture, draft.detection, settings), model.image_size)
        for photo, some in zip(photos, drafts, strict=True)
        for draft in some
        if draft.outcome in (FOUND, CROP) and photo.picture is not None
    ]
    rows = iter(model.predict(np.stack(crops)).to_dict(orient="records") if crops else ())
    answers = []
    for photo, some in zip(photos, drafts, strict=True):
        facts = [_facts(photo, draft, settings) for draft in some]
        answers.append([replace(one, **_scored(next(rows))) if _asked(one) else one for one in facts])
    return answers


def _asked(prediction: Prediction) -> bool:
    return prediction.outcome in (FOUND, CROP)


def _sized(face: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Squeeze a square face to a model's height and width where these differ."""
    return face if face.shape == size else cv2.resize(face, size[::-1], interpolation=cv2.INTER_AREA)


def _facts(photo: Photo, draft: _Draft, settings: FaceSettings) -> Prediction:
    """Build a prediction with the facts that are known before the face is classified."""
    face, moment = draft.detection, "" if photo.seconds is None else f" at {photo.seconds:g} s"
    file = shown(photo.path) + moment
    confidence = None if face is None else float(face.confidence)
    advice = "so it was not classified: give a photo with a clearer face, or --already-cropped if it is a face crop"
    problem = {
        UNREADABLE: photo.problem,
        NO_FACE: f"{file}: no face was found, {advice}.",
        UNSURE: (
            f"{file}: no sure face was found (MTCNN's confidence is {confidence or 0:.3f}, below "
            f"{settings.min_confidence:g}), {advice}."
        ),
    }.get(draft.outcome)
    facts: dict[str, Any] = {"confidence": confidence, "problem": problem, "seconds": photo.seconds}
    one = Prediction(str(photo.path), draft.outcome, face=draft.face, **facts)
    if draft.outcome != FOUND or face is None:
        return one
    points = {name: _times(getattr(face, name), photo.ratio) for name in LANDMARKS}
    return replace(one, box=_clipped(_times(face.box, photo.ratio), photo.size), landmarks=points)


def _times(values: Numbers, ratio: float) -> Numbers:
    return tuple(round(float(value) * ratio, 2) for value in values)  # type: ignore[return-value]  # as many as values


def _clipped(box: tuple[float, float, float, float], size: tuple[float, float]) -> tuple[float, float, float, float]:
    """Cut a box to a photo of a width and height."""
    left, top, width, height = box
    x, right = (min(max(value, 0.0), size[0]) for value in (left, left + width))
    y, bottom = (min(max(value, 0.0), size[1]) for value in (top, top + height))
    return round(x, 2), round(y, 2), round(right - x, 2), round(bottom - y, 2)


def _scored(row: dict[str, Any]) -> dict[str, Any]:
    """Convert the label and scores of a row of ``SavedModel.predict`` to plain values."""
    label = str(row.pop("label"))
    return {"label": label, "scores": {name: float(s) if math.isfinite(s) else None for name, s in row.items()}}


def _drawn(
    photo: Photo, drafts: Sequence[_Draft], answers: Sequence[Prediction], *, target: Path, banner: str
) -> list[Prediction]:
    """Write the drawing of a photo; return its predictions with the drawing's file, or the reason why it failed."""
    alone = f"({answers[0].outcome}) {_label(answers[0])}".strip() if answers[0].outcome != FOUND else ""
    assert photo.picture is not None
    picture = annotate(photo.picture, None, ". ".join(filter(None, [alone, banner])))
    # annotate has resized the photo to a size that it keeps from now on: scale the faces likewise
    ratio = max(picture.shape[:2]) / max(photo.picture.shape[:2])
    for draft, one in reversed(list(zip(drafts, answers, strict=True))):  # the first face's label is drawn last, on top
        if draft.detection is not None:
            number = f"{one.face}: " if len(answers) > 1 else ""
            text = f"{number}{_label(one)}" if draft.outcome == FOUND else ""
            picture = annotate(picture, _moved(draft.detection, ratio, picture.shape), text)
    made_by = PngImagePlugin.PngInfo()
    made_by.add_text("Software", _DRAWN_BY)
    try:
        with atomic_path(target) as partial:
            Image.fromarray(picture).save(partial, format="PNG", pnginfo=made_by)
    except (OSError, FerError) as error:
        reason = f"the drawing {shown(target)} cannot be written ({reason_of(error)})"
        problem = f"{shown(photo.path)}: {reason}; check the folder and the space left."
        return [replace(answers[0], problem=problem), *answers[1:]]
    return [replace(one, drawing=str(target)) for one in answers]


def _moved(face: Detection, ratio: float, shape: tuple[int, ...]) -> Detection:
    """Scale a face for a drawing of a shape, and cut its box to it."""
    points = {name: _times(getattr(face, name), ratio) for name in LANDMARKS}
    return replace(face, box=_clipped(_times(face.box, ratio), (shape[1], shape[0])), **points)


def _banner(model: SavedModel) -> str:
    origin = trained_on(model)
    return f"Model: {origin}" if origin.startswith(SYNTHETIC_MARK) else ""


def _label(prediction: Prediction) -> str:
    return f"{prediction.label} {score_words(prediction.ranked()[0][1])}" if prediction.label else ""


def score_words(score: float) -> str:
    """Format a score, in tables and drawings alike."""
    return f"{score:.3f}"
