"""CK+, the Extended Cohn-Kanade dataset: posed expressions in the laboratory, from a neutral face to the peak.

The corpus of liu2023, section 2.1; made by Lucey et al., "The Extended Cohn-Kanade Dataset (CK+): A complete dataset
for action unit and emotion-specified expression" (2010): 593 sequences of 123 subjects; 327 of them (of 118 subjects)
have an emotion label. It exists as the owners' tree of whole photos and, widely passed around, as the last three frames
of each labelled sequence cropped to 48 x 48 grey pixels; that release has no neutral face. A CSV without
subjects is read too (:mod:`fer_lib.datasets.ckplus.csv`).
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

import cv2

from fer_lib.datasets.ckplus import csv, faces48, owners
from fer_lib.datasets.expressions import EXPRESSION_OF
from fer_lib.datasets.face_dataset import FaceDataset
from fer_lib.datasets.photo_set import PhotoSet
from fer_lib.datasets.readers import locate
from fer_lib.datasets.readers.archives import Source, archive_kind, content_digests, members_digest, open_source
from fer_lib.datasets.readers.cache import cached
from fer_lib.errors import FerError
from fer_lib.utils.files import file_sha256

_EXPECTED = (
    "the owners' cohn-kanade-images/S005/001/S005_001_00000001.png with Emotion/S005/001/*_emotion.txt (or all "
    "*_emotion.txt in one folder, or the owners' two zips in one folder), or the 48 x 48 release's "
    "<emotion>/S010_004_00000017.png (also divided into train/ and test/), as a folder or an archive, or "
    "ckextended.csv"
)
_READER = 2  # goes into the cache's key; raise it when the same file is read otherwise
_KINDS = ("faces", "frames", "labels", "flat labels", "table")


@dataclass(frozen=True)
class _Place:
    """The paths of a release: its pictures (or its CSV), and the labels of the owners' tree (None for the others)."""

    pictures: Path
    labels: Path | None


class _Options(TypedDict):
    """Those of :func:`load` that change its result."""

    peak_frames: int
    contempt: bool
    skip_bad: bool


def load(
    path: str | Path,
    *,
    peak_frames: int = 3,
    contempt: bool = False,
    skip_bad: bool = False,
    cache: bool = True,
) -> FaceDataset | PhotoSet:
    """Load CK+ from a folder, an archive (read in place), a folder of the owners' zips or a data folder.

    The peak pictures of a labelled sequence are its last ``peak_frames`` frames; the neutral picture is its first
    ("three to five images of each labelled expression sequence were selected", liu2023, section 2.1). Sequences without
    a label are left out and counted.

    Args:
        path: the folder, archive or data folder.
        peak_frames: frames taken from the end of each labelled sequence; the paper says 3 to 5.
        contempt: keep contempt, as the last class; liu2023 leaves it out, and its sequences with it.
        skip_bad: leave out and count faults, and accept other counts than the official ones, rather than stop.
        cache: read from and write to the parse cache (only for the 48 x 48 release; photos stay where they are).

    Returns:
        A PhotoSet of the owners' photos, or a FaceDataset uint8 (N, 48, 48) of the 48 x 48 release or the CSV. Rows are
        sorted by subject, sequence and frame, whatever the archive. ``meta`` has ``label``, ``split`` (``"all"``),
        ``subject`` (``"S010"``), ``sequence`` (``"S010_004"``), ``frame`` (int) and ``source``. The classes are those
        that the release has, in FER-2013's order. ``notes`` has ``layout``, ``container``, ``sequences``, ``subjects``,
        ``unlabelled_sequences``, ``contempt_left_out`` (peak pictures), ``labels_of_other_frames``, ``neutral``
        (whether there are neutral faces), ``skipped`` and ``count_deviations``.

        The CSV does not know ``subject``, ``sequence`` and ``frame``: ``peak_frames`` has no effect, the rows are in
        canonical order, and the notes say None for ``sequences`` and ``subjects``.

    Raises:
        FerError: nothing is recognised, or the data have faults; names the first place and counts all faults.
    """
    if peak_frames < 1:
        raise FerError(f"peak_frames is {peak_frames}; expected at least 1 frame (liu2023 took 3 to 5).")
    place = _locate(Path(path))
    options: _Options = {"peak_frames": peak_frames, "contempt": contempt, "skip_bad": skip_bad}
    if place.labels is not None:
        with ExitStack() as stack:
            pictures = stack.enter_context(open_source(place.pictures))
            labels = stack.enter_context(open_source(place.labels)) if place.labels != place.pictures else pictures
            return owners.load(pictures, labels, **options)

    def build() -> FaceDataset:
        with open_source(place.pictures) as pictures:
            if "faces" in _kinds(pictures):
                return faces48.load(pictures, **options)
            return csv.load(pictures, _table(pictures), contempt=contempt, skip_bad=skip_bad)

    if not cache:
        return build()
    key = {
        "corpus": "ckplus",
        "decoder": f"opencv {cv2.__version__}",
        "reader": _READER,
        **options,
        **_content(place.pictures),
    }
    return cached(place.pictures, key, build)


def recognises(source: Source) -> bool:
    """Tell whether a source contains frames, labels, 48 x 48 faces or a CSV of CK+."""
    return bool(_kinds(source))


def names_subjects(path: str | Path) -> bool:
    """Tell whether a release of CK+ names its subjects; the CSV does not, so its faces cannot be divided by them.

    Raises:
        FerError: nothing is recognised there.
    """
    with open_source(_locate(Path(path)).pictures) as source:
        return _kinds(source) != {"table"}


def _kinds(source: Source) -> set[str]:
    kinds = set()
    for name in source.names:
        if owners.FRAME.fullmatch(name):
            kinds.add("frames")
        elif owners.LABEL.fullmatch(name):
            kinds.add("labels")
        elif owners.FLAT_LABEL.fullmatch(name):
            kinds.add("flat labels")
        elif (match := faces48.FACE.fullmatch(name)) and match[1].lower() in EXPRESSION_OF:
            kinds.add("faces")
    return kinds or ({"table"} if csv.tables(source) else set())


def _locate(path: Path) -> _Place:
    """Find the pictures and the labels: in the file or folder itself, or in the archives of the folder."""
    target = locate.entry(path, "ckplus", _EXPECTED)
    with open_source(target) as source:
        own, names = _kinds(source), source.names
    held, unread = {target: own}, []
    for archive in locate.archives_in(target) if target.is_dir() else []:
        try:
            with open_source(archive) as source:
                held[archive] = _kinds(source) - own  # unpacked files come before an archive
        except FerError as error:  # counts only if something is missing
            unread.append(error)
    found = {kind: [place for place, kinds in held.items() if kind in kinds] for kind in _KINDS}
    flat = found.pop("flat labels")
    found["labels"] = found["labels"] or flat
    table = found.pop("table")
    if not any(found.values()):
        found = {"faces": table, "frames": [], "labels": []}
    if unread and not (found["faces"] or (found["frames"] and found["labels"])):
        raise unread[0]
    if not any(found.values()):
        raise locate.unrecognised(target, "ckplus", _EXPECTED, names)
    both = found["faces"] and found["frames"]
    several = [place for places in found.values() if len(places) > 1 for place in places]
    if both or several:
        places = several or found["faces"] + found["frames"]
        raise locate.more_than_once(target, "ckplus", (place.name for place in places))
    if found["faces"]:
        return _Place(found["faces"][0], None)
    for kind, missing in (("labels", "Emotion (or Emotion_labels.zip)"), ("frames", "cohn-kanade-images (or its zip)")):
        if not found[kind]:
            other = "frames" if kind == "labels" else "labels"
            raise FerError(f"{target} contains {other} of CK+ but no {kind}; put the owners' {missing} next to them.")
    return _Place(found["frames"][0], found["labels"][0])


def _content(path: Path) -> dict[str, object]:
    """Identify the content for the cache: SHA-256 of the file, or of all pictures' names and bytes."""
    if not path.is_dir():
        beside = archive_kind(path) in (None, "compressed") and (path.parent / locate.MARKER).exists()
        return {"sha256": file_sha256(path)} | ({"marked": True} if beside else {})
    with open_source(path) as source:
        names, root = [name for name in source.names if faces48.FACE.fullmatch(name)], ""
        if "faces" in _kinds(source):
            root = faces48.root_of_release(source)
        else:
            names = [_table(source)]
            root = names[0][: names[0].rfind("/") + 1]
        return {"sha256": members_digest(content_digests(source, names)), "marked": locate.marked(source, root)}


def _table(source: Source) -> str:
    """Name the CSV in a source; raise FerError if there are several."""
    names = csv.tables(source)
    if len(names) > 1:
        raise locate.more_than_once(source.path, "ckplus", names)
    return names[0]
