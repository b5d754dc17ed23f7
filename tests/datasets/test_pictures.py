"""Test that images which claim more pixels than a face has are rejected by their headers."""

import io
import struct
import tracemalloc
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from fer_lib.datasets.readers.faults import Fault
from fer_lib.datasets.readers.pictures import decode_face, decode_photo, decode_square


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


def photo(pixels, form="PNG", **options):
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, form, **options)
    return stream.getvalue()


def test_a_square_of_the_right_size_keeps_its_pixels():
    pixels = np.random.default_rng(0).integers(0, 256, (48, 48, 3), np.uint8)
    np.testing.assert_array_equal(decode_square(photo(pixels), 48), pixels)
    np.testing.assert_array_equal(decode_square(photo(pixels[..., 0]), 48), np.repeat(pixels[..., :1], 3, axis=2))


@pytest.mark.parametrize(("shape", "form"), [((60, 180), "PNG"), ((180, 60), "PNG"), ((600, 1800), "JPEG")])
def test_a_square_is_the_centre_of_the_picture(shape, form):
    thirds = np.zeros(shape, np.uint8)
    long = max(shape)
    index = (slice(None), slice(long // 3, 2 * long // 3)) if shape[1] == long else slice(long // 3, 2 * long // 3)
    thirds[index] = 200
    square = decode_square(photo(thirds, form), 20)
    assert square.shape == (20, 20, 3)
    error = np.abs(square.astype(int) - 200)
    assert error.max() <= 20  # resizing mixes in what is just outside, as it would before cropping
    assert error[2:-2, 2:-2].max() <= 2


def test_a_square_is_antialiased():
    board = np.indices((256, 256)).sum(axis=0).astype(np.uint8) % 2 * 255
    square = decode_square(photo(board), 32).astype(int)
    assert np.abs(square - 127).max() <= 3


def test_a_square_is_upright_and_at_least_one_pixel():
    exif = Image.Exif()
    exif[0x0112] = 6  # turn clockwise
    half = np.zeros((64, 64), np.uint8)
    half[:, :32] = 255  # its left becomes the top
    square = decode_square(photo(half, "JPEG", exif=exif), 32)
    assert square[:14].mean() > 240
    assert square[18:].mean() < 15
    assert decode_square(photo(np.full((1, 1), 9, np.uint8)), 8).tolist() == np.full((8, 8, 3), 9).tolist()


def test_a_square_of_other_pixels_is_refused():
    with pytest.raises(Fault, match="of kind 'I;16'"):
        decode_square(photo(np.zeros((20, 20), np.uint16)), 8)
    with pytest.raises(Fault, match="more than the 50 megapixels"):
        decode_square(png(8_000, 8_000), 8)
