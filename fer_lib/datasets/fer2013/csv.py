"""Parse the CSV layouts of FER-2013, ``fer2013.csv`` and ``icml_face_data.csv``, in about a second.

A row is an emotion (0-6), 2,304 grey values in row-major order and a Usage, in columns that are found by their names;
further columns are ignored. NumPy turns the digits of some hundred rows
at a time into pixels. Only the rows of an irregular block are parsed one by one, so that the message names the row.
"""

from __future__ import annotations

import functools
import itertools
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import IO

import numpy as np

from fer_lib.datasets.expressions import EXPRESSION_OF, EXPRESSIONS
from fer_lib.datasets.readers.faults import Fault, Faults
from fer_lib.datasets.readers.pictures import SIDE
from fer_lib.errors import FerError, nearest
from fer_lib.utils.parallel import in_order

CLASS_NAMES = EXPRESSIONS[:7]
SPLITS = ("Training", "PublicTest", "PrivateTest")
PIXELS = SIDE * SIDE

#: The words for the classes in lower case, and their labels.
EMOTION_LABELS = {word: CLASS_NAMES.index(name) for word, name in EXPRESSION_OF.items() if name in CLASS_NAMES}

#: The rank of a part that is only called a test: PublicTest, PrivateTest, both or neither.
SOME_TEST = len(SPLITS)

#: The parts' names in lower case, and their positions in ``SPLITS``, or ``SOME_TEST``.
SPLIT_RANKS = {name.lower(): rank for rank, name in enumerate(SPLITS)} | {
    "train": 0,
    "validation": 1,
    "valid": 1,
    "val": 1,
    "test": SOME_TEST,
    "testing": SOME_TEST,
}

_COLUMNS = ("emotion", "pixels", "usage")
_BLOCK = 2**20  # bytes read at a time: few enough for the processor's cache, enough that threads rarely wait
_LINE_LIMIT = 2**20  # bytes; a row of FER-2013 has at most 9,300
_SPLIT_RANKS = {name.encode(): rank for name, rank in SPLIT_RANKS.items()}
_THREAD = threading.local()
_EMOTIONS = {name.encode(): label for name, label in EMOTION_LABELS.items()}
_EMOTIONS |= {f"{code}{end}".encode(): code for code in range(len(CLASS_NAMES)) for end in ("", ".0")}


_Positions = tuple[int, int, int | None]  # of emotion, pixels and Usage


@dataclass(frozen=True)
class Rows:
    """Parsed faces in the order they were read.

    Attributes:
        images: uint8, shape (N, 48, 48), or (N, 48, 48, 3) of faces in colour.
        labels: int64, shape (N,), positions in ``CLASS_NAMES``.
        split_ranks: int64, shape (N,), positions in ``SPLITS``, or ``SOME_TEST``.
        sources: N places, such as ``"row 17"``.
    """

    images: np.ndarray
    labels: np.ndarray
    split_ranks: np.ndarray
    sources: list[str]


def sniff_columns(head: bytes) -> tuple[str, ...] | None:
    """Read the column names in the first line of ``head``, unchanged; None if it is no FER-2013 header.

    A header is recognised by two of the three columns, so that a missing one can be named.
    """
    line = head.removeprefix(b"\xef\xbb\xbf").split(b"\n", 1)[0].rstrip(b"\r")
    if len(line) > 1000:
        return None
    names = tuple(_unquote(cell).decode("utf-8", "replace") for cell in line.split(b","))
    found = {name.strip().lower() for name in names}
    return names if len(found & set(_COLUMNS)) >= 2 else None


def layout_name(columns: Sequence[str]) -> str:
    """Name the layout: ``"icml csv"`` for the column order emotion, Usage, pixels of the ICML file, else ``"csv"``."""
    low = [name.strip().lower() for name in columns]
    spaced = any(name != name.strip() for name in columns)
    return "icml csv" if spaced or low[1:] == ["usage", "pixels"] else "csv"


def ignored_columns(columns: Sequence[str]) -> list[str]:
    """List the columns that are not read, in their order; one without a name, such as the index of pandas, by place."""
    names = [name.strip() for name in columns]
    return [name or f"no. {at}" for at, name in enumerate(names, 1) if name.lower() not in _COLUMNS]


def column_positions(columns: Sequence[str], origin: str, *, usage: bool = True) -> tuple[int, int, int | None]:
    """Find the positions of emotion, pixels and Usage; raise FerError naming a column that is missing or occurs twice.

    Args:
        columns: the names in the header.
        origin: the name of the file in messages.
        usage: whether the column Usage is needed; its position is None if it is not there.
    """
    low = [name.strip().lower() for name in columns]
    if twice := [name for name in _COLUMNS if low.count(name) > 1]:
        raise FerError(f"{origin} has {low.count(twice[0])} columns named {twice[0]!r}; keep one of them.")
    for name in _COLUMNS:
        if name not in low and (usage or name != "usage"):
            listed = ", ".join(column.strip() for column in columns)
            wanted = "Usage" if name == "usage" else name
            raise FerError(
                f"{origin} lacks the column {wanted!r}{nearest(name, low)}: it has {listed} where emotion, pixels and "
                "Usage are expected; give fer2013.csv or icml_face_data.csv, which have all three."
            )
    return low.index("emotion"), low.index("pixels"), low.index("usage") if "usage" in low else None


def read_csv(
    stream: IO[bytes],
    origin: str,
    *,
    faults: Faults,
    advance: Callable[[int], object],
    rank: int | None = None,
) -> Rows:
    """Parse a CSV of FER-2013.

    Args:
        stream: the file's bytes from their start: LF or CRLF line ends, with or without a byte order mark, quotes and
            a newline at the end.
        origin: the name of the file in messages.
        faults: receives the faults; faulty rows are left out of the result.
        advance: called with the number of bytes read, for the progress bar.
        rank: the part of all rows (a position in ``SPLITS``) for a file without the column Usage; None if the column
            is needed.

    Raises:
        FerError: the header lacks a column, or has it twice.
    """
    blocks = _line_blocks(stream, origin, advance)
    first = next(blocks, None)
    if first is None:
        raise FerError(f"{origin} is empty; fetch the corpus again.")
    header, _, rest = first.partition(b"\n")
    columns = sniff_columns(header) or ("",)
    positions = column_positions(columns, origin, usage=rank is None)
    parse = functools.partial(_parse_block, positions=positions, columns=len(columns), rank=rank)
    parts: list[_Block] = []
    sources: list[str] = []
    before = 0
    for part in in_order(parse, itertools.chain([rest], blocks)):
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
    """The correct rows of some lines, and the faults of the others, numbered from 1 within these lines.

    Attributes:
        pixels: uint8, shape (n, 2304).
        labels: n positions in ``CLASS_NAMES``.
        split_ranks: n positions in ``SPLITS``, or ``SOME_TEST``.
        numbers: the numbers of the n rows.
        count: rows in all, without blank lines.
        faults: the number of each faulty row and its fault.
    """

    pixels: np.ndarray
    labels: list[int]
    split_ranks: list[int]
    numbers: Sequence[int]
    count: int
    faults: Sequence[tuple[int, Fault]] = ()


def _line_blocks(stream: IO[bytes], origin: str, advance: Callable[[int], object]) -> Iterator[bytes]:
    """Yield whole lines, some at a time."""
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
            raise FerError(f"{origin} has a line of more than {_LINE_LIMIT:,} bytes, too long for a row of FER-2013.")
    if rest:
        yield rest


def _parse_block(text: bytes, positions: _Positions, columns: int, rank: int | None) -> _Block:
    """Parse some lines, the fast way if possible."""
    plain = _plain_block(text) if (positions, columns) == ((0, 1, 2), 3) else None
    return _block_by_rows(text, positions, columns, rank) if plain is None else plain


def _plain_block(text: bytes) -> _Block | None:
    """Parse lines that all look like ``3,70 80 (and so on),Training``; give None for any others."""
    if b"\r" in text:
        text = text.replace(b"\r\n", b"\n")
    characters = np.frombuffer(text, np.uint8)
    gap = np.less(characters, ord("0"), out=_scratch("gap", len(text)).view(bool))  # also commas and line ends
    gaps: np.ndarray = np.flatnonzero(gap)
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
    ranks = [_SPLIT_RANKS.get(usage, -1) for usage in usages]
    if labels.max() >= len(CLASS_NAMES) or -1 in ranks:
        return None
    values = _values(characters, gap, gaps[:, :-1], digits=len(text) - gaps.size - sum(map(len, usages)))
    if values is None:
        return None
    return _Block(np.ascontiguousarray(values[:, 1:]), labels.tolist(), ranks, range(1, count + 1), count)


def _block_by_rows(text: bytes, positions: _Positions, columns: int = 3, rank: int | None = None) -> _Block:
    """Parse any lines, one by one."""
    rows = [line for line in text.split(b"\n") if line and not line.isspace()]
    sound: list[tuple[bytes, int, int, int]] = []
    faults: list[tuple[int, Fault]] = []
    for number, line in enumerate(rows, 1):
        try:
            sound.append((*_fields(line, positions, columns, rank), number))
        except Fault as fault:
            faults.append((number, fault))
    pixels = _pixels_of_block([row[0] for row in sound])
    if pixels is None:
        sound, pixels = _pixels_one_by_one(sound, faults)
    labels, ranks, numbers = [row[1] for row in sound], [row[2] for row in sound], [row[3] for row in sound]
    return _Block(pixels, labels, ranks, numbers, len(rows), faults)


def _fields(line: bytes, positions: _Positions, columns: int, rank: int | None) -> tuple[bytes, int, int]:
    """Split a line into pixel text, label and split rank; raise Fault if one is wrong."""
    cells = _cells(line, positions[1], columns)
    if len(cells) != columns:
        raise Fault("wrong column count", f"{len(cells):,} columns rather than the {columns} of the header")
    emotion, pixels = (_unquote(cells[position]).strip() for position in positions[:2])
    label = _EMOTIONS.get(emotion.lower())
    if label is None:
        raise Fault("unknown emotion", f"the emotion {_quoted(emotion)} is none of 0-6 ({', '.join(CLASS_NAMES)})")
    if positions[2] is None:
        assert rank is not None  # a file without Usage is read as one part
        return pixels, label, rank
    usage = _unquote(cells[positions[2]]).strip()
    found = _SPLIT_RANKS.get(usage.lower())
    if found is None:
        hint = nearest(usage.decode("utf-8", "replace"), SPLITS)
        raise Fault("unknown Usage", f"the Usage {_quoted(usage)} is none of {', '.join(SPLITS)}{hint}", label=label)
    return pixels, label, found


def _cells(line: bytes, pixels: int, columns: int = 3) -> list[bytes]:
    """Split a line into cells; the pixels, in column ``pixels``, are not searched if the line is correct."""
    cells = line.split(b",", pixels)
    cells += cells.pop().rsplit(b",", columns - 1 - pixels)
    return line.split(b",") if len(cells) != columns or b"," in cells[pixels] else cells


def _pixels_of_block(texts: Sequence[bytes]) -> np.ndarray | None:
    """Parse texts of 2,304 numbers of 0-255 with single spaces between them: uint8 (n, 2304); None for any others."""
    if not texts:
        return np.empty((0, PIXELS), np.uint8)
    text = b"   " + b" ".join(texts) + b" "  # three spaces in front let every gap look back three characters
    characters = np.frombuffer(text, np.uint8)
    gap = characters == ord(" ")
    gap[:2] = False
    gaps = np.flatnonzero(gap)[1:]
    ends = np.cumsum([len(text) + 1 for text in texts]) + 2  # the gaps between the rows
    if len(gaps) != len(texts) * PIXELS or (gaps[PIXELS - 1 :: PIXELS] != ends).any():
        return None
    return _values(characters, gap, gaps.reshape(-1, PIXELS), digits=len(text) - len(gaps) - 3)


def _values(characters: np.ndarray, gap: np.ndarray, gaps: np.ndarray, *, digits: int) -> np.ndarray | None:
    """Parse the numbers before the gaps to uint8 in the gaps' shape; None if one is not plain digits of 0-255.

    Everything is computed in bytes at every character, also where no number ends: adding neighbouring bytes is faster
    than picking the three digits of each number.

    Args:
        characters: uint8, shape (N,).
        gap: bool, shape (N,): the characters between numbers.
        gaps: positions of the gaps after the wanted numbers, three or more.
        digits: the number of characters that must be digits.
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
    # A number's value is computed at the gap after its last digit.
    values = _scratch("values", size)
    hundreds = np.multiply(units[:-3], pair[1:-1].view(np.uint8), out=values[3:])
    if hundreds.max() > 2:
        return None
    rest = np.multiply(units[1:-2], np.uint8(10), out=_scratch("rest", size - 3))
    rest += units[2:-1]
    hundreds *= np.uint8(100)
    hundreds += rest
    if np.less(hundreds, rest, out=found[3:]).any():  # 256 and more overflow to 0 and up
        return None
    return values.take(gaps)


def _scratch(name: str, size: int) -> np.ndarray:
    """Give memory of this thread, uint8 (size,), for one use at a time: new pages take longer than the computation."""
    held = getattr(_THREAD, name, None)
    if held is None or len(held) < size:
        held = np.empty(size + _BLOCK // 4, np.uint8)
        setattr(_THREAD, name, held)
    return held[:size]


def _pixels_one_by_one(
    sound: Sequence[tuple[bytes, int, int, int]], faults: list[tuple[int, Fault]]
) -> tuple[list[tuple[bytes, int, int, int]], np.ndarray]:
    """Parse the pixels of each row; give the correct rows and their pixels, and add the faults of the others."""
    kept, pixels = [], []
    for row in sound:
        try:
            pixels.append(row_pixels(row[0]))
            kept.append(row)
        except Fault as fault:
            fault.label = row[1]
            faults.append((row[3], fault))
    return kept, np.stack(pixels) if pixels else np.empty((0, PIXELS), np.uint8)


def row_pixels(text: bytes) -> np.ndarray:
    """Parse the pixels of one row, uint8 (2304,); raise Fault naming the first error."""
    block = _pixels_of_block([text])
    return _careful_pixels(text) if block is None else block[0]


def _careful_pixels(text: bytes) -> np.ndarray:
    """Parse one row with any white space between the numbers, uint8 (2304,); raise Fault naming the first error."""
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
