"""Read the faces for `fer-lib train`: a folder of pictures for each class, or any corpus in any form."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fer_lib.datasets import check, finder
from fer_lib.datasets.catalog import TITLES
from fer_lib.datasets.face_dataset import FaceDataset, canonical_order
from fer_lib.datasets.finder import MODULES, Place
from fer_lib.datasets.photo_set import PhotoSet
from fer_lib.datasets.readers.archives import open_source
from fer_lib.errors import FerError
from fer_lib.faces.crops import detect, face_crops
from fer_lib.faces.geometry import choose, crop
from fer_lib.predict import photo_files
from fer_lib.predict.labelled import class_of, is_marked, picture_folders
from fer_lib.predict.photo_files import HELD_PIXELS, TOGETHER, Photo, shown
from fer_lib.settings import FaceSettings
from fer_lib.utils.parallel import batches
from fer_lib.utils.progress import bar

_TRAINING = "Training"


def read(path: str | Path, *, size: int, search: bool = False, skip_bad: bool = False) -> FaceDataset:
    """Read labelled faces to train on, in an order that depends on their content alone.

    Of a corpus with parts, such as FER-2013, only the training part is read. CK+ in folders of classes is known by the
    names of its files, which name the subjects.

    Args:
        path: a folder with a folder of pictures for each class; or a corpus: a file, an archive, a folder, or a data
            folder that contains no other corpus.
        size: height and width in pixels of the crops that are made here; faces that a corpus brings keep theirs.
        search: search the pictures in the class folders for faces; those without a sure face are left out. Otherwise
            each whole picture is a face.
        skip_bad: leave out and count pictures that cannot be read, instead of stopping.

    Returns:
        Faces uint8 (N, H, W) whose classes all have a face; ``fer_lib.tables.base.crops_of`` says how they were
        cropped.

    Raises:
        FerError: there are no such faces or fewer than two classes, a picture cannot be read, or an option does not
            fit.
    """
    path = Path(path).expanduser()
    if not path.exists():
        raise FerError(
            f"No such file or folder: {shown(path)}; give a folder with a folder for each class, or a corpus."
        )
    folders = picture_folders(path) if path.is_dir() else {}
    if folders and not _is_named_by_files(path):
        faces = _from_folders(path, folders, FaceSettings(size=size), search=search, skip_bad=skip_bad)
    else:
        name, place = _corpus(path)
        if name == "olivetti":
            raise FerError(f"{shown(path)} contains the {TITLES[name]}, which have no expressions; give other faces.")
        if search:
            raise FerError(
                f"Found --find-faces for {TITLES[name]}, whose own form decides whether its pictures are searched; "
                "leave the option out."
            )
        faces = _from_corpus(place.remarked(check.load(name, place.path, skip_bad=skip_bad)), FaceSettings(size=size))
    faces = _with_faces(faces)
    if len(faces.class_names) < 2:
        found = f"only the class {faces.class_names[0]}" if faces.class_names else "no class of expressions"
        raise FerError(f"{shown(path)} has {found}; give faces of two classes or more.")
    if "label" in faces.class_names:
        raise FerError(f"{shown(path)} has a class called 'label', as the column of the answers is; rename its folder.")
    return faces


def groups(faces: FaceDataset) -> np.ndarray:
    """Number the group of each face, int64 of shape (N,): its subject where the corpus names it, else equal pixels."""
    if "subject" in faces.meta:
        keys = faces.meta["subject"].tolist()
    else:
        keys = [hashlib.sha256(np.ascontiguousarray(image).data).hexdigest() for image in faces.images]
    return pd.factorize(pd.Series(keys), sort=True)[0].astype(np.int64)


def _is_named_by_files(path: Path) -> bool:
    """Tell whether the files' names are those of a corpus whose folders may look like classes."""
    with open_source(path) as source:
        return any(MODULES[name].recognises(source) for name in ("ckplus", "genki4k"))


def _corpus(path: Path) -> tuple[str, Place]:
    """Find the one corpus in a file or folder; raise FerError if there is none, or more than one."""
    found = finder.find_all(path) if path.is_dir() else {}
    found = {name: place for name, place in found.items() if name in MODULES}
    if len(found) > 1:
        listed = ", ".join(f"{TITLES[name]} ({shown(place.path)})" for name, place in found.items())
        raise FerError(f"{shown(path)} contains {listed}; give one of these paths.")
    if found:
        return next(iter(found.items()))
    name = check.recognised(path)
    if name not in MODULES:
        raise FerError(f"{shown(path)} contains images of many kinds and no faces; give faces of two classes or more.")
    return name, Place(path)


def _from_corpus(corpus: FaceDataset | PhotoSet, settings: FaceSettings) -> FaceDataset:
    """Take the training part of a corpus, and crop its faces if it consists of photos."""
    if _TRAINING in set(corpus.meta["split"]):
        corpus = corpus.part(_TRAINING)
    return face_crops(corpus, settings)


def _from_folders(
    path: Path, folders: Mapping[Path, Sequence[Path]], settings: FaceSettings, *, search: bool, skip_bad: bool
) -> FaceDataset:
    """Read the pictures of class folders, whose names become classes: usual words are this project's expressions."""
    class_names = tuple(sorted({_name(folder) for folder in folders}))
    files = [(photo, class_names.index(_name(folder))) for folder, photos in folders.items() for photo in photos]
    images, rows, left = [], [], Counter[str]()
    with bar("pictures", len(files)) as advance:
        photos = ((photo_files.read(file), label) for file, label in files)
        for batch in batches(photos, lambda one: one[0].pixels, limit=HELD_PIXELS, most=TOGETHER):
            for (photo, label), face in zip(batch, _faces([one for one, _ in batch], settings, search), strict=True):
                if photo.picture is None and not skip_bad:
                    raise FerError(
                        f"{(photo.problem or '').rstrip('.')}; remove the file, or leave out all such pictures with "
                        "--skip-bad."
                    )
                if face is None:
                    left["unreadable" if photo.picture is None else "without a sure face"] += 1
                    continue
                images.append(face)
                rows.append({"label": label, "split": _TRAINING, "source": str(photo.path.relative_to(path))})
            advance(len(batch))
    if not images:
        raise FerError(f"None of the {len(files):,} pictures in {shown(path)} has a face to learn from; give others.")
    meta, pixels = pd.DataFrame(rows), np.stack(images)
    order = canonical_order(pixels, meta["label"].to_numpy(), np.zeros(len(meta), int), meta["source"].tolist())
    notes: dict[str, Any] = {"left out": dict(left)}
    if search:
        notes["faces"] = {"searched": len(files)}
    meta = meta.iloc[order].reset_index(drop=True)
    return FaceDataset(pixels[order], meta, class_names, "own faces", synthetic=is_marked(path), notes=notes)


def _name(folder: Path) -> str:
    return class_of(folder.name, ()) or folder.name


def _faces(photos: Sequence[Photo], settings: FaceSettings, search: bool) -> Iterator[np.ndarray | None]:
    """Crop each photo's main face; None for a photo that cannot be read or shows no sure face."""
    pictures = [photo.picture for photo in photos if photo.picture is not None]
    found = iter(detect(pictures, settings) if search else [])
    for photo in photos:
        if photo.picture is None:
            yield None
        elif not search:
            yield crop(photo.picture, None, settings)
        else:
            sure = [face for face in next(found) if face.confidence >= settings.min_confidence]
            face = choose(sure, photo.picture.shape, settings)
            yield None if face is None else crop(photo.picture, face, settings)


def _with_faces(faces: FaceDataset) -> FaceDataset:
    """Leave out the classes without a face."""
    there = [name for place, name in enumerate(faces.class_names) if (faces.labels == place).any()]
    labels = [there.index(faces.class_names[label]) for label in faces.labels]
    names = tuple(class_of(name, ()) or name for name in there)
    return replace(faces, meta=faces.meta.assign(label=labels), class_names=names)
