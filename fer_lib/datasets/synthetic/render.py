"""Draw shaded grey heads: an ellipsoid with a face in relief, moved by action units, lit, blurred and noised.

IEEE 754 or integer arithmetic defines every pixel operation here exactly (+ - * / sqrt, comparisons and rounding),
because NumPy's exp, sin and pow, its sums and the BLAS differ in the last bit between processors. So smooth shapes are
polynomials, and the same arguments give the same bytes anywhere.

Head units: the head's centre is the origin, x points to the image's right, y down, z to the camera; chin and crown lie
near y = 1 and y = -1, the eyes near y = 0. In the functions ``f`` is the face's geometry, ``s`` the scene, ``m`` the
members (planes of distances and coverages), ``u`` and ``v`` head coordinates and ``x`` and ``y`` those of the camera.
"""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from fer_lib.datasets.synthetic.geometry import face_geometry, scene_geometry
from fer_lib.datasets.synthetic.people import Conditions, Identity, checked_seed
from fer_lib.errors import FerError

_CHUNK_PIXELS = 20_000  # a float32 plane of this many pixels stays in the second-level cache
_NOISE_STREAM = 3


def render_faces(
    identity: Identity,
    units: np.ndarray,
    *,
    conditions: Conditions,
    size: int | tuple[int, int] = 48,
    seed: int = 0,
    first: int = 0,
) -> np.ndarray:
    """Draw people with action units under conditions: uint8 (N, height, width).

    Args:
        identity: N people.
        units: (N, len(UNITS), 2) activations as ``activations`` returns them, columns in the order of ``UNITS``.
        conditions: N poses, lights and cameras.
        size: pixels of a square image, or (height, width).
        seed: of the pixel noise, 0…2³²-1; face i only depends on its own row, ``seed`` and ``first`` + i.
        first: the number of row 0 in a longer series.

    Raises:
        FerError: the numbers of people, activations and conditions differ, or the image is smaller than 16 pixels.
    """
    shape = (size, size) if isinstance(size, int) else (size[0], size[1])
    if min(shape) < 16:
        raise FerError(f"Found the image size {shape}; expected at least 16 x 16 pixels.")
    counts = len(identity.skin), len(units), len(conditions.yaw)
    if len(set(counts)) != 1:
        raise FerError(
            f"Found {counts[0]} identities, {counts[1]} rows of action units and {counts[2]} conditions; "
            "expected as many of each, so repeat rows with take()."
        )
    step = max(1, _CHUNK_PIXELS // (shape[0] * shape[1]))
    images = np.empty((len(units), *shape), dtype=np.uint8)
    for start in range(0, len(units), step):
        rows = np.arange(start, min(start + step, len(units)))
        face = face_geometry(vars(identity.take(rows)), units[rows])
        scene = scene_geometry(vars(conditions.take(rows)), face, shape)
        images[rows] = _expose(_paint(face, scene), scene, rows + first, checked_seed(seed))
    return images


def _smooth(x):
    x = np.minimum(np.maximum(x, 0), 1)
    return x * x * (3 - 2 * x)


def _bump(x, y):
    t = np.maximum(1 - x * x - y * y, 0)
    return t * t


def _lerp(a, b, t):
    return a + (b - a) * t


def _hit(s: SimpleNamespace, x, y):
    """Find where the sight lines meet the ellipsoid, in head coordinates, and how far inside its outline (centre 1)."""
    inside = 1 - (s.qxx * x + s.qxy * y) * x - s.qyy * y * y
    t = s.tx * x + s.ty * y + s.ts * np.sqrt(np.maximum(inside, 0))
    return s.m00 * x + s.m10 * y + s.m20 * t, s.m11 * y + s.m21 * t, s.m02 * x + s.m12 * y + s.m22 * t, inside


def _nose(f: SimpleNamespace, u, v):
    along = (v + 0.10) / (f.nose_length + 0.10)
    profile = np.maximum(along, 0) * _smooth((1.20 - along) * 3.2)
    width = f.nose_width * (0.50 + 0.45 * np.minimum(np.maximum(along, 0), 1))
    wing = _bump((np.abs(u) - 0.62 * f.wing) / (0.55 * f.wing), (v - f.wing_y + 0.015) / 0.085)
    across = u / width
    ridge = np.maximum(1 - across * across * 0.8, 0)
    return f.nose_height * profile * ridge * ridge + 0.05 * wing


def _paint(f: SimpleNamespace, s: SimpleNamespace) -> np.ndarray:
    """Paint the face in front of its background: float32 (C, height, width), 0…1 and a little above."""
    low = _smooth((s.y - 0.15) * 1.15)
    y = s.y - f.jaw_drop * low
    x = (s.x - s.m02 * 0.15 * low) * (1 + f.jaw_taper * low - f.jaw_square * _bump(np.float32(0), (s.y - 0.70) / 0.50))
    u, v, z, inside = _hit(s, x, y)
    relief = _nose(f, u, v)  # protruding parts are seen shifted when the head is turned
    u, v, z, _ = _hit(s, x - s.m02 * relief, y - s.m12 * relief)
    head = _smooth(0.5 + inside * (0.45 * s.sharp))
    m = _members(f, s, u, v)
    light = _light(s, (u, v, z), _relief(f, m, u, v))
    skin = _skin(f, m, u, v)
    hair = _hair(f, s, x, y, m.strands)
    front = _smooth(0.5 - m.hairline * np.minimum(0.5 * s.sharp, 14)) * f.has_hair
    return _lerp(_surroundings(f, s, x, y, hair), _lerp(skin * light, hair, front), head)


def _members(f: SimpleNamespace, s: SimpleNamespace, u, v) -> SimpleNamespace:
    """Compute coverages 0…1 of brows, eyes, mouth and hair, and the distances that their relief needs."""
    m = SimpleNamespace()
    zero = np.float32(0)
    m.right = right = _smooth(u * 6 + 0.5)
    m.a = a = np.abs(u)

    def both(name: str):
        return _lerp(getattr(f, name + "_l"), getattr(f, name + "_r"), right)

    m.cheek, m.fold, m.squint, m.dimple = both("cheek"), both("fold"), both("squint"), both("dimple")
    # Brows: a parabola through three points.
    t = (a - f.brow_x) / (f.eye_distance + 0.17 - f.brow_x)
    inner, middle, outer = both("brow_in"), both("brow_mid"), both("brow_out")
    m.brow_y = inner * (1 - t) * (1 - 2 * t) + middle * (4 * t * (1 - t)) + outer * t * (2 * t - 1)
    thickness = f.brow_thickness * np.minimum(1.15 - 0.75 * t, 0.75 + 2 * t)
    ends = _smooth((t + 0.04) * 8) * _smooth((1.04 - t) * 8)
    m.brow = _smooth(0.5 + (thickness - np.abs(v - m.brow_y)) * (0.8 * s.sharp)) * ends
    # Eyes: two parabolas that meet in the corners.
    m.ex = ex = a - f.eye_distance
    m.et = et = ex / f.eye_size
    m.ev = ev = v - f.eye_height + f.eye_tilt * ex
    arch = 1 - et * et
    m.up, m.low = -both("lid_up") * arch, both("lid_low") * arch
    m.eye = _smooth(0.5 - np.maximum(m.up - ev, ev - m.low) * s.sharp)
    iris_x = u - np.copysign(f.eye_distance, u) - s.gaze_x
    r2 = iris_x * iris_x + (ev + 0.012) * (ev + 0.012)
    m.iris = _smooth(0.5 + (0.0042 - r2) * (8 * s.sharp))
    m.pupil = _smooth(0.5 + (0.0009 - r2) * (15 * s.sharp))
    lash = 0.011 - np.abs(ev - m.up)
    near = _smooth((1.12 - np.abs(et)) * 6)
    m.lash = _smooth(0.5 + lash * s.sharp) * near
    m.lid_crease = _bump((ev - m.up + 0.045) * 28, et * 0.85) * near
    m.lower_fold = _bump((ev - m.low - 0.03) * 24, et * 0.85)
    # Mouth: a centre line whose corners the action units pull, two lips and the gap between them.
    t = u / (f.mouth_width + both("corner_x"))
    m.mt = t
    t2 = t * t
    belly = np.maximum(1 - t2, 0)
    m.line = f.mouth_y + both("corner_y") * t2
    upper, lower = m.line - f.open_up * belly, m.line + f.open_low * np.sqrt(belly)
    bow = 1 - 0.25 * _bump(u * 14, zero)
    top, m.bottom = upper - f.lip_up * belly * bow, lower + f.lip_low * belly
    within = _smooth((1.04 - t2) * 6)
    m.lip_top = _smooth(0.5 - np.maximum(top - v, v - upper) * s.sharp) * within
    m.lip_bottom = _smooth(0.5 - np.maximum(lower - v, v - m.bottom) * s.sharp) * within
    m.gap = _smooth(0.5 - np.maximum(upper - v, v - lower) * s.sharp) * (t2 < 1)
    m.seam = _smooth(0.5 + (0.012 - np.abs(v - m.line)) * s.sharp) * _smooth((1.08 - t2) * 5)
    m.teeth = f.teeth * _smooth(0.5 - np.maximum(upper - v, v - upper - 0.060 * belly) * s.sharp)
    m.teeth_low = f.teeth_low * _smooth(0.5 - np.maximum(lower - 0.04 * belly - v, v - lower) * s.sharp)
    m.tongue = _smooth((v - upper - 0.35 * (lower - upper)) * 8)
    # Hair: everything above a hairline that drops at the temples.
    temple = _smooth((a / f.face_width - f.hair_temple) * 2)
    wave = u * 8 + v * 1.5 + f.parting * 9
    m.strands = np.abs(wave - np.rint(wave))
    m.hairline = v - f.hairline - f.hair_side * temple - f.parting * u - 0.05 * m.strands - 0.15 * a
    return m


def _relief(f: SimpleNamespace, m: SimpleNamespace, u, v):
    """Compute the height of the features over the ellipsoid, in head units."""
    a = m.a
    h = _nose(f, u, v)
    h += 0.05 * _bump((a - f.eye_distance + 0.02) / 0.30, (v - m.brow_y - 0.01) / 0.13)
    h -= 0.075 * _bump((a - f.eye_distance + 0.03) / 0.26, (v - f.eye_height) / 0.17)
    h += 0.035 * _bump(m.et * 0.9, m.ev / 0.10)
    h += m.cheek * _bump((a - 0.37) / 0.26, (v - 0.25 + 0.05 * m.squint) / 0.22)
    h += 0.05 * _bump(u / 0.42, (v - f.mouth_y) / 0.28)
    h += 0.03 * (m.lip_top + 1.2 * m.lip_bottom)
    h -= 0.012 * _bump(u / 0.045, (v - f.mouth_y + 0.12) / 0.08)
    h -= 0.035 * _bump(u / 0.22, (v - m.bottom - 0.055) / 0.06)
    h += f.chin_boss * _bump(u / 0.24, (v - 0.86) / 0.16)
    # Nasolabial fold: the cheek is higher than the lip along a slanted line.
    fold_x = f.wing + 0.05 + 0.30 * (v - f.wing_y) + 0.04 * m.fold
    reach = _bump(np.float32(0), (v - f.wing_y - 0.10) / 0.20)
    m.fold_line = reach * m.fold * _bump((a - fold_x) / 0.05, np.float32(0))
    h += 0.035 * m.fold * reach * _smooth((a - fold_x) * 9 + 0.5) * _smooth((0.62 - a) * 4)
    return h


def _light(s: SimpleNamespace, point: tuple, h):
    """Apply Lambert's law to the ellipsoid's normal tilted by the relief's slope, as displays show it (square root)."""
    u, v, z = point
    nx, ny, nz = u * s.ix, v * s.iy, z * s.iz
    cz = np.maximum(s.m20 * nx + s.m21 * ny + s.m22 * nz, 0.12)
    cx = (s.m00 * nx + s.m02 * nz) / cz
    cy = (s.m10 * nx + s.m11 * ny + s.m12 * nz) / cz
    gx, gy = np.zeros_like(h), np.zeros_like(h)
    gx[:, :, 1:-1] = h[:, :, 2:] - h[:, :, :-2]
    gy[:, 1:-1] = h[:, 2:] - h[:, :-2]
    gx *= s.half_gradient
    gy *= s.half_gradient
    cx -= gx * s.cos_roll + gy * s.sin_roll
    cy -= gy * s.cos_roll - gx * s.sin_roll
    length = np.sqrt(cx * cx + cy * cy + 1)
    lambert = np.maximum((s.lx * cx + s.ly * cy + s.lz) / length * 0.88 + 0.12, 0)
    gloss = np.maximum((s.hx * cx + s.hy * cy + s.hz) / length, 0)
    gloss *= gloss
    gloss *= gloss
    gloss *= gloss
    gloss *= gloss
    return np.sqrt(s.ambient + (1.05 - s.ambient) * lambert) + 0.10 * gloss


def _skin(f: SimpleNamespace, m: SimpleNamespace, u, v):
    """Compute the albedo of the face with everything painted on it: float32, 0…1."""
    a = m.a
    shade = 1 - 0.20 * _bump((a - f.eye_distance + 0.05) / 0.24, (v - f.eye_height + 0.03) / 0.15)
    shade -= 0.16 * _bump(u / 0.22, (v - f.nose_length - 0.10) / 0.07)
    shade -= 0.14 * _bump(u / 0.26, (v - m.bottom - 0.045) / 0.06)
    shade -= 0.22 * m.lid_crease
    shade -= (0.06 + 0.24 * m.squint) * m.lower_fold
    shade -= 0.28 * m.fold_line
    shade -= 0.35 * m.dimple * _bump((np.abs(m.mt) - 1.06) / 0.16, (v - m.line) / 0.055)
    shade -= _wrinkles(f, m, u, v)
    skin = f.skin * shade
    moustache = _bump(u / 0.26, (v - f.mouth_y + 0.10) / 0.08)
    beard = f.beard * np.maximum(_smooth((v + 0.55 * a - 0.64) * 6), moustache)
    skin = _lerp(skin, f.hair_tone * 0.9, 0.7 * beard)
    skin = _lerp(skin, f.skin * f.lip_tone, np.maximum(m.lip_top, 0.85 * m.lip_bottom))
    inner = 0.07 + 0.16 * f.skin * m.tongue + 0.62 * np.maximum(m.teeth, m.teeth_low)
    skin = _lerp(skin, inner, m.gap)
    skin = _lerp(skin, 0.22 * f.skin, 0.85 * m.seam * (1 - m.gap))
    skin = _lerp(
        skin, 0.18 * f.skin, 0.85 * _bump((a - 0.50 * f.wing) / (0.38 * f.wing), (v - f.wing_y - 0.045) / 0.032)
    )
    skin = _lerp(skin, _lerp(f.hair_tone, f.skin, 0.12), f.brow_tone * m.brow)
    white = 0.88 - 0.30 * _smooth((m.up - m.ev) * 20 + 1)
    eye = _lerp(_lerp(white, f.iris_tone, m.iris), 0.05, m.pupil)
    skin = _lerp(skin, eye, m.eye)
    return _lerp(skin, 0.12, 0.8 * m.lash)


def _wrinkles(f: SimpleNamespace, m: SimpleNamespace, u, v):
    """Darken the lines of the forehead (AU1, AU2), the glabella (AU4), the nose (AU9) and crow's feet (AU6)."""
    rise = v - 0.5 * (f.brow_mid_l + f.brow_mid_r) + 0.25 * m.a * m.a - 0.06 * f.frown
    band = rise * 13
    line = np.abs(band - np.rint(band))
    forehead = np.maximum(0.30 - line, 0) * _bump(np.float32(0), (rise + 0.24) / 0.17)
    reach = f.wrinkle_in * _bump(u / 0.30, np.float32(0)) + f.wrinkle_out * 0.7 * _bump(
        (m.a - 0.28) / 0.30, np.float32(0)
    )
    frown = f.frown * _bump((m.a - 0.055) / 0.032, (v - m.brow_y - 0.02) / 0.13)
    root = (v - 0.5 * m.a) * 14
    snarl = np.maximum(0.34 - np.abs(root - np.rint(root)), 0) * _bump((m.a - 0.06) / 0.11, (v - 0.03) / 0.14)
    fan = (m.ev + 0.01) / (np.abs(m.ex) + 0.02) * 2.2
    crow = np.maximum(0.30 - np.abs(fan - np.rint(fan)), 0) * _bump((m.et - 1.35) * 2.6, m.ev / 0.11)
    return 0.9 * forehead * reach + 0.34 * frown + 0.6 * f.snarl * snarl + 0.7 * m.squint * crow


def _surroundings(f: SimpleNamespace, s: SimpleNamespace, x, y, hair):
    """Paint the background, the hair behind the head, shoulders, neck and ears."""
    picture = s.background + s.background_x * s.right + s.background_y * s.down
    picture = np.minimum(np.maximum(picture, 0.02), 1)
    above = np.minimum(y, 0) / (f.face_length + f.hair_volume)
    beside = x / (f.face_width + f.hair_volume)
    rim = 1 - beside * beside - above * above
    behind = _smooth(0.5 + rim * (0.45 * s.sharp)) * _smooth(0.5 + (f.hair_bottom - y) * (0.4 * s.sharp))
    picture = _lerp(picture, hair, behind * f.has_hair)
    lit = np.sqrt(s.ambient + (1 - s.ambient) * np.minimum(np.maximum(0.45 + 0.6 * s.lx * x, 0), 1))
    bow = np.abs(s.x)
    shoulder = _smooth(0.5 + (s.y - 1.22 - 0.35 * bow * bow + 0.05 * bow) * s.sharp)
    neck = _smooth(0.5 + (0.60 * f.face_width + 0.10 * _smooth((s.y - 0.9) * 2) - np.abs(s.x + 0.3 * s.m02)) * s.sharp)
    under = 0.55 + 0.35 * _smooth((s.y - 0.95 - f.jaw_drop) * 2.5)
    picture = _lerp(picture, f.skin * under * lit, neck * (s.y > 0.4))
    picture = _lerp(picture, f.cloth * lit, shoulder)
    ear_x = np.abs(x - 0.1 * s.m02) - f.face_width * 0.98 * s.m00
    ear = (ear_x * ear_x) * 90 + (y - 0.12) * (y - 0.12) * 22
    covered = _smooth(0.5 + (1 - ear) * (0.12 * s.sharp)) * f.ears
    return _lerp(picture, f.skin * lit * (0.72 + 0.2 * ear), covered)


def _hair(f: SimpleNamespace, s: SimpleNamespace, x, y, strands):
    """Compute the tone of the hair, lit like a ball a little larger than the head, with a sheen on its lit side."""
    facing = 0.45 + 0.55 * (s.lx * x + s.ly * np.minimum(y + 0.2, 0)) + 0.25 * s.lz
    facing = np.minimum(np.maximum(facing, 0), 1)
    return f.hair_tone * (0.45 + 0.3 * s.ambient + 0.5 * facing) * (0.8 + 0.5 * strands) + 0.08 * facing * facing


def _expose(picture: np.ndarray, s: SimpleNamespace, numbers: np.ndarray, seed: int) -> np.ndarray:
    """Apply gain, blur and noise in integers: uint8 of the picture's shape."""
    levels = np.rint(np.minimum(np.maximum(picture * s.gain, 0), 1) * 4080).astype(
        np.int32
    )  # sixteenths of a grey level
    # A pass of (w, 1 - 2w, w) adds 2w square pixels of variance: full passes of w = 64/256, then one for the rest.
    sigma = s.blur * np.float32(picture.shape[1] / 48)
    budget = np.rint(sigma * sigma * 128).astype(np.int32)
    while budget.any():
        weight = np.minimum(budget, 64)
        budget = budget - weight
        for axis in (1, 2):
            levels = _binomial(levels, weight, axis)
    shape = picture.shape[1:]
    words = (shape[0] * shape[1] * 4 + 7) // 8
    grain = np.empty(picture.shape, dtype=np.int32)
    for row, number in enumerate(numbers.tolist()):
        raw = np.random.PCG64((_NOISE_STREAM, seed, number)).random_raw(words).astype("<u8").view(np.uint8)
        quarters = raw[: shape[0] * shape[1] * 4].reshape(4, *shape).astype(np.int32)
        grain[row] = quarters[0] + quarters[1] + quarters[2] + quarters[3] - 510
    # The sum of four bytes has a standard deviation of 147.8; 28 / 256 brings it to sixteen sixteenths.
    strength = np.rint(s.noise * 28).astype(np.int32)
    levels += (grain * strength) >> 8
    return np.minimum(np.maximum((levels + 8) >> 4, 0), 255).astype(np.uint8)


def _binomial(levels: np.ndarray, weight: np.ndarray, axis: int) -> np.ndarray:
    ahead, back = np.empty_like(levels), np.empty_like(levels)
    inner, outer = [slice(None)] * 3, [slice(None)] * 3
    inner[axis], outer[axis] = slice(None, -1), slice(1, None)
    ahead[tuple(inner)], back[tuple(outer)] = levels[tuple(outer)], levels[tuple(inner)]
    edge = [slice(None)] * 3
    edge[axis] = slice(-1, None)
    ahead[tuple(edge)] = levels[tuple(edge)]
    edge[axis] = slice(None, 1)
    back[tuple(edge)] = levels[tuple(edge)]
    return levels + ((weight * (ahead + back - 2 * levels) + 128) >> 8)
