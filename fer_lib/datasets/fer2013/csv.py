"""The CSV layouts of FER-2013: ``fer2013.csv`` and ``icml_face_data.csv``, parsed in about a second.

A row is an emotion (0-6), 2,304 grey values in row-major order and a Usage. The digits of some hundred rows at a time
are turned into pixels by NumPy; only where such a block is odd are its rows looked at one by one, so that the message
names the row.
"""

from __future__ import annotations

import functools
import itertools
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from fer_lib.datasets.readers.faults import Fault, Faults
from fer_lib.datasets.readers.pictures import SIDE
from fer_lib.errors import FerError, nearest
from fer_lib.utils.parallel import in_order

CLASS_NAMES = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
SPLITS = ("Training", "PublicTest", "PrivateTest")
PIXELS = SIDE * SIDE

_COLUMNS = ("emotion", "pixels", "usage")
_BLOCK = 2**20  # bytes read at a time: few enough to stay in the processor's cache, so many that threads seldom meet
_LINE_LIMIT = 2**20  # bytes; a row of FER-2013 has at most 9,300
_SPLIT_RANKS = {name.lower().encode(): rank for rank, name in enumerate(SPLITS)}
_THREAD = threading.local()
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
    blocks = _line_blocks(stream, origin, advance)
    first = next(blocks, None)
    if first is None:
        raise FerError(f"{origin} is empty; fetch the corpus again.")
    header, _, rest = first.partition(b"\n")
    positions = column_positions(sniff_columns(header) or ("",), origin)
    parts: list[_Block] = []
    sources: list[str] = []
    before = 0
    for part in in_order(functools.partial(_parse_block, positions=positions), itertools.chain([rest], blocks)):
        parts.append(part)
        sources += [f"row {before + number}" for number in part.numbers]
        for number, fault in part.faults:
            faults.add(before + number, f"row {before + number}", fault)
        before += part.count
    return Rows(
        np.concatenate([part.pixels for part in parts]).reshape(-1, SIDE, SIDE),
        np.array([label for part in parts for label in part.labels], np.int64),
        np.array([rank for part in parts for rank in part.split_ranks], np.int64),
        sources,
    )


@dataclass(frozen=True)
class _Block:
    """The sound rows of some lines, and the faults of the others, numbered from 1 within these lines.

    Attributes:
        pixels: uint8, shape (n, 2304).
        labels: n positions in ``CLASS_NAMES``.
        split_ranks: n positions in ``SPLITS``.
        numbers: of the n rows.
        count: rows in all, blank lines left out.
        faults: number of the row and what is wrong there.
    """

    pixels: np.ndarray
    labels: list[int]
    split_ranks: list[int]
    numbers: Sequence[int]
    count: int
    faults: Sequence[tuple[int, Fault]] = ()


def _line_blocks(stream: BinaryIO, origin: str, advance: Callable[[int], object]) -> Iterator[bytes]:
    """Yields whole lines, some at a time."""
    rest = b""
    while chunk := stream.read(_BLOCK):
        advance(len(chunk))
        end = chunk.rfind(b"\n") + 1
        if end:
            yield rest + chunk[:end]
            rest = chunk[end:]
        else:
            rest += chunk
        if len(rest) > _LINE_LIMIT:
            raise FerError(f"{origin} has a line of more than {_LINE_LIMIT:,} bytes, which no row of FER-2013 has.")
    if rest:
        yield rest


def _parse_block(text: bytes, positions: tuple[int, int, int]) -> _Block:
    """Returns what some lines hold."""
    plain = _plain_block(text) if positions == (0, 1, 2) else None
    return _block_by_rows(text, positions) if plain is None else plain


def _plain_block(text: bytes) -> _Block | None:
    """Returns what the lines hold where each is like ``3,70 80 (and so on),Training``, else None."""
    if b"\r" in text:
        text = text.replace(b"\r\n", b"\n")
    characters = np.frombuffer(text, np.uint8)
    gap = np.less(characters, ord("0"), out=_scratch("gap", len(text)).view(bool))  # also commas and line ends
    gaps = np.flatnonzero(gap)
    count, odd = divmod(len(gaps), PIXELS + 2)
    if not count or odd:
        return None
    gaps = gaps.reshape(count, PIXELS + 2)
    first, last, ends = gaps[:, 0], gaps[:, -2], gaps[:, -1]
    starts = np.append(0, ends[:-1] + 1)
    whole = (characters[first] == ord(",")) & (characters[last] == ord(",")) & (characters[ends] == ord("\n"))
    spaces = np.count_nonzero(np.equal(characters, ord(" "), out=_scratch("found", len(text)).view(bool)))
    # With these commas and line ends in place all other gaps must be spaces.
    if not (whole & (first == starts + 1)).all() or spaces != count * (PIXELS - 1) or ends[-1] != len(text) - 1:
        return None
    labels = characters[starts] - np.uint8(ord("0"))
    usages = [text[start:end].lower() for start, end in zip((last + 1).tolist(), ends.tolist(), strict=True)]
    ranks = [_SPLIT_RANKS.get(usage) for usage in usages]
    if labels.max() >= len(CLASS_NAMES) or None in ranks:
        return None
    values = _values(characters, gap, gaps[:, :-1], digits=len(text) - gaps.size - sum(map(len, usages)))
    if values is None:
        return None
    return _Block(np.ascontiguousarray(values[:, 1:]), labels.tolist(), ranks, range(1, count + 1), count)


def _block_by_rows(text: bytes, positions: tuple[int, int, int]) -> _Block:
    """Returns what the lines hold, whatever stands in them."""
    rows = [line for line in text.split(b"\n") if line and not line.isspace()]
    sound: list[tuple[bytes, int, int, int]] = []
    faults: list[tuple[int, Fault]] = []
    for number, line in enumerate(rows, 1):
        try:
            sound.append((*_fields(line, positions), number))
        except Fault as fault:
            faults.append((number, fault))
    pixels = _pixels_of_block([row[0] for row in sound])
    if pixels is None:
        sound, pixels = _pixels_one_by_one(sound, faults)
    labels, ranks, numbers = ([row[column] for row in sound] for column in (1, 2, 3))
    return _Block(pixels, labels, ranks, numbers, len(rows), faults)


def _fields(line: bytes, positions: tuple[int, int, int]) -> tuple[bytes, int, int]:
    """Returns pixel text, label and split rank of a line; raises Fault."""
    cells = _cells(line, positions[1])
    if len(cells) != 3:
        raise Fault("wrong column count", f"{len(cells):,} columns rather than the 3 of the header")
    emotion, pixels, usage = (_unquote(cells[position]).strip() for position in positions)
    if emotion not in _EMOTIONS:
        raise Fault("unknown emotion", f"the emotion {_quoted(emotion)} is none of 0-6 ({', '.join(CLASS_NAMES)})")
    rank = _SPLIT_RANKS.get(usage.lower())
    if rank is None:
        hint = nearest(usage.decode("utf-8", "replace"), SPLITS)
        raise Fault("unknown Usage", f"the Usage {_quoted(usage)} is none of {', '.join(SPLITS)}{hint}")
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
    gap[:2] = False
    gaps = np.flatnonzero(gap)[1:]
    ends = np.cumsum([len(text) + 1 for text in texts]) + 2  # the gaps that part the rows
    if len(gaps) != len(texts) * PIXELS or (gaps[PIXELS - 1 :: PIXELS] != ends).any():
        return None
    return _values(characters, gap, gaps.reshape(-1, PIXELS), digits=len(text) - len(gaps) - 3)


def _values(characters: np.ndarray, gap: np.ndarray, gaps: np.ndarray, *, digits: int) -> np.ndarray | None:
    """Returns the numbers before the gaps as uint8 in the gaps' shape; None where one is not plain digits of 0-255.

    All is reckoned in bytes at every character, also where no number ends: sums of neighbouring bytes cost less than
    picking three digits a number.

    Args:
        characters: uint8, shape (N,).
        gap: bool, shape (N,): the characters that part numbers.
        gaps: positions of the gaps behind the numbers that are asked for, three or more.
        digits: how many characters are meant to be digits.
    """
    size = len(characters)
    units = np.subtract(characters, ord("0"), out=_scratch("units", size))
    digit = np.less(units, 10, out=_scratch("digit", size).view(bool))
    if np.count_nonzero(digit) != digits:
        return None
    pair = np.logical_and(digit[1:], digit[:-1], out=_scratch("pair", size - 1).view(bool))
    found = _scratch("found", size).view(bool)
    four, none = (pair[2:], pair[:-2], found[3:]), (gap[1:], gap[:-1], found[1:])  # digits between two gaps
    if any(np.logical_and(one, other, out=out).any() for one, other, out in (four, none)):
        return None
    units *= digit.view(np.uint8)
    # Behind a number's last digit stands its gap: what is reckoned for the number is kept there.
    values = _scratch("values", size)
    hundreds = np.multiply(units[:-3], pair[1:-1].view(np.uint8), out=values[3:])
    if hundreds.max() > 2:
        return None
    rest = np.multiply(units[1:-2], np.uint8(10), out=_scratch("rest", size - 3))
    rest += units[2:-1]
    hundreds *= np.uint8(100)
    hundreds += rest
    if np.less(hundreds, rest, out=found[3:]).any():  # 256 and more begin again at 0
        return None
    return values.take(gaps)


def _scratch(name: str, size: int) -> np.ndarray:
    """Returns memory of this thread, uint8 (size,), for one use at a time: new pages cost more than the reckoning."""
    held = getattr(_THREAD, name, None)
    if held is None or len(held) < size:
        held = np.empty(size + _BLOCK // 4, np.uint8)
        setattr(_THREAD, name, held)
    return held[:size]


def _pixels_one_by_one(
    sound: Sequence[tuple[bytes, int, int, int]], faults: list[tuple[int, Fault]]
) -> tuple[list[tuple[bytes, int, int, int]], np.ndarray]:
    """Returns the rows whose pixels are right and their pixels; notes the others."""
    kept, pixels = [], []
    for row in sound:
        block = _pixels_of_block([row[0]])
        try:
            pixels.append(_careful_pixels(row[0]) if block is None else block[0])
            kept.append(row)
        except Fault as fault:
            faults.append((row[3], fault))
    return kept, np.stack(pixels) if pixels else np.empty((0, PIXELS), np.uint8)


def _careful_pixels(text: bytes) -> np.ndarray:
    """Returns uint8 (2304,) of one row, any white space between the numbers; raises Fault naming what is wrong."""
    words = text.split()
    if len(words) != PIXELS:
        raise Fault("wrong pixel count", f"{len(words):,} pixels rather than {PIXELS:,} ({SIDE} x {SIDE})")
    for position, word in enumerate(words, 1):
        if not word.isdigit():
            raise Fault(
                "pixel that is no number", f"pixel {position:,} is {_quoted(word)} rather than a number of 0-255"
            )
        if len(word) > 9 or int(word) > 255:
            raise Fault("pixel value out of range", f"pixel {position:,} is {_quoted(word)} rather than 0-255")
    return np.array([int(word) for word in words], np.uint8)


def _unquote(cell: bytes) -> bytes:
    bare = cell.strip()
    return bare[1:-1] if len(bare) > 1 and bare[:1] == b'"' == bare[-1:] else cell.rstrip(b"\r")


def _quoted(value: bytes) -> str:
    text = value[:20].decode("utf-8", "replace") + ("..." if len(value) > 20 else "")
    return repr(text)
