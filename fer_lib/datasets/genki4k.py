"""GENKI-4K: 4,000 photos of people, from the web, labelled smiling or not and with the pose of the head.

The corpus that liu2023, section 2.1, tests generalisation on; made by the Machine Perception Laboratory of
the University of California, San Diego ("http://mplab.ucsd.edu, The MPLab GENKI-4K Dataset"). Line N of ``labels.txt``
belongs to ``files/fileN.jpg``: smile (1 or 0), then yaw, pitch and roll in radians. The smiles come first.

The larger release GENKI-R2009a contains the corpus as ``Subsets/GENKI-4K``: ``GENKI-4K_Labels.txt`` and
``GENKI-4K_Images.txt``, whose line N names the picture of the label on line N. The pictures are in ``files`` next to
these lists, or in the release's own ``files``.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from fer_lib.datasets.photo_set import PhotoSet, read_photos, size_notes
from fer_lib.datasets.readers import locate
from fer_lib.datasets.readers.archives import Source, open_source
from fer_lib.datasets.readers.faults import Fault, Faults
from fer_lib.errors import FerError

CLASS_NAMES = ("not smiling", "smiling")

#: Photos, by the makers' page, and smiles, by their labels (liu2023, section 2.1, prints both).
OFFICIAL_COUNTS = {"photos": 4000, "smiling": 2162, "not smiling": 1838}

#: ``labels_sha256`` of the 4,000 official labels; computed from a repacked copy, as no checksum is published.
LABELS_SHA256 = "b0b01171e348497c0de8a43592faabd4bb9b2b5d97ea2564d255c1695bd47ba5"

_EXPECTED = (
    "files/file0001.jpg and so on next to labels.txt (line N: smile, yaw, pitch, roll), or GENKI-R2009a with "
    "Subsets/GENKI-4K/GENKI-4K_Labels.txt and GENKI-4K_Images.txt, as a folder or an archive"
)
_PICTURE = re.compile(r"files/file(\d+)\.(?:jpe?g|png)", re.IGNORECASE)
_SUBSET_LABELS = "genki-4k_labels.txt"
_SUBSET_IMAGES = "genki-4k_images.txt"
_SUBSET_FOLDER = "subsets/genki-4k/"


@dataclass(frozen=True)
class _Release:
    """The members of one release.

    Attributes:
        layout: its name in the notes.
        root: the corpus's folder, ``""`` or ending with ``/``.
        labels: the file of labels.
        images: the list of the pictures' names; None if line N belongs to file N.
    """

    layout: str
    root: str
    labels: str
    images: str | None = None


@dataclass(frozen=True)
class _Label:
    smile: int
    yaw: float
    pitch: float
    roll: float


def load(path: str | Path, *, skip_bad: bool = False) -> PhotoSet:
    """Load GENKI-4K from a folder, an archive (read in place) or a data folder.

    Args:
        path: the folder, archive or data folder.
        skip_bad: leave out and count photos that are missing or bad or have a bad label, and accept other counts than
            the official ones, rather than stop. A ``labels.txt`` with more or fewer lines than there are files is
            refused all the same: nobody knows which line is missing, and every later label would belong to another
            photo.

    Returns:
        A PhotoSet in the order of the files' numbers, whatever the archive. ``meta`` has ``label`` (1 smiling),
        ``split`` (``"all"``), ``yaw``, ``pitch``, ``roll`` (radians) and ``source``; GENKI-R2009a's are in the order of
        its list. ``notes`` has ``layout``, ``container``, ``labels_sha256``, ``official_labels`` (whether they are the
        official ones), ``sizes``, ``skipped`` and ``count_deviations``.

    Raises:
        FerError: nothing is recognised, or the data have faults; names the first place and counts all faults.
    """
    target = locate.find(path, "genki4k", _releases, expected=_EXPECTED).path
    with open_source(target) as source:
        return _read(source, _release(source), skip_bad=skip_bad)


def repeats(photos: PhotoSet) -> pd.DataFrame:
    """List the photos whose file equals that of an earlier one.

    In the repacked copy that was counted, most of them follow on the photo that they repeat and have another pose.
    Whoever cropped it may have written the last crop again where no face was found.

    Returns:
        One row for each: ``photo`` and ``former`` (positions; ``former`` is the last equal one before it), and
        ``same_pose``, whether both have the same yaw, pitch and roll, as copies of one photo should.
    """
    last: dict[bytes, int] = {}
    rows = []
    pose = photos.meta[["yaw", "pitch", "roll"]].to_numpy()
    for photo, digest in enumerate(photos.digests):
        if digest in last:
            rows.append((photo, last[digest], bool((pose[photo] == pose[last[digest]]).all())))
        last[digest] = photo
    return pd.DataFrame(rows, columns=["photo", "former", "same_pose"]).astype({"same_pose": bool})


def recognises(source: Source) -> bool:
    """Tell whether a source contains GENKI-4K's labels and its ``files``."""
    return bool(_releases(source))


def labels_sha256(text: str) -> str:
    """Compute the SHA-256 of the labels' numbers as they are written; white space and line ends do not count."""
    lines = [" ".join(line.split()) for line in text.splitlines()]
    return hashlib.sha256("".join(f"{line}\n" for line in lines if line).encode()).hexdigest()


def labels_in(path: str | Path) -> str:
    """Read the text of the labels of the corpus at ``path``; raise FerError if the corpus is not there."""
    target = locate.find(path, "genki4k", _releases, expected=_EXPECTED).path
    with open_source(target) as source:
        return source.text(_release(source).labels)


def _releases(source: Source) -> list[_Release]:
    """List the releases: ``labels.txt`` next to pictures in ``files``; if there is none, those of GENKI-R2009a."""
    return _plain_releases(source) or _subset_releases(source)


def _plain_releases(source: Source) -> list[_Release]:
    beside = {name.removesuffix("labels.txt") for name in source.names if name.rsplit("/", 1)[-1] == "labels.txt"}
    if not beside:
        return []
    above = set()
    for name in source.names:
        within = "/".join(name.split("/")[-2:])
        if _PICTURE.fullmatch(within):
            above.add(name.removesuffix(within))
    return [_Release("files and labels.txt", root, f"{root}labels.txt") for root in sorted(beside & above)]


def _subset_releases(source: Source) -> list[_Release]:
    found = []
    for name in source.names:
        if name.rsplit("/", 1)[-1].lower() != _SUBSET_LABELS:
            continue
        folder = name[: name.rfind("/") + 1]
        files = (f"{folder}files/", f"{_above_subsets(folder)}files/")
        if any(other.startswith(files) for other in source.names):
            lists = [other for other in source.names if other.lower() == f"{folder}{_SUBSET_IMAGES}".lower()]
            found.append(_Release("GENKI-R2009a", folder, name, lists[0] if lists else None))
    return found


def _release(source: Source) -> _Release:
    releases = sorted(_releases(source), key=lambda release: release.root.count("/"))
    if not releases:
        raise locate.unrecognised(source.path, "genki4k", _EXPECTED, source.names)
    nearest = [release.root for release in releases if release.root.count("/") == releases[0].root.count("/")]
    if len(nearest) > 1:
        raise locate.more_than_once(source.path, "genki4k", nearest)
    return releases[0]


def _read(source: Source, release: _Release, *, skip_bad: bool) -> PhotoSet:
    root = release.root
    origin = source.describe(root.rstrip("/")) if root else source.path.name
    text, named = source.text(release.labels), release.labels.removeprefix(root)
    lines = text.rstrip().splitlines()
    if release.images:
        members, within = _listed_members(source, release, len(lines))
    else:
        members, within = _members(source, root), root
        if not members:  # they are in the release's own files, under other names
            raise FerError(f"{origin} lacks GENKI-4K_Images.txt, which names the picture of each label; add it there.")
        _check_lengths(origin, named, len(lines), members)
    faults, present = Faults(origin, skip_bad), set(source.names)
    labels: dict[int, _Label] = {}
    for number, line in enumerate(lines, start=1):
        try:
            if number not in members:
                raise Fault("missing photo", f"the line has no picture file{number:04d}.jpg in files")
            if members[number] not in present:
                missing = members[number].removeprefix(within)
                raise Fault("missing photo", f"the picture {missing} of its list is not there")
            labels[number] = _label(line)
        except Fault as fault:
            faults.add(f"{named} {number:09d}", f"{named}, line {number}", fault)
    sizes = read_photos(source, [members[k] for k in labels], faults, corpus="genki4k")
    skipped = faults.settle()
    kept = [number for number in labels if members[number] in sizes]
    if not kept:
        raise FerError(f"{origin} contains no photo that can be read; fetch the corpus again.")
    synthetic = locate.marked(source, root)
    rows = [labels[number] for number in kept]
    digest = labels_sha256(text)
    notes = {
        "layout": release.layout,
        "container": source.container,
        "labels_sha256": digest,
        "official_labels": digest == LABELS_SHA256,
        "sizes": size_notes(sizes.values()),
        "skipped": skipped,
        "count_deviations": locate.deviations(_counts(rows), OFFICIAL_COUNTS, origin, tolerated=skip_bad or synthetic),
    }
    paths = tuple(members[number] for number in kept)
    meta = _meta(rows, [member.removeprefix(within) for member in paths])
    return PhotoSet(meta, CLASS_NAMES, "genki4k", source.path, paths, synthetic, notes)


def _listed_members(source: Source, release: _Release, lines: int) -> tuple[dict[int, str], str]:
    """Give the pictures by line of GENKI-R2009a's list, and the folder that contains their ``files``.

    Raises:
        FerError: the lists have different lengths, or one picture twice, or no picture of the list is there.
    """
    assert release.images is not None  # only a release with a list comes here
    listed = source.text(release.images).rstrip().splitlines()
    names = [line.strip().replace("\\", "/").rsplit("/", 1)[-1] for line in listed]
    where = f"{source.path.name}, {release.images}"
    if len(names) != lines:
        raise FerError(
            f"{where}, names {len(names):,} pictures but {release.labels.removeprefix(release.root)} has {lines:,} "
            "lines; line N of one belongs to line N of the other, so a line too few or too many shifts the labels: "
            "fetch the corpus again."
        )
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise FerError(f"{where}, names the picture {twice[0]!r} more than once; fetch the corpus again.")
    present = set(source.names)
    for root in dict.fromkeys((release.root, _above_subsets(release.root))):
        if any(f"{root}files/{name}" in present for name in names):
            return {number: f"{root}files/{name}" for number, name in enumerate(names, start=1)}, root
    raise FerError(
        f"{source.path.name} contains none of the {len(names):,} pictures of {release.images} in a folder files; put "
        "the release's files next to it."
    )


def _above_subsets(root: str) -> str:
    """Give the folder of the whole release: that above ``Subsets/GENKI-4K/``, or the same folder."""
    return root[: -len(_SUBSET_FOLDER)] if root.lower().endswith(_SUBSET_FOLDER) else root


def _members(source: Source, root: str) -> dict[int, str]:
    """Give the pictures by number; raise FerError if two have the same number."""
    members: dict[int, str] = {}
    for name in source.names:
        match = _PICTURE.fullmatch(name.removeprefix(root)) if name.startswith(root) else None
        if match is None:
            continue
        number = int(match[1])
        if number in members:
            raise FerError(
                f"{source.path.name} contains two pictures with the number {number} ({members[number]} and {name}); "
                "keep the one that belongs to the line of labels.txt."
            )
        members[number] = name
    return members


def _check_lengths(origin: str, named: str, lines: int, members: dict[int, str]) -> None:
    last = max(members, default=0)
    if lines != last or 0 in members:
        raise FerError(
            f"{origin} has {lines:,} lines in {named} but its {len(members):,} pictures are numbered "
            f"{min(members, default=0):,} to {last:,}; line N belongs to file N, so a line too few or too many shifts "
            "the labels: fetch the corpus again."
        )


def _label(line: str) -> _Label:
    """Parse a line of ``labels.txt``; raise Fault if it is wrong."""
    cells = line.split()
    if len(cells) != 4:
        raise Fault("wrong line", f"there are {len(cells)} numbers rather than 4 (smile, yaw, pitch, roll)")
    try:
        smile, yaw, pitch, roll = map(float, cells)
    except ValueError:
        raise Fault("wrong line", f"{line[:60]!r} is not four numbers (smile, yaw, pitch, roll)") from None
    if smile not in (0, 1):
        raise Fault("unknown label", f"the smile is {cells[0]} rather than 0 or 1")
    for name, angle, cell in zip(("yaw", "pitch", "roll"), (yaw, pitch, roll), cells[1:], strict=True):
        if not abs(angle) <= math.pi:  # NaN too
            raise Fault("impossible pose", f"the {name} is {cell} rather than an angle in radians (-3.14 to 3.14)")
    return _Label(int(smile), yaw, pitch, roll)


def _counts(rows: Iterable[_Label]) -> dict[str, int]:
    smiles = [row.smile for row in rows]
    return {"photos": len(smiles), "smiling": sum(smiles), "not smiling": len(smiles) - sum(smiles)}


def _meta(rows: list[_Label], sources: list[str]) -> pd.DataFrame:
    poses = {angle: [getattr(row, angle) for row in rows] for angle in ("yaw", "pitch", "roll")}
    return pd.DataFrame({"label": [row.smile for row in rows], "split": "all", **poses, "source": sources})
