"""Read FER+, ten votes for each row of ``fer2013.csv``, and give FER-2013's faces the labels that the votes say.

Barsoum et al., "Training deep networks for facial expression recognition with crowd-sourced label distribution" (2016)
had ten people label each face again. ``fer2013new.csv`` has their votes and no faces: its rows follow those of
``fer2013.csv``. The vote is counted as the authors' own code does in its mode "majority": single votes are removed, and
an emotion is the label if it has more than half of the votes that remain.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from fer_lib.datasets.face_dataset import UNDIVIDED, FaceDataset, canonical_order
from fer_lib.datasets.fer2013.csv import CLASS_NAMES, SPLITS
from fer_lib.datasets.readers.archives import open_source, visible
from fer_lib.errors import FerError, first_line

#: The columns of the votes, in the order of ``CLASS_NAMES`` and then the three that are no class of FER-2013.
VOTES = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral", "contempt", "unknown", "nf")

#: Faces of each class by the majority, per split, in the order of ``CLASS_NAMES``: counted in the authors' file.
MAJORITY_COUNTS: dict[str, tuple[int, ...]] = {
    "Training": (2100, 119, 532, 7287, 3014, 3149, 8740),
    "PublicTest": (287, 24, 62, 865, 351, 415, 1182),
    "PrivateTest": (273, 18, 83, 893, 384, 396, 1090),
}

_ROWS = 35_887  # of the authors' file
_RATERS = 10
_FILES = (".csv", ".csv.gz", ".zip")
_ORDERED = ("csv", "icml csv")  # the layouts that keep the order of the rows
_NO_MAJORITY = len(VOTES)
_NO_NAME = len(VOTES) + 1
_LEFT_OUT = {
    7: "of contempt",
    8: "of an unknown emotion",
    9: "without a face",
    _NO_MAJORITY: "without a majority",
    _NO_NAME: "without an image name",
}
_FOLDERS = ("fer2013train", "fer2013valid", "fer2013test")


@dataclass(frozen=True)
class Votes:
    """The rows of ``fer2013new.csv``.

    Attributes:
        origin: the file's name, for messages.
        usages: N splits.
        named: bool, shape (N,): whether the row has an image name.
        counts: int64, shape (N, 10): votes in the order of ``VOTES``.
        sha256: of the file, 64 hexadecimal digits.
    """

    origin: str
    usages: list[str]
    named: np.ndarray
    counts: np.ndarray
    sha256: str

    def majorities(self) -> np.ndarray:
        """Count the majority vote of each row, int64 (N,): a position in ``VOTES``, or one of the two codes after it.

        As in the authors' code: an emotion with a single vote loses it; the emotion with more than half of the votes
        that are left is the label. A tie therefore has no majority.
        """
        kept = np.where(self.counts > 1, self.counts, 0)
        found = np.where(2 * kept.max(axis=1) > kept.sum(axis=1), kept.argmax(axis=1), _NO_MAJORITY)
        return np.where(self.named, found, _NO_NAME)


def load(*places: str | Path) -> Votes | None:
    """Find ``fer2013new.csv`` by its columns, in or next to any of these places, and read it; None if there is none.

    Args:
        places: folders, which are searched with everything in them, and files, next to which it may be.

    Raises:
        FerError: there are two that differ, or a row cannot be read.
    """
    found: dict[str, tuple[str, str]] = {}
    for file in dict.fromkeys(file for place in places for file in _files(Path(place))):
        for origin, text in _contents(file):
            found.setdefault(text, (origin, hashlib.sha256(text.encode()).hexdigest()))
    if len(found) > 1:
        listed = ", ".join(origin for origin, _ in found.values())
        raise FerError(f"There are different files with the votes of FER+ ({listed}); keep one of them.")
    return next((_votes(text, *facts) for text, facts in found.items()), None)


def relabelled(faces: FaceDataset, votes: Votes) -> FaceDataset:
    """Give FER-2013's faces the labels of FER+'s majority vote; leave out those whose majority is no class of FER-2013.

    Left out, and counted in ``notes["ferplus"]``, are faces whose majority is contempt, unknown or NF (no face), those
    without a majority, and those without an image name. The faces are in canonical order again.

    Raises:
        FerError: the rows do not fit the faces, or a class of the training part would be empty.
    """
    _check_fit(faces, votes)
    rows = _row_numbers(faces)
    majorities = votes.majorities()[rows - 1]
    labels = majorities[majorities < len(CLASS_NAMES)]
    kept = faces.take(majorities < len(CLASS_NAMES))
    training = labels[(kept.meta["split"] == SPLITS[0]).to_numpy()]
    if empty := [name for label, name in enumerate(CLASS_NAMES) if label not in training]:
        raise FerError(
            f"{votes.origin}: the majority vote leaves no training face of {' and '.join(empty)}; give all of FER-2013 "
            "and FER+, or labels: fer2013."
        )
    codes = Counter(majorities.tolist())
    left_out = {name: codes[code] for code, name in _LEFT_OUT.items() if codes[code]}
    facts = {
        "file": votes.origin,
        "sha256": votes.sha256,
        "left_out": left_out,
        "changed": int((labels != kept.labels).sum()),
        "rows_without_ten_votes": int((votes.counts.sum(axis=1) != _RATERS).sum()),
    }
    kept = _ordered(replace(kept, meta=kept.meta.assign(label=labels)))
    remarks = [*faces.notes.get("remarks", ()), _remark(kept, facts), *_deviation(kept, votes)]
    return replace(kept, notes={**faces.notes, "ferplus": facts, "remarks": remarks})


def votes_alone(path: Path) -> FerError | None:
    """Make the error for a file, an archive or a folder that has FER+ and no FER-2013; None for any other path."""
    if not path.exists():
        return None
    with open_source(path) as source:
        names = list(source.names)
    folders = [name for name in names if _is_label_list(name)]
    tables = [path / name for name in names if _fits(name)] if path.is_dir() else [path]
    if not folders and not any(map(_contents, tables)):
        return None
    needed = "fer2013new.csv and fer2013.csv" if folders else "fer2013.csv (or icml_face_data.csv)"
    return FerError(
        f"{path} has votes of FER+ ({(folders or [path.name])[0]}) and no faces; put {needed} next to it and choose "
        "labels: ferplus in the profile's data."
    )


def _is_label_list(name: str) -> bool:
    parts = name.lower().split("/")
    return parts[-1] == "label.csv" and (len(parts) == 1 or parts[-2] in _FOLDERS)


def _fits(name: str) -> bool:
    return name.lower().endswith(_FILES)


def _files(place: Path) -> Iterator[Path]:
    """Yield the files that may be FER+: those below a folder, or a file and those next to it."""
    if place.is_dir():
        with open_source(place) as source:
            yield from (place / name for name in source.names if _fits(name))
    elif place.is_file():
        near = sorted(entry for entry in place.parent.iterdir() if visible(entry.name) and entry.is_file())
        yield from (entry for entry in near if entry == place or _fits(entry.name))


def _contents(file: Path) -> list[tuple[str, str]]:
    """Read the name and the text of each FER+ table that a file is or contains; none if it cannot be read."""
    found = []
    try:
        with open_source(file) as source:
            for name in source.names:
                if not name.lower().endswith(".csv") and source.container == "zip":
                    continue
                with source.open(name) as stream:
                    head = stream.read(400)
                if _columns(head.decode("utf-8-sig", "replace").split("\n", 1)[0]):
                    found.append((source.describe(name), source.read(name).decode("utf-8-sig", "replace")))
    except FerError:  # an archive that is broken; whoever reads the corpus says so
        return []
    return found


def _columns(line: str) -> dict[str, int] | None:
    """Find the positions of Usage, Image name and the votes in a header; None if it is not FER+'s."""
    names = [cell.strip().strip('"').lower() for cell in line.split(",")]
    wanted = ("usage", "image name", *VOTES)
    return {name: names.index(name) for name in wanted} if set(wanted) <= set(names) else None


def _votes(text: str, origin: str, sha256: str) -> Votes:
    lines = csv.reader(io.StringIO(text))
    columns = _columns(",".join(next(lines)))
    assert columns is not None  # only a file with these columns is read
    usages, named, counts = [], [], []
    for number, row in enumerate((row for row in lines if any(cell.strip() for cell in row)), 1):
        try:
            votes = [int(float(row[columns[name]])) for name in VOTES]
            if min(votes) < 0:
                raise ValueError(f"{min(votes)} votes")
            usages.append(row[columns["usage"]].strip())
            named.append(bool(row[columns["image name"]].strip()))
        except (ValueError, IndexError, OverflowError) as error:
            raise FerError(
                f"{origin}, row {number}: it has no ten votes ({first_line(error)}); fetch fer2013new.csv again."
            ) from None
        counts.append(votes)
    return Votes(origin, usages, np.array(named, bool), np.array(counts, np.int64).reshape(-1, len(VOTES)), sha256)


def _row_numbers(faces: FaceDataset) -> np.ndarray:
    """Give each face's row in its CSV, int64 (N,), from 1 on."""
    return np.array([int(source.removeprefix("row ")) for source in faces.meta["source"]], np.int64)


def _check_fit(faces: FaceDataset, votes: Votes) -> None:
    """Raise FerError unless the votes are those of these faces: as many rows, and the same part in each row."""
    layout = faces.notes["layout"]
    if layout not in _ORDERED:
        raise FerError(
            f"FER-2013's release here ({layout}) does not keep the order of fer2013.csv, which the rows of "
            f"{votes.origin} follow; give fer2013.csv or icml_face_data.csv."
        )
    total = len(faces) + sum(faces.notes["skipped"].values())
    if len(votes.usages) != total:
        raise FerError(
            f"{votes.origin} has {len(votes.usages):,} rows and FER-2013's CSV {total:,}, but the first follows the "
            "second row by row; give both as they were released."
        )
    parts = dict(zip(_row_numbers(faces).tolist(), faces.meta["split"], strict=True))
    for row, part in sorted(parts.items()):
        usage = votes.usages[row - 1]
        if usage.lower() != part.lower() and not (part == UNDIVIDED and usage in SPLITS[1:]):
            raise FerError(
                f"{votes.origin}, row {row}: its Usage is {usage!r}, but that of FER-2013's row is {part!r}, so the "
                "rows are not in the same order; give both files as they were released."
            )


def _ordered(faces: FaceDataset) -> FaceDataset:
    splits = list(dict.fromkeys(faces.meta["split"]))
    ranks = np.array([splits.index(split) for split in faces.meta["split"]])
    return faces.take(canonical_order(faces.images, faces.labels, ranks, list(faces.meta["source"])))


def _remark(faces: FaceDataset, facts: dict) -> str:
    listed = ", ".join(f"{count:,} {reason}" for reason, count in facts["left_out"].items())
    short = facts["rows_without_ten_votes"]
    rows = f" {short:,} {'row has' if short == 1 else 'rows have'} more or fewer than ten votes." if short else ""
    return (
        f"The labels are FER+'s majority votes ({facts['file']}): {len(faces):,} faces, of which {facts['changed']:,} "
        f"have another label than in FER-2013; left out: {listed or 'none'}.{rows}"
    )


def _deviation(faces: FaceDataset, votes: Votes) -> list[str]:
    """Say where the complete file's counts differ from those of the authors' file."""
    table = faces.counts().drop(columns="total")
    known = {split: counts for split, counts in MAJORITY_COUNTS.items() if split in table.index}
    if len(votes.usages) != _ROWS or len(known) < len(SPLITS) or faces.notes["skipped"]:
        return []
    differing = [split for split, counts in known.items() if tuple(table.loc[split]) != counts]
    if not differing:
        return []
    return [f"{votes.origin} has other majorities than the authors' file in {', '.join(differing)}."]
