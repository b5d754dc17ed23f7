"""Test that images which claim more pixels than a face has are rejected by their headers."""

import struct
import tracemalloc
import zlib

import cv2
import numpy as np
import pytest

from fer_lib.datasets.readers.faults import Fault
from fer_lib.datasets.readers.pictures import decode_face, decode_photo


def png(width: int, height: int, *, padding: int = 0) -> bytes:
    """A grey PNG of zeros; ``padding`` bytes of comment make the file larger."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(bytes((min(width, 100) + 1) * min(height, 100))))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"tEXt", b"Comment\0" + b"x" * padding) + body + chunk(b"IEND", b"")


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")  # pytest forgets the module's own filter
@pytest.mark.parametrize("side", [2_000, 11_000, 60_000])
def test_a_bomb_is_refused_before_its_pixels_are_made(side):
    tracemalloc.start()
    with pytest.raises(Fault, match=rf"{side} x {side} pixels rather than 48 x 48|far more pixels than 48 x 48"):
        decode_face(png(side, side, padding=20_000))
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()


def test_a_small_file_that_claims_more_than_is_ever_decoded_is_no_picture():
    with pytest.raises(cv2.error):
        cv2.imdecode(np.frombuffer(png(60_000, 60_000), np.uint8), cv2.IMREAD_GRAYSCALE)
    with pytest.raises(Fault, match="cannot be decoded as a picture"):
        decode_face(png(60_000, 60_000))


def test_a_face_in_a_large_file_is_read():
    assert np.array_equal(decode_face(png(48, 48, padding=20_000)), np.zeros((48, 48), np.uint8))


def test_a_large_file_that_is_no_picture_is_named():
    with pytest.raises(Fault, match="cannot be decoded as a picture"):
        decode_face(b"RIFF" + bytes(20_000))


@pytest.mark.parametrize(("side", "words"), [(8_000, "8,000 x 8,000 pixels, more"), (60_000, "far more pixels, more")])
def test_a_photo_has_fifty_megapixels_at_most(side, words):
    with pytest.raises(Fault, match=words):
        decode_photo(png(side, side))
