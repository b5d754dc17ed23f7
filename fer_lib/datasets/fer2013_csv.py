"""The CSV layouts of FER-2013: ``fer2013.csv`` and ``icml_face_data.csv``, parsed in about a second.

A row is an emotion (0-6), 2,304 grey values in row-major order and a Usage. The digits of some hundred rows at a time
are turned into pixels by NumPy; only where such a block is odd are its rows looked at one by one, so that the message
names the row.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import BinaryIO

import numpy as np

from fer_lib.datasets.faults import Fault, Faults
from fer_lib.datasets.threads import in_order
from fer_lib.errors import FerError, nearest

CLASS_NAMES = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
SPLITS = ("Training", "PublicTest", "PrivateTest")
SIDE = 48
PIXELS = SIDE * SIDE

_COLUMNS = ("emotion", "pixels", "usage")
_BLOCK = 2**18  # bytes read at a time: a block and what is reckoned from it then stay within the processor's cache
_LINE_LIMIT = 2**20  # bytes; a row of FER-2013 has at most 9,300
_SPLIT_RANKS = {name.lower().encode(): rank for rank, name in enumerate(SPLITS)}
_EMOTIONS = {str(code).encode(): code for code in range(len(CLASS_NAMES))}


@dataclass(frozen=True)
class Rows:
    """Parsed faces in the order they were read.

    Attributes:
        images: uint8, shape (N, 48, 48).
        labels: int64, shape (N,), positions in ``CLASS_NAMES``.
        split_ranks: int64, shape (N,), positions in ``SPLITS``.
        sources: N names of where each face stands.
    """

    images: np.ndarray
    labels: np.ndarray
    split_ranks: np.ndarray
    sources: list[str]


def sniff_columns(head: bytes) -> tuple[str, ...] | None:
    """Returns the column names in the first line of ``head`` as they stand, or None where it is no FER-2013 header.

    A header is recognised by two of the three columns, so that a missing one can be named.
    """
    line = head.removeprefix(b"\xef\xbb\xbf").split(b"\n", 1)[0].rstrip(b"\r")
    if len(line) > 1000:
        return None
    names = tuple(_unquote(cell).decode("utf-8", "replace") for cell in line.split(b","))
    found = {name.strip().lower() for name in names}
    return names if len(found & set(_COLUMNS)) >= 2 else None


def layout_name(columns: Sequence[str]) -> str:
    """Returns ``"icml csv"`` for the column order emotion, Usage, pixels of the ICML file, else ``"csv"``."""
    low = [name.strip().lower() for name in columns]
    spaced = any(name != name.strip() for name in columns)
    return "icml csv" if spaced or low[1:] == ["usage", "pixels"] else "csv"


def column_positions(columns: Sequence[str], origin: str) -> tuple[int, int, int]:
    """Returns the positions of emotion, pixels and Usage; raises FerError naming a column that is missing."""
    low = [name.strip().lower() for name in columns]
    for name in _COLUMNS:
        if name not in low:
            listed = ", ".join(column.strip() for column in columns)
            wanted = "Usage" if name == "usage" else name
            raise FerError(
                f"{origin} lacks the column {wanted!r}{nearest(name, low)}: it has {listed} where emotion, pixels and "
                "Usage are expected; give fer2013.csv or icml_face_data.csv, which have all three."
            )
    return low.index("emotion"), low.index("pixels"), low.index("usage")


def read_csv(stream: BinaryIO, origin: str, *, faults: Faults, advance: Callable[[int], object]) -> Rows:
    """Parses a CSV of FER-2013.

    Args:
        stream: the file's bytes from their start: LF or CRLF line ends, with or without a byte order mark, quotes and
            a newline at the end.
        origin: how a message names the file.
        faults: where rows that are wrong are noted; they are left out of the result.
        advance: called with the number of bytes read, for the progress bar.

    Raises:
        FerError: the header lacks a column.
    """
    lines = _line_blocks(stream, origin, advance)
    first = next(lines, None)
    if first is None:
        raise FerError(f"{origin} is empty; fetch the corpus again.")
    columns = sniff_columns(first[0]) or ("",)
    positions = column_positions(columns, origin)
    blocks = _numbered(itertools.chain([first[1:]], lines))
    parts = list(in_order(lambda block: _parse_block(*block, positions, faults), blocks))
    images = np.concatenate([part[0] for part in parts])
    return Rows(
        images.reshape(-1, SIDE, SIDE),
        np.array([label for part in parts for label in part[1]], np.int64),
        np.array([rank for part in parts for rank in part[2]], np.int64),
        [f"row {number}" for part in parts for number in part[3]],
    )


def _numbered(blocks: Iterable[Sequence[bytes]]) -> Iterator[tuple[list[bytes], int]]:
    """Yields each block's rows, blank lines left out, and the number of rows before them."""
    count = 0
    for block in blocks:
        rows = [line for line in block if line and not line.isspace()]
        yield rows, count
        count += len(rows)


def _line_blocks(stream: BinaryIO, origin: str, advance: Callable[[int], object]) -> Iterator[list[bytes]]:
    """Yields lists of whole lines, some hundred at a time."""
    rest = b""
    while chunk := stream.read(_BLOCK):
        advance(len(chunk))
        lines = BytesIO(rest + chunk).readlines()  # twice as fast as split
        rest = b"" if lines[-1].endswith(b"\n") else lines.pop()
        if len(rest) > _LINE_LIMIT:
            raise FerError(f"{origin} has a line of more than {_LINE_LIMIT:,} bytes, which no row of FER-2013 has.")
        if lines:
            yield lines
    if rest:
        yield [rest]


def _parse_block(
    rows: Sequence[bytes], before: int, positions: tuple[int, int, int], faults: Faults
) -> tuple[np.ndarray, list[int], list[int], list[int]]:
    """Returns pixels uint8 (n, 2304), labels, split ranks and 1-based row numbers of a block's sound rows."""
    sound: list[tuple[bytes, int, int, int]] = []
    for number, line in enumerate(rows, before + 1):
        try:
            sound.append((*_fields(line, positions), number))
        except Fault as fault:
            faults.add(number, f"row {number}", fault)
    pixels = _pixels_of_block([row[0] for row in sound])
    if pixels is None:
        sound, pixels = _pixels_one_by_one(sound, faults)
    return pixels, [row[1] for row in sound], [row[2] for row in sound], [row[3] for row in sound]


def _fields(line: bytes, positions: tuple[int, int, int]) -> tuple[bytes, int, int]:
    """Returns pixel text, label and split rank of a line; raises Fault."""
    cells = _cells(line, positions[1])
    if len(cells) != 3:
        raise Fault("wrong column count", f"{len(cells):,} columns rather than the 3 of the header")
    emotion, pixels, usage = (_unquote(cells[position]).strip() for position in positions)
    if emotion not in _EMOTIONS:
        raise Fault("unknown emotion", f"the emotion {_shown(emotion)} is none of 0-6 ({', '.join(CLASS_NAMES)})")
    rank = _SPLIT_RANKS.get(usage.lower())
    if rank is None:
        hint = nearest(usage.decode("utf-8", "replace"), SPLITS)
        raise Fault("unknown Usage", f"the Usage {_shown(usage)} is none of {', '.join(SPLITS)}{hint}")
    return pixels, _EMOTIONS[emotion], rank


def _cells(line: bytes, pixels: int) -> list[bytes]:
    """Returns the cells of a line; the pixels, which stand in column ``pixels``, are not searched when all is well."""
    cells = line.split(b",", pixels)
    cells += cells.pop().rsplit(b",", 2 - pixels)
    return line.split(b",") if len(cells) != 3 or b"," in cells[pixels] else cells


def _pixels_of_block(texts: Sequence[bytes]) -> np.ndarray | None:
    """Returns uint8 (n, 2304) where every text is 2,304 numbers of 0-255 parted by single spaces, else None."""
    if not texts:
        return np.empty((0, PIXELS), np.uint8)
    text = b"   " + b" ".join(texts) + b" "  # three spaces in front let every gap look back three characters
    characters = np.frombuffer(text, np.uint8)
    gap = characters == ord(" ")
    gaps = np.flatnonzero(gap)[3:]
    ends = np.cumsum([len(text) + 1 for text in texts]) + 2  # the gaps that part the rows
    if len(gaps) != len(texts) * PIXELS or (gaps[PIXELS - 1 :: PIXELS] != ends).any():
        return None
    digit = characters >= ord("0")
    if characters.max() > ord("9") or np.count_nonzero(digit) + len(gaps) + 3 != len(characters):
        return None
    pair = digit[1:] & digit[:-1]
    if (pair[2:] & pair[:-2]).any() or (gap[3:] & gap[2:-1]).any():  # four digits in a row, or none
        return None
    return _values(characters, pair, gaps)


def _values(characters: np.ndarray, pair: np.ndarray, gaps: np.ndarray) -> np.ndarray | None:
    """Returns uint8 (n, 2304): the numbers of one to three digits before the gaps; None where one is above 255.

    All is reckoned in bytes at every character, also where no number ends: sums of neighbouring bytes cost less than
    picking three digits a number.

    Args:
        characters: digits and single spaces, three of these in front.
        pair: whether a character and the one after it are digits.
        gaps: positions of the spaces behind the numbers.
    """
    digits = characters & np.uint8(15)  # a space, 32, becomes 0
    hundreds = digits[:-2] * pair[1:].view(np.uint8)
    rest = digits[1:-1] * np.uint8(10)
    rest += digits[2:]
    if hundreds.max() > 2:
        return None
    hundreds *= np.uint8(100)
    hundreds += rest
    if (hundreds < rest).any():  # 256 and more begin again at 0
        return None
    return hundreds.take(gaps - 3).reshape(-1, PIXELS)


def _pixels_one_by_one(
    sound: Sequence[tuple[bytes, int, int, int]], faults: Faults
) -> tuple[list[tuple[bytes, int, int, int]], np.ndarray]:
    """Returns the rows whose pixels are right and their pixels; notes the others."""
    kept, pixels = [], []
    for row in sound:
        block = _pixels_of_block([row[0]])
        try:
            pixels.append(_careful_pixels(row[0]) if block is None else block[0])
            kept.append(row)
        except Fault as fault:
            faults.add(row[3], f"row {row[3]}", fault)
    return kept, np.stack(pixels) if pixels else np.empty((0, PIXELS), np.uint8)


def _careful_pixels(text: bytes) -> np.ndarray:
    """Returns uint8 (2304,) of one row, any white space between the numbers; raises Fault naming what is wrong."""
    words = text.split()
    if len(words) != PIXELS:
        raise Fault("wrong pixel count", f"{len(words):,} pixels rather than {PIXELS:,} ({SIDE} x {SIDE})")
    for position, word in enumerate(words, 1):
        if not word.isdigit():
            raise Fault(
                "pixel that is no number", f"pixel {position:,} is {_shown(word)} rather than a number of 0-255"
            )
        if len(word) > 9 or int(word) > 255:
            raise Fault("pixel value out of range", f"pixel {position:,} is {_shown(word)} rather than 0-255")
    return np.array([int(word) for word in words], np.uint8)


def _unquote(cell: bytes) -> bytes:
    bare = cell.strip()
    return bare[1:-1] if len(bare) > 1 and bare[:1] == b'"' == bare[-1:] else cell.rstrip(b"\r")


def _shown(value: bytes) -> str:
    text = value[:20].decode("utf-8", "replace") + ("..." if len(value) > 20 else "")
    return repr(text)
