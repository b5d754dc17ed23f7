"""Write corpora of generated faces: FER-2013 and CK+ in both their layouts, GENKI-4K and the Olivetti faces."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from fer_lib.datasets.readers.locate import MARKER, OLIVETTI_COMMENT
from fer_lib.datasets.synthetic.colours import coloured
from fer_lib.datasets.synthetic.faces import FER2013_CLASSES, draw_corpus
from fer_lib.datasets.synthetic.people import (
    Conditions,
    Identity,
    activations,
    loosen,
    sample_conditions,
    sample_identities,
    sample_intensities,
)
from fer_lib.datasets.synthetic.render import render_faces
from fer_lib.errors import FerError
from fer_lib.utils.files import atomic_path, write_text

DRAWING = 1
"""Number of the drawing: raised whenever the same arguments give other pixels, so that old folders are not mixed in."""

CKPLUS_CODES = {"angry": 1, "contempt": 2, "disgust": 3, "fear": 4, "happy": 5, "sad": 6, "surprise": 7}
"""CK+'s emotion codes (Lucey et al., 2010), by the names of ``ACTION_UNITS``."""

# Surprise and joy are frequent in CK+, contempt, fear and sadness rare; any five in a row are different.
_CKPLUS_CYCLE = (
    *("surprise", "happy", "disgust", "angry", "sad", "surprise", "happy"),
    *("disgust", "fear", "surprise", "happy", "angry", "contempt"),
)
_CKPLUS_FIRST, _GENKI_FIRST, _OLIVETTI_FIRST = 1_000_000, 2_000_000, 3_000_000  # no subject is in two corpora
_CKPLUS_FOLDERS = {"angry": "anger", "sad": "sadness"}  # as the 48 x 48 release spells them
_GENKI_SIZES = ((178, 178), (192, 180), (170, 190), (200, 200))
_GENKI_CALM = ("neutral", "neutral", "neutral", "sad", "surprise", "angry")
_GENKI_SMILES = 0.5405  # 2162 of 4000
_OLIVETTI_MOODS = (
    *("neutral", "happy", "neutral", "surprise", "neutral"),
    *("angry", "happy", "neutral", "sad", "happy"),
)


def write_fer2013_csv(folder: str | Path, *, n: int = 700, seed: int = 0, icml: bool = False) -> Path:
    """Write ``fer2013.csv``, or ``icml_face_data.csv`` with its blanks in the header, and return its path.

    Args:
        folder: a new or empty folder.
        n: faces in all, at least 42.
        seed: 0…2³²-1; the rows are the faces of :func:`fer_lib.datasets.synthetic.faces.draw_corpus`.
        icml: write Kaggle's second variant, ``emotion, Usage, pixels``.

    Raises:
        FerError: the folder contains other files, or n or the seed is out of range.
    """
    images, labels, splits = draw_corpus(n, seed)
    folder = begin_folder(folder, f"write_fer2013_csv(n={n}, seed={seed}, icml={icml})")
    digits = [str(level) for level in range(256)]
    lines = ["emotion, Usage, pixels" if icml else "emotion,pixels,Usage"]
    for image, label, usage in zip(images, labels, splits, strict=True):
        pixels = " ".join([digits[level] for level in image.ravel().tolist()])
        lines.append(f"{label},{usage},{pixels}" if icml else f"{label},{pixels},{usage}")
    return write_text(folder / ("icml_face_data.csv" if icml else "fer2013.csv"), "\n".join(lines) + "\n")


def write_fer2013_folders(folder: str | Path, *, n: int = 700, seed: int = 0, colour: bool = False) -> Path:
    """Write FER-2013's folders of JPEG files, ``train/<emotion>/Training_<number>.jpg`` and so on; return the folder.

    Args:
        folder: a new or empty folder.
        n: faces in all, at least 42.
        seed: 0…2³²-1.
        colour: write PNG files in colour.

    Raises:
        FerError: the folder contains other files, or n or the seed is out of range.
    """
    images, labels, splits = draw_corpus(n, seed)
    call = f"write_fer2013_folders(n={n}, seed={seed}{', colour=True' if colour else ''})"
    folder = begin_folder(folder, call)
    if colour:
        images = coloured(images, seed)[..., ::-1]  # OpenCV writes blue, green, red
    suffix = "png" if colour else "jpg"
    number: dict[str, int] = {}
    for image, label, usage in zip(images, labels, splits, strict=True):
        number[usage] = number.get(usage, 0) + 1
        place = folder / ("train" if usage == "Training" else "test") / FER2013_CLASSES[label]
        write_image(place / f"{usage}_{number[usage]}.{suffix}", image)
    return folder


def write_ckplus(
    folder: str | Path, *, subjects: int = 12, sequences: int = 5, seed: int = 0, size: tuple[int, int] = (120, 160)
) -> Path:
    """Write CK+'s official tree, ``cohn-kanade-images`` and ``Emotion``; return the folder.

    Each subject is one person under one light and goes from neutral to an apex in every sequence. Every third subject's
    last sequence has no label: its folder under ``Emotion`` is empty, as in the real corpus.

    Args:
        folder: a new or empty folder.
        subjects: 1…199.
        sequences: per subject, 1…5; the emotions follow one cycle over all subjects, so three subjects of five
            sequences show all seven.
        seed: 0…2³²-1.
        size: height and width of the frames in pixels.

    Raises:
        FerError: the folder contains other files, or a number is out of range.
    """
    _check_ckplus(subjects, sequences)
    call = f"write_ckplus(subjects={subjects}, sequences={sequences}, seed={seed}, size={tuple(size)})"
    folder = begin_folder(folder, call)
    for sitting in _sittings(subjects, sequences, seed):
        images = sitting.draw(seed, size)
        for stem, image in zip(sitting.stems, images, strict=True):
            write_image(folder / "cohn-kanade-images" / sitting.place / f"{stem}.png", image)
        labels = folder / "Emotion" / sitting.place
        labels.mkdir(parents=True, exist_ok=True)
        if sitting.labelled:
            write_text(labels / f"{sitting.stems[-1]}_emotion.txt", f"   {CKPLUS_CODES[sitting.emotion]:.7e}\n")
    return folder


def write_ckplus48(folder: str | Path, *, subjects: int = 12, sequences: int = 5, seed: int = 0) -> Path:
    """Write CK+'s 48 x 48 release, ``CK+48/<emotion>/S005_001_00000006.png``; return the folder.

    The faces are the last three frames of the labelled sequences of ``write_ckplus``, seen from nearer.

    Args:
        folder: a new or empty folder.
        subjects: 1…199.
        sequences: per subject, 1…5.
        seed: 0…2³²-1.

    Raises:
        FerError: the folder contains other files, or a number is out of range.
    """
    _check_ckplus(subjects, sequences)
    folder = begin_folder(folder, f"write_ckplus48(subjects={subjects}, sequences={sequences}, seed={seed})")
    for sitting in _sittings(subjects, sequences, seed):
        if not sitting.labelled:
            continue
        place = folder / "CK+48" / _CKPLUS_FOLDERS.get(sitting.emotion, sitting.emotion)
        images = sitting.draw(seed, (48, 48), nearer=1.35)
        for stem, image in list(zip(sitting.stems, images, strict=True))[-3:]:
            write_image(place / f"{stem}.png", image)
    return folder


@dataclass(frozen=True)
class _Sitting:
    """One sequence of generated CK+: its place in the tree, its subject, expression and scene."""

    place: Path
    emotion: str
    labelled: bool
    person: Identity
    units: np.ndarray
    room: Conditions
    first: int

    @property
    def stems(self) -> list[str]:
        """The frames' file names without suffix, from the neutral face to the apex."""
        return [f"{'_'.join(self.place.parts)}_{frame:08d}" for frame in range(1, len(self.units) + 1)]

    def draw(self, seed: int, size: tuple[int, int], *, nearer: float = 1.0) -> np.ndarray:
        """Draw the frames, uint8 (frames, height, width)."""
        room = Conditions(**vars(self.room) | {"scale": self.room.scale * nearer})
        return render_faces(self.person, self.units, conditions=room, size=size, seed=seed, first=self.first)


def _check_ckplus(subjects: int, sequences: int) -> None:
    if not (1 <= subjects <= 199 and 1 <= sequences <= 5):
        raise FerError(f"Found {subjects} subjects of {sequences} sequences; expected 1 to 199 of 1 to 5.")


def _sittings(subjects: int, sequences: int, seed: int) -> Iterator[_Sitting]:
    people = sample_identities(subjects, seed, first=_CKPLUS_FIRST)
    rooms = sample_conditions(subjects, seed, first=_CKPLUS_FIRST)
    for number in range(subjects * sequences):
        subject, session = divmod(number, sequences)
        emotion = _CKPLUS_CYCLE[number % len(_CKPLUS_CYCLE)]
        frames = 6 + (5 * number) % 7
        first = _CKPLUS_FIRST + 16 * number  # every frame has its own noise, every sequence its own apex
        apex = loosen(activations([emotion], 0.9), seed, first=first)
        yield _Sitting(
            place=Path(f"S{5 + 5 * subject:03d}", f"{session + 1:03d}"),
            emotion=emotion,
            labelled=subject % 3 != 2 or session < sequences - 1,
            person=people.take([subject] * frames),
            units=apex * (np.arange(frames) / (frames - 1))[:, None, None],
            room=_sitting(rooms.take([subject] * frames)),
            first=first,
        )


def write_genki4k(folder: str | Path, *, n: int = 200, seed: int = 0) -> Path:
    """Write GENKI-4K's ``files/file0001.jpg``… and ``labels.txt``; return the folder.

    Line k of the labels belongs to file k: smile 0 or 1, then yaw, pitch and roll in radians. Smiling faces come first,
    as in the real corpus, and use AU6 and AU12; the photos have several sizes.

    Args:
        folder: a new or empty folder.
        n: photos, 2…9999.
        seed: 0…2³²-1.

    Raises:
        FerError: the folder contains other files, or a number is out of range.
    """
    if not 2 <= n <= 9999:
        raise FerError(f"Found n={n}; expected 2 to 9999 photos, because their names have four digits.")
    people = sample_identities(n, seed, first=_GENKI_FIRST)
    scenes = _stepped_back(sample_conditions(n, seed, first=_GENKI_FIRST))
    strength = 0.35 + 0.65 * sample_intensities(n, seed, first=_GENKI_FIRST)
    folder = begin_folder(folder, f"write_genki4k(n={n}, seed={seed})")
    smiles = min(max(round(n * _GENKI_SMILES), 1), n - 1)
    names = ["happy" if k < smiles else _GENKI_CALM[k % len(_GENKI_CALM)] for k in range(n)]
    units = loosen(activations(names, strength), seed, first=_GENKI_FIRST)
    lines = []
    for k in range(n):
        size, scene, first = _GENKI_SIZES[k % len(_GENKI_SIZES)], scenes.take([k]), _GENKI_FIRST + k
        picture = render_faces(people.take([k]), units[[k]], conditions=scene, size=size, seed=seed, first=first)
        write_image(folder / "files" / f"file{k + 1:04d}.jpg", picture[0])
        pose = " ".join(f"{getattr(scenes, angle)[k]:.6f}" for angle in ("yaw", "pitch", "roll"))
        lines.append(f"{int(k < smiles)} {pose}\n")
    write_text(folder / "labels.txt", "".join(lines))
    return folder


def write_olivetti(folder: str | Path, *, people: int = 40, seed: int = 0) -> Path:
    """Write the Olivetti mosaic, ``olivettifaces.gif`` (lossless), and return its path.

    Each row has twenty faces of 57 x 47 pixels. Ten consecutive faces are of one subject under one light, with varied
    expressions and poses. The last two columns of pixels are white, as in the real mosaic.

    Args:
        folder: a new or empty folder.
        people: the number of subjects, even, 2…40, because each row of the mosaic has two.
        seed: 0…2³²-1.

    Raises:
        FerError: the folder contains other files, or a number is out of range.
    """
    if not 2 <= people <= 40 or people % 2:
        raise FerError(f"Found people={people}; expected an even number from 2 to 40, two a row of the mosaic.")
    owner = np.repeat(np.arange(people), 10)
    expressions = [_OLIVETTI_MOODS[k % 10] for k in range(10 * people)]
    levels = 0.8 * sample_intensities(10 * people, seed, first=_OLIVETTI_FIRST)
    faces = render_faces(
        sample_identities(people, seed, first=_OLIVETTI_FIRST).take(owner),
        loosen(activations(expressions, levels), seed, first=_OLIVETTI_FIRST),
        conditions=_studio_visits(people, seed),
        size=(57, 47),
        seed=seed,
        first=_OLIVETTI_FIRST,
    )
    folder = begin_folder(folder, f"write_olivetti(people={people}, seed={seed})")
    rows = faces.reshape(people // 2, 20, 57, 47).swapaxes(1, 2).reshape(people // 2 * 57, 940)
    path = folder / "olivettifaces.gif"
    with atomic_path(path) as partial:
        # the picture itself says that it is generated, because this one file may be copied without the marker
        Image.fromarray(np.pad(rows, ((0, 0), (0, 2)), constant_values=255)).save(partial, comment=OLIVETTI_COMMENT)
    return path


def _studio_visits(people: int, seed: int) -> Conditions:
    """Sample ten pictures for each subject: head and camera change by picture, light and room by subject."""
    visits = vars(sample_conditions(10 * people, seed, first=_OLIVETTI_FIRST))
    homes = sample_conditions(people, seed, first=_OLIVETTI_FIRST + 1000)
    moving = ("yaw", "pitch", "roll", "shift_x", "shift_y", "gaze_x", "noise")
    values = {name: np.repeat(value, 10) for name, value in vars(homes).items()}
    return Conditions(**values | {name: visits[name] for name in moving} | {"scale": 0.95 * visits["scale"]})


def begin_folder(folder: str | Path, call: str, *, noun: str = "faces") -> Path:
    """Create a folder and mark it; raise FerError if it contains files that ``call`` did not write."""
    folder = Path(folder)
    sentence = (
        f"Generated {noun}, not photographs: fer_lib.datasets.synthetic drew them by {call}, drawing {DRAWING}, "
        "and every result made from them is SYNTHETIC.\n"
    )
    marker = folder / MARKER
    if folder.exists() and not folder.is_dir():
        raise FerError(f"Found a file at {folder}; expected a folder to write generated {noun} into.")
    if folder.is_dir() and any(not entry.name.startswith(".partial-") for entry in folder.iterdir()):
        if not marker.is_file() or marker.read_text(encoding="utf-8") != sentence:
            raise FerError(
                f"Found files in {folder} that this command, with these options, did not write; name a new or empty "
                "folder, or delete this one."
            )
    else:
        write_text(marker, sentence)
    return folder


def write_image(path: Path, image: np.ndarray) -> None:
    """Write a picture, whole or not at all; a JPEG with quality 95."""
    options = [cv2.IMWRITE_JPEG_QUALITY, 95] if path.suffix == ".jpg" else []
    _, content = cv2.imencode(path.suffix, image, options)  # imwrite would not tell of a full disk
    with atomic_path(path) as partial:
        partial.write_bytes(content.tobytes())


def _sitting(room: Conditions) -> Conditions:
    """Move the subject further away, still and nearly frontal, as in CK+."""
    calm = {name: getattr(room, name) * 0.3 for name in ("yaw", "pitch", "roll", "shift_x", "shift_y", "gaze_x")}
    return Conditions(
        **vars(room) | calm | {"scale": room.scale * 0.80, "blur": room.blur * 0.5, "noise": room.noise * 0.5}
    )


def _stepped_back(scene: Conditions) -> Conditions:
    """Move the camera further away, because snapshots show more than the face."""
    return Conditions(**vars(scene) | {"scale": scene.scale * 0.70, "shift_x": scene.shift_x * 1.5})
