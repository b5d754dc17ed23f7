"""Tell other corpora from FER-2013: CK+ exists as a CSV with the same columns and in the same folders."""

from __future__ import annotations

import re

from fer_lib.datasets.fer2013.csv import sniff_columns
from fer_lib.datasets.readers.archives import Source

#: Faces of CK+ as a CSV (``ckextended.csv``), which has FER-2013's columns and contempt as an eighth code.
CKPLUS_FACES = 920

_ROWS = 2000  # most rows of a CSV that is searched for contempt
_ROW_BYTES = 9300  # at most
_FRAME = re.compile(r"s\d+_\d+_\d+\.\w+", re.IGNORECASE)
_CONTEMPT = (b"7", b"7.0", b"contempt")


def is_ckplus_frame(name: str) -> bool:
    """Tell whether a picture is named as the frames of CK+ are, such as ``train/anger/S010_004_00000017.png``."""
    return bool(_FRAME.fullmatch(name.rsplit("/", 1)[-1]))


def is_ckplus(source: Source, name: str) -> bool:
    """Tell CK+ as a CSV from FER-2013: the columns are the same, but it has few rows and an eighth code, contempt.

    Where the name says which corpus it is, the name counts: FER-2013 with a wrong code is still FER-2013, unless it
    has exactly CK+'s number of rows.
    """
    base = name.rsplit("/", 1)[-1].lower()
    if not base.endswith(".csv") or not 0 < source.size(name) <= _ROWS * _ROW_BYTES:
        return False
    with source.open(name) as stream:
        head = stream.read(4096)
        low = [column.strip().lower() for column in sniff_columns(head) or ()]
        if not {"emotion", "pixels"} <= set(low) or base.startswith("ck"):
            return {"emotion", "pixels"} <= set(low)
        text = head + stream.read(_ROWS * _ROW_BYTES)
    rows = [row for row in text.split(b"\n")[1:] if row.strip()]
    position = low.index("emotion")
    cells = [row.split(b",", position + 1) for row in rows]
    contempt = any(len(row) > position and row[position].strip(b' "\r').lower() in _CONTEMPT for row in cells)
    named = base.startswith(("fer", "icml"))
    return contempt and (len(rows) == CKPLUS_FACES if named else len(rows) <= _ROWS)
