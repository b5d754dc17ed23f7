"""Read the owners' tree of CK+: whole photos in folders of subjects and sessions, and their emotion in text files."""

from __future__ import annotations

import re
from collections import defaultdict

from fer_lib.datasets.ckplus.pictures import ENDING, Picture, class_names, counted, meta_of, root_of
from fer_lib.datasets.photo_set import PhotoSet, read_photos, size_notes
from fer_lib.datasets.readers import locate
from fer_lib.datasets.readers.archives import Source
from fer_lib.datasets.readers.faults import Fault, Faults
from fer_lib.errors import FerError

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

FRAME = re.compile(rf"(?:^|.*/)(S\d+)/(\d+)/\1_\2_(\d+){ENDING}", re.IGNORECASE)
LABEL = re.compile(r"(?:^|.*/)(S\d+)/(\d+)/[^/]*_emotion\.txt", re.IGNORECASE)
FLAT_LABEL = re.compile(r"(?:^|.*/)(S\d+)_(\d+)_\d+_emotion\.txt", re.IGNORECASE)


def load(source: Source, labels: Source, *, peak_frames: int, contempt: bool, skip_bad: bool) -> PhotoSet:
    """Load the photos of ``source`` with the emotion files of ``labels``, which may be the same source.

    The other arguments, the result and the errors are those of :func:`fer_lib.datasets.ckplus.load`.
    """
    origin = source.path.name
    faults = Faults(origin, skip_bad)
    frames, texts = _frames(source), _texts(labels)
    chosen: list[Picture] = []
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
            chosen.append(Picture(key[0], "_".join(key), frame, emotion if number else "neutral", member))
    sizes = read_photos(source, [picture.member for picture in chosen], faults, corpus="ckplus")
    notes["skipped"] = faults.settle()
    kept = sorted(picture for picture in chosen if picture.member in sizes)
    if not kept:
        raise FerError(f"{origin} contains no picture of CK+ that can be read; fetch the corpus again.")
    root = root_of(FRAME, source)
    synthetic = locate.marked(source, root) or locate.marked(labels, root_of(_label_pattern(labels), labels))
    if source.container in ("zip", "tar"):  # the owners' zips side by side are marked by a file next to them
        synthetic = synthetic or (source is not labels and (source.path.parent / locate.MARKER).exists())
    notes |= {"labels_of_other_frames": other_frames, "sizes": size_notes(sizes.values())}
    notes |= counted(kept, emotions, origin, tolerated=skip_bad or synthetic)
    names = class_names(kept)
    notes = {"layout": "official tree", "container": source.container, **notes}
    meta = meta_of(kept, names, [picture.member.removeprefix(root) for picture in kept])
    return PhotoSet(meta, names, "ckplus", source.path, tuple(p.member for p in kept), synthetic, notes)


def _frames(source: Source) -> dict[tuple[str, str], dict[int, str]]:
    """Give the frames of each (subject, session), sorted by number; raise FerError if one occurs twice."""
    found: dict[tuple[str, str], dict[int, str]] = defaultdict(dict)
    for name in source.names:
        if match := FRAME.fullmatch(name):
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
    return LABEL if any(map(LABEL.fullmatch, labels.names)) else FLAT_LABEL


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
