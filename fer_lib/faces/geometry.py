"""Scale photos for the face search, choose a face and cut out its square crop; no network runs here.

Coordinates are (x, y) in pixels of the photo as given, and continuous: pixel column i covers i to i + 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from fer_lib.settings import FaceSettings

Point = tuple[float, float]

LANDMARKS = ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")
"""The five points of a face, in MTCNN's order; left is the viewer's left."""

LONGEST_SIDE = 1024
"""Longest side, in pixels, of the copy of a photo that is searched; faces below 20 pixels in it are not found."""

_GRID = 32  # each image's sides are padded to a multiple of this, so that its boxes do not depend on its batch
_PADDING = 127  # grey: zero for the networks
_FINEST = 8  # a crop pixel averages at most about 8 x 8 values of the warp
_NARROW_EYES = 0.1  # of the box's side: eyes closer than this (a face in profile) do not show which way is up
_DRAWN_SIDE = (320, 1024)  # least and most pixels of an annotated image's longer side
_BOX_COLOUR, _POINT_COLOUR = (80, 250, 120), (255, 200, 40)


@dataclass(frozen=True)
class Detection:
    """One face that MTCNN found.

    Attributes:
        box: left, top, width and height in pixels; extends beyond the photo if the face does.
        confidence: 0…1, from the last of MTCNN's three networks.
        left_eye: (x, y), like the other four points; left is the viewer's left.
        right_eye: the eye on the viewer's right.
        nose: the tip of the nose.
        mouth_left: the corner of the mouth on the viewer's left.
        mouth_right: the corner on the viewer's right.
    """

    box: tuple[float, float, float, float]
    confidence: float
    left_eye: Point
    right_eye: Point
    nose: Point
    mouth_left: Point
    mouth_right: Point

    @property
    def centre(self) -> Point:
        """Centre of the box."""
        left, top, width, height = self.box
        return left + width / 2, top + height / 2

    @property
    def roll(self) -> float:
        """Angle of the line through the eyes in radians, positive if the right eye is lower; 0 in profile."""
        dx, dy = self.right_eye[0] - self.left_eye[0], self.right_eye[1] - self.left_eye[1]
        return 0.0 if math.hypot(dx, dy) < _NARROW_EYES * max(self.box[2:]) else math.atan2(dy, dx)


def checked_picture(image: np.ndarray) -> np.ndarray:
    """Check an image and make it contiguous in memory.

    Raises:
        ValueError: it is empty, or not uint8 of shape (H, W) for grey or (H, W, 3) for RGB.
    """
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8:
        found = f"{image.dtype} pixels" if isinstance(image, np.ndarray) else type(image).__name__
        raise ValueError(f"an image must be a uint8 array in 0-255, not {found}; MTCNN finds nothing in 0-1")
    if not (image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 3)) or image.size == 0:
        raise ValueError(f"an image has the shape (H, W) or (H, W, 3), H and W at least 1, not {image.shape}")
    return np.ascontiguousarray(image)


def searched_shape(shape: tuple[int, ...], settings: FaceSettings) -> tuple[int, int]:
    """Compute the (height, width) in which an image of this shape is searched: enlarged or reduced, then padded."""
    scale = _searched_scale(shape, settings)
    height, width = (-(-max(1, round(side * scale)) // _GRID) * _GRID for side in shape[:2])
    return height, width


def searched_copy(image: np.ndarray, settings: FaceSettings) -> tuple[np.ndarray, tuple[float, float]]:
    """Make the copy that is searched, uint8 (*searched_shape, 3), and return the scale (x, y) back to the image."""
    small = resized(image, _searched_scale(image.shape, settings))
    height, width = small.shape[:2]
    canvas = np.full((*searched_shape(image.shape, settings), 3), _PADDING, np.uint8)
    canvas[:height, :width] = small if small.ndim == 3 else small[..., np.newaxis]
    return canvas, (image.shape[1] / width, image.shape[0] / height)


def choose(detections: Sequence[Detection], shape: tuple[int, ...], settings: FaceSettings) -> Detection | None:
    """Choose the main face of a photo; None if there is no face.

    Faces of ``settings.min_confidence`` or more come first, however small; among them ``settings.choice`` decides.

    Args:
        detections: faces found in one photo.
        shape: shape of the photo, (H, W) or (H, W, 3).
        settings: settings of the crops.
    """

    def rank(face: Detection) -> tuple:
        distance = math.dist(face.centre, (shape[1] / 2, shape[0] / 2))
        area = face.box[2] * face.box[3]
        first = (distance, -area) if settings.choice == "most_central" else (-area, distance)
        return (face.confidence < settings.min_confidence, *first, -face.confidence, face.box)

    return min(detections, key=rank, default=None)


def crop_matrix(detection: Detection, settings: FaceSettings) -> np.ndarray:
    """Compute the 2×3 matrix from the crop's coordinates (0 to ``settings.size``) to the photo's.

    The crop is a square around the box's centre. Its side is the longer side of the box plus ``settings.margin`` of
    that on each side. If ``settings.align`` is set, the crop is turned until the eyes are level.
    """
    side = max(detection.box[2:]) * (1 + 2 * settings.margin)
    return _square_matrix(detection.centre, side, detection.roll if settings.align else 0.0, size=settings.size)


def crop(image: np.ndarray, detection: Detection | None, settings: FaceSettings) -> np.ndarray:
    """Cut out a face as a square in grey levels (ITU-R 601): uint8 (size, size).

    One affine warp makes the crop. Pixels beyond the photo repeat its border; large faces are averaged, not sampled.

    Args:
        image: uint8, (H, W) or RGB (H, W, 3).
        detection: the face; None takes the whole photo and repeats the border along its shorter side.
        settings: settings of the crops.

    Raises:
        ValueError: the image has another type or shape.
    """
    image = checked_picture(image)
    if detection is None:
        height, width = image.shape[:2]
        matrix = _square_matrix((width / 2, height / 2), max(height, width), 0.0, size=settings.size)
    else:
        matrix = crop_matrix(detection, settings)
    return _warp(_as_grey(image), matrix, settings.size)


def annotate(image: np.ndarray, detection: Detection | None, text: str = "") -> np.ndarray:
    """Draw the box, the five points and a label on a copy of the photo: RGB uint8.

    Small photos are enlarged and large ones reduced, to 320 to 1,024 pixels of the longer side, to keep the drawing
    legible.

    Args:
        image: uint8, (H, W) or RGB (H, W, 3).
        detection: the face; None draws only the label.
        text: the label; characters that are not ASCII become question marks.

    Raises:
        ValueError: the image has another type or shape.
    """
    picture = _as_rgb(checked_picture(image))
    scale = float(np.clip(max(picture.shape[:2]), *_DRAWN_SIDE)) / max(picture.shape[:2])
    picture = resized(picture, scale).copy()
    thickness = max(1, round(max(picture.shape[:2]) / 250))
    corner = (thickness * 3, picture.shape[0] - thickness * 4)
    if detection is not None:
        left, top, width, height = (value * scale for value in detection.box)
        ends = (round(left), round(top)), (round(left + width), round(top + height))
        cv2.rectangle(picture, *ends, _BOX_COLOUR, thickness, cv2.LINE_AA)
        for name in LANDMARKS:
            x, y = getattr(detection, name)
            cv2.circle(picture, (round(x * scale), round(y * scale)), thickness + 1, _POINT_COLOUR, -1, cv2.LINE_AA)
        corner = (ends[0][0], ends[0][1] - 2 * thickness)
    _write_label(picture, text.encode("ascii", "replace").decode(), corner, thickness)
    return picture


def resized(image: np.ndarray, scale: float) -> np.ndarray:
    """Resize an image to ``scale`` times its height and width, at least one pixel each, without aliasing."""
    height, width = (max(1, round(side * scale)) for side in image.shape[:2])
    if (height, width) == image.shape[:2]:
        return image
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)


def _searched_scale(shape: tuple[int, ...], settings: FaceSettings) -> float:
    return min(max(1.0, settings.upscale_to / min(shape[:2])), LONGEST_SIDE / max(shape[:2]))


def _square_matrix(centre: Point, side: float, angle: float, *, size: int) -> np.ndarray:
    step = side / size
    cos, sin = step * math.cos(angle), step * math.sin(angle)
    x, y = centre
    return np.array([[cos, -sin, x - (cos - sin) * size / 2], [sin, cos, y - (sin + cos) * size / 2]])


def _warp(image: np.ndarray, matrix: np.ndarray, size: int) -> np.ndarray:
    """Warp by a matrix between continuous coordinates, averaging all that falls into one pixel of the crop."""
    corners = matrix @ np.array([[0, size, 0, size], [0, 0, size, size], [1, 1, 1, 1]])
    limit = np.array(image.shape[1::-1])
    start = np.clip(np.floor(corners.min(axis=1)).astype(int) - 2, 0, limit - 1)
    stop = np.clip(np.ceil(corners.max(axis=1)).astype(int) + 2, start + 1, limit)
    part = image[start[1] : stop[1], start[0] : stop[0]]
    # One warp would skip pixels of a large face: so warp `fine` times finer, without skipping any, and then average.
    step = math.hypot(matrix[0, 0], matrix[1, 0])  # pixels of the photo per pixel of the crop
    if step > _FINEST:  # else the warp of a face of thousands of pixels would be as large as the face
        part = resized(np.ascontiguousarray(part), 2 / step)
    ratio = np.array(part.shape[1::-1]) / (stop - start)
    fine = max(1, math.ceil(step * ratio.max() - 1e-6))
    to_source = np.column_stack([matrix[:, :2] / fine, matrix[:, 2] - start]) * ratio[:, None]
    to_source[:, 2] += to_source[:, :2].sum(axis=1) / 2 - 0.5  # OpenCV's coordinates start at the centre of a pixel
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    warped = cv2.warpAffine(part, to_source, (size * fine,) * 2, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return cv2.resize(warped, (size, size), interpolation=cv2.INTER_AREA) if fine > 1 else warped


def _as_grey(image: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) if image.ndim == 3 else image


def _as_rgb(image: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(image, cv2.COLOR_GRAY2RGB) if image.ndim == 2 else image


def _write_label(picture: np.ndarray, text: str, corner: tuple[int, int], thickness: int) -> None:
    """Write in place, white on black, within the image's borders, as near to ``corner`` as possible."""
    if not text:
        return
    font, size = cv2.FONT_HERSHEY_SIMPLEX, max(picture.shape[:2]) / 640
    (width, _), _ = cv2.getTextSize(text, font, size, thickness)
    size *= min(1.0, 0.95 * picture.shape[1] / max(width, 1))
    (width, height), below = cv2.getTextSize(text, font, size, thickness)
    x = min(max(corner[0], 0), max(picture.shape[1] - width, 0))
    y = min(max(corner[1], height), max(picture.shape[0] - below, height))
    cv2.rectangle(picture, (x, y - height - thickness), (x + width, y + below), (0, 0, 0), -1)
    cv2.putText(picture, text, (x, y), font, size, (255, 255, 255), thickness, cv2.LINE_AA)
