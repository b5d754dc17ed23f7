"""Describe a corpus, or every corpus in a data folder, as ``fer-lib data check`` prints it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from fer_lib.datasets import ckplus, fer2013, finder, genki4k, imagenet_folders, near_duplicates, quality
from fer_lib.datasets.catalog import TERMS, TITLES
from fer_lib.datasets.face_dataset import UNDIVIDED, FaceDataset
from fer_lib.datasets.fer2013 import ferplus
from fer_lib.datasets.finder import MODULES, Place
from fer_lib.datasets.imagenet_folders import CORPUS as IMAGENET
from fer_lib.datasets.olivetti import PICKLES
from fer_lib.datasets.photo_set import PhotoSet
from fer_lib.datasets.readers.archives import open_source, visible
from fer_lib.datasets.readers.locate import archives_in, obstacle
from fer_lib.errors import FerError
from fer_lib.utils.files import write_text
from fer_lib.utils.pixels import grey

_COMPARED_AT = 48  # pixels: the side of the images that are compared


def report(path: str | Path, *, skip_bad: bool = False, cache: bool = True) -> tuple[list[str], FerError | None]:
    """Read a whole corpus, or every corpus of a data folder, and describe it.

    Returns:
        The lines, and the error to end with where only some corpora of a data folder can be used.

    Raises:
        FerError: nothing is recognised, or the only corpus there is faulty.
    """
    path = Path(path).expanduser()
    found = finder.find_all(path) if path.is_dir() else {}
    if not found:
        return _lines(recognised(path), Place(path), skip_bad=skip_bad, cache=cache), None
    name, place = next(iter(found.items()))
    if len(found) == 1 and not place.named:  # a folder of one corpus, whatever its name
        return _lines(name, place, skip_bad=skip_bad, cache=cache), None
    lines: list[str] = []
    faulty: dict[str, FerError] = {}
    for name, place in found.items():
        try:
            lines += [*_lines(name, place, skip_bad=skip_bad, cache=cache), ""]
        except FerError as error:
            faulty[name] = error
            lines += [f"corpus       {_named(name)}", f"FAULTY       {error}", ""]
    if len(faulty) == len(found) == 1:
        raise next(iter(faulty.values()))
    lines += _other_entries(path, found)
    if not faulty:
        return lines, None
    listed = ", ".join(faulty)
    return lines, FerError(f"{len(faulty)} of the {len(found)} corpora in {path} cannot be used ({listed}); see above.")


def list_near_duplicates(
    path: str | Path, file: str | Path, *, skip_bad: bool = False, cache: bool = True
) -> list[str]:
    """Write a CSV of the images whose picture, or nearly the same, is in training, and say so in lines.

    A row is a pair: of a test face of FER-2013, as from :func:`fer_lib.datasets.quality.near_duplicates`, or, where
    ``path`` has images for pre-training and no other corpus, of a validation image, as from :func:`image_pairs`.

    Raises:
        FerError: there are no such images and no FER-2013, or it has no Training or no test part.
    """
    path = Path(path).expanduser()
    found = finder.find_all(path) if path.is_dir() else {}
    if (set(found) or {recognised(path)}) == {IMAGENET}:
        data = imagenet_folders.load(path, side=_COMPARED_AT, skip_bad=skip_bad, cache=cache)
        pairs = image_pairs(data)
        other = pairs["class"] != pairs["training class"]
        lines = [
            f"{_pairs(len(pairs))} of a validation image and a training image: {file}",
            f"validation images in these pairs: {pairs['image'].nunique():,}; those with another class in training: "
            f"{pairs.loc[other, 'image'].nunique():,}",
        ]
        return _written(pairs, file, lines, synthetic=data.synthetic)
    place = finder.find(path, "fer2013")
    assert place is not None  # a missing corpus is an error here
    faces = fer2013.load(place.path, skip_bad=skip_bad, cache=cache)
    tested = [split for split in (*quality.TEST_SPLITS, UNDIVIDED) if split in set(faces.meta["split"])]
    if not tested:
        raise FerError(f"{place.path} has no test part, so its training faces have no near-duplicates in one.")
    pairs = quality.near_duplicates(faces, tested)
    lines = [f"{_pairs(len(pairs))} of a face of {' or '.join(tested)} and one of Training: {file}"]
    return _written(pairs, file, lines, synthetic=faces.synthetic)


def image_pairs(data: imagenet_folders.ImageFolders) -> pd.DataFrame:
    """List the pairs of a validation and a training image that show nearly the same picture, in grey.

    :mod:`fer_lib.datasets.near_duplicates` says how they are found; its threshold was chosen on faces.

    Args:
        data: images of 48 pixels, the size that the search was made for, or more.

    Returns:
        One row for each pair: ``image``, ``class``, ``training image``, ``training class`` (files and folders of the
        corpus; positions if the images are from no files), ``score`` (the correlation, at most 1) and ``mirrored``.
    """
    found = near_duplicates.pairs(grey(data.val_images), grey(data.images))
    names = data.names or range(len(data.images) + len(data.val_images))
    columns = {
        "image": [names[len(data.images) + place] for place in found.faces],
        "class": [data.class_names[label] for label in data.val_labels[found.faces]],
        "training image": [names[place] for place in found.references],
        "training class": [data.class_names[label] for label in data.labels[found.references]],
        "score": found.scores,
        "mirrored": found.mirrored,
    }
    return pd.DataFrame(columns)


def _pairs(count: int) -> str:
    return f"{count:,} {'pair' if count == 1 else 'pairs'}"


def _written(pairs: pd.DataFrame, file: str | Path, lines: list[str], *, synthetic: bool) -> list[str]:
    """Write the pairs, marked if their images were generated, and give the lines."""
    pairs = pairs.assign(data="SYNTHETIC") if synthetic else pairs
    write_text(Path(file).expanduser(), pairs.to_csv(index=False, lineterminator="\n", float_format="%.7g"))
    return lines


def _other_entries(folder: Path, found: Mapping[str, Place]) -> list[str]:
    """List the corpora that a data folder lacks, and the first eight entries without a corpus's name."""
    absent = [f"{name} ({title})" for name, title in TITLES.items() if name not in found]
    lines = [f"absent       {', '.join(absent) or 'nothing'}"]
    taken = {entry for place in found.values() for entry in place.entries}
    entries = sorted(entry.name for entry in folder.iterdir() if visible(entry.name) and entry.name not in taken)
    if others := [name for name in entries if not name.lower().startswith((*TITLES, IMAGENET))][:8]:
        lines.append(f"passed over  {', '.join(others)}: no corpus, by name or by content")
    return lines


def load(name: str, path: str | Path, *, skip_bad: bool = False, cache: bool = True) -> FaceDataset | PhotoSet:
    """Load the corpus ``name`` (a key of ``TITLES``), CK+ with contempt, so that everything is counted."""
    if name == "fer2013":
        return fer2013.load(path, skip_bad=skip_bad, cache=cache)
    if name == "ckplus":
        return ckplus.load(path, contempt=True, skip_bad=skip_bad, cache=cache)
    return MODULES[name].load(path, skip_bad=skip_bad)


def recognised(path: str | Path) -> str:
    """Name the corpus at ``path``, by content; for a missing or empty path the one with the best error message.

    Raises:
        FerError: it is none of the corpora.
    """
    path = Path(path)
    if path.suffix.lower() in PICKLES:
        return "olivetti"  # its loader refuses pickles and says why
    if not path.exists() or (path.is_file() and not path.stat().st_size):
        return "fer2013"  # its loader says so
    names: list[str] = []
    for place in [path, *(archives_in(path) if path.is_dir() else [])]:
        with open_source(place) as source:
            names = names or list(source.names)
            for name, module in MODULES.items():
                if module.recognises(source):
                    return name
            if imagenet_folders.recognises(source):  # last: FER-2013 may be in folders of classes too
                return IMAGENET
            if unread := obstacle(place, source.names):
                raise unread
    if votes_alone := ferplus.votes_alone(path):
        raise votes_alone
    files = sorted(item for item in path.iterdir() if visible(item.name) and item.is_file()) if path.is_dir() else []
    if unread := next(filter(None, (obstacle(file, ()) for file in files)), None):
        raise unread
    listed = f"it contains {', '.join(names[:4])} ({len(names):,} in all)" if names else "it contains nothing"
    raise FerError(
        f"{path} is none of {', '.join(TITLES.values())}: {listed}; give a corpus's file, archive or folder."
    )


def _lines(name: str, place: Place, *, skip_bad: bool, cache: bool) -> list[str]:
    if name == IMAGENET:
        return _images_described(imagenet_folders.load(place.path, skip_bad=skip_bad, cache=cache))
    data = place.remarked(load(name, place.path, skip_bad=skip_bad, cache=cache))
    return _described(name, data, _ferplus(data, place) if isinstance(data, FaceDataset) else [])


def _ferplus(faces: FaceDataset, place: Place) -> list[str]:
    """Say whether the votes of FER+ are next to FER-2013, and whether they fit."""
    if faces.corpus != "fer2013":
        return []
    try:
        inside = place.path.name in place.entries  # the corpus is an entry of the data folder
        votes = ferplus.load(place.path, *([place.path.parent] if inside else []))
        if votes is None:
            return []
        remarks = ferplus.relabelled(faces, votes).notes["remarks"][len(faces.notes.get("remarks", ())) :]
    except FerError as error:
        return [f"FER+             cannot be used: {error}"]
    return [f"FER+             for labels: ferplus in the profile's data. {' '.join(remarks)}"]


def _named(name: str) -> str:
    return f"{name} ({TITLES.get(name, 'images for pre-training')})"


def _images_described(data: imagenet_folders.ImageFolders) -> list[str]:
    notes = data.notes
    lines = ["SYNTHETIC: these images were generated.", ""] if data.synthetic else []
    parts = {"training": data.labels, "validation": data.val_labels}
    counts = {part: np.bincount(labels, minlength=len(data.class_names)) for part, labels in parts.items()}
    return [
        *lines,
        f"corpus       {_named(data.corpus)}",
        f"layout       {notes['layout']}",
        f"container    {notes['container']}",
        f"classes      {len(data.class_names):,}",
        *(f"{part:<12} {n.sum():,} images, {n.min():,} to {n.max():,} a class" for part, n in counts.items()),
        f"read at      {data.side} x {data.side} pixels",
        f"fingerprint  {data.fingerprint}",
        "",
        *(_official(data) if notes["layout"] == imagenet_folders.OFFICIAL else []),
        f"left out         {_listed(notes['skipped']) or 'nothing'}",
        "",
        imagenet_folders.TERMS[notes["layout"]],
    ]


def _described(name: str, data: FaceDataset | PhotoSet, more: list[str]) -> list[str]:
    notes = data.notes
    whole = isinstance(data, PhotoSet)
    digest = data.content_key if isinstance(data, PhotoSet) else data.fingerprint
    lines = [f"SYNTHETIC: these faces were generated; they are not {TITLES[name]}.", ""] if data.synthetic else []
    lines += [
        f"corpus       {_named(name)}",
        f"layout       {notes['layout']}",
        f"container    {notes['container']}",
        f"{'photos' if whole else 'faces':<12} {len(data):,}",
        f"{'content key' if whole else 'fingerprint':<12} {digest}",
        "",
        *_table(data),
        "",
        *_official(data),
        f"left out         {_listed(notes['skipped']) or 'nothing'}",
        *(f"note             {remark}" for remark in notes.get("remarks", ())),
        *more,
        "",
    ]
    if not isinstance(data, PhotoSet):
        near = _near(data)
        lines += [f"{fact:<40}{count:>8,}" for fact, count in (quality.headline(data) | near).items()]
        lines += ["(--near-duplicates FILE.csv lists them, with the rows or files of both faces)"] if near else []
    return [*lines, *_FACTS.get(name, lambda data: [])(data), "", TERMS[name]]


def _near(data: FaceDataset) -> dict[str, int]:
    """Count the faces of FER-2013's PrivateTest, or of test parts not told apart, with a near-duplicate in Training."""
    parts = list(dict.fromkeys(data.meta["split"]))
    tested = [split for split in parts if split in ("PrivateTest", UNDIVIDED)]
    if data.corpus != "fer2013" or "Training" not in parts or not tested:
        return {}
    counts = quality.near_duplicate_counts(data, quality.near_duplicates(data, tested[:1]), tested[:1])
    return {f"{tested[0]} near-duplicates in Training": int(counts.loc[tested[0], "nearly the same"])}


def _table(data: FaceDataset | PhotoSet) -> list[str]:
    table = data.counts()
    if data.corpus == "olivetti":  # shorter than a table of forty equal columns
        faces = data.meta["label"].value_counts()
        return [f"{len(faces)} subjects, {faces.min()} to {faces.max()} faces each"]
    return _counts(table)


def _counts(table: pd.DataFrame) -> list[str]:
    return table.to_string(formatters=dict.fromkeys(table.columns, "{:,}".format)).splitlines()


def _official(data: FaceDataset | PhotoSet | imagenet_folders.ImageFolders) -> list[str]:
    deviations = data.notes["count_deviations"]
    text = "; ".join(f"{part} {n['found']:,} rather than {n['official']:,}" for part, n in deviations.items()) or "yes"
    if not isinstance(data, FaceDataset) or data.corpus != "fer2013":
        return [f"official counts  {text}"]
    return [f"official split   {text}", f"official classes {_official_classes(data)}"]


def _official_classes(dataset: FaceDataset | PhotoSet) -> str:
    found = dataset.counts().drop(columns="total")
    counts = {split: tuple(row) for split, row in zip(found.index, found.to_numpy().tolist(), strict=True)}
    official = fer2013.official_class_counts(counts)
    return "yes" if counts == official else "no, the counts per class differ"


def _ckplus_facts(data: FaceDataset | PhotoSet) -> list[str]:
    notes = data.notes
    if notes["subjects"] is None:
        usage = ", ".join(f"{name or 'none'} {count:,}" for name, count in notes["usage"].items())
        return [f"subjects: not in this release, so no division can keep them apart; its column Usage: {usage}"]
    neutral = "yes" if notes["neutral"] else "none: neutrality cannot be trained or tested on this release"
    facts = {
        "labelled sequences": f"{notes['sequences']:,}",
        "subjects": f"{notes['subjects']:,}",
        "sequences without a label, left out": f"{notes['unlabelled_sequences']:,}",
        "labels named after another frame": f"{notes['labels_of_other_frames']:,}",
    }
    return [*(f"{fact:<40}{count:>8}" for fact, count in facts.items()), f"neutral faces: {neutral}"]


def _genki4k_facts(data: PhotoSet) -> list[str]:
    small, large = (f"{width} x {height}" for height, width in data.notes["sizes"].values())
    known = "the official ones" if data.notes["official_labels"] else "not the official ones"
    cropped = " – all the same: cropped, not the makers' photos" if small == large else ""
    return [
        f"labels           {known} (SHA-256 {data.notes['labels_sha256'][:16]}…)",
        f"photo sizes      {small} to {large} pixels{cropped}",
        f"repeated photos  {_repeats(genki4k.repeats(data))}",
    ]


NEIGHBOURS = 2
"""Lines of GENKI-4K's labels: a photo so close behind an equal one may be a crop that was written again."""


def _repeats(found: pd.DataFrame) -> str:
    if found.empty:
        return "none"
    behind = (found["photo"] - found["former"] <= NEIGHBOURS) & ~found["same_pose"]
    why = f"; {behind.sum():,} of them stand right behind it with another pose: perhaps its crop, written again"
    return f"{len(found):,} are equal to an earlier one{why if behind.any() else ''}"


_FACTS = {"ckplus": _ckplus_facts, "genki4k": _genki4k_facts}


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {reason}" for reason, count in counts.items())
