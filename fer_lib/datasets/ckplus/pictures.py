"""What both releases of CK+ in pictures have in common: a picture's place, the classes, counts and the table."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from fer_lib.datasets.expressions import EXPRESSIONS
from fer_lib.datasets.readers import locate
from fer_lib.datasets.readers.archives import Source

ENDING = r"\.(?:png|jpe?g|bmp|tiff?|pgm)"
"""The end of a picture's name, as a regular expression."""

#: Labelled sequences per class (Lucey et al. 2010, Table 3), and the subjects in them.
OFFICIAL_COUNTS = {
    "angry sequences": 45,
    "contempt sequences": 18,
    "disgust sequences": 59,
    "fear sequences": 25,
    "happy sequences": 69,
    "sad sequences": 28,
    "surprise sequences": 83,
    "subjects": 118,
}


@dataclass(frozen=True, order=True)
class Picture:
    """One picture of a release, sortable into canonical order."""

    subject: str
    sequence: str
    frame: int
    emotion: str
    member: str


def root_of(pattern: re.Pattern, source: Source) -> str:
    """Find the folder above the subjects of the first matching name, ``""`` or ending with ``/``."""
    first = next(match for name in source.names if (match := pattern.fullmatch(name)))
    return first.string[: first.start(1)]


def class_names(pictures: Iterable[Picture]) -> tuple[str, ...]:
    """List the expressions that the pictures show, in the project's order."""
    present = {picture.emotion for picture in pictures}
    return tuple(name for name in EXPRESSIONS if name in present)


def counted(
    kept: list[Picture], emotions: dict[tuple[str, str], str], origin: str, *, tolerated: bool
) -> dict[str, object]:
    """Make the notes with counts; ``emotions`` are those of all labelled sequences, including contempt."""
    found = Counter(f"{emotion} sequences" for emotion in emotions.values())
    found["subjects"] = len({subject for subject, _ in emotions})
    return {
        "sequences": len({picture.sequence for picture in kept}),
        "subjects": len({picture.subject for picture in kept}),
        "neutral": any(picture.emotion == "neutral" for picture in kept),
        "count_deviations": locate.deviations(dict(found), OFFICIAL_COUNTS, origin, tolerated=tolerated),
    }


def meta_of(pictures: list[Picture], names: tuple[str, ...], sources: list[str]) -> pd.DataFrame:
    """Build the ``meta`` of a dataset: a row a picture, with its label's position in ``names`` and its source."""
    return pd.DataFrame(
        {
            "label": [names.index(picture.emotion) for picture in pictures],
            "split": "all",
            "subject": [picture.subject for picture in pictures],
            "sequence": [picture.sequence for picture in pictures],
            "frame": [picture.frame for picture in pictures],
            "source": sources,
        }
    )
