"""Find the data that are attached to a hosted notebook: Kaggle's input folder, or a drive that is mounted in Colab."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from fer_lib.datasets import finder
from fer_lib.datasets.catalog import TITLES
from fer_lib.datasets.finder import MODULES
from fer_lib.datasets.readers import locate
from fer_lib.datasets.readers.archives import visible
from fer_lib.errors import FerError

#: Where services attach data: Kaggle's data sets, whose folders are opened; Colab's drive, by names.
KAGGLE, COLAB = Path("/kaggle/input"), (Path("/content/drive/MyDrive"), Path("/content"))
_DEEP, _MANY = 3, 200  # folders below such a place that are looked into
#: How the names of the corpora's usual downloads begin, in lower case, besides the corpora's own names.
_DOWNLOADS = {"fer2013": ("icml_face_data",), "ckplus": ("ck+", "ckextended", "cohn-kanade", "extended-cohn-kanade")}
_ANYTHING = re.compile(r"archive( ?\(\d+\))?\.zip|train\.csv")  # Kaggle's names for many data sets: these are opened


def use() -> str | None:
    """Set ``$FER_DATA`` to the attached data, unless it is set already, and say what was found.

    Nothing is downloaded, and no token is needed.

    Returns:
        One sentence, or None outside of such services.
    """
    if os.environ.get("FER_DATA"):
        return f"FER_DATA is {os.environ['FER_DATA']}."
    if not any(place.is_dir() for place in (KAGGLE, *COLAB)):
        return None
    for place in (KAGGLE, *COLAB):
        folder, names = _best(place, opened=place == KAGGLE)
        if names:
            os.environ["FER_DATA"] = str(folder)
            listed = ", ".join(TITLES[name] for name in names)
            return f"Data: {folder} ({listed}); the profiles quick and paper use it."
    return (
        "No corpus is attached, so only the profile smoke runs, on generated faces; attach FER-2013 or another corpus "
        "and run this cell again."
    )


def _best(place: Path, *, opened: bool) -> tuple[Path, Sequence[str]]:
    """Find the folder with most corpora at or below a place, the highest one first."""
    best: tuple[Path, Sequence[str]] = (place, ())
    for number, folder in enumerate(_folders(place, _DEEP)):
        if number == _MANY:
            break
        found = _by_content(folder) if opened else _by_name(folder)
        if len(found) > len(best[1]):
            best = (folder, found)
    return best


def _folders(place: Path, deep: int) -> Iterator[Path]:
    """Yield a folder and those below it, level by level."""
    level = [place] if place.is_dir() else []
    for _ in range(deep + 1):
        yield from level
        level = [entry for folder in level for entry in _entries(folder) if entry.is_dir()]


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(entry for entry in folder.iterdir() if visible(entry.name))
    except OSError:
        return []


def _by_name(folder: Path) -> list[str]:
    """List the corpora whose names or usual downloads a folder contains; only files of a name for anything are opened.

    A drive has many files, and each that is opened is fetched.
    """
    entries = _entries(folder)
    names = [entry.name.lower() for entry in entries]
    unclear = [entry for entry, name in zip(entries, names, strict=True) if _ANYTHING.fullmatch(name)]
    return [
        corpus
        for corpus in TITLES
        if any(name.startswith((corpus, *_DOWNLOADS.get(corpus, ()))) for name in names)
        or any(_is(entry, corpus) for entry in unclear)
    ]


def _is(entry: Path, corpus: str) -> bool:
    try:
        return entry.is_file() and locate.contains(entry, MODULES[corpus].recognises)
    except OSError:
        return False


def _by_content(folder: Path) -> list[str]:
    try:
        return [name for name in finder.find_all(folder) if name in MODULES]
    except FerError:
        return []
