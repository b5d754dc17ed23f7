"""Read CK+ as it is passed around: the last frames of each sequence, cropped to 48 x 48 pixels, in emotion folders."""

from __future__ import annotations

import itertools
import re
from collections import defaultdict
from collections.abc import Iterable

import numpy as np

from fer_lib.datasets.ckplus.pictures import ENDING, Picture, class_names, counted, meta_of
from fer_lib.datasets.expressions import EXPRESSION_OF, EXPRESSIONS
from fer_lib.datasets.face_dataset import FaceDataset
from fer_lib.datasets.readers import locate
from fer_lib.datasets.readers.archives import Source
from fer_lib.datasets.readers.faults import Fault, Faults
from fer_lib.datasets.readers.pictures import decode_face
from fer_lib.errors import FerError
from fer_lib.utils.progress import bar

FACE = re.compile(rf"(?:^|.*/)([^/]+)/(S\d+)_(\d+)_(\d+){ENDING}", re.IGNORECASE)
_PARTS = {"train", "training", "val", "valid", "validation", "test", "testing"}


def load(source: Source, *, peak_frames: int, contempt: bool, skip_bad: bool) -> FaceDataset:
    """Load the faces of a source; arguments, result and errors are those of :func:`fer_lib.datasets.ckplus.load`."""
    root, parts = root_of_release(source), parts_of(source)
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
    notes |= counted(kept, sole, origin, tolerated=skip_bad or synthetic)
    names = class_names(kept)
    meta = meta_of(kept, names, [picture.member.removeprefix(root) for picture in kept])
    faces = np.stack([images[picture.member] for picture in kept])
    return FaceDataset(faces, meta, names, "ckplus", synthetic, notes)


def parts_of(source: Source) -> list[str]:
    """List the parents of the emotion folders, ``""`` or ending with ``/``: one, or the parts of a divided release.

    Raises:
        FerError: there are several releases, or a frame is in two parts.
    """
    frames: dict[str, dict[tuple[str, str, int], str]] = defaultdict(dict)
    for name in source.names:
        if (match := FACE.fullmatch(name)) and match[1].lower() in EXPRESSION_OF:
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


def root_of_release(source: Source) -> str:
    """Find the folder that contains the 48 x 48 release, ``""`` or ending with ``/``; see :func:`parts_of`."""
    parts = parts_of(source)
    return parts[0] if len(parts) == 1 else parts[0][: parts[0].rstrip("/").rfind("/") + 1]


def _offered(source: Source, root: str, parts: list[str], faults: Faults) -> list[Picture]:
    """List the pictures by their names; any other file in an emotion folder is a fault."""
    pictures: dict[tuple[str, int], Picture] = {}
    for name in source.names:
        part = next((part for part in parts if name.startswith(part)), None)
        if part is None:
            continue
        within, shown = name.removeprefix(part), name.removeprefix(root)
        folder, _, base = within.partition("/")
        match = FACE.fullmatch(within)
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


def _placed(name: str, folder: str, match: re.Match | None) -> Picture:
    if match is None:
        raise Fault("misnamed picture", "the name is not of the form <emotion>/S010_004_00000017.png")
    emotion = EXPRESSION_OF.get(folder.lower())
    if emotion is None:
        raise Fault("unknown emotion", f"the folder {folder!r} is no emotion of CK+ ({', '.join(EXPRESSIONS)})")
    subject = match[2].upper()
    return Picture(subject, f"{subject}_{match[3]}", int(match[4]), emotion, name)


def _sequence_emotions(pictures: Iterable[Picture]) -> dict[tuple[str, str], set[str]]:
    """Collect each sequence's emotion folders except neutral: one for a correct sequence."""
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    for picture in pictures:
        if picture.emotion != "neutral":
            found[picture.subject, picture.sequence].add(picture.emotion)
    return dict(found)


def _last(
    pictures: list[Picture], emotions: dict[tuple[str, str], set[str]], peak_frames: int, faults: Faults
) -> list[Picture]:
    """Select the neutral pictures and the last ``peak_frames`` of each sequence; add the faults of sequences."""
    chosen = [picture for picture in pictures if picture.emotion == "neutral"]
    shown: dict[str, list[Picture]] = defaultdict(list)
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
