"""Compute the geometry of faces and scenes: features moved by the action units, and the camera and the light.

Everything here is one number for each face. Sines are taken one at a time and rounded, because C libraries differ in
their last bit. The results are float32 columns of shape (N, 1, 1) that broadcast over the pixels in ``render.py``.
"""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np

from fer_lib.datasets.synthetic.people import UNITS

_HEAD_DEPTH = 0.85


def _columns(values: dict) -> SimpleNamespace:
    """Turn numbers into float32 columns of shape (C, 1, 1), which broadcast over the pixels."""
    return SimpleNamespace(**{k: np.asarray(v, dtype=np.float32).reshape(-1, 1, 1) for k, v in values.items()})


def face_geometry(identity: dict, units: np.ndarray) -> SimpleNamespace:
    """Compute each feature's place after the action units have moved it; ``_l`` and ``_r`` are the two halves.

    Directions are those of the FACS manual (AU1 raises the inner brow, AU15 lowers the lip corners …); the lengths, in
    head units at full activation, were set by eye.
    """
    i = SimpleNamespace(**identity)
    au = {name: units[:, column, :] for column, name in enumerate(UNITS)}  # each (C, 2)
    mid = {name: (value[:, 0] + value[:, 1]) * 0.5 for name, value in au.items()}
    g = dict(identity)

    def side(name: str, value: np.ndarray) -> None:
        g[f"{name}_l"], g[f"{name}_r"] = value[:, 0], value[:, 1]

    brow = (i.eye_height - i.brow_gap)[:, None]
    side("brow_in", brow + 0.015 - 0.11 * au["AU1"] + 0.095 * au["AU4"] + 0.03 * au["AU9"])
    side("brow_mid", brow - i.brow_arch[:, None] - 0.05 * au["AU1"] - 0.08 * au["AU2"] + 0.08 * au["AU4"])
    side("brow_out", brow + 0.035 - 0.09 * au["AU2"] + 0.03 * au["AU4"] + 0.035 * au["AU1"])
    g["brow_x"] = 0.125 - 0.045 * mid["AU4"] - 0.01 * mid["AU9"]
    up = 0.060 + 0.050 * au["AU5"] - 0.018 * au["AU7"] - 0.010 * au["AU6"] - 0.016 * au["AU9"] - 0.006 * au["AU4"]
    low = 0.040 - 0.030 * au["AU6"] - 0.024 * au["AU7"] - 0.014 * au["AU9"] - 0.008 * au["AU12"] + 0.006 * au["AU5"]
    side("lid_up", i.eye_open[:, None] * np.maximum(up, 0.012))
    side("lid_low", i.eye_open[:, None] * np.maximum(low, 0.004))
    side("cheek", 0.035 + 0.045 * au["AU6"] + 0.035 * au["AU12"])
    side("squint", au["AU6"] + 0.3 * au["AU7"])
    side("fold", 0.12 + 0.35 * i.age[:, None] + 0.6 * au["AU12"] + 0.8 * au["AU9"] + 0.2 * au["AU14"])
    side(
        "corner_x", 0.075 * au["AU12"] + 0.075 * au["AU20"] - 0.03 * au["AU23"] - 0.065 * au["AU26"] + 0.01 * au["AU14"]
    )
    side("corner_y", 0.015 - 0.135 * au["AU12"] + 0.120 * au["AU15"] - 0.02 * au["AU14"] + 0.02 * au["AU20"])
    side("dimple", 0.25 + 0.75 * au["AU14"] + 0.35 * au["AU12"] + 0.15 * au["AU15"])
    g["open_up"] = 0.022 * mid["AU25"] + 0.03 * mid["AU26"] + 0.022 * mid["AU9"] + 0.008 * mid["AU20"]
    g["open_low"] = 0.040 * mid["AU25"] + 0.19 * mid["AU26"] + 0.060 * mid["AU16"] + 0.02 * mid["AU20"]
    thin = 1 - 0.50 * mid["AU23"] - 0.25 * mid["AU20"] - 0.2 * mid["AU12"]
    g["lip_up"] = 0.055 * i.lip_fullness * thin * (1 - 0.25 * mid["AU9"])
    g["lip_low"] = 0.075 * i.lip_fullness * thin * (1 + 0.15 * mid["AU16"])
    g["mouth_y"] = i.mouth_height - 0.035 * mid["AU9"] - 0.01 * mid["AU12"]
    g["jaw_drop"] = 0.17 * mid["AU26"] + 0.02 * mid["AU25"]
    g["wing_y"] = i.nose_length - 0.045 * mid["AU9"]
    g["wing"] = i.nose_width * (1 + 0.14 * mid["AU9"] + 0.06 * mid["AU12"])
    g["frown"] = mid["AU4"]
    g["snarl"] = mid["AU9"]
    g["wrinkle_in"], g["wrinkle_out"] = mid["AU1"], mid["AU2"]
    g["chin_boss"] = 0.06 + 0.03 * mid["AU15"]
    g["teeth"] = np.minimum(0.25 + mid["AU12"] + 0.7 * mid["AU20"] + 0.5 * mid["AU9"] + 0.2 * mid["AU25"], 1)
    g["teeth_low"] = np.minimum(mid["AU16"] + 0.6 * mid["AU20"], 1)
    return _columns(g)


def _turn(angles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    # Rounded: two C libraries may differ in a sine's last bit, but hardly ever in its ninth decimal.
    return (
        np.array([round(math.cos(a), 9) for a in angles.tolist()]),
        np.array([round(math.sin(a), 9) for a in angles.tolist()]),
    )


def scene_geometry(conditions: dict, face: SimpleNamespace, size: tuple[int, int]) -> SimpleNamespace:
    """Compute the camera, the light and the pixel grid in head units, without the roll."""
    c = dict(conditions)
    cos_yaw, sin_yaw = _turn(conditions["yaw"])
    cos_pitch, sin_pitch = _turn(conditions["pitch"])
    cos_roll, sin_roll = _turn(conditions["roll"])
    cos_az, sin_az = _turn(conditions["light_azimuth"])
    cos_el, sin_el = _turn(conditions["light_elevation"])
    zero = np.zeros_like(cos_yaw)
    # Rows of the rotation head -> camera: yaw about y first, then pitch about x.
    rows = (
        (cos_yaw, zero, sin_yaw),
        (sin_pitch * sin_yaw, cos_pitch, -sin_pitch * cos_yaw),
        (-cos_pitch * sin_yaw, sin_pitch, cos_pitch * cos_yaw),
    )
    for r, row in enumerate(rows):
        for k, value in enumerate(row):
            c[f"m{r}{k}"] = value
    axes = (face.face_width.ravel(), face.face_length.ravel(), np.full(len(zero), _HEAD_DEPTH))
    inverse = [1 / (axis.astype(np.float64) * axis) for axis in axes]

    # A sight line (x, y, t) meets the ellipsoid where a quadratic in t vanishes; these are its coefficients.
    def form(r: int, s: int) -> np.ndarray:
        return (
            rows[r][0] * rows[s][0] * inverse[0]
            + rows[r][1] * rows[s][1] * inverse[1]
            + rows[r][2] * rows[s][2] * inverse[2]
        )

    qa, kx, ky = form(2, 2), form(0, 2), form(1, 2)
    c |= {"tx": -kx / qa, "ty": -ky / qa, "ts": 1 / np.sqrt(qa)}
    c |= {"qxx": form(0, 0) - kx * kx / qa, "qxy": 2 * (form(0, 1) - kx * ky / qa), "qyy": form(1, 1) - ky * ky / qa}
    c |= {"ix": inverse[0], "iy": inverse[1], "iz": inverse[2]}
    # The light is fixed to the camera; the roll turns it with the unrolled grid.
    lx, ly, lz = cos_el * sin_az, -sin_el, cos_el * cos_az
    lx, ly = lx * cos_roll + ly * sin_roll, ly * cos_roll - lx * sin_roll
    half = np.sqrt(2 + 2 * lz)  # of the sum of the unit vectors to the light and to the camera
    c |= {"lx": lx, "ly": ly, "lz": lz, "hx": lx / half, "hy": ly / half, "hz": (lz + 1) / half}
    c |= {"cos_roll": cos_roll, "sin_roll": sin_roll, "pixel": 2 / (conditions["scale"] * size[0])}
    c["sharp"] = 1 / (1.5 * c["pixel"])  # an edge is a ramp of one and a half pixels
    c["half_gradient"] = 0.5 / c["pixel"]
    scene = _columns(c)
    down = (np.arange(size[0], dtype=np.float32) * 2 + (1 - size[0])).reshape(1, -1, 1) / np.float32(size[0])
    right = (np.arange(size[1], dtype=np.float32) * 2 + (1 - size[1])).reshape(1, 1, -1) / np.float32(size[0])
    scene.down, scene.right = down, right
    x = (right - scene.shift_x) / scene.scale
    y = (down - scene.shift_y) / scene.scale
    scene.x = x * scene.cos_roll + y * scene.sin_roll
    scene.y = y * scene.cos_roll - x * scene.sin_roll
    return scene
