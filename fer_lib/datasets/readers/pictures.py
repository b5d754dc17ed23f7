"""Decode pictures to pixels in bounded memory: a file that claims more pixels than a face or photo has is refused."""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Callable

import cv2
import numpy as np
from PIL import Image, ImageOps

from fer_lib.datasets.readers.faults import Fault
from fer_lib.errors import one_line

#: Suffixes of the picture files that are read, in lower case.
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".pgm", ".tif", ".tiff", ".webp")

#: A picture of more pixels (width x height) than this is refused: 50 megapixels.
PIXEL_LIMIT = 50_000_000

#: Pixels on each side of a face of FER-2013 and of the 48×48 CK+.
SIDE = 48

#: A photo with a longer side of more pixels is reduced to this on reading, so that memory stays bounded.
LONGEST_SIDE = 2048

#: A picture with a shorter side shows no usable face.
SHORTEST_SIDE = 16

_GREY_MODES = ("1", "L", "LA", "La")
_COLOUR_MODES = ("P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr")

_SMALL = 2**14  # bytes: no picture of this size has more than some megapixels

_BOMBS = (Image.DecompressionBombError, Image.DecompressionBombWarning)
warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the limits here are lower than Pillow's


def is_picture_name(name: str) -> bool:
    """Tell by its suffix whether a file is a picture."""
    return name.lower().endswith(IMAGE_SUFFIXES)


def decode_face(data: bytes) -> np.ndarray:
    """Decode a picture's bytes to a grey face, uint8 (48, 48); raise Fault if it is no whole 48 x 48 picture."""
    if not data:
        raise Fault("empty picture", "the file is empty rather than a picture")
    # Older OpenCV fills the missing end of a truncated JPEG with grey and only tells stderr, so look for the end.
    if data.startswith(b"\xff\xd8") and b"\xff\xd9" not in data[-64:]:
        raise Fault("truncated picture", f"the JPEG is truncated (no end marker in its {len(data):,} bytes)")
    if data.startswith(b"\x89PNG") and b"IEND" not in data[-64:]:
        raise Fault("truncated picture", f"the PNG is truncated (no end marker in its {len(data):,} bytes)")
    if len(data) > _SMALL:
        _check_large(data)
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
    except cv2.error:  # more pixels than OpenCV reads, or a header that contradicts itself
        image = None
    if image is None:
        raise _no_picture(data)
    _check_size(*image.shape)
    return image


def decode_photo(data: bytes) -> np.ndarray:
    """Decode a picture's bytes to uint8 (H, W) or RGB (H, W, 3), turned upright by its EXIF.

    A longer side of more than ``LONGEST_SIDE`` pixels is reduced to it.

    Raises:
        Fault: the bytes are no whole picture, or the picture's size or kind is not supported.
    """

    def pixels(picture: Image.Image) -> np.ndarray:
        _check_face_size(picture)
        return _pixels(picture)

    return _decoded(data, pixels)


def decode_square(data: bytes, side: int) -> np.ndarray:
    """Decode a picture's bytes to RGB, uint8 (side, side, 3): its shorter side resized to ``side``, its centre kept.

    The picture is turned upright by its EXIF first. Grey becomes RGB with three equal channels. Resizing is bicubic
    and antialiased; a picture that is already side x side keeps its pixels.

    Raises:
        Fault: the bytes are no whole picture, or the picture's size or kind is not supported.
    """
    return _decoded(data, lambda picture: _square(picture, side))


def _decoded(data: bytes, pixels: Callable[[Image.Image], np.ndarray]) -> np.ndarray:
    """Open a picture, check its header and give its ``pixels``; raise Fault if any of these fails."""
    if not data:
        raise Fault("empty picture", "the file is empty rather than a picture")
    try:
        with Image.open(io.BytesIO(data)) as picture:
            _check_head(picture)
            return pixels(picture)
    except Image.UnidentifiedImageError:
        raise _no_picture(data) from None
    except _BOMBS:
        raise Fault("too large a picture", _too_large("far more pixels")) from None
    except (OSError, SyntaxError, ValueError, EOFError) as error:  # Pillow raises each of them on damaged files
        reason = f"{one_line(error)}; {len(data):,} bytes"
        raise Fault("truncated or damaged picture", f"the picture is truncated or damaged ({reason})") from None


def _check_large(data: bytes) -> None:
    """Raise Fault on a large file that is no 48 x 48 picture, before its pixels, possibly billions, are decoded."""
    try:
        with Image.open(io.BytesIO(data)) as picture:
            width, height = picture.size
    except _BOMBS:
        raise Fault("wrong picture size", f"the picture has far more pixels than {SIDE} x {SIDE}") from None
    except (OSError, SyntaxError, ValueError, EOFError):  # Pillow raises each of them on damaged files
        raise _no_picture(data) from None
    _check_size(height, width)


def _check_size(height: int, width: int) -> None:
    if (height, width) != (SIDE, SIDE):
        raise Fault("wrong picture size", f"the picture is {width} x {height} pixels rather than {SIDE} x {SIDE}")


def _no_picture(data: bytes) -> Fault:
    return Fault("not a picture", f"the file cannot be decoded as a picture (it begins with {data[:8]!r})")


def _check_head(picture: Image.Image) -> None:
    width, height = picture.size
    if width * height > PIXEL_LIMIT:
        raise Fault("too large a picture", _too_large(f"{width:,} x {height:,} pixels"))
    if picture.mode not in (*_GREY_MODES, *_COLOUR_MODES):
        raise Fault("unusual pixels", f"the pixels are of kind {picture.mode!r} rather than 8-bit grey or colour")


def _check_face_size(picture: Image.Image) -> None:
    width, height = picture.size
    if min(width, height) < SHORTEST_SIDE:
        raise Fault(
            "too small a picture",
            f"the picture is {width} x {height} pixels, where a face needs {SHORTEST_SIDE} on each side",
        )


def _pixels(picture: Image.Image) -> np.ndarray:
    mode = "L" if picture.mode in _GREY_MODES else "RGB"
    if max(picture.size) > LONGEST_SIDE:
        picture.draft(mode, (LONGEST_SIDE, LONGEST_SIDE))  # a JPEG is reduced during decoding, never below this
    upright = ImageOps.exif_transpose(picture).convert(mode)
    upright.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.BOX)
    return np.array(upright)


def _square(picture: Image.Image, side: int) -> np.ndarray:
    ratio = 2 * side / min(picture.size)  # decoding to twice the side leaves the rest to the better filter
    width, height = (math.ceil(ratio * pixels) for pixels in picture.size)
    picture.draft(None, (width, height))  # a JPEG only, and never below this
    upright = ImageOps.exif_transpose(picture).convert("RGB")
    if upright.size != (side, side):
        shorter = min(upright.size)
        left, top = ((pixels - shorter) / 2 for pixels in upright.size)
        box = (left, top, left + shorter, top + shorter)
        upright = upright.resize((side, side), Image.Resampling.BICUBIC, box)
    return np.array(upright)


def _too_large(found: str) -> str:
    return f"the picture has {found}, more than the {PIXEL_LIMIT // 1_000_000} megapixels that are read"
