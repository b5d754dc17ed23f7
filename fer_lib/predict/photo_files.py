"""Find a user's photos and read them: every picture in a folder is read, or named with the reason why it is not."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from fer_lib.datasets.readers.archives import MEMBER_LIMIT, visible
from fer_lib.datasets.readers.faults import Fault
from fer_lib.datasets.readers.pictures import (
    IMAGE_SUFFIXES,
    LONGEST_SIDE,
    PIXEL_LIMIT,
    SHORTEST_SIDE,
    decode_photo,
)
from fer_lib.errors import FerError, first_line

_HEIC = (".heic", ".heif", ".hif")
_RAW = (".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".orf", ".rw2", ".pef", ".srw")
_OTHERS = (".jfif", ".jpe", ".jp2", ".j2k", ".jpx", ".avif", ".gif", ".apng", ".mpo", ".ppm", ".pbm", ".pnm", ".tga")
_RARE = (".ico", ".psd", ".jxl", ".svg", ".hdr", ".exr", ".dds", ".qoi")
#: Suffixes, in lower case, of the files that are taken for pictures in a folder, readable here or not.
PICTURE_SUFFIXES = (*IMAGE_SUFFIXES, *_OTHERS, *_HEIC, *_RAW, *_RARE)
_STARTS = (b"\xff\xd8\xff", b"\x89PNG\r\n", b"GIF8", b"\0\0\0\x0cjP  ", b"\xff\x0a", b"II*\0", b"MM\0*")
_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_ADVICE = {
    "heic": (
        "HEIC pictures cannot be read here; convert it to JPEG (macOS: sips -s format jpeg IN --out OUT.jpg; Linux: "
        "heif-convert IN OUT.jpg; Windows: open it in Photos and save it as JPEG)"
    ),
    "raw": "a camera's raw file cannot be read here; export it as JPEG from the camera's or another photo program",
    "other": "this kind of picture ({}) cannot be read here; save it as JPEG or PNG with another program",
}


TOGETHER, HELD_PIXELS = 128, 50_000_000  # at most, of the photos in memory at a time


@dataclass(frozen=True)
class Photo:
    """Photo in memory: its pixels and those of the file per pixel in memory, or the reason why it has none.

    Attributes:
        path: the file.
        picture: uint8, (H, W) or RGB (H, W, 3), upright; large photos are reduced.
        ratio: pixels of the file per pixel of ``picture``.
        size: width and height of the upright photo in pixels of the file.
        problem: one sentence, if it cannot be read.
        seconds: time of a frame in its video; None for a photo.
    """

    path: Path
    picture: np.ndarray | None = None
    ratio: float = 1.0
    size: tuple[int, int] = (0, 0)
    problem: str | None = None
    seconds: float | None = None

    @property
    def pixels(self) -> int:
        """Number of pixels in memory; 0 without a picture."""
        return 0 if self.picture is None else self.picture.shape[0] * self.picture.shape[1]


def find_photos(paths: Iterable[str | Path], *, recursive: bool = False) -> list[Path]:
    """List the photos at ``paths``, each once: files as given, and the pictures in a folder, by name.

    A folder's pictures are known by their suffix or by their first bytes, whether or not they can be read here. A path
    without a photo stays in the list, so that it gets its own error message and the others are still processed.

    Args:
        paths: files and folders.
        recursive: search the folders' subfolders as well; links to folders are not followed.

    Raises:
        FerError: none of the paths exists.
    """
    given = [Path(path) for path in paths]
    if not any(path.exists() for path in given):
        others = f" (nor any of the {len(given) - 1} other paths)" if len(given) > 1 else ""
        where = shown(given[0]) if given else "no path"
        raise FerError(f"No such file or folder: {where}{others}; check the path.")
    photos: list[Path] = []
    for path in given:
        photos.extend(list(_pictures_in(path, recursive)) or [path] if path.is_dir() else [path])
    return list(dict.fromkeys(photos))


def read(path: Path) -> Photo:
    """Read a photo; its ``problem`` says why it cannot be read."""

    def refused(reason: str) -> Photo:
        return Photo(path, problem=f"{shown(path)}: {reason}.")

    if path.is_dir():
        return refused(_no_photo(path))
    try:
        if path.exists() and not path.is_file():
            return refused("not a regular file; give a photo")
        with open(path, "rb") as file:
            data = file.read(MEMBER_LIMIT + 1)
        if len(data) > MEMBER_LIMIT:
            return refused(f"the file is larger than the limit of {MEMBER_LIMIT // 2**20} MiB; give a smaller one")
        if advice := _unreadable(path, data):
            return refused(advice)
        picture = _decoded(data)
        width, height = _upright_size(data)
    except FileNotFoundError:
        return refused("no such file; check the path")
    except OSError as error:
        return refused(f"the file cannot be read ({error.strerror or error}); check its permissions")
    except Fault as fault:
        if path.suffix.lower() in _RARE and fault.reason == "not a picture":
            return refused(_ADVICE["other"].format(path.suffix))
        return refused(f"{fault.detail}; give another photo")
    except Exception as error:  # decoders of rare kinds raise anything; one photo must not stop the others
        return refused(f"the picture cannot be decoded ({first_line(error)}); save it as JPEG with another program")
    # large photos were reduced by the same factor in both directions
    return Photo(path, picture, ratio=max(width, height) / max(picture.shape[:2]), size=(width, height))


def in_memory(name: str | Path, picture: np.ndarray, *, seconds: float | None = None) -> Photo:
    """Check a picture in memory, uint8 (H, W) or RGB (H, W, 3), and reduce it as a photo is reduced on reading.

    Raises:
        FerError: it has another type or shape, or a side is too short for a face.
    """
    found = np.asarray(picture)
    sound = found.ndim == 2 or (found.ndim == 3 and found.shape[2] == 3)
    if found.dtype != np.uint8 or not sound or min(found.shape[:2], default=0) < SHORTEST_SIDE:
        raise FerError(
            f"{shown(name)} is {found.dtype} of shape {found.shape}; expected uint8 of shape (H, W), or (H, W, 3) in "
            f"the order red, green, blue, with {SHORTEST_SIDE} pixels or more on each side."
        )
    height, width = found.shape[:2]
    if (longest := max(height, width)) > LONGEST_SIDE:
        small = Image.fromarray(found)
        small.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.BOX)
        found = np.array(small)
    return Photo(Path(name), found, ratio=longest / max(found.shape[:2]), size=(width, height), seconds=seconds)


def shown(path: str | Path) -> str:
    """Format a path for messages: in one line, whatever characters it contains."""
    text = str(path)
    return text if text.isprintable() else ascii(text)


def _pictures_in(folder: Path, recursive: bool) -> Iterator[Path]:
    """Yield a folder's visible pictures by name, then those of each subfolder; a subfolder that cannot be read, too."""
    folders = []
    for path in sorted(folder.iterdir()):
        if not visible(path.name):
            continue
        if path.is_dir():
            folders.append(path)
        elif path.name.lower().endswith(PICTURE_SUFFIXES) or _begins_like_a_picture(path):
            yield path
    for path in folders if recursive else ():
        if path.is_symlink():
            continue
        try:
            yield from _pictures_in(path, recursive)
        except OSError:
            yield path


def _begins_like_a_picture(path: Path) -> bool:
    try:
        if not path.is_file():
            return False
        with open(path, "rb") as file:
            start = file.read(16)
    except OSError:
        return False
    box = start[4:8] == b"ftyp" and start[8:12] in (*_HEIC_BRANDS, b"avif", b"avis")
    bitmap = start.startswith(b"BM") and start[6:10] == bytes(4)
    return start.startswith(_STARTS) or bitmap or box or (start[:4] == b"RIFF" and start[8:12] == b"WEBP")


def _no_photo(folder: Path) -> str:
    try:
        inside = any(path.is_dir() and visible(path.name) for path in folder.iterdir())
    except OSError as error:
        return f"the folder cannot be read ({error.strerror or error}); check its permissions"
    more = "; its subfolders are not searched without --recursive" if inside else "; give a photo or another folder"
    return f"the folder contains no photo ({', '.join(IMAGE_SUFFIXES)} and others){more}"


def _unreadable(path: Path, data: bytes) -> str | None:
    """Say what to do with a picture of a kind that is not read here, known by its first bytes or its suffix."""
    suffix = path.suffix.lower()
    if data[4:8] == b"ftyp" and (data[8:12] in _HEIC_BRANDS or suffix in _HEIC) and _is_unknown(data):
        return _ADVICE["heic"]
    if suffix in _RAW:  # Pillow would take the small preview of some of them for the photo
        return _ADVICE["raw"]
    return None


def _is_unknown(data: bytes) -> bool:
    """Tell whether Pillow does not know a picture's format; a plugin may teach it."""
    try:
        with Image.open(io.BytesIO(data)):
            return False
    except Image.UnidentifiedImageError:
        return True
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError):
        return False


def _decoded(data: bytes) -> np.ndarray:
    """Decode a photo with Pillow or, where its kind of pixels is not Pillow's (16 bits, Lab), with OpenCV."""
    try:
        return decode_photo(data)
    except Fault as fault:
        if fault.reason != "unusual pixels":
            raise
        with Image.open(io.BytesIO(data)) as picture:
            (width, height), mode = picture.size, picture.mode
        small, large = min(width, height) < SHORTEST_SIDE, width * height > PIXEL_LIMIT
        if small or large or not mode.startswith(("I;16", "LAB")):
            raise
        try:
            found = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)  # turned by its EXIF
        except cv2.error:
            found = None
        if found is None or found.dtype != np.uint8:
            raise
    upright = Image.fromarray(cv2.cvtColor(found, cv2.COLOR_BGR2RGB))
    upright.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.BOX)
    return np.array(upright)


def _upright_size(data: bytes) -> tuple[int, int]:
    """Read the width and height of an upright photo from its header."""
    with Image.open(io.BytesIO(data)) as picture:
        width, height = picture.size
        turned = picture.getexif().get(0x0112) in (5, 6, 7, 8)
    return (height, width) if turned else (width, height)
