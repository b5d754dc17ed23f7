"""Generated grey faces whose expressions are built from Ekman's action units: stand-ins that anyone may have.

They let every notebook and test run without the licensed corpora, and they say nothing about people: results made from
them are SYNTHETIC. ``synthetic_people.py`` says who is drawn with which action units, ``synthetic_render.py`` draws.

Deterministic on any machine: face i of a call depends on (seed, i), its own expression and the call's other arguments,
not on how many faces are drawn with it.

The writers lay such faces out as the corpora are laid out, so that everything downstream runs the real loaders. Each
puts ``SYNTHETIC.txt`` into its folder before any face: a loader that finds it marks its faces SYNTHETIC, even where the
writing was cut short. The same call writes the same files again.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from fer_lib.datasets.face_dataset import FaceDataset, canonical_order
from fer_lib.datasets.synthetic_people import (
    ACTION_UNITS,
    UNITS,
    Conditions,
    Identity,
    activations,
    checked_seed,
    loosen,
    sample_conditions,
    sample_identities,
    sample_intensities,
    studio_conditions,
)
from fer_lib.datasets.synthetic_render import render_faces
from fer_lib.errors import FerError, nearest
from fer_lib.files import atomic_path, write_text

__all__ = [
    "ACTION_UNITS",
    "CKPLUS_CODES",
    "FER2013_CLASSES",
    "MARKER",
    "SPLITS",
    "UNITS",
    "Conditions",
    "Identity",
    "activations",
    "draw_faces",
    "generate",
    "render_faces",
    "sample_conditions",
    "sample_identities",
    "sample_intensities",
    "studio_conditions",
    "write_ckplus",
    "write_fer2013_csv",
    "write_fer2013_folders",
    "write_genki4k",
]

FER2013_CLASSES = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
"""The seven classes in FER-2013's label order."""

SPLITS = ("Training", "PublicTest", "PrivateTest")

_PRIORS = {"angry": 3995, "disgust": 436, "fear": 4097, "happy": 7215, "sad": 4830, "surprise": 3171, "neutral": 4965}
_ORDER_STREAM = 4  # 0 to 2 are the parameters, 3 is the noise
MARKER = "SYNTHETIC.txt"
"""The file that says that a folder's faces were generated."""

DRAWING = 1
"""Number of the drawing: raised whenever the same arguments give other pixels, so that old folders are not mixed in."""

CKPLUS_CODES = {"angry": 1, "contempt": 2, "disgust": 3, "fear": 4, "happy": 5, "sad": 6, "surprise": 7}
"""CK+'s emotion codes (Lucey et al., 2010), by the names of ``ACTION_UNITS``."""

# Surprise and joy are frequent in CK+, contempt, fear and sadness rare; any five in a row are different.
_CKPLUS_CYCLE = (
    *("surprise", "happy", "disgust", "angry", "sad", "surprise", "happy"),
    *("disgust", "fear", "surprise", "happy", "angry", "contempt"),
)
_CKPLUS_FIRST, _GENKI_FIRST = 1_000_000, 2_000_000  # nobody sits for two corpora
_GENKI_SIZES = ((178, 178), (192, 180), (170, 190), (200, 200))
_GENKI_CALM = ("neutral", "neutral", "neutral", "sad", "surprise", "angry")
_GENKI_SMILES = 0.5405  # 2162 of 4000


def draw_faces(
    expressions: Sequence[str],
    seed: int,
    *,
    size: int | tuple[int, int] = 48,
    intensity: float | np.ndarray | None = None,
    identity: Identity | None = None,
    conditions: Conditions | None = None,
) -> np.ndarray:
    """Returns faces with the given expressions: uint8 (N, size, size); face i depends on ``seed``, i and its own row.

    Args:
        expressions: N names of ``ACTION_UNITS``.
        seed: 0…2³²-1.
        size: pixels of a square image, or (height, width).
        intensity: 0…1, one number or N; None samples them as ``sample_intensities`` does.
        identity: N people; None samples them.
        conditions: N poses, lights and cameras; None samples them.

    Raises:
        FerError: an expression, an intensity, the size or the seed is out of range.
    """
    n = len(expressions)
    level = sample_intensities(n, seed) if intensity is None else intensity
    units = loosen(activations(expressions, level), seed)
    people = sample_identities(n, seed) if identity is None else identity
    cameras = sample_conditions(n, seed) if conditions is None else conditions
    return render_faces(people, units, conditions=cameras, size=size, seed=seed)


def generate(n: int, seed: int, *, classes: Sequence[str] = FER2013_CLASSES, size: int = 48) -> FaceDataset:
    """Returns a SYNTHETIC corpus in FER-2013's shape: its splits 8 : 1 : 1 and its uneven classes.

    Args:
        n: faces in all; at least six per class, so that each split holds each class twice.
        seed: 0…2³²-1; the same arguments give the same bytes on any machine.
        classes: names of ``ACTION_UNITS`` in label order.
        size: pixels of the square images.

    Returns:
        A FaceDataset in canonical order whose meta also holds ``subject`` (every face is another person, as good as in
        FER-2013), ``intensity`` (0…1; 0 for neutral) and ``source``, the face's number in the drawing.

    Raises:
        FerError: a class is unknown or named twice, or n is too small.
    """
    images, meta = _draw_corpus(n, seed, classes=classes, size=size)
    ranks = meta["split"].map({split: rank for rank, split in enumerate(SPLITS)}).to_numpy()
    order = canonical_order(images, meta["label"].to_numpy(), ranks, meta["source"].tolist())
    notes = {"generator": f"synthetic.generate(n={n}, seed={seed}, size={size})"}
    dataset = FaceDataset(images, meta, tuple(classes), corpus="synthetic", synthetic=True, notes=notes)
    return dataset.take(order)


def _draw_corpus(
    n: int, seed: int, *, classes: Sequence[str] = FER2013_CLASSES, size: int = 48
) -> tuple[np.ndarray, pd.DataFrame]:
    """Returns the images (N, size, size) and meta of ``generate`` in drawing order: by split, classes shuffled."""
    counts = _split_counts(n, classes)
    labels, splits = [], []
    for rank, split in enumerate(SPLITS):
        column = np.repeat(np.arange(len(classes)), counts[rank])
        keys = np.random.PCG64((_ORDER_STREAM, checked_seed(seed), rank)).random_raw(len(column))
        labels.append(column[np.argsort(keys, kind="stable")])
        splits += [split] * len(column)
    label = np.concatenate(labels)
    names = [classes[k] for k in label]
    intensity = sample_intensities(n, seed)
    meta = pd.DataFrame(
        {
            "label": label,
            "split": splits,
            "subject": [f"synthetic{i:06d}" for i in range(n)],
            "intensity": np.where([name == "neutral" for name in names], 0.0, intensity),
            "source": [f"synthetic{i:06d}" for i in range(n)],
        }
    )
    return draw_faces(names, seed, size=size, intensity=intensity), meta


def _split_counts(n: int, classes: Sequence[str] = FER2013_CLASSES) -> np.ndarray:
    """Returns faces per split and class, int64 (3, len(classes)), in all n: FER-2013's shares, at least two each."""
    classes = list(classes)
    for k, name in enumerate(classes):
        if name not in ACTION_UNITS or name in classes[:k]:
            hint = nearest(str(name), ACTION_UNITS) if name not in ACTION_UNITS else ""
            raise FerError(f"Found the class {name!r}{hint}; expected different ones of {list(ACTION_UNITS)}.")
    least = 2 * len(SPLITS) * len(classes)
    if n < least or not classes:
        raise FerError(f"Found n={n} for {len(classes)} classes; expected at least one class and {least} faces.")
    prior = np.array([_PRIORS.get(name, 4000) for name in classes])
    weights = np.outer([8, 1, 1], prior).ravel()
    cells = np.maximum(n * weights // weights.sum(), 2)
    while (gap := n - cells.sum()) != 0:  # rounding left some over, or the rare cells took them from the rich
        cells[np.argmax(n * weights - cells * weights.sum()) if gap > 0 else np.argmax(cells)] += 1 if gap > 0 else -1
    return cells.reshape(len(SPLITS), len(classes))


def write_fer2013_csv(folder: str | Path, *, n: int = 700, seed: int = 0, icml: bool = False) -> Path:
    """Writes ``fer2013.csv``, or ``icml_face_data.csv`` with its blanks in the header, and returns its path.

    Args:
        folder: a new or empty folder.
        n: faces in all, at least 42.
        seed: as for ``generate``; the rows hold the faces of ``generate(n, seed)`` in drawing order.
        icml: write Kaggle's second variant, ``emotion, Usage, pixels``.

    Raises:
        FerError: the folder holds other files, or n or the seed is out of range.
    """
    images, meta = _draw_corpus(n, seed)
    folder = _begin(folder, f"write_fer2013_csv(n={n}, seed={seed}, icml={icml})")
    digits = [str(level) for level in range(256)]
    lines = ["emotion, Usage, pixels" if icml else "emotion,pixels,Usage"]
    for image, label, usage in zip(images, meta["label"], meta["split"], strict=True):
        pixels = " ".join([digits[level] for level in image.ravel().tolist()])
        lines.append(f"{label},{usage},{pixels}" if icml else f"{label},{pixels},{usage}")
    return write_text(folder / ("icml_face_data.csv" if icml else "fer2013.csv"), "\n".join(lines) + "\n")


def write_fer2013_folders(folder: str | Path, *, n: int = 700, seed: int = 0) -> Path:
    """Writes FER-2013's folders of JPEG files, ``train/<emotion>/Training_<number>.jpg`` and so on; returns the folder.

    Args:
        folder: a new or empty folder.
        n: faces in all, at least 42.
        seed: as for ``generate``.

    Raises:
        FerError: the folder holds other files, or n or the seed is out of range.
    """
    images, meta = _draw_corpus(n, seed)
    folder = _begin(folder, f"write_fer2013_folders(n={n}, seed={seed})")
    number: dict[str, int] = {}
    for image, label, usage in zip(images, meta["label"], meta["split"], strict=True):
        number[usage] = number.get(usage, 0) + 1
        place = folder / ("train" if usage == "Training" else "test") / FER2013_CLASSES[label]
        _write_image(place / f"{usage}_{number[usage]}.jpg", image)
    return folder


def write_ckplus(
    folder: str | Path, *, subjects: int = 12, sequences: int = 5, seed: int = 0, size: tuple[int, int] = (120, 160)
) -> Path:
    """Writes CK+'s official tree, ``cohn-kanade-images`` and ``Emotion``; returns the folder.

    Each subject is one person under one light who goes from neutral to an apex in every sequence. Every third subject's
    last sequence has no label: its folder under ``Emotion`` is empty, as in the real corpus.

    Args:
        folder: a new or empty folder.
        subjects: 1…199.
        sequences: per subject, 1…5; the emotions follow one cycle over all subjects, so three subjects of five
            sequences show all seven.
        seed: 0…2³²-1.
        size: height and width of the frames in pixels.

    Raises:
        FerError: the folder holds other files, or a number is out of range.
    """
    if not (1 <= subjects <= 199 and 1 <= sequences <= 5):
        raise FerError(f"Found {subjects} subjects of {sequences} sequences; expected 1 to 199 of 1 to 5.")
    call = f"write_ckplus(subjects={subjects}, sequences={sequences}, seed={seed}, size={tuple(size)})"
    people = sample_identities(subjects, seed, first=_CKPLUS_FIRST)
    rooms = sample_conditions(subjects, seed, first=_CKPLUS_FIRST)
    folder = _begin(folder, call)
    for number in range(subjects * sequences):
        subject, session = divmod(number, sequences)
        emotion = _CKPLUS_CYCLE[number % len(_CKPLUS_CYCLE)]
        frames = 6 + (5 * number) % 7
        room = _sitting(rooms.take([subject] * frames))
        first = _CKPLUS_FIRST + 16 * number  # every frame has its own noise, every sequence its own apex
        apex = loosen(activations([emotion], 0.9), seed, first=first)
        units = apex * (np.arange(frames) / (frames - 1))[:, None, None]
        person = people.take([subject] * frames)
        images = render_faces(person, units, conditions=room, size=tuple(size), seed=seed, first=first)
        place = Path(f"S{5 + 5 * subject:03d}", f"{session + 1:03d}")
        stems = [f"{'_'.join(place.parts)}_{frame:08d}" for frame in range(1, frames + 1)]
        for stem, image in zip(stems, images, strict=True):
            _write_image(folder / "cohn-kanade-images" / place / f"{stem}.png", image)
        labels = folder / "Emotion" / place
        labels.mkdir(parents=True, exist_ok=True)
        if subject % 3 != 2 or session < sequences - 1:
            write_text(labels / f"{stems[-1]}_emotion.txt", f"   {CKPLUS_CODES[emotion]:.7e}\n")
    return folder


def write_genki4k(folder: str | Path, *, n: int = 200, seed: int = 0) -> Path:
    """Writes GENKI-4K's ``files/file0001.jpg``… and ``labels.txt``; returns the folder.

    Line k of the labels belongs to file k: smile 0 or 1, then yaw, pitch and roll in radians. Smiling faces come first,
    as in the real corpus, and use AU6 and AU12; the photographs have several sizes.

    Args:
        folder: a new or empty folder.
        n: photographs, 2…9999.
        seed: 0…2³²-1.

    Raises:
        FerError: the folder holds other files, or a number is out of range.
    """
    if not 2 <= n <= 9999:
        raise FerError(f"Found n={n}; expected 2 to 9999 photographs, whose names have four digits.")
    people = sample_identities(n, seed, first=_GENKI_FIRST)
    scenes = _stepped_back(sample_conditions(n, seed, first=_GENKI_FIRST))
    strength = 0.35 + 0.65 * sample_intensities(n, seed, first=_GENKI_FIRST)
    folder = _begin(folder, f"write_genki4k(n={n}, seed={seed})")
    smiles = min(max(round(n * _GENKI_SMILES), 1), n - 1)
    names = ["happy" if k < smiles else _GENKI_CALM[k % len(_GENKI_CALM)] for k in range(n)]
    units = loosen(activations(names, strength), seed, first=_GENKI_FIRST)
    lines = []
    for k in range(n):
        size, scene, first = _GENKI_SIZES[k % len(_GENKI_SIZES)], scenes.take([k]), _GENKI_FIRST + k
        picture = render_faces(people.take([k]), units[[k]], conditions=scene, size=size, seed=seed, first=first)
        _write_image(folder / "files" / f"file{k + 1:04d}.jpg", picture[0])
        pose = " ".join(f"{getattr(scenes, angle)[k]:.6f}" for angle in ("yaw", "pitch", "roll"))
        lines.append(f"{int(k < smiles)} {pose}\n")
    write_text(folder / "labels.txt", "".join(lines))
    return folder


def _begin(folder: str | Path, call: str) -> Path:
    """Makes the folder and marks it, unless it holds anything that this very call did not write."""
    folder = Path(folder)
    sentence = (
        f"Generated faces, not photographs: fer_lib.datasets.synthetic drew them by {call}, drawing {DRAWING}, "
        "and every result made from them is SYNTHETIC.\n"
    )
    marker = folder / MARKER
    if folder.exists() and not folder.is_dir():
        raise FerError(f"Found a file at {folder}; expected a folder to write generated faces into.")
    if folder.is_dir() and any(not entry.name.startswith(".partial-") for entry in folder.iterdir()):
        if not marker.is_file() or marker.read_text(encoding="utf-8") != sentence:
            raise FerError(
                f"Found files in {folder} that {call} did not write; expected a new or empty folder, "
                "so name another or delete this one."
            )
    else:
        write_text(marker, sentence)
    return folder


def _write_image(path: Path, image: np.ndarray) -> None:
    with atomic_path(path) as partial:
        cv2.imwrite(str(partial), image, [cv2.IMWRITE_JPEG_QUALITY, 95] if path.suffix == ".jpg" else [])


def _sitting(room: Conditions) -> Conditions:
    """The same rooms with the sitter further away, still and nearly frontal, as in CK+."""
    calm = {name: getattr(room, name) * 0.3 for name in ("yaw", "pitch", "roll", "shift_x", "shift_y", "gaze_x")}
    return Conditions(
        **vars(room) | calm | {"scale": room.scale * 0.80, "blur": room.blur * 0.5, "noise": room.noise * 0.5}
    )


def _stepped_back(scene: Conditions) -> Conditions:
    """The same scenes from further away, as snapshots show more than the face."""
    return Conditions(**vars(scene) | {"scale": scene.scale * 0.70, "shift_x": scene.shift_x * 1.5})
