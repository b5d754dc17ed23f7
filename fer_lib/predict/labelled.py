"""Read labelled faces of a user: a folder of pictures for each class, any release of FER-2013, or face crops of CK+."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from fer_lib.datasets import check, fer2013, finder
from fer_lib.datasets.catalog import TITLES
from fer_lib.datasets.expressions import EXPRESSION_OF
from fer_lib.datasets.face_dataset import UNDIVIDED, FaceDataset
from fer_lib.datasets.fer2013.csv import SPLIT_RANKS
from fer_lib.datasets.finder import Place
from fer_lib.datasets.readers import locate
from fer_lib.datasets.readers.archives import visible
from fer_lib.errors import FerError, nearest
from fer_lib.predict import photo_files
from fer_lib.predict.photo_files import shown
from fer_lib.predict.photos import Prediction, predict_arrays, predict_photos

if TYPE_CHECKING:  # Keras takes seconds to import, and reading faces does not need it
    from fer_lib.predict.networks import Model as SavedModel

ALL = "all"
_TESTS = ("PrivateTest", UNDIVIDED, "PublicTest")  # the default split: the first that is there, else all faces


@dataclass(frozen=True)
class Labelled:
    """Labelled faces, not read yet where they are files.

    Attributes:
        origin: the faces in words, such as ``"FER-2013, split PrivateTest"``.
        truth: the class of each face, by the model's or this project's name.
        predict: predicts them all with a model, in this order, one prediction each.
        corpus: short name of the corpus; empty for folders of a user.
        training: whether faces that a model may have learnt are among them: those of the corpus' training part, or all
            where it has no parts.
        synthetic: whether the faces were generated.
        notes: sentences on the data.
    """

    origin: str
    truth: tuple[str, ...]
    predict: Callable[[SavedModel], Iterator[Prediction]]
    corpus: str = ""
    training: bool = False
    synthetic: bool = False
    notes: tuple[str, ...] = field(default=())


def read(
    path: str | Path, known: Sequence[str], *, split: str | None = None, search: bool = False, skip_bad: bool = False
) -> Labelled:
    """Read labelled faces.

    Args:
        path: a folder with a folder for each class, or any release of FER-2013 or CK+'s face crops: a CSV, an archive
            or folders with parts (train, test).
        known: the model's classes; a folder's name is one of them or a usual word for an expression.
        split: the part of the corpus, or ``"all"``; None takes the test part, or all faces if there is none.
        search: search the pictures in the class folders for faces; otherwise each whole picture is a face.
        skip_bad: leave faulty faces of the corpus out.

    Raises:
        FerError: there are no such faces, a folder is no class, or an option does not fit.
    """
    path = Path(path).expanduser()
    if not path.exists():
        raise FerError(f"No such file or folder: {shown(path)}; give a folder with a folder for each class, or a CSV.")
    folders = picture_folders(path) if path.is_dir() else {}
    classes = any(class_of(folder.name, known) for folder in folders)
    name, place = (None, None) if classes else _corpus(path)
    if name is None and folders:
        if split is not None:
            raise FerError(f"Found --split {split} for {shown(path)}, whose folders are classes; leave the option out.")
        return _from_folders(path, folders, known, search=search)
    if name is None or place is None:
        raise FerError(
            f"{shown(path)} has no folder with pictures for each class, such as happy/ and sad/, and contains neither "
            "FER-2013 nor CK+; give one of these."
        )
    if search:
        raise FerError(f"Found --find-faces for {TITLES[name]}, whose pictures are face crops; leave the option out.")
    faces = place.remarked(check.load(name, place.path, skip_bad=skip_bad))
    if not isinstance(faces, FaceDataset):
        raise FerError(
            f"{shown(path)} has {TITLES[name]} as whole photos; give its face crops: the 48 x 48 release or "
            "ckextended.csv."
        )
    return _from_corpus(faces, known, split)


def _corpus(path: Path) -> tuple[str, Place] | tuple[None, None]:
    """Find FER-2013, or else CK+."""
    for name in ("fer2013", "ckplus"):
        if place := finder.find(path, name, missing_ok=True):
            return name, place
    return None, None


def picture_folders(path: Path) -> dict[Path, list[Path]]:
    """Find the subfolders that contain pictures, with these; none if the subfolders are parts of a corpus.

    Raises:
        FerError: a subfolder has its pictures one or more folders deeper.
    """
    folders = sorted(entry for entry in path.iterdir() if visible(entry.name) and entry.is_dir())
    if any(folder.name.lower() in SPLIT_RANKS for folder in folders):
        return {}
    found = {folder: photo_files.find_photos([folder]) for folder in folders}
    direct = {folder: photos for folder, photos in found.items() if photos != [folder]}
    for folder in [folder for folder in found if direct and folder not in direct]:
        if photo_files.find_photos([folder], recursive=True) != [folder]:
            raise FerError(f"The pictures of {shown(folder)} are in subfolders; move them into the folder itself.")
    return direct


def _from_folders(path: Path, folders: dict[Path, list[Path]], known: Sequence[str], *, search: bool) -> Labelled:
    files, truth = [], []
    for folder, photos in folders.items():
        name = class_of(folder.name, known)
        if name is None:
            raise FerError(
                f"The folder {shown(folder)} is no class of the model ({', '.join(known)}) and no usual word for an "
                f"expression{nearest(folder.name.lower(), known)}; rename it, or name the classes with --classes."
            )
        files += photos
        truth += [name] * len(photos)

    def predict(model: SavedModel) -> Iterator[Prediction]:
        return predict_photos(model, files, already_cropped=not search, progress=True)

    searched = "searched for faces" if search else "each picture is a face crop"
    return Labelled(
        f"{shown(path)}, a folder for each class, {searched}", tuple(truth), predict, synthetic=is_marked(path)
    )


def _from_corpus(faces: FaceDataset, known: Sequence[str], split: str | None) -> Labelled:
    title = TITLES[faces.corpus]
    there = [name for name in dict.fromkeys((*fer2013.SPLITS, UNDIVIDED)) if name in set(faces.meta["split"])]
    chosen = split or next((name for name in _TESTS if name in there), ALL)
    chosen = next((name for name in (*there, ALL) if name.lower() == chosen.lower()), chosen)
    if chosen not in (*there, ALL):
        if not there:
            raise FerError(f"Found --split {split}, but {title} has no splits here; leave the option out.")
        raise FerError(
            f"Found --split {split}, but the splits here are {', '.join(there)}{nearest(chosen, there)}; name one of "
            f"them, or {ALL}."
        )
    some = faces if chosen == ALL else faces.take((faces.meta["split"] == chosen).to_numpy().nonzero()[0])
    names = [class_of(name, known) or name for name in faces.class_names]
    labels = some.meta["label"].tolist()
    sources = some.meta["source"].tolist()

    def predict(model: SavedModel) -> Iterator[Prediction]:
        return predict_arrays(model, list(some.images), names=sources, already_cropped=True, progress=True)

    part = f"split {chosen}" if chosen != ALL else f"splits {', '.join(there)}" if there else "all faces"
    more = "" if len(some) == len(faces) else f" ({len(some):,} of {len(faces):,} faces; --split takes others)"
    return Labelled(
        f"{title}, {part}{more}",
        tuple(names[label] for label in labels),
        predict,
        corpus=faces.corpus,
        training=not there or "Training" in set(some.meta["split"]),
        synthetic=faces.synthetic,
        notes=tuple(faces.notes.get("remarks", ())),
    )


def class_of(word: str, known: Sequence[str]) -> str | None:
    """Give the model's own name for a class, or else this project's name for the expression; None for other words."""
    own = {_spaced(name): name for name in known}
    word = _spaced(word)
    usual = EXPRESSION_OF.get(word)
    return own.get(word) or (own.get(usual, usual) if usual else None)


def _spaced(word: str) -> str:
    return " ".join(word.lower().replace("_", " ").split())


def is_marked(path: Path) -> bool:
    """Tell whether the faces in a folder were generated by this project, which marks them."""
    return any((folder / locate.MARKER).exists() for folder in (path, path.parent))
