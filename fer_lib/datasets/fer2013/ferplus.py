"""Read FER+, ten votes for each row of ``fer2013.csv``, and give FER-2013's faces the labels that the votes say.

Barsoum et al., "Training deep networks for facial expression recognition with crowd-sourced label distribution" (2016)
had ten people label each face again. ``fer2013new.csv`` has their votes and no faces: its rows follow those of
``fer2013.csv``. The vote is counted as the authors' own code does in its mode "majority": single votes are removed, and
an emotion is the label if it has more than half of the votes that remain. Their mode "probability" is here, too: the
label of a training face is drawn by the votes, again in each epoch, by the trainings that ``DRAWING`` names.
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

#: The seven classes of FER-2013 and FER+'s eighth.
EIGHT = (*CLASS_NAMES, "contempt")

#: Faces of each class by the majority, per split, in the order of ``EIGHT``: counted in the authors' file.
MAJORITY_COUNTS: dict[str, tuple[int, ...]] = {
    "Training": (2100, 119, 532, 7287, 3014, 3149, 8740, 119),
    "PublicTest": (287, 24, 62, 865, 351, 415, 1182, 13),
    "PrivateTest": (273, 18, 83, 893, 384, 396, 1090, 16),
}

#: Which systems learn from the shares of the votes; tests/datasets/test_ferplus.py compares it with what they learn.
DRAWING = (
    "chen2023's networks, the public CNNs and liu2023's fine-tuning draw their labels by the votes in each epoch; "
    "SVMs, comparators and the depth study learn the class of most votes."
)

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

    def shares(self, classes: int = len(CLASS_NAMES)) -> np.ndarray:
        """Compute the share of each class in a row's votes, float32 (N, classes); zeros where the row is left out.

        As in the authors' code: single votes are removed; emotions are taken by falling votes until they have three
        quarters of the rest, at most three of them, and none from "unknown" or NF on. Rows of more emotions, or whose
        emotions have half of the votes or less, are left out. So are those with "unknown", NF, or an emotion that is
        none of the ``classes`` first.
        """
        rows = np.array([_taken(row) for row in np.where(self.counts > 1, self.counts, 0)]).reshape(-1, len(VOTES))
        first = rows.argmax(axis=1)
        inside = rows[:, :classes]
        used = self.named & (rows.sum(axis=1) > 0) & (first < classes)
        shares = inside / np.maximum(inside.sum(axis=1, keepdims=True), 1)
        return np.where(used[:, np.newaxis], shares, 0).astype(np.float32)


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


def relabelled(faces: FaceDataset, votes: Votes, *, drawn: bool = False, contempt: bool = False) -> FaceDataset:
    """Give FER-2013's faces the labels of FER+'s majority vote; leave out those whose majority is none of the classes.

    Left out, and counted in ``notes["ferplus"]``, are faces whose majority is unknown, NF (no face) or, unless it is a
    class, contempt; those without a majority; and those without an image name. The faces are in canonical order again.

    Args:
        faces: FER-2013 in the order of its CSV.
        votes: the votes on its rows.
        drawn: keep each training face with at least one class in :meth:`Votes.shares`, with those ``shares``:
            :func:`fer_lib.training.train` draws its label by them in each epoch. Its ``label``, from which all else
            learns, is the largest share's. Other faces keep the majority.
        contempt: whether contempt is an eighth class.

    Raises:
        FerError: the rows do not fit the faces, or a class of the training part would be empty.
    """
    _check_fit(faces, votes)
    names = EIGHT if contempt else CLASS_NAMES
    rows = _row_numbers(faces)
    codes = votes.majorities()[rows - 1]
    shares = np.eye(_NO_NAME + 1, len(names), dtype=np.float32)[codes]  # zeros where the code is no class
    if drawn:
        learned = (faces.meta["split"] == SPLITS[0]).to_numpy()
        shares[learned] = votes.shares(len(names))[rows - 1][learned]
        codes = np.where(shares.any(axis=1), shares.argmax(axis=1), np.where(codes < len(names), _NO_MAJORITY, codes))
    used = codes < len(names)
    labels = codes[used]
    kept = replace(faces, class_names=names, shares=shares if drawn else None).take(used)
    training = labels[(kept.meta["split"] == SPLITS[0]).to_numpy()]
    if empty := [name for label, name in enumerate(names) if label not in training]:
        raise FerError(
            f"{votes.origin}: the majority vote leaves no training face of {' and '.join(empty)}; give all of FER-2013 "
            "and FER+, or labels: fer2013."
        )
    unused = Counter(codes[~used].tolist())
    left_out = {name: unused[code] for code, name in _LEFT_OUT.items() if unused[code]}
    facts = {
        "file": votes.origin,
        "sha256": votes.sha256,
        "left_out": left_out,
        "changed": int((labels != kept.labels).sum()),
        "rows_without_ten_votes": int((votes.counts.sum(axis=1) != _RATERS).sum()),
    }
    if drawn:
        facts["drawn_labels"] = int((shares[used].max(axis=1) < 1).sum())
    kept = _ordered(replace(kept, meta=kept.meta.assign(label=labels)))
    remarks = [*faces.notes.get("remarks", ()), _remark(kept, facts), *_deviation(votes)]
    return replace(kept, notes={**faces.notes, "ferplus": facts, "remarks": remarks})


def _taken(votes: np.ndarray) -> np.ndarray:
    """Take emotions of one row by falling votes, equal ones together: see :meth:`Votes.shares`."""
    left, taken, number = votes.copy(), np.zeros_like(votes), 0
    while taken.sum() < 0.75 * votes.sum() and number < 3:
        equal = np.flatnonzero(left == left.max())
        emotions, others = equal[equal < len(EIGHT)], equal[equal >= len(EIGHT)]
        taken[emotions], left[emotions] = votes[emotions], 0
        number += len(emotions)
        if len(others):  # "unknown" or NF: it counts only if it is alone and first
            taken[others[0]] = 0 if taken.any() else votes[others[0]]
            break
    return taken if 2 * taken.sum() > votes.sum() and number <= 3 else np.zeros_like(taken)


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
    drawn = facts.get("drawn_labels")
    kind = "majority votes" if drawn is None else "votes"
    return (
        f"The labels are FER+'s {kind} ({facts['file']}): {len(faces):,} faces, of which {facts['changed']:,} "
        f"have another label than in FER-2013; left out: {listed or 'none'}.{rows}"
        f"{'' if drawn is None else f' Training faces with votes for several classes: {drawn:,}. {DRAWING}'}"
    )


def _deviation(votes: Votes) -> list[str]:
    """Say where a complete file's majorities differ in number from those of the authors' file."""
    if len(votes.usages) != _ROWS:
        return []
    codes, usages = votes.majorities(), np.array([usage.lower() for usage in votes.usages])
    differing = [
        split for split, counts in MAJORITY_COUNTS.items() if _counted(codes[usages == split.lower()]) != counts
    ]
    if not differing:
        return []
    return [f"{votes.origin} has other majorities than the authors' file in {', '.join(differing)}."]


def _counted(codes: np.ndarray) -> tuple[int, ...]:
    return tuple((codes == code).sum().item() for code in range(len(EIGHT)))
