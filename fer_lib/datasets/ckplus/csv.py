"""Read CK+ as a CSV, ``ckextended.csv``: a face of 48 x 48 pixels in each row, without its subject or sequence.

The copy has FER-2013's columns and codes, and contempt as an eighth code. Its counts show what it consists of: one peak
face of each of the 327 labelled sequences and one neutral face of each of the 593 sequences. Its column Usage (80 % of
the rows for training, 10 % and 10 % for tests) divides faces, not subjects, so it is noted and not taken as a split.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator

import numpy as np
import pandas as pd

from fer_lib.datasets.expressions import EXPRESSION_OF, EXPRESSIONS
from fer_lib.datasets.face_dataset import FaceDataset, canonical_order
from fer_lib.datasets.fer2013.csv import row_pixels
from fer_lib.datasets.fer2013.lookalikes import is_ckplus
from fer_lib.datasets.readers import locate
from fer_lib.datasets.readers.archives import Source
from fer_lib.datasets.readers.faults import Fault, Faults
from fer_lib.datasets.readers.pictures import SIDE
from fer_lib.errors import FerError

LAYOUT = "csv without subjects"

#: The expressions are in the order of the CSV's codes 0 to 7.
_CODES = {word: EXPRESSIONS.index(name) for word, name in EXPRESSION_OF.items()}
_CODES |= {f"{code}{end}": code for code in range(len(EXPRESSIONS)) for end in ("", ".0")}

#: Faces of each class by the copy's own description; those of the emotions are the labelled sequences of CK+.
OFFICIAL_COUNTS = {
    "angry faces": 45,
    "disgust faces": 59,
    "fear faces": 25,
    "happy faces": 69,
    "sad faces": 28,
    "surprise faces": 83,
    "neutral faces": 593,
    "contempt faces": 18,
}


def tables(source: Source) -> list[str]:
    """List the members that are CK+ as a CSV."""
    return [name for name in source.names if is_ckplus(source, name)]


def load(source: Source, member: str, *, contempt: bool, skip_bad: bool) -> FaceDataset:
    """Load the CSV ``member`` of a source; for the arguments and the result see :func:`fer_lib.datasets.ckplus.load`.

    Raises:
        FerError: the data have faults; names the first row and counts all faults.
    """
    origin = source.describe(member)
    faults = Faults(origin, skip_bad)
    numbers, faces, codes, usages = [], [], [], []
    for number, row in _rows(source.read(member), origin):
        try:
            code, pixels = _code(row), row_pixels((row["pixels"] or "").encode())
        except Fault as fault:
            faults.add(number, f"row {number}", fault)
            continue
        numbers.append(number)
        codes.append(code)
        faces.append(pixels.reshape(SIDE, SIDE))
        usages.append((row.get("usage") or "").strip())
    skipped = faults.settle()
    images, labels = np.array(faces, np.uint8), np.array(codes, np.int64)
    shown = np.flatnonzero((labels != EXPRESSIONS.index("contempt")) | contempt)
    if not len(shown):
        raise FerError(f"{origin} contains no face that can be read; fetch the corpus again.")
    synthetic = locate.marked(source, member[: member.rfind("/") + 1])
    counts = Counter(f"{EXPRESSIONS[code]} faces" for code in codes)
    notes = {
        "layout": LAYOUT,
        "container": source.container,
        "usage": dict(Counter(usages)),
        "sequences": None,
        "subjects": None,
        "neutral": "neutral" in {EXPRESSIONS[code] for code in codes},
        "contempt_left_out": len(labels) - len(shown),
        "skipped": skipped,
        "count_deviations": locate.deviations(counts, OFFICIAL_COUNTS, origin, tolerated=skip_bad or synthetic),
    }
    sources = [f"row {numbers[row]}" for row in shown]
    rows = shown[canonical_order(images[shown], labels[shown], np.zeros(len(shown), int), sources)]
    names = tuple(name for code, name in enumerate(EXPRESSIONS) if code in labels[shown])
    meta = pd.DataFrame(
        {
            "label": [names.index(EXPRESSIONS[label]) for label in labels[rows]],
            "split": "all",
            "usage": [usages[row] for row in rows],
            "source": [f"row {numbers[row]}" for row in rows],
        }
    )
    return FaceDataset(images[rows], meta, names, "ckplus", synthetic, notes)


def _rows(data: bytes, origin: str) -> Iterator[tuple[int, dict[str, str | None]]]:
    """Yield each row's number, from 1, and its cells by column name in lower case; raise FerError if it is no CSV."""
    reader = csv.DictReader(io.StringIO(data.decode("utf-8-sig", "replace"), newline=""))
    try:
        reader.fieldnames = [name.strip().lower() for name in reader.fieldnames or ()]
        yield from enumerate(reader, start=1)
    except csv.Error as error:
        raise FerError(
            f"{origin}, line {reader.line_num}, cannot be read as a CSV ({error}); fetch it again."
        ) from None


def _code(row: dict[str, str | None]) -> int:
    text = (row["emotion"] or "").strip()
    code = _CODES.get(text.lower())
    if code is None:
        raise Fault("unknown emotion", f"the emotion {text[:20]!r} is none of 0-7 ({', '.join(EXPRESSIONS)})")
    return code
