"""CK+, the Extended Cohn-Kanade dataset: posed expressions in the laboratory, from a neutral face to the peak.

The corpus of liu2023, section 2.1; made by Lucey et al., "The Extended Cohn-Kanade Dataset (CK+): A complete dataset
for action unit and emotion-specified expression" (2010): 593 sequences of 123 subjects; 327 of them (of 118 subjects)
have an emotion label. It exists as the owners' tree of whole photos and, widely passed around, as the last three frames
of each labelled sequence cropped to 48 x 48 grey pixels; that release has no neutral face. A CSV without
subjects is read too (:mod:`fer_lib.datasets.ckplus.csv`).
"""

from __future__ import annotations

import itertools
import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

import cv2
import numpy as np
import pandas as pd

from fer_lib.datasets.ckplus import csv
from fer_lib.datasets.expressions import EXPRESSION_OF, EXPRESSIONS
from fer_lib.datasets.face_dataset import FaceDataset
from fer_lib.datasets.photo_set import PhotoSet, read_photos, size_notes
from fer_lib.datasets.readers import locate
from fer_lib.datasets.readers.archives import Source, archive_kind, content_digests, members_digest, open_source
from fer_lib.datasets.readers.cache import cached
from fer_lib.datasets.readers.faults import Fault, Faults
from fer_lib.datasets.readers.pictures import decode_face
from fer_lib.errors import FerError
from fer_lib.utils.files import file_sha256
from fer_lib.utils.progress import bar

#: The owners' emotion codes, with the project's names (FER-2013's, and contempt).
CODES: dict[float, str] = {
    0: "neutral",
    1: "angry",
    2: "contempt",
    3: "disgust",
    4: "fear",
    5: "happy",
    6: "sad",
    7: "surprise",
}

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

_EXPECTED = (
    "the owners' cohn-kanade-images/S005/001/S005_001_00000001.png with Emotion/S005/001/*_emotion.txt (or all "
    "*_emotion.txt in one folder, or the owners' two zips in one folder), or the 48 x 48 release's "
    "<emotion>/S010_004_00000017.png (also divided into train/ and test/), as a folder or an archive, or "
    "ckextended.csv"
)
_PICTURE = r"\.(?:png|jpe?g|bmp|tiff?|pgm)"
_FRAME = re.compile(rf"(?:^|.*/)(S\d+)/(\d+)/\1_\2_(\d+){_PICTURE}", re.IGNORECASE)
_LABEL = re.compile(r"(?:^|.*/)(S\d+)/(\d+)/[^/]*_emotion\.txt", re.IGNORECASE)
_FLAT_LABEL = re.compile(r"(?:^|.*/)(S\d+)_(\d+)_\d+_emotion\.txt", re.IGNORECASE)
_FACE = re.compile(rf"(?:^|.*/)([^/]+)/(S\d+)_(\d+)_(\d+){_PICTURE}", re.IGNORECASE)
_PARTS = {"train", "training", "val", "valid", "validation", "test", "testing"}
_READER = 2  # goes into the cache's key; raise it when the same file is read otherwise
_KINDS = ("faces", "frames", "labels", "flat labels", "table")


@dataclass(frozen=True)
class _Place:
    """The paths of a release: its pictures (or its CSV), and the labels of the owners' tree (None for the others)."""

    pictures: Path
    labels: Path | None


@dataclass(frozen=True, order=True)
class _Picture:
    """One picture of a release, sortable into canonical order."""

    subject: str
    sequence: str
    frame: int
    emotion: str
    member: str


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
            return _load_photos(pictures, labels, **options)

    def build() -> FaceDataset:
        with open_source(place.pictures) as pictures:
            if "faces" in _kinds(pictures):
                return _load_faces(pictures, **options)
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


# --- finding it ------------------------------------------------------------------------------------------------------


def _kinds(source: Source) -> set[str]:
    kinds = set()
    for name in source.names:
        if _FRAME.fullmatch(name):
            kinds.add("frames")
        elif _LABEL.fullmatch(name):
            kinds.add("labels")
        elif _FLAT_LABEL.fullmatch(name):
            kinds.add("flat labels")
        elif (match := _FACE.fullmatch(name)) and match[1].lower() in EXPRESSION_OF:
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
        names, root = [name for name in source.names if _FACE.fullmatch(name)], ""
        if "faces" in _kinds(source):
            root = _face_root(source)
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


# --- the owners' tree ------------------------------------------------------------------------------------------------


def _load_photos(source: Source, labels: Source, *, peak_frames: int, contempt: bool, skip_bad: bool) -> PhotoSet:
    origin = source.path.name
    faults = Faults(origin, skip_bad)
    frames, texts = _frames(source), _texts(labels)
    chosen: list[_Picture] = []
    notes: dict = {"unlabelled_sequences": len(frames.keys() - texts.keys()), "contempt_left_out": 0}
    emotions: dict[tuple[str, str], str] = {}
    other_frames = 0
    for key in sorted(texts):
        try:
            emotion = _emotion(labels, texts[key])
            pictures = _first_and_last(frames.get(key, {}), peak_frames)
        except Fault as fault:
            faults.add("_".join(key), f"sequence {'_'.join(key)}", fault)
            continue
        emotions[key] = emotion
        other_frames += _labelled_frame(texts[key][0]) not in (None, max(frames[key]))
        if emotion == "contempt" and not contempt:
            notes["contempt_left_out"] += peak_frames
            continue
        for number, (frame, member) in enumerate(pictures.items()):
            chosen.append(_Picture(key[0], "_".join(key), frame, emotion if number else "neutral", member))
    sizes = read_photos(source, [picture.member for picture in chosen], faults, corpus="ckplus")
    notes["skipped"] = faults.settle()
    kept = sorted(picture for picture in chosen if picture.member in sizes)
    if not kept:
        raise FerError(f"{origin} contains no picture of CK+ that can be read; fetch the corpus again.")
    root = _root_of(_FRAME, source)
    synthetic = locate.marked(source, root) or locate.marked(labels, _root_of(_label_pattern(labels), labels))
    if source.container in ("zip", "tar"):  # the owners' zips side by side are marked by a file next to them
        synthetic = synthetic or (source is not labels and (source.path.parent / locate.MARKER).exists())
    notes |= {"labels_of_other_frames": other_frames, "sizes": size_notes(sizes.values())}
    notes |= _counted(kept, emotions, origin, tolerated=skip_bad or synthetic)
    names = _class_names(kept)
    notes = {"layout": "official tree", "container": source.container, **notes}
    meta = _meta(kept, names, [picture.member.removeprefix(root) for picture in kept])
    return PhotoSet(meta, names, "ckplus", source.path, tuple(p.member for p in kept), synthetic, notes)


def _frames(source: Source) -> dict[tuple[str, str], dict[int, str]]:
    """Give the frames of each (subject, session), sorted by number; raise FerError if one occurs twice."""
    found: dict[tuple[str, str], dict[int, str]] = defaultdict(dict)
    for name in source.names:
        if match := _FRAME.fullmatch(name):
            sequence = found[match[1].upper(), match[2]]
            number = int(match[3])
            if number in sequence:
                raise FerError(
                    f"{source.path.name} contains one frame twice ({sequence[number]} and {name}); keep one copy of "
                    "the corpus there, or give the path of the one to read."
                )
            sequence[number] = name
    return {key: dict(sorted(sequence.items())) for key, sequence in found.items()}


def _texts(labels: Source) -> dict[tuple[str, str], list[str]]:
    """List the label files of each (subject, session): by their folders, or by their names if all are in one folder."""
    pattern = _label_pattern(labels)
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    for name in labels.names:
        if match := pattern.fullmatch(name):
            found[match[1].upper(), match[2]].append(name)
    return dict(found)


def _label_pattern(labels: Source) -> re.Pattern:
    """Give the pattern of the label files; those without the owners' folders count only if there are no others."""
    return _LABEL if any(map(_LABEL.fullmatch, labels.names)) else _FLAT_LABEL


def _emotion(labels: Source, members: list[str]) -> str:
    """Read the emotion in a sequence's label file; raise Fault if there is none."""
    if len(members) > 1:
        listed = " and ".join(name.rsplit("/", 1)[-1] for name in members[:2])
        raise Fault("several labels", f"there are {len(members)} Emotion files rather than one ({listed})")
    name = members[0].rsplit("/", 1)[-1]
    text = labels.read(members[0])[:1000].decode("utf-8", "replace").strip()
    if not text:
        raise Fault("empty label", f"the Emotion file {name} is empty rather than a number from 0 to 7")
    try:
        return CODES[float(text)]
    except (ValueError, KeyError):
        raise Fault(
            "unknown emotion", f"the Emotion file {name} says {text[:40]!r} rather than a number from 0 to 7"
        ) from None


def _first_and_last(frames: dict[int, str], peak_frames: int) -> dict[int, str]:
    """Select the neutral frame (first) and the peak frames of a sequence; raise Fault if they are not distinct."""
    count = len(frames)
    if not frames:
        raise Fault("no frames", "the sequence has a label but no frames")
    if count == 1:
        raise Fault("one frame", "the sequence has one frame, which would be its neutral and its peak picture")
    if count < peak_frames:
        raise Fault("too few frames", f"the sequence has {count} frames, fewer than the {peak_frames} peak frames")
    if count == peak_frames:
        raise Fault(
            "neutral among the peaks",
            f"the sequence has {count} frames, so its first, the neutral one, is also one of its {peak_frames} peak "
            "frames",
        )
    numbers = list(frames)
    return {number: frames[number] for number in [numbers[0], *numbers[-peak_frames:]]}


def _labelled_frame(member: str) -> int | None:
    match = re.search(r"_(\d+)_emotion\.txt$", member, re.IGNORECASE)
    return int(match[1]) if match else None


# --- the 48 x 48 release ---------------------------------------------------------------------------------------------


def _load_faces(source: Source, *, peak_frames: int, contempt: bool, skip_bad: bool) -> FaceDataset:
    root, parts = _face_root(source), _face_parts(source)
    origin = source.describe(root.rstrip("/")) if root else source.path.name
    faults = Faults(origin, skip_bad)
    offered = _offered(source, root, parts, faults)
    emotions = _sequence_emotions(offered)
    chosen = _last(offered, emotions, peak_frames, faults)
    left_out = [picture for picture in chosen if picture.emotion == "contempt" and not contempt]
    chosen = sorted(set(chosen) - set(left_out))
    images = _decoded(source, root, [picture.member for picture in chosen], faults=faults)
    skipped = faults.settle()
    kept = [picture for picture in chosen if picture.member in images]
    if not kept:
        raise FerError(f"{origin} contains no face that can be read; fetch the corpus again.")
    synthetic = locate.marked(source, root)
    sole = {key: next(iter(found)) for key, found in emotions.items() if len(found) == 1}
    notes = {"layout": "48x48 faces", "container": source.container, "unlabelled_sequences": 0}
    notes |= {"contempt_left_out": len(left_out), "labels_of_other_frames": 0, "skipped": skipped}
    notes |= _counted(kept, sole, origin, tolerated=skip_bad or synthetic)
    names = _class_names(kept)
    meta = _meta(kept, names, [picture.member.removeprefix(root) for picture in kept])
    faces = np.stack([images[picture.member] for picture in kept])
    return FaceDataset(faces, meta, names, "ckplus", synthetic, notes)


def _face_parts(source: Source) -> list[str]:
    """List the parents of the emotion folders, ``""`` or ending with ``/``: one, or the parts of a divided release.

    Raises:
        FerError: there are several releases, or a frame is in two parts.
    """
    frames: dict[str, dict[tuple[str, str, int], str]] = defaultdict(dict)
    for name in source.names:
        if (match := _FACE.fullmatch(name)) and match[1].lower() in EXPRESSION_OF:
            frame = (match[2].upper(), match[3], int(match[4]))
            frames[name[: match.start(1)]][frame] = name.rsplit("/", 1)[-1]
    parts = sorted(frames)
    folders = [part.rstrip("/").rpartition("/") for part in parts]
    siblings = len({above for above, _, _ in folders}) == 1
    if len(parts) > 1 and not (siblings and all(folder.lower() in _PARTS for _, _, folder in folders)):
        raise locate.more_than_once(source.path, "ckplus", (part or "." for part in parts[:4]))
    for one, other in itertools.combinations(parts, 2):
        if shared := sorted(frames[one].keys() & frames[other].keys()):
            more = f" ({len(shared):,} frames are in both)" if len(shared) > 1 else ""
            raise FerError(
                f"{source.path} contains the frame {frames[one][shared[0]]} of CK+ in both {one} and {other}{more}; "
                "keep each frame in one of the two, or give the path of the one to read."
            )
    return parts


def _face_root(source: Source) -> str:
    """Find the folder that contains the 48 x 48 release, ``""`` or ending with ``/``; see :func:`_face_parts`."""
    parts = _face_parts(source)
    return parts[0] if len(parts) == 1 else parts[0][: parts[0].rstrip("/").rfind("/") + 1]


def _offered(source: Source, root: str, parts: list[str], faults: Faults) -> list[_Picture]:
    """List the pictures by their names; any other file in an emotion folder is a fault."""
    pictures: dict[tuple[str, int], _Picture] = {}
    for name in source.names:
        part = next((part for part in parts if name.startswith(part)), None)
        if part is None:
            continue
        within, shown = name.removeprefix(part), name.removeprefix(root)
        folder, _, base = within.partition("/")
        match = _FACE.fullmatch(within)
        if not base or not (match or folder.lower() in EXPRESSION_OF):
            continue
        try:
            picture = _placed(name, folder, match)
            twin = pictures.setdefault((picture.sequence, picture.frame), picture)
            if twin is not picture:
                raise Fault("frame twice", f"the same frame is also at {twin.member.removeprefix(root)}")
        except Fault as fault:
            faults.add(shown, shown, fault)
    return list(pictures.values())


def _placed(name: str, folder: str, match: re.Match | None) -> _Picture:
    if match is None:
        raise Fault("misnamed picture", "the name is not of the form <emotion>/S010_004_00000017.png")
    emotion = EXPRESSION_OF.get(folder.lower())
    if emotion is None:
        raise Fault("unknown emotion", f"the folder {folder!r} is no emotion of CK+ ({', '.join(EXPRESSIONS)})")
    subject = match[2].upper()
    return _Picture(subject, f"{subject}_{match[3]}", int(match[4]), emotion, name)


def _sequence_emotions(pictures: Iterable[_Picture]) -> dict[tuple[str, str], set[str]]:
    """Collect each sequence's emotion folders except neutral: one for a correct sequence."""
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    for picture in pictures:
        if picture.emotion != "neutral":
            found[picture.subject, picture.sequence].add(picture.emotion)
    return dict(found)


def _last(
    pictures: list[_Picture], emotions: dict[tuple[str, str], set[str]], peak_frames: int, faults: Faults
) -> list[_Picture]:
    """Select the neutral pictures and the last ``peak_frames`` of each sequence; add the faults of sequences."""
    chosen = [picture for picture in pictures if picture.emotion == "neutral"]
    shown: dict[str, list[_Picture]] = defaultdict(list)
    for picture in sorted(set(pictures) - set(chosen)):
        shown[picture.sequence].append(picture)
    for (_, sequence), found in sorted(emotions.items()):
        peaks, fault = shown[sequence], None
        if len(found) > 1:
            fault = Fault("several emotions", f"the sequence is under {' and '.join(sorted(found))}")
        elif len(peaks) < peak_frames:
            held = "1 frame" if len(peaks) == 1 else f"{len(peaks)} frames"
            fault = Fault("too few frames", f"the sequence has {held}, fewer than the {peak_frames} peak frames")
        if fault:
            faults.add(sequence, f"sequence {sequence}", fault)
        else:
            chosen += peaks[-peak_frames:]
    return chosen


def _decoded(source: Source, root: str, members: list[str], *, faults: Faults) -> dict[str, np.ndarray]:
    images: dict[str, np.ndarray] = {}
    with bar("ckplus", len(members)) as advance:
        for name, data in source.items(members):
            try:
                images[name] = decode_face(data)
            except Fault as fault:
                within = name.removeprefix(root)
                faults.add(within, within, fault)
            advance(1)
    return images


# --- both ------------------------------------------------------------------------------------------------------------


def _root_of(pattern: re.Pattern, source: Source) -> str:
    """Find the folder above the subjects of the first matching name, ``""`` or ending with ``/``."""
    first = next(match for name in source.names if (match := pattern.fullmatch(name)))
    return first.string[: first.start(1)]


def _class_names(pictures: Iterable[_Picture]) -> tuple[str, ...]:
    present = {picture.emotion for picture in pictures}
    return tuple(name for name in EXPRESSIONS if name in present)


def _counted(
    kept: list[_Picture], emotions: dict[tuple[str, str], str], origin: str, *, tolerated: bool
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


def _meta(pictures: list[_Picture], names: tuple[str, ...], sources: list[str]) -> pd.DataFrame:
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
