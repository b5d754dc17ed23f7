"""Test which photos are found and read: every picture of a folder is answered or named."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, features

from fer_lib.errors import FerError
from fer_lib.predict import photo_files
from fer_lib.predict.photo_files import find_photos, read
from fer_lib.predict.photos import drawing_files

HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100)
PILLOW = {
    "a.jfif": "JPEG",
    "b.JPE": "JPEG",
    "c.gif": "GIF",
    "d.jp2": "JPEG2000",
    "e.webp": "WEBP",
    "f.tiff": "TIFF",
    "g.bmp": "BMP",
    "h.tga": "TGA",
    "i.ppm": "PPM",
    "j.avif": "AVIF",
}


def grey(height=40, width=60):
    return (np.add.outer(np.arange(height), 2 * np.arange(width)) % 256).astype(np.uint8)


def encoded(kind: str, image: np.ndarray, **options) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image).save(file, kind, **options)
    return file.getvalue()


def missing(kind: str) -> bool:
    return {"AVIF": "avif", "JPEG2000": "jpg_2000", "WEBP": "webp"}.get(kind, "jpg") not in features.get_supported()


@pytest.mark.parametrize("name", PILLOW)
def test_pictures_of_every_common_kind_are_found_and_read(tmp_path, name):
    if missing(PILLOW[name]):
        pytest.skip(f"this Pillow cannot write {PILLOW[name]}")
    (tmp_path / name).write_bytes(encoded(PILLOW[name], grey()))
    (path,) = find_photos([tmp_path])
    photo = read(path)
    assert photo.problem is None
    assert photo.size == (60, 40)
    assert photo.ratio == 1
    found = photo.picture if photo.picture.ndim == 2 else photo.picture[..., 1]
    assert np.abs(found.astype(int) - grey()).mean() < 6


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_are_read(tmp_path, kind):
    (tmp_path / "deep.tif").write_bytes(encoded(kind, grey().astype(np.uint16) * 256))
    photo = read(tmp_path / "deep.tif")
    assert photo.problem is None
    np.testing.assert_array_equal(photo.picture[..., 0], grey())


def test_a_picture_is_known_by_its_first_bytes_too(tmp_path):
    for name, data in {
        "IMG_1": encoded("JPEG", grey()),
        "b.jpg_large": encoded("PNG", grey()),
        "c.download": HEIC,
        "d": encoded("BMP", grey()),
        "notes.txt": b"GIFT list",
        "lines.txt": b"BMI and other words",
        "film.mp4": b"\0\0\0\x18ftypisom",
    }.items():
        (tmp_path / name).write_bytes(data)
    assert [path.name for path in find_photos([tmp_path])] == ["IMG_1", "b.jpg_large", "c.download", "d"]


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("a.HEIC", HEIC, "HEIC pictures cannot be read here; convert it to JPEG"),
        ("a.jpg", HEIC, "HEIC pictures cannot be read here; convert it to JPEG"),
        ("a.heif", HEIC.replace(b"ftypheic", b"ftypmif1"), "convert it to JPEG"),
        ("a.heic", b"no picture", "cannot be decoded as a picture"),
        ("a.nef", encoded("TIFF", grey()), "a camera's raw file"),
        ("a.svg", b"<svg/>", "this kind of picture (.svg)"),
        ("a.jxl", b"\xff\x0a" + bytes(40), "this kind of picture (.jxl)"),
        ("a.avif", encoded("PNG", grey())[:60], "truncated or damaged"),
        ("a.tif", encoded("TIFF", grey().astype(np.float32)), "of kind 'F'"),
    ],
)
def test_a_picture_that_cannot_be_read_is_named(tmp_path, name, data, words):
    (tmp_path / name).write_bytes(data)
    (path,) = find_photos([tmp_path])
    photo = read(path)
    assert photo.picture is None
    assert photo.problem.startswith(f"{path}: ")
    assert words in photo.problem
    assert photo.problem.count("\n") == 0
    assert photo.problem.endswith(".")


def test_a_decoder_that_fails_in_its_own_way_stops_nothing(tmp_path, monkeypatch):
    (tmp_path / "a.png").write_bytes(encoded("PNG", grey()))

    def fail(_):
        raise NotImplementedError("no such\nkind")

    monkeypatch.setattr(photo_files, "decode_photo", fail)
    assert "cannot be decoded (no such); save it as JPEG" in read(tmp_path / "a.png").problem


def test_subfolders_are_searched_on_request(tmp_path):
    for name in ("b.jpg", "sub/a.jpg", "sub/deep/c.webp", ".hidden/d.jpg", "__MACOSX/e.jpg", "sub/notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "sub" / "loop").symlink_to(tmp_path)
    (tmp_path / "gone.png").symlink_to("nothing.png")
    assert [path.name for path in find_photos([tmp_path])] == ["b.jpg", "gone.png"]
    found = [str(path.relative_to(tmp_path)) for path in find_photos([tmp_path], recursive=True)]
    assert found == ["b.jpg", "gone.png", "sub/a.jpg", "sub/deep/c.webp"]
    assert "no such file" in read(tmp_path / "gone.png").problem
    with pytest.raises(FerError, match="searched with its subfolders"):
        drawing_files(find_photos([tmp_path], recursive=True), tmp_path / "drawn", searched=[tmp_path])
    assert not (tmp_path / "drawn").exists()


def test_a_folder_without_pictures_or_permission_is_named(tmp_path, monkeypatch):
    (tmp_path / "album" / "deep").mkdir(parents=True)
    assert "not searched without --recursive" in read(*find_photos([tmp_path / "album"])).problem
    assert "give a photo or another folder" in read(tmp_path / "album" / "deep").problem
    whole = photo_files._pictures_in

    def refuse(folder, recursive):
        if folder.name == "deep":
            raise PermissionError(13, "Permission denied")
        yield from whole(folder, recursive)

    monkeypatch.setattr(photo_files, "_pictures_in", refuse)
    assert find_photos([tmp_path], recursive=True) == [tmp_path / "album" / "deep"]


def test_the_size_is_that_of_the_upright_photo(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    (tmp_path / "a.jpg").write_bytes(encoded("JPEG", grey(3000, 4001), exif=exif))
    photo = read(tmp_path / "a.jpg")
    assert photo.size == (3000, 4001)
    assert photo.picture.shape[0] == 2048
    assert photo.ratio == pytest.approx(4001 / 2048)


def test_a_damaged_description_of_sixteen_bits_is_named(tmp_path):
    data = encoded("PNG", (grey().astype(np.uint16) * 257))
    body = b"eXIf" + b"garbage that is no TIFF"
    end = data.index(b"IEND") - 4
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    (tmp_path / "a.png").write_bytes(data[:end] + chunk + data[end:])
    photo = read(tmp_path / "a.png")
    assert photo.picture is None
    assert photo.problem.startswith(f"{tmp_path / 'a.png'}: the picture cannot be decoded (not a TIFF file")
