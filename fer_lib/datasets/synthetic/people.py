"""Sample the parameters of generated faces: identity, expression, and camera and light.

Expressions follow the Facial Action Coding System (P. Ekman and W. V. Friesen, *Facial Action Coding System*, 1978) and
its prototypes of the basic emotions. Random numbers are PCG64's raw output, which NumPy never changes, and row i of
every sample only depends on the seed and ``first`` + i.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields

import numpy as np

from fer_lib.errors import FerError, nearest

UNITS = (
    *("AU1", "AU2", "AU4", "AU5", "AU6", "AU7", "AU9", "AU12"),
    *("AU14", "AU15", "AU16", "AU20", "AU23", "AU25", "AU26"),
)
"""The action units that move the face, in the order of the columns of an array of activations."""

ACTION_UNITS: dict[str, dict[str, float]] = {
    "angry": {"AU4": 1.0, "AU5": 0.7, "AU7": 0.9, "AU23": 1.0},
    "disgust": {"AU9": 1.0, "AU15": 0.7, "AU16": 0.8},
    "fear": {"AU1": 1.0, "AU2": 0.7, "AU4": 0.7, "AU5": 1.0, "AU7": 0.4, "AU20": 1.0, "AU26": 0.4},
    "happy": {"AU6": 1.0, "AU12": 1.0},
    "sad": {"AU1": 1.0, "AU4": 0.6, "AU15": 1.0},
    "surprise": {"AU1": 1.0, "AU2": 1.0, "AU5": 1.0, "AU26": 1.0},
    "neutral": {},
    "contempt": {"AU12": 0.6, "AU14": 1.0},
}
"""Expression -> action unit -> activation at full intensity. Contempt is drawn on one half of the face only."""

_IDENTITY_STREAM, _CONDITIONS_STREAM, _EXPRESSION_STREAM = 0, 1, 2  # the first word of each generator's seed


@dataclass(frozen=True)
class Identity:
    """The drawn people: float64 arrays of shape (N,), lengths in head units (a head is about 2 high), tones 0…1."""

    face_width: np.ndarray
    face_length: np.ndarray
    jaw_taper: np.ndarray
    jaw_square: np.ndarray
    eye_distance: np.ndarray
    eye_size: np.ndarray
    eye_open: np.ndarray
    eye_height: np.ndarray
    eye_tilt: np.ndarray
    iris_tone: np.ndarray
    brow_gap: np.ndarray
    brow_arch: np.ndarray
    brow_thickness: np.ndarray
    brow_tone: np.ndarray
    nose_length: np.ndarray
    nose_width: np.ndarray
    nose_height: np.ndarray
    mouth_height: np.ndarray
    mouth_width: np.ndarray
    lip_fullness: np.ndarray
    lip_tone: np.ndarray
    skin: np.ndarray
    age: np.ndarray
    beard: np.ndarray
    hair_tone: np.ndarray
    hairline: np.ndarray
    hair_side: np.ndarray
    hair_temple: np.ndarray
    hair_volume: np.ndarray
    hair_bottom: np.ndarray
    has_hair: np.ndarray
    parting: np.ndarray
    ears: np.ndarray
    cloth: np.ndarray

    def take(self, rows: Sequence[int] | np.ndarray) -> Identity:
        """Select the given rows, which may repeat, in that order."""
        return Identity(**{name: value[np.asarray(rows)] for name, value in asdict(self).items()})


@dataclass(frozen=True)
class Conditions:
    """Pose, light and camera: float64 arrays of shape (N,).

    Attributes:
        yaw: radians, positive turns the nose to the image's right.
        pitch: radians, positive raises the nose.
        roll: radians, positive tilts the head clockwise in the image.
        scale: head units to half image heights; 1 lets the head fill the image from crown to chin.
        shift_x: position of the head's centre, in half image heights to the right of the image's centre.
        shift_y: the same downwards.
        gaze_x: shift of the irises in head units.
        light_azimuth: radians, positive lights the image's right.
        light_elevation: radians, positive lights from above.
        ambient: share of the light that has no direction, 0…1.
        gain: exposure, about 1.
        blur: standard deviation of the blur in pixels of a 48-pixel image; it grows with the image.
        noise: standard deviation of the pixel noise in grey levels of 255.
        background: mean tone, 0…1; background_x and background_y: its slopes per half image height.
    """

    yaw: np.ndarray
    pitch: np.ndarray
    roll: np.ndarray
    scale: np.ndarray
    shift_x: np.ndarray
    shift_y: np.ndarray
    gaze_x: np.ndarray
    light_azimuth: np.ndarray
    light_elevation: np.ndarray
    ambient: np.ndarray
    gain: np.ndarray
    blur: np.ndarray
    noise: np.ndarray
    background: np.ndarray
    background_x: np.ndarray
    background_y: np.ndarray

    def take(self, rows: Sequence[int] | np.ndarray) -> Conditions:
        """Select the given rows, which may repeat, in that order."""
        return Conditions(**{name: value[np.asarray(rows)] for name, value in asdict(self).items()})


# Triangular between the two ends: most people and photographs are near the middle.
_IDENTITY_RANGES = {
    "face_width": (0.62, 0.76),
    "face_length": (0.95, 1.06),
    "jaw_taper": (-0.05, 0.12),
    "jaw_square": (-0.02, 0.14),
    "eye_distance": (0.27, 0.32),
    "eye_size": (0.120, 0.155),
    "eye_open": (0.80, 1.20),
    "eye_height": (-0.06, 0.04),
    "eye_tilt": (-0.08, 0.14),
    "iris_tone": (0.08, 0.45),
    "brow_gap": (0.16, 0.20),
    "brow_arch": (0.00, 0.05),
    "brow_thickness": (0.022, 0.044),
    "brow_tone": (0.60, 1.00),
    "nose_length": (0.33, 0.41),
    "nose_width": (0.12, 0.18),
    "nose_height": (0.14, 0.23),
    "mouth_height": (0.56, 0.63),
    "mouth_width": (0.22, 0.29),
    "lip_fullness": (0.60, 1.35),
    "lip_tone": (0.52, 0.80),
    "skin": (0.55, 0.98),
    "age": (0.00, 0.80),
    "hairline": (-0.78, -0.45),
    "hair_volume": (0.03, 0.15),
    "parting": (-0.25, 0.25),
    "cloth": (0.05, 0.90),
}
_CONDITION_RANGES = {
    "yaw": (-0.30, 0.30),
    "pitch": (-0.18, 0.18),
    "roll": (-0.15, 0.15),
    "scale": (1.00, 1.18),
    "shift_x": (-0.07, 0.07),
    "shift_y": (-0.07, 0.07),
    "gaze_x": (-0.05, 0.05),
    "light_azimuth": (-1.00, 1.00),
    "light_elevation": (-0.30, 1.00),
    "ambient": (0.10, 0.50),
    "gain": (0.75, 1.10),
    "blur": (0.00, 0.65),
    "noise": (0.00, 7.0),
    "background": (0.00, 1.00),
    "background_x": (-0.25, 0.25),
    "background_y": (-0.25, 0.25),
}
_STUDIO = {
    "scale": 0.9,
    "light_azimuth": -0.45,
    "light_elevation": 0.45,
    "ambient": 0.35,
    "gain": 1.0,
    "background": 0.5,
}


def sample_identities(n: int, seed: int, *, first: int = 0) -> Identity:
    """Sample N people; person i only depends on ``seed`` and ``first`` + i.

    Args:
        n: the number of people.
        seed: 0…2³²-1.
        first: the number of row 0 in a longer series.
    """
    count = len(_IDENTITY_RANGES)
    draws = uniforms(n, 2 * count + 6, seed, first=first, stream=_IDENTITY_STREAM)
    values = _triangular(draws, _IDENTITY_RANGES)
    length, colour, bald, beard, grey, side = draws[:, 2 * count :].T
    long_hair = length < 0.35
    hair = bald > 0.06
    values["has_hair"] = hair.astype(np.float64)
    values["hair_side"] = np.where(long_hair, 1.1 + 0.4 * side, 0.25 + 0.35 * side)
    values["hair_temple"] = np.where(long_hair, 0.60, 0.45)
    values["hair_bottom"] = np.where(long_hair, 0.7 + 0.7 * side, 0.05 + 0.15 * side)
    values["ears"] = np.where(long_hair & hair, 0.0, 1.0)
    # The tones of hair and skin are independent, but hair is mostly darker.
    values["hair_tone"] = np.where(grey < 0.12, 0.45 + 0.3 * colour, 0.04 + 0.36 * colour * colour)
    values["beard"] = np.where(long_hair | (beard < 0.75), 0.0, (beard - 0.7) * 3)
    return Identity(**values)


def sample_conditions(n: int, seed: int, *, first: int = 0) -> Conditions:
    """Sample N poses, lights and cameras; row i only depends on ``seed`` and ``first`` + i.

    Args:
        n: the number of rows.
        seed: 0…2³²-1.
        first: the number of row 0 in a longer series.
    """
    draws = uniforms(n, 2 * len(_CONDITION_RANGES), seed, first=first, stream=_CONDITIONS_STREAM)
    return Conditions(**_triangular(draws, _CONDITION_RANGES))


def studio_conditions(n: int, **fixed: float | np.ndarray) -> Conditions:
    """Repeat the conditions of one frontal, evenly lit, sharp and noiseless portrait N times.

    Args:
        n: the number of rows.
        **fixed: fields of ``Conditions`` to set instead, numbers or arrays of shape (N,).

    Raises:
        FerError: a field does not exist.
    """
    names = [f.name for f in fields(Conditions)]
    for name in fixed:
        if name not in names:
            raise FerError(f"Conditions has no field {name!r}{nearest(name, names)}; its fields are {names}.")
    values = dict.fromkeys(names, 0.0) | _STUDIO | fixed
    return Conditions(**{name: np.zeros(n) + value for name, value in values.items()})


def activations(expressions: Sequence[str], intensity: float | np.ndarray = 1.0, *, side: str = "right") -> np.ndarray:
    """Activate the action units of expressions: float64 (N, len(UNITS), 2), last the image's left and right half.

    Args:
        expressions: N names of ``ACTION_UNITS``.
        intensity: 0 (relaxed) … 1 (FACS' maximum), one number or N.
        side: the half of the image, ``"left"`` or ``"right"``, that shows contempt.

    Raises:
        FerError: an expression is unknown or an intensity lies outside 0…1.
    """
    for name in expressions:
        if name not in ACTION_UNITS:
            known = list(ACTION_UNITS)
            raise FerError(f"Found the expression {name!r}{nearest(str(name), known)}; expected one of {known}.")
    level = np.zeros(len(expressions)) + np.asarray(intensity, dtype=np.float64)
    if not ((level >= 0) & (level <= 1)).all():
        raise FerError(f"Found intensities of {level.min():g} to {level.max():g}; expected numbers from 0 to 1.")
    units = np.zeros((len(expressions), len(UNITS), 2))
    for row, name in enumerate(expressions):
        for unit, weight in ACTION_UNITS[name].items():
            units[row, UNITS.index(unit)] = weight * level[row]
        if name == "contempt":
            units[row, :, 0 if side == "right" else 1] = 0
    return units


def loosen(units: np.ndarray, seed: int, *, first: int = 0) -> np.ndarray:
    """Vary the activations like real people: row i depends on row i of ``units``, ``seed`` and ``first`` + i.

    Units vary by up to a third, the halves of the face differ a little, and some other units move: lips part.

    Args:
        units: float64 (N, len(UNITS), 2) as ``activations`` returns them.
        seed: 0…2³²-1.
        first: the number of row 0 in a longer series.
    """
    n, count = len(units), len(UNITS)
    draws = uniforms(n, 1 + 3 * count, seed, stream=_EXPRESSION_STREAM, first=first)[:, 1:]
    pairs = draws[:, : 2 * count].reshape(n, count, 2)
    chance = draws[:, 2 * count :]
    loosened = units * (0.80 + 0.2 * chance[:, :, None] + 0.15 * pairs)
    stray = np.maximum(chance - 0.80, 0)  # a fifth of the units move, up to a fifth of their range
    stray[:, UNITS.index("AU25")] *= 2.5  # parted lips say little: people talk
    return np.minimum(loosened + stray[:, :, None], 1)


def sample_intensities(n: int, seed: int, *, first: int = 0) -> np.ndarray:
    """Sample intensities float64 (N,) from 0.5 to 1, uniform; number i only depends on ``seed`` and ``first`` + i."""
    return 0.5 + 0.5 * uniforms(n, 1, seed, stream=_EXPRESSION_STREAM, first=first)[:, 0]


def checked_seed(seed: int) -> int:
    """Check a seed; raise FerError if it is not a whole number from 0 to 2³²-1."""
    if not 0 <= seed < 2**32:
        raise FerError(f"Found the seed {seed}; expected a whole number from 0 to {2**32 - 1}.")
    return int(seed)


def uniforms(n: int, columns: int, seed: int, *, stream: int, first: int = 0) -> np.ndarray:
    """Draw float64 (N, columns) in [0, 1), row i from (stream, seed, first + i): the top 53 bits of raw words."""
    raw = np.empty((n, columns), dtype=np.uint64)
    for row in range(n):
        raw[row] = np.random.PCG64((stream, checked_seed(seed), first + row)).random_raw(columns)
    return (raw >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _triangular(draws: np.ndarray, ranges: dict[str, tuple[float, float]]) -> dict[str, np.ndarray]:
    values = {}
    for k, (name, (low, high)) in enumerate(ranges.items()):
        values[name] = low + (high - low) * ((draws[:, 2 * k] + draws[:, 2 * k + 1]) * 0.5)
    return values
