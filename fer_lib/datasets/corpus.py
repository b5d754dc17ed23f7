"""Load a profile's corpora: from the user's data folder, or generated ones in the same format."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType

import pandas as pd
from filelock import FileLock

from fer_lib.datasets import ckplus, fer2013, finder, genki4k, imagenet_folders, olivetti, quality
from fer_lib.datasets.catalog import TITLES
from fer_lib.datasets.face_dataset import FaceDataset
from fer_lib.datasets.fer2013 import ferplus
from fer_lib.datasets.finder import Place
from fer_lib.datasets.imagenet_folders import ImageFolders
from fer_lib.datasets.photo_set import PhotoSet
from fer_lib.datasets.synthetic import patterns, writers
from fer_lib.errors import FerError
from fer_lib.settings import PROJECT, CkPlusSettings, DataSettings, PretrainingSettings
from fer_lib.utils import code_hash, state

GENERATED_SEED = 2013
FACES_FOR_FIGURES = 1000


def load_fer2013(settings: DataSettings, data_dir: str = "") -> FaceDataset:
    """Load FER-2013 as the settings ask for it (chen2023, section 2.1).

    Args:
        settings: the profile's data settings.
        data_dir: the folder that contains ``fer2013``. If given, it is read whatever the profile's source; ``""`` means
            ``$FER_DATA`` for a profile that reads real data, and generated faces for one that does not.

    Raises:
        FerError: no data folder is given, it does not contain FER-2013 or the labels asked for, or the corpus is
            damaged.
    """
    colour = settings.channels == "rgb"
    if colour and settings.labels != "fer2013":
        raise FerError(
            f"channels is rgb and labels is {settings.labels}, but FER+ has FER-2013's grey faces; change one."
        )
    draw = _drawn_colour if colour else _drawn_fer2013
    place = _place("fer2013", settings, data_dir, partial(draw, settings.generated_faces))
    assert place is not None  # a missing corpus is an error here
    faces = place.remarked(fer2013.load(place.path, skip_bad=settings.skip_bad, colour=colour))
    if settings.labels != "fer2013":
        faces = _with_ferplus(faces, place.path, data_dir or os.environ.get("FER_DATA", ""), labels=settings.labels)
    if settings.drop_leaks:
        faces = quality.drop_leaks(faces)
    return quality.drop_near_duplicates(faces) if settings.drop_near_duplicates else faces


def load_ckplus(
    settings: CkPlusSettings,
    data: DataSettings,
    data_dir: str = "",
    *,
    missing_ok: bool = False,
) -> FaceDataset | PhotoSet:
    """Load CK+ as the settings ask for it (liu2023, section 2.1): photos of the official tree, or the 48x48 release.

    Args:
        settings: the frames and classes.
        data: the profile's data settings: generated or real, and how damaged files are treated.
        data_dir: as for :func:`load_fer2013`.
        missing_ok: whether a data folder without CK+ gives an empty corpus rather than an error.

    Raises:
        FerError: no data folder is given, it does not contain CK+, or the corpus is damaged.
    """
    count = settings.generated_subjects
    write = partial(writers.write_ckplus, subjects=count, seed=2010)
    place = _place("ckplus", data, data_dir, partial(_drawn, "ckplus", count, write), missing_ok=missing_ok)
    if place is None:
        return _absent("ckplus", fer2013.CLASS_NAMES)
    return place.remarked(
        ckplus.load(place.path, peak_frames=settings.peak_frames, contempt=settings.contempt, skip_bad=data.skip_bad)
    )


def load_genki4k(settings: CkPlusSettings, data: DataSettings, data_dir: str = "") -> PhotoSet:
    """Load GENKI-4K's photos (liu2023, section 2.1); an empty corpus if the data folder does not contain them.

    Raises:
        FerError: no data folder is given, or the corpus is damaged.
    """
    count = settings.generated_photos
    write = partial(writers.write_genki4k, n=count, seed=4000)
    place = _place("genki4k", data, data_dir, partial(_drawn, "genki4k", count, write), missing_ok=True)
    if place is None:
        return _absent("genki4k", genki4k.CLASS_NAMES)
    return place.remarked(genki4k.load(place.path, skip_bad=data.skip_bad))


def load_olivetti(data: DataSettings, data_dir: str = "", *, missing_ok: bool = False) -> FaceDataset | PhotoSet:
    """Load the Olivetti faces; an empty corpus if the data folder does not contain them and ``missing_ok`` is set.

    Raises:
        FerError: no data folder is given, it does not contain the Olivetti faces, or the corpus is damaged.
    """
    write = partial(writers.write_olivetti, people=40, seed=400)
    place = _place("olivetti", data, data_dir, partial(_drawn, "olivetti", 40, write), missing_ok=missing_ok)
    if place is None:
        return _absent("olivetti", ())
    return place.remarked(olivetti.load(place.path, skip_bad=data.skip_bad))


def load_imagenet(settings: PretrainingSettings, data: DataSettings, data_dir: str = "") -> ImageFolders:
    """Load the images for pre-training: Tiny-ImageNet, ImageNet or other folders of classes, or generated patterns.

    Args:
        settings: the size of the images, and the number of generated ones.
        data: the profile's data settings: generated or real, and how damaged files are treated.
        data_dir: the folder or zip of the images, or the data folder that contains it; ``""`` as for
            :func:`load_fer2013`.

    Raises:
        FerError: no data folder is given, it does not contain such images, or they are damaged.
    """
    if data.source == "generated" and not data_dir:
        train, validation = settings.generated_images, settings.generated_images // 4
        write = partial(patterns.write_image_folders, classes=2, train=train, validation=validation)
        folder = _drawn("imagenet", f"2x{train}+{validation}", write, writer=patterns)
        return imagenet_folders.load(folder, side=settings.stored_size)
    data_dir = data_dir or os.environ.get("FER_DATA", "")
    if not data_dir:
        raise FerError(
            "Pre-training reads labelled images and no data folder was given; set FER_DATA (or data_dir) to the folder "
            "that contains tiny-imagenet-200, or to another folder of classes, or use the smoke profile."
        )
    folder = Path(data_dir).expanduser()
    return imagenet_folders.load(folder, side=settings.stored_size, skip_bad=data.skip_bad)


def faces_to_draw(faces: FaceDataset, draw_faces: bool) -> FaceDataset:
    """Choose the faces that a figure may show: these, or generated ones if real people's may not be published.

    Raises:
        TypeError: ``draw_faces`` is neither True nor False, such as the text ``"no"``, which would count as true.
    """
    if not isinstance(draw_faces, bool):
        raise TypeError(f"draw_faces is {draw_faces!r}; expected True or False")
    if draw_faces or faces.synthetic:
        return faces
    colour = faces.images.ndim == 4
    generated = (_drawn_colour if colour else _drawn_fer2013)(FACES_FOR_FIGURES)
    return fer2013.load(generated, colour=colour)


def _with_ferplus(faces: FaceDataset, path: Path, data_dir: str, *, labels: str) -> FaceDataset:
    """Give the faces FER+'s labels, whose file is in or next to the corpus, or in the data folder."""
    votes = ferplus.load(path, *([Path(data_dir).expanduser()] if data_dir else []))
    if votes is None:
        raise FerError(
            f"labels is {labels}, but there is no fer2013new.csv with FER+'s votes next to {path.name}; put it there "
            "(Microsoft's repository FERPlus has it), or set labels to fer2013."
        )
    return ferplus.relabelled(faces, votes, drawn=labels.endswith("_votes"), contempt=labels.startswith("ferplus8"))


def _place(
    name: str, data: DataSettings, data_dir: str, draw: Callable[[], Path], *, missing_ok: bool = False
) -> Place | None:
    """Find a corpus in the user's data folder, or draw a generated one; None if it is missing and may be."""
    if data.source == "generated" and not data_dir:
        return Place(draw())
    data_dir = data_dir or os.environ.get("FER_DATA", "")
    if not data_dir:
        raise FerError(
            f"This profile reads {TITLES[name]} and no data folder was given; set FER_DATA (or data_dir) to the folder "
            f"that contains {name}, or use the smoke profile, which generates faces."
        )
    return finder.find(data_dir, name, missing_ok=missing_ok)


def _absent(name: str, class_names: tuple[str, ...]) -> PhotoSet:
    """Make an empty corpus for one that the data folder lacks; its results are then left out."""
    meta = pd.DataFrame({"label": [], "split": [], "yaw": []}).astype({"label": int, "yaw": float})
    return PhotoSet(meta, class_names, name, Path(os.devnull), (), notes={"absent": "not in the data folder"})


def _drawn(corpus: str, size: int | str, write: Callable[[Path], object], *, writer: ModuleType = writers) -> Path:
    """Give the folder of a generated corpus, drawn once into a cache in the corpus's own format."""
    cache = Path(os.environ.get("FER_CACHE") or state.cache_folder(PROJECT / ".cache"))
    drawn_by = code_hash.of(writer)  # a new drawing is a new corpus
    folder = cache / "generated" / f"{corpus}-{size}-{drawn_by}"
    whole = folder.with_name(f"{folder.name}.whole")  # next to it: the folder only has the corpus's own files
    if folder.is_dir() and whole.is_file():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_name(f"{folder.name}.lock")):  # two notebooks start at once in a new copy of the project
        if not (folder.is_dir() and whole.is_file()):
            shutil.rmtree(folder, ignore_errors=True)  # of a run that was killed
            write(folder)
            whole.touch()
    return folder


def _drawn_colour(count: int) -> Path:
    write = partial(writers.write_fer2013_folders, n=count, seed=GENERATED_SEED, colour=True)
    return _drawn("colour", count, write)


def _drawn_fer2013(count: int) -> Path:
    return _drawn("fer2013", count, partial(writers.write_fer2013_csv, n=count, seed=GENERATED_SEED))
